package report

import (
	"time"

	"cvsplay/engine/event"
)

// A play follows the hosts of one play, or of one batch of it, through its steps. Hosts run free of each other, but each takes the steps in
// order: a step is over when every host has gone past it or has left the play.
type play struct {
	name  string
	hosts int
	steps []step
	index map[string]int // by name
	at    map[string]int // host → the first step it has not passed
	over  int            // the steps before it are over
}

// A step is how far the hosts are with one step.
type step struct {
	event.StepInfo
	passed  int             // hosts that went past it
	running map[string]bool // hosts that have begun it and not gone past it
	failed  map[string]bool // hosts that it failed on
	began   time.Time       // on the first host
	closed  bool            // done once for all hosts
}

// newPlay begins a play, or a batch of it.
func newPlay(name string, hosts []string, steps []event.StepInfo) *play {
	p := &play{name: name, hosts: len(hosts), index: map[string]int{}, at: make(map[string]int, len(hosts))}
	for i, info := range steps {
		p.steps = append(p.steps, step{StepInfo: info, running: map[string]bool{}, failed: map[string]bool{}})
		p.index[info.Step] = i
	}
	for _, host := range hosts {
		p.at[host] = 0
	}
	return p
}

// handle moves the host that e is about.
func (p *play) handle(e event.Event) {
	i, known := p.index[e.Step]
	if _, ok := p.at[e.Host]; !ok || e.Host == "" {
		return
	}
	if known && p.steps[i].Handler { // it may run before steps that stand above it, and again
		known = false
	}
	switch e.Kind {
	case event.StepStarted:
		if known {
			p.reach(e.Host, i)
			p.start(e, i)
		}
	case event.StepDone:
		if !known {
			return
		}
		p.reach(e.Host, i)
		s := &p.steps[i]
		if e.Status.Bad() && !e.Ignored {
			s.failed[e.Host] = true
		}
		if e.Key != "" { // other instances may follow
			p.start(e, i)
			return
		}
		s.closed = s.closed || s.Once
		p.reach(e.Host, i+1)
	case event.HostDone:
		p.reach(e.Host, len(p.steps))
	}
}

func (p *play) start(e event.Event, i int) {
	if p.at[e.Host] != i {
		return
	}
	p.steps[i].running[e.Host] = true
	if p.steps[i].began.IsZero() {
		p.steps[i].began = e.Time
	}
}

// reach moves host forward to step i.
func (p *play) reach(host string, i int) {
	for at := p.at[host]; at < i; at++ {
		p.steps[at].passed++
		delete(p.steps[at].running, host)
		p.at[host] = at + 1
	}
}

// next gives the next step that is over, in order; false if there is none now.
func (p *play) next() (event.StepInfo, bool) {
	if p.over == len(p.steps) {
		return event.StepInfo{}, false
	}
	s := &p.steps[p.over]
	if s.passed < p.hosts && !s.closed {
		return event.StepInfo{}, false
	}
	p.over++
	return s.StepInfo, true
}

// isOver tells whether the step was given by next already, or is none of the play's.
func (p *play) isOver(step string) bool {
	i, known := p.index[step]
	return !known || i < p.over
}

// left is how many hosts have not gone through the whole play yet.
func (p *play) left() int {
	if len(p.steps) == 0 {
		return 0
	}
	return p.hosts - p.steps[len(p.steps)-1].passed
}
