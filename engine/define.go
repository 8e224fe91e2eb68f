package engine

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/config"
	"cvsplay/engine/eval"
)

// A definition is a define block, bound: a module whose scripts a person wrote.
type definition struct {
	args     []definedArg
	probe    definedScript
	codes    hcl.Expression // of the probe that are no failure
	refusals []*config.Refusal
	changes  []definedChange
	results  []definedResult
	locals   *eval.LocalSet // its own
	scope    eval.Scope     // what its expressions see besides arg, probe and its own locals
}

// A definedScope is what the expressions of a definition see.
type definedScope struct {
	eval.Scope
	locals *eval.LocalSet
}

func (s definedScope) with(name string, v cty.Value) definedScope {
	return definedScope{s.With(name, v), s.locals}
}

// Convert evaluates an expression, and the locals of the definition that it reads: what one that it does not read is made of may be anything.
func (s definedScope) Convert(e hcl.Expression, want cty.Type) (cty.Value, hcl.Diagnostics) {
	used := s.locals.Used(eval.References(e))
	if len(used) == 0 {
		return s.Scope.Convert(e, want)
	}
	values, diags := s.locals.Values(used, s.Scope)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	all := s.Values["local"].AsValueMap()
	if all == nil {
		all = values
	}
	maps.Copy(all, values)
	return s.With("local", cty.ObjectVal(all)).Convert(e, want)
}

type definedArg struct {
	eval.Declaration
	name        string
	validations []*config.Validation
}

type definedScript struct {
	what string // for messages: "probe", "change \"value\""
	*config.DefineScript
}

// A scriptField is one of the things that a script is made of. A nil expression was not written, a nil valid accepts all of the type.
type scriptField struct {
	e     hcl.Expression
	want  cty.Type
	valid func(cty.Value) error
}

func (s definedScript) fields() []scriptField {
	return []scriptField{
		{s.Script, cty.String, validScript}, {s.Args, cty.List(cty.String), validWords}, {s.Env, cty.DynamicPseudoType, func(v cty.Value) error { return validEnv(withoutNulls(v)) }},
		{s.Stdin, cty.String, nil}, {s.Timeout, cty.String, validTimeout},
	}
}

type definedChange struct {
	definedScript
	name             string
	when, have, want hcl.Expression
}

type definedResult struct {
	Result
	value hcl.Expression
}

// defined are the modules that one playbook file defines.
type defined struct {
	mods    Modules
	unsound map[string]bool // something is wrong with their definition
}

// DefinedModules are the modules that a playbook defines, without values for its variables: to tell of them. What is wrong with one leaves it out.
func DefinedModules(pb *config.Playbook, o PlanOptions) (Modules, hcl.Diagnostics) {
	vars := map[string]cty.Value{}
	for _, v := range pb.Variables {
		vars[v.Name] = cty.DynamicVal
	}
	o.Vars = vars
	p := newPlan(pb, o)
	diags := p.bindLocals()
	own, more := p.defineAll(pb)
	return own.mods, append(diags, more...)
}

// module finds a module: one of the file's own, or one that is built in.
func (p *Plan) module(own defined, name string) (Module, bool) {
	if own.unsound[name] {
		return Module{}, false
	}
	if m, ok := own.mods[name]; ok {
		return m, true
	}
	m, ok := p.mods[name]
	return m, ok
}

// noModule says that a step's module is none, but where its definition is what is wrong.
func (p *Plan) noModule(own defined, decl *config.Step) hcl.Diagnostics {
	if own.unsound[decl.Module] {
		return nil
	}
	return unknownModule(decl.Module, append(p.mods.Names(), own.mods.Names()...), decl.ModRange)
}

// defineAll binds the modules that a playbook file defines.
func (p *Plan) defineAll(pb *config.Playbook) (defined, hcl.Diagnostics) {
	own := defined{mods: Modules{}, unsound: map[string]bool{}}
	var diags hcl.Diagnostics
	for _, decl := range pb.Defines {
		m, more := p.define(pb, decl)
		if _, taken := p.mods[decl.Name]; taken || decl.Name == "check" || decl.Name == "flush_handlers" {
			more = append(more, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Name of a module is taken", Subject: decl.NameRange.Ptr(),
				Detail: fmt.Sprintf("%q is built in. Give this module another name.", decl.Name)})
		}
		diags = append(diags, more...)
		if own.unsound[decl.Name] = more.HasErrors(); !more.HasErrors() {
			own.mods[decl.Name] = m
		}
	}
	return own, diags
}

func (p *Plan) define(pb *config.Playbook, decl *config.Define) (Module, hcl.Diagnostics) {
	d := &definition{scope: eval.Scope{Functions: p.functions, Values: map[string]cty.Value{"var": p.vars, "path": p.path, "local": objectOrEmpty(p.static)}}}
	m := Module{Name: decl.Name, File: pb.Path, Judged: true, Check: d.complaints, kind: kind{decode: d.decode, decide: d.decideEach}}
	diags := d.declare(&m, decl)
	c := &definedCheck{where: where{plan: p}, definition: d}
	var more hcl.Diagnostics
	d.locals, more = eval.NewLocalSet(decl.Locals, p.locals.Names())
	diags = append(diags, more...)
	for _, l := range decl.Locals {
		for _, r := range eval.References(l.Expr) {
			if r.Root != "local" { // the set has looked at those, and who reads this one sees what is behind them
				diags = append(diags, c.reference(r, true)...)
			}
		}
	}
	if decl.Probe == nil {
		return m, diags // the file has been refused for it
	}
	d.probe, d.codes, d.refusals = definedScript{"probe", decl.Probe}, decl.Probe.OKCodes, decl.Refusals
	for _, ch := range decl.Changes {
		d.changes = append(d.changes, definedChange{
			definedScript: definedScript{fmt.Sprintf("change %q", ch.Name), &ch.DefineScript}, name: ch.Name, when: ch.When, have: ch.Have, want: ch.Want,
		})
	}
	if len(d.changes) == 0 {
		m.Looks = func(Inputs) bool { return true }
	}
	diags = append(diags, c.expressions()...)
	diags = append(diags, c.resultsOf(decl)...)
	for _, r := range d.results {
		m.Results = append(m.Results, r.Result)
	}
	return m, append(diags, d.document(&m, pb, decl)...)
}

// declare makes the schema's arguments.
func (d *definition) declare(m *Module, decl *config.Define) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, a := range decl.Args {
		if slices.Contains(config.MetaNames(), a.Name) {
			diags = diags.Append(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Name of an argument is taken", Subject: a.NameRange.Ptr(),
				Detail: fmt.Sprintf("Every step takes %q. Give this argument another name.", a.Name)})
		}
		of, more := eval.Declare(&a.Variable)
		diags = append(diags, more...)
		values, more := eval.ConstantStrings(a.Values)
		diags = append(diags, more...)
		arg := Arg{Name: a.Name, Type: of.Type, Doc: of.Description, Required: of.Default == cty.NilVal, Values: values, Secret: of.Sensitive}
		if of.Default != cty.NilVal && !of.Default.IsNull() {
			arg.Default = of.Default
			if say := arg.textFlaw(of.Default); say != "" {
				diags = diags.Append(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid default", Detail: upper(say) + ".", Subject: a.Default.Range().Ptr()})
			}
		}
		if values != nil && of.Type != cty.String {
			diags = diags.Append(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Wrong type", Subject: a.Values.Range().Ptr(),
				Detail: "values are those of a string. For anything else write validation { condition = …, error_message = … }, with an attribute on each line."})
		}
		m.Args = append(m.Args, arg)
		d.args = append(d.args, definedArg{Declaration: of, name: a.Name, validations: a.Validations})
	}
	return diags
}

// document makes what cvsplay docs tells of the module.
func (d *definition) document(m *Module, pb *config.Playbook, decl *config.Define) hcl.Diagnostics {
	text, diags := eval.ConstantString(decl.Description)
	text = strings.TrimSpace(text)
	m.Summary, m.Doc, _ = strings.Cut(text, "\n")
	if first, rest, more := strings.Cut(m.Summary, ". "); more {
		m.Summary, m.Doc = first+".", rest+"\n"+m.Doc
	}
	if m.Summary == "" {
		m.Summary = "Defined without a description."
	}
	m.Doc = strings.TrimSpace(strings.TrimSpace(m.Doc) + "\n\n" + d.inWords(pb, decl))
	m.Example = exampleOf(*m)
	return diags
}

func (d *definition) inWords(pb *config.Playbook, decl *config.Define) string {
	text := fmt.Sprintf("Defined in %s, line %d. ", filepath.Base(pb.Path), decl.DeclRange.Start.Line)
	if len(d.changes) == 0 {
		return text + "It only looks, in check mode too, and is never `changed`."
	}
	text += "A script looks, in check mode too; what it prints tells which of these changes are needed, and it looks again behind them:\n\n"
	for _, c := range d.changes {
		text += "- " + c.name + "\n"
	}
	return text
}

// exampleOf is a step with the arguments that have to be given.
func exampleOf(m Module) string {
	width := 0
	var required []Arg
	for _, a := range m.Args {
		if a.Required {
			required = append(required, a)
			width = max(width, len(a.Name))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "step %q \"example\" {\n", m.Name)
	for _, a := range required {
		value := eval.Example(a.Type)
		if len(a.Values) > 0 {
			value = fmt.Sprintf("%q", a.Values[0])
		}
		fmt.Fprintf(&b, "  %-*s = %s\n", width, a.Name, value)
	}
	return b.String() + "}\n"
}

// A definedCheck checks the expressions of a definition.
type definedCheck struct {
	where where
	*definition
}

var definedRoots = []string{"arg", "probe", "var", "local", "path"}

// references finds references that cannot be right. probed tells whether the probe has run where the expression is evaluated.
func (c *definedCheck) references(e hcl.Expression, probed bool) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, r := range eval.References(e) {
		diags = append(diags, c.reference(r, probed)...)
	}
	return diags
}

func (c *definedCheck) reference(r eval.Reference, probed bool) hcl.Diagnostics {
	switch r.Root {
	case "arg":
		names := make([]string, len(c.args))
		for i, a := range c.args {
			names[i] = a.name
		}
		return c.where.named(r, "argument", names)
	case "probe":
		if !probed {
			return wrong(r, "No probe here", "\"probe\" has a value where the probe has run: in refuse, change and result.")
		}
		return c.where.named(r, "value of probe", []string{"rc", "stdout", "stderr"})
	case "var", "path":
		return c.where.reference(r)
	case "local":
		return c.local(r, probed)
	case "host", "hosts", "group", "step", "run", "each", "self", "play":
		return wrong(r, "No "+r.Root+" here", fmt.Sprintf("A defined module sees its arguments, and what is the same wherever it is used. Make an argument of it, and give it %s.", r))
	}
	return hcl.Diagnostics{r.Unknown(definedRoots)}
}

// local checks a local: one of the playbook that looks at the run would make check mode differ from it.
func (c *definedCheck) local(r eval.Reference, probed bool) hcl.Diagnostics {
	names := slices.Sorted(slices.Values(append(c.locals.Names(), c.where.plan.locals.Names()...)))
	if diags := c.where.named(r, "local value", slices.Compact(names)); diags != nil {
		return diags
	}
	for _, by := range c.where.plan.expand([]eval.Reference{r}, c.locals)[1:] {
		switch {
		case by.Root == "run":
			return wrong(r, "No run here", fmt.Sprintf("%s reads %s, and a defined module does the same in every run. Make an argument of it.", r, by))
		case by.Root == "probe" && !probed:
			return wrong(r, "No probe here", fmt.Sprintf("%s reads %s, which has a value where the probe has run: in refuse, change and result.", r, by))
		}
	}
	return nil
}

// readsProbe tells whether an expression looks at the probe, through locals too.
func (c *definedCheck) readsProbe(e hcl.Expression) bool {
	return reads(c.where.plan.expand(eval.References(e), c.locals), "probe")
}

// foreseen is a scope in which what only a step or a host tells is unknown.
func (d *definition) foreseen() definedScope {
	args := map[string]cty.Value{}
	for _, a := range d.args {
		args[a.name] = a.Complete(cty.UnknownVal(a.Type.WithoutOptionalAttributesDeep()))
	}
	return definedScope{d.scope, d.locals}.with("arg", objectOrEmpty(args)).with("probe", unknownProbe)
}

var unknownProbe = cty.ObjectVal(map[string]cty.Value{
	"rc": cty.UnknownVal(cty.Number), "stdout": cty.UnknownVal(cty.String), "stderr": cty.UnknownVal(cty.String),
})

// convert checks an expression's references and its type; what was not written is well.
func (c *definedCheck) convert(e hcl.Expression, want cty.Type, probed bool) (cty.Value, hcl.Diagnostics) {
	if e == nil {
		return cty.NullVal(want), nil
	}
	if diags := c.references(e, probed); diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return c.foreseen().Convert(e, want)
}

// expressions checks everything but the results.
func (c *definedCheck) expressions() hcl.Diagnostics {
	var diags hcl.Diagnostics
	check := func(e hcl.Expression, want cty.Type, probed bool) {
		_, more := c.convert(e, want, probed)
		diags = append(diags, more...)
	}
	for _, a := range c.args {
		for _, v := range a.validations {
			check(v.Condition, cty.Bool, false)
			check(v.ErrorMessage, cty.String, false)
		}
	}
	diags = append(diags, c.script(c.probe, false)...)
	check(c.codes, cty.List(cty.Number), false)
	for _, r := range c.refusals {
		check(r.When, cty.Bool, true)
		check(r.ErrorMessage, cty.String, true)
	}
	for _, ch := range c.changes {
		_, more := c.convert(ch.when, cty.Bool, true)
		diags = append(diags, more...)
		check(ch.have, cty.String, true)
		check(ch.want, cty.String, true)
		diags = append(diags, c.script(ch.definedScript, true)...)
		if ch.when != nil && !more.HasErrors() && !c.readsProbe(ch.when) {
			diags = diags.Append(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Change that never ends", Subject: ch.when.Range().Ptr(),
				Detail: "This does not look at probe, so the change would be needed again once it was made. Let the probe tell whether it is."})
		}
	}
	return diags
}

// script checks what a script is given.
func (c *definedCheck) script(s definedScript, probed bool) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, of := range s.fields() {
		v, more := c.convert(of.e, of.want, probed)
		diags = append(diags, more...)
		if more.HasErrors() || of.e == nil || of.valid == nil || !v.IsKnown() {
			continue
		}
		if err := of.valid(v); err != nil {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid argument", Detail: upper(err.Error()) + ".", Subject: of.e.Range().Ptr()})
		}
	}
	return diags
}

// resultsOf binds the results: a type that is not written is that of the value.
func (c *definedCheck) resultsOf(decl *config.Define) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, r := range decl.Results {
		if always[r.Name] || r.Name == "ok" {
			diags = diags.Append(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Name of a result is taken", Subject: r.NameRange.Ptr(),
				Detail: fmt.Sprintf("Every step leaves %q. Give this result another name.", r.Name)})
		}
		want, more := eval.ConstantType(r.Type)
		diags = append(diags, more...)
		doc, more := eval.ConstantString(r.Description)
		diags = append(diags, more...)
		v, more := c.convert(r.Value, want, true)
		diags = append(diags, more...)
		if r.Type == nil && !more.HasErrors() {
			want = v.Type()
		}
		c.results = append(c.results, definedResult{Result{Name: r.Name, Type: want, Doc: doc, Repeats: c.repeats(r.Value, want)}, r.Value})
	}
	return diags
}

// repeats is the argument whose value an expression always has; "": it is none.
func (d *definition) repeats(e hcl.Expression, want cty.Type) string {
	t, ok := e.(*hclsyntax.ScopeTraversalExpr)
	if !ok || t.Traversal.RootName() != "arg" || len(t.Traversal) != 2 {
		return ""
	}
	attr, ok := t.Traversal[1].(hcl.TraverseAttr)
	for _, a := range d.args {
		if ok && a.name == attr.Name && a.Type.Equals(want) {
			return a.name
		}
	}
	return ""
}

// given is arg: what a step gives, completed.
func (d *definition) given(values map[string]cty.Value) cty.Value {
	args := maps.Clone(values)
	for _, a := range d.args {
		if v, ok := values[a.name]; ok {
			args[a.name] = a.Complete(v)
		}
	}
	return objectOrEmpty(args)
}
