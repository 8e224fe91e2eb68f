package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"

	"github.com/hashicorp/hcl/v2"
)

// hugeNumber is a number with an exponent that is too large.
var hugeNumber = regexp.MustCompile(`^[0-9.]*[eE][-+]?[0-9]{4}`)

// A jsonMeasure walks over a text of HCL's JSON variant: its own brackets, and the templates that its strings are.
type jsonMeasure struct {
	src    []byte
	name   string
	pos    int
	depth  int
	tokens int
	key    string // the last string that a colon followed
}

// checkJSON is checkNesting for the JSON variant.
func checkJSON(src []byte, name string) hcl.Diagnostics {
	m := &jsonMeasure{src: src, name: name}
	for m.pos < len(src) {
		if diags := m.step(); diags.HasErrors() {
			return diags
		}
		if m.tokens > maxTokens {
			return m.stop("File too complex", "The text up to here has more parts than a playbook can have. Keep large data in files of their own.")
		}
	}
	return m.syntax()
}

// syntax tells where a large text is no JSON. Of a small one the parser says it better, but it goes on behind each error.
func (m *jsonMeasure) syntax() hcl.Diagnostics {
	var invalid *json.SyntaxError
	if m.tokens < 1000 || !errors.As(json.Unmarshal(m.src, new(json.RawMessage)), &invalid) {
		return nil
	}
	m.pos = int(invalid.Offset) - 1
	return m.stop("Invalid JSON", "The text up to here is no JSON: "+invalid.Error()+".")
}

func (m *jsonMeasure) stop(summary, detail string) hcl.Diagnostics {
	return hcl.Diagnostics{errorAt(rangeAt(m.src, m.name, m.pos, m.pos+1), summary, "%s", detail)}
}

// step takes one token.
func (m *jsonMeasure) step() hcl.Diagnostics {
	c := m.src[m.pos]
	m.tokens++
	switch {
	case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		m.tokens--
	case c == '[' || c == '{':
		if m.depth++; m.depth > MaxNesting {
			return m.stop("Nested too deep", "What begins here is more than 200 brackets deep.")
		}
	case c == ']' || c == '}':
		m.depth = max(m.depth-1, 0)
	case c == '"':
		return m.text()
	case c >= '0' && c <= '9':
		if hugeNumber.Match(m.src[m.pos:min(m.pos+1000, len(m.src))]) {
			return m.stop(hugeSummary, hugeDetail)
		}
		m.pos += digits(m.src[m.pos:])
		return nil
	case isLetter(c):
		for m.pos < len(m.src) && isLetter(m.src[m.pos]) {
			m.pos++
		}
		return nil
	}
	m.pos++
	return nil
}

func isLetter(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z'
}

// text takes a string.
func (m *jsonMeasure) text() hcl.Diagnostics {
	end := stringEnd(m.src, m.pos)
	quoted := m.src[m.pos:end]
	if diags := checkJSONString(quoted, m.key, m.name); diags.HasErrors() {
		diags[0].Subject = rangeAt(m.src, m.name, m.pos, end).Ptr()
		return diags
	}
	if next := bytes.TrimLeft(m.src[end:min(end+64, len(m.src))], " \t\r\n"); len(next) > 0 && next[0] == ':' {
		m.key = string(quoted)
	}
	m.pos = end
	return nil
}

// stringEnd is the offset behind the string that begins at from.
func stringEnd(src []byte, from int) int {
	for at := from + 1; at < len(src); at++ {
		switch src[at] {
		case '\\':
			at++
		case '"':
			return at + 1
		}
	}
	return len(src)
}

// checkJSONString measures one string, with its quotes. The value of a variable's type is an expression, all others are templates.
func checkJSONString(quoted []byte, key, name string) hcl.Diagnostics {
	if len(quoted) < 8 || !bytes.ContainsAny(quoted, "${%\\(") {
		return nil
	}
	var text string
	if json.Unmarshal(quoted, &text) != nil {
		return nil // for the parser to say
	}
	if key == `"type"` {
		return checkNesting([]byte(text), name)
	}
	return CheckTemplate([]byte(text), name)
}
