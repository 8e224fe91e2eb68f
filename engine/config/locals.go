package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// An Attr is a name with an expression: a local, a key of a vars map.
type Attr struct {
	Name      string
	Expr      hcl.Expression
	NameRange hcl.Range
}

// decodeLocals gives the attributes of a locals block in the order of the text.
func decodeLocals(block *hcl.Block) ([]*Attr, hcl.Diagnostics) {
	found, diags := block.Body.JustAttributes()
	attrs := make([]*Attr, 0, len(found))
	for _, attr := range found {
		attrs = append(attrs, &Attr{Name: attr.Name, Expr: attr.Expr, NameRange: attr.NameRange})
	}
	slices.SortFunc(attrs, func(a, b *Attr) int { return a.NameRange.Start.Byte - b.NameRange.Start.Byte })
	return attrs, diags
}
