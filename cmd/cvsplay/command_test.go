package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cvsplay/engine/event"
	"cvsplay/engine/remote/remotetest"
)

// A user runs the command in a folder of the user's own, with nothing at home.
type user struct {
	t   testing.TB
	dir string
	env []string

	controller string // name of the machine that the command finds itself on; "": the real one's
}

func newUser(t testing.TB) user {
	t.Helper()
	dir := t.TempDir()
	env := []string{"HOME=" + dir, "NO_COLOR=1", atOnce, "PATH=" + os.Getenv("PATH"), "XDG_STATE_HOME=" + filepath.Join(dir, "state")}
	return user{t: t, dir: dir, env: env}
}

// at is the same user on another controller, with nothing of what the first one keeps there.
func (u user) at(controller string) user {
	u.t.Helper()
	remotetest.Need(u.t, "root")
	remotetest.Need(u.t, "unshare")
	state := filepath.Join(u.dir, "state-of-"+controller)
	u.controller, u.env = controller, append(slices.Clone(u.env), "XDG_STATE_HOME="+state)
	return u
}

// repository is a path of this repository.
func repository(t testing.TB, path string) string {
	t.Helper()
	abs, err := filepath.Abs(filepath.Join("..", "..", path))
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// write makes a file in the user's folder.
func (u user) write(name, text string) {
	u.t.Helper()
	if err := os.WriteFile(filepath.Join(u.dir, name), []byte(text), 0o600); err != nil {
		u.t.Fatal(err)
	}
}

// An ended command.
type ended struct {
	args           []string
	stdout, stderr string
	code           int
	took           time.Duration
}

func (e ended) String() string {
	return fmt.Sprintf("cvsplay %s\nexit code %d after %s\n%s%s", strings.Join(e.args, " "), e.code, e.took.Round(time.Millisecond), e.stdout, e.stderr)
}

// A running command.
type running struct {
	t              testing.TB
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	began          time.Time
}

// start starts the command; it is killed where the test ends before it.
func (u user) start(args ...string) *running {
	u.t.Helper()
	r := &running{t: u.t, began: time.Now(), cmd: exec.Command("cvsplay", args...)}
	if u.controller != "" {
		words := append([]string{"--uts", "sh", "-c", `hostname "$0" && exec cvsplay "$@"`, u.controller}, args...)
		r.cmd = exec.Command("unshare", words...)
	}
	r.cmd.Dir, r.cmd.Env, r.cmd.Stdout, r.cmd.Stderr = u.dir, u.env, &r.stdout, &r.stderr
	if err := r.cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { _ = r.cmd.Process.Kill() }) // one that has ended already is as good
	return r
}

// signal sends the command a signal, as Ctrl-C does.
func (r *running) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// wait waits for the end of the command.
func (r *running) wait() ended {
	r.t.Helper()
	err := r.cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return ended{args: r.cmd.Args[1:], stdout: r.stdout.String(), stderr: r.stderr.String(), code: r.cmd.ProcessState.ExitCode(), took: time.Since(r.began)}
}

// cvsplay runs the command to its end.
func (u user) cvsplay(args ...string) ended {
	u.t.Helper()
	return u.start(args...).wait()
}

// succeeds runs it and expects exit code 0.
func (u user) succeeds(args ...string) ended {
	u.t.Helper()
	e := u.cvsplay(args...)
	if e.code != 0 {
		u.t.Fatal(e)
	}
	return e
}

// events reads what --output json printed, which is nothing else.
func (e ended) events(t testing.TB) []event.Event {
	t.Helper()
	var events []event.Event
	for line := range strings.Lines(e.stdout) {
		var ev event.Event
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		events = append(events, ev)
	}
	if len(events) == 0 || events[len(events)-1].Kind != event.RunDone {
		t.Fatalf("the last event is not run_done: %s", e)
	}
	return events
}

// ends are how steps ended, by "HOST STEP[KEY]".
func ends(events []event.Event) map[string]event.Event {
	out := map[string]event.Event{}
	for _, e := range events {
		if e.Kind == event.StepDone {
			out[e.Host+" "+e.Step+keyed(e.Key)] = e
		}
	}
	return out
}

func keyed(key string) string {
	if key == "" {
		return ""
	}
	return "[" + key + "]"
}

// those are the names of the steps that ended so, sorted.
func those(ends map[string]event.Event, status event.Status) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(ends)) {
		if ends[name].Status == status {
			names = append(names, name)
		}
	}
	return names
}

// eventually waits until something is so, and ends the test where it is not in time.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come to this: %s", what)
		}
	}
}
