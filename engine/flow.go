package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/config"
	"cvsplay/engine/event"
)

// A region is a stretch of a play's steps that a host goes through or passes over as a whole: a part of a block. The play itself is the body of a
// block, whose always part runs the handlers that are still owed.
type region struct {
	kind     config.PartKind
	block    *block
	from, to int // the steps [from, to)
}

// A block is steps that share settings, and what is done where one of them fails.
type block struct {
	name  string
	in    *region // where it stands; nil: it is the play
	parts [3]*region
	decl  *config.Block
	when  Expr
}

// names are what the block's own expressions may name.
func (b *block) names(play *Play) names { return play.in(play.unit(b.decl.Unit)) }

// outer gives a step's regions from the innermost to the play's.
func (s *Step) outer(yield func(*region) bool) {
	for r := s.in; r != nil && yield(r); {
		r = r.block.in
	}
}

// catcher is the block whose rescue takes the failure of a step; nil: there is none.
func (s *Step) catcher() *block {
	for r := range s.outer {
		if r.kind == config.Body && r.block.parts[config.Rescue] != nil {
			return r.block
		}
	}
	return nil
}

// A fall is the way of a host out of the blocks in which a step failed: through their always parts, to the rescue that takes it.
type fall struct {
	from  *Step
	why   string  // it failed
	catch *block  // whose rescue is what comes of it; nil: the host has failed
	also  []*Step // that failed before on the way, and are made up for with it
}

// within is a fall that began in an always part which another had led to. What nothing rescues, stays so.
func (f *fall) within(outer *fall) *fall {
	all := &fall{from: f.from, why: f.why, catch: f.catch, also: append(append(slices.Clone(f.also), outer.from), outer.also...)}
	if outer.catch == nil {
		all.catch = nil
	}
	return all
}

// leads tells whether a falling host goes through a step: one of an always part of a block that it falls out of, or of the rescue that takes it.
func (f *fall) leads(s *Step) bool {
	for r := range s.outer {
		switch r.kind {
		case config.Rescue:
			return r.block == f.catch
		case config.Always:
			if f.leaves(r.block) {
				return true
			}
		}
	}
	return false
}

// leaves tells whether the fall began in a block, and not in its always part.
func (f *fall) leaves(b *block) bool {
	for r := range f.from.outer {
		if r.block == b {
			return r.kind != config.Always
		}
	}
	return false
}

// An opened region is a rescue or always part that a falling host goes through, with the fall that led there.
type opened struct {
	*region
	fall *fall
}

// A course is where a host is in a play.
type course struct {
	at     int // the step that it has come to
	fall   *fall
	opened []opened
	owed   map[string]bool // handlers that were notified and have not run yet
	begun  map[*block]truth
}

// fallAt is the fall in which the host comes to the step with an index, if nothing fails until then; nil: it goes its ordinary way.
func (c *course) fallAt(index int) *fall {
	down := c.fall
	for i := len(c.opened) - 1; i >= 0 && c.opened[i].to <= index; i-- {
		switch o := c.opened[i]; {
		case down != nil && o.kind == config.Always:
			down = down.within(o.fall)
		case o.kind == config.Always:
			down = o.fall
		}
	}
	if down != nil && down.catch != nil && down.catch.parts[config.Rescue].to <= index {
		return nil // nothing was left to do for its rescue
	}
	return down
}

// goes tells whether the host goes through a step, if nothing fails until then.
func (m *member) goes(s *Step) bool {
	if m.out || !m.takesPart(s) || s.handler && (!m.owed[s.Name] || m.gone == event.Unknown) {
		return false
	}
	if down := m.fallAt(s.index); down != nil {
		return down.leads(s)
	}
	for r := range s.outer {
		if r.kind == config.Rescue && !m.isIn(r) {
			return false
		}
	}
	return true
}

// isIn tells whether the host was led into a region.
func (m *member) isIn(r *region) bool {
	return slices.ContainsFunc(m.opened, func(o opened) bool { return o.region == r })
}

// fell tells whether the host would go through a step had it not failed before.
func (m *member) fell(s *Step) bool {
	if !m.takesPart(s) || s.handler || !m.out && m.fallAt(s.index) == nil {
		return false
	}
	for r := range s.outer {
		if r.kind == config.Rescue {
			return false
		}
	}
	return true
}

// sheltered tells whether a host goes through a step though the play was stopped: an always part, or a handler at the end.
func (s *Step) sheltered() bool {
	for r := range s.outer {
		if r.kind == config.Always {
			return true
		}
	}
	return false
}

// arrive has the host come to a step that it goes through.
func (p *playRun) arrive(m *member, s *Step) {
	p.pass(m, s.index)
	if m.fall == nil {
		return
	}
	for r := range s.outer {
		if r.kind == config.Rescue || r.kind == config.Always && m.fall.leaves(r.block) {
			m.opened = append(m.opened, opened{r, m.fall})
			m.fall = nil
			return
		}
	}
}

// pass takes the host past all that stands before the step with an index.
func (p *playRun) pass(m *member, index int) {
	m.at = max(m.at, index)
	for n := len(m.opened) - 1; n >= 0 && m.opened[n].to <= index; n-- {
		done := m.opened[n]
		m.opened = m.opened[:n]
		switch {
		case m.fall != nil && done.kind == config.Always:
			m.fall = m.fall.within(done.fall)
		case m.fall != nil:
			m.fall.also = append(append(m.fall.also, done.fall.from), done.fall.also...)
		case done.kind == config.Always:
			m.fall = done.fall
		default:
			p.rescued(m, done.fall)
		}
	}
	if f := m.fall; f != nil && f.catch != nil && f.catch.parts[config.Rescue].to <= index {
		m.fall = nil
		p.rescued(m, f)
	}
}

// rescued takes a failure back that was rescued.
func (p *playRun) rescued(m *member, f *fall) {
	for _, s := range append([]*Step{f.from}, f.also...) {
		p.emit(event.Event{Kind: event.Rescued, Step: s.Name, Host: m.node.host.Name, Name: f.catch.name})
	}
	if m.node.lost != "" {
		return // it failed before, and goes on with what is done in any case
	}
	m.status = event.OK
	for _, r := range m.records {
		for in := range r.every {
			if !in.ignored && !in.status.Bad() {
				m.status = worse(m.status, in.status)
			}
		}
	}
}

// fallFrom begins the fall of a host whose step failed, and tells whether the failure is the host's: nothing rescues it.
func (m *member) fallFrom(s *Step, t *turn) (lost bool) {
	f := &fall{from: s, why: fmt.Sprintf("step %q: %s", s.Name, t.verdict.reason)}
	if t.member != m { // it ran once, elsewhere
		f.why = fmt.Sprintf("step %q, which ran on %s: %s", s.Name, t.node().host.Name, t.verdict.reason)
	}
	if status := t.verdict.status; status == event.Failed || status == event.Refused {
		f.catch = s.catcher()
	}
	m.fall = f
	return f.catch == nil
}

// awaits tells whether a failed host still has steps to go through: always parts, and handlers.
func (m *member) awaits() bool {
	if m.gone == event.Unreachable {
		return false
	}
	return slices.ContainsFunc(m.play.plan.Steps[m.at:], m.goes)
}

// notify has handlers run later on this host.
func (m *member) notify(s *Step, in *instance) {
	if in.status != event.Changed && in.status != event.WouldChange {
		return
	}
	for _, name := range s.notifies {
		if m.owed == nil {
			m.owed = map[string]bool{}
		}
		m.owed[name] = true
	}
}

// paid notes that a handler has run, where that is what the turn was. One that was cancelled before it began is owed still.
func (m *member) paid(t *turn) {
	if t.step.handler && (t.verdict.status != event.Cancelled || t.acted) {
		delete(m.owed, t.step.Name)
	}
}

// tellOwed tells of the handlers that a host was lost before.
func (p *playRun) tellOwed(m *member) {
	var names []string
	for _, h := range p.plan.Handlers {
		if m.owed[h.Name] && m.takesPart(h) {
			names = append(names, fmt.Sprintf("%q", h.Name))
		}
	}
	if len(names) > 0 {
		p.emit(event.Event{Kind: event.Warning, Host: m.node.host.Name,
			Message: "handlers that were notified and have not run: " + strings.Join(names, ", ")})
	}
}

// closed is the outermost block around a step whose when does not let the host in, and what that when said, or why it says nothing; nil: there is none. A
// block's when is evaluated once, when the host comes to it.
func (m *member) closed(s *Step) (b *block, is truth, err error) {
	var blocks []*block
	for r := range s.outer {
		if r.block.when.given() {
			blocks = append(blocks, r.block)
		}
	}
	for _, b := range slices.Backward(blocks) {
		is, known := m.begun[b]
		if !known {
			if is, err = m.truth(b.when, cty.NilVal); err != nil {
				return b, is, err
			}
			if m.begun == nil {
				m.begun = map[*block]truth{}
			}
			m.begun[b] = is
		}
		if is != yes {
			return b, is, nil
		}
	}
	return nil, yes, nil
}

// bindFlow binds the steps of a play, its blocks and its handlers.
func (p *Plan) bindFlow(w where, play *Play) hcl.Diagnostics {
	var diags hcl.Diagnostics
	play.root = &block{}
	play.root.parts[config.Body] = &region{block: play.root}
	regions := map[*config.Part]*region{nil: play.root.parts[config.Body]}
	for _, decl := range play.decl.Blocks {
		b := &block{name: decl.Name, in: regions[decl.In], decl: decl}
		b.when = p.expr(decl.When, b.names(play))
		for kind, part := range decl.Parts {
			if part != nil {
				b.parts[kind] = &region{kind: config.PartKind(kind), block: b}
				regions[part] = b.parts[kind]
			}
		}
		play.blocks = append(play.blocks, b)
	}
	first := map[*config.Block]bool{}
	for _, decl := range play.decl.Steps {
		if decl.Module == config.Flush {
			f, more := p.bindFlush(w, play, regions[decl.In], decl)
			diags = append(diags, more...)
			play.Steps = append(play.Steps, f)
			continue
		}
		s, more := p.bindStep(w, play, regions[decl.In], decl)
		diags = append(diags, more...)
		play.Steps = append(play.Steps, s)
		play.byName[s.Name] = s
		for r := range s.outer {
			if r.block.decl != nil && !first[r.block.decl] {
				first[r.block.decl] = true
				at := w
				at.before, at.block = s, true
				diags = append(diags, p.checkType(at, s, r.block.when, cty.Bool, nil)...)
			}
		}
	}
	for _, decl := range play.decl.Handlers {
		h, more := p.bindStep(w.afterAll(), play, nil, decl)
		diags = append(diags, more...)
		play.Handlers = append(play.Handlers, h)
	}
	return append(diags, play.forwardOnly()...)
}

// bindFlush binds a step that only says where handlers run.
func (p *Plan) bindFlush(w where, play *Play, in *region, decl *config.Step) (*Step, hcl.Diagnostics) {
	s := &Step{Module: decl.Module, Name: decl.Name, in: in, decl: decl, unit: play.unitOf(decl)}
	body, diags := decl.Split(func(name string) bool { return name != "tags" && name != "description" })
	_, more := body.Content(&hcl.BodySchema{})
	for _, d := range more {
		d.Detail = "A flush_handlers step takes tags and a description, and nothing else; a block around it may have a when."
	}
	diags = append(diags, more...)
	w.hostless = true
	s.Tags, more = p.staticStrings(w, s.tags(p, play), "tags")
	return s, append(diags, more...)
}

// forwardOnly finds handlers that notify one which has run before them.
func (p *Play) forwardOnly() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i, h := range p.Handlers {
		for _, name := range h.notifies {
			if slices.IndexFunc(p.Handlers, func(other *Step) bool { return other.Name == name }) <= i {
				diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Handler comes earlier", Subject: h.decl.Meta.Notify.Range().Ptr(),
					Detail: fmt.Sprintf("Handlers run in the order of the text, so handler %q may notify only those below it.", h.Name)})
			}
		}
	}
	return diags
}

// lay puts the steps into the order in which they run, with the handlers at each place where they may, and tells the regions where they are.
func (p *Play) lay() {
	var laid []*Step
	add := func(s *Step) {
		s.index = len(laid)
		laid = append(laid, s)
		for r := range s.outer {
			if r.to == 0 {
				r.from = s.index
			}
			r.to = len(laid)
		}
	}
	run := func(in *region, flush *Step) {
		for _, h := range p.Handlers {
			own := *h
			own.in = in
			if flush != nil {
				own.flushed, own.Tags = true, flush.Tags
			}
			add(&own)
		}
	}
	for _, s := range p.Steps {
		if s.Module == config.Flush {
			run(s.in, s)
			continue
		}
		add(s)
	}
	p.root.parts[config.Always] = &region{kind: config.Always, block: p.root, from: len(laid), to: len(laid)}
	run(p.root.parts[config.Always], nil)
	p.Steps = laid
	p.settleEmpty()
}

// settleEmpty gives parts without steps their place: behind the part before them.
func (p *Play) settleEmpty() {
	for _, b := range p.blocks {
		end := 0
		for _, r := range b.parts {
			if r == nil {
				continue
			}
			if r.to == 0 {
				r.from, r.to = end, end
			}
			end = r.to
		}
	}
}

// listed are the steps as a person wrote them: each handler once.
func (p *Play) listed() []*Step {
	out := slices.DeleteFunc(slices.Clone(p.Steps), func(s *Step) bool { return s.handler })
	return append(out, p.Handlers...)
}

// onDemand tells whether a step runs only where something happened: a handler, or the rescue of a block.
func (s *Step) onDemand() bool {
	for r := range s.outer {
		if r.kind == config.Rescue {
			return true
		}
	}
	return s.handler
}
