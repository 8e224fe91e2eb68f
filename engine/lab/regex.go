package lab

import (
	"fmt"
	"regexp"
	"strings"
)

// posixRegex translates a POSIX expression, basic or extended, to RE2. Back references are not there: RE2 has none.
func posixRegex(expr string, extended bool) (string, error) {
	var b strings.Builder
	start := true // at the beginning of a branch, where * is literal in a basic expression
	for i := 0; i < len(expr); i++ {
		c := expr[i]
		switch {
		case c == '[':
			end := bracketEnd(expr, i)
			if end < 0 {
				return "", fmt.Errorf("Unmatched [, [^, [:, [., or [=") //nolint:staticcheck // grep's words
			}
			b.WriteString(bracket(expr[i : end+1]))
			i = end
		case c == '\\' && i+1 < len(expr):
			i++
			if err := escapedAtom(&b, expr[i], extended); err != nil {
				return "", err
			}
			start = !extended && (expr[i] == '(' || expr[i] == '|')
			continue
		case c == '\\':
			return "", fmt.Errorf("Trailing backslash") //nolint:staticcheck // grep's words
		case !extended && strings.IndexByte("(){}|+?", c) >= 0:
			b.WriteString(`\` + string(c))
		case c == '*' && start && !extended:
			b.WriteString(`\*`)
		case c == '^' && !extended && i > 0 && !start:
			b.WriteString(`\^`)
		case c == '$' && !extended && i+1 < len(expr) && !strings.HasPrefix(expr[i+1:], `\)`) && !strings.HasPrefix(expr[i+1:], `\|`):
			b.WriteString(`\$`)
		case c == '{' && extended && (i+1 == len(expr) || expr[i+1] < '0' || expr[i+1] > '9'):
			b.WriteString(`\{`)
		default:
			b.WriteByte(c)
		}
		start = c == '^' && (i == 0 || start)
	}
	return b.String(), nil
}

// escapedAtom writes what \c means.
func escapedAtom(b *strings.Builder, c byte, extended bool) error {
	switch {
	case c >= '1' && c <= '9':
		return fmt.Errorf("back references are not simulated")
	case strings.IndexByte("(){}|+?", c) >= 0:
		if extended {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	case c == '<' || c == '>':
		b.WriteString(`\b`)
	case strings.IndexByte("wWsSbB", c) >= 0:
		b.WriteString(`\` + string(c))
	case c == 'n':
		b.WriteString(`\n`)
	case c == 't':
		b.WriteString(`\t`)
	case c == '`':
		b.WriteString(`\A`)
	case c == '\'':
		b.WriteString(`\z`)
	default:
		b.WriteString(regexp.QuoteMeta(string(c)))
	}
	return nil
}

// bracketEnd finds the ] that closes the bracket expression at i.
func bracketEnd(expr string, i int) int {
	j := i + 1
	if j < len(expr) && expr[j] == '^' {
		j++
	}
	if j < len(expr) && expr[j] == ']' {
		j++
	}
	for ; j < len(expr); j++ {
		if expr[j] == '[' && j+1 < len(expr) && strings.IndexByte(":.=", expr[j+1]) >= 0 {
			if end := strings.Index(expr[j+2:], string(expr[j+1])+"]"); end >= 0 {
				j += end + 3
				continue
			}
		}
		if expr[j] == ']' {
			return j
		}
	}
	return -1
}

// bracket translates a bracket expression: a backslash in it is an ordinary character.
func bracket(text string) string {
	body := text[1 : len(text)-1]
	out := "["
	if strings.HasPrefix(body, "^") {
		out, body = "[^", body[1:]
	}
	for i := 0; i < len(body); i++ {
		if strings.HasPrefix(body[i:], "[:") {
			if end := strings.Index(body[i:], ":]"); end >= 0 {
				out += body[i : i+end+2]
				i += end + 1
				continue
			}
		}
		switch c := body[i]; c {
		case '\\', '[', ']', '^', '&', '~':
			out += `\` + string(c)
		default:
			out += string(c)
		}
	}
	return out + "]"
}

// compile compiles a POSIX expression: the leftmost longest match counts.
func (c *regexes) compile(expr string, extended, fold bool) (*regexp.Regexp, error) {
	kind := "basic"
	if extended {
		kind = "extended"
	}
	if fold {
		kind += ", fold"
	}
	return c.get(kind, expr, func() (*regexp.Regexp, error) {
		text, err := posixRegex(expr, extended)
		if err != nil {
			return nil, err
		}
		if fold {
			text = "(?i)" + text
		}
		return compileLongest(text)
	})
}

// compileLongest compiles an expression of RE2 of which the leftmost longest match counts.
func compileLongest(text string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("Invalid regular expression") //nolint:staticcheck // the words of the C library
	}
	re.Longest()
	return re, nil
}
