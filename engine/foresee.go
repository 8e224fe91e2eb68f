package engine

import (
	"context"
	"fmt"
	"maps"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/event"
)

// askOnly tells whether the step must not act: in check mode, or because it was left out and only its results are wanted.
func (p *playRun) askOnly(turns []*turn) bool {
	return p.run.opts.Check || turns[0].step.leftOut
}

// foresee ends turns where their first action would begin.
func (p *playRun) foresee(ctx context.Context, turns []*turn, decisions []Decision) {
	each(turns, func(t *turn) { t.reach(ctx) })
	for i, t := range turns {
		if t.next == nil {
			t.conclude(decisions[i])
			continue
		}
		if t.step.leftOut {
			t.end(event.Refused, fmt.Sprintf("step %q was left out, and something is to be done there first (%s); choose it too", t.step.Name, t.next.Changes[0].What))
			continue
		}
		t.recordChanges(t.next.Changes)
		results, err := t.foretold()
		t.verdict = &verdict{status: event.WouldChange, results: results}
		if err != nil {
			t.bug(err.Error())
		}
		p.overlay(t)
	}
}

// reach connects to a host that the step has asked nothing: nothing is foretold of one that a run could not reach.
func (t *turn) reach(ctx context.Context) {
	if t.next == nil || t.verdict != nil || t.out || t.step.leftOut {
		return
	}
	if err := t.node().reach(ctx); err != nil {
		t.next = nil
		t.accept(ctx, []Answer{{State: NotStarted, Why: err.Error()}})
	}
}

// foretold are the results that can be told before the changes were made: those the module knows, those it would give if asked
// again with the answers that its changes foretell; all others are unknown.
func (t *turn) foretold() (map[string]cty.Value, error) {
	results := t.next.Results
	if answers, ok := t.then(); ok && !t.step.mod.IsFleet() {
		seen := t.seen
		seen.Answers = answers
		seen.Past = nil
		if done, ok := decideSafely(t.step.mod, []On[Args]{{Args: t.bound.args, Seen: seen}})[0].(Done); ok {
			results = Values{}
			maps.Copy(results, done.Results)
			maps.Copy(results, t.next.Results) // what was there before is not what will be
		}
	}
	values, err := t.step.results(results, t.bound.given)
	for _, r := range t.step.mod.Results {
		if _, told := results[r.Name]; !told && r.Repeats == "" {
			values[r.Name] = cty.UnknownVal(r.Type)
		}
	}
	return values, err
}

// then gives the answers of the step's own questions after its changes, where every change foretells them.
func (t *turn) then() ([]Answer, bool) {
	n := len(t.bound.asks)
	if n == 0 || len(t.seen.Answers) < n {
		return nil, false
	}
	answers := append([]Answer(nil), t.seen.Answers[:n]...)
	for _, c := range t.next.Changes {
		if len(c.Then) != n {
			return nil, false
		}
		copy(answers, c.Then)
	}
	return answers, true
}

// overlay lets later steps of check mode be decided on what this one would leave.
func (p *playRun) overlay(t *turn) {
	n := t.node()
	answers, ok := t.then()
	if !ok {
		return
	}
	if n.overlay == nil {
		n.overlay = map[string]Answer{}
	}
	for i, q := range t.bound.asks {
		n.overlay[questionKey(t.bound.set, q)] = answers[i]
	}
}

// overlaid puts what earlier steps would leave in the place of what is there.
func (p *playRun) overlaid(t *turn, questions []Question, answers []Answer) []Answer {
	n := t.node()
	if len(n.overlay) == 0 {
		return answers
	}
	out := append([]Answer(nil), answers...)
	for i, q := range questions {
		told, ok := n.overlay[questionKey(t.bound.set, q)]
		if !ok {
			continue
		}
		if path, isPath := q.(Path); isPath && path.Read > 0 && told.Path.Kind == Regular && !told.Path.Read {
			out[i] = Answer{State: Problem, Why: "the content of " + path.Path + " is not known before the step that writes it has run"}
			continue
		}
		out[i] = told
	}
	return out
}

// questionKey is the same for two questions that get the same answer.
func questionKey(s setting, q Question) string {
	if p, ok := q.(Path); ok {
		return fmt.Sprintf("%s\x00path\x00%s\x00%v", s.key(), p.Path, p.Follow)
	}
	return fmt.Sprintf("%s\x00%T\x00%+v", s.key(), q, q)
}
