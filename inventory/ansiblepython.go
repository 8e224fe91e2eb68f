package inventory

import (
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// A pythonLiteral reads a literal of Python, as INI inventories have them for values: numbers, texts, True, False, None, and lists, tuples and
// dictionaries of these.
type pythonLiteral struct {
	rest  string
	depth int
}

const maxPythonDepth = 50

var (
	pythonNumber = regexp.MustCompile(`^[+-]?(?:[0-9]*\.[0-9]+|[0-9]+\.|0|[1-9][0-9]*)(?:[eE][+-]?[0-9]+)?`)
	pythonText   = regexp.MustCompile(`^(?:'([^'\\]*)'|"([^"\\]*)")`)
	pythonName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*`)
)

// readPython reads a whole text; false where it is no literal.
func readPython(text string) (cty.Value, bool) {
	p := &pythonLiteral{rest: text}
	v, ok := p.value()
	p.blanks()
	return v, ok && p.rest == ""
}

func (p *pythonLiteral) blanks() { p.rest = strings.TrimLeft(p.rest, " \t") }

// take takes a text from the front, if it is there.
func (p *pythonLiteral) take(text string) bool {
	p.blanks()
	rest, ok := strings.CutPrefix(p.rest, text)
	p.rest = rest
	return ok
}

func (p *pythonLiteral) value() (cty.Value, bool) {
	if p.depth++; p.depth > maxPythonDepth {
		return cty.NilVal, false
	}
	defer func() { p.depth-- }()
	p.blanks()
	if m := pythonText.FindStringSubmatch(p.rest); m != nil {
		p.rest = p.rest[len(m[0]):]
		return cty.StringVal(m[1] + m[2]), true
	}
	if number := pythonNumber.FindString(p.rest); number != "" {
		p.rest = p.rest[len(number):]
		v, err := cty.ParseNumberVal(strings.TrimPrefix(strings.TrimSuffix(number, "."), "+"))
		return v, err == nil
	}
	switch {
	case p.take("["):
		return p.elements("]", false)
	case p.take("("):
		return p.elements(")", true)
	case p.take("{"):
		return p.pairs()
	}
	name := pythonName.FindString(p.rest)
	v, ok := map[string]cty.Value{"True": cty.True, "False": cty.False, "None": cty.NullVal(cty.DynamicPseudoType)}[name]
	p.rest = p.rest[len(name):]
	return v, ok
}

// elements reads a list or tuple to its end. One value in parentheses, without a comma, is that value.
func (p *pythonLiteral) elements(end string, parentheses bool) (cty.Value, bool) {
	var list []cty.Value
	for !p.take(end) {
		v, ok := p.value()
		if !ok {
			return cty.NilVal, false
		}
		list = append(list, v)
		if p.take(",") {
			continue
		}
		return tupleOf(list, parentheses && len(list) == 1), p.take(end)
	}
	return tupleOf(list, false), true
}

func tupleOf(list []cty.Value, alone bool) cty.Value {
	if alone {
		return list[0]
	}
	return cty.TupleVal(list)
}

// pairs reads a dictionary to its end. Its keys are texts.
func (p *pythonLiteral) pairs() (cty.Value, bool) {
	all := map[string]cty.Value{}
	for !p.take("}") {
		key, ok := p.value()
		if !ok || key.IsNull() || key.Type() != cty.String || !p.take(":") {
			return cty.NilVal, false
		}
		if all[key.AsString()], ok = p.value(); !ok {
			return cty.NilVal, false
		}
		if !p.take(",") {
			return cty.ObjectVal(all), p.take("}")
		}
	}
	return cty.ObjectVal(all), true
}
