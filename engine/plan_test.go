package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"cvsplay/engine/eval"
)

const planHosts = `group "gpu" {
  hosts      = ["n1", "n2", "n3"]
  connection = "local"
  vars       = { level = 4 }
}

host "head" {
  connection = "local"
}
`

// Every diagnostic stands on the line that says so ("# ERROR: words of it"), and no other line has one.
func TestPlanErrors(t *testing.T) {
	paths, err := filepath.Glob("testdata/plan/*.hcl")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			expected := wanted(src)
			_, diags := newScenario(t, string(src), planHosts).plan(runOptions{})
			for _, d := range diags {
				text, line := d.Summary+": "+d.Detail, 0
				if d.Subject != nil {
					line = d.Subject.Start.Line
				}
				if !fulfil(expected, line, text) {
					t.Errorf("%s:%d: not expected: %s", path, line, text)
				}
				if d.Detail == "" || !strings.HasSuffix(d.Detail, ".") && !strings.HasSuffix(d.Detail, "?") {
					t.Errorf("%s:%d: no sentence: %s", path, line, text)
				}
			}
			for line, texts := range expected {
				for _, text := range texts {
					t.Errorf("%s:%d: no error says %q", path, line, text)
				}
			}
		})
	}
}

// wanted finds the "# ERROR: text" comments of a file, by line.
func wanted(src []byte) map[int][]string {
	out := map[int][]string{}
	for i, line := range bytes.Split(src, []byte("\n")) {
		for _, text := range strings.Split(string(line), "# ERROR:")[1:] {
			out[i+1] = append(out[i+1], strings.TrimSpace(text))
		}
	}
	return out
}

// fulfil removes the expectation that a text fulfils.
func fulfil(expected map[int][]string, line int, text string) bool {
	for i, want := range expected[line] {
		if strings.Contains(text, want) {
			expected[line] = append(expected[line][:i:i], expected[line][i+1:]...)
			return true
		}
	}
	return false
}

// What the command line says of a plan has no place in a file.
func TestPlanChoiceErrors(t *testing.T) {
	const playbook = `play "p" {
  hosts = group.all
  step "value" "first" {
    key   = "a"
    value = "1"
    tags  = ["quick"]
  }
}
`
	for _, c := range []struct {
		o    runOptions
		want string
	}{
		{runOptions{tags: []string{"quik"}}, `Unknown tag; No step has the tag "quik". Did you mean "quick"?`},
		{runOptions{skip: []string{"slow"}}, `Unknown tag; No step has the tag "slow".`},
		{runOptions{start: "frist"}, `Unknown step; --start-at: there is no step "frist". Did you mean "first"?`},
		{runOptions{start: "q.first"}, `Unknown step; --start-at: there is no step "q.first". Did you mean "p.first"?`},
		{runOptions{tags: []string{"quick"}, start: "p.first"}, ""},
	} {
		_, diags := newScenario(t, playbook, planHosts).plan(c.o)
		got := ""
		if len(diags) > 0 {
			got = diags[0].Summary + "; " + diags[0].Detail
		}
		if got != c.want {
			t.Errorf("%+v: got %q, want %q", c.o, got, c.want)
		}
	}
}

// Without an inventory, hosts and groups are not checked, and everything else is.
func TestPlanWithoutInventory(t *testing.T) {
	s := newScenario(t, `play "p" {
  hosts = group.nobody_knows
  step "value" "a" {
    key   = hosts["somewhere"].vars.x
    value = step.b.value
  }
}
`, planHosts)
	functions := eval.Functions(eval.FuncContext{})
	_, diags := NewPlan(s.playbook, PlanOptions{Modules: toys(), Functions: functions})
	if len(diags) != 1 || diags[0].Summary != "Unknown step" {
		t.Errorf("got %v", diags)
	}
}

// A hint is a warning, on the argument that it is about.
func TestPlanHints(t *testing.T) {
	s := newScenario(t, `play "p" {
  hosts = group.all
  step "value" "a" {
    key   = "a"
    value = "1"
  }
}
`, planHosts)
	m := valueModule()
	m.Hints = func(in Inputs) []Complaint {
		return []Complaint{{Arg: "value", HintID: "low", Say: "1 is not much"}}
	}
	s.modules = NewModules(m)
	_, diags := s.plan(runOptions{})
	if len(diags) != 1 || diags[0].Severity != hcl.DiagWarning || diags[0].Summary != "Hint: low" || diags[0].Subject.Start.Line != 5 {
		t.Errorf("got %v", diags)
	}
}
