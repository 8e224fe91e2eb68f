package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cvsplay/engine/event"
)

func TestLastRunWatch(t *testing.T) {
	for name, c := range map[string]struct{ before, limited, named, events, want string }{
		"all well":                           {events: "play a b | done a ok | done b changed", want: ""},
		"who failed, in inventory order":     {events: "play c b a | done c failed | done a unknown | done b ok", want: "a c"},
		"interrupted: who is not done":       {events: "play a b c | done b ok | done c cancelled", want: "a c"},
		"a play that did not begin":          {named: "c d", events: "play a b | done a ok | done b failed", want: "b c d"},
		"lost in the first of two plays":     {events: "play a b | done a failed | done b ok | play b c | done b ok | done c ok", want: "a"},
		"lost in the second of two plays":    {events: "play a b | done a ok | done b ok | play a b | done a ok", want: "b"},
		"what is owed at the end failed":     {events: "play a b | done a ok | done b ok | cleanup a failed | cleanup b ok", want: "a"},
		"all hosts: what was before is over": {before: "a x", events: "play b | done b failed", want: "b"},
		"limited: others keep what was":      {before: "a b x", limited: "b c", events: "play b c | done b ok | done c refused", want: "c a x"},
		"limited to hosts of no play":        {before: "a b", limited: "c", events: "", want: "a b"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &lastRunWatch{file: filepath.Join(t.TempDir(), "last", "x.json"), path: "/pb.hcl", limited: c.limited != "",
				named: map[string][]string{"later": strings.Fields(c.named)}, ended: map[string]hostEnd{}}
			if c.before != "" {
				if err := (lastRun{Failed: strings.Fields(c.before)}).write(w.file); err != nil {
					t.Fatal(err)
				}
			}
			w.Handle(event.Event{Kind: event.RunStarted, Run: "r1", Hosts: []string{"a", "b", "c", "d"}})
			for _, text := range strings.Split(c.events, " | ") {
				w.Handle(hostEvent(strings.Fields(text)))
			}
			if err := w.save(); err != nil {
				t.Fatal(err)
			}
			last, err := readLastRun(w.file)
			if err != nil || strings.Join(last.Failed, " ") != c.want || last.Run != "r1" || last.Playbook != "/pb.hcl" {
				t.Errorf("got %+v, %v; want %s", last, err, c.want)
			}
			if info, err := os.Stat(w.file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
		})
	}
}

// hostEvent is "play HOST…", "done HOST STATUS" or "cleanup HOST STATUS".
func hostEvent(words []string) event.Event {
	switch {
	case len(words) == 0:
		return event.Event{}
	case words[0] == "play":
		return event.Event{Kind: event.PlayStarted, Play: "now", Hosts: words[1:]}
	case words[0] == "cleanup":
		return event.Event{Kind: event.CleanupDone, Host: words[1], Status: event.Status(words[2])}
	}
	return event.Event{Kind: event.HostDone, Host: words[1], Status: event.Status(words[2])}
}

func TestLastRunsAreForgotten(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		file := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(int64(1000*(i*3%5)), 0) // the newest first: 3, 1, 4, 2, 0
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := forgetOldest(dir, 3); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 3 || filepath.Base(left[0]) != "1" || filepath.Base(left[1]) != "3" || filepath.Base(left[2]) != "4" {
		t.Errorf("left: %v, %v", left, err)
	}
}
