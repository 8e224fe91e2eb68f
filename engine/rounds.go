package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"cvsplay/engine/event"
	"cvsplay/engine/remote"
)

// maxRounds bounds ask, decide, act: a step that is not done by then never will be.
const maxRounds = 16

// rounds is the loop that every step goes through: ask, decide, act, and ask again, until nothing is left to do. The turns are one
// host's, or for a fleet kind all hosts'. When it returns every turn has its verdict, but those that are out.
func (p *playRun) rounds(ctx context.Context, turns []*turn) {
	for range maxRounds {
		p.askAll(ctx, turns)
		decisions := p.decide(ctx, turns)
		pending, able := false, false
		for i, t := range turns {
			t.take(decisions[i])
			pending = pending || t.next != nil
			able = able || t.works()
		}
		switch {
		case pending && p.askOnly(turns):
			p.foresee(ctx, turns, decisions)
			return
		case !able:
			p.conclude(turns, decisions)
			return
		}
		p.actAll(ctx, turns)
	}
	for _, t := range turns {
		t.end(event.Failed, fmt.Sprintf("still not done after %d rounds of asking and changing", maxRounds))
	}
}

// conclude ends the turns by their last decisions. One that foresees a change nobody is about to make would wait for ever.
func (p *playRun) conclude(turns []*turn, decisions []Decision) {
	for i, t := range turns {
		if t.next != nil {
			t.end(event.Failed, fmt.Sprintf("did not converge: %q is foreseen, and nothing is done about it", t.next.Changes[0].What))
		}
		t.conclude(decisions[i])
	}
}

// each runs f for every turn, side by side where there are several.
func each(turns []*turn, f func(*turn)) {
	if len(turns) == 1 {
		f(turns[0])
		return
	}
	var wg sync.WaitGroup
	for _, t := range turns {
		wg.Go(func() {
			f(t)
			t.node().clock.turn(waiting)
		})
	}
	wg.Wait()
	if len(turns) > 0 {
		turns[0].member.play.timings.meetTurns(turns)
	}
}

func (p *playRun) askAll(ctx context.Context, turns []*turn) {
	each(turns, func(t *turn) {
		t.see(p)
		if t.out || (t.verdict != nil && t.seen.Reach == Unreached) {
			return
		}
		p.answer(ctx, t)
	})
}

// answer gets the answers of a turn's questions and looks at those that no module should see.
func (p *playRun) answer(ctx context.Context, t *turn) {
	n := t.node()
	if !t.acted { // a step that waits for its turn has not started: a stopped play does not let it
		n.hold = func(ctx context.Context) string { return p.haltedAt(ctx, t.step) }
	}
	questions, answers := p.questions(ctx, t)
	n.hold = nil
	t.asked = questions
	t.accept(ctx, answers)
}

// accept takes answers into what the decision sees. Only given answers get there, and those of a person's script that timed out; the others end
// the turn.
func (t *turn) accept(ctx context.Context, answers []Answer) {
	for i, a := range answers {
		switch a.State {
		case Given:
			continue
		case NotStarted, Lost:
			if ctx.Err() != nil {
				t.cancelled("stopped before it was decided")
				return
			}
			if why := t.member.play.haltedAt(ctx, t.step); why != "" && !t.acted && !t.node().unreachable() {
				t.cancelled(why)
				return
			}
			t.unreached(a.Why)
		case TimedOut:
			if i < len(t.asked) && isPersons(t.asked[i]) {
				continue // it may take as long as an action, and its module judges it as one
			}
			t.unanswered(fmt.Sprintf("a question was not answered within its time limit: %s (%s)", describe(t.asked, i), a.Why))
		default:
			t.unanswered(a.Why)
		}
		return
	}
	t.seen.Reach, t.seen.Why, t.seen.Answers = Reached, "", answers
}

func (t *turn) cancelled(why string) {
	t.seen.Reach, t.seen.Why, t.seen.Answers = Unreached, "cancelled", nil
	t.end(event.Cancelled, why)
}

// unanswered ends the turn of a host that is there but cannot answer. A fleet decision sees it as unknown.
func (t *turn) unanswered(why string) {
	t.seen.Reach, t.seen.Why, t.seen.Answers = Unreached, why, nil
	t.end(event.Failed, why)
}

func describe(qs []Question, i int) string {
	if i >= len(qs) {
		return "?"
	}
	switch q := qs[i].(type) {
	case Shell:
		return strings.TrimPrefix(firstLine(q.Text), "# ")
	case Path:
		return "what is at " + q.Path
	case Manifest:
		return "image " + q.Ref
	case Recall:
		return "what this controller remembers of " + q.Key
	}
	return "?"
}

// decide asks the module, and asks the hosts for More until it has heard enough.
func (p *playRun) decide(ctx context.Context, turns []*turn) []Decision {
	const enough = 8
	module := turns[0].step.mod
	decisions := make([]Decision, len(turns))
	for range enough {
		if !module.IsFleet() && turns[0].verdict != nil { // a host by itself is decided only where it can be asked
			return decisions
		}
		all := make([]On[Args], len(turns))
		for i, t := range turns {
			all[i] = On[Args]{Args: t.bound.args, Seen: t.seen}
		}
		decisions = decideSafely(module, all)
		wants := false
		for i, t := range turns {
			if more, ok := decisions[i].(More); ok && t.verdict == nil && !t.out && len(more.Ask) > 0 {
				wants = true
				t.asked = append(append([]Question(nil), t.asked...), more.Ask...)
			}
		}
		if !wants {
			return decisions
		}
		p.askMore(ctx, turns, decisions)
	}
	return decisions
}

func (p *playRun) askMore(ctx context.Context, turns []*turn, decisions []Decision) {
	asking := map[*turn][]Question{}
	var who []*turn
	for i, t := range turns {
		if more, ok := decisions[i].(More); ok && t.verdict == nil && !t.out {
			asking[t] = more.Ask
			who = append(who, t)
		}
	}
	each(who, func(t *turn) {
		before := t.seen.Answers
		p.started(t)
		back := p.trip(t.node(), []instanceKey{{t.step, t.key}}, nil)
		more := p.exchange(ctx, t.node(), []inquiry{{set: t.bound.set, questions: asking[t], listen: p.listenTo(t)}})[0]
		back()
		t.accept(ctx, append(append([]Answer(nil), before...), p.overlaid(t, asking[t], more)...))
	})
}

// broken is the decision of a module that came to none.
type broken struct{ what string }

func (broken) decision() {}

// decideSafely keeps a module's panic from ending the run: it fails the step.
func decideSafely(m Module, all []On[Args]) (out []Decision) {
	defer func() {
		if r := recover(); r != nil {
			out = make([]Decision, len(all))
			for i := range out {
				out[i] = broken{fmt.Sprintf("panics: %v", r)}
			}
		}
	}()
	out = m.kind.decide(all)
	for len(out) < len(all) {
		out = append(out, nil)
	}
	return out
}

func (p *playRun) actAll(ctx context.Context, turns []*turn) {
	var who []*turn
	for _, t := range turns {
		if t.next != nil {
			who = append(who, t)
		}
	}
	each(who, func(t *turn) { p.act(ctx, t) })
}

// act carries out a turn's changes in order, up to the first that fails.
func (p *playRun) act(ctx context.Context, t *turn) {
	n := t.node()
	t.recordChanges(t.next.Changes)
	if !t.works() {
		return // it waits for other hosts
	}
	p.started(t)
	n.owe(t, t.next.Finally)
	ahead := p.chain(t)
	n.epoch++
	if ahead != nil {
		p.tellTrip(n, ahead.asked(), ahead.acted(), 0)
		n.send(ctx, ahead, p.holdOf(t))
	}
	for _, c := range t.next.Changes {
		if len(c.Do) == 0 {
			continue
		}
		o, end := p.carryOut(ctx, t, c)
		t.note(c, o)
		if !o.OK {
			p.afterFailure(ctx, t, c, o, end)
			return
		}
	}
}

// holdOf is why the turn's first action may not be sent when its host's turn has come: a step that waits for its place has not started, and a stopped play
// starts none. nil: it may be. A step that is decided over all hosts has started once one of them has.
func (p *playRun) holdOf(t *turn) func(context.Context) string {
	if t.acted || t.step.mod.IsFleet() {
		return nil
	}
	return func(ctx context.Context) string { return p.haltedAt(ctx, t.step) }
}

// note remembers what became of a change.
func (t *turn) note(c Change, o Outcome) {
	t.seen.Past = append(t.seen.Past, o)
	if t.fates == nil {
		t.fates = map[string]fate{}
	}
	if t.tried == nil {
		t.tried = map[string]bool{}
	}
	if o.Answers[0].State != NotStarted {
		t.acted, t.tried[c.What] = true, true
	}
	switch {
	case o.OK:
		t.fates[c.What] = carriedOut
	case wasLost(o):
		t.fates[c.What] = wasCut
	default:
		t.fates[c.What] = gaveWay
	}
}

// afterFailure ends the turn where no further question could settle what became of an action; end is how that action ended.
func (p *playRun) afterFailure(ctx context.Context, t *turn, c Change, o Outcome, end AnswerState) {
	switch {
	case ctx.Err() != nil && end == NotStarted && !t.acted:
		t.cancelled("stopped before it began: " + c.What)
	case ctx.Err() != nil:
		t.end(event.Cancelled, "stopped while it ran: "+c.What)
	case end == NotStarted:
		if why := p.haltedAt(ctx, t.step); why != "" && !t.acted && !t.node().unreachable() {
			t.cancelled(why)
			return
		}
		t.unreached(o.Why)
	case end == Lost && !c.Again && len(t.bound.asks) == 0:
		t.end(event.Unknown, lostWords(o)+": "+o.Why)
	}
}

// carryOut does a change's actions up to the first that fails; end is how the last of them ended. What the step and those ahead of it ask next
// travels with the last action of the last change: it is there when the change is to be proven.
func (p *playRun) carryOut(ctx context.Context, t *turn, c Change) (o Outcome, end AnswerState) {
	o = Outcome{What: c.What, OK: true}
	n := t.node()
	defer func() { n.hold = nil }()
	for i, action := range c.Do {
		n.hold = nil
		if i == 0 {
			n.hold = p.holdOf(t)
		}
		if !o.OK {
			o.Answers = append(o.Answers, Answer{})
			continue
		}
		var next *forecast
		if i == len(c.Do)-1 && c.What == t.lastWork() {
			next = p.forecast(t)
		}
		a, sent := p.fromChain(ctx, t, c, i)
		if !sent {
			a = p.perform(ctx, t, action, next)
		}
		if a.State == NotStarted && ctx.Err() == nil && !t.node().unreachable() {
			a = p.perform(ctx, t, action, next) // over a new connection
		}
		end = a.State
		o.Answers = append(o.Answers, a)
		o.OK, o.Why = judgeAction(action, a)
	}
	return o, end
}

// perform carries out one action. Questions, if there are any to go with it, are heard once it has ended by itself.
func (p *playRun) perform(ctx context.Context, t *turn, action Action, next *forecast) Answer {
	n := t.node()
	defer n.clock.during(acting)()
	var output func(remote.Stream, []byte)
	closing := func() error { return nil }
	if sh, ok := action.(Shell); ok {
		lines := p.listen(t, sh)
		output, closing = lines.write, lines.close
	}
	f, failed := t.actionFrame(ctx, action, output)
	if failed != nil {
		return *failed
	}
	scripts := append([]remote.Script{f.script}, next.scripts(f.script.Account)...)
	back := p.trip(n, next.asked(), []*Step{t.step})
	exits := n.exchange(ctx, scripts)
	back()
	n.reap(ctx, f, &exits[0])
	a := f.read(exits[0])
	untorn(p.run.guard, &a)
	if a.State == Given {
		next.hear(exits[1:])
	}
	if err := closing(); err != nil && a.State == Given {
		a.State, a.Why = Problem, err.Error()
	}
	return a
}

// actionFrame makes an action ready to be sent. output gets what a Shell prints. What has to be on the host before it is brought there; failed is what
// became of that where it went wrong.
func (t *turn) actionFrame(ctx context.Context, action Action, output func(remote.Stream, []byte)) (f frame, failed *Answer) {
	switch action := action.(type) {
	case Shell:
		limit := t.bound.set.timeout
		if limit == 0 {
			limit = actionLimit
		}
		return t.bound.set.shellFrame(action, limit, output), nil
	case WriteFile:
		return t.node().writeFrame(ctx, t.bound.set, action)
	}
	return f, &Answer{State: Problem, Why: fmt.Sprintf("no action %T", action)}
}

// judgeAction tells whether an action did what it should, and if not why.
func judgeAction(action Action, a Answer) (bool, string) {
	switch a.State {
	case Given:
		sh, ok := action.(Shell)
		if !ok || a.Code == 0 || sh.AnyCode {
			return true, ""
		}
		return false, exitWords(a)
	case TimedOut:
		why := a.Why
		if len(a.Survivors) > 0 {
			why += "; still running: " + strings.Join(a.Survivors, ", ")
		}
		return false, why
	}
	return false, a.Why
}

// exitWords says how a script failed: its exit code, and the last it said.
func exitWords(a Answer) string {
	words := strings.TrimSpace(a.Stderr.String())
	if words == "" {
		words = strings.TrimSpace(a.Stdout.String())
	}
	if words == "" {
		return fmt.Sprintf("exit code %d", a.Code)
	}
	lines := strings.Split(words, "\n")
	const last = 10
	if len(lines) > last {
		lines = lines[len(lines)-last:]
	}
	return fmt.Sprintf("exit code %d: %s", a.Code, strings.Join(lines, "\n"))
}

// owe remembers what is owed to the end of the run, once.
func (n *node) owe(t *turn, finals []Final) {
	if n.owner != nil {
		n = n.owner
	}
	n.owing.Lock() // by its own steps, and by those of others that run there
	defer n.owing.Unlock()
	for _, f := range finals {
		dup := false
		for _, have := range n.finals {
			dup = dup || sameFinal(have.final, f)
		}
		if !dup {
			n.finals = append(n.finals, owed{play: t.member.play.plan.Name, step: t.step.Name, set: t.bound.set, final: f})
		}
	}
}

func sameFinal(a, b Final) bool {
	return a.Module == b.Module && fmt.Sprintf("%+v", a.Args) == fmt.Sprintf("%+v", b.Args)
}
