package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cvsplay/engine/lint"
)

// asPlaybook is an example of a rule as a whole file: one without a play is what stands in one.
func asPlaybook(text string) string {
	if strings.Contains("\n"+text, "\nplay ") {
		return text
	}
	return "play \"example\" {\n  hosts = group.all\n" + text + "}\n"
}

// hintsOf are the ids of the hints that validate gives about a playbook, which has to be valid.
func hintsOf(t *testing.T, text string, more ...string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "example.hcl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out := called(t, append([]string{"validate", "--json", path}, more...)...)
	var doc verdicts
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != 0 || !doc.Valid {
		t.Fatalf("exit code %d, %v\n%s\n%s", code, err, text, out)
	}
	var ids []string
	for _, d := range doc.Diagnostics {
		ids = append(ids, d.ID)
	}
	return ids
}

// Each rule fires on its bad example, and on nothing of its good one.
func TestRulesFireOnTheirExamples(t *testing.T) {
	for _, r := range lint.Rules() {
		t.Run(r.ID, func(t *testing.T) {
			if got := hintsOf(t, asPlaybook(r.Bad)); !slices.Equal(got, []string{r.ID}) {
				t.Errorf("hints %q, and not %s alone:\n%s", got, r.ID, r.Bad)
			}
			if got := hintsOf(t, asPlaybook(r.Bad), "--lint", "off"); got != nil {
				t.Errorf("hints with --lint off: %q", got)
			}
			if got := hintsOf(t, asPlaybook(r.Good)); got != nil {
				t.Errorf("hints %q:\n%s", got, r.Good)
			}
		})
	}
}

// Every id that the code gives a hint is documented, and there are no others.
func TestHintsAreDocumented(t *testing.T) {
	given := regexp.MustCompile(`HintID: +"([^"]+)"|\bhint\("([^"]+)"`)
	var used []string
	for _, pattern := range []string{"modules/*.go", "engine/*.go", "engine/lint/*.go"} {
		paths, err := filepath.Glob(repository(t, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatal(pattern, err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range given.FindAllSubmatch(text, -1) {
				used = append(used, string(found[1])+string(found[2]))
			}
		}
	}
	slices.Sort(used)
	var ids []string
	for _, r := range lint.Rules() {
		ids = append(ids, r.ID)
	}
	if used = slices.Compact(used); !slices.Equal(used, ids) {
		t.Errorf("the code gives\n%q, documented are\n%q", used, ids)
	}
}

// What is shipped and shown gives no hints.
func TestShippedPlaybooksGiveNoHints(t *testing.T) {
	var paths []string
	for _, pattern := range []string{"playbooks/*.hcl", "examples/*.hcl", "examples/*/*.hcl", "cmd/cvsplay/starter/*.hcl"} {
		found, err := filepath.Glob(repository(t, pattern))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	played := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`(?m)^play "`).Match(text) {
			continue
		}
		played++
		if code, out := called(t, "validate", "--lint", "error", path); code != 0 {
			t.Error(out)
		}
	}
	if played < 12 {
		t.Errorf("only %d playbooks", played)
	}
}
