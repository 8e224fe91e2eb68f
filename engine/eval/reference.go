package eval

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// AnyKey stands in a Reference's Path for an index that only evaluation tells, and for a splat.
const AnyKey = "*"

// A Reference is one traversal in an expression that starts at a name of the language (var.x, step.box.ref, hosts["n1"].step.a …).
// hosts[host.name].step.a is one reference with the path * step a, and host.name is another.
type Reference struct {
	Root       string   // "var", "local", "step", "host", "hosts", "run", "group", "each", "self", "play", "path"; anything for a typo
	Path       []string // the attribute names and keys that follow; AnyKey for those that are not static
	Range      hcl.Range
	Steps      []hcl.Range // the range of each element of Path
	Said       string      // how it was written, where Root and Path are names that the planner gave
	InTry      bool        // inside an argument of try or can: may be absent
	InTemplate bool        // inside of ${ } or %{ } of a string or heredoc
}

// String is the reference as one would write it.
func (r Reference) String() string {
	if r.Said != "" {
		return r.Said
	}
	var b strings.Builder
	b.WriteString(r.Root)
	for _, name := range r.Path {
		switch {
		case name == AnyKey:
			b.WriteString("[…]")
		case hclsyntax.ValidIdentifier(name):
			b.WriteString("." + name)
		default:
			fmt.Fprintf(&b, "[%q]", name)
		}
	}
	return b.String()
}

// Unknown is the error that r's root is none of the names that are known where it stands.
func (r Reference) Unknown(known []string) *hcl.Diagnostic {
	detail := fmt.Sprintf("There is no name %q here.", r.Root)
	switch suggestion := DidYouMean(r.Root, known); {
	case suggestion != "":
		detail += suggestion
	case len(known) > 0:
		detail += " An expression can begin with " + strings.Join(known, ", ") + ", or a function."
	}
	if r.InTemplate && len(r.Path) == 0 {
		detail += fmt.Sprintf(" If it is meant for the shell, write $${%s}, or keep the script in a file of its own and use file(\"…\").", r.Root)
	}
	return errorAt(r.Range, "Unknown name", "%s", detail)
}

// References are all names of the language that an expression reads, in the order of the text. The variables of its own for expressions
// are none. In JSON, strings are read as the templates that they are.
func References(expr hcl.Expression) []Reference {
	if expr == nil {
		return nil
	}
	if own, ok := expr.(interface{ References() []Reference }); ok {
		return own.References()
	}
	if node, ok := expr.(hclsyntax.Expression); ok {
		w := &referenceWalker{taken: map[*hclsyntax.ScopeTraversalExpr]bool{}}
		_ = hclsyntax.Walk(node, w)
		return w.found
	}
	if hcljson.IsJSONExpression(expr) {
		return jsonReferences(expr)
	}
	var refs []Reference
	for _, traversal := range expr.Variables() {
		refs = append(refs, newReference(traversal))
	}
	return refs
}

func newReference(traversal hcl.Traversal) Reference {
	r := Reference{Root: traversal.RootName(), Range: traversal.SourceRange()}
	r.Path, r.Steps = pathOf(traversal[1:])
	return r
}

// pathOf are the names and ranges of a traversal without its root.
func pathOf(traversal hcl.Traversal) ([]string, []hcl.Range) {
	var path []string
	var ranges []hcl.Range
	for _, step := range traversal {
		switch step := step.(type) {
		case hcl.TraverseAttr:
			path = append(path, step.Name)
		case hcl.TraverseIndex:
			path = append(path, keyName(step.Key))
		default:
			path = append(path, AnyKey)
		}
		ranges = append(ranges, step.SourceRange())
	}
	return path, ranges
}

func keyName(key cty.Value) string {
	key, _ = key.Unmark()
	text, err := convert.Convert(key, cty.String)
	if err != nil || !text.IsKnown() || text.IsNull() {
		return AnyKey
	}
	return text.AsString()
}

// A referenceWalker collects references from a syntax tree, outermost first, so that the longest path to a name wins.
type referenceWalker struct {
	found    []Reference
	scopes   []map[string]struct{} // the variables of for expressions
	tries    int
	template int
	taken    map[*hclsyntax.ScopeTraversalExpr]bool // part of a longer reference
}

func (w *referenceWalker) Enter(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case hclsyntax.ChildScope:
		w.scopes = append(w.scopes, n.LocalNames)
	case *hclsyntax.FunctionCallExpr:
		if n.Name == "try" || n.Name == "can" {
			w.tries++
		}
	case *hclsyntax.TemplateExpr, *hclsyntax.TemplateWrapExpr:
		w.template++
	case *hclsyntax.ScopeTraversalExpr, *hclsyntax.RelativeTraversalExpr, *hclsyntax.IndexExpr, *hclsyntax.SplatExpr:
		w.add(n.(hclsyntax.Expression))
	}
	return nil
}

func (w *referenceWalker) Exit(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case hclsyntax.ChildScope:
		w.scopes = w.scopes[:len(w.scopes)-1]
	case *hclsyntax.FunctionCallExpr:
		if n.Name == "try" || n.Name == "can" {
			w.tries--
		}
	case *hclsyntax.TemplateExpr, *hclsyntax.TemplateWrapExpr:
		w.template--
	}
	return nil
}

func (w *referenceWalker) add(expr hclsyntax.Expression) {
	c, ok := chainOf(expr, nil)
	if !ok || w.taken[c.root] {
		return
	}
	w.taken[c.root] = true
	name := c.root.Traversal.RootName()
	for _, names := range w.scopes {
		if _, local := names[name]; local {
			return
		}
	}
	w.found = append(w.found, Reference{
		Root:       name,
		Path:       c.path,
		Range:      hcl.RangeBetween(c.root.Range(), expr.Range()),
		Steps:      c.ranges,
		InTry:      w.tries > 0,
		InTemplate: w.template > 0,
	})
}

// A chain is a name with everything that is read from it.
type chain struct {
	root   *hclsyntax.ScopeTraversalExpr
	path   []string
	ranges []hcl.Range
}

func (c chain) extend(path []string, ranges []hcl.Range) chain {
	return chain{c.root, append(c.path[:len(c.path):len(c.path)], path...), append(c.ranges[:len(c.ranges):len(c.ranges)], ranges...)}
}

// chainOf follows attributes, indices and splats down to a name; each is what a splat's own symbol stands for. It tells false where
// something else is at the bottom, such as a function call.
func chainOf(expr hclsyntax.Expression, each *chain) (chain, bool) {
	switch e := expr.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		path, ranges := pathOf(e.Traversal[1:])
		return chain{e, path, ranges}, true
	case *hclsyntax.AnonSymbolExpr:
		if each == nil {
			return chain{}, false
		}
		return *each, true
	case *hclsyntax.ParenthesesExpr:
		return chainOf(e.Expression, each)
	case *hclsyntax.RelativeTraversalExpr:
		c, ok := chainOf(e.Source, each)
		path, ranges := pathOf(e.Traversal)
		return c.extend(path, ranges), ok
	case *hclsyntax.IndexExpr:
		c, ok := chainOf(e.Collection, each)
		key := AnyKey
		if literal, is := e.Key.(*hclsyntax.LiteralValueExpr); is {
			key = keyName(literal.Val)
		}
		return c.extend([]string{key}, []hcl.Range{e.Key.Range()}), ok
	case *hclsyntax.SplatExpr:
		c, ok := chainOf(e.Source, each)
		if !ok {
			return c, false
		}
		c = c.extend([]string{AnyKey}, []hcl.Range{e.MarkerRange})
		return chainOf(e.Each, &c)
	}
	return chain{}, false
}
