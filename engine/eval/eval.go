// Package eval gives expressions their values: functions, scopes, references. It knows about unknown values (check mode: only
// a change would tell) and sensitive ones (marked, and never printed).
package eval

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// A Reference is one traversal in an expression that starts at a name of the language (var.x, step.box.ref, hosts["n1"].step.a …).
type Reference struct {
	Root  string   // "var", "local", "step", "host", "hosts", "run", "group", "each", "self", "play", "path"
	Path  []string // the attribute names and constant string keys that follow, as far as they are static
	Range hcl.Range
	Steps []hcl.Range // the range of each element of Path
	InTry bool        // inside an argument of try or can: may be absent
}

// sensitiveMark is the mark of a sensitive value.
type mark string

// Sensitive is the mark that sensitive values carry.
const Sensitive = mark("sensitive")

// A Scope is what an expression can see: the functions and the values of the root names.
type Scope struct {
	Functions map[string]function.Function
	Values    map[string]cty.Value
}
