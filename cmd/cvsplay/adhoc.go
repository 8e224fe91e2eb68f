package main

import (
	"context"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
	"cvsplay/engine/config"
	"cvsplay/engine/eval"
	"cvsplay/modules"
)

// An errand is what exec and ping are: a playbook of one step, whose variables the command line gives.
type errand struct {
	name string // stands for the path of a playbook
	text string
	vars map[string]cty.Value
}

// errandFlags are the flags of exec and ping.
type errandFlags struct {
	runFlags
	become string
}

func (f *errandFlags) add(cmd *cobra.Command) {
	f.addInventory(cmd)
	f.addWork(cmd)
	cmd.Flags().StringVar(&f.become, "become", "", "as root, or as another `account`: --become=NAME")
	cmd.Flags().Lookup("become").NoOptDefVal = "root"
}

// blank tells that a pattern has nothing in it. It is what a shell's variable that is not set leaves, and does not mean all hosts.
func blank(pattern string) bool { return strings.TrimSpace(pattern) == "" }

// patternOf is the pattern that args begin with, or "" where it is all hosts.
func patternOf(args []string) string {
	if len(args) == 0 || args[0] == "all" {
		return ""
	}
	return args[0]
}

// becomeValue is the step's become: an account, or null for the one that was logged in as.
func becomeValue(account string) cty.Value {
	if account == "" {
		return cty.NullVal(cty.String)
	}
	return cty.StringVal(account)
}

// errand binds an errand to the inventory.
func (a *app) errand(e errand, f runFlags) source {
	return func(ctx context.Context) (*loaded, hcl.Diagnostics, bool) {
		l := &loaded{files: &config.Files{}, runID: newRunID()}
		pb, files, diags := config.Read([]byte(e.text), e.name)
		l.files.Merge(files)
		l.playbook = pb
		diags = append(diags, a.addInventory(ctx, l, f.inputFlags, liveInventory)...)
		cwd, err := os.Getwd()
		if err != nil {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "No current folder", Detail: err.Error()})
		}
		if !diags.HasErrors() {
			plan, more := engine.NewPlan(pb, engine.PlanOptions{
				Modules: modules.All(), Inventory: l.inv, Vars: e.vars, Functions: eval.Functions(eval.FuncContext{Dir: cwd, Env: a.lookup}),
				RunID: l.runID, Dir: cwd, InvDir: l.inventoryDir(),
			})
			l.plan = plan
			diags = append(diags, more...)
		}
		if diags.HasErrors() {
			a.diagnose(diags, l.files)
			l.close()
			return l, diags, false
		}
		return l, diags, true
	}
}
