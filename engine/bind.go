package engine

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"cvsplay/engine/eval"
	"cvsplay/engine/remote"
)

// A bound is one step instance's arguments and setting on one host.
type bound struct {
	args    Args                 // nil where something is not known yet
	asks    []Question           // of args
	given   map[string]cty.Value // defaults included; what results repeat
	set     setting
	depends []string // what the unknown parts depend on, as a person wrote it: "step.image.ref"
	before  []string // the steps referred to that were not reached when this was evaluated
}

func (b bound) known() bool { return b.args != nil }

// An instanceOf is one for_each item of a step, or the step itself with an empty key.
type instanceOf struct {
	key  string
	each cty.Value // object with key and value; cty.NilVal without for_each
}

// instances evaluates for_each. Unknown: ok is false, and depends says on what.
func (m *member) instances(s *Step) (list []instanceOf, depends []string, err error) {
	if !s.forEach.given() {
		return []instanceOf{{}}, nil, nil
	}
	v, err := m.value(s.forEach, cty.NilVal, cty.NilVal)
	if err != nil {
		return nil, nil, err
	}
	v, _ = v.Unmark()
	if !v.IsKnown() {
		return nil, m.dependsOn(s.forEach), nil
	}
	list, err = itemsOf(v)
	return list, nil, err
}

func itemsOf(v cty.Value) ([]instanceOf, error) {
	if v.IsNull() || !v.CanIterateElements() {
		return nil, errors.New("for_each needs a map, a set of strings, or a list of distinct strings")
	}
	t := v.Type()
	byKey := t.IsMapType() || t.IsObjectType()
	var list []instanceOf
	seen := map[string]bool{}
	for it := v.ElementIterator(); it.Next(); {
		k, item := it.Element()
		if !byKey {
			k = item
		}
		k, _ = k.Unmark()
		ks, err := convert.Convert(k, cty.String)
		if err != nil || !ks.IsKnown() || ks.IsNull() {
			return nil, errors.New("for_each needs a map, a set of strings, or a list of distinct strings")
		}
		key := ks.AsString()
		if seen[key] {
			return nil, fmt.Errorf("for_each: %q is in the list twice", key)
		}
		seen[key] = true
		list = append(list, instanceOf{key: key, each: cty.ObjectVal(map[string]cty.Value{"key": ks, "value": item})})
	}
	return list, nil
}

// An expected is an instance of a later step whose arguments are known already.
type expected struct {
	key   string
	bound bound
}

// expect binds a later step as far as that is possible now; ok is false where its arguments, its place or its instances are
// not known yet, or cannot be had.
func (m *member) expect(s *Step) ([]expected, bool) {
	if s.looksAround {
		return nil, false // other hosts' results are not there before the barrier
	}
	list, depends, err := m.instances(s)
	if err != nil || depends != nil {
		return nil, false
	}
	var out []expected
	for _, in := range list {
		if s.when.given() {
			if v, err := m.value(s.when, in.each, cty.NilVal); err == nil && isFalse(v) {
				continue
			}
		}
		b, err := m.bind(s, in)
		if err != nil || !b.known() {
			return nil, false
		}
		out = append(out, expected{key: in.key, bound: b})
	}
	return out, true
}

func isFalse(v cty.Value) bool {
	v, _ = v.Unmark()
	return v.IsKnown() && !v.IsNull() && v.Type() == cty.Bool && v.False()
}

// bind evaluates an instance's arguments and setting. What was known already when only the arguments of an earlier step were is evaluated again once
// that step was reached: it may have been skipped, or have failed.
func (m *member) bind(s *Step, in instanceOf) (bound, error) {
	key := instanceKey{s, in.key}
	if b, ok := m.bounds[key]; ok && !m.reachedAny(b.before) {
		return b, nil
	}
	b, err := m.evaluate(s, in)
	if err == nil && b.known() {
		b.before = m.unreachedSteps(s)
		m.bounds[key] = b
	}
	return b, err
}

func (m *member) reachedAny(steps []string) bool {
	for _, name := range steps {
		if m.records[name] != nil {
			return true
		}
	}
	return false
}

// unreachedSteps are the steps that a step refers to and that have left nothing yet.
func (m *member) unreachedSteps(s *Step) []string {
	var out []string
	for _, r := range s.refs() {
		if r.Root == "step" && len(r.Path) > 0 && m.records[r.Path[0]] == nil {
			out = append(out, r.Path[0])
		}
	}
	return out
}

func (m *member) evaluate(s *Step, in instanceOf) (bound, error) {
	var b bound
	if err := m.ready(s.argRefs); err != nil {
		return b, err
	}
	scope, err := m.scope(s.argRefs, in.each, cty.NilVal)
	if err != nil {
		return b, err
	}
	obj, diags := scope.Decode(s.body, s.spec)
	if diags.HasErrors() {
		return b, diagError{diags}
	}
	b.given = withDefaults(s.mod.Args, obj.AsValueMap())
	m.play.run.guard.Collect(obj)
	m.play.run.guard.Collect(secretsOf(s.mod.Args, b.given))
	if flaws := s.mod.flaws(b.given); len(flaws) > 0 {
		return b, flaws[0]
	}
	if err := m.setting(s, in, &b); err != nil {
		return b, err
	}
	for _, v := range b.given {
		if !v.IsWhollyKnown() {
			b.depends = append(b.depends, m.unknownRefs(s.argRefs)...)
			break
		}
	}
	if b.depends != nil {
		sort.Strings(b.depends)
		return b, nil
	}
	args, err := s.mod.kind.decode(s.mod.Args, b.given)
	if err != nil {
		return b, err
	}
	b.args = args
	b.asks, err = asksOf(s.mod, args)
	return b, err
}

// asksOf are a module's questions; a panic of the module is an error.
func asksOf(m Module, args Args) (qs []Question, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = bugError{fmt.Sprintf("module %s panics: %v: this is a bug of the module", m.Name, r)}
		}
	}()
	return args.Ask(), nil
}

// A bugError is a module's fault: a dry run does not explain it away.
type bugError struct{ say string }

func (e bugError) Error() string { return e.say }

// secretsOf are the values of arguments that are secret whether or not a person marked them.
func secretsOf(args []Arg, given map[string]cty.Value) cty.Value {
	var list []cty.Value
	for _, a := range args {
		v, ok := given[a.Name]
		if !ok || v.IsNull() || !v.IsKnown() {
			continue
		}
		if a.Secret {
			list = append(list, v.Mark(eval.Sensitive))
			continue
		}
		bare, _ := v.Unmark()
		if a.Block != nil && !a.Many {
			list = append(list, secretsOf(a.Block, bare.AsValueMap()))
		}
	}
	return cty.TupleVal(list)
}

// setting evaluates where, as whom, with which environment and time limit the step runs.
func (m *member) setting(s *Step, in instanceOf, b *bound) error {
	var err error
	if b.set.place, err = m.placeOf(s, in, b); err != nil {
		return err
	}
	if b.set.account, err = m.account(s, in, b); err != nil {
		return err
	}
	if b.set.env, err = m.environment(s, in, b); err != nil {
		return err
	}
	b.set.timeout, err = m.timeout(s, in, b)
	return err
}

// known evaluates an expression of a setting; where it is unknown the bound depends on it, and ok is false.
func (m *member) knownValue(e Expr, in instanceOf, b *bound) (v cty.Value, ok bool, err error) {
	if !e.given() {
		return cty.NilVal, false, nil
	}
	v, err = m.value(e, in.each, cty.NilVal)
	if err != nil {
		return v, false, err
	}
	if !v.IsWhollyKnown() {
		b.depends = append(b.depends, m.dependsOn(e)...)
		return v, false, nil
	}
	return v, true, nil
}

func (m *member) placeOf(s *Step, in instanceOf, b *bound) (*place, error) {
	if !s.inside.given() {
		return nil, nil
	}
	v, err := m.value(s.inside, in.each, cty.NilVal)
	if err != nil {
		return nil, err
	}
	v, _ = v.Unmark()
	switch {
	case !v.IsKnown():
		b.depends = append(b.depends, m.dependsOn(s.inside)...)
		return nil, nil
	case v.IsNull():
		return nil, nil
	case v.Type() == cty.String:
		name, ok := strings.CutPrefix(v.AsString(), "container:")
		if !ok || name == "" {
			return nil, fmt.Errorf("inside: %q is neither a container step nor \"container:NAME\"", v.AsString())
		}
		return &place{name: name, runtime: "auto"}, nil
	case v.Type().IsObjectType() && v.Type().HasAttribute("name"):
		return placeFrom(v, func() { b.depends = append(b.depends, m.dependsOn(s.inside)...) }), nil
	}
	return nil, fmt.Errorf("inside: the container's step did not run on this host")
}

func placeFrom(v cty.Value, unknown func()) *place {
	name, _ := v.GetAttr("name").Unmark()
	if !name.IsKnown() || name.IsNull() {
		unknown()
		return nil
	}
	p := &place{name: name.AsString(), runtime: "auto"}
	if v.Type().HasAttribute("runtime") {
		if rt, _ := v.GetAttr("runtime").Unmark(); rt.IsKnown() && !rt.IsNull() && rt.AsString() != "" {
			p.runtime = rt.AsString()
		}
	}
	return p
}

// account is the user that the step runs as: "" is the login user.
func (m *member) account(s *Step, in instanceOf, b *bound) (string, error) {
	v, ok, err := m.knownValue(s.become, in, b)
	if err != nil || !ok {
		return "", err
	}
	v, _ = v.Unmark()
	switch {
	case v.IsNull():
		return "", nil
	case v.Type() == cty.Bool && v.True():
		if u := m.node.host.Become.User; u != "" {
			return u, nil
		}
		return "root", nil
	case v.Type() == cty.Bool:
		return "", nil
	case v.Type() == cty.String:
		return v.AsString(), nil
	}
	return "", errors.New("become has to be true, false, or the name of a user")
}

// environment joins the inventory's and the step's variables, the step's last.
func (m *member) environment(s *Step, in instanceOf, b *bound) ([]remote.EnvVar, error) {
	all := map[string]string{}
	for name, value := range m.node.host.Env {
		all[name] = value
	}
	v, ok, err := m.knownValue(s.env, in, b)
	if err != nil {
		return nil, err
	}
	if ok {
		m.play.run.guard.Collect(v)
		v, _ = v.UnmarkDeep()
		if !v.IsNull() && !v.CanIterateElements() {
			return nil, errors.New("env has to be a map of strings")
		}
		if !v.IsNull() {
			for it := v.ElementIterator(); it.Next(); {
				k, item := it.Element()
				text, err := convert.Convert(item, cty.String)
				if err != nil || text.IsNull() {
					return nil, fmt.Errorf("env: %s has to be a string", k.AsString())
				}
				all[k.AsString()] = text.AsString()
			}
		}
	}
	var out []remote.EnvVar
	for name, value := range all {
		out = append(out, remote.EnvVar{Name: name, Value: value})
	}
	sort.Slice(out, func(i, k int) bool { return out[i].Name < out[k].Name })
	return out, nil
}

func (m *member) timeout(s *Step, in instanceOf, b *bound) (time.Duration, error) {
	v, ok, err := m.knownValue(s.timeout, in, b)
	if err != nil || !ok {
		return 0, err
	}
	v, _ = v.Unmark()
	if v.IsNull() {
		return 0, nil
	}
	if v.Type() != cty.String {
		return 0, errors.New("timeout has to be a duration such as \"10m\"")
	}
	if say := AsDuration.flaw(v.AsString()); say != "" {
		return 0, errors.New("timeout: " + say)
	}
	return time.ParseDuration(v.AsString())
}

// dependsOn names what an expression's unknown parts come from.
func (m *member) dependsOn(e Expr) []string {
	if out := m.unknownRefs(e.refs); out != nil {
		return out
	}
	return []string{"something that is not known before the run"}
}

// unknownRefs names the references to steps that are not wholly known on this host, each once.
func (m *member) unknownRefs(refs []eval.Reference) []string {
	seen := map[string]bool{}
	var out []string
	for _, r := range refs {
		name := ""
		switch {
		case r.Root == "step" && len(r.Path) > 0:
			name = "step." + r.Path[0]
			if s := m.play.plan.step(r.Path[0]); s == nil || m.stepValue(s).IsWhollyKnown() {
				continue
			}
		case r.Root == "hosts":
			name = "hosts"
		default:
			continue
		}
		if !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
	}
	if out == nil {
		out = []string{"something that is not known before the run"}
	}
	return out
}

// diagError carries HCL's diagnostics as an error.
type diagError struct{ diags hcl.Diagnostics }

func (e diagError) Error() string {
	for _, d := range e.diags {
		if d.Severity == hcl.DiagError {
			where := ""
			if d.Subject != nil {
				where = fmt.Sprintf("%s:%d: ", d.Subject.Filename, d.Subject.Start.Line)
			}
			return where + sentence(d.Summary+": "+d.Detail)
		}
	}
	return "invalid expression"
}
