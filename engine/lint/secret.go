package lint

import (
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// secretName matches names that say that their value is a secret; password_file and token_url say otherwise.
var secretName = regexp.MustCompile(`(?i)(^|_)(password|passwd|passphrase|secret|token|api_?key|access_key|private_key)$`)

// secretLiterals finds secrets that stand in the file, and variables for secrets that are not sensitive.
func secretLiterals(t *text) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, a := range t.attrs {
		if secretName.MatchString(a.Name) {
			diags = append(diags, secretValue(a.Name, a.Expr)...)
		}
		_ = hclsyntax.VisitAll(a.Expr, func(n hclsyntax.Node) hcl.Diagnostics {
			object, is := n.(*hclsyntax.ObjectConsExpr)
			if !is {
				return nil
			}
			for _, item := range object.Items {
				if key, known := item.KeyExpr.(*hclsyntax.ObjectConsKeyExpr); known {
					if name := keyName(key); secretName.MatchString(name) {
						diags = append(diags, secretValue(name, item.ValueExpr)...)
					}
				}
			}
			return nil
		})
	}
	return append(diags, t.secretVariables()...)
}

func keyName(key *hclsyntax.ObjectConsKeyExpr) string {
	if word := hcl.ExprAsKeyword(key.Wrapped); word != "" {
		return word
	}
	text, _ := literal(key.Wrapped)
	return text
}

func secretValue(name string, e hclsyntax.Expression) hcl.Diagnostics {
	if text, is := literal(e); !is || strings.TrimSpace(text) == "" {
		return nil
	}
	return hcl.Diagnostics{hint("secret-literal", e.Range(), "A secret in a file is read by everybody who reads the file, and stays in its "+
		"history. Take the value of "+name+
		" from a variable with sensitive = true, which --var-file or CVSPLAY_VAR_… sets; in an inventory from env(\"NAME\").")}
}

// secretVariables looks at the variables whose name says that they hold a secret.
func (t *text) secretVariables() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, b := range t.body.Blocks {
		if b.Type != "variable" || len(b.Labels) != 1 || !secretName.MatchString(b.Labels[0]) {
			continue
		}
		if value := b.Body.Attributes["default"]; value != nil {
			diags = append(diags, secretValue("var."+b.Labels[0], value.Expr)...)
		}
		if b.Body.Attributes["sensitive"] == nil {
			diags = append(diags, hint("secret-variable", b.DefRange(), "By its name var."+b.Labels[0]+" holds a secret, and it is printed like any "+
				"other value. Add sensitive = true; or sensitive = false, to say that it is none."))
		}
	}
	return diags
}
