//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// roundTrips finds how much longer one host takes for each millisecond that it is farther away.
func roundTrips(ctx context.Context, b *bench) error {
	if _, err := b.simulator(ctx); err != nil {
		return err
	}
	h, err := b.hostsOf(1)
	if err != nil {
		return err
	}
	distances := []time.Duration{0, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond}
	for _, c := range []struct {
		from, about string
		goal        goal
	}{{"settled", "nothing to change", goals["P6"]}, {"fresh", "everything changes", allChanges}} {
		var slopes []float64
		for range b.repeats {
			var x, y []float64
			for _, rtt := range distances {
				u, err := b.standard(ctx, h, c.from, rtt)
				if err != nil {
					return err
				}
				x, y = append(x, rtt.Seconds()), append(y, u.Wall)
			}
			slopes = append(slopes, slope(x, y))
		}
		b.say("%s: %v", c.about, slopes)
		b.add(c.goal.against("P6", c.about, slopes, "TCP's own round trip included").
			stands(fmt.Sprintf("%s round trips too many, in connecting or in the play", number(median(slopes)-c.goal.goal))))
	}
	return nil
}
