package engine

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"cvsplay/engine/eval"
)

// spec is the schema as hcldec reads it.
func (m Module) spec() hcldec.ObjectSpec { return specOf(m.Args) }

func specOf(args []Arg) hcldec.ObjectSpec {
	spec := hcldec.ObjectSpec{}
	for _, a := range args {
		switch {
		case a.Block == nil:
			spec[a.Name] = &hcldec.AttrSpec{Name: a.Name, Type: a.attrType()}
		case a.Many:
			spec[a.Name] = &hcldec.BlockTupleSpec{TypeName: a.Name, Nested: specOf(a.Block)}
		default:
			spec[a.Name] = &hcldec.BlockSpec{TypeName: a.Name, Nested: specOf(a.Block)}
		}
	}
	return spec
}

// attrType of an argument that is gone or not there yet is anything: only its presence matters.
func (a Arg) attrType() cty.Type {
	if a.Gone != "" || a.Soon || a.Type == cty.NilType {
		return cty.DynamicPseudoType
	}
	return a.Type
}

// withDefaults puts the schema's defaults where a person gave nothing.
func withDefaults(args []Arg, given map[string]cty.Value) map[string]cty.Value {
	out := make(map[string]cty.Value, len(args))
	for _, a := range args {
		v, ok := given[a.Name]
		if !ok {
			v = cty.NullVal(a.attrType())
		}
		if bare, marks := v.Unmark(); bare.IsKnown() && bare.IsNull() && a.Default != nil {
			v = a.defaultValue().WithMarks(marks)
		}
		if a.Block != nil {
			v = blockDefaults(a, v)
		}
		out[a.Name] = v
	}
	return out
}

func blockDefaults(a Arg, v cty.Value) cty.Value {
	bare, marks := v.Unmark()
	if !bare.IsKnown() || bare.IsNull() {
		return v
	}
	if !a.Many {
		return cty.ObjectVal(withDefaults(a.Block, bare.AsValueMap())).WithMarks(marks)
	}
	var all []cty.Value
	for _, each := range bare.AsValueSlice() {
		all = append(all, cty.ObjectVal(withDefaults(a.Block, each.AsValueMap())))
	}
	return cty.TupleVal(all).WithMarks(marks)
}

// defaultValue is the schema's default as a value. A default that is not of its type is a bug of the module, found by the tests of
// every module.
func (a Arg) defaultValue() cty.Value {
	v, err := gocty.ToCtyValue(a.Default, a.Type)
	if err != nil {
		panic(fmt.Sprintf("argument %s: default %v: %v", a.Name, a.Default, err))
	}
	return v
}

// A flaw is something wrong with the value of one argument.
type flaw struct {
	arg string // "block.arg" inside a block; "": the step itself
	say string
}

func (f flaw) Error() string {
	if f.arg == "" {
		return f.say
	}
	return f.arg + ": " + f.say
}

// flaws finds what is wrong with arguments as far as they are known, defaults included.
func (m Module) flaws(given map[string]cty.Value) []flaw {
	out := flawsOf(m.Args, given, "")
	if len(out) == 0 && m.Check != nil {
		for _, c := range m.Check(Inputs(given)) {
			out = append(out, flaw{c.Arg, c.Say})
		}
	}
	return out
}

func flawsOf(args []Arg, given map[string]cty.Value, prefix string) []flaw {
	var out []flaw
	for _, a := range args {
		if say := a.flaw(given[a.Name]); say != "" {
			out = append(out, flaw{prefix + a.Name, say})
			continue
		}
		out = append(out, a.blockFlaws(given[a.Name], prefix)...)
	}
	return out
}

func (a Arg) blockFlaws(v cty.Value, prefix string) []flaw {
	if a.Block == nil || v == cty.NilVal {
		return nil
	}
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() {
		return nil
	}
	if !a.Many {
		return flawsOf(a.Block, v.AsValueMap(), prefix+a.Name+".")
	}
	var out []flaw
	for _, each := range v.AsValueSlice() {
		out = append(out, flawsOf(a.Block, each.AsValueMap(), prefix+a.Name+".")...)
	}
	return out
}

// flaw tells what is wrong with a value of the argument; "" where nothing is, or nothing can be told yet.
func (a Arg) flaw(v cty.Value) string {
	if v == cty.NilVal {
		v = cty.NullVal(cty.DynamicPseudoType)
	}
	if a.Visible && v.ContainsMarked() {
		return "a sensitive value would show in the host's process list or settings; hand it over by stdin, env or a file"
	}
	v, _ = v.UnmarkDeep()
	if v.IsKnown() && v.IsNull() {
		if a.Required {
			return "is required"
		}
		return ""
	}
	switch {
	case a.Gone != "":
		return a.Gone
	case a.Soon:
		return "is not supported yet"
	case a.Block != nil || !v.IsWhollyKnown():
		return ""
	}
	return a.textFlaw(v)
}

func (a Arg) textFlaw(v cty.Value) string {
	for _, text := range textsIn(v) {
		if strings.IndexByte(text, 0) >= 0 {
			return "holds a NUL byte, which no program on the host could be given"
		}
		if say := a.As.flaw(text); say != "" {
			return say
		}
	}
	if len(a.Values) > 0 && v.Type() == cty.String {
		if say := oneOf(v.AsString(), a.Values); say != "" {
			return say
		}
	}
	if a.Valid != nil {
		if err := a.Valid(v); err != nil {
			return err.Error()
		}
	}
	return ""
}

func oneOf(got string, values []string) string {
	for _, v := range values {
		if got == v {
			return ""
		}
	}
	say := fmt.Sprintf("%q is not one of %s", got, strings.Join(quoted(values), ", "))
	if near := eval.Suggest(got, values); near != "" {
		say += fmt.Sprintf("; did you mean %q?", near)
	}
	return say
}

func quoted(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = fmt.Sprintf("%q", w)
	}
	return out
}

// textsIn are all strings inside a known value.
func textsIn(v cty.Value) []string {
	var out []string
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.IsKnown() && !v.IsNull() && v.Type() == cty.String {
			out = append(out, v.AsString())
		}
		return true, nil
	})
	return out
}

var modePattern = regexp.MustCompile(`^[0-7]{3,4}$`)

// flaw tells why a text is not of the form; "" where it is.
func (f Form) flaw(text string) string {
	switch f {
	case AsDuration:
		d, err := time.ParseDuration(text)
		switch {
		case err != nil:
			return fmt.Sprintf("%q is no duration; write it like \"90s\", \"10m\" or \"1h30m\"", text)
		case d <= 0:
			return fmt.Sprintf("%q: a duration has to be longer than nothing", text)
		}
	case AsRE2:
		if _, err := regexp.Compile(text); err != nil {
			return regexFlaw(text, err)
		}
	case AsAbsPath, AsGlob:
		if strings.HasPrefix(text, "~") {
			return fmt.Sprintf("%q: no shell reads this path, so ~ stands for nothing; write the whole path of the folder on the host", text)
		}
		if !path.IsAbs(text) {
			return fmt.Sprintf("%q: a path on the host has to be absolute", text)
		}
	case AsImageArchive:
		return imageArchiveFlaw(text)
	case AsMode:
		if !modePattern.MatchString(text) {
			return fmt.Sprintf("%q is no file mode; write it as octal digits like \"0644\"", text)
		}
	}
	return ""
}

func regexFlaw(text string, err error) string {
	why := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	if strings.Contains(why, "Perl syntax") || strings.Contains(why, `invalid escape sequence: `+"`\\") {
		why += "; it has neither look-ahead and look-behind nor back-references"
	}
	return fmt.Sprintf("%q is no regular expression of RE2: %s", text, why)
}

// argDiagnostics points the flaws of a step at its text.
func argDiagnostics(flaws []flaw, body hcl.Body, spec hcldec.ObjectSpec, missing hcl.Range) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, f := range flaws {
		d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid argument", Detail: fmt.Sprintf("%s: %s.", f.arg, strings.TrimSuffix(f.say, ".")), Subject: missing.Ptr()}
		name, _, _ := strings.Cut(f.arg, ".")
		switch {
		case f.arg == "":
			d.Summary, d.Detail = "Invalid step", strings.TrimSuffix(f.say, ".")+"."
		case f.say == "is required":
			d.Summary, d.Detail = "Missing required argument", fmt.Sprintf("The argument %q is required, but it is not set.", f.arg)
		}
		if s, ok := spec[name]; ok {
			if r := hcldec.SourceRange(body, s); r.Filename != "" && r != body.MissingItemRange() { // that of an argument not written
				d.Subject = &r
			}
		}
		diags = append(diags, d)
	}
	return diags
}

// results makes typed values of what a module left: all results of the schema, null where it gave none, those that repeat an argument
// from there. A value that is not of its type is an error, and null.
func (s *Step) results(values Values, given map[string]cty.Value) (map[string]cty.Value, error) {
	var wrong error
	out := make(map[string]cty.Value, len(s.mod.Results))
	for _, r := range s.mod.Results {
		out[r.Name] = cty.NullVal(r.Type)
		if v, ok := given[r.Repeats]; ok && r.Repeats != "" {
			out[r.Name] = v
		}
		v, ok := values[r.Name]
		if !ok || v == nil {
			continue
		}
		cv, err := gocty.ToCtyValue(v, r.Type)
		if err != nil {
			wrong = fmt.Errorf("gave the result %q a value of another type (%w)", r.Name, err)
			continue
		}
		out[r.Name] = cv
	}
	return out, wrong
}
