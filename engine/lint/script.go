package lint

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"cvsplay/engine/eval"
)

// scripts are the arguments whose text a shell reads, and how else a value comes into each.
var scripts = []struct{ name, instead string }{
	{"script", `Hand it over with args ("$1") or env, or write`},
	{"unless", "Hand it over with env, or write"}, // the args are the script's alone
	{"only_if", "Hand it over with env, or write"},
	{"setup_script", "Write"},
}

// plainFunctions give numbers, bools, or texts that are meant to be read as they stand.
var plainFunctions = []string{
	"shellquote", "file", "templatefile", "length", "tonumber", "tobool", "floor", "ceil", "max", "min", "sum", "abs", "parseint", "signum", "contains", "can",
	"alltrue", "anytrue", "startswith", "endswith", "strcontains", "sha256", "base64encode",
}

// scriptTemplates finds values that become part of a script's text without being quoted.
func scriptTemplates(t *text) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, step := range t.steps() {
		for _, script := range scripts {
			attr := step.Body.Attributes[script.name]
			if attr == nil {
				continue
			}
			template, is := attr.Expr.(*hclsyntax.TemplateExpr)
			if !is {
				continue
			}
			for _, part := range template.Parts {
				if !t.harmless(part, nil) {
					diags = append(diags, hint("script-template", part.Range(), "This value becomes part of the script's text: a blank, a quote or a $ in "+
						"it is read by the shell. "+script.instead+" ${shellquote(…)}."))
				}
			}
		}
	}
	return diags
}

// harmless tells whether the text of an expression's value can be read by a shell as it stands. Names are the locals on the way to it.
func (t *text) harmless(e hclsyntax.Expression, names []string) bool {
	all := func(list ...hclsyntax.Expression) bool {
		return !slices.ContainsFunc(list, func(e hclsyntax.Expression) bool { return !t.harmless(e, names) })
	}
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr, *hclsyntax.BinaryOpExpr, *hclsyntax.UnaryOpExpr:
		return true
	case *hclsyntax.TemplateExpr:
		return all(e.Parts...)
	case *hclsyntax.TemplateWrapExpr:
		return all(e.Wrapped)
	case *hclsyntax.TemplateJoinExpr:
		return all(e.Tuple)
	case *hclsyntax.ParenthesesExpr:
		return all(e.Expression)
	case *hclsyntax.ConditionalExpr:
		return all(e.TrueResult, e.FalseResult)
	case *hclsyntax.TupleConsExpr:
		return all(e.Exprs...)
	case *hclsyntax.ForExpr:
		return e.KeyExpr == nil && all(e.ValExpr)
	case *hclsyntax.FunctionCallExpr:
		return slices.Contains(plainFunctions, e.Name) || (e.Name == "join" || e.Name == "try" || e.Name == "coalesce") && all(e.Args...)
	case *hclsyntax.ScopeTraversalExpr:
		return t.harmlessName(e, names)
	}
	return false
}

func (t *text) harmlessName(e *hclsyntax.ScopeTraversalExpr, names []string) bool {
	refs := eval.References(e)
	if len(refs) != 1 || len(refs[0].Path) == 0 {
		return false
	}
	name := refs[0].Path[0]
	switch refs[0].Root {
	case "var":
		return slices.ContainsFunc(t.body.Blocks, func(b *hclsyntax.Block) bool {
			return b.Type == "variable" && slices.Equal(b.Labels, []string{name}) && isPlainType(b.Body.Attributes["type"])
		})
	case "local":
		for _, a := range t.attrs {
			if b := a.inner(); b != nil && b.Type == "locals" && a.Name == name && !slices.Contains(names, name) {
				return t.harmless(a.Expr, append(names, name))
			}
		}
	case "run":
		return name == "id" || name == "check"
	case "host":
		return name == "name" // it has no character that a shell reads
	}
	return false
}

func isPlainType(a *hclsyntax.Attribute) bool {
	return a != nil && slices.Contains([]string{"number", "bool"}, hcl.ExprAsKeyword(a.Expr))
}
