package engine

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"cvsplay/engine/event"
)

// Timings tell where the time of a play goes. Hosts go through a stage side by side and meet at its end: the time of the stage is that of the host which
// came last. Put together, these are the path of the play; what is on it is why the play took as long. nil: nobody asked.
type timings struct {
	play *playRun
	in   []*member // those that the stage began with
	met  time.Time // when hosts met last
	path spells
	late map[*Step]*lateness

	mu   sync.Mutex
	with map[*Step]*Step // of steps whose questions travelled with those of another, this one
}

// A lateness is how late some hosts came to the longest wait of a step.
type lateness struct {
	waited time.Duration // by the median host
	last   []event.HostSeconds
}

func newTimings(p *playRun) *timings {
	t := &timings{play: p, met: p.now(), late: map[*Step]*lateness{}, with: map[*Step]*Step{}}
	for _, m := range p.members {
		m.node.clock = &clock{now: p.now, phase: deciding, since: t.met}
	}
	return t
}

// stage begins a stage. Hosts that go through it together wait until it is their turn.
func (t *timings) stage(st stage) {
	if t == nil {
		return
	}
	t.in = t.in[:0]
	for _, m := range t.play.members {
		if m.out {
			continue
		}
		t.in = append(t.in, m)
		c := m.node.clock
		c.begin(st.steps[0])
		if st.shared() {
			c.turn(waiting)
		}
	}
}

// meetAll ends what all hosts of the stage do side by side.
func (t *timings) meetAll() {
	if t != nil {
		t.meet(t.in)
	}
}

// meetTurns ends what the hosts of some turns do side by side.
func (t *timings) meetTurns(turns []*turn) {
	if t == nil {
		return
	}
	var hosts []*member
	for _, one := range turns {
		if !one.out {
			hosts = append(hosts, one.member)
		}
	}
	t.meet(hosts)
}

// meet ends what hosts do side by side: what they do next is decided over all of them, or on what all of them left.
func (t *timings) meet(hosts []*member) {
	if len(hosts) == 0 {
		return
	}
	now := t.play.now()
	last := hosts[0].node.clock
	for _, m := range hosts {
		c := m.node.clock
		if c.phase != waiting {
			c.close(now)
		}
		if c.since.After(last.since) {
			last = c
		}
	}
	t.follow(last, now)
	t.compare(hosts, last.step)
	for _, m := range hosts {
		c := m.node.clock
		if m.out {
			c.since = now // it has left the play, and waits for nobody
		}
		c.close(now)
		for _, s := range c.spent {
			c.total.add(s.step, s.phase, s.time)
		}
		c.spent, c.phase = c.spent[:0], deciding
	}
}

// follow adds to the path what the host that came last did since the last meeting; what else there was is this machine's.
func (t *timings) follow(c *clock, now time.Time) {
	rest := now.Sub(t.met)
	for _, s := range c.spent {
		if s.phase != waiting {
			d := min(s.time, rest)
			t.path.add(s.step, s.phase, d)
			rest -= d
		}
	}
	t.path.add(c.step, deciding, rest)
	t.met = now
}

// compare notes which hosts the others wait for. Their clocks stand at when they came.
func (t *timings) compare(hosts []*member, s *Step) {
	if len(hosts) < 2 {
		return
	}
	byTime := slices.Clone(hosts)
	slices.SortStableFunc(byTime, func(a, b *member) int { return b.node.clock.since.Compare(a.node.clock.since) })
	came := func(i int) time.Time { return byTime[i].node.clock.since }
	median := came(len(byTime) / 2)
	l := &lateness{waited: came(0).Sub(median)}
	if l.waited <= 0 || t.late[s] != nil && t.late[s].waited >= l.waited {
		return
	}
	for i := 0; i < min(mostSlow, len(byTime)) && came(i).After(median); i++ {
		l.last = append(l.last, event.HostSeconds{Host: byTime[i].node.host.Name, Seconds: came(i).Sub(median).Seconds()})
	}
	t.late[s] = l
}

// mostSlow is how many of the slowest hosts are told of each phase.
const mostSlow = 5

// A phaseKey is one phase of one step.
type phaseKey struct {
	step  *Step
	phase phase
}

// A phaseFold gathers what all hosts spent on one phase.
type phaseFold struct {
	phaseKey
	path  time.Duration
	hosts []event.HostSeconds
}

// tell tells where the time of the play went, which took so many seconds.
func (t *timings) tell(took float64) {
	if t == nil {
		return
	}
	t.path.add(nil, deciding, time.Duration(took*float64(time.Second))-t.path.sum())
	ev := event.Event{Kind: event.Timings, Seconds: took}
	told := map[*Step]bool{}
	for _, f := range t.folds() {
		ev.Phases = append(ev.Phases, t.phase(f))
		told[f.step] = told[f.step] || f.phase == asking
	}
	for _, s := range t.play.plan.Steps {
		if with := t.with[s]; with != nil && !told[s] {
			ev.Phases = append(ev.Phases, event.Phase{Step: s.Name, Name: asking.String(), With: with.Name})
		}
	}
	ev.Phases = append(ev.Phases, t.alone())
	t.play.emit(ev)
	for _, m := range t.play.members {
		m.node.clock = nil
	}
}

// alone is the time that each host spent by itself, in all phases but where it waited for others.
func (t *timings) alone() event.Phase {
	all := &phaseFold{}
	for _, m := range t.play.members {
		spent := event.HostSeconds{Host: m.node.host.Name}
		for _, s := range m.node.clock.total {
			if s.phase != waiting {
				spent.Seconds += s.time.Seconds()
			}
		}
		all.hosts = append(all.hosts, spent)
	}
	out := t.phase(all)
	out.Name = "all"
	return out
}

func (s spells) sum() time.Duration {
	var sum time.Duration
	for _, one := range s {
		sum += one.time
	}
	return sum
}

// folds are the phases in the order of the playbook, those of no step first.
func (t *timings) folds() []*phaseFold {
	index := map[phaseKey]*phaseFold{}
	var list []*phaseFold
	fold := func(s spell) *phaseFold {
		key := phaseKey{s.step, s.phase}
		f := index[key]
		if f == nil {
			f = &phaseFold{phaseKey: key}
			index[key] = f
			list = append(list, f)
		}
		return f
	}
	for _, s := range t.path {
		fold(s).path += s.time
	}
	for _, m := range t.play.members {
		for _, s := range m.node.clock.total {
			f := fold(s)
			f.hosts = append(f.hosts, event.HostSeconds{Host: m.node.host.Name, Seconds: s.time.Seconds()})
		}
	}
	slices.SortStableFunc(list, func(a, b *phaseFold) int {
		return cmp.Or(cmp.Compare(position(a.step), position(b.step)), cmp.Compare(a.phase, b.phase))
	})
	return list
}

// position is that of a step in its play; what is no step's comes first.
func position(s *Step) int {
	if s == nil {
		return -1
	}
	return s.index
}

// phase is what is told of one phase.
func (t *timings) phase(f *phaseFold) event.Phase {
	out := event.Phase{Name: f.phase.String(), Path: f.path.Seconds(), Hosts: len(f.hosts)}
	if f.step != nil {
		out.Step = f.step.Name
	}
	if len(f.hosts) == 0 {
		return out
	}
	slices.SortStableFunc(f.hosts, func(a, b event.HostSeconds) int { return cmp.Compare(b.Seconds, a.Seconds) })
	out.Median, out.Max = f.hosts[len(f.hosts)/2].Seconds, f.hosts[0].Seconds
	if f.phase != waiting {
		out.Slowest = f.hosts[:min(mostSlow, len(f.hosts))]
	} else if late := t.late[f.step]; late != nil {
		out.Slowest = late.last
	}
	return out
}

// rides notes that questions of a step travelled with what another step waits for.
func (t *timings) rides(s, with *Step) {
	if t == nil || s == nil || s == with {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.with[s] == nil {
		t.with[s] = with
	}
}

// enter begins a stage.
func (p *playRun) enter(st stage) {
	for _, m := range p.members {
		m.node.at = st.steps[0]
	}
	p.timings.stage(st)
}

// comeTo lets a host's time go to a step.
func (m *member) comeTo(s *Step) {
	m.node.at = s
	m.node.clock.begin(s)
}

// trip is a round trip to a host for the step that it has come to. The result is called when it is over, and tells it.
func (p *playRun) trip(n *node, asked []instanceKey, acted []*Step) (back func()) {
	if !p.run.opts.Trips {
		return func() {}
	}
	begun := p.now()
	return func() { p.tellTrip(n, asked, acted, p.since(begun)) }
}

// tellTrip tells what was sent to a host at once; seconds are 0 for a chain, which nobody waits for as a whole.
func (p *playRun) tellTrip(n *node, asked []instanceKey, acted []*Step, seconds float64) {
	if !p.run.opts.Trips {
		return
	}
	ev := event.Event{Kind: event.RoundTrip, Host: n.host.Name, Seconds: seconds}
	if n.at != nil {
		ev.Step = n.at.Name
	}
	for _, key := range asked {
		p.timings.rides(key.step, n.at)
		ev.Asked = appendNew(ev.Asked, key.step.orFacts())
	}
	for _, s := range acted {
		ev.Acted = appendNew(ev.Acted, s.Name)
	}
	p.emit(ev)
}

// orFacts names a step; without one, what is asked are facts.
func (s *Step) orFacts() string {
	if s == nil {
		return "host.facts"
	}
	return s.Name
}

func appendNew(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}

// An ending is what a run does when its plays are over.
type ending struct {
	run    *run
	phases []event.Phase
}

// lap does a part of it, and notes the time.
func (e *ending) lap(name string, do func()) {
	if !e.run.opts.Timings {
		do()
		return
	}
	begun := e.run.opts.Now()
	do()
	e.phases = append(e.phases, event.Phase{Name: name, Path: e.run.opts.Now().Sub(begun).Seconds()})
}

// tell tells where the time went.
func (e *ending) tell() {
	if len(e.phases) == 0 {
		return
	}
	ev := event.Event{Kind: event.Timings, Phases: e.phases}
	for _, p := range e.phases {
		ev.Seconds += p.Path
	}
	e.run.emit(ev)
}
