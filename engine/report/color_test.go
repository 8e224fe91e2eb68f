package report_test

import (
	"bytes"
	"strings"
	"testing"

	"cvsplay/engine/report"
)

// TestColorIsDecidedByWriterAndEnvironment writes to what is no terminal.
func TestColorIsDecidedByWriterAndEnvironment(t *testing.T) {
	for _, tc := range []struct {
		env   string
		color report.Color
		want  bool
	}{
		{"TERM=xterm-256color COLORTERM=truecolor", report.ColorAuto, false},
		{"TERM=xterm-256color CLICOLOR_FORCE=1", report.ColorAuto, true},
		{"TERM=xterm-256color CLICOLOR_FORCE=1 NO_COLOR=1", report.ColorAuto, false},
		{"TERM=dumb CLICOLOR_FORCE=1", report.ColorAuto, false},
		{"TERM=dumb NO_COLOR=1", report.ColorAlways, true},
		{"TERM=xterm-256color CLICOLOR_FORCE=1", report.ColorNever, false},
		{"", report.ColorAuto, false},
	} {
		var b bytes.Buffer
		play(report.Plain(&b, report.Options{Environ: append([]string{}, strings.Fields(tc.env)...), Color: tc.color}), failing())
		if got := strings.Contains(b.String(), "\x1b["); got != tc.want {
			t.Errorf("with %q and %d: escapes %t; want %t", tc.env, tc.color, got, tc.want)
		}
	}
}

func TestColorChangesNoText(t *testing.T) {
	for name, events := range streams {
		plain := plainText(events(), report.Options{})
		colored := plainText(events(), report.Options{Color: report.ColorAlways})
		if got := stripEscapes(string(colored)); got != string(plain) {
			t.Errorf("%s: with colour the text is\n%s\nwithout\n%s", name, got, plain)
		}
	}
}

func TestCanLiveIsForTerminals(t *testing.T) {
	if report.CanLive(&bytes.Buffer{}, noEnv) {
		t.Error("a buffer is no terminal")
	}
}
