package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/event"
)

// together runs a step that is decided over the fleet, or once for all hosts.
func (p *playRun) together(ctx context.Context, s *Step) {
	if why := p.haltedAt(ctx, s); why != "" {
		for _, m := range p.members {
			if m.goes(s) {
				p.arrive(m, s)
				p.cancel(m, s, why)
			}
		}
		return
	}
	if s.runOnce {
		p.onceForAll(ctx, s)
		return
	}
	p.gatherAll(s)
	p.timings.meetAll()
	whole := map[*member][]*turn{}
	for _, key := range p.fleetKeys(ctx, s) {
		for _, t := range p.fleet(ctx, s, key) {
			whole[t.member] = append(whole[t.member], t)
		}
	}
	for _, m := range p.members {
		p.settle(m, whole[m])
	}
}

// fleetKeys are the for_each keys over all hosts, in the order in which they are first seen. A host whose instances cannot be told
// ends here.
func (p *playRun) fleetKeys(ctx context.Context, s *Step) []string {
	seen := map[string]bool{}
	var keys []string
	for _, m := range p.members {
		m.part = nil
		if !m.goes(s) {
			continue
		}
		p.arrive(m, s)
		if t := p.dependency(m, s); t != nil {
			p.leave(m, t)
			continue
		}
		list, depends, err := m.instances(s)
		if t := p.uninstanced(ctx, m, s, list, depends, err); t != nil {
			p.leave(m, t)
			continue
		}
		m.part = make(map[string]instanceOf, len(list))
		for _, in := range list {
			m.part[in.key] = in
			if !seen[in.key] {
				seen[in.key] = true
				keys = append(keys, in.key)
			}
		}
	}
	return keys
}

// fleet decides one instance of a step over all hosts that the play began with, and gives the turns of those that had one.
func (p *playRun) fleet(ctx context.Context, s *Step, key string) []*turn {
	all := make([]*turn, len(p.members))
	var wg sync.WaitGroup
	for i, m := range p.members {
		switch in, mine := m.part[key]; {
		case m.fell(s):
			all[i] = p.fallen(m, s, key)
		case mine:
			wg.Go(func() {
				m.comeTo(s)
				all[i] = p.begin(ctx, m, s, in)
			})
		}
	}
	wg.Wait()
	turns := slices.DeleteFunc(all, func(t *turn) bool { return t == nil })
	scope := p.inScope(turns)
	if anyGoing(scope) {
		p.attempts(ctx, scope)
	}
	for _, t := range turns {
		p.limitedWords(t, turns)
		p.finish(t)
	}
	return turns
}

// fallen is the turn of a host that fell out earlier in this play: the decision sees it as unknown.
func (p *playRun) fallen(m *member, s *Step, key string) *turn {
	t := newTurn(m, s, key)
	t.out = true
	t.see(p)
	t.seen.Reach, t.seen.Why = Unreached, m.message
	if down := m.fallAt(s.index); m.message == "" && down != nil { // it will be rescued, or may be
		t.seen.Why = down.why
	}
	return t
}

// inScope are the turns that a fleet decision sees: skipped hosts are not in it, lost ones are. A host whose arguments could not be had
// is seen as unknown.
func (p *playRun) inScope(turns []*turn) []*turn {
	var out []*turn
	for _, t := range turns {
		if t.verdict != nil && (t.verdict.status == event.Skipped || t.verdict.status == event.WouldChange) {
			continue
		}
		if t.verdict != nil {
			t.see(p)
			t.seen.Reach, t.seen.Why = Unreached, t.verdict.reason
		}
		out = append(out, t)
	}
	return out
}

func anyGoing(turns []*turn) bool {
	for _, t := range turns {
		if t.verdict == nil && !t.out {
			return true
		}
	}
	return false
}

// limitedWords says of a refusal that --limit left hosts out of the decision.
func (p *playRun) limitedWords(t *turn, turns []*turn) {
	if t.verdict != nil && t.verdict.status == event.Refused && p.run.opts.Limited {
		t.verdict.reason += fmt.Sprintf("\ndecided over %d of %d hosts (--limit)", len(turns), p.run.wanted[p.plan.Name])
	}
}

// onceForAll runs a step on the first host that the play still has; where that is lost before anything started there, on the next.
// What it leaves is every host's.
func (p *playRun) onceForAll(ctx context.Context, s *Step) {
	if turns, ran := p.once[s]; ran && !s.handler { // in an earlier batch; a handler was notified anew
		p.share(nil, s, turns)
		return
	}
	for _, m := range p.members {
		if !m.goes(s) {
			continue
		}
		p.arrive(m, s)
		turns, lost := p.onceOn(ctx, m, s)
		for _, t := range turns {
			p.finish(t)
		}
		p.settle(m, turns)
		if !lost {
			p.once[s] = turns
			p.share(m, s, turns)
			return
		}
	}
}

// onceOn runs the step on one host; lost tells that nothing was started there, and gives nothing but the turn that found out.
func (p *playRun) onceOn(ctx context.Context, m *member, s *Step) (turns []*turn, lost bool) {
	m.comeTo(s)
	if t := p.dependency(m, s); t != nil {
		return []*turn{t}, false
	}
	list, depends, err := m.instances(s)
	if t := p.uninstanced(ctx, m, s, list, depends, err); t != nil {
		return []*turn{t}, t.verdict.status == event.Unreachable
	}
	acted := false
	for _, in := range list {
		t := p.instance(ctx, m, s, in, p.audience)
		if t.verdict.status == event.Unreachable && !acted {
			return []*turn{t}, true
		}
		acted = acted || t.acted
		turns = append(turns, t)
	}
	return turns, false
}

// audience are the turns that decide a run_once step: its own, and for a module that surveys the hosts one of every other host, with the
// same arguments.
func (p *playRun) audience(t *turn) []*turn {
	if !t.step.mod.Surveys {
		return []*turn{t}
	}
	var turns []*turn
	for _, m := range p.members {
		switch {
		case m == t.member:
			turns = append(turns, t)
		case m.goes(t.step) || m.fell(t.step):
			other := newTurn(m, t.step, t.key)
			if !m.goes(t.step) {
				other = p.fallen(m, t.step, t.key)
			}
			other.each, other.bound = t.each, t.bound
			turns = append(turns, other)
		}
	}
	return turns
}

// share gives what a run_once step left to every host; a failure is every host's failure.
func (p *playRun) share(from *member, s *Step, turns []*turn) {
	for _, m := range p.members {
		if m == from || !m.goes(s) {
			continue
		}
		p.arrive(m, s)
		for _, t := range turns {
			if s.handler && t.barred {
				continue
			}
			m.paid(t)
			m.record(s, t.key, t.instance())
			m.notify(s, t.instance())
			if t.verdict.status == event.WouldChange && !t.verdict.masked {
				m.node.would = append(m.node.would, s.Name)
			}
			if t.verdict.status.Bad() && !t.verdict.ignored {
				m.status = worse(m.status, t.verdict.status)
			}
		}
		p.settle(m, turns)
	}
}

// playValue is play.NAME.
func playValue(hosts map[string]cty.Value) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"hosts": objectOrEmpty(hosts)})
}
