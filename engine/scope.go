package engine

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/eval"
)

// An Expr is an expression a person wrote, with what it refers to (through locals too). The zero value is one that was not written.
type Expr struct {
	hcl.Expression
	refs []eval.Reference
}

func (e Expr) given() bool { return e.Expression != nil }

// ready gathers the facts that references read. waits: its step has not begun yet.
func (m *member) ready(refs []eval.Reference, waits bool) error {
	if err := m.know(refs, waits); err != nil {
		return err
	}
	return m.play.readyFacts(refs)
}

// value evaluates one expression on this host.
func (m *member) value(e Expr, each, self cty.Value) (cty.Value, error) {
	if err := m.ready(e.refs, self == cty.NilVal); err != nil {
		return cty.DynamicVal, err
	}
	s, err := m.scope(e.refs, each, self)
	if err != nil {
		return cty.DynamicVal, m.lacks(e.refs, err)
	}
	v, diags := s.Value(e.Expression)
	if diags.HasErrors() {
		return cty.DynamicVal, m.lacks(e.refs, diagError{diags})
	}
	return v, nil
}

// lacks says what an expression reads that is not there, where that is why it has no value.
func (m *member) lacks(refs []eval.Reference, err error) error {
	return m.play.lackingFacts(refs, m.notRun(refs, err))
}

// scope gives what the references need, and no more: a scope is made for every host, so it has to be small.
func (m *member) scope(refs []eval.Reference, each, self cty.Value) (eval.Scope, error) {
	s := m.play.run.plan.scope(refs, m.play)
	steps, hostsRead := map[string]cty.Value{}, false
	for _, r := range refs {
		switch r.Root {
		case "host":
			if _, have := s.Values["host"]; !have {
				s.Values["host"] = m.hostValue(ownFacts(refs))
			}
		case "hosts":
			hostsRead = true
		case "step":
			m.addSteps(steps, r)
		}
	}
	if len(steps) > 0 {
		s.Values["step"] = cty.ObjectVal(steps)
	}
	if hostsRead {
		s.Values["hosts"] = m.play.hosts
	}
	if each != cty.NilVal {
		s.Values["each"] = each
	}
	if self != cty.NilVal {
		s.Values["self"] = self
	}
	return s, m.addLocals(s, refs)
}

// hostValue is host: what the inventory says, and the facts that are read.
func (m *member) hostValue(set factSet) cty.Value {
	if m.origin != nil {
		return m.origin.hostValue(set)
	}
	v := m.node.host.Value()
	if set == 0 {
		return v
	}
	attrs := maps.Clone(v.AsValueMap())
	attrs["facts"] = m.node.factsValue(set)
	return cty.ObjectVal(attrs)
}

// addSteps adds the steps that a reference names: one, or all where it names none.
func (m *member) addSteps(steps map[string]cty.Value, r eval.Reference) {
	if len(r.Path) > 0 && r.Path[0] != eval.AnyKey {
		if s := m.play.plan.step(r.Path[0]); s != nil {
			steps[s.Name] = m.stepValue(s)
		}
		return
	}
	for _, s := range m.play.plan.Steps {
		if !s.handler { // no name of step is one
			steps[s.Name] = m.stepValue(s)
		}
	}
}

// addLocals evaluates the locals that are referred to and that differ from host to host.
func (m *member) addLocals(s eval.Scope, refs []eval.Reference) error {
	plan, own := m.play.run.plan, m.play.plan.locals
	var here []string
	for _, name := range plan.locals.Used(refs) {
		if _, static := plan.static[name]; !static {
			here = append(here, name)
		}
	}
	used := own.Used(refs)
	if len(here) == 0 && len(used) == 0 {
		return nil
	}
	values := maps.Clone(plan.static)
	for _, part := range []struct {
		set   *eval.LocalSet
		names []string
	}{{plan.locals, here}, {own, used}} {
		if err := m.play.addValues(values, part.set, part.names, s, refs); err != nil {
			return err
		}
	}
	s.Values["local"] = objectOrEmpty(values)
	return nil
}

// addValues evaluates some locals of a set. One that looks at the fleet but not at its host is the same for all of them: it is evaluated once
// for each stage, or a thousand hosts would each look at a thousand.
func (p *playRun) addValues(values map[string]cty.Value, set *eval.LocalSet, names []string, s eval.Scope, refs []eval.Reference) error {
	var own []string
	for _, name := range names {
		if !sameForAll(set.References(name)) {
			own = append(own, name)
			continue
		}
		v, err := p.sharedLocal(set, name, s.With("local", objectOrEmpty(values)))
		if err != nil {
			if inTry(refs, name) {
				continue
			}
			return err
		}
		values[name] = v
	}
	s = s.With("local", objectOrEmpty(values))
	more, diags := set.Values(own, s)
	if !diags.HasErrors() {
		maps.Copy(values, more)
		return nil
	}
	for _, name := range own {
		one, diags := set.Values([]string{name}, s)
		switch {
		case !diags.HasErrors():
			maps.Copy(values, one)
		case !inTry(refs, name):
			return diagError{diags}
		}
	}
	return nil
}

// inTry tells whether a local is read nowhere but in try and can: then it may have no value.
func inTry(refs []eval.Reference, name string) bool {
	return !slices.ContainsFunc(refs, func(r eval.Reference) bool {
		return r.Root == "local" && !r.InTry && (len(r.Path) == 0 || r.Path[0] == eval.AnyKey || r.Path[0] == name)
	})
}

// sameForAll tells whether references are to nothing of one host or one item.
func sameForAll(refs []eval.Reference) bool {
	for _, r := range refs {
		switch r.Root {
		case "host", "step", "each", "self":
			return false
		}
	}
	return true
}

// A sharedKey names a local: a play may have one of the same name as the playbook.
type sharedKey struct {
	set  *eval.LocalSet
	name string
}

// sharedLocal is a local that is the same for all hosts during the stage.
func (p *playRun) sharedLocal(set *eval.LocalSet, name string, s eval.Scope) (cty.Value, error) {
	p.sharedMu.Lock()
	defer p.sharedMu.Unlock()
	key := sharedKey{set, name}
	if v, ok := p.shared[key]; ok {
		return v, nil
	}
	values, diags := set.Values([]string{name}, s)
	if diags.HasErrors() {
		return cty.DynamicVal, diagError{diags}
	}
	if p.shared == nil {
		p.shared = map[sharedKey]cty.Value{}
	}
	p.shared[key] = values[name]
	return values[name], nil
}

// hostsValue is hosts: every host of the inventory, with what its steps left in this play before the one with an index.
func (p *playRun) hostsValue(index int) cty.Value {
	members := map[string]*member{}
	for _, m := range p.members {
		members[m.node.host.Name] = m
	}
	all := map[string]cty.Value{}
	for _, h := range p.run.inv.Hosts {
		attrs := h.Value().AsValueMap()
		if attrs == nil {
			attrs = map[string]cty.Value{}
		}
		if facts, ok := p.others[h.Name]; ok {
			attrs["facts"] = facts
		}
		if m := members[h.Name]; m != nil {
			for name, v := range m.summary(index).AsValueMap() {
				if name != "message" {
					attrs[name] = v
				}
			}
		}
		all[h.Name] = cty.ObjectVal(attrs)
	}
	return objectOrEmpty(all)
}

// explain writes an evaluation error of a host for a person.
func explain(what string, err error) string {
	return strings.TrimSpace(what + ": " + err.Error())
}
