package lab

import (
	"fmt"
	"strings"
)

// awkToken is a token of an awk program.
type awkToken struct {
	kind  awkKind
	text  string
	glued bool // a name right before a parenthesis: a call
	line  int
}

type awkKind int

const (
	awkEOF awkKind = iota
	awkNewline
	awkNumber
	awkString
	awkRegex
	awkName
	awkKeyword
	awkBuiltin
	awkOp
)

var awkKeywords = strings.Fields("BEGIN END function func if else while for do break continue next nextfile exit return delete in getline print printf")

var awkBuiltins = strings.Fields("length substr index split sub gsub match sprintf sin cos atan2 exp log sqrt int rand srand tolower toupper system close fflush")

// awkOps are the operators, the long ones first.
var awkOps = strings.Fields("**= && || ++ -- += -= *= /= %= ^= == <= >= != !~ >> ** { } ( ) [ ] ; , + - * / % ^ ! > < | ? : ~ $ =")

// awkLexer cuts a program into tokens. A slash begins an expression where a value cannot end.
type awkLexer struct {
	text string
	pos  int
	line int
	out  []awkToken
}

func awkTokens(text string) ([]awkToken, error) {
	l := &awkLexer{text: text, line: 1}
	for {
		if err := l.next(); err != nil {
			return nil, err
		}
		if n := len(l.out); n > 0 && l.out[n-1].kind == awkEOF {
			return l.out, nil
		}
	}
}

func (l *awkLexer) emit(kind awkKind, text string) {
	l.out = append(l.out, awkToken{kind: kind, text: text, line: l.line})
}

func (l *awkLexer) skip() {
	for l.pos < len(l.text) {
		switch c := l.text[l.pos]; {
		case c == ' ' || c == '\t' || c == '\r':
			l.pos++
		case strings.HasPrefix(l.text[l.pos:], "\\\n"):
			l.pos += 2
			l.line++
		case c == '#':
			for l.pos < len(l.text) && l.text[l.pos] != '\n' {
				l.pos++
			}
		default:
			return
		}
	}
}

func (l *awkLexer) next() error {
	l.skip()
	if l.pos >= len(l.text) {
		l.emit(awkEOF, "")
		return nil
	}
	c := l.text[l.pos]
	switch {
	case c == '\n':
		l.emit(awkNewline, "\n")
		l.line++
		l.pos++
	case c >= '0' && c <= '9' || (c == '.' && l.pos+1 < len(l.text) && l.text[l.pos+1] >= '0' && l.text[l.pos+1] <= '9'):
		l.number()
	case c == '_' || c|32 >= 'a' && c|32 <= 'z':
		l.name()
	case c == '"':
		return l.str()
	case c == '/' && l.wantsValue():
		return l.regex()
	default:
		for _, op := range awkOps {
			if strings.HasPrefix(l.text[l.pos:], op) {
				l.pos += len(op)
				l.emit(awkOp, strings.NewReplacer("**", "^").Replace(op))
				return nil
			}
		}
		return fmt.Errorf("syntax error at source line %d: unexpected %q", l.line, c)
	}
	return nil
}

func (l *awkLexer) wantsValue() bool {
	if len(l.out) == 0 {
		return true
	}
	last := l.out[len(l.out)-1]
	switch last.kind {
	case awkNumber, awkString, awkRegex, awkName, awkBuiltin:
		return false
	case awkOp:
		return last.text != ")" && last.text != "]" && last.text != "$" && last.text != "++" && last.text != "--"
	}
	return true
}

func (l *awkLexer) number() {
	start := l.pos
	for l.pos < len(l.text) && strings.IndexByte("0123456789.", l.text[l.pos]) >= 0 {
		l.pos++
	}
	if l.pos < len(l.text) && l.text[l.pos]|32 == 'e' {
		end := l.pos + 1
		if end < len(l.text) && (l.text[end] == '+' || l.text[end] == '-') {
			end++
		}
		if end < len(l.text) && l.text[end] >= '0' && l.text[end] <= '9' {
			for l.pos = end; l.pos < len(l.text) && l.text[l.pos] >= '0' && l.text[l.pos] <= '9'; l.pos++ {
			}
		}
	}
	l.emit(awkNumber, l.text[start:l.pos])
}

func (l *awkLexer) name() {
	start := l.pos
	for l.pos < len(l.text) && (l.text[l.pos] == '_' || l.text[l.pos]|32 >= 'a' && l.text[l.pos]|32 <= 'z' || l.text[l.pos] >= '0' && l.text[l.pos] <= '9') {
		l.pos++
	}
	word := l.text[start:l.pos]
	kind := awkName
	for _, k := range awkKeywords {
		if k == word {
			kind = awkKeyword
		}
	}
	for _, b := range awkBuiltins {
		if b == word {
			kind = awkBuiltin
		}
	}
	l.emit(kind, word)
	l.out[len(l.out)-1].glued = l.pos < len(l.text) && l.text[l.pos] == '('
}

func (l *awkLexer) str() error {
	end := l.pos + 1
	for end < len(l.text) && l.text[end] != '"' {
		if l.text[end] == '\\' {
			end++
		}
		if end < len(l.text) && l.text[end] == '\n' {
			break
		}
		end++
	}
	if end >= len(l.text) || l.text[end] != '"' {
		return fmt.Errorf("non-terminated string %.10s... at source line %d", l.text[l.pos+1:], l.line)
	}
	text, _ := formatEscapes(strings.NewReplacer(`\/`, `/`, `\"`, `"`).Replace(l.text[l.pos+1:end]), escapesFormat)
	l.pos = end + 1
	l.emit(awkString, text)
	return nil
}

func (l *awkLexer) regex() error {
	end := l.pos + 1
	for end < len(l.text) && l.text[end] != '/' {
		switch l.text[end] {
		case '\\':
			end++
		case '[':
			if close := bracketEnd(l.text, end); close > 0 && !strings.Contains(l.text[end:close], "\n") {
				end = close
			}
		case '\n':
			return fmt.Errorf("non-terminated regular expression at source line %d", l.line)
		}
		end++
	}
	if end >= len(l.text) {
		return fmt.Errorf("non-terminated regular expression at source line %d", l.line)
	}
	l.emit(awkRegex, strings.ReplaceAll(l.text[l.pos+1:end], `\/`, "/"))
	l.pos = end + 1
	return nil
}
