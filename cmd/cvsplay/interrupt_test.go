package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"cvsplay/engine/event"
)

// longPlaybook has a container for the run, a script that takes seconds ($SECONDS) with a child of its own, and a step behind it.
func longPlaybook(seconds string) string {
	return `
variable "image" {
  type = string
}
play "long" {
  hosts = group.all
  step "container_ensure" "box" {
    name  = "for_the_run"
    image = var.image
  }
  step "exec_script" "long" {
    script = "echo begun; sleep ` + seconds + `.25; echo done\n"
  }
  step "exec_script" "behind" {
    script = "touch /srv/behind\n"
  }
}
`
}

// interrupted runs the playbook on a kept lab, and sends it a signal as often as said, the first once the script runs everywhere.
func interrupted(t *testing.T, l keptLab, seconds string, signals ...syscall.Signal) ended {
	t.Helper()
	l.write("long.hcl", longPlaybook(seconds))
	run := l.start("run", "long.hcl", "-i", "lab.hcl", "--output", "json")
	eventually(t, "the script runs on all hosts", func() bool {
		for _, h := range l.hosts {
			if !strings.Contains(l.ssh(h, "ps -e -o args"), "sleep "+seconds+".25") {
				return false
			}
		}
		return true
	})
	for i, s := range signals {
		if i > 0 {
			time.Sleep(300 * time.Millisecond) // so that they are two presses of a key, and not one signal that is sent twice
		}
		run.signal(s)
	}
	return run.wait()
}

func TestInterrupt(t *testing.T) {
	l := keepLab(newUser(t), 2)
	for _, c := range []struct {
		name    string
		seconds string
		signals []syscall.Signal
		ended   event.Status  // of the script
		within  time.Duration // after its begin
	}{
		{"once: what runs comes to its end", "6", []syscall.Signal{syscall.SIGINT}, event.Changed, 30 * time.Second},
		{"TERM is as good", "6", []syscall.Signal{syscall.SIGTERM}, event.Changed, 30 * time.Second},
		{"twice: what runs is killed", "600", []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, event.Cancelled, 60 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := l.look()
			e := interrupted(t, l, c.seconds, c.signals...)
			events := e.events(t)
			if last := events[len(events)-1]; e.code != 130 || *last.ExitCode != 130 || len(last.Recap) != len(l.hosts) || e.took > c.within {
				t.Errorf("the end: %+v", last)
			}
			got := ends(events)
			for _, h := range l.hosts {
				if s := got[h.Name+" long"].Status; s != c.ended {
					t.Errorf("on %s the script ended %q, want %s", h.Name, s, c.ended)
				}
				if s := got[h.Name+" behind"].Status; s != event.Cancelled && s != "" {
					t.Errorf("on %s the step behind ended %s", h.Name, s)
				}
				if ps := l.ssh(h, "ps -e -o args"); strings.Contains(ps, "sleep") {
					t.Errorf("%s is left with\n%s", h.Name, ps)
				}
			}
			for line := range strings.Lines(before.Diff(l.look())) {
				if !strings.Contains(line, "/rocm/cvs:latest ") { // the image stays
					t.Errorf("the hosts are not as before: %s", line)
				}
			}
			if t.Failed() {
				t.Log(e)
			}
		})
	}
}

// Three times: the command ends at once, whatever is owed.
func TestInterruptThrice(t *testing.T) {
	l := keepLab(newUser(t), 1)
	l.write("p.hcl", "play \"p\" {\n  hosts = group.all\n  step \"exec_script\" \"deaf\" {\n    script = \"trap '' TERM INT HUP; echo deaf; while :; do sleep 1; done\\n\"\n  }\n}\n")
	run := l.start("run", "p.hcl", "-i", "lab.hcl", "-vv", "--output", "plain")
	eventually(t, "the script runs", func() bool { return strings.Contains(l.ssh(l.hosts[0], "ps -e -o args"), "sleep 1") })
	for range 3 {
		run.signal(syscall.SIGINT)
		time.Sleep(300 * time.Millisecond)
	}
	if e := run.wait(); e.code != 130 || e.took > 30*time.Second {
		t.Error(e)
	}
}

// Somebody stops reading, as `| head -1` does: the run goes on to its end, and pays what it owes.
func TestClosedPipe(t *testing.T) {
	l := keepLab(newUser(t), 2)
	l.write("long.hcl", longPlaybook("1"))
	for _, output := range []string{"plain", "json"} {
		t.Run(output, func(t *testing.T) {
			for _, h := range l.hosts {
				l.ssh(h, "rm -f /srv/behind")
			}
			cmd := exec.Command("cvsplay", "run", "long.hcl", "-i", "lab.hcl", "--output", output)
			cmd.Dir, cmd.Env = l.dir, l.env
			var complaint strings.Builder
			cmd.Stderr = &complaint
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stdout = w
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = cmd.Process.Kill() })
			_ = w.Close()
			if line, err := bufio.NewReader(io.LimitReader(r, 20)).ReadString('x'); line == "" {
				t.Fatalf("nothing comes: %v", err)
			}
			_ = r.Close()
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 1 {
				t.Errorf("exit code %d, want 1: the report was not delivered\n%s", code, complaint.String())
			}
			if !strings.Contains(complaint.String(), "broken pipe") {
				t.Errorf("it does not say why: %q", complaint.String())
			}
			for _, h := range l.hosts {
				got := l.ssh(h, "ls /srv; docker ps --all --quiet; ps -e -o args")
				if !strings.HasPrefix(got, "behind\n") || strings.Contains(got, "sleep") {
					t.Errorf("%s has\n%s", h.Name, got)
				}
			}
		})
	}
}
