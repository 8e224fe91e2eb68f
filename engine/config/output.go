package config

import "github.com/hashicorp/hcl/v2"

// An Output is one output block. Nil expressions were not written.
type Output struct {
	Name        string
	Value       hcl.Expression
	Description hcl.Expression
	Sensitive   hcl.Expression
	DeclRange   hcl.Range
	NameRange   hcl.Range
}

var outputSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "value", Required: true}, {Name: "description"}, {Name: "sensitive"}},
}

func decodeOutput(block *hcl.Block) (*Output, hcl.Diagnostics) {
	content, diags := block.Body.Content(outputSchema)
	return &Output{
		Name:        block.Labels[0],
		Value:       expression(content.Attributes, "value"),
		Description: expression(content.Attributes, "description"),
		Sensitive:   expression(content.Attributes, "sensitive"),
		DeclRange:   block.DefRange,
		NameRange:   labelRange(block, 0),
	}, diags
}
