//go:build linux

package main

import (
	"context"
	"fmt"
	"strings"
)

// startCost measures what a command costs that contacts nobody.
func startCost(ctx context.Context, b *bench) error {
	times := max(4*b.repeats, 5)
	for _, c := range [][]string{{"version"}, {"validate", "playbooks/rvs.hcl"}} {
		var s series
		for range times {
			argv := append([]string{b.cvsplay}, c...)
			u, err := b.here(ctx, argv)
			if err != nil {
				return err
			}
			s = append(s, u)
		}
		cpu := s.each(func(u usage) float64 { return u.CPU * 1000 })
		b.add(goals["P11"].against("P11", "cvsplay "+c[0], cpu, fmt.Sprintf("wall %s ms", number(median(s.wall())*1000))).
			stands("what the program and its libraries set up when they start: GODEBUG=inittrace=1 lists it"))
	}
	return nil
}

// here runs a command in the repository's folder.
func (b *bench) here(ctx context.Context, argv []string) (usage, error) {
	u, out, err := measure(ctx, job{argv: argv, env: b.env})
	if err == nil && u.Code != 0 {
		err = fmt.Errorf("%s ended with %d\n%s", strings.Join(argv, " "), u.Code, tail(out))
	}
	return u, err
}
