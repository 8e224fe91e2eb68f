package main

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"cvsplay/engine"
	"cvsplay/engine/report"
)

func (a *app) graphCommand() *cobra.Command {
	var f inputFlags
	var dot bool
	cmd := &cobra.Command{
		Use:   "graph PLAYBOOK",
		Short: "Show the course of a playbook: what its steps read, and where hosts wait",
		Long: "Show the steps of a playbook in their order, what each reads of the others, where all hosts wait for each other and why, and which\n" +
			"steps' questions travel to a host together while nothing has to change, as far as that can be told without a host. None is contacted.\n\n" +
			"    cvsplay graph playbooks/rvs.hcl\n" +
			"    cvsplay graph playbooks/rvs.hcl --dot | dot -Tsvg > rvs.svg",
		Args: onePlaybook,
		RunE: func(cmd *cobra.Command, args []string) error { return a.graph(cmd, args[0], f, dot) },
	}
	f.add(cmd)
	f.addChoice(cmd)
	cmd.Flags().BoolVar(&dot, "dot", false, "as DOT, for Graphviz")
	return cmd
}

func (a *app) graph(cmd *cobra.Command, path string, f inputFlags, dot bool) error {
	l, diags, ok := a.load(cmd.Context(), path, f, idleInventory, false)
	if !ok {
		return exitCode(codeUsage)
	}
	defer l.close()
	if rest := withoutHints(diags); len(rest) > 0 {
		a.diagnose(rest, l.files)
	}
	var out bytes.Buffer
	g := l.plan.Graph()
	if dot {
		writeDOT(&out, g)
	} else {
		writeGraph(&out, g)
	}
	_, err := a.stdout.Write(out.Bytes())
	return err
}

// writeGraph writes a graph for a person.
func writeGraph(out *bytes.Buffer, g engine.Graph) {
	say := func(indent int, format string, args ...any) {
		out.WriteString(strings.Repeat(" ", indent) + report.Safe(fmt.Sprintf(format, args...)) + "\n")
	}
	for _, play := range g.Plays {
		title := "play " + play.Name
		if play.Description != "" {
			title += ": " + play.Description
		}
		say(0, "%s", title)
		say(2, "hosts: %s", hostsOfPlay(play))
		if len(play.Batches) > 0 {
			say(2, "in batches of %s", strings.Join(play.Batches, ", then "))
		}
		part := ""
		for _, s := range play.Steps {
			if of := strings.Join(s.Part, ", "); of != part {
				if part = of; of == "" {
					of = "no block"
				}
				say(2, "── %s", of)
			}
			if len(s.Waits) > 0 {
				say(2, "── all hosts wait: %s", strings.Join(s.Waits, "; "))
			}
			say(2, "%s %s", s.Module, s.Name)
			for _, line := range detailsOf(s) {
				say(6, "%s", line)
			}
		}
		if trips := tripsOf(play); len(trips) > 0 {
			say(2, "── asked together, while nothing has to change:")
			for _, names := range trips {
				say(6, "%s", strings.Join(names, ", "))
			}
		}
		out.WriteByte('\n')
	}
	for _, o := range g.Outputs {
		line := "output " + o.Name
		if o.Description != "" {
			line += ": " + o.Description
		}
		say(0, "%s", line)
		if len(o.Plays) > 0 {
			say(6, "reads play.%s", strings.Join(o.Plays, ", play."))
		}
	}
}

func hostsOfPlay(play engine.PlayGraph) string {
	switch {
	case !play.Known && len(play.Reads) > 0:
		return fmt.Sprintf("known once play.%s is over", strings.Join(play.Reads, " and play."))
	case !play.Known:
		return "known in the run"
	}
	return folded(play.Hosts)
}

// detailsOf are a step's lines.
func detailsOf(s engine.StepGraph) []string {
	var out []string
	add := func(is bool, format string, args ...any) {
		if is {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	add(s.Description != "", "%s", s.Description)
	add(s.Asked, "left out: only asked, for the steps that read it")
	add(s.Hosts != nil, "on %s", folded(s.Hosts))
	add(s.Once, "once for all hosts")
	add(len(s.Inside) > 0, "inside %s", strings.Join(s.Inside, " or "))
	for _, r := range s.Reads {
		out = append(out, "reads "+readWords(r))
	}
	add(len(s.Facts) > 0, "reads host.facts.%s", strings.Join(s.Facts, ", host.facts."))
	add(len(s.DependsOn) > 0, "depends on step.%s", strings.Join(s.DependsOn, ", step."))
	add(len(s.Notifies) > 0, "notifies handler.%s", strings.Join(s.Notifies, ", handler."))
	add(s.Each && len(s.Keys) > 0, "for each of %s", strings.Join(s.Keys, ", "))
	add(s.Each && len(s.Keys) == 0, "for each of what is known in the run")
	add(s.When, "where its when holds")
	return out
}

func readWords(r engine.ReadGraph) string {
	text := "step." + r.Step
	switch len(r.Results) {
	case 0:
	case 1:
		text += "." + r.Results[0]
	default:
		text += ": " + strings.Join(r.Results, ", ")
	}
	if r.Others {
		text += " (of other hosts too)"
	}
	return text
}

// tripsOf are the names of the steps that are asked together, of trips of more than one.
func tripsOf(play engine.PlayGraph) [][]string {
	var all [][]string
	for _, s := range play.Steps {
		if s.Trip == 0 {
			continue
		}
		for len(all) < s.Trip {
			all = append(all, nil)
		}
		all[s.Trip-1] = append(all[s.Trip-1], s.Name)
	}
	return slices.DeleteFunc(all, func(names []string) bool { return len(names) == 0 })
}

// writeDOT writes a graph for Graphviz: a cluster for each play, grey lines for the order of the text, boxes between them where hosts wait.
func writeDOT(out *bytes.Buffer, g engine.Graph) {
	say := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	say("digraph playbook {")
	say("  node [shape=box, style=rounded];")
	for _, play := range g.Plays {
		say("  subgraph %s {", dotID("cluster", play.Name))
		say("    label=%s;", dotText("play "+play.Name+"\n"+hostsOfPlay(play)))
		before, seen := "", map[string]int{}
		for _, s := range play.Steps {
			id := dotID(play.Name, s.Name)
			if seen[id]++; seen[id] > 1 { // a handler may run at several places
				id = dotID(play.Name, fmt.Sprintf("%s %d", s.Name, seen[id]))
			}
			say("    %s [label=%s];", id, labelOf(s))
			if len(s.Waits) > 0 {
				wait := dotID(id, "wait")
				say("    %s [shape=plaintext, label=%s];", wait, dotText("all hosts wait:\n"+strings.Join(s.Waits, "\n")))
				say("    %s -> %s [color=grey, arrowhead=none];", before, wait)
				before = wait
			}
			if before != "" {
				say("    %s -> %s [color=grey];", before, id)
			}
			before = id
			writeReads(say, play, s, id)
		}
		say("  }")
	}
	for _, play := range g.Plays {
		if len(play.Steps) > 0 {
			writePlayReads(say, g, play.Reads, dotID(play.Name, play.Steps[0].Name), ", label=hosts, lhead="+dotID("cluster", play.Name))
		}
	}
	for _, o := range g.Outputs {
		id := dotID("output", o.Name)
		say("  %s [shape=note, label=%s];", id, dotText("output\n"+o.Name))
		writePlayReads(say, g, o.Plays, id, "")
	}
	say("  compound=true;")
	say("}")
}

// writePlayReads writes the edges that lead from plays, each from its last step, to what reads what they left.
func writePlayReads(say func(string, ...any), g engine.Graph, plays []string, to, more string) {
	for _, play := range g.Plays {
		if n := len(play.Steps); n > 0 && slices.Contains(plays, play.Name) {
			say("  %s -> %s [ltail=%s%s];", dotID(play.Name, play.Steps[n-1].Name), to, dotID("cluster", play.Name), more)
		}
	}
}

// writeReads writes the edges that lead to a step from those that it needs.
func writeReads(say func(string, ...any), play engine.PlayGraph, s engine.StepGraph, id string) {
	for _, r := range s.Reads {
		say("    %s -> %s [label=%s, constraint=false];", dotID(play.Name, r.Step), id, dotText(strings.Join(r.Results, "\n")))
	}
	for _, name := range s.DependsOn {
		say("    %s -> %s [style=dashed, label=depends_on, constraint=false];", dotID(play.Name, name), id)
	}
}

// labelOf is what stands in a step's box.
func labelOf(s engine.StepGraph) string {
	lines := []string{s.Module, s.Name}
	if s.Once {
		lines = append(lines, "(once)")
	}
	if len(s.Part) > 0 {
		lines = append(lines, "("+strings.Join(s.Part, ", ")+")")
	}
	if len(s.Inside) > 0 {
		lines = append(lines, "inside "+strings.Join(s.Inside, " or "))
	}
	return dotText(strings.Join(lines, "\n"))
}

func dotID(of, name string) string { return strconv.QuoteToASCII(of + " " + name) }

// dotText quotes a label: in DOT a backslash begins a line end or nothing.
func dotText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.Join(safeLines(s), "\n")) + `"`
}

func safeLines(s string) []string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = report.Safe(lines[i])
	}
	return lines
}
