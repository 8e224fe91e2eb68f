package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/config"
	"cvsplay/engine/eval"
)

// A Console evaluates expressions by themselves, as a step on one host would see them before anything has run. A host is contacted where one reads its
// facts, and no other.
type Console struct {
	run  *run
	play *Play // has no steps
}

// Console makes a console. Of the options it needs those for contacting hosts. Where a play is given, its locals are seen too.
func (p *Plan) Console(play *Play, o RunOptions) *Console {
	locals, _ := eval.NewLocalSet(nil, nil) // of nothing, nothing can be wrong
	base := p.root
	if play != nil {
		locals, base = play.locals, play.base
	}
	r := &run{
		id: p.runID, plan: p, inv: p.inv, opts: o, registry: o.Registry, guard: o.Redactor, nodes: map[string]*node{}, wanted: map[string]int{}, began: o.Now(),
		out: &emitter{run: p.runID, now: o.Now, sinks: o.Sinks, guard: o.Redactor},
	}
	r.guard.Collect(p.vars)
	r.guard.Collect(objectOrEmpty(p.static))
	r.note()
	return &Console{run: r, play: &Play{Name: "console", decl: &config.Play{}, locals: locals, base: base, byName: map[string]*Step{}}}
}

// Value evaluates an expression. host is the name of the one that "host" stands for; "": none was chosen. Facts are asked anew each time.
func (c *Console) Value(ctx context.Context, host string, expr hcl.Expression) (cty.Value, hcl.Diagnostics) {
	e := c.run.plan.expr(expr, c.play.in(nil))
	if diags := c.check(host, e); diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	p := &playRun{run: c.run, plan: c.play, ctx: ctx}
	self := c.run.inv.Hosts[0] // looked at only where one was chosen
	if h, ok := c.run.inv.Host(host); ok {
		self = h
	}
	m := c.member(p, self.Name)
	p.members, p.stillIn = []*member{m}, []*member{m}
	if reads(e.refs, "hosts") || reads(e.refs, "run") {
		c.lookAround(p, e)
	}
	v, err := m.value(e, cty.NilVal, cty.NilVal)
	var failed diagError
	switch {
	case errors.As(err, &failed):
		return cty.DynamicVal, failed.diags
	case err != nil:
		words := upper(strings.TrimSuffix(err.Error(), ".")) + "."
		return cty.DynamicVal, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "No value", Detail: words, Subject: expr.Range().Ptr()}}
	}
	c.run.guard.Collect(v)
	return v, nil
}

// member is a host's part in one evaluation. What it told, or that it was not there, may have changed since the last.
func (c *Console) member(p *playRun, name string) *member {
	h, _ := c.run.inv.Host(name)
	n := c.run.node(h)
	n.epoch++
	n.retry()
	return newMember(n, p)
}

// lookAround notes what the expression reads of all hosts.
func (c *Console) lookAround(p *playRun, e Expr) {
	self := p.members[0]
	p.members, p.stillIn = nil, nil
	for _, h := range c.run.inv.Hosts {
		m := self
		if h.Name != self.node.host.Name {
			m = c.member(p, h.Name)
		}
		p.members = append(p.members, m)
	}
	p.stillIn = p.members
	p.surveyFacts(othersFacts(e.refs))
	p.names, p.hosts = p.hostList(), p.hostsValue(0)
}

// check finds names that there are not.
func (c *Console) check(host string, e Expr) hcl.Diagnostics {
	for _, r := range e.refs {
		at := r
		at.Range = e.Range() // that of a local stands elsewhere
		switch r.Root {
		case "step", "play", "each", "self":
			return wrong(at, "Nothing has run", fmt.Sprintf("%q has values in a run alone. Here there are var, local, path, run, group, host, hosts and the functions.", r.Root))
		case "host":
			if host == "" {
				return wrong(at, "No host is chosen", "\"host\" stands for one of them: choose it with --host NAME, or with a line \":host NAME\".")
			}
		}
	}
	locals := append(c.play.locals.Names(), c.run.plan.locals.Names()...)
	return where{plan: c.run.plan, play: c.play, plays: len(c.run.plan.Plays), locals: locals}.check(e)
}

// Close ends all connections.
func (c *Console) Close() { c.run.close() }
