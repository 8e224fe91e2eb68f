package report_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"cvsplay/engine/event"
	"cvsplay/engine/report"
)

// TestWhenThingsAreTold shows, line by line, which event makes which lines: a step is told when its last host is past it, a failure at once.
func TestWhenThingsAreTold(t *testing.T) {
	s := newStream()
	s.run(event.Event{}, "n[1-3]")
	s.begin("p", "n[1-3]", "m once_for_all once, m free, m keyed, m narrow, m last")
	s.done("once_for_all", "n1", event.OK, event.Event{}) // told at once: no other host will tell of it
	s.start("free", "n[1-3]")
	s.done("free", "n1", event.OK, event.Event{})
	s.start("keyed", "n1")
	s.done("keyed", "n1", event.OK, event.Event{Key: "a"})
	s.done("free", "n2", event.Failed, reason("no"))
	s.leave("n2", event.Failed, 3)
	s.add(event.Event{Kind: event.Warning, Play: "p", Step: "free", Host: "n3", Message: "careful"})
	s.done("free", "n3", event.OK, event.Event{})
	s.done("keyed", "n1", event.Changed, event.Event{Key: "b"})
	s.done("keyed", "n3", event.OK, event.Event{Key: "a"})
	s.done("narrow", "n1", event.OK, event.Event{})
	s.start("narrow", "n3") // n3 is past its instances now
	s.done("narrow", "n3", event.OK, event.Event{})
	s.done("last", "n1", event.OK, event.Event{})
	s.leave("n1", event.OK, 0)
	s.leave("n3", event.OK, 0) // "last" is not for n3
	s.done("free", "n1", event.Changed, event.Event{})
	s.end(1, 1)

	var all, b bytes.Buffer
	r := report.Plain(&b, report.Options{Environ: noEnv})
	for _, e := range s.events {
		r.Handle(e)
		fmt.Fprintf(&all, "> %s\n%s", short(e), b.Bytes())
		b.Reset()
	}
	golden(t, "moments.txt", all.Bytes())
}

// short is an event in a few words.
func short(e event.Event) string {
	words := []string{string(e.Kind), e.Step, e.Key, e.Host, string(e.Status)}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// TestHostsBeyondThePlay feeds what a play did not announce: nothing is lost.
func TestHostsBeyondThePlay(t *testing.T) {
	s := newStream()
	s.done("early", "n1", event.Changed, change("x", "", "y")) // before any play
	s.begin("p", "n1", "m one")
	s.done("one", "n1", event.OK, event.Event{})
	s.done("one", "stranger", event.Failed, reason("who is it"))
	s.done("unheard", "n1", event.Changed, change("a", "", "b"))
	text := string(plainText(s.end(1, 1), report.Options{}))
	for _, want := range []string{"early", "unheard", "stranger: step one (m): who is it", "x → y", "a → b"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
}

// TestManyDifferentHosts keeps the recap short when no two hosts are alike.
func TestManyDifferentHosts(t *testing.T) {
	s := newStream()
	s.run(event.Event{}, "n[001-300]")
	s.begin("p", "n[001-300]", "m one")
	for i, host := range hosts("n[001-300]") {
		for range i % 50 {
			s.done("one", host, event.OK, event.Event{Key: "k"})
		}
		if i%3 == 0 {
			s.done("one", host, event.Failed, reason(fmt.Sprintf("reason %d is like no other", i)))
		}
	}
	text := string(plainText(s.end(1, 1), report.Options{}))
	_, recap, _ := strings.Cut(text, "\nhost ")
	if lines := strings.Count(recap, "\n"); lines > 60 {
		t.Errorf("the recap has %d lines:\n%s", lines, recap)
	}
	for _, want := range []string{"… and 80 other causes on 80 hosts", "100 of 300 hosts failed", "0–49"} {
		if !strings.Contains(recap, want) {
			t.Errorf("%q is missing in:\n%s", want, recap)
		}
	}
}
