package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/eval"
)

// staticScope is what an expression with these references sees before any host is contacted: what only a host or a run tells is unknown, of the
// right type.
func (p *Plan) staticScope(w where, refs []eval.Reference) eval.Scope {
	s := p.scope(refs, nil)
	s.Values["run"] = p.runValue(nil)
	s.Values["local"] = cty.DynamicVal
	if reads(refs, "local") {
		s.Values["local"] = p.staticLocalsFor(w)
	}
	s.Values["group"] = p.groups
	s.Values["play"] = cty.DynamicVal
	if !w.hostless {
		s.Values["host"], s.Values["hosts"], s.Values["step"] = cty.DynamicVal, cty.DynamicVal, cty.DynamicVal
		if reads(refs, "host") { // it is large, as are the steps, and most expressions read neither
			s.Values["host"] = cty.ObjectVal(map[string]cty.Value{
				"name": cty.UnknownVal(cty.String), "address": cty.UnknownVal(cty.String),
				"groups": cty.UnknownVal(cty.List(cty.String)), "vars": cty.DynamicVal, "facts": unknownFacts(),
			})
		}
		if reads(refs, "step") {
			s.Values["step"] = p.staticSteps(w)
		}
	}
	if w.each {
		s.Values["each"] = cty.ObjectVal(map[string]cty.Value{"key": cty.UnknownVal(cty.String), "value": cty.DynamicVal})
	}
	if w.self && w.before != nil {
		s.Values["self"] = w.before.pendingSelf()
	}
	return s
}

// reads tells whether something below a root is referred to.
func reads(refs []eval.Reference, root string) bool {
	return slices.ContainsFunc(refs, func(r eval.Reference) bool { return r.Root == root })
}

// pendingSelf is self before the step has run.
func (s *Step) pendingSelf() cty.Value {
	plain := *s
	plain.forEach = Expr{}
	return plain.pendingValue(nil)
}

// staticSteps are the steps above the expression.
func (p *Plan) staticSteps(w where) cty.Value {
	if w.play == nil || w.global {
		return cty.DynamicVal
	}
	steps := map[string]cty.Value{}
	for _, s := range w.play.Steps {
		if s.mod.Name == "" && !s.isCheck() {
			steps[s.Name] = cty.DynamicVal
			continue
		}
		if s.pending == cty.NilVal {
			s.pending = s.pendingValue(nil)
		}
		steps[s.Name] = s.pending
	}
	return objectOrEmpty(steps)
}

// staticLocalsFor are the locals in reach: those that differ from host to host are unknown.
func (p *Plan) staticLocalsFor(w where) cty.Value {
	values := map[string]cty.Value{}
	for _, name := range w.locals {
		values[name] = cty.DynamicVal
	}
	maps.Copy(values, p.static)
	if w.play != nil {
		maps.Copy(values, w.play.static)
	}
	return objectOrEmpty(values)
}

// static evaluates an expression that has to be known before the run; null and not written are the same.
func (p *Plan) staticValue(w where, e Expr, want cty.Type) (cty.Value, hcl.Diagnostics) {
	if !e.given() {
		return cty.NullVal(want), nil
	}
	if diags := w.check(e); diags.HasErrors() {
		return cty.NullVal(want), diags
	}
	v, diags := p.staticScope(w, e.refs).Convert(e.Expression, want)
	if diags.HasErrors() {
		return cty.NullVal(want), diags
	}
	v, _ = v.UnmarkDeep()
	if !v.IsWhollyKnown() {
		return cty.NullVal(want), hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Has to be known before the run", Detail: "This decides how the play is run, so it may depend on variables and locals, and not on hosts or steps.", Subject: e.Range().Ptr()}}
	}
	return v, nil
}

func (p *Plan) staticBool(w where, e Expr) (bool, hcl.Diagnostics) {
	v, diags := p.staticValue(w, e, cty.Bool)
	return !v.IsNull() && v.True(), diags
}

func (p *Plan) staticString(w where, e Expr) (string, hcl.Diagnostics) {
	v, diags := p.staticValue(w, e, cty.String)
	if v.IsNull() {
		return "", diags
	}
	return v.AsString(), diags
}

func (p *Plan) staticNumber(w where, e Expr) (float64, hcl.Diagnostics) {
	v, diags := p.staticValue(w, e, cty.Number)
	if v.IsNull() {
		return 0, diags
	}
	f, _ := v.AsBigFloat().Float64()
	return f, diags
}

func (p *Plan) staticStrings(w where, e Expr, what string) ([]string, hcl.Diagnostics) {
	v, diags := p.staticValue(w, e, cty.List(cty.String))
	if v.IsNull() {
		return nil, diags
	}
	var out []string
	for _, item := range v.AsValueSlice() {
		if item.IsNull() {
			return nil, append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid " + what, Detail: "No element may be null.", Subject: e.Range().Ptr()})
		}
		out = append(out, item.AsString())
	}
	return out, diags
}

// bindPlaySettings binds on_error, max_failures and the description of a play.
func (p *Plan) bindPlaySettings(w where, play *Play) hcl.Diagnostics {
	decl, own := play.decl, play.in(nil)
	desc, diags := p.staticString(w, p.expr(decl.Description, own))
	play.Description = desc
	play.maxFailures = failures{any: true}
	diags = append(diags, p.bindBatches(w, play)...)

	onError, more := p.staticString(w, p.expr(decl.OnError, own))
	diags = append(diags, more...)
	switch onError {
	case "", "host":
	case "play":
		play.maxFailures = failures{}
	default:
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid on_error", Detail: fmt.Sprintf("%q is neither \"host\" (a failed host stops, the others go on) nor \"play\" (everything stops).", onError), Subject: decl.OnError.Range().Ptr()})
	}
	if decl.MaxFailures == nil {
		return diags
	}
	if onError == "play" {
		return append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Two limits", Detail: "on_error = \"play\" means max_failures = 0; write one of the two.", Subject: decl.MaxFailures.Range().Ptr()})
	}
	text, more := p.staticString(w, p.expr(decl.MaxFailures, own))
	diags = append(diags, more...)
	if more.HasErrors() {
		return diags
	}
	f, err := parseFailures(text)
	if err != nil {
		return append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid max_failures", Detail: err.Error() + ".", Subject: decl.MaxFailures.Range().Ptr()})
	}
	play.maxFailures = f
	return diags
}

func parseFailures(text string) (failures, error) {
	if text == "" {
		return failures{any: true}, nil
	}
	number, isShare := strings.CutSuffix(text, "%")
	f, err := parseNumber(number)
	switch {
	case err != nil || f < 0 || (isShare && f > 100) || (!isShare && f != float64(int(f))):
		return failures{}, fmt.Errorf("%q is neither a number of hosts nor a share of them such as \"10%%\"", text)
	case isShare:
		return failures{part: true, share: f / 100}, nil
	}
	return failures{count: int(f)}, nil
}

// tagged tells whether a step's tags choose it.
func tagged(tags, only, skip []string) bool {
	has := func(list []string, t string) bool {
		for _, x := range list {
			if x == t {
				return true
			}
		}
		return false
	}
	for _, t := range tags {
		if has(skip, t) {
			return false
		}
	}
	if has(skip, "all") && !has(tags, "always") || has(skip, "tagged") && len(tags) > 0 || has(skip, "untagged") && len(tags) == 0 {
		return false
	}
	never := has(tags, "never")
	if len(only) == 0 {
		return !never
	}
	if has(tags, "always") {
		return true
	}
	for _, t := range tags {
		if has(only, t) {
			return true
		}
	}
	if has(only, "all") {
		return !never
	}
	return has(only, "tagged") && len(tags) > 0 && !never || has(only, "untagged") && len(tags) == 0
}

// choose leaves out the steps that --tags, --skip-tags and --start-at do not choose. Those that a chosen one refers to are asked.
func (p *Plan) choose(o PlanOptions) hcl.Diagnostics {
	diags := p.unknownTags(append(append([]string(nil), o.Tags...), o.SkipTags...))
	started := o.StartAt == ""
	for _, play := range p.Plays {
		for _, s := range play.Steps {
			if o.StartAt == s.Name || o.StartAt == play.Name+"."+s.Name {
				started = true
			}
			s.leftOut = !started || !tagged(s.Tags, o.Tags, o.SkipTags)
			if s.handler && !s.flushed { // what it was notified by was chosen
				s.leftOut = !tagged(s.Tags, nil, o.SkipTags)
			}
		}
	}
	for _, play := range slices.Backward(p.Plays) {
		play.want()
		p.wantEarlier(play)
	}
	if !started {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown step", Detail: fmt.Sprintf("--start-at: there is no step %q.%s", o.StartAt, eval.DidYouMean(o.StartAt, p.stepNames()))})
	}
	return diags
}

func (p *Plan) stepNames() []string {
	var names []string
	for _, play := range p.Plays {
		for _, s := range play.Steps {
			names = append(names, s.Name, play.Name+"."+s.Name)
		}
	}
	return names
}

// wantEarlier marks the steps of earlier plays that chosen ones of this play refer to.
func (p *Plan) wantEarlier(play *Play) {
	refs := slices.Clone(play.Hosts.refs)
	for _, s := range play.Steps {
		if !s.leftOut || s.wanted {
			refs = append(refs, s.refs()...)
		}
	}
	for _, r := range refs {
		if r.Root != "play" || len(r.Path) < 5 || r.Path[3] != "step" { // play.NAME.hosts["HOST"].step.NAME
			continue
		}
		for _, earlier := range p.Plays {
			if on := earlier.byName[r.Path[4]]; on != nil && earlier.Name == r.Path[0] {
				on.wanted = true
			}
		}
	}
}

// want marks the steps that chosen ones refer to, and those these refer to.
func (p *Play) want() {
	for i := len(p.Steps) - 1; i >= 0; i-- {
		s := p.Steps[i]
		if s.leftOut && !s.wanted || s.handler {
			continue
		}
		for _, name := range s.reads {
			if on := p.step(name); on != nil {
				on.wanted = true
			}
		}
		for _, name := range s.dependsOn {
			p.step(name).wanted = true
		}
	}
}

func (p *Plan) unknownTags(asked []string) hcl.Diagnostics {
	known := map[string]bool{"all": true, "tagged": true, "untagged": true, "always": true, "never": true}
	var names []string
	for _, play := range p.Plays {
		for _, s := range play.Steps {
			for _, t := range s.Tags {
				if !known[t] {
					names = append(names, t)
				}
				known[t] = true
			}
		}
	}
	var diags hcl.Diagnostics
	for _, t := range asked {
		if !known[t] {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown tag", Detail: fmt.Sprintf("No step has the tag %q.%s", t, eval.DidYouMean(t, names))})
		}
	}
	return diags
}

func splitN(s, sep string) []string { return strings.SplitN(s, sep, 3) }
