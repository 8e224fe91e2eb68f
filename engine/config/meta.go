package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// Meta are the meta-arguments of one step. Nil expressions were not written.
type Meta struct {
	When         hcl.Expression
	ForEach      hcl.Expression
	RunOnce      hcl.Expression
	Hosts        hcl.Expression
	On           hcl.Expression
	Inside       hcl.Expression
	Become       hcl.Expression
	Env          hcl.Expression
	Timeout      hcl.Expression
	ChangedWhen  hcl.Expression
	FailWhen     hcl.Expression
	IgnoreErrors hcl.Expression
	Tags         hcl.Expression
	Barrier      hcl.Expression
	DependsOn    hcl.Expression
	Notify       hcl.Expression
	Description  hcl.Expression
	Retry        *Retry

	Preconditions  []*Check
	Postconditions []*Check
}

var metaSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{
		{Name: "when"}, {Name: "for_each"}, {Name: "run_once"}, {Name: "hosts"}, {Name: "on"}, {Name: "inside"}, {Name: "become"}, {Name: "env"},
		{Name: "timeout"}, {Name: "changed_when"}, {Name: "fail_when"}, {Name: "ignore_errors"}, {Name: "tags"}, {Name: "barrier"},
		{Name: "depends_on"}, {Name: "notify"}, {Name: "description"},
	},
	Blocks: []hcl.BlockHeaderSchema{{Type: "retry"}, {Type: "precondition"}, {Type: "postcondition"}},
}

// MetaNames are the names of all meta-arguments and meta-blocks that a step takes, sorted.
func MetaNames() []string {
	names := []string{"dynamic"} // it stays in the body, whose blocks it makes
	for _, attr := range metaSchema.Attributes {
		names = append(names, attr.Name)
	}
	for _, block := range metaSchema.Blocks {
		names = append(names, block.Type)
	}
	slices.Sort(names)
	return names
}

func decodeMeta(content *hcl.BodyContent) (Meta, hcl.Diagnostics) {
	attrs := content.Attributes
	meta := Meta{
		When:         expression(attrs, "when"),
		ForEach:      expression(attrs, "for_each"),
		RunOnce:      expression(attrs, "run_once"),
		Hosts:        expression(attrs, "hosts"),
		On:           expression(attrs, "on"),
		Inside:       expression(attrs, "inside"),
		Become:       expression(attrs, "become"),
		Env:          expression(attrs, "env"),
		Timeout:      expression(attrs, "timeout"),
		ChangedWhen:  expression(attrs, "changed_when"),
		FailWhen:     expression(attrs, "fail_when"),
		IgnoreErrors: expression(attrs, "ignore_errors"),
		Tags:         expression(attrs, "tags"),
		Barrier:      expression(attrs, "barrier"),
		DependsOn:    expression(attrs, "depends_on"),
		Notify:       expression(attrs, "notify"),
		Description:  expression(attrs, "description"),
	}
	var diags hcl.Diagnostics
	for _, block := range content.Blocks {
		diags = append(diags, meta.decodeBlock(block)...)
	}
	return meta, diags
}

func (m *Meta) decodeBlock(block *hcl.Block) hcl.Diagnostics {
	switch block.Type {
	case "precondition":
		c, diags := decodeCondition(block)
		m.Preconditions = append(m.Preconditions, c)
		return diags
	case "postcondition":
		c, diags := decodeCondition(block)
		m.Postconditions = append(m.Postconditions, c)
		return diags
	}
	retry, diags := decodeRetry(block)
	if m.Retry != nil {
		return diags.Append(errorAt(block.DefRange, "Duplicate retry block", "A step has one retry block; this one's is at %s.", place(m.Retry.DeclRange)))
	}
	m.Retry = retry
	return diags
}
