package ssh

import (
	"context"
	"errors"
	"testing"
	"time"
)

// enterAll brings some to a gate, each of which stays inside until the channel is closed. It returns once all are inside or wait.
func enterAll(t *testing.T, g *gate, n int, stay chan struct{}) {
	t.Helper()
	for range n {
		before := g.census()
		go func() {
			if g.enter(t.Context()) == nil {
				<-stay
				g.leave()
			}
		}()
		for g.census() == before {
			time.Sleep(time.Millisecond)
		}
	}
}

func (g *gate) census() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside + len(g.waiting)
}

func (g *gate) within() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside
}

func TestGateFollowsTheMachine(t *testing.T) {
	// Nobody ticks: the test does.
	g := &gate{least: 4, most: 40, limit: 8, ticking: true}
	stay := make(chan struct{})
	enterAll(t, g, 50, stay)
	for i, c := range []struct {
		busy          float64
		dropped       bool
		limit, within int
	}{
		{busy: 0.8, limit: 8, within: 8},
		{busy: 0.1, limit: 12, within: 12},
		{busy: 0.1, limit: 18, within: 18},
		{busy: 1.0, limit: 13, within: 18}, // who is inside stays
		{busy: 0.1, limit: 19, within: 19},
		{dropped: true, busy: 0.1, limit: 9, within: 19},
		{dropped: true, busy: 0.1, limit: 9, within: 19}, // of the same crowd
		{busy: 1.0, limit: 9, within: 19},
	} {
		if c.dropped {
			g.dropped()
		}
		if !g.adapt(c.busy) || g.limit != c.limit || g.within() != c.within {
			t.Errorf("step %d: limit %d, %d within, want %d and %d", i, g.limit, g.within(), c.limit, c.within)
		}
	}
	for range gateCalm + 10 {
		g.adapt(0)
	}
	if g.limit != g.most || g.within() != g.most {
		t.Errorf("grown to %d, %d within, want %d", g.limit, g.within(), g.most)
	}
	for range 20 {
		g.adapt(1)
	}
	if g.limit != g.least {
		t.Errorf("shrunk to %d, want %d", g.limit, g.least)
	}
	close(stay)
	for g.census() > 0 {
		time.Sleep(time.Millisecond)
	}
	if g.adapt(0) {
		t.Error("it goes on to look after nobody")
	}
}

func TestGateIsLeftByWhoGivesUp(t *testing.T) {
	g := newGate(1)
	stay := make(chan struct{})
	enterAll(t, g, 1, stay)
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := make(chan error)
	go func() { gone <- g.enter(ctx) }()
	for g.census() < 2 {
		time.Sleep(time.Millisecond)
	}
	cancel(errNoAnswer)
	if err := <-gone; !errors.Is(err, errNoAnswer) {
		t.Errorf("left with %v", err)
	}
	close(stay)
	if err := g.enter(t.Context()); err != nil {
		t.Error(err)
	}
	if g.within() != 1 {
		t.Errorf("%d within, want 1", g.within())
	}
}

// Processors that others keep busy are as good as busy.
func TestBusyness(t *testing.T) {
	for _, c := range []struct {
		passed, used time.Duration
		want         float64
	}{
		{gateTick, gateTick, 0.5},
		{gateTick, 2 * gateTick, 1},
		{2 * gateTick, gateTick, 0.25},
		{3 * gateTick, 0, 1},
	} {
		if got := busyness(c.passed, c.used, 2); got != c.want {
			t.Errorf("%s of CPU in %s: %v, want %v", c.used, c.passed, got, c.want)
		}
	}
}
