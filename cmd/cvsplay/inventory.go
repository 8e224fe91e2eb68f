package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/eval"
	"cvsplay/engine/nodeset"
	"cvsplay/engine/report"
	"cvsplay/inventory"
)

type inventoryFlags struct {
	paths   []string
	lab     int
	json    bool
	explain bool
}

func (a *app) inventoryCommand() *cobra.Command {
	var f inventoryFlags
	cmd := &cobra.Command{Use: "inventory", Short: "Look at an inventory, or make one of a CVS cluster file", Args: noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	list := &cobra.Command{
		Use: "list [PATTERN]", Short: "List hosts and groups", Args: takes(0, 1, "one pattern of hosts, or none: without one it lists all"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.inventoryList(cmd, args, f) },
	}
	show := &cobra.Command{
		Use: "show HOST", Short: "Show one host: its groups, variables and settings", Args: takes(1, 1, "the name of one host"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.inventoryShow(cmd, args[0], f) },
	}
	show.Flags().BoolVar(&f.explain, "explain", false, "tell where each value came from")
	for _, c := range []*cobra.Command{list, show, a.inventoryGraphCommand(&f)} {
		c.Flags().StringArrayVarP(&f.paths, "inventory", "i", nil, "inventory `file` or folder; may be given more than once")
		c.Flags().Var((*hostCount)(&f.lab), "lab", "simulate `N` hosts in each lab source, whatever the inventory says")
		c.Flags().BoolVar(&f.json, "json", false, "print JSON")
		cmd.AddCommand(c)
	}
	cmd.AddCommand(&cobra.Command{
		Use: "import FILE", Short: "Write a CVS cluster file as an inventory in HCL, to standard output", Args: takes(1, 1, "one CVS cluster file"),
		Example: "  cvsplay inventory import cluster.json > inventory.hcl",
		RunE:    func(_ *cobra.Command, args []string) error { return a.inventoryImport(args[0]) },
	})
	return cmd
}

func (a *app) inventoryImport(path string) error {
	text, files, diags := inventory.ImportCluster(path, a.lookup)
	if len(diags) > 0 {
		a.diagnose(diags, files)
	}
	if diags.HasErrors() {
		return exitCode(codeUsage)
	}
	_, err := a.stdout.Write(text)
	return err
}

func (a *app) openInventory(cmd *cobra.Command, f inventoryFlags) (*inventory.Inventory, error) {
	inv, files, diags := inventory.Load(cmd.Context(), f.paths, inventory.Options{Env: a.lookup, Lab: f.lab, Idle: true})
	if len(diags) > 0 {
		a.diagnose(diags, files)
	}
	if diags.HasErrors() {
		return nil, exitCode(codeUsage)
	}
	return inv, nil
}

func (a *app) inventoryList(cmd *cobra.Command, args []string, f inventoryFlags) error {
	inv, err := a.openInventory(cmd, f)
	if err != nil {
		return err
	}
	defer inv.Close()
	names := inv.Names()
	if len(args) == 1 {
		if names, err = inv.Match(args[0], inventory.MatchOptions{}); err != nil {
			return err
		}
	}
	if f.json {
		return a.printJSON(listing(inv, names))
	}
	for _, g := range inv.GroupNames() {
		fmt.Fprintf(a.stdout, "%-16s %s\n", report.Safe(g), report.Safe(folded(both(inv.Groups[g].Hosts, names))))
	}
	fmt.Fprintf(a.stdout, "%-16s %s\n", "all", report.Safe(folded(names)))
	hosts := "hosts"
	if len(names) == 1 {
		hosts = "host"
	}
	fmt.Fprintf(a.stdout, "%d %s\n", len(names), hosts)
	return nil
}

func folded(names []string) string {
	if len(names) == 0 {
		return "(none)"
	}
	return nodeset.Fold(names)
}

func both(of, among []string) []string {
	in := make(map[string]bool, len(among))
	for _, n := range among {
		in[n] = true
	}
	return slices.DeleteFunc(slices.Clone(of), func(n string) bool { return !in[n] })
}

func listing(inv *inventory.Inventory, names []string) map[string]any {
	groups := map[string][]string{}
	for _, g := range inv.GroupNames() {
		groups[g] = orNone(both(inv.Groups[g].Hosts, names))
	}
	hosts := map[string]json.RawMessage{}
	for _, n := range names {
		h, _ := inv.Host(n)
		hosts[n] = eval.ToJSON(h.Value())
	}
	return map[string]any{"order": names, "groups": groups, "hosts": hosts}
}

func (a *app) inventoryShow(cmd *cobra.Command, name string, f inventoryFlags) error {
	inv, err := a.openInventory(cmd, f)
	if err != nil {
		return err
	}
	defer inv.Close()
	h, ok := inv.Host(name)
	if !ok {
		return fmt.Errorf("the inventory has no host %q.%s", name, eval.DidYouMean(name, inv.Names()))
	}
	origins := inv.Explain(h)
	if f.json {
		settings := map[string]json.RawMessage{}
		for _, o := range origins {
			settings[o.Name] = eval.ToJSON(o.Value)
		}
		out := map[string]any{"host": eval.ToJSON(h.Value()), "settings": settings}
		if f.explain {
			out["explain"] = explained(inv, h, origins)
		}
		return a.printJSON(out)
	}
	fmt.Fprintf(a.stdout, "%s\n  address  %s\n  groups   %s\n", report.Safe(h.Name), report.Safe(h.Address), report.Safe(strings.Join(h.Groups, ", ")))
	if f.explain {
		for _, name := range h.Groups {
			if rank := rankOf(inv, name); rank != "" {
				fmt.Fprintf(a.stdout, "      %s: %s\n", report.Safe(name), report.Safe(rank))
			}
		}
	}
	for _, o := range origins {
		fmt.Fprintf(a.stdout, "  %s = %s\n", report.Safe(o.Name), report.Safe(shown(o.Value)))
		if f.explain {
			fmt.Fprintf(a.stdout, "      from %s\n", report.Safe(from(o.From, o.Range.Filename, o.Range.Start.Line)))
			for _, l := range o.Over {
				fmt.Fprintf(a.stdout, "      over %s\n", report.Safe(from(l.From, l.Range.Filename, l.Range.Start.Line)))
			}
		}
	}
	return nil
}

// rankOf tells what decides whether a group's values count: the groups above it, and its priority; "" where there is neither.
func rankOf(inv *inventory.Inventory, name string) string {
	var words []string
	if above := parentsOf(inv, name); len(above) > 0 {
		words = append(words, "child of "+strings.Join(above, ", "))
	}
	if p := inv.Groups[name].Priority; p != 0 {
		words = append(words, fmt.Sprintf("priority %d", p))
	}
	return strings.Join(words, "; ")
}

// explained is --explain as JSON.
func explained(inv *inventory.Inventory, h *inventory.Host, origins []inventory.Origin) map[string]any {
	type place struct {
		From string `json:"from"`
		File string `json:"file,omitempty"`
		Line int    `json:"line,omitempty"`
	}
	type group struct {
		Name     string   `json:"name"`
		Parents  []string `json:"parents"`
		Priority int      `json:"priority"`
	}
	type origin struct {
		place
		Over []place `json:"over"`
	}
	at := func(from string, r hcl.Range) place { return place{from, r.Filename, r.Start.Line} }
	settings, groups := map[string]origin{}, []group{}
	for _, o := range origins {
		of := origin{place: at(o.From, o.Range), Over: []place{}}
		for _, l := range o.Over {
			of.Over = append(of.Over, at(l.From, l.Range))
		}
		settings[o.Name] = of
	}
	for _, name := range h.Groups {
		groups = append(groups, group{name, orNone(parentsOf(inv, name)), inv.Groups[name].Priority})
	}
	return map[string]any{"groups": groups, "settings": settings}
}

func shown(v cty.Value) string { return string(eval.ToJSON(v)) }

func from(who, file string, line int) string {
	if file == "" {
		return who
	}
	return fmt.Sprintf("%s, %s:%d", who, file, line)
}

func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
