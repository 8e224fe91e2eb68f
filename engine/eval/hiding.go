package eval

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// A hiding keeps the sensitive values behind one expression out of the messages about it. A function that fails says what it was given;
// so everything sensitive that the expression reads or makes on its way is looked for in the text.
type hiding struct {
	secrets []string
}

func newHiding() *hiding { return &hiding{} }

// expression remembers the sensitive values that expr reads, and those that its function calls give.
func (h *hiding) expression(expr hcl.Expression, ctx *hcl.EvalContext) {
	for _, traversal := range expr.Variables() {
		v, _ := traversal.TraverseAbs(ctx)
		h.value(v)
	}
	node, ok := expr.(hclsyntax.Node)
	if !ok {
		return
	}
	_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		if call, ok := n.(*hclsyntax.FunctionCallExpr); ok {
			v, _ := call.Value(ctx)
			h.value(v)
		}
		return nil
	})
}

func (h *hiding) value(v cty.Value) {
	eachSecret(v, func(text string) {
		if text == "" {
			return
		}
		h.secrets = append(h.secrets, text)
		if quoted := strconv.Quote(text); quoted[1:len(quoted)-1] != text { // as a message quotes it
			h.secrets = append(h.secrets, quoted[1:len(quoted)-1])
		}
	})
}

// text is s without the secrets. One that is too short to be told from other text takes the whole message away.
func (h *hiding) text(s string) string {
	slices.SortFunc(h.secrets, func(a, b string) int { return len(b) - len(a) })
	for _, secret := range h.secrets {
		if !strings.Contains(s, secret) {
			continue
		}
		if len(secret) < minSecret {
			return "What is wrong cannot be said without showing a sensitive value."
		}
		s = strings.ReplaceAll(s, secret, Hidden)
	}
	return s
}

// eachSecret calls f with the text of each string and number that is sensitive or stands inside of something that is. Booleans and
// nulls have no text that could be kept secret.
func eachSecret(v cty.Value, f func(string)) {
	if v == cty.NilVal || !v.ContainsMarked() {
		return
	}
	unmarked, marks := v.Unmark()
	if _, ok := marks[Sensitive]; ok {
		plain, _ := unmarked.UnmarkDeep()
		eachText(plain, f)
		return
	}
	if unmarked.IsNull() || !unmarked.IsKnown() || !unmarked.CanIterateElements() {
		return
	}
	for it := unmarked.ElementIterator(); it.Next(); {
		_, element := it.Element()
		eachSecret(element, f)
	}
}

// eachText calls f with each string and number inside of v, which has no marks.
func eachText(v cty.Value, f func(string)) {
	switch {
	case v.IsNull() || !v.IsKnown():
	case v.Type() == cty.String || v.Type() == cty.Number:
		if text, err := convert.Convert(v, cty.String); err == nil {
			f(text.AsString())
		}
	case v.CanIterateElements():
		for it := v.ElementIterator(); it.Next(); {
			_, element := it.Element()
			eachText(element, f)
		}
	}
}
