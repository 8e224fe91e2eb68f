package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
)

const execPlaybook = `
variable "script" {}
variable "command" {}
variable "become" {}
variable "timeout" {}

play "exec" {
  hosts = group.all
  step "exec_script" "command" {
    script  = var.script
    command = var.command
    become  = var.become
    timeout = var.timeout
  }
}
`

func (a *app) execCommand() *cobra.Command {
	f := errandFlags{runFlags: runFlags{adHoc: true}}
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "exec PATTERN -- COMMAND…",
		Short: "Run a command on hosts, and fold what they print",
		Long: "Run a command on all hosts of a pattern at once. Hosts that print the same and end alike are told together, those on which it failed last.\n" +
			"Lines behind │ are of standard output, behind ┆ of standard error; -vv tells lines while they come, too.\n\n" +
			"One word is a line for /bin/sh; several are a program and its arguments, as they stand: no shell of the host looks at them.\n\n" +
			"    cvsplay exec gpu -- uptime\n" +
			"    cvsplay exec 'gpu,!gpu003' -- 'dmesg | tail -n 3'\n" +
			"    cvsplay exec all --become -- systemctl restart chronyd\n\n" +
			"A pattern is as for --limit: names, groups, globs, node[001-016], then &these, then !not_these; all is every host. Exit codes: 0 it ended\n" +
			"with 0 everywhere; 1 on some host it did not, or the host could not be reached; 2 the invocation or the inventory is wrong, and nothing\n" +
			"was contacted; 130 interrupted. A command whose connection is lost is unknown, and not run again.",
		Args: patternAndCommand,
		RunE: func(cmd *cobra.Command, args []string) error { return a.exec(cmd.Context(), args, limit, f) },
	}
	f.add(cmd)
	cmd.Flags().DurationVar(&limit, "timeout", time.Hour, "end the command where it takes longer, such as 30s or 10m")
	return cmd
}

// patternAndCommand wants PATTERN -- COMMAND. Without the dashes the flags of the command would be taken for flags of cvsplay.
func patternAndCommand(cmd *cobra.Command, args []string) error {
	switch dash := cmd.ArgsLenAtDash(); {
	case len(args) == 0, dash == 0:
		return errors.New("exec takes a pattern of hosts and a command: cvsplay exec all -- uptime")
	case dash < 0 && len(args) == 1:
		return fmt.Errorf("exec takes a command, too: cvsplay exec %s -- uptime", engine.Quote(args[0]))
	case dash != 1:
		say := fmt.Sprintf("exec takes one pattern, then --, then the command: cvsplay exec %s -- COMMAND…", engine.Quote(args[0]))
		if cmd.Flags().Changed("become") {
			say += "; an account stands right behind --become, as in --become=NAME"
		}
		return errors.New(say)
	case blank(args[0]):
		return errors.New("exec: the pattern is empty; for all hosts write all")
	case len(args) == 1:
		return errors.New("exec: there is no command behind --")
	}
	return nil
}

func (a *app) exec(ctx context.Context, args []string, limit time.Duration, f errandFlags) error {
	if limit <= 0 {
		return errors.New("--timeout: a time limit is longer than nothing")
	}
	f.limit = patternOf(args)
	script, command := cty.NullVal(cty.String), cty.NullVal(cty.List(cty.String))
	if words := args[1:]; len(words) == 1 {
		script = cty.StringVal(words[0] + "\n")
	} else {
		var list []cty.Value
		for _, w := range words {
			list = append(list, cty.StringVal(w))
		}
		command = cty.ListVal(list)
	}
	return a.run(ctx, a.errand(errand{name: "exec", text: execPlaybook, vars: map[string]cty.Value{
		"script": script, "command": command, "become": becomeValue(f.become), "timeout": cty.StringVal(limit.String()),
	}}, f.runFlags), f.runFlags)
}
