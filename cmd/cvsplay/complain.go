package main

import (
	"fmt"

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
	for _, d := range diags {
		list = append(list, diagnosticOf(files.Describe(d)))
	}
	_ = report.Diagnostics(a.stderr, list, report.Options{Environ: a.environ}) // nowhere left to complain about standard error
}

func diagnosticOf(d config.Description) event.Diagnostic {
	return event.Diagnostic{
		Severity: d.Severity, Summary: d.Summary, Detail: d.Detail, Context: d.Context,
		File: d.File, Line: d.Line, Column: d.Column, EndLine: d.EndLine, EndColumn: d.EndColumn, Snippet: d.Snippet,
	}
}
