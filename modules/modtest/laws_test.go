package modtest_test

import (
	"cmp"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
	"cvsplay/engine/event"
	"cvsplay/modules/modtest"
)

// breakEnv names the module that TestLaws holds the laws against.
const breakEnv = "MODTEST_MODULE"

func TestLaws(t *testing.T) {
	name := cmp.Or(os.Getenv(breakEnv), "honest")
	c := lawful[name]
	c.Module, c.Name, c.Setup = name, "case", "rm -f /srv/thing"
	c.Step = "step \"" + name + "\" \"it\" {\n  path = \"/srv/thing\"\n}"
	modtest.Laws(t, modtest.LabFleet(t, 2), things, []modtest.Case{c})
}

// Each module but the first breaks a law, and that law is told, with those that follow from it, and no other.
func TestLawsFindWhoBreaksThem(t *testing.T) {
	told := regexp.MustCompile(`law [1-5]`)
	for name, want := range map[string][]string{
		"honest":          nil,
		"asks_by_writing": {"law 1", "law 4", "law 5"}, // whoever writes by asking, writes in every run, and on the hosts that are left
		"says_less":       {"law 2"},
		"never_done":      {"law 3", "law 4"},
		"takes_for_done":  {"law 5"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLaws$", "-test.v")
			cmd.Env = append(os.Environ(), breakEnv+"="+name)
			out, err := cmd.CombinedOutput()
			found := told.FindAllString(string(out), -1)
			slices.Sort(found)
			if found = slices.Compact(found); !slices.Equal(found, want) || (err == nil) != (want == nil) {
				t.Errorf("told %q, want %q: %v\n%s", found, want, err, out)
			}
		})
	}
}

// lawful are the cases, by module.
var lawful = map[string]modtest.Case{
	"honest":          {},
	"asks_by_writing": {Ends: event.OK},
	"says_less":       {},
	"never_done":      {},
	"takes_for_done":  {Without: modtest.Refuses},
}

// A thing counts the lines of a file.
type thing struct {
	Path string `arg:"path"`
}

func (a thing) Ask() []engine.Question {
	return []engine.Question{engine.Shell{Text: `if [ -e "$1" ]; then cat "$1"; fi`, Args: []string{a.Path}}}
}

// add is a change that adds a line.
func (a thing) add(what string) engine.Change {
	return engine.Change{What: what, Do: []engine.Action{engine.Shell{Text: `echo "$2" >>"$1"`, Args: []string{a.Path, what}}}}
}

func lines(s engine.Seen) int { return strings.Count(s.Answers[0].Stdout.String(), "\n") }

// A writer asks by writing.
type writer struct {
	Path string `arg:"path"`
}

func (a writer) Ask() []engine.Question {
	return []engine.Question{engine.Shell{Text: `echo asked >>"$1"`, Args: []string{a.Path}}}
}

var things = engine.NewModules(
	engine.PerHost(schemaOf("honest"), func(a thing, s engine.Seen) engine.Decision {
		if lines(s) == 0 {
			return engine.Act{Changes: []engine.Change{a.add("first")}}
		}
		return engine.Done{}
	}),
	engine.PerHost(schemaOf("asks_by_writing"), func(writer, engine.Seen) engine.Decision { return engine.Done{} }),
	engine.PerHost(schemaOf("says_less"), func(a thing, s engine.Seen) engine.Decision {
		switch lines(s) {
		case 0:
			return engine.Act{Changes: []engine.Change{a.add("first")}}
		case 1:
			return engine.Act{Changes: []engine.Change{a.add("second")}}
		}
		return engine.Done{}
	}),
	engine.PerHost(schemaOf("never_done"), func(a thing, s engine.Seen) engine.Decision {
		if len(s.Past) == 0 {
			return engine.Act{Changes: []engine.Change{a.add("first")}}
		}
		return engine.Done{}
	}),
	engine.Fleet(schemaOf("takes_for_done"), func(all []engine.On[thing]) []engine.Decision {
		out := make([]engine.Decision, len(all))
		for i, on := range all {
			out[i] = engine.Done{}
			if on.Reach == engine.Reached && lines(on.Seen) == 0 {
				out[i] = engine.Act{Changes: []engine.Change{on.Args.add("first")}}
			}
		}
		return out
	}),
)

func schemaOf(name string) engine.Module {
	return engine.Module{Name: name, Args: []engine.Arg{{Name: "path", Type: cty.String, Required: true}}}
}
