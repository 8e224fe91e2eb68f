package eval

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"
)

// BodyReferences are the references of all expressions in a body that a schema knows, blocks included. What the schema does not know is
// for decoding to say. The iterators of dynamic blocks are no references.
func BodyReferences(body hcl.Body, spec hcldec.Spec) []Reference {
	w := &bodyWalker{}
	w.body(body, spec, nil)
	return w.refs
}

// IteratorReferences are the references to the iterators of a body's dynamic blocks: their Root is the iterator's name.
func IteratorReferences(body hcl.Body, spec hcldec.Spec) []Reference {
	w := &bodyWalker{}
	w.body(body, spec, nil)
	return w.iterated
}

// HasDynamic tells whether a body has dynamic blocks: such a body has to be expanded before it is decoded.
func HasDynamic(body hcl.Body, spec hcldec.Spec) bool {
	w := &bodyWalker{}
	w.body(body, spec, nil)
	return w.dynamics > 0
}

// Expand is a body whose dynamic blocks are the blocks that they make. One with an unknown for_each makes a block that is unknown.
func (s Scope) Expand(body hcl.Body) hcl.Body {
	return dynblock.Expand(body, s.context(), dynblock.OptCheckForEach(countable))
}

// countable refuses a for_each whose number of blocks nobody may know.
func countable(v cty.Value, e hcl.Expression, _ *hcl.EvalContext) hcl.Diagnostics {
	if !v.IsMarked() {
		return nil
	}
	return hcl.Diagnostics{errorAt(e.Range(), "Invalid dynamic for_each value",
		"for_each may not be sensitive: how many blocks it makes shows; nonsensitive() says that a value is none.")}
}

// A bodyWalker collects the references of a body.
type bodyWalker struct {
	refs     []Reference
	iterated []Reference
	dynamics int
}

var dynamicSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "for_each"}, {Name: "iterator"}, {Name: "labels"}},
	Blocks:     []hcl.BlockHeaderSchema{{Type: "content"}},
}

// body goes through a body that stands in dynamic blocks with these iterators.
func (w *bodyWalker) body(body hcl.Body, spec hcldec.Spec, iterators []string) {
	schema := hcldec.ImpliedSchema(spec)
	schema.Blocks = append(schema.Blocks, hcl.BlockHeaderSchema{Type: "dynamic", LabelNames: []string{"type"}})
	content, _, _ := body.PartialContent(schema)
	if content == nil {
		return
	}
	w.attributes(content.Attributes, iterators)
	inner := hcldec.ChildBlockTypes(spec)
	for _, block := range content.Blocks {
		if block.Type == "dynamic" {
			w.dynamic(block, inner[block.Labels[0]], iterators)
			continue
		}
		w.block(block.Body, inner[block.Type], iterators)
	}
}

// block goes through the body of a block; nil: the schema knows no such block.
func (w *bodyWalker) block(body hcl.Body, spec hcldec.Spec, iterators []string) {
	if spec == nil {
		return
	}
	if schema := hcldec.ImpliedSchema(spec); len(schema.Attributes)+len(schema.Blocks) > 0 {
		w.body(body, spec, iterators)
		return
	}
	attrs, _ := body.JustAttributes() // a block of names that are not known before
	w.attributes(attrs, iterators)
}

func (w *bodyWalker) dynamic(block *hcl.Block, spec hcldec.Spec, iterators []string) {
	w.dynamics++
	content, _, _ := block.Body.PartialContent(dynamicSchema)
	if content == nil {
		return
	}
	name := block.Labels[0]
	if attr, ok := content.Attributes["iterator"]; ok {
		if t, diags := hcl.AbsTraversalForExpr(attr.Expr); !diags.HasErrors() {
			name = t.RootName()
		}
	}
	within := append(slices.Clone(iterators), name)
	if attr, ok := content.Attributes["for_each"]; ok {
		w.expression(attr.Expr, iterators)
	}
	if attr, ok := content.Attributes["labels"]; ok {
		w.expression(attr.Expr, within)
	}
	for _, made := range content.Blocks {
		w.block(made.Body, spec, within)
	}
}

func (w *bodyWalker) attributes(attrs hcl.Attributes, iterators []string) {
	for _, attr := range sortedAttributes(attrs) {
		w.expression(attr.Expr, iterators)
	}
}

func (w *bodyWalker) expression(e hcl.Expression, iterators []string) {
	for _, r := range References(e) {
		if slices.Contains(iterators, r.Root) {
			w.iterated = append(w.iterated, r)
		} else {
			w.refs = append(w.refs, r)
		}
	}
}
