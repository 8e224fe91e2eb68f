package eval

import (
	"strings"

	"cvsplay/engine/config"

	goversion "github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// RequiredVersion says that a playbook wants another version than the one that runs; nil for required means that it wants none. A build between two releases
// counts as the one before, and a build without a number as any.
func RequiredVersion(required *config.Attr, running string) hcl.Diagnostics {
	if required == nil {
		return nil
	}
	v, diags := constant(required.Expr)
	if diags.HasErrors() {
		return diags
	}
	v, err := convert.Convert(v, cty.String)
	if err != nil || v.IsNull() {
		return diags.Append(errorAt(required.Expr.Range(), "Invalid required_version", "It has to be a string such as \">= 1.2, < 2.0\"."))
	}
	wants, err := goversion.NewConstraint(v.AsString())
	if err != nil {
		return diags.Append(errorAt(required.Expr.Range(), "Invalid required_version",
			"%q is no condition on versions; write it like \">= 1.2, < 2.0\" or \"~> 1.2\".", v.AsString()))
	}
	is, err := goversion.NewSemver(running)
	if err != nil || !strings.Contains(running, ".") || wants.Check(is.Core()) {
		return diags
	}
	return diags.Append(errorAt(required.Expr.Range(), "Another version is needed",
		"The playbook needs a version of cvsplay that is %s, and this one is %s. Install one that fits, or change the playbook.", wants, running))
}
