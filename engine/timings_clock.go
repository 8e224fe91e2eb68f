package engine

import (
	"sync"
	"time"
)

// A phase is what a host's time goes to.
type phase int

// The phases in the order in which a step can go through them.
const (
	queueing phase = iota // for a place under --parallel
	placing               // for a place among the hosts that shake hands
	dialling
	shaking  // keys and authentication
	deciding // expressions, modules, and all else that this machine does for the host
	asking   // the host, or a registry
	acting
	pausing // between two attempts
	waiting // for other hosts
)

func (p phase) String() string {
	return [...]string{"queue", "place", "dial", "handshake", "decide", "ask", "act", "retry", "wait"}[p]
}

// ofLink tells whether the phase is the connection's, and no step's: whichever step comes first to a host bears it.
func (p phase) ofLink() bool { return p <= shaking }

// A spell is some time of one host that went to one phase of one step.
type spell struct {
	step  *Step // nil: no step's
	phase phase
	time  time.Duration
}

// spells are a host's, one for each step and phase.
type spells []spell

func (s *spells) add(step *Step, p phase, d time.Duration) {
	if d <= 0 {
		return
	}
	if p.ofLink() {
		step = nil
	}
	for i := len(*s) - 1; i >= 0; i-- {
		if one := &(*s)[i]; one.step == step && one.phase == p {
			one.time += d
			return
		}
	}
	*s = append(*s, spell{step, p, d})
}

// A clock tells what one host's time in a play goes to: always to one phase. One goroutine at a time works on it, as on its host; nil does nothing.
type clock struct {
	now   func() time.Time
	step  *Step
	phase phase
	since time.Time
	spent spells // since hosts met last
	total spells // before

	mu   sync.Mutex
	link spells // of the phase that goes on: what was spent on the connection meanwhile, in whichever goroutine
}

// turn lets the host's time go to another phase from now on.
func (c *clock) turn(p phase) {
	if c == nil {
		return
	}
	c.close(c.now())
	c.phase = p
}

// close books the time until now.
func (c *clock) close(now time.Time) {
	rest := now.Sub(c.since)
	c.since = now
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.link {
		d := min(s.time, rest)
		c.spent.add(nil, s.phase, d)
		rest -= d
	}
	c.link = c.link[:0]
	c.spent.add(c.step, c.phase, rest)
}

// begin lets the host's time go to a step.
func (c *clock) begin(s *Step) {
	if c == nil {
		return
	}
	c.turn(deciding)
	c.step = s
}

// during lets it go to a phase until the result is called.
func (c *clock) during(p phase) (end func()) {
	if c == nil {
		return func() {}
	}
	before := c.phase
	c.turn(p)
	return func() { c.turn(before) }
}

// spend books time on the connection.
func (c *clock) spend(p phase, d time.Duration) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link.add(nil, p, d)
}
