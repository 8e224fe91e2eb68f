package modtest

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"cvsplay/engine"
	"cvsplay/engine/config"
	"cvsplay/engine/eval"
)

// Schema holds a module's schema to what everything that is made of it relies on: all is documented, defaults are what their arguments
// allow, the example validates, and every argument reaches the module as it was given.
func Schema(t *testing.T, modules engine.Modules, m engine.Module) {
	s := schema{T: t, Module: m}
	s.documented()
	s.args("", m.Args)
	s.results()
	s.example(modules)
	s.decoded()
}

// A schema is one module's.
type schema struct {
	*testing.T
	engine.Module
}

var argumentName = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

func (s schema) documented() {
	if !argumentName.MatchString(s.Module.Name) {
		s.Errorf("the name %q is not in snake case", s.Module.Name)
	}
	if !strings.HasSuffix(s.Summary, ".") || strings.ContainsAny(s.Summary, "\n`") {
		s.Errorf("the summary is not one plain sentence: %q", s.Summary)
	}
	if len(s.Doc) < len(s.Summary) {
		s.Errorf("the documentation says less than the summary: %q", s.Doc)
	}
}

// shared are meta-arguments that a module may give a meaning of its own.
var shared = []string{"env", "timeout"}

func (s schema) args(prefix string, args []engine.Arg) {
	seen := map[string]bool{}
	for _, a := range args {
		name := prefix + a.Name
		if seen[a.Name] || !argumentName.MatchString(a.Name) {
			s.Errorf("argument %q is there twice, or not in snake case", name)
		}
		seen[a.Name] = true
		if prefix == "" && slices.Contains(config.MetaNames(), a.Name) && !slices.Contains(shared, a.Name) {
			s.Errorf("argument %q is one that every step takes", name)
		}
		if a.Gone != "" {
			continue
		}
		if !strings.HasSuffix(a.Doc, ".") {
			s.Errorf("argument %q: its documentation is not a sentence: %q", name, a.Doc)
		}
		if a.Block != nil {
			s.args(name+".", a.Block)
			continue
		}
		if a.Type == cty.NilType {
			s.Errorf("argument %q has no type", name)
			continue
		}
		s.fallback(name, a)
	}
}

// fallback holds a default to what a person might give.
func (s schema) fallback(name string, a engine.Arg) {
	if a.Required && a.Default != nil {
		s.Errorf("argument %q is required, and has a default", name)
	}
	if a.Default == nil {
		return
	}
	v, err := gocty.ToCtyValue(a.Default, a.Type)
	if err != nil {
		s.Errorf("argument %q: its default %v is no %s: %v", name, a.Default, a.Type.FriendlyName(), err)
		return
	}
	if a.Values != nil && (a.Type != cty.String || !slices.Contains(a.Values, v.AsString())) {
		s.Errorf("argument %q: its default %v is none of %v", name, a.Default, a.Values)
	}
	if a.As == engine.AsDuration {
		if _, err := time.ParseDuration(v.AsString()); err != nil {
			s.Errorf("argument %q: its default: %v", name, err)
		}
	}
	if a.Valid != nil {
		if err := a.Valid(v); err != nil {
			s.Errorf("argument %q: its default is not valid: %v", name, err)
		}
	}
}

// left are what every step has beside its module's results.
var left = []string{"status", "changed", "failed", "skipped", "ok"}

func (s schema) results() {
	for _, r := range s.Results {
		switch {
		case !argumentName.MatchString(r.Name), slices.Contains(left, r.Name):
			s.Errorf("result %q cannot be called that", r.Name)
		case r.Type == cty.NilType:
			s.Errorf("result %q has no type", r.Name)
		case !strings.HasSuffix(r.Doc, "."):
			s.Errorf("result %q: its documentation is not a sentence: %q", r.Name, r.Doc)
		}
		if r.Repeats == "" {
			continue
		}
		if a, ok := s.Arg(r.Repeats); !ok || !a.Type.Equals(r.Type) {
			s.Errorf("result %q repeats %q, which is no argument of its type", r.Name, r.Repeats)
		}
	}
}

// example holds the example to validate, to be of this module, and to stand in the canonical style.
func (s schema) example(modules engine.Modules) {
	if !strings.Contains(s.Example, fmt.Sprintf("step %q ", s.Module.Name)) {
		s.Errorf("the example has no %s step:\n%s", s.Module.Name, s.Example)
	}
	canonical, diags := config.Format([]byte(s.Example), "example.hcl")
	if diags.HasErrors() || string(canonical) != s.Example {
		s.Errorf("the example is not formatted; it should be\n%s%v", canonical, diags)
	}
	dir := s.TempDir()
	path := filepath.Join(dir, "example.hcl")
	if err := os.WriteFile(path, []byte("play \"example\" {\n  hosts = []\n"+s.Example+"}\n"), 0o600); err != nil {
		s.Fatal(err)
	}
	pb, _, diags := config.Load(path)
	if diags.HasErrors() {
		s.Fatal(diags)
	}
	functions := eval.Functions(eval.FuncContext{Dir: dir, Home: dir, Env: os.LookupEnv})
	if _, diags := engine.NewPlan(pb, engine.PlanOptions{Modules: modules, Functions: functions, Dir: dir}); len(diags) > 0 {
		s.Errorf("the example does not validate without a remark: %v", diags)
	}
}

// decoded gives every argument a value, and looks for it in what the module gets.
func (s schema) decoded() {
	given := map[string]cty.Value{}
	for _, a := range s.Module.Args {
		if a.Gone == "" && !a.Soon {
			given[a.Name] = s.probe(a)
		}
	}
	s.arrived(given)
	for name, v := range given { // a sensitive value is decoded as any other
		if a, _ := s.Arg(name); a.Block == nil {
			given[name] = v.Mark(eval.Sensitive)
		}
	}
	s.arrived(given)
	if _, err := s.Decode(map[string]cty.Value{}); err != nil {
		s.Errorf("defaults alone are not decoded: %v", err)
	}
}

func (s schema) arrived(given map[string]cty.Value) {
	args, err := s.Decode(given)
	if err != nil {
		s.Errorf("not decoded: %v", err)
		return
	}
	s.compare("", s.Module.Args, given, reflect.ValueOf(args))
}

// compare looks for given values in a struct of decoded arguments.
func (s schema) compare(prefix string, args []engine.Arg, given map[string]cty.Value, in reflect.Value) {
	fields := map[string]reflect.Value{}
	for i := range in.NumField() {
		if name := in.Type().Field(i).Tag.Get("arg"); name != "" {
			fields[name] = in.Field(i)
		}
	}
	for _, a := range args {
		want, ok := given[a.Name]
		if !ok {
			continue
		}
		want, marks := want.Unmark()
		field, ok := fields[a.Name]
		if !ok {
			s.Errorf("argument %q never reaches the module: no field has the tag `arg:%q`", prefix+a.Name, a.Name)
			continue
		}
		field = reflect.Indirect(field)
		if a.Block != nil {
			if a.Many {
				field, want = field.Index(0), want.AsValueSlice()[0]
			}
			s.compare(prefix+a.Name+".", a.Block, want.AsValueMap(), field)
			continue
		}
		s.same(prefix+a.Name, a, want, field)
		if blob, ok := field.Interface().(engine.Blob); ok && len(marks) > 0 && !blob.Secret {
			s.Errorf("argument %q: a sensitive content is not secret", prefix+a.Name)
		}
	}
}

func (s schema) same(name string, a engine.Arg, want cty.Value, field reflect.Value) {
	switch got := field.Interface().(type) {
	case time.Duration:
		if got.String() != want.AsString() {
			s.Errorf("argument %q: given %s, decoded %s", name, want.AsString(), got)
		}
	case engine.ImageArchive:
		if got.Source != want.AsString() || len(got.Images) != 1 {
			s.Errorf("argument %q: given %q, decoded %+v", name, want.AsString(), got)
		}
	case engine.Blob:
		r, err := got.Open()
		if err != nil {
			s.Errorf("argument %q: %v", name, err)
			return
		}
		defer r.Close()
		text := want.AsString()
		if a.As == engine.AsSource {
			text = probeContent
		}
		have := make([]byte, len(text)+1)
		n, _ := r.Read(have)
		if string(have[:n]) != text {
			s.Errorf("argument %q: given %q, decoded %q", name, text, have[:n])
		}
	default:
		v, err := gocty.ToCtyValue(got, a.Type)
		if err != nil || !v.RawEquals(want) {
			s.Errorf("argument %q: given %#v, decoded %#v: %v", name, want, got, err)
		}
	}
}

const probeContent = "content\nof a file"

// probe is a value for an argument: allowed, and not its default where it can be another.
func (s schema) probe(a engine.Arg) cty.Value {
	if a.Block != nil {
		inner := map[string]cty.Value{}
		for _, b := range a.Block {
			inner[b.Name] = s.probe(b)
		}
		if a.Many {
			return cty.TupleVal([]cty.Value{cty.ObjectVal(inner)})
		}
		return cty.ObjectVal(inner)
	}
	text := "it's a \"probe\""
	switch a.As {
	case engine.AsDuration:
		text = "1m30s"
	case engine.AsSource:
		text = filepath.Join(s.TempDir(), "source")
		if err := os.WriteFile(text, []byte(probeContent), 0o600); err != nil {
			s.Fatal(err)
		}
	case engine.AsImageArchive:
		text = filepath.Join(s.TempDir(), "images.tar")
		if err := tarball.WriteToFile(text, name.MustParseReference("probe:1"), empty.Image); err != nil {
			s.Fatal(err)
		}
	}
	if a.Values != nil {
		text = a.Values[len(a.Values)-1]
	}
	return probeOf(a.Type, text, a.Default)
}

func probeOf(typ cty.Type, text string, fallback any) cty.Value {
	switch {
	case typ == cty.Bool:
		return cty.BoolVal(fallback != true)
	case typ == cty.Number:
		return cty.NumberIntVal(4711)
	case typ.IsListType():
		return cty.ListVal([]cty.Value{probeOf(typ.ElementType(), text, nil), probeOf(typ.ElementType(), text, nil)})
	case typ.IsSetType():
		return cty.SetVal([]cty.Value{probeOf(typ.ElementType(), text, nil)})
	case typ.IsMapType():
		return cty.MapVal(map[string]cty.Value{"a key": probeOf(typ.ElementType(), text, nil)})
	}
	return cty.StringVal(text)
}
