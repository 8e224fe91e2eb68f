package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// misses is how many keepalives may stay without an answer.
const misses = 3

// A client is one SSH connection that notices when it is dead. While nothing happens on it, it takes one goroutine of ours.
type client struct {
	ssh  ssh.Conn
	raw  *wire
	dead chan struct{} // closed when the connection is no more

	interval time.Duration // between keepalives

	mu    sync.Mutex
	cause error
	beat  *time.Timer // the next keepalive

	tunnels func() *ssh.Client // makes connections through this one

	over sync.WaitGroup
}

func newClient(c ssh.Conn, chans <-chan ssh.NewChannel, reqs <-chan *ssh.Request, raw *wire, keepalive time.Duration) *client {
	cl := &client{ssh: c, raw: raw, dead: make(chan struct{}), interval: keepalive}
	cl.tunnels = sync.OnceValue(cl.newTunnels)
	cl.over.Go(func() { cl.serve(chans, reqs) })
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.beat = time.AfterFunc(keepalive, cl.keepAlive)
	return cl
}

// serve says no to whatever the server asks of us, until the connection is no more.
func (c *client) serve(chans <-chan ssh.NewChannel, reqs <-chan *ssh.Request) {
	for chans != nil || reqs != nil {
		select {
		case ch, ok := <-chans:
			if !ok {
				chans = nil
				continue
			}
			_ = ch.Reject(ssh.UnknownChannelType, "unknown channel type") // it fails once the connection is lost, which ends the loop
		case r, ok := <-reqs:
			if !ok {
				reqs = nil
			} else if r.WantReply {
				_ = r.Reply(false, nil) // as above
			}
		}
	}
	c.fail(c.ssh.Wait())
	close(c.dead)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beat.Stop()
}

// keepAlive asks the other side for a sign of life, and ends the connection where there is none. A write to a half-open
// connection may block as well as the wait for the answer: the timer ends both.
func (c *client) keepAlive() {
	c.mu.Lock()
	if !c.alive() {
		c.mu.Unlock()
		return
	}
	c.over.Add(1)
	c.mu.Unlock()
	defer c.over.Done()
	lost := time.AfterFunc((misses-1)*c.interval, func() {
		c.fail(fmt.Errorf("no sign of life for %s", misses*c.interval))
		c.raw.Close()
	})
	_, _, err := c.ssh.SendRequest("keepalive@openssh.com", true, nil)
	lost.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && c.alive() {
		c.beat.Reset(c.interval)
	}
}

// newTunnels is the connection as one that others go through.
func (c *client) newTunnels() *ssh.Client {
	chans, reqs := make(chan ssh.NewChannel), make(chan *ssh.Request)
	close(chans) // what comes in is served already
	close(reqs)
	return ssh.NewClient(c.ssh, chans, reqs)
}

// farAway is the round trip from which on a host's processes cost less than one more of it.
const farAway = 8 * time.Millisecond

// far tells whether the host is far away, and of the kind for which that matters.
func (c *client) far() bool {
	return c.raw.way >= farAway && strings.HasPrefix(string(c.ssh.ServerVersion()), "SSH-2.0-OpenSSH_")
}

// dial makes a connection through this one.
func (c *client) dial(ctx context.Context, addr string) (net.Conn, error) {
	return c.tunnels().DialContext(ctx, "tcp", addr)
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
	<-c.dead
	c.over.Wait()
	return err
}
