package engine

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"cvsplay/engine/config"
	"cvsplay/engine/eval"
	"cvsplay/inventory"
)

// A Plan binds a playbook to modules and an inventory: every reference resolved, every argument checked as far as that can be done without a
// host. Making one contacts nobody.
type Plan struct {
	Playbook *config.Playbook
	Plays    []*Play
	Outputs  []*PlanOutput

	mods      Modules
	own       defined              // by the playbook
	inv       *inventory.Inventory // nil: hosts and groups are not checked
	vars      cty.Value
	path      cty.Value
	functions map[string]function.Function
	locals    *eval.LocalSet
	static    map[string]cty.Value // the locals that are the same for every host
	groups    cty.Value            // group; unknown without an inventory
	check     bool
	runID     string

	functionsIn func(dir string) map[string]function.Function // nil: they are the same everywhere
	root        *unit                                         // nil: nothing is included
	units       []*unit                                       // files with plays
}

// PlanOptions are what a plan is made of, besides the playbook.
type PlanOptions struct {
	Modules   Modules
	Inventory *inventory.Inventory // nil: groups and hosts are not checked
	Vars      map[string]cty.Value // of every variable the playbook declares
	Functions map[string]function.Function
	// FunctionsIn are those of a file in another folder; nil: the same.
	FunctionsIn func(dir string) map[string]function.Function
	Check       bool
	RunID       string
	Dir         string // path.cwd
	InvDir      string // path.inventory
	Tags        []string
	SkipTags    []string
	StartAt     string
}

// A Play is one play, bound.
type Play struct {
	Name        string
	Description string
	Steps       []*Step // as they run: with the handlers, wherever these may run
	Handlers    []*Step
	Hosts       Expr

	decl        *config.Play
	locals      *eval.LocalSet // the play's own
	maxFailures failures
	batches     []batchSize // nil: all hosts at once
	byName      map[string]*Step
	base        *unit // the file it stands in; nil: names mean what they say
	units       []*unit
	static      map[string]cty.Value // those of its locals that are the same for every host
	root        *block               // the play itself
	blocks      []*block
	read        bool // some expression reads what it left
}

// A PlanOutput is one output block, bound.
type PlanOutput struct {
	Name        string
	Description string
	Value       Expr
	Sensitive   bool
}

func (p *Play) step(name string) *Step { return p.byName[name] }

// failures says how many failed hosts stop a play: more than count, or than share of its hosts rounded down.
type failures struct {
	any   bool // no limit
	count int
	share float64 // of 1; used where share is true
	part  bool
}

// allowed gives the number of hosts that may fail among n.
func (f failures) allowed(n int) int {
	switch {
	case f.any:
		return n
	case f.part:
		return int(f.share*float64(n) + 1e-9)
	}
	return f.count
}

// NewPlan binds a playbook. The diagnostics hold everything that is wrong, not only the first.
func NewPlan(pb *config.Playbook, o PlanOptions) (*Plan, hcl.Diagnostics) {
	p := newPlan(pb, o)
	diags := p.bindLocals()
	own, more := p.defineAll(pb)
	p.own = own
	diags = append(diags, more...)
	for i, decl := range pb.Plays {
		play, more := p.bindPlay(i, decl)
		diags = append(diags, more...)
		p.Plays = append(p.Plays, play)
	}
	diags = append(diags, p.bindOutputs()...)
	p.bindReaders()
	diags = append(diags, p.choose(o)...)
	return p, p.withoutSecrets(once(diags))
}

// withoutSecrets hides what is sensitive in what diagnostics say. Those of an expression are clean already; others quote the value that does not fit.
func (p *Plan) withoutSecrets(diags hcl.Diagnostics) hcl.Diagnostics {
	if len(diags) == 0 {
		return nil
	}
	var guard eval.Redactor
	guard.Collect(p.vars)
	guard.Collect(objectOrEmpty(p.static))
	if p.inv != nil {
		for _, h := range p.inv.Hosts {
			guard.Collect(h.Vars)
		}
		for _, secret := range p.inv.Secrets() {
			guard.Add(secret)
		}
	}
	for _, d := range diags {
		d.Detail = guard.Redact(d.Detail)
	}
	return diags
}

// newPlan is a plan with nothing bound.
func newPlan(pb *config.Playbook, o PlanOptions) *Plan {
	p := &Plan{
		Playbook: pb, mods: o.Modules, inv: o.Inventory, functions: o.Functions, functionsIn: o.FunctionsIn, check: o.Check, runID: o.RunID,
		vars: objectOrEmpty(o.Vars),
		path: cty.ObjectVal(map[string]cty.Value{
			"playbook":  cty.StringVal(absolute(o.Dir, pb.Dir)),
			"module":    cty.StringVal(absolute(o.Dir, pb.Dir)),
			"cwd":       cty.StringVal(o.Dir),
			"inventory": cty.StringVal(absolute(o.Dir, o.InvDir)),
		}),
	}
	p.groups = cty.DynamicVal
	if p.inv != nil {
		p.groups = p.inv.GroupValue()
	}
	return p
}

func absolute(cwd, dir string) string {
	if filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(cwd, dir)
}

// once drops diagnostics that say the same of the same place.
func once(diags hcl.Diagnostics) hcl.Diagnostics {
	seen := map[string]bool{}
	var out hcl.Diagnostics
	for _, d := range diags {
		key := fmt.Sprint(d.Severity, d.Summary, d.Detail, d.Subject)
		if !seen[key] {
			seen[key] = true
			out = append(out, d)
		}
	}
	return out
}

// bindLocals orders the playbook's locals and evaluates those that need no host.
func (p *Plan) bindLocals() hcl.Diagnostics {
	attrs, diags := p.bindIncludes()
	set, more := eval.NewLocalSet(attrs, nil)
	p.locals, diags = set, append(diags, more...)
	w := where{plan: p, locals: set.Names(), global: true, hostless: true, units: p.unitsIn(nil)}
	var static []string
	bad := map[string]bool{}
	for _, a := range attrs {
		w := w
		if strings.Contains(a.Name, ".out.") { // what a file with plays gives out may be of its plays
			w.global, w.plays = false, len(p.Playbook.Plays)
		}
		more := w.check(p.expr(a.Expr, names{}))
		diags = append(diags, more...)
		bad[a.Name] = more.HasErrors()
		if !more.HasErrors() && isStatic(set.References(a.Name)) {
			static = append(static, a.Name)
		}
	}
	if diags.HasErrors() {
		p.static = map[string]cty.Value{}
		for _, name := range set.Names() {
			p.static[name] = cty.DynamicVal
		}
		return diags
	}
	values, more := set.Values(static, p.staticScope(w, nil))
	p.static = values
	return append(diags, more...)
}

// isStatic tells whether references are to things that are the same for the whole run.
func isStatic(refs []eval.Reference) bool {
	for _, r := range refs {
		switch r.Root {
		case "var", "local", "path", "group":
		case "run":
			if len(r.Path) == 0 || r.Path[0] == "hosts" {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// expr binds an expression: its references, and those of the locals it names.
func (p *Plan) expr(e hcl.Expression, in names) Expr {
	if e == nil {
		return Expr{}
	}
	e = in.unit.wrap(e)
	return Expr{Expression: e, refs: p.expand(eval.References(e), in.locals)}
}

// names are what an expression may name, by where it stands.
type names struct {
	locals *eval.LocalSet // the play's own; nil: none
	unit   *unit          // the file; nil: names mean what they say
}

// in are the names of an expression of a unit that stands in the play; nil: in the play's own file.
func (p *Play) in(u *unit) names {
	if u == nil {
		u = p.base
	}
	return names{p.locals, u}
}

// unit is the bound unit of a declaration; nil: the play's own file.
func (p *Play) unit(decl *config.Unit) *unit {
	for _, u := range p.units {
		if u.decl == decl {
			return u
		}
	}
	return nil
}

// unitOf is the bound unit that a step stands in.
func (p *Play) unitOf(decl *config.Step) *unit {
	if u := p.unit(decl.Unit); u != nil {
		return u
	}
	return p.base
}

// expand adds what the locals that are referred to refer to.
func (p *Plan) expand(refs []eval.Reference, own *eval.LocalSet) []eval.Reference {
	out := append([]eval.Reference(nil), refs...)
	for _, set := range []*eval.LocalSet{own, p.locals} {
		if set == nil {
			continue
		}
		for _, r := range out {
			for _, name := range set.Used([]eval.Reference{r}) {
				for _, by := range set.References(name) {
					by.InTry = by.InTry || r.InTry
					out = append(out, by)
				}
			}
		}
	}
	return out
}

// bindPlay binds one play; what it refers to of earlier plays has been bound.
func (p *Plan) bindPlay(index int, decl *config.Play) (*Play, hcl.Diagnostics) {
	play := &Play{Name: decl.Name, decl: decl, byName: map[string]*Step{}, base: p.unit(decl.Unit)}
	attrs, diags := p.bindUnits(play)
	own, more := eval.NewLocalSet(attrs, p.locals.Names())
	play.locals, diags = own, append(diags, more...)
	w := where{plan: p, play: play, plays: index, locals: append(own.Names(), p.locals.Names()...), units: p.unitsIn(play)}
	if !diags.HasErrors() {
		play.static, more = p.staticLocalsOf(own)
		diags = append(diags, more...)
	}
	hostless := w
	hostless.hostless = true
	play.Hosts = p.expr(decl.Hosts, play.in(nil))
	diags = append(diags, p.checkHosts(hostless, play.Hosts, decl)...)
	diags = append(diags, p.bindPlaySettings(hostless, play)...)
	diags = append(diags, p.bindFlow(w, play)...)
	for _, a := range attrs {
		diags = append(diags, w.afterAll().check(p.expr(a.Expr, names{}))...)
	}
	play.lay()
	play.fences()
	return play, diags
}

func (p *Plan) checkHosts(w where, hosts Expr, decl *config.Play) hcl.Diagnostics {
	if !hosts.given() {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Missing hosts", Detail: fmt.Sprintf("The play %q does not say for which hosts it is; for all of them write hosts = group.all.", decl.Name), Subject: decl.DeclRange.Ptr()}}
	}
	diags := w.check(hosts)
	if diags.HasErrors() || p.inv == nil || !isStatic(hosts.refs) {
		return diags
	}
	v, more := p.staticScope(w, hosts.refs).Value(hosts.Expression)
	if more.HasErrors() {
		return more
	}
	if v.IsNull() { // left out
		return diags
	}
	if _, err := p.hostNames(hosts, v); err != nil {
		return append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid hosts", Detail: upper(err.Error()) + ".", Subject: hosts.Range().Ptr()})
	}
	return diags
}

// hostNames reads a value of "hosts": one name or several, all of them in the inventory; the result is in inventory order.
func (p *Plan) hostNames(e Expr, v cty.Value) ([]string, error) {
	v, _ = v.UnmarkDeep()
	want := map[string]bool{}
	for _, name := range p.groupNamed(e, v) {
		want[name] = true
	}
	switch {
	case len(want) > 0:
	case !v.IsWhollyKnown():
		return nil, fmt.Errorf("the hosts are not known before the run")
	case v.IsNull():
		return nil, fmt.Errorf("the hosts are null; for none write []")
	case v.Type() == cty.String:
		want[v.AsString()] = true
	case v.CanIterateElements() && !v.Type().IsMapType() && !v.Type().IsObjectType():
		for it := v.ElementIterator(); it.Next(); {
			_, name := it.Element()
			if name.IsNull() || name.Type() != cty.String {
				return nil, fmt.Errorf("hosts has to be a name or a list of names")
			}
			want[name.AsString()] = true
		}
	default:
		return nil, fmt.Errorf("hosts has to be a name or a list of names, such as group.gpu")
	}
	var out []string
	for _, h := range p.inv.Hosts {
		if want[h.Name] {
			out = append(out, h.Name)
			delete(want, h.Name)
		}
	}
	if len(want) == 0 {
		return out, nil
	}
	unknown := slices.Sorted(maps.Keys(want))
	if len(unknown) > 1 {
		return nil, fmt.Errorf("the inventory has no hosts %s; \"cvsplay inventory list\" shows those it has", FoldHosts(unknown))
	}
	if near := eval.Suggest(unknown[0], p.inv.Names()); near != "" {
		return nil, fmt.Errorf("the inventory has no host %q, but one named %q", unknown[0], near)
	}
	return nil, fmt.Errorf("the inventory has no host %q%s; \"cvsplay inventory list\" shows them all", unknown[0], p.namesGroup(unknown[0]))
}

// groupNamed are the hosts of the group that an expression is, and nothing else; nil: it is none. To look at each element of a set sorts it, which takes its
// time with thousands of hosts.
func (p *Plan) groupNamed(e Expr, v cty.Value) []string {
	if !v.Type().Equals(cty.Set(cty.String)) {
		return nil
	}
	t, diags := hcl.AbsTraversalForExpr(e.Expression)
	if diags.HasErrors() || len(t) != 2 || t.RootName() != "group" {
		return nil
	}
	attr, _ := t[1].(hcl.TraverseAttr)
	if g := p.inv.Groups[attr.Name]; g != nil {
		return g.Hosts
	}
	return nil
}

func (p *Plan) bindOutputs() hcl.Diagnostics {
	var diags hcl.Diagnostics
	w := where{plan: p, plays: len(p.Plays), locals: p.locals.Names(), hostless: true, units: p.unitsIn(nil)}
	in := names{unit: p.root}
	for _, decl := range p.Playbook.Outputs {
		o := &PlanOutput{Name: decl.Name, Value: p.expr(decl.Value, in)}
		diags = append(diags, w.check(o.Value)...)
		if decl.Description != nil {
			v, more := p.staticString(w, p.expr(decl.Description, in))
			diags = append(diags, more...)
			o.Description = v
		}
		if decl.Sensitive != nil {
			v, more := p.staticBool(w, p.expr(decl.Sensitive, in))
			diags = append(diags, more...)
			o.Sensitive = v
		}
		p.Outputs = append(p.Outputs, o)
	}
	return diags
}

// scope gives the values that are the same for every host, as far as the references need them.
func (p *Plan) scope(refs []eval.Reference, pr *playRun) eval.Scope {
	s := eval.Scope{Functions: p.functions, Values: map[string]cty.Value{"var": p.vars, "path": p.path}}
	for _, r := range refs {
		switch r.Root {
		case "run":
			s.Values["run"] = p.runValue(pr)
		case "group":
			s.Values["group"] = p.groups
		case "play":
			if pr != nil {
				s.Values["play"] = pr.run.playsValue()
			}
		case "local":
			s.Values["local"] = objectOrEmpty(p.static)
		}
	}
	if pr != nil {
		p.addOutputs(s, refs)
	}
	return s
}

func (p *Plan) runValue(pr *playRun) cty.Value {
	hosts := cty.UnknownVal(cty.List(cty.String))
	if pr != nil && pr.names != cty.NilVal {
		hosts = pr.names
	}
	return cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal(p.runID), "check": cty.BoolVal(p.check), "hosts": hosts})
}
