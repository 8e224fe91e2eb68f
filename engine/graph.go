package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/config"
	"cvsplay/engine/eval"
)

// A Graph is what can be told of the course of a plan before it runs, without a host: what its steps read of each other, and where hosts wait.
type Graph struct {
	Plays   []PlayGraph
	Outputs []OutputGraph
}

// A PlayGraph is one play. Steps that were left out are not in it.
type PlayGraph struct {
	Name, Description string
	Hosts             []string // that it is for, before --limit
	Known             bool     // whether Hosts are known before the run
	Reads             []string // the plays that its hosts are made of
	Batches           []string // sizes of its batches, as "2" or "20%"; none: all hosts at once
	Steps             []StepGraph
}

// A StepGraph is one step or check.
type StepGraph struct {
	Module, Name string // the module of a check is "check"
	Description  string
	Part         []string // the blocks that it stands in, outermost first: "block x", "rescue of block x", "always of block x"; "handlers" last
	Hosts        []string // of the play's, where it is not for all of them
	Once         bool     // run_once
	When         bool     // it may be skipped
	Each         bool     // it has instances
	Keys         []string // of the instances, where they are known before the run
	Asked        bool     // it was left out, and is only asked for what others read

	Reads     []ReadGraph // what it refers to, in the order of the text
	DependsOn []string
	Notifies  []string // handlers
	Inside    []string // container steps, one of which is where it runs; or a container, as "container:NAME"
	Facts     []string // families of its host's facts that it reads

	// Waits are the reasons why every host waits before it for all others; none: hosts come to it at their own pace.
	Waits []string
	// Trip numbers the round trips that a play takes in which nothing has to change, as far as can be told: the questions of steps with the same number
	// travel together. 0 where it asks nothing.
	Trip int
}

// A ReadGraph is what a step refers to of an earlier one.
type ReadGraph struct {
	Step    string
	Results []string // names of results; none: the step as a whole
	Others  bool     // of other hosts too
}

// An OutputGraph is one output.
type OutputGraph struct {
	Name, Description string
	Plays             []string // that it reads
}

// Graph tells the course of the plan.
func (p *Plan) Graph() Graph {
	var g Graph
	for _, play := range p.Plays {
		hosts, known := p.HostsOf(play)
		of := PlayGraph{Name: play.Name, Description: play.Description, Hosts: hosts, Known: known, Reads: playsIn(play.Hosts.refs), Batches: play.batchWords()}
		trips := tripCount{play: play, of: map[string]int{}, now: 1}
		var before *Step
		for _, st := range play.stages() {
			for i, s := range st.steps {
				node := p.stepGraph(play, s)
				node.Trip = trips.next(s)
				if s.hosts != nil && p.inv != nil {
					node.Hosts = slices.DeleteFunc(p.inv.Names(), func(name string) bool { return !s.hosts[name] })
				}
				if i == 0 && before != nil {
					node.Waits = s.waits(before)
				}
				of.Steps = append(of.Steps, node)
				before = s
			}
		}
		g.Plays = append(g.Plays, of)
	}
	for _, o := range p.Outputs {
		g.Outputs = append(g.Outputs, OutputGraph{Name: o.Name, Description: o.Description, Plays: playsIn(o.Value.refs)})
	}
	return g
}

// HostsOf are the hosts that a play is for, in inventory order and before --limit. ok tells whether they are known before the run: its expression may
// read what earlier plays left. A play that is left out has none.
func (p *Plan) HostsOf(play *Play) (names []string, ok bool) {
	if p.inv == nil || !isStatic(play.Hosts.refs) {
		return nil, false
	}
	v, diags := p.staticScope(where{plan: p, play: play, hostless: true}, play.Hosts.refs).Value(play.Hosts.Expression)
	if diags.HasErrors() {
		return nil, false
	}
	if v.IsNull() {
		return nil, true
	}
	names, err := p.hostNames(play.Hosts, v)
	return names, err == nil
}

// playsIn are the plays that references name.
func playsIn(refs []eval.Reference) []string {
	var out []string
	for _, r := range refs {
		if r.Root == "play" && len(r.Path) > 0 && r.Path[0] != eval.AnyKey {
			out = append(out, r.Path[0])
		}
	}
	return dedupe(out)
}

func (p *Plan) stepGraph(play *Play, s *Step) StepGraph {
	g := StepGraph{
		Module: s.Module, Name: s.Name, Description: s.Description, Once: s.runOnce, When: s.when.given(), Each: s.forEach.given(), Keys: s.keys,
		Asked: s.leftOut, DependsOn: s.dependsOn, Notifies: s.notifies, Inside: p.places(play, s), Part: s.partWords(),
	}
	for _, f := range s.facts.each {
		g.Facts = append(g.Facts, f.Name)
	}
	for _, r := range s.refs() {
		if step, result, others := play.readOf(r); step != "" && (result != "" || !slices.Contains(g.Inside, "step."+step)) {
			g.read(step, result, others)
		}
	}
	return g
}

// partWords tells where a step stands, outermost first.
func (s *Step) partWords() []string {
	var out []string
	if s.handler {
		out = append(out, "handlers")
	}
	for r := range s.outer {
		switch b := r.block; {
		case b.in == nil: // the play
		case r.kind == config.Rescue:
			out = append(out, "rescue of block "+b.name)
		case r.kind == config.Always:
			out = append(out, "always of block "+b.name)
		default:
			out = append(out, "block "+b.name)
		}
	}
	slices.Reverse(out)
	return out
}

// batchWords are the sizes of the play's batches.
func (p *Play) batchWords() []string {
	var out []string
	for _, b := range p.batches {
		if b.part {
			out = append(out, fmt.Sprintf("%g%%", b.share*100))
		} else {
			out = append(out, fmt.Sprint(b.count))
		}
	}
	return out
}

// read notes a reference to a step.
func (g *StepGraph) read(step, result string, others bool) {
	i := slices.IndexFunc(g.Reads, func(r ReadGraph) bool { return r.Step == step })
	if i < 0 {
		i = len(g.Reads)
		g.Reads = append(g.Reads, ReadGraph{Step: step})
	}
	r := &g.Reads[i]
	r.Others = r.Others || others
	if result != "" && !slices.Contains(r.Results, result) {
		r.Results = append(r.Results, result)
	}
}

// readOf tells which step a reference is to, and which of its results; "" where none is named.
func (p *Play) readOf(r eval.Reference) (step, result string, others bool) {
	path := r.Path
	switch {
	case r.Root == "hosts" && len(path) > 2 && path[1] == "step":
		path, others = path[2:], true
	case r.Root != "step":
		return "", "", false
	}
	if len(path) == 0 || path[0] == eval.AnyKey {
		return "", "", others
	}
	rest := path[1:]
	if of := p.step(path[0]); of != nil && of.forEach.given() && len(rest) > 0 {
		rest = rest[1:]
	}
	if len(rest) > 0 && rest[0] != eval.AnyKey {
		result = rest[0]
	}
	return path[0], result, others
}

// places are what inside names.
func (p *Plan) places(play *Play, s *Step) []string {
	var out []string
	for _, r := range s.inside.refs {
		if r.Root == "step" && len(r.Path) > 0 {
			out = append(out, "step."+r.Path[0])
		}
	}
	if len(out) > 0 || !s.inside.given() {
		return dedupe(out)
	}
	v, diags := p.staticScope(where{plan: p, play: play, before: s, each: s.forEach.given()}, s.inside.refs).Value(s.inside.Expression)
	v, _ = v.Unmark()
	switch {
	case diags.HasErrors() || !v.IsKnown():
		return []string{"a container that differs from host to host"}
	case v.IsNull() || v.Type() != cty.String:
		return nil
	}
	return []string{v.AsString()}
}

// waits tells why hosts wait for each other before a step that stands behind another.
func (s *Step) waits(before *Step) []string {
	var out []string
	if s.explicit {
		out = append(out, "barrier = true")
	}
	switch {
	case s.runOnce:
		out = append(out, "it is done once for all of them")
	case s.shared:
		out = append(out, s.Module+" is decided over all of them")
	}
	if s.looksAround {
		var names []string
		for _, r := range s.refs() {
			if r.Root == "hosts" || r.Root == "run" && (len(r.Path) == 0 || r.Path[0] == "hosts") {
				names = append(names, r.String())
			}
		}
		out = append(out, "it reads "+strings.Join(dedupe(names), ", "))
	}
	if !sameHosts(s.hosts, before.hosts) {
		out = append(out, "it is not for the same hosts as the step before")
	}
	switch {
	case len(out) > 0:
	case before.shared:
		out = append(out, before.Name+" ends for all of them at once")
	default:
		out = append(out, "a step that was left out before it is not for the same hosts")
	}
	return out
}

// A tripCount finds out which steps' questions travel together: a trip ends before a step whose arguments are made of what the hosts are
// still to tell. It is a lower bound: what changes is asked again.
type tripCount struct {
	play *Play
	now  int
	of   map[string]int // by step
}

// next gives the number of the trip that asks a step's questions.
func (c *tripCount) next(s *Step) int {
	if s.isCheck() || s.onDemand() {
		return 0
	}
	if s.looksAround && len(c.of) > 0 || s.needs != 0 && c.now == 1 || c.waitsFor(s) {
		c.now++
	}
	c.of[s.Name] = c.now
	return c.now
}

// waitsFor tells whether something that a step asks is made of what a step of the same trip leaves, other than what repeats its arguments.
func (c *tripCount) waitsFor(s *Step) bool {
	late := func(refs []eval.Reference, whole string) bool {
		return slices.ContainsFunc(s.through(refs), func(r eval.Reference) bool {
			step, result, _ := c.play.readOf(r)
			if step == "" || c.of[step] != c.now {
				return false
			}
			if result == "" {
				result = whole
			}
			of := c.play.step(step)
			return of.forEach.given() || !slices.ContainsFunc(of.mod.Results, func(res Result) bool { return res.Name == result && res.Repeats != "" })
		})
	}
	for _, e := range []Expr{s.forEach, s.become, s.env, s.timeout} {
		if late(e.refs, "") {
			return true
		}
	}
	return late(s.argRefs, "") || late(s.inside.refs, "name")
}
