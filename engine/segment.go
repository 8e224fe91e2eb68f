package engine

import (
	"context"
	"reflect"
	"slices"
	"sync"

	"cvsplay/engine/event"
	"cvsplay/engine/remote"
)

// An inquiry is the questions of one step instance, and where they are asked.
type inquiry struct {
	set       setting
	questions []Question
	// listen, where set, is told what a script that a person wrote prints.
	listen func(Shell) *listener
	idle   bool // asked ahead: nobody waits for it once a question before it took too long
}

// instanceKey names one instance of one step within a play; without a step, a family of facts.
type instanceKey struct {
	step *Step
	key  string
}

// heard is what a host answered to one instance's questions, and when.
type heard struct {
	set       string // where they were asked
	questions []Question
	answers   []Answer
	epoch     int
	told      bool // what a person's script printed was told
}

// hear remembers answers for as long as nothing is acted on. What a broken connection left open is asked again when it is needed.
func (m *member) hear(key instanceKey, in inquiry, answers []Answer, epoch int) {
	if key.step == nil {
		m.node.learn(key.key, answers[0], epoch)
		return
	}
	for _, a := range answers {
		if a.State == Lost || a.State == NotStarted {
			return
		}
	}
	m.heard[key] = &heard{set: in.set.key(), questions: in.questions, answers: answers, epoch: epoch, told: in.listen != nil}
}

// fresh gives what was heard already.
func (m *member) fresh(key instanceKey, set setting, qs []Question) ([]Answer, bool) {
	h, ok := m.heard[key]
	if !ok || h.epoch != m.node.age() || h.set != set.key() || !reflect.DeepEqual(h.questions, qs) {
		return nil, false
	}
	return h.answers, true
}

// questions gives the answers to a turn's own questions: those heard earlier if nothing was acted on since, else asked now, in one
// round trip with those of the steps ahead.
func (p *playRun) questions(ctx context.Context, t *turn) ([]Question, []Answer) {
	qs := t.bound.asks
	m, n := t.member, t.node()
	own := instanceKey{t.step, t.key}
	if answers, ok := m.fresh(own, t.bound.set, qs); ok {
		p.tellAhead(t, qs, answers)
		return qs, p.overlaid(t, qs, answers)
	}
	if len(qs) == 0 {
		return nil, nil
	}
	p.started(t)
	keys, inquiries := []instanceKey{own}, []inquiry{{set: t.bound.set, questions: qs, listen: p.listenTo(t)}}
	if asksHost(qs) {
		n.prepare(ctx)
		keys, inquiries = p.ahead(t, shares, keys, inquiries)
	}
	epoch := n.age()
	back := p.trip(n, keys, nil)
	answers := p.exchange(ctx, n, inquiries)
	back()
	for i, key := range keys {
		m.hear(key, inquiries[i], answers[i], epoch)
	}
	return qs, p.overlaid(t, qs, answers[0])
}

// listenTo tells what the turn's own script prints, where a script is the question.
func (p *playRun) listenTo(t *turn) func(Shell) *listener {
	return func(sh Shell) *listener { return p.listen(t, sh) }
}

// isPersons tells whether a question is a script that a person wrote, with no limit but the step's: it may take as long as an action.
func isPersons(q Question) bool {
	sh, ok := q.(Shell)
	return ok && sh.Foreign && sh.Limit == 0
}

// ofController tells whether a question is answered on this machine: no host is asked.
func ofController(q Question) bool {
	switch q.(type) {
	case Manifest, Recall:
		return true
	}
	return false
}

// travels tells whether questions may be asked before their step is reached, and again with every change: all that are answered at once, on
// the host.
func travels(in inquiry) bool {
	for _, q := range in.questions {
		if sh, _ := q.(Shell); ofController(q) || isPersons(q) || sh.Limit > questionLimit {
			return false
		}
	}
	return len(in.questions) > 0
}

// shares tells whether questions may be asked together with those of the steps before theirs: also a person's script that only looks. One
// with a time limit of its own may take long, and one that keeps an artifact has to be heard whole: they are asked when they are reached.
func shares(in inquiry) bool {
	for _, q := range in.questions {
		sh, _ := q.(Shell)
		if ofController(q) || isPersons(q) && (in.set.timeout > 0 || sh.Artifact != "") {
			return false
		}
	}
	return len(in.questions) > 0
}

// tellAhead tells what a person's script printed that was asked before its step was reached.
func (p *playRun) tellAhead(t *turn, qs []Question, answers []Answer) {
	key := instanceKey{t.step, t.key}
	h := t.member.heard[key]
	if h.told {
		return
	}
	h.told = true
	for i, q := range qs {
		sh, _ := q.(Shell)
		if !isPersons(q) {
			continue
		}
		lines := p.listen(t, sh)
		lines.write(remote.Stdout, answers[i].Stdout.Bytes)
		lines.write(remote.Stderr, answers[i].Stderr.Bytes)
		_ = lines.close() // it keeps no artifact
	}
}

// A forecast is what a host will be asked next: it travels with an action.
type forecast struct {
	member    *member
	keys      []instanceKey
	inquiries []inquiry
	epoch     int
	batch     *batch
}

// forecast finds the questions that prove the turn's changes, and those of the steps ahead.
func (p *playRun) forecast(t *turn) *forecast {
	f := &forecast{member: t.member, epoch: t.node().age()}
	if own := (inquiry{set: t.bound.set, questions: t.bound.asks}); travels(own) {
		f.keys = append(f.keys, instanceKey{t.step, t.key})
		f.inquiries = append(f.inquiries, own)
	}
	f.keys, f.inquiries = p.ahead(t, travels, f.keys, f.inquiries)
	return f
}

// scripts are those of one account: only they are sure to run behind the action.
func (f *forecast) scripts(account string) []remote.Script {
	if f == nil {
		return nil
	}
	var keys []instanceKey
	var inquiries []inquiry
	for i, in := range f.inquiries {
		if in.as(account) {
			keys, inquiries = append(keys, f.keys[i]), append(inquiries, in)
		}
	}
	f.keys, f.inquiries = keys, inquiries
	f.batch = newBatch(inquiries)
	return f.batch.scripts
}

// as tells whether all questions are asked as one account.
func (in inquiry) as(account string) bool {
	for _, q := range in.questions {
		sh, _ := q.(Shell)
		if in.set.login(sh) != account {
			return false
		}
	}
	return true
}

// hear takes the answers.
func (f *forecast) hear(exits []remote.Exit) {
	if f == nil {
		return
	}
	f.batch.read(exits)
	for i, key := range f.keys {
		f.member.hear(key, f.inquiries[i], f.batch.answers[i], f.epoch)
	}
}

// asked are the step instances that it asks.
func (f *forecast) asked() []instanceKey {
	if f == nil {
		return nil
	}
	return f.keys
}

// asksHost tells whether a question goes to the host at all.
func asksHost(qs []Question) bool {
	for _, q := range qs {
		if !ofController(q) {
			return true
		}
	}
	return false
}

// ahead adds the questions of the steps that follow, up to the first whose arguments are not known yet. Barriers and "when" delay
// decisions, not questions; but a step that is known to be skipped asks nothing. What facts these steps read is asked with them.
func (p *playRun) ahead(t *turn, goes func(inquiry) bool, keys []instanceKey, inquiries []inquiry) ([]instanceKey, []inquiry) {
	if t.member.origin != nil {
		return keys, inquiries
	}
	m, next := t.member, p.plan.Steps[t.step.index+1:]
	keys, inquiries = slices.Grow(keys, len(next)), slices.Grow(inquiries, len(next))
	for _, s := range next {
		if s.isCheck() || s.on.given() || !m.goes(s) || s.leftOut && !s.wanted || (s.runOnce && !s.mod.Surveys && !p.isFirst(m, s)) {
			continue
		}
		expected, ok := m.expect(s)
		if !ok {
			break
		}
		for _, e := range expected {
			key := instanceKey{s, e.key}
			in := inquiry{set: e.bound.set, questions: e.bound.asks, idle: true}
			if _, known := m.fresh(key, in.set, in.questions); !known && goes(in) {
				keys, inquiries = append(keys, key), append(inquiries, in)
			}
		}
	}
	facts, more := factInquiries(m.node.stale(m.upcoming()))
	for i, in := range more {
		in.idle = true
		if goes(in) {
			keys, inquiries = append(keys, facts[i]), append(inquiries, in)
		}
	}
	return keys, inquiries
}

// exchange asks all inquiries of one host in one round trip, and the registry beside it.
func (p *playRun) exchange(ctx context.Context, n *node, inquiries []inquiry) [][]Answer {
	defer n.clock.during(asking)()
	b := newBatch(inquiries)
	var wg sync.WaitGroup
	for _, m := range b.manifests {
		wg.Go(func() {
			b.put(m.at, Answer{State: Given, Manifest: p.run.registry.Manifest(ctx, m.question)})
		})
	}
	for _, r := range b.recalls {
		b.put(r.at, p.run.recall(r.question))
	}
	exits := n.ask(ctx, b.scripts, b.frames)
	for i := range exits {
		n.reap(ctx, b.frames[i], &exits[i])
	}
	b.read(exits)
	wg.Wait()
	for _, answers := range b.answers {
		for i := range answers {
			untorn(p.run.guard, &answers[i])
		}
	}
	return b.answers
}

// A spot is the place of one question: which inquiry, which of its questions.
type spot struct{ inquiry, question int }

// A batch sorts questions into scripts, and the exits back into answers.
type batch struct {
	answers   [][]Answer
	scripts   []remote.Script
	frames    []frame             // of the scripts
	readers   []func(remote.Exit) // of their exits
	manifests []manifestAt
	recalls   []recallAt

	spots   [][]spot       // of each script, the questions that it asks
	grouped []*pathGroup   // of each script that asks for paths, these
	wants   []*remote.Want // of each script, what a chain wants of it; nil: anything
}

type manifestAt struct {
	at       spot
	question Manifest
}

type recallAt struct {
	at       spot
	question Recall
}

// pathGroup are the path questions that share one script. What several of them ask is asked once.
type pathGroup struct {
	set   setting
	idle  bool
	paths []Path
	at    []spot
	which []int // for each spot, the path that it asks for
}

// add adds a question. What is equal stands close by: the folder of the files of some steps in a row.
func (g *pathGroup) add(q Path, at spot) {
	const close = 32
	first := max(0, len(g.paths)-close)
	i := first + slices.Index(g.paths[first:], q)
	if i < first {
		i = len(g.paths)
		g.paths = append(g.paths, q)
	}
	g.at, g.which = append(g.at, at), append(g.which, i)
}

// newBatch sorts questions into scripts, in the order in which somebody waits for them: what hangs keeps nobody from an answer that stands before it.
func newBatch(inquiries []inquiry) *batch {
	b := &batch{answers: make([][]Answer, len(inquiries))}
	groups, paths, others := groupPaths(inquiries)
	n := len(groups) + others
	b.scripts, b.frames, b.readers = make([]remote.Script, 0, n), make([]frame, 0, n), make([]func(remote.Exit), 0, n)
	b.spots, b.grouped = make([][]spot, 0, n), make([]*pathGroup, 0, n)
	all := make([]Answer, paths+others)
	for i, in := range inquiries {
		n := len(in.questions)
		b.answers[i], all = all[:n:n], all[n:]
		for k, q := range in.questions {
			at := spot{i, k}
			switch q := q.(type) {
			case Manifest:
				b.manifests = append(b.manifests, manifestAt{at, q})
			case Recall:
				b.recalls = append(b.recalls, recallAt{at, q})
			case Shell:
				b.shell(at, in, q)
			case Path:
				if g := groups[in.pathKey(q)]; g.at[0] == at {
					b.paths(g)
				}
			}
		}
	}
	return b
}

// groupPaths gathers the path questions that can share a script, and counts them, and all others.
func groupPaths(inquiries []inquiry) (groups map[string]*pathGroup, paths, others int) {
	groups = map[string]*pathGroup{}
	for _, in := range inquiries {
		for _, q := range in.questions {
			if _, ok := q.(Path); ok {
				paths++
			} else {
				others++
			}
		}
	}
	for i, in := range inquiries {
		for k, q := range in.questions {
			path, ok := q.(Path)
			if !ok {
				continue
			}
			key := in.pathKey(path)
			g := groups[key]
			if g == nil {
				g = &pathGroup{set: in.set, idle: in.idle, paths: make([]Path, 0, paths), at: make([]spot, 0, paths), which: make([]int, 0, paths)}
				groups[key] = g
			}
			g.add(path, spot{i, k})
		}
	}
	return groups, paths, others
}

func (in inquiry) pathKey(q Path) string {
	if q.Follow {
		return in.set.key() + "\x00follow"
	}
	return in.set.key()
}

// add adds a script that asks some questions; all for paths where there are any.
func (b *batch) add(f frame, read func(remote.Exit), paths *pathGroup, at ...spot) {
	b.scripts, b.frames, b.readers = append(b.scripts, f.script), append(b.frames, f), append(b.readers, read)
	b.spots, b.grouped = append(b.spots, at), append(b.grouped, paths)
}

func (b *batch) answer(at spot) *Answer { return &b.answers[at.inquiry][at.question] }

func (b *batch) put(at spot, a Answer) { *b.answer(at) = a }

func (b *batch) shell(at spot, in inquiry, q Shell) {
	limit := questionLimit
	if q.Foreign && in.set.timeout > 0 { // a person's script that only looks may take as long as that person says
		limit = in.set.timeout
	}
	if in.listen == nil || !isPersons(q) {
		f := in.set.shellFrame(q, limit, nil)
		f.script.Ahead = in.idle
		b.add(f, func(e remote.Exit) { b.put(at, f.read(e)) }, nil, at)
		return
	}
	lines := in.listen(q)
	f := in.set.shellFrame(q, limit, lines.write)
	f.script.Ahead = in.idle
	f.again = append(f.again, lines.again)
	b.add(f, func(e remote.Exit) {
		a := f.read(e)
		if err := lines.close(); err != nil && a.State == Given {
			a.State, a.Why = Problem, err.Error()
		}
		b.put(at, a)
	}, nil, at)
}

func (b *batch) paths(g *pathGroup) {
	f := g.set.pathFrame(g.paths)
	f.script.Ahead = g.idle
	b.add(f, func(e remote.Exit) {
		out := make([]*Answer, len(g.paths))
		for i, k := range g.which {
			if out[k] == nil {
				out[k] = b.answer(g.at[i])
			}
		}
		readPaths(g.paths, f.read(e), out)
		for i, k := range g.which {
			if to := b.answer(g.at[i]); to != out[k] {
				*to = *out[k]
			}
		}
	}, g, g.at...)
}

func (b *batch) read(exits []remote.Exit) {
	for i, e := range exits {
		b.readers[i](e)
	}
}

// started tells once that a host begins a step that takes a round trip.
func (p *playRun) started(t *turn) {
	if t.started || t.out {
		return
	}
	t.started = true
	p.emit(event.Event{Kind: event.StepStarted, Step: t.step.Name, Key: t.key, Module: t.step.Module, Host: t.member.host().host.Name})
}
