package eval

import (
	"errors"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"mvdan.cc/sh/v3/syntax"
)

var stringFunctions = []entry{
	{"chomp(text)", "The text without line ends at its end.", always(stdlib.ChompFunc)},
	{"endswith(text, suffix)", "Whether the text ends with the suffix.", always(textTest("suffix", strings.HasSuffix))},
	{"format(spec, values...)", "Text with values put into it: format(\"%s-%03d\", \"node\", 7).", always(narrow(stdlib.FormatFunc))},
	{"formatlist(spec, values...)", "Format for each element of lists.", always(narrow(stdlib.FormatListFunc))},
	{"indent(spaces, text)", "The text with spaces before each line but the first.", always(indentFunc)},
	{"join(separator, lists...)", "The strings of lists with a separator between them.", always(stdlib.JoinFunc)},
	{"lines(text)", "The lines of a text, without line ends; empty ones are left out.", always(linesFunc)},
	{"lower(text)", "The text in lower case.", always(stdlib.LowerFunc)},
	{"regex(pattern, text)", "The first match: a string, a list of its groups, or an object of its named groups. No match is an error.", always(stdlib.RegexFunc)},
	{"regexall(pattern, text)", "A list of all matches, each as regex gives it.", always(stdlib.RegexAllFunc)},
	{"replace(text, find, replacement)", "The text with each occurrence replaced; /…/ around find makes it a regular expression.", always(replaceFunc)},
	{"shellquote(words...)", "The words quoted for a POSIX shell, with blanks between them.", always(shellquoteFunc)},
	{"split(separator, text)", "A list of the parts between the separators.", always(stdlib.SplitFunc)},
	{"startswith(text, prefix)", "Whether the text starts with the prefix.", always(textTest("prefix", strings.HasPrefix))},
	{"strcontains(text, part)", "Whether the part occurs in the text.", always(textTest("part", strings.Contains))},
	{"strrev(text)", "The characters of the text from the last to the first.", always(stdlib.ReverseFunc)},
	{"substr(text, offset, length)", "A part of the text; -1 for the length is up to the end.", always(stdlib.SubstrFunc)},
	{"title(text)", "The text with the first letter of each word in upper case.", always(stdlib.TitleFunc)},
	{"trim(text, characters)", "The text without those characters at both ends.", always(stdlib.TrimFunc)},
	{"trimprefix(text, prefix)", "The text without the prefix, if it has it.", always(stdlib.TrimPrefixFunc)},
	{"trimspace(text)", "The text without white space at both ends.", always(stdlib.TrimSpaceFunc)},
	{"trimsuffix(text, suffix)", "The text without the suffix, if it has it.", always(stdlib.TrimSuffixFunc)},
	{"upper(text)", "The text in upper case.", always(stdlib.UpperFunc)},
}

// textTest is a function that tells something about a text and another one.
func textTest(other string, test func(text, other string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: other, Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(test(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

// wide is a width or precision of five digits and more: no text needs it, and it would fill the memory.
var wide = regexp.MustCompile(`%[^%a-zA-Z]*[0-9]{5}`)

// narrow is a format function that refuses such widths.
func narrow(f function.Function) function.Function {
	params := f.Params()
	params[0].AllowMarked = true
	return function.New(&function.Spec{
		Description: f.Description(),
		Params:      params,
		VarParam:    f.VarParam(),
		Type:        f.ReturnTypeForValues,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if spec, _ := args[0].Unmark(); spec.IsKnown() && !spec.IsNull() && spec.Type() == cty.String && wide.MatchString(spec.AsString()) {
				return cty.NilVal, function.NewArgErrorf(0, "a width above 9999 is not supported")
			}
			return f.Call(args)
		},
	})
}

const maxIndent = 1000

var indentFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "spaces", Type: cty.Number}, {Name: "text", Type: cty.String}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if args[0].GreaterThan(cty.NumberIntVal(maxIndent)).True() {
			return cty.NilVal, function.NewArgErrorf(0, "more than %d spaces are not supported", maxIndent)
		}
		return stdlib.Indent(args[0], args[1])
	},
})

var linesFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "text", Type: cty.String}},
	Type:   function.StaticReturnType(cty.List(cty.String)),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var lines []string
		for line := range strings.Lines(args[0].AsString()) {
			if line = strings.TrimRight(line, "\r\n"); line != "" {
				lines = append(lines, line)
			}
		}
		return stringList(lines), nil
	},
})

var replaceFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: "find", Type: cty.String}, {Name: "replacement", Type: cty.String}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		find := args[1].AsString()
		if len(find) > 1 && find[0] == '/' && find[len(find)-1] == '/' {
			return stdlib.RegexReplace(args[0], cty.StringVal(find[1:len(find)-1]), args[2])
		}
		return stdlib.Replace(args[0], args[1], args[2])
	},
})

var shellquoteFunc = function.New(&function.Spec{
	VarParam: &function.Parameter{Name: "words", Type: cty.String},
	Type:     function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		words := make([]string, len(args))
		for i, arg := range args {
			quoted, err := shellWord(arg.AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(i, err)
			}
			words[i] = quoted
		}
		return cty.StringVal(strings.Join(words, " ")), nil
	},
})

// shellWord quotes one word. Line ends and the like, which the library has no POSIX form for, need none but single quotes.
func shellWord(word string) (string, error) {
	if strings.ContainsRune(word, 0) {
		return "", errors.New("no shell can take a text with a NUL byte")
	}
	quoted, err := syntax.Quote(word, syntax.LangPOSIX)
	if err != nil {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'", nil // the error is that the library has no other form
	}
	return quoted, nil
}

// stringList is a list of strings, of none too.
func stringList(texts []string) cty.Value {
	if len(texts) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	values := make([]cty.Value, len(texts))
	for i, text := range texts {
		values[i] = cty.StringVal(text)
	}
	return cty.ListVal(values)
}
