package engine

import (
	"context"
	"reflect"
	"sync"

	"cvsplay/engine/event"
	"cvsplay/engine/remote"
)

// An inquiry is the questions of one step instance, and where they are asked.
type inquiry struct {
	set       setting
	questions []Question
}

// instanceKey names one instance of one step within a play.
type instanceKey struct {
	step *Step
	key  string
}

// heard is what a host answered to one instance's questions, and when.
type heard struct {
	questions []Question
	answers   []Answer
	epoch     int
}

// questions gives the answers to a turn's own questions: those heard earlier if nothing was acted on since, else asked now, in one
// round trip with those of the steps ahead.
func (p *playRun) questions(ctx context.Context, t *turn) ([]Question, []Answer) {
	qs := t.bound.args.Ask()
	m, n := t.member, t.node()
	own := instanceKey{t.step, t.key}
	if h, ok := m.heard[own]; ok && h.epoch == n.epoch && reflect.DeepEqual(h.questions, qs) {
		return qs, p.overlaid(t, qs, h.answers)
	}
	if len(qs) == 0 {
		return nil, nil
	}
	p.started(t)
	keys, inquiries := []instanceKey{own}, []inquiry{{set: t.bound.set, questions: qs}}
	if asksHost(qs) {
		ahead, more := p.ahead(t)
		keys, inquiries = append(keys, ahead...), append(inquiries, more...)
	}
	epoch := n.epoch
	answers := p.exchange(ctx, n, inquiries)
	for i, key := range keys {
		m.heard[key] = heard{questions: inquiries[i].questions, answers: answers[i], epoch: epoch}
	}
	return qs, p.overlaid(t, qs, answers[0])
}

// asksHost tells whether a question goes to the host at all.
func asksHost(qs []Question) bool {
	for _, q := range qs {
		if _, controller := q.(Manifest); !controller {
			return true
		}
	}
	return false
}

// ahead finds the questions of the steps that follow, up to the first whose arguments are not known yet. Barriers and "when" delay
// decisions, not questions; but a step that is known to be skipped asks nothing.
func (p *playRun) ahead(t *turn) ([]instanceKey, []inquiry) {
	var keys []instanceKey
	var inquiries []inquiry
	m := t.member
	for _, s := range p.plan.Steps[t.step.index+1:] {
		if s.isCheck() || !m.takesPart(s) || (s.runOnce && !s.mod.Surveys && !p.first(m)) {
			continue
		}
		expected, ok := m.expect(s)
		if !ok {
			break
		}
		for _, e := range expected {
			key := instanceKey{s, e.key}
			qs := e.bound.args.Ask()
			if h, fresh := m.heard[key]; fresh && h.epoch == m.node.epoch && reflect.DeepEqual(h.questions, qs) {
				continue
			}
			if asksHost(qs) {
				keys, inquiries = append(keys, key), append(inquiries, inquiry{set: e.bound.set, questions: qs})
			}
		}
	}
	return keys, inquiries
}

// exchange asks all inquiries of one host in one round trip, and the registry beside it.
func (p *playRun) exchange(ctx context.Context, n *node, inquiries []inquiry) [][]Answer {
	b := newBatch(inquiries)
	var wg sync.WaitGroup
	for _, m := range b.manifests {
		wg.Go(func() {
			b.put(m.at, Answer{State: Given, Manifest: p.run.registry.Manifest(ctx, m.question)})
		})
	}
	b.read(n.ask(ctx, b.scripts))
	wg.Wait()
	return b.answers
}

// A spot is the place of one question: which inquiry, which of its questions.
type spot struct{ inquiry, question int }

// A batch sorts questions into scripts, and the exits back into answers.
type batch struct {
	answers   [][]Answer
	scripts   []remote.Script
	readers   []func(remote.Exit)
	manifests []manifestAt
}

type manifestAt struct {
	at       spot
	question Manifest
}

// pathGroup are the path questions that share one script.
type pathGroup struct {
	set   setting
	paths []Path
	at    []spot
}

func newBatch(inquiries []inquiry) *batch {
	b := &batch{answers: make([][]Answer, len(inquiries))}
	groups := map[string]*pathGroup{}
	var order []*pathGroup
	for i, in := range inquiries {
		b.answers[i] = make([]Answer, len(in.questions))
		for k, q := range in.questions {
			at := spot{i, k}
			switch q := q.(type) {
			case Manifest:
				b.manifests = append(b.manifests, manifestAt{at, q})
			case Shell:
				b.shell(at, in.set, q)
			case Path:
				key := in.set.key()
				if q.Follow {
					key += "\x00follow"
				}
				g := groups[key]
				if g == nil {
					g = &pathGroup{set: in.set}
					groups[key] = g
					order = append(order, g)
				}
				g.paths, g.at = append(g.paths, q), append(g.at, at)
			}
		}
	}
	for _, g := range order {
		b.paths(g)
	}
	return b
}

func (b *batch) put(at spot, a Answer) { b.answers[at.inquiry][at.question] = a }

func (b *batch) shell(at spot, set setting, q Shell) {
	limit := questionLimit
	if q.Foreign && set.timeout > 0 { // a person's script that only looks may take as long as that person says
		limit = set.timeout
	}
	f := set.shellFrame(q, limit, nil)
	b.scripts = append(b.scripts, f.script)
	b.readers = append(b.readers, func(e remote.Exit) { b.put(at, f.read(e)) })
}

func (b *batch) paths(g *pathGroup) {
	f := g.set.pathFrame(g.paths)
	b.scripts = append(b.scripts, f.script)
	b.readers = append(b.readers, func(e remote.Exit) {
		for i, a := range pathAnswers(g.paths, f.read(e)) {
			b.put(g.at[i], a)
		}
	})
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
	p.run.emit(event.Event{Kind: event.StepStarted, Play: p.plan.Name, Step: t.step.Name, Key: t.key, Module: t.step.Module, Host: t.node().host.Name})
}
