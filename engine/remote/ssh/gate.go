package ssh

import (
	"context"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// A gate bounds how many hosts log us in at a time, which is another number than how many are connected.
//
// A login is some milliseconds of computing, and much more of waiting where hosts are far away, or do not answer: a fixed number either leaves the machine idle
// or lets so many begin that none is done in time. So the number follows the machine: it grows while hosts wait and the processors have time, and shrinks
// while they have none, or where a server drops connections because too many begin.
type gate struct {
	least, most int
	usage       func() time.Duration // CPU time that the process has taken

	mu      sync.Mutex
	limit   int
	inside  int
	waiting []chan struct{} // in order of arrival; closed by whoever lets one in
	ticking bool
	calm    int // ticks without growth, after a drop
}

// newGate returns a gate for a fixed number of hosts, or one that adapts itself for 0.
func newGate(fixed int) *gate {
	if fixed > 0 {
		return &gate{least: fixed, most: fixed, limit: fixed}
	}
	n := runtime.GOMAXPROCS(0)
	return &gate{least: 8 * n, most: 128 * n, limit: 16 * n, usage: cpuTime}
}

const (
	gateTick = 25 * time.Millisecond
	gateCalm = 40 // ticks
)

// enter waits for a place; leave gives it back.
func (g *gate) enter(ctx context.Context) error {
	g.mu.Lock()
	if g.inside < g.limit && len(g.waiting) == 0 {
		g.inside++
		g.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	g.waiting = append(g.waiting, turn)
	g.watch()
	g.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range g.waiting {
		if w == turn {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			return context.Cause(ctx)
		}
	}
	g.inside-- // it was let in just now
	g.admit()
	return context.Cause(ctx)
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.admit()
}

// admit lets in who waits, as far as there are places.
func (g *gate) admit() {
	for len(g.waiting) > 0 && g.inside < g.limit {
		close(g.waiting[0])
		g.waiting = g.waiting[1:]
		g.inside++
	}
}

// watch adapts the limit for as long as somebody waits.
func (g *gate) watch() {
	if g.ticking || g.least == g.most {
		return
	}
	g.ticking = true
	go func() {
		tick := time.NewTicker(gateTick)
		defer tick.Stop()
		then, used := time.Now(), g.usage()
		for range tick.C {
			now, usedNow := time.Now(), g.usage()
			busy := busyness(now.Sub(then), usedNow-used, runtime.GOMAXPROCS(0))
			then, used = now, usedNow
			if !g.adapt(busy) {
				return
			}
		}
	}()
}

// busyness is for which share of a tick the processors had no time. A tick that comes late says that they are others'.
func busyness(passed, used time.Duration, processors int) float64 {
	if passed > 2*gateTick {
		return 1
	}
	return float64(used) / float64(passed) / float64(processors)
}

// adapt sets the limit after a tick in which the processors were busy for a share of the time. It tells whether somebody still waits.
func (g *gate) adapt(busy float64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.calm > 0:
		g.calm--
	case busy < 0.7:
		g.limit = min(g.limit+g.limit/2, g.most)
	case busy > 0.9:
		g.limit = max(g.limit*3/4, g.least)
	}
	g.admit()
	g.ticking = len(g.waiting) > 0
	return g.ticking
}

// dropped takes note that a server had too many logins under way.
func (g *gate) dropped() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.calm == 0 { // else it is of the same crowd
		g.limit = max(g.limit/2, g.least)
		g.calm = gateCalm
	}
}

// cpuTime is what the process has taken of the processors.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
