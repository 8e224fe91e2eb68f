package eval

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cvsplay/engine/config"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

// A Source is where values for variables come from, in ascending precedence.
type Source int

// The sources besides a variable's own default.
const (
	FromInventory   Source = iota // variables { } of an inventory; names that the playbook lacks are ignored
	FromEnvironment               // CVSPLAY_VAR_name; names that the playbook lacks are ignored
	FromFile                      // --var-file; a name that the playbook lacks is a warning
	FromOption                    // --var; a name that the playbook lacks is an error
)

// A Given is one value for a variable, from outside of the playbook.
type Given struct {
	Name   string
	Source Source
	Origin string     // where it was said, for messages: --var rvs_level, vars.hcl:3, environment variable CVSPLAY_VAR_x
	Value  cty.Value  // cty.NilVal where Text is the value
	Text   string     // as typed: taken as it is for a string, a number or a bool, else read as an expression
	Range  *hcl.Range // where the value stands, if it stands in a file
}

// Variables gives each declared variable its value: the given one of the highest source (of equals the last), else its default, converted
// to its type, checked by its validations and marked if it is sensitive. A variable with an error has the value cty.DynamicVal, so
// that evaluation can go on and tell more.
func Variables(decls []*config.Variable, given []Given, functions map[string]function.Function) (map[string]cty.Value, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	chosen, more := choose(decls, given)
	diags = append(diags, more...)
	values := map[string]cty.Value{}
	failed := map[string]bool{}
	for _, decl := range decls {
		v, more := variable(decl, chosen[decl.Name])
		diags = append(diags, more...)
		values[decl.Name], failed[decl.Name] = v, more.HasErrors()
	}
	scope := Scope{Functions: functions, Values: map[string]cty.Value{"var": cty.ObjectVal(values)}}
	for _, decl := range decls {
		if !failed[decl.Name] {
			diags = append(diags, validate(decl, scope, chosen[decl.Name])...)
		}
	}
	return values, diags
}

// choose picks the value with the highest precedence for each variable, and says which names are none.
func choose(decls []*config.Variable, given []Given) (map[string]*Given, hcl.Diagnostics) {
	declared := map[string]bool{}
	for _, decl := range decls {
		declared[decl.Name] = true
	}
	names := slices.Sorted(maps.Keys(declared))
	var diags hcl.Diagnostics
	chosen := map[string]*Given{}
	for i := range given {
		g := &given[i]
		if declared[g.Name] {
			if before := chosen[g.Name]; before == nil || before.Source <= g.Source {
				chosen[g.Name] = g
			}
			continue
		}
		d := g.diagnostic("Undeclared variable", fmt.Sprintf("The playbook declares no variable %q.%s", g.Name, DidYouMean(g.Name, names)))
		switch g.Source {
		case FromOption:
			diags = append(diags, d)
		case FromFile:
			d.Severity = hcl.DiagWarning
			diags = append(diags, d)
		}
	}
	return chosen, diags
}

// diagnostic is an error about a value that was given.
func (g *Given) diagnostic(summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail + " The value comes from " + g.Origin + ".", Subject: g.Range}
}

// variable is the value of one variable before its validations.
func variable(decl *config.Variable, given *Given) (cty.Value, hcl.Diagnostics) {
	want, defaults, diags := typeOf(decl)
	sensitive, more := constantBool(decl.Sensitive, false)
	diags = append(diags, more...)
	nullable, more := constantBool(decl.Nullable, true)
	diags = append(diags, more...)
	fallback, more := defaultOf(decl, want, defaults)
	diags = append(diags, more...)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	v := fallback
	switch {
	case given != nil:
		v, more = given.convert(decl, want, defaults)
		if !more.HasErrors() && v.IsNull() && !nullable {
			v = fallback
		}
	case fallback == cty.NilVal:
		more = hcl.Diagnostics{errorAt(decl.NameRange, "Variable without a value",
			"The variable %q has no default, so a value has to be given: --var %s=…, --var-file, or the environment variable CVSPLAY_VAR_%s.",
			decl.Name, decl.Name, decl.Name)}
	}
	diags = append(diags, more...)
	if !more.HasErrors() && v == cty.NilVal || v != cty.NilVal && !nullable && v.IsNull() {
		diags = diags.Append(errorAt(decl.NameRange, "Variable must not be null", "The variable %q is declared with nullable = false, and has no other value.", decl.Name))
	}
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if sensitive {
		v = v.Mark(Sensitive)
	}
	return v, diags
}

// typeOf is a variable's type constraint: any where it has none.
func typeOf(decl *config.Variable) (cty.Type, *typeexpr.Defaults, hcl.Diagnostics) {
	if decl.Type == nil {
		return cty.DynamicPseudoType, nil, nil
	}
	return typeexpr.TypeConstraintWithDefaults(decl.Type)
}

// defaultOf is a variable's default, converted; cty.NilVal where it has none. A default is constant.
func defaultOf(decl *config.Variable, want cty.Type, defaults *typeexpr.Defaults) (cty.Value, hcl.Diagnostics) {
	if decl.Default == nil {
		return cty.NilVal, nil
	}
	v, diags := constant(decl.Default)
	if diags.HasErrors() {
		return cty.NilVal, diags
	}
	v, err := fit(v, want, defaults)
	if err != nil {
		return cty.NilVal, diags.Append(errorAt(decl.Default.Range(), "Wrong type", "The default of the variable %q does not fit its type: %s.", decl.Name, err))
	}
	return v, diags
}

// convert reads what was given for a variable.
func (g *Given) convert(decl *config.Variable, want cty.Type, defaults *typeexpr.Defaults) (cty.Value, hcl.Diagnostics) {
	v := g.Value
	if v == cty.NilVal {
		read, diags := g.read(decl, want)
		if diags.HasErrors() {
			return cty.NilVal, diags
		}
		v = read
	}
	v, err := fit(v, want, defaults)
	if err != nil {
		return cty.NilVal, hcl.Diagnostics{g.diagnostic("Wrong type", fmt.Sprintf("The variable %q does not fit its type: %s.", decl.Name, err))}
	}
	return v, nil
}

// read makes a value of a text. Errors do not show it: it may be sensitive.
func (g *Given) read(decl *config.Variable, want cty.Type) (cty.Value, hcl.Diagnostics) {
	if want.IsPrimitiveType() || decl.Type == nil {
		return cty.StringVal(g.Text), nil
	}
	refuse := func(why string) hcl.Diagnostics {
		return hcl.Diagnostics{g.diagnostic("Not a value", fmt.Sprintf("The variable %q needs %s, written as in a playbook, such as %s: %s.",
			decl.Name, article(typeName(want)), example(want), why))}
	}
	if diags := config.CheckExpression([]byte(g.Text), g.Origin); diags.HasErrors() {
		return cty.NilVal, refuse(strings.ToLower(diags[0].Summary))
	}
	expr, diags := hclsyntax.ParseExpression([]byte(g.Text), g.Origin, hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, refuse(fmt.Sprintf("column %d: %s", diags[0].Subject.Start.Column, strings.ToLower(diags[0].Summary)))
	}
	v, diags := expr.Value(nil)
	if diags.HasErrors() {
		return cty.NilVal, refuse("names and functions cannot be used in it; strings need quotes")
	}
	return v, nil
}

// fit fills in the defaults of optional attributes and converts.
func fit(v cty.Value, want cty.Type, defaults *typeexpr.Defaults) (cty.Value, error) {
	if defaults != nil && !v.IsNull() {
		v = defaults.Apply(v)
	}
	out, err := convert.Convert(v, want)
	if err != nil {
		return cty.NilVal, errors.New(misfit(err, v, want))
	}
	return out, nil
}

// constant evaluates an expression that may read nothing.
func constant(expr hcl.Expression) (cty.Value, hcl.Diagnostics) {
	v, diags := expr.Value(nil)
	if !diags.HasErrors() {
		return v, diags
	}
	if refs := References(expr); len(refs) > 0 {
		return cty.NilVal, hcl.Diagnostics{errorAt(refs[0].Range, "Not a constant",
			"What stands here is read before anything has a value, so it cannot use %s. A local value can.", refs[0])}
	}
	for _, d := range diags {
		d.Expression, d.EvalContext, d.Extra, d.Detail = nil, nil, nil, withoutStack(d.Detail)
	}
	return cty.NilVal, diags
}

// constantBool is a constant true or false; what is not written is otherwise.
func constantBool(expr hcl.Expression, otherwise bool) (bool, hcl.Diagnostics) {
	if expr == nil {
		return otherwise, nil
	}
	v, diags := constant(expr)
	if diags.HasErrors() {
		return otherwise, diags
	}
	v, err := convert.Convert(v, cty.Bool)
	if err != nil || v.IsNull() {
		return otherwise, diags.Append(errorAt(expr.Range(), "Wrong type", "It is either true or false."))
	}
	return v.True(), diags
}

// validate checks a variable's value by its validation blocks.
func validate(decl *config.Variable, scope Scope, given *Given) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, rule := range decl.Validations {
		ok, more := scope.Convert(rule.Condition, cty.Bool)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		ok, _ = ok.Unmark()
		switch {
		case !ok.IsKnown():
		case ok.IsNull():
			diags = diags.Append(errorAt(rule.Condition.Range(), "Invalid condition", "A condition is either true or false, and this one is null."))
		case ok.False():
			diags = append(diags, violation(decl, rule, scope, given)...)
		}
	}
	return diags
}

// violation is what a validation's author wants to be said, where the value was given.
func violation(decl *config.Variable, rule *config.Validation, scope Scope, given *Given) hcl.Diagnostics {
	message, diags := scope.Convert(rule.ErrorMessage, cty.String)
	if diags.HasErrors() {
		return diags
	}
	text := Hidden
	if message.IsKnown() && !message.IsMarked() && !message.IsNull() {
		text = strings.TrimSpace(message.AsString())
	}
	d := errorAt(rule.Condition.Range(), "Invalid value of var."+decl.Name, "%s", text)
	if given != nil {
		d.Detail += "\n\nThe value comes from " + given.Origin + "."
	} else {
		d.Detail += "\n\nThe value is the variable's default."
	}
	return append(diags, d)
}
