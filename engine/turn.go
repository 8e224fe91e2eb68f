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
	on     string // the host that it ran on; "": its own
	each   cty.Value
	bound  *bound // shared with other hosts

	// out: the host fell out earlier in this play. It is seen by fleet decisions, as unknown, and gets no verdict.
	out bool

	seen    Seen
	asked   []Question      // all of this round, More included
	acted   bool            // an action began, in this attempt or an earlier one
	fates   map[string]fate // of this attempt's changes, by What
	tried   map[string]bool // changes whose actions began, of all attempts, by What
	changes []event.Change  // what was, or would be, changed
	next    *Act            // decided this round
	told    Values          // results that the first Act of the turn told
	started bool            // step_started was told
	barred  bool            // a block's when does not let the step run
	begun   time.Time

	verdict *verdict // nil: still going on
}

// A verdict is how a step ended on a host, before and after the playbook's own judgement.
type verdict struct {
	status  event.Status
	ignored bool
	unrun   bool // as an instance's
	open    bool // check mode cannot tell how a run would decide it
	masked  bool // it is open because something is missing that an earlier step may bring
	bug     bool // the module's: a dry run does not explain it away
	reason  string
	results map[string]cty.Value // nil: the module has not run
	warn    []string

	remember map[string]string // for the controller's memory
}

// A fate is what became of a change that was carried out.
type fate int

const (
	carriedOut fate = iota + 1
	gaveWay         // one of its actions failed
	wasCut          // the connection was lost while one of its actions ran
)

func newTurn(m *member, s *Step, key string) *turn {
	return &turn{member: m, step: s, key: key, bound: &m.play.unbound, begun: m.play.now()}
}

func (t *turn) node() *node { return t.member.node }

// reset makes a turn ready for another attempt: from asking, with nothing behind it.
func (t *turn) reset() {
	t.seen, t.asked, t.next, t.verdict = Seen{}, nil, nil, nil
	t.fates, t.told = nil, nil
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
	t.seen.Gone = p.gone
	t.seen.By, t.seen.Keep = p.run.opts.By, p.run.opts.Keep
	t.seen.Once = t.step.runOnce
	t.seen.Brief = p.run.opts.Terse && !t.step.read && len(t.seen.Past) == 0
}

// unreached makes the host unknown to the decision, and ends its turn: unreachable where nothing was begun, unknown where something was, since
// nobody can tell any more what it left.
func (t *turn) unreached(why string) {
	t.seen.Reach, t.seen.Why, t.seen.Answers = Unreached, why, nil
	if t.out {
		return
	}
	last, lost := t.lostOutcome()
	switch {
	case lost:
		t.end(event.Unknown, lostWords(last)+"; it cannot be asked: "+why)
	case t.isAdrift():
		t.end(event.Unknown, "its action had been sent when the connection was lost, and may have been begun; the host cannot be asked: "+why)
	case t.acted:
		t.end(event.Unknown, "the host was lost after the step had begun to change it, and cannot be asked what is there now: "+why)
	default:
		t.end(event.Unreachable, why)
	}
}

// lostOutcome is the last outcome, if nobody knows it.
func (t *turn) lostOutcome() (Outcome, bool) {
	if len(t.seen.Past) == 0 {
		return Outcome{}, false
	}
	last := t.seen.Past[len(t.seen.Past)-1]
	return last, wasLost(last)
}

func lostWords(o Outcome) string {
	return fmt.Sprintf("the connection was lost while %q ran, which may have come to its end or not", o.What)
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
	case broken:
		t.bug(d.what)
	case More:
		t.bug("asks more questions without end")
	default:
		t.bug("decided nothing")
	}
}

func (t *turn) takeAct(d Act) {
	if len(d.Changes) == 0 {
		t.bug("decided to act, and names no change")
		return
	}
	for _, c := range d.Changes {
		if len(c.Do) > 0 && !t.mayDo(c) {
			return
		}
	}
	t.next = &d
	if t.told == nil {
		t.told = d.Results
	}
}

// mayDo tells whether a change may be carried out now: not one that was carried out in this attempt already, or that failed; one whose
// connection was lost only if its module says so. Otherwise the turn ends.
func (t *turn) mayDo(c Change) bool {
	switch t.fates[c.What] {
	case carriedOut:
		t.end(event.Failed, fmt.Sprintf("did not converge: after %q was carried out it is needed again%s", c.What, haveWant(c)))
	case gaveWay:
		t.end(event.Failed, t.firstFailure())
	case wasCut:
		if c.Again {
			return true
		}
		t.end(event.Unknown, fmt.Sprintf("the connection was lost while %q ran; it is still needed%s, and is not run a second time: "+
			"look at what it left, and run again", c.What, haveWant(c)))
	default:
		return true
	}
	return false
}

// works tells whether the turn has something to carry out.
func (t *turn) works() bool { return t.next != nil && t.lastWork() != "" }

// lastWork names the last change that is to be carried out now.
func (t *turn) lastWork() string {
	what := ""
	for _, c := range t.next.Changes {
		if len(c.Do) > 0 {
			what = c.What
		}
	}
	return what
}

// withTold adds what only the first Act could tell, such as what was there before.
func (t *turn) withTold(results Values) Values {
	out := Values{}
	maps.Copy(out, t.told)
	maps.Copy(out, results)
	return out
}

func haveWant(c Change) string {
	switch {
	case c.Have == "" && c.Want == "":
		return ""
	case c.Have == "":
		return fmt.Sprintf(" (want %s)", c.Want)
	}
	return fmt.Sprintf(" (have %s, want %s)", c.Have, c.Want)
}

// firstFailure is why the first outcome that went wrong did.
func (t *turn) firstFailure() string {
	for _, o := range t.seen.Past {
		if !o.OK && !wasLost(o) {
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
		t.concludeStop(d)
	default:
		t.end(event.Failed, "no verdict")
	}
}

func (t *turn) concludeStop(d Stop) {
	results, err := t.results(d.Results)
	t.verdict = &verdict{status: d.State, reason: d.Why, warn: d.Warn, results: results}
	switch d.State {
	case Refused, Skipped:
	case Failed:
		if last, lost := t.lostOutcome(); lost {
			t.verdict.status = event.Unknown
			t.verdict.reason = lostWords(last) + ": " + d.Why
		}
	default:
		t.verdict.status, t.verdict.bug = event.Failed, true
		t.verdict.reason = fmt.Sprintf("module %s stops with the state %q: this is a bug of the module (%s)", t.step.Module, d.State, d.Why)
	}
	if err != nil {
		t.bug(err.Error())
	}
}

// bug ends the turn because its module did what no module may. No playbook and no dry run mends that.
func (t *turn) bug(what string) {
	t.verdict = &verdict{status: event.Failed, bug: true, reason: fmt.Sprintf("module %s %s: this is a bug of the module", t.step.Module, what)}
}

func (t *turn) concludeDone(d Done) {
	v := &verdict{status: event.OK, warn: d.Warn, results: map[string]cty.Value{}, remember: d.Remember}
	if t.acted {
		v.status = event.Changed
	}
	for _, o := range t.seen.Past {
		if !o.OK && !wasLost(o) {
			v.status, v.reason = event.Failed, t.firstFailure()
			break
		}
	}
	if t.step.read || v.status.Bad() || !t.member.play.run.opts.Terse {
		var err error
		if v.results, err = t.results(t.withTold(d.Results)); err != nil {
			t.bug(err.Error())
			return
		}
	}
	t.verdict = v
}

// results makes typed values of what the module left. A text that another host has left already is kept once: a thousand hosts may print the same.
func (t *turn) results(values Values) (map[string]cty.Value, error) {
	out := make(Values, len(values))
	for name, v := range values {
		if text, ok := v.(string); ok {
			v = t.member.play.texts.once(text)
		}
		out[name] = v
	}
	return t.step.results(out, t.bound.given)
}

// wasLost tells whether nobody knows how an outcome's actions ended.
func wasLost(o Outcome) bool {
	for _, a := range o.Answers {
		if a.State == Lost {
			return true
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
		if t.tried[c.What] && !seen[c.What] {
			kept = append(kept, c)
			seen[c.What] = true
		}
	}
	t.changes = kept
}

// sentence folds a text of several lines to one.
func sentence(s string) string { return strings.Join(strings.Fields(s), " ") }
