package eval

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

// A Scope is what an expression can see: the functions and the values of the root names. It is not changed once it is made, so that
// several goroutines may evaluate in it.
type Scope struct {
	Functions map[string]function.Function
	Values    map[string]cty.Value
}

// With is s with one more root name.
func (s Scope) With(name string, v cty.Value) Scope {
	values := make(map[string]cty.Value, len(s.Values)+1)
	maps.Copy(values, s.Values)
	values[name] = v
	return Scope{Functions: s.Functions, Values: values}
}

func (s Scope) context() *hcl.EvalContext {
	return &hcl.EvalContext{Variables: s.Values, Functions: s.Functions}
}

// Value evaluates an expression. With errors the value is cty.DynamicVal. Diagnostics hold no sensitive value and neither expression
// nor evaluation context, so they can be printed as they are.
func (s Scope) Value(expr hcl.Expression) (cty.Value, hcl.Diagnostics) {
	ctx := s.context()
	v, diags := expr.Value(ctx)
	if len(diags) > 0 {
		diags = s.presentable(diags, expr, ctx)
	}
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return v, diags
}

// Convert evaluates an expression and converts its value; a type that does not fit is a diagnostic.
func (s Scope) Convert(expr hcl.Expression, want cty.Type) (cty.Value, hcl.Diagnostics) {
	v, diags := s.Value(expr)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	out, err := convert.Convert(v, want)
	if err != nil {
		return cty.DynamicVal, append(diags, errorAt(expr.Range(), "Wrong type", "%s.", sentence(misfit(err, v, want))))
	}
	return out, diags
}

// presentable rewrites diagnostics of an evaluation: what they say is made plain, and nothing sensitive is left in them.
func (s Scope) presentable(diags hcl.Diagnostics, expr hcl.Expression, ctx *hcl.EvalContext) hcl.Diagnostics {
	hide := newHiding()
	hide.expression(expr, ctx)
	out := make(hcl.Diagnostics, 0, len(diags))
	for _, d := range diags {
		if d.Expression != nil && d.EvalContext != nil {
			hide.expression(d.Expression, d.EvalContext)
		}
	}
	for _, d := range diags {
		plain := *d
		plain.Expression, plain.EvalContext, plain.Extra = nil, nil, nil
		if unknown := s.unknownName(d, expr); unknown != nil {
			plain.Summary, plain.Detail = unknown.Summary, unknown.Detail
		}
		if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](d); ok && call.CalledFunctionNamespace() == "" {
			// The parser suggests any that is near, another one each time.
			name := call.CalledFunctionName()
			plain.Detail = fmt.Sprintf("There is no function named %q.%s", name, DidYouMean(name, slices.Sorted(maps.Keys(s.Functions))))
		}
		plain.Detail = hide.text(withoutStack(plain.Detail))
		out = append(out, &plain)
	}
	return out
}

// unknownName is the better text for a root name that is not there; nil for any other diagnostic.
func (s Scope) unknownName(d *hcl.Diagnostic, expr hcl.Expression) *hcl.Diagnostic {
	if d.Summary != "Unknown variable" && d.Summary != "Variables not allowed" || d.Subject == nil {
		return nil
	}
	known := slices.Sorted(maps.Keys(s.Values))
	for _, ref := range References(expr) {
		if _, there := s.Values[ref.Root]; !there && ref.Range.Start.Byte == d.Subject.Start.Byte {
			return ref.Unknown(known)
		}
	}
	return nil
}
