package eval

import (
	"cvsplay/engine/nodeset"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

var nodeFunctions = []entry{
	{"fold(names)", "The names of a list or set as one pattern: node[001-016,020].", always(foldFunc)},
	{"nodes(patterns...)", "The names that patterns stand for, each once: nodes(\"node[001-016]\", \"head\").", always(nodesFunc)},
}

var foldFunc = function.New(&function.Spec{
	Params: []function.Parameter{elements("names")},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if err := iterable(args[0], 0); err != nil {
			return cty.NilVal, err
		}
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(cty.String), nil
		}
		var names []string
		for it := args[0].ElementIterator(); it.Next(); {
			_, v := it.Element()
			v, err := convert.Convert(v, cty.String)
			if err != nil || v.IsNull() {
				return cty.NilVal, function.NewArgErrorf(0, "all elements must be names of hosts")
			}
			names = append(names, v.AsString())
		}
		return cty.StringVal(nodeset.Fold(names)), nil
	},
})

var nodesFunc = function.New(&function.Spec{
	VarParam: &function.Parameter{Name: "patterns", Type: cty.String},
	Type:     function.StaticReturnType(cty.List(cty.String)),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var names []string
		seen := map[string]bool{}
		for i, arg := range args {
			more, err := nodeset.Expand(arg.AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(i, err)
			}
			for _, name := range more {
				if !seen[name] {
					seen[name] = true
					names = append(names, name)
				}
			}
		}
		return stringList(names), nil
	},
})
