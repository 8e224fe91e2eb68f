package inventory

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// Ansible is the source of an inventory of Ansible:
//
//	source "ansible" "old" {
//	  file    = "hosts.yml" # or an INI file; a folder, a script and whatever plugins read needs ansible-inventory
//	  reader  = "auto"      # "ansible": ansible-inventory; "builtin": cvsplay itself; "auto": the former, where it is installed
//	  timeout = "1m"
//	  cache   = "10m"       # what ansible-inventory printed counts for so long
//	}
//
// What cvsplay reads itself is YAML and INI, with group_vars and host_vars beside the file; it evaluates no templates and opens no vaults.
type Ansible struct{}

var ansibleSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "file", Required: true}, {Name: "reader"}, {Name: "timeout"}, {Name: "cache"}}}

// ansibleProgram is what reads an inventory as Ansible does.
const ansibleProgram = "ansible-inventory"

// ansibleEnv lets it fail where it cannot read something, instead of giving what is left.
var ansibleEnv = map[string]string{
	"ANSIBLE_INVENTORY_UNPARSED_FAILED": "true", "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true", "ANSIBLE_NOCOLOR": "true",
}

// Open reads the inventory.
func (Ansible) Open(ctx context.Context, block SourceBlock) (Found, hcl.Diagnostics) {
	args := newArguments(block.Body, block.Eval, ansibleSchema)
	file, reader, limit := args.text("file", ""), args.text("reader", "auto"), args.duration("timeout", execTimeout)
	cache := args.duration("cache", 0)
	if reader == "auto" {
		reader = "builtin"
		if _, err := exec.LookPath(ansibleProgram); err == nil {
			reader = "ansible"
		}
	}
	if file == "" && !args.diags.HasErrors() {
		args.fail("file", "The file is empty. Name an inventory of Ansible.")
	}
	if args.diags.HasErrors() {
		return Found{}, args.diags
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(block.Dir, file)
	}
	var list *ansibleList
	var err error
	switch reader {
	case "ansible":
		list, err = askAnsible(ctx, file, program{dir: block.Dir, limit: limit, cache: cacheFor(block, cache)})
	case "builtin":
		list, err = readAnsibleFile(file)
	default:
		args.fail("reader", `The reader is "auto", "ansible" or "builtin", not %q.`, reader)
		return Found{}, args.diags
	}
	if err != nil {
		args.fail("file", "The inventory cannot be read: %s.%s", err, said(err))
		return Found{}, args.diags
	}
	list.byChildren()
	found, notes := list.found()
	for _, n := range notes {
		d := problem(args.content.Attributes["file"].Expr.Range(), n.summary, "The inventory %s: %s", file, n.detail)
		d.Severity = n.severity
		args.diags = append(args.diags, d)
	}
	return found, args.diags
}

// askAnsible lets ansible-inventory read a file or folder.
func askAnsible(ctx context.Context, file string, p program) (*ansibleList, error) {
	if _, err := os.Stat(file); err != nil {
		return nil, err
	}
	whole, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	p.command, p.env = []string{ansibleProgram, "--inventory", whole, "--list", "--export"}, ansibleEnv
	list, err := listed(ctx, p, readAnsible)
	if err != nil {
		return nil, fmt.Errorf("the program %s %w", ansibleProgram, err)
	}
	return list, nil
}

// byChildren puts the groups into the order in which they are met from "all" downwards, which is the order of the file;
// ansible-inventory sorts them by name.
func (list *ansibleList) byChildren() {
	byName := map[string]ansibleGroup{}
	for _, g := range list.groups {
		byName[g.name] = g
	}
	var order []ansibleGroup
	seen := map[string]bool{}
	var meet func(name string)
	meet = func(name string) {
		g, ok := byName[name]
		if !ok || seen[name] {
			return
		}
		seen[name] = true
		order = append(order, g)
		for _, c := range g.children {
			meet(c)
		}
	}
	meet("all")
	for _, g := range slices.Clone(list.groups) {
		meet(g.name)
	}
	list.groups = order
}
