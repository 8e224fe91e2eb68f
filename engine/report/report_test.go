package report_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"cvsplay/engine/event"
	"cvsplay/engine/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (-update writes it anew); got:\n%s", path, got)
	}
}

// noEnv is an environment without any wish.
var noEnv = []string{"TERM=xterm-256color"}

var streams = map[string]func() []event.Event{
	"demo": demo, "failing": failing, "check": checking, "thousand": thousand, "several": several, "interrupted": interrupted, "attacked": attacked,
}

func plainText(events []event.Event, o report.Options) []byte {
	var b bytes.Buffer
	o.Environ = noEnv
	play(report.Plain(&b, o), events)
	return b.Bytes()
}

func play(r report.Report, events []event.Event) {
	for _, e := range events {
		r.Handle(e)
	}
}

func TestPlain(t *testing.T) {
	for name, events := range streams {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".txt", plainText(events(), report.Options{}))
		})
	}
}

func TestPlainOptions(t *testing.T) {
	for name, tc := range map[string]struct {
		events  func() []event.Event
		options report.Options
	}{
		"failing-v.txt":      {failing, report.Options{Verbose: 1}},
		"demo-vv.txt":        {demo, report.Options{Verbose: 2}},
		"check-v-diff.txt":   {checking, report.Options{Verbose: 1, Diff: true}},
		"failing-color.txt":  {failing, report.Options{Color: report.ColorAlways}},
		"failing-narrow.txt": {failing, report.Options{Width: 50}},
		"failing-wide.txt":   {failing, report.Options{Width: 160}},
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, plainText(tc.events(), tc.options)) })
	}
}

func TestQuiet(t *testing.T) {
	for _, name := range []string{"demo", "failing", "thousand"} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			play(report.Quiet(&b, report.Options{Environ: noEnv}), streams[name]())
			golden(t, name+"-quiet.txt", b.Bytes())
		})
	}
}
