package lab

import (
	"net"
	"sync"
	"time"
)

// delayedConn delivers what was sent a while later: a host far away. Its throughput is not limited.
type delayedConn struct {
	net.Conn
	delay time.Duration

	once   sync.Once
	queue  chan delayedWrite
	closed chan struct{}
}

type delayedWrite struct {
	due  time.Time
	data []byte
}

func newDelayedConn(conn net.Conn, delay time.Duration) *delayedConn {
	c := &delayedConn{Conn: conn, delay: delay, queue: make(chan delayedWrite, 1024), closed: make(chan struct{})}
	go c.deliver()
	return c
}

func (c *delayedConn) deliver() {
	for {
		select {
		case w := <-c.queue:
			time.Sleep(time.Until(w.due))
			if _, err := c.Conn.Write(w.data); err != nil {
				_ = c.Close()
				return
			}
		case <-c.closed:
			return
		}
	}
}

// Write queues p.
func (c *delayedConn) Write(p []byte) (int, error) {
	select {
	case c.queue <- delayedWrite{time.Now().Add(c.delay), append([]byte(nil), p...)}:
		return len(p), nil
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

// Close closes the connection after what is queued, or at once where the other side is gone.
func (c *delayedConn) Close() error {
	c.once.Do(func() {
		deadline := time.Now().Add(c.delay)
		go func() {
			for len(c.queue) > 0 && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond)
			}
			close(c.closed)
			_ = c.Conn.Close()
		}()
	})
	return nil
}
