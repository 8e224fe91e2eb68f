package engine

import (
	"strings"
	"testing"
)

// What somebody waits for is asked first, whatever it is, and whatever hangs; what was asked ahead is left out where something hangs.
func TestBatchAsksFirstWhatIsWaitedFor(t *testing.T) {
	b := newBatch([]inquiry{
		{questions: []Question{Path{Path: "/own"}, Shell{Text: "own"}}},
		{questions: []Question{Shell{Text: "docker"}, Path{Path: "/later"}}, idle: true},
		{questions: []Question{Path{Path: "/linked", Follow: true}}, idle: true},
	})
	want := []struct {
		has   []string
		ahead bool
	}{{[]string{"/own", "/later"}, false}, {[]string{"own"}, false}, {[]string{"docker"}, true}, {[]string{"/linked"}, true}}
	if len(b.scripts) != len(want) {
		t.Fatalf("%d scripts, want %d", len(b.scripts), len(want))
	}
	for i, w := range want {
		said := b.scripts[i].Text + " " + strings.Join(b.scripts[i].Args, " ")
		for _, has := range w.has {
			if !strings.Contains(said, has) {
				t.Errorf("script %d does not ask for %s: %s", i+1, has, said)
			}
		}
		if b.scripts[i].Ahead != w.ahead {
			t.Errorf("script %d: ahead is %t", i+1, b.scripts[i].Ahead)
		}
	}
}
