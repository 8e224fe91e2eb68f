package eval

import (
	"errors"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

var timeFunctions = []entry{
	{"formatdate(spec, time)", "A time (RFC 3339) in another form: formatdate(\"YYYY-MM-DD\", t).", always(stdlib.FormatDateFunc)},
	{"timeadd(time, duration)", "The time (RFC 3339) a duration later: timeadd(t, \"10m\").", always(stdlib.TimeAddFunc)},
	{"timecmp(time, other)", "-1, 0 or 1: whether a time is before, at or after another.", always(timecmpFunc)},
}

var timecmpFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "time", Type: cty.String}, {Name: "other", Type: cty.String}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var times [2]time.Time
		for i, arg := range args {
			t, err := time.Parse(time.RFC3339, arg.AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(i, errors.New("this is no time of RFC 3339, such as 2026-01-31T12:00:00Z"))
			}
			times[i] = t
		}
		return cty.NumberIntVal(int64(times[0].Compare(times[1]))), nil
	},
})
