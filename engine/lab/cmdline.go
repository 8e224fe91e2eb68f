package lab

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
)

// optionKind says what an option takes.
type optionKind int

const (
	optFlag optionKind = iota
	optValue
	optMaybe // a value only when it is attached: --color[=when]
	optShort // the same for the short form too: -i[.bak]
)

// cmdline is a parsed command line. Options go by the first of their names.
type cmdline struct {
	p     *Process
	set   map[string]bool
	value map[string][]string
	order []string // options as they came
	args  []string
}

// has says whether an option was given.
func (c *cmdline) has(name string) bool { return c.set[name] }

// last is the last value of an option, or fallback.
func (c *cmdline) last(name, fallback string) string {
	if v := c.value[name]; len(v) > 0 {
		return v[len(v)-1]
	}
	return fallback
}

// lastOf is the one among names that was given last, "" if none.
func (c *cmdline) lastOf(names ...string) string {
	for i := len(c.order) - 1; i >= 0; i-- {
		for _, n := range names {
			if c.order[i] == n {
				return n
			}
		}
	}
	return ""
}

// grammar is what options a program has. The text form is words of names separated by commas, the short ones first:
// "n,lines= q,quiet color? i,in-place!"; = takes a value, ? may have one attached, ! in the short form too. A + in front of all stops at the first operand,
// as it does for programs that run others.
type grammar struct {
	names map[string]string
	kinds map[string]optionKind
	stop  bool
}

func parseGrammar(spec string) grammar {
	g := grammar{names: map[string]string{}, kinds: map[string]optionKind{}}
	for word := range strings.FieldsSeq(spec) {
		if word == "+" {
			g.stop = true
			continue
		}
		kind := optFlag
		switch word[len(word)-1] {
		case '=':
			kind = optValue
		case '?':
			kind = optMaybe
		case '!':
			kind = optShort
		}
		word = strings.TrimRight(word, "=?!")
		names := strings.Split(word, ",")
		for _, n := range names {
			g.names[n] = names[0]
		}
		g.kinds[names[0]] = kind
	}
	return g
}

// long finds a long option by its name or an unambiguous beginning of it.
func (g grammar) long(name string) (string, bool) {
	if first, ok := g.names[name]; ok && len(name) > 1 {
		return first, true
	}
	found := ""
	for have, first := range g.names {
		if len(have) > 1 && strings.HasPrefix(have, name) {
			if found != "" && found != first {
				return "", false
			}
			found = first
		}
	}
	return found, found != ""
}

// parse reads the command line as getopt_long does. On a mistake it says what is wrong, as GNU programs do, and ok is
// false; the caller exits with its usual code for that.
func parse(p *Process, argv []string, spec string) (c *cmdline, ok bool) {
	g := parseGrammar(spec)
	c = &cmdline{p: p, set: map[string]bool{}, value: map[string][]string{}}
	rest := argv[1:]
	for len(rest) > 0 {
		arg := rest[0]
		rest = rest[1:]
		switch {
		case arg == "--":
			c.args = append(c.args, rest...)
			return c, true
		case strings.HasPrefix(arg, "--"):
			rest, ok = c.long(g, arg, rest)
		case len(arg) > 1 && arg[0] == '-':
			rest, ok = c.short(g, arg, rest)
		default:
			c.args = append(c.args, arg)
			if g.stop {
				c.args = append(c.args, rest...)
				return c, true
			}
			continue
		}
		if !ok {
			fmt.Fprintf(p.Stderr(), "Try '%s --help' for more information.\n", p.name())
			return c, false
		}
	}
	return c, true
}

func (c *cmdline) put(name, value string) {
	c.set[name] = true
	c.order = append(c.order, name)
	c.value[name] = append(c.value[name], value)
}

func (c *cmdline) long(g grammar, arg string, rest []string) ([]string, bool) {
	name, value, attached := strings.Cut(arg[2:], "=")
	first, ok := g.long(name)
	switch {
	case !ok:
		c.p.Errorf("unrecognized option '%s'", arg)
		return rest, false
	case attached && g.kinds[first] == optFlag:
		c.p.Errorf("option '--%s' doesn't allow an argument", name)
		return rest, false
	case !attached && g.kinds[first] == optValue:
		if len(rest) == 0 {
			c.p.Errorf("option '--%s' requires an argument", name)
			return rest, false
		}
		value, rest = rest[0], rest[1:]
	}
	c.put(first, value)
	return rest, true
}

func (c *cmdline) short(g grammar, arg string, rest []string) ([]string, bool) {
	for i := 1; i < len(arg); i++ {
		first, ok := g.names[arg[i:i+1]]
		if !ok {
			c.p.Errorf("invalid option -- '%c'", arg[i])
			return rest, false
		}
		switch kind := g.kinds[first]; {
		case kind == optShort:
			c.put(first, arg[i+1:])
			return rest, true
		case kind != optValue:
			c.put(first, "")
			continue
		case i+1 < len(arg):
			c.put(first, arg[i+1:])
		case len(rest) > 0:
			c.put(first, rest[0])
			rest = rest[1:]
		default:
			c.p.Errorf("option requires an argument -- '%c'", arg[i])
			return rest, false
		}
		return rest, true
	}
	return rest, true
}

// command makes a Command of a function that gets a parsed command line. usage is the exit code of a wrong one.
func command(spec string, usage int, run func(c *cmdline) int) Command {
	return func(_ context.Context, p *Process, argv []string) int {
		c, ok := parse(p, argv, spec)
		if !ok {
			return usage
		}
		return run(c)
	}
}

// need complains about missing operands, as GNU programs do.
func (c *cmdline) need(n int) bool {
	if len(c.args) >= n {
		return true
	}
	if len(c.args) == 0 {
		c.p.Errorf("missing operand")
	} else {
		c.p.Errorf("missing operand after %s", gnuQuote(c.args[len(c.args)-1]))
	}
	c.tryHelp()
	return false
}

func (c *cmdline) tryHelp() {
	fmt.Fprintf(c.p.Stderr(), "Try '%s --help' for more information.\n", c.p.name())
}

// gnuQuote quotes a name for a message, as coreutils does in the C locale.
func gnuQuote(s string) string {
	return shellEscapeQuote(s)
}

// gnuName is a name as cat and others show it: quoted only where a shell would need it.
func gnuName(s string) string {
	plain := s != "" && strings.IndexByte("#~", s[0]) < 0
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] > ' ' && s[i] < 0x7f && strings.IndexByte("!\"$&'()*;<=>?[\\^`|", s[i]) < 0
	}
	if plain {
		return s
	}
	return shellEscapeQuote(s)
}

// shellEscapeQuote is coreutils' shell-escape-always style.
func shellEscapeQuote(s string) string {
	control := strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
	if strings.Contains(s, "'") && !control && !strings.ContainsAny(s, "\"$`\\") {
		return `"` + s + `"`
	}
	var b strings.Builder
	b.WriteByte('\'')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\'':
			b.WriteString(`'\''`)
		case c == '\n':
			b.WriteString(`'$'\n''`)
		case c == '\t':
			b.WriteString(`'$'\t''`)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `'$'\%03o''`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// inputs calls visit for every operand, - and none being standard input. It says whether all could be opened.
func (c *cmdline) inputs(visit func(name string, r io.Reader) error) int {
	names := c.args
	if len(names) == 0 {
		names = []string{"-"}
	}
	code := 0
	for _, name := range names {
		if err := c.input(name, visit); err != nil {
			c.cannotRead(name, err)
			code = 1
		}
	}
	return code
}

// cannotRead says so in the program's own words.
func (c *cmdline) cannotRead(name string, err error) {
	switch c.p.name() {
	case "head", "tail":
		c.p.Errorf("cannot open %s for reading: %s", gnuQuote(name), strerror(err))
	case "sed":
		c.p.Errorf("can't read %s: %s", name, strerror(err))
	case "sort":
		c.p.Errorf("cannot read: %s: %s", name, strerror(err))
	default:
		c.p.Errorf("%s: %s", gnuName(name), strerror(err))
	}
}

func (c *cmdline) input(name string, visit func(name string, r io.Reader) error) error {
	if name == "-" {
		return visit(name, c.p.Stdin())
	}
	f, err := c.p.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return visit(name, f)
}

// buffered runs body with a buffered standard output and gives 1 where that could not be written.
func (c *cmdline) buffered(body func(w *bufio.Writer) int) int {
	w := bufio.NewWriterSize(c.p.Stdout(), 4<<10)
	code := body(w)
	if err := w.Flush(); err != nil && code == 0 {
		c.p.Errorf("write error: %s", strerror(err))
		return 1
	}
	return code
}

// pour is io.Copy with a buffer of the lab's.
func (c *cmdline) pour(to io.Writer, from io.Reader) (int64, error) {
	buf, back := c.p.world.lab().work.buffer()
	defer back()
	return io.CopyBuffer(to, from, buf)
}
