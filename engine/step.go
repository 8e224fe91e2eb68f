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
	unit    *unit // the file it stands in; nil: names mean what they say
	in      *region
	handler bool // it runs where it was notified
	flushed bool // a handler before the end of the play
	decl    *config.Step
	mod     Module
	body    hcl.Body
	dynamic bool // body has dynamic blocks
	spec    hcldec.ObjectSpec
	argRefs []eval.Reference
	facts   factSet            // of host.facts, read by any of its expressions
	needs   factSet            // of these: what its arguments, its instances and its setting are made of
	others  map[string]factSet // of hosts["NAME"].facts, by NAME
	alike   bool               // its arguments are the same on every host
	settled bool               // and so is where, as whom and how it runs, but for a host's own environment
	itself  [1]instanceOf      // its instances, without for_each
	pending cty.Value          // step.NAME before it was reached
	read    bool               // some expression reads its results
	looks   bool               // its arguments say before the run that it changes nothing
	reads   []string           // the steps whose results it refers to, those of other hosts too
	keys    []string           // of its instances, where for_each is known before the run

	on                                          Expr
	when, forEach, inside, become, env, timeout Expr
	changedWhen, failWhen, ignoreErrors         Expr
	condition, message                          Expr // of a check
	preconditions, postconditions               []condition
	retry                                       retryPlan

	runOnce     bool
	shared      bool // decided or run for several hosts at once
	looksAround bool // reads other hosts' results
	explicit    bool // the playbook says barrier = true: what was answered before somebody acted is stale everywhere
	hosts       map[string]bool
	hostsExpr   Expr
	dependsOn   []string
	notifies    []string // handlers
	leftOut     bool     // by --tags and the like: asked where a chosen step refers to it, never acted on
	wanted      bool     // a chosen step refers to it
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
	all := []Expr{s.on, s.when, s.forEach, s.inside, s.become, s.env, s.timeout, s.changedWhen, s.failWhen, s.ignoreErrors, s.retry.until, s.condition, s.message, s.hostsExpr}
	for r := range s.outer {
		all = append(all, r.block.when)
	}
	return append(append(all, expressionsOf(s.preconditions)...), expressionsOf(s.postconditions)...)
}

// refs are all references of the step.
func (s *Step) refs() []eval.Reference {
	out := append([]eval.Reference(nil), s.argRefs...)
	for _, e := range s.all() {
		out = append(out, e.refs...)
	}
	return out
}

func (p *Plan) bindStep(w where, play *Play, in *region, decl *config.Step) (*Step, hcl.Diagnostics) {
	s := &Step{Module: decl.Module, Name: decl.Name, in: in, decl: decl, retry: retryPlan{attempts: 1}, handler: slices.Contains(play.decl.Handlers, decl)}
	w.before = s
	s.unit = play.unitOf(decl)
	names, own := play.in(s.unit), p.own
	if s.unit != nil && !s.unit.isRoot() {
		own = s.unit.own
	}
	if s.isCheck() {
		s.Module = "check"
		s.condition, s.message = p.expr(decl.Check.Condition, names), p.expr(decl.Check.ErrorMessage, names)
		s.bindReads()
		diags := p.checkType(w, s, s.condition, cty.Bool, nil)
		diags = append(diags, p.checkType(w, s, s.message, cty.String, nil)...)
		w.hostless = true
		tags, more := p.staticStrings(w, s.tags(p, play), "tags")
		s.Tags = tags
		return s, append(diags, more...)
	}
	mod, ok := p.module(own, decl.Module)
	if !ok {
		return s, p.noModule(own, decl)
	}
	s.mod, s.spec = mod, mod.spec()
	body, diags := decl.Split(func(name string) bool { _, own := mod.Arg(name); return own })
	s.body, s.dynamic = body, eval.HasDynamic(body, s.spec)
	s.argRefs = p.expand(s.bodyRefs(), play.locals)
	p.bindMeta(s, play)
	diags = append(diags, p.bindStatics(w, s, play)...)
	return s, append(diags, p.typeCheck(w, s)...)
}

// bindMeta binds the meta-arguments; those of a block and of the play serve the steps that have none of their own.
func (p *Plan) bindMeta(s *Step, play *Play) {
	m, decl := s.decl.Meta, play.decl
	own := play.in(s.unit)
	s.when, s.forEach, s.inside = p.expr(m.When, own), p.expr(m.ForEach, own), p.expr(m.Inside, own)
	s.become, s.env, s.timeout = p.expr(m.Become, own), p.expr(m.Env, own), p.expr(m.Timeout, own)
	s.changedWhen, s.failWhen, s.ignoreErrors = p.expr(m.ChangedWhen, own), p.expr(m.FailWhen, own), p.expr(m.IgnoreErrors, own)
	s.hostsExpr, s.on = p.expr(m.Hosts, own), p.expr(m.On, own)
	for r := range s.outer {
		if b := r.block.decl; b != nil {
			if !s.inside.given() {
				s.inside = p.expr(b.Inside, r.block.names(play))
			}
			if !s.become.given() {
				s.become = p.expr(b.Become, r.block.names(play))
			}
		}
	}
	if !s.become.given() {
		s.become = p.expr(decl.Become, play.in(nil))
	}
	if _, mine := s.mod.Arg("env"); !s.env.given() && !mine {
		s.env = p.expr(decl.Env, play.in(nil))
	}
	if m.Retry != nil {
		s.retry.until = p.expr(m.Retry.Until, own)
	}
	s.preconditions, s.postconditions = p.conditions(m.Preconditions, own), p.conditions(m.Postconditions, own)
	s.bindReads()
}

// bindReads notes which steps and facts, and whether other hosts, the step's expressions look at.
func (s *Step) bindReads() {
	s.facts, s.others, s.needs = ownFacts(s.refs()), othersFacts(s.refs()), ownFacts(s.argRefs)
	for _, e := range []Expr{s.on, s.forEach, s.inside, s.become, s.env, s.timeout} {
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
	s.settled = s.alike && s.needs == 0 && len(s.reads) == 0 && !s.inside.given() && !s.become.given() && !s.env.given() && !s.timeout.given()
}

// bindStatics evaluates the meta-arguments that are the same for every host.
func (p *Plan) bindStatics(w where, s *Step, play *Play) hcl.Diagnostics {
	var diags hcl.Diagnostics
	add := func(more hcl.Diagnostics) { diags = append(diags, more...) }
	hostless := w
	hostless.hostless = true
	m, own := s.decl.Meta, play.in(s.unit)

	once, more := p.staticBool(hostless, p.expr(m.RunOnce, own))
	add(more)
	s.runOnce = once
	s.shared = once || s.mod.IsFleet()
	s.Barrier, more = p.staticBool(hostless, p.expr(m.Barrier, own))
	s.explicit = s.Barrier
	add(more)
	s.Description, more = p.staticString(hostless, p.expr(m.Description, own))
	add(more)
	s.Tags, more = p.staticStrings(hostless, s.tags(p, play), "tags")
	add(more)
	s.dependsOn, more = p.bindDependsOn(w, m.DependsOn)
	add(more)
	s.notifies, more = bindNotify(play.decl, s.decl.Unit, m.Notify)
	add(more)
	add(p.bindRetry(hostless, s, own))
	add(p.bindStepHosts(hostless, s))
	if s.changedWhen.given() && !s.mod.Judged {
		add(hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "changed_when does not apply", Subject: s.changedWhen.Range().Ptr(),
			Detail: fmt.Sprintf("A %s step finds out by itself whether it changed something; changed_when is for exec_script and for modules that the playbook defines.", s.Module)}})
	}
	return diags
}

func (p *Plan) bindRetry(w where, s *Step, own names) hcl.Diagnostics {
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
	names, err := p.hostNames(s.hostsExpr, v)
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
		if ok && w.before != nil && w.before.unit != nil {
			r = w.before.unit.renamed(r)[0]
		}
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

// tags are the step's own, or else those of the innermost block that has some, or the play's.
func (s *Step) tags(p *Plan, play *Play) Expr {
	if tags := s.decl.Meta.Tags; tags != nil {
		return p.expr(tags, play.in(s.unit))
	}
	for r := range s.outer {
		if b := r.block.decl; b != nil && b.Tags != nil {
			return p.expr(b.Tags, r.block.names(play))
		}
	}
	return p.expr(play.decl.Tags, play.in(nil))
}

// bodyRefs are the references of the step's arguments.
func (s *Step) bodyRefs() []eval.Reference {
	refs := eval.BodyReferences(s.body, s.spec)
	if s.unit == nil {
		return refs
	}
	return s.unit.rename(refs)
}

// sees is what the step's arguments see in a scope.
func (s *Step) sees(scope eval.Scope) eval.Scope {
	if s.unit == nil {
		return scope
	}
	return s.unit.view(scope)
}

// bindNotify reads a list of bare references to handlers.
func bindNotify(play *config.Play, in *config.Unit, e hcl.Expression) ([]string, hcl.Diagnostics) {
	if e == nil {
		return nil, nil
	}
	list, diags := hcl.ExprList(e)
	var out, names []string
	for _, h := range play.Handlers {
		if h.Unit == in {
			names = append(names, h.Label)
		}
	}
	for _, item := range list {
		name, ok := bareName(item, "handler")
		switch {
		case !ok:
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid notify", Detail: "notify is a list of handlers, such as [handler.restart].", Subject: item.Range().Ptr()})
		case !slices.Contains(names, name):
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown handler", Detail: fmt.Sprintf("There is no handler %q in play %q.%s", name, play.Name, didYouMean(name, names)), Subject: item.Range().Ptr()})
		case in != nil:
			out = append(out, in.Prefix+name)
		default:
			out = append(out, name)
		}
	}
	return out, diags
}

// bareName reads a bare reference to something by its name; in JSON it is a string.
func bareName(e hcl.Expression, root string) (string, bool) {
	t, diags := hcl.AbsTraversalForExpr(e)
	if diags.HasErrors() || t.RootName() != root || len(t) != 2 {
		return "", false
	}
	attr, ok := t[1].(hcl.TraverseAttr)
	return attr.Name, ok
}

// stepNamed reads a bare reference to a step.
func stepNamed(e hcl.Expression) (eval.Reference, bool) {
	name, ok := bareName(e, "step")
	if !ok {
		return eval.Reference{}, false
	}
	return eval.Reference{Root: "step", Path: []string{name}, Range: e.Range(), Steps: []hcl.Range{e.Range()}}, true
}

// typeCheck checks references, then evaluates everything with unknown values in the place of what only a run tells.
func (p *Plan) typeCheck(w where, s *Step) hcl.Diagnostics {
	w.each = s.forEach.given()
	var diags hcl.Diagnostics
	diags = append(diags, w.references(s.bodyRefs())...)
	diags = append(diags, w.iterators(s)...)
	ok := !diags.HasErrors()
	noEach := w
	noEach.each = false
	judging := w
	judging.self = true
	diags = append(diags, p.checkOn(w, s)...)
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
	diags = append(diags, p.checkConditions(w, s, s.preconditions)...)
	diags = append(diags, p.checkConditions(judging, s, s.postconditions)...)
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
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid argument", Detail: err.Error() + ".", Subject: e.Range().Ptr()})
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
	scope := s.sees(p.staticScope(w, s.argRefs))
	body := s.expanded(scope)
	obj, diags := scope.Decode(body, s.spec)
	broken := diags.HasErrors()
	diags = withSuggestions(diags, s)
	if !obj.IsKnown() || !obj.Type().IsObjectType() {
		return diags
	}
	given := withDefaults(s.mod.Args, obj.AsValueMap())
	s.looks = s.mod.Looks != nil && s.mod.Looks(given)
	if s.changedWhen.given() {
		given["changed_when"] = cty.True
	}
	check := s.mod.flaws
	if broken { // arguments are compared with each other only where each of them could be read
		check = func(given map[string]cty.Value) []flaw { return flawsOf(s.mod.Args, given, "") }
	}
	found := check(given)
	diags = append(diags, argDiagnostics(found, body, s.spec, s.decl.DeclRange)...)
	if s.mod.Hints != nil && !diags.HasErrors() {
		if s.handler || s.followsChange() {
			given["changed_when"] = cty.True
		}
		for _, c := range s.mod.Hints(Inputs(given)) {
			hint := argDiagnostics([]flaw{{c.Arg, c.Say}}, body, s.spec, s.decl.DeclRange)
			hint[0].Severity, hint[0].Summary = hcl.DiagWarning, "Hint: "+c.HintID
			diags = append(diags, hint...)
		}
	}
	return diags
}

// followsChange tells whether the step runs only where another one changed something: that is its guard.
func (s *Step) followsChange() bool {
	return slices.ContainsFunc(s.when.refs, func(r eval.Reference) bool {
		return r.Root == "step" && len(r.Path) > 1 && r.Path[len(r.Path)-1] == "changed"
	})
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
