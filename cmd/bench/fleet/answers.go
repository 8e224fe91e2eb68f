package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"mvdan.cc/sh/v3/syntax"
)

// An eventKind is what a client may do in a session.
type eventKind byte

const (
	execution eventKind = iota // a command is started; text is its line
	input                      // whole statements are given to it
)

// An event is one thing that a client does on a host, with tokens in the place of names.
type event struct {
	session int // on this host, from 0
	kind    eventKind
	text    string
}

// An answer is all that follows from an event.
type answer struct {
	stdout, stderr string // with tokens in the place of names
	ended          bool   // the command has ended
	code           int    // its exit code then
}

// A state is what a host has come to by the events that it has seen. All hosts begin in the same one, and what they do is told by their state alone, so
// that a fleet knows as many as there are ways through a play: a handful.
type state struct {
	parent   *state
	event    event    // that led here from the parent
	words    []string // names of its session then, as they were when it was recorded
	answer   answer
	sessions int // that were begun

	next    map[event]*state
	lengths map[int]bool // of the inputs that are known, as they came
}

// answers is what is known of the hosts, and the simulated machine that tells what is not.
type answers struct {
	mu       sync.RWMutex
	machine  *recorder
	recorded int // how often the machine was asked
	closed   bool

	fresh, settled *state
}

func newAnswers(m *recorder) *answers {
	root := &state{}
	return &answers{machine: m, fresh: root, settled: root}
}

// after is the state that an event leads to. The first host that gets there waits until the machine has told, and the others with it.
func (a *answers) after(s *state, e event, length int, n *names) (*state, error) {
	a.mu.RLock()
	to := s.next[e]
	a.mu.RUnlock()
	if to != nil {
		return to, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if to = s.next[e]; to != nil {
		return to, nil
	}
	if a.closed {
		return nil, errors.New("the fleet is gone")
	}
	to = &state{parent: s, event: e, words: append([]string(nil), n.words...), sessions: s.sessions}
	if e.kind == execution {
		to.sessions++
	}
	var err error
	if to.answer, err = a.machine.record(s, to); err != nil {
		return nil, fmt.Errorf("the simulated machine does not answer: %w", err)
	}
	a.recorded++
	if s.next == nil {
		s.next, s.lengths = map[event]*state{}, map[int]bool{}
	}
	s.next[e] = to
	if e.kind == input {
		s.lengths[length] = true
	}
	return to, nil
}

// isWhole tells whether a shell would run all of an input now: no statement has begun that did not end. What is known from before is known by its
// length, since names have the same length in all runs.
func (a *answers) isWhole(s *state, text []byte) bool {
	a.mu.RLock()
	known := s.lengths[len(text)]
	a.mu.RUnlock()
	if known {
		return true
	}
	if len(text) == 0 || text[len(text)-1] != '\n' {
		return false
	}
	_, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(string(text)), "")
	return err == nil
}

// settle makes the state of one host the one that all begin with.
func (a *answers) settle(s *state) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settled = s
}

func (a *answers) settledState() *state {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.settled
}

// count is how many events were interpreted.
func (a *answers) count() int {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.recorded
}

// close lets go of the machine.
func (a *answers) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	a.machine.close()
}

// path are the states that lead to this one, from the first event on.
func (s *state) path() []*state {
	var out []*state
	for ; s.parent != nil; s = s.parent {
		out = append([]*state{s}, out...)
	}
	return out
}
