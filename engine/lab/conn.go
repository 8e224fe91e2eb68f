package lab

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// virtualConn is one side of a buffered connection inside the lab. A buffer is needed because both sides of SSH speak first.
type virtualConn struct {
	in, out *pipe

	mu       sync.Mutex
	deadline time.Time
}

func newConnPair() (a, b net.Conn) {
	x, y := newPipe(), newPipe()
	return &virtualConn{in: x, out: y}, &virtualConn{in: y, out: x}
}

func (c *virtualConn) limit() (context.Context, context.CancelFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deadline.IsZero() {
		return context.Background(), func() {}
	}
	return context.WithDeadline(context.Background(), c.deadline)
}

func (c *virtualConn) Read(p []byte) (int, error) {
	ctx, cancel := c.limit()
	defer cancel()
	n, err := c.in.read(ctx, p)
	return n, connError(err)
}

func (c *virtualConn) Write(p []byte) (int, error) {
	ctx, cancel := c.limit()
	defer cancel()
	n, err := c.out.write(ctx, p)
	return n, connError(err)
}

func connError(err error) error {
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return err
	case errors.Is(err, syscall.EINTR):
		return os.ErrDeadlineExceeded
	}
	return &net.OpError{Op: "write", Net: "lab", Err: err}
}

func (c *virtualConn) Close() error {
	c.in.closeRead()
	c.out.closeWrite()
	return nil
}

func (c *virtualConn) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *virtualConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// SetDeadline limits the reads and writes that begin after it.
func (c *virtualConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return nil
}

func (c *virtualConn) SetReadDeadline(t time.Time) error  { return c.SetDeadline(t) }
func (c *virtualConn) SetWriteDeadline(t time.Time) error { return c.SetDeadline(t) }
