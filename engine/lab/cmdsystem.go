package lab

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// systemCommands are those about the machine, and the programs behind some builtins.
func systemCommands() map[string]Command {
	return map[string]Command{
		"true":       func(context.Context, *Process, []string) int { return 0 },
		"false":      func(context.Context, *Process, []string) int { return 1 },
		"test":       func(_ context.Context, p *Process, argv []string) int { return testCommand(p, argv, p.Errorf) },
		"[":          func(_ context.Context, p *Process, argv []string) int { return testCommand(p, argv, p.Errorf) },
		"printf":     func(_ context.Context, p *Process, argv []string) int { return printf(p, argv, p.Errorf) },
		"echo":       echoCommand,
		"pwd":        command("L,logical P,physical", 1, pwdCommand),
		"sleep":      sleepCommand,
		"date":       dateCommand,
		"uname":      command("a,all s,kernel-name n,nodename r,kernel-release v,kernel-version m,machine p,processor i,hardware-platform o,operating-system", 1, unameCommand),
		"arch":       command("", 1, func(c *cmdline) int { fmt.Fprintln(c.p.Stdout(), c.p.Host().machine()); return 0 }),
		"hostname":   command("s,short f,fqdn,long i,ip-address I,all-ip-addresses d,domain F,file=", 1, hostnameCommand),
		"nproc":      command("all ignore=", 1, func(c *cmdline) int { fmt.Fprintln(c.p.Stdout(), cores); return 0 }),
		"free":       command("b,bytes k,kibi m,mebi g,gibi h,human t,total w,wide", 1, freeCommand),
		"uptime":     command("p,pretty s,since", 1, uptimeCommand),
		"reboot":     command("f,force p q now", 1, rebootCommand),
		"shutdown":   command("r,reboot h,halt P,poweroff c k", 1, shutdownCommand),
		"systemctl":  command("q,quiet no-pager no-block now f,force full user p,property= value state= t,type= all", 1, systemctlCommand),
		"logger":     command("t,tag= p,priority= i s,stderr f,file= id?", 1, func(*cmdline) int { return 0 }),
		"ldconfig":   command("p v n", 1, func(*cmdline) int { return 0 }),
		"ldd":        command("v u d r", 1, lddCommand),
		"sysctl":     command("n,values w,write a,all p,load? q,quiet e", 1, sysctlCommand),
		"lsmod":      command("", 1, lsmodCommand),
		"modprobe":   command("q a n", 1, func(*cmdline) int { return 0 }),
		"clear":      command("", 1, func(*cmdline) int { return 0 }),
		"locale":     command("a", 1, func(c *cmdline) int { fmt.Fprintln(c.p.Stdout(), "LANG="+c.p.Getenv("LANG")); return 0 }),
		"mount":      command("t= o= a r bind", 1, mountCommand),
		"mountpoint": command("q d x", 1, mountpointCommand),
		"tty":        command("s,silent,quiet", 2, func(c *cmdline) int { fmt.Fprintln(c.p.Stdout(), "not a tty"); return 1 }),
		"numactl":    command("+ H,hardware s,show N,cpunodebind= m,membind=", 1, func(c *cmdline) int { fmt.Fprintln(c.p.Stdout(), "available: 1 nodes (0)"); return 0 }),
	}
}

func echoCommand(_ context.Context, p *Process, argv []string) int {
	args, newline, escapes := argv[1:], true, false
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "neE") == "" {
		newline = newline && !strings.Contains(args[0], "n")
		if i := strings.LastIndexAny(args[0], "eE"); i > 0 {
			escapes = args[0][i] == 'e'
		}
		args = args[1:]
	}
	text, goes := strings.Join(args, " "), true
	if escapes {
		text, goes = formatEscapes(text, escapesEcho)
	}
	if newline && goes {
		text += "\n"
	}
	if _, err := io.WriteString(p.Stdout(), text); err != nil {
		p.Errorf("write error: %s", strerror(err))
		return 1
	}
	return 0
}

func pwdCommand(c *cmdline) int {
	dir := c.p.Dir()
	if c.has("L") {
		if real, err := c.p.view().realpath(c.p.Getenv("PWD")); err == nil && real == dir {
			dir = c.p.Getenv("PWD")
		}
	}
	fmt.Fprintln(c.p.Stdout(), dir)
	return 0
}

// parseDuration reads a time as sleep and timeout do: seconds, or with s, m, h or d.
func parseDuration(text string) (time.Duration, bool) {
	if text == "infinity" || text == "inf" {
		return 1<<63 - 1, true
	}
	unit := time.Second
	if text != "" {
		units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
		if u, ok := units[text[len(text)-1]]; ok {
			unit, text = u, text[:len(text)-1]
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	return time.Duration(n * float64(unit)), true
}

func sleepCommand(_ context.Context, p *Process, argv []string) int {
	if len(argv) < 2 {
		p.Errorf("missing operand")
		return 1
	}
	var total time.Duration
	for _, arg := range argv[1:] {
		d, ok := parseDuration(arg)
		if !ok {
			p.Errorf("invalid time interval %s", gnuQuote(arg))
			return 1
		}
		if total += d; total < 0 {
			total = 1<<63 - 1
		}
	}
	p.sleep(total)
	return 0
}

func dateCommand(_ context.Context, p *Process, argv []string) int {
	c, ok := parse(p, argv, "u,utc,universal d,date= r,reference= R,rfc-email I,iso-8601! rfc-3339= s,set=")
	if !ok {
		return 1
	}
	if c.has("s") {
		p.Errorf("cannot set date: Operation not permitted")
		return 1
	}
	now := p.world.now().UTC()
	if text := c.last("d", ""); text != "" {
		when, ok := parseDate(text, now)
		if !ok {
			p.Errorf("invalid date %s", gnuQuote(text))
			return 1
		}
		now = when.UTC()
	}
	if ref := c.last("r", ""); ref != "" {
		info, err := p.Stat(ref)
		if err != nil {
			p.Errorf("%s: %s", ref, strerror(err))
			return 1
		}
		now = info.Modified.UTC()
	}
	format := "%a %b %e %H:%M:%S UTC %Y"
	switch {
	case c.has("R"):
		format = "%a, %d %b %Y %H:%M:%S +0000"
	case c.has("rfc-3339"):
		format = "%Y-%m-%d %H:%M:%S+00:00"
	case c.has("I"):
		format = map[string]string{"": "%Y-%m-%d", "date": "%Y-%m-%d", "hours": "%Y-%m-%dT%H+00:00", "minutes": "%Y-%m-%dT%H:%M+00:00", "seconds": "%Y-%m-%dT%H:%M:%S+00:00", "ns": "%Y-%m-%dT%H:%M:%S,%N+00:00"}[c.last("I", "")]
	}
	for _, arg := range c.args {
		if !strings.HasPrefix(arg, "+") {
			p.Errorf("invalid date %s", gnuQuote(arg))
			return 1
		}
		format = arg[1:]
	}
	fmt.Fprintln(p.Stdout(), formatDate(now, format))
	return 0
}

// formatDate is strftime in the C locale.
func formatDate(t time.Time, format string) string {
	layouts := map[byte]string{
		'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'y': "06", 'e': "_2", 'b': "Jan", 'h': "Jan", 'B': "January",
		'a': "Mon", 'A': "Monday", 'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'D': "01/02/06", 'Z': "MST", 'z': "-0700", 'I': "03", 'p': "PM", 'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05", 'j': "002",
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		width := ""
		for i < len(format)-1 && (format[i] == '-' || (format[i] >= '0' && format[i] <= '9')) {
			width += string(format[i])
			i++
		}
		switch c := format[i]; c {
		case 's':
			b.WriteString(strconv.FormatInt(t.Unix(), 10))
		case 'N':
			text := fmt.Sprintf("%09d", t.Nanosecond())
			if n, err := strconv.Atoi(width); err == nil && n < 9 {
				text = text[:n]
			}
			b.WriteString(text)
		case 'u':
			b.WriteString(strconv.Itoa((int(t.Weekday())+6)%7 + 1))
		case 'w':
			b.WriteString(strconv.Itoa(int(t.Weekday())))
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case '%':
			b.WriteByte('%')
		default:
			layout, ok := layouts[c]
			if !ok {
				b.WriteString("%" + string(c))
				continue
			}
			text := t.Format(layout)
			if width == "-" {
				text = strings.TrimLeft(text, "0 ")
			}
			b.WriteString(text)
		}
	}
	return b.String()
}

// machine is the hardware name of uname -m.
func (h *Host) machine() string {
	switch h.spec.Arch {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return h.spec.Arch
}

func unameCommand(c *cmdline) int {
	m := c.p.Host().machine()
	fields := []struct{ name, value string }{
		{"s", "Linux"}, {"n", c.p.world.hostName()}, {"r", kernelRelease}, {"v", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1"}, {"m", m}, {"o", "GNU/Linux"},
	}
	var out []string
	for _, f := range fields {
		if c.has(f.name) || c.has("a") || (len(c.order) == 0 && f.name == "s") || (f.name == "m" && (c.has("p") || c.has("i"))) {
			out = append(out, f.value)
		}
	}
	fmt.Fprintln(c.p.Stdout(), strings.Join(out, " "))
	return 0
}

func hostnameCommand(c *cmdline) int {
	w := c.p.world
	switch {
	case len(c.args) > 0:
		if c.p.User().UID != 0 {
			c.p.Errorf("you must be root to change the host name")
			return 1
		}
		w.setHostName(c.args[0])
	case c.has("i") || c.has("I"):
		fmt.Fprintln(c.p.Stdout(), w.host.ip)
	case c.has("s"):
		short, _, _ := strings.Cut(w.hostName(), ".")
		fmt.Fprintln(c.p.Stdout(), short)
	case c.has("d"):
		_, domain, _ := strings.Cut(w.hostName(), ".")
		fmt.Fprintln(c.p.Stdout(), domain)
	default:
		fmt.Fprintln(c.p.Stdout(), w.hostName())
	}
	return 0
}

func freeCommand(c *cmdline) int {
	total, free, cached := int64(1585423360), int64(1502345216), int64(22046912)
	show := func(kib int64) string {
		switch {
		case c.has("b"):
			return strconv.FormatInt(kib<<10, 10)
		case c.has("m"):
			return strconv.FormatInt(kib>>10, 10)
		case c.has("g"):
			return strconv.FormatInt(kib>>20, 10)
		case c.has("h"):
			return humanSize(kib<<10) + "i"
		}
		return strconv.FormatInt(kib, 10)
	}
	fmt.Fprintf(c.p.Stdout(), "%7s%12s%12s%12s%12s%12s%12s\n", "", "total", "used", "free", "shared", "buff/cache", "available")
	fmt.Fprintf(c.p.Stdout(), "%-7s%12s%12s%12s%12s%12s%12s\n", "Mem:", show(total), show(total-free-cached), show(free), show(8192), show(cached), show(free+cached))
	fmt.Fprintf(c.p.Stdout(), "%-7s%12s%12s%12s\n", "Swap:", show(0), show(0), show(0))
	return 0
}

func uptimeCommand(c *cmdline) int {
	up := c.p.world.uptime()
	switch {
	case c.has("s"):
		fmt.Fprintln(c.p.Stdout(), c.p.world.bootTime.UTC().Format("2006-01-02 15:04:05"))
	case c.has("p"):
		fmt.Fprintf(c.p.Stdout(), "up %d minutes\n", int(up.Minutes()))
	default:
		fmt.Fprintf(c.p.Stdout(), " %s up %d min,  0 users,  load average: 0.08, 0.03, 0.01\n", c.p.world.now().UTC().Format("15:04:05"), int(up.Minutes()))
	}
	return 0
}

// mayReboot says whether p may take the machine down, and complains if not.
func (c *cmdline) mayReboot() bool {
	if c.p.User().UID != 0 {
		fmt.Fprintln(c.p.Stderr(), "Call to Reboot failed: Interactive authentication required.")
		return false
	}
	if c.p.world.name != "" {
		fmt.Fprintln(c.p.Stderr(), "System has not been booted with systemd as init system (PID 1). Can't operate.")
		return false
	}
	return true
}

func rebootCommand(c *cmdline) int {
	if !c.mayReboot() {
		return 1
	}
	c.p.Host().Reboot()
	return 0
}

func shutdownCommand(c *cmdline) int {
	if c.has("c") {
		return 0
	}
	if !c.has("r") {
		c.p.Errorf("only shutdown -r is simulated")
		return 1
	}
	return rebootCommand(c)
}

func systemctlCommand(c *cmdline) int {
	if len(c.args) == 0 {
		c.p.Errorf("needs a verb here")
		return 1
	}
	verb, unit := c.args[0], strings.TrimSuffix(strings.Join(c.args[1:], " "), ".service")
	if verb == "reboot" {
		return rebootCommand(c)
	}
	if c.p.world.name != "" {
		fmt.Fprintln(c.p.Stderr(), "System has not been booted with systemd as init system (PID 1). Can't operate.\nFailed to connect to bus: Host is down")
		return 1
	}
	if unit == "docker" && slices.Contains([]string{"start", "stop", "restart"}, verb) {
		return c.p.Host().Containers().control(verb)
	}
	running := c.p.world.unitRuns(unit)
	switch verb {
	case "is-active":
		text := "inactive"
		if running {
			text = "active"
		}
		if !c.has("q") {
			fmt.Fprintln(c.p.Stdout(), text)
		}
		return 3 * boolStatus(running)
	case "is-system-running":
		fmt.Fprintln(c.p.Stdout(), "running")
	case "is-enabled":
		fmt.Fprintln(c.p.Stdout(), "enabled")
	case "daemon-reload", "enable", "disable", "start", "restart", "reload", "stop", "mask", "unmask", "reset-failed":
		if unit != "" && !running && verb != "stop" && verb != "disable" {
			fmt.Fprintf(c.p.Stderr(), "Failed to %s %s.service: Unit %s.service not found.\n", verb, unit, unit)
			return 5
		}
	case "status":
		if !running {
			fmt.Fprintf(c.p.Stderr(), "Unit %s.service could not be found.\n", unit)
			return 4
		}
		fmt.Fprintf(c.p.Stdout(), "● %s.service\n     Active: active (running)\n", unit)
	default:
		c.p.Errorf("Unknown command verb %s.", verb)
		return 1
	}
	return 0
}

// unitRuns says whether a process of the world is the daemon of a unit.
func (w *World) unitRuns(unit string) bool {
	name := strings.Fields(unit + " ")
	if len(name) == 0 {
		return false
	}
	want := map[string]string{"ssh": "sshd", "docker": "dockerd"}[name[0]]
	want = orDefault(want, name[0])
	return slices.ContainsFunc(w.Processes(), func(p *Process) bool { return p.comm() == want })
}

func lddCommand(c *cmdline) int {
	if !c.need(1) {
		return 1
	}
	for _, path := range c.args {
		data, err := c.p.ReadFile(path)
		if err != nil {
			fmt.Fprintf(c.p.Stderr(), "ldd: %s: %s\n", path, strerror(err))
			return 1
		}
		if !strings.HasPrefix(string(data), programMagic) {
			fmt.Fprintln(c.p.Stdout(), "\tnot a dynamic executable")
			return 1
		}
		fmt.Fprint(c.p.Stdout(), "\tlinux-vdso.so.1 (0x00007ffc00000000)\n")
		c.p.showLibraries(c.p.Stdout(), c.p.Abs(path))
		fmt.Fprint(c.p.Stdout(), "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f0000000000)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f0000200000)\n")
	}
	return 0
}

func sysctlCommand(c *cmdline) int {
	code := 0
	for _, arg := range c.args {
		name, _, write := strings.Cut(arg, "=")
		path := "/proc/sys/" + strings.ReplaceAll(strings.TrimSpace(name), ".", "/")
		data, err := c.p.ReadFile(path)
		switch {
		case err != nil:
			fmt.Fprintf(c.p.Stderr(), "sysctl: cannot stat %s: %s\n", path, strerror(err))
			code = 1
		case write:
			fmt.Fprintf(c.p.Stderr(), "sysctl: permission denied on key %q\n", name)
			code = 1
		case c.has("n"):
			_, _ = c.p.Stdout().Write(data)
		default:
			fmt.Fprintf(c.p.Stdout(), "%s = %s", name, data)
		}
	}
	return code
}

func lsmodCommand(c *cmdline) int {
	fmt.Fprintln(c.p.Stdout(), "Module                  Size  Used by")
	for line := range strings.Lines(string(c.p.Host().modules())) {
		f := strings.Fields(line)
		fmt.Fprintf(c.p.Stdout(), "%-20s %8s  %s\n", f[0], f[1], f[2])
	}
	return 0
}

func mountCommand(c *cmdline) int {
	if len(c.args) > 0 || len(c.order) > 0 {
		c.p.Errorf("only listing is simulated")
		return 1
	}
	fmt.Fprint(c.p.Stdout(), "/dev/nvme0n1p2 on / type ext4 (rw,relatime)\nproc on /proc type proc (rw,nosuid,nodev,noexec,relatime)\ntmpfs on /run type tmpfs (rw,nosuid,nodev)\n")
	return 0
}

func mountpointCommand(c *cmdline) int {
	if !c.need(1) {
		return 1
	}
	path, err := c.p.view().realpath(c.args[0])
	is := err == nil && slices.Contains([]string{"/", "/proc", "/run"}, path)
	if !c.has("q") {
		text := " is not a mountpoint"
		if is {
			text = " is a mountpoint"
		}
		fmt.Fprintln(c.p.Stdout(), c.args[0]+text)
	}
	return boolStatus(is) * 32
}
