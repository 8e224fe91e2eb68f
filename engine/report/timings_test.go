package report_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"cvsplay/engine/event"
	"cvsplay/engine/report"
)

// trip is one round trip of hosts, for the first of the steps that it carried.
func (s *stream) trip(pattern string, asked, acted []string) {
	for _, host := range hosts(pattern) {
		s.add(event.Event{Kind: event.RoundTrip, Play: s.play, Step: slices.Concat(acted, asked)[0], Host: host, Asked: asked, Acted: acted})
	}
}

// phase is a phase that took so long of the play, of its median and its slowest host.
func phase(step, name string, path, median, longest float64, slowest ...event.HostSeconds) event.Phase {
	return event.Phase{Step: step, Name: name, Path: path, Hosts: 300, Median: median, Max: longest, Slowest: slowest}
}

func on(host string, seconds float64) event.HostSeconds {
	return event.HostSeconds{Host: host, Seconds: seconds}
}

// slowNode is a play of twenty steps on 300 nodes, one of which takes minutes.
func slowNode() []event.Event {
	s := newStream()
	s.run(event.Event{}, "node[001-300]")
	var steps, asked []string
	text := ""
	for i := range 20 {
		name := fmt.Sprintf("s%d", i)
		steps = append(steps, name)
		if i != 12 {
			asked = append(asked, name)
		}
		text += ",file " + name
	}
	s.begin("setup", "node[001-300]", text[1:])
	s.trip("node[001-297]", asked, nil)
	s.trip("node[298-300]", asked[:3], nil)
	s.done("s0", "node[001-300]", event.OK, event.Event{})
	s.trip("node[001-300]", asked, steps[1:5])
	s.trip("node113", asked[3:4], nil) // it travels alone, and nobody has to know
	for i, name := range steps[1:] {
		if i == 11 {
			s.trip("node[001-100]", []string{"s14", "host.facts"}, steps[12:13])
			s.trip("node[101-199]", []string{"s15", "s17", "s19"}, steps[12:13])
			s.trip("node[200-250]", []string{"s16", "s18"}, steps[12:13])
			s.trip("node[251-300]", []string{"s13", "s15", "s17", "s19", "s2", "s4"}, steps[12:13])
			s.trip("node113", []string{"s19"}, steps[12:13])
		}
		s.done(name, "node[001-300]", event.Changed, event.Event{})
	}
	e := event.Event{Kind: event.Timings, Play: "setup", Seconds: 185, Phases: []event.Phase{
		phase("", "place", 0.8, 0.4, 0.9, on("node300", 0.9), on("node299", 0.9), on("node298", 0.8)),
		phase("", "dial", 0.002, 0.001, 15, on("node007", 15), on("node009", 0.001)),
		phase("", "handshake", 0.4, 0.35, 2.5, on("node007", 2.5), on("node008", 0.4)),
		phase("s0", "decide", 0.02, 0.01, 0.03),
		phase("s0", "ask", 1.2, 0.8, 2.2, on("node113", 2.2), on("node007", 1.1)),
	}}
	for i, name := range steps[1:] {
		e.Phases = append(e.Phases, phase(name, "decide", 0.02, 0.01, 0.03))
		switch {
		case i == 11:
			e.Phases = append(e.Phases, phase(name, "act", 161, 12, 161, on("node113", 161), on("node007", 15.4), on("node100", 15.2), on("node200", 15.1)),
				phase(name, "wait", 0, 149, 155, on("node113", 149), on("node007", 3.4)))
		case i%2 == 0:
			e.Phases = append(e.Phases, phase(name, "act", 2+float64(i)/10, 2, 3+float64(i)/10, on("node001", 3+float64(i)/10)), phase(name, "wait", 0, 0.2, 0.5))
		default:
			e.Phases = append(e.Phases, phase(name, "act", 0.02, 0.02, 0.04))
		}
		if i != 11 {
			e.Phases = append(e.Phases, event.Phase{Step: name, Name: "ask", With: "s0"})
		}
	}
	e.Phases = append(e.Phases, phase("", "all", 0, 32, 181, on("node113", 181), on("node007", 48.2), on("node100", 33)))
	s.add(e)
	s.end(0, 185)
	return s.events
}

// twoPlays has a play on one host, and the end of the run takes long.
func twoPlays() []event.Event {
	s := newStream()
	s.run(event.Event{}, "n[1-2]")
	s.begin("first", "n1", "file a,file b,file c,file d")
	for _, name := range []string{"a", "b", "c", "d"} {
		s.done(name, "n1", event.OK, event.Event{})
	}
	asked := event.Event{Kind: event.Timings, Play: "first", Seconds: 0.5, Phases: []event.Phase{phase("a", "ask", 0.5, 0.5, 0.5, on("n1", 0.5))}}
	for _, name := range []string{"b", "c", "d"} {
		asked.Phases = append(asked.Phases, event.Phase{Step: name, Name: "ask", With: "a"})
	}
	asked.Phases = append(asked.Phases, event.Phase{Name: "all", Hosts: 1, Median: 0.5, Max: 0.5})
	s.add(asked)
	s.add(event.Event{Kind: event.PlayDone, Play: "first", Seconds: 0.5})
	s.begin("second", "n[1-2]", "file e")
	s.done("e", "n[1-2]", event.Changed, event.Event{})
	s.add(event.Event{Kind: event.Timings, Play: "second", Seconds: 3, Phases: []event.Phase{
		phase("e", "act", 3, 3, 3, on("n1", 3), on("n2", 2.99)),
		phase("", "all", 0, 3, 3, on("n1", 3), on("n2", 3)),
	}})
	s.add(event.Event{Kind: event.Timings, Seconds: 2.001, Phases: []event.Phase{{Name: "cleanup", Path: 2}, {Name: "close", Path: 0.001}}})
	return s.end(0, 5.6)
}

func TestTimings(t *testing.T) {
	for name, tc := range map[string]struct {
		events  func() []event.Event
		options report.Options
	}{
		"timings.txt":       {slowNode, report.Options{}},
		"timings-v.txt":     {slowNode, report.Options{Verbose: 1}},
		"timings-wide.txt":  {slowNode, report.Options{Width: 140}},
		"timings-plays.txt": {twoPlays, report.Options{}},
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, plainText(tc.events(), tc.options)) })
	}
}

// The timings are asked for, so they are told where little else is.
func TestQuietTellsTimings(t *testing.T) {
	var b bytes.Buffer
	play(report.Quiet(&b, report.Options{Environ: noEnv}), twoPlays())
	golden(t, "timings-quiet.txt", b.Bytes())
}
