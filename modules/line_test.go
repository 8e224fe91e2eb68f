package modules

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"cvsplay/engine"
)

func TestLineEdits(t *testing.T) {
	for _, c := range []struct {
		name, before string
		args         lineArgs
		want         string
	}{
		{"into nothing", "", lineArgs{Line: textOfFile("x")}, "x\n"},
		{"at the end", "a\n", lineArgs{Line: textOfFile("x")}, "a\nx\n"},
		{"no final newline", "a", lineArgs{Line: textOfFile("x")}, "a\nx\n"},
		{"there", "a\nx\nb\n", lineArgs{Line: textOfFile("x")}, "a\nx\nb\n"},
		{"there without a final newline", "a\nx", lineArgs{Line: textOfFile("x")}, "a\nx"},
		{"part of a line is not the line", "xx\n", lineArgs{Line: textOfFile("x")}, "xx\nx\n"},
		{"CRLF", "a\r\nb\r\n", lineArgs{Line: textOfFile("x")}, "a\r\nb\r\nx\r\n"},
		{"CRLF without a final one", "a\r\nb", lineArgs{Line: textOfFile("x")}, "a\r\nb\r\nx\r\n"},
		{"there, CRLF", "a\r\nx\r\n", lineArgs{Line: textOfFile("x")}, "a\r\nx\r\n"},
		{"replaced", "p=1\nq=1\n", lineArgs{Line: textOfFile("p=2"), Match: "^p="}, "p=2\nq=1\n"},
		{"the last is replaced", "p=1\np=2\nq\n", lineArgs{Line: textOfFile("p=3"), Match: "^p="}, "p=1\np=3\nq\n"},
		{"the last is right", "p=1\np=3\n", lineArgs{Line: textOfFile("p=3"), Match: "^p="}, "p=1\np=3\n"},
		{"an earlier one is right", "p=3\np=1\n", lineArgs{Line: textOfFile("p=3"), Match: "^p="}, "p=3\np=3\n"},
		{"replaced without a final newline", "a\np=1", lineArgs{Line: textOfFile("p=2"), Match: "^p="}, "a\np=2"},
		{"replaced keeps CRLF", "p=1\r\na\n", lineArgs{Line: textOfFile("p=2"), Match: "^p=1$"}, "p=2\r\na\n"},
		{"nothing matches", "a\n", lineArgs{Line: textOfFile("p=2"), Match: "^p="}, "a\np=2\n"},
		{"match does not find line", "#p\n", lineArgs{Line: textOfFile("p"), Match: "^#p"}, "p\n"},
		{"match does not find line, which is there", "#p\np\n", lineArgs{Line: textOfFile("p"), Match: "^#p"}, "#p\np\n"},
		{"an empty line in the place of a final one", "a\nb", lineArgs{Line: textOfFile(""), Match: "^b"}, "a\n\n"},
		{"after", "[a]\nx\n[b]\n", lineArgs{Line: textOfFile("y"), After: `^\[a\]`}, "[a]\ny\nx\n[b]\n"},
		{"after the last", "m\na\nm\nb\n", lineArgs{Line: textOfFile("y"), After: "^m"}, "m\na\nm\ny\nb\n"},
		{"after the final one", "a\nm", lineArgs{Line: textOfFile("y"), After: "^m"}, "a\nm\ny\n"},
		{"before the first", "m\na\nm\n", lineArgs{Line: textOfFile("y"), Before: "^m"}, "y\nm\na\nm\n"},
		{"before, CRLF", "m\r\n", lineArgs{Line: textOfFile("y"), Before: "^m"}, "y\r\nm\r\n"},
		{"after nothing", "a\n", lineArgs{Line: textOfFile("y"), After: "^m"}, "a\ny\n"},
		{"there, so after has no say", "y\nm\n", lineArgs{Line: textOfFile("y"), After: "^m"}, "y\nm\n"},
		{"bytes that are no text", "\xff\x00\n", lineArgs{Line: textOfFile("x")}, "\xff\x00\nx\n"},
		{"an empty line", "a\n", lineArgs{Line: textOfFile("")}, "a\n\n"},
		{"absent: all that equal", "x\na\nx\n", lineArgs{Line: textOfFile("x"), State: "absent"}, "a\n"},
		{"absent: all that match", "p=1\na\np=2\n", lineArgs{Match: "^p=", State: "absent"}, "a\n"},
		{"absent: both", "x\np=1\na\n", lineArgs{Line: textOfFile("x"), Match: "^p=", State: "absent"}, "a\n"},
		{"absent: the only one", "x\n", lineArgs{Line: textOfFile("x"), State: "absent"}, ""},
		{"absent: none", "a\nb", lineArgs{Line: textOfFile("x"), State: "absent"}, "a\nb"},
		{"absent: CRLF", "x\r\na\r\n", lineArgs{Line: textOfFile("x"), State: "absent"}, "a\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := t.TempDir() + "/f"
			if err := os.WriteFile(p, []byte(c.before), 0o640); err != nil {
				t.Fatal(err)
			}
			m := newMachine(t)
			c.args.Path = p
			if got := said(m.line(c.args)); got != "done" {
				t.Fatal(got)
			}
			got, err := os.ReadFile(p)
			if err != nil || string(got) != c.want {
				t.Errorf("got  %q\nwant %q (%v)", got, c.want, err)
			}
			if changed := len(m.acted) > 0; changed != (c.before != c.want) {
				t.Errorf("acted: %v", m.acted)
			}
			if lookAt(t, engine.Path{Path: p}).Mode != "0640" {
				t.Error("the mode is not kept")
			}
			m.acted = nil
			if m.line(c.args); len(m.acted) > 0 {
				t.Errorf("a second run did %v", m.acted)
			}
		})
	}
}

func TestLineDecides(t *testing.T) {
	dir := given(engine.PathInfo{Kind: engine.Directory})
	text := given(engine.PathInfo{Kind: engine.Regular, Mode: "0644", UID: "0", GID: "0", Owner: "root", Group: "root", Content: []byte("x\n"), Read: true, Size: 2})
	secret := engine.TextBlob([]byte("token"), engine.Secret)
	for _, c := range []struct {
		name    string
		args    lineArgs
		answers []engine.Answer
		want    string
	}{
		{"missing", lineArgs{Path: "/f", Line: textOfFile("x")}, []engine.Answer{pathAnswer(engine.Absent)}, "failed: no such file: /f; create = true makes it"},
		{"missing, to be made", lineArgs{Path: "/f", Line: textOfFile("x"), Create: true}, []engine.Answer{pathAnswer(engine.Absent), dir}, "act: write (absent -> 2 bytes, sha256 73cb3858a687, mode 0644) again"},
		{"missing folder", lineArgs{Path: "/d/f", Line: textOfFile("x"), Create: true}, []engine.Answer{pathAnswer(engine.Absent), pathAnswer(engine.Absent)},
			`failed: no such directory: /d; a file step with state = "directory" makes it`},
		{"missing, nothing wanted in it", lineArgs{Path: "/f", Line: textOfFile("x"), State: "absent"}, []engine.Answer{pathAnswer(engine.Absent)}, "done"},
		{"directory", lineArgs{Path: "/f", Line: textOfFile("x")}, []engine.Answer{dir}, `refused: /f is a directory, not a file; remove it first with state = "absent"`},
		{"link", lineArgs{Path: "/f", Line: textOfFile("x")}, []engine.Answer{pathAnswer(engine.Symlink)}, "refused: /f is a symbolic link to ; declare the path it leads to, or follow = true"},
		{"too long", lineArgs{Path: "/f", Line: textOfFile("x")}, []engine.Answer{given(engine.PathInfo{Kind: engine.Regular, Size: 1 << 30})}, "failed: /f has 1073741824 bytes; line edits files of up to 67108864"},
		{"cannot be read", lineArgs{Path: "/f", Line: textOfFile("x")}, []engine.Answer{given(engine.PathInfo{Kind: engine.Regular, Size: 3})}, "failed: /f cannot be read"},
		{"mode only", lineArgs{Path: "/f", Line: textOfFile("x"), Mode: "600"}, []engine.Answer{text}, "act: set mode (0644 -> 0600) again"},
		{"secret in a new file", lineArgs{Path: "/f", Line: &secret, Create: true}, []engine.Answer{pathAnswer(engine.Absent), dir}, "act: write (absent -> sensitive content, mode 0600) again"},
		{"secret in a file that is there", lineArgs{Path: "/f", Line: &secret}, []engine.Answer{text}, "act: write (sensitive content, mode 0644 -> sensitive content, mode 0644) again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := decideLine(c.args, engine.Seen{Reach: engine.Reached, Answers: c.answers, Diff: true})
			if got := said(d); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if act, ok := d.(engine.Act); ok && strings.Contains(act.Changes[0].Diff, "token") {
				t.Error("the diff shows a secret")
			}
			if len(c.args.Ask()) != len(c.answers) {
				t.Errorf("%d questions, %d answers", len(c.args.Ask()), len(c.answers))
			}
		})
	}
	act := decideLine(lineArgs{Path: "/f", Line: textOfFile("y"), Match: "x"}, engine.Seen{Answers: []engine.Answer{text}, Diff: true}).(engine.Act)
	if want := "--- /f\n+++ /f\n@@ -1 +1 @@\n-x\n+y\n"; act.Changes[0].Diff != want {
		t.Errorf("diff %q", act.Changes[0].Diff)
	}
}

// Whatever the file and whatever is declared: once edited it stays as it is, and all other lines are what they were.
func TestLineEditIsIdempotent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		content := []byte(strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"a", "b", "#a", "ab", "", "\r", "\n", "\r\n", "\n", "\n", "\xff"})).Draw(rt, "content"), ""))
		content = bytes.TrimRight(content, "\r") // with the newline that a last line may need it would be a line end
		patterns := rapid.SampledFrom([]string{"", "a", "^a$", "^#?a", "b", "^$", "."})
		e := edit{line: []byte(rapid.SampledFrom([]string{"a", "b", "ab", "", "c"}).Draw(rt, "line")), has: true}
		e.match = compiledOne(patterns.Draw(rt, "match"))
		if p := patterns.Draw(rt, "place"); rapid.Bool().Draw(rt, "before") {
			e.before = compiledOne(p)
		} else {
			e.after = compiledOne(p)
		}
		for name, do := range map[string]func([]byte) []byte{"present": e.present, "absent": e.absent} {
			once := do(bytes.Clone(content))
			if twice := do(bytes.Clone(once)); !bytes.Equal(once, twice) {
				rt.Fatalf("%s: %q, then %q, then %q", name, content, once, twice)
			}
			if name == "present" {
				onlyOneLineDiffers(rt, e, content, once)
			} else {
				onlyLinesLess(rt, e, content, once)
			}
		}
	})
}

// onlyOneLineDiffers wants the line in the text, and all other lines, with their line ends, as they were.
func onlyOneLineDiffers(rt *rapid.T, e edit, before, after []byte) {
	old, now := rowsOf(before), rowsOf(after)
	there := false
	for _, r := range now {
		there = there || bytes.Equal(r.text, e.line)
	}
	if !there {
		rt.Fatalf("the line %q is not in %q", e.line, after)
	}
	if len(now) == len(old) {
		differ := 0
		for i := range old {
			if !bytes.Equal(old[i].end, now[i].end) && len(now[i].text) > 0 {
				rt.Fatalf("a line end changed: %q, %q", before, after)
			}
			if !bytes.Equal(old[i].text, now[i].text) {
				differ++
			}
		}
		if differ > 1 {
			rt.Fatalf("%d lines changed: %q, %q", differ, before, after)
		}
		return
	}
	if len(now) != len(old)+1 {
		rt.Fatalf("%d lines, then %d: %q, %q", len(old), len(now), before, after)
	}
	i := 0
	for i < len(old) && bytes.Equal(old[i].text, now[i].text) {
		i++
	}
	for ; i < len(old); i++ {
		if !bytes.Equal(old[i].text, now[i+1].text) {
			rt.Fatalf("another line changed: %q, %q", before, after)
		}
	}
}

// onlyLinesLess wants what is left to be the old lines in their order, and none of those that had to go.
func onlyLinesLess(rt *rapid.T, e edit, before, after []byte) {
	old, i := rowsOf(before), 0
	for _, r := range rowsOf(after) {
		if bytes.Equal(r.text, e.line) || (e.match != nil && e.match.Match(r.text)) {
			rt.Fatalf("%q is still in %q", r.text, after)
		}
		for i < len(old) && !bytes.Equal(append(old[i].text, old[i].end...), append(r.text, r.end...)) {
			i++
		}
		if i == len(old) {
			rt.Fatalf("%q was not in %q", r.text, before)
		}
		i++
	}
}

func TestLineComplains(t *testing.T) {
	str := cty.StringVal
	for _, c := range []struct {
		name string
		in   engine.Inputs
		want string
	}{
		{"plain", engine.Inputs{"line": str("x")}, ""},
		{"no line", engine.Inputs{}, "no line is given"},
		{"absent by a pattern", engine.Inputs{"state": str("absent"), "match": str("x")}, ""},
		{"absent without anything", engine.Inputs{"state": str("absent")}, "no line is given"},
		{"two lines", engine.Inputs{"line": str("a\nb")}, "a line holds no line end"},
		{"sensitive line with its end", engine.Inputs{"line": str("a\n").Mark("sensitive")}, "a line holds no line end"},
		{"line not known yet", engine.Inputs{"line": cty.UnknownVal(cty.String)}, ""},
		{"two places", engine.Inputs{"line": str("x"), "after": str("a"), "before": str("b")}, "either after or before"},
		{"place of what goes", engine.Inputs{"line": str("x"), "state": str("absent"), "after": str("a")}, "after has no meaning"},
	} {
		t.Run(c.name, func(t *testing.T) { complained(t, checkLine(c.in), c.want) })
	}
	if got := hintLine(engine.Inputs{"line": str("p"), "match": str("^#p")}); len(got) != 1 || got[0].HintID != "line-no-match" {
		t.Errorf("hints %v", got)
	}
	if got := hintLine(engine.Inputs{"line": str("p"), "match": str("^#?p")}); len(got) != 0 {
		t.Errorf("hints %v", got)
	}
}
