package inventory

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/eval"
)

// An evaluation gives the values of one host. Each is evaluated when it is first asked for, so that one may read another.
type evaluation struct {
	decl    *hostDecl
	groups  []string
	plan    *plan
	choices map[slot]choice
	order   []slot // of choices, sorted
	shared  bool   // choices are the plan's own
	verdict *verdict
	failed  bool // a value could not be had

	state map[slot]*outcome
	chain []slot    // under way, outermost first
	bare  cty.Value // host without vars; made when first needed
}

// An outcome is what became of one slot.
type outcome struct {
	visit visit
	value cty.Value
	ok    bool // false: a diagnostic tells why
}

// evaluation begins with a host. Maps that are one expression are taken apart first.
func (d *declarations) evaluation(h *hostDecl, v *verdict) *evaluation {
	groups := d.groupsOf(h)
	e := &evaluation{decl: h, plan: d.planFor(groups), verdict: v}
	for _, g := range groups {
		if !g.below {
			e.groups = append(e.groups, g.name)
		}
	}
	whole := func(l *layer) bool { return len(l.whole) > 0 }
	switch {
	case e.plan.wholes || slices.ContainsFunc(h.layers, whole):
		tiers, own := e.plan.tiers, h.layers
		for _, section := range []string{varsSection, envSection} { // env may read vars
			tiers, own = e.takeApart(section, tiers, own)
			e.choices = override(choose(tiers), own)
			e.order = sortedSlots(e.choices)
		}
	case len(h.layers) > 0:
		e.choices = override(e.plan.choices, h.layers)
		e.order = sortedSlots(e.choices)
	default:
		e.choices, e.order, e.shared = e.plan.choices, e.plan.order, true
	}
	return e
}

// takeApart evaluates the expressions that give a section as a whole, and gives layers that have its elements.
func (e *evaluation) takeApart(section string, tiers []tier, own []*layer) ([]tier, []*layer) {
	apart := func(layers []*layer) []*layer {
		out := slices.Clone(layers)
		for i, l := range out {
			if c := l.whole[section]; c != nil {
				out[i] = e.layerOf(l, c, section)
			}
		}
		return out
	}
	tiers = slices.Clone(tiers)
	for i := range tiers {
		tiers[i].layers = apart(tiers[i].layers)
	}
	return tiers, apart(own)
}

// layerOf is a layer with the elements of a section that is one expression.
func (e *evaluation) layerOf(l *layer, c *cell, section string) *layer {
	out := newLayer()
	out.found, out.whole = l.found, l.whole
	for s, have := range l.cells {
		out.cells[s] = have
	}
	v, ok := e.cellValue(c)
	if !ok {
		return out
	}
	cells, diag := c.apart(section, v)
	if diag != nil {
		e.report(diag)
	}
	for s, part := range cells {
		out.cells[s] = part
	}
	return out
}

func (e *evaluation) report(diags ...*hcl.Diagnostic) { e.verdict.addFor(e.decl.name, diags...) }

// value is what counts for a slot; false where it could not be evaluated, which has been reported.
func (e *evaluation) value(s slot) (cty.Value, bool) {
	c := e.choices[s]
	if len(c.first) == 1 && !c.first[0].reads.host {
		return e.cellValue(c.first[0])
	}
	if o := e.state[s]; o != nil {
		return o.value, o.ok // never under way: read looks first
	}
	if e.state == nil {
		e.state = map[slot]*outcome{}
	}
	o := &outcome{visit: underWay}
	e.state[s] = o
	e.chain = append(e.chain, s)
	o.value, o.ok = e.settle(s, c)
	e.chain = e.chain[:len(e.chain)-1]
	o.visit = finished
	return o.value, o.ok
}

// settle is the value that all of a choice agree on.
func (e *evaluation) settle(s slot, c choice) (cty.Value, bool) {
	first, ok := e.cellValue(c.first[0])
	for _, other := range c.first[1:] {
		v, fine := e.cellValue(other)
		if !ok || !fine {
			ok = false
			continue
		}
		if !e.agree(s, first, v) {
			e.report(conflict(s, c.first[0], other))
			ok = false
		}
	}
	return first, ok
}

// agree tells whether two values are the same once they are what the slot takes.
func (e *evaluation) agree(s slot, a, b cty.Value) bool {
	if set := settingFor[s]; set != nil {
		var x, y Host
		if set.apply(&x, a) == nil && set.apply(&y, b) == nil {
			return fmt.Sprint(x.SSH, x.Become, x.Address, x.Connection) == fmt.Sprint(y.SSH, y.Become, y.Address, y.Connection)
		}
	}
	return same(a, b)
}

func conflict(s slot, a, b *cell) *hcl.Diagnostic {
	way := "Take one of the two out."
	if a.from != b.from && strings.Contains(a.from, "group \"") {
		way = "Neither of the two groups is above the other, so give one a higher priority, make one a child of the other, or set the value for the host."
	}
	return problem(b.at, "Conflicting values", "The %s gives %s another value than the %s does, at %s. %s", b.from, s, a.from, place(a.at), way)
}

// cellValue evaluates one cell for the host.
func (e *evaluation) cellValue(c *cell) (cty.Value, bool) {
	if !c.reads.host {
		v, diags := c.once()
		e.verdict.add(diags...)
		return v, v != cty.NilVal
	}
	host, ok := e.hostFor(c)
	if !ok {
		return cty.NilVal, false
	}
	v, diags := c.scope.valueFor(c.expr, host)
	e.report(diags...)
	return v, !diags.HasErrors()
}

// hostFor is the host as an expression sees it: of vars, those that it reads.
func (e *evaluation) hostFor(c *cell) (cty.Value, bool) {
	if e.bare == cty.NilVal {
		e.bare = e.hostWith(cty.EmptyObjectVal)
	}
	if !c.reads.allVars && len(c.reads.vars) == 0 {
		return e.bare, true
	}
	vars, all := map[string]cty.Value{}, true
	for _, ref := range c.reads.vars {
		v, found, ok := e.read(slot{varsSection, ref.Path[1]}, ref.Range)
		switch {
		case !ok:
			all = false
		case found:
			vars[ref.Path[1]] = v
		case !ref.InTry:
			e.report(e.unknownVar(ref))
			all = false
		}
	}
	if c.reads.allVars {
		for _, s := range e.order {
			if s.section != varsSection {
				continue
			}
			v, _, ok := e.read(s, c.at)
			vars[s.name] = v
			all = all && ok
		}
	}
	if !all {
		return cty.NilVal, false
	}
	return e.hostWith(cty.ObjectVal(vars)), true
}

func (e *evaluation) hostWith(vars cty.Value) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"name": cty.StringVal(e.decl.name), "groups": nameList(e.groups), varsSection: vars,
	})
}

// read is value for an expression that stands at a place: it tells of cycles, and whether there is such a slot at all.
func (e *evaluation) read(s slot, at hcl.Range) (v cty.Value, found, ok bool) {
	if _, found = e.choices[s]; !found {
		return cty.NilVal, false, true
	}
	if o := e.state[s]; o != nil && o.visit == underWay {
		e.report(e.cycle(s, at))
		return cty.NilVal, true, false
	}
	v, ok = e.value(s)
	return v, true, ok
}

func (e *evaluation) cycle(s slot, at hcl.Range) *hcl.Diagnostic {
	var steps []string
	for _, under := range append(e.chain[slices.Index(e.chain, s):len(e.chain):len(e.chain)], s) {
		c := e.choices[under].first[0]
		steps = append(steps, fmt.Sprintf("host.%s (%s)", under, place(c.at)))
	}
	return problem(at, "Cycle in host.vars", "This value depends on itself: %s.", strings.Join(steps, ", which reads "))
}

func (e *evaluation) unknownVar(ref eval.Reference) *hcl.Diagnostic {
	var names []string
	for s := range e.choices {
		if s.section == varsSection {
			names = append(names, s.name)
		}
	}
	slices.Sort(names)
	return problem(ref.Range, "Unknown variable of the host", "The host %q has no vars of the name %q.%s If it may be missing, write try(host.vars.%s, null).",
		e.decl.name, ref.Path[1], eval.DidYouMean(ref.Path[1], names), ref.Path[1])
}
