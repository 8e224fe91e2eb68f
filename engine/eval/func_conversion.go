package eval

import (
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

var conversionFunctions = []entry{
	{"can(expression)", "Whether the expression has a value: false where try would go on.", always(tryfunc.CanFunc)},
	{"convert(value, type)", "The value as a type, written as in a variable: convert(x, list(string)).", always(typeexpr.ConvertFunc)},
	{"issensitive(value)", "Whether the value is sensitive.", always(issensitiveFunc)},
	{"nonsensitive(value)", "The value, sensitive no more.", always(markWith(func(v cty.Value) cty.Value { v, _ = v.Unmark(); return v }))},
	{"sensitive(value)", "The value, marked so that it is shown nowhere.", always(markWith(func(v cty.Value) cty.Value { return v.Mark(Sensitive) }))},
	{"tobool(value)", "The value as a bool.", always(stdlib.MakeToFunc(cty.Bool))},
	{"tolist(value)", "The value as a list, whose elements have one type.", always(stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)))},
	{"tomap(value)", "The value as a map, whose elements have one type.", always(stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)))},
	{"tonumber(value)", "The value as a number.", always(stdlib.MakeToFunc(cty.Number))},
	{"toset(value)", "The value as a set: each element once, without order.", always(stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)))},
	{"tostring(value)", "The value as a string.", always(stdlib.MakeToFunc(cty.String))},
	{"try(expressions...)", "The first expression that has a value; the last may be one that always has.", always(tryfunc.TryFunc)},
}

// anything is a parameter for any value: unknown, null and marked too.
var anything = function.Parameter{
	Name: "value", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowNull: true, AllowMarked: true, AllowDynamicType: true,
}

// markWith is a function that changes a value's marks only.
func markWith(change func(cty.Value) cty.Value) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anything},
		Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return change(args[0]), nil },
	})
}

var issensitiveFunc = function.New(&function.Spec{
	Params: []function.Parameter{anything},
	Type:   function.StaticReturnType(cty.Bool),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if args[0].HasMark(Sensitive) {
			return cty.True, nil
		}
		if !args[0].IsKnown() { // it may turn out to be made of something that is
			return cty.UnknownVal(cty.Bool), nil
		}
		return cty.False, nil
	},
})
