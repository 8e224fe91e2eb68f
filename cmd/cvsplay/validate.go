package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"cvsplay/engine/config"
	"cvsplay/engine/lint"
	"cvsplay/engine/report"
)

type validateFlags struct {
	inputFlags

	json bool
	lint string
}

func (a *app) validateCommand() *cobra.Command {
	var f validateFlags
	cmd := &cobra.Command{
		Use:   "validate PLAYBOOK…",
		Short: "Find what is wrong with playbooks, without contacting a host",
		Long: "Find what is wrong with playbooks: syntax, unknown names, wrong types, missing arguments. No host is contacted. Without -i\n" +
			"the hosts and groups that a playbook names are not checked. Hints tell what is allowed and probably not meant: \"cvsplay docs\n" +
			"lint\" explains each, and how a comment silences one. They do not make a playbook invalid, unless --lint error says so.",
		RunE: func(cmd *cobra.Command, args []string) error { return a.validate(cmd.Context(), args, f) },
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.json, "json", false, "print what was found as one JSON document, for editors")
	cmd.Flags().StringVar(&f.lint, "lint", "warn", "what hints are: `off|warn|error`")
	return cmd
}

func (a *app) validate(ctx context.Context, paths []string, f validateFlags) error {
	switch {
	case len(paths) == 0:
		return errors.New("validate takes at least one playbook")
	case f.lint != "off" && f.lint != "warn" && f.lint != "error":
		return fmt.Errorf("--lint: %q is none of off, warn, error", f.lint)
	}
	tell := a.printVerdict
	doc := newVerdicts(len(f.inventories) > 0)
	if f.json {
		tell = doc.add
	}
	bad := false
	for _, path := range paths {
		v := a.judge(ctx, path, f)
		bad = bad || v.diags.HasErrors()
		tell(v)
	}
	if f.json {
		if err := a.printJSON(doc); err != nil {
			return err
		}
	}
	if bad {
		return exitCode(codeUsage)
	}
	return nil
}

// A verdict is what was found about one playbook.
type verdict struct {
	path  string
	diags hcl.Diagnostics
	files *config.Files
	note  string // on what was left out
}

// judge binds a playbook, and adds the hints about all files that were read.
func (a *app) judge(ctx context.Context, path string, f validateFlags) verdict {
	want, note := noInventory, " (without an inventory: hosts and groups were not checked)"
	if len(f.inventories) > 0 {
		want, note = idleInventory, ""
	}
	l, diags := a.read(ctx, path, f.inputFlags, want, false)
	if !diags.HasErrors() {
		l.close()
	}
	return verdict{path: path, diags: hinted(diags, l.files, f), files: l.files, note: note}
}

// hinted adds hints as --lint wants them. Where something is wrong only modules have any: what is half written looks unused.
func hinted(diags hcl.Diagnostics, files *config.Files, f validateFlags) hcl.Diagnostics {
	if f.lint == "off" {
		return withoutHints(diags)
	}
	if !diags.HasErrors() {
		for _, name := range files.Names() {
			if slices.Contains(f.varFiles, name) { // where secrets may stand
				continue
			}
			diags = append(diags, lint.File(files.File(name))...)
			diags = append(diags, lint.UnknownIDs(files.Source(name), name)...)
		}
	}
	diags = lint.Unsilenced(diags, files.Source)
	if f.lint == "error" {
		for i, d := range diags {
			if lint.ID(d) != "" {
				stern := *d
				stern.Severity = hcl.DiagError
				diags[i] = &stern
			}
		}
	}
	return diags
}

func (a *app) printVerdict(v verdict) {
	if len(v.diags) > 0 {
		a.diagnose(v.diags, v.files)
	}
	if !v.diags.HasErrors() {
		fmt.Fprintf(a.stdout, "%s is valid%s\n", report.Safe(v.path), v.note)
	}
}
