package config

import "github.com/hashicorp/hcl/v2"

// A Variable is one variable block. Nil expressions were not written.
type Variable struct {
	Name        string
	Type        hcl.Expression // a type constraint, as typeexpr reads it
	Default     hcl.Expression
	Description hcl.Expression
	Sensitive   hcl.Expression
	Nullable    hcl.Expression
	Validations []*Validation
	DeclRange   hcl.Range // of the block's header
	NameRange   hcl.Range
}

// A Validation is one validation block of a variable.
type Validation struct {
	Condition    hcl.Expression
	ErrorMessage hcl.Expression
	DeclRange    hcl.Range
}

var variableSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{
		{Name: "type"}, {Name: "default"}, {Name: "description"}, {Name: "sensitive"}, {Name: "nullable"},
	},
	Blocks: []hcl.BlockHeaderSchema{{Type: "validation"}},
}

var validationSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "condition", Required: true}, {Name: "error_message", Required: true}},
}

func decodeVariable(block *hcl.Block) (*Variable, hcl.Diagnostics) {
	content, diags := block.Body.Content(variableSchema)
	v, more := variableOf(block, content)
	return v, append(diags, more...)
}

func variableOf(block *hcl.Block, content *hcl.BodyContent) (*Variable, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	v := &Variable{
		Name:        block.Labels[0],
		Type:        expression(content.Attributes, "type"),
		Default:     expression(content.Attributes, "default"),
		Description: expression(content.Attributes, "description"),
		Sensitive:   expression(content.Attributes, "sensitive"),
		Nullable:    expression(content.Attributes, "nullable"),
		DeclRange:   block.DefRange,
		NameRange:   labelRange(block, 0),
	}
	for _, inner := range inOrder(content.Blocks) {
		rule, more := inner.Body.Content(validationSchema)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		v.Validations = append(v.Validations, &Validation{
			Condition:    expression(rule.Attributes, "condition"),
			ErrorMessage: expression(rule.Attributes, "error_message"),
			DeclRange:    inner.DefRange,
		})
	}
	return v, diags
}
