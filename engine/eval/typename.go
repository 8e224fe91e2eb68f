package eval

import (
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
)

// typeName is a type as a playbook writes it.
func typeName(t cty.Type) string {
	return typeexpr.TypeString(t)
}

// example is a value of a type, as one would type it.
func example(t cty.Type) string {
	switch {
	case t.IsMapType() || t.IsObjectType():
		return `{ name = "value" }`
	case (t.IsListType() || t.IsSetType()) && t.ElementType() == cty.Number:
		return `[1, 2]`
	case t.IsListType() || t.IsSetType() || t.IsTupleType():
		return `["a", "b"]`
	}
	return `"text"`
}
