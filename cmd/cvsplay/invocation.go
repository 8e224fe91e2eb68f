package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cvsplay/engine/eval"
)

// otherFlags are flags of Ansible and Terraform that have another name here.
var otherFlags = map[string]string{
	"e": "--var", "extra-vars": "--var", "l": "--limit", "C": "--check", "dry-run": "--check", "D": "--diff", "t": "--tags", "f": "--parallel", "forks": "--parallel",
	"start-at-task": "--start-at", "parallelism": "--parallel", "b": "--become",
}

// otherCommands are commands of Ansible and Terraform that have another name here.
var otherCommands = map[string]string{"plan": "check", "apply": "run", "play": "run", "playbook": "run", "doc": "docs", "shell": "exec"}

// wrongFlag says what is wrong with the flags of a command, and what was probably meant.
func (a *app) wrongFlag(cmd *cobra.Command, err error) error {
	near := ""
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		near = nearFlag(cmd, unknown.GetSpecifiedName())
		for _, arg := range a.args { // Terraform's single dash is a row of short flags here
			name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
			if len(name) > 1 && unknown.GetSpecifiedShortnames() != "" && cmd.Flags().Lookup(name) != nil && strings.HasSuffix(name, unknown.GetSpecifiedShortnames()) {
				near = "--" + name
			}
		}
	}
	if near != "" {
		near = " did you mean " + near + "?"
	}
	return fmt.Errorf("%w;%s see cvsplay help%s", err, near, strings.TrimPrefix(cmd.CommandPath(), "cvsplay"))
}

// nearFlag is the flag that was probably meant; "" where none is near.
func nearFlag(cmd *cobra.Command, name string) string {
	if other := otherFlags[name]; cmd.Flags().Lookup(strings.TrimPrefix(other, "--")) != nil {
		return other
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := eval.Suggest(name, names); near != "" && len(name) > 1 {
		return "--" + near
	}
	return ""
}

// noCommand refuses the name of a command that there is not, and says what was probably meant.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	name, near := args[0], ""
	switch other := otherCommands[name]; {
	case strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".hcl.json"):
		near = "run " + name
	case slices.Contains(names, other):
		near = other
	default:
		near = eval.Suggest(name, names)
	}
	if near != "" {
		near = fmt.Sprintf(" Did you mean %q?", cmd.CommandPath()+" "+near)
	}
	return fmt.Errorf("%s has no command %q.%s \"%s --help\" lists them", cmd.CommandPath(), name, near, cmd.CommandPath())
}

// spelled are arguments with the flags of fmt as cvsplay spells them: they may be written as Terraform writes them, with one dash.
func spelled(args []string) []string {
	if len(args) == 0 || args[0] != "fmt" {
		return args
	}
	out := slices.Clone(args)
	for i, arg := range out {
		if arg == "--" {
			break
		}
		if slices.Contains([]string{"-check", "-diff", "-recursive"}, arg) {
			out[i] = "-" + arg
		}
	}
	return out
}

// takes is how many arguments a command takes, and what that is in words.
func takes(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return fmt.Errorf("%s takes %s", strings.TrimPrefix(cmd.CommandPath(), "cvsplay "), what)
		}
		return nil
	}
}
