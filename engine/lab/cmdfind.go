package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// searchCommands are those that find files.
func searchCommands() map[string]Command {
	return map[string]Command{
		"find":    findCommand,
		"xargs":   command("+ 0,null n,max-args= I,replace= i! L,max-lines= l! r,no-run-if-empty P,max-procs= d,delimiter= t,verbose s= a,arg-file=", 1, xargsCommand),
		"which":   command("a s", 1, whichCommand),
		"whereis": command("b m s", 1, whereisCommand),
	}
}

// findTest is one node of find's expression.
type findTest func(f *find, path string, info Info, depth int) bool

// find is one run of find.
type find struct {
	p        *Process
	w        *bufio.Writer
	args     []string
	pos      int
	follow   bool
	minDepth int
	maxDepth int
	post     bool // -depth
	acts     bool // has an action: no -print by default
	prune    bool
	quit     bool
	code     int
	batches  []*findBatch
}

// findBatch is a -exec … + in waiting.
type findBatch struct {
	argv  []string
	paths []string
}

func findCommand(_ context.Context, p *Process, argv []string) int {
	f := &find{p: p, maxDepth: 1 << 30, w: bufio.NewWriter(p.Stdout())}
	args := argv[1:]
	for len(args) > 0 && (args[0] == "-L" || args[0] == "-P" || args[0] == "-H") {
		f.follow = args[0] == "-L"
		args = args[1:]
	}
	var paths []string
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") && args[0] != "(" && args[0] != "!" {
		paths = append(paths, args[0])
		args = args[1:]
	}
	if len(paths) == 0 {
		paths = []string{"."}
	}
	f.args = args
	test, err := f.or()
	if err == nil && f.pos < len(f.args) {
		err = fmt.Errorf("paths must precede expression: `%s'", f.args[f.pos])
	}
	if err != nil {
		p.Errorf("%v", err)
		return 1
	}
	if !f.acts {
		inner := test
		test = func(f *find, path string, info Info, depth int) bool {
			if inner(f, path, info, depth) {
				_, _ = f.w.WriteString(path + "\n")
			}
			return true
		}
	}
	for _, path := range paths {
		info, err := f.stat(path)
		if err != nil {
			p.Errorf("%s: %s", gnuQuote(path), strerror(err))
			f.code = 1
			continue
		}
		f.walk(path, info, 0, test)
	}
	for _, b := range f.batches {
		f.runBatch(b)
	}
	if f.w.Flush() != nil {
		return 1
	}
	return f.code
}

func (f *find) stat(path string) (Info, error) {
	if f.follow {
		if info, err := f.p.Stat(path); err == nil {
			return info, nil
		}
	}
	return f.p.Lstat(path)
}

func (f *find) walk(path string, info Info, depth int, test findTest) {
	if f.quit || f.p.ctx.Err() != nil {
		return
	}
	f.prune = false
	if depth >= f.minDepth && !f.post {
		test(f, path, info, depth)
	}
	if info.IsDir() && !f.prune && depth < f.maxDepth {
		entries, err := f.p.view().readDir(path)
		if err != nil {
			f.p.Errorf("%s: %s", gnuQuote(path), strerror(err))
			f.code = 1
		}
		for _, e := range entries {
			sub := strings.TrimRight(path, "/") + "/" + e.Base
			if info, err := f.stat(sub); err == nil {
				f.walk(sub, info, depth+1, test)
			}
		}
	}
	f.prune = false
	if depth >= f.minDepth && f.post {
		test(f, path, info, depth)
	}
}

func (f *find) peek() string {
	if f.pos < len(f.args) {
		return f.args[f.pos]
	}
	return ""
}

func (f *find) or() (findTest, error) {
	left, err := f.and()
	for err == nil && (f.peek() == "-o" || f.peek() == "-or") {
		f.pos++
		var right findTest
		right, err = f.and()
		a := left
		left = func(f *find, path string, info Info, depth int) bool {
			return a(f, path, info, depth) || right(f, path, info, depth)
		}
	}
	return left, err
}

func (f *find) and() (findTest, error) {
	left := findTest(func(*find, string, Info, int) bool { return true })
	for f.pos < len(f.args) && f.peek() != "-o" && f.peek() != "-or" && f.peek() != ")" {
		if f.peek() == "-a" || f.peek() == "-and" {
			f.pos++
			continue
		}
		right, err := f.not()
		if err != nil {
			return nil, err
		}
		a := left
		left = func(f *find, path string, info Info, depth int) bool {
			return a(f, path, info, depth) && right(f, path, info, depth)
		}
	}
	return left, nil
}

func (f *find) not() (findTest, error) {
	switch f.peek() {
	case "!", "-not":
		f.pos++
		inner, err := f.not()
		return func(f *find, path string, info Info, depth int) bool { return !inner(f, path, info, depth) }, err
	case "(":
		f.pos++
		inner, err := f.or()
		if err == nil && f.peek() != ")" {
			err = errors.New("invalid expression; expected to find a ')' but didn't see one")
		}
		f.pos++
		return inner, err
	}
	return f.primary()
}

func (f *find) argument(name string) (string, error) {
	if f.pos >= len(f.args) {
		return "", fmt.Errorf("missing argument to `%s'", name)
	}
	f.pos++
	return f.args[f.pos-1], nil
}

func always(*find, string, Info, int) bool { return true }

func (f *find) primary() (findTest, error) {
	name := f.peek()
	f.pos++
	switch name {
	case "-print", "-print0", "-delete", "-prune", "-quit", "-ls":
		return f.action(name), nil
	case "-exec", "-ok", "-execdir":
		return f.exec()
	case "-depth", "-d":
		f.post = true
		return always, nil
	case "-xdev", "-mount", "-noleaf", "-follow", "-daystart":
		return always, nil
	case "-true":
		return always, nil
	case "-false":
		return func(*find, string, Info, int) bool { return false }, nil
	case "-empty":
		return func(f *find, path string, info Info, _ int) bool {
			if !info.IsDir() {
				return info.Bits.IsRegular() && info.Bytes == 0
			}
			entries, err := f.p.view().readDir(path)
			return err == nil && len(entries) == 0
		}, nil
	case "-readable", "-writable", "-executable":
		right := map[string]Mode{"-readable": mayRead, "-writable": mayWrite, "-executable": mayExec}[name]
		return func(f *find, path string, _ Info, _ int) bool { return f.p.view().access(path, right) == nil }, nil
	case "-maxdepth", "-mindepth":
		arg, err := f.argument(name)
		if err != nil {
			return nil, err
		}
		n, err := strconv.Atoi(arg)
		if err != nil {
			return nil, fmt.Errorf("Expected a positive decimal integer argument to %s, but got %s", name, gnuQuote(arg)) //nolint:staticcheck // find's words
		}
		if name == "-maxdepth" {
			f.maxDepth = n
		} else {
			f.minDepth = n
		}
		return always, nil
	}
	return f.test(name)
}

// test is a primary with one argument.
func (f *find) test(name string) (findTest, error) {
	known := []string{"-name", "-iname", "-path", "-wholename", "-ipath", "-regex", "-type", "-newer", "-size", "-perm", "-user", "-group", "-uid", "-gid", "-mtime", "-mmin", "-links", "-inum", "-samefile", "-lname", "-printf", "-newermt"}
	if !slices.Contains(known, name) {
		return nil, fmt.Errorf("unknown predicate `%s'", name)
	}
	arg, err := f.argument(name)
	if err != nil {
		return nil, err
	}
	switch name {
	case "-name", "-iname", "-path", "-wholename", "-ipath", "-lname":
		return matchTest(f.p.world.lab().regexes, name, arg), nil
	case "-regex":
		re, err := f.p.world.lab().regexes.compile("^("+arg+")$", true, false)
		if err != nil {
			return nil, err
		}
		return func(_ *find, path string, _ Info, _ int) bool { return re.MatchString(path) }, nil
	case "-type":
		types := map[string]Mode{"f": TypeRegular, "d": TypeDir, "l": TypeSymlink, "c": TypeChar, "b": TypeBlock, "p": TypeFifo, "s": TypeSocket}
		var want []Mode
		for t := range strings.SplitSeq(arg, ",") {
			m, ok := types[t]
			if !ok {
				return nil, fmt.Errorf("Unknown argument to -type: %s", t) //nolint:staticcheck // find's words
			}
			want = append(want, m)
		}
		return func(_ *find, _ string, info Info, _ int) bool { return slices.Contains(want, info.Bits.Type()) }, nil
	case "-newer", "-samefile":
		ref, err := f.p.Stat(arg)
		if err != nil {
			return nil, fmt.Errorf("%s: %s", gnuQuote(arg), strerror(err))
		}
		if name == "-samefile" {
			return func(_ *find, _ string, info Info, _ int) bool { return info.same(ref) }, nil
		}
		return func(_ *find, _ string, info Info, _ int) bool { return info.Modified.After(ref.Modified) }, nil
	case "-newermt":
		when, ok := parseDate(arg, f.p.world.now())
		if !ok {
			return nil, fmt.Errorf("I cannot figure out how to interpret %s as a date or time", gnuQuote(arg)) //nolint:staticcheck // find's words
		}
		return func(_ *find, _ string, info Info, _ int) bool { return info.Modified.After(when) }, nil
	case "-perm":
		return permTest(arg)
	case "-user", "-group":
		return ownerTest(f.p.world, name, arg)
	case "-printf":
		f.acts = true
		return func(f *find, path string, info Info, depth int) bool { return f.printf(arg, path, info, depth) }, nil
	}
	return numberTest(name, arg, f.p.world.now())
}

func matchTest(known *regexes, name, arg string) findTest {
	fold := strings.HasPrefix(name, "-i")
	if fold {
		arg = strings.ToLower(arg)
	}
	return func(_ *find, path string, info Info, _ int) bool {
		text := path
		switch name {
		case "-name", "-iname":
			text = path
			if trimmed := strings.TrimRight(path, "/"); trimmed != "" {
				text = trimmed[strings.LastIndexByte(trimmed, '/')+1:]
			}
		case "-lname":
			if info.Bits.Type() != TypeSymlink {
				return false
			}
			text = info.Target
		}
		if fold {
			text = strings.ToLower(text)
		}
		return known.match(arg, text)
	}
}

func permTest(arg string) (findTest, error) {
	kind := byte(0)
	text := arg
	if text != "" && (text[0] == '-' || text[0] == '/') {
		kind, text = text[0], text[1:]
	}
	want, ok := parseMode(text, 0, 0, false)
	if !ok {
		return nil, fmt.Errorf("invalid mode %s", gnuQuote(arg))
	}
	return func(_ *find, _ string, info Info, _ int) bool {
		have := info.Bits.Perm()
		switch kind {
		case '-':
			return have&want == want
		case '/':
			return want == 0 || have&want != 0
		}
		return have == want
	}, nil
}

func ownerTest(w *World, name, arg string) (findTest, error) {
	var id int
	var err error
	if name == "-user" {
		id, err = w.userID(arg)
	} else {
		id, err = w.groupID(arg)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is not the name of a known %s", gnuQuote(arg), name[1:])
	}
	return func(_ *find, _ string, info Info, _ int) bool {
		if name == "-user" {
			return info.UserID == id
		}
		return info.GroupID == id
	}, nil
}

// numberTest compares a number: +n more, -n less, n exactly.
func numberTest(name, arg string, now time.Time) (findTest, error) {
	sign := byte(0)
	text := arg
	if text != "" && (text[0] == '+' || text[0] == '-') {
		sign, text = text[0], text[1:]
	}
	unit := int64(512)
	if name == "-size" && text != "" {
		units := map[byte]int64{'c': 1, 'w': 2, 'b': 512, 'k': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}
		if u, ok := units[text[len(text)-1]]; ok {
			unit, text = u, text[:len(text)-1]
		}
	}
	want, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("invalid argument `%s' to `%s'", arg, name)
	}
	return func(_ *find, _ string, info Info, _ int) bool {
		var have int64
		switch name {
		case "-size":
			have = (info.Bytes + unit - 1) / unit
		case "-uid":
			have = int64(info.UserID)
		case "-gid":
			have = int64(info.GroupID)
		case "-links":
			have = int64(info.Links)
		case "-inum":
			have = int64(info.Ino)
		case "-mtime":
			have = int64(now.Sub(info.Modified) / (24 * time.Hour))
		case "-mmin":
			have = int64((now.Sub(info.Modified) + time.Minute - 1) / time.Minute)
		}
		switch sign {
		case '+':
			return have > want
		case '-':
			return have < want
		}
		return have == want
	}, nil
}

func (f *find) action(name string) findTest {
	f.acts = f.acts || name != "-prune"
	switch name {
	case "-print":
		return func(f *find, path string, _ Info, _ int) bool { _, _ = f.w.WriteString(path + "\n"); return true }
	case "-print0":
		return func(f *find, path string, _ Info, _ int) bool { _, _ = f.w.WriteString(path + "\x00"); return true }
	case "-ls":
		return func(f *find, path string, info Info, _ int) bool {
			fmt.Fprintf(f.w, "%9d %6d %s %3d %-8d %-8d %8d %s %s\n", info.Ino, (info.Bytes+4095)/4096*4, info.permissions(), info.Links, info.UserID, info.GroupID, info.Bytes, info.Modified.Format("Jan _2 15:04"), path)
			return true
		}
	case "-prune":
		return func(f *find, _ string, _ Info, _ int) bool { f.prune = true; return true }
	case "-quit":
		return func(f *find, _ string, _ Info, _ int) bool { f.quit = true; return true }
	}
	f.post = true // -delete
	return func(f *find, path string, info Info, _ int) bool {
		remove := f.p.view().unlink
		if info.IsDir() {
			remove = f.p.view().rmdir
		}
		if err := remove(path); err != nil {
			f.p.Errorf("cannot delete %s: %s", gnuQuote(path), strerror(err))
			f.code = 1
			return false
		}
		return true
	}
}

func (f *find) exec() (findTest, error) {
	f.acts = true
	end := -1
	for i := f.pos; i < len(f.args); i++ {
		if f.args[i] == ";" || (f.args[i] == "+" && i > f.pos && f.args[i-1] == "{}") {
			end = i
			break
		}
	}
	if end < 0 {
		return nil, errors.New("missing argument to `-exec'")
	}
	argv := f.args[f.pos:end]
	f.pos = end + 1
	if f.args[end] == "+" {
		b := &findBatch{argv: argv[:len(argv)-1]}
		f.batches = append(f.batches, b)
		return func(_ *find, path string, _ Info, _ int) bool {
			b.paths = append(b.paths, path)
			return true
		}, nil
	}
	return func(f *find, path string, _ Info, _ int) bool {
		_ = f.w.Flush()
		full := make([]string, len(argv))
		for i, a := range argv {
			full[i] = strings.ReplaceAll(a, "{}", path)
		}
		return f.p.Run(Run{Argv: full}) == 0
	}, nil
}

func (f *find) runBatch(b *findBatch) {
	if len(b.paths) == 0 {
		return
	}
	_ = f.w.Flush()
	if f.p.Run(Run{Argv: append(slices.Clone(b.argv), b.paths...)}) != 0 {
		f.code = 1
	}
}

// printf is -printf.
func (f *find) printf(format, path string, info Info, depth int) bool {
	format, _ = formatEscapes(format, escapesFormat)
	w := f.p.world
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			_ = f.w.WriteByte(format[i])
			continue
		}
		i++
		switch format[i] {
		case 'p':
			_, _ = f.w.WriteString(path)
		case 'f':
			_, _ = f.w.WriteString(path[strings.LastIndexByte(path, '/')+1:])
		case 'h':
			_, _ = f.w.WriteString(orDefault(strings.TrimSuffix(path, "/"+path[strings.LastIndexByte(path, '/')+1:]), "."))
		case 'P':
			parts := strings.SplitN(path, "/", 2)
			_, _ = f.w.WriteString(parts[len(parts)-1])
		case 's':
			fmt.Fprint(f.w, info.Bytes)
		case 'm':
			fmt.Fprintf(f.w, "%o", info.Bits.Perm())
		case 'M':
			_, _ = f.w.WriteString(info.permissions())
		case 'u':
			_, _ = f.w.WriteString(w.userName(info.UserID))
		case 'g':
			_, _ = f.w.WriteString(w.groupName(info.GroupID))
		case 'U':
			fmt.Fprint(f.w, info.UserID)
		case 'G':
			fmt.Fprint(f.w, info.GroupID)
		case 'd':
			fmt.Fprint(f.w, depth)
		case 'i':
			fmt.Fprint(f.w, info.Ino)
		case 'n':
			fmt.Fprint(f.w, info.Links)
		case 'l':
			_, _ = f.w.WriteString(info.Target)
		case 'y':
			_, _ = f.w.WriteString(map[Mode]string{TypeRegular: "f", TypeDir: "d", TypeSymlink: "l", TypeChar: "c", TypeBlock: "b", TypeFifo: "p", TypeSocket: "s"}[info.Bits.Type()])
		case 'T':
			i++
			if i < len(format) && format[i] == '@' {
				fmt.Fprintf(f.w, "%d.%09d0", info.Modified.Unix(), info.Modified.Nanosecond())
			}
		case '%':
			_ = f.w.WriteByte('%')
		}
	}
	return true
}

// xargsWords splits standard input as xargs does.
func (c *cmdline) xargsWords(r io.Reader) ([]string, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	delim := ""
	if c.has("0") {
		delim = "\x00"
	} else if d := c.last("d", ""); d != "" {
		delim, _ = formatEscapes(d, escapesFormat)
	} else if c.has("I") {
		delim = "\n"
	}
	if delim != "" {
		var out []string
		for part := range strings.SplitSeq(string(data), delim) {
			if c.has("I") {
				part = strings.TrimLeft(part, " \t")
				if part == "" {
					continue
				}
			}
			out = append(out, part)
		}
		if n := len(out); n > 0 && out[n-1] == "" {
			out = out[:n-1]
		}
		return out, nil
	}
	return quotedWords(string(data))
}

// quotedWords splits at blanks; quotes and backslashes protect.
func quotedWords(text string) ([]string, error) {
	var out []string
	var cur strings.Builder
	open, quote := false, byte(0)
	for i := 0; i < len(text); i++ {
		ch := text[i]
		switch {
		case quote != 0:
			switch ch {
			case quote:
				quote = 0
			case '\n':
				return nil, errors.New("unmatched quote; by default quotes are special to xargs unless you use the -0 option")
			default:
				cur.WriteByte(ch)
			}
		case ch == '\'' || ch == '"':
			quote, open = ch, true
		case ch == '\\' && i+1 < len(text):
			i++
			cur.WriteByte(text[i])
			open = true
		case ch == ' ' || ch == '\t' || ch == '\n':
			if open {
				out = append(out, cur.String())
				cur.Reset()
				open = false
			}
		default:
			cur.WriteByte(ch)
			open = true
		}
	}
	if quote != 0 {
		return nil, errors.New("unmatched quote; by default quotes are special to xargs unless you use the -0 option")
	}
	if open {
		out = append(out, cur.String())
	}
	return out, nil
}

func xargsCommand(c *cmdline) int {
	argv := c.args
	if len(argv) == 0 {
		argv = []string{"echo"}
	}
	in := c.p.Stdin()
	if file := c.last("a", ""); file != "" {
		f, err := c.p.Open(file)
		if err != nil {
			c.p.Errorf("%s: %s", file, strerror(err))
			return 1
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	words, err := c.xargsWords(in)
	if err != nil {
		c.p.Errorf("%v", err)
		return 1
	}
	size := len(words)
	if n := c.last("n", c.last("L", "")); n != "" {
		if size, err = strconv.Atoi(n); err != nil || size < 1 {
			c.p.Errorf("invalid number %s for -n option", gnuQuote(n))
			return 1
		}
	}
	var runs [][]string
	switch {
	case c.has("I"):
		for _, w := range words {
			full := make([]string, len(argv))
			for i, a := range argv {
				full[i] = strings.ReplaceAll(a, c.last("I", "{}"), w)
			}
			runs = append(runs, full)
		}
	case len(words) == 0:
		if !c.has("r") {
			runs = append(runs, argv)
		}
	default:
		for chunk := range slices.Chunk(words, size) {
			runs = append(runs, append(slices.Clone(argv), chunk...))
		}
	}
	return c.xargsRun(runs)
}

func (c *cmdline) xargsRun(runs [][]string) int {
	code := 0
	for _, argv := range runs {
		if c.has("t") {
			fmt.Fprintln(c.p.Stderr(), strings.Join(argv, " "))
		}
		child := c.p.fork(spawn{argv: argv})
		if old := child.setFD(0, newDescriptor(nullDevice{}, "/dev/null")); old != nil {
			old.release()
		}
		child.run(func(p *Process) int { return p.Exec(argv) })
		status := c.p.wait(child)
		switch {
		case status.signal != 0:
			c.p.Errorf("%s: terminated by signal %d", argv[0], status.signal)
			return 125
		case status.code == 255:
			c.p.Errorf("%s: exited with status 255; aborting", argv[0])
			return 124
		case status.code == 126 || status.code == 127:
			return status.code
		case status.code != 0:
			code = 123
		}
	}
	return code
}

func whichCommand(c *cmdline) int {
	code := 0
	for _, name := range c.args {
		path, err := c.p.LookPath(name)
		if err != nil {
			code = 1
			continue
		}
		if !c.has("s") {
			fmt.Fprintln(c.p.Stdout(), path)
		}
	}
	return code
}

func whereisCommand(c *cmdline) int {
	for _, name := range c.args {
		path, err := c.p.LookPath(name)
		if err != nil {
			path = ""
		}
		fmt.Fprintln(c.p.Stdout(), strings.TrimRight(name+": "+path, " "))
	}
	return 0
}
