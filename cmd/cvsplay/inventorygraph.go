package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"cvsplay/engine/report"
	"cvsplay/inventory"
)

func (a *app) inventoryGraphCommand(f *inventoryFlags) *cobra.Command {
	var dot bool
	cmd := &cobra.Command{
		Use: "graph", Short: "Show the tree of groups and hosts", Args: cobra.NoArgs,
		Long: "Show the groups with their children, and the hosts of each that are in none of its children. No host is contacted.",
		RunE: func(cmd *cobra.Command, _ []string) error { return a.inventoryGraph(cmd, *f, dot) },
	}
	cmd.Flags().BoolVar(&dot, "dot", false, "as DOT, for Graphviz")
	return cmd
}

func (a *app) inventoryGraph(cmd *cobra.Command, f inventoryFlags, dot bool) error {
	inv, err := a.openInventory(cmd, f)
	if err != nil {
		return err
	}
	defer inv.Close()
	t := newGroupTree(inv)
	if f.json {
		return a.printJSON(t.json())
	}
	var out bytes.Buffer
	if dot {
		t.writeDOT(&out)
	} else {
		t.write(&out)
	}
	_, err = a.stdout.Write(out.Bytes())
	return err
}

// A groupTree is the groups of an inventory by what they hold.
type groupTree struct {
	inv     *inventory.Inventory
	roots   []string            // groups that no other holds, in order of declaration
	own     map[string][]string // the hosts of a group that are in none of its children
	without []string            // hosts without a group
}

func newGroupTree(inv *inventory.Inventory) *groupTree {
	t := &groupTree{inv: inv, own: map[string][]string{}}
	children := map[string]bool{}
	for _, name := range inv.GroupNames() {
		g := inv.Groups[name]
		below := map[string]bool{}
		for _, child := range g.Children {
			children[child] = true
			for _, host := range inv.Groups[child].Hosts {
				below[host] = true
			}
		}
		t.own[name] = slices.DeleteFunc(slices.Clone(g.Hosts), func(host string) bool { return below[host] })
	}
	t.roots = slices.DeleteFunc(slices.Clone(inv.GroupNames()), func(name string) bool { return children[name] })
	for _, h := range inv.Hosts {
		if len(h.Groups) == 0 {
			t.without = append(t.without, h.Name)
		}
	}
	return t
}

// title is a group's name, its priority where it has one, and how many hosts it has.
func (t *groupTree) title(name string) string {
	g := t.inv.Groups[name]
	words := []string{count(len(g.Hosts), "host")}
	if g.Priority != 0 {
		words = append(words, fmt.Sprintf("priority %d", g.Priority))
	}
	return fmt.Sprintf("%s (%s)", name, strings.Join(words, ", "))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// A treeLine is one line below a node: a group, or hosts.
type treeLine struct{ group, text string }

func (t *groupTree) write(out *bytes.Buffer) {
	fmt.Fprintf(out, "all (%s)\n", count(len(t.inv.Hosts), "host"))
	var lines []treeLine
	for _, name := range t.roots {
		lines = append(lines, treeLine{group: name})
	}
	if len(t.without) > 0 {
		lines = append(lines, treeLine{text: folded(t.without)})
	}
	t.branches(out, lines, "", map[string]bool{})
}

// branches writes what is below a node. A group that stands in several places is written out in the first.
func (t *groupTree) branches(out *bytes.Buffer, lines []treeLine, indent string, seen map[string]bool) {
	for i, line := range lines {
		turn, more := "├── ", "│   "
		if i == len(lines)-1 {
			turn, more = "└── ", "    "
		}
		if line.group == "" {
			out.WriteString(indent + turn + report.Safe(line.text) + "\n")
			continue
		}
		out.WriteString(indent + turn + report.Safe(t.title(line.group)))
		if seen[line.group] {
			out.WriteString(", as above\n")
			continue
		}
		out.WriteByte('\n')
		seen[line.group] = true
		t.branches(out, t.below(line.group), indent+more, seen)
	}
}

// below are the lines below a group.
func (t *groupTree) below(name string) []treeLine {
	var lines []treeLine
	for _, child := range t.inv.Groups[name].Children {
		lines = append(lines, treeLine{group: child})
	}
	if own := t.own[name]; len(own) > 0 {
		lines = append(lines, treeLine{text: folded(own)})
	}
	return lines
}

func (t *groupTree) writeDOT(out *bytes.Buffer) {
	say := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	hosts := func(of, id string, names []string) {
		if len(names) > 0 {
			say("  %s [shape=box, label=%s];", dotID("hosts", of), dotText(folded(names)))
			say("  %s -> %s;", id, dotID("hosts", of))
		}
	}
	say("digraph inventory {")
	say("  rankdir=LR;")
	say("  all [label=%s];", dotText(fmt.Sprintf("all (%s)", count(len(t.inv.Hosts), "host"))))
	for _, name := range t.inv.GroupNames() {
		id := dotID("group", name)
		say("  %s [label=%s];", id, dotText(t.title(name)))
		if slices.Contains(t.roots, name) {
			say("  all -> %s;", id)
		}
		for _, child := range t.inv.Groups[name].Children {
			say("  %s -> %s;", id, dotID("group", child))
		}
		hosts(name, id, t.own[name])
	}
	hosts("", "all", t.without)
	say("}")
}

func (t *groupTree) json() map[string]any {
	groups := map[string]any{}
	for _, name := range t.inv.GroupNames() {
		g := t.inv.Groups[name]
		groups[name] = map[string]any{"hosts": orNone(g.Hosts), "children": orNone(g.Children), "priority": g.Priority}
	}
	return map[string]any{"order": orNone(t.inv.GroupNames()), "groups": groups, "ungrouped": orNone(t.without)}
}

// orNone makes an empty array of no names.
func orNone(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}

// parentsOf are the groups that a group is a child of, in order of declaration.
func parentsOf(inv *inventory.Inventory, name string) []string {
	return slices.DeleteFunc(slices.Clone(inv.GroupNames()), func(of string) bool { return !slices.Contains(inv.Groups[of].Children, name) })
}
