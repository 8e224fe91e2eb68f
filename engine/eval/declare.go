package eval

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"cvsplay/engine/config"
)

// A Declaration is what may be given for a name: a variable's, or an argument's.
type Declaration struct {
	Type        cty.Type  // any where none was written
	Default     cty.Value // cty.NilVal: there is none, so that a value has to be given
	Description string
	Sensitive   bool

	optional *typeexpr.Defaults
}

// Declare reads a declaration, which is constant.
func Declare(decl *config.Variable) (Declaration, hcl.Diagnostics) {
	want, defaults, diags := typeOf(decl)
	if diags.HasErrors() {
		return Declaration{Type: cty.DynamicPseudoType}, diags
	}
	d := Declaration{Type: want, optional: defaults}
	sensitive, more := constantBool(decl.Sensitive, false)
	d.Sensitive, diags = sensitive, append(diags, more...)
	d.Default, more = defaultOf(decl, want, defaults)
	diags = append(diags, more...)
	d.Description, more = ConstantString(decl.Description)
	return d, append(diags, more...)
}

// Complete fills in the defaults of optional attributes, and marks the value if it is sensitive.
func (d Declaration) Complete(v cty.Value) cty.Value {
	bare, marks := v.Unmark()
	if d.optional != nil && bare.IsKnown() && !bare.IsNull() {
		bare = d.optional.Apply(bare)
	}
	v = bare.WithMarks(marks)
	if d.Sensitive {
		v = v.Mark(Sensitive)
	}
	return v
}

// ConstantString is a constant text; what is not written is empty.
func ConstantString(expr hcl.Expression) (string, hcl.Diagnostics) {
	if expr == nil {
		return "", nil
	}
	v, diags := constant(expr)
	if diags.HasErrors() {
		return "", diags
	}
	v, err := convert.Convert(v, cty.String)
	if err != nil || v.IsNull() {
		return "", diags.Append(errorAt(expr.Range(), "Wrong type", "It is a text."))
	}
	return v.AsString(), diags
}

// ConstantStrings is a constant list of texts; what is not written is nil.
func ConstantStrings(expr hcl.Expression) ([]string, hcl.Diagnostics) {
	if expr == nil {
		return nil, nil
	}
	v, diags := constant(expr)
	if diags.HasErrors() {
		return nil, diags
	}
	v, err := convert.Convert(v, cty.List(cty.String))
	if err != nil || v.IsNull() {
		return nil, diags.Append(errorAt(expr.Range(), "Wrong type", "It is a list of texts."))
	}
	var out []string
	for _, item := range v.AsValueSlice() {
		if item.IsNull() {
			return nil, diags.Append(errorAt(expr.Range(), "Wrong type", "No text of the list may be null."))
		}
		out = append(out, item.AsString())
	}
	return out, diags
}

// ConstantType is a type as a playbook writes it; any where none was written.
func ConstantType(expr hcl.Expression) (cty.Type, hcl.Diagnostics) {
	if expr == nil {
		return cty.DynamicPseudoType, nil
	}
	return typeexpr.TypeConstraint(expr)
}

// Example is a value of a type, as a person would write it.
func Example(t cty.Type) string {
	switch t {
	case cty.Number:
		return "1"
	case cty.Bool:
		return "true"
	}
	return example(t)
}
