package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"cvsplay/engine/event"
	"cvsplay/engine/remote"
	"cvsplay/engine/remote/shell"
)

// A chain is the actions of a host's next steps, sent together before those steps are reached. Between two actions travel the questions
// that prove the first and decide the second, each with the answer on which everything was foretold: the host goes on only while it gives
// that answer. The steps are then gone through as ever; where one decides on an action that was sent, the action's exit is taken from the chain. So
// what a chain changes is how often a host is waited for, and nothing of what is done, judged and told.
type chain struct {
	links []*link
	next  int           // the link that the steps come to next
	over  chan struct{} // closed when nothing of it is under way any more
}

// A link is one action, and what is asked behind it.
type link struct {
	step *Step
	key  string
	what string // the change
	nth  int    // of its actions

	sent  *sent
	asked *askedAhead // nil: another action of the same step follows at once
}

// sent is an action made ready for the host.
type sent struct {
	frame   frame
	lines   *heldLines // nil: nobody listens
	outcome *pending
}

// heldLines are what an action prints before its step was reached.
type heldLines struct {
	*listener
	mu     sync.Mutex
	open   bool
	chunks [2][]byte
	most   int64 // bytes that are kept of each stream: no more of them would be told
}

func (h *heldLines) write(s remote.Stream, chunk []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open {
		h.listener.write(s, chunk)
		return
	}
	room := max(h.most-int64(len(h.chunks[s])), 0)
	h.chunks[s] = append(h.chunks[s], chunk[:min(int64(len(chunk)), room)]...)
}

// release tells what was held, and from now on what comes as it comes.
func (h *heldLines) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open = true
	for s, b := range h.chunks {
		if len(b) > 0 {
			h.listener.write(remote.Stream(s), b)
		}
		h.chunks[s] = nil
	}
}

// askedAhead are the questions behind an action.
type askedAhead struct {
	keys      []instanceKey
	inquiries []inquiry
	batch     *batch
	outcomes  []*pending
}

// A pending is an exit that is still to come.
type pending struct {
	done chan struct{}
	exit remote.Exit
}

func newPending() *pending { return &pending{done: make(chan struct{})} }

func (p *pending) settle(e remote.Exit) {
	select {
	case <-p.done:
	default:
		p.exit = e
		close(p.done)
	}
}

func (p *pending) wait() remote.Exit {
	<-p.done
	return p.exit
}

// acted are the steps whose actions it is made of.
func (c *chain) acted() []*Step {
	steps := make([]*Step, len(c.links))
	for i, l := range c.links {
		steps[i] = l.step
	}
	return steps
}

// asked are the step instances whose questions stand behind its actions.
func (c *chain) asked() []instanceKey {
	var keys []instanceKey
	for _, l := range c.links {
		if l.asked != nil {
			keys = append(keys, l.asked.keys...)
		}
	}
	return keys
}

// ran tells whether it is certain that a script was begun.
func ran(e remote.Exit) bool { return e.State == remote.Ended || e.State == remote.TimedOut }

// scripts are all scripts of the chain in order, with their places in it.
func (c *chain) scripts() (scripts []remote.Script, outcomes []*pending) {
	id := shell.Nonce()
	add := func(s remote.Script, l remote.Link, to *pending) {
		l.Chain, l.First = id, len(scripts) == 0
		s.Link, s.Ended = &l, to.settle
		scripts, outcomes = append(scripts, s), append(outcomes, to)
	}
	for _, l := range c.links {
		add(l.sent.frame.script, remote.Link{}, l.sent.outcome)
		if l.asked == nil {
			continue
		}
		for i, s := range l.asked.batch.scripts {
			want := l.asked.batch.wants[i]
			add(s, remote.Link{Want: want, Any: want == nil}, l.asked.outcomes[i])
		}
	}
	return scripts, outcomes
}

// send has the host begin, unless it is held back when its turn has come. It returns at once.
func (n *node) send(ctx context.Context, c *chain, hold func(context.Context) string) {
	scripts, outcomes := c.scripts()
	n.chain, c.over = c, make(chan struct{})
	n.chaining.Store(true)
	go func() {
		defer close(c.over)
		defer n.chaining.Store(false)
		for i, e := range n.transmit(ctx, scripts, hold) {
			outcomes[i].settle(e)
		}
	}()
}

// hold keeps a chain that is under way from starting further links.
func (n *node) holdChain(ctx context.Context) {
	if !n.chaining.Load() {
		return
	}
	n.mu.Lock()
	conn := n.conn
	n.mu.Unlock()
	if conn != nil {
		conn.Hold(ctx)
	}
}

// aheadOf tells whether the host has begun an action that the steps have still to come to: one that was begun is gone through to its end, whatever
// has stopped the play since.
func (n *node) aheadOf() bool {
	return n.chain != nil && n.chain.next < len(n.chain.links) && ran(n.chain.links[n.chain.next].sent.outcome.wait())
}

// fromChain gives the answer to an action that was sent ahead; ok is false where it was not, or did not run.
func (p *playRun) fromChain(ctx context.Context, t *turn, c Change, nth int) (a Answer, ok bool) {
	n := t.node()
	if n.chain == nil {
		return Answer{}, false
	}
	l := n.chain.links[n.chain.next]
	if l.step != t.step || l.key != t.key || l.what != c.What || l.nth != nth {
		p.abandon(n)
		return Answer{}, false
	}
	n.chain.next++
	defer n.clock.during(acting)()
	if l.sent.lines != nil {
		l.sent.lines.release()
	}
	exit := l.sent.outcome.wait()
	if exit.State == remote.Withheld || exit.State == remote.NotStarted {
		p.abandon(n)
		return Answer{}, false
	}
	if exit.State == remote.Lost || exit.State == remote.TimedOut {
		<-n.chain.over
		n.reap(ctx, l.sent.frame, &exit)
	}
	a = l.sent.frame.read(exit)
	untorn(p.run.guard, &a)
	if l.sent.lines != nil {
		_ = l.sent.lines.close() // it keeps no artifact
	}
	if a.State == Given && l.asked != nil {
		t.member.hearAhead(l.asked)
	}
	if a.State != Given || n.chain.next == len(n.chain.links) {
		p.abandon(n)
	}
	return a, true
}

func (m *member) hearAhead(asked *askedAhead) {
	exits := make([]remote.Exit, len(asked.outcomes))
	for i, o := range asked.outcomes {
		exits[i] = o.wait()
	}
	asked.batch.read(exits)
	for i, key := range asked.keys {
		m.hear(key, asked.inquiries[i], asked.batch.answers[i], m.node.age())
	}
}

// abandon lets go of a chain that was broken, that the steps do not follow, or that is at its end. That something of it was done all the same must
// not pass in silence; what is lost of it is adrift.
func (p *playRun) abandon(n *node) {
	c := n.chain
	n.chain = nil
	if c == nil {
		return
	}
	<-c.over
	for i, l := range c.links[c.next:] {
		switch e := l.sent.outcome.wait(); {
		case e.State == remote.Withheld && i == 0:
			n.brokenChains++
		case e.State == remote.Lost:
			n.adrift = append(n.adrift, l)
		case ran(e):
			p.emit(event.Event{Kind: event.Warning, Step: l.step.Name, Host: n.host.Name,
				Message: fmt.Sprintf("%q was carried out ahead of its step, which then did not decide on it: this is a bug", l.what)})
			p.run.vain.Store(true)
		}
	}
}

// isAdrift tells whether an action of the turn had been sent when the connection was lost, and nobody knows whether it was begun.
func (t *turn) isAdrift() bool {
	for _, l := range t.node().adrift {
		if l.step == t.step && l.key == t.key {
			return true
		}
	}
	return false
}

// tellAdrift tells of the steps that a host did not come to, and that it may have begun all the same.
func (p *playRun) tellAdrift(m *member) {
	steps := map[string]bool{}
	var names []string
	for _, l := range m.node.adrift {
		if m.records[l.step.Name] == nil && !steps[l.step.Name] {
			steps[l.step.Name] = true
			names = append(names, fmt.Sprintf("%q", l.step.Name))
		}
	}
	m.node.adrift = nil
	if len(names) > 0 && (m.out || m.fall != nil) {
		p.emit(event.Event{Kind: event.Warning, Host: m.node.host.Name,
			Message: "when the connection was lost, the host had been sent what these steps would do next, and may have begun it: " + strings.Join(names, ", ")})
	}
}

// following tells whether the turn's action is under way already. A chain that was broken, or that the steps do not follow, is let go of.
func (p *playRun) following(t *turn) bool {
	n := t.node()
	if n.chain == nil {
		return false
	}
	defer n.clock.during(acting)()
	l := n.chain.links[n.chain.next]
	if l.step == t.step && l.key == t.key && ran(l.sent.outcome.wait()) {
		return true
	}
	p.abandon(n)
	return false
}

// A chaining is a chain in the making.
type chaining struct {
	*foreteller
	links    []*link
	turns    int // that act
	asked    askedAhead
	expected [][]expectation // of asked, for each question of each inquiry
	size     int
}

// The bounds of a chain: what is foretold for ever longer is ever less likely to come.
const (
	chainMost = 100       // actions
	chainSize = 512 << 10 // bytes of texts

	// chainTries is how many chains may break on a host: one on which what is foretold does not come would be sent the rest of its play with every step.
	chainTries = 3
)

// chain foretells what the host will do from here on, for as long as that can be told, and gives it as a chain; nil where that is no
// more than the turn's own action.
func (p *playRun) chain(t *turn) *chain {
	if p.run.opts.NoFuse || t.step.shared || t.member.origin != nil || p.following(t) || t.node().brokenChains >= chainTries {
		return nil
	}
	c := &chaining{foreteller: newForeteller(p, t.member)}
	if !c.act(t, *t.next, true) {
		return nil
	}
	c.goOn(t)
	c.close()
	if c.turns < 2 {
		return nil
	}
	return &chain{links: c.links}
}

// act adds what a turn does to the chain; false: it cannot travel so.
func (c *chaining) act(t *turn, act Act, first bool) bool {
	proof, ok := t.proof(act)
	if !ok || !c.fits(t, act, first) {
		return false
	}
	var links []*link
	for _, change := range act.Changes {
		for nth, action := range change.Do {
			s, ok := c.ready(t, action, first && len(links) == 0)
			if !ok {
				return false
			}
			links = append(links, &link{step: t.step, key: t.key, what: change.What, nth: nth, sent: s})
		}
	}
	if len(c.links)+len(links) > chainMost {
		return false
	}
	c.seal()
	c.links = append(c.links, links...)
	c.turns++
	c.done(t, act, proof)
	if len(t.bound.asks) > 0 {
		c.ask(t, proof)
	}
	return true
}

// fits tells whether nothing but the host has to be heard between this turn and the next.
func (c *chaining) fits(t *turn, act Act, first bool) bool {
	s := t.step
	if s.failWhen.given() || s.changedWhen.given() || s.postconditions != nil || s.retry.attempts > 1 || s.leftOut {
		return false
	}
	if own := (inquiry{set: t.bound.set, questions: t.bound.asks}); len(own.questions) > 0 && (!travels(own) || !c.sameAccount(own)) {
		return false
	}
	for _, change := range act.Changes {
		if len(change.Do) == 0 {
			return false
		}
		// A cut leaves open how far a chain came. Only what can be asked about, and done again, may stand behind another action.
		if !first && (!change.Again || len(t.bound.asks) == 0) {
			return false
		}
	}
	return len(act.Finally) == 0 || first
}

func (c *chaining) sameAccount(in inquiry) bool {
	return len(c.links) == 0 || in.as(c.links[0].sent.frame.script.Account)
}

// ready makes an action ready to be sent.
func (c *chaining) ready(t *turn, action Action, first bool) (*sent, bool) {
	s := &sent{outcome: newPending()}
	var output func(remote.Stream, []byte)
	switch action := action.(type) {
	case Shell:
		if action.Artifact != "" {
			return nil, false
		}
		s.lines = &heldLines{listener: c.play.listen(t, action), most: max(action.Keep, defaultKeep)}
		output = s.lines.write
	case WriteFile:
		if action.Content.Size > inlineLimit { // it would be brought to the host now
			return nil, false
		}
	}
	f, failed := t.actionFrame(c.play.ctx, action, output)
	if failed != nil {
		return nil, false
	}
	s.frame = f
	c.size += len(s.frame.script.Text) + len(s.frame.script.Stdin)
	if c.size > chainSize && !first {
		return nil, false
	}
	return s, len(c.links) == 0 || s.frame.script.Account == c.links[0].sent.frame.script.Account
}

// ask adds a turn's questions behind the last action, with the answers that are wanted.
func (c *chaining) ask(t *turn, want []expectation) {
	c.asked.keys = append(c.asked.keys, instanceKey{t.step, t.key})
	c.asked.inquiries = append(c.asked.inquiries, inquiry{set: t.bound.set, questions: t.bound.asks})
	c.expected = append(c.expected, want)
}

// seal ends what is asked behind the last action: another one follows.
func (c *chaining) seal() {
	if len(c.links) == 0 || len(c.asked.inquiries) == 0 {
		return
	}
	asked := c.asked
	asked.batch = newBatch(asked.inquiries)
	asked.batch.want(c.expected)
	for range asked.batch.scripts {
		asked.outcomes = append(asked.outcomes, newPending())
	}
	c.links[len(c.links)-1].asked = &asked
	c.asked, c.expected = askedAhead{}, nil
}

// close adds the questions of the steps that follow the chain: their answers are there when it is over.
func (c *chaining) close() {
	if c.last == nil || len(c.links) == 0 {
		return
	}
	keys, inquiries := c.play.ahead(c.last, travels, nil, nil)
	for i, in := range inquiries {
		if c.sameAccount(in) {
			c.asked.keys, c.asked.inquiries = append(c.asked.keys, keys[i]), append(c.asked.inquiries, in)
		}
	}
	c.expected = make([][]expectation, len(c.asked.inquiries)) // nothing follows: all of it may be anything
	c.seal()
}
