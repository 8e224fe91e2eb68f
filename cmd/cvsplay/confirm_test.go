package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"cvsplay/engine"
)

func TestConfirmer(t *testing.T) {
	for name, c := range map[string]struct {
		typed string // lines
		want  string // answers to four questions
	}{
		"yes and no":                {"y|N|yes|no", "true false true false"},
		"what is no answer":         {"|maybe|y|n|n|n", "true false false false"},
		"go on without asking":      {"n|c", "false true true true"},
		"quit":                      {"y|q", "true false quit"},
		"the end of what was typed": {"y", "true false quit"},
	} {
		t.Run(name, func(t *testing.T) {
			lines, soft := make(chan string), make(chan struct{})
			go func() {
				defer close(lines)
				for _, line := range strings.Split(c.typed, "|") {
					lines <- line
				}
			}()
			quit := false
			var out strings.Builder
			asks := &confirmer{out: &out, lines: lines, soft: soft, quit: func() { quit = true; close(soft) }}
			var got []string
			for range 4 {
				got = append(got, fmt.Sprint(asks.ask(t.Context(), "p", &engine.Step{Module: "file", Name: "a"}, []string{"n1", "n2"})))
				if quit {
					got = append(got, "quit")
					break
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if !strings.HasPrefix(out.String(), "play p: file a on n[1-2]? [y]es, [n]o, [c]ontinue without asking, [q]uit: ") {
				t.Errorf("asked %q", out.String())
			}
		})
	}
}

// After an interruption only what is done in any case is asked about: quit leaves it out, too, and does not kill what runs.
func TestConfirmerAsksAfterAnInterruption(t *testing.T) {
	soft, lines := make(chan struct{}), make(chan string)
	close(soft)
	go func() {
		for _, line := range []string{"y", "n", "q"} {
			lines <- line
		}
	}()
	c := &confirmer{out: io.Discard, lines: lines, soft: soft, quit: func() { t.Error("interrupted twice") }}
	for i, want := range []bool{true, false, false, false} {
		if got := c.ask(t.Context(), "p", &engine.Step{}, []string{"n1"}); got != want {
			t.Errorf("question %d: %t", i, got)
		}
	}
}

func TestConfirmerIsInterrupted(t *testing.T) {
	soft := make(chan struct{})
	c := &confirmer{out: writerFunc(sync.OnceFunc(func() { close(soft) })), lines: make(chan string), soft: soft, quit: func() { t.Error("interrupted twice") }}
	if c.ask(t.Context(), "p", &engine.Step{}, []string{"n1"}) {
		t.Error("a step begins though the run was interrupted while it was asked about")
	}
}

// A writerFunc is called with each write.
type writerFunc func()

// Write does it, and takes all.
func (f writerFunc) Write(p []byte) (int, error) { f(); return len(p), nil }
