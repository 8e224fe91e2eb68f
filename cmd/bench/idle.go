//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// idleHosts compares the memory of a run that holds few hosts with that of one that holds many, all but one of which wait at a barrier for the one.
func idleHosts(ctx context.Context, b *bench) error {
	if _, err := b.simulator(ctx); err != nil {
		return err
	}
	if b.slow == 0 && b.many <= b.hosts {
		b.add(goals["P7"].without("P7", "", "not run"))
		return nil
	}
	var perHost, few, lot []float64
	for range max(b.slow, 1) {
		small, err := b.held(ctx, b.hosts)
		if err != nil {
			return err
		}
		large, err := b.held(ctx, b.many)
		if err != nil {
			return err
		}
		few, lot = append(few, small), append(lot, large)
		perHost = append(perHost, (large-small)/float64(b.many-b.hosts)/1024)
	}
	note := fmt.Sprintf("%s hosts %s MiB, %s hosts %s MiB, which is %s KiB a host all told: proportional set size, %s after the last answer; GOGC unset, no collection forced",
		grouped(b.hosts), number(median(few)/(1<<20)), grouped(b.many), number(median(lot)/(1<<20)), number(median(lot)/float64(b.many)/1024), rest)
	b.add(goals["P7"].against("P7", fmt.Sprintf("%s → %s hosts", grouped(b.hosts), grouped(b.many)), perHost, note).
		stands("buffers and goroutines of each connection, and what the run keeps of each host; the collector lets garbage grow to as much as is in use"))
	return nil
}

// rest is how long the hosts have been idle when memory is looked at.
const rest = 5 * time.Second

// held is the memory, in bytes, of a cvsplay that is connected to n hosts, all of which have answered but one.
func (b *bench) held(ctx context.Context, n int) (float64, error) {
	h, err := b.hostsOf(n)
	if err != nil {
		return 0, err
	}
	if err := b.fleet.start("settled", 0); err != nil {
		return 0, err
	}
	if _, err := b.fleet.tell(order{Do: "fault", Kind: "hang", Host: h.address(n - 1)}); err != nil {
		return 0, err
	}
	argv := b.cvsplayRun(h, "waiting.hcl")
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = b.env, b.dir
	out, err := os.Create(b.path("held.out"))
	if err != nil {
		return 0, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	size, err := b.whileHeld(ctx, cmd.Process.Pid, n)
	if err != nil {
		_ = cmd.Process.Kill() // it may have ended, which may be why
	}
	_, released := b.fleet.tell(order{Do: "fault"})
	ended := cmd.Wait()
	text, read := os.ReadFile(out.Name())
	if err := errors.Join(err, released, ended, read); err != nil {
		return 0, fmt.Errorf("%w\n%s", err, tail(text))
	}
	b.say("%d idle hosts: %.0f MiB", n, size/(1<<20))
	return size, recap(text, n, 2, false)
}

// whileHeld waits until all hosts but one have answered, and returns what the process has in memory then.
func (b *bench) whileHeld(ctx context.Context, pid, n int) (float64, error) {
	for {
		t, err := b.fleet.tell(order{Do: "count"})
		if err != nil {
			return 0, err
		}
		if t.Answers == n-1 && t.Sessions == n {
			break
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return 0, err
		}
		if _, err := residentSet(pid); err != nil {
			return 0, fmt.Errorf("it ended before all hosts were idle: %w", err)
		}
	}
	if err := pause(ctx, rest); err != nil {
		return 0, err
	}
	return residentSet(pid)
}

// residentSet is the proportional set size of a process, in bytes.
func residentSet(pid int) (float64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) > 1 && fields[0] == "Pss:" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			return kib * 1024, err
		}
	}
	return 0, errors.Join(lines.Err(), errors.New("smaps_rollup has no Pss"))
}
