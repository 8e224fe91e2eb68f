package remotetest

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A Proxy is a TCP proxy on 127.0.0.1 that injects faults into the connections through it. Faults can be set while
// connections are open, and hold for those and for later ones.
type Proxy struct {
	Host string
	Port int

	listener net.Listener
	target   string

	mu     sync.Mutex
	wake   *sync.Cond
	faults Faults
	passed [2]int64 // bytes, by direction, over all connections
	conns  map[net.Conn]bool
	closed bool
	dialed int
}

// Faults are what a Proxy does to connections. The zero value does nothing.
type Faults struct {
	Delay     time.Duration // that every byte is under way, in either direction: half of a round trip
	BlackHole bool          // nothing is passed on any more, and nothing is closed: a half-open connection
	CutAfter  int64         // after so many bytes from the server all is reset; 0: never
	Drip      time.Duration // between two single bytes from the server; 0: no drip
	Refuse    int           // so many connections are closed at once, before a byte
}

// NewProxy starts a proxy to a server for the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, listener: l, target: target, conns: map[net.Conn]bool{}}
	p.wake = sync.NewCond(&p.mu)
	go p.accept()
	t.Cleanup(p.Close)
	return p
}

// Set replaces the faults.
func (p *Proxy) Set(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
	p.wake.Broadcast()
}

// Dialed is how many connections came in.
func (p *Proxy) Dialed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dialed
}

// FromServer is how many bytes were passed on from the server.
func (p *Proxy) FromServer() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed[1]
}

// ToServer is how many bytes were passed on to the server.
func (p *Proxy) ToServer() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed[0]
}

// Reset cuts all connections with a TCP reset.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reset()
}

func (p *Proxy) reset() {
	for c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // it fails on a connection that is gone already
		}
		c.Close()
	}
	p.conns = map[net.Conn]bool{}
	p.wake.Broadcast()
}

// HalfClose closes the direction from the server to the client of all connections, as a server does that ends.
func (p *Proxy) HalfClose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.CloseWrite() // it fails on a connection that is gone already
		}
	}
}

// Close ends the proxy and all connections.
func (p *Proxy) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.listener.Close()
	p.reset()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.refuses() {
			client.Close()
			continue
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil || !p.keep(client, server) {
			client.Close()
			continue
		}
		go p.pass(server, client, 0)
		go p.pass(client, server, 1)
	}
}

func (p *Proxy) refuses() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialed++
	if p.faults.Refuse == 0 {
		return false
	}
	p.faults.Refuse--
	return true
}

func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.closed {
			c.Close()
			continue
		}
		p.conns[c] = true
	}
	return !p.closed
}

// A piece is some bytes on their way, or the end of them.
type piece struct {
	bytes []byte
	due   time.Time
	err   error
}

// pass carries one direction: 0 to the server, 1 from it.
func (p *Proxy) pass(to, from net.Conn, direction int) {
	way := make(chan piece, 1000) // what is under way in a delay
	go func() {
		defer close(way)
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(p.piece(buf, direction))
			way <- piece{bytes: buf[:n], due: time.Now().Add(p.delay()), err: err}
			if err != nil {
				return
			}
		}
	}()
	open := true
	for piece := range way {
		time.Sleep(time.Until(piece.due))
		open = open && (len(piece.bytes) == 0 || p.deliver(to, piece.bytes, direction))
		if open && piece.err != nil {
			p.end(to, piece.err)
		}
	}
}

func (p *Proxy) delay() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults.Delay
}

func (p *Proxy) piece(buf []byte, direction int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if direction == 1 && p.faults.Drip > 0 {
		return buf[:1]
	}
	return buf
}

// deliver passes a piece on, as the faults want it.
func (p *Proxy) deliver(to net.Conn, b []byte, direction int) bool {
	p.mu.Lock()
	drip := p.faults.Drip
	p.mu.Unlock()
	if direction == 1 {
		time.Sleep(drip)
	}
	p.mu.Lock()
	for p.faults.BlackHole && p.conns[to] {
		p.wake.Wait()
	}
	if cut := p.faults.CutAfter; direction == 1 && cut > 0 && p.passed[1]+int64(len(b)) > cut {
		b = b[:max(0, cut-p.passed[1])]
		p.mu.Unlock()
		_, _ = to.Write(b) // the connection is cut either way
		p.Reset()
		return false
	}
	p.passed[direction] += int64(len(b))
	p.mu.Unlock()
	_, err := to.Write(b)
	return err == nil
}

func (p *Proxy) end(to net.Conn, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.faults.BlackHole && p.conns[to] {
		p.wake.Wait()
	}
	if tcp, ok := to.(*net.TCPConn); ok && errors.Is(err, io.EOF) {
		_ = tcp.CloseWrite() // it fails on a connection that is gone already
		return
	}
	to.Close()
}

// Silent listens on 127.0.0.1 and takes connections without ever saying a word. It returns its port.
func Silent(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var conns []net.Conn
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			c.Close()
		}
	})
	return l.Addr().(*net.TCPAddr).Port
}
