package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
	"cvsplay/modules"
)

// A slot is an argument, and the blocks that it stands in.
type slot struct {
	engine.Arg
	blocks []string
}

func slots(args []engine.Arg, blocks ...string) []slot {
	var out []slot
	for _, a := range args {
		switch {
		case a.Gone != "" || a.Soon:
		case a.Block != nil:
			out = append(out, slots(a.Block, append(blocks[:len(blocks):len(blocks)], a.Name)...)...)
		default:
			out = append(out, slot{a, blocks})
		}
	}
	return out
}

// step is a step in which one argument is written, on line 4 and behind it; at is its line.
func (s slot) step(module, line string) (text string, at int) {
	var b strings.Builder
	fmt.Fprintf(&b, "play \"p\" {\n  hosts = group.all\n  step %q \"a\" {\n", module)
	for _, block := range s.blocks {
		fmt.Fprintf(&b, "    %s {\n", block)
	}
	fmt.Fprintf(&b, "    %s\n%s  }\n}\n", line, strings.Repeat("    }\n", len(s.blocks)))
	return b.String(), 4 + len(s.blocks)
}

// wrongFor is a value that is of no use for a type.
func wrongFor(t cty.Type) string {
	if t.IsPrimitiveType() {
		return `["a", "b"]`
	}
	return `true`
}

// slip leaves the third letter of a name out, else doubles its last one.
func slip(name string) string {
	if len(name) > 5 {
		return name[:2] + name[3:]
	}
	return name + name[len(name)-1:]
}

// Whatever argument of whatever module is misspelt or has a value of the wrong type: validate points at its line, and says which was meant.
func TestEveryArgumentIsChecked(t *testing.T) {
	count := 0
	for _, name := range modules.All().Names() {
		for _, s := range slots(modules.All()[name].Args) {
			count++
			t.Run(strings.Join(append(append([]string{name}, s.blocks...), s.Name), "."), func(t *testing.T) {
				text, line := s.step(name, slip(s.Name)+" = null")
				d := foundAt(t, text, line)
				if !strings.Contains(d.Detail, fmt.Sprintf("Did you mean %q?", s.Name)) {
					t.Errorf("misspelt as %s: %s: %s", slip(s.Name), d.Summary, d.Detail)
				}
				text, line = s.step(name, s.Name+" = "+wrongFor(s.Type))
				if d = foundAt(t, text, line); !strings.Contains(d.Detail, s.Name) {
					t.Errorf("%s = %s: %s: %s", s.Name, wrongFor(s.Type), d.Summary, d.Detail)
				}
			})
		}
	}
	if count < 80 {
		t.Errorf("only %d arguments", count)
	}
}

// foundAt is what validate finds on a line of a playbook: an error, or the test has failed.
func foundAt(t *testing.T, text string, line int) jsonDiagnostic {
	t.Helper()
	path := filepath.Join(t.TempDir(), "playbook.hcl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out := called(t, "validate", "--json", path)
	var doc verdicts
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != codeUsage {
		t.Fatalf("exit code %d, %v\n%s\n%s", code, err, text, out)
	}
	for _, d := range doc.Diagnostics {
		if d.Severity == "error" && d.Range.Start.Line == line {
			return d
		}
	}
	t.Fatalf("nothing was found on line %d:\n%s\n%s", line, text, out)
	return jsonDiagnostic{}
}
