// Command fleet is the simulated hosts of the benchmark, in a process of their own: thousands of SSH servers that answer at next to no cost, so that
// what is measured is who asks.
//
// Every address of 127.0.0.0/8 is a host, for the one key that the command is given. What scripts do is found out once, by an embedded lab
// host that interprets them, and is repeated from then on wherever a host in the same state is told the same. Nothing is forked, and nothing
// of this machine is read or changed.
//
// It is told what to do by lines of JSON on standard input, answers each with one on standard output, and ends with its input.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"time"

	"golang.org/x/crypto/ssh"
)

func main() {
	key := flag.String("authorized", "", "the public key that may log in, as in authorized_keys")
	prepare := flag.String("prepare", ":", "a script that makes a fresh host ready")
	flag.Parse()
	debug.SetGCPercent(400) // the simulation's memory is not what is measured, and its CPU is in the way
	if err := run(*key, *prepare, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

// A command is one line of standard input.
type command struct {
	Do    string `json:"do"`              // "start", "settle", "fault", "count"
	From  string `json:"from,omitempty"`  // start: "fresh" or "settled"
	RTT   string `json:"rtt,omitempty"`   // start: added round-trip time
	Host  string `json:"host,omitempty"`  // settle: whose state all hosts get by "settled"; fault: who has it
	Kind  string `json:"kind,omitempty"`  // fault: "hang", "slow", "drop"; "": none
	Every uint32 `json:"every,omitempty"` // fault: one host in so many has it
	Delay string `json:"delay,omitempty"` // fault: how late it answers; "": when the fault is over
}

// A reply is one line of standard output; the first one comes unasked.
type reply struct {
	Error string `json:"error,omitempty"`
	Port  int    `json:"port"`
	Key   string `json:"key"` // of all hosts, as in known_hosts

	Connections int64 `json:"connections"`
	Handshakes  int64 `json:"handshakes"` // that came to their end
	Sessions    int64 `json:"sessions"`
	Answers     int64 `json:"answers"`  // to programs and commands
	Broken      int64 `json:"broken"`   // handshakes and sessions that failed
	Recorded    int   `json:"recorded"` // events that were interpreted, since the fleet began
}

func run(authorized, prepare string, in io.Reader, out io.Writer) error {
	client, _, _, _, err := ssh.ParseAuthorizedKey([]byte(authorized))
	if err != nil {
		return fmt.Errorf("-authorized: %w", err)
	}
	l, err := listen(context.Background())
	if err != nil {
		return err
	}
	defer l.Close()
	f, err := newFleet(l, client, prepare)
	if err != nil {
		return err
	}
	defer f.answers.close()
	served := make(chan error, 1)
	go func() { served <- f.serve() }()
	encoder := json.NewEncoder(out)
	if err := encoder.Encode(f.reply(nil)); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var c command
		err := json.Unmarshal(lines.Bytes(), &c)
		if err == nil {
			err = f.obey(c)
		}
		if err := encoder.Encode(f.reply(err)); err != nil {
			return err
		}
	}
	l.Close()
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		return err
	}
	return lines.Err()
}

func (f *fleet) reply(err error) reply {
	r := reply{
		Port: f.listener.Addr().(*net.TCPAddr).Port, Key: string(ssh.MarshalAuthorizedKey(f.signer.PublicKey())),
		Connections: f.counts.connections.Load(), Handshakes: f.counts.handshakes.Load(), Sessions: f.counts.sessions.Load(),
		Answers: f.counts.answers.Load(), Broken: f.counts.broken.Load(), Recorded: f.answers.count(),
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

func (f *fleet) obey(c command) error {
	switch c.Do {
	case "start":
		return f.restart(c)
	case "settle":
		addr, err := netip.ParseAddr(c.Host)
		if err == nil {
			f.answers.settle(f.host(addr).now())
		}
		return err
	case "fault":
		to, err := c.fault()
		if err == nil {
			f.suffer(to)
		}
		return err
	case "count":
		return nil
	}
	return fmt.Errorf("%q is nothing that a fleet can do", c.Do)
}

func (f *fleet) restart(c command) error {
	rtt, err := optional(c.RTT)
	if err != nil {
		return err
	}
	f.rtt.Store(int64(rtt))
	switch c.From {
	case "fresh":
		f.start(f.answers.fresh)
	case "settled":
		f.start(f.answers.settledState())
	default:
		return fmt.Errorf("from %q: it is fresh or settled", c.From)
	}
	return nil
}

// fault is the one that a command orders; nil for none.
func (c command) fault() (*fault, error) {
	delay, err := optional(c.Delay)
	if err != nil {
		return nil, err
	}
	switch c.Kind {
	case "":
		return nil, nil
	case "hang", "slow", "drop":
	default:
		return nil, fmt.Errorf("no fault is called %q", c.Kind)
	}
	f := &fault{kind: c.Kind, every: c.Every, delay: delay, over: make(chan struct{})}
	if c.Host != "" {
		f.host, err = netip.ParseAddr(c.Host)
	}
	return f, err
}

// optional is a duration; 0 where nothing is said.
func optional(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	return time.ParseDuration(text)
}
