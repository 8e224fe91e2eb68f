package engine

import (
	"context"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/config"
	"cvsplay/engine/event"
)

// A condition is what has to hold before a step or after it, and what to say where it does not.
type condition struct{ holds, message Expr }

func (p *Plan) conditions(decls []*config.Check, own names) []condition {
	var out []condition
	for _, d := range decls {
		out = append(out, condition{holds: p.expr(d.Condition, own), message: p.expr(d.ErrorMessage, own)})
	}
	return out
}

func expressionsOf(conditions []condition) []Expr {
	var out []Expr
	for _, c := range conditions {
		out = append(out, c.holds, c.message)
	}
	return out
}

func (p *Plan) checkConditions(w where, s *Step, conditions []condition) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, c := range conditions {
		diags = append(diags, p.checkType(w, s, c.holds, cty.Bool, nil)...)
		diags = append(diags, p.checkType(w, s, c.message, cty.String, nil)...)
	}
	return diags
}

// beforehand are the facts that have to be known before it can be told whether the step begins.
func (s *Step) beforehand() factSet {
	set := s.needs | ownFacts(s.when.refs)
	for _, c := range s.preconditions {
		set |= ownFacts(c.holds.refs)
	}
	return set
}

// require ends a turn one of whose preconditions does not hold. One that only a run can tell is not judged in check mode.
func (p *playRun) require(ctx context.Context, t *turn) {
	for _, c := range t.step.preconditions {
		v, err := t.member.value(c.holds, t.each, cty.NilVal)
		is := unknowable
		if err == nil {
			is, err = truthOf(v)
		}
		switch {
		case err != nil:
			t.unread(ctx, "precondition", err)
			return
		case is == no:
			t.end(event.Failed, t.member.complaint(c.message, t.each, cty.NilVal))
			t.judgeUnrun(nil)
			return
		case is == unknowable && !p.run.opts.Check:
			p.undecided(t, t.member.unknownRefs(t.step.through(c.holds.refs)))
			return
		}
	}
}

// ensure fails a step that ended well, and one of whose postconditions does not hold. What would change is not judged.
func (t *turn) ensure() {
	v, check := t.verdict, t.member.play.run.opts.Check
	if v.status != event.OK && v.status != event.Changed {
		return
	}
	for _, c := range t.step.postconditions {
		switch is, err := t.truth(c.holds); {
		case err != nil:
			v.status, v.reason = event.Failed, explain("postcondition", err)
		case is == no:
			v.status, v.reason = event.Failed, t.member.complaint(c.message, t.each, t.instance().value())
		case is == unknowable && !check:
			depends := t.member.unknownRefs(t.step.through(c.holds.refs))
			v.status, v.reason = event.Failed, "postcondition: depends on "+strings.Join(depends, ", ")+", which has no value"
		default:
			continue
		}
		if check {
			t.inCheckMode()
		}
		return
	}
}

// complaint is what to say of a condition that does not hold.
func (m *member) complaint(message Expr, each, self cty.Value) string {
	v, err := m.value(message, each, self)
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
