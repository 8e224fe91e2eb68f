package engine

import (
	"maps"
	"reflect"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/event"
)

// A foreteller goes through a host's next steps before they are reached, on what earlier ones are going to leave.
type foreteller struct {
	play  *playRun
	real  *member
	ghost *member                // the host as it is going to be: its own records and arguments
	known map[string]expectation // what questions are going to be answered, by questionKey
	last  *turn                  // the last that was gone through
}

// An expectation is an answer that is foretold, or was heard and has to be the same still.
type expectation struct {
	answer Answer
	open   bool // parts of it may be anything
	proof  bool // only what proves a step: nothing else is known of it
	code   bool // what it prints decides nothing
}

func newForeteller(p *playRun, m *member) *foreteller {
	ghost := *m
	ghost.records, ghost.bounds, ghost.heard = maps.Clone(m.records), maps.Clone(m.bounds), map[instanceKey]*heard{}
	ghost.begun, ghost.owed, ghost.opened = maps.Clone(m.begun), maps.Clone(m.owed), slices.Clone(m.opened)
	for name, r := range ghost.records {
		own := *r
		own.items = maps.Clone(r.items)
		ghost.records[name] = &own
	}
	return &foreteller{play: p, real: m, ghost: &ghost, known: map[string]expectation{}}
}

// proof is what the host answers to a turn's own questions once it has made its changes; ok is false where that cannot be told.
func (t *turn) proof(act Act) (out []expectation, ok bool) {
	n := len(t.bound.asks)
	last := act.Changes[len(act.Changes)-1]
	for _, c := range act.Changes {
		if c.Proof == nil && (n == 0 || len(c.Then) != n) || c.Proof != nil && len(c.Proof) != n {
			return nil, false
		}
	}
	answers, proof := last.Then, false
	if last.Proof != nil {
		answers, proof = last.Proof, true
	}
	for i, a := range answers {
		out = append(out, expectation{answer: a, open: isOpen(t.bound.asks[i], a), proof: proof})
	}
	return out, true
}

// isOpen tells whether an answer leaves something open that a decision might look at.
func isOpen(q Question, a Answer) bool {
	path, ok := q.(Path)
	if !ok {
		return false
	}
	i := a.Path
	switch i.Kind {
	case Absent:
		return false
	case Regular:
		return i.Mode == "" || i.Owner == "" || i.Group == "" || i.UID == "" || i.GID == "" || path.Hash && i.SHA256 == "" || path.Read > 0 && !i.Read
	case Directory:
		return i.Mode == "" || i.Owner == "" || i.Group == "" || i.UID == "" || i.GID == ""
	}
	return true
}

// strange stands where an answer is open.
const strange = "\x00open"

// filled is the answer with something strange where it is open: who decides the same on it has not looked there.
func (e expectation) filled() Answer {
	a := e.answer
	for _, s := range a.Path.words() {
		if *s == "" {
			*s = strange
		}
	}
	return a
}

// words are what an answer about a path may leave open.
func (i *PathInfo) words() []*string {
	return []*string{&i.Mode, &i.Owner, &i.Group, &i.UID, &i.GID, &i.SHA256, &i.Target}
}

// plainly takes what is strange out of the answers that a decision only hands on.
func plainly(d Decision) Decision {
	act, ok := d.(Act)
	if !ok {
		return d
	}
	act.Changes = slices.Clone(act.Changes)
	for i := range act.Changes {
		then := slices.Clone(act.Changes[i].Then)
		for k := range then {
			for _, s := range then[k].Path.words() {
				if *s == strange {
					*s = ""
				}
			}
		}
		act.Changes[i].Then = then
	}
	return act
}

// goOn goes through what follows a turn's own change, up to the first that cannot be told.
func (c *chaining) goOn(t *turn) {
	list, depends, err := c.ghost.instances(t.step)
	if err != nil || depends != nil {
		return
	}
	for i, in := range list {
		if in.key == t.key {
			if !c.each(t.step, list[i+1:]) {
				return
			}
			break
		}
	}
	if c.real.leaves {
		return
	}
	for _, s := range c.play.plan.Steps[t.step.index+1:] {
		if s.shared || s.Barrier || s.leftOut && s.wanted || s.handler || s.on.given() {
			return
		}
		if s.leftOut || !c.ghost.goes(s) {
			continue
		}
		if !c.step(s) {
			return
		}
	}
}

// step goes through one step; false: it cannot be told how it ends.
func (c *chaining) step(s *Step) bool {
	if s.facts != 0 || s.needs != 0 {
		return false // facts are asked again after a change
	}
	if s.isCheck() {
		if t := newTurn(c.ghost, s, ""); c.play.barred(c.play.ctx, t) {
			return c.skipped(t)
		}
		v, err := c.ghost.value(s.condition, cty.NilVal, cty.NilVal)
		if err != nil {
			return false
		}
		if is, err := truthOf(v); err != nil || is != yes {
			return false
		}
		c.ghost.record(s, "", &instance{status: event.OK})
		return true
	}
	if t := c.play.dependency(c.ghost, s); t != nil {
		return c.skipped(t)
	}
	list, depends, err := c.ghost.instances(s)
	if t := c.play.uninstanced(c.play.ctx, c.ghost, s, list, depends, err); t != nil {
		return c.skipped(t)
	}
	return c.each(s, list)
}

func (c *chaining) skipped(t *turn) bool {
	if t.verdict.status != event.Skipped {
		return false
	}
	c.ghost.record(t.step, t.key, t.instance())
	return true
}

func (c *chaining) each(s *Step, list []instanceOf) bool {
	for _, in := range list {
		t := c.play.begin(c.play.ctx, c.ghost, s, in)
		if t.verdict != nil {
			if !c.skipped(t) {
				return false
			}
			continue
		}
		if !c.turn(t) {
			return false
		}
		c.last = t
	}
	return true
}

// turn foretells one instance.
func (c *chaining) turn(t *turn) bool {
	in := inquiry{set: t.bound.set, questions: t.bound.asks}
	if len(in.questions) == 0 || !travels(in) || !c.sameAccount(in) {
		return false
	}
	want, ok := c.expect(t)
	if !ok {
		return false
	}
	d, ok := t.foresees(c.play, want)
	if !ok {
		return false
	}
	switch d := d.(type) {
	case Done:
		t.concludeDone(d)
		t.prejudge()
		if !t.satisfied() {
			return false
		}
		t.judge()
		if s := t.verdict.status; s != event.OK && s != event.Changed {
			return false
		}
		c.ask(t, want)
		c.ghost.record(t.step, t.key, t.instance())
		return true
	case Act:
		if len(d.Changes) == 0 {
			return false
		}
		before, expected := c.asked, c.expected
		c.ask(t, want)
		if !c.act(t, d, false) {
			c.asked, c.expected = before, expected
			return false
		}
		return true
	}
	return false
}

// expect gives the answers to a turn's questions: foretold ones, else those that were heard before the chain's first action.
func (c *chaining) expect(t *turn) ([]expectation, bool) {
	var out []expectation
	answers, heard := c.real.fresh(instanceKey{t.step, t.key}, t.bound.set, t.bound.asks)
	for i, q := range t.bound.asks {
		if e, ok := c.known[questionKey(t.bound.set, q)]; ok {
			if path, isPath := q.(Path); e.proof || isPath && (path.Read > 0 && e.answer.Path.Kind == Regular && !e.answer.Path.Read) {
				return nil, false
			}
			e.open = isOpen(q, e.answer)
			out = append(out, e)
			continue
		}
		if !heard || answers[i].State != Given {
			return nil, false
		}
		e := expectation{answer: answers[i]}
		if sh, ok := q.(Shell); ok && sh.CodeOnly {
			e.answer.Stdout, e.answer.Stderr, e.code = Output{}, Output{}, true
		}
		out = append(out, e)
	}
	return out, true
}

// foresees asks the module for its decision on answers that are expected; ok is false where it looks at what they leave open.
func (t *turn) foresees(p *playRun, want []expectation) (Decision, bool) {
	t.see(p)
	t.seen.Reach = Reached
	open := false
	t.seen.Answers = nil
	other := make([]Answer, 0, len(want))
	for _, e := range want {
		t.seen.Answers = append(t.seen.Answers, e.answer)
		if e.open {
			open = true
			other = append(other, e.filled())
		} else {
			other = append(other, e.answer)
		}
	}
	if t.step.mod.IsFleet() {
		return nil, false
	}
	d := decideSafely(t.step.mod, []On[Args]{{Args: t.bound.args, Seen: t.seen}})[0]
	if open {
		seen := t.seen
		seen.Answers = other
		if !reflect.DeepEqual(plainly(d), plainly(decideSafely(t.step.mod, []On[Args]{{Args: t.bound.args, Seen: seen}})[0])) {
			return nil, false
		}
	}
	return d, true
}

// done notes what a turn's changes leave.
func (c *chaining) done(t *turn, act Act, proof []expectation) {
	t.next = &act
	results, err := t.foretold()
	if err != nil {
		results = t.step.unknownResults(t.bound.given)
	}
	c.ghost.record(t.step, t.key, &instance{status: event.Changed, acted: true, results: results})
	for i, q := range t.bound.asks {
		c.known[questionKey(t.bound.set, q)] = proof[i]
	}
}
