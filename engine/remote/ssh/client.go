package ssh

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// misses is how many keepalives may stay without an answer.
const misses = 3

// A client is one SSH connection that notices when it is dead.
type client struct {
	ssh  *ssh.Client
	raw  net.Conn
	dead chan struct{} // closed when the connection is no more

	mu    sync.Mutex
	cause error

	over sync.WaitGroup
}

func newClient(c *ssh.Client, raw net.Conn, keepalive time.Duration) *client {
	cl := &client{ssh: c, raw: raw, dead: make(chan struct{})}
	cl.over.Go(func() {
		err := c.Wait()
		cl.fail(err)
		close(cl.dead)
	})
	cl.over.Go(func() { cl.keepAlive(keepalive) })
	return cl
}

// keepAlive asks the other side for a sign of life, and ends the connection where there is none. A write to a half-open
// connection may block as well as the wait for the answer: the timer ends both.
func (c *client) keepAlive(interval time.Duration) {
	tick := time.NewTimer(interval)
	defer tick.Stop()
	for {
		select {
		case <-c.dead:
			return
		case <-tick.C:
		}
		lost := time.AfterFunc((misses-1)*interval, func() {
			c.fail(fmt.Errorf("no sign of life for %s", misses*interval))
			c.raw.Close()
		})
		_, _, err := c.ssh.SendRequest("keepalive@openssh.com", true, nil)
		lost.Stop()
		if err != nil {
			return
		}
		tick.Reset(interval)
	}
}

// fail notes why the connection is no more; the first reason counts.
func (c *client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.cause = err
	}
}

// alive tells whether the connection stands, as far as is known.
func (c *client) alive() bool {
	select {
	case <-c.dead:
		return false
	default:
		return true
	}
}

// lost is the reason why the connection is no more.
func (c *client) lost() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		return errors.New("connection lost")
	}
	return fmt.Errorf("connection lost: %w", c.cause)
}

// Close ends the connection and waits until nothing of it is left.
func (c *client) Close() error {
	err := c.ssh.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	c.over.Wait()
	return err
}
