package lab

import (
	"bufio"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// processCommands are those about processes and sockets.
func processCommands() map[string]Command {
	match := "f,full x,exact u,euid= U,uid= P,parent= g,pgroup= s,session= n,newest o,oldest i,ignore-case v,inverse"
	return map[string]Command{
		"kill": func(_ context.Context, p *Process, argv []string) int {
			return killCommand(p, argv, plainReport(p), nil)
		},
		"ps":      psCommand,
		"pgrep":   command(match+" l,list-name a,list-full c,count d,delimiter= w", 2, pgrepCommand),
		"pkill":   pkillCommand(match + " signal= e,echo c,count"),
		"killall": killallCommand,
		"pidof":   command("s x c q o=", 1, pidofCommand),
		"ss":      command("l,listening t,tcp n,numeric p,processes H,no-header u,udp a,all 4,ipv4 6,ipv6 x,unix e o", 255, ssCommand),
	}
}

func plainReport(p *Process) func(string, ...any) {
	return func(format string, args ...any) {
		fmt.Fprintf(p.Stderr(), "%s\n", strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
	}
}

// psColumn is one column of ps.
type psColumn struct {
	header string
	left   bool
	value  func(p *Process) string
}

func psColumnFor(name string, now time.Time) (psColumn, bool) {
	ids := func(i int) func(*Process) string {
		return func(p *Process) string {
			ppid, pgid, sid := p.ids()
			return strconv.Itoa([]int{ppid, pgid, sid}[i])
		}
	}
	fixed := func(text string) func(*Process) string { return func(*Process) string { return text } }
	args := func(p *Process) string { return strings.Join(p.Argv(), " ") }
	user := func(p *Process) string { return p.User().Name }
	elapsed := func(p *Process) time.Duration { return now.Sub(p.start) }
	switch name {
	case "pid":
		return psColumn{"PID", false, func(p *Process) string { return strconv.Itoa(p.pid) }}, true
	case "ppid":
		return psColumn{"PPID", false, ids(0)}, true
	case "pgid", "pgrp":
		return psColumn{"PGID", false, ids(1)}, true
	case "sid", "sess", "session":
		return psColumn{"SID", false, ids(2)}, true
	case "user", "euser", "ruser", "uname":
		return psColumn{"USER", true, user}, true
	case "uid", "euid":
		return psColumn{"UID", false, func(p *Process) string { return strconv.Itoa(p.User().UID) }}, true
	case "comm", "ucmd", "ucomm":
		return psColumn{"COMMAND", true, (*Process).comm}, true
	case "args", "cmd", "command":
		return psColumn{map[string]string{"cmd": "CMD"}[name], true, args}, true
	case "stat", "state", "s":
		return psColumn{"S", true, fixed("S")}, true
	case "tty", "tt", "tname":
		return psColumn{"TT", true, fixed("?")}, true
	case "time", "cputime":
		return psColumn{"TIME", false, fixed("00:00:00")}, true
	case "etimes":
		return psColumn{"ELAPSED", false, func(p *Process) string { return strconv.Itoa(int(elapsed(p).Seconds())) }}, true
	case "etime":
		return psColumn{"ELAPSED", false, func(p *Process) string {
			d := elapsed(p)
			return fmt.Sprintf("%02d:%02d", int(d.Minutes()), int(d.Seconds())%60)
		}}, true
	case "lstart":
		return psColumn{"STARTED", true, func(p *Process) string { return p.start.UTC().Format("Mon Jan _2 15:04:05 2006") }}, true
	case "pcpu", "%cpu", "pmem", "%mem":
		return psColumn{"%" + strings.ToUpper(strings.Trim(name, "p%")), false, fixed("0.0")}, true
	case "rss", "vsz", "nice", "ni", "pri", "nlwp":
		return psColumn{strings.ToUpper(name), false, fixed("0")}, true
	}
	return psColumn{}, false
}

func psCommand(_ context.Context, p *Process, argv []string) int {
	if len(argv) > 1 && !strings.HasPrefix(argv[1], "-") { // BSD style
		if strings.Trim(argv[1], "auxwfe") != "" {
			p.Errorf("unsupported option (BSD syntax)")
			return 1
		}
		return psShow(p, p.world.Processes(), psAux(p))
	}
	c, ok := parse(p, argv, "e A a f F l o,format= p,pid= u,user= U= C= H w no-headers,no-heading ppid= g= s= sort= T x")
	if !ok {
		return 1
	}
	all := p.world.Processes()
	selected := slices.DeleteFunc(slices.Clone(all), func(q *Process) bool { return !c.psSelects(q) })
	formats := c.value["o"]
	if len(formats) == 0 {
		formats = []string{"pid,tty,time,comm=CMD"}
		if c.has("f") || c.has("F") {
			formats = []string{"user=UID,pid,ppid,pcpu=C,lstart=STIME,tty=TTY,time,cmd"}
		}
	}
	var columns []psColumn
	for _, f := range formats {
		for name := range strings.FieldsFuncSeq(f, func(r rune) bool { return r == ',' || r == ' ' }) {
			name, header, renamed := strings.Cut(name, "=")
			col, ok := psColumnFor(strings.ToLower(name), p.world.now())
			if !ok {
				p.Errorf("error: unknown user-defined format specifier %q", name)
				return 1
			}
			if renamed {
				col.header = header
			} else if col.header == "" {
				col.header = "COMMAND"
			}
			columns = append(columns, col)
		}
	}
	if c.has("no-headers") {
		for i := range columns {
			columns[i].header = ""
		}
	}
	if len(selected) == 0 {
		psShow(p, nil, columns)
		return 1
	}
	return psShow(p, selected, columns)
}

func (c *cmdline) psSelects(q *Process) bool {
	list := func(text string) []string {
		return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	}
	ppid, _, sid := q.ids()
	chosen := false
	for name, value := range map[string]string{
		"p": strconv.Itoa(q.pid), "u": q.User().Name, "U": q.User().Name, "C": q.comm(), "ppid": strconv.Itoa(ppid), "s": strconv.Itoa(sid), "g": strconv.Itoa(sid),
	} {
		for _, text := range c.value[name] {
			chosen = true
			if slices.Contains(list(text), value) {
				return true
			}
		}
	}
	if c.has("e") || c.has("A") {
		return true
	}
	_, _, mine := c.p.ids()
	return !chosen && (sid == mine || c.has("a"))
}

func psAux(p *Process) []psColumn {
	var out []psColumn
	for _, name := range []string{"user", "pid", "%cpu", "%mem", "vsz", "rss", "tty", "stat", "lstart", "time", "command"} {
		col, _ := psColumnFor(name, p.world.now())
		col.header = map[string]string{"command": "COMMAND", "lstart": "START", "stat": "STAT", "tty": "TTY"}[name] + map[bool]string{true: col.header}[name != "command" && name != "lstart" && name != "stat" && name != "tty"]
		out = append(out, col)
	}
	return out
}

func psShow(p *Process, list []*Process, columns []psColumn) int {
	var rows [][]string
	head := make([]string, len(columns))
	heading := false
	for i, c := range columns {
		head[i] = c.header
		heading = heading || c.header != ""
	}
	if heading {
		rows = append(rows, head)
	}
	for _, q := range list {
		row := make([]string, len(columns))
		for i, c := range columns {
			row[i] = c.value(q)
		}
		rows = append(rows, row)
	}
	widths := make([]int, len(columns))
	for i, c := range columns {
		if !c.left {
			widths[i] = 5
		}
		for _, r := range rows {
			widths[i] = max(widths[i], len(r[i]))
		}
	}
	w := bufio.NewWriter(p.Stdout())
	for _, r := range rows {
		for i, cell := range r {
			if i > 0 {
				_ = w.WriteByte(' ')
			}
			switch {
			case !columns[i].left:
				fmt.Fprintf(w, "%*s", widths[i], cell)
			case i == len(r)-1:
				_, _ = w.WriteString(cell)
			default:
				fmt.Fprintf(w, "%-*s", widths[i], cell)
			}
		}
		_ = w.WriteByte('\n')
	}
	if w.Flush() != nil {
		return 1
	}
	return 0
}

// matching lists the processes that pgrep and pkill mean: never themselves.
func (c *cmdline) matching() ([]*Process, bool) {
	pattern := strings.Join(c.args, " ")
	if c.has("x") {
		pattern = "^(" + pattern + ")$"
	}
	if c.has("i") {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		c.p.Errorf("pattern error")
		return nil, false
	}
	if len(c.args) == 0 && len(c.order) == 0 {
		c.p.Errorf("no matching criteria specified\nTry `%s --help' for more information.", c.p.name())
		return nil, false
	}
	var out []*Process
	for _, q := range c.p.world.Processes() {
		text := q.comm()
		if c.has("f") {
			text = strings.Join(q.Argv(), " ")
		}
		ppid, pgid, sid := q.ids()
		ok := re.MatchString(text)
		for name, value := range map[string]int{"P": ppid, "g": pgid, "s": sid} {
			if c.has(name) {
				ok = ok && slices.Contains(strings.Split(c.last(name, ""), ","), strconv.Itoa(value))
			}
		}
		if u := c.last("u", c.last("U", "")); u != "" {
			id, _ := c.p.world.userID(u)
			ok = ok && q.User().UID == id
		}
		if q != c.p && ok != c.has("v") {
			out = append(out, q)
		}
	}
	if len(out) > 1 && c.has("n") {
		out = out[len(out)-1:]
	}
	if len(out) > 1 && c.has("o") {
		out = out[:1]
	}
	return out, true
}

func pgrepCommand(c *cmdline) int {
	list, ok := c.matching()
	if !ok {
		return 2
	}
	if c.has("c") {
		fmt.Fprintln(c.p.Stdout(), len(list))
		return boolStatus(len(list) > 0)
	}
	var lines []string
	for _, q := range list {
		line := strconv.Itoa(q.pid)
		switch {
		case c.has("a"):
			line += " " + strings.Join(q.Argv(), " ")
		case c.has("l"):
			line += " " + q.comm()
		}
		lines = append(lines, line)
	}
	if len(lines) > 0 {
		fmt.Fprintln(c.p.Stdout(), strings.Join(lines, c.last("d", "\n")))
	}
	return boolStatus(len(list) > 0)
}

func pkillCommand(spec string) Command {
	return func(_ context.Context, p *Process, argv []string) int {
		sig := SIGTERM
		for i, arg := range argv[1:] {
			if s, ok := parseSignal(strings.TrimPrefix(arg, "-")); ok && strings.HasPrefix(arg, "-") && len(arg) > 1 && (len(arg) > 2 || arg[1] >= '0' && arg[1] <= '9') {
				sig = s
				argv = slices.Delete(slices.Clone(argv), i+1, i+2)
				break
			}
		}
		c, ok := parse(p, argv, spec)
		if !ok {
			return 2
		}
		if text := c.last("signal", ""); text != "" {
			if sig, ok = parseSignal(text); !ok {
				p.Errorf("unknown signal name %q", text)
				return 2
			}
		}
		list, ok := c.matching()
		if !ok {
			return 2
		}
		return boolStatus(c.signalAll(list, sig) > 0)
	}
}

func (c *cmdline) signalAll(list []*Process, sig Signal) int {
	n := 0
	for _, q := range list {
		if err := c.p.kill(q.pid, sig); err != nil {
			c.p.Errorf("killing pid %d failed: %s", q.pid, strerror(err))
			continue
		}
		n++
	}
	return n
}

func killallCommand(_ context.Context, p *Process, argv []string) int {
	sig := SIGTERM
	c := &cmdline{p: p}
	code := 1
	for _, arg := range argv[1:] {
		if strings.HasPrefix(arg, "-") {
			if s, ok := parseSignal(arg[1:]); ok {
				sig = s
			}
			continue
		}
		var list []*Process
		for _, q := range p.world.Processes() {
			if q.comm() == arg && q != p {
				list = append(list, q)
			}
		}
		if len(list) == 0 {
			fmt.Fprintf(p.Stderr(), "%s: no process found\n", arg)
			continue
		}
		if c.signalAll(list, sig) > 0 {
			code = 0
		}
	}
	return code
}

func pidofCommand(c *cmdline) int {
	var pids []string
	for _, q := range slices.Backward(c.p.world.Processes()) {
		if slices.Contains(c.args, q.comm()) || slices.Contains(c.args, q.executable()) {
			pids = append(pids, strconv.Itoa(q.pid))
		}
	}
	if len(pids) == 0 {
		return 1
	}
	if c.has("s") {
		pids = pids[:1]
	}
	fmt.Fprintln(c.p.Stdout(), strings.Join(pids, " "))
	return 0
}

func ssCommand(c *cmdline) int {
	if c.has("u") || c.has("x") {
		c.p.Errorf("only TCP is simulated")
		return 255
	}
	ports, ok := c.ssFilter()
	if !ok {
		return 255
	}
	w := bufio.NewWriter(c.p.Stdout())
	if !c.has("H") {
		fmt.Fprintf(w, "%-7s%-7s%-7s%19s%18s %s\n", "State", "Recv-Q", "Send-Q", "Local Address:Port", "Peer Address:Port", "Process")
	}
	if c.has("l") || c.has("a") {
		for _, l := range c.p.world.net.Listeners() {
			if len(ports) > 0 && !slices.Contains(ports, l.Port) {
				continue
			}
			owner := ""
			if c.has("p") && c.p.maySignal(l.Process) {
				owner = fmt.Sprintf("users:((%q,pid=%d,fd=3))", l.Process.comm(), l.Process.pid)
			}
			fmt.Fprintf(w, "%-7s%-7d%-7d%19s%18s %s\n", "LISTEN", 0, 128, fmt.Sprintf("%s:%d", l.Address, l.Port), "0.0.0.0:*", owner)
		}
	}
	if w.Flush() != nil {
		return 1
	}
	return 0
}

// ssFilter reads expressions such as: sport = :2224.
func (c *cmdline) ssFilter() ([]int, bool) {
	text := strings.Trim(strings.Join(c.args, " "), "() ")
	if text == "" {
		return nil, true
	}
	m := regexp.MustCompile(`^sport (?:=|==|eq) :?(\d+)$`).FindStringSubmatch(text)
	if m == nil {
		c.p.Errorf("filter %q is not simulated", text)
		return nil, false
	}
	n, _ := strconv.Atoi(m[1])
	return []int{n}, true
}
