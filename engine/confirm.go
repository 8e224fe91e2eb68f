package engine

import "context"

// A Confirm says whether a step may begin on these hosts, which stand before it. One that may not is left out on all of them, as one that --tags does
// not choose: asked where a later step refers to it, never acted on. In a stopped play it is asked about what is done in any case.
type Confirm func(ctx context.Context, play string, s *Step, hosts []string) bool

// stages are those of the play; where a person confirms each step, each is one of its own.
func (p *playRun) stages() []stage {
	all := p.plan.stages()
	if p.run.opts.Confirm == nil {
		return all
	}
	var out []stage
	for _, st := range all {
		for _, s := range st.steps {
			out = append(out, stage{steps: []*Step{s}})
		}
	}
	return out
}

// confirmed tells whether a stage is gone through; what was not confirmed is not.
func (p *playRun) confirmed(ctx context.Context, st stage) bool {
	s := st.steps[0]
	if p.run.opts.Confirm == nil || s.leftOut || p.haltedAt(ctx, s) != "" {
		return true
	}
	if _, ran := p.once[s]; ran && !s.handler { // in an earlier batch: nothing begins
		return true
	}
	var hosts []string
	for _, m := range p.members {
		if m.goes(s) && (!s.runOnce || len(hosts) == 0) {
			hosts = append(hosts, m.node.host.Name)
		}
	}
	if len(hosts) == 0 || p.run.opts.Confirm(ctx, p.plan.Name, s, hosts) || p.haltedAt(ctx, s) != "" {
		return true
	}
	s.leftOut = true
	p.plan.want()
	return s.wanted
}
