package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// A Play is one play block. Nil expressions were not written.
type Play struct {
	Name        string // with those of the includes that it comes from: "base.network"
	Label       string
	Unit        *Unit // the included file that it stands in; nil: the playbook
	Hosts       hcl.Expression
	Description hcl.Expression
	OnError     hcl.Expression
	MaxFailures hcl.Expression
	Become      hcl.Expression
	Env         hcl.Expression
	Tags        hcl.Expression
	Batch       hcl.Expression
	Locals      []*Attr
	Steps       []*Step // steps and checks in the order of the text, those of blocks too
	Blocks      []*Block
	Handlers    []*Step
	Includes    []*Unit // whose steps are among these, outer ones first
	DeclRange   hcl.Range
	NameRange   hcl.Range
}

// stepSchema is what stands where steps do.
var stepSchema = []hcl.BlockHeaderSchema{
	{Type: "step", LabelNames: []string{"module", "name"}},
	{Type: "check", LabelNames: []string{"name"}},
	{Type: "block", LabelNames: []string{"name"}},
	includeHeader,
}

var playSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{
		{Name: "hosts"}, {Name: "description"}, {Name: "on_error"}, {Name: "max_failures"},
		{Name: "become"}, {Name: "env"}, {Name: "tags"}, {Name: "batch"},
	},
	Blocks: append([]hcl.BlockHeaderSchema{{Type: "locals"}, {Type: "handler", LabelNames: []string{"module", "name"}}}, stepSchema...),
}

func decodePlay(block *hcl.Block, l loader, dir string, in *Unit) (*Play, hcl.Diagnostics) {
	body, diags := withoutNotices(block.Body, playWords, nil)
	content, more := body.Content(playSchema)
	diags = append(diags, more...)
	p := &Play{
		Name:        in.fullName(block.Labels[0]),
		Label:       block.Labels[0],
		Unit:        in,
		Hosts:       expression(content.Attributes, "hosts"),
		Description: expression(content.Attributes, "description"),
		OnError:     expression(content.Attributes, "on_error"),
		MaxFailures: expression(content.Attributes, "max_failures"),
		Become:      expression(content.Attributes, "become"),
		Env:         expression(content.Attributes, "env"),
		Tags:        expression(content.Attributes, "tags"),
		Batch:       expression(content.Attributes, "batch"),
		DeclRange:   block.DefRange,
		NameRange:   labelRange(block, 0),
	}
	r := &stepReader{loader: l, dir: dir}
	for _, inner := range inOrder(content.Blocks) {
		switch inner.Type {
		case "locals":
			attrs, more := decodeLocals(inner)
			p.Locals, diags = append(p.Locals, attrs...), append(diags, more...)
		case "handler":
			diags = append(diags, r.handler(inner)...)
		default:
			diags = append(diags, r.decode(inner, nil)...)
		}
	}
	p.Steps, p.Blocks, p.Handlers, p.Includes = r.steps, r.blocks, r.handlers, r.units
	return p, append(diags, p.uniqueNames()...)
}

// A stepReader gathers the steps of a play in the order in which they run.
type stepReader struct {
	loader
	dir      string // of the file that is read
	unit     *Unit  // what it is included as; nil: the play stands in it
	steps    []*Step
	blocks   []*Block
	handlers []*Step
	units    []*Unit
}

// decode adds what stands where steps do.
func (r *stepReader) decode(block *hcl.Block, in *Part) hcl.Diagnostics {
	var step *Step
	var diags hcl.Diagnostics
	switch block.Type {
	case "block":
		return r.decodeBlockOfSteps(block, in)
	case "include":
		return r.include(block, in)
	case "check":
		step, diags = decodeCheck(block, 0)
	default: // step: the schema lets no other pass
		step, diags = decodeStep(block)
	}
	step.In = in
	r.own(step)
	r.steps = append(r.steps, step)
	return diags
}

func (r *stepReader) handler(block *hcl.Block) hcl.Diagnostics {
	h, diags := decodeHandler(block)
	r.own(h)
	r.handlers = append(r.handlers, h)
	return diags
}

// own gives a step its full name.
func (r *stepReader) own(s *Step) {
	s.Label, s.Unit = s.Name, r.unit
	s.Name = r.unit.fullName(s.Label)
}

func (p *Play) uniqueNames() hcl.Diagnostics {
	var diags hcl.Diagnostics
	locals, steps, blocks, includes := newNames("local value"), newNames("step"), newNames("block"), newNames("include")
	for _, l := range p.Locals {
		diags = append(diags, locals.add(l.Name, l.NameRange)...)
	}
	for _, s := range append(slices.Clone(p.Steps), p.Handlers...) {
		diags = append(diags, steps.addIn(s.Unit, s.Label, s.NameRange)...)
	}
	for _, b := range p.Blocks {
		diags = append(diags, blocks.addIn(b.Unit, b.Label, b.NameRange)...)
	}
	for _, u := range p.Includes {
		diags = append(diags, includes.addIn(u.Parent, u.Name, u.NameRange)...)
	}
	return diags
}
