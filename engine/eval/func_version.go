package eval

import (
	"cmp"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

var versionFunctions = []entry{
	{"vercmp(version, other)", "-1, 0 or 1: whether a version is before, the same as or after another, as dpkg and sort -V have it.", always(vercmpFunc)},
	{"versort(list)", "The versions of a list or set, the oldest first, as dpkg and sort -V have it.", always(versortFunc)},
}

var vercmpFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "version", Type: cty.String}, {Name: "other", Type: cty.String}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		return cty.NumberIntVal(int64(CompareVersions(args[0].AsString(), args[1].AsString()))), nil
	},
})

var versortFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.List(cty.String)}},
	Type:   function.StaticReturnType(cty.List(cty.String)),
	Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(want), nil
		}
		var versions []string
		for _, v := range args[0].AsValueSlice() {
			if v.IsNull() {
				return cty.NilVal, function.NewArgErrorf(0, "an element is null")
			}
			versions = append(versions, v.AsString())
		}
		slices.SortStableFunc(versions, func(a, b string) int {
			return cmp.Or(CompareVersions(a, b), strings.Compare(a, b))
		})
		return stringList(versions), nil
	},
})

// CompareVersions orders versions as Debian's policy (5.6.12) does the parts of one: runs of digits count as numbers, letters come before all
// other characters, and ~ comes before the end. Versions that differ in leading zeros only are the same.
func CompareVersions(a, b string) int {
	for a != "" || b != "" {
		var textA, textB, digitsA, digitsB string
		textA, a = cutRun(a, false)
		textB, b = cutRun(b, false)
		if c := compareText(textA, textB); c != 0 {
			return c
		}
		digitsA, a = cutRun(a, true)
		digitsB, b = cutRun(b, true)
		digitsA, digitsB = strings.TrimLeft(digitsA, "0"), strings.TrimLeft(digitsB, "0")
		if c := cmp.Or(cmp.Compare(len(digitsA), len(digitsB)), strings.Compare(digitsA, digitsB)); c != 0 {
			return c
		}
	}
	return 0
}

// cutRun cuts the digits, or what is none, off the beginning.
func cutRun(s string, digits bool) (string, string) {
	i := strings.IndexFunc(s, func(r rune) bool { return (r >= '0' && r <= '9') != digits })
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i:]
}

func compareText(a, b string) int {
	for i := range max(len(a), len(b)) {
		if c := cmp.Compare(rank(a, i), rank(b, i)); c != 0 {
			return c
		}
	}
	return 0
}

// rank is where a character comes in the order: ~, the end, letters, others.
func rank(s string, i int) int {
	if i >= len(s) {
		return 0
	}
	switch c := s[i]; {
	case c == '~':
		return -1
	case 'a' <= c|0x20 && c|0x20 <= 'z':
		return int(c)
	default:
		return int(c) + 256
	}
}
