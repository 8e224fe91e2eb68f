package lab

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// escapeStyle says which backslash sequences count.
type escapeStyle int

const (
	escapesEcho   escapeStyle = iota // \0ddd octal, \c ends everything: echo and %b
	escapesFormat                    // \ddd octal: the format of printf
)

var simpleEscapes = map[byte]byte{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '\\': '\\', 'e': 0x1b}

// formatEscapes replaces backslash sequences; goes is false where \c said that nothing more is to be written.
func formatEscapes(s string, style escapeStyle) (out string, goes bool) {
	if !strings.Contains(s, `\`) {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		c := s[i]
		to, simple := simpleEscapes[c]
		switch {
		case simple && (c != 'e' || style == escapesFormat):
			b.WriteByte(to)
		case c == 'c' && style == escapesEcho:
			return b.String(), false
		case c == '"' || c == '\'':
			if style == escapesEcho {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		case c >= '0' && c <= '7':
			digits := 3
			if style == escapesEcho && c == '0' {
				i++
			}
			value, used := 0, 0
			for used < digits && i < len(s) && s[i] >= '0' && s[i] <= '7' {
				value = value*8 + int(s[i]-'0')
				used++
				i++
			}
			i--
			b.WriteByte(byte(value))
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

// printer is one call of printf.
type printer struct {
	out    strings.Builder
	args   []string
	used   bool // an argument was taken in this round
	status int
	stop   bool
	report func(string, ...any)
}

func printf(p *Process, args []string, report func(string, ...any)) int {
	args = args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		report("printf: usage: printf format [arg ...]")
		return 2
	}
	f := &printer{args: args[1:], report: report}
	for {
		f.used = false
		f.round(args[0])
		if f.stop || !f.used || len(f.args) == 0 {
			break
		}
	}
	if f.out.Len() > 0 {
		if _, err := io.WriteString(p.Stdout(), f.out.String()); err != nil {
			report("printf: I/O error")
			return 1
		}
	}
	return f.status
}

func (f *printer) next() string {
	f.used = true
	if len(f.args) == 0 {
		return ""
	}
	arg := f.args[0]
	f.args = f.args[1:]
	return arg
}

// round goes through the format once.
func (f *printer) round(format string) {
	for len(format) > 0 && !f.stop {
		i := strings.IndexByte(format, '%')
		if i < 0 {
			i = len(format)
		}
		text, goes := formatEscapes(format[:i], escapesFormat)
		f.out.WriteString(text)
		f.stop = !goes
		format = format[i:]
		if format == "" {
			return
		}
		if strings.HasPrefix(format, "%%") {
			f.out.WriteByte('%')
			format = format[2:]
			continue
		}
		format = f.directive(format)
	}
}

// directive writes one % sequence and gives what follows it.
func (f *printer) directive(format string) string {
	spec := "%"
	i := 1
	for ; i < len(format) && strings.IndexByte("-+ #0123456789.*", format[i]) >= 0; i++ {
		if format[i] == '*' {
			spec += strconv.FormatInt(f.number(f.next()), 10)
			continue
		}
		spec += string(format[i])
	}
	if i == len(format) {
		f.report("printf: %%%s: invalid directive", format[1:])
		f.status, f.stop = 1, true
		return ""
	}
	switch c := format[i]; c {
	case 's':
		fmt.Fprintf(&f.out, spec+"s", f.next())
	case 'b':
		text, goes := formatEscapes(f.next(), escapesEcho)
		fmt.Fprintf(&f.out, spec+"s", text)
		f.stop = !goes
	case 'c':
		arg := f.next()
		fmt.Fprintf(&f.out, spec+"s", arg[:min(1, len(arg))])
	case 'd', 'i':
		fmt.Fprintf(&f.out, spec+"d", f.number(f.next()))
	case 'u':
		fmt.Fprintf(&f.out, spec+"d", uint64(f.number(f.next())))
	case 'o', 'x', 'X':
		fmt.Fprintf(&f.out, spec+string(c), uint64(f.number(f.next())))
	case 'e', 'f', 'g', 'E', 'F', 'G':
		arg := f.next()
		n, err := strconv.ParseFloat(orDefault(arg, "0"), 64)
		if err != nil {
			f.bad(arg)
		}
		fmt.Fprintf(&f.out, spec+string(c), n)
	default:
		f.report("printf: %%%c: invalid directive", c)
		f.status, f.stop = 1, true
	}
	return format[i+1:]
}

func (f *printer) bad(arg string) {
	f.report("printf: %s: expected numeric value", arg)
	f.status = 1
}

func (f *printer) number(arg string) int64 {
	if arg == "" {
		return 0
	}
	if arg[0] == '\'' || arg[0] == '"' {
		if len(arg) == 1 {
			return 0
		}
		return int64(arg[1])
	}
	n, err := strconv.ParseInt(arg, 0, 64)
	if err == nil {
		return n
	}
	if u, uerr := strconv.ParseUint(arg, 0, 64); uerr == nil {
		return int64(u) // two's complement
	}
	digits := strings.IndexFunc(strings.TrimLeft(arg, "+-"), func(r rune) bool { return r < '0' || r > '9' })
	if digits > 0 {
		n, _ = strconv.ParseInt(arg[:len(arg)-len(strings.TrimLeft(arg, "+-"))+digits], 10, 64)
		f.report("printf: %s: not completely converted", arg)
		f.status = 1
		return n
	}
	f.bad(arg)
	return 0
}
