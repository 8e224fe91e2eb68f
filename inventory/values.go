package inventory

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/eval"
)

// valuesSchema is what defaults, host and group have in common, with the attributes that one of them has besides.
func valuesSchema(own ...string) *hcl.BodySchema {
	s := &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: varsSection}, {Name: envSection}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "ssh"}, {Type: "become"}},
	}
	s.Attributes = append(s.Attributes, sectionSchema("").Attributes...)
	for _, name := range own {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: name})
	}
	return s
}

// sectionSchema has the settings of one section.
func sectionSchema(section string) *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, set := range settings {
		if set.slot.section == section {
			s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: set.slot.name})
		}
	}
	return s
}

// decodeValues takes the settings, vars and env of a block into a layer.
func (l *loader) decodeValues(lay *layer, from string, content *hcl.BodyContent, scope *fileScope) {
	l.decodeSection(lay, from, "", content, scope)
	seen := map[string]hcl.Range{}
	for _, b := range content.Blocks {
		if first, ok := seen[b.Type]; ok {
			l.verdict.add(problem(b.DefRange, "Duplicate block", "There is a %s block here already, at %s. Put both into one.", b.Type, place(first)))
			continue
		}
		seen[b.Type] = b.DefRange
		inner, diags := b.Body.Content(sectionSchema(b.Type))
		l.verdict.add(diags...)
		l.decodeSection(lay, from, b.Type, inner, scope)
	}
	for _, section := range []string{varsSection, envSection} {
		if attr, ok := content.Attributes[section]; ok {
			l.decodeMap(lay, from, section, attr.Expr, scope)
		}
	}
}

func (l *loader) decodeSection(lay *layer, from, section string, content *hcl.BodyContent, scope *fileScope) {
	for _, s := range settings {
		if attr, ok := content.Attributes[s.slot.name]; ok && s.slot.section == section {
			l.verdict.add(checkNames(attr.Expr, withHost)...)
			lay.cells[s.slot] = written(from, attr.Expr, scope)
		}
	}
}

// decodeMap takes a map apart where its names can be seen without evaluating it for a host, so that each of its values is one of
// its own: it can be overridden, and be read by another.
func (l *loader) decodeMap(lay *layer, from, section string, expr hcl.Expression, scope *fileScope) {
	if diags := checkNames(expr, withHost); diags.HasErrors() {
		l.verdict.add(diags...)
		return
	}
	pairs, diags := hcl.ExprMap(expr)
	if diags.HasErrors() || keysReadHost(pairs) {
		l.decodeWholeMap(lay, from, section, expr, scope)
		return
	}
	for _, pair := range pairs {
		v, diags := scope.value(pair.Key)
		l.verdict.add(diags...)
		if diags.HasErrors() {
			continue
		}
		if v.Type() != cty.String || v.IsNull() || !v.IsKnown() || v.IsMarked() {
			l.verdict.add(problem(pair.Key.Range(), "Invalid name", "A name in %s is a text.", section))
			continue
		}
		s := slot{section, v.AsString()}
		if first, taken := lay.cells[s]; taken {
			l.verdict.add(problem(pair.Key.Range(), "Duplicate name", "The name %q has a value here already, at %s.", s.name, place(first.at)))
			continue
		}
		lay.cells[s] = written(from, pair.Value, scope)
	}
}

func keysReadHost(pairs []hcl.KeyValuePair) bool {
	for _, pair := range pairs {
		for _, ref := range eval.References(pair.Key) {
			if ref.Root == "host" {
				return true
			}
		}
	}
	return false
}

// decodeWholeMap keeps an expression that only evaluation takes apart; at once, where no host is needed for it.
func (l *loader) decodeWholeMap(lay *layer, from, section string, expr hcl.Expression, scope *fileScope) {
	c := written(from, expr, scope)
	if section == varsSection && (c.reads.allVars || len(c.reads.vars) > 0) {
		l.verdict.add(problem(expr.Range(), "Cycle in host.vars",
			"Which names vars has is computed here, and that reads host.vars itself. Write vars = { NAME = … }, so that each name has an expression of its own."))
		return
	}
	if c.reads.host {
		lay.setWhole(section, c)
		return
	}
	v, diags := c.once()
	l.verdict.add(diags...)
	if diags.HasErrors() {
		return
	}
	cells, diag := c.apart(section, v)
	if diag != nil {
		l.verdict.add(diag)
		return
	}
	for s, part := range cells {
		lay.cells[s] = part
	}
}

// apart makes cells of the elements of a map or object.
func (c *cell) apart(section string, v cty.Value) (map[slot]*cell, *hcl.Diagnostic) {
	v, marks := v.Unmark()
	if v.IsNull() {
		return nil, nil
	}
	if t := v.Type(); !v.IsKnown() || !t.IsMapType() && !t.IsObjectType() {
		return nil, problem(c.at, "Wrong type", "The attribute %q takes a map of names to values.", section)
	}
	cells := map[slot]*cell{}
	for it := v.ElementIterator(); it.Next(); {
		key, value := it.Element()
		cells[slot{section, key.AsString()}] = given(c.from, c.at, value.WithMarks(marks))
	}
	return cells, nil
}
