package modules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cvsplay/engine"
)

// Ask gives the script itself where it is read-only, else a question for each guard.
func (a execArgs) Ask() []engine.Question {
	if a.ReadOnly {
		return []engine.Question{a.shell()}
	}
	var out []engine.Question
	for _, g := range a.guards() {
		out = append(out, g.ask)
	}
	return out
}

// shell is what the step runs.
func (a execArgs) shell() engine.Shell {
	sh := engine.Shell{
		Foreign:  true,
		AnyCode:  true,
		Args:     a.Args,
		Stdin:    []byte(a.Stdin),
		Dir:      a.Workdir,
		User:     a.User,
		Keep:     a.maxOutput(),
		Artifact: a.Artifact,
		Watch:    engine.Watch{Note: a.FailRegex, Seek: a.OKRegex},
	}
	if a.Script != nil {
		sh.Text = *a.Script
		return sh
	}
	sh.Text, sh.Args = `exec "$@"`, a.Command
	return sh
}

func (a execArgs) maxOutput() int64 {
	if a.MaxOutput <= 0 {
		return execMaxOutput
	}
	return a.MaxOutput
}

// what names the change.
func (a execArgs) what() string {
	if a.Script != nil {
		return "run script"
	}
	return "run " + strings.Join(a.Command, " ")
}

func decideExec(a execArgs, seen engine.Seen) engine.Decision {
	if a.ReadOnly {
		if ans := seen.Answers[0]; ans.State == engine.TimedOut {
			return a.late(ans)
		}
		return a.judge(seen.Answers[0], nil)
	}
	v, err := a.verdict(seen.Answers)
	if err != nil {
		return engine.Stop{State: engine.Failed, Why: err.Error(), Results: notRun()}
	}
	if len(seen.Past) > 0 {
		if d := a.afterwards(seen.Past[len(seen.Past)-1], v); d != nil {
			return d
		}
	}
	if v.holds != "" {
		if seen.Brief {
			return engine.Done{}
		}
		return engine.Done{Results: notRun()}
	}
	return engine.Act{
		Changes: []engine.Change{{
			What:  a.what(),
			Have:  v.have(),
			Want:  v.want(),
			Do:    []engine.Action{a.shell()},
			Again: a.RetryUnknown || v.proof,
			Proof: a.proof(),
		}},
		Results: engine.Values{"ran": true},
	}
}

// afterwards decides once the script has run, or was begun; nil: as if it had not.
func (a execArgs) afterwards(last engine.Outcome, v verdict) engine.Decision {
	if len(last.Answers) == 0 {
		return engine.Stop{State: engine.Failed, Why: last.Why}
	}
	ans := last.Answers[0]
	switch ans.State {
	case engine.Given:
		return a.judge(ans, &v)
	case engine.TimedOut:
		return a.late(ans)
	case engine.Lost:
		if v.proof && v.holds != "" {
			return engine.Done{
				Results: a.results(ans),
				Warn:    []string{"the connection was lost while it ran; it has come to its end all the same: " + v.holds},
			}
		}
		return nil
	case engine.NotStarted:
		return nil
	}
	return engine.Stop{State: engine.Failed, Why: last.Why}
}

// judge gives the verdict over an execution that came to its end. v is nil where there is no guard to ask.
func (a execArgs) judge(ans engine.Answer, v *verdict) engine.Decision {
	results := a.results(ans)
	why := ""
	switch unsound := a.unsound(ans); {
	case !slices.Contains(a.okCodes(), ans.Code):
		// What it wrote is among the results; a cause without it folds over the hosts.
		why = fmt.Sprintf("%s ended with %d%s", a.noun(), ans.Code, a.wantedCodes())
	case unsound != "":
		why = unsound
	case v != nil && v.proof && v.holds == "":
		why = fmt.Sprintf("did not converge: %s ended with %d, and still %s", a.noun(), ans.Code, v.have())
	}
	if why != "" {
		return engine.Stop{State: engine.Failed, Why: why, Results: results, Warn: a.notKept(ans)}
	}
	return engine.Done{Results: results, Warn: a.notKept(ans)}
}

// notKept tells of output that is nowhere: how much there was, and its hash, by which it is known again.
func (a execArgs) notKept(ans engine.Answer) []string {
	var out []string
	for _, s := range []struct {
		name string
		out  engine.Output
	}{{"standard output", ans.Stdout}, {"standard error", ans.Stderr}} {
		if a.Artifact == "" && s.out.Size > a.maxOutput() {
			out = append(out, fmt.Sprintf("it wrote %d bytes to %s, of which the first %d are kept; artifact keeps all (sha256 %s)", s.out.Size, s.name, a.maxOutput(), s.out.SHA256))
		}
	}
	return out
}

func (a execArgs) noun() string {
	if a.Script != nil {
		return "the script"
	}
	return a.Command[0]
}

func (a execArgs) okCodes() []int {
	if len(a.OKCodes) == 0 {
		return []int{0}
	}
	return a.OKCodes
}

func (a execArgs) wantedCodes() string {
	if codes := a.okCodes(); len(codes) > 1 || codes[0] != 0 {
		words := make([]string, len(codes))
		for i, c := range codes {
			words[i] = strconv.Itoa(c)
		}
		return " (wanted " + strings.Join(words, ", ") + ")"
	}
	return ""
}

// notRun are the results where a guard held.
func notRun() engine.Values {
	return engine.Values{"ran": false, "rc": nil, "stdout": nil, "stderr": nil, "duration": nil, "truncated": nil, "matches": nil}
}

func (a execArgs) results(ans engine.Answer) engine.Values {
	v := notRun()
	v["ran"] = true
	if ans.State == engine.Given {
		v["rc"] = ans.Code
	}
	v["stdout"], v["stderr"] = ans.Stdout.String(), ans.Stderr.String()
	v["duration"] = ans.Seconds
	v["truncated"] = max(ans.Stdout.Size, ans.Stderr.Size) > a.maxOutput()
	v["matches"] = a.matches(ans)
	return v
}

// late is the verdict over an execution whose time was up. What it wrote until then is kept.
func (a execArgs) late(ans engine.Answer) engine.Decision {
	return engine.Stop{State: engine.Failed, Why: timedOut(ans), Results: a.results(ans), Warn: a.notKept(ans)}
}

// timedOut says that the limit ended it, and what could not be killed.
func timedOut(ans engine.Answer) string {
	why := ans.Why
	if why == "" {
		why = fmt.Sprintf("timed out after %.0f s", ans.Seconds)
	}
	if len(ans.Survivors) > 0 {
		why += "\nstill running, could not be killed: " + strings.Join(ans.Survivors, "; ")
	}
	return why
}
