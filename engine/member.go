package engine

import (
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/event"
)

// A member is one host's part in one play: what its steps left, what it has answered already.
type member struct {
	node   *node
	play   *playRun
	origin *member // set where its step runs on another host, which node is

	records map[string]*record // by step name
	heard   map[instanceKey]*heard
	bounds  map[instanceKey]*bound // of arguments that were wholly known once, and so stay

	part map[string]instanceOf // its instances of the fleet step under way, by key

	status  event.Status // worst so far
	gone    event.Status // how the host itself was lost: unreachable, or unknown. What ran elsewhere was lost there
	message string       // why it is out
	out     bool         // failed: takes no part in what follows
	course
	told   bool // host_done was told
	leaves bool // an instance of the step under way has failed: the host leaves the play once the others have run
}

// A record is what one step left on one host.
type record struct {
	forEach bool
	self    *instance            // without for_each; with it: what became of the step before it had instances
	items   map[string]*instance // of for_each, by key
}

// every goes through all instances.
func (r *record) every(yield func(*instance) bool) {
	if r.self != nil && !yield(r.self) {
		return
	}
	for _, in := range r.items {
		if !yield(in) {
			return
		}
	}
}

// An instance is what one instance of a step left on one host.
type instance struct {
	status  event.Status
	ignored bool
	acted   bool
	open    bool // check mode cannot tell how a run would decide it
	unrun   bool // check mode did not run it, though nothing would have been changed: its results are unknown
	reason  string
	results map[string]cty.Value // nil: the module has not run on this host
}

func newMember(n *node, p *playRun) *member {
	return &member{
		node: n, play: p, status: event.OK,
		records: map[string]*record{}, heard: map[instanceKey]*heard{}, bounds: map[instanceKey]*bound{},
	}
}

// takesPart tells whether a step is for this host.
func (m *member) takesPart(s *Step) bool {
	return s.hosts == nil || s.hosts[m.host().host.Name]
}

// recordOf is what a step left on this host; nil: nothing yet. One that is not for this host, or was left out, left that it did not run.
func (m *member) recordOf(s *Step) *record {
	if r := m.records[s.Name]; r != nil {
		return r
	}
	why := ""
	switch {
	case !m.takesPart(s):
		why = "it is not for this host"
	case s.leftOut && !s.wanted:
		why = "it was left out"
	case s.index < m.at:
		why = "it was passed over"
	default:
		return nil
	}
	return &record{forEach: s.forEach.given(), self: &instance{status: event.Skipped, reason: why}}
}

// well tells whether all instances ended well, or are going to.
func (r *record) well() bool {
	for in := range r.every {
		if in.status != event.OK && in.status != event.Changed && in.status != event.WouldChange && !in.unrun {
			return false
		}
	}
	return true
}

// pending tells whether an instance would change something first, or was not run for check mode's sake.
func (r *record) pending() bool {
	for in := range r.every {
		if in.status == event.WouldChange || in.unrun {
			return true
		}
	}
	return false
}

// record remembers how an instance ended.
func (m *member) record(s *Step, key string, in *instance) {
	r := m.records[s.Name]
	if r == nil {
		r = &record{forEach: s.forEach.given()}
		m.records[s.Name] = r
	}
	if key == "" {
		r.self = in
		return
	}
	if r.items == nil {
		r.items = map[string]*instance{}
	}
	r.items[key] = in
}

// ran tells whether an instance has results, and if not why.
func (in *instance) ran() (bool, string) {
	if in.results != nil {
		return true, ""
	}
	why := string(in.status)
	if in.reason != "" {
		why += ": " + in.reason
	}
	return false, why
}

// value is what step.NAME (or step.NAME["key"]) is in expressions.
func (in *instance) value() cty.Value {
	changed := in.status == event.Changed || in.status == event.WouldChange
	failed := in.status.Bad()
	attrs := map[string]cty.Value{
		"status":  cty.StringVal(string(in.status)),
		"changed": cty.BoolVal(changed),
		"failed":  cty.BoolVal(failed),
		"skipped": cty.BoolVal(in.status == event.Skipped),
	}
	if in.open {
		attrs["status"] = cty.UnknownVal(cty.String)
		attrs["failed"], attrs["skipped"] = cty.UnknownVal(cty.Bool), cty.UnknownVal(cty.Bool)
		if !in.unrun { // that one would not change anything is known
			attrs["changed"] = cty.UnknownVal(cty.Bool)
		}
	}
	if failed && !in.open {
		attrs["ok"] = cty.False
	}
	if in.results != nil {
		attrs["ok"] = cty.BoolVal(in.status == event.OK || in.status == event.Changed)
		if in.status == event.WouldChange || in.unrun {
			attrs["ok"] = cty.UnknownVal(cty.Bool)
		}
		for name, v := range in.results {
			attrs[name] = v
		}
	}
	return cty.ObjectVal(attrs)
}

// notInCheckMode is why a script that is known to change nothing is not run in check mode.
const notInCheckMode = "not run in check mode"

// value is what step.NAME is after the step was reached.
func (r *record) value() cty.Value {
	if !r.forEach {
		if in := r.self; in != nil {
			return in.value()
		}
		return cty.DynamicVal
	}
	attrs := map[string]cty.Value{}
	for key, in := range r.items {
		attrs[key] = in.value()
	}
	return cty.ObjectVal(attrs)
}

// pendingValue is step.NAME before the step was reached: everything unknown, but what repeats an argument that is known already.
func (s *Step) pendingValue(given map[string]cty.Value) cty.Value {
	if s.forEach.given() {
		return cty.DynamicVal
	}
	attrs := map[string]cty.Value{
		"status": cty.UnknownVal(cty.String), "changed": cty.UnknownVal(cty.Bool),
		"failed": cty.UnknownVal(cty.Bool), "skipped": cty.UnknownVal(cty.Bool), "ok": cty.UnknownVal(cty.Bool),
	}
	for _, r := range s.mod.Results {
		attrs[r.Name] = cty.UnknownVal(r.Type)
		if v, ok := given[r.Repeats]; ok && r.Repeats != "" {
			attrs[r.Name] = v
		}
	}
	return cty.ObjectVal(attrs)
}

// stepValue is what step.NAME is on this host now.
func (m *member) stepValue(s *Step) cty.Value {
	if r := m.recordOf(s); r != nil {
		return r.value()
	}
	var given map[string]cty.Value
	if !s.isCheck() && !s.forEach.given() {
		if b, ok := m.bounds[instanceKey{s, ""}]; ok {
			given = b.given
		}
	}
	return s.pendingValue(given)
}

// worse gives the worse of two states.
func worse(a, b event.Status) event.Status {
	if rank(b) > rank(a) {
		return b
	}
	return a
}

func rank(s event.Status) int {
	order := []event.Status{event.Skipped, event.OK, event.Changed, event.WouldChange, event.Cancelled, event.Refused, event.Failed, event.Unreachable, event.Unknown}
	for i, o := range order {
		if o == s {
			return i
		}
	}
	return -1
}

// summary is play.NAME.hosts["HOST"], where all hosts have come to the step with an index: those before it that the host did not go through were passed
// over.
func (m *member) summary(index int) cty.Value {
	steps := map[string]cty.Value{}
	for name, r := range m.records {
		steps[name] = r.value()
	}
	past := m.asLeft(index)
	for _, s := range m.play.plan.Steps[:index] {
		if _, have := steps[s.Name]; !have && s.read && !s.handler {
			steps[s.Name] = past.recordOf(s).value()
		}
	}
	return cty.ObjectVal(map[string]cty.Value{
		"status":  cty.StringVal(string(m.status)),
		"ok":      cty.BoolVal(!m.status.Bad() && m.status != event.Cancelled),
		"message": cty.StringVal(m.message),
		"step":    objectOrEmpty(steps),
	})
}

func objectOrEmpty(attrs map[string]cty.Value) cty.Value {
	if len(attrs) == 0 {
		return cty.EmptyObjectVal
	}
	return cty.ObjectVal(attrs)
}
