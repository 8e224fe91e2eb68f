package config

import "github.com/hashicorp/hcl/v2"

// A Check is the content of a check, precondition or postcondition block.
type Check struct {
	Condition    hcl.Expression
	ErrorMessage hcl.Expression
}

var checkSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "condition", Required: true}, {Name: "error_message", Required: true}},
}

func decodeCondition(block *hcl.Block) (*Check, hcl.Diagnostics) {
	content, diags := block.Body.Content(checkSchema)
	return &Check{
		Condition:    expression(content.Attributes, "condition"),
		ErrorMessage: expression(content.Attributes, "error_message"),
	}, diags
}

// decodeCheck makes a step of a check block, whose name is its label number nameLabel.
func decodeCheck(block *hcl.Block, nameLabel int) (*Step, hcl.Diagnostics) {
	check, diags := decodeCondition(block)
	return &Step{
		Name:      block.Labels[nameLabel],
		Check:     check,
		Body:      block.Body,
		DeclRange: block.DefRange,
		ModRange:  block.TypeRange,
		NameRange: labelRange(block, nameLabel),
	}, diags
}
