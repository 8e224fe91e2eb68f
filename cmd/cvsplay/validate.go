package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"cvsplay/engine/report"
)

func (a *app) validateCommand() *cobra.Command {
	var f inputFlags
	cmd := &cobra.Command{
		Use:   "validate PLAYBOOK…",
		Short: "Find what is wrong with playbooks, without contacting a host",
		Long: "Find what is wrong with playbooks: syntax, unknown names, wrong types, missing arguments. No host is contacted. Without -i\n" +
			"the hosts and groups that a playbook names are not checked.",
		RunE: func(cmd *cobra.Command, args []string) error { return a.validate(cmd, args, f) },
	}
	f.add(cmd)
	return cmd
}

func (a *app) validate(cmd *cobra.Command, paths []string, f inputFlags) error {
	if len(paths) == 0 {
		return errors.New("validate takes at least one playbook")
	}
	want := noInventory
	if len(f.inventories) > 0 {
		want = idleInventory
	}
	bad := false
	for _, path := range paths {
		l, diags, ok := a.load(cmd.Context(), path, f, want, false)
		if !ok {
			bad = true
			continue
		}
		l.close()
		if len(diags) > 0 {
			a.diagnose(diags, l.files)
		}
		without := ""
		if want == noInventory {
			without = " (without an inventory: hosts and groups were not checked)"
		}
		fmt.Fprintf(a.stdout, "%s is valid%s\n", report.Safe(path), without)
	}
	if bad {
		return exitCode(codeUsage)
	}
	return nil
}
