package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"cvsplay/engine/event"
)

// finalsLimit bounds what is owed to the end of a run, for each host: nobody wants to wait for a dead host after Ctrl-C.
const finalsLimit = 5 * time.Minute

// payFinals carries out what is owed to the end of the run, also after a failure or an interruption. Each is a step like any other: asked,
// decided, done, verified; one that fails is told and makes the run fail.
func (r *run) payFinals() {
	ctx, cancel := context.WithTimeout(context.Background(), finalsLimit)
	defer cancel()
	var wg sync.WaitGroup
	names := append(r.inv.Names(), controllerName)
	for _, name := range names {
		n := r.nodes[name]
		if n == nil || len(n.finals) == 0 {
			continue
		}
		wg.Go(func() {
			for i := len(n.finals) - 1; i >= 0; i-- {
				r.pay(ctx, n, n.finals[i])
			}
		})
	}
	wg.Wait()
}

func (r *run) pay(ctx context.Context, n *node, o owed) {
	n.retry() // a host that was away may be back
	mod := r.plan.mods[o.final.Module]
	play := &Play{Name: o.play, byName: map[string]*Step{}}
	p := &playRun{run: &run{
		id: r.id, plan: r.plan, inv: r.inv, opts: RunOptions{Now: r.opts.Now}, registry: r.registry, guard: r.guard, out: &emitter{now: r.opts.Now, guard: r.guard},
	}, plan: play}
	m := newMember(n, p)
	// No step follows: the index before the first of none.
	t := newTurn(m, &Step{index: -1, Name: o.step, Module: o.final.Module, mod: mod}, "")
	asks, err := asksOf(mod, o.final.Args)
	t.bound = &bound{argued: argued{args: o.final.Args, asks: asks}, set: o.set}
	switch {
	case mod.Name == "":
		t.bug(fmt.Sprintf("owes a step of module %q, which there is not", o.final.Module))
	case err != nil:
		t.end(event.Failed, err.Error())
	default:
		p.rounds(ctx, []*turn{t})
	}
	v := t.verdict
	t.settleChanges()
	r.emit(event.Event{
		Kind: event.CleanupDone, Play: o.play, Step: o.step, Module: o.final.Module, Host: n.host.Name, Status: v.status, Reason: v.reason,
		Changes: t.changes, Seconds: p.since(t.begun),
	})
}
