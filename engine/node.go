package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"cvsplay/engine/remote"
	"cvsplay/inventory"
)

// A node is one host during a run: its connection, what is known of it, what is owed to it. One goroutine at a time works on a node,
// save for its connection, which the run's end may close at any time.
type node struct {
	host *inventory.Host
	run  *run

	mu   sync.Mutex
	conn remote.Conn
	gone *remote.Unreachable // why it cannot be reached; nil: not tried, or reached

	at    *Step  // the step that the host has come to
	place func() // gives back a place among the hosts that are worked on, which the next exchange takes; nil: there is none
	clock *clock // nil: nobody asked where the time goes

	hold func(context.Context) string // why nothing may be sent any more, while nothing was begun; nil: it may

	chain    *chain // what was sent ahead; nil: nothing
	chaining atomic.Bool
	adrift   []*link // of a chain whose connection was lost

	brokenChains int // chains that did not come to their end

	epoch   int          // grows with every action begun: older answers are stale
	touched atomic.Int64 // the same of actions of other hosts' steps that ran here
	owner   *node        // where it is a connection for others' steps: the host itself
	owing   sync.Mutex
	finals  []owed
	lost    string // why the node takes no part any more; "": it does

	facts map[int]knownFact // what it told, by family

	overlay map[string]Answer // check mode: what questions would be answered after the changes so far
	would   []string          // check mode: steps that would have changed something here
}

// owed is a Final with the step that owes it.
type owed struct {
	play, step string
	set        setting
	final      Final
}

// connect gives the node's connection, dialling it where there is none.
func (n *node) connect(ctx context.Context) (remote.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conn != nil {
		return n.conn, nil
	}
	if n.gone != nil {
		return nil, n.gone
	}
	conn, err := n.dial(ctx)
	if err != nil {
		var u *remote.Unreachable
		if !errors.As(err, &u) {
			u = &remote.Unreachable{Host: n.host.Name, Addr: n.host.Address, Cause: err.Error(), Err: err}
		}
		if ctx.Err() == nil {
			n.gone = u
		}
		return nil, u
	}
	n.conn = conn
	return conn, nil
}

// dial makes a connection, and books the time.
func (n *node) dial(ctx context.Context) (remote.Conn, error) {
	if n.clock == nil {
		return n.run.dial(ctx, n.host)
	}
	began, spent := n.run.opts.Now(), &remote.Dialing{}
	conn, err := n.run.dial(spent.Watched(ctx), n.host)
	n.clock.spend(placing, spent.Place)
	n.clock.spend(shaking, spent.Handshake)
	n.clock.spend(dialling, n.run.opts.Now().Sub(began)-spent.Place-spent.Handshake)
	return conn, err
}

// slot waits for a place among the hosts that are worked on.
func (n *node) slot(ctx context.Context) (release func(), err error) {
	if n.place != nil {
		release, n.place = n.place, nil
		return release, nil
	}
	if n.clock == nil || n.run.slots == nil {
		return n.run.slot(ctx)
	}
	began := n.run.opts.Now()
	release, err = n.run.slot(ctx)
	n.clock.spend(queueing, n.run.opts.Now().Sub(began))
	return release, err
}

// prepare connects a host before what it is to be sent is written: thousands that wait for their turn to shake hands hold nothing yet. Whoever sends
// something then has the place that was waited for, and learns what came of it.
func (n *node) prepare(ctx context.Context) {
	defer n.clock.during(asking)()
	release, err := n.slot(ctx)
	if err != nil {
		return
	}
	n.place = release
	if n.hold == nil || n.hold(ctx) == "" {
		_, _ = n.connect(ctx)
	}
}

// reach tells why the host cannot be reached; nil: it can.
func (n *node) reach(ctx context.Context) error {
	release, err := n.slot(ctx)
	if err != nil {
		return err
	}
	defer release()
	_, err = n.connect(ctx)
	return err
}

// drop forgets a connection that broke, so that the next exchange dials again.
func (n *node) drop() {
	n.mu.Lock()
	conn := n.conn
	n.conn = nil
	n.mu.Unlock()
	if conn != nil {
		_ = conn.Close() // it is broken already
	}
}

// retry forgets that the host could not be reached.
func (n *node) retry() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gone = nil
}

// unreachable tells whether no connection to the host could be made.
func (n *node) unreachable() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.gone != nil
}

func (n *node) close() {
	n.drop()
}

// exchange sends scripts in one round trip. Where no connection can be made, every exit is NotStarted and says why.
func (n *node) exchange(ctx context.Context, scripts []remote.Script) []remote.Exit {
	if len(scripts) == 0 {
		return nil
	}
	return n.transmit(ctx, scripts, n.hold)
}

// transmit sends scripts unless they are held back when their turn has come.
func (n *node) transmit(ctx context.Context, scripts []remote.Script, hold func(context.Context) string) []remote.Exit {
	release, err := n.slot(ctx)
	if err != nil {
		return notStarted(len(scripts), err)
	}
	defer release()
	held := func() []remote.Exit {
		if hold != nil {
			if why := hold(ctx); why != "" {
				return notStarted(len(scripts), errors.New(why))
			}
		}
		return nil
	}
	if exits := held(); exits != nil {
		return exits
	}
	conn, err := n.connect(ctx)
	if err != nil {
		return notStarted(len(scripts), err)
	}
	if exits := held(); exits != nil { // to connect takes its time
		return exits
	}
	exits := conn.Run(ctx, scripts)
	for _, e := range exits {
		if e.State == remote.Lost || (e.State == remote.NotStarted && e.Err != nil) {
			n.drop()
			break
		}
	}
	return exits
}

// ask sends questions: harmless scripts, so that after a lost connection they are asked once more over a new one. frames are the scripts'.
func (n *node) ask(ctx context.Context, scripts []remote.Script, frames []frame) []remote.Exit {
	exits := n.exchange(ctx, scripts)
	if ctx.Err() != nil || n.unreachable() {
		return exits
	}
	var again []int
	var retry []remote.Script
	for i, e := range exits {
		if e.State == remote.Lost || e.State == remote.NotStarted {
			frames[i].renew()
			again, retry = append(again, i), append(retry, scripts[i])
		}
	}
	for k, e := range n.exchange(ctx, retry) {
		exits[again[k]] = e
	}
	return exits
}

func notStarted(n int, err error) []remote.Exit {
	exits := make([]remote.Exit, n)
	for i := range exits {
		exits[i] = remote.Exit{State: remote.NotStarted, Why: err.Error(), Err: err}
	}
	return exits
}
