package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strings"
	"testing"

	"cvsplay/engine/event"
	"cvsplay/engine/report"
)

func junitText(t *testing.T, events []event.Event) string {
	t.Helper()
	var b bytes.Buffer
	r := report.JUnit(&b)
	play(r, events)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A suiteCount is what a reader of the XML sees of a suite, or of all of them.
type suiteCount struct {
	Name     string `xml:"name,attr"`
	Tests    int    `xml:"tests,attr"`
	Failures int    `xml:"failures,attr"`
	Errors   int    `xml:"errors,attr"`
	Skipped  int    `xml:"skipped,attr"`
	Cases    []struct {
		Name    string    `xml:"name,attr"`
		Failure *struct{} `xml:"failure"`
		Error   *struct{} `xml:"error"`
		Skipped *struct{} `xml:"skipped"`
	} `xml:"testcase"`
	Suites []suiteCount `xml:"testsuite"`
}

func TestJUnit(t *testing.T) {
	for _, name := range []string{"demo", "failing", "check", "several", "interrupted"} {
		t.Run(name, func(t *testing.T) { golden(t, name+".xml", []byte(junitText(t, streams[name]()))) })
	}
}

// Every stream gives XML that parses, whose counts are those of its cases, and which is bad where the run was.
func TestJUnitCounts(t *testing.T) {
	for name, events := range streams {
		t.Run(name, func(t *testing.T) {
			stream := events()
			var all suiteCount
			text := junitText(t, stream)
			if err := xml.Unmarshal([]byte(text), &all); err != nil {
				t.Fatal(err)
			}
			var sum suiteCount
			for _, s := range all.Suites {
				var counted suiteCount
				for _, c := range s.Cases {
					counted.Tests++
					for to, is := range map[*int]bool{&counted.Failures: c.Failure != nil, &counted.Errors: c.Error != nil, &counted.Skipped: c.Skipped != nil} {
						if is {
							*to++
						}
					}
				}
				if counted.Tests != s.Tests || counted.Failures != s.Failures || counted.Errors != s.Errors || counted.Skipped != s.Skipped {
					t.Errorf("suite %s has %+v and says %+v", s.Name, counted, s)
				}
				sum.Tests += s.Tests
				sum.Failures += s.Failures
				sum.Errors += s.Errors
				sum.Skipped += s.Skipped
			}
			if sum.Tests != all.Tests || sum.Failures != all.Failures || sum.Errors != all.Errors || sum.Skipped != all.Skipped {
				t.Errorf("the suites have %+v in all, the document says %+v", sum, all)
			}
			code := stream[len(stream)-1].ExitCode
			if bad := sum.Failures+sum.Errors > 0; code != nil && bad != (*code != 0 && *code != 3) {
				t.Errorf("exit code %d, %d failures and %d errors", *code, sum.Failures, sum.Errors)
			}
			for line := range strings.Lines(text) {
				if r, found := harmful(strings.TrimSuffix(line, "\n"), false); found {
					t.Errorf("%U in %q", r, line)
				}
			}
		})
	}
}

// What no host is to blame for is told, too: a run that ended badly never looks well.
func TestJUnitTellsOfTheRun(t *testing.T) {
	one := 1
	for name, tc := range map[string]struct {
		events []event.Event
		want   []string
	}{
		"a play without hosts": {
			[]event.Event{{Kind: event.Stopping, Play: "p", Message: "the hosts of this play cannot be told"}, {Kind: event.RunDone, ExitCode: &one}},
			[]string{`<error message="exit code 1"><![CDATA[the hosts of this play cannot be told]]></error>`},
		},
		"an output": {
			[]event.Event{{Kind: event.Warning, Name: "o", Message: "output o: no such step"}, {Kind: event.RunDone, ExitCode: &one}},
			[]string{`<error message="exit code 1"><![CDATA[output o: no such step]]></error>`},
		},
		"no end": {
			[]event.Event{{Kind: event.PlayStarted, Play: "p", Hosts: []string{"a"}}, {Kind: event.StepDone, Play: "p", Step: "s", Host: "a", Status: event.OK}},
			[]string{`<error message="the run did not come to its end"></error>`, `tests="2" failures="0" errors="1"`},
		},
		"a step done once for all": {
			[]event.Event{
				{Kind: event.PlayStarted, Play: "p", Hosts: []string{"a", "b"}},
				{Kind: event.StepDone, Play: "p", Step: "s", Module: "m", Host: "a", Status: event.Failed, Reason: "why"},
				{Kind: event.HostDone, Play: "p", Host: "a", Status: event.Failed, Message: `step "s": why`},
				{Kind: event.HostDone, Play: "p", Host: "b", Status: event.Failed, Message: `step "s", which ran on a: why`},
				{Kind: event.RunDone, ExitCode: &one},
			},
			[]string{`tests="2" failures="2"`, `classname="p.b" name="play"`, `message="step &#34;s&#34;, which ran on a: why"`},
		},
		"an ignored failure": {
			[]event.Event{
				{Kind: event.PlayStarted, Play: "p", Hosts: []string{"a"}},
				{Kind: event.StepDone, Play: "p", Step: "s", Module: "m", Host: "a", Status: event.Failed, Ignored: true, Reason: "why"},
				{Kind: event.HostDone, Play: "p", Host: "a", Status: event.OK},
				{Kind: event.RunDone},
			},
			[]string{`tests="1" failures="0" errors="0"`, `<system-out><![CDATA[failed, which the playbook ignores: why]]></system-out>`},
		},
		"a tear-down": {
			[]event.Event{{Kind: event.CleanupDone, Play: "p", Step: "box", Module: "m", Host: "a", Status: event.Failed, Reason: "why"}, {Kind: event.RunDone, ExitCode: &one}},
			[]string{`name="m box cleanup"`, `<failure message="why" type="failed">`, `tests="1" failures="1" errors="0"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := junitText(t, tc.events)
			for _, want := range tc.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %s in\n%s", want, text)
				}
			}
		})
	}
}

// What hosts print cannot end the text it stands in, nor hold what XML does not know.
func TestJUnitHoldsAnyText(t *testing.T) {
	lines := []string{"a ]]> b", "<x> & \x1b[31m", "\ufffe\uffff\u0000", "last"}
	var events []event.Event
	for _, line := range lines {
		events = append(events, event.Event{Kind: event.Out, Play: "p", Step: "s", Host: "h", Line: line})
	}
	events = append(events, event.Event{Kind: event.StepDone, Play: "p", Step: "s", Host: "h", Status: event.Failed, Reason: "\ufffe ]]>\nand ]]> more"})
	var doc struct {
		Failures []struct {
			Text string `xml:",chardata"`
		} `xml:"testsuite>testcase>failure"`
	}
	text := junitText(t, events)
	if err := xml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err, text)
	}
	if want := "and ]]> more\n\na ]]> b\n<x> & ␛[31m\n\ufffd\ufffd␀\nlast"; len(doc.Failures) != 1 || doc.Failures[0].Text != want {
		t.Errorf("got %q, want %q", doc.Failures, want)
	}
}

func TestJUnitTellsOfABrokenWriter(t *testing.T) {
	r := report.JUnit(&breaking{})
	if err := r.Close(); !errors.Is(err, errBroken) {
		t.Errorf("Close gave %v", err)
	}
}
