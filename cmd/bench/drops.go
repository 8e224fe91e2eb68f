//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// drops counts what goes wrong on many hosts.
func drops(ctx context.Context, b *bench) error {
	if _, err := b.simulator(ctx); err != nil {
		return err
	}
	h, err := b.hostsOf(b.many)
	if err != nil {
		return err
	}
	var wrong []float64
	for range max(b.slow, 1) {
		n, err := b.wrong(ctx, h)
		if err != nil {
			return err
		}
		wrong = append(wrong, float64(n))
	}
	b.add(goals["P9"].against("P9", fmt.Sprintf("%s hosts, standard play", grouped(b.many)), wrong,
		"hosts on which not all steps were ok, connections that were made anew, handshakes and sessions that broke").stands("the hosts in the recap tell"))
	return nil
}

// wrong runs the standard play on settled hosts, whatever becomes of it, and counts the hosts on which not all steps were ok, the connections beyond
// one for each host, and what broke on the hosts' side.
func (b *bench) wrong(ctx context.Context, h hosts) (int, error) {
	if err := b.fleet.start("settled", 0); err != nil {
		return 0, err
	}
	events := b.path("events.json")
	u, out, err := measure(ctx, job{argv: b.cvsplayRun(h, "standard.hcl", "--var", "base="+h.base, "--json-file", events), env: b.env, dir: b.dir})
	if err != nil {
		return 0, err
	}
	f, err := os.Open(events)
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, tail(out))
	}
	defer f.Close()
	t, err := b.fleet.tell(order{Do: "count"})
	if err != nil {
		return 0, err
	}
	n := max(t.Connections-h.n, 0) + t.Broken
	var last struct {
		Kind  string
		Recap map[string]map[string]int
	}
	for decoder := json.NewDecoder(f); ; {
		var e struct {
			Kind  string
			Recap map[string]map[string]int
		}
		if err := decoder.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return 0, err
		}
		last = e
	}
	if last.Kind != "run_done" {
		return 0, fmt.Errorf("the run did not come to its end\n%s", tail(out))
	}
	n += h.n - len(last.Recap)
	for _, counts := range last.Recap {
		if counts["ok"] != standardSteps {
			n++
		}
	}
	b.say("%d hosts: %.2f s, CPU %.2f s; %d went wrong", h.n, u.Wall, u.CPU, n)
	return n, nil
}
