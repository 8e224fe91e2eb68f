package report_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"cvsplay/engine/event"
	"cvsplay/engine/report"
)

// What sums up a run fits a narrow terminal, as all above it does.
func TestVerdictFitsTheWidth(t *testing.T) {
	for name, events := range streams {
		const width = 44
		text := strings.TrimSpace(string(plainText(events(), report.Options{Width: width})))
		paragraphs := strings.Split(text, "\n\n")
		for line := range strings.Lines(paragraphs[len(paragraphs)-1]) {
			if n := ansi.StringWidth(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
	}
}

// A run in which no host failed, but an output, says which, also where warnings are not told.
func TestVerdictNamesOutputsWithoutValue(t *testing.T) {
	s := newStream()
	s.run(event.Event{}, "n[1-2]")
	s.add(event.Event{Kind: event.Warning, Name: "versions", Message: "output versions: there is no x"})
	one := 1
	s.add(event.Event{Kind: event.RunDone, Recap: map[string]event.Counts{"n1": {event.OK: 1}, "n2": {event.OK: 1}}, ExitCode: &one})
	var quiet bytes.Buffer
	play(report.Quiet(&quiet, report.Options{Environ: noEnv}), s.events)
	for _, text := range []string{string(plainText(s.events, report.Options{})), quiet.String()} {
		if !strings.Contains(text, "2 hosts, all well, but no value for the output versions") || strings.Count(text, "there is no x") != 1 {
			t.Errorf("the output is not blamed once:\n%s", text)
		}
	}
}
