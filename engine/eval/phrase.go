package eval

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// convertMessage says what was needed, with the path to the element that does not fit.
func convertMessage(err error, v cty.Value, want cty.Type) string {
	if path, ok := err.(cty.PathError); ok && len(path.Path) > 0 { //nolint:errorlint // convert returns it bare
		return pathText(path.Path) + ": " + path.Error()
	}
	if text := convert.MismatchMessage(v.Type(), want); text != "" && v.Type() != want {
		return text
	}
	return err.Error()
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
