package config

import "github.com/hashicorp/hcl/v2"

// A Retry is a retry block. Nil expressions were not written.
type Retry struct {
	Attempts  hcl.Expression
	Delay     hcl.Expression
	Until     hcl.Expression
	DeclRange hcl.Range
}

var retrySchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "attempts"}, {Name: "delay"}, {Name: "until"}},
}

func decodeRetry(block *hcl.Block) (*Retry, hcl.Diagnostics) {
	content, diags := block.Body.Content(retrySchema)
	return &Retry{
		Attempts:  expression(content.Attributes, "attempts"),
		Delay:     expression(content.Attributes, "delay"),
		Until:     expression(content.Attributes, "until"),
		DeclRange: block.DefRange,
	}, diags
}
