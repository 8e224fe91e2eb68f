package config

import "github.com/hashicorp/hcl/v2"

// A Block is one block of a play: steps that share settings, and what is done where one of them fails. Nil expressions were not written.
type Block struct {
	Name      string // with those of the includes that it comes from
	Label     string
	Unit      *Unit
	When      hcl.Expression
	Tags      hcl.Expression
	Become    hcl.Expression
	Inside    hcl.Expression
	In        *Part // where it stands; nil: in the play itself
	Parts     [3]*Part
	DeclRange hcl.Range
	NameRange hcl.Range
}

// A Part is a stretch of the steps of a block.
type Part struct {
	Block *Block
	Kind  PartKind
	From  int // its steps are these of the play's: From, and those up to but not To
	To    int
}

// A PartKind says when the steps of a part run.
type PartKind int

// The parts of a block, in their order.
const (
	Body   PartKind = iota
	Rescue          // where a step of the body failed or was refused
	Always          // in any case, once the block was begun
)

var blockSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "when"}, {Name: "tags"}, {Name: "become"}, {Name: "inside"}},
	Blocks:     append([]hcl.BlockHeaderSchema{{Type: "rescue"}, {Type: "always"}}, stepSchema...),
}

var partSchema = &hcl.BodySchema{Blocks: stepSchema}

// decodeBlockOfSteps adds the steps of a block to the play's, in the order in which they run.
func (r *stepReader) decodeBlockOfSteps(block *hcl.Block, in *Part) hcl.Diagnostics {
	body, diags := withoutNotices(block.Body, blockNotices, nil)
	content, more := body.Content(blockSchema)
	diags = append(diags, more...)
	b := &Block{
		Name:      r.unit.fullName(block.Labels[0]),
		Label:     block.Labels[0],
		Unit:      r.unit,
		When:      expression(content.Attributes, "when"),
		Tags:      expression(content.Attributes, "tags"),
		Become:    expression(content.Attributes, "become"),
		Inside:    expression(content.Attributes, "inside"),
		In:        in,
		DeclRange: block.DefRange,
		NameRange: labelRange(block, 0),
	}
	r.blocks = append(r.blocks, b)
	var parts [3]hcl.Blocks
	var headers [3]*hcl.Block
	for _, inner := range inOrder(content.Blocks) {
		kind := Body
		switch inner.Type {
		case "rescue":
			kind = Rescue
		case "always":
			kind = Always
		}
		for later := kind + 1; later <= Always; later++ {
			if headers[later] != nil {
				diags = diags.Append(errorAt(inner.DefRange, "Out of order",
					"The steps of a block come first, then rescue, then always: they run in this order. Move this above %q.", headers[later].Type))
			}
		}
		if kind == Body {
			parts[Body] = append(parts[Body], inner)
			continue
		}
		if headers[kind] != nil {
			diags = diags.Append(errorAt(inner.DefRange, "Duplicate "+inner.Type+" block", "The block has one at %s.", place(headers[kind].DefRange)))
			continue
		}
		headers[kind] = inner
		held, more := inner.Body.Content(partSchema)
		diags = append(diags, more...)
		parts[kind] = inOrder(held.Blocks)
	}
	if len(parts[Body]) == 0 {
		diags = diags.Append(errorAt(block.DefRange, "Empty block", "A block holds at least one step beside rescue and always."))
	}
	for kind, inner := range parts {
		if kind != int(Body) && headers[kind] == nil {
			continue
		}
		part := &Part{Block: b, Kind: PartKind(kind), From: len(r.steps)}
		b.Parts[kind] = part
		for _, one := range inner {
			diags = append(diags, r.decode(one, part)...)
		}
		part.To = len(r.steps)
	}
	return diags
}
