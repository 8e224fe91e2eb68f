package engine

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/config"
	"cvsplay/engine/eval"
	"cvsplay/engine/event"
	"cvsplay/engine/remote"
	"cvsplay/inventory"
)

// RunOptions are what a run needs besides its plan.
type RunOptions struct {
	Sinks    []event.Sink
	Dial     func(ctx context.Context, h *inventory.Host) (remote.Conn, error)
	Registry *Registry
	Memory   Memory // what the controller knows from earlier runs; nil: nothing, and it keeps nothing
	Redactor *eval.Redactor
	Files    *config.Files // for snippets of diagnostics
	Version  string        // of cvsplay
	By       string        // who runs it, and from where: "USER@CONTROLLER"

	Trips   bool // tell what travels together
	Timings bool // tell where the time goes

	Check    bool // ask and decide, act never
	NoFuse   bool // every change by itself: none travels ahead of its step
	Diff     bool // changes carry diffs
	Terse    bool // step_done carries results only where the step ended badly: for sinks that read no others
	Keep     bool // leave out what is owed to the end of the run
	Parallel int  // hosts worked on at the same time; 0: all

	Limit   string   // --limit as given
	Hosts   []string // the hosts that --limit leaves; nil: all
	Limited bool
	Tags    []string

	Confirm   Confirm         // asked before each step, which then waits for all hosts, and nothing travels ahead of its step; nil: all may begin
	Interrupt <-chan struct{} // closed: start nothing more; running steps go on until ctx ends
	Now       func() time.Time
	// Artifact opens a file in the run's folder for a host; nil: no artifacts are kept.
	Artifact func(host, path string) (io.WriteCloser, error)
}

// run is one run of a plan.
type run struct {
	id       string
	plan     *Plan
	inv      *inventory.Inventory
	opts     RunOptions
	registry *Registry
	guard    *eval.Redactor
	out      *emitter
	slots    chan struct{} // nil: no limit
	nodes    map[string]*node
	guests   map[string]*guesthouse
	wanted   map[string]int // hosts that a play named before --limit
	archives archiveReading

	bad  bool        // something failed that belongs to no host
	vain atomic.Bool // something was done that nobody decided

	forgot sync.Once // a memory that cannot be used is told once

	mu    sync.Mutex
	over  map[*Play]map[string]cty.Value // what the plays left on their hosts
	past  cty.Value                      // play
	began time.Time
}

// Run runs a plan to its end and gives the exit code: 0 all well, 1 some host failed, 130 interrupted. It always ends with run_done. When ctx ends, running
// scripts are killed; what is owed to the end of the run is still paid.
func (p *Plan) Run(ctx context.Context, o RunOptions) int {
	r := &run{
		id: p.runID, plan: p, inv: p.inv, opts: o, registry: o.Registry, guard: o.Redactor,
		nodes: map[string]*node{}, wanted: map[string]int{}, began: o.Now(),
		out: &emitter{run: p.runID, now: o.Now, sinks: o.Sinks, guard: o.Redactor},
	}
	r.opts.NoFuse = o.NoFuse || o.Confirm != nil
	if o.Parallel > 0 {
		r.slots = make(chan struct{}, o.Parallel)
	}
	r.guard.Collect(p.vars)
	r.guard.Collect(objectOrEmpty(p.static))
	r.note()
	r.announce()
	for _, play := range p.Plays {
		if !r.play(ctx, play) || r.interrupted(ctx) {
			break
		}
	}
	end := &ending{run: r}
	if !o.Keep && !o.Check {
		end.lap("cleanup", r.payFinals)
	}
	r.outputs()
	end.lap("close", r.close)
	end.tell()
	return r.done(ctx)
}

func (r *run) emit(ev event.Event) { r.out.emit(ev) }

func (r *run) announce() {
	ev := event.Event{
		Kind: event.RunStarted, V: event.Version, Version: r.opts.Version, Playbook: r.plan.Playbook.Path, Inventory: r.inv.Files,
		Check: r.opts.Check, Limit: r.opts.Limit, Tags: r.opts.Tags, Simulated: r.inv.Simulated, Hosts: r.inv.Names(),
	}
	r.emit(ev)
}

// play runs one play; false: no later play runs.
func (r *run) play(ctx context.Context, play *Play) bool {
	defer r.note()
	names, leftOut, err := r.hostsOf(play)
	if leftOut {
		return true
	}
	if err != nil {
		r.emit(event.Event{Kind: event.Stopping, Play: play.Name, Message: "the hosts of this play cannot be told: " + err.Error()})
		r.bad = true
		return false
	}
	var nodes []*node
	var gone []string
	for _, name := range names {
		h, _ := r.inv.Host(name)
		n := r.node(h)
		if n.lost != "" {
			gone = append(gone, name)
			continue
		}
		nodes = append(nodes, n)
	}
	slices.SortStableFunc(nodes, func(a, b *node) int { return a.host.Index - b.host.Index })
	if len(nodes) == 0 {
		r.emit(event.Event{Kind: event.Warning, Play: play.Name, Message: "no hosts: the play does nothing"})
		return true
	}
	return r.inBatches(ctx, play, nodes, gone)
}

// hostsOf are the names of the play's hosts, after --limit. One whose hosts are null is left out.
func (r *run) hostsOf(play *Play) (names []string, leftOut bool, err error) {
	v, diags := r.plan.scope(play.Hosts.refs, &playRun{run: r}).Value(play.Hosts.Expression)
	if diags.HasErrors() {
		return nil, false, diagError{diags}
	}
	if v.IsNull() {
		return nil, true, nil
	}
	names, err = r.plan.hostNames(play.Hosts, v)
	if err != nil {
		return nil, false, err
	}
	r.wanted[play.Name] = len(names)
	if r.opts.Hosts == nil {
		return names, false, nil
	}
	keep := map[string]bool{}
	for _, n := range r.opts.Hosts {
		keep[n] = true
	}
	var out []string
	for _, n := range names {
		if keep[n] {
			out = append(out, n)
		}
	}
	return out, false, nil
}

func (r *run) node(h *inventory.Host) *node {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.nodes[h.Name]
	if n == nil {
		n = &node{host: h, run: r}
		r.nodes[h.Name] = n
	}
	return n
}

func (r *run) dial(ctx context.Context, h *inventory.Host) (remote.Conn, error) {
	return r.opts.Dial(ctx, h)
}

// slot waits until one more host may be worked on.
func (r *run) slot(ctx context.Context) (release func(), err error) {
	if r.slots == nil {
		return func() {}, ctx.Err()
	}
	select {
	case r.slots <- struct{}{}:
		return func() { <-r.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// playsValue is play: the plays that are over.
func (r *run) playsValue() cty.Value {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.past
}

// note keeps what a play left, for those that follow and for the outputs.
func (r *run) note() {
	all := map[string]cty.Value{}
	for _, decl := range r.plan.Plays {
		all[decl.Name] = playValue(nil)
	}
	for play, hosts := range r.over {
		all[play.Name] = playValue(hosts)
	}
	r.mu.Lock()
	r.past = objectOrEmpty(all)
	r.mu.Unlock()
}

// outputs evaluates the output blocks.
func (r *run) outputs() {
	for _, o := range r.plan.Outputs {
		s := r.plan.scope(o.Value.refs, &playRun{run: r})
		v, diags := s.Value(o.Value.Expression)
		if diags.HasErrors() {
			r.bad = true
			r.emit(event.Event{Kind: event.Warning, Name: o.Name, Message: "output " + o.Name + ": " + diagError{diags}.Error()})
			continue
		}
		if o.Sensitive {
			v = v.Mark(eval.Sensitive)
		}
		value := eval.ToJSON(v)
		r.emit(event.Event{Kind: event.OutputValue, Name: o.Name, Value: value, Reason: r.unknownPart(v, value), Message: o.Description})
	}
}

// unknownPart says how much of an output check mode cannot tell; "" where it tells all. In JSON what is not known is null, or left out.
func (r *run) unknownPart(v cty.Value, asJSON json.RawMessage) string {
	switch {
	case !r.opts.Check || v.IsMarked() || v.IsWhollyKnown():
		return ""
	case slices.Contains([]string{"null", "{}", "[]"}, string(asJSON)):
		return "known only after a run"
	}
	return "in part known only after a run"
}

func (r *run) close() {
	var wg sync.WaitGroup
	for _, n := range r.nodes {
		wg.Go(n.close)
	}
	for _, g := range r.guests {
		for _, n := range g.all {
			wg.Go(n.close)
		}
	}
	wg.Wait()
}

func (r *run) done(ctx context.Context) int {
	code := 0
	if r.bad || r.vain.Load() || r.out.tally.AnyBad() {
		code = 1
	}
	if r.interrupted(ctx) {
		code = 130
	}
	r.emit(event.Event{Kind: event.RunDone, Recap: r.out.tally.Recap(), ExitCode: &code, Seconds: r.opts.Now().Sub(r.began).Seconds()})
	return code
}

func (r *run) interrupted(ctx context.Context) bool {
	if ctx.Err() != nil {
		return true
	}
	select {
	case <-r.opts.Interrupt:
		return true
	default:
		return false
	}
}

// resultsJSON leaves unknown results out.
func resultsJSON(results map[string]cty.Value) json.RawMessage {
	if len(results) == 0 {
		return nil
	}
	return eval.ToJSON(cty.ObjectVal(results))
}
