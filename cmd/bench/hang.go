//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// oneHangs compares when hosts are done in runs where all answer with runs where one does not for ten seconds.
func oneHangs(ctx context.Context, b *bench) error {
	if _, err := b.simulator(ctx); err != nil {
		return err
	}
	// So many hosts so far away mostly wait: what else the machine does shows less than it does where the processors are the limit.
	h, err := b.hostsOf(min(b.hosts, 200))
	if err != nil {
		return err
	}
	const hang, rtt = 10 * time.Second, 50 * time.Millisecond
	hung := h.address(h.n / 2)
	var changes, without, with []float64
	for round := range b.repeats {
		var calm, troubled float64
		for _, hangs := range []bool{round%2 == 1, round%2 == 0} { // who comes second finds a warmer machine
			to := &calm
			if hangs {
				to = &troubled
				if _, err := b.fleet.tell(order{Do: "fault", Kind: "hang", Host: hung, Delay: hang.String()}); err != nil {
					return err
				}
			}
			if *to, err = b.completion(ctx, h, hung, rtt); err != nil {
				return err
			}
			if _, err := b.fleet.tell(order{Do: "fault"}); err != nil {
				return err
			}
		}
		b.say("the others' 99th percentile: %.2f s without, %.2f s with a host that hangs", calm, troubled)
		without, with = append(without, calm), append(with, troubled)
		changes = append(changes, 100*(troubled/calm-1))
	}
	note := fmt.Sprintf("%s hosts, 50 ms away: %s s without, %s s with it", grouped(h.n), number(median(without)), number(median(with)))
	b.add(goals["P10"].against("P10", "", changes, note).stands("the spread tells how much of it is the machine's own unrest"))
	return nil
}

// completion is the 99th percentile of the time, in seconds from the begin of the run, at which hosts were done with their last step. One host is not among
// them.
func (b *bench) completion(ctx context.Context, h hosts, but string, rtt time.Duration) (float64, error) {
	if err := b.fleet.start("settled", rtt); err != nil {
		return 0, err
	}
	events := b.path("events.json")
	_, out, err := b.measure(ctx, b.cvsplayRun(h, "standard.hcl", "--var", "base="+h.base, "--json-file", events))
	if err != nil {
		return 0, err
	}
	if err := recap(out, h.n, standardSteps, false); err != nil {
		return 0, err
	}
	f, err := os.Open(events)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var began time.Time
	last := map[string]float64{}
	decoder := json.NewDecoder(f)
	for decoder.More() {
		var e struct {
			Time       time.Time
			Kind, Host string
		}
		if err := decoder.Decode(&e); err != nil {
			return 0, err
		}
		switch e.Kind {
		case "run_started":
			began = e.Time
		case "step_done":
			last[e.Host] = e.Time.Sub(began).Seconds()
		}
	}
	delete(last, but)
	if len(last) != h.n-1 {
		return 0, fmt.Errorf("%d hosts of %d were done with a step", len(last), h.n-1)
	}
	var times []float64
	for _, at := range last {
		times = append(times, at)
	}
	return quantile(times, 0.99), nil
}
