package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"cvsplay/inventory"
)

// A completion gives the words that may stand where the cursor is; prefix is what stands there already.
type completion = func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective)

// complete gives all commands below root their completions, by the names of commands and flags. What is wrong with a playbook or an inventory is
// for the command to say: then nothing is offered. No host is contacted, and no program of an inventory is run.
func (a *app) complete(root *cobra.Command) {
	playbook := filesEnding("hcl", "hcl.json")
	arguments := map[string]completion{
		"run": first(playbook), "check": first(playbook), "graph": first(playbook), "console": first(playbook), "validate": playbook, "fmt": playbook,
		"exec": first(a.patterns), "ping": first(a.patterns), "list": first(a.patterns), "show": first(a.hosts), "import": first(filesEnding("json")),
		"graph of inventory": none, "lab": none, "version": none,
	}
	const word = cobra.ShellCompDirectiveNoFileComp
	tags := a.ofPlaybook(inList, word, tagsOf)
	flags := map[string]completion{
		"inventory": filesEnding("hcl", "json"), "limit": a.patterns, "host": a.hosts, "playbook": playbook, "tags": tags, "skip-tags": tags,
		"start-at": a.ofPlaybook(beginning, word, stepsOf), "play": a.ofPlaybook(beginning, word, playsOf),
		"var":    a.ofPlaybook(beginning, word|cobra.ShellCompDirectiveNoSpace, variablesOf),
		"output": alwaysThese("auto", "live", "plain", "json", "quiet"), "host-keys": alwaysThese("strict", "accept-new", "off"),
	}
	for _, cmd := range commandsBelow(root) {
		name := cmd.Name()
		if name == "graph" && cmd.Parent() != root {
			name = "graph of inventory"
		}
		if f, ok := arguments[name]; ok && cmd.ValidArgsFunction == nil {
			cmd.ValidArgsFunction = f
		}
		for flag, f := range flags {
			if cmd.Flags().Lookup(flag) != nil && (flag != "inventory" || cmd.Name() != "lab") {
				_ = cmd.RegisterFlagCompletionFunc(flag, f) // fails where there is one already: then that counts
			}
		}
	}
}

// commandsBelow are all commands below one.
func commandsBelow(cmd *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for _, c := range cmd.Commands() {
		out = append(append(out, c), commandsBelow(c)...)
	}
	return out
}

// filesEnding are files whose names end so, and folders.
func filesEnding(extensions ...string) completion {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return extensions, cobra.ShellCompDirectiveFilterFileExt
	}
}

// alwaysThese are words that do not depend on anything.
func alwaysThese(list ...string) completion {
	return func(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return beginning(list, prefix), cobra.ShellCompDirectiveNoFileComp
	}
}

func none(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// first completes the first argument alone.
func first(f completion) completion {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return none(cmd, args, prefix)
		}
		return f(cmd, args, prefix)
	}
}

// completionsMost bounds what is offered: nobody reads more.
const completionsMost = 1000

// beginning are the words that begin with a prefix, each once.
func beginning(list []string, prefix string) []string {
	var out []string
	seen := map[string]bool{}
	for _, word := range list {
		if strings.HasPrefix(word, prefix) && !seen[word] && len(out) < completionsMost {
			seen[word] = true
			out = append(out, word)
		}
	}
	return out
}

// inList are the words that the last part of a list between commas may become. What stands before it stays.
func inList(list []string, prefix string) []string {
	at := strings.LastIndexByte(prefix, ',') + 1
	rest := prefix[at:]
	for at < len(prefix) && (prefix[at] == '&' || prefix[at] == '!') {
		at++
		rest = prefix[at:]
	}
	out := beginning(list, rest)
	for i := range out {
		out[i] = prefix[:at] + out[i]
	}
	return out
}

// patterns are hosts and groups, and @failed where there is a playbook.
func (a *app) patterns(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	inv := a.cheapInventory(cmd)
	if inv == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer inv.Close()
	list := append([]string{"all"}, inv.GroupNames()...)
	if cmd.Flags().Lookup("limit") != nil {
		list = append(list, "@failed")
	}
	return inList(append(list, inv.Names()...), prefix), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) hosts(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	inv := a.cheapInventory(cmd)
	if inv == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer inv.Close()
	return beginning(inv.Names(), prefix), cobra.ShellCompDirectiveNoFileComp
}

// cheapInventory reads the inventory that the flags name, as far as that takes no program; nil where it cannot be read so.
func (a *app) cheapInventory(cmd *cobra.Command) *inventory.Inventory {
	given, _ := cmd.Flags().GetStringArray("inventory")
	paths := beginning(given, "") // cobra reads the flags twice
	lab, _ := cmd.Flags().GetInt("lab")
	ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
	defer cancel()
	inv, _, _ := inventory.Load(ctx, paths, inventory.Options{Env: a.lookup, Lab: lab, Idle: true, Sources: map[string]inventory.Source{
		"ansible": noProgram{}, "exec": noProgram{}, "slurm": noProgram{},
	}})
	return inv
}

// noProgram is in the place of sources that run programs: it finds nothing.
type noProgram struct{}

// Open finds nothing.
func (noProgram) Open(context.Context, inventory.SourceBlock) (inventory.Found, hcl.Diagnostics) {
	return inventory.Found{}, nil
}

// ofPlaybook offers words of the playbook that the command names; none where that cannot be read.
func (a *app) ofPlaybook(match func(list []string, prefix string) []string, directive cobra.ShellCompDirective, words func(*loaded) []string) completion {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			if l, _ := a.read(cmd.Context(), args[0], inputFlags{}, noInventory, false); l.plan != nil {
				return match(words(l), prefix), directive
			}
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

func tagsOf(l *loaded) []string {
	var list []string
	for _, play := range l.plan.Plays {
		for _, s := range play.Steps {
			list = append(list, s.Tags...)
		}
	}
	slices.Sort(list)
	return list
}

// stepsOf are the names of steps, and with their plays where there are several.
func stepsOf(l *loaded) []string {
	var list []string
	for _, play := range l.plan.Plays {
		for _, s := range play.Steps {
			list = append(list, s.Name)
			if len(l.plan.Plays) > 1 {
				list = append(list, play.Name+"."+s.Name)
			}
		}
	}
	return list
}

func playsOf(l *loaded) []string {
	var list []string
	for _, play := range l.plan.Plays {
		list = append(list, play.Name)
	}
	return list
}

func variablesOf(l *loaded) []string {
	var list []string
	for _, v := range l.playbook.Variables {
		list = append(list, v.Name+"=")
	}
	return list
}
