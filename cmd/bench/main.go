//go:build linux

// Command bench measures cvsplay: against a floor that no run can go below, and against other tools where they are installed. All of it happens on this
// machine, with simulated hosts (the command fleet) and with one real sshd. It prints a row for each goal, and writes them as JSON, with
// charts of how things grow. It needs no rights, uses nobody's keys and settings, and removes what it made.
//
// Absolute times mean nothing: what counts are ratios of tools that took turns on one machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == meterName {
		if err := meter(os.Args[2:], os.NewFile(3, "result")); err != nil {
			fmt.Fprintln(os.Stderr, "bench meter:", err)
			os.Exit(1)
		}
		return
	}
	o := options{progress: os.Stderr, asReleased: true}
	rows := flag.String("rows", "", "which rows, as P1,P2; all of them where nothing is said")
	flag.IntVar(&o.hosts, "hosts", 1000, "how many simulated hosts, where a row does not say")
	flag.IntVar(&o.many, "many", 10_000, "how many simulated hosts are many")
	flag.IntVar(&o.repeats, "repeats", 5, "how often each tool is run, of which the median is told")
	flag.IntVar(&o.slow, "slow-repeats", 1, "how often those are run that take minutes: Ansible, and many hosts")
	flag.StringVar(&o.out, "out", "bin/bench", "the folder for bench.txt, bench.json and the charts")
	flag.StringVar(&o.cvsplay, "cvsplay", "", "a cvsplay to measure in the place of this tree's")
	quick := flag.Bool("quick", false, "a look and no measurement: few hosts, one run of each, none of what takes minutes")
	flag.Parse()
	if *quick {
		o.hosts, o.many, o.repeats, o.slow = min(o.hosts, 100), min(o.many, 1000), 1, 0
	}
	if *rows != "" {
		o.rows = strings.FieldsFunc(strings.ToUpper(*rows), func(r rune) bool { return r == ',' || r == ' ' })
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stopped above
	}
}

// options are what one can choose.
type options struct {
	rows     []string // ids; none: all
	hosts    int
	many     int
	repeats  int
	slow     int // 0: not at all
	out      string
	cvsplay  string
	progress io.Writer

	asReleased bool // the binaries are made as make build makes them
}

func (o options) wants(rows ...string) bool {
	return len(o.rows) == 0 || slices.ContainsFunc(rows, func(r string) bool { return slices.Contains(o.rows, r) })
}

// run measures the rows that are wanted, and writes what came of it to files and to w.
func run(ctx context.Context, o options, w io.Writer) error {
	for _, id := range o.rows {
		if _, ok := goals[id]; !ok {
			return fmt.Errorf("there is no row %s", id)
		}
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	for _, e := range experiments {
		if !o.wants(e.rows...) {
			continue
		}
		b.say("%s", e.what)
		failed := e.run(ctx, b)
		if failed == nil {
			continue
		}
		err = errors.Join(err, fmt.Errorf("%s: %w", e.what, failed))
		if ctx.Err() != nil {
			break
		}
		for _, row := range e.rows {
			if o.wants(row) && !slices.ContainsFunc(b.figures, func(f figure) bool { return f.Row == row }) {
				b.add(goals[row].without(row, "", "failed, see the error"))
			}
		}
	}
	return errors.Join(err, b.close(), b.write(w))
}
