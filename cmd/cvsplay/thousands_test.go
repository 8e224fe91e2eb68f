package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"cvsplay/engine/event"
)

// Very many simulated hosts run twenty steps, and the same steps again, within one process that has few open files: nobody fails or is lost, and nothing
// is left to do the second time. Where one in a hundred is unreachable, fails, is slow, or hangs for ever, all others end as they did without. They are
// run by a command of its own, built as users have it. CVSPLAY_TEST_HOSTS=10000 runs as many, in some minutes.
func TestThousandsOfHosts(t *testing.T) {
	t.Parallel()
	hosts := 400
	if n, err := strconv.Atoi(os.Getenv("CVSPLAY_TEST_HOSTS")); err == nil {
		hosts = n
	}
	u := newUser(t)
	f := fleetRun{t: t, u: u, binary: buildBinary(t, u.dir), hosts: hosts}
	f.twice()
	well := f.run(nil)
	if well.code != 0 {
		t.Errorf("the run ended with %d", well.code)
	}
	for _, host := range f.names() {
		if want := (counts{changed: 20, ok: 21}); well.count(host) != want {
			t.Errorf("%s: %+v", host, well.ends[host])
		}
	}
	odd := f.oddOnes()
	ill := f.run(odd)
	if ill.code != 130 {
		t.Errorf("the interrupted run ended with %d", ill.code)
	}
	for _, host := range f.names() {
		kind, isOdd := odd[host]
		switch {
		case !isOdd || kind == "slow":
			if !maps.Equal(ill.ends[host], well.ends[host]) {
				t.Errorf("%s (%s) ends otherwise: %v", host, kind, ill.ends[host])
			}
		case kind == "unreachable":
			if want := (counts{unreachable: 1}); ill.count(host) != want {
				t.Errorf("%s is unreachable: %v", host, ill.ends[host])
			}
		case kind == "fail":
			if got := ill.ends[host]["first made3"]; got != event.Failed {
				t.Errorf("%s fails: %v", host, ill.ends[host])
			}
		case kind == "hang":
			if want := (counts{changed: 20, ok: 20, cancelled: 1}); ill.count(host) != want {
				t.Errorf("%s hangs: %v", host, ill.ends[host])
			}
		}
	}
}

// lastPlay has the step that some hosts hang in.
const lastPlay = `
play "last" {
  hosts = group.gpu
  step "exec_script" "last" {
    script    = "uname -n"
    read_only = true
    timeout   = "1h"
  }
}
`

// twice writes the playbook that has the steps two times, and last of all that step.
func (f fleetRun) twice() {
	f.t.Helper()
	text, err := os.ReadFile(repository(f.t, "cmd/cvsplay/testdata/thousands/steps.hcl"))
	if err != nil {
		f.t.Fatal(err)
	}
	first := string(text)
	f.u.write("twice.hcl", first+strings.Replace(first, `play "first"`, `play "again"`, 1)+lastPlay)
}

// buildBinary builds the command as users have it.
func buildBinary(t *testing.T, dir string) string {
	t.Helper()
	binary := filepath.Join(dir, "cvsplay")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// A fleetRun runs the steps on many hosts.
type fleetRun struct {
	t      *testing.T
	u      user
	binary string
	hosts  int
}

func (f fleetRun) names() []string {
	names := make([]string, f.hosts)
	for i := range names {
		names[i] = fmt.Sprintf("gpu%0*d", max(3, len(strconv.Itoa(f.hosts))), i+1)
	}
	return names
}

// oddOnes are one host in a hundred, and what is the matter with it.
func (f fleetRun) oddOnes() map[string]string {
	kinds := []string{"unreachable", "fail", "slow", "hang"}
	odd := map[string]string{}
	for i, name := range f.names() {
		if i%100 == 50 {
			odd[name] = kinds[i/100%len(kinds)]
		}
	}
	return odd
}

// oddFaults are the faults of a kind of odd ones.
var oddFaults = map[string]string{
	"unreachable": `kind = "unreachable"`,
	"fail":        "kind = \"fail\"\n match = \"^touch /srv/node/made3$\"",
	"slow":        "kind = \"slow\"\n delay = \"20ms\"",
	"hang":        "kind = \"hang\"\n match = \"^uname -n$\"",
}

// steps are how the steps of one host ended, by "PLAY STEP".
type steps map[string]event.Status

// counts are how often a step of a host ended so.
type counts struct{ ok, changed, unreachable, cancelled, other int }

// An outcome is how a run ended.
type outcome struct {
	code int
	ends map[string]steps // by host
}

func (o outcome) count(host string) counts {
	var c counts
	for _, status := range o.ends[host] {
		switch status {
		case event.OK:
			c.ok++
		case event.Changed:
			c.changed++
		case event.Unreachable:
			c.unreachable++
		case event.Cancelled:
			c.cancelled++
		default:
			c.other++
		}
	}
	return c
}

// run runs the steps. Where hosts hang the run is interrupted, but not before all others have come to their end.
func (f fleetRun) run(odd map[string]string) outcome {
	f.t.Helper()
	f.u.write("inventory.hcl", f.inventory(odd))
	cmd := exec.CommandContext(f.t.Context(), "/bin/sh", "-c", `ulimit -n 100 && exec "$0" "$@"`, f.binary, "run", "twice.hcl", "-i", "inventory.hcl", "--output", "json")
	cmd.Dir, cmd.Env, cmd.Stderr = f.u.dir, f.u.env, os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		f.t.Fatal(err)
	}
	w := &fleetWatch{ends: map[string]steps{}, pending: f.hosts, odd: odd, interrupt: func() { _ = cmd.Process.Signal(syscall.SIGINT) }}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e event.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			f.t.Fatalf("%v: %s", err, lines.Text())
		}
		w.take(e)
	}
	err = cmd.Wait()
	f.t.Logf("%d hosts, %d odd ones: %s of CPU, %d MB", f.hosts, len(odd), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss>>10)
	if w.last.Kind != event.RunDone || len(w.last.Recap) != f.hosts {
		f.t.Fatalf("%v: the last of it: %+v", err, w.last)
	}
	return outcome{code: *w.last.ExitCode, ends: w.ends}
}

func (f fleetRun) inventory(odd map[string]string) string {
	var b strings.Builder
	b.WriteString("defaults {\n  ssh {\n    connect_timeout = \"10m\" # whatever else the machine has to do\n  }\n}\n")
	fmt.Fprintf(&b, "source \"lab\" \"gpu\" {\n  count  = %d\n  groups = [\"gpu\"]\n", f.hosts)
	for _, host := range slices.Sorted(maps.Keys(odd)) {
		fmt.Fprintf(&b, "  host %q {\n    fault {\n%s\n}\n  }\n", host, oddFaults[odd[host]])
	}
	b.WriteString("}\n")
	return b.String()
}

// A fleetWatch looks at the events of a run while it goes on.
type fleetWatch struct {
	ends      map[string]steps
	pending   int // hosts that have not come to their end
	odd       map[string]string
	interrupt func()
	last      event.Event
}

func (w *fleetWatch) take(e event.Event) {
	w.last = e
	switch e.Kind {
	case event.StepDone:
		if w.ends[e.Host] == nil {
			w.ends[e.Host] = steps{}
		}
		w.ends[e.Host][e.Play+" "+e.Step] = e.Status
		if e.Step == "last" || e.Status.Bad() {
			w.hostEnded()
		}
	case event.Stopping: // once: nothing new starts; and again: what runs is ended
		w.interrupt()
	}
}

// hostEnded interrupts the run when only those are left that hang.
func (w *fleetWatch) hostEnded() {
	hanging := 0
	for _, kind := range w.odd {
		if kind == "hang" {
			hanging++
		}
	}
	if w.pending--; w.pending == hanging && hanging > 0 {
		w.interrupt()
	}
}
