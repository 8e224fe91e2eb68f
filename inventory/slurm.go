package inventory

import (
	"context"
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/eval"
)

// Slurm is the source of the nodes that scontrol shows:
//
//	source "slurm" "prod" {
//	  partitions = ["mi300"]         # nodes of these alone; of all, where it is left out
//	  states     = ["idle", "!drain"] # nodes in one of these states, and in none of those with "!"
//	  groups     = ["gpu"]           # groups for all of them
//	  command    = ["ssh", "login1", "scontrol", "show", "nodes", "--oneliner"] # where scontrol is elsewhere
//	  env        = { SLURM_CONF = "/etc/slurm/slurm.conf" }
//	  timeout    = "1m"
//	  cache      = "10m" # what it printed counts for so long; 0 where it is left out
//	}
//
// Each partition is the group partition_NAME, and each state state_NAME: a node IDLE+DRAIN is in state_idle and state_drain, one that
// is DOWN* in state_down and state_not_responding. The var slurm has state, partitions, features, gres, cpus and memory_mb.
type Slurm struct{}

var slurmSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
	{Name: "command"}, {Name: "env"}, {Name: "timeout"}, {Name: "cache"}, {Name: "partitions"}, {Name: "states"}, {Name: "groups"},
}}

// slurmCommand shows every node on a line of its own.
var slurmCommand = []string{"scontrol", "show", "nodes", "--oneliner"}

// Open asks scontrol.
func (Slurm) Open(ctx context.Context, block SourceBlock) (Found, hcl.Diagnostics) {
	args := newArguments(block.Body, block.Eval, slurmSchema)
	command, env := args.texts("command"), args.textMap("env")
	limit, cache := args.duration("timeout", execTimeout), args.duration("cache", 0)
	partitions, states, groups := args.texts("partitions"), args.texts("states"), args.texts("groups")
	if _, ok := args.content.Attributes["command"]; !ok {
		command = slurmCommand
	} else if !args.diags.HasErrors() && (len(command) == 0 || command[0] == "") {
		args.fail("command", "The command is empty. Give the program and its arguments as a list.")
	}
	if args.diags.HasErrors() {
		return Found{}, args.diags
	}
	at := block.DeclRange
	if attr, ok := args.content.Attributes["command"]; ok {
		at = attr.Expr.Range()
	}
	nodes, err := listed(ctx, program{command: command, dir: block.Dir, env: env, limit: limit, cache: cacheFor(block, cache)}, readSlurm)
	if err != nil {
		return Found{}, hcl.Diagnostics{slurmFailed(at, command[0], err)}
	}
	checkPartitions(args, nodes, partitions)
	found := slurmFound(nodes, partitions, states, groups)
	if len(found.Hosts) == 0 && !args.diags.HasErrors() {
		args.diags = append(args.diags, problem(block.DeclRange, "No nodes", "Slurm has %d nodes, and none of them is in these partitions and states.", len(nodes)))
	}
	return found, args.diags
}

// slurmFound makes hosts of the nodes that are in some of the partitions and states; nil: of all.
func slurmFound(nodes []slurmNode, partitions, states, groups []string) Found {
	found := Found{GroupOrder: slices.Clone(groups)}
	var parted, stated []string
	for _, n := range nodes {
		if partitions != nil && !slices.ContainsFunc(n.partitions, func(p string) bool { return slices.Contains(partitions, p) }) || !n.in(states) {
			continue
		}
		h := FoundHost{Name: n.name, Vars: n.vars(), Groups: slices.Clone(groups)}
		if n.fields["NodeAddr"] != n.name {
			h.Host.Address = n.fields["NodeAddr"]
		}
		for _, p := range n.partitions {
			h.Groups, parted = append(h.Groups, "partition_"+p), append(parted, "partition_"+p)
		}
		for _, s := range n.states {
			h.Groups, stated = append(h.Groups, "state_"+s), append(stated, "state_"+s)
		}
		found.Hosts = append(found.Hosts, h)
	}
	found.GroupOrder = slices.Concat(found.GroupOrder, parted, stated)
	return found
}

// errNoNodes is that a program printed something else than nodes.
var errNoNodes = errors.New("there is no line with NodeName=")

func slurmFailed(at hcl.Range, program string, err error) *hcl.Diagnostic {
	if errors.Is(err, errNoNodes) {
		return problem(at, "Not an inventory", "The program %s printed no node as of scontrol show nodes: %s.", program, err)
	}
	hint := ""
	if errors.Is(err, exec.ErrNotFound) {
		hint = ` Where Slurm's programs are on another machine, give the command: ["ssh", "HOST", "scontrol", "show", "nodes", "--oneliner"].`
	}
	return problem(at, "Source failed", "The program %s %s.%s%s", program, err, hint, said(err))
}

// checkPartitions tells which partitions no node is in.
func checkPartitions(args *arguments, nodes []slurmNode, wanted []string) {
	var known []string
	for _, n := range nodes {
		known = append(known, n.partitions...)
	}
	slices.Sort(known)
	known = slices.Compact(known)
	for _, p := range wanted {
		if !slices.Contains(known, p) {
			args.fail("partitions", "No node is in the partition %q; there are %s.%s", p, strings.Join(known, ", "), eval.DidYouMean(p, known))
		}
	}
}

// A slurmNode is one node as scontrol shows it.
type slurmNode struct {
	name       string
	fields     map[string]string // the first of each name
	partitions []string
	states     []string // in lower case
}

var (
	slurmRecord = regexp.MustCompile(`(?m)^NodeName=`)
	slurmField  = regexp.MustCompile(`(?:^|\s)([A-Z][A-Za-z0-9]*)=(\S*)`)
)

// readSlurm reads what scontrol show nodes prints, on one line for each node or on several.
func readSlurm(printed []byte) ([]slurmNode, error) {
	var out []slurmNode
	text := string(printed)
	starts := slurmRecord.FindAllStringIndex(text, -1)
	for i, start := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		n := slurmNode{fields: map[string]string{}}
		for _, m := range slurmField.FindAllStringSubmatch(text[start[0]:end], -1) {
			if _, taken := n.fields[m[1]]; !taken && m[2] != "(null)" && m[2] != "N/A" {
				n.fields[m[1]] = m[2]
			}
		}
		n.name, n.partitions = n.fields["NodeName"], slurmList(n.fields["Partitions"])
		n.readStates()
		out = append(out, n)
	}
	if len(out) == 0 {
		return nil, errNoNodes
	}
	return out, nil
}

func slurmList(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// readStates takes DOWN*+DRAIN apart. A star is a node that does not answer; other marks behind a state tell of its power.
func (n *slurmNode) readStates() {
	for s := range strings.SplitSeq(n.fields["State"], "+") {
		if name := strings.ToLower(strings.TrimRight(s, "*~#!%$@^-")); name != "" {
			n.states = append(n.states, name)
		}
		if strings.Contains(s, "*") {
			n.states = append(n.states, "not_responding")
		}
	}
}

// in tells whether the node is in one of the states, and in none of those with "!".
func (n *slurmNode) in(wanted []string) bool {
	some, found := false, false
	for _, w := range wanted {
		name, negated := strings.CutPrefix(strings.ToLower(w), "!")
		has := slices.Contains(n.states, name)
		if negated && has {
			return false
		}
		some, found = some || !negated, found || !negated && has
	}
	return found || !some
}

// vars has what a playbook may want to know of a node.
func (n *slurmNode) vars() cty.Value {
	text := func(name string) cty.Value {
		if v, ok := n.fields[name]; ok {
			return cty.StringVal(v)
		}
		return cty.NullVal(cty.String)
	}
	number := func(name string) cty.Value {
		if v, err := strconv.ParseInt(n.fields[name], 10, 64); err == nil {
			return cty.NumberIntVal(v)
		}
		return cty.NullVal(cty.Number)
	}
	return cty.ObjectVal(map[string]cty.Value{"slurm": cty.ObjectVal(map[string]cty.Value{
		"state": text("State"), "partitions": nameList(n.partitions), "features": nameList(slurmList(n.fields["ActiveFeatures"])),
		"gres": text("Gres"), "cpus": number("CPUTot"), "memory_mb": number("RealMemory"),
	})})
}
