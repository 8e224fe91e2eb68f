package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"cvsplay/engine/config"
	"cvsplay/engine/eval"
)

// A unit is a file with names of its own: the playbook, or one that it includes. Inside of a play, and of a run, there is one space of names: what a
// unit calls var.x, local.y and include.u.z are locals named "PREFIXvar.x", "PREFIXlocal.y" and "PREFIXu.out.z", and its steps, handlers and plays have names that begin with
// its own. A unit's expressions are read through the two: their references are renamed, and what they see is named as the unit does.
type unit struct {
	decl      *config.Unit // nil: the playbook
	names     string       // what the locals begin with that are made of its names
	steps     string       // what the names of its steps and handlers begin with
	plays     string       // the same of its plays
	path      cty.Value
	functions map[string]function.Function
	own       defined
}

// isRoot tells whether names mean what they say.
func (u *unit) isRoot() bool { return u.decl == nil }

// rename gives references of the unit's expressions the names that they have in the play.
func (u *unit) rename(refs []eval.Reference) []eval.Reference {
	var out []eval.Reference
	for _, r := range refs {
		out = append(out, u.renamed(r)...)
	}
	return out
}

func (u *unit) renamed(r eval.Reference) []eval.Reference {
	said, all := r.String(), len(r.Path) == 0 || r.Path[0] == eval.AnyKey
	to := func(root string, skip int, path ...string) []eval.Reference {
		n := r
		n.Said, n.Root, n.Path, n.Steps = said, root, append(path, r.Path[skip:]...), r.Steps[skip-len(path):]
		return []eval.Reference{n}
	}
	switch {
	case r.Root == "include" && len(r.Path) > 1 && !all && r.Path[1] != eval.AnyKey:
		return to("local", 2, u.names+r.Path[0]+".out."+r.Path[1])
	case u.isRoot():
	case (r.Root == "var" || r.Root == "local") && all:
		return u.whole(r)
	case r.Root == "var" || r.Root == "local":
		return to("local", 1, u.names+r.Root+"."+r.Path[0])
	case r.Root == "step" && !all:
		return to("step", 1, u.steps+r.Path[0])
	case r.Root == "play" && !all:
		return to("play", 1, u.plays+r.Path[0])
	case r.Root == "hosts" && len(r.Path) > 2 && r.Path[1] == "step" && r.Path[2] != eval.AnyKey:
		return to("hosts", 3, r.Path[0], "step", u.steps+r.Path[2])
	}
	return []eval.Reference{r}
}

// whole are the references of var or local as a whole.
func (u *unit) whole(r eval.Reference) []eval.Reference {
	var out []eval.Reference
	add := func(name string) {
		out = append(out, eval.Reference{Said: r.Root, Root: "local", Path: []string{u.names + r.Root + "." + name}, Range: r.Range, Steps: []hcl.Range{r.Range}, InTry: r.InTry})
	}
	if r.Root == "var" {
		for _, v := range u.decl.Variables {
			add(v.Name)
		}
		return out
	}
	for _, l := range u.decl.Locals {
		add(l.Name)
	}
	return out
}

// view is what the unit's expressions see in a scope.
func (u *unit) view(s eval.Scope) eval.Scope {
	out := eval.Scope{Functions: u.functions, Values: maps.Clone(s.Values)}
	out.Values["include"] = u.outputs(s.Values["local"])
	if u.isRoot() {
		return out
	}
	out.Values["path"] = u.path
	for _, root := range []string{"var", "local"} {
		out.Values[root] = within(s.Values["local"], u.names+root+".")
	}
	for root, prefix := range map[string]string{"step": u.steps, "play": u.plays} {
		if v, ok := s.Values[root]; ok {
			out.Values[root] = within(v, prefix)
		}
	}
	if v, ok := s.Values["hosts"]; ok && u.steps != "" {
		out.Values["hosts"] = u.hosts(v)
	}
	return out
}

// within are the attributes whose names begin with a prefix and go on without another one.
func within(v cty.Value, prefix string) cty.Value {
	if v == cty.NilVal || !v.IsKnown() || !v.Type().IsObjectType() {
		if v == cty.NilVal {
			return cty.EmptyObjectVal
		}
		return v
	}
	attrs := map[string]cty.Value{}
	for name := range v.Type().AttributeTypes() {
		if own, ok := strings.CutPrefix(name, prefix); ok && !strings.Contains(own, ".") {
			attrs[own] = v.GetAttr(name)
		}
	}
	return objectOrEmpty(attrs)
}

// outputs is include: what the units that this one includes give out.
func (u *unit) outputs(locals cty.Value) cty.Value {
	if locals == cty.NilVal {
		return cty.EmptyObjectVal
	}
	if !locals.IsKnown() || !locals.Type().IsObjectType() {
		return cty.DynamicVal
	}
	of := map[string]map[string]cty.Value{}
	for name := range locals.Type().AttributeTypes() {
		rest, ok := strings.CutPrefix(name, u.names)
		if !ok {
			continue
		}
		if parts := strings.Split(rest, "."); len(parts) == 3 && parts[1] == "out" {
			if of[parts[0]] == nil {
				of[parts[0]] = map[string]cty.Value{}
			}
			of[parts[0]][parts[2]] = locals.GetAttr(name)
		}
	}
	out := map[string]cty.Value{}
	for name, attrs := range of {
		out[name] = cty.ObjectVal(attrs)
	}
	return objectOrEmpty(out)
}

// hosts is hosts, with the unit's own steps.
func (u *unit) hosts(v cty.Value) cty.Value {
	if !v.IsKnown() || !v.Type().IsObjectType() {
		return v
	}
	all := v.AsValueMap()
	for name, h := range all {
		if !h.Type().IsObjectType() || !h.Type().HasAttribute("step") {
			continue
		}
		attrs := h.AsValueMap()
		attrs["step"] = within(attrs["step"], u.steps)
		all[name] = cty.ObjectVal(attrs)
	}
	return objectOrEmpty(all)
}

// wrap gives an expression of the unit the names of the play.
func (u *unit) wrap(e hcl.Expression) hcl.Expression {
	if e == nil || u == nil {
		return e
	}
	return &unitExpr{e, u}
}

// A unitExpr is an expression that stands in a unit.
type unitExpr struct {
	hcl.Expression
	unit *unit
}

// Value evaluates the expression with what the unit sees of ctx.
func (e *unitExpr) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if ctx == nil {
		return e.Expression.Value(nil)
	}
	s := e.unit.view(eval.Scope{Functions: ctx.Functions, Values: ctx.Variables})
	return e.Expression.Value(&hcl.EvalContext{Variables: s.Values, Functions: s.Functions})
}

// References are those of the expression, as the play names them.
func (e *unitExpr) References() []eval.Reference { return e.unit.rename(eval.References(e.Expression)) }

// UnwrapExpression lets hcl look at the expression itself.
func (e *unitExpr) UnwrapExpression() hcl.Expression { return e.Expression }

// A unitVar is the value of a unit's variable: what the include block gives it, or its default.
type unitVar struct {
	hcl.Expression // what is given; nil: its default
	decl           *config.Variable
	of             *unit
}

// Value gives the variable's value, of its type and checked by its validations.
func (v *unitVar) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	var given []eval.Given
	if v.Expression != nil {
		value, diags := v.Expression.Value(ctx)
		if diags.HasErrors() {
			return cty.DynamicVal, diags
		}
		at := v.Expression.Range()
		given = []eval.Given{{Name: v.decl.Name, Source: eval.FromOption, Value: value, Range: &at, Origin: fmt.Sprintf("include %q at %s:%d", v.of.decl.Name, at.Filename, at.Start.Line)}}
	}
	values, diags := eval.Variables([]*config.Variable{v.decl}, given, v.of.functions)
	return values[v.decl.Name], diags
}

func (v *unitVar) References() []eval.Reference { return eval.References(v.Expression) }

func (v *unitVar) Variables() []hcl.Traversal {
	if v.Expression == nil {
		return nil
	}
	return v.Expression.Variables()
}

// Range is where its value comes from.
func (v *unitVar) Range() hcl.Range {
	if v.Expression == nil {
		return v.decl.NameRange
	}
	return v.Expression.Range()
}

// StartRange is the same.
func (v *unitVar) StartRange() hcl.Range { return v.Range() }

// newUnit binds a unit; in is the one that includes it.
func (p *Plan) newUnit(decl *config.Unit, in *unit, ofPlays bool) (*unit, []*config.Attr, hcl.Diagnostics) {
	u := &unit{decl: decl, names: in.names + decl.Name + ".", steps: in.steps, plays: in.plays, functions: p.functions}
	if ofPlays {
		u.plays = decl.Prefix
		if in.isRoot() {
			u.names = "/" + u.names
		}
	} else {
		u.steps = decl.Prefix
	}
	if p.functionsIn != nil {
		u.functions = p.functionsIn(absolute(p.path.GetAttr("cwd").AsString(), decl.Dir))
	}
	path := p.path.AsValueMap()
	path["module"] = cty.StringVal(absolute(path["cwd"].AsString(), decl.Dir))
	u.path = cty.ObjectVal(path)
	attrs, diags := u.attributes(in)
	inner := *p
	inner.vars, inner.path, inner.functions, inner.static, inner.locals = cty.EmptyObjectVal, u.path, u.functions, nil, &eval.LocalSet{}
	own, more := inner.defineAll(&config.Playbook{Unit: *decl})
	u.own = own
	return u, attrs, append(diags, more...)
}

// attributes are the locals that the unit's names are made of.
func (u *unit) attributes(in *unit) ([]*config.Attr, hcl.Diagnostics) {
	var attrs []*config.Attr
	var diags hcl.Diagnostics
	var names []string
	given := map[string]*config.Attr{}
	for _, a := range u.decl.Args {
		given[a.Name] = a
	}
	for _, v := range u.decl.Variables {
		names = append(names, v.Name)
		value := &unitVar{decl: v, of: u}
		if a := given[v.Name]; a != nil {
			value.Expression = in.wrap(a.Expr)
		} else if v.Default == nil {
			diags = diags.Append(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Missing required argument", Subject: u.decl.DeclRange.Ptr(),
				Detail: fmt.Sprintf("%s declares the variable %q without a default: give it a value here.", u.decl.Path, v.Name)})
			value.Expression = hcl.StaticExpr(cty.DynamicVal, u.decl.DeclRange) // so that what reads it is not wrong, too
		}
		attrs = append(attrs, &config.Attr{Name: u.names + "var." + v.Name, Expr: value, NameRange: value.Range()})
	}
	for _, a := range u.decl.Args {
		if !slices.Contains(names, a.Name) {
			diags = diags.Append(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unsupported argument", Subject: a.NameRange.Ptr(),
				Detail: fmt.Sprintf("%s declares no variable %q.%s", u.decl.Path, a.Name, didYouMean(a.Name, names))})
		}
	}
	for _, l := range u.decl.Locals {
		attrs = append(attrs, &config.Attr{Name: u.names + "local." + l.Name, Expr: u.wrap(l.Expr), NameRange: l.NameRange})
	}
	for _, o := range u.decl.Outputs {
		value := u.wrap(o.Value)
		attrs = append(attrs, &config.Attr{Name: in.names + u.decl.Name + ".out." + o.Name, Expr: value, NameRange: o.NameRange})
	}
	return attrs, diags
}

// A name of a unit among the locals.
type unitName struct {
	unit string // names of the unit
	kind string // var, local, out
	name string
}

func unitNameOf(local string) (unitName, bool) {
	parts := strings.Split(local, ".")
	if len(parts) < 3 {
		return unitName{}, false
	}
	n := len(parts)
	return unitName{unit: strings.Join(parts[:n-2], ".") + ".", kind: parts[n-2], name: parts[n-1]}, true
}

// ofUnit checks a reference to a name of a unit.
func (w where) ofUnit(r eval.Reference, n unitName) hcl.Diagnostics {
	u := w.units[n.unit]
	if u == nil && n.kind == "out" && w.units["/"+n.unit] != nil {
		u = w.units["/"+n.unit]
	}
	if u == nil {
		return wrong(r, "Unknown include", fmt.Sprintf("There is no include %q here.", strings.TrimSuffix(n.unit[strings.LastIndex(strings.TrimSuffix(n.unit, "."), ".")+1:], ".")))
	}
	what, names := "output of "+u.decl.Path, []string(nil)
	switch n.kind {
	case "var":
		what = "variable"
		for _, v := range u.decl.Variables {
			names = append(names, v.Name)
		}
	case "local":
		what = "local value"
		for _, l := range u.decl.Locals {
			names = append(names, l.Name)
		}
		if w.play != nil && w.play.base == u {
			for _, l := range w.play.decl.Locals {
				names = append(names, l.Name)
			}
		}
	default:
		for _, o := range u.decl.Outputs {
			names = append(names, o.Name)
		}
	}
	own := r
	own.Path = append([]string{n.name}, r.Path[1:]...)
	return w.named(own, what, names)
}

// unit is the bound unit of a file with plays; the playbook's own where decl is nil.
func (p *Plan) unit(decl *config.Unit) *unit {
	for _, u := range p.units {
		if u.decl == decl {
			return u
		}
	}
	return p.root
}

// bindIncludes binds the files with plays, and gives all locals that are no play's.
func (p *Plan) bindIncludes() ([]*config.Attr, hcl.Diagnostics) {
	some := len(p.Playbook.Includes) > 0 || slices.ContainsFunc(p.Playbook.Plays, func(play *config.Play) bool { return len(play.Includes) > 0 })
	if !some {
		return p.Playbook.Locals, nil
	}
	p.root = &unit{functions: p.functions, path: p.path, own: p.own}
	var attrs []*config.Attr
	var diags hcl.Diagnostics
	for _, l := range p.Playbook.Locals {
		attrs = append(attrs, &config.Attr{Name: l.Name, Expr: p.root.wrap(l.Expr), NameRange: l.NameRange})
	}
	for _, decl := range p.Playbook.Includes {
		u, own, more := p.newUnit(decl, p.unit(decl.Parent), true)
		p.units = append(p.units, u)
		attrs, diags = append(attrs, own...), append(diags, more...)
	}
	return attrs, diags
}

// bindUnits binds what a play includes, and gives all of the play's locals.
func (p *Plan) bindUnits(play *Play) ([]*config.Attr, hcl.Diagnostics) {
	if play.base == nil {
		return play.decl.Locals, nil
	}
	var attrs []*config.Attr
	var diags hcl.Diagnostics
	for _, l := range play.decl.Locals {
		name := l.Name
		if !play.base.isRoot() {
			name = play.base.names + "local." + name
		}
		attrs = append(attrs, &config.Attr{Name: name, Expr: play.base.wrap(l.Expr), NameRange: l.NameRange})
	}
	for _, decl := range play.decl.Includes {
		in := play.unit(decl.Parent)
		if in == nil {
			in = play.base
		}
		u, own, more := p.newUnit(decl, in, false)
		play.units = append(play.units, u)
		attrs, diags = append(attrs, own...), append(diags, more...)
	}
	return attrs, diags
}

// unitsIn are all units whose names an expression may hold, by what these begin with.
func (p *Plan) unitsIn(play *Play) map[string]*unit {
	out := map[string]*unit{}
	for _, u := range p.units {
		out[u.names] = u
	}
	if play != nil {
		for _, u := range play.units {
			out[u.names] = u
		}
	}
	return out
}

// staticLocalsOf evaluates those of a play's locals that are the same for every host.
func (p *Plan) staticLocalsOf(set *eval.LocalSet) (map[string]cty.Value, hcl.Diagnostics) {
	var static []string
	for _, name := range set.Names() {
		refs := p.expand(set.References(name), nil)
		outer := slices.ContainsFunc(refs, func(r eval.Reference) bool {
			if r.Root != "local" || len(r.Path) == 0 {
				return r.Root == "local"
			}
			_, known := p.static[r.Path[0]]
			return !known
		})
		if isStatic(refs) && !outer {
			static = append(static, name)
		}
	}
	scope := p.scope(nil, nil)
	scope.Values["run"], scope.Values["group"], scope.Values["local"] = p.runValue(nil), p.groups, objectOrEmpty(p.static)
	return set.Values(static, scope)
}

// addOutputs adds what files with plays give out, where that is made of plays that are over.
func (p *Plan) addOutputs(s eval.Scope, refs []eval.Reference) {
	var names []string
	for _, name := range p.locals.Used(refs) {
		if _, static := p.static[name]; !static && strings.Contains(name, ".out.") {
			names = append(names, name)
		}
	}
	if names == nil {
		return
	}
	all := maps.Clone(p.static)
	for _, name := range names {
		if values, diags := p.locals.Values([]string{name}, s); !diags.HasErrors() {
			maps.Copy(all, values)
		}
	}
	s.Values["local"] = objectOrEmpty(all)
}
