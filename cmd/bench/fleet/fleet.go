package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// A fleet is many simulated hosts behind one listener: every address of 127.0.0.0/8 is one, with the same port and the same host key.
type fleet struct {
	listener net.Listener
	server   *ssh.ServerConfig
	signer   ssh.Signer // the host key of all
	answers  *answers

	rtt    atomic.Int64 // nanoseconds, for connections to come
	fault  atomic.Pointer[fault]
	counts counts

	mu    sync.Mutex
	hosts map[netip.Addr]*host
	first *state // of hosts that nobody has asked yet
}

// A host is what one address has come to. Its connections may be several.
type host struct {
	mu    sync.Mutex
	state *state
}

func (h *host) now() *state {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state
}

// counts are of what the fleet saw since it was last set back.
type counts struct {
	connections, handshakes, sessions, answers, broken atomic.Int64
}

func newFleet(listener net.Listener, client ssh.PublicKey, prepare string) (*fleet, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, err
	}
	f := &fleet{listener: listener, signer: key, answers: newAnswers(&recorder{prepare: prepare}), hosts: map[netip.Addr]*host{}}
	f.first = f.answers.fresh
	f.server = &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-fleet",
		PublicKeyCallback: func(_ ssh.ConnMetadata, offered ssh.PublicKey) (*ssh.Permissions, error) {
			if !bytes.Equal(offered.Marshal(), client.Marshal()) {
				return nil, fmt.Errorf("another key")
			}
			return &ssh.Permissions{}, nil
		},
	}
	f.server.AddHostKey(key)
	return f, nil
}

// serve accepts connections until the listener is closed.
func (f *fleet) serve() error {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return err
		}
		local, ok := conn.LocalAddr().(*net.TCPAddr)
		if !ok || !local.IP.IsLoopback() { // the listener is open to all interfaces, the fleet is not
			_ = conn.Close()
			continue
		}
		f.counts.connections.Add(1)
		addr := local.AddrPort().Addr().Unmap()
		if rtt := time.Duration(f.rtt.Load()); rtt > 0 {
			time.AfterFunc(rtt, func() { f.connection(&lateConn{Conn: conn, delay: rtt}, addr) }) // TCP's own round trip
			continue
		}
		go f.connection(conn, addr)
	}
}

func (f *fleet) host(addr netip.Addr) *host {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.hosts[addr]
	if h == nil {
		h = &host{state: f.first}
		f.hosts[addr] = h
	}
	return h
}

func (f *fleet) connection(conn net.Conn, addr netip.Addr) {
	defer conn.Close()
	sc, channels, requests, err := ssh.NewServerConn(conn, f.server)
	if err != nil {
		f.counts.broken.Add(1)
		return
	}
	f.counts.handshakes.Add(1)
	defer sc.Close()
	go ssh.DiscardRequests(requests)
	h := f.host(addr)
	for ch := range channels {
		if ch.ChannelType() != "session" {
			_ = ch.Reject(ssh.UnknownChannelType, "only sessions") // the client is gone where this fails
			continue
		}
		channel, requests, err := ch.Accept()
		if err != nil {
			return
		}
		f.counts.sessions.Add(1)
		s := &session{fleet: f, host: h, channel: channel, fault: f.fault.Load().on(addr)}
		go s.serve(requests)
	}
}

// A session is one command under way on a host.
type session struct {
	fleet   *fleet
	host    *host
	channel ssh.Channel
	number  int
	names   names
	fault   *fault // nil: none
	hung    bool   // it has
}

func (s *session) serve(requests <-chan *ssh.Request) {
	defer s.channel.Close()
	for r := range requests {
		if r.Type != "exec" {
			if r.WantReply {
				_ = r.Reply(false, nil)
			}
			continue
		}
		go s.refuse(requests)
		if r.WantReply {
			_ = r.Reply(true, nil)
		}
		if len(r.Payload) < 4 || int(binary.BigEndian.Uint32(r.Payload)) != len(r.Payload)-4 {
			return
		}
		if over, err := s.begin(string(r.Payload[4:])); over || err != nil {
			return
		}
		s.feed()
		return
	}
}

// refuse answers what comes after the command.
func (s *session) refuse(requests <-chan *ssh.Request) {
	for r := range requests {
		if r.WantReply {
			_ = r.Reply(false, nil)
		}
	}
}

func (s *session) begin(command string) (over bool, err error) {
	s.names.command(command)
	s.number = s.host.now().sessions
	return s.step(execution, []byte(command))
}

// feed gives the command its input, as soon as there are whole statements of it. With the end of that it ends, well.
func (s *session) feed() {
	var text []byte
	buf := make([]byte, 8<<10)
	for {
		n, err := s.channel.Read(buf)
		text = append(text, buf[:n]...)
		state := s.host.now()
		if len(text) > 0 && (errors.Is(err, io.EOF) || s.fleet.answers.isWhole(state, text)) {
			if over, err := s.step(input, text); over || err != nil {
				return
			}
			text = text[:0]
		}
		if err != nil {
			_ = s.exit(0) // the client may be gone
			return
		}
	}
}

// step brings the host on by an event, and says what follows from it.
func (s *session) step(kind eventKind, text []byte) (over bool, err error) {
	e := event{session: s.number, kind: kind, text: s.names.canonical(text)}
	s.host.mu.Lock()
	to, err := s.fleet.answers.after(s.host.state, e, len(text), &s.names)
	if err == nil {
		s.host.state = to
	}
	s.host.mu.Unlock()
	if err != nil {
		fmt.Fprintln(s.channel.Stderr(), "fleet:", err)
		s.fleet.counts.broken.Add(1)
		return true, err
	}
	a := &to.answer
	if a.ended || a.stdout != "" || a.stderr != "" {
		if s.suffers() {
			return true, nil
		}
		s.fleet.counts.answers.Add(1)
	}
	if err := s.say(s.channel.Stderr(), a.stderr); err != nil {
		return true, err
	}
	if err := s.say(s.channel, a.stdout); err != nil {
		return true, err
	}
	if !a.ended {
		return false, nil
	}
	return true, s.exit(a.code)
}

func (s *session) exit(code int) error {
	_, err := s.channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(code)}))
	return err
}

func (s *session) say(w io.Writer, canonical string) error {
	if canonical == "" {
		return nil
	}
	_, err := w.Write(render(canonical, s.names.words))
	return err
}

// suffers brings the host's fault about; true where the session ends with it.
func (s *session) suffers() bool {
	if s.fault == nil {
		return false
	}
	switch s.fault.kind {
	case "drop":
		return true
	case "hang":
		if s.hung {
			return false
		}
		s.hung = true
	}
	var late <-chan time.Time
	if s.fault.delay > 0 {
		late = time.After(s.fault.delay)
	}
	select {
	case <-late:
	case <-s.fault.over:
	}
	return false
}

// A fault is what goes wrong on some hosts.
type fault struct {
	kind  string        // "hang": the first answer is late; "slow": every answer is; "drop": the session ends in the place of an answer
	over  chan struct{} // closed when another fault, or none, takes its place: what waits goes on
	host  netip.Addr    // the one that has it; the zero Addr: see every
	every uint32        // or one address in so many
	delay time.Duration // for "hang" and "slow"; 0: until it is over
}

// on is the fault of one host; nil where it has none.
func (f *fault) on(addr netip.Addr) *fault {
	if f == nil {
		return nil
	}
	if f.host.IsValid() {
		if f.host == addr {
			return f
		}
		return nil
	}
	b := addr.As4()
	if f.every > 0 && binary.BigEndian.Uint32(b[:])%f.every == 0 {
		return f
	}
	return nil
}

// suffer makes a fault that of the connections to come; nil: none.
func (f *fleet) suffer(next *fault) {
	if last := f.fault.Swap(next); last != nil {
		close(last.over)
	}
}

// start sets every host back: to a machine that nobody has touched, or to one that has settled.
func (f *fleet) start(at *state) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.first = at
	clear(f.hosts)
	f.counts.connections.Store(0)
	f.counts.handshakes.Store(0)
	f.counts.sessions.Store(0)
	f.counts.answers.Store(0)
	f.counts.broken.Store(0)
}

// listen opens a port on all addresses of this machine; those that are not loopback's are turned away.
func listen(ctx context.Context) (net.Listener, error) {
	var config net.ListenConfig
	return config.Listen(ctx, "tcp4", ":0")
}
