package lab

import (
	"maps"
	"slices"
)

// standardCommands are the programs that every host has.
func standardCommands() map[string]Command {
	return merged(
		shellCommands(), fileCommands(), linkCommands(), statCommands(), textCommands(), sortCommands(), digestCommands(), searchCommands(),
		grepCommands(), sedCommands(), awkCommands(), diffCommands(), binaryCommands(), archiveCommands(),
		systemCommands(), processCommands(), accountCommands(), wrapperCommands(), packageCommands(),
	)
}

// packagedCommands are the programs that are there where a package or an image brings their files.
func packagedCommands() map[string]Command {
	return merged(sshCommands(), rocmCommands(), downloadCommands(), dockerCommands())
}

// allCommands is the code of every program there can be on a lab host, by the name in its file (see Program).
func allCommands() map[string]Command { return merged(standardCommands(), packagedCommands()) }

func merged(sets ...map[string]Command) map[string]Command {
	all := map[string]Command{}
	for _, set := range sets {
		maps.Copy(all, set)
	}
	return all
}

// standardPrograms are the names of the programs that every host has.
func standardPrograms() []string { return slices.Sorted(maps.Keys(standardCommands())) }

// programPath is where a standard program lies.
func programPath(name string) string {
	switch name {
	case "reboot", "shutdown", "poweroff", "useradd", "groupadd", "usermod", "ldconfig", "sysctl", "nologin", "start-stop-daemon", "modprobe", "lsmod":
		return "/usr/sbin/" + name
	}
	return "/usr/bin/" + name
}
