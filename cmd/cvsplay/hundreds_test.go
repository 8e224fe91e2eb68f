package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"cvsplay/engine/event"
)

// Hundreds of simulated hosts run the main playbook without an error. They are run by a command of its own, built as users have it: the race
// detector would make the simulation many times slower. CVSPLAY_TEST_HOSTS=1000 runs as many; what every host has to know of every other
// grows with the square, so that takes 3 GB and some minutes.
func TestHundredsOfHosts(t *testing.T) {
	u := newUser(t)
	binary := buildBinary(t, u.dir)
	hosts := 300
	if n, err := strconv.Atoi(os.Getenv("CVSPLAY_TEST_HOSTS")); err == nil {
		hosts = n
	}
	u.env = append(u.env, "PATH="+u.dir)
	cmd := exec.CommandContext(t.Context(), binary, "run", repository(t, "playbooks/rvs.hcl"), "-i", repository(t, "inventory/default.hcl"), "--lab", fmt.Sprint(hosts), "--output", "json")
	cmd.Dir, cmd.Env = u.dir, u.env
	began := time.Now()
	out, err := cmd.Output()
	e := ended{args: cmd.Args[1:], stdout: string(out), took: time.Since(began)}
	events := e.events(t)
	last := events[len(events)-1]
	t.Logf("%d hosts took %s, %s of CPU", hosts, e.took.Round(time.Second), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Round(time.Second))
	if err != nil || *last.ExitCode != 0 || len(last.Recap) != hosts {
		t.Errorf("%v: it took %s, and ended with %d on %d hosts", err, e.took, *last.ExitCode, len(last.Recap))
	}
	done := ends(events)
	for host, counts := range last.Recap {
		if counts[event.Changed] != 3 || done[host+" passed"].Status != event.OK {
			t.Errorf("%s: %v; the check %+v", host, counts, done[host+" passed"])
		}
	}
}
