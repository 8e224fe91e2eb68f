package eval

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty/function"
)

// A FuncContext is what functions know of the world: where a file is looked for, and the environment. Functions are pure otherwise.
type FuncContext struct {
	Dir  string                      // the folder of the file that the expressions stand in; relative paths begin there
	Home string                      // what ~/ stands for; "" where nobody has a home
	Env  func(string) (string, bool) // as os.LookupEnv; nil for an empty environment
}

// A FuncDoc is what there is to say of one function.
type FuncDoc struct {
	Name      string
	Signature string // with names of the arguments: replace(text, find, replacement)
	Doc       string // one line
	Example   string // a call of it
	Gives     string // the value of that call
}

// An entry is one function with its documentation. of makes it; most do not look at the context.
type entry struct {
	signature string
	doc       string
	of        func(*files) function.Function
}

func (e entry) name() string {
	name, _, _ := strings.Cut(e.signature, "(")
	return name
}

// always is for functions that need no context.
func always(f function.Function) func(*files) function.Function {
	return func(*files) function.Function { return f }
}

func entries() []entry {
	return slices.Concat(
		numberFunctions, stringFunctions, collectionFunctions, conversionFunctions, encodingFunctions, hashFunctions,
		timeFunctions, networkFunctions, versionFunctions, nodeFunctions, fileFunctions(),
	)
}

// Functions are all functions of the language. A file that they read once is not read again: one run sees one content. They may be
// called from several goroutines.
func Functions(base FuncContext) map[string]function.Function {
	shared := &files{FuncContext: base}
	all := map[string]function.Function{}
	for _, e := range entries() {
		all[e.name()] = e.of(shared)
	}
	shared.inTemplates = all
	return all
}

// FunctionDocs documents all functions, sorted by name.
func FunctionDocs() []FuncDoc {
	var docs []FuncDoc
	for _, e := range entries() {
		x := samples[e.name()]
		docs = append(docs, FuncDoc{Name: e.name(), Signature: e.signature, Doc: e.doc, Example: x.call, Gives: x.gives})
	}
	slices.SortFunc(docs, func(a, b FuncDoc) int { return strings.Compare(a.Name, b.Name) })
	return docs
}
