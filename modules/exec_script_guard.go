package modules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"cvsplay/engine"
)

// guardLimit is a guard's, whatever the script itself may take.
const guardLimit = 30 * time.Second

// A guard tells whether a script has to run.
type guard struct {
	ask  engine.Question
	read func(engine.Answer) (held bool, err error)
	// yes and no say what was found, in words.
	yes, no string
	// precondition: the script does not run where it does not hold. Else: nothing is left to do where it holds.
	precondition bool
	// leaves is what is at the path once the script has done its work. "": the answer itself, and not its exit code, tells whether the guard holds.
	leaves engine.PathKind
	byCode bool // the exit code alone tells
}

// verdict is what all guards say together.
type verdict struct {
	holds string   // the guard that keeps the script from running, in words; "": it has to run
	open  []string // what the guards found that calls for the script
	proof bool     // some guard can tell that the script has done its work
	// goal are the words of each guard when it holds.
	goal []string
}

func (v verdict) have() string { return strings.Join(v.open, ", ") }
func (v verdict) want() string { return strings.Join(v.goal, " or ") }

// guards lists a step's guards, in the order of its questions.
func (a execArgs) guards() []guard {
	var out []guard
	if a.Creates != "" {
		g := pathGuard(a.Creates, a.Creates+" exists", a.Creates+" does not exist")
		g.leaves = engine.AnyKind
		out = append(out, g)
	}
	if a.Removes != "" {
		g := pathGuard(a.Removes, a.Removes+" exists", a.Removes+" does not exist")
		exists := g.read
		g.read = func(ans engine.Answer) (bool, error) {
			there, err := exists(ans)
			return !there, err
		}
		g.yes, g.no, g.leaves = g.no, g.yes, engine.Absent
		out = append(out, g)
	}
	if a.Unless != "" {
		out = append(out, a.commandGuard("unless", a.Unless, true))
	}
	if a.Version != nil {
		out = append(out, a.versionGuard())
	}
	if a.OnlyIf != "" {
		g := a.commandGuard("only_if", a.OnlyIf, true)
		g.precondition = true
		out = append(out, g)
	}
	return out
}

// verdict reads the answers of all guards.
func (a execArgs) verdict(answers []engine.Answer) (verdict, error) {
	var v verdict
	for i, g := range a.guards() {
		held, err := g.read(answers[i])
		if err != nil {
			return verdict{}, err
		}
		if !g.precondition {
			v.proof = true
			v.goal = append(v.goal, g.yes)
		}
		switch {
		case v.holds != "": // the first one is named
		case held && !g.precondition:
			v.holds = g.yes
		case !held && g.precondition:
			v.holds = g.no
		case !g.precondition:
			v.open = append(v.open, g.no)
		}
	}
	return v, nil
}

// proof is what the guards answer once the script has done its work, where its exit code and one guard are all there is to judge; nil: there is
// more.
func (a execArgs) proof() []engine.Answer {
	if len(a.FailRegex)+len(a.OKRegex) > 0 || !slices.Contains(a.OKCodes, 0) {
		return nil
	}
	out := []engine.Answer{}
	proofs := 0
	for _, g := range a.guards() {
		answer := engine.Answer{State: engine.Given}
		if _, path := g.ask.(engine.Path); path {
			answer.Path.Kind = g.leaves
		} else if !g.byCode {
			return nil
		}
		if !g.precondition {
			proofs++
		}
		out = append(out, answer)
	}
	if proofs > 1 {
		return nil
	}
	return out
}

// pathGuard holds where something is at a path, or matches a glob. A link that leads nowhere is something.
func pathGuard(p, yes, no string) guard {
	if !strings.ContainsAny(p, `*?[\`) {
		return guard{ask: engine.Path{Path: p}, read: readPath(p), yes: yes, no: no}
	}
	// The pattern is expanded by the shell itself: its first match, or the pattern as it stands where there is none.
	text := "set -- " + globWord(p) + "\nif [ -e \"$1\" ] || [ -L \"$1\" ]; then echo found; else echo none; fi\n"
	return guard{ask: engine.Shell{Text: text}, read: readFound, yes: yes, no: no}
}

func readPath(p string) func(engine.Answer) (bool, error) {
	return func(ans engine.Answer) (bool, error) {
		if ans.Path.Kind == engine.PathUnknown {
			return false, fmt.Errorf("cannot tell whether %s is there", p)
		}
		return ans.Path.Kind != engine.Absent, nil
	}
}

func readFound(ans engine.Answer) (bool, error) {
	switch out := strings.TrimSpace(ans.Stdout.String()); {
	case ans.Code == 0 && out == "found":
		return true, nil
	case ans.Code == 0 && out == "none":
		return false, nil
	}
	return false, fmt.Errorf("cannot tell whether a path is there: %s", words(ans))
}

// globWord makes one word of sh that expands as the pattern does: *, ? and brackets have their meaning, a backslash takes it
// from the character behind it, and everything else stands for itself.
func globWord(pattern string) string {
	var out strings.Builder
	escaped := false
	for _, r := range pattern {
		switch {
		case escaped:
			out.WriteString(`'` + strings.ReplaceAll(string(r), `'`, `'\''`) + `'`)
			escaped = false
		case r == '\\':
			escaped = true
		case strings.ContainsRune("*?[]!^-./_", r), r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
			out.WriteRune(r)
		case r == '\'':
			out.WriteString(`"'"`)
		default:
			out.WriteString(`'` + string(r) + `'`)
		}
	}
	if escaped {
		out.WriteString(`'\'`)
	}
	return out.String()
}

// commandGuard holds where a person's read-only command ends with 0. byCode: what it prints is of no interest.
func (a execArgs) commandGuard(name, text string, byCode bool) guard {
	return guard{
		ask: engine.Shell{Text: text, Foreign: true, AnyCode: true, CodeOnly: byCode, Dir: a.Workdir, User: a.User, Limit: guardLimit},
		read: func(ans engine.Answer) (bool, error) {
			if ans.Code >= 128 {
				return false, fmt.Errorf("the guard %s was ended by signal %d", name, ans.Code-128)
			}
			return ans.Code == 0, nil
		},
		byCode: byCode,
		yes:    name + " holds",
		no:     name + " does not hold",
	}
}

// versionGuard holds where the wanted version stands in the output of a command. Some programs print it to standard error.
func (a execArgs) versionGuard() guard {
	want := a.Version.Want
	g := a.commandGuard("version", a.Version.Command, false)
	ended := g.read
	g.read = func(ans engine.Answer) (bool, error) {
		ok, err := ended(ans)
		if err != nil || !ok {
			return false, err
		}
		return hasVersion(ans.Stdout.String(), want) || hasVersion(ans.Stderr.String(), want), nil
	}
	g.yes, g.no = "version "+want+" is there", "version "+want+" is not there"
	return g
}

// hasVersion tells whether a version stands in a text as a whole: not within a longer number, a longer word, or as the
// version of which something is only a pre-release.
func hasVersion(text, want string) bool {
	after := regexp.MustCompile(`^(\.?[0-9A-Za-z]|[~_]|-[A-Za-z])`)
	for from := 0; ; {
		i := strings.Index(text[from:], want)
		if i < 0 {
			return false
		}
		i += from
		if !strings.ContainsAny(before(text, i), "0123456789.~") && !after.MatchString(text[i+len(want):]) {
			return true
		}
		from = i + 1
	}
}

// before is the character in front of a position, "" at the start.
func before(text string, i int) string {
	if i == 0 {
		return ""
	}
	return text[i-1 : i]
}

// words is what a question of ours said that could not be understood.
func words(ans engine.Answer) string {
	text := strings.TrimSpace(ans.Stderr.String())
	if text == "" {
		text = strings.TrimSpace(ans.Stdout.String())
	}
	if text == "" {
		return fmt.Sprintf("it ended with %d and said nothing", ans.Code)
	}
	const longest = 300
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return strings.ReplaceAll(text, "\n", "; ")
}
