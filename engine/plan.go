package engine

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"

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
	inv       *inventory.Inventory // nil: hosts and groups are not checked
	vars      cty.Value
	path      cty.Value
	functions map[string]function.Function
	locals    *eval.LocalSet
	static    map[string]cty.Value // the locals that are the same for every host
	groups    cty.Value            // group; unknown without an inventory
	check     bool
	runID     string
}

// PlanOptions are what a plan is made of, besides the playbook.
type PlanOptions struct {
	Modules   Modules
	Inventory *inventory.Inventory // nil: groups and hosts are not checked
	Vars      map[string]cty.Value // of every variable the playbook declares
	Functions map[string]function.Function
	Check     bool
	RunID     string
	Dir       string // path.cwd
	InvDir    string // path.inventory
	Tags      []string
	SkipTags  []string
	StartAt   string
}

// A Play is one play, bound.
type Play struct {
	Name        string
	Description string
	Steps       []*Step
	Hosts       Expr

	decl        *config.Play
	locals      *eval.LocalSet // the play's own
	maxFailures failures
	byName      map[string]*Step
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
	p := &Plan{
		Playbook: pb, mods: o.Modules, inv: o.Inventory, functions: o.Functions, check: o.Check, runID: o.RunID,
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
	diags := p.bindLocals()
	for i, decl := range pb.Plays {
		play, more := p.bindPlay(i, decl)
		diags = append(diags, more...)
		p.Plays = append(p.Plays, play)
	}
	diags = append(diags, p.bindOutputs()...)
	p.bindReaders()
	diags = append(diags, p.choose(o)...)
	return p, once(diags)
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
	set, diags := eval.NewLocalSet(p.Playbook.Locals, nil)
	p.locals = set
	w := where{plan: p, locals: set.Names(), global: true, hostless: true}
	var static []string
	bad := map[string]bool{}
	for _, a := range p.Playbook.Locals {
		more := w.check(p.expr(a.Expr, nil))
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
func (p *Plan) expr(e hcl.Expression, own *eval.LocalSet) Expr {
	if e == nil {
		return Expr{}
	}
	return Expr{Expression: e, refs: p.expand(eval.References(e), own)}
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
	play := &Play{Name: decl.Name, decl: decl, byName: map[string]*Step{}}
	own, diags := eval.NewLocalSet(decl.Locals, p.locals.Names())
	play.locals = own
	w := where{plan: p, play: play, plays: index, locals: append(own.Names(), p.locals.Names()...)}
	hostless := w
	hostless.hostless = true
	play.Hosts = p.expr(decl.Hosts, own)
	diags = append(diags, p.checkHosts(hostless, play.Hosts, decl)...)
	diags = append(diags, p.bindPlaySettings(hostless, play)...)
	for i, d := range decl.Steps {
		s, more := p.bindStep(w, play, i, d)
		diags = append(diags, more...)
		play.Steps = append(play.Steps, s)
		play.byName[s.Name] = s
	}
	for _, a := range decl.Locals {
		diags = append(diags, w.afterAll().check(p.expr(a.Expr, nil))...)
	}
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
	if _, err := p.hostNames(v); err != nil {
		return append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid hosts", Detail: upper(err.Error()) + ".", Subject: hosts.Range().Ptr()})
	}
	return diags
}

// hostNames reads a value of "hosts": one name or several, all of them in the inventory; the result is in inventory order.
func (p *Plan) hostNames(v cty.Value) ([]string, error) {
	v, _ = v.UnmarkDeep()
	if !v.IsWhollyKnown() {
		return nil, fmt.Errorf("the hosts are not known before the run")
	}
	want := map[string]bool{}
	switch {
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
	unknown := slices.Sorted(maps.Keys(want))[0]
	if near := eval.Suggest(unknown, p.inv.Names()); near != "" {
		return nil, fmt.Errorf("the inventory has no host %q, but one named %q", unknown, near)
	}
	return nil, fmt.Errorf("the inventory has no host %q; \"cvsplay inventory list\" shows them all", unknown)
}

func (p *Plan) bindOutputs() hcl.Diagnostics {
	var diags hcl.Diagnostics
	w := where{plan: p, plays: len(p.Plays), locals: p.locals.Names(), hostless: true}
	for _, decl := range p.Playbook.Outputs {
		o := &PlanOutput{Name: decl.Name, Value: p.expr(decl.Value, nil)}
		diags = append(diags, w.check(o.Value)...)
		if decl.Description != nil {
			v, more := p.staticString(w, p.expr(decl.Description, nil))
			diags = append(diags, more...)
			o.Description = v
		}
		if decl.Sensitive != nil {
			v, more := p.staticBool(w, p.expr(decl.Sensitive, nil))
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
	return s
}

func (p *Plan) runValue(pr *playRun) cty.Value {
	hosts := cty.UnknownVal(cty.List(cty.String))
	if pr != nil && pr.names != cty.NilVal {
		hosts = pr.names
	}
	return cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal(p.runID), "check": cty.BoolVal(p.check), "hosts": hosts})
}
