package config

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// The parser and the evaluator recurse, and a stack that overflows takes the process with it; the parser also keeps each token. So a
// text is measured first, by a scanner that keeps nothing but what is open.
const (
	// MaxNesting is how deep brackets, templates, directives, conditions and negations may stand inside of each other.
	MaxNesting = 200
	// maxChain is how many operators, attributes and indices may follow each other in an expression, and in those around it:
	// the tree of a + b + c is as deep as it is long.
	maxChain = 2000
	// maxTokens keeps the parser's memory below about 100 MiB.
	maxTokens = 400_000
)

// CheckTemplate tells, as a diagnostic, why a text cannot be given to the template parser: it nests too deep, or is too much. It
// says nothing of other errors.
func CheckTemplate(src []byte, name string) hcl.Diagnostics {
	m := newMeasure(src, opening{kind: bareTemplate})
	return m.diagnose(name)
}

// CheckExpression is CheckTemplate for an expression.
func CheckExpression(src []byte, name string) hcl.Diagnostics {
	return checkNesting(src, name)
}

// checkNesting is CheckTemplate for a text of blocks and attributes.
func checkNesting(src []byte, name string) hcl.Diagnostics {
	m := newMeasure(src, opening{kind: root})
	return m.diagnose(name)
}

type openingKind int

const (
	root         openingKind = iota // blocks, attributes
	paren                           // (
	bracket                         // [
	brace                           // { of a block or object
	sequence                        // ${ or %{
	quote                           // "
	heredoc                         // <<MARKER
	bareTemplate                    // a text that is a template as a whole
)

// An opening is something that has begun and not ended, with what is open in it.
type opening struct {
	kind       openingKind
	marker     []byte // of a heredoc
	unary      int    // ! and - in front of the operand that comes next
	ternary    int    // ? of the expression so far
	chain      int    // operators of the expression so far
	directives int    // %{ if } and %{ for } of the template so far
	directive  bool   // a %{ whose keyword has not come yet
}

// levels is what o adds to the depth.
func (o *opening) levels() int {
	n := o.unary + o.ternary + o.directives
	switch o.kind {
	case paren, bracket, brace, sequence:
		n++
	}
	return n
}

// A trouble is why a text goes no further, and where.
type trouble struct {
	at      int
	summary string
	detail  string
}

// A measure walks over a text as the parser's scanner would.
type measure struct {
	src         []byte
	pos         int
	open        []opening
	depth       int  // sum of levels
	chain       int  // sum of chain
	tokens      int  // about as many as the parser would keep
	operand     bool // the last token ends an operand, so that - is a difference
	startOfLine bool // of a heredoc's text
	trouble     *trouble
}

func newMeasure(src []byte, outermost opening) *measure {
	m := &measure{src: bytes.TrimPrefix(src, []byte("\ufeff")), open: make([]opening, 1, 16)}
	m.open[0] = outermost
	return m
}

func (m *measure) diagnose(name string) hcl.Diagnostics {
	for m.pos < len(m.src) && m.trouble == nil {
		switch m.top().kind {
		case quote, heredoc, bareTemplate:
			m.template()
		default:
			m.code()
		}
		if m.tokens > maxTokens {
			m.stop(m.pos, "File too complex", "The text up to here has more parts than a playbook can have. Keep large data in files of their own.")
		}
	}
	if m.trouble == nil {
		return nil
	}
	at := min(m.trouble.at, len(m.src)-1)
	return hcl.Diagnostics{errorAt(rangeAt(m.src, name, at, at+1), m.trouble.summary, "%s", m.trouble.detail)}
}

func (m *measure) top() *opening { return &m.open[len(m.open)-1] }

// next is the byte n after the current one; 0 behind the end.
func (m *measure) next(n int) byte {
	if m.pos+n < len(m.src) {
		return m.src[m.pos+n]
	}
	return 0
}

func (m *measure) stop(at int, summary, detail string) {
	if m.trouble == nil {
		m.trouble = &trouble{at: at, summary: summary, detail: detail}
	}
}

// deeper counts levels that were added.
func (m *measure) deeper(n int) {
	if m.depth += n; m.depth > MaxNesting {
		m.stop(m.pos, "Nested too deep",
			"What begins here is more than 200 levels deep in brackets, templates, conditions or negations. Give parts of it names with locals.")
	}
}

func (m *measure) push(o opening) {
	m.open = append(m.open, o)
	m.tokens++
	m.deeper(o.levels())
	m.operand = false
}

// pop ends what was opened last; what it was is an operand.
func (m *measure) pop() {
	o := m.top()
	m.depth -= o.levels()
	m.chain -= o.chain
	m.open = m.open[:len(m.open)-1]
	m.operandEnds()
}

func (m *measure) operandEnds() {
	o := m.top()
	m.depth -= o.unary
	o.unary = 0
	m.operand = true
}

// expressionEnds forgets what only counts inside of one expression.
func (m *measure) expressionEnds() {
	o := m.top()
	m.depth -= o.unary + o.ternary
	m.chain -= o.chain
	o.unary, o.ternary, o.chain = 0, 0, 0
	m.operand = false
}

func (m *measure) link() {
	m.top().chain++
	if m.chain++; m.chain > maxChain {
		m.stop(m.pos, "Expression too long", "The expression has more than 2000 operators up to here. Give parts of it names with locals, or use a function that takes a list.")
	}
}

// code takes one token outside of a template's text.
func (m *measure) code() {
	c := m.src[m.pos]
	m.tokens++
	switch {
	case c == ' ' || c == '\t' || c == '\r' && m.next(1) == '\n':
		m.tokens--
		m.pos++
	case c == '\n':
		m.pos++
		if k := m.top().kind; k == brace || k == root {
			m.expressionEnds()
		}
	case c == '#', c == '/' && (m.next(1) == '/' || m.next(1) == '*'):
		m.comment()
	case c == '"':
		m.push(opening{kind: quote})
		m.pos++
	case c == '<' && m.next(1) == '<' && m.heredocBegins():
	case c >= '0' && c <= '9':
		m.number()
	case c == '_' || c >= utf8.RuneSelf || 'a' <= c|0x20 && c|0x20 <= 'z':
		m.word()
	default:
		m.symbol(c)
	}
}

// comment skips one. The scanner of the parser looks for the end of each unfinished /* once more, so that is an error here.
func (m *measure) comment() {
	end, skip := []byte("\n"), 0
	if m.next(1) == '*' {
		end, skip = []byte("*/"), 2
	}
	i := bytes.Index(m.src[min(m.pos+skip, len(m.src)):], end)
	switch {
	case i >= 0 && skip > 0:
		m.pos += skip + i + len(end)
	case i >= 0:
		m.pos += i // the line end still ends the expression
	case skip > 0:
		m.stop(m.pos, "Unfinished comment", "This /* has no */ up to the end of the file.")
	default:
		m.pos = len(m.src)
	}
}

// heredocBegins enters a heredoc if one begins here.
func (m *measure) heredocBegins() bool {
	rest := m.src[m.pos+2:]
	line, _, found := bytes.Cut(rest, []byte("\n"))
	if !found || len(line) > 1000 {
		return false
	}
	marker := bytes.TrimSuffix(bytes.TrimPrefix(line, []byte("-")), []byte("\r"))
	if !hclsyntax.ValidIdentifier(string(marker)) {
		return false
	}
	m.push(opening{kind: heredoc, marker: marker})
	m.pos += 2 + len(line) + 1
	m.startOfLine = true
	return true
}

func (m *measure) number() {
	end := m.pos + 1
	for i := end; i < len(m.src); {
		switch c := m.src[i]; {
		case c >= '0' && c <= '9':
			i++
			end = i
		case c == '.':
			i++
		case c|0x20 == 'e':
			digit := i + 1
			if digit < len(m.src) && (m.src[digit] == '+' || m.src[digit] == '-') {
				digit++
			}
			if digit >= len(m.src) || m.src[digit] < '0' || m.src[digit] > '9' {
				i = len(m.src)
				break
			}
			i = digit + 1
			end = i
			if digits(m.src[digit:]) > maxExponent {
				m.stop(m.pos, hugeSummary, hugeDetail)
			}
		default:
			i = len(m.src)
		}
	}
	m.pos = end
	m.operandEnds()
}

// A number is kept exactly, so one with a large exponent would fill the memory as soon as it is written out.
const (
	maxExponent = 3 // digits
	hugeSummary = "Number too large"
	hugeDetail  = "An exponent has at most three digits."
)

// digits is how many digits a text begins with.
func digits(text []byte) int {
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return n
}

func (m *measure) word() {
	start := m.pos
	for m.pos < len(m.src) {
		c := m.src[m.pos]
		if c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' {
			m.pos++
			continue
		}
		r, size := utf8.DecodeRune(m.src[m.pos:])
		if c < utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) && !unicode.Is(unicode.Pc, r) {
			break
		}
		m.pos += size
	}
	if m.pos == start { // no letter after all
		_, size := utf8.DecodeRune(m.src[m.pos:])
		m.pos += size
		return
	}
	if m.top().directive {
		m.directive(string(m.src[start:m.pos]))
	}
	m.operandEnds()
}

// directive counts the keyword of a %{ for the template that it stands in.
func (m *measure) directive(keyword string) {
	m.top().directive = false
	template := &m.open[len(m.open)-2]
	switch keyword {
	case "if", "for":
		template.directives++
		m.deeper(1)
	case "endif", "endfor":
		if template.directives > 0 {
			template.directives--
			m.depth--
		}
	}
}

// symbol takes punctuation.
func (m *measure) symbol(c byte) {
	two := m.next(1)
	width := 1
	switch c {
	case '(':
		m.push(opening{kind: paren})
	case '[':
		if m.operand {
			m.link()
		}
		m.push(opening{kind: bracket})
	case '{':
		m.push(opening{kind: brace})
	case ')', ']', '}':
		m.closes(c)
	case ',':
		m.expressionEnds()
	case '?':
		m.top().ternary++
		m.deeper(1)
		m.operand = false
	case '=':
		width = m.equals(two)
	case '!', '-':
		width = m.minus(c, two)
	case '+', '*', '/', '%', '<', '>', '.', '&', '|':
		if two == '=' && (c == '<' || c == '>') || two == c && (c == '&' || c == '|') {
			width = 2
		}
		m.link()
		m.operand = false
	default: // a colon, or nothing that an expression can hold
		m.operand = false
	}
	m.pos += width
}

// equals takes = (the end of a name), == (an operator) or => (the end of a key).
func (m *measure) equals(two byte) int {
	switch two {
	case '=':
		m.link()
		m.operand = false
		return 2
	case '>':
		m.expressionEnds()
		return 2
	}
	m.expressionEnds()
	return 1
}

// minus takes != and - between operands, and ! and - in front of one.
func (m *measure) minus(c, two byte) int {
	width := 1
	switch {
	case c == '!' && two == '=':
		width = 2
		m.link()
	case c == '-' && m.operand:
		m.link()
	default:
		m.top().unary++
		m.deeper(1)
	}
	m.operand = false
	return width
}

// closes ends what c closes. The parser's scanner counts braces only, so a brace ends the parentheses and brackets that someone forgot.
func (m *measure) closes(c byte) {
	switch c {
	case ')':
		if m.top().kind == paren {
			m.pop()
		}
		return
	case ']':
		if m.top().kind == bracket {
			m.pop()
		}
		return
	}
	for len(m.open) > 1 {
		switch m.top().kind {
		case paren, bracket:
			m.pop()
			continue
		case brace, sequence:
			m.pop()
		}
		return
	}
}

// template takes a run of a template's text, or what ends or interrupts it.
func (m *measure) template() {
	o := m.top()
	if o.kind == heredoc && m.startOfLine && m.heredocEnds() {
		return
	}
	start := m.pos
	for m.pos < len(m.src) {
		switch c := m.src[m.pos]; {
		case c == '"' && o.kind == quote:
			m.pos++
			m.tokens++
			m.pop()
			return
		case c == '\\' && o.kind == quote:
			m.pos++
			if m.pos < len(m.src) && m.src[m.pos] != '\n' && m.src[m.pos] != '\r' {
				m.pos++
			}
		case c == '\n' && o.kind != quote:
			m.pos++
			m.tokens++
			m.startOfLine = true
			return
		case c == '$' || c == '%':
			if m.sequenceBegins(c, start) {
				return
			}
		default:
			if c == '\n' {
				m.tokens += 2 // an error each, which the parser tells
			}
			m.pos++
		}
	}
}

// sequenceBegins enters ${ or %{ and steps over $${, %%{ and a lone character.
func (m *measure) sequenceBegins(c byte, start int) bool {
	m.startOfLine = false
	switch {
	case m.next(1) == c && m.next(2) == '{':
		m.pos += 3
		m.tokens++
		return false
	case m.next(1) != '{':
		m.pos++
		m.tokens++
		return false
	}
	if m.pos > start {
		m.tokens++
	}
	m.push(opening{kind: sequence, directive: c == '%'})
	m.pos += 2
	if m.pos < len(m.src) && m.src[m.pos] == '~' {
		m.pos++
	}
	return true
}

// heredocEnds leaves the heredoc if the line that begins here is its marker.
func (m *measure) heredocEnds() bool {
	line, _, found := bytes.Cut(m.src[m.pos:], []byte("\n"))
	if !found || !bytes.Equal(bytes.TrimSpace(line), m.top().marker) {
		return false
	}
	m.pos += len(line) // the line end still ends the expression
	m.tokens++
	m.pop()
	return true
}

// rangeAt is the range of the bytes from to to.
func rangeAt(src []byte, name string, from, to int) hcl.Range {
	return hcl.Range{Filename: name, Start: position(src, from), End: position(src, to)}
}

func position(src []byte, at int) hcl.Pos {
	at = max(0, min(at, len(src)))
	before := src[:at]
	line := bytes.LastIndexByte(before, '\n') + 1
	return hcl.Pos{Byte: at, Line: 1 + bytes.Count(before, []byte("\n")), Column: 1 + utf8.RuneCount(before[line:])}
}
