package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/config"
	"cvsplay/engine/eval"
)

// A Step is one step or check of a play, bound to its module. Expressions that differ from host to host stay expressions.
type Step struct {
	Module      string // "check" for a check block
	Name        string
	Description string
	Tags        []string
	Barrier     bool // every host waits here for the others

	index   int
	decl    *config.Step
	mod     Module
	body    hcl.Body
	spec    hcldec.ObjectSpec
	argRefs []eval.Reference
	facts   factSet            // of host.facts, read by any of its expressions
	needs   factSet            // of these: what its arguments, its instances and its setting are made of
	others  map[string]factSet // of hosts["NAME"].facts, by NAME
	alike   bool               // its arguments are the same on every host
	pending cty.Value          // step.NAME before it was reached
	read    bool               // some expression reads its results
	reads   []string           // the steps whose results it refers to, those of other hosts too
	keys    []string           // of its instances, where for_each is known before the run

	when, forEach, inside, become, env, timeout Expr
	changedWhen, failWhen, ignoreErrors         Expr
	condition, message                          Expr // of a check
	retry                                       retryPlan

	runOnce     bool
	shared      bool // decided or run for several hosts at once
	looksAround bool // reads other hosts' results
	explicit    bool // the playbook says barrier = true: what was answered before somebody acted is stale everywhere
	hosts       map[string]bool
	hostsExpr   Expr
	dependsOn   []string
	leftOut     bool // by --tags and the like: asked where a chosen step refers to it, never acted on
	wanted      bool // a chosen step refers to it
}

// retryPlan is a retry block; attempts counts the first.
type retryPlan struct {
	attempts int
	delay    time.Duration
	until    Expr
}

func (s *Step) isCheck() bool { return s.decl.Check != nil }

// all are every expression of the step, arguments left out.
func (s *Step) all() []Expr {
	return []Expr{s.when, s.forEach, s.inside, s.become, s.env, s.timeout, s.changedWhen, s.failWhen, s.ignoreErrors, s.retry.until, s.condition, s.message, s.hostsExpr}
}

// refs are all references of the step.
func (s *Step) refs() []eval.Reference {
	out := append([]eval.Reference(nil), s.argRefs...)
	for _, e := range s.all() {
		out = append(out, e.refs...)
	}
	return out
}

func (p *Plan) bindStep(w where, play *Play, index int, decl *config.Step) (*Step, hcl.Diagnostics) {
	s := &Step{Module: decl.Module, Name: decl.Name, index: index, decl: decl, retry: retryPlan{attempts: 1}}
	w.before = s
	if s.isCheck() {
		s.Module = "check"
		s.condition, s.message = p.expr(decl.Check.Condition, play.locals), p.expr(decl.Check.ErrorMessage, play.locals)
		s.bindReads()
		diags := p.checkType(w, s, s.condition, cty.Bool, nil)
		return s, append(diags, p.checkType(w, s, s.message, cty.String, nil)...)
	}
	mod, ok := p.mods[decl.Module]
	if !ok {
		return s, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Unknown module",
			Detail: fmt.Sprintf("There is no module %q.%s \"cvsplay docs\" lists them all.", decl.Module, eval.DidYouMean(decl.Module, p.mods.Names())), Subject: decl.ModRange.Ptr()}}
	}
	s.mod, s.spec = mod, mod.spec()
	body, diags := decl.Split(func(name string) bool { _, own := mod.Arg(name); return own })
	s.body = body
	s.argRefs = p.expand(eval.BodyReferences(body, s.spec), play.locals)
	p.bindMeta(s, play)
	diags = append(diags, p.bindStatics(w, s, play)...)
	return s, append(diags, p.typeCheck(w, s)...)
}

// bindMeta binds the meta-arguments; a play's become and env serve the steps that have none of their own.
func (p *Plan) bindMeta(s *Step, play *Play) {
	m, decl := s.decl.Meta, play.decl
	own := play.locals
	s.when, s.forEach, s.inside = p.expr(m.When, own), p.expr(m.ForEach, own), p.expr(m.Inside, own)
	s.become, s.env, s.timeout = p.expr(m.Become, own), p.expr(m.Env, own), p.expr(m.Timeout, own)
	s.changedWhen, s.failWhen, s.ignoreErrors = p.expr(m.ChangedWhen, own), p.expr(m.FailWhen, own), p.expr(m.IgnoreErrors, own)
	s.hostsExpr = p.expr(m.Hosts, own)
	if !s.become.given() {
		s.become = p.expr(decl.Become, own)
	}
	if _, mine := s.mod.Arg("env"); !s.env.given() && !mine {
		s.env = p.expr(decl.Env, own)
	}
	if m.Retry != nil {
		s.retry.until = p.expr(m.Retry.Until, own)
	}
	s.bindReads()
}

// bindReads notes which steps and facts, and whether other hosts, the step's expressions look at.
func (s *Step) bindReads() {
	s.facts, s.others, s.needs = ownFacts(s.refs()), othersFacts(s.refs()), ownFacts(s.argRefs)
	for _, e := range []Expr{s.forEach, s.inside, s.become, s.env, s.timeout} {
		s.needs |= ownFacts(e.refs)
	}
	s.alike = !slices.ContainsFunc(s.through(s.argRefs), func(r eval.Reference) bool {
		switch r.Root {
		case "var", "local", "path", "group", "each":
			return false
		}
		return true
	})
	seen := map[string]bool{}
	for _, r := range s.refs() {
		name := ""
		switch {
		case r.Root == "run" && (len(r.Path) == 0 || r.Path[0] == "hosts"):
			s.looksAround = true
		case r.Root == "hosts":
			s.looksAround = true
			if len(r.Path) > 2 && r.Path[1] == "step" {
				name = r.Path[2]
			}
		case r.Root == "step" && len(r.Path) > 0:
			name = r.Path[0]
		}
		if name != "" && !seen[name] {
			seen[name] = true
			s.reads = append(s.reads, name)
		}
	}
}

// bindStatics evaluates the meta-arguments that are the same for every host.
func (p *Plan) bindStatics(w where, s *Step, play *Play) hcl.Diagnostics {
	var diags hcl.Diagnostics
	add := func(more hcl.Diagnostics) { diags = append(diags, more...) }
	hostless := w
	hostless.hostless = true
	m, own := s.decl.Meta, play.locals

	once, more := p.staticBool(hostless, p.expr(m.RunOnce, own))
	add(more)
	s.runOnce = once
	s.shared = once || s.mod.IsFleet()
	s.Barrier, more = p.staticBool(hostless, p.expr(m.Barrier, own))
	s.explicit = s.Barrier
	add(more)
	s.Description, more = p.staticString(hostless, p.expr(m.Description, own))
	add(more)
	tags := m.Tags
	if tags == nil {
		tags = play.decl.Tags
	}
	s.Tags, more = p.staticStrings(hostless, p.expr(tags, own), "tags")
	add(more)
	s.dependsOn, more = p.bindDependsOn(w, m.DependsOn)
	add(more)
	add(p.bindRetry(hostless, s, own))
	add(p.bindStepHosts(hostless, s))
	if s.changedWhen.given() && !s.mod.Judged {
		add(hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "changed_when does not apply", Subject: s.changedWhen.Range().Ptr(),
			Detail: fmt.Sprintf("A %s step finds out by itself whether it changed something; changed_when is for exec_script.", s.Module)}})
	}
	return diags
}

func (p *Plan) bindRetry(w where, s *Step, own *eval.LocalSet) hcl.Diagnostics {
	r := s.decl.Meta.Retry
	if r == nil {
		return nil
	}
	var diags hcl.Diagnostics
	s.retry.attempts = 3
	if r.Attempts != nil {
		n, more := p.staticNumber(w, p.expr(r.Attempts, own))
		diags = append(diags, more...)
		s.retry.attempts = int(n)
		if !more.HasErrors() && (n < 1 || n != float64(int(n))) {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid retry", Detail: "attempts has to be a whole number, at least 1; it counts the first attempt.", Subject: r.Attempts.Range().Ptr()})
		}
	}
	s.retry.delay = 5 * time.Second
	if r.Delay != nil {
		text, more := p.staticString(w, p.expr(r.Delay, own))
		diags = append(diags, more...)
		d, err := time.ParseDuration(text)
		if !more.HasErrors() && (err != nil || d < 0) {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid retry", Detail: fmt.Sprintf("delay: %q is no duration; write it like \"10s\".", text), Subject: r.Delay.Range().Ptr()})
		}
		s.retry.delay = d
	}
	return diags
}

func (p *Plan) bindStepHosts(w where, s *Step) hcl.Diagnostics {
	if !s.hostsExpr.given() {
		return nil
	}
	diags := w.check(s.hostsExpr)
	if diags.HasErrors() || p.inv == nil {
		return diags
	}
	v, more := p.staticScope(w, s.hostsExpr.refs).Value(s.hostsExpr.Expression)
	if more.HasErrors() {
		return more
	}
	names, err := p.hostNames(v)
	if err != nil {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Invalid hosts", Detail: upper(err.Error()) + ".", Subject: s.hostsExpr.Range().Ptr()}}
	}
	s.hosts = map[string]bool{}
	for _, n := range names {
		s.hosts[n] = true
	}
	return diags
}

// bindDependsOn reads a list of bare references to earlier steps.
func (p *Plan) bindDependsOn(w where, e hcl.Expression) ([]string, hcl.Diagnostics) {
	if e == nil {
		return nil, nil
	}
	list, diags := hcl.ExprList(e)
	var out []string
	for _, item := range list {
		r, ok := stepNamed(item)
		if !ok {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid depends_on", Detail: "depends_on is a list of steps, such as [step.install].", Subject: item.Range().Ptr()})
			continue
		}
		more := w.step(r)
		diags = append(diags, more...)
		if !more.HasErrors() {
			out = append(out, r.Path[0])
		}
	}
	return out, diags
}

// stepNamed reads a bare reference to a step; in JSON it is a string.
func stepNamed(e hcl.Expression) (eval.Reference, bool) {
	t, diags := hcl.AbsTraversalForExpr(e)
	if diags.HasErrors() || t.RootName() != "step" || len(t) != 2 {
		return eval.Reference{}, false
	}
	attr, ok := t[1].(hcl.TraverseAttr)
	return eval.Reference{Root: "step", Path: []string{attr.Name}, Range: e.Range(), Steps: []hcl.Range{attr.SrcRange}}, ok
}

// typeCheck checks references, then evaluates everything with unknown values in the place of what only a run tells.
func (p *Plan) typeCheck(w where, s *Step) hcl.Diagnostics {
	w.each = s.forEach.given()
	var diags hcl.Diagnostics
	diags = append(diags, w.references(eval.BodyReferences(s.body, s.spec))...)
	ok := !diags.HasErrors()
	noEach := w
	noEach.each = false
	judging := w
	judging.self = true
	for _, c := range []struct {
		w     where
		e     Expr
		want  cty.Type
		valid func(cty.Value) error
	}{
		{w, s.when, cty.Bool, nil}, {noEach, s.forEach, cty.DynamicPseudoType, s.validForEach}, {w, s.inside, cty.DynamicPseudoType, validPlace},
		{w, s.become, cty.DynamicPseudoType, validAccount}, {w, s.env, cty.DynamicPseudoType, validEnv}, {w, s.timeout, cty.String, validTimeout},
		{judging, s.changedWhen, cty.Bool, nil}, {judging, s.failWhen, cty.Bool, nil}, {w, s.ignoreErrors, cty.Bool, nil},
		{judging, s.retry.until, cty.Bool, nil},
	} {
		diags = append(diags, p.checkType(c.w, s, c.e, c.want, c.valid)...)
	}
	if !ok {
		return diags
	}
	return append(diags, p.checkArgs(w, s)...)
}

// checkType checks an expression's references, its type, and its value as far as that is known; what was not written is well.
func (p *Plan) checkType(w where, s *Step, e Expr, want cty.Type, valid func(cty.Value) error) hcl.Diagnostics {
	if !e.given() {
		return nil
	}
	if diags := w.check(e); diags.HasErrors() {
		return diags
	}
	v, diags := p.staticScope(w, e.refs).Convert(e.Expression, want)
	if diags.HasErrors() || valid == nil || !v.IsKnown() {
		return diags
	}
	if err := valid(v); err != nil {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid argument", Detail: upper(err.Error()) + ".", Subject: e.Range().Ptr()})
	}
	return diags
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func (s *Step) validForEach(v cty.Value) error {
	list, known, err := itemsOf(v)
	if err != nil || !known {
		return err
	}
	s.keys = make([]string, len(list))
	for i, in := range list {
		s.keys[i] = in.key
	}
	return nil
}

func validPlace(v cty.Value) error {
	v, _ = v.Unmark()
	switch {
	case v.IsNull():
		return nil
	case v.Type() == cty.String:
		_, err := placeNamed(v.AsString())
		return err
	case v.Type().IsObjectType() && v.Type().HasAttribute("name"):
		return nil
	}
	return errors.New("inside takes a container step such as step.box, or \"container:NAME\"")
}

func validAccount(v cty.Value) error { _, _, err := accountIn(v); return err }

func validEnv(v cty.Value) error { _, err := variablesIn(v); return err }

func validTimeout(v cty.Value) error { _, err := durationIn(v); return err }

func (p *Plan) checkArgs(w where, s *Step) hcl.Diagnostics {
	obj, diags := p.staticScope(w, s.argRefs).Decode(s.body, s.spec)
	broken := diags.HasErrors()
	diags = withSuggestions(diags, s)
	if !obj.IsKnown() || !obj.Type().IsObjectType() {
		return diags
	}
	given := withDefaults(s.mod.Args, obj.AsValueMap())
	if s.changedWhen.given() {
		given["changed_when"] = cty.True
	}
	check := s.mod.flaws
	if broken { // arguments are compared with each other only where each of them could be read
		check = func(given map[string]cty.Value) []flaw { return flawsOf(s.mod.Args, given, "") }
	}
	found := check(given)
	diags = append(diags, argDiagnostics(found, s.body, s.spec, s.decl.DeclRange)...)
	if s.mod.Hints != nil && !diags.HasErrors() {
		for _, c := range s.mod.Hints(Inputs(given)) {
			hint := argDiagnostics([]flaw{{c.Arg, c.Say}}, s.body, s.spec, s.decl.DeclRange)
			hint[0].Severity, hint[0].Summary = hcl.DiagWarning, "Hint: "+c.HintID
			diags = append(diags, hint...)
		}
	}
	return diags
}

// withSuggestions names the argument that was probably meant, meta-arguments too.
func withSuggestions(diags hcl.Diagnostics, s *Step) hcl.Diagnostics {
	names := config.MetaNames()
	for _, a := range s.mod.Args {
		names = append(names, a.Name)
	}
	for _, d := range diags {
		if d.Summary != "Unsupported argument" && d.Summary != "Unsupported block type" {
			continue
		}
		if name := between(d.Detail, `"`); name != "" {
			d.Detail = fmt.Sprintf("A %s step has no argument %q.%s", s.Module, name, eval.DidYouMean(name, names))
		}
	}
	return diags
}

func between(s, quote string) string {
	parts := splitN(s, quote)
	if len(parts) < 3 {
		return ""
	}
	return parts[1]
}

// fences finds where hosts have to wait for each other: before what looks at other hosts, and where the playbook says so.
func (p *Play) fences() {
	for i, s := range p.Steps {
		if s.shared || s.looksAround {
			s.Barrier = true
		}
		if i > 0 && !sameHosts(s.hosts, p.Steps[i-1].hosts) {
			s.Barrier = true
		}
	}
}

func sameHosts(a, b map[string]bool) bool {
	if (a == nil) != (b == nil) || len(a) != len(b) {
		return false
	}
	for name := range a {
		if !b[name] {
			return false
		}
	}
	return true
}
