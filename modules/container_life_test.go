package modules

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"cvsplay/engine"
	"cvsplay/engine/lab"
	"cvsplay/engine/remote/remotetest"
	"cvsplay/engine/remote/shell"
)

// session starts a shell that works for a run, as cvsplay does, and gives what ends it.
func session(t *testing.T, run string) (end func()) {
	t.Helper()
	words := shell.Command(run)
	cmd := exec.Command(words[0], words[1:]...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "echo up\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			_ = in.Close()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(end)
	return end
}

// withShell runs a text of ours in one of the shells that a host may have.
func withShell(t *testing.T, name string, sh engine.Shell) engine.Answer {
	t.Helper()
	words := []string{remotetest.Command(name)}
	if name == "busybox" {
		words = append(words, "sh")
	}
	words = append(words, "-c", sh.Text, "sh")
	cmd := exec.CommandContext(t.Context(), words[0], append(words[1:], sh.Args...)...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(sh.Stdin), &out, &errs
	_ = cmd.Run()
	return engine.Answer{State: engine.Given, Code: cmd.ProcessState.ExitCode(),
		Stdout: engine.Output{Bytes: out.Bytes(), Size: int64(out.Len())}, Stderr: engine.Output{Bytes: errs.Bytes(), Size: int64(errs.Len())}}
}

// A run is seen for as long as a shell of it is there, and no process that only speaks of it is taken for one.
func TestLifeQuestion(t *testing.T) {
	for _, name := range []string{"dash", "bash", "busybox", "mksh"} {
		t.Run(name, func(t *testing.T) {
			remotetest.Need(t, name)
			run := fmt.Sprintf("test-%s-%d", name, time.Now().UnixNano())
			talk := exec.Command("/bin/sh", "-c", "read -r line; : "+engine.SignOfLife+run)
			if _, err := talk.StdinPipe(); err != nil {
				t.Fatal(err)
			}
			if err := talk.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = talk.Process.Kill(); _ = talk.Wait() })
			end := session(t, run)
			look := readLife(withShell(t, name, lifeQuestion))
			if look == nil || look.boot == "" || !strings.HasPrefix(look.pidns, "pid:[") || !look.all || !slices.Contains(look.runs, run) {
				t.Errorf("%+v", look)
			}
			end()
			if look = readLife(withShell(t, name, lifeQuestion)); look == nil || slices.Contains(look.runs, run) {
				t.Errorf("it has ended: %+v", look)
			}
		})
	}
}

func TestLifeQuestionOnLab(t *testing.T) {
	f := newLabFleet(t, lab.HostSpec{Name: "n1"})
	s, err := f.clients["n1"].NewSession()
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("exec " + shell.CommandLine("r-7")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "echo up\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	look := readLife(f.over("n1", lifeQuestion))
	if look == nil {
		t.Fatal("no answer")
	}
	expect(t, "seen", fmt.Sprintf("%s %t %s %d", look.runs, look.all, look.pidns, len(look.boot)), "[r-7] true pid:[4026531836] 36")
	_ = in.Close()
	_ = s.Wait()
	expect(t, "gone", fmt.Sprint(readLife(f.over("n1", lifeQuestion)).runs), "[]")
}

func TestReadLife(t *testing.T) {
	const whole = "life boot b\nlife pidns pid:[1]\nlife all yes\nlife run a\nlife run b c\nlife end\n"
	for _, tt := range []struct {
		row, out string
		code     int
		want     string
	}{
		{"whole", whole, 0, "&{b pid:[1] true [a b c]}"},
		{"nothing to see", "life boot \nlife pidns \nlife all no\nlife end\n", 0, "&{  false []}"},
		{"cut off", strings.TrimSuffix(whole, "life end\n"), 0, "<nil>"},
		{"failed", whole, 1, "<nil>"},
		{"something else", "health none\n", 0, "<nil>"},
	} {
		t.Run(tt.row, func(t *testing.T) {
			expect(t, "read", fmt.Sprint(readLife(simAnswer(tt.out, tt.code))), tt.want)
		})
	}
}

// The removal looks again for some seconds: a run that connects again meanwhile keeps its containers.
func TestRemovalLooksAgain(t *testing.T) {
	for _, name := range []string{"dash", "bash", "busybox", "mksh"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			remotetest.Need(t, name)
			log := t.TempDir() + "/log"
			bin := fakeRuntime(t, `echo "$*" >>'`+log+`'`)
			removes := func(run, alive string) string {
				sh := removeOfDeadRun(engine.DockerRuntime, run, alive, "id1", "id2")
				sh.Text = "PATH=" + bin + ":$PATH\n" + sh.Text
				a := withShell(t, name, sh)
				return fmt.Sprintf("%d %s%s", a.Code, a.Stderr.String(), withShell(t, name, engine.Shell{Text: "cat '" + log + "' 2>/dev/null; rm -f '" + log + "'"}).Stdout.String())
			}
			run := fmt.Sprintf("again-%s-%d", name, time.Now().UnixNano())
			expect(t, "dead", removes(run, failAlive), "0 rm -f -v id1\nrm -f -v id2\n")
			end := session(t, run)
			back := "run " + run + " is there again: its containers are left to it\n"
			expect(t, "back, and it has our name", removes(run, failAlive), "75 "+back)
			expect(t, "back, under another name", removes(run, leaveAlive), "0 "+back)
			end()
		})
	}
}

// A container that somebody else removed, or is removing, is as good as removed; anything else is not.
func TestRemovalBesideOthers(t *testing.T) {
	for _, tt := range []struct{ row, body, want string }{
		{"gone already, docker", `echo "Error: No such container: $4" >&2; exit 1`, "0 "},
		{"gone already, podman", `echo 'Error: no container with ID or name "x" found: no such container' >&2; exit 1`, "0 "},
		{"being removed", `[ -e "$0.once" ] && { echo "Error: No such container: $4" >&2; exit 1; }; touch "$0.once"
echo "Error response from daemon: removal of container $4 is already in progress" >&2; exit 1`, "0 "},
		{"refused", `echo "Error response from daemon: driver failed" >&2; exit 1`, "1 Error response from daemon: driver failed\n"},
	} {
		t.Run(tt.row, func(t *testing.T) {
			bin := fakeRuntime(t, tt.body)
			sh := removeContainer(engine.DockerRuntime, "", "id1")
			sh.Text = "PATH=" + bin + ":$PATH\n" + sh.Text
			a := withShell(t, "sh", sh)
			expect(t, "removal", fmt.Sprintf("%d %s", a.Code, a.Stderr.String()), tt.want)
		})
	}
}
