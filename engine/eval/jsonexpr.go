package eval

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// jsonReferences reads the references of a JSON value: those of each string in it, keys included.
func jsonReferences(expr hcl.Expression) []Reference {
	if pairs, diags := hcl.ExprMap(expr); !diags.HasErrors() {
		var refs []Reference
		for _, pair := range pairs {
			refs = append(refs, jsonReferences(pair.Key)...)
			refs = append(refs, jsonReferences(pair.Value)...)
		}
		return refs
	}
	if items, diags := hcl.ExprList(expr); !diags.HasErrors() {
		var refs []Reference
		for _, item := range items {
			refs = append(refs, jsonReferences(item)...)
		}
		return refs
	}
	text, diags := expr.Value(nil) // without a context: the string as it stands
	if diags.HasErrors() || text.IsNull() || text.Type() != cty.String {
		return nil
	}
	at := expr.Range()
	at.Start.Byte++ // behind the quote
	at.Start.Column++
	template, diags := hclsyntax.ParseTemplate([]byte(text.AsString()), at.Filename, at.Start)
	if diags.HasErrors() {
		return nil // evaluation says it
	}
	return References(template)
}

// sortedAttributes are attributes in the order of the text.
func sortedAttributes(attrs hcl.Attributes) []*hcl.Attribute {
	sorted := make([]*hcl.Attribute, 0, len(attrs))
	for _, attr := range attrs {
		sorted = append(sorted, attr)
	}
	slices.SortFunc(sorted, func(a, b *hcl.Attribute) int { return a.Range.Start.Byte - b.Range.Start.Byte })
	return sorted
}
