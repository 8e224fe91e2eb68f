package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"
)

const pingPlaybook = `
variable "become" {}

play "ping" {
  hosts = group.all
  step "exec_script" "login" {
    read_only = true
    become    = var.become
    script    = "echo \"reached as $(id -un)\"\n"
  }
}
`

func (a *app) pingCommand() *cobra.Command {
	f := errandFlags{runFlags: runFlags{adHoc: true}}
	cmd := &cobra.Command{
		Use:   "ping [PATTERN]",
		Short: "Tell which hosts can be reached and worked on",
		Long: "Log in to all hosts of a pattern, or of the whole inventory, and run a shell there that changes nothing: what a run needs. It tells as which\n" +
			"account they were reached, and why others were not; with --become, whether that account can be used. --timings tells who was slow.\n\n" +
			"Exit codes: 0 every host was reached; 1 some was not; 2 the invocation or the inventory is wrong, and nothing was contacted.",
		Args: takes(0, 1, "one pattern of hosts, or none: without one it is every host"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.ping(cmd.Context(), args, f) },
	}
	f.add(cmd)
	return cmd
}

func (a *app) ping(ctx context.Context, args []string, f errandFlags) error {
	if len(args) == 1 && blank(args[0]) {
		return errors.New("ping: the pattern is empty; for all hosts leave it out")
	}
	f.limit = patternOf(args)
	vars := map[string]cty.Value{"become": becomeValue(f.become)}
	return a.run(ctx, a.errand(errand{name: "ping", text: pingPlaybook, vars: vars}, f.runFlags), f.runFlags)
}
