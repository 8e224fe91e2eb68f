package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

const nonceA, nonceB = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"

func TestNames(t *testing.T) {
	var n names
	n.command("exec /bin/sh -s cvsplay-run:20260102t030405-abcdef")
	hash := strings.Repeat("ab", 32)
	text := "echo " + nonceA + " b; echo 20260102t030405-abcdef; X=" + nonceB + "; echo " + nonceA + " e " + hash + "\x00\n"
	want := "echo \x001\x00 b; echo \x000\x00; X=\x002\x00; echo \x001\x00 e " + hash + "\x00\x00\n"
	got := n.canonical([]byte(text))
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if back := render(got, n.words); string(back) != text {
		t.Errorf("back  %q\nfrom %q", back, text)
	}
	// What a host says on its own account is no name.
	unknown := strings.Repeat("0", nonceLen)
	if got := n.canonicalOutput([]byte(nonceB + " " + unknown)); got != "\x002\x00 "+unknown {
		t.Errorf("%q", got)
	}
	var other names
	other.command("exec /bin/sh -s cvsplay-run:20270102t030405-ghijkl")
	otherText := strings.NewReplacer("20260102t030405-abcdef", "20270102t030405-ghijkl", nonceA, nonceB, nonceB, strings.Repeat("1", nonceLen)).Replace(text)
	if got := other.canonical([]byte(otherText)); got != want {
		t.Errorf("another run: got  %q\nwant %q", got, want)
	}
}

func TestWhole(t *testing.T) {
	a := newAnswers(&recorder{})
	for text, want := range map[string]bool{
		"":                            false,
		"echo a":                      false,
		"echo a\n":                    true,
		"{\n(\necho a\n":              false,
		"{\n(\necho a\n)\n}\n":        true,
		"cat <<'X'\n}\n":              false,
		"cat <<'X'\n}\nX\n":           true,
		"eval 'echo a\n":              false,
		"case x in\nx)\necho 1\n;;\n": false,
	} {
		if got := a.isWhole(a.fresh, []byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// What is sent late arrives whole and in order, and the sender does not wait for it.
func TestLateConn(t *testing.T) {
	here, there := net.Pipe()
	c := &lateConn{Conn: here, delay: 5 * time.Millisecond}
	var want bytes.Buffer
	for i := range 200 {
		fmt.Fprintf(&want, "%d ", i)
		if _, err := fmt.Fprintf(c, "%d ", i); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, want.Len())
	if _, err := io.ReadFull(there, got); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%v: %q", err, got)
	}
	there.Close()
	for err := error(nil); err == nil; time.Sleep(time.Millisecond) { // it is told by a later write
		_, err = c.Write([]byte("x"))
	}
}

// A rig is a fleet as the benchmark has it: over its streams of orders and replies, and over SSH.
type rig struct {
	t      *testing.T
	orders io.WriteCloser
	told   *bufio.Reader
	signer ssh.Signer
	port   int
	ended  chan error
}

func startRig(t *testing.T) *rig {
	signer, public := newKey(t)
	ordersIn, orders := io.Pipe()
	told, replies := io.Pipe()
	r := &rig{t: t, orders: orders, told: bufio.NewReader(told), signer: signer, ended: make(chan error, 1)}
	go func() { r.ended <- run(string(ssh.MarshalAuthorizedKey(public)), "mkdir -p /srv/x", ordersIn, replies) }()
	r.port = r.reply().Port
	t.Cleanup(func() {
		orders.Close()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
	})
	return r
}

func newKey(t *testing.T) (ssh.Signer, ssh.PublicKey) {
	f, err := newFleet(nil, nil, "") // a host key is as good as any
	if err != nil {
		t.Fatal(err)
	}
	return f.signer, f.signer.PublicKey()
}

func (r *rig) reply() (out reply) {
	r.t.Helper()
	line, err := r.told.ReadBytes('\n')
	if err != nil {
		r.t.Fatal(err)
	}
	if err := json.Unmarshal(line, &out); err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *rig) tell(c command) reply {
	r.t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.orders.Write(append(text, '\n')); err != nil {
		r.t.Fatal(err)
	}
	return r.reply()
}

func (r *rig) must(c command) reply {
	r.t.Helper()
	got := r.tell(c)
	if got.Error != "" {
		r.t.Fatalf("%+v: %s", c, got.Error)
	}
	return got
}

func (r *rig) dial(host string, key ssh.Signer) (*ssh.Client, error) {
	return ssh.Dial("tcp", net.JoinHostPort(host, fmt.Sprint(r.port)), &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
}

// talk gives programs to one shell of a host, one after the other, each of which has to print its mark at its end, and returns what they print.
func (r *rig) talk(host, run string, programs ...string) string {
	r.t.Helper()
	c, err := r.dial(host, r.signer)
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	s, err := c.NewSession()
	if err != nil {
		r.t.Fatal(err)
	}
	in, err1 := s.StdinPipe()
	out, err2 := s.StdoutPipe()
	if err := errors.Join(err1, err2, s.Start("exec /bin/sh -s cvsplay-run:"+run)); err != nil {
		r.t.Fatal(err)
	}
	said, lines := "", bufio.NewReader(out)
	for _, p := range programs {
		if _, err := io.WriteString(in, p); err != nil {
			r.t.Fatal(err)
		}
		for line := ""; !strings.HasSuffix(line, " end\n"); said += line {
			if line, err = lines.ReadString('\n'); err != nil {
				r.t.Fatalf("after %q: %v", said, err)
			}
		}
	}
	return said
}

func program(nonce, what string) string {
	return "{\n" + what + "\necho " + nonce + " end\n}\n"
}

// Hosts are interpreted once, and told apart by what was done on them.
func TestHostsAnswer(t *testing.T) {
	r := startRig(t)
	look, make := "ls /srv/x", "echo hello > /srv/x/file"
	for i, c := range []struct {
		host, nonce string
		programs    []string
		want        string
		recorded    int // events that are new
	}{
		{"127.1.0.1", nonceA, []string{look}, "", 2},
		{"127.1.0.2", nonceB, []string{look}, "", 0},
		{"127.1.0.3", nonceA, []string{look, make, look}, "file\n", 2},
		{"127.1.0.4", nonceB, []string{look, make, look, "cat /srv/x/file"}, "file\nhello\n", 1},
		{"127.1.0.2", nonceA, []string{look}, "", 2}, // its second session
		{"127.1.0.5", nonceA, []string{look, "rm -r /srv/x", "ls -d /srv/x || echo none"}, "none\n", 2},
		{"127.1.0.4", nonceA, []string{"rm /srv/x/file", look}, "", 3},
	} {
		before := r.must(command{Do: "count"}).Recorded
		var programs []string
		for _, p := range c.programs {
			programs = append(programs, program(c.nonce, p))
		}
		got := r.talk(c.host, fmt.Sprint("run-", i), programs...)
		if got = strings.ReplaceAll(got, c.nonce+" end\n", ""); got != c.want {
			t.Errorf("%d: %q, want %q", i, got, c.want)
		}
		if n := r.must(command{Do: "count"}).Recorded - before; n != c.recorded {
			t.Errorf("%d: %d events were interpreted, want %d", i, n, c.recorded)
		}
	}
	r.must(command{Do: "settle", Host: "127.1.0.3"})
	r.must(command{Do: "start", From: "settled", RTT: "2ms"})
	if got := r.talk("127.1.9.9", "run-s", program(nonceA, look)); got != "file\n"+nonceA+" end\n" {
		t.Errorf("settled: %q", got)
	}
	r.must(command{Do: "start", From: "fresh"})
	if got := r.talk("127.1.9.9", "run-f", program(nonceA, look)); got != nonceA+" end\n" {
		t.Errorf("fresh: %q", got)
	}
	if got := r.must(command{Do: "count"}); got.Connections != 1 || got.Handshakes != 1 || got.Sessions != 1 || got.Answers != 1 || got.Broken != 0 {
		t.Errorf("%+v", got)
	}
}

func TestCommandsEnd(t *testing.T) {
	r := startRig(t)
	for _, host := range []string{"127.1.0.1", "127.1.0.2"} {
		c, err := r.dial(host, r.signer)
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.CombinedOutput("echo one; echo two >&2; exit 3")
		if exit, ok := errors.AsType[*ssh.ExitError](err); !ok || exit.ExitStatus() != 3 || len(out) != len("one\ntwo\n") {
			t.Errorf("%s: %v, %q", host, err, out)
		}
		c.Close()
	}
	if n := r.must(command{Do: "count"}).Recorded; n != 1 {
		t.Errorf("%d events were interpreted", n)
	}
}

func TestFaults(t *testing.T) {
	r := startRig(t)
	r.must(command{Do: "fault", Kind: "drop", Every: 2})
	c, err := r.dial("127.1.0.2", r.signer)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := s.CombinedOutput("echo one"); err == nil || len(out) > 0 {
		t.Errorf("it was not dropped: %q", out)
	}
	c.Close()
	r.talk("127.1.0.1", "odd", program(nonceA, ":"))
	r.must(command{Do: "fault", Kind: "hang", Host: "127.1.0.1"})
	said := make(chan string, 1)
	go func() { said <- r.talk("127.1.0.1", "hung", program(nonceA, "echo late")) }()
	r.talk("127.1.0.2", "even", program(nonceA, "echo soon"))
	select {
	case got := <-said:
		t.Errorf("it did not hang: %q", got)
	default:
	}
	for r.must(command{Do: "count"}).Sessions < 4 { // it has to have begun
		time.Sleep(time.Millisecond)
	}
	r.must(command{Do: "fault"})
	if got := <-said; got != "late\n"+nonceA+" end\n" {
		t.Errorf("%q", got)
	}
}

func TestWrongOrders(t *testing.T) {
	r := startRig(t)
	for _, c := range []command{
		{Do: "dance"}, {Do: "start", From: "yesterday"}, {Do: "start", From: "fresh", RTT: "far"}, {Do: "fault", Kind: "boredom"},
		{Do: "fault", Kind: "slow", Delay: "long"}, {Do: "settle", Host: "somewhere"},
	} {
		if got := r.tell(c); got.Error == "" {
			t.Errorf("%+v was obeyed", c)
		}
	}
	other, _ := newKey(t)
	if _, err := r.dial("127.1.0.1", other); err == nil {
		t.Error("another key was let in")
	}
}
