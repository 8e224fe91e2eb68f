package lab

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// virtualConn is one side of a connection inside this process. What is sent waits in a buffer, as in a socket's: both sides of SSH speak first.
type virtualConn struct {
	in, out       *byteQueue
	local, remote net.Addr
}

// newConnPair makes both sides of a connection: that of who dials, and that of the host at the other end.
func newConnPair(far net.Addr) (dialed, accepted net.Conn) {
	to, from, near := newByteQueue(), newByteQueue(), virtualAddr("lab:0")
	return &virtualConn{in: from, out: to, local: near, remote: far}, &virtualConn{in: to, out: from, local: far, remote: near}
}

// virtualAddr is a host and port of the lab.
type virtualAddr string

// Network is that which the address stands for.
func (virtualAddr) Network() string  { return "tcp" }
func (a virtualAddr) String() string { return string(a) }

func (c *virtualConn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.failure("read", err)
}

func (c *virtualConn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.failure("write", err)
}

func (c *virtualConn) failure(op string, err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // readers compare it
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// Close lets the other side read what was sent, and then nothing more.
func (c *virtualConn) Close() error {
	c.in.closeRead()
	c.out.closeWrite()
	return nil
}

// LocalAddr is the address of this side.
func (c *virtualConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the address of the other side.
func (c *virtualConn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline ends what waits by then, and all that comes after.
func (c *virtualConn) SetDeadline(t time.Time) error {
	c.in.reads.set(c.in, t)
	c.out.writes.set(c.out, t)
	return nil
}

// SetReadDeadline is SetDeadline for reads.
func (c *virtualConn) SetReadDeadline(t time.Time) error {
	c.in.reads.set(c.in, t)
	return nil
}

// SetWriteDeadline is SetDeadline for writes.
func (c *virtualConn) SetWriteDeadline(t time.Time) error {
	c.out.writes.set(c.out, t)
	return nil
}

// A byteQueue is one direction of a connection. While nothing is on its way it holds no memory to speak of: ten thousand hosts are idle most of the time.
type byteQueue struct {
	mu      sync.Mutex
	changed sync.Cond
	buf     []byte
	off     int // of buf, what was read
	ended   bool
	unread  bool // nobody reads any more
	reads   limit
	writes  limit
}

const (
	queueCapacity = 256 << 10 // bytes on their way, as much as sockets on loopback take
	queueKept     = 1 << 10   // of an empty buffer
)

func newByteQueue() *byteQueue {
	q := &byteQueue{}
	q.changed.L = &q.mu
	return q
}

func (q *byteQueue) read(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case q.unread:
			return 0, net.ErrClosed
		case q.reads.over:
			return 0, os.ErrDeadlineExceeded
		case q.off < len(q.buf):
			n := copy(p, q.buf[q.off:])
			q.off += n
			if q.off == len(q.buf) {
				q.empty()
			}
			q.changed.Broadcast()
			return n, nil
		case q.ended:
			return 0, io.EOF
		}
		q.changed.Wait()
	}
}

func (q *byteQueue) empty() {
	q.buf, q.off = q.buf[:0], 0
	if cap(q.buf) > queueKept {
		q.buf = nil
	}
}

func (q *byteQueue) write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	done := 0
	for {
		switch {
		case q.ended:
			return done, net.ErrClosed
		case q.unread:
			return done, os.NewSyscallError("write", syscall.EPIPE)
		case q.writes.over:
			return done, os.ErrDeadlineExceeded
		case done == len(p):
			return done, nil
		}
		if room := queueCapacity - (len(q.buf) - q.off); room > 0 {
			if q.off > 0 {
				q.buf = append(q.buf[:0], q.buf[q.off:]...)
				q.off = 0
			}
			n := min(room, len(p)-done)
			q.buf = append(q.buf, p[done:done+n]...)
			done += n
			q.changed.Broadcast()
			continue
		}
		q.changed.Wait()
	}
}

func (q *byteQueue) closeWrite() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.writes.stop()
	q.changed.Broadcast()
}

func (q *byteQueue) closeRead() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unread = true
	q.buf, q.off = nil, 0
	q.reads.stop()
	q.changed.Broadcast()
}

// A limit is the deadline of one end of a queue. Its queue's lock guards it.
type limit struct {
	over  bool
	timer *time.Timer
}

func (l *limit) stop() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}

// set makes t the deadline; zero is none.
func (l *limit) set(q *byteQueue, t time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l.stop()
	l.over = !t.IsZero() && !time.Now().Before(t)
	if !t.IsZero() && !l.over {
		var mine *time.Timer
		mine = time.AfterFunc(time.Until(t), func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			if l.timer == mine {
				l.over = true
				q.changed.Broadcast()
			}
		})
		l.timer = mine
	}
	q.changed.Broadcast()
}
