package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/event"
)

// together runs a step that is decided over the fleet, or once for all hosts.
func (p *playRun) together(ctx context.Context, s *Step) {
	if why := p.halted(ctx); why != "" {
		for _, m := range p.members {
			if !m.out && m.takesPart(s) {
				m.reached++
				p.cancel(m, s, why)
			}
		}
		return
	}
	if s.runOnce {
		p.once(ctx, s)
		return
	}
	for _, key := range p.fleetKeys(s) {
		p.fleet(ctx, s, key)
	}
}

// fleetKeys are the for_each keys over all hosts, in the order in which they are first seen. A host whose instances cannot be told
// ends here.
func (p *playRun) fleetKeys(s *Step) []string {
	seen := map[string]bool{}
	var keys []string
	for _, m := range p.members {
		if m.out || !m.takesPart(s) {
			continue
		}
		m.reached++
		if t := p.dependency(m, s); t != nil {
			p.finish(t)
			continue
		}
		list, depends, err := m.instances(s)
		if t := p.uninstanced(m, s, list, depends, err); t != nil {
			p.finish(t)
			continue
		}
		for _, in := range list {
			if !seen[in.key] {
				seen[in.key] = true
				keys = append(keys, in.key)
			}
		}
	}
	return keys
}

// fleet decides one instance of a step over all hosts that the play began with.
func (p *playRun) fleet(ctx context.Context, s *Step, key string) {
	turns := make([]*turn, 0, len(p.members))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, m := range p.members {
		if !m.takesPart(s) {
			continue
		}
		if m.out {
			turns = append(turns, p.fallen(m, s, key))
			continue
		}
		wg.Go(func() {
			t := p.beginInstance(m, s, key)
			if t == nil {
				return
			}
			mu.Lock()
			turns = append(turns, t)
			mu.Unlock()
		})
	}
	wg.Wait()
	turns = inOrder(turns)
	scope := p.inScope(turns)
	if anyGoing(scope) {
		p.attempts(ctx, scope)
	}
	for _, t := range turns {
		p.limitedWords(t, turns)
		p.finish(t)
	}
}

// fallen is the turn of a host that fell out earlier in this play: the decision sees it as unknown.
func (p *playRun) fallen(m *member, s *Step, key string) *turn {
	t := &turn{member: m, step: s, key: key, out: true, begun: time.Now()}
	t.see(p)
	t.seen.Reach, t.seen.Why = Unreached, m.message
	return t
}

// beginInstance begins the instance with that key; nil where this host has none, or has ended the step already.
func (p *playRun) beginInstance(m *member, s *Step, key string) *turn {
	if r := m.records[s.Name]; r != nil && r.instances[""] != nil {
		return nil
	}
	list, depends, err := m.instances(s)
	if err != nil || depends != nil {
		return nil
	}
	for _, in := range list {
		if in.key == key {
			return p.begin(m, s, in)
		}
	}
	return nil
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

// once runs a step on the first host that the play still has; where that is lost before anything started there, on the next.
// What it leaves is every host's.
func (p *playRun) once(ctx context.Context, s *Step) {
	for _, m := range p.members {
		if m.out || !m.takesPart(s) {
			continue
		}
		m.reached++
		turns, lost := p.onceOn(ctx, m, s)
		if lost {
			p.finish(turns[0])
			continue
		}
		for _, t := range turns {
			p.finish(t)
		}
		p.share(m, s, turns)
		return
	}
}

// onceOn runs the step on one host; lost tells that nothing was started there.
func (p *playRun) onceOn(ctx context.Context, m *member, s *Step) (turns []*turn, lost bool) {
	if t := p.dependency(m, s); t != nil {
		return []*turn{t}, false
	}
	list, depends, err := m.instances(s)
	if t := p.uninstanced(m, s, list, depends, err); t != nil {
		return []*turn{t}, false
	}
	for _, in := range list {
		t := p.begin(m, s, in)
		if t.verdict == nil {
			p.attempts(ctx, p.audience(t))
		}
		if t.verdict.status == event.Unreachable {
			return []*turn{t}, true
		}
		turns = append(turns, t)
	}
	return turns, false
}

// audience are the turns that decide a run_once step: its own, and for a module that surveys the hosts one of every other host, with the
// same arguments.
func (p *playRun) audience(t *turn) []*turn {
	turns := []*turn{t}
	if !t.step.mod.Surveys {
		return turns
	}
	for _, m := range p.members {
		if m == t.member || !m.takesPart(t.step) || m.out {
			continue
		}
		turns = append(turns, &turn{member: m, step: t.step, key: t.key, each: t.each, bound: t.bound, begun: t.begun})
	}
	return turns
}

// share gives what a run_once step left to every host; a failure is every host's failure.
func (p *playRun) share(from *member, s *Step, turns []*turn) {
	for _, m := range p.members {
		if m == from || m.out || !m.takesPart(s) {
			continue
		}
		m.reached++
		for _, t := range turns {
			in := *t.instance()
			m.record(s, t.key, &in)
			if t.verdict.status == event.WouldChange {
				m.node.would = append(m.node.would, s.Name)
			}
			if t.verdict.status.Bad() && !t.verdict.ignored && !m.out {
				m.status = worse(m.status, t.verdict.status)
				p.lose(m, t)
			}
		}
	}
}

func inOrder(turns []*turn) []*turn {
	by := make(map[int]*turn, len(turns))
	hi := -1
	for _, t := range turns {
		i := t.node().host.Index
		by[i] = t
		hi = max(hi, i)
	}
	out := make([]*turn, 0, len(turns))
	for i := 0; i <= hi; i++ {
		if t, ok := by[i]; ok {
			out = append(out, t)
		}
	}
	return out
}

// objectOfHosts is play.NAME.hosts.
func (p *playRun) objectOfHosts() cty.Value {
	hosts := map[string]cty.Value{}
	for _, m := range p.members {
		hosts[m.node.host.Name] = m.summary()
	}
	return cty.ObjectVal(map[string]cty.Value{"hosts": objectOrEmpty(hosts)})
}
