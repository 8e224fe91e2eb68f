package report_test

import (
	"bytes"
	"strings"
	"testing"

	"cvsplay/engine/event"
	"cvsplay/engine/report"
)

var diagnostics = []event.Diagnostic{
	{
		Severity: "error", Summary: "Unsupported argument", File: "playbooks/rvs.hcl", Context: `step "exec_script" "install"`,
		Line: 47, Column: 5, EndLine: 47, EndColumn: 11, Snippet: `    scrpit = file("scripts/install_rvs.sh")`,
		Detail: `exec_script has no argument "scrpit". Did you mean "script"?`,
	},
	{
		Severity: "error", Summary: "Unknown step", File: "site.hcl", Line: 9, Column: 24, EndLine: 9, EndColumn: 35,
		Snippet: "  image = \"" + strings.Repeat("x", 10) + "${step.instal.ref}\"",
		Detail:  "There is no step \"instal\" in play \"rvs\" before this place.\n\nDid you mean \"install\"? " + strings.Repeat("Steps can be referred to only after they stand in the text. ", 3),
	},
	{
		Severity: "warning", Summary: "A summary so long that it does not fit into the eighty columns that a terminal has, not even nearly",
		File: "a.hcl", Line: 98, Column: 3, EndLine: 101, EndColumn: 4, Snippet: "  retry {\n    attempts = 3\n\n  }\n",
	},
	{
		Severity: "error", Summary: "Invalid expression", File: "wide.hcl", Line: 3, Column: 120, EndLine: 3, EndColumn: 125,
		Snippet: "  value = \"" + strings.Repeat("long ", 21) + "<<<HERE>>>" + strings.Repeat(" more", 30) + "\"",
		Detail:  "The marked place is shown however far to the right it stands.",
	},
	{
		Severity: "error", Summary: "Wide characters", File: "日本.hcl", Line: 1, Column: 12, EndLine: 1, EndColumn: 14,
		Snippet: "\tname = \"日本é語\"", Detail: "The marks stand under é and 語.",
	},
	{Severity: "error", Summary: "Missing end", File: "b.hcl", Line: 2, Column: 9, Snippet: "  hosts "},
	{Severity: "error", Summary: "No file at all", Detail: "open playbooks/none.hcl: no such file or directory"},
	{Severity: "error", Summary: "Only a file", File: "inventory/hosts.hcl"},
	{Severity: "error", Summary: "Many lines", File: "c.hcl", Line: 7, Snippet: strings.Repeat("  x = [\n", 30)},
}

func TestDiagnostics(t *testing.T) {
	for name, o := range map[string]report.Options{
		"diagnostics.txt":        {},
		"diagnostics-color.txt":  {Color: report.ColorAlways},
		"diagnostics-narrow.txt": {Width: 44},
	} {
		o.Environ = noEnv
		var b bytes.Buffer
		if err := report.Diagnostics(&b, diagnostics, o); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.Bytes())
	}
	if err := report.Diagnostics(&breaking{}, diagnostics, report.Options{}); err == nil {
		t.Error("the writer's error is lost")
	}
}

// FuzzDiagnostics gives places that are not in the snippet.
func FuzzDiagnostics(f *testing.F) {
	f.Add("  a = 1\n", 1, 3, 1, 4)
	f.Add("日本\t\x1b[2J\u202e", 1, 2, 3, 900)
	f.Add("", 0, -1, -5, 0)
	f.Fuzz(func(t *testing.T, snippet string, line, column, endLine, endColumn int) {
		var b bytes.Buffer
		d := event.Diagnostic{Summary: snippet, File: snippet, Snippet: snippet, Line: line, Column: column, EndLine: endLine, EndColumn: endColumn}
		if err := report.Diagnostics(&b, []event.Diagnostic{d}, report.Options{Environ: noEnv}); err != nil {
			t.Fatal(err)
		}
		if r, bad := harmful(b.String(), true); bad {
			t.Fatalf("printed %U: %q", r, b.String())
		}
	})
}
