package main

import (
	"net"
	"sync"
	"time"
)

// A lateConn is a connection from far away: what the fleet says on it is delivered a whole round trip later, in order and whatever there is of it.
//
// Who is at the other end cannot tell this from half a round trip in each direction. What TCP itself takes, a round trip before the
// first byte, has no place here: whoever accepts the connection waits for that before it serves.
type lateConn struct {
	net.Conn
	delay time.Duration

	mu    sync.Mutex
	queue []lateBytes
	armed bool // a timer will deliver the front of the queue
	err   error
}

type lateBytes struct {
	due  time.Time
	data []byte
}

// Write queues p. An error is that of an earlier write.
func (c *lateConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	c.queue = append(c.queue, lateBytes{time.Now().Add(c.delay), append([]byte(nil), p...)})
	if !c.armed {
		c.armed = true
		time.AfterFunc(c.delay, c.deliver)
	}
	return len(p), nil
}

// deliver writes all that is due. One call is under way at a time.
func (c *lateConn) deliver() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, n := time.Now(), 0
	var data []byte
	for n < len(c.queue) && !c.queue[n].due.After(now) {
		data = append(data, c.queue[n].data...)
		n++
	}
	c.queue = c.queue[n:]
	if len(data) > 0 {
		c.mu.Unlock()
		_, err := c.Conn.Write(data)
		c.mu.Lock()
		if err != nil {
			c.err, c.queue = err, nil
		}
	}
	if c.armed = len(c.queue) > 0; c.armed {
		time.AfterFunc(time.Until(c.queue[0].due), c.deliver)
	}
}
