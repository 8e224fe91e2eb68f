package lab

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

const (
	aptLists = "/var/lib/apt/lists/lab_debian_dists_bookworm_InRelease"
	dpkgLock = "/var/lib/dpkg/lock-frontend"
)

// packageCommands are dpkg and apt.
func packageCommands() map[string]Command {
	return map[string]Command{
		"dpkg":       command("s,status l,list L,listfiles W,show i,install r,remove P,purge S,search print-architecture f,showformat= configure a force-confold no-pager compare-versions", 2, dpkgCommand),
		"dpkg-query": command("s,status l,list L,listfiles W,show S,search f,showformat= no-pager", 2, dpkgCommand),
		"apt-get":    aptCommand,
		"apt":        aptCommand,
		"apt-cache":  command("q n", 100, aptCacheCommand),
	}
}

func dpkgCommand(c *cmdline) int {
	f := c.p.world.fs
	have := installed(f)
	switch {
	case c.has("print-architecture"):
		fmt.Fprintln(c.p.Stdout(), c.p.Host().spec.Arch)
		return 0
	case c.has("s"):
		return c.dpkgStatus(have)
	case c.has("W"):
		return c.dpkgShow(have)
	case c.has("l"):
		return c.dpkgList(have)
	case c.has("L"):
		return c.dpkgFiles(have)
	case c.has("S"):
		return c.dpkgSearch(have)
	case c.has("configure") && c.has("a"):
		return 0
	case c.has("r") || c.has("P"):
		return c.aptRemove(c.args)
	case c.has("compare-versions") && len(c.args) == 3:
		return boolStatus(versionRelation(compareVersions(c.args[0], c.args[2]), c.args[1]))
	}
	fmt.Fprintln(c.p.Stderr(), "dpkg: error: need an action option that is simulated: -s -l -L -W -S -r -P")
	return 2
}

func versionRelation(order int, relation string) bool {
	switch relation {
	case "lt", "<":
		return order < 0
	case "le", "<=":
		return order <= 0
	case "eq", "=":
		return order == 0
	case "ne":
		return order != 0
	case "ge", ">=":
		return order >= 0
	}
	return order > 0
}

func (c *cmdline) dpkgStatus(have map[string]string) int {
	code := 0
	for _, name := range c.args {
		version, ok := have[name]
		if !ok {
			fmt.Fprintf(c.p.Stderr(), "dpkg-query: package '%s' is not installed and no information is available\nUse dpkg --info (= dpkg-deb --info) to examine archive files.\n", name)
			code = 1
			continue
		}
		fmt.Fprintf(c.p.Stdout(), "Package: %s\nStatus: install ok installed\nPriority: optional\nArchitecture: %s\nVersion: %s\nDescription: %s\n\n",
			name, c.p.Host().spec.Arch, version, c.p.world.lab().packages[name].Description)
	}
	return code
}

func (c *cmdline) dpkgShow(have map[string]string) int {
	format, _ := formatEscapes(c.last("f", "${Package}\\t${Version}\\n"), escapesFormat)
	names := c.args
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(have))
	}
	code := 0
	for _, pat := range names {
		found := false
		for _, name := range slices.Sorted(maps.Keys(have)) {
			if !matchPattern(pat, name) {
				continue
			}
			found = true
			_, _ = c.p.Stdout().Write([]byte(strings.NewReplacer(
				"${Package}", name, "${Version}", have[name], "${Status}", "install ok installed", "${db:Status-Status}", "installed",
				"${Architecture}", c.p.Host().spec.Arch, "${binary:Package}", name, "${db:Status-Abbrev}", "ii ",
			).Replace(format)))
		}
		if !found {
			fmt.Fprintf(c.p.Stderr(), "dpkg-query: no packages found matching %s\n", pat)
			code = 1
		}
	}
	return code
}

func (c *cmdline) dpkgList(have map[string]string) int {
	patterns := c.args
	if len(patterns) == 0 {
		patterns = []string{"*"}
	}
	var rows []string
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if slices.ContainsFunc(patterns, func(pat string) bool { return matchPattern(pat, name) }) {
			rows = append(rows, fmt.Sprintf("ii  %-20s %-20s %-12s %s", name, have[name], c.p.Host().spec.Arch, c.p.world.lab().packages[name].Description))
		}
	}
	if len(rows) == 0 {
		fmt.Fprintf(c.p.Stderr(), "dpkg-query: no packages found matching %s\n", patterns[0])
		return 1
	}
	fmt.Fprintf(c.p.Stdout(), "Desired=Unknown/Install/Remove/Purge/Hold\n| Status=Not/Inst/Conf-files/Unpacked/halF-conf/Half-inst/trig-aWait/Trig-pend\n|/ Err?=(none)/Reinst-required (Status,Err: uppercase=bad)\n||/ %-20s %-20s %-12s %s\n%s\n",
		"Name", "Version", "Architecture", "Description", strings.Join(rows, "\n"))
	return 0
}

// paths lists the files of a package.
func (p Package) paths() []string {
	return slices.Sorted(maps.Keys(merge(p.Files, p.Programs)))
}

func merge(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, b)
	return out
}

func (c *cmdline) dpkgFiles(have map[string]string) int {
	code := 0
	for _, name := range c.args {
		if have[name] == "" {
			fmt.Fprintf(c.p.Stderr(), "dpkg-query: package '%s' is not installed\n", name)
			code = 1
			continue
		}
		for _, file := range c.p.world.lab().packages[name].paths() {
			fmt.Fprintln(c.p.Stdout(), file)
		}
	}
	return code
}

func (c *cmdline) dpkgSearch(have map[string]string) int {
	code := 0
	for _, want := range c.args {
		found := false
		for _, name := range slices.Sorted(maps.Keys(have)) {
			for _, file := range c.p.world.lab().packages[name].paths() {
				if file == want || path.Base(file) == want || matchPattern(want, file) {
					fmt.Fprintf(c.p.Stdout(), "%s: %s\n", name, file)
					found = true
				}
			}
		}
		if !found {
			fmt.Fprintf(c.p.Stderr(), "dpkg-query: no path found matching pattern %s\n", want)
			code = 1
		}
	}
	return code
}

func aptCommand(_ context.Context, p *Process, argv []string) int {
	c, ok := parse(p, argv, "y,yes,assume-yes q,quiet no-install-recommends no-install-suggests o,option= f,fix-broken purge reinstall allow-downgrades allow-unauthenticated allow-change-held-packages d,download-only s,simulate,dry-run,just-print t,target-release= V m,fix-missing only-upgrade auto-remove autoremove")
	if !ok {
		return 100
	}
	if len(c.args) == 0 {
		fmt.Fprintln(p.Stdout(), "apt 2.6.1 (amd64)")
		return 1
	}
	verb, names := c.args[0], c.args[1:]
	if p.User().UID != 0 && verb != "list" && verb != "show" {
		fmt.Fprintf(p.Stderr(), "E: Could not open lock file %s - open (13: Permission denied)\nE: Unable to acquire the dpkg frontend lock (%s), are you root?\n", dpkgLock, dpkgLock)
		return 100
	}
	unlock, ok := c.aptLock()
	if !ok {
		return 100
	}
	defer unlock()
	switch verb {
	case "update":
		return c.aptUpdate()
	case "install":
		return c.aptInstall(names)
	case "remove", "purge":
		return c.aptRemove(names)
	case "clean", "autoclean", "autoremove", "upgrade", "dist-upgrade", "full-upgrade", "check":
		fmt.Fprintln(p.Stdout(), "Reading package lists...\nBuilding dependency tree...\n0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.")
		return 0
	}
	fmt.Fprintf(p.Stderr(), "E: Invalid operation %s\n", verb)
	return 100
}

// aptLock takes dpkg's lock, which only one may hold.
func (c *cmdline) aptLock() (unlock func(), ok bool) {
	d, err := c.p.openFile(dpkgLock, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		fmt.Fprintf(c.p.Stderr(), "E: Could not open lock file %s - open (%s)\n", dpkgLock, strerror(err))
		return nil, false
	}
	f, isFile := d.stream.(*File)
	if isFile && f.flock(c.p.ctx, d, true, false) != nil {
		d.release()
		fmt.Fprintf(c.p.Stderr(), "E: Could not get lock %s. It is held by process 1 (apt-get)\nE: Unable to acquire the dpkg frontend lock (%s), is another process using it?\n", dpkgLock, dpkgLock)
		return nil, false
	}
	return d.release, true
}

func (c *cmdline) aptUpdate() int {
	v := c.p.view()
	if err := v.mkdirAll(dirOf(aptLists), 0o755); err != nil {
		fmt.Fprintf(c.p.Stderr(), "E: List directory %s is missing. - %s\n", dirOf(aptLists), strerror(err))
		return 100
	}
	if err := v.writeFile(aptLists, []byte("Origin: lab\n"), 0o644); err != nil {
		fmt.Fprintf(c.p.Stderr(), "E: Failed to write %s: %s\n", aptLists, strerror(err))
		return 100
	}
	fmt.Fprintln(c.p.Stdout(), "Hit:1 http://deb.lab.invalid/debian bookworm InRelease\nReading package lists...")
	return 0
}

func (c *cmdline) aptInstall(names []string) int {
	fmt.Fprintln(c.p.Stdout(), "Reading package lists...\nBuilding dependency tree...\nReading state information...")
	f := c.p.world.fs
	_, listErr := f.Stat(aptLists)
	all := c.p.world.lab().packages
	for i, name := range names {
		name, version, pinned := strings.Cut(name, "=")
		names[i] = name
		p, known := all[name]
		if !known || listErr != nil {
			fmt.Fprintf(c.p.Stderr(), "E: Unable to locate package %s\n", name)
			return 100
		}
		if pinned && version != p.Version {
			fmt.Fprintf(c.p.Stderr(), "E: Version '%s' for '%s' was not found\n", version, name)
			return 100
		}
	}
	list, err := all.closure(names)
	if err != nil {
		fmt.Fprintf(c.p.Stderr(), "E: %v\n", err)
		return 100
	}
	have := installed(f)
	var fresh []Package
	for _, p := range list {
		named := slices.Contains(names, p.Name)
		if have[p.Name] != p.Version || named && c.has("reinstall") {
			fresh = append(fresh, p)
		} else if named {
			fmt.Fprintf(c.p.Stdout(), "%s is already the newest version (%s).\n", p.Name, p.Version)
		}
	}
	fmt.Fprintf(c.p.Stdout(), "0 upgraded, %d newly installed, 0 to remove and 0 not upgraded.\n", len(fresh))
	if c.has("s") {
		return 0
	}
	for _, p := range fresh {
		fmt.Fprintf(c.p.Stdout(), "Setting up %s (%s) ...\n", p.Name, p.Version)
		if err := p.unpack(f); err != nil {
			fmt.Fprintf(c.p.Stderr(), "dpkg: error processing package %s (--install):\n %s\nE: Sub-process /usr/bin/dpkg returned an error code (1)\n", p.Name, strerror(err))
			return 100
		}
		if p.Setup != nil {
			p.Setup(c.p)
		}
	}
	return 0
}

func (c *cmdline) aptRemove(names []string) int {
	f := c.p.world.fs
	for _, name := range names {
		p, known := c.p.world.lab().packages[name]
		if !known {
			fmt.Fprintf(c.p.Stderr(), "E: Unable to locate package %s\n", name)
			return 100
		}
		if installed(f)[name] == "" {
			fmt.Fprintf(c.p.Stdout(), "Package '%s' is not installed, so not removed\n", name)
			continue
		}
		fmt.Fprintf(c.p.Stdout(), "Removing %s (%s) ...\n", name, p.Version)
		if err := p.remove(f); err != nil {
			fmt.Fprintf(c.p.Stderr(), "E: %s\n", strerror(err))
			return 100
		}
	}
	return 0
}

func aptCacheCommand(c *cmdline) int {
	if len(c.args) < 2 {
		fmt.Fprintln(c.p.Stderr(), "E: Invalid operation")
		return 100
	}
	all := c.p.world.lab().packages
	for _, name := range c.args[1:] {
		p, ok := all[name]
		if !ok {
			if c.args[0] == "policy" {
				continue
			}
			fmt.Fprintln(c.p.Stderr(), "E: No packages found")
			return 100
		}
		switch c.args[0] {
		case "policy":
			fmt.Fprintf(c.p.Stdout(), "%s:\n  Installed: %s\n  Candidate: %s\n", name, orDefault(installed(c.p.world.fs)[name], "(none)"), p.Version)
		default:
			fmt.Fprintf(c.p.Stdout(), "Package: %s\nVersion: %s\nDescription: %s\n\n", name, p.Version, p.Description)
		}
	}
	return 0
}
