//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
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
	if h, err = b.hostsOf(b.hosts); err != nil {
		return err
	}
	for _, c := range []struct {
		about string
		fault order
	}{{"drops its connection", order{Kind: "drop"}}, {"is 2 s late", order{Kind: "slow", Delay: "2s"}}} {
		n, err := b.besideOddOnes(ctx, h, c.fault)
		if err != nil {
			return err
		}
		b.add(goals["P9"].against("P9", fmt.Sprintf("the others of %s, where one in %d %s", grouped(h.n), odd, c.about), []float64{float64(n)}, ""))
	}
	return nil
}

// wrong runs the standard play on settled hosts, whatever becomes of it, and counts the hosts on which not all steps were ok, the connections beyond
// one for each host, and what broke on the hosts' side.
func (b *bench) wrong(ctx context.Context, h hosts) (int, error) {
	counts, t, err := b.outcomes(ctx, h)
	if err != nil {
		return 0, err
	}
	n := max(t.Connections-h.n, 0) + t.Broken
	for i := range h.n {
		if counts[h.address(i)]["ok"] != standardSteps {
			n++
		}
	}
	b.say("%d hosts: %d went wrong", h.n, n)
	return n, nil
}

// odd is how many hosts there are to one that is odd.
const odd = 100

// besideOddOnes counts the hosts on which not all steps were ok, though nothing is the matter with them: one in a hundred others has a fault.
func (b *bench) besideOddOnes(ctx context.Context, h hosts, fault order) (int, error) {
	fault.Do, fault.Every = "fault", odd
	if _, err := b.fleet.tell(fault); err != nil {
		return 0, err
	}
	counts, _, err := b.outcomes(ctx, h)
	if _, over := b.fleet.tell(order{Do: "fault"}); err != nil || over != nil {
		return 0, errors.Join(err, over)
	}
	n := 0
	for i := range h.n {
		addr, err := netip.ParseAddr(h.address(i))
		if err != nil {
			return 0, err
		}
		as4 := addr.As4()
		if binary.BigEndian.Uint32(as4[:])%odd != 0 && counts[h.address(i)]["ok"] != standardSteps {
			n++
		}
	}
	b.say("%d hosts, one in %d of which has the fault %q: %d of the others went wrong", h.n, odd, fault.Kind, n)
	return n, nil
}

// outcomes runs the standard play on settled hosts, whatever becomes of it. It returns how many steps ended in which way on each, and what the hosts saw.
func (b *bench) outcomes(ctx context.Context, h hosts) (map[string]map[string]int, tally, error) {
	if err := b.fleet.start("settled", 0); err != nil {
		return nil, tally{}, err
	}
	events := b.path("events.json")
	_, out, err := measure(ctx, job{argv: b.cvsplayRun(h, "standard.hcl", "--var", "base="+h.base, "--json-file", events), env: b.env, dir: b.dir})
	if err != nil {
		return nil, tally{}, err
	}
	t, err := b.fleet.tell(order{Do: "count"})
	if err != nil {
		return nil, t, err
	}
	f, err := os.Open(events)
	if err != nil {
		return nil, t, fmt.Errorf("%w\n%s", err, tail(out))
	}
	defer f.Close()
	for decoder := json.NewDecoder(f); ; {
		var e struct {
			Kind  string
			Recap map[string]map[string]int
		}
		if err := decoder.Decode(&e); err != nil {
			return nil, t, fmt.Errorf("the run did not come to its end: %w\n%s", err, tail(out))
		}
		if e.Kind == "run_done" {
			return e.Recap, t, nil
		}
	}
}
