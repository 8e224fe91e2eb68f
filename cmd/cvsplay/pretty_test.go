package main

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/eval"
)

func TestPrettyValue(t *testing.T) {
	text, number := cty.StringVal, cty.NumberIntVal
	long := text(strings.Repeat("x", 60))
	for name, c := range map[string]struct {
		value cty.Value
		want  string
	}{
		"text":                        {text("a\"b\\${c}\t\x1b"), `"a\"b\\$${c}\t\u001b"`},
		"one line with its end":       {text("a\n"), `"a\n"`},
		"lines":                       {text("a\n b\n"), "<<EOT\na\n b\nEOT"},
		"lines that a heredoc spoils": {text("a\n${b}\n"), `"a\n$${b}\n"`},
		"lines with an escape":        {text("a\n\x1b[2J\n"), `"a\n\u001b[2J\n"`},
		"lines without an end":        {text("a\nb"), `"a\nb"`},
		"lines within":                {cty.TupleVal([]cty.Value{text("a\nb\n")}), `["a\nb\n"]`},
		"number":                      {cty.MustParseNumberVal("0.5"), "0.5"},
		"null":                        {cty.NullVal(cty.String), "null"},
		"unknown":                     {cty.UnknownVal(cty.String), "(known in a run)"},
		"sensitive":                   {text("s").Mark(eval.Sensitive), "(sensitive value)"},
		"nothing in it":               {cty.TupleVal([]cty.Value{cty.EmptyObjectVal, cty.EmptyTupleVal, cty.SetValEmpty(cty.String)}), "[{}, [], toset([])]"},
		"object":                      {cty.ObjectVal(map[string]cty.Value{"b": number(1), "a c": text("x").Mark(eval.Sensitive)}), `{ "a c" = (sensitive value), b = 1 }`},
		"long list":                   {cty.ListVal([]cty.Value{long, long}), "[\n  " + `"` + long.AsString() + `"` + ",\n  " + `"` + long.AsString() + `"` + ",\n]"},
		"long object": {cty.ObjectVal(map[string]cty.Value{"a": long, "b": cty.ObjectVal(map[string]cty.Value{"c": long, "d": cty.TupleVal([]cty.Value{long, number(1)})})}),
			"{\n  a = \"" + long.AsString() + "\"\n  b = {\n    c = \"" + long.AsString() + "\"\n    d = [\"" + long.AsString() + "\", 1]\n  }\n}"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := prettyValue(c.value); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}
