package eval

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"
)

func TestToJSON(t *testing.T) {
	secret := cty.StringVal("hunter2").Mark(Sensitive)
	cases := []struct {
		name string
		v    cty.Value
		want string
	}{
		{"nothing", cty.NilVal, `null`},
		{"null", cty.NullVal(cty.String), `null`},
		{"unknown", cty.UnknownVal(cty.String), `null`},
		{"string", cty.StringVal("a\"<\n\u2028é"), `"a\"<\n\u2028é"`},
		{"number", cty.MustParseNumberVal("12345678901234567890"), `12345678901234567890`},
		{"fraction", cty.NumberFloatVal(0.25), `0.25`},
		{"infinity", cty.PositiveInfinity, `null`},
		{"bool", cty.True, `true`},
		{"object", cty.ObjectVal(map[string]cty.Value{"b": cty.UnknownVal(cty.Bool), "a": cty.NullVal(cty.Bool), "c": secret}), `{"a":null,"c":"(sensitive)"}`},
		{"unknown and sensitive", cty.ObjectVal(map[string]cty.Value{"c": cty.UnknownVal(cty.Bool).Mark(Sensitive)}), `{}`},
		{"map", cty.MapVal(map[string]cty.Value{"b": cty.StringVal("2"), "a": cty.StringVal("1")}), `{"a":"1","b":"2"}`},
		{"list", cty.ListVal([]cty.Value{cty.StringVal("a"), cty.UnknownVal(cty.String), secret}), `["a",null,"(sensitive)"]`},
		{"set", cty.SetVal([]cty.Value{cty.StringVal("b"), cty.StringVal("a")}), `["a","b"]`},
		{"tuple", cty.TupleVal([]cty.Value{cty.True, cty.EmptyObjectVal}), `[true,{}]`},
		{"empty", cty.ListValEmpty(cty.String), `[]`},
		{"all of it sensitive", cty.ObjectVal(map[string]cty.Value{"a": cty.True}).Mark(Sensitive), `"(sensitive)"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := ToJSON(c.v)
			if string(got) != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if !json.Valid(got) {
				t.Error("this is no JSON")
			}
		})
	}
}

// Long strings are encoded piece by piece, and come out as in one.
func TestLongStrings(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		unit := rapid.SampledFrom([]string{"a", "ü", "\u2028", "😀", "\xff", "\xf0\x9f\x98", "\"\\\n", "<&>"}).Draw(rt, "unit")
		shift := rapid.StringN(0, 5, 8).Draw(rt, "shift")
		s := shift + strings.Repeat(unit, 3*longString/len(unit))
		var want bytes.Buffer
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(s); err != nil {
			rt.Fatal(err)
		}
		var got bytes.Buffer
		writeString(&got, s)
		if got.String() != strings.TrimSuffix(want.String(), "\n") {
			rt.Fatalf("%q: %.100s", s[:10], got.String())
		}
	})
}
