// Command floor is what a run cannot cost less than: it asks every host what the standard play asks, and does nothing else. There is no
// playbook, no inventory, no plan, no judgement, and none of cvsplay's engine in it; the SSH library, the keys and the rule by which handshakes are
// limited are the same.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

//go:embed questions.sh
var questions string

func main() {
	var f floor
	flag.StringVar(&f.mode, "mode", "script", "script: one command that asks all; shell: one shell, a round trip for each step; channels: a command for each step; connect: nothing")
	flag.StringVar(&f.user, "user", "root", "who logs in")
	flag.StringVar(&f.base, "base", "", "the folder of the play on the hosts")
	flag.IntVar(&f.gate.limit, "handshakes", 0, "how many hosts shake hands at a time; 0: as many as the processors bear")
	hosts, key := flag.String("hosts", "", "file of host:port lines"), flag.String("key", "", "file of the private key")
	known := flag.String("known-hosts", "", "known_hosts file, with plain names")
	flag.Parse()
	if err := f.run(*hosts, *key, *known); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

type floor struct {
	mode, user, base string
	signer           ssh.Signer
	known            map[string]ssh.PublicKey // by "[address]:port"
	gate             gate
}

func (f *floor) run(hostFile, keyFile, knownFile string) error {
	list, err1 := os.ReadFile(hostFile)
	key, err2 := os.ReadFile(keyFile)
	lines, err3 := os.ReadFile(knownFile)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	var err error
	if f.signer, err = ssh.ParsePrivateKey(key); err != nil {
		return err
	}
	f.known = map[string]ssh.PublicKey{}
	for len(lines) > 0 {
		_, names, public, _, rest, err := ssh.ParseKnownHosts(lines)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		lines = rest
		for _, name := range names {
			f.known[name] = public
		}
	}
	f.gate.open()
	hosts := strings.Fields(string(list))
	answers, errs := make([]string, len(hosts)), make([]error, len(hosts))
	var all sync.WaitGroup
	for i, host := range hosts {
		all.Go(func() { answers[i], errs[i] = f.host(host) })
	}
	all.Wait()
	different := map[string]int{}
	for _, a := range answers {
		different[a]++
	}
	if err := json.NewEncoder(os.Stdout).Encode(different); err != nil { // how many hosts gave each answer, by its hash
		return err
	}
	return errors.Join(errs...)
}

// host asks one host, and hashes what it says.
func (f *floor) host(addr string) (string, error) {
	client, err := f.dial(addr)
	if err != nil {
		return "", fmt.Errorf("%s: %w", addr, err)
	}
	defer client.Close()
	steps := strings.Split(strings.TrimSpace(questions), "\n\n")[1:]
	set := "B='" + f.base + "'\n"
	sum := sha256.New()
	switch f.mode {
	case "script":
		err = execute(client, set+strings.Join(steps, "\n"), sum)
	case "channels":
		for _, step := range steps {
			err = errors.Join(err, execute(client, set+step, sum))
		}
	case "shell":
		err = converse(client, append([]string{set}, steps...), sum)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", addr, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func (f *floor) dial(addr string) (*ssh.Client, error) {
	f.gate.enter()
	defer f.gate.leave()
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	host, port, _ := strings.Cut(addr, ":")
	public := f.known["["+host+"]:"+port]
	if public == nil {
		conn.Close()
		return nil, errors.New("unknown host")
	}
	c, chans, reqs, err := ssh.NewClientConn(conn, addr, &ssh.ClientConfig{
		User: f.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(f.signer)}, HostKeyCallback: ssh.FixedHostKey(public),
		HostKeyAlgorithms: []string{public.Type()}, Timeout: time.Minute,
	})
	if err != nil {
		return nil, err
	}
	return ssh.NewClient(c, chans, reqs), nil
}

// A gate limits how many hosts shake hands at a time. Where no number is given, it follows cvsplay's rule: more while the processors have time, fewer while
// they have none.
type gate struct {
	mu            sync.Mutex
	left          *sync.Cond
	limit, inside int
}

func (g *gate) open() {
	g.left = sync.NewCond(&g.mu)
	if g.limit > 0 {
		return
	}
	n := runtime.GOMAXPROCS(0)
	g.limit = 16 * n
	go func() {
		const tick = 25 * time.Millisecond
		for used := cpuTime(); ; time.Sleep(tick) {
			now := cpuTime()
			busy := float64(now-used) / float64(tick) / float64(n)
			used = now
			g.mu.Lock()
			if busy < 0.7 {
				g.limit = min(g.limit*3/2, 128*n)
			} else if busy > 0.9 {
				g.limit = max(g.limit*3/4, 8*n)
			}
			g.left.Broadcast()
			g.mu.Unlock()
		}
	}()
}

func (g *gate) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.inside >= g.limit {
		g.left.Wait()
	}
	g.inside++
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.left.Signal()
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// execute runs one script by one command, whatever its exit code.
func execute(c *ssh.Client, script string, to io.Writer) error {
	s, err := c.NewSession()
	if err != nil {
		return err
	}
	defer s.Close()
	out, err := s.Output("exec /bin/sh -c '" + strings.ReplaceAll(script, "'", `'\''`) + "'")
	_, _ = to.Write(out) // a hash takes all
	if _, failed := errors.AsType[*ssh.ExitError](err); failed {
		return nil
	}
	return err
}

// converse asks one shell each step, and waits for its answer before the next.
func converse(c *ssh.Client, steps []string, to io.Writer) error {
	s, err := c.NewSession()
	if err != nil {
		return err
	}
	defer s.Close()
	in, err1 := s.StdinPipe()
	out, err2 := s.StdoutPipe()
	if err := errors.Join(err1, err2, s.Start("exec /bin/sh")); err != nil {
		return err
	}
	const end = "end of answer\n"
	r := bufio.NewReader(out)
	for _, step := range steps {
		if _, err := fmt.Fprintf(in, "{ %s\n} </dev/null\necho %s", step, end); err != nil {
			return err
		}
		for {
			line, err := r.ReadBytes('\n')
			if err != nil {
				return err
			}
			if bytes.Equal(line, []byte(end)) {
				break
			}
			_, _ = to.Write(line)
		}
	}
	return nil
}
