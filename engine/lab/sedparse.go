package lab

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// sedParser reads a script of sed.
type sedParser struct {
	text     string
	pos      int
	extended bool
	regexes  *regexes
}

func (p *sedParser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *sedParser) skip(chars string) {
	for p.pos < len(p.text) && strings.IndexByte(chars, p.text[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *sedParser) parse() ([]*sedOp, error) {
	var ops []*sedOp
	var open []int
	labels := map[string]int{}
	for {
		p.skip(" \t\n;")
		if p.pos >= len(p.text) {
			break
		}
		if p.peek() == '#' {
			p.rest()
			continue
		}
		op, err := p.op()
		if err != nil {
			return nil, err
		}
		switch op.name {
		case '}':
			if len(open) == 0 {
				return nil, errors.New("unexpected `}'")
			}
			ops[open[len(open)-1]].jump = len(ops)
			open = open[:len(open)-1]
		case '{':
			open = append(open, len(ops))
		case ':':
			labels[op.text] = len(ops)
		}
		ops = append(ops, op)
	}
	if len(open) > 0 {
		return nil, errors.New("unmatched `{'")
	}
	for _, op := range ops {
		if op.name != 'b' && op.name != 't' {
			continue
		}
		op.jump = len(ops)
		if at, ok := labels[op.text]; ok {
			op.jump = at
		} else if op.text != "" {
			return nil, fmt.Errorf("can't find label for jump to `%s'", op.text)
		}
	}
	return ops, nil
}

// rest takes the rest of the line.
func (p *sedParser) rest() string {
	line, _, _ := strings.Cut(p.text[p.pos:], "\n")
	p.pos += len(line)
	return line
}

func (p *sedParser) address() (*sedAddress, error) {
	switch c := p.peek(); {
	case c >= '0' && c <= '9':
		a := &sedAddress{line: p.number()}
		if p.peek() == '~' {
			p.pos++
			a.step = p.number()
		}
		return a, nil
	case c == '$':
		p.pos++
		return &sedAddress{last: true}, nil
	case c == '/' || c == '\\':
		if c == '\\' {
			p.pos++
		}
		expr, err := p.delimited(true)
		if err != nil {
			return nil, errors.New("unterminated address regex")
		}
		fold := false
		if p.peek() == 'I' {
			p.pos++
			fold = true
		}
		re, err := p.regexes.compile(expr, p.extended, fold)
		return &sedAddress{re: re}, err
	}
	return nil, nil //nolint:nilnil // no address is not an error
}

func (p *sedParser) number() int {
	start := p.pos
	for p.peek() >= '0' && p.peek() <= '9' {
		p.pos++
	}
	n, _ := strconv.Atoi(p.text[start:p.pos])
	return n
}

// delimited takes text between two of the characters at the position, and leaves the position after the second. In an
// expression a bracket hides the delimiter.
func (p *sedParser) delimited(expr bool) (string, error) {
	delim := p.peek()
	p.pos++
	text, err := p.until(delim, expr)
	return text, err
}

func (p *sedParser) until(delim byte, expr bool) (string, error) {
	var b strings.Builder
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		switch {
		case c == delim:
			p.pos++
			return b.String(), nil
		case c == '\\' && p.pos+1 < len(p.text):
			next := p.text[p.pos+1]
			if next == delim && strings.IndexByte("(){}|+?.*[]^$", delim) < 0 {
				b.WriteByte(next)
			} else {
				b.WriteByte('\\')
				b.WriteByte(next)
			}
			p.pos += 2
			continue
		case c == '[' && expr:
			if end := bracketEnd(p.text, p.pos); end > 0 && !strings.Contains(p.text[p.pos:end], "\n") {
				b.WriteString(p.text[p.pos : end+1])
				p.pos = end + 1
				continue
			}
		case c == '\n' && expr:
			return "", errors.New("unterminated")
		}
		b.WriteByte(c)
		p.pos++
	}
	return "", errors.New("unterminated")
}

func (p *sedParser) op() (*sedOp, error) {
	op := &sedOp{nth: 1}
	var err error
	if op.from, err = p.address(); err != nil {
		return nil, err
	}
	if p.skip(" \t"); p.peek() == ',' && op.from != nil {
		p.pos++
		p.skip(" \t")
		plus := p.peek() == '+'
		if plus {
			p.pos++
		}
		if op.to, err = p.address(); err != nil {
			return nil, err
		}
		if op.to == nil {
			return nil, errors.New("unexpected `,'")
		}
		op.to.plus = plus
		op.inRange = op.from.line == 0 && op.from.re == nil && !op.from.last && op.to.re != nil // 0,/re/ looks at the first line too
	}
	p.skip(" \t")
	for p.peek() == '!' {
		p.pos++
		op.negate = true
		p.skip(" \t")
	}
	if p.pos >= len(p.text) || p.peek() == '\n' || p.peek() == ';' {
		return nil, errors.New("missing command")
	}
	op.name = p.peek()
	p.pos++
	return op, p.operands(op)
}

func (p *sedParser) operands(op *sedOp) error {
	switch op.name {
	case '{':
		return nil
	case 's':
		return p.substitution(op)
	case 'y':
		return p.transliteration(op)
	case 'a', 'i', 'c':
		op.text = p.appended()
		return nil
	case 'r', 'w':
		p.skip(" \t")
		op.text = p.rest()
		return nil
	case ':', 'b', 't':
		p.skip(" \t")
		start := p.pos
		for p.pos < len(p.text) && strings.IndexByte("\n;}", p.text[p.pos]) < 0 {
			p.pos++
		}
		op.text = strings.TrimSpace(p.text[start:p.pos])
	case 'q', 'Q':
		p.skip(" \t")
		op.exitCode = p.number()
	case '}', 'd', 'D', 'p', 'P', 'n', 'N', 'g', 'G', 'h', 'H', 'x', '=':
	default:
		return fmt.Errorf("unknown command: `%c'", op.name)
	}
	p.skip(" \t")
	if c := p.peek(); c != 0 && c != '\n' && c != ';' && c != '}' && c != '#' {
		return errors.New("extra characters after command")
	}
	return nil
}

// appended is the text of a, i and c, in the old form after a backslash and newline or in the one-line form.
func (p *sedParser) appended() string {
	p.skip(" \t")
	if p.peek() == '\\' {
		p.pos++
		p.skip(" \t")
		if p.peek() == '\n' {
			p.pos++
		}
	}
	var b strings.Builder
	for p.pos < len(p.text) && p.text[p.pos] != '\n' {
		if p.text[p.pos] == '\\' && p.pos+1 < len(p.text) {
			p.pos++
		}
		b.WriteByte(p.text[p.pos])
		p.pos++
	}
	return b.String() + "\n"
}

func (p *sedParser) substitution(op *sedOp) error {
	delim := p.peek()
	expr, err := p.delimited(true)
	if err == nil {
		op.with, err = p.until(delim, false)
	}
	if err != nil {
		return errors.New("unterminated `s' command")
	}
	fold := false
	for {
		switch c := p.peek(); {
		case c == 'g':
			op.global = true
		case c == 'p':
			op.print = true
		case c == 'i' || c == 'I':
			fold = true
		case c >= '1' && c <= '9':
			op.nth = p.number()
			continue
		case c == 'w':
			p.pos++
			p.skip(" \t")
			op.text = p.rest()
			continue
		case c == 0 || c == '\n' || c == ';' || c == '}' || c == ' ' || c == '#':
			op.re, err = p.regexes.compile(expr, p.extended, fold)
			return err
		default:
			return errors.New("unknown option to `s'")
		}
		p.pos++
	}
}

func (p *sedParser) transliteration(op *sedOp) error {
	delim := p.peek()
	from, err := p.delimited(false)
	if err != nil {
		return errors.New("unterminated `y' command")
	}
	to, err := p.until(delim, false)
	if err != nil || len(from) != len(to) {
		return errors.New("strings for `y' command are different lengths")
	}
	op.table = &[256]byte{}
	for i := range op.table {
		op.table[i] = byte(i)
	}
	for i := range len(from) {
		op.table[from[i]] = to[i]
	}
	return nil
}
