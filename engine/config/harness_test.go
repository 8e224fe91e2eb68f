package config

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

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

// splitAll splits every step, so that what Split finds is found too.
func splitAll(p *Playbook) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, play := range p.Plays {
		for _, step := range play.Steps {
			if step.Check == nil {
				_, more := step.Split(func(string) bool { return false })
				diags = append(diags, more...)
			}
		}
	}
	return diags
}

// Every error stands on the line that says so, and no other line has one.
func TestErrors(t *testing.T) {
	paths, err := filepath.Glob("testdata/errors/*.hcl")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			playbook, files, diags := Load(path)
			diags = append(diags, splitAll(playbook)...)
			expected := wanted(files.Source(path))
			for _, d := range diags {
				description := files.Describe(d)
				text := description.Summary + ": " + description.Detail
				if !take(expected, description.Line, text) {
					t.Errorf("%s:%d: not expected: %s", path, description.Line, text)
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

// take removes the expectation that a text fulfils.
func take(expected map[int][]string, line int, text string) bool {
	for i, want := range expected[line] {
		if strings.Contains(text, want) {
			expected[line] = append(expected[line][:i:i], expected[line][i+1:]...)
			return true
		}
	}
	return false
}

// mustParse is a body of a text without errors.
func mustParse(t *testing.T, name, src string) *Playbook {
	t.Helper()
	file, diags := Parse([]byte(src), name)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	p := &Playbook{}
	if diags := p.decode(file.Body, loader{files: &Files{}}); diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

func outline(p *Playbook) string {
	var b strings.Builder
	for _, play := range p.Plays {
		fmt.Fprintf(&b, "play %s:", play.Name)
		for _, step := range play.Steps {
			if step.Check != nil {
				fmt.Fprintf(&b, " check.%s", step.Name)
			} else {
				fmt.Fprintf(&b, " %s.%s", step.Module, step.Name)
			}
		}
		for _, local := range play.Locals {
			fmt.Fprintf(&b, " local.%s", local.Name)
		}
		b.WriteString("\n")
	}
	return b.String()
}
