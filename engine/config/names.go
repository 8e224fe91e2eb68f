package config

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// names are the names of one kind that were seen so far.
type names struct {
	kind  string // what has these names, for messages
	first map[string]hcl.Range
}

func newNames(kind string) names {
	return names{kind: kind, first: map[string]hcl.Range{}}
}

// add tells what is wrong with one more name: it is none, or it is taken.
func (n names) add(name string, at hcl.Range) hcl.Diagnostics {
	if !hclsyntax.ValidIdentifier(name) {
		return hcl.Diagnostics{errorAt(at, "Invalid name",
			"%q cannot be the name of a %s: a name starts with a letter or an underscore, and goes on with letters, digits, underscores and dashes.", name, n.kind)}
	}
	if first, taken := n.first[name]; taken {
		return hcl.Diagnostics{errorAt(at, "Duplicate "+n.kind,
			"There is a %s named %q already, at %s. Give one of the two another name.", n.kind, name, place(first))}
	}
	n.first[name] = at
	return nil
}

// addIn is add for a name within what is included.
func (n names) addIn(u *Unit, label string, at hcl.Range) hcl.Diagnostics {
	full := u.fullName(label)
	if first, taken := n.first[full]; taken || !hclsyntax.ValidIdentifier(label) {
		return names{n.kind, map[string]hcl.Range{label: first}}.add(label, at)
	}
	n.first[full] = at
	return nil
}

// inOrder puts blocks into the order of the text; the JSON parser groups them by type.
func inOrder(blocks hcl.Blocks) hcl.Blocks {
	sorted := slices.Clone(blocks)
	slices.SortStableFunc(sorted, func(a, b *hcl.Block) int { return a.DefRange.Start.Byte - b.DefRange.Start.Byte })
	return sorted
}

// place is a position as messages name it.
func place(r hcl.Range) string {
	return fmt.Sprintf("%s:%d,%d", r.Filename, r.Start.Line, r.Start.Column)
}

func errorAt(at hcl.Range, summary, detail string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(detail, args...), Subject: &at}
}

// labelRange is the range of a block's label number i; that of its header where the source has no such label.
func labelRange(block *hcl.Block, i int) hcl.Range {
	if i < len(block.LabelRanges) {
		return block.LabelRanges[i]
	}
	return block.DefRange
}

// expression is the expression of an attribute; nil where it was not written.
func expression(attrs hcl.Attributes, name string) hcl.Expression {
	if attr, ok := attrs[name]; ok {
		return attr.Expr
	}
	return nil
}
