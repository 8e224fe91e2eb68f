package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"cvsplay/engine"
)

// The page on the language has the table of facts as the engine has it.
func TestFactsAreDocumented(t *testing.T) {
	code, out := called(t, "docs", "facts", "--markdown")
	if code != 0 {
		t.Fatal(out)
	}
	_, table, ok := strings.Cut(out, "\n| fact |")
	text, err := os.ReadFile(repository(t, "docs/language.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !ok || !strings.Contains(string(text), "\n| fact |"+table) {
		t.Errorf("docs/language.md does not have the table that cvsplay docs facts --markdown prints:\n| fact |%s", table)
	}
	code, out = called(t, "docs", "facts", "--json")
	var pages []factPage
	if err := json.Unmarshal([]byte(out), &pages); err != nil || code != 0 || len(pages) != len(engine.Families()) {
		t.Errorf("exit code %d, %d families, %v", code, len(pages), err)
	}
	code, out = called(t, "docs", "facts")
	for _, want := range []string{"  gpu\n", "  kernel.command_line (string)\n", "  ib.devices[*].state (string)\n"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("cvsplay docs facts does not say %q:\n%s", want, out)
		}
	}
}
