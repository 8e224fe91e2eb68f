package eval

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"net/url"
	"unicode/utf8"

	"github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

var encodingFunctions = []entry{
	{"base64decode(text)", "The UTF-8 text that stands in base64.", always(textTo(base64decode))},
	{"base64encode(text)", "The text in base64.", always(textTo(func(s string) (string, error) {
		return base64.StdEncoding.EncodeToString([]byte(s)), nil
	}))},
	{"base64gzip(text)", "The text compressed by gzip, in base64.", always(textTo(base64gzip))},
	{"csvdecode(text)", "A list of objects, one for each row, named by the first row.", always(stdlib.CSVDecodeFunc)},
	{"jsondecode(text)", "The value that a JSON text stands for.", always(stdlib.JSONDecodeFunc)},
	{"jsonencode(value)", "The value as a JSON text.", always(stdlib.JSONEncodeFunc)},
	{"urlencode(text)", "The text as it can stand in the query of a URL.", always(textTo(func(s string) (string, error) {
		return url.QueryEscape(s), nil
	}))},
	{"yamldecode(text)", "The value that a YAML text stands for.", always(yaml.YAMLDecodeFunc)},
	{"yamlencode(value)", "The value as a YAML text.", always(yaml.YAMLEncodeFunc)},
}

// textTo is a function that makes one text of another.
func textTo(f func(string) (string, error)) function.Function { return stringTo("text", f) }

// stringTo is a function that makes a text of its one parameter.
func stringTo(parameter string, f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: parameter, Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		RefineResult: func(b *cty.RefinementBuilder) *cty.RefinementBuilder {
			return b.NotNull()
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			out, err := f(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.StringVal(out), nil
		},
	})
}

func base64decode(s string) (string, error) {
	out, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "", errors.New("this is not base64")
	}
	if !utf8.Valid(out) {
		return "", errors.New("what it stands for is no UTF-8 text")
	}
	return string(out), nil
}

func base64gzip(s string) (string, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}
