package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/inventory"
)

// controllerName is the machine that cvsplay runs on, where a step says that it runs there.
const controllerName = "controller"

// mostGuests is how many of a play's hosts have a step run on one and the same other host at a time.
const mostGuests = 16

// A guesthouse is the connections to one host for the steps of others that run there. They are not the host's own: it goes through the play meanwhile.
type guesthouse struct {
	host  *inventory.Host
	rooms chan struct{}
	turn  chan struct{} // held by the one that may compare and change

	mu    sync.Mutex
	idle  []*node
	all   []*node
	owner *node // to which belongs what is owed there
}

// guesthouse is that of a host, or of the controller.
func (r *run) guesthouse(name string) (*guesthouse, error) {
	h, ok := r.inv.Host(name)
	switch {
	case name == controllerName:
		h = &inventory.Host{Name: controllerName, Address: "localhost", Index: len(r.inv.Hosts), Connection: inventory.ViaLocal}
	case !ok:
		return nil, fmt.Errorf("the inventory has no host %q", name)
	}
	owner := r.node(h)
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.guests[name]
	if g == nil {
		g = &guesthouse{host: h, rooms: make(chan struct{}, mostGuests), turn: make(chan struct{}, 1), owner: owner}
		if r.guests == nil {
			r.guests = map[string]*guesthouse{}
		}
		r.guests[name] = g
	}
	return g, nil
}

// take waits for a connection; leave gives it back.
func (g *guesthouse) take(ctx context.Context, r *run) (n *node, leave func(), err error) {
	if err := hold(ctx, g.rooms); err != nil {
		return nil, nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if k := len(g.idle); k > 0 {
		n, g.idle = g.idle[k-1], g.idle[:k-1]
	} else {
		n = &node{host: g.host, run: r, owner: g.owner}
		g.all = append(g.all, n)
	}
	return n, func() {
		g.mu.Lock()
		n.overlay = nil
		g.idle = append(g.idle, n)
		g.mu.Unlock()
		<-g.rooms
	}, nil
}

// hold takes one of the places that a channel has; who receives from it gives one back.
func hold(ctx context.Context, places chan struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// onOther runs an instance of a step on another host: expressions, results and failure are this host's, all else is the other's.
func (p *playRun) onOther(ctx context.Context, m *member, s *Step, in instanceOf, do func(*turn)) *turn {
	failed := func(err error) *turn {
		t := newTurn(m, s, in.key)
		t.each = in.each
		t.unread(ctx, "on", err)
		return t
	}
	here := newTurn(m, s, in.key)
	here.each = in.each
	if p.barred(ctx, here) { // what does not run, does not run there
		return here
	}
	v, err := m.value(s.on, in.each, cty.NilVal)
	if err != nil {
		return failed(err)
	}
	v, _ = v.Unmark()
	switch {
	case !v.IsKnown():
		t := newTurn(m, s, in.key)
		p.undecided(t, m.unknownRefs(s.through(s.on.refs)))
		return t
	case v.IsNull():
		t := p.begin(ctx, m, s, in)
		do(t)
		return t
	case v.Type() != cty.String:
		return failed(errOn)
	}
	house, err := p.run.guesthouse(v.AsString())
	if err != nil {
		return failed(err)
	}
	if !s.mod.Alongside {
		if err := hold(ctx, house.turn); err != nil {
			return failed(err)
		}
		defer func() { <-house.turn }()
	}
	if v.AsString() == m.node.host.Name {
		t := p.begin(ctx, m, s, in)
		do(t)
		return t
	}
	n, leave, err := house.take(ctx, p.run)
	if err != nil {
		return failed(err)
	}
	defer leave()
	guest := *m
	guest.node, guest.origin = n, m
	guest.heard, guest.bounds, guest.begun = map[instanceKey]*heard{}, map[instanceKey]*bound{}, maps.Clone(m.begun)
	n.at = s
	n.epoch++ // others were here
	t := p.begin(ctx, &guest, s, in)
	do(t)
	t.member, t.on = m, v.AsString()
	if t.acted {
		house.owner.touched.Add(1)
	}
	return t
}

var errOn = errors.New("on takes the name of a host, or \"controller\"")

// host is the host whose part this is, wherever its step runs.
func (m *member) host() *node {
	if m.origin != nil {
		return m.origin.node
	}
	return m.node
}

// age grows with every action begun on the host, by its own steps and by those of others.
func (n *node) age() int { return n.epoch + int(n.touched.Load()) }

// checkOn checks where a step says that it runs.
func (p *Plan) checkOn(w where, s *Step) hcl.Diagnostics {
	if !s.on.given() {
		return nil
	}
	wrong := func(say string) hcl.Diagnostics {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Invalid on", Detail: say, Subject: s.on.Range().Ptr()}}
	}
	if s.mod.IsFleet() || s.mod.Surveys {
		return wrong(fmt.Sprintf("A %s step is decided over all hosts of the play, and runs on these.", s.Module))
	}
	diags := p.checkType(w, s, s.on, cty.DynamicPseudoType, func(v cty.Value) error {
		v, _ = v.Unmark()
		if v.IsNull() {
			return nil
		}
		if v.Type() != cty.String {
			return errOn
		}
		if _, ok := p.hostNamed(v.AsString()); !ok {
			return fmt.Errorf("on: the inventory has no host %q.%s The machine that cvsplay runs on is \"controller\"", v.AsString(), didYouMean(v.AsString(), p.inv.Names()))
		}
		return nil
	})
	return diags
}

// hostNamed tells whether a step may run on a host of that name, as far as that is known.
func (p *Plan) hostNamed(name string) (*inventory.Host, bool) {
	if p.inv == nil || name == controllerName {
		return nil, true
	}
	return p.inv.Host(name)
}
