package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// accountCommands are those about users, and those that become another one.
func accountCommands() map[string]Command {
	return map[string]Command{
		"id":       command("u,user g,group G,groups n,name r,real", 1, idCommand),
		"whoami":   command("", 1, func(c *cmdline) int { fmt.Fprintln(c.p.Stdout(), c.p.User().Name); return 0 }),
		"logname":  command("", 1, func(c *cmdline) int { fmt.Fprintln(c.p.Stdout(), c.p.User().Name); return 0 }),
		"groups":   command("", 1, groupsCommand),
		"getent":   command("s,service= i", 1, getentCommand),
		"sudo":     sudoCommand,
		"su":       suCommand,
		"useradd":  command("m,create-home M r,system u,uid= g,gid= G,groups= d,home-dir= s,shell= c,comment= N U o", 2, useraddCommand),
		"groupadd": command("g,gid= r,system f,force o", 2, groupaddCommand),
		"usermod":  command("a,append G,groups= s,shell= d,home= L U aG=", 2, usermodCommand),
		"nologin": func(_ context.Context, p *Process, _ []string) int {
			fmt.Fprintln(p.Stdout(), "This account is currently not available.")
			return 1
		},
	}
}

func (c *cmdline) groupNames(u User) []string {
	var out []string
	for _, g := range u.Groups {
		out = append(out, c.p.world.groupName(g))
	}
	return out
}

func idCommand(c *cmdline) int {
	u := c.p.User()
	w := c.p.world
	if len(c.args) > 0 {
		var ok bool
		if u, ok = w.LookupUser(c.args[0]); !ok {
			n, err := strconv.Atoi(c.args[0])
			if u, ok = w.LookupUID(n); err != nil || !ok {
				c.p.Errorf("%s: no such user", gnuQuote(c.args[0]))
				return 1
			}
		}
	}
	numbers := func(list []int) string {
		var out []string
		for _, n := range list {
			out = append(out, strconv.Itoa(n))
		}
		return strings.Join(out, " ")
	}
	var text string
	switch {
	case c.has("u") && c.has("n"):
		text = u.Name
	case c.has("u"):
		text = strconv.Itoa(u.UID)
	case c.has("g") && c.has("n"):
		text = w.groupName(u.GID)
	case c.has("g"):
		text = strconv.Itoa(u.GID)
	case c.has("G") && c.has("n"):
		text = strings.Join(c.groupNames(u), " ")
	case c.has("G"):
		text = numbers(u.Groups)
	default:
		var groups []string
		for _, g := range u.Groups {
			groups = append(groups, fmt.Sprintf("%d(%s)", g, w.groupName(g)))
		}
		text = fmt.Sprintf("uid=%d(%s) gid=%d(%s) groups=%s", u.UID, u.Name, u.GID, w.groupName(u.GID), strings.Join(groups, ","))
	}
	fmt.Fprintln(c.p.Stdout(), text)
	return 0
}

func groupsCommand(c *cmdline) int {
	u, prefix := c.p.User(), ""
	if len(c.args) > 0 {
		var ok bool
		if u, ok = c.p.world.LookupUser(c.args[0]); !ok {
			c.p.Errorf("%s: no such user", gnuQuote(c.args[0]))
			return 1
		}
		prefix = u.Name + " : "
	}
	fmt.Fprintln(c.p.Stdout(), prefix+strings.Join(c.groupNames(u), " "))
	return 0
}

func getentCommand(c *cmdline) int {
	if !c.need(1) {
		return 1
	}
	w := c.p.world
	files := map[string]string{"passwd": "/etc/passwd", "group": "/etc/group", "shadow": "/etc/shadow"}
	switch db := c.args[0]; db {
	case "passwd", "group", "shadow":
		found := len(c.args) == 1
		for _, l := range w.table(files[db]) {
			if len(c.args) == 1 || slices.Contains(c.args[1:], l.field(0)) || slices.Contains(c.args[1:], l.field(2)) {
				fmt.Fprintln(c.p.Stdout(), strings.Join(l, ":"))
				found = true
			}
		}
		return 2 * boolStatus(found)
	case "hosts", "ahosts", "ahostsv4":
		for _, name := range c.args[1:] {
			ip := w.lookupHost(name)
			if ip == "" {
				return 2
			}
			fmt.Fprintf(c.p.Stdout(), "%-15s %s\n", ip, name)
		}
		return 0
	}
	fmt.Fprintf(c.p.Stderr(), "Unknown database: %s\n", c.args[0])
	return 1
}

// lookupHost gives the address of a name inside the lab: from /etc/hosts, then from the lab's name service.
func (w *World) lookupHost(name string) string {
	data, _ := w.fs.ReadFile("/etc/hosts")
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		if f := strings.Fields(line); len(f) > 1 && slices.Contains(f[1:], name) {
			return f[0]
		}
	}
	for _, h := range []*Host{w.lab().byName[name], w.lab().byIP(name)} {
		if h != nil {
			return h.ip
		}
	}
	if name == "localhost" || strings.HasPrefix(name, "127.") {
		return "127.0.0.1"
	}
	return ""
}

// maySudo says whether the account is one that sudo serves: root, or in the group sudo.
func (w *World) maySudo(u User) bool {
	gid, ok := w.lookupGroup("sudo")
	return u.UID == 0 || (ok && slices.Contains(u.Groups, gid))
}

// sudoPassword checks what the account has to prove; with -n it fails where sudo would have to ask.
func (c *cmdline) sudoPassword(u User) bool {
	want := c.p.Host().spec.Password
	if want == "" || u.UID == 0 {
		return true
	}
	if c.has("n") {
		fmt.Fprintln(c.p.Stderr(), "sudo: a password is required")
		return false
	}
	if !c.has("S") {
		fmt.Fprintln(c.p.Stderr(), "sudo: a terminal is required to read the password; either use the -S option to read from standard input or configure an askpass helper\nsudo: a password is required")
		return false
	}
	for range 3 {
		_, _ = io.WriteString(c.p.Stderr(), c.last("p", fmt.Sprintf("[sudo] password for %s: ", u.Name)))
		line, err := readShortLine(c.p.Stdin())
		if line == want {
			return true
		}
		if err != nil {
			fmt.Fprintln(c.p.Stderr(), "\nsudo: no password was provided\nsudo: a password is required")
			return false
		}
		fmt.Fprintln(c.p.Stderr(), "Sorry, try again.")
	}
	fmt.Fprintln(c.p.Stderr(), "sudo: 3 incorrect password attempts")
	return false
}

// readShortLine reads byte by byte, so that what follows stays for the command.
func readShortLine(r io.Reader) (string, error) {
	var line []byte
	var b [1]byte
	for {
		n, err := r.Read(b[:])
		if n == 1 && b[0] == '\n' {
			return string(line), nil
		}
		line = append(line, b[:n]...)
		if err != nil {
			return string(line), err
		}
	}
}

func sudoCommand(_ context.Context, p *Process, argv []string) int {
	c, ok := parse(p, argv, "+ n,non-interactive u,user= g,group= H,set-home S,stdin k,reset-timestamp K v,validate E,preserve-env? i,login s,shell b,background p,prompt= A l,list D,chdir= C= T= h=")
	if !ok {
		return 1
	}
	caller := p.User()
	w := p.world
	target, ok := w.LookupUser(c.last("u", "root"))
	if uid, isID := strings.CutPrefix(c.last("u", "root"), "#"); isID {
		n, err := strconv.Atoi(uid)
		target, ok = w.LookupUID(n)
		ok = ok && err == nil
	}
	if !ok {
		fmt.Fprintf(p.Stderr(), "sudo: unknown user %s\nsudo: error initializing audit plugin sudoers_audit\n", c.last("u", ""))
		return 1
	}
	if len(c.args) == 0 && (c.has("k") || c.has("K")) && !c.has("v") {
		return 0
	}
	if !w.maySudo(caller) {
		fmt.Fprintf(p.Stderr(), "%s is not in the sudoers file.\n", caller.Name)
		return 1
	}
	if !c.sudoPassword(caller) {
		return 1
	}
	if c.has("v") || c.has("l") {
		return 0
	}
	env, args := c.sudoEnv(caller, target)
	command := c.args[len(args):]
	if c.has("s") || c.has("i") {
		shell := target.Shell
		if len(command) > 0 {
			command = []string{shell, "-c", strings.Join(command, " ")}
		} else {
			command = []string{shell}
		}
	}
	if len(command) == 0 {
		fmt.Fprintln(p.Stderr(), "usage: sudo -h | -K | -k | -V\nusage: sudo [-AbEHkNnPS] [-u user] [command [arg ...]]")
		return 1
	}
	return p.asUser(target, env, orDefault(c.last("D", ""), map[bool]string{true: target.Home}[c.has("i")]), command, "sudo")
}

// sudoEnv is the environment that sudo gives, and the assignments at the front of its operands.
func (c *cmdline) sudoEnv(caller, target User) (env, assignments []string) {
	for _, a := range c.args {
		if i := strings.IndexByte(a, '='); i < 1 || strings.ContainsAny(a[:i], "/ -") {
			break
		}
		assignments = append(assignments, a)
	}
	if c.has("E") && c.last("E", "") == "" {
		env = c.p.Environ()
	} else {
		for _, name := range append(strings.Split(c.last("E", ""), ","), "TERM", "LANG", "LC_ALL", "LC_CTYPE", "DISPLAY") {
			if v, ok := c.p.lookupEnv(name); ok && name != "" {
				env = append(env, name+"="+v)
			}
		}
	}
	env = setEnv(env, append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + target.Home, "SHELL=" + target.Shell,
		"USER=" + target.Name, "LOGNAME=" + target.Name, "MAIL=/var/mail/" + target.Name,
		"SUDO_USER=" + caller.Name, "SUDO_UID=" + strconv.Itoa(caller.UID), "SUDO_GID=" + strconv.Itoa(caller.GID), "SUDO_COMMAND=" + strings.Join(c.args[len(assignments):], " "),
	}, assignments...)...)
	return env, assignments
}

// asUser runs a command as somebody else, in a child that waits for it; signals that p gets go on to the child.
func (p *Process) asUser(u User, env []string, dir string, argv []string, tool string) int {
	child := p.fork(spawn{argv: argv, env: env, user: &u})
	if dir != "" {
		child.cwd = dir
	}
	p.OnSignal(func(sig Signal) bool {
		child.Signal(sig)
		return true
	})
	child.run(func(c *Process) int {
		path, err := c.LookPath(argv[0])
		if err == nil {
			err = c.view().executable(path)
		}
		if err == nil {
			return c.execPath(path, argv)
		}
		if errors.Is(err, syscall.ENOENT) && tool == "sudo" {
			fmt.Fprintf(c.Stderr(), "sudo: %s: command not found\n", argv[0])
			return 1
		}
		fmt.Fprintf(c.Stderr(), "%s: failed to execute %s: %s\n", tool, argv[0], strerror(err))
		return 126
	})
	st := p.wait(child)
	if st.signal != 0 {
		p.OnSignal(nil)
		p.Signal(st.signal)
	}
	return st.shell()
}

func suCommand(_ context.Context, p *Process, argv []string) int {
	login := false
	args := argv[1:]
	shell, text := "", ""
	var rest []string
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "-" || arg == "-l" || arg == "--login":
			login = true
		case (arg == "-c" || arg == "--command" || arg == "-s" || arg == "--shell") && len(args) > 0:
			if arg == "-c" || arg == "--command" {
				text = args[0]
			} else {
				shell = args[0]
			}
			args = args[1:]
		case arg == "-m" || arg == "-p":
		case strings.HasPrefix(arg, "-"):
			p.Errorf("unrecognized option '%s'", arg)
			return 1
		default:
			rest = append(rest, arg)
		}
	}
	name := "root"
	if len(rest) > 0 {
		name = rest[0]
	}
	target, ok := p.world.LookupUser(name)
	if !ok {
		p.Errorf("user %s does not exist or the user entry does not contain all the required fields", name)
		return 1
	}
	if p.User().UID != 0 {
		p.Errorf("Authentication failure")
		return 1
	}
	command := []string{orDefault(shell, target.Shell)}
	if text != "" {
		command = append(command, "-c", text)
	}
	env := setEnv(p.Environ(), "HOME="+target.Home, "SHELL="+command[0], "USER="+target.Name, "LOGNAME="+target.Name)
	dir := ""
	if login {
		env = []string{"HOME=" + target.Home, "SHELL=" + command[0], "USER=" + target.Name, "LOGNAME=" + target.Name, "PATH=" + loginPath(target)}
		dir = target.Home
	}
	return p.asUser(target, env, dir, command, "su")
}

// appendLine adds a line to a table such as /etc/passwd.
func (c *cmdline) appendLine(path, line string) error {
	data, err := c.p.ReadFile(path)
	if err != nil {
		return err
	}
	info, err := c.p.Stat(path)
	if err != nil {
		return err
	}
	return c.p.WriteFile(path, append(data, line+"\n"...), info.Bits.Perm())
}

func (w *World) freeID(path string, system bool) int {
	used := map[int]bool{}
	for _, l := range w.table(path) {
		used[l.number(2)] = true
	}
	if system {
		for id := 998; ; id-- {
			if !used[id] {
				return id
			}
		}
	}
	for id := 1000; ; id++ {
		if !used[id] {
			return id
		}
	}
}

func useraddCommand(c *cmdline) int {
	if !c.need(1) {
		return 2
	}
	w, name := c.p.world, c.args[0]
	if _, there := w.LookupUser(name); there {
		c.p.Errorf("user '%s' already exists", name)
		return 9
	}
	uid := w.freeID("/etc/passwd", c.has("r"))
	if text := c.last("u", ""); text != "" {
		uid, _ = strconv.Atoi(text)
	}
	gid := uid
	if text := c.last("g", ""); text != "" {
		var err error
		if gid, err = w.groupID(text); err != nil {
			c.p.Errorf("group '%s' does not exist", text)
			return 6
		}
	} else if err := c.appendLine("/etc/group", fmt.Sprintf("%s:x:%d:", name, gid)); err != nil {
		c.p.Errorf("cannot open /etc/group: %s", strerror(err))
		return 10
	}
	home := c.last("d", "/home/"+name)
	line := fmt.Sprintf("%s:x:%d:%d:%s:%s:%s", name, uid, gid, c.last("c", ""), home, c.last("s", "/bin/sh"))
	if err := c.appendLine("/etc/passwd", line); err != nil {
		c.p.Errorf("cannot open /etc/passwd: %s", strerror(err))
		return 1
	}
	if c.has("m") {
		v := c.p.view()
		_ = v.mkdirAll(home, 0o755)
		_ = v.chown(home, uid, gid, true)
	}
	if groups := c.last("G", ""); groups != "" {
		return c.joinGroups(name, groups)
	}
	return 0
}

func groupaddCommand(c *cmdline) int {
	if !c.need(1) {
		return 2
	}
	w, name := c.p.world, c.args[0]
	if _, there := w.lookupGroup(name); there {
		if c.has("f") {
			return 0
		}
		c.p.Errorf("group '%s' already exists", name)
		return 9
	}
	gid := w.freeID("/etc/group", c.has("r"))
	if text := c.last("g", ""); text != "" {
		gid, _ = strconv.Atoi(text)
	}
	if err := c.appendLine("/etc/group", fmt.Sprintf("%s:x:%d:", name, gid)); err != nil {
		c.p.Errorf("cannot open /etc/group: %s", strerror(err))
		return 10
	}
	return 0
}

func usermodCommand(c *cmdline) int {
	if !c.need(1) {
		return 2
	}
	if _, there := c.p.world.LookupUser(c.args[0]); !there {
		c.p.Errorf("user '%s' does not exist", c.args[0])
		return 6
	}
	if groups := c.last("G", ""); groups != "" {
		return c.joinGroups(c.args[0], groups)
	}
	return 0
}

func (c *cmdline) joinGroups(user, groups string) int {
	table := c.p.world.table("/etc/group")
	for name := range strings.SplitSeq(groups, ",") {
		i := slices.IndexFunc(table, func(l passwdLine) bool { return l.field(0) == name })
		if i < 0 {
			c.p.Errorf("group '%s' does not exist", name)
			return 6
		}
		members := strings.FieldsFunc(table[i].field(3), func(r rune) bool { return r == ',' })
		if !slices.Contains(members, user) {
			table[i] = passwdLine{table[i].field(0), table[i].field(1), table[i].field(2), strings.Join(append(members, user), ",")}
		}
	}
	var b strings.Builder
	for _, l := range table {
		b.WriteString(strings.Join(l, ":") + "\n")
	}
	if err := c.p.WriteFile("/etc/group", []byte(b.String()), 0o644); err != nil {
		c.p.Errorf("cannot open /etc/group: %s", strerror(err))
		return 10
	}
	return 0
}
