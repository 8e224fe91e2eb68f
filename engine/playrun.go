package engine

import (
	"context"
	"errors"
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
	timings *timings          // nil: nobody asked where the time goes
	batch   int               // which of the play's batches, from 1; 0: it has none
	once    map[*Step][]*turn // of steps that run once, and did in this batch or an earlier one
	members []*member         // the hosts it began with, in inventory order
	gone    []string          // the hosts that it names, and that an earlier play lost

	mu      sync.Mutex
	bad     int    // failed hosts
	stopped string // why no other step starts; "": they do
	acted   int    // sum of the hosts' epochs at the last barrier that made answers stale

	// What expressions may read of all hosts, as it was when the stage began: while hosts go through it, nobody looks at another.
	stillIn []*member
	names   cty.Value // run.hosts
	hosts   cty.Value
	seen    []*member // what each of them had left

	ctx context.Context // of the run: expressions are evaluated in many places, and may have to ask for facts

	// What the stage's expressions may read of other hosts' facts, by host, and why there are none.
	others  map[string]cty.Value
	noFacts map[factOf]error

	texts texts

	alikeMu sync.Mutex
	alike   map[instanceKey]*bound // arguments that are the same on every host
	unbound bound                  // of turns whose arguments nobody knows

	sharedMu sync.Mutex
	shared   map[sharedKey]cty.Value // locals that are the same for all hosts during the stage
}

func (p *playRun) now() time.Time { return p.run.opts.Now() }

func (p *playRun) since(begun time.Time) float64 { return p.now().Sub(begun).Seconds() }

// do runs the play: its steps in stages, which end where hosts have to wait for each other.
func (p *playRun) do(ctx context.Context) {
	begun := p.now()
	p.ctx = ctx
	if p.batch > 0 {
		p.emit(event.Event{Kind: event.BatchStarted, Hosts: p.hostNames()})
	}
	unwatch := p.watch()
	p.acted = p.epochs()
	if p.run.opts.Timings {
		p.timings = newTimings(p)
	}
	for _, st := range p.stages() {
		if !p.confirmed(ctx, st) {
			continue
		}
		p.enter(st)
		p.refresh(st)
		p.survey(st)
		if st.shared() {
			p.together(ctx, st.steps[0])
		} else {
			p.apart(ctx, st.steps)
		}
		p.timings.meetAll()
	}
	unwatch()
	p.halted(ctx) // what was interrupted says so, also where no step was left to start
	for _, m := range p.members {
		p.pass(m, len(p.plan.Steps))
		p.tellOwed(m)
		m.out = m.out || m.fall != nil
		if !m.told {
			p.hostDone(m)
		}
	}
	for _, m := range p.members { // what was asked and bound is of no use to anybody now
		m.heard, m.bounds, m.part = nil, nil, nil
	}
	p.texts.forget()
	p.timings.tell(p.since(begun))
}

// emit tells an event of the play.
func (p *playRun) emit(e event.Event) {
	e.Play, e.Batch = p.plan.Name, p.batch
	p.run.emit(e)
}

// survey notes what the stage's expressions may read of other hosts.
func (p *playRun) survey(st stage) {
	p.stillIn, p.shared = p.stillIn[:0:0], nil
	for _, m := range p.members {
		if !m.out && (m.fallAt(st.steps[0].index) == nil || m.goes(st.steps[0])) {
			p.stillIn = append(p.stillIn, m)
		}
	}
	if st.steps[0].looksAround {
		p.surveyFacts(st.steps[0].others)
		p.timings.meetAll()
		at := st.steps[0].index
		p.names, p.hosts, p.seen = p.hostList(), p.hostsValue(at), p.asLeft(at)
	}
}

// epochs is the sum of the hosts' epochs.
func (p *playRun) epochs() int {
	sum := 0
	for _, m := range p.members {
		sum += m.node.age()
	}
	return sum
}

// refresh makes all answers stale at a barrier that the playbook asks for, if somebody acted since the last: what one host did may show on
// another.
func (p *playRun) refresh(st stage) {
	if !st.steps[0].explicit {
		return
	}
	if p.epochs() == p.acted {
		return
	}
	for _, m := range p.members {
		m.node.epoch++
	}
	p.acted = p.epochs()
}

// hostNames are the names of the hosts it began with.
func (p *playRun) hostNames() []string {
	names := make([]string, len(p.members))
	for i, m := range p.members {
		names[i] = m.node.host.Name
	}
	return names
}

// infos are the steps as events tell them.
func (p *Play) infos() []event.StepInfo {
	var out []event.StepInfo
	for _, s := range p.listed() {
		if !s.leftOut || s.wanted {
			out = append(out, event.StepInfo{Step: s.Name, Module: s.Module, Once: s.runOnce, Handler: s.handler})
		}
	}
	return out
}

// A stage is a run of steps that hosts go through free of each other, or one step that they go through together.
type stage struct{ steps []*Step }

func (s stage) shared() bool { return s.steps[0].shared }

func (p *Play) stages() []stage {
	var out []stage
	for _, s := range p.Steps {
		if s.leftOut && !s.wanted {
			continue
		}
		alone := len(out) == 0 || s.Barrier || s.shared || out[len(out)-1].shared()
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
				if m.goes(s) {
					p.alone(ctx, m, s)
				}
			}
			p.abandon(m.node)
			p.tellAdrift(m)
			m.node.clock.turn(waiting)
		})
	}
	wg.Wait()
}

// alone runs one step on one host.
func (p *playRun) alone(ctx context.Context, m *member, s *Step) {
	p.arrive(m, s)
	m.comeTo(s)
	if why := p.haltedAt(ctx, s); why != "" && !m.node.aheadOf() {
		p.cancel(m, s, why)
		return
	}
	if s.isCheck() {
		p.leave(m, p.checkBlock(ctx, m, s))
		return
	}
	if t := p.dependency(m, s); t != nil {
		p.leave(m, t)
		return
	}
	list, depends, err := m.instances(s)
	if t := p.uninstanced(ctx, m, s, list, depends, err); t != nil {
		p.leave(m, t)
		return
	}
	turns := make([]*turn, 0, len(list))
	for _, in := range list {
		t := p.instance(ctx, m, s, in, func(t *turn) []*turn { return []*turn{t} })
		p.finish(t)
		turns = append(turns, t)
		m.leaves = m.leaves || t.verdict.loses()
	}
	p.settle(m, turns)
}

// instance has an instance run, where its step says, and be decided with the turns that audience gives.
func (p *playRun) instance(ctx context.Context, m *member, s *Step, in instanceOf, audience func(*turn) []*turn) *turn {
	do := func(t *turn) {
		if t.verdict == nil {
			p.attempts(ctx, audience(t))
		}
	}
	if s.on.given() {
		return p.onOther(ctx, m, s, in, do)
	}
	t := p.begin(ctx, m, s, in)
	do(t)
	return t
}

// loses tells whether a step that ended so takes its host out of the play.
func (v *verdict) loses() bool {
	return !v.ignored && (v.status.Bad() || v.status == event.Cancelled)
}

// dependency ends the step where one it depends on did not end well. In check mode one that would change is an input nobody knows yet.
func (p *playRun) dependency(m *member, s *Step) *turn {
	var pending []string
	for _, name := range s.dependsOn {
		r := m.recordOf(p.plan.step(name))
		if r == nil || !r.well() {
			t := newTurn(m, s, "")
			t.end(event.Skipped, "depends on step."+name+", which did not end well")
			return t
		}
		if r.pending() {
			pending = append(pending, "step."+name)
		}
	}
	if pending == nil {
		return nil
	}
	t := newTurn(m, s, "")
	p.undecided(t, pending)
	return t
}

// uninstanced ends a step whose instances cannot be told, or that has none.
func (p *playRun) uninstanced(ctx context.Context, m *member, s *Step, list []instanceOf, depends []string, err error) *turn {
	if err == nil && depends == nil && len(list) > 0 {
		return nil
	}
	t := newTurn(m, s, "")
	switch {
	case err != nil:
		t.unread(ctx, "for_each", err)
	case depends != nil:
		p.undecided(t, depends)
	default:
		t.end(event.Skipped, "for_each is empty")
	}
	return t
}

// begin evaluates when and the arguments of one instance; a turn that ends there has its verdict.
func (p *playRun) begin(ctx context.Context, m *member, s *Step, in instanceOf) *turn {
	t := newTurn(m, s, in.key)
	t.each = in.each
	if m.node.stale(s.beforehand()) != 0 {
		p.started(t)
	}
	if p.barred(ctx, t) {
		return t
	}
	if p.require(ctx, t); t.verdict != nil {
		return t
	}
	b, err := m.bind(s, in)
	t.bound = b
	switch {
	case err != nil:
		t.unread(ctx, "", err)
	case !b.known():
		p.undecided(t, b.depends)
	}
	return t
}

// barred ends the turn of a step that its own when, or that of a block it stands in, does not let run.
func (p *playRun) barred(ctx context.Context, t *turn) bool {
	if b, is, err := t.member.closed(t.step); b != nil {
		p.judgeWhen(ctx, t, b.when, is, err, fmt.Sprintf("when of block %q", b.name))
		t.barred = t.verdict != nil
	}
	if t.verdict == nil && t.step.when.given() {
		is, err := t.member.truth(t.step.when, t.each)
		p.judgeWhen(ctx, t, t.step.when, is, err, "when")
	}
	return t.verdict != nil
}

// judgeWhen ends the turn unless a when is true.
func (p *playRun) judgeWhen(ctx context.Context, t *turn, when Expr, is truth, err error, what string) {
	switch {
	case err != nil:
		t.unread(ctx, what, err)
	case is == no:
		t.end(event.Skipped, what+" is false")
	case is == unknowable:
		p.undecided(t, t.member.unknownRefs(t.step.through(when.refs)))
	}
}

// unread ends a turn one of whose expressions has no value on this host. Where that is because the host could not be asked for what it reads,
// the turn ends as one that could not ask its questions.
func (t *turn) unread(ctx context.Context, what string, err error) {
	var unasked errUnasked
	if errors.As(err, &unasked) {
		t.accept(ctx, []Answer{unasked.answer})
		return
	}
	if what != "" {
		err = fmt.Errorf("%s: %w", what, err)
	}
	t.end(event.Failed, strings.TrimSpace(err.Error()))
	t.judgeUnrun(err)
}

// judgeUnrun judges a step that failed before its module was asked.
func (t *turn) judgeUnrun(err error) {
	var notRun errNotRun
	var bug bugError
	t.verdict.bug = errors.As(err, &bug)
	// That a step does not run is decided already: no change of an earlier one will give it results.
	if t.member.play.run.opts.Check && !errors.As(err, &notRun) {
		t.inCheckMode()
	}
	t.ignore()
}

// undecided ends a turn whose inputs only a run would tell.
func (p *playRun) undecided(t *turn, depends []string) {
	why := "depends on " + strings.Join(dedupe(depends), ", ")
	if !p.run.opts.Check {
		t.end(event.Failed, why+", which has no value")
		t.ignore()
		return
	}
	if t.step.isCheck() {
		t.unjudged(why)
		t.verdict.results = map[string]cty.Value{}
		return
	}
	t.verdict = &verdict{status: event.WouldChange, open: true, reason: why, results: t.step.unknownResults(t.bound.given)}
	t.inCheckMode()
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
			if t.out || t.verdict == nil || !t.bound.known() {
				continue
			}
			if p.run.opts.Check {
				t.inCheckMode()
			}
			if t.verdict.status == event.Unknown || t.verdict.status == event.Cancelled {
				final = true
			}
			t.prejudge()
			if t.satisfied() {
				continue
			}
			if t.mask() { // another attempt would find the same
				t.inCheckMode()
				continue
			}
			again = true
		}
		if !again || final || n >= r.attempts || !p.retry(ctx, turns, n) {
			for _, t := range turns {
				t.exhausted(n)
			}
			break
		}
	}
	for _, t := range turns {
		t.judge()
	}
}

// retry waits, and makes the turns ready for another attempt; false: the play was stopped, and the last attempt's verdict stands.
func (p *playRun) retry(ctx context.Context, turns []*turn, attempt int) bool {
	step := turns[0].step
	if p.haltedAt(ctx, step) != "" {
		return false
	}
	delay := step.retry.delay
	for _, t := range turns {
		if !t.out && t.verdict != nil && t.bound.known() && !t.satisfied() {
			p.emit(event.Event{Kind: event.Retry, Step: t.step.Name, Key: t.key, Module: t.step.Module, Host: t.member.host().host.Name,
				Attempt: attempt, Message: t.verdict.reason, Seconds: delay.Seconds()})
		}
	}
	for _, t := range turns {
		t.node().clock.turn(pausing)
	}
	interrupt := p.run.opts.Interrupt
	if step.sheltered() { // it goes on all the same, and what it waits for takes its time
		interrupt = nil
	}
	select {
	case <-time.After(delay):
	case <-ctx.Done():
	case <-interrupt:
	}
	for _, t := range turns {
		t.node().clock.turn(deciding)
	}
	if p.haltedAt(ctx, step) != "" {
		return false
	}
	for _, t := range turns {
		if !t.out && t.bound.known() {
			t.reset()
		}
	}
	return true
}

// isFirst tells whether a host is the one that a run_once step would run on, as far as that can be told when a stage begins.
func (p *playRun) isFirst(m *member, s *Step) bool {
	for _, other := range p.stillIn {
		if other.takesPart(s) {
			return other.node == m.node
		}
	}
	return false
}

// halted says why no other step may start; "" where it may.
func (p *playRun) halted(ctx context.Context) string {
	if p.run.interrupted(ctx) {
		p.interrupt()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

// haltedAt says why a step may not start. What is done in any case is done in a stopped play too, but not once the run was killed.
func (p *playRun) haltedAt(ctx context.Context, s *Step) string {
	why := p.halted(ctx)
	if s.sheltered() && ctx.Err() == nil {
		return ""
	}
	return why
}

// interrupt stops the play as the person asked, and says what becomes of the steps that run.
func (p *playRun) interrupt() {
	p.stop("interrupted", "interrupted: running steps end, no other starts; Ctrl-C again kills them")
}

// watch tells of an interruption at once, and not only when the next step would have started.
func (p *playRun) watch() (end func()) {
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-p.run.opts.Interrupt:
			p.interrupt()
		case <-over:
		}
	}()
	return func() { close(over); <-ended }
}

// stop keeps further steps from starting, and says so once.
func (p *playRun) stop(why, message string) {
	p.mu.Lock()
	first := p.stopped == ""
	if first {
		p.stopped = why
	}
	p.mu.Unlock()
	if !first {
		return
	}
	p.emit(event.Event{Kind: event.Stopping, Message: message})
	for _, m := range p.members {
		go m.node.holdChain(context.Background())
	}
}

// cancel ends a step that did not start because the play was stopped.
func (p *playRun) cancel(m *member, s *Step, why string) {
	t := newTurn(m, s, "")
	t.end(event.Cancelled, why)
	p.leave(m, t)
}

// leave finishes a step that ended by one turn.
func (p *playRun) leave(m *member, t *turn) {
	p.finish(t)
	p.settle(m, []*turn{t})
}

// finish records how a turn ended, and tells it.
func (p *playRun) finish(t *turn) {
	if t.out || t.verdict == nil {
		return
	}
	t.settleChanges()
	m, v := t.member, t.verdict
	if t.step.handler && t.barred {
		return // it is still owed, to the end of the play
	}
	m.paid(t)
	m.record(t.step, t.key, t.instance())
	m.notify(t.step, t.instance())
	p.remember(t)
	t.seen.Answers, t.seen.Past = nil, nil // decided: what was printed is in the results
	delete(m.heard, instanceKey{t.step, t.key})
	delete(m.bounds, instanceKey{t.step, t.key})
	p.tell(t)
	if v.status == event.WouldChange && !v.masked {
		m.node.would = append(m.node.would, t.step.Name)
	}
	if !v.ignored {
		m.status = worse(m.status, v.status)
	}
	if t.on == "" && (v.status == event.Unreachable || v.status == event.Unknown) {
		m.gone = worse(m.gone, v.status)
	}
}

// settle takes a host out of the play where one of a step's instances failed, once all of them were told: every instance runs, also
// after one has failed.
func (p *playRun) settle(m *member, turns []*turn) {
	for _, t := range turns {
		switch {
		case t.out || t.verdict == nil || t.verdict.ignored:
		case t.verdict.status.Bad():
			p.lose(m, t)
			return
		case t.verdict.status == event.Cancelled:
			m.fallFrom(t.step, t)
			m.message = t.verdict.reason
			m.out = !m.awaits()
			return
		}
	}
}

// settleChanges leaves no change in the record that was not made.
func (t *turn) settleChanges() {
	v := t.verdict
	switch v.status {
	case event.WouldChange:
	case event.OK, event.Skipped:
		t.changes = nil
	default:
		t.dropUndone()
	}
}

func (p *playRun) tell(t *turn) {
	v, m := t.verdict, t.member
	for _, w := range v.warn {
		p.emit(event.Event{Kind: event.Warning, Step: t.step.Name, Key: t.key, Host: m.node.host.Name, Message: w})
	}
	e := event.Event{
		Kind: event.StepDone, Step: t.step.Name, Key: t.key, Module: t.step.Module, Host: m.node.host.Name, On: t.on,
		Status: v.status, Ignored: v.ignored, Reason: v.reason, Changes: p.shown(t.changes), Seconds: p.since(t.begun),
	}
	if !p.run.opts.Terse || v.status.Bad() {
		e.Results = resultsJSON(v.results)
	}
	p.emit(e)
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

// lose takes a failed host out of this play and all that follow, and stops the play if too many have failed. A host that is rescued goes on, and
// one that failed before already goes on with what is done in any case.
func (p *playRun) lose(m *member, t *turn) {
	before := m.node.lost
	if m.out || !m.fallFrom(t.step, t) {
		return
	}
	if m.out = !m.awaits(); before != "" {
		if m.out {
			p.hostDone(m)
		}
		return
	}
	m.message = m.fall.why
	m.node.lost = m.message
	p.mu.Lock()
	p.bad++
	allowed := p.plan.maxFailures.allowed(len(p.members))
	over := p.bad > allowed && p.stopped == ""
	bad := p.bad
	p.mu.Unlock()
	if m.out {
		p.hostDone(m)
	}
	if over {
		why := fmt.Sprintf("%d of %d hosts failed, and max_failures allows %d", bad, len(p.members), allowed)
		p.stop(why, why)
	}
}

// hostDone tells that a host is done with the play: at its end, or as soon as it leaves it.
func (p *playRun) hostDone(m *member) {
	m.told = true
	left := 0
	for _, s := range p.plan.Steps {
		if m.takesPart(s) && (!s.leftOut || s.wanted) && !s.onDemand() && m.records[s.Name] == nil {
			left++
		}
	}
	p.emit(event.Event{Kind: event.HostDone, Host: m.node.host.Name, Status: m.status, Message: m.message, NotReached: left})
}

// hostList is run.hosts: the hosts that the play still has.
func (p *playRun) hostList() cty.Value {
	if len(p.stillIn) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	names := make([]cty.Value, len(p.stillIn))
	for i, m := range p.stillIn {
		names[i] = cty.StringVal(m.node.host.Name)
	}
	return cty.ListVal(names)
}

// checkBlock evaluates a check on one host.
func (p *playRun) checkBlock(ctx context.Context, m *member, s *Step) *turn {
	t := newTurn(m, s, "")
	if m.node.stale(s.facts) != 0 {
		p.started(t)
	}
	if p.barred(ctx, t) {
		return t
	}
	v, err := m.value(s.condition, cty.NilVal, cty.NilVal)
	is := unknowable
	if err == nil {
		is, err = truthOf(v)
	}
	var notRun errNotRun
	var unasked errUnasked
	switch {
	case errors.As(err, &unasked):
		t.accept(ctx, []Answer{unasked.answer})
	case errors.As(err, &notRun):
		t.end(event.Skipped, notRun.Error())
	case err != nil:
		t.end(event.Failed, explain("condition", err))
	case is == yes:
		t.end(event.OK, "")
	case is == no:
		t.end(event.Failed, m.complaint(s.message, cty.NilVal, cty.NilVal))
	default:
		t.unjudged("depends on " + strings.Join(dedupe(m.dependsOn(s.condition)), ", "))
	}
	if n := len(m.host().would); t.verdict.status == event.Failed && p.run.opts.Check && n > 0 {
		t.unjudged("cannot be judged before step." + m.host().would[n-1])
	}
	if t.verdict.status != event.Skipped || t.verdict.unrun { // it has a verdict, or a run would give it one
		t.verdict.results = map[string]cty.Value{}
	}
	return t
}

// unjudged ends a check that only a run can judge.
func (t *turn) unjudged(why string) {
	t.verdict = &verdict{status: event.Skipped, unrun: true, open: true, reason: why}
}
