package lint

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/eval"
)

// constantConditions finds conditions that are the same in every run.
func constantConditions(t *text) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, a := range t.attrs {
		b := a.inner()
		if b == nil || a.Name != "when" && a.Name != "condition" || len(eval.References(a.Expr)) > 0 {
			continue
		}
		v, more := a.Expr.Value(&hcl.EvalContext{})
		if more.HasErrors() || !v.IsKnown() || v.IsNull() || v.Type() != cty.Bool {
			continue
		}
		diags = append(diags, hint("constant-condition", a.Expr.Range(), constantSays(a.Name, v.True())))
	}
	return diags
}

func constantSays(name string, always bool) string {
	switch {
	case name == "when" && always:
		return "This is always true, so that it decides nothing. Leave when out."
	case name == "when":
		return "This is always false, so that it never runs. Remove it; or give it tags = [\"never\"], to run it with --tags alone."
	}
	return fmt.Sprintf("This is always %t, whatever it is to judge. Let it read what has to be so.", always)
}

// redundantTemplates finds strings that hold nothing but an expression.
func redundantTemplates(t *text) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, a := range t.attrs {
		_ = hclsyntax.VisitAll(a.Expr, func(n hclsyntax.Node) hcl.Diagnostics {
			if wrap, is := n.(*hclsyntax.TemplateWrapExpr); is {
				diags = append(diags, hint("redundant-template", wrap.SrcRange, "Quotes and braces around an expression change nothing, not even its "+
					"type. Write the expression alone."))
			}
			return nil
		})
	}
	return diags
}

// jinja matches what stands between the braces of Jinja; the words are those of Go's templates, which docker and podman read in --format.
var (
	jinja      = regexp.MustCompile(`\{\{-?\s*([A-Za-z_][A-Za-z0-9_.\[\]'"]*)\s*(?:\|[^{}]*)?-?\}\}`)
	goTemplate = []string{"end", "else", "break", "continue"}
)

// jinjaTexts finds texts that a person wrote for Ansible.
func jinjaTexts(t *text) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, a := range t.attrs {
		_ = hclsyntax.VisitAll(a.Expr, func(n hclsyntax.Node) hcl.Diagnostics {
			part, is := n.(*hclsyntax.LiteralValueExpr)
			if !is || part.Val.Type() != cty.String || !part.Val.IsKnown() || part.Val.IsNull() {
				return nil
			}
			found := jinja.FindStringSubmatch(part.Val.AsString())
			if found != nil && !slices.Contains(goTemplate, found[1]) {
				diags = append(diags, hint("jinja-text", part.SrcRange, fmt.Sprintf("%s is left as it stands: it is Jinja's. Write ${…}, with var., "+
					"local. or host. in front of the name.", found[0])))
			}
			return nil
		})
	}
	return diags
}
