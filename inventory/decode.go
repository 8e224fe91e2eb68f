package inventory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"cvsplay/engine/eval"
)

var fileSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "defaults"},
	{Type: "host", LabelNames: []string{"name"}},
	{Type: "group", LabelNames: []string{"name"}},
	{Type: "source", LabelNames: []string{"type", "name"}},
	{Type: "variables"},
}}

// decode takes in the body of one file, in the order of the text.
func (l *loader) decode(ctx context.Context, body hcl.Body, scope *fileScope) {
	content, diags := body.Content(fileSchema)
	for _, d := range diags {
		if strings.Contains(d.Detail, `"play"`) || strings.Contains(d.Detail, `"variable"`) {
			d.Detail += " This looks like a playbook; an inventory has the blocks defaults, host, group, source and variables."
		}
	}
	l.verdict.add(diags...)
	blocks := slices.Clone(content.Blocks)
	slices.SortStableFunc(blocks, func(a, b *hcl.Block) int { return a.DefRange.Start.Byte - b.DefRange.Start.Byte })
	for _, b := range blocks {
		switch b.Type {
		case "defaults":
			l.decodeDefaults(b, scope)
		case "host":
			l.decodeHost(b, scope)
		case "group":
			l.decodeGroup(b, scope)
		case "source":
			l.decodeSource(ctx, b, scope)
		case "variables":
			l.decodeVariables(b, scope)
		}
	}
}

// labelRange is the range of a block's label, or of its header where the source has no such place.
func labelRange(b *hcl.Block, i int) hcl.Range {
	if i < len(b.LabelRanges) {
		return b.LabelRanges[i]
	}
	return b.DefRange
}

func (l *loader) decodeDefaults(b *hcl.Block, scope *fileScope) {
	content, diags := b.Body.Content(valuesSchema())
	l.verdict.add(diags...)
	lay := newLayer()
	l.decodeValues(lay, "defaults", content, scope)
	l.decl.defaults = append(l.decl.defaults, lay)
}

func (l *loader) decodeHost(b *hcl.Block, scope *fileScope) {
	content, diags := b.Body.Content(valuesSchema())
	l.verdict.add(diags...)
	n := named{b.Labels[0], labelRange(b, 0)}
	if d := checkHostName(n); d != nil {
		l.verdict.add(d)
		return
	}
	lay := newLayer()
	l.decodeValues(lay, fmt.Sprintf("host %q", n.name), content, scope)
	h := l.decl.host(n.name)
	h.layers = append(h.layers, lay)
}

func (l *loader) decodeGroup(b *hcl.Block, scope *fileScope) {
	content, diags := b.Body.Content(valuesSchema("hosts", "members", "children", "priority"))
	l.verdict.add(diags...)
	n := named{b.Labels[0], labelRange(b, 0)}
	if d := checkGroupName(n); d != nil {
		l.verdict.add(d)
		return
	}
	g := l.decl.group(n.name, n.at)
	for _, host := range l.names(content, "hosts", scope) {
		if d := checkHostName(host); d != nil {
			l.verdict.addFor(host.name, d)
			continue
		}
		l.decl.host(host.name).join(g)
	}
	g.members = append(g.members, l.names(content, "members", scope)...)
	g.children = append(g.children, l.names(content, "children", scope)...)
	l.decodePriority(g, content, scope)
	lay := newLayer()
	l.decodeValues(lay, fmt.Sprintf("group %q", n.name), content, scope)
	g.layers = append(g.layers, lay)
}

func (l *loader) decodePriority(g *groupDecl, content *hcl.BodyContent, scope *fileScope) {
	attr, ok := content.Attributes["priority"]
	if !ok {
		return
	}
	v, ok := l.constant(attr.Expr, cty.Number, scope)
	if !ok || v.IsNull() {
		return
	}
	p, ok := whole(v)
	if !ok {
		l.verdict.add(problem(attr.Expr.Range(), "Invalid priority", "A priority is a whole number; higher wins."))
		return
	}
	if g.priority != nil && *g.priority != p && g.priorityAt.Filename != "" {
		l.verdict.add(problem(attr.Expr.Range(), "Conflicting priorities",
			"The group %q has the priority %d already, at %s.", g.name, *g.priority, place(g.priorityAt)))
		return
	}
	g.priority, g.priorityAt = &p, attr.Expr.Range()
}

// constant evaluates an expression that may not look at a host.
func (l *loader) constant(expr hcl.Expression, want cty.Type, scope *fileScope) (cty.Value, bool) {
	if diags := checkNames(expr, withoutHost); diags.HasErrors() {
		l.verdict.add(diags...)
		return cty.NilVal, false
	}
	v, diags := scope.value(expr)
	l.verdict.add(diags...)
	if diags.HasErrors() {
		return cty.NilVal, false
	}
	if want == cty.DynamicPseudoType {
		return v, true
	}
	v, _ = v.UnmarkDeep()
	v, err := convert.Convert(v, want)
	if err != nil {
		l.verdict.add(problem(expr.Range(), "Wrong type", "%s.", err))
		return cty.NilVal, false
	}
	return v, true
}

// names are the names that an attribute lists: a list, or one name.
func (l *loader) names(content *hcl.BodyContent, attribute string, scope *fileScope) []named {
	attr, ok := content.Attributes[attribute]
	if !ok {
		return nil
	}
	parts := []hcl.Expression{attr.Expr}
	literal := false
	if list, diags := hcl.ExprList(attr.Expr); !diags.HasErrors() {
		parts, literal = list, true // each name has a range of its own
	}
	var out []named
	for _, part := range parts {
		v, ok := l.constant(part, cty.DynamicPseudoType, scope)
		if !ok {
			continue
		}
		v, _ = v.UnmarkDeep()
		if texts, ok := texts(v, !literal); ok {
			for _, s := range texts {
				out = append(out, named{s, part.Range()})
			}
			continue
		}
		hint := `["a", "b"], or nodes("node[001-016]")`
		if literal {
			hint = `a name each; several lists are put together with concat(nodes("…"), ["…"])`
		}
		l.verdict.add(problem(part.Range(), "Not a list of names", "The attribute %q takes a list of names: %s.", attribute, hint))
	}
	return out
}

// texts are the strings of a value: of a list or set where lists are expected, of one string otherwise. Null is an empty list.
func texts(v cty.Value, list bool) ([]string, bool) {
	if v.IsKnown() && !v.IsNull() && v.Type() == cty.String {
		return []string{v.AsString()}, true
	}
	if !list || !v.IsWhollyKnown() {
		return nil, false
	}
	if v.IsNull() {
		return nil, true
	}
	if !v.CanIterateElements() || v.Type().IsMapType() || v.Type().IsObjectType() {
		return nil, false
	}
	out := make([]string, 0, v.LengthInt())
	for _, e := range v.AsValueSlice() {
		if e.IsNull() || e.Type() != cty.String {
			return nil, false
		}
		out = append(out, e.AsString())
	}
	return out, true
}

// decodeVariables takes in values for a playbook's variables.
func (l *loader) decodeVariables(b *hcl.Block, scope *fileScope) {
	attrs, diags := b.Body.JustAttributes()
	l.verdict.add(diags...)
	for _, attr := range inTextOrder(attrs) {
		if v, ok := l.constant(attr.Expr, cty.DynamicPseudoType, scope); ok {
			l.variable(attr.Name, v, attr.Range)
		}
	}
}

// variable takes in one value for a playbook's variable.
func (l *loader) variable(name string, v cty.Value, at hcl.Range) {
	first, taken := l.inv.Variables[name]
	switch {
	case taken && !same(first.Value, v):
		l.verdict.add(problem(at, "Conflicting variables", "The variable %q has another value at %s. Take one of the two out.", name, place(first.Range)))
	case !taken:
		if l.inv.Variables == nil {
			l.inv.Variables = map[string]Variable{}
		}
		l.inv.Variables[name] = Variable{Value: v, Range: at}
	}
}

func inTextOrder(attrs hcl.Attributes) []*hcl.Attribute {
	out := make([]*hcl.Attribute, 0, len(attrs))
	for _, a := range attrs {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *hcl.Attribute) int { return a.Range.Start.Byte - b.Range.Start.Byte })
	return out
}

// same tells whether two values are equal, sensitive or not.
func same(a, b cty.Value) bool {
	a, _ = a.UnmarkDeep()
	b, _ = b.UnmarkDeep()
	return a.RawEquals(b)
}

// decodeSource opens a source, and takes in what it finds.
func (l *loader) decodeSource(ctx context.Context, b *hcl.Block, scope *fileScope) {
	kind, name := b.Labels[0], b.Labels[1]
	key := [2]string{kind, name}
	if first, taken := l.decl.sources[key]; taken {
		l.verdict.add(problem(labelRange(b, 1), "Duplicate source", "There is a source %q %q already, at %s. Give one of the two another name.", kind, name, place(first)))
		return
	}
	l.decl.sources[key] = b.DefRange
	source, ok := l.o.Sources[kind]
	if !ok {
		source, ok = builtin(l.o)[kind]
	}
	if !ok {
		l.verdict.add(unknownSource(kind, labelRange(b, 0), l.o))
		return
	}
	if l.verdict.diags.HasErrors() || ctx.Err() != nil {
		return // nothing is started for an inventory that is wrong
	}
	found, diags := source.Open(ctx, SourceBlock{
		Type: kind, Name: name, Body: b.Body, Eval: scope.context(), Dir: scope.dir, DeclRange: b.DefRange, Cache: cacheFolder(l.o.Env), Idle: l.o.Idle,
	})
	if found.Close != nil {
		l.inv.close = append(l.inv.close, found.Close)
	}
	l.verdict.add(diags...)
	if !diags.HasErrors() {
		l.take(found, fmt.Sprintf("source %q %q", kind, name), b.DefRange)
	}
}

func unknownSource(kind string, at hcl.Range, o Options) *hcl.Diagnostic {
	var types []string
	for name := range builtin(o) {
		types = append(types, name)
	}
	for name := range o.Sources {
		types = append(types, name)
	}
	slices.Sort(types)
	types = slices.Compact(types)
	return problem(at, "Unknown source", "There is no source of the type %q; there are %s.%s", kind, strings.Join(types, ", "), eval.DidYouMean(kind, types))
}
