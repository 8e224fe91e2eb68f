package modules

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"
	"pgregory.net/rapid"

	"cvsplay/engine"
)

// said is a decision as a line of text.
func said(d engine.Decision) string {
	switch d := d.(type) {
	case engine.More:
		return fmt.Sprintf("more %d", len(d.Ask))
	case engine.Act:
		var words []string
		for _, c := range d.Changes {
			w := c.What + " (" + c.Have + " -> " + c.Want + ")"
			if len(c.Do) == 0 {
				w += " later"
			}
			if c.Again {
				w += " again"
			}
			words = append(words, w)
		}
		return "act: " + strings.Join(words, "; ")
	case engine.Done:
		return strings.TrimSpace("done " + strings.Join(d.Warn, "; "))
	case engine.Stop:
		return string(d.State) + ": " + d.Why
	}
	return "nothing"
}

func shellAnswer(code int, stdout, stderr string) engine.Answer {
	return engine.Answer{State: engine.Given, Code: code, Stdout: outputOf(stdout), Stderr: outputOf(stderr)}
}

func outputOf(text string) engine.Output {
	return engine.Output{Bytes: []byte(text), Size: int64(len(text))}
}

func pathAnswer(kind engine.PathKind) engine.Answer {
	return engine.Answer{State: engine.Given, Path: engine.PathInfo{Kind: kind}}
}

func pastOf(what string, ans engine.Answer) []engine.Outcome {
	return []engine.Outcome{{What: what, Answers: []engine.Answer{ans}, OK: ans.State == engine.Given}}
}

func script(text string) *string { return &text }

func TestExecDecides(t *testing.T) {
	run := script("echo hi")
	absent, there := pathAnswer(engine.Absent), pathAnswer(engine.Regular)
	ok, one := shellAnswer(0, "", ""), shellAnswer(1, "", "")
	lost := engine.Answer{State: engine.Lost, Why: "connection reset"}
	for _, c := range []struct {
		name    string
		args    execArgs
		answers []engine.Answer
		past    []engine.Outcome
		want    string
	}{
		{"no guard", execArgs{Script: run}, nil, nil, "act: run script ( -> )"},
		{"no guard, retry_unknown", execArgs{Script: run, RetryUnknown: true}, nil, nil, "act: run script ( -> ) again"},
		{"no guard, ran", execArgs{Script: run}, nil, pastOf("run script", ok), "done"},
		{"no guard, lost", execArgs{Script: run}, nil, pastOf("run script", lost), "act: run script ( -> )"},
		{"command", execArgs{Command: []string{"a", "b c"}}, nil, nil, "act: run a b c ( -> )"},
		{"command ends badly", execArgs{Command: []string{"a"}}, nil, pastOf("run a", shellAnswer(2, "", "no\n")), "failed: a ended with 2"},
		{"code wanted", execArgs{Script: run, OKCodes: []int{0, 3}}, nil, pastOf("run script", shellAnswer(3, "", "")), "done"},
		{"code not wanted", execArgs{Script: run, OKCodes: []int{0, 3}}, nil, pastOf("run script", one), "failed: the script ended with 1 (wanted 0, 3)"},

		{"creates: missing", execArgs{Script: run, Creates: "/x"}, []engine.Answer{absent}, nil, "act: run script (/x does not exist -> /x exists) again"},
		{"creates: there", execArgs{Script: run, Creates: "/x"}, []engine.Answer{there}, nil, "done"},
		{"creates: made", execArgs{Script: run, Creates: "/x"}, []engine.Answer{there}, pastOf("run script", ok), "done"},
		{"creates: not made", execArgs{Script: run, Creates: "/x"}, []engine.Answer{absent}, pastOf("run script", ok), "failed: did not converge: the script ended with 0, and still /x does not exist"},
		{"creates: made, but failed", execArgs{Script: run, Creates: "/x"}, []engine.Answer{there}, pastOf("run script", one), "failed: the script ended with 1"},
		{"creates: a link that leads nowhere", execArgs{Script: run, Creates: "/x"}, []engine.Answer{pathAnswer(engine.Symlink)}, nil, "done"},
		{"creates: cannot be told", execArgs{Script: run, Creates: "/x"}, []engine.Answer{pathAnswer(engine.PathUnknown)}, nil, "failed: cannot tell whether /x is there"},
		{"creates: lost, made", execArgs{Script: run, Creates: "/x"}, []engine.Answer{there}, pastOf("run script", lost), "done the connection was lost while it ran; it has come to its end all the same: /x exists"},
		{"creates: lost, not made", execArgs{Script: run, Creates: "/x"}, []engine.Answer{absent}, pastOf("run script", lost), "act: run script (/x does not exist -> /x exists) again"},
		{"removes: there", execArgs{Script: run, Removes: "/x"}, []engine.Answer{there}, nil, "act: run script (/x exists -> /x does not exist) again"},
		{"removes: missing", execArgs{Script: run, Removes: "/x"}, []engine.Answer{absent}, nil, "done"},
		{"glob: found", execArgs{Script: run, Creates: "/x*"}, []engine.Answer{shellAnswer(0, "found\n", "")}, nil, "done"},
		{"glob: none", execArgs{Script: run, Creates: "/x*"}, []engine.Answer{shellAnswer(0, "none\n", "")}, nil, "act: run script (/x* does not exist -> /x* exists) again"},
		{"glob: noise is not absence", execArgs{Script: run, Creates: "/x*"}, []engine.Answer{shellAnswer(0, "", "")}, nil, "failed: cannot tell whether a path is there: it ended with 0 and said nothing"},
		{"unless: holds", execArgs{Script: run, Unless: "true"}, []engine.Answer{ok}, nil, "done"},
		{"unless: does not", execArgs{Script: run, Unless: "true"}, []engine.Answer{one}, nil, "act: run script (unless does not hold -> unless holds) again"},
		{"unless: killed", execArgs{Script: run, Unless: "true"}, []engine.Answer{shellAnswer(137, "", "")}, nil, "failed: the guard unless was ended by signal 9"},
		{"only_if: holds", execArgs{Script: run, OnlyIf: "true"}, []engine.Answer{ok}, nil, "act: run script ( -> )"},
		{"only_if: does not", execArgs{Script: run, OnlyIf: "true"}, []engine.Answer{one}, nil, "done"},
		{"only_if: still holds afterwards", execArgs{Script: run, OnlyIf: "true"}, []engine.Answer{ok}, pastOf("run script", ok), "done"},
		{"only_if: lost", execArgs{Script: run, OnlyIf: "true"}, []engine.Answer{ok}, pastOf("run script", lost), "act: run script ( -> )"},
		{"two guards, one holds", execArgs{Script: run, Creates: "/x", Unless: "true"}, []engine.Answer{absent, ok}, nil, "done"},
		{"two guards, none holds", execArgs{Script: run, Creates: "/x", Unless: "true"}, []engine.Answer{absent, one}, nil,
			"act: run script (/x does not exist, unless does not hold -> /x exists or unless holds) again"},
		{"creates missing, only_if does not hold", execArgs{Script: run, Creates: "/x", OnlyIf: "true"}, []engine.Answer{absent, one}, nil, "done"},
		{"version there", execArgs{Script: run, Version: &execVersion{"v", "2.4"}}, []engine.Answer{shellAnswer(0, "tool 2.4\n", "")}, nil, "done"},
		{"version on stderr", execArgs{Script: run, Version: &execVersion{"v", "2.4"}}, []engine.Answer{shellAnswer(0, "", "tool v2.4")}, nil, "done"},
		{"version other", execArgs{Script: run, Version: &execVersion{"v", "2.4"}}, []engine.Answer{shellAnswer(0, "tool 2.4.1\n", "")}, nil,
			"act: run script (version 2.4 is not there -> version 2.4 is there) again"},
		{"version command missing", execArgs{Script: run, Version: &execVersion{"v", "2.4"}}, []engine.Answer{shellAnswer(127, "", "v 2.4: not found")}, nil,
			"act: run script (version 2.4 is not there -> version 2.4 is there) again"},

		{"timed out", execArgs{Script: run}, nil, pastOf("run script", engine.Answer{State: engine.TimedOut, Why: "timed out after 2s", Survivors: []string{"7 dd"}, Stdout: outputOf("half\n")}),
			"failed: timed out after 2s\nstill running, could not be killed: 7 dd"},
		{"no place", execArgs{Script: run}, nil, []engine.Outcome{{What: "run script", Answers: []engine.Answer{{State: engine.NoPlace}}, Why: "container box does not run"}},
			"failed: container box does not run"},

		{"read_only", execArgs{Script: run, ReadOnly: true}, []engine.Answer{ok}, nil, "done"},
		{"read_only fails", execArgs{Script: run, ReadOnly: true}, []engine.Answer{one}, nil, "failed: the script ended with 1"},
		{"read_only, timed out", execArgs{Script: run, ReadOnly: true}, []engine.Answer{{State: engine.TimedOut, Why: "timed out after 2s", Survivors: []string{"7 dd"}}}, nil,
			"failed: timed out after 2s\nstill running, could not be killed: 7 dd"},
		{"fail_regex", execArgs{Script: run, FailRegex: []string{"FAIL"}}, nil, pastOf("run script", noting(0, "stdout 2 0 x FAIL", "stderr 1 0 FAIL")),
			"failed: 2 output lines match fail_regex\nstdout line 2: x FAIL"},
		{"fail_regex, clean", execArgs{Script: run, FailRegex: []string{"FAIL"}}, nil, pastOf("run script", noting(0)), "done"},
		{"fail_regex, bytes that are no text", execArgs{Script: run, FailRegex: []string{"FAIL"}}, nil, pastOf("run script", noting(0, "stdout 1 0 \xff FAIL")),
			"failed: an output line matches fail_regex\nstdout line 1: \uFFFD FAIL"},
		{"fail_regex, and the code is wrong", execArgs{Script: run, FailRegex: []string{"FAIL"}}, nil, pastOf("run script", noting(1, "stdout 1 0 FAIL")), "failed: the script ended with 1"},
		{"ok_regex", execArgs{Script: run, OKRegex: []string{"PASS"}}, nil, pastOf("run script", seeking(true)), "done"},
		{"ok_regex, not there", execArgs{Script: run, OKRegex: []string{"PASS"}}, nil, pastOf("run script", seeking(false)), "failed: no output line matches ok_regex PASS"},
		{"ok_regex, each", execArgs{Script: run, OKRegex: []string{"PASS", "end", "x"}}, nil, pastOf("run script", seeking(true, false, false)), "failed: no output line matches ok_regex end, nor x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := said(decideExec(c.args, engine.Seen{Reach: engine.Reached, Answers: c.answers, Past: c.past})); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if got := len(c.args.Ask()); got != len(c.answers) {
				t.Errorf("%d questions, and the row has %d answers", got, len(c.answers))
			}
		})
	}
}

// noting is the answer of a script of which lines were noted, each as "STREAM NUMBER PATTERN TEXT".
func noting(code int, lines ...string) engine.Answer {
	a := shellAnswer(code, "", "")
	for _, line := range lines {
		w := strings.SplitN(line, " ", 4)
		a.Noted = append(a.Noted, engine.Line{Stream: w[0], Number: int64(w[1][0] - '0'), Pattern: int(w[2][0] - '0'), Text: []byte(w[3])})
	}
	a.NotedAll = int64(len(lines))
	return a
}

func seeking(found ...bool) engine.Answer {
	a := shellAnswer(0, "", "")
	a.Sought = found
	return a
}

func TestExecResults(t *testing.T) {
	args := execArgs{Script: script("x"), FailRegex: []string{"nope", `b\d`}}
	stop := args.judge(noting(0, "stdout 2 1 b2", "stderr 1 1 b3"), nil).(engine.Stop)
	typed(t, execSchema, stop.Results)
	want := `[map[line:b2 number:2 pattern:b\d stream:stdout] map[line:b3 number:1 pattern:b\d stream:stderr]]`
	if got := fmt.Sprint(stop.Results["matches"]); got != want {
		t.Errorf("matches %s, want %s", got, want)
	}
	cut := shellAnswer(0, "ok", "")
	cut.Stdout.Size, cut.Stdout.SHA256 = 1<<40, "c0ffee"
	done := (execArgs{Script: script("x"), MaxOutput: 2}).judge(cut, nil).(engine.Done)
	if r := done.Results; r["stdout"] != "ok" || r["truncated"] != true {
		t.Errorf("results %v", r)
	}
	if got := fmt.Sprint(done.Warn); got != "[it wrote 1099511627776 bytes to standard output, of which the first 2 are kept; artifact keeps all (sha256 c0ffee)]" {
		t.Error(got)
	}
	if done := (execArgs{Script: script("x"), MaxOutput: 2, Artifact: "x.log"}).judge(cut, nil).(engine.Done); done.Warn != nil {
		t.Error(done.Warn)
	}
	late := decideExec(execArgs{Script: script("x"), ReadOnly: true}, engine.Seen{Answers: []engine.Answer{{State: engine.TimedOut, Why: "late", Stdout: outputOf("half\n")}}}).(engine.Stop)
	typed(t, execSchema, late.Results)
	if late.Results["stdout"] != "half\n" || late.Results["rc"] != nil || late.Results["ran"] != true {
		t.Errorf("results %v", late.Results)
	}
	for _, d := range []engine.Decision{
		decideExec(execArgs{Script: script("x"), Creates: "/x"}, engine.Seen{Answers: []engine.Answer{pathAnswer(engine.Regular)}}),
		args.judge(noting(0), nil),
	} {
		results := d.(engine.Done).Results
		for _, r := range execResults {
			if _, ok := results[r.Name]; !ok {
				t.Errorf("result %s is missing in %v", r.Name, results)
			}
		}
		typed(t, execSchema, results)
		if len(results) != len(execResults) {
			t.Errorf("results not declared: %v", results)
		}
	}
}

// typed wants every result to be a value of its declared type.
func typed(t *testing.T, m engine.Module, results engine.Values) {
	t.Helper()
	for name, value := range results {
		i := slices.IndexFunc(m.Results, func(r engine.Result) bool { return r.Name == name })
		if i < 0 {
			t.Errorf("%s: result %s is not declared", m.Name, name)
			continue
		}
		if value == nil {
			continue
		}
		v, err := gocty.ToCtyValue(value, m.Results[i].Type)
		if err != nil || v.IsNull() {
			t.Errorf("%s: result %s = %#v: %v", m.Name, name, value, err)
		}
	}
}

func TestHasVersion(t *testing.T) {
	for _, c := range []struct {
		text, want string
		has        bool
	}{
		{"tool 2.4", "2.4", true}, {"v2.4", "2.4", true}, {"2.4.1", "2.4", false}, {"12.4", "2.4", false}, {"1.2.4", "2.4", false},
		{"2.4-rc1", "2.4", false}, {"2.4~beta", "2.4", false}, {"2.4-1ubuntu2", "2.4", true}, {"2.4b", "2.4", false}, {"2.4, linux", "2.4", true},
		{"ends 2.4.", "2.4", true}, {"2.41 2.4", "2.4", true}, {"", "2.4", false}, {"2.4\n", "2.4", true}, {"6.2.0-66", "6.2.0-66", true},
	} {
		if got := hasVersion(c.text, c.want); got != c.has {
			t.Errorf("%q in %q: %v", c.want, c.text, got)
		}
	}
}

// shells are the shells a host may have as /bin/sh, as far as this machine has them.
func shells(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for name, argv := range map[string][]string{"dash": {"dash"}, "bash": {"bash", "--posix"}, "busybox": {"busybox", "sh"}, "mksh": {"mksh"}} {
		if path, err := exec.LookPath(argv[0]); err == nil {
			out[name] = append([]string{path}, argv[1:]...)
		}
	}
	if len(out) == 0 {
		t.Fatal("this machine has no shell")
	}
	return out
}

// inShell runs one of our texts on this machine, in one shell.
func inShell(t *testing.T, argv []string, sh engine.Shell) engine.Answer {
	t.Helper()
	words := append(slices.Clone(argv[1:]), append([]string{"-c", sh.Text, "sh"}, sh.Args...)...)
	cmd := exec.CommandContext(t.Context(), argv[0], words...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = strings.NewReader(string(sh.Stdin))
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && cmd.ProcessState == nil {
		t.Fatalf("%v: %v (%T)", argv, err, exit)
	}
	return shellAnswer(cmd.ProcessState.ExitCode(), stdout.String(), stderr.String())
}

func TestGlobGuardInShells(t *testing.T) {
	for _, c := range []struct {
		file, pattern string
		found         bool
	}{
		{"core-6.4", "core-*", true}, {"core-6.4", "cord-*", false}, {"a b", "a *", true}, {"a'b", "a'*", true}, {`a"$b`, `a"$*`, true},
		{"x1", "x[0-9]", true}, {"xa", "x[!0-9]", true}, {"xa", "x[0-9]", false}, {"lit*", `lit\*`, true}, {"litx", `lit\*`, false},
		{"new\nline", "new\n*", true}, {"tab\tx", "tab\t?", true}, {"ümlaut", "ü*", true}, {"-dash", "-d*", true}, {"a;rm", "a;*", true}, {"$(id)", "$(id*", true},
	} {
		for name, argv := range shells(t) {
			t.Run(name+"/"+c.pattern, func(t *testing.T) {
				dir := t.TempDir()
				if err := os.WriteFile(filepath.Join(dir, c.file), nil, 0o600); err != nil {
					t.Fatal(err)
				}
				g := pathGuard(dir+"/"+c.pattern, "", "")
				got, err := g.read(inShell(t, argv, g.ask.(engine.Shell)))
				if err != nil || got != c.found {
					t.Errorf("%q matches %q: %v, %v; text %s", c.pattern, c.file, got, err, g.ask.(engine.Shell).Text)
				}
			})
		}
	}
}

// Any name, its glob characters escaped, is found by itself; and nothing is found where it is not.
func TestGlobGuardOfAnyName(t *testing.T) {
	argv := shells(t)["dash"]
	if argv == nil {
		argv = []string{"/bin/sh"}
	}
	escape := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.StringMatching(`[a-c *?\[\]\\'"$;&|<>(){}!~#-]{1,8}`).Draw(rt, "name")
		dir, err := os.MkdirTemp("", "glob")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		g := pathGuard(dir+"/"+escape.Replace(name)+"?", "", "")
		for _, want := range []bool{false, true} {
			got, err := g.read(inShell(t, argv, g.ask.(engine.Shell)))
			if err != nil || got != want {
				rt.Fatalf("%q: found %v, want %v (%v)", name, got, want, err)
			}
			if err := os.WriteFile(filepath.Join(dir, name+"x"), nil, 0o600); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

func TestExecComplains(t *testing.T) {
	str := cty.StringVal
	for _, c := range []struct {
		name string
		in   engine.Inputs
		want string
	}{
		{"nothing", engine.Inputs{}, "nothing to run"},
		{"both", engine.Inputs{"script": str("x"), "command": cty.ListVal([]cty.Value{str("x")})}, "either a script or a command"},
		{"perhaps both", engine.Inputs{"script": cty.UnknownVal(cty.String), "command": cty.ListVal([]cty.Value{str("x")})}, ""},
		{"args of a command", engine.Inputs{"args": cty.ListVal([]cty.Value{str("x")}), "command": cty.ListVal([]cty.Value{str("x")})}, "args belong to a script"},
		{"empty command", engine.Inputs{"command": cty.ListValEmpty(cty.String)}, "the command is empty"},
		{"empty script", engine.Inputs{"script": str(" \n")}, "the script is empty"},
		{"read_only with a guard", engine.Inputs{"script": str("x"), "read_only": cty.True, "creates": str("/x")}, "creates has no meaning there"},
		{"read_only with an artifact", engine.Inputs{"script": str("x"), "read_only": cty.True, "artifact": str("x.log")}, ""},
		{"read_only", engine.Inputs{"script": str("x"), "read_only": cty.True, "retry_unknown": cty.False}, ""},
		{"sensitive script", engine.Inputs{"script": str("x").Mark("sensitive")}, ""},
	} {
		t.Run(c.name, func(t *testing.T) { complained(t, checkExec(c.in), c.want) })
	}
	if got := hintExec(engine.Inputs{"script": str("x")}); len(got) != 1 || got[0].HintID != "exec-no-guard" {
		t.Errorf("no guard: %v", got)
	}
	if got := hintExec(engine.Inputs{"script": str("x"), "read_only": cty.False}); len(got) != 1 {
		t.Errorf("no guard, with the schema's defaults: %v", got)
	}
	for _, quiet := range []string{"creates", "only_if", "version", "changed_when", "read_only"} {
		if got := hintExec(engine.Inputs{"script": str("x"), quiet: cty.True}); len(got) != 0 {
			t.Errorf("%s: %v", quiet, got)
		}
	}
}

// complained wants one complaint with these words in it, or none.
func complained(t *testing.T, got []engine.Complaint, want string) {
	t.Helper()
	if want == "" && len(got) == 0 {
		return
	}
	if len(got) != 1 || want == "" || !strings.Contains(got[0].Say, want) {
		t.Errorf("got %v, want %q", got, want)
	}
}

func TestExecValues(t *testing.T) {
	num := cty.NumberIntVal
	for _, c := range []struct {
		name  string
		valid func(cty.Value) error
		value cty.Value
		ok    bool
	}{
		{"codes", validExitCodes, cty.ListVal([]cty.Value{num(0), num(255)}), true},
		{"code too large", validExitCodes, cty.ListVal([]cty.Value{num(256)}), false},
		{"half a code", validExitCodes, cty.ListVal([]cty.Value{cty.NumberFloatVal(0.5)}), false},
		{"no code", validExitCodes, cty.ListValEmpty(cty.Number), false},
		{"artifact", validArtifact, cty.StringVal("logs/rvs.log"), true},
		{"artifact outside", validArtifact, cty.StringVal("../x"), false},
		{"artifact outside, hidden", validArtifact, cty.StringVal("a/../../x"), false},
		{"artifact absolute", validArtifact, cty.StringVal("/x"), false},
		{"max_output", validMaxOutput, num(1 << 20), true},
		{"max_output none", validMaxOutput, num(0), false},
	} {
		if err := c.valid(c.value); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
