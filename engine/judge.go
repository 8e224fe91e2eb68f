package engine

import (
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"cvsplay/engine/event"
)

// prejudge applies fail_when, which replaces the module's verdict. until and the rest look at what it leaves.
func (t *turn) prejudge() {
	v := t.verdict
	if t.step.failWhen.given() && !v.bug && (v.status == event.OK || v.status == event.Changed || v.status == event.Failed) {
		t.judgeFailure()
	}
}

// judge applies the rest of the playbook's own judgement: changed_when, then the postconditions, then ignore_errors. until was looked at before, by satisfied.
func (t *turn) judge() {
	v, s := t.verdict, t.step
	if v == nil {
		return
	}
	if s.changedWhen.given() && v.results != nil && (v.status == event.OK || v.status == event.Changed) {
		switch is, err := t.truth(s.changedWhen); {
		case err != nil:
			v.status, v.reason = event.Failed, explain("changed_when", err)
		case is == yes:
			v.status = event.Changed
		case is == no:
			v.status = event.OK
		}
	}
	t.ensure()
	if v.status == event.Failed && t.bound.known() && t.mask() {
		t.inCheckMode()
	}
	t.ignore()
}

func (t *turn) judgeFailure() {
	v := t.verdict
	whole := v.results != nil
	if !whole { // it failed before it had results: they are null
		v.results, _ = t.step.results(nil, t.bound.given)
	}
	switch is, err := t.truth(t.step.failWhen); {
	case err != nil && !whole:
		v.results = nil // what failed first is the cause
	case err != nil:
		v.status, v.reason = event.Failed, explain("fail_when", err)
	case is == yes:
		if v.status != event.Failed {
			v.reason = "fail_when is true"
		}
		v.status = event.Failed
	case is == no && v.status == event.Failed:
		v.status, v.reason = event.OK, ""
		if t.acted {
			v.status = event.Changed
		}
	}
}

func (t *turn) ignore() {
	v := t.verdict
	if v == nil || v.status != event.Failed || !t.step.ignoreErrors.given() {
		return
	}
	switch is, err := t.truth(t.step.ignoreErrors); {
	case err != nil:
		v.reason += "; " + explain("ignore_errors", err)
	case is == yes:
		v.ignored = true
	}
}

// satisfied tells whether another attempt is not needed: the step did not fail and its until holds.
func (t *turn) satisfied() bool {
	v := t.verdict
	if v == nil || v.status == event.Failed {
		return false
	}
	if !t.step.retry.until.given() || (v.status != event.OK && v.status != event.Changed) {
		return true
	}
	switch is, err := t.truth(t.step.retry.until); {
	case err != nil:
		v.status, v.reason = event.Failed, explain("until", err)
		return false
	case is == yes:
		return true
	}
	v.reason = "until is not true"
	return false
}

// exhausted makes a verdict of a step whose until never held.
func (t *turn) exhausted(attempts int) {
	v := t.verdict
	if v != nil && v.status != event.Failed && v.reason == "until is not true" {
		v.status, v.reason = event.Failed, fmt.Sprintf("until was not true after %d attempts", attempts)
	}
}

// truth is a bool that may be unknown.
type truth int

const (
	unknowable truth = iota
	yes
	no
)

// truth evaluates a judgement with self.
func (t *turn) truth(e Expr) (truth, error) {
	v, err := t.member.value(e, t.each, t.instance().value())
	if err != nil {
		return unknowable, err
	}
	return truthOf(v)
}

func truthOf(v cty.Value) (truth, error) {
	v, _ = v.Unmark()
	switch {
	case !v.IsKnown():
		return unknowable, nil
	case v.IsNull():
		return unknowable, errors.New("it is null, and has to be true or false")
	}
	is, err := convert.Convert(v, cty.Bool)
	switch {
	case err != nil:
		return unknowable, fmt.Errorf("it is a %s, and has to be true or false", v.Type().FriendlyName())
	case is.True():
		return yes, nil
	}
	return no, nil
}

// instance is what the turn leaves.
func (t *turn) instance() *instance {
	v := t.verdict
	return &instance{status: v.status, ignored: v.ignored, acted: t.acted, unrun: v.unrun, open: v.open, reason: v.reason, results: v.results}
}

// inCheckMode mends verdicts that only a dry run gives: what cannot be judged before an earlier step has run has not failed, and what
// would not change anything even if it ran does not count among what would change.
func (t *turn) inCheckMode() {
	v := t.verdict
	if v == nil {
		return
	}
	if v.status == event.Failed {
		t.mask()
	}
	if v.status != event.WouldChange {
		return
	}
	switch {
	case t.changedNever():
		v.reason = notInCheckMode
	case !t.step.looks && (t.step.mod.Looks == nil || !t.step.mod.Looks(t.bound.given)): // without a known when there are no arguments on this host
		return
	}
	v.status, v.unrun, v.open = event.Skipped, true, true
	t.changes = nil
}

// mask leaves the verdict of a step that did not end well in check mode to the run, where an earlier step would change something that may be the reason; false:
// none would.
func (t *turn) mask() bool {
	v, would := t.verdict, t.member.host().would
	if !t.member.play.run.opts.Check || v.bug || len(would) == 0 {
		return false
	}
	v.status, v.reason, v.ignored = event.WouldChange, "cannot be judged before step."+would[len(would)-1], false
	v.masked, v.open = true, true
	v.results = t.step.unknownResults(t.bound.given)
	return true
}

// changedNever tells whether changed_when is known to be false.
func (t *turn) changedNever() bool {
	if !t.step.changedWhen.given() {
		return false
	}
	is, err := t.truth(t.step.changedWhen)
	return err == nil && is == no
}

// unknownResults are the results of a step of which nothing can be told yet.
func (s *Step) unknownResults(given map[string]cty.Value) map[string]cty.Value {
	out := map[string]cty.Value{}
	for _, r := range s.mod.Results {
		out[r.Name] = cty.UnknownVal(r.Type)
		if v, ok := given[r.Repeats]; ok && r.Repeats != "" {
			out[r.Name] = v
		}
	}
	return out
}
