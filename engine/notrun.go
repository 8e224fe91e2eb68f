package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"cvsplay/engine/eval"
)

// errNotRun says that an expression reads the results of a step that did not run on this host, or on another.
type errNotRun struct {
	step, why string
	host      string // "": this one
}

func (e errNotRun) Error() string {
	where := "this host"
	if e.host != "" {
		where = e.host
	}
	return fmt.Sprintf("it reads results of step.%s, which has none on %s (%s); try(…, OTHER) goes on without them", e.step, where, e.why)
}

// always are the attributes that step.NAME has on every host.
var always = map[string]bool{"status": true, "changed": true, "failed": true, "skipped": true}

// notRun makes an error that says why of one that an expression has because it reads results that are not there: its own knows only that an
// attribute is missing.
func (m *member) notRun(refs []eval.Reference, err error) error {
	var failed diagError
	if !errors.As(err, &failed) {
		return err
	}
	d := failed.first()
	if d == nil || d.Summary != "Unsupported attribute" && d.Summary != "Invalid index" {
		return err
	}
	var likely error
	for _, r := range refs {
		if r.InTry {
			continue
		}
		found := m.lacking(r)
		if found != nil && d.Subject != nil && r.Range.Overlaps(*d.Subject) {
			return found
		}
		if likely == nil {
			likely = found
		}
	}
	if likely != nil {
		return likely
	}
	return err
}

// lacking tells what a reference reads of a step that did not run; nil: all that it names is there.
func (m *member) lacking(r eval.Reference) error {
	switch {
	case r.Root == "step" && len(r.Path) > 0:
		if why := m.unran(r.Path); why != "" {
			return errNotRun{step: r.Path[0], why: why}
		}
	case r.Root == "hosts" && len(r.Path) > 2 && r.Path[1] == "step":
		for _, other := range m.play.seen {
			name := other.node.host.Name
			if r.Path[0] != eval.AnyKey && r.Path[0] != name {
				continue
			}
			if why := other.unran(r.Path[2:]); why != "" {
				return errNotRun{step: r.Path[2], why: why, host: name}
			}
		}
	}
	return nil
}

// unran says why what NAME… or NAME["KEY"]… names has no results; "": it has.
func (m *member) unran(path []string) string {
	s := m.play.plan.step(path[0])
	if s == nil {
		return ""
	}
	rec := m.recordOf(s)
	if rec == nil {
		return ""
	}
	path = path[1:]
	if !rec.forEach {
		return rec.self.lacks(path)
	}
	if len(path) > 0 && path[0] != eval.AnyKey && rec.items[path[0]] != nil {
		return rec.items[path[0]].lacks(path[1:])
	}
	if rec.self != nil { // the step ended before it had instances
		return rec.self.lacks(nil)
	}
	for _, key := range slices.Sorted(maps.Keys(rec.items)) {
		if why := rec.items[key].lacks(nil); why != "" && (len(path) == 0 || path[0] == eval.AnyKey) {
			return why
		}
	}
	return ""
}

// lacks says why an instance has not what a path behind it names; "": it has.
func (in *instance) lacks(path []string) string {
	if in == nil || len(path) > 0 && (always[path[0]] || path[0] == "ok" && in.status.Bad()) {
		return ""
	}
	if ok, why := in.ran(); !ok {
		return why
	}
	return ""
}

// first is the first error; nil: there are none.
func (e diagError) first() *hcl.Diagnostic {
	for _, d := range e.diags {
		if d.Severity == hcl.DiagError {
			return d
		}
	}
	return nil
}

// asLeft are the hosts with what their steps have left, where all have come to the step with an index: while a stage goes on, nobody looks at another
// host itself.
func (p *playRun) asLeft(index int) []*member {
	out := make([]*member, len(p.members))
	for i, m := range p.members {
		out[i] = m.asLeft(index)
		out[i].records = maps.Clone(m.records)
	}
	return out
}

func (m *member) asLeft(index int) *member {
	return &member{node: m.node, play: m.play, records: m.records, course: course{at: max(m.at, index)}}
}
