package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

// FuzzPlaybook reads playbooks: whatever they hold, reading ends, and what is wrong is told with its place in the text.
func FuzzPlaybook(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.hcl", "testdata/*/*.json", "../../playbooks/*.hcl", "../../examples/*/*.hcl", "../../examples/*.hcl"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			src, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src, strings.HasSuffix(path, ".json"))
		}
	}
	for _, seed := range []string{
		`{"play": {"p": {"hosts": "${group.all}", "step": [{"file": {"a": {"path": "/x", "depends_on": ["step.b"]}}}, {"check": {"c": {"condition": true, "error_message": ""}}}]}}}`,
		`{"variable": [{"a": {"type": "string", "validation": [{"condition": "${true}"}]}}], "locals": {"b": null}, "output": {"o": {"value": "${local.b}"}}, "cvsplay": {}}`,
		`[{"play": []}, {"play": {"p": [{}, {"locals": []}]}}]`,
	} {
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, src []byte, json bool) {
		name := "p.hcl"
		if json {
			name = "p.hcl.json"
		}
		playbook, files, diags := Read(src, name)
		if !diags.HasErrors() {
			diags = append(diags, splitAll(playbook)...)
		}
		for _, d := range diags {
			files.Describe(d)
			if d.Summary == "" {
				t.Errorf("a diagnostic that says nothing: %+v", d)
			}
			for _, r := range []*hcl.Range{d.Subject, d.Context} {
				if r != nil && (r.Filename != name || r.Start.Byte < 0 || r.End.Byte < r.Start.Byte || r.End.Byte > len(src) || r.Start.Line < 1 || r.Start.Column < 1) {
					t.Errorf("%s: %s: points to %+v, in a text of %d bytes", d.Summary, d.Detail, *r, len(src))
				}
			}
		}
	})
}
