package nodeset

import (
	"fmt"
	"strconv"
	"strings"
)

// maxDigits bounds the numbers of a range, so that they fit an int64 with room to spare.
const maxDigits = 18

// Expand gives the names that a pattern stands for, in the order of the text, the last bracket of a name running fastest; a name that
// comes again is left out. Zero padding is kept: [08-10] is 08, 09, 10. Blanks around commas are ignored; the empty pattern is no
// name at all. An error is an *Error: a bad bracket, range or step, an empty name, or more than Max names.
func Expand(pattern string) ([]string, error) {
	if strings.TrimSpace(pattern) == "" {
		return nil, nil
	}
	p := parser{text: pattern}
	terms, err := p.list()
	if err != nil {
		return nil, err
	}
	var names []string
	seen := map[string]bool{}
	for _, t := range terms {
		t.each(func(name string) {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		})
	}
	return names, nil
}

// A term is one name of a pattern: literal text with brackets between; len(text) is len(brackets)+1.
type term struct {
	text     []string
	brackets [][]string
}

// each calls f with every name of t.
func (t term) each(f func(string)) {
	at := make([]int, len(t.brackets))
	var b strings.Builder
	for {
		b.Reset()
		for i, values := range t.brackets {
			b.WriteString(t.text[i])
			b.WriteString(values[at[i]])
		}
		b.WriteString(t.text[len(t.text)-1])
		f(b.String())
		i := len(at) - 1
		for ; i >= 0; i-- {
			if at[i]++; at[i] < len(t.brackets[i]) {
				break
			}
			at[i] = 0
		}
		if i < 0 {
			return
		}
	}
}

// A parser reads one pattern from left to right.
type parser struct {
	text  string
	pos   int
	total int // names so far, of the terms already read
}

func (p *parser) fail(at int, format string, args ...any) error {
	return &Error{Pattern: p.text, Offset: at, Why: fmt.Sprintf(format, args...)}
}

// list reads terms up to the end.
func (p *parser) list() ([]term, error) {
	var terms []term
	for {
		t, err := p.term()
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
		if p.pos == len(p.text) {
			return terms, nil
		}
		p.pos++ // the comma
	}
}

// term reads one name up to a comma or the end.
func (p *parser) term() (term, error) {
	p.blanks()
	start := p.pos
	var t term
	size := 1
	for {
		from := p.pos
		if n := strings.IndexAny(p.text[p.pos:], "[],"); n >= 0 {
			p.pos += n
		} else {
			p.pos = len(p.text)
		}
		text := p.text[from:p.pos]
		if p.pos == len(p.text) || p.text[p.pos] == ',' {
			t.text = append(t.text, strings.TrimRight(text, " \t"))
			break
		}
		if p.text[p.pos] == ']' {
			return t, p.fail(p.pos, "a ] without its [")
		}
		t.text = append(t.text, text)
		values, err := p.bracket(Max / size)
		if err != nil {
			return t, err
		}
		size *= len(values)
		t.brackets = append(t.brackets, values)
	}
	if len(t.brackets) == 0 && t.text[0] == "" {
		return t, p.fail(start, "an empty name")
	}
	for _, text := range t.text {
		if strings.ContainsAny(text, " \t\r\n") {
			return t, p.fail(start, "a blank inside a name; names are separated by commas")
		}
	}
	if p.total += size; p.total > Max {
		return t, p.tooMany(start)
	}
	return t, nil
}

// bracket reads from [ to ], at most limit values.
func (p *parser) bracket(limit int) ([]string, error) {
	open := p.pos
	length := strings.IndexAny(p.text[open+1:], "[]")
	if length < 0 {
		return nil, p.fail(open, "a [ without its ]")
	}
	end := open + 1 + length
	if p.text[end] == '[' {
		return nil, p.fail(end, "a [ inside of brackets")
	}
	var values []string
	at := open + 1
	for item := range strings.SplitSeq(p.text[at:end], ",") {
		var err error
		if values, err = p.item(values, item, at, limit); err != nil {
			return nil, err
		}
		at += len(item) + 1
	}
	p.pos = end + 1
	return values, nil
}

// item appends the values of one number or range, which stands at the offset at.
func (p *parser) item(values []string, item string, at, limit int) ([]string, error) {
	item = strings.TrimSpace(item)
	bounds, stepText, hasStep := strings.Cut(item, "/")
	low, high, isRange := strings.Cut(bounds, "-")
	if !isRange {
		high = low
	}
	if !number(low) || !number(high) || (hasStep && (!isRange || !number(stepText))) {
		return nil, p.fail(at, "%q is neither a number nor a range such as 1-4, 001-128 or 0-6/2", item)
	}
	if !isRange {
		if len(values) == limit {
			return nil, p.tooMany(at)
		}
		return append(values, low), nil
	}
	if len(low) > maxDigits || len(high) > maxDigits || len(stepText) > maxDigits {
		return nil, p.fail(at, "a range of numbers with more than %d digits", maxDigits)
	}
	width := padding(low)
	if padding(high) != 0 && len(high) != len(low) {
		return nil, p.fail(at, "the ends of the range %s are padded to different widths", bounds)
	}
	from, to, step := value(low), value(high), int64(1)
	if hasStep {
		step = value(stepText)
	}
	if from > to || step == 0 {
		return nil, p.fail(at, "the range %s leads nowhere", item)
	}
	if (to-from)/step >= int64(limit-len(values)) {
		return nil, p.tooMany(at)
	}
	for v := from; v <= to; v += step {
		values = append(values, format(v, width))
	}
	return values, nil
}

func (p *parser) tooMany(at int) error {
	return p.fail(at, "more than %d names", Max)
}

func (p *parser) blanks() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

// number tells whether s is one or more digits.
func number(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// padding is the width that s is padded to with zeros; 0 if it is not.
func padding(s string) int {
	if len(s) > 1 && s[0] == '0' {
		return len(s)
	}
	return 0
}

// value is the number that at most maxDigits digits stand for.
func value(digits string) int64 {
	v, _ := strconv.ParseInt(digits, 10, 64) // cannot fail: digits, and few of them
	return v
}

// format writes v padded with zeros to width.
func format(v int64, width int) string {
	s := strconv.FormatInt(v, 10)
	if len(s) >= width {
		return s
	}
	return strings.Repeat("0", width-len(s)) + s
}
