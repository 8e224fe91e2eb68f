package lab

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"mvdan.cc/sh/v3/syntax"
)

// startLab starts a lab that ends with the test.
func startLab(t *testing.T, o Options) *Lab {
	t.Helper()
	l, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func oneHost(t *testing.T) *Host {
	t.Helper()
	return startLab(t, Options{Hosts: []HostSpec{{Name: "n1"}}}).Hosts()[0]
}

// output is what a program printed and how it ended.
type output struct {
	stdout, stderr string
	code           int
}

// sh runs a script on a host without SSH, as a user.
func (h *Host) sh(user, script string) output {
	var out, errs bytes.Buffer
	p := h.world.Start(Launch{
		Argv: []string{"sh", "-c", script}, User: user, Dir: "/tmp", Parent: 1, Env: []string{"PATH=" + defaultPath, "HOME=/root", "LC_ALL=C"},
		Stdout: goStream{w: &out}, Stderr: goStream{w: &errs},
	})
	select {
	case <-p.Done():
	case <-time.After(20 * time.Second):
		p.Signal(SIGKILL)
		return output{stdout: out.String(), stderr: "TIMED OUT", code: -1}
	}
	return output{out.String(), errs.String(), p.exit().shell()}
}

func dial(t *testing.T, h *Host, user string) *ssh.Client {
	t.Helper()
	c, err := tryDial(h, user)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func tryDial(h *Host, user string) (*ssh.Client, error) {
	key, err := ssh.ParsePrivateKey(h.lab.ClientKey())
	if err != nil {
		return nil, err
	}
	return ssh.Dial("tcp", h.Address()+":"+portOf(h), &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(h.HostKey()), Timeout: 10 * time.Second,
	})
}

func TestShellSmoke(t *testing.T) {
	h := oneHost(t)
	got := h.sh("root", `x=1; echo "hi $x" 'a  b' ; for i in 1 2 3; do printf '%s,' $i; done; echo; ( exit 3 ); echo $?; echo $(echo sub) | { read y; echo "got $y"; }; nosuch; echo $?`)
	want := "hi 1 a  b\n1,2,3,\n3\ngot sub\n127\n"
	if got.stdout != want || got.code != 0 {
		t.Fatalf("got %+v\nwant %q", got, want)
	}
	if got.stderr != "sh: 1: nosuch: not found\n" {
		t.Fatalf("stderr %q", got.stderr)
	}
}

func TestLogin(t *testing.T) {
	h := oneHost(t)
	c := dial(t, h, "root")
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.CombinedOutput("echo $HOME; pwd; exit 3")
	if ee, ok := errors.AsType[*ssh.ExitError](err); !ok || ee.ExitStatus() != 3 || string(out) != "/root\n/root\n" {
		t.Fatalf("%q %v", out, err)
	}
}

// What a process still does that was killed meanwhile starts nothing: its children are dead before they have done anything.
func TestKilledBeforeItForks(t *testing.T) {
	h := oneHost(t)
	starts := []func(p *Process) int{
		func(p *Process) int { return p.Run(Run{Argv: []string{"touch", "/tmp/made"}, Stdout: &bytes.Buffer{}}) },
		func(p *Process) int {
			newShell(p, "sh").pipeline(parseCommand(t, "touch /tmp/made | touch /tmp/made").(*syntax.BinaryCmd), 0)
			return 0
		},
	}
	for _, start := range starts {
		ended := make(chan struct{})
		p := h.world.Start(Launch{Argv: []string{"main"}, Dir: "/tmp", Parent: 1, Main: func(p *Process) int {
			defer close(ended)
			p.Signal(SIGKILL)
			return start(p)
		}})
		<-ended
		<-p.Done()
		if got := p.exit(); got.signal != SIGKILL {
			t.Errorf("it ended with %+v", got)
		}
	}
	if out := h.sh("root", "sleep 0.1; ls /tmp"); out.stdout != "" {
		t.Errorf("a child that was never to run made %q", out.stdout)
	}
}

// parseCommand gives the only command of a script.
func parseCommand(t *testing.T, script string) syntax.Command {
	t.Helper()
	f, err := syntax.NewParser().Parse(strings.NewReader(script), "")
	if err != nil {
		t.Fatal(err)
	}
	return f.Stmts[0].Cmd
}

func portOf(h *Host) string { return strconv.Itoa(h.Port()) }
