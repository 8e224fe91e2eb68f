package eval

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"
)

// Decode evaluates a body by a schema. As with Value, diagnostics hold nothing sensitive.
func (s Scope) Decode(body hcl.Body, spec hcldec.Spec) (cty.Value, hcl.Diagnostics) {
	v, diags := hcldec.Decode(body, spec, s.context())
	var out hcl.Diagnostics
	for _, d := range diags {
		if d.Expression == nil || d.EvalContext == nil {
			out = append(out, d)
			continue
		}
		out = append(out, s.presentable(hcl.Diagnostics{d}, d.Expression, d.EvalContext)...)
	}
	return v, out
}
