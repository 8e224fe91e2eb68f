package config

import (
	"github.com/hashicorp/hcl/v2"
	hcljson "github.com/hashicorp/hcl/v2/json"
)

// A Step is one step or check block of a play.
type Step struct {
	Module    string // label one; "" for a check
	Name      string // with those of the includes that it comes from: "roce.check"
	Label     string
	Unit      *Unit    // the included file that it stands in; nil: that of the play
	Check     *Check   // set for a check block
	In        *Part    // the part of a block it stands in; nil: the play itself
	Body      hcl.Body // everything inside a step's braces, meta-arguments and module arguments alike
	Meta      Meta     // what Split found; set by the planner, which knows the module's schema
	DeclRange hcl.Range
	ModRange  hcl.Range // of the module's label; of the word check
	NameRange hcl.Range
}

// decodeStep keeps the body as it is: what in it is whose, only the module's schema tells.
func decodeStep(block *hcl.Block) (*Step, hcl.Diagnostics) {
	s := &Step{
		Module:    block.Labels[0],
		Name:      block.Labels[1],
		Body:      block.Body,
		DeclRange: block.DefRange,
		ModRange:  labelRange(block, 0),
		NameRange: labelRange(block, 1),
	}
	switch {
	case s.Module == "check" && hcljson.IsJSONBody(block.Body):
		// JSON without repeated keys can give the order of steps and checks only so.
		return decodeCheck(block, 1)
	case s.Module == "check":
		return s, hcl.Diagnostics{errorAt(s.ModRange, "A check is no module", "Write check %q { … } as a block of its own.", s.Name)}
	}
	return s, nil
}

// Flush is the module name of a step that runs the handlers that were notified so far.
const Flush = "flush_handlers"

// decodeHandler is decodeStep for a handler.
func decodeHandler(block *hcl.Block) (*Step, hcl.Diagnostics) {
	s, diags := decodeStep(block)
	if s.Module == Flush {
		diags = diags.Append(errorAt(s.ModRange, "Handlers run no handlers", "flush_handlers stands where a step does: step %q %q {}.", Flush, s.Name))
	}
	return s, diags
}

// Split sets s.Meta from the meta-arguments in the step's body and returns the rest, which is the module's. A name for which own is true
// is an argument of the module and stays in the rest. What the language knows and this version does not is an error.
func (s *Step) Split(own func(name string) bool) (hcl.Body, hcl.Diagnostics) {
	body, diags := withoutNotices(s.Body, stepWords, own)
	schema := &hcl.BodySchema{}
	for _, attr := range metaSchema.Attributes {
		if !own(attr.Name) {
			schema.Attributes = append(schema.Attributes, attr)
		}
	}
	for _, block := range metaSchema.Blocks {
		if !own(block.Type) {
			schema.Blocks = append(schema.Blocks, block)
		}
	}
	content, rest, more := body.PartialContent(schema)
	diags = append(diags, more...)
	meta, more := decodeMeta(content)
	s.Meta = meta
	return rest, append(diags, more...)
}
