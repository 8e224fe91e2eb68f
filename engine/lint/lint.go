// Package lint finds what is allowed in a playbook or an inventory, and probably not meant: hints, each with an id. It reads what a person
// wrote and evaluates nothing; files in JSON are written by programs, and only modules have hints about those.
package lint

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

const prefix = "Hint: "

// ID is the id of a hint; "" for any other diagnostic.
func ID(d *hcl.Diagnostic) string {
	id, ok := strings.CutPrefix(d.Summary, prefix)
	if !ok {
		return ""
	}
	return id
}

// File has the hints about one file, in the order of the text. They are warnings, and Unsilenced knows which of them nobody wants to hear.
func File(file *hcl.File) hcl.Diagnostics {
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return nil
	}
	t := newText(body)
	var diags hcl.Diagnostics
	for _, look := range []func(*text) hcl.Diagnostics{
		unusedNames, constantConditions, unreadFailures, boundlessBatches, becomeInside, secretLiterals, scriptTemplates, redundantTemplates, jinjaTexts,
	} {
		diags = append(diags, look(t)...)
	}
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int { return a.Subject.Start.Byte - b.Subject.Start.Byte })
	return diags
}

func hint(id string, at hcl.Range, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: prefix + id, Detail: detail, Subject: &at}
}

// A text is a file as its rules look at it.
type text struct {
	body  *hclsyntax.Body
	attrs []attribute
	refs  []reading
}

// An attribute stands in blocks, of which the first is the outermost.
type attribute struct {
	*hclsyntax.Attribute
	in []*hclsyntax.Block
}

// inner is the block that the attribute stands in; nil at the top.
func (a attribute) inner() *hclsyntax.Block {
	if len(a.in) == 0 {
		return nil
	}
	return a.in[len(a.in)-1]
}

func newText(body *hclsyntax.Body) *text {
	t := &text{body: body}
	t.collect(body, nil)
	slices.SortFunc(t.attrs, func(a, b attribute) int { return a.NameRange.Start.Byte - b.NameRange.Start.Byte })
	for _, a := range t.attrs {
		t.refs = append(t.refs, readingsOf(a)...)
	}
	return t
}

func (t *text) collect(body *hclsyntax.Body, in []*hclsyntax.Block) {
	for _, a := range body.Attributes {
		t.attrs = append(t.attrs, attribute{a, in})
	}
	for _, b := range body.Blocks {
		t.collect(b.Body, append(in[:len(in):len(in)], b))
	}
}

// steps are the blocks that are steps or handlers, wherever they stand.
func (t *text) steps() []*hclsyntax.Block {
	var out []*hclsyntax.Block
	var find func(*hclsyntax.Body)
	find = func(body *hclsyntax.Body) {
		for _, b := range body.Blocks {
			if (b.Type == "step" || b.Type == "handler") && len(b.Labels) == 2 {
				out = append(out, b)
				continue
			}
			find(b.Body)
		}
	}
	find(t.body)
	return out
}

// isTrue tells whether an expression is the word true.
func isTrue(e hclsyntax.Expression) bool {
	v, diags := e.Value(nil)
	return !diags.HasErrors() && v.IsKnown() && !v.IsNull() && v.Type().FriendlyName() == "bool" && v.True()
}
