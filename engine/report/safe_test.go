package report_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"cvsplay/engine/event"
	"cvsplay/engine/report"
)

func TestSafe(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"text", "plain text, ünïcödé, 日本語", "plain text, ünïcödé, 日本語"},
		{"a colour", "\x1b[31mred\x1b[0m", "␛[31mred␛[0m"},
		{"a title", "\x1b]0;mine\a", "␛]0;mine␇"},
		{"a title, the other end", "\x1b]0;mine\x1b\\", `␛]0;mine␛\`},
		{"device control", "\x1bP1$r\x1b\\", `␛P1$r␛\`},
		{"C1 as UTF-8", "\u009b2J\u0090\u009d", `\u009b2J\u0090\u009d`},
		{"C1 as bytes", "\x9b2J", `\x9b2J`},
		{"lines", "one\r\ntwo\vthree\f", "one␍␊two␋three␌"},
		{"separators", "a\u2028b\u2029c\u0085d", `a\u2028b\u2029c\u0085d`},
		{"back", "ok\b\b  ", "ok␈␈  "},
		{"NUL and DEL", "\x00\x7f", "␀␡"},
		{"bidi", "a\u202eb\u2066c\u200ed\u061ce", `a\u202eb\u2066c\u200ed\u061ce`},
		{"invisible", "a\u200bb\ufeffc\u00add", `a\u200bb\ufeffc\u00add`},
		{"tags", "a\U000e0041b", `a\U000e0041b`},
		{"tabs", "a\tb\t\tc", "a       b               c"},
		{"half a character", "a\xe2\x82", `a\xe2\x82`},
		{"not UTF-8", "\xff\xfe", `\xff\xfe`},
		{"the replacement character is text", "\ufffd", "\ufffd"},
		{"a family", "👩\u200d👩\u200d👧 ❤️", "👩\u200d👩\u200d👧 ❤️"},
	} {
		if got := report.Safe(tc.in); got != tc.want {
			t.Errorf("%s: Safe(%q) = %q; want %q", tc.name, tc.in, got, tc.want)
		}
	}
}

// harmful finds a character that acts on a terminal; a line end is none if lines may end.
func harmful(s string, lineEnds bool) (rune, bool) {
	for _, r := range s {
		switch {
		case r == '\n' && lineEnds, r == '\u200c', r == '\u200d':
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
			return r, true
		}
	}
	return 0, false
}

func anyText() *rapid.Generator[string] {
	nasty := rapid.SampledFrom([]string{
		"\x1b", "\x1b[2J", "\x1b]0;t\a", "\x9b", "\u009b", "\u202e", "\r", "\n", "\r\n", "\t", "\x00", "\x7f", "\xff", "\xe2\x80", "\u2028", "host", " ", ",", "[", "日",
	})
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.OneOf(nasty, rapid.String()), 0, 6).Draw(t, "parts"), "")
	})
}

func TestSafeIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyText().Draw(t, "text")
		out := report.Safe(in)
		if r, bad := harmful(out, false); bad || !utf8.ValidString(out) {
			t.Fatalf("Safe(%q) = %q has %U", in, out, r)
		}
		if again := report.Safe(out); again != out {
			t.Fatalf("Safe is not stable: %q became %q", out, again)
		}
	})
}

// anyEvents are events that no engine would tell, with anything in every text.
func anyEvents(t *rapid.T) []event.Event {
	kinds := []event.Kind{
		event.PlayStarted, event.BatchStarted, event.StepStarted, event.Out, event.Retry, event.Warning, event.StepDone, event.StepDone, event.StepDone,
		event.Stopping, event.HostDone, event.PlayDone, event.OutputValue,
	}
	text := anyText()
	few := rapid.SampledFrom([]string{"", "n1", "n2", "n3", "\x1b[31m", "\u202en\n"})
	values := rapid.SampledFrom([]string{`{"n1":{"a":"pass"},"n2":{"b":"\u001b[2J"}}`, `[{"a":1},{"b":null}]`, `"\u009b"`, "", "{", "\x1b", `{"a":[1]}`, `null`})
	var out []event.Event
	for range rapid.IntRange(0, 30).Draw(t, "events") {
		e := event.Event{
			Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Play: few.Draw(t, "play"), Step: few.Draw(t, "step"), Module: few.Draw(t, "module"),
			Host: few.Draw(t, "host"), Key: few.Draw(t, "key"), Hosts: rapid.SliceOf(few).Draw(t, "hosts"), Batch: rapid.IntRange(0, 2).Draw(t, "batch"),
			Status: rapid.SampledFrom(append(event.Statuses(), "\x1b[2J")).Draw(t, "status"), Ignored: rapid.Bool().Draw(t, "ignored"),
			Reason: text.Draw(t, "reason"), Message: text.Draw(t, "message"), Line: text.Draw(t, "line"), Name: text.Draw(t, "name"),
			NotReached: rapid.IntRange(0, 3).Draw(t, "not reached"), Value: json.RawMessage(values.Draw(t, "value")),
		}
		if rapid.Bool().Draw(t, "changes") {
			e.Changes = []event.Change{{What: text.Draw(t, "what"), Have: text.Draw(t, "have"), Want: text.Draw(t, "want"), Diff: text.Draw(t, "diff")}}
		}
		if e.Kind == event.PlayStarted {
			e.Steps = []event.StepInfo{{Step: "n1", Module: text.Draw(t, "m")}, {Step: few.Draw(t, "s"), Once: true}}
		}
		out = append(out, e)
	}
	return append(out, event.Event{Kind: event.RunDone})
}

func TestNothingHarmfulIsPrinted(t *testing.T) {
	check := func(t interface{ Fatalf(string, ...any) }, events []event.Event) {
		for name, make := range map[string]func(*bytes.Buffer) report.Report{
			"plain": func(b *bytes.Buffer) report.Report { return report.Plain(b, report.Options{Environ: noEnv}) },
			"verbose": func(b *bytes.Buffer) report.Report {
				return report.Plain(b, report.Options{Environ: noEnv, Verbose: 2, Diff: true, Width: 50})
			},
			"quiet": func(b *bytes.Buffer) report.Report { return report.Quiet(b, report.Options{Environ: noEnv}) },
		} {
			var b bytes.Buffer
			play(make(&b), events)
			if r, bad := harmful(b.String(), true); bad || !utf8.Valid(b.Bytes()) {
				t.Fatalf("%s printed %U:\n%q", name, r, b.String())
			}
		}
	}
	check(t, attacked())
	rapid.Check(t, func(t *rapid.T) { check(t, anyEvents(t)) })
}
