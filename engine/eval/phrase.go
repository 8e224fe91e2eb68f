package eval

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// misfit says why a value cannot be converted, without showing it: "a number is needed, and this is a bool".
func misfit(err error, v cty.Value, want cty.Type) string {
	var in cty.PathError
	if errors.As(err, &in) && len(in.Path) > 0 {
		return fmt.Sprintf("in %s, %s", pathText(in.Path), in.Error())
	}
	have := v.Type()
	text := fmt.Sprintf("%s is needed, and this is %s", article(typeName(want)), article(have.FriendlyName()))
	switch {
	case have == cty.String && want == cty.Bool:
		return text + " that stands for none: a condition is written without quotes"
	case have == cty.String && want.IsPrimitiveType():
		return text + " that stands for none"
	case !want.IsPrimitiveType() && !have.IsPrimitiveType():
		return text + ": " + convert.MismatchMessage(have, want)
	}
	return text
}

// withoutStack is a message in which cty does not tell that, and where in the program, a function panicked: that of log(-1, 2) does, since no number
// is its result.
func withoutStack(message string) string {
	before, _, panicked := strings.Cut(message, "panic in function implementation: ")
	if !panicked {
		return message
	}
	return before + "these values have no result."
}

// pathText is a path as one would write it behind a name: .a["b"][0].
func pathText(path cty.Path) string {
	var b strings.Builder
	for _, step := range path {
		switch step := step.(type) {
		case cty.GetAttrStep:
			b.WriteString("." + step.Name)
		case cty.IndexStep:
			key, _ := step.Key.Unmark()
			switch {
			case !key.IsKnown() || key.IsNull():
				b.WriteString("[…]")
			case key.Type() == cty.String:
				b.WriteString("[\"" + key.AsString() + "\"]")
			case key.Type() == cty.Number:
				b.WriteString("[" + key.AsBigFloat().Text('f', -1) + "]")
			default:
				b.WriteString("[…]")
			}
		}
	}
	return b.String()
}

// sentence is s with a capital first letter.
func sentence(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[size:]
}

// article is a noun with its article.
func article(noun string) string {
	if noun == "" || strings.HasPrefix(noun, "any ") {
		return noun
	}
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}
