package config

import "github.com/hashicorp/hcl/v2"

// A Play is one play block. Nil expressions were not written.
type Play struct {
	Name        string
	Hosts       hcl.Expression
	Description hcl.Expression
	OnError     hcl.Expression
	MaxFailures hcl.Expression
	Become      hcl.Expression
	Env         hcl.Expression
	Tags        hcl.Expression
	Locals      []*Attr
	Steps       []*Step // steps and checks in the order of the text
	DeclRange   hcl.Range
	NameRange   hcl.Range
}

var playSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{
		{Name: "hosts", Required: true}, {Name: "description"}, {Name: "on_error"}, {Name: "max_failures"},
		{Name: "become"}, {Name: "env"}, {Name: "tags"},
	},
	Blocks: []hcl.BlockHeaderSchema{
		{Type: "step", LabelNames: []string{"module", "name"}},
		{Type: "check", LabelNames: []string{"name"}},
		{Type: "locals"},
	},
}

func decodePlay(block *hcl.Block) (*Play, hcl.Diagnostics) {
	body, diags := withoutNotices(block.Body, playNotices, nil)
	content, more := body.Content(playSchema)
	diags = append(diags, more...)
	p := &Play{
		Name:        block.Labels[0],
		Hosts:       expression(content.Attributes, "hosts"),
		Description: expression(content.Attributes, "description"),
		OnError:     expression(content.Attributes, "on_error"),
		MaxFailures: expression(content.Attributes, "max_failures"),
		Become:      expression(content.Attributes, "become"),
		Env:         expression(content.Attributes, "env"),
		Tags:        expression(content.Attributes, "tags"),
		DeclRange:   block.DefRange,
		NameRange:   labelRange(block, 0),
	}
	for _, inner := range inOrder(content.Blocks) {
		diags = append(diags, p.decodeBlock(inner)...)
	}
	return p, append(diags, p.uniqueNames()...)
}

func (p *Play) decodeBlock(block *hcl.Block) hcl.Diagnostics {
	switch block.Type {
	case "locals":
		attrs, diags := decodeLocals(block)
		p.Locals = append(p.Locals, attrs...)
		return diags
	case "check":
		step, diags := decodeCheck(block, 0)
		p.Steps = append(p.Steps, step)
		return diags
	default: // step: the schema lets no other pass
		step, diags := decodeStep(block)
		p.Steps = append(p.Steps, step)
		return diags
	}
}

func (p *Play) uniqueNames() hcl.Diagnostics {
	var diags hcl.Diagnostics
	locals, steps := newNames("local value"), newNames("step or check")
	for _, l := range p.Locals {
		diags = append(diags, locals.add(l.Name, l.NameRange)...)
	}
	for _, s := range p.Steps {
		diags = append(diags, steps.add(s.Name, s.NameRange)...)
	}
	return diags
}
