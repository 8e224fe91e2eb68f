package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"cvsplay/engine/event"
	"cvsplay/engine/report"
)

func jsonText(t *testing.T, events []event.Event) []byte {
	t.Helper()
	var b bytes.Buffer
	r := report.JSON(&b)
	play(r, events)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// replay reads events back.
func replay(t *testing.T, text []byte) []event.Event {
	t.Helper()
	var out []event.Event
	for line := range bytes.Lines(text) {
		var e event.Event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		out = append(out, e)
	}
	return out
}

func TestReplayGivesTheSameText(t *testing.T) {
	for name, events := range streams {
		if name == "attacked" {
			continue // bytes that are not UTF-8 may stand in LineB64 alone; see the next test
		}
		t.Run(name, func(t *testing.T) {
			live := events()
			again := replay(t, jsonText(t, live))
			for _, verbose := range []int{0, 2} {
				o := report.Options{Verbose: verbose, Diff: verbose > 0, Color: report.ColorAlways}
				if a, b := plainText(live, o), plainText(again, o); !bytes.Equal(a, b) {
					t.Errorf("live:\n%s\nreplayed:\n%s", a, b)
				}
			}
		})
	}
}

func TestJSONIsPlainText(t *testing.T) {
	events := slices.DeleteFunc(attacked(), func(e event.Event) bool { return !json.Valid(e.Value) && e.Value != nil })
	for i, line := range strings.SplitAfter(string(jsonText(t, events)), "\n") {
		if r, bad := harmful(strings.TrimSuffix(line, "\n"), false); bad || !utf8.ValidString(line) {
			t.Errorf("line %d has %U: %s", i+1, r, line)
		}
	}
}

func TestJSONTellsOfAValueThatIsNone(t *testing.T) {
	r := report.JSON(&bytes.Buffer{})
	r.Handle(event.Event{Kind: event.OutputValue, Value: json.RawMessage("{")})
	if r.Close() == nil {
		t.Error("the error is lost")
	}
}

func TestJSONKeepsEveryText(t *testing.T) {
	text := "\x1b[2J\u009b\u202e\x7f\u2028\U000e0041 <&> \"\\ 日本 \ufe0f"
	in := event.Event{Kind: event.Out, Host: text, Line: text, LineB64: []byte("\xff\x9b"), Key: `\u009b`}
	out := replay(t, jsonText(t, []event.Event{in}))
	if len(out) != 1 || !reflect.DeepEqual(out[0], in) {
		t.Errorf("got %+v", out)
	}
}

// A breaking is a writer that fails after a number of writes.
type breaking struct {
	good, writes int
}

var errBroken = errors.New("broken pipe")

func (b *breaking) Write(p []byte) (int, error) {
	if b.writes++; b.writes > b.good {
		return 0, errBroken
	}
	return len(p), nil
}

func TestABrokenWriterIsLeftAlone(t *testing.T) {
	for name, open := range map[string]func(*breaking) report.Report{
		"json":  func(w *breaking) report.Report { return report.JSON(w) },
		"plain": func(w *breaking) report.Report { return report.Plain(w, report.Options{}) },
		"quiet": func(w *breaking) report.Report { return report.Quiet(w, report.Options{}) },
	} {
		w := &breaking{good: 2}
		r := open(w)
		play(r, failing())
		if err := r.Close(); !errors.Is(err, errBroken) {
			t.Errorf("%s: Close gave %v", name, err)
		}
		if w.writes != 3 {
			t.Errorf("%s: %d writes; want none after the one that failed", name, w.writes)
		}
	}
}
