package main

import (
	"strings"

	"github.com/hashicorp/hcl/v2"

	"cvsplay/engine/config"
	"cvsplay/engine/lint"
)

// verdicts is what validate --json prints. Its shape is that of terraform validate -json, with playbook and id besides; docs/validate.md has it.
type verdicts struct {
	FormatVersion    string           `json:"format_version"`
	Valid            bool             `json:"valid"`
	InventoryChecked bool             `json:"inventory_checked"`
	ErrorCount       int              `json:"error_count"`
	WarningCount     int              `json:"warning_count"`
	Diagnostics      []jsonDiagnostic `json:"diagnostics"`
}

type jsonDiagnostic struct {
	Severity string       `json:"severity"`
	ID       string       `json:"id,omitempty"`
	Playbook string       `json:"playbook"`
	Summary  string       `json:"summary"`
	Detail   string       `json:"detail"`
	Range    *jsonRange   `json:"range,omitempty"`
	Snippet  *jsonSnippet `json:"snippet,omitempty"`
}

type jsonRange struct {
	Filename string  `json:"filename"`
	Start    jsonPos `json:"start"`
	End      jsonPos `json:"end"`
}

type jsonPos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

type jsonSnippet struct {
	Context   *string `json:"context"`
	Code      string  `json:"code"`
	StartLine int     `json:"start_line"`
	// The marked part of code, in bytes from its beginning.
	HighlightStart int `json:"highlight_start_offset"`
	HighlightEnd   int `json:"highlight_end_offset"`
}

func newVerdicts(inventoryChecked bool) *verdicts {
	return &verdicts{FormatVersion: "1.0", Valid: true, InventoryChecked: inventoryChecked, Diagnostics: []jsonDiagnostic{}}
}

func (doc *verdicts) add(v verdict) {
	for _, d := range inTextOrder(v.diags) {
		out := jsonDiagnosticOf(d, v.files)
		out.Playbook = v.path
		doc.Diagnostics = append(doc.Diagnostics, out)
		if d.Severity == hcl.DiagError {
			doc.Valid = false
			doc.ErrorCount++
		} else {
			doc.WarningCount++
		}
	}
}

func jsonDiagnosticOf(d *hcl.Diagnostic, files *config.Files) jsonDiagnostic {
	plain := files.Describe(d)
	out := jsonDiagnostic{Severity: plain.Severity, ID: lint.ID(d), Summary: plain.Summary, Detail: plain.Detail}
	if d.Subject == nil || d.Subject.Filename == "" {
		return out
	}
	out.Range = &jsonRange{Filename: d.Subject.Filename, Start: jsonPos(d.Subject.Start), End: jsonPos(d.Subject.End)}
	if plain.FirstLine == 0 {
		return out
	}
	s := &jsonSnippet{Code: plain.Snippet, StartLine: plain.FirstLine}
	if plain.Context != "" {
		s.Context = &plain.Context
	}
	first := lineOffset(files.Source(d.Subject.Filename), plain.FirstLine)
	s.HighlightStart = min(max(0, d.Subject.Start.Byte-first), len(s.Code))
	s.HighlightEnd = min(max(s.HighlightStart, d.Subject.End.Byte-first), len(s.Code))
	out.Snippet = s
	return out
}

// lineOffset is the byte at which a line begins, counted from 1.
func lineOffset(src []byte, line int) int {
	at := 0
	for ; line > 1; line-- {
		next := strings.IndexByte(string(src[at:]), '\n')
		if next < 0 {
			return len(src)
		}
		at += next + 1
	}
	return at
}
