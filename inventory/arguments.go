package inventory

import (
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"cvsplay/engine/eval"
)

// arguments reads the attributes of a source's body one by one, each with a default for where it is not written or null. What is
// wrong is collected.
type arguments struct {
	scope   eval.Scope
	content *hcl.BodyContent
	diags   hcl.Diagnostics
}

func newArguments(body hcl.Body, ctx *hcl.EvalContext, schema *hcl.BodySchema) *arguments {
	content, diags := body.Content(schema)
	return &arguments{scope: eval.Scope{Functions: ctx.Functions, Values: ctx.Variables}, content: content, diags: diags}
}

func (a *arguments) fail(name, detail string, args ...any) {
	at := a.content.MissingItemRange
	if attr, ok := a.content.Attributes[name]; ok {
		at = attr.Expr.Range()
	}
	a.diags = append(a.diags, problem(at, "Invalid argument", detail, args...))
}

// value is the value of an attribute; false where there is none.
func (a *arguments) value(name string, want cty.Type) (cty.Value, bool) {
	attr, ok := a.content.Attributes[name]
	if !ok {
		return cty.NilVal, false
	}
	if diags := checkNames(attr.Expr, withoutHost); diags.HasErrors() {
		a.diags = append(a.diags, diags...)
		return cty.NilVal, false
	}
	v, diags := a.scope.Convert(attr.Expr, want)
	a.diags = append(a.diags, diags...)
	if diags.HasErrors() {
		return cty.NilVal, false
	}
	v, _ = v.UnmarkDeep()
	if v.IsNull() {
		return cty.NilVal, false
	}
	return v, true
}

func (a *arguments) text(name, otherwise string) string {
	if v, ok := a.value(name, cty.String); ok {
		return v.AsString()
	}
	return otherwise
}

func (a *arguments) texts(name string) []string {
	v, ok := a.value(name, cty.List(cty.String))
	if !ok {
		return nil
	}
	out, ok := texts(v, true)
	if !ok {
		a.fail(name, "The attribute %q takes a list of texts, none of them null.", name)
	}
	return out
}

func (a *arguments) textMap(name string) map[string]string {
	v, ok := a.value(name, cty.Map(cty.String))
	if !ok {
		return nil
	}
	var out map[string]string
	if err := gocty.FromCtyValue(v, &out); err != nil {
		a.fail(name, "The attribute %q takes a map of texts, none of them null.", name)
	}
	return out
}

// number is a whole number from low to high.
func (a *arguments) number(name string, otherwise, low, high int) int {
	v, ok := a.value(name, cty.Number)
	if !ok {
		return otherwise
	}
	n, ok := whole(v)
	if !ok || n < low || n > high {
		a.fail(name, "The attribute %q takes a whole number from %d to %d.", name, low, high)
		return otherwise
	}
	return n
}

func (a *arguments) duration(name string, otherwise time.Duration) time.Duration {
	v, ok := a.value(name, cty.String)
	if !ok {
		return otherwise
	}
	d, err := duration(v)
	if err != nil {
		a.fail(name, "%s: %s.", name, err)
		return otherwise
	}
	return d
}
