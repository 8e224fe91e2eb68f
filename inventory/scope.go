package inventory

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/eval"
)

// A fileScope is what the expressions of one file can see, whatever host they are evaluated for.
type fileScope struct {
	dir  string // folder of the file
	base eval.Scope
}

func newFileScope(dir string, env func(string) (string, bool)) *fileScope {
	if dir == "" {
		dir = "."
	}
	cwd, err := os.Getwd()
	if err != nil {
		cwd = "."
	}
	whole := dir // so that it means the same wherever it is used: in the folder of the file, or here
	if !filepath.IsAbs(whole) {
		whole = filepath.Join(cwd, whole)
	}
	home, _ := env("HOME")
	return &fileScope{dir: dir, base: eval.Scope{
		Functions: eval.Functions(eval.FuncContext{Dir: dir, Home: home, Env: env}),
		Values: map[string]cty.Value{"path": cty.ObjectVal(map[string]cty.Value{
			"inventory": cty.StringVal(filepath.ToSlash(whole)),
			"module":    cty.StringVal(filepath.ToSlash(whole)),
			"cwd":       cty.StringVal(filepath.ToSlash(cwd)),
		})},
	}}
}

// value evaluates an expression that looks at no host.
func (s *fileScope) value(expr hcl.Expression) (cty.Value, hcl.Diagnostics) {
	return s.base.Value(expr)
}

// valueFor evaluates an expression for a host, which is seen as the object given.
func (s *fileScope) valueFor(expr hcl.Expression, host cty.Value) (cty.Value, hcl.Diagnostics) {
	return s.base.With("host", host).Value(expr)
}

// context is the same for HCL's own decoders.
func (s *fileScope) context() *hcl.EvalContext {
	return &hcl.EvalContext{Variables: s.base.Values, Functions: s.base.Functions}
}

// hostNames are the attributes of host that values of an inventory can read.
var hostNames = []string{"name", "groups", varsSection}

// elsewhere are the names of the language that mean nothing in an inventory, and why.
var elsewhere = map[string]string{
	"var":   "An inventory has no variables of its own; the variables block of an inventory gives those of playbooks. Read the environment with env(\"NAME\").",
	"local": "An inventory has no locals.",
	"group": "Which hosts a group has is what the inventory says; list the groups in children, or the hosts in members.",
	"hosts": "A value of an inventory sees its own host alone, as host.",
	"step":  "Steps are run after the inventory was read.",
	"run":   "The run begins after the inventory was read.",
	"play":  "Plays are run after the inventory was read.",
	"each":  "There is no for_each in an inventory.",
	"self":  "Only a step has results.",
}

// A hostUse tells whether expressions may look at a host.
type hostUse int

const (
	withoutHost hostUse = iota // evaluated once: lists of names, sources, variables
	withHost                   // evaluated for each host
)

// checkNames finds the names of an expression that cannot mean anything, whatever the host.
func checkNames(expr hcl.Expression, use hostUse) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, ref := range eval.References(expr) {
		if why, ok := elsewhere[ref.Root]; ok {
			diags = append(diags, problem(ref.Range, "Not available in an inventory", "There is no %q here. %s", ref.Root, why))
			continue
		}
		if ref.Root != "host" {
			continue
		}
		if use == withoutHost {
			diags = append(diags, problem(ref.Range, "No host here", "This is evaluated once and not for each host, so there is no host to look at."))
			continue
		}
		if len(ref.Path) > 0 && !ref.InTry && ref.Path[0] != eval.AnyKey && !slices.Contains(hostNames, ref.Path[0]) {
			diags = append(diags, unknownHostName(ref))
		}
	}
	return diags
}

func unknownHostName(ref eval.Reference) *hcl.Diagnostic {
	name := ref.Path[0]
	hint := eval.DidYouMean(name, hostNames)
	if name == "address" || name == "facts" {
		hint = fmt.Sprintf(" A playbook can read host.%s; put what addresses are made of into vars.", name)
		if name == "facts" {
			hint = " Facts are gathered when a playbook runs."
		}
	}
	return problem(ref.Range, "Unknown attribute of host", "A value of an inventory can read host.name, host.groups and host.vars.%s", hint)
}
