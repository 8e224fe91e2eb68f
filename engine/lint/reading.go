package lint

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"cvsplay/engine/eval"
)

// A reading is a reference, and the attribute that it stands in.
type reading struct {
	eval.Reference
	by attribute
}

func readingsOf(a attribute) []reading {
	var out []reading
	for _, r := range eval.References(a.Expr) {
		out = append(out, reading{r, a})
	}
	return out
}

// names tells whether a reference may be to a name below a root: to itself, or to all there is.
func (r reading) names(root, name string) bool {
	return r.Root == root && (len(r.Path) == 0 || r.Path[0] == eval.AnyKey || r.Path[0] == name)
}

// readsStep tells whether a reference may be to what a step left.
func (r reading) readsStep(name string) bool {
	switch r.Root {
	case "step":
		return r.names("step", name)
	case "hosts": // hosts[HOST].step.NAME, or more than that
		return len(r.Path) < 3 || r.Path[1] == eval.AnyKey || r.Path[1] == "step" && (r.Path[2] == name || r.Path[2] == eval.AnyKey)
	case "play":
		return true
	}
	return false
}

// unusedNames finds variables and locals that no expression reads.
func unusedNames(t *text) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, b := range t.body.Blocks {
		if b.Type != "variable" || len(b.Labels) != 1 {
			continue
		}
		inside := func(r reading) bool { return slices.Contains(r.by.in, b) }
		if !t.anyReads("var", b.Labels[0], inside) {
			diags = append(diags, hint("unused-variable", b.DefRange(), "No expression reads var."+b.Labels[0]+". Whoever gives it a value expects "+
				"that it has an effect: use it, or remove it."))
		}
	}
	for _, a := range t.attrs {
		if b := a.inner(); b == nil || b.Type != "locals" {
			continue
		}
		itself := func(r reading) bool { return r.by.Attribute == a.Attribute }
		if !t.anyReads("local", a.Name, itself) {
			diags = append(diags, hint("unused-local", a.NameRange, "No expression reads local."+a.Name+". Use it, or remove it."))
		}
	}
	return diags
}

func (t *text) anyReads(root, name string, but func(reading) bool) bool {
	return slices.ContainsFunc(t.refs, func(r reading) bool { return r.names(root, name) && !but(r) })
}

// unreadFailures finds steps whose failure stops nothing and is looked at by nobody.
func unreadFailures(t *text) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, step := range t.steps() {
		ignored := step.Body.Attributes["ignore_errors"]
		if ignored == nil || !isTrue(ignored.Expr) {
			continue
		}
		name := step.Labels[1]
		if slices.ContainsFunc(t.refs, func(r reading) bool { return r.readsStep(name) }) {
			continue
		}
		diags = append(diags, hint("ignored-unread", ignored.SrcRange, "A failure of step."+name+" stops nothing, does not count in the exit "+
			"code, and no expression reads the step's results. "+
			"Read them, in a check or an output; or say with fail_when or ok_codes what is no failure."))
	}
	return diags
}

// boundlessBatches finds plays whose batches follow each other whatever becomes of the first.
func boundlessBatches(t *text) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, b := range t.body.Blocks {
		set := b.Body.Attributes
		if b.Type == "play" && set["batch"] != nil && set["max_failures"] == nil && set["on_error"] == nil {
			diags = append(diags, hint("batch-goes-on", set["batch"].SrcRange, "The next batch begins however many hosts of this one have failed. "+
				"Say with max_failures how many may; or write on_error = \"play\", so that one failure stops the play."))
		}
	}
	return diags
}

// becomeInside finds become = true where the account is one of a container.
func becomeInside(t *text) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, step := range t.steps() {
		become, inside := step.Body.Attributes["become"], step.Body.Attributes["inside"]
		if become == nil || inside == nil || !isTrue(become.Expr) || !alwaysInside(inside.Expr) {
			continue
		}
		diags = append(diags, hint("become-inside", become.SrcRange, "Beside inside, become is an account in the container, where scripts are "+
			"root already unless the image says otherwise; "+
			"it does not choose the account that speaks to the container's runtime. Leave it out, or write become = \"root\"."))
	}
	return diags
}

// alwaysInside tells whether the value of inside is a container in any case.
func alwaysInside(e hclsyntax.Expression) bool {
	if _, is := e.(*hclsyntax.ScopeTraversalExpr); is {
		refs := eval.References(e)
		return len(refs) == 1 && refs[0].Root == "step"
	}
	_, is := literal(e)
	return is
}

// literal is a text that stands as such in the file.
func literal(e hclsyntax.Expression) (string, bool) {
	t, is := e.(*hclsyntax.TemplateExpr)
	if !is || !t.IsStringLiteral() {
		return "", false
	}
	v, diags := t.Value(nil)
	if diags.HasErrors() {
		return "", false
	}
	return v.AsString(), true
}
