package eval

import (
	"errors"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

var collectionFunctions = []entry{
	{"alltrue(list)", "Whether all elements are true; of an empty list, true.", always(allOf("alltrue", false))},
	{"anytrue(list)", "Whether an element is true; of an empty list, false.", always(allOf("anytrue", true))},
	{"chunklist(list, size)", "The list cut into lists of a size.", always(stdlib.ChunklistFunc)},
	{"coalesce(values...)", "The first value that is neither null nor an empty string.", always(coalesceFunc)},
	{"coalescelist(lists...)", "The first list that is not empty.", always(stdlib.CoalesceListFunc)},
	{"compact(list)", "The list of strings without empty ones and nulls.", always(stdlib.CompactFunc)},
	{"concat(lists...)", "The lists one after the other.", always(stdlib.ConcatFunc)},
	{"contains(list, value)", "Whether the value is an element.", always(stdlib.ContainsFunc)},
	{"distinct(list)", "The list without elements that came before.", always(stdlib.DistinctFunc)},
	{"element(list, index)", "The element at an index, which starts again at 0 behind the end.", always(stdlib.ElementFunc)},
	{"flatten(list)", "The elements of lists in the list, at any depth, as one list.", always(stdlib.FlattenFunc)},
	{"index(list, value)", "The index of the first element that equals the value.", always(indexFunc)},
	{"keys(map)", "The keys of a map or object, sorted.", always(stdlib.KeysFunc)},
	{"length(value)", "How many elements a collection, or characters a string has.", always(lengthFunc)},
	{"lookup(map, key, default)", "The element with a key; the default where there is none. Without a default, that is an error.", always(lookupFunc)},
	{"matchkeys(values, keys, wanted)", "The values whose key, at the same index, is among the wanted ones.", always(matchkeysFunc)},
	{"merge(maps...)", "A map with the elements of all; the last one with a key wins.", always(stdlib.MergeFunc)},
	{"one(list)", "The only element; null of an empty list, an error of a longer one.", always(oneFunc)},
	{"range(start, limit, step)", "The numbers from start up to but without limit; range(limit) starts at 0. At most 1024.", always(stdlib.RangeFunc)},
	{"reverse(list)", "The list from the last element to the first.", always(stdlib.ReverseListFunc)},
	{"setintersection(sets...)", "The elements that all sets have.", always(stdlib.SetIntersectionFunc)},
	{"setproduct(sets...)", "All combinations of one element of each; at most 100,000.", always(setproductFunc)},
	{"setsubtract(set, other)", "The elements of the set that the other has not.", always(stdlib.SetSubtractFunc)},
	{"setsymmetricdifference(sets...)", "The elements that one of two sets has, and not both.", always(stdlib.SetSymmetricDifferenceFunc)},
	{"setunion(sets...)", "The elements that any of the sets has.", always(stdlib.SetUnionFunc)},
	{"slice(list, start, end)", "The elements from start up to but without end.", always(stdlib.SliceFunc)},
	{"sort(list)", "The strings of a list in the order of their characters; see versort.", always(stdlib.SortFunc)},
	{"sum(list)", "The sum of numbers, of which there must be one.", always(sumFunc)},
	{"transpose(map)", "A map of lists of strings the other way round: from each string to the keys that have it.", always(transposeFunc)},
	{"values(map)", "The elements of a map or object, in the order of their keys.", always(stdlib.ValuesFunc)},
	{"zipmap(keys, values)", "A map of keys and values that have the same index.", always(stdlib.ZipmapFunc)},
}

// elements is a parameter for a list, set or tuple.
func elements(name string) function.Parameter {
	return function.Parameter{Name: name, Type: cty.DynamicPseudoType}
}

// iterable refuses what has no elements.
func iterable(v cty.Value, arg int) error {
	if t := v.Type(); t.IsListType() || t.IsSetType() || t.IsTupleType() {
		return nil
	}
	return function.NewArgErrorf(arg, "a list, set or tuple is needed, and this is %s", article(v.Type().FriendlyName()))
}

// allOf is alltrue (which ends at false) or anytrue (which ends at true).
func allOf(name string, end bool) function.Function {
	return function.New(&function.Spec{
		Description: name,
		Params:      []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:        function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			unknown := false
			for it := args[0].ElementIterator(); it.Next(); {
				_, v := it.Element()
				switch {
				case !v.IsKnown():
					unknown = true
				case v.IsNull():
					if !end {
						return cty.False, nil
					}
				case v.True() == end:
					return cty.BoolVal(end), nil
				}
			}
			if unknown {
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.BoolVal(!end), nil
		},
	})
}

var coalesceFunc = function.New(&function.Spec{
	VarParam: &function.Parameter{
		Name: "values", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowNull: true, AllowMarked: true,
	},
	Type: func(args []cty.Value) (cty.Type, error) {
		types := make([]cty.Type, len(args))
		for i, arg := range args {
			types[i] = arg.Type()
		}
		out, _ := convert.UnifyUnsafe(types)
		if out == cty.NilType {
			return cty.NilType, errors.New("all arguments must have the same type")
		}
		return out, nil
	},
	Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
		for _, arg := range args {
			v, err := convert.Convert(arg, want)
			if err != nil {
				return cty.NilVal, err
			}
			plain, marks := v.Unmark()
			switch {
			case !plain.IsKnown():
				return cty.UnknownVal(want).WithMarks(marks), nil
			case plain.IsNull(), want == cty.String && plain.AsString() == "":
				continue
			}
			return v, nil
		}
		return cty.NilVal, errors.New("every argument is null or an empty string")
	},
})

var indexFunc = function.New(&function.Spec{
	Params: []function.Parameter{elements("list"), {Name: "value", Type: cty.DynamicPseudoType}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if t := args[0].Type(); !t.IsListType() && !t.IsTupleType() {
			return cty.NilVal, function.NewArgErrorf(0, "a list or tuple is needed, and this is %s", article(t.FriendlyName()))
		}
		at := int64(0)
		for it := args[0].ElementIterator(); it.Next(); at++ {
			_, v := it.Element()
			same, err := stdlib.Equal(v, args[1])
			if err != nil {
				return cty.NilVal, err
			}
			if !same.IsKnown() {
				return cty.UnknownVal(cty.Number), nil
			}
			if same.True() {
				return cty.NumberIntVal(at), nil
			}
		}
		return cty.NilVal, errors.New("no element has this value")
	},
})

var lengthFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true, AllowMarked: true}},
	Type: func(args []cty.Value) (cty.Type, error) {
		t := args[0].Type()
		if t == cty.String || t == cty.DynamicPseudoType || t.IsTupleType() || t.IsObjectType() || t.IsCollectionType() {
			return cty.Number, nil
		}
		return cty.NilType, function.NewArgErrorf(0, "a string or a collection is needed, and this is %s", article(t.FriendlyName()))
	},
	RefineResult: func(b *cty.RefinementBuilder) *cty.RefinementBuilder {
		return b.NotNull().NumberRangeLowerBound(cty.Zero, true)
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, marks := args[0].Unmark()
		switch t := v.Type(); {
		case t == cty.DynamicPseudoType:
			return cty.UnknownVal(cty.Number).WithMarks(marks), nil
		case t.IsTupleType():
			return cty.NumberIntVal(int64(t.Length())).WithMarks(marks), nil
		case t.IsObjectType():
			return cty.NumberIntVal(int64(len(t.AttributeTypes()))).WithMarks(marks), nil
		case t == cty.String:
			n, err := stdlib.Strlen(v)
			return n.WithMarks(marks), err
		}
		return v.Length().WithMarks(marks), nil
	},
})

var lookupFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "map", Type: cty.DynamicPseudoType, AllowMarked: true},
		{Name: "key", Type: cty.String, AllowMarked: true},
	},
	VarParam: &function.Parameter{
		Name: "default", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowNull: true, AllowMarked: true,
	},
	Type: lookupType,
	Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
		from, marks := args[0].Unmark()
		key, keyMarks := args[1].Unmark()
		found := cty.NilVal
		switch t := from.Type(); {
		case t.IsObjectType() && t.HasAttribute(key.AsString()):
			found = from.GetAttr(key.AsString())
		case t.IsMapType():
			has := from.HasIndex(key)
			if !has.IsKnown() {
				return cty.UnknownVal(want).WithMarks(marks, keyMarks), nil
			}
			if has.True() {
				found = from.Index(key)
			}
		}
		if found == cty.NilVal {
			if len(args) < 3 {
				return cty.NilVal, errors.New("there is no element with this key, and no default is given")
			}
			found = args[2]
		}
		out, err := convert.Convert(found, want)
		if err != nil {
			return cty.NilVal, err
		}
		return out.WithMarks(marks, keyMarks), nil
	},
})

// lookupType is the element's type; of an object, that depends on the key.
func lookupType(args []cty.Value) (cty.Type, error) {
	if len(args) > 3 {
		return cty.NilType, function.NewArgErrorf(3, "lookup takes a map, a key and one default")
	}
	switch t := args[0].Type(); {
	case t.IsMapType():
		if len(args) == 3 && !args[2].Type().Equals(t.ElementType()) {
			if _, err := convert.Convert(args[2], t.ElementType()); err != nil {
				return cty.NilType, function.NewArgErrorf(2, "the default must be %s, as the elements are", article(t.ElementType().FriendlyName()))
			}
		}
		return t.ElementType(), nil
	case t.IsObjectType():
		key, _ := args[1].Unmark()
		switch {
		case !key.IsKnown():
			return cty.DynamicPseudoType, nil
		case t.HasAttribute(key.AsString()):
			return t.AttributeType(key.AsString()), nil
		case len(args) == 3:
			return args[2].Type(), nil
		}
		return cty.NilType, errors.New("there is no element with this key, and no default is given")
	}
	return cty.NilType, function.NewArgErrorf(0, "a map or object is needed, and this is %s", article(args[0].Type().FriendlyName()))
}

var matchkeysFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "values", Type: cty.List(cty.DynamicPseudoType)},
		{Name: "keys", Type: cty.List(cty.DynamicPseudoType)},
		{Name: "wanted", Type: cty.List(cty.DynamicPseudoType)},
	},
	Type: func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() || !args[1].IsWhollyKnown() || !args[2].IsWhollyKnown() {
			return cty.UnknownVal(want), nil
		}
		if args[0].LengthInt() != args[1].LengthInt() {
			return cty.NilVal, errors.New("there must be as many keys as values")
		}
		var kept []cty.Value
		keys, wanted := args[1].AsValueSlice(), args[2].AsValueSlice()
		for i, v := range args[0].AsValueSlice() {
			for _, key := range wanted {
				if same, err := stdlib.Equal(keys[i], key); err == nil && same.IsKnown() && same.True() {
					kept = append(kept, v)
					break
				}
			}
		}
		if len(kept) == 0 {
			return cty.ListValEmpty(want.ElementType()), nil
		}
		return cty.ListVal(kept), nil
	},
})

var oneFunc = function.New(&function.Spec{
	Params: []function.Parameter{elements("list")},
	Type: func(args []cty.Value) (cty.Type, error) {
		if err := iterable(args[0], 0); err != nil {
			return cty.NilType, err
		}
		t := args[0].Type()
		if !t.IsTupleType() {
			return t.ElementType(), nil
		}
		switch t.Length() {
		case 0:
			return cty.DynamicPseudoType, nil
		case 1:
			return t.TupleElementType(0), nil
		}
		return cty.NilType, function.NewArgErrorf(0, "there must be one element or none, and there are %d", t.Length())
	},
	Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
		n := args[0].Length()
		if !n.IsKnown() {
			return cty.UnknownVal(want), nil
		}
		switch args[0].LengthInt() {
		case 0:
			return cty.NullVal(want), nil
		case 1:
			return args[0].AsValueSlice()[0], nil
		}
		return cty.NilVal, function.NewArgErrorf(0, "there must be one element or none, and there are %d", args[0].LengthInt())
	},
})

// maxProduct bounds setproduct: a few short lists would fill the memory.
const maxProduct = 100_000

var setproductFunc = function.New(&function.Spec{
	VarParam: stdlib.SetProductFunc.VarParam(),
	Type:     stdlib.SetProductFunc.ReturnTypeForValues,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		size := 1
		for _, arg := range args {
			plain, _ := arg.Unmark()
			if n := plain.Length(); n.IsKnown() {
				size *= plain.LengthInt()
			}
			if size > maxProduct {
				return cty.NilVal, errors.New("there are more than 100,000 combinations")
			}
		}
		return stdlib.SetProductFunc.Call(args)
	},
})

var sumFunc = function.New(&function.Spec{
	Params: []function.Parameter{elements("list")},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if err := iterable(args[0], 0); err != nil {
			return cty.NilVal, err
		}
		if n := args[0].Length(); n.IsKnown() && args[0].LengthInt() == 0 {
			return cty.NilVal, function.NewArgErrorf(0, "an empty list has no sum")
		}
		total := cty.Zero
		for it := args[0].ElementIterator(); it.Next(); {
			_, v := it.Element()
			v, err := convert.Convert(v, cty.Number)
			if err != nil || v.IsNull() {
				return cty.NilVal, function.NewArgErrorf(0, "all elements must be numbers")
			}
			total = total.Add(v)
		}
		return total, nil
	},
})

var transposeFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "map", Type: cty.Map(cty.List(cty.String))}},
	Type:   function.StaticReturnType(cty.Map(cty.List(cty.String))),
	Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(want), nil
		}
		turned := map[string][]string{}
		for it := args[0].ElementIterator(); it.Next(); { // in the order of the keys
			key, list := it.Element()
			if list.IsNull() {
				continue
			}
			for _, v := range list.AsValueSlice() {
				if v.IsNull() {
					return cty.NilVal, function.NewArgErrorf(0, "a list has a null in it")
				}
				turned[v.AsString()] = append(turned[v.AsString()], key.AsString())
			}
		}
		if len(turned) == 0 {
			return cty.MapValEmpty(cty.List(cty.String)), nil
		}
		out := map[string]cty.Value{}
		for name, keys := range turned {
			out[name] = stringList(keys)
		}
		return cty.MapVal(out), nil
	},
})
