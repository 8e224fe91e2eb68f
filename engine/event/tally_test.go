package event_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cvsplay/engine/event"
)

// events reads one event a line: "done HOST STATUS [ignored]", "host HOST STATUS", "play HOST…", "run HOST…", "stopping".
func events(t *testing.T, text string) []event.Event {
	t.Helper()
	var out []event.Event
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case f[0] == "done":
			out = append(out, event.Event{Kind: event.StepDone, Host: f[1], Status: event.Status(f[2]), Ignored: len(f) == 4})
		case f[0] == "host":
			out = append(out, event.Event{Kind: event.HostDone, Host: f[1], Status: event.Status(f[2])})
		case f[0] == "play":
			out = append(out, event.Event{Kind: event.PlayStarted, Hosts: f[1:]})
		case f[0] == "run":
			out = append(out, event.Event{Kind: event.RunStarted, Hosts: f[1:]})
		case f[0] == "stopping":
			out = append(out, event.Event{Kind: event.Stopping})
		default:
			t.Fatalf("bad line %q", line)
		}
	}
	return out
}

// describe writes the counts of every host on one line each, then what holds for the run.
func describe(tally *event.Tally) string {
	var lines []string
	for host, counts := range tally.Recap() {
		line := host + ":"
		for _, s := range event.Statuses() {
			if n, ok := counts[s]; ok {
				line += fmt.Sprintf(" %d %s", n, s)
			}
		}
		if n := tally.Ignored(host); n > 0 {
			line += fmt.Sprintf(" (%d ignored)", n)
		}
		if tally.Bad(host) {
			line += " BAD"
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return strings.Join(append(lines, fmt.Sprintf("bad %t, changed %t", tally.AnyBad(), tally.AnyChanged())), "\n")
}

func TestTally(t *testing.T) {
	for name, tc := range map[string]struct{ events, want string }{
		"nothing": {"", "bad false, changed false"},
		"all well": {`
			play a b
			done a ok
			done a ok
			done b changed
			done b skipped`,
			"a: 2 ok\nb: 1 changed 1 skipped\nbad false, changed true"},
		"check mode": {"done a would_change", "a: 1 would_change\nbad false, changed true"},
		"every bad state": {`
			done a failed
			done b refused
			done c unreachable
			done d unknown
			done e cancelled`,
			"a: 1 failed BAD\nb: 1 refused BAD\nc: 1 unreachable BAD\nd: 1 unknown BAD\ne: 1 cancelled\nbad true, changed false"},
		"an ignored failure is counted and does not make the host bad": {`
			done a failed ignored
			done a ok
			host a ok`,
			"a: 1 ok 1 failed (1 ignored)\nbad false, changed false"},
		"nor does it hide that the host was lost elsewhere": {`
			done a failed ignored
			host a failed`,
			"a: 1 failed (1 ignored) BAD\nbad true, changed false"},
		"an ignored failure does not hide another": {`
			done a failed ignored
			done a failed`,
			"a: 2 failed (1 ignored) BAD\nbad true, changed false"},
		"ignoring covers failed alone": {"done a unreachable ignored", "a: 1 unreachable BAD\nbad true, changed false"},
		"a host lost without a step":   {"play a\nhost a unreachable", "a: BAD\nbad true, changed false"},
		"a host that ends well":        {"host a changed", "a:\nbad false, changed false"},
		"a host that no step reached":  {"play a b\ndone a ok", "a: 1 ok\nb:\nbad false, changed false"},
		"a host of the inventory only": {"run a b\nplay a\ndone a ok", "a: 1 ok\nbad false, changed false"},
		"a stopped run":                {"done a ok\nstopping", "a: 1 ok\nbad true, changed false"},
	} {
		t.Run(name, func(t *testing.T) {
			var tally event.Tally
			for _, e := range events(t, tc.events) {
				tally.Handle(e)
			}
			if got := describe(&tally); got != tc.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tc.want)
			}
		})
	}
}

func TestRecapIsACopy(t *testing.T) {
	var tally event.Tally
	tally.Handle(event.Event{Kind: event.StepDone, Host: "a", Status: event.OK})
	tally.Recap()["a"][event.OK] = 7
	if n := tally.Recap()["a"][event.OK]; n != 1 {
		t.Errorf("the caller's change reached the tally: %d", n)
	}
}

func TestBadStatuses(t *testing.T) {
	var bad []string
	for _, s := range event.Statuses() {
		if s.Bad() {
			bad = append(bad, string(s))
		}
	}
	if got := strings.Join(bad, " "); got != "refused failed unreachable unknown" {
		t.Errorf("bad: %s", got)
	}
}
