package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"cvsplay/engine/config"
	"cvsplay/engine/event"
	"cvsplay/engine/report"
)

// complain says on standard error what is wrong with an invocation.
func (a *app) complain(words string) {
	fmt.Fprintln(a.stderr, "cvsplay: "+report.Safe(words))
}

// diagnose prints diagnostics with their source.
func (a *app) diagnose(diags hcl.Diagnostics, files *config.Files) {
	var list []event.Diagnostic
	for _, d := range inTextOrder(diags) {
		list = append(list, diagnosticOf(files.Describe(d)))
	}
	_ = report.Diagnostics(a.stderr, list, report.Options{Environ: a.environ}) // nowhere left to complain about standard error
}

// inTextOrder sorts what was found by where it stands, file by file; what has no place comes first.
func inTextOrder(diags hcl.Diagnostics) hcl.Diagnostics {
	files := map[string]int{"": 0}
	place := func(d *hcl.Diagnostic) (file, at int) {
		if d.Subject == nil {
			return 0, 0
		}
		if _, seen := files[d.Subject.Filename]; !seen {
			files[d.Subject.Filename] = len(files)
		}
		return files[d.Subject.Filename], d.Subject.Start.Byte
	}
	for _, d := range diags {
		place(d) // the first file that is named comes first
	}
	sorted := slices.Clone(diags)
	slices.SortStableFunc(sorted, func(a, b *hcl.Diagnostic) int {
		aFile, aByte := place(a)
		bFile, bByte := place(b)
		return cmp.Or(cmp.Compare(aFile, bFile), cmp.Compare(aByte, bByte))
	})
	return sorted
}

func diagnosticOf(d config.Description) event.Diagnostic {
	return event.Diagnostic{
		Severity: d.Severity, Summary: d.Summary, Detail: d.Detail, Context: d.Context,
		File: d.File, Line: d.Line, Column: d.Column, EndLine: d.EndLine, EndColumn: d.EndColumn, Snippet: d.Snippet,
	}
}
