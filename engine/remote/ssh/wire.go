package ssh

import (
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// A wire is the stream that a connection is made on. It notes whether the server spoke SSH at all, and acknowledges at once what comes until the
// first session is open.
//
// OpenSSH's server sends small packets one behind the other, and its kernel holds the second back until the first was acknowledged; ours would
// wait 40 ms with that for something to send along. A server that has begun a session does so no longer.
type wire struct {
	net.Conn
	way    time.Duration // how long it took to connect: a round trip
	spoke  atomic.Bool
	head   []byte // of what was read until then; the handshake reads from one goroutine
	prompt func() // acknowledges what came; nil where the stream has no such thing
	calm   atomic.Bool
}

func newWire(conn net.Conn, way time.Duration) *wire {
	w := &wire{Conn: conn, way: way}
	if tcp, ok := conn.(*net.TCPConn); ok {
		w.prompt = prompt(tcp)
	}
	return w
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if w.prompt != nil && !w.calm.Load() {
		w.prompt()
	}
	if n > 0 && !w.spoke.Load() {
		w.head = append(w.head, p[:n]...)
		if strings.Contains(string(w.head), "SSH-") || len(w.head) > 1<<10 {
			w.spoke.Store(true)
			w.head = nil
		}
	}
	return n, err
}
