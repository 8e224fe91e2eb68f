package engine

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"cvsplay/engine/eval"
	"cvsplay/engine/remote"
	"cvsplay/inventory"
)

// argued is one step instance's arguments. Nobody changes it: hosts share it.
type argued struct {
	args  Args                 // nil where something is not known yet
	asks  []Question           // of args
	given map[string]cty.Value // defaults included; what results repeat
}

// A bound is one step instance's arguments and setting on one host. Nobody changes it: hosts on which it is the same share it.
type bound struct {
	argued
	set     setting
	depends []string // what the unknown parts depend on, as a person wrote it: "step.image.ref"
	epoch   int      // of the host, when this was evaluated
	before  []string // the steps referred to that were not reached when this was evaluated
}

func (b *bound) known() bool { return b.args != nil }

// An instanceOf is one for_each item of a step, or the step itself with an empty key.
type instanceOf struct {
	key  string
	each cty.Value // object with key and value; cty.NilVal without for_each
}

// instances evaluates for_each. Unknown: ok is false, and depends says on what.
func (m *member) instances(s *Step) (list []instanceOf, depends []string, err error) {
	if !s.forEach.given() {
		return s.itself[:], nil, nil
	}
	v, err := m.value(s.forEach, cty.NilVal, cty.NilVal)
	if err != nil {
		return nil, nil, err
	}
	if !v.IsKnown() {
		return nil, m.dependsOn(s.forEach), nil
	}
	list, known, err := itemsOf(v)
	if err == nil && !known {
		return nil, m.dependsOn(s.forEach), nil
	}
	return list, nil, err
}

var errForEach = errors.New("for_each needs a map, a set of strings, or a list of distinct strings")

// itemsOf reads the value of for_each; known is false where a key is not.
func itemsOf(v cty.Value) (list []instanceOf, known bool, err error) {
	if v.IsMarked() {
		return nil, false, errors.New("for_each may not be sensitive: its keys stand in every report; nonsensitive() says that a value is none")
	}
	if v.IsNull() || !v.CanIterateElements() {
		return nil, false, errForEach
	}
	t := v.Type()
	byKey := t.IsMapType() || t.IsObjectType()
	seen := map[string]bool{}
	for it := v.ElementIterator(); it.Next(); {
		k, item := it.Element()
		if !byKey {
			k = item
		}
		if k.IsMarked() {
			return nil, false, errors.New("for_each may not have sensitive keys: they stand in every report")
		}
		ks, err := convert.Convert(k, cty.String)
		if err != nil || ks.IsNull() {
			return nil, false, errForEach
		}
		if !ks.IsKnown() {
			return nil, false, nil
		}
		key := ks.AsString()
		if seen[key] {
			return nil, false, fmt.Errorf("%q is in the list twice; every instance needs a key of its own", key)
		}
		seen[key] = true
		list = append(list, instanceOf{key: key, each: cty.ObjectVal(map[string]cty.Value{"key": ks, "value": item})})
	}
	return list, true, nil
}

// An expected is an instance of a later step whose arguments are known already.
type expected struct {
	key   string
	bound *bound
}

// expect binds a later step as far as that is possible now; ok is false where its arguments, its place or its instances are
// not known yet, or cannot be had.
func (m *member) expect(s *Step) ([]expected, bool) {
	if s.looksAround || m.node.stale(s.needs) != 0 {
		return nil, false // other hosts' results are not there before the barrier, and facts not before they were asked
	}
	list, depends, err := m.instances(s)
	if err != nil || depends != nil {
		return nil, false
	}
	out := make([]expected, 0, len(list))
	for _, in := range list {
		if m.skips(s, in) {
			continue
		}
		b, err := m.bind(s, in)
		if err != nil || !b.known() {
			return nil, false
		}
		out = append(out, expected{key: in.key, bound: b})
	}
	return out, true
}

// skips tells whether it is known already that a later step does not run.
func (m *member) skips(s *Step, in instanceOf) bool {
	whens := []Expr{s.when}
	for r := range s.outer {
		whens = append(whens, r.block.when)
	}
	for _, when := range whens {
		if !when.given() || m.node.stale(ownFacts(when.refs)) != 0 {
			continue
		}
		if is, err := m.truth(when, in.each); err == nil && is == no {
			return true
		}
	}
	return false
}

// truth is what a condition says.
func (m *member) truth(e Expr, each cty.Value) (truth, error) {
	v, err := m.value(e, each, cty.NilVal)
	if err != nil {
		return unknowable, err
	}
	return truthOf(v)
}

// bind evaluates an instance's arguments and setting. What was known already when only the arguments of an earlier step were is evaluated again once
// that step was reached: it may have been skipped, or have failed.
func (m *member) bind(s *Step, in instanceOf) (*bound, error) {
	key := instanceKey{s, in.key}
	if b, ok := m.bounds[key]; ok && !m.reachedAny(b.before) && (s.needs == 0 || b.epoch == m.node.age()) {
		return b, nil
	}
	b, err := m.evaluate(s, in)
	if err == nil && b.known() {
		m.bounds[key] = b
	}
	return b, err
}

func (m *member) reachedAny(steps []string) bool {
	for _, name := range steps {
		if m.left(name) {
			return true
		}
	}
	return false
}

// left tells whether a step has left something, or was passed over.
func (m *member) left(name string) bool {
	if m.records[name] != nil {
		return true
	}
	s := m.play.plan.step(name)
	return s != nil && s.index < m.at
}

// unreachedSteps are the steps that a step refers to and that have left nothing yet.
func (m *member) unreachedSteps(s *Step) []string {
	var out []string
	for _, name := range s.reads {
		if !m.left(name) {
			out = append(out, name)
		}
	}
	return out
}

// evaluate binds an instance: once for all hosts where all of it is the same on each.
func (m *member) evaluate(s *Step, in instanceOf) (*bound, error) {
	b, err := m.arguments(s, in)
	if err != nil || s.settled && b.args != nil && len(m.node.host.Env) == 0 {
		return b, err
	}
	b = &bound{argued: b.argued, before: m.unreachedSteps(s), epoch: m.node.age()}
	if err := m.setting(s, in, b); err != nil {
		return b, err
	}
	if b.args == nil {
		b.depends = append(b.depends, m.unknownRefs(s.through(s.argRefs))...)
	}
	if b.depends != nil {
		sort.Strings(b.depends)
		b.args, b.asks = nil, nil
	}
	return b, nil
}

// arguments evaluates an instance's arguments: once for all hosts where they are the same on each. There is no setting yet.
func (m *member) arguments(s *Step, in instanceOf) (*bound, error) {
	if !s.alike {
		a, err := m.argue(s, in)
		return &bound{argued: a}, err
	}
	p, key := m.play, instanceKey{s, in.key}
	p.alikeMu.Lock()
	defer p.alikeMu.Unlock()
	if b, ok := p.alike[key]; ok {
		return b, nil
	}
	a, err := m.argue(s, in)
	b := &bound{argued: a}
	if err == nil && a.args != nil {
		if p.alike == nil {
			p.alike = map[instanceKey]*bound{}
		}
		p.alike[key] = b
	}
	return b, err
}

func (m *member) argue(s *Step, in instanceOf) (a argued, err error) {
	if err := m.ready(s.argRefs, true); err != nil {
		return a, err
	}
	scope, err := m.scope(s.argRefs, in.each, cty.NilVal)
	if err != nil {
		return a, m.lacks(s.argRefs, err)
	}
	scope = s.sees(scope)
	obj, diags := scope.Decode(s.expanded(scope), s.spec)
	if diags.HasErrors() {
		return a, m.lacks(s.argRefs, diagError{diags})
	}
	a.given = withDefaults(s.mod.Args, obj.AsValueMap())
	m.play.run.guard.Collect(obj)
	m.play.run.guard.Collect(secretsOf(s.mod.Args, a.given))
	if flaws := s.mod.flaws(a.given); len(flaws) > 0 {
		return a, flaws[0]
	}
	for _, v := range a.given {
		if !v.IsWhollyKnown() {
			return a, nil
		}
	}
	if a.args, err = s.mod.kind.decode(&m.play.run.archives, s.mod.Args, a.given); err != nil {
		return a, err
	}
	a.asks, err = asksOf(s.mod, a.args)
	return a, err
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

// through adds what for_each reads to references to each.
func (s *Step) through(refs []eval.Reference) []eval.Reference {
	for _, r := range refs {
		if r.Root == "each" {
			return append(slices.Clone(refs), s.forEach.refs...)
		}
	}
	return refs
}

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
func (m *member) knownValue(s *Step, e Expr, in instanceOf, b *bound) (v cty.Value, ok bool, err error) {
	if !e.given() {
		return cty.NilVal, false, nil
	}
	v, err = m.value(e, in.each, cty.NilVal)
	if err != nil {
		return v, false, err
	}
	if !v.IsWhollyKnown() {
		b.depends = append(b.depends, m.unknownRefs(s.through(e.refs))...)
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
		b.depends = append(b.depends, m.unknownRefs(s.through(s.inside.refs))...)
		return nil, nil
	case v.IsNull():
		return nil, nil
	case v.Type() == cty.String:
		return placeNamed(v.AsString())
	case v.Type().IsObjectType() && v.Type().HasAttribute("name"):
		p := placeFrom(v, func() { b.depends = append(b.depends, m.unknownRefs(s.through(s.inside.refs))...) })
		if p != nil {
			p.keeper, err = m.keeper(s, b)
		}
		return p, err
	}
	return nil, m.noContainer(s)
}

// keeper is the account as which the step that inside names looked for its container. A runtime without a daemon has containers for each account.
func (m *member) keeper(s *Step, b *bound) (string, error) {
	for _, r := range s.through(s.inside.refs) {
		if r.Root != "step" || len(r.Path) == 0 {
			continue
		}
		of := m.play.plan.step(r.Path[0])
		if of == nil || !of.become.given() {
			continue
		}
		list, _, err := m.instances(of)
		if err != nil {
			return "", err
		}
		for _, in := range list {
			if len(list) == 1 || len(r.Path) > 1 && r.Path[1] == in.key {
				return m.account(of, in, b)
			}
		}
	}
	return "", nil
}

// noContainer says why the step that inside names left no container here.
func (m *member) noContainer(s *Step) error {
	for _, r := range s.inside.refs {
		if r.Root != "step" || len(r.Path) == 0 {
			continue
		}
		of := m.play.plan.step(r.Path[0])
		if of == nil {
			continue
		}
		if rec := m.recordOf(of); rec != nil && rec.self != nil {
			if ran, why := rec.self.ran(); !ran {
				return errNotRun{step: of.Name, why: why}
			}
		}
	}
	return errors.New("inside: this is no container; it takes a container step such as step.box, or \"container:NAME\"")
}

func placeNamed(text string) (*place, error) {
	name, ok := strings.CutPrefix(text, "container:")
	if !ok || name == "" {
		return nil, fmt.Errorf("inside: %q is neither a container step such as step.box nor \"container:NAME\"; for a container of that name write \"container:%s\"", text, name)
	}
	return &place{name: name, runtime: "auto"}, nil
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
	v, ok, err := m.knownValue(s, s.become, in, b)
	if err != nil || !ok {
		return "", err
	}
	user, itself, err := accountIn(v)
	if err != nil || !itself {
		return user, err
	}
	if u := m.node.host.Become.User; u != "" {
		return u, nil
	}
	return "root", nil
}

// accountIn reads the value of a become argument: the name of a user, or that the inventory says which.
func accountIn(v cty.Value) (user string, inventory bool, err error) {
	v, _ = v.Unmark()
	switch {
	case v.IsNull() || !v.IsKnown():
		return "", false, nil
	case v.Type() == cty.Bool:
		return "", v.True(), nil
	case v.Type() == cty.String && v.AsString() != "" && strings.IndexByte(v.AsString(), 0) < 0:
		return v.AsString(), false, nil
	}
	return "", false, errors.New("become has to be true, false, or the name of a user")
}

// environment joins the inventory's and the step's variables, the step's last.
func (m *member) environment(s *Step, in instanceOf, b *bound) ([]remote.EnvVar, error) {
	all := map[string]remote.EnvVar{}
	for name, value := range m.node.host.Env {
		before, literal, after := inventory.SplitEnv(name, value)
		all[name] = remote.EnvVar{Name: name, Value: literal, OwnBefore: before, OwnAfter: after}
	}
	v, ok, err := m.knownValue(s, s.env, in, b)
	if err != nil {
		return nil, err
	}
	if ok {
		m.play.run.guard.Collect(v)
		given, err := variablesIn(v)
		if err != nil {
			return nil, err
		}
		for _, e := range given {
			all[e.Name] = e
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b remote.EnvVar) int { return strings.Compare(a.Name, b.Name) }), nil
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// variablesIn reads the value of an env argument as far as it is known.
func variablesIn(v cty.Value) ([]remote.EnvVar, error) {
	v, _ = v.UnmarkDeep()
	if v.IsNull() || !v.IsKnown() {
		return nil, nil
	}
	if t := v.Type(); !t.IsMapType() && !t.IsObjectType() {
		return nil, errors.New("env has to be a map of strings, such as { NAME = \"value\" }")
	}
	var out []remote.EnvVar
	for it := v.ElementIterator(); it.Next(); {
		k, item := it.Element()
		name := k.AsString()
		if !envName.MatchString(name) {
			return nil, fmt.Errorf("env: %q is no name of a variable: it needs letters, digits and underscores, and no digit first", name)
		}
		text, err := convert.Convert(item, cty.String)
		switch {
		case err != nil || text.IsNull():
			return nil, fmt.Errorf("env: %s has to be a string", name)
		case !text.IsKnown():
			continue
		case strings.IndexByte(text.AsString(), 0) >= 0:
			return nil, fmt.Errorf("env: %s holds a NUL byte, which no program on the host could be given", name)
		}
		out = append(out, remote.EnvVar{Name: name, Value: text.AsString()})
	}
	return out, nil
}

func (m *member) timeout(s *Step, in instanceOf, b *bound) (time.Duration, error) {
	v, ok, err := m.knownValue(s, s.timeout, in, b)
	if err != nil || !ok {
		return 0, err
	}
	v, _ = v.Unmark()
	if v.IsNull() {
		return 0, nil
	}
	return durationIn(v)
}

// durationIn reads the value of a timeout argument.
func durationIn(v cty.Value) (time.Duration, error) {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() {
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
func (m *member) dependsOn(e Expr) []string { return m.unknownRefs(e.refs) }

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
	d := e.first()
	if d == nil {
		return "invalid expression"
	}
	where := ""
	if d.Subject != nil {
		where = fmt.Sprintf("%s:%d: ", d.Subject.Filename, d.Subject.Start.Line)
	}
	return where + sentence(d.Summary+": "+d.Detail)
}
