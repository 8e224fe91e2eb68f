package event

// A Tally counts how the steps of every host ended. It is the fold behind the recap and the exit code: feed it every event of
// a run. The zero value is ready.
type Tally struct {
	hosts   map[string]*hostTally
	changed bool
	stopped bool
}

// A hostTally is what is known of one host.
type hostTally struct {
	counts  Counts
	ignored int // failures among counts that do not make the host bad
	rescued int // the same, of steps whose block rescued them
	lost    bool
	failed  map[[2]string]int // bad instances, by play and step
}

// Handle counts e.
func (t *Tally) Handle(e Event) {
	switch e.Kind {
	case PlayStarted: // run_started has every host of the inventory, whether it takes part or not
		for _, name := range e.Hosts {
			t.host(name)
		}
	case StepDone:
		t.step(e)
	case Rescued:
		h, step := t.host(e.Host), [2]string{e.Play, e.Step}
		h.rescued += h.failed[step]
		delete(h.failed, step)
	case HostDone: // its status has no failure that was ignored. It can be lost without a step of its own: one done once for all of them failed elsewhere
		h := t.host(e.Host)
		h.lost = h.lost || e.Status.Bad()
	case CleanupDone: // no step of the play, so it is not counted; but one that fails leaves something behind
		if e.Status.Bad() {
			t.host(e.Host).lost = true
		}
	case Stopping:
		t.stopped = true
	}
}

func (t *Tally) step(e Event) {
	h := t.host(e.Host)
	h.counts[e.Status]++
	switch {
	case e.Status == Failed && e.Ignored:
		h.ignored++
	case e.Status.Bad():
		if h.failed == nil {
			h.failed = map[[2]string]int{}
		}
		h.failed[[2]string{e.Play, e.Step}]++
	case e.Status == Changed || e.Status == WouldChange:
		t.changed = true
	}
}

func (t *Tally) host(name string) *hostTally {
	h := t.hosts[name]
	if h == nil {
		h = &hostTally{counts: Counts{}}
		if t.hosts == nil {
			t.hosts = map[string]*hostTally{}
		}
		t.hosts[name] = h
	}
	return h
}

// Recap is the count of each state for every host that a play began with, as run_done tells it; a host that no step reached has no counts.
func (t *Tally) Recap() map[string]Counts {
	recap := make(map[string]Counts, len(t.hosts))
	for name, h := range t.hosts {
		counts := make(Counts, len(h.counts))
		for s, n := range h.counts {
			counts[s] = n
		}
		recap[name] = counts
	}
	return recap
}

// Bad tells whether the host has failed: failures that were ignored or rescued do not count.
func (t *Tally) Bad(host string) bool {
	h := t.hosts[host]
	return h != nil && h.bad()
}

func (h *hostTally) bad() bool { return h.lost || len(h.failed) > 0 }

// Rescued is how many of the host's failures a block rescued. Its counts of failed and refused have them too.
func (t *Tally) Rescued(host string) int {
	if h := t.hosts[host]; h != nil {
		return h.rescued
	}
	return 0
}

// Ignored is how many of the host's failures were ignored. Its count of failed has them too.
func (t *Tally) Ignored(host string) int {
	if h := t.hosts[host]; h != nil {
		return h.ignored
	}
	return 0
}

// AnyBad tells whether some host failed, was refused, unreachable or unknown, or the run stopped early.
func (t *Tally) AnyBad() bool {
	if t.stopped {
		return true
	}
	for _, h := range t.hosts {
		if h.bad() {
			return true
		}
	}
	return false
}

// AnyChanged tells whether some step changed, or in check mode would change, something.
func (t *Tally) AnyChanged() bool { return t.changed }
