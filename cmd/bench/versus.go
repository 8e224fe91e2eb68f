//go:build linux

package main

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// againstFloor lets cvsplay and the floor take turns.
func againstFloor(ctx context.Context, b *bench) error {
	if _, err := b.simulator(ctx); err != nil {
		return err
	}
	h, err := b.hostsOf(b.hosts)
	if err != nil {
		return err
	}
	distances := []time.Duration{0, 50 * time.Millisecond}
	if !b.wants("P2") {
		distances = distances[:1]
	}
	for _, rtt := range distances {
		floor, ours, err := b.turns(ctx, h, rtt)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("%s hosts, %d ms added", grouped(h.n), rtt.Milliseconds())
		if rtt == 0 && b.wants("P1") {
			f, o := median(floor.cpu()), median(ours.cpu())
			b.add(goals["P1"].against("P1", what, ratios(ours.cpu(), floor.cpu()), fmt.Sprintf("cvsplay %s s, floor %s s", number(o), number(f))).
				stands(fmt.Sprintf("the floor spends %s ms of CPU on a host, cvsplay %s ms more", number(f/float64(h.n)*1000), number((o-f)/float64(h.n)*1000))))
		}
		if b.wants("P2") {
			f, o := median(floor.wall()), median(ours.wall())
			b.add(goals["P2"].against("P2", what, ratios(ours.wall(), floor.wall()), fmt.Sprintf("cvsplay %s s, floor %s s", number(o), number(f))).
				stands(fmt.Sprintf("of cvsplay's wall time, %s s are CPU time on %d CPUs; the floor has %s s", number(median(ours.cpu())), runtime.NumCPU(), number(median(floor.cpu())))))
		}
	}
	return nil
}

// turns runs the floor and cvsplay on settled hosts, one after the other, as often as asked. A run of cvsplay that is not counted comes first, so that
// the simulator has seen it all.
func (b *bench) turns(ctx context.Context, h hosts, rtt time.Duration) (floor, ours series, err error) {
	if _, err := b.standard(ctx, h, "settled", 0); err != nil {
		return nil, nil, err
	}
	for range b.repeats {
		f, err := b.asked(ctx, h, rtt)
		if err != nil {
			return nil, nil, err
		}
		o, err := b.standard(ctx, h, "settled", rtt)
		if err != nil {
			return nil, nil, err
		}
		b.say("%d hosts, %s away: floor %.2f s, CPU %.2f s; cvsplay %.2f s, CPU %.2f s", h.n, rtt, f.Wall, f.CPU, o.Wall, o.CPU)
		floor, ours = append(floor, f), append(ours, o)
	}
	return floor, ours, nil
}
