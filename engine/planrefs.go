package engine

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/config"
	"cvsplay/engine/eval"
)

// A where is the place of an expression: what it may refer to.
type where struct {
	plan     *Plan
	play     *Play
	plays    int   // how many plays are behind it
	before   *Step // the step it stands in; its own and later ones are out of reach
	locals   []string
	each     bool
	self     bool
	hostless bool // no host: host, step and hosts say nothing
	global   bool // a local of the playbook: any play may read it
	all      bool // every step of the play may be named
	block    bool // the when of the block that begins with before
	units    map[string]*unit
}

func (w where) afterAll() where { w.all = true; return w }

var rootNames = []string{"var", "local", "path", "run", "host", "hosts", "group", "step", "self", "each", "play"}

// check finds references that cannot be right, those of the locals that are named too.
func (w where) check(e Expr) hcl.Diagnostics {
	if !e.given() {
		return nil
	}
	return w.references(eval.References(e.Expression))
}

func (w where) references(refs []eval.Reference) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, r := range refs {
		more := w.reference(r)
		if more == nil && r.Root == "local" {
			more = w.through(r)
		}
		diags = append(diags, more...)
	}
	return diags
}

// through checks what a local reads, seen from here: a local of the play may name any step, but who reads it has to stand below that step.
func (w where) through(r eval.Reference) hcl.Diagnostics {
	if w.global {
		return nil
	}
	var own *eval.LocalSet
	if w.play != nil {
		own = w.play.locals
	}
	for _, by := range w.plan.expand([]eval.Reference{r}, own)[1:] {
		if by.Root != "host" && by.Root != "hosts" && by.Root != "step" && by.Root != "run" {
			continue
		}
		if _, given := unitNameOf(strings.Join(r.Path[:min(1, len(r.Path))], "")); given && w.afterAll().reference(by) != nil {
			continue // it is wrong wherever it stands, and is told there
		}
		if diags := w.reference(by); diags != nil {
			return wrong(r, diags[0].Summary, fmt.Sprintf("%s reads %s. %s", r, by, diags[0].Detail))
		}
	}
	return nil
}

func (w where) reference(r eval.Reference) hcl.Diagnostics {
	switch r.Root {
	case "var":
		return w.oneOf(r, "variable", w.plan.vars.Type().AttributeTypes())
	case "local":
		if len(r.Path) > 0 {
			if n, ok := unitNameOf(r.Path[0]); ok {
				return w.ofUnit(r, n)
			}
		}
		return w.named(r, "local value", w.locals)
	case "include":
		return wrong(r, "Unknown include", "Write include.NAME.OUTPUT: what the include block NAME of this file takes in gives as its output.")
	case "path":
		return w.named(r, "path", []string{"playbook", "module", "cwd", "inventory"})
	case "run":
		return w.ofRun(r)
	case "each":
		if !w.each {
			return wrong(r, "No for_each here", "\"each\" has a value only in a step with for_each.")
		}
		return w.named(r, "value of each", []string{"key", "value"})
	case "self":
		if !w.self {
			return wrong(r, "No self here", "\"self\" has a value only in changed_when, fail_when, until and postcondition.")
		}
		return w.resultOf(r, 0, w.before)
	case "group":
		return w.group(r)
	case "play":
		return w.earlierPlay(r)
	case "host", "hosts", "step":
		return w.ofHost(r)
	}
	return w.unknownRoot(r)
}

func (w where) ofRun(r eval.Reference) hcl.Diagnostics {
	if w.hostless && !w.global && len(r.Path) > 0 && r.Path[0] == "hosts" {
		return wrong(r, "No hosts here", "run.hosts are the hosts that a play still has while it runs, and this expression is evaluated before it or after it.")
	}
	return w.named(r, "value of run", []string{"id", "check", "hosts"})
}

func (w where) ofHost(r eval.Reference) hcl.Diagnostics {
	switch {
	case w.global:
		return wrong(r, "No host here", fmt.Sprintf("%q needs a host, and the locals of the playbook are the same for all of them; put this one into the locals of the play.", r.Root))
	case w.hostless:
		way := "play.NAME.hosts has what each host's steps left"
		if w.play != nil {
			way = "when, for each step, decides host by host"
		}
		return wrong(r, "No host here", fmt.Sprintf("%q needs a host, and this expression is evaluated once for all of them; %s.", r.Root, way))
	}
	switch r.Root {
	case "host":
		return w.hostAttr(r, 0)
	case "hosts":
		return w.otherHost(r)
	}
	return w.step(r)
}

func (w where) hostAttr(r eval.Reference, at int, more ...string) hcl.Diagnostics {
	if len(r.Path) > at+1 && r.Path[at] == "facts" {
		return w.fact(r, at+1)
	}
	if len(r.Path) <= at || r.InTry {
		return nil
	}
	return w.among(r, at, "value of host", append([]string{"name", "address", "groups", "vars", "facts"}, more...))
}

// fact checks FAMILY.FACT of facts. Each of them is always there, though it may be null: a name that is not known is wrong in try, too.
func (w where) fact(r eval.Reference, at int) hcl.Diagnostics {
	for _, f := range families {
		if f.Name != r.Path[at] {
			continue
		}
		return w.factOf(r, at+1, "fact of "+f.Name, f.Facts)
	}
	return w.among(r, at, "family of facts", familyNames())
}

// factOf checks a fact, and that of an item where it is a list of objects.
func (w where) factOf(r eval.Reference, at int, what string, facts []Fact) hcl.Diagnostics {
	if len(r.Path) <= at || r.Path[at] == eval.AnyKey {
		return nil
	}
	names := make([]string, len(facts))
	for i, f := range facts {
		if names[i] = f.Name; f.Name == r.Path[at] {
			if f.Each == nil || len(r.Path) <= at+2 {
				return nil
			}
			return w.factOf(r, at+2, "fact of "+strings.Join(r.Path[at-1:at+1], "."), f.Each)
		}
	}
	return w.among(r, at, what, names)
}

func (w where) otherHost(r eval.Reference) hcl.Diagnostics {
	if len(r.Path) > 2 && r.Path[1] == "step" {
		of := r
		of.Path, of.Steps = r.Path[2:], r.Steps[2:]
		if diags := w.step(of); diags != nil {
			return diags
		}
	}
	if diags := w.hostAttr(r, 1, "step", "status", "ok"); diags != nil {
		return diags
	}
	if len(r.Path) == 0 || w.plan.inv == nil || r.Path[0] == eval.AnyKey {
		return nil
	}
	if _, ok := w.plan.inv.Host(r.Path[0]); !ok && !r.InTry {
		return wrong(r, "Unknown host", fmt.Sprintf("The inventory has no host %q.%s", r.Path[0], didYouMean(r.Path[0], w.plan.inv.Names())))
	}
	return nil
}

func (w where) group(r eval.Reference) hcl.Diagnostics {
	if w.plan.inv == nil || r.InTry || len(r.Path) == 0 || r.Path[0] == eval.AnyKey {
		return nil
	}
	names := w.plan.inv.GroupNames()
	for _, name := range append(names, "all") {
		if name == r.Path[0] {
			return nil
		}
	}
	return wrong(r, "Unknown group", fmt.Sprintf("The inventory has no group %q.%s Where it may be missing, write try(group.%s, []).", r.Path[0], didYouMean(r.Path[0], names), r.Path[0]))
}

func (w where) earlierPlay(r eval.Reference) hcl.Diagnostics {
	if len(r.Path) == 0 || r.Path[0] == eval.AnyKey {
		return nil
	}
	var names []string
	for i, decl := range w.plan.Playbook.Plays {
		if decl.Name != r.Path[0] {
			names = append(names, decl.Name)
			continue
		}
		if i >= w.plays {
			return wrong(r, "Play is not over yet", fmt.Sprintf("play.%s has results only after that play: in outputs and in later plays.", r.Path[0]))
		}
		return w.playAttr(r)
	}
	return wrong(r, "Unknown play", fmt.Sprintf("There is no play %q.%s", r.Path[0], didYouMean(r.Path[0], names)))
}

func (w where) playAttr(r eval.Reference) hcl.Diagnostics {
	if len(r.Path) < 2 {
		return nil
	}
	if diags := w.among(r, 1, "value of a play", []string{"hosts"}); diags != nil || len(r.Path) < 4 || r.InTry {
		return diags
	}
	if diags := w.among(r, 3, "value of a play's host", []string{"status", "ok", "message", "step"}); diags != nil || r.Path[3] != "step" || len(r.Path) < 5 {
		return diags
	}
	return w.stepOfPlay(r)
}

// stepOfPlay checks play.NAME.hosts["HOST"].step.NAME.ATTR.
func (w where) stepOfPlay(r eval.Reference) hcl.Diagnostics {
	for _, play := range w.plan.Plays {
		if play.Name != r.Path[0] || r.Path[4] == eval.AnyKey {
			continue
		}
		s, names := play.byName[r.Path[4]], []string{}
		for _, decl := range append(slices.Clone(play.decl.Steps), play.decl.Handlers...) {
			names = append(names, decl.Name)
		}
		if s == nil {
			return w.among(r, 4, "step of play "+play.Name, names)
		}
		at := 5
		if s.forEach.given() {
			at++
		}
		return w.resultOf(r, at, s)
	}
	return nil
}

// step checks step.NAME.ATTR: the step exists, stands before, and has that result.
func (w where) step(r eval.Reference) hcl.Diagnostics {
	if w.global || len(r.Path) == 0 || w.play == nil || r.Path[0] == eval.AnyKey {
		return nil
	}
	var names []string
	seen := false
	for _, decl := range w.play.decl.Steps {
		if w.before != nil && decl == w.before.decl {
			seen = true
		}
		if decl.Name != r.Path[0] {
			names = append(names, decl.Name)
			continue
		}
		if decl.Module == config.Flush {
			return wrong(r, "Step without results", fmt.Sprintf("%q is where handlers run, and leaves nothing itself: name the step whose change counts.", decl.Label))
		}
		if seen && !w.all {
			if w.block && decl == w.before.decl {
				return wrong(r, "Step comes later", fmt.Sprintf("The step %q stands in the block whose when this is: its results are not there yet.", r.Path[0]))
			}
			if w.before != nil && decl == w.before.decl {
				return wrong(r, "Step refers to itself", fmt.Sprintf("step.%s has no results before it has run; in changed_when, fail_when, until and postcondition write self.", r.Path[0]))
			}
			return wrong(r, "Step comes later", fmt.Sprintf("The step %q stands below this one, on line %d: steps run in the order of the text, so its results are not there yet.", r.Path[0], decl.DeclRange.Start.Line))
		}
		return w.result(r)
	}
	own := r.Path[0][strings.LastIndex(r.Path[0], ".")+1:]
	prefix := strings.TrimSuffix(r.Path[0], own)
	var near []string
	for _, name := range names {
		if rest, ok := strings.CutPrefix(name, prefix); ok && !strings.Contains(rest, ".") {
			near = append(near, rest)
		}
	}
	return wrong(r, "Unknown step", fmt.Sprintf("There is no step %q in play %q.%s", own, w.play.Name, didYouMean(own, near)))
}

func (w where) result(r eval.Reference) hcl.Diagnostics {
	s := w.play.byName[r.Path[0]]
	if s == nil || s.isCheck() && len(r.Path) < 2 || !s.isCheck() && s.mod.Name == "" {
		return nil
	}
	at := 1
	if s.forEach.given() {
		at = 2
		if diags := w.instance(r, s); diags != nil {
			return diags
		}
	}
	return w.resultOf(r, at, s)
}

// resultOf checks that the name at a place of the path is a result of the step.
func (w where) resultOf(r eval.Reference, at int, s *Step) hcl.Diagnostics {
	if s == nil || s.mod.Name == "" && !s.isCheck() || len(r.Path) <= at || r.InTry {
		return nil
	}
	names := []string{"status", "changed", "failed", "skipped", "ok"}
	for _, res := range s.mod.Results {
		names = append(names, res.Name)
	}
	return w.among(r, at, fmt.Sprintf("result of %s steps", s.Module), names)
}

// instance checks the key of step.NAME["KEY"], where the keys are known.
func (w where) instance(r eval.Reference, s *Step) hcl.Diagnostics {
	if s.keys == nil || len(r.Path) < 2 || r.InTry || r.Path[1] == eval.AnyKey || slices.Contains(s.keys, r.Path[1]) {
		return nil
	}
	say := fmt.Sprintf("The step %q has for_each, and no instance %q: write step.%s[\"KEY\"]…, with one of %s.", s.Name, r.Path[1], s.Name, strings.Join(quoted(s.keys), ", "))
	if len(s.keys) == 0 {
		say = fmt.Sprintf("The step %q has no instance: its for_each is empty.", s.Name)
	}
	d := wrong(r, "Unknown instance", say)
	d[0].Subject = r.Steps[1].Ptr()
	return d
}

func (w where) oneOf(r eval.Reference, what string, attrs map[string]cty.Type) hcl.Diagnostics {
	var names []string
	for name := range attrs {
		names = append(names, name)
	}
	sort.Strings(names)
	return w.named(r, what, names)
}

func (w where) named(r eval.Reference, what string, names []string) hcl.Diagnostics {
	if len(r.Path) == 0 {
		return nil
	}
	return w.among(r, 0, what, names)
}

func (w where) among(r eval.Reference, at int, what string, names []string) hcl.Diagnostics {
	got := r.Path[at]
	if got == eval.AnyKey {
		return nil
	}
	for _, n := range names {
		if n == got {
			return nil
		}
	}
	list := ""
	if near := didYouMean(got, names); near != "" {
		list = near
	} else if len(names) > 0 && len(names) <= 12 {
		list = " There is: " + strings.Join(names, ", ") + "."
	}
	d := wrong(r, "Unknown "+what, fmt.Sprintf("There is no %s %q.%s", what, got, list))
	if at < len(r.Steps) {
		d[0].Subject = r.Steps[at].Ptr()
	}
	return d
}

func didYouMean(name string, among []string) string {
	return eval.DidYouMean(name, among)
}

func wrong(r eval.Reference, summary, detail string) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: r.Range.Ptr()}}
}
