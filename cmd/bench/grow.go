//go:build linux

package main

import (
	"context"
	"fmt"
)

// growth runs the standard play on more and more hosts.
func growth(ctx context.Context, b *bench) error {
	if _, err := b.simulator(ctx); err != nil {
		return err
	}
	var ours, floor grown
	for _, n := range []int{b.many / 100, b.many / 40, b.many / 10, b.many / 4, b.many} {
		times := min(b.repeats, 3)
		if n == b.many {
			times = max(b.slow, 1)
		}
		if err := b.grow(ctx, n, times, &floor, &ours); err != nil {
			return err
		}
	}
	b.add(ours.figure("control CPU", ours.cpu), ours.figure("memory", ours.rss))
	b.grown = append(b.grown,
		chart{file: "cpu", title: "Control CPU, standard play, nothing to change", unit: "seconds", lines: []line{{"cvsplay", ours.hosts, ours.cpu}, {"floor", floor.hosts, floor.cpu}}},
		chart{file: "memory", title: "Peak memory, standard play, nothing to change", unit: "MiB", lines: []line{{"cvsplay", ours.hosts, ours.rss}, {"floor", floor.hosts, floor.rss}}},
		chart{file: "wall", title: "Wall time, standard play, nothing to change", unit: "seconds", lines: []line{{"cvsplay", ours.hosts, ours.wall}, {"floor", floor.hosts, floor.wall}}})
	return nil
}

// grow measures both tools at one size.
func (b *bench) grow(ctx context.Context, n, times int, floor, ours *grown) error {
	h, err := b.hostsOf(n)
	if err != nil {
		return err
	}
	var f, o series
	for range times {
		u, err := b.asked(ctx, h, 0)
		if err != nil {
			return err
		}
		f = append(f, u)
		if u, err = b.standard(ctx, h, "settled", 0); err != nil {
			return err
		}
		o = append(o, u)
	}
	floor.add(n, f)
	ours.add(n, o)
	b.say("%d hosts: floor %.2f s, CPU %.2f s; cvsplay %.2f s, CPU %.2f s, %.0f MiB", n, median(f.wall()), median(f.cpu()), median(o.wall()), median(o.cpu()), ours.rss[len(ours.rss)-1])
	return nil
}

// grown is what a tool took at each size.
type grown struct {
	hosts, wall, cpu, rss []float64 // seconds, seconds, MiB
}

func (g *grown) add(n int, s series) {
	g.hosts = append(g.hosts, float64(n))
	g.wall = append(g.wall, median(s.wall()))
	g.cpu = append(g.cpu, median(s.cpu()))
	g.rss = append(g.rss, median(s.each(func(u usage) float64 { return u.RSS / (1 << 20) })))
}

// figure is the exponent over all sizes, or that over the last decade where that is greater: what a run costs on no host at all hides growth at
// the lower end.
func (g grown) figure(what string, y []float64) figure {
	all, last := exponent(g.hosts, y), 0.0
	for i := range g.hosts {
		if g.hosts[i]*10 <= g.hosts[len(g.hosts)-1] {
			last = exponent(g.hosts[i:], y[i:])
		}
	}
	note := fmt.Sprintf("%s → %s hosts %s, the last decade %s; the greater counts", grouped(int(g.hosts[0])), grouped(int(g.hosts[len(g.hosts)-1])), number(all), number(last))
	return goals["P8"].against("P8", what, []float64{max(all, last)}, note).stands("something that grows faster than the hosts do, or the collector, which has more to look through")
}
