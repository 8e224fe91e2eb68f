package lab

import "maps"

// allCommands is the code of every program there can be on a lab host, by the name in its file (see Program).
func allCommands() map[string]Command {
	all := map[string]Command{}
	for _, set := range []map[string]Command{
		shellCommands(),
	} {
		maps.Copy(all, set)
	}
	return all
}

// standardPrograms are those that every host has without a package of the catalogue.
func standardPrograms() []string { return []string{"sh"} }

// programPath is where a standard program lies.
func programPath(name string) string {
	switch name {
	case "sshd", "reboot", "useradd", "groupadd", "ldconfig", "ip":
		return "/usr/sbin/" + name
	}
	return "/usr/bin/" + name
}
