package engine

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/event"
)

// A turn is one step (one instance of it) on one host: from its arguments to its verdict.
type turn struct {
	member *member
	step   *Step
	key    string // of a for_each instance; "" else
	each   cty.Value
	bound  bound

	// out: the host fell out earlier in this play. It is seen by fleet decisions, as unknown, and gets no verdict.
	out bool

	seen    Seen
	asked   []Question // all of this round, More included
	acted   bool
	done    map[string]bool // changes carried out well, by What
	failed  map[string]bool // changes that failed, by What
	changes []event.Change  // what was, or would be, changed
	next    *Act            // decided this round
	told    Values          // results that the first Act of the turn told
	started bool            // step_started was told
	begun   time.Time

	verdict *verdict // nil: still going on
}

// A verdict is how a step ended on a host, before and after the playbook's own judgement.
type verdict struct {
	status  event.Status
	ignored bool
	unrun   bool // as an instance's
	reason  string
	results map[string]cty.Value // nil: the module has not run
	warn    []string
}

func (t *turn) node() *node { return t.member.node }

// reset makes a turn ready for another attempt: from asking, with nothing behind it.
func (t *turn) reset() {
	t.seen, t.asked, t.next, t.verdict = Seen{}, nil, nil, nil
	t.done, t.failed, t.told = nil, nil, nil
	t.node().epoch++ // what was answered before the attempt is stale
}

func (t *turn) end(status event.Status, why string) {
	if t.verdict == nil {
		t.verdict = &verdict{status: status, reason: why}
	}
}

// see sets what a decision may depend on, but the answers.
func (t *turn) see(p *playRun) {
	t.seen.Host, t.seen.Address = t.node().host.Name, t.node().host.Address
	t.seen.Run, t.seen.Limited, t.seen.Diff = p.run.id, p.run.opts.Limited, p.run.opts.Diff
}

// unreached makes the host unknown to the decision, and ends its turn: unreachable where nothing was begun, unknown where something was.
func (t *turn) unreached(why string) {
	t.seen.Reach, t.seen.Why, t.seen.Answers = Unreached, why, nil
	if t.out {
		return
	}
	if t.lostAction() {
		t.end(event.Unknown, why)
		return
	}
	t.end(event.Unreachable, why)
}

// lostAction tells whether an action of this turn has an outcome that nobody knows.
func (t *turn) lostAction() bool {
	if len(t.seen.Past) == 0 {
		return false
	}
	last := t.seen.Past[len(t.seen.Past)-1]
	for _, a := range last.Answers {
		if a.State == Lost {
			return true
		}
	}
	return false
}

// take looks at what the module decided. It leaves an Act in next, or ends the turn once final (no host of the step has work left).
func (t *turn) take(d Decision) {
	t.next = nil
	if t.verdict != nil || t.out {
		return
	}
	switch d := d.(type) {
	case Act:
		t.takeAct(d)
	case Done, Stop:
	case More:
		t.end(event.Failed, fmt.Sprintf("module %s asks more questions without end", t.step.Module))
	default:
		t.end(event.Failed, fmt.Sprintf("module %s decided nothing: this is a bug of the module", t.step.Module))
	}
}

func (t *turn) takeAct(d Act) {
	if len(d.Changes) == 0 {
		t.end(event.Failed, fmt.Sprintf("module %s decided to change nothing at all: this is a bug of the module", t.step.Module))
		return
	}
	var todo []Change
	for _, c := range d.Changes {
		if len(c.Do) == 0 {
			continue
		}
		switch {
		case t.done[c.What]:
			t.end(event.Failed, "did not converge: after \""+c.What+"\" was carried out it is needed again"+haveWant(c))
			return
		case t.failed[c.What] && !c.Again:
			t.end(t.failureStatus(), t.firstFailure())
			return
		}
		todo = append(todo, c)
	}
	if len(todo) == 0 && t.seen.Past != nil {
		t.end(event.Failed, "did not converge: still foreseen but never carried out: "+d.Changes[0].What)
		return
	}
	t.next = &d
	if t.told == nil {
		t.told = d.Results
	}
}

// withTold adds what only the first Act could tell, such as what was there before.
func (t *turn) withTold(results Values) Values {
	out := Values{}
	maps.Copy(out, t.told)
	maps.Copy(out, results)
	return out
}

func haveWant(c Change) string {
	if c.Have == "" && c.Want == "" {
		return ""
	}
	return fmt.Sprintf(" (have %s, want %s)", c.Have, c.Want)
}

func (t *turn) failureStatus() event.Status {
	if t.lostAction() {
		return event.Unknown
	}
	return event.Failed
}

// firstFailure is why the first outcome that went wrong did.
func (t *turn) firstFailure() string {
	for _, o := range t.seen.Past {
		if !o.OK {
			return o.What + ": " + o.Why
		}
	}
	return "failed"
}

// conclude ends the turn by its last decision, once no host of the step has work left.
func (t *turn) conclude(d Decision) {
	if t.verdict != nil || t.out {
		return
	}
	switch d := d.(type) {
	case Done:
		t.concludeDone(d)
	case Stop:
		t.verdict = &verdict{status: d.State, reason: d.Why, warn: d.Warn, results: t.step.results(d.Results, t.bound.given)}
		switch d.State {
		case Refused, Failed, Skipped:
		default:
			t.verdict.status = event.Failed
		}
	default:
		t.end(event.Failed, "no verdict")
	}
}

func (t *turn) concludeDone(d Done) {
	v := &verdict{status: event.OK, warn: d.Warn, results: t.step.results(t.withTold(d.Results), t.bound.given)}
	if t.acted {
		v.status = event.Changed
	}
	for _, o := range t.seen.Past {
		if !o.OK && !wasLost(o) {
			v.status, v.reason = event.Failed, t.firstFailure()
			break
		}
	}
	t.verdict = v
}

func wasLost(o Outcome) bool {
	for _, a := range o.Answers {
		if a.State == Lost || a.State == NotStarted {
			return a.State == Lost
		}
	}
	return false
}

// recordChanges keeps what an Act changes, for events.
func (t *turn) recordChanges(changes []Change) {
	for _, c := range changes {
		t.changes = append(t.changes, event.Change{What: c.What, Have: c.Have, Want: c.Want, Diff: c.Diff})
	}
}

// dropUndone takes out of the record what was foreseen and then never carried out.
func (t *turn) dropUndone() {
	var kept []event.Change
	seen := map[string]bool{}
	for _, c := range t.changes {
		if (t.done[c.What] || t.failed[c.What]) && !seen[c.What] {
			kept = append(kept, c)
			seen[c.What] = true
		}
	}
	t.changes = kept
}

// sentence folds a text of several lines to one.
func sentence(s string) string { return strings.Join(strings.Fields(s), " ") }
