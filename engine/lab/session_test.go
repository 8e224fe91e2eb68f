package lab

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// liveShell is a /bin/sh that stays open over a real SSH connection.
type liveShell struct {
	t       *testing.T
	session *ssh.Session
	in      io.WriteCloser
	out     *bufio.Reader
}

func openShell(t *testing.T, c *ssh.Client) *liveShell {
	t.Helper()
	s, err := c.NewSession()
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
	if err := s.Start("exec /bin/sh"); err != nil {
		t.Fatal(err)
	}
	return &liveShell{t: t, session: s, in: in, out: bufio.NewReader(out)}
}

// ask sends program text and reads lines up to the end marker, which the text has to print.
func (l *liveShell) ask(text string) string {
	l.t.Helper()
	if _, err := io.WriteString(l.in, text); err != nil {
		l.t.Fatal(err)
	}
	var b strings.Builder
	for {
		line, err := l.out.ReadString('\n')
		if err != nil {
			l.t.Fatalf("after %q: %v", b.String(), err)
		}
		if line == "END\n" {
			return b.String()
		}
		b.WriteString(line)
	}
}

func TestShellStaysOpen(t *testing.T) {
	sh := openShell(t, dial(t, oneHost(t), "root"))
	for _, c := range []struct{ send, want string }{
		{"x=1; f() { echo \"f $1 $x\"; }\necho END\n", ""},
		{"x=2\nf a\ncd /etc; umask 077\necho END\n", "f a 2\n"},
		{"pwd; umask; echo $x\necho END\n", "/etc\n0077\n2\n"},
		{"if true\nthen\necho yes\nfi\necho END\n", "yes\n"},
		{"cat <<'X'\nsome $text\nX\necho END\n", "some $text\n"},
		{"( exec /bin/sh /dev/fd/3 a 3<<'N1' <<'N2' )\necho \"script $1\"; cat\nN1\ninput\nN2\necho rc $?\necho END\n", "script a\ninput\nrc 0\n"},
		{"( exec /bin/sh /dev/fd/3 3<<'N1' <<'N2' ) 2>/dev/null\nif then 'oops\nN1\nN2\necho rc $?\necho END\n", "rc 2\n"},
		{"( exit 4 ); echo $?; (cd /; exec 2>/dev/null; nosuch); echo $?; pwd; echo END\n", "4\n127\n/etc\n"},
	} {
		if got := sh.ask(c.send); got != c.want {
			t.Errorf("%q: got %q, want %q", c.send, got, c.want)
		}
	}
}

// A statement runs as soon as it is complete, and its output does not wait for the next one.
func TestShellAnswersAtOnce(t *testing.T) {
	sh := openShell(t, dial(t, oneHost(t), "root"))
	if got := sh.ask("echo one; echo END\n"); got != "one\n" {
		t.Fatal(got)
	}
	if _, err := io.WriteString(sh.in, "echo begin\nsleep 0.3\necho done\necho END\n"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if line, _ := sh.out.ReadString('\n'); line != "begin\n" || time.Since(start) > 200*time.Millisecond {
		t.Fatalf("%q after %v", line, time.Since(start))
	}
	if got := sh.ask(""); got != "done\n" {
		t.Fatal(got)
	}
}

func TestShellDiesWithItsInput(t *testing.T) {
	sh := openShell(t, dial(t, oneHost(t), "root"))
	sh.ask("trap 'echo bye' EXIT; echo END\n")
	_ = sh.in.Close()
	rest, _ := io.ReadAll(sh.out)
	if string(rest) != "bye\n" {
		t.Errorf("%q", rest)
	}
	if err := sh.session.Wait(); err != nil {
		t.Error(err)
	}
}

// run runs a command over SSH and gives its output and exit code, -1 where there is none.
func run(c *ssh.Client, command string) (string, int, error) {
	s, err := c.NewSession()
	if err != nil {
		return "", -1, err
	}
	defer func() { _ = s.Close() }()
	out, err := s.Output(command)
	if ee, ok := errors.AsType[*ssh.ExitError](err); ok {
		if ee.Signal() != "" {
			return string(out), -1, err
		}
		return string(out), ee.ExitStatus(), nil
	}
	return string(out), 0, err
}

func TestExitSignal(t *testing.T) {
	c := dial(t, oneHost(t), "root")
	_, _, err := run(c, "kill -TERM $$")
	ee, ok := errors.AsType[*ssh.ExitError](err)
	if !ok || ee.Signal() != "TERM" {
		t.Errorf("%v", err)
	}
}

// What a session leaves in the background keeps its channel open as long as it holds the output.
func TestBackgroundHoldsChannel(t *testing.T) {
	c := dial(t, oneHost(t), "root")
	start := time.Now()
	if _, code, err := run(c, "sleep 0.4 & exit 0"); code != 0 || err != nil {
		t.Fatal(code, err)
	}
	if held := time.Since(start); held < 350*time.Millisecond {
		t.Errorf("closed after %v", held)
	}
	start = time.Now()
	if _, _, err := run(c, "sleep 5 >/dev/null 2>&1 & exit 0"); err != nil {
		t.Fatal(err)
	}
	if held := time.Since(start); held > 2*time.Second {
		t.Errorf("closed after %v", held)
	}
}

// Closing the channel kills nothing; killing the process group from another one does.
func TestKillTree(t *testing.T) {
	h := oneHost(t)
	c := dial(t, h, "root")
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("echo $$; (sleep 77; echo never) & sleep 77 | cat"); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	count := func() string {
		text, _, err := run(c, "pgrep -c -x sleep")
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(text)
	}
	eventually(t, func() bool { return count() == "2" })
	if _, code, err := run(c, fmt.Sprintf("kill -TERM -%d", pid)); code != 0 || err != nil {
		t.Fatal(code, err)
	}
	eventually(t, func() bool { return count() == "0" })
}

// eventually waits until ok, ten seconds at most.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to that")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestManyHosts(t *testing.T) {
	const n = 200
	specs := make([]HostSpec, n)
	for i := range specs {
		specs[i].Name = fmt.Sprintf("node%03d", i)
	}
	l := startLab(t, Options{Hosts: specs})
	var wg sync.WaitGroup
	limit := make(chan struct{}, 16)
	for i, h := range l.Hosts() {
		wg.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			c, err := tryDial(h, "root")
			if err != nil {
				t.Errorf("%s: %v", h.Name(), err)
				return
			}
			defer func() { _ = c.Close() }()
			out, code, err := run(c, "hostname; echo $((6*7)) >/root/answer; cat /root/answer")
			if want := fmt.Sprintf("node%03d\n42\n", i); out != want || code != 0 || err != nil {
				t.Errorf("%s: %q %d %v", h.Name(), out, code, err)
			}
		})
	}
	wg.Wait()
	if data, err := l.Hosts()[7].FS().ReadFile("/root/answer"); err != nil || string(data) != "42\n" {
		t.Errorf("%q %v", data, err)
	}
	if _, err := l.base.ReadFile("/root/answer"); err == nil {
		t.Error("a host has written to the base tree")
	}
}
