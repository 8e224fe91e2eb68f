package engine

import (
	"github.com/hashicorp/hcl/v2"

	"cvsplay/engine/eval"
)

// expanded is the step's body with the blocks that its dynamic blocks make in this scope.
func (s *Step) expanded(scope eval.Scope) hcl.Body {
	if !s.dynamic {
		return s.body
	}
	return scope.Expand(s.body)
}

// iterators checks what is read of the iterators of the step's dynamic blocks, which are evaluated only where there is something to iterate.
func (w where) iterators(s *Step) hcl.Diagnostics {
	if !s.dynamic {
		return nil
	}
	var diags hcl.Diagnostics
	for _, r := range eval.IteratorReferences(s.body, s.spec) {
		diags = append(diags, w.named(r, "value of "+r.Root, []string{"key", "value"})...)
	}
	return diags
}
