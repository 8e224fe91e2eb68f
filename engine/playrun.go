package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/event"
)

// A playRun is one play being run.
type playRun struct {
	run     *run
	plan    *Play
	members []*member // the hosts it began with, in inventory order

	mu      sync.Mutex
	bad     int    // failed hosts
	stopped string // why no other step starts; "": they do
	acted   int    // sum of the hosts' epochs at the last barrier that made answers stale

	hostsMu   sync.Mutex
	hosts     cty.Value
	hostsMade bool
}

// do runs the play: its steps in stages, which end where hosts have to wait for each other.
func (p *playRun) do(ctx context.Context) {
	begun := time.Now()
	p.announce()
	for _, st := range p.plan.stages() {
		p.forgetHosts()
		p.refresh(st)
		if st.shared() {
			p.together(ctx, st.steps[0])
			continue
		}
		p.apart(ctx, st.steps)
	}
	for _, m := range p.members {
		if !m.told {
			p.hostDone(m)
		}
	}
	p.run.emit(event.Event{Kind: event.PlayDone, Play: p.plan.Name, Seconds: time.Since(begun).Seconds()})
}

// refresh makes all answers stale at a barrier that the playbook asks for, if somebody acted since the last: what one host did may show on
// another.
func (p *playRun) refresh(st stage) {
	if !st.steps[0].explicit {
		return
	}
	acted := 0
	for _, m := range p.members {
		acted += m.node.epoch
	}
	if acted == p.acted {
		return
	}
	for _, m := range p.members {
		m.node.epoch++
	}
	p.acted = acted + len(p.members)
}

func (p *playRun) announce() {
	ev := event.Event{Kind: event.PlayStarted, Play: p.plan.Name, Message: p.plan.Description}
	for _, m := range p.members {
		ev.Hosts = append(ev.Hosts, m.node.host.Name)
	}
	for _, s := range p.plan.Steps {
		if !s.leftOut || s.wanted {
			ev.Steps = append(ev.Steps, event.StepInfo{Step: s.Name, Module: s.Module, Once: s.runOnce})
		}
	}
	p.run.emit(ev)
}

// A stage is a run of steps that hosts go through free of each other, or one step that they go through together.
type stage struct{ steps []*Step }

func (s stage) shared() bool { return s.steps[0].shared }

func (p *Play) stages() []stage {
	var out []stage
	for i, s := range p.Steps {
		if s.leftOut && !s.wanted {
			continue
		}
		alone := len(out) == 0 || s.Barrier || s.shared || out[len(out)-1].shared() || (i > 0 && p.Steps[i-1].Barrier && p.Steps[i-1].shared)
		if alone {
			out = append(out, stage{})
		}
		last := &out[len(out)-1]
		last.steps = append(last.steps, s)
	}
	return out
}

// apart lets every host go through the steps at its own pace.
func (p *playRun) apart(ctx context.Context, steps []*Step) {
	var wg sync.WaitGroup
	for _, m := range p.members {
		if m.out {
			continue
		}
		wg.Go(func() {
			for _, s := range steps {
				if m.out || !m.takesPart(s) {
					continue
				}
				p.alone(ctx, m, s)
			}
		})
	}
	wg.Wait()
}

// alone runs one step on one host.
func (p *playRun) alone(ctx context.Context, m *member, s *Step) {
	m.reached++
	if why := p.halted(ctx); why != "" {
		p.cancel(m, s, why)
		return
	}
	if s.isCheck() {
		p.checkBlock(m, s)
		return
	}
	if t := p.dependency(m, s); t != nil {
		p.finish(t)
		return
	}
	list, depends, err := m.instances(s)
	if t := p.uninstanced(m, s, list, depends, err); t != nil {
		p.finish(t)
		return
	}
	for _, in := range list {
		t := p.begin(m, s, in)
		if t.verdict == nil {
			p.attempts(ctx, []*turn{t})
		}
		p.finish(t)
	}
}

// dependency skips the step where one it depends on did not end well.
func (p *playRun) dependency(m *member, s *Step) *turn {
	for _, name := range s.dependsOn {
		r := m.records[name]
		well := r != nil
		if r != nil {
			for _, in := range r.instances {
				well = well && (in.status == event.OK || in.status == event.Changed || in.status == event.WouldChange || in.unrun)
			}
		}
		if !well {
			t := &turn{member: m, step: s, begun: time.Now()}
			t.verdict = &verdict{status: event.Skipped, reason: "depends on step." + name + ", which did not end well"}
			return t
		}
	}
	return nil
}

// uninstanced ends a step whose instances cannot be told, or that has none.
func (p *playRun) uninstanced(m *member, s *Step, list []instanceOf, depends []string, err error) *turn {
	t := &turn{member: m, step: s, begun: time.Now()}
	switch {
	case err != nil:
		t.end(event.Failed, explain("for_each", err))
		t.ignore()
	case depends != nil:
		p.undecided(t, depends)
	case len(list) == 0:
		t.end(event.Skipped, "for_each is empty")
	default:
		return nil
	}
	return t
}

// begin evaluates when and the arguments of one instance; a turn that ends there has its verdict.
func (p *playRun) begin(m *member, s *Step, in instanceOf) *turn {
	t := &turn{member: m, step: s, key: in.key, each: in.each, begun: time.Now()}
	if s.when.given() {
		v, err := m.value(s.when, in.each, cty.NilVal)
		is := unknowable
		if err == nil {
			is, err = truthOf(v)
		}
		switch {
		case err != nil:
			t.end(event.Failed, explain("when", err))
			t.judgeUnrun()
			return t
		case is == no:
			t.end(event.Skipped, "when is false")
			return t
		case is == unknowable:
			p.undecided(t, m.dependsOn(s.when))
			return t
		}
	}
	b, err := m.bind(s, in)
	t.bound = b
	switch {
	case err != nil:
		t.end(event.Failed, err.Error())
		t.judgeUnrun()
	case !b.known():
		p.undecided(t, b.depends)
	}
	return t
}

// judgeUnrun judges a step that failed before its module was asked.
func (t *turn) judgeUnrun() {
	if t.member.play.run.opts.Check {
		t.inCheckMode()
	}
	t.ignore()
}

// undecided ends a turn whose inputs only a run would tell.
func (p *playRun) undecided(t *turn, depends []string) {
	why := "depends on " + strings.Join(dedupe(depends), ", ")
	if !p.run.opts.Check {
		t.end(event.Failed, why+", which has no value")
		return
	}
	t.verdict = &verdict{status: event.WouldChange, reason: why, results: t.step.unknownResults(t.bound.given)}
	t.inCheckMode()
	if t.verdict.status == event.WouldChange {
		t.node().would = append(t.node().would, t.step.Name)
	}
}

func dedupe(list []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// attempts goes through the rounds, and again as often as retry says. An attempt of a fleet step is the whole step, on all hosts.
func (p *playRun) attempts(ctx context.Context, turns []*turn) {
	r := turns[0].step.retry
	for n := 1; ; n++ {
		p.rounds(ctx, turns)
		again := false
		final := false
		for _, t := range turns {
			if t.out || t.verdict == nil {
				continue
			}
			if p.run.opts.Check {
				t.inCheckMode()
			}
			if t.verdict.status == event.Unknown || t.verdict.status == event.Cancelled {
				final = true
			}
			t.prejudge()
			again = again || !t.satisfied()
		}
		if !again || final || n >= r.attempts || p.halted(ctx) != "" {
			for _, t := range turns {
				t.exhausted(n)
			}
			break
		}
		p.retry(ctx, turns, n)
	}
	for _, t := range turns {
		t.judge()
	}
}

// prejudge applies fail_when before until is looked at.
func (t *turn) prejudge() {
	v := t.verdict
	if t.step.failWhen.given() && v.results != nil && (v.status == event.OK || v.status == event.Changed || v.status == event.Failed) {
		t.judgeFailure()
	}
}

func (p *playRun) retry(ctx context.Context, turns []*turn, attempt int) {
	delay := turns[0].step.retry.delay
	for _, t := range turns {
		if t.out || t.verdict == nil {
			continue
		}
		if !t.satisfied() {
			p.run.emit(event.Event{Kind: event.Retry, Play: p.plan.Name, Step: t.step.Name, Key: t.key, Module: t.step.Module, Host: t.node().host.Name,
				Attempt: attempt, Message: t.verdict.reason, Seconds: delay.Seconds()})
		}
		t.reset()
	}
	select {
	case <-time.After(delay):
	case <-ctx.Done():
	case <-p.run.opts.Interrupt:
	}
}

// first tells whether a host is the one that a run_once step would run on.
func (p *playRun) first(m *member) bool {
	for _, other := range p.members {
		if !other.out {
			return other == m
		}
	}
	return false
}

// halted says why no other step may start; "" where it may.
func (p *playRun) halted(ctx context.Context) string {
	if p.run.interrupted(ctx) {
		p.stop("interrupted")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

// stop keeps further steps from starting, and says why once.
func (p *playRun) stop(why string) {
	p.mu.Lock()
	first := p.stopped == ""
	if first {
		p.stopped = why
	}
	p.mu.Unlock()
	if first {
		p.run.emit(event.Event{Kind: event.Stopping, Play: p.plan.Name, Message: why})
	}
}

// cancel ends a step that did not start because the play was stopped.
func (p *playRun) cancel(m *member, s *Step, why string) {
	t := &turn{member: m, step: s, begun: time.Now()}
	t.end(event.Cancelled, why)
	m.out = true
	m.message = why
	p.finish(t)
}

// finish records a turn, tells it, and takes a failed host out of the play.
func (p *playRun) finish(t *turn) {
	if t.out || t.verdict == nil {
		return
	}
	t.settle()
	m, v := t.member, t.verdict
	m.record(t.step, t.key, t.instance())
	m.heardChange(t)
	p.tell(t)
	if v.ignored {
		return
	}
	m.status = worse(m.status, v.status)
	if v.status.Bad() {
		p.lose(m, t)
	}
}

// settle brings a verdict in line with what the turn did.
func (t *turn) settle() {
	v := t.verdict
	switch v.status {
	case event.WouldChange:
	case event.OK, event.Skipped:
		t.changes = nil
	default:
		t.dropUndone()
	}
}

// heardChange forgets nothing: acts have made older answers stale already. In check mode it lets a later failure be explained.
func (m *member) heardChange(t *turn) {
	if t.verdict.status == event.Unreachable {
		m.node.lost = t.verdict.reason
	}
}

func (p *playRun) tell(t *turn) {
	v, m := t.verdict, t.member
	for _, w := range v.warn {
		p.run.emit(event.Event{Kind: event.Warning, Play: p.plan.Name, Step: t.step.Name, Key: t.key, Host: m.node.host.Name, Message: w})
	}
	host := m.node.host.Name
	p.run.emit(event.Event{
		Kind: event.StepDone, Play: p.plan.Name, Step: t.step.Name, Key: t.key, Module: t.step.Module, Host: host,
		Status: v.status, Ignored: v.ignored, Reason: v.reason, Changes: p.shown(t.changes), Results: resultsJSON(v.results),
		Seconds: time.Since(t.begun).Seconds(),
	})
}

// shown leaves diffs out where nobody asked for them.
func (p *playRun) shown(changes []event.Change) []event.Change {
	if p.run.opts.Diff {
		return changes
	}
	out := append([]event.Change(nil), changes...)
	for i := range out {
		out[i].Diff = ""
	}
	return out
}

// lose takes a failed host out of this play and all that follow, and stops the play if too many have failed.
func (p *playRun) lose(m *member, t *turn) {
	if m.out && m.message != "" {
		return
	}
	m.out = true
	m.message = fmt.Sprintf("step %q: %s", t.step.Name, t.verdict.reason)
	m.node.lost = m.message
	p.mu.Lock()
	p.bad++
	allowed := p.plan.maxFailures.allowed(len(p.members))
	over := p.bad > allowed && p.stopped == ""
	bad := p.bad
	p.mu.Unlock()
	p.hostDone(m)
	if over {
		p.stop(fmt.Sprintf("%d of %d hosts failed, and max_failures allows %d", bad, len(p.members), allowed))
	}
}

// hostDone tells that a host is done with the play: at its end, or as soon as it leaves it.
func (p *playRun) hostDone(m *member) {
	m.told = true
	total := 0
	for _, s := range p.plan.Steps {
		if m.takesPart(s) && (!s.leftOut || s.wanted) {
			total++
		}
	}
	p.run.emit(event.Event{Kind: event.HostDone, Play: p.plan.Name, Host: m.node.host.Name, Status: m.status, Message: m.message, NotReached: max(0, total-m.reached)})
}

// hostList is run.hosts: the hosts that the play still has.
func (p *playRun) hostList() cty.Value {
	var names []cty.Value
	for _, m := range p.members {
		if !m.out {
			names = append(names, cty.StringVal(m.node.host.Name))
		}
	}
	if len(names) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	return cty.ListVal(names)
}

// checkBlock evaluates a check on one host.
func (p *playRun) checkBlock(m *member, s *Step) {
	t := &turn{member: m, step: s, begun: time.Now()}
	v, err := m.value(s.condition, cty.NilVal, cty.NilVal)
	is := unknowable
	if err == nil {
		is, err = truthOf(v)
	}
	switch e := err.(type) {
	case nil:
	case errNotRun:
		t.end(event.Skipped, e.Error())
	default:
		t.end(event.Failed, explain("condition", e))
	}
	if err == nil {
		switch is {
		case yes:
			t.end(event.OK, "")
		case no:
			t.end(event.Failed, p.checkMessage(m, s))
			if p.run.opts.Check && len(m.node.would) > 0 {
				t.verdict = &verdict{status: event.Skipped, reason: "cannot be judged before step." + m.node.would[len(m.node.would)-1]}
			}
		default:
			t.end(event.Skipped, "depends on "+strings.Join(dedupe(m.dependsOn(s.condition)), ", "))
		}
	}
	p.finish(t)
}

func (p *playRun) checkMessage(m *member, s *Step) string {
	v, err := m.value(s.message, cty.NilVal, cty.NilVal)
	if err != nil {
		return "the condition is false (error_message: " + err.Error() + ")"
	}
	v, marks := v.Unmark()
	switch {
	case len(marks) > 0:
		return "the condition is false (the message is sensitive)"
	case !v.IsKnown() || v.IsNull() || v.Type() != cty.String:
		return "the condition is false"
	}
	return v.AsString()
}
