package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"cvsplay/engine/lab"
)

// A recorder is a simulated machine that really does what a host is told, and tells what it said. It stands in one state at a time; where it is asked
// about another, a new machine is brought there.
type recorder struct {
	prepare string // script that makes a machine what hosts are at first

	at     *state
	fleet  *lab.Lab
	client *ssh.Client
	shells []*shell
}

// record does what leads from one state to the next, and returns what the machine answers.
func (r *recorder) record(from, to *state) (answer, error) {
	if r.at != from || r.fleet == nil {
		if err := r.begin(); err != nil {
			return answer{}, err
		}
		for _, s := range from.path() {
			if _, err := r.do(s); err != nil {
				return answer{}, err
			}
		}
	}
	r.at = nil
	got, err := r.do(to)
	if err == nil {
		r.at = to
	}
	return got, err
}

// begin makes a new machine.
func (r *recorder) begin() error {
	r.close()
	var err error
	if r.fleet, err = lab.Start(lab.Options{Hosts: []lab.HostSpec{{Name: "host", GPU: "none"}}}); err != nil {
		return err
	}
	host := r.fleet.Hosts()[0]
	key, err := ssh.ParsePrivateKey(r.fleet.ClientKey())
	if err != nil {
		return err
	}
	r.client, err = ssh.Dial("tcp", net.JoinHostPort(host.Address(), strconv.Itoa(host.Port())), &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(host.HostKey()),
	})
	if err != nil {
		return err
	}
	s, err := r.client.NewSession()
	if err != nil {
		return err
	}
	defer s.Close()
	if out, err := s.CombinedOutput(r.prepare); err != nil {
		return fmt.Errorf("what is to make it ready: %w: %s", err, out)
	}
	return nil
}

func (r *recorder) close() {
	if r.client != nil {
		_ = r.client.Close() // the machine goes with it
	}
	if r.fleet != nil {
		_ = r.fleet.Close()
	}
	r.client, r.fleet, r.shells, r.at = nil, nil, nil, nil
}

// do carries out the event that leads to a state.
func (r *recorder) do(to *state) (answer, error) {
	e := to.event
	if e.kind == execution {
		sh, err := start(r.client, string(render(e.text, to.words)))
		if err != nil {
			return answer{}, err
		}
		r.shells = append(r.shells, sh)
	}
	if e.session >= len(r.shells) {
		return answer{}, errors.New("no such session")
	}
	sh := r.shells[e.session]
	for _, word := range to.words[min(len(sh.names.words), len(to.words)):] {
		sh.names.number(word)
	}
	if e.kind == input {
		if _, err := sh.in.Write(render(e.text, sh.names.words)); err != nil {
			return answer{}, err
		}
	}
	return sh.answer()
}

// A shell is one session on the machine.
type shell struct {
	session *ssh.Session
	in      io.WriteCloser
	names   names
	marks   int

	mu   sync.Mutex
	seen *sync.Cond
	out  [2]stream
}

// A stream is what came of one output and was not told yet.
type stream struct {
	bytes.Buffer
	over bool
}

func start(c *ssh.Client, command string) (*shell, error) {
	s, err := c.NewSession()
	if err != nil {
		return nil, err
	}
	sh := &shell{session: s}
	sh.seen = sync.NewCond(&sh.mu)
	sh.names.command(command)
	in, err1 := s.StdinPipe()
	stdout, err2 := s.StdoutPipe()
	stderr, err3 := s.StderrPipe()
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	sh.in = in
	go sh.read(&sh.out[0], stdout)
	go sh.read(&sh.out[1], stderr)
	return sh, s.Start(command)
}

func (s *shell) read(to *stream, r io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		s.mu.Lock()
		to.Write(buf[:n])
		to.over = err != nil
		s.seen.Broadcast()
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// patience is how long a machine may take for one event.
const patience = time.Minute

// answer waits for all that the machine says: up to a mark that a shell prints once it has nothing else to do, or to the end.
func (s *shell) answer() (answer, error) {
	s.marks++
	mark := fmt.Sprintf("end-of-answer-%d\n", s.marks)
	fmt.Fprintf(s.in, "echo %[1]s\necho %[1]s >&2\n", mark[:len(mark)-1]) // it cannot be written where the command has ended
	late := false
	limit := time.AfterFunc(patience, func() {
		s.mu.Lock()
		late = true
		s.seen.Broadcast()
		s.mu.Unlock()
	})
	defer limit.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	var texts [2]string
	ended := true
	for i := range s.out {
		o := &s.out[i]
		for !o.over && !bytes.HasSuffix(o.Bytes(), []byte(mark)) && !late {
			s.seen.Wait()
		}
		if late {
			return answer{}, fmt.Errorf("nothing but %.200q in %s", o.String(), patience)
		}
		text, marked := bytes.CutSuffix(o.Bytes(), []byte(mark))
		ended = ended && !marked
		texts[i] = s.names.canonicalOutput(text)
		o.Reset()
	}
	a := answer{stdout: texts[0], stderr: texts[1], ended: ended}
	if ended {
		s.mu.Unlock()
		err := s.session.Wait()
		s.mu.Lock()
		if exit, ok := errors.AsType[*ssh.ExitError](err); ok {
			a.code = exit.ExitStatus()
		} else if err != nil {
			return answer{}, err
		}
	}
	return a, nil
}
