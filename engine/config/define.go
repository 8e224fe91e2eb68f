package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
)

// A Define is one define block: a module whose scripts stand in the playbook. Nil expressions were not written.
type Define struct {
	Name        string
	Description hcl.Expression
	Args        []*DefineArg
	Locals      []*Attr
	Probe       *DefineScript // nil where it is missing, which is an error
	Refusals    []*Refusal
	Changes     []*DefineChange
	Results     []*DefineResult
	DeclRange   hcl.Range
	NameRange   hcl.Range
}

// A DefineArg is an argument of a defined module.
type DefineArg struct {
	Variable
	Values hcl.Expression
}

// A DefineScript is a script with what it is given.
type DefineScript struct {
	Script    hcl.Expression
	Args      hcl.Expression
	Env       hcl.Expression
	Stdin     hcl.Expression
	Timeout   hcl.Expression
	OKCodes   hcl.Expression // of a probe
	DeclRange hcl.Range
}

// A Refusal says when a defined module does nothing, and why.
type Refusal struct {
	When         hcl.Expression
	ErrorMessage hcl.Expression
}

// A DefineChange is something that a defined module may have to do.
type DefineChange struct {
	DefineScript
	Name      string
	When      hcl.Expression
	Have      hcl.Expression
	Want      hcl.Expression
	NameRange hcl.Range
}

// A DefineResult is something that a defined module leaves.
type DefineResult struct {
	Name        string
	Type        hcl.Expression // a type constraint
	Value       hcl.Expression
	Description hcl.Expression
	NameRange   hcl.Range
}

var (
	defineSchema = &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "description"}},
		Blocks: []hcl.BlockHeaderSchema{
			{Type: "arg", LabelNames: []string{"name"}}, {Type: "locals"}, {Type: "probe"}, {Type: "refuse"},
			{Type: "change", LabelNames: []string{"name"}}, {Type: "result", LabelNames: []string{"name"}},
		},
	}
	scriptAttributes = []hcl.AttributeSchema{{Name: "script", Required: true}, {Name: "args"}, {Name: "env"}, {Name: "stdin"}, {Name: "timeout"}}
	argSchema        = &hcl.BodySchema{Attributes: append([]hcl.AttributeSchema{{Name: "values"}}, variableSchema.Attributes...), Blocks: variableSchema.Blocks}
	probeSchema      = &hcl.BodySchema{Attributes: append([]hcl.AttributeSchema{{Name: "ok_codes"}}, scriptAttributes...)}
	changeSchema     = &hcl.BodySchema{Attributes: append([]hcl.AttributeSchema{{Name: "when", Required: true}, {Name: "have"}, {Name: "want"}}, scriptAttributes...)}
	refuseSchema     = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "when", Required: true}, {Name: "error_message", Required: true}}}
	resultSchema     = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "type"}, {Name: "value", Required: true}, {Name: "description"}}}
)

var defineNotices = map[string]notice{
	"variable":     {otherPlace, "The arguments of a defined module are arg \"NAME\" { … }, read as arg.NAME; var.NAME are the playbook's."},
	"output":       {otherPlace, "What a defined module leaves are result \"NAME\" { value = … }."},
	"step":         {otherPlace, "A defined module is made of scripts: probe looks, change does. To repeat steps, give them for_each."},
	"precondition": {otherPlace, "Write refuse { when = …, error_message = … }, with an attribute on each line."},
	"script":       {otherPlace, "A script stands inside of probe, which looks, or of a change, which does something."},
}

func decodeDefine(block *hcl.Block) (*Define, hcl.Diagnostics) {
	body, diags := withoutNotices(block.Body, defineNotices, nil)
	content, more := body.Content(defineSchema)
	diags = append(diags, more...)
	d := &Define{
		Name:        block.Labels[0],
		Description: expression(content.Attributes, "description"),
		DeclRange:   block.DefRange,
		NameRange:   labelRange(block, 0),
	}
	for _, inner := range inOrder(content.Blocks) {
		diags = append(diags, d.decodeBlock(inner)...)
	}
	if d.Probe == nil && !diags.HasErrors() {
		diags = diags.Append(errorAt(block.DefRange, "Missing probe",
			"A defined module needs probe { script = … }: what it prints tells what there is to do, before the changes and after them."))
	}
	return d, append(diags, d.uniqueNames()...)
}

func (d *Define) decodeBlock(block *hcl.Block) hcl.Diagnostics {
	switch block.Type {
	case "arg":
		arg, diags := decodeArg(block)
		d.Args = append(d.Args, arg)
		return diags
	case "locals":
		attrs, diags := decodeLocals(block)
		d.Locals = append(d.Locals, attrs...)
		return diags
	case "probe":
		content, diags := block.Body.Content(probeSchema)
		if d.Probe != nil {
			return diags.Append(errorAt(block.DefRange, "Duplicate probe",
				"A defined module has one probe; this one's is at %s. Its script may look at several things, and print a line for each.", place(d.Probe.DeclRange)))
		}
		s := scriptOf(block, content.Attributes)
		s.OKCodes = expression(content.Attributes, "ok_codes")
		d.Probe = &s
		return diags
	case "refuse":
		content, diags := block.Body.Content(refuseSchema)
		d.Refusals = append(d.Refusals, &Refusal{
			When: expression(content.Attributes, "when"), ErrorMessage: expression(content.Attributes, "error_message"),
		})
		return diags
	case "change":
		content, diags := block.Body.Content(changeSchema)
		attrs := content.Attributes
		d.Changes = append(d.Changes, &DefineChange{
			DefineScript: scriptOf(block, attrs), Name: block.Labels[0], NameRange: labelRange(block, 0),
			When: expression(attrs, "when"), Have: expression(attrs, "have"), Want: expression(attrs, "want"),
		})
		return diags
	default: // result: the schema lets no other pass
		content, diags := block.Body.Content(resultSchema)
		attrs := content.Attributes
		d.Results = append(d.Results, &DefineResult{
			Name: block.Labels[0], NameRange: labelRange(block, 0),
			Type: expression(attrs, "type"), Value: expression(attrs, "value"), Description: expression(attrs, "description"),
		})
		return diags
	}
}

func decodeArg(block *hcl.Block) (*DefineArg, hcl.Diagnostics) {
	content, diags := block.Body.Content(argSchema)
	v, more := variableOf(block, content)
	return &DefineArg{Variable: *v, Values: expression(content.Attributes, "values")}, append(diags, more...)
}

func scriptOf(block *hcl.Block, attrs hcl.Attributes) DefineScript {
	return DefineScript{
		Script: expression(attrs, "script"), Args: expression(attrs, "args"), Env: expression(attrs, "env"), Stdin: expression(attrs, "stdin"),
		Timeout: expression(attrs, "timeout"), DeclRange: block.DefRange,
	}
}

// uniqueNames holds the names of arguments and results to be what expressions can read. The name of a change is a text.
func (d *Define) uniqueNames() hcl.Diagnostics {
	var diags hcl.Diagnostics
	args, locals, results := newNames("argument"), newNames("local value"), newNames("result")
	for _, a := range d.Args {
		diags = append(diags, args.add(a.Name, a.NameRange)...)
	}
	for _, l := range d.Locals {
		diags = append(diags, locals.add(l.Name, l.NameRange)...)
	}
	for _, r := range d.Results {
		diags = append(diags, results.add(r.Name, r.NameRange)...)
	}
	changes := map[string]hcl.Range{}
	for _, c := range d.Changes {
		if first, taken := changes[c.Name]; taken || c.Name == "" {
			why := "A change needs a name, which reports tell: what it does, in a few words."
			if taken {
				why = fmt.Sprintf("There is a change named %q already, at %s. Give one of the two another name.", c.Name, place(first))
			}
			diags = diags.Append(errorAt(c.NameRange, "Invalid name of a change", "%s", why))
		}
		changes[c.Name] = c.NameRange
	}
	return diags
}
