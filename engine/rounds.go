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
		working := false
		for i, t := range turns {
			t.take(decisions[i])
			working = working || t.next != nil
		}
		if !working {
			for i, t := range turns {
				t.conclude(decisions[i])
			}
			return
		}
		if p.askOnly(turns) {
			p.foresee(turns, decisions)
			return
		}
		p.actAll(ctx, turns)
	}
	for _, t := range turns {
		t.end(event.Failed, fmt.Sprintf("still not done after %d rounds", maxRounds))
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
		wg.Go(func() { f(t) })
	}
	wg.Wait()
}

func (p *playRun) askAll(ctx context.Context, turns []*turn) {
	each(turns, func(t *turn) {
		if t.out || (t.verdict != nil && t.seen.Reach == Unreached) {
			return
		}
		t.see(p)
		p.answer(ctx, t)
	})
}

// answer gets the answers of a turn's questions and looks at those that no module should see.
func (p *playRun) answer(ctx context.Context, t *turn) {
	questions, answers := p.questions(ctx, t)
	t.asked = questions
	t.accept(ctx, answers)
}

// accept takes answers into what the decision sees. Only given answers get there; the others end the turn.
func (t *turn) accept(ctx context.Context, answers []Answer) {
	for i, a := range answers {
		switch a.State {
		case Given:
			continue
		case NotStarted, Lost:
			if ctx.Err() != nil {
				t.seen.Reach, t.seen.Why = Unreached, "cancelled"
				t.end(event.Cancelled, "stopped before it was decided")
				return
			}
			t.unreached(a.Why)
		case TimedOut:
			t.unanswered(fmt.Sprintf("a question was not answered within its time limit: %s", describe(t.asked, i)))
		default:
			t.unanswered(a.Why)
		}
		return
	}
	t.seen.Reach, t.seen.Why, t.seen.Answers = Reached, "", answers
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
		return firstLine(q.Text)
	case Path:
		return "what is at " + q.Path
	case Manifest:
		return "image " + q.Ref
	}
	return "?"
}

// decide asks the module, and asks the hosts for More until it has heard enough.
func (p *playRun) decide(ctx context.Context, turns []*turn) []Decision {
	const enough = 8
	module := turns[0].step.mod
	var decisions []Decision
	for range enough {
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
		more := p.exchange(ctx, t.node(), []inquiry{{set: t.bound.set, questions: asking[t]}})[0]
		t.accept(ctx, append(append([]Answer(nil), before...), p.overlaid(t, asking[t], more)...))
	})
}

// decideSafely keeps a module's panic from ending the run: it fails the step.
func decideSafely(m Module, all []On[Args]) (out []Decision) {
	defer func() {
		if r := recover(); r != nil {
			out = make([]Decision, len(all))
			for i := range out {
				out[i] = Stop{State: Failed, Why: fmt.Sprintf("module %s: %v: this is a bug of the module", m.Name, r)}
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
	p.started(t)
	n.owe(t, t.next.Finally)
	n.epoch++
	t.recordChanges(t.next.Changes)
	if t.done == nil {
		t.done, t.failed = map[string]bool{}, map[string]bool{}
	}
	for _, c := range t.next.Changes {
		if len(c.Do) == 0 {
			continue
		}
		t.acted = true
		o := p.carryOut(ctx, t, c)
		t.seen.Past = append(t.seen.Past, o)
		t.done[c.What] = o.OK
		t.failed[c.What] = !o.OK
		if o.OK {
			continue
		}
		p.afterFailure(ctx, t, c, o)
		return
	}
}

// afterFailure ends the turn where no further question could settle what became of an action.
func (p *playRun) afterFailure(ctx context.Context, t *turn, c Change, o Outcome) {
	if ctx.Err() != nil {
		t.end(event.Cancelled, "stopped while it ran: "+c.What)
		return
	}
	if wasLost(o) && !c.Again && len(t.bound.args.Ask()) == 0 {
		t.end(event.Unknown, "the connection was lost while it ran; it may have run to its end: "+o.Why)
	}
}

func (p *playRun) carryOut(ctx context.Context, t *turn, c Change) Outcome {
	o := Outcome{What: c.What, OK: true}
	for _, action := range c.Do {
		if !o.OK {
			o.Answers = append(o.Answers, Answer{})
			continue
		}
		a := p.perform(ctx, t, action)
		o.Answers = append(o.Answers, a)
		o.OK, o.Why = judgeAction(action, a)
	}
	return o
}

func (p *playRun) perform(ctx context.Context, t *turn, action Action) Answer {
	n, set := t.node(), t.bound.set
	switch action := action.(type) {
	case Shell:
		limit := set.timeout
		if limit == 0 {
			limit = actionLimit
		}
		lines := p.listen(t, action)
		f := set.shellFrame(action, limit, lines.write)
		a := f.read(n.exchange(ctx, []remote.Script{f.script})[0])
		if err := lines.close(); err != nil && a.State == Given {
			a.State, a.Why = Problem, err.Error()
		}
		return a
	case WriteFile:
		return n.write(ctx, set, action)
	}
	return Answer{State: Problem, Why: fmt.Sprintf("no action %T", action)}
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
