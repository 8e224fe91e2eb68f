package main

import (
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/report"
)

// prettyWidth is how long a collection may be that stands on one line.
const prettyWidth = 100

// prettyValue writes a value as HCL. What HCL cannot say is in brackets: what is sensitive, or not known before a run.
func prettyValue(v cty.Value) string {
	if text, ok := heredoc(v); ok {
		return text
	}
	return pretty(v, "")
}

// heredoc writes a text of several lines as one; ok is false for anything else, and where a line would not stand there as it is.
func heredoc(v cty.Value) (text string, ok bool) {
	if v.IsMarked() || !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		return "", false
	}
	body, ended := strings.CutSuffix(v.AsString(), "\n")
	if !ended || !strings.Contains(body, "\n") || strings.Contains(body, "${") || strings.Contains(body, "%{") {
		return "", false
	}
	for line := range strings.SplitSeq(body, "\n") {
		if report.Safe(line) != line || strings.TrimSpace(line) == "EOT" {
			return "", false
		}
	}
	return "<<EOT\n" + body + "\nEOT", true
}

func pretty(v cty.Value, indent string) string {
	switch {
	case v.IsMarked():
		return "(sensitive value)"
	case !v.IsKnown():
		return "(known in a run)"
	case v.IsNull():
		return "null"
	case v.Type().IsCapsuleType():
		return "(" + v.Type().FriendlyName() + ")"
	case v.Type().IsSetType():
		return "toset(" + prettyItems(v, indent) + ")"
	case v.Type().IsMapType() || v.Type().IsObjectType():
		return prettyAttributes(v, indent)
	case v.CanIterateElements():
		return prettyItems(v, indent)
	}
	return string(hclwrite.TokensForValue(v).Bytes())
}

func prettyItems(v cty.Value, indent string) string {
	var items []string
	for it := v.ElementIterator(); it.Next(); {
		_, item := it.Element()
		items = append(items, pretty(item, indent+"  "))
	}
	return joined(items, "[", "]", ", ", ",", indent)
}

func prettyAttributes(v cty.Value, indent string) string {
	var items []string
	for it := v.ElementIterator(); it.Next(); { // in the order of the names
		name, item := it.Element()
		key := name.AsString()
		if !hclsyntax.ValidIdentifier(key) {
			key = string(hclwrite.TokensForValue(name).Bytes())
		}
		items = append(items, key+" = "+pretty(item, indent+"  "))
	}
	if len(items) == 0 {
		return "{}"
	}
	return joined(items, "{ ", " }", ", ", "", indent)
}

// joined writes items on one line where they are short, else on one each.
func joined(items []string, open, end, between, behind, indent string) string {
	line := open + strings.Join(items, between) + end
	if len(indent)+len(line) <= prettyWidth && !strings.Contains(line, "\n") {
		return line
	}
	var b strings.Builder
	b.WriteString(strings.TrimSpace(open) + "\n")
	for _, item := range items {
		b.WriteString(indent + "  " + item + behind + "\n")
	}
	b.WriteString(indent + strings.TrimSpace(end))
	return b.String()
}
