package eval

import (
	"maps"
	"slices"
	"strings"

	"cvsplay/engine/config"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// A LocalSet is a group of locals that may refer to each other in any order. It is made once, and evaluated as often as there are scopes: a
// play's locals are evaluated for each host. It does not change, so goroutines may share it.
type LocalSet struct {
	attrs map[string]*config.Attr
	refs  map[string][]Reference // of each local's own expression
	order []string               // those needed first come first
}

// NewLocalSet orders locals by what they need. outer are the names of locals that other sets give (a play's locals see those of the top level):
// references to them are left for the scope. Cycles and locals that do not exist are errors.
func NewLocalSet(attrs []*config.Attr, outer []string) (*LocalSet, hcl.Diagnostics) {
	s := &LocalSet{attrs: map[string]*config.Attr{}, refs: map[string][]Reference{}}
	var names []string
	for _, attr := range attrs {
		if _, twice := s.attrs[attr.Name]; twice {
			continue // config has said it
		}
		s.attrs[attr.Name] = attr
		s.refs[attr.Name] = References(attr.Expr)
		names = append(names, attr.Name)
	}
	var diags hcl.Diagnostics
	state := map[string]visit{}
	for _, name := range names {
		if state[name] == unvisited {
			diags = append(diags, s.visit(name, nil, state)...)
		}
	}
	for _, name := range names {
		diags = append(diags, s.missing(name, outer)...)
	}
	return s, diags
}

type visit int

const (
	unvisited visit = iota
	entered
	done
)

// visit appends name to the order, after all that it needs.
func (s *LocalSet) visit(name string, path []string, state map[string]visit) hcl.Diagnostics {
	state[name] = entered
	path = append(path, name)
	var diags hcl.Diagnostics
	for _, ref := range s.refs[name] {
		for _, needed := range s.needs(ref) {
			switch state[needed] {
			case unvisited:
				diags = append(diags, s.visit(needed, path, state)...)
			case entered:
				chain := append(slices.Clone(path[slices.Index(path, needed):]), needed)
				diags = diags.Append(errorAt(ref.Range, "Local values in a circle",
					"Each of these needs the next one first: local.%s.", strings.Join(chain, " → local.")))
			}
		}
	}
	state[name] = done
	s.order = append(s.order, name)
	return diags
}

// needs are the locals of this set that a reference reads: one, or all where it takes local as a whole.
func (s *LocalSet) needs(ref Reference) []string {
	if ref.Root != "local" {
		return nil
	}
	if len(ref.Path) == 0 || ref.Path[0] == AnyKey {
		return slices.Sorted(maps.Keys(s.attrs))
	}
	if _, ours := s.attrs[ref.Path[0]]; ours {
		return ref.Path[:1]
	}
	return nil
}

func (s *LocalSet) missing(name string, outer []string) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, ref := range s.refs[name] {
		if ref.Root != "local" || ref.InTry || len(ref.Path) == 0 || ref.Path[0] == AnyKey || slices.Contains(outer, ref.Path[0]) {
			continue
		}
		if _, ours := s.attrs[ref.Path[0]]; !ours {
			diags = diags.Append(errorAt(ref.Range, "Unknown local value", "There is no local value named %q.%s",
				ref.Path[0], DidYouMean(ref.Path[0], append(s.Names(), outer...))))
		}
	}
	return diags
}

// Names are the names of all locals, sorted.
func (s *LocalSet) Names() []string {
	return slices.Sorted(maps.Keys(s.attrs))
}

// References are what a local reads when it is evaluated, directly or through other locals of the set; references to these are left out.
// It is nil for a name that the set has not.
func (s *LocalSet) References(name string) []Reference {
	var refs []Reference
	for _, needed := range s.closure([]string{name}) {
		for _, ref := range s.refs[needed] {
			if len(s.needs(ref)) == 0 {
				refs = append(refs, ref)
			}
		}
	}
	return refs
}

// closure are names and all that they need, those needed first coming first.
func (s *LocalSet) closure(names []string) []string {
	wanted := map[string]bool{}
	var want func(string)
	want = func(name string) {
		if wanted[name] || s.attrs[name] == nil {
			return
		}
		wanted[name] = true
		for _, ref := range s.refs[name] {
			for _, needed := range s.needs(ref) {
				want(needed)
			}
		}
	}
	for _, name := range names {
		want(name)
	}
	var out []string
	for _, name := range s.order {
		if wanted[name] {
			out = append(out, name)
		}
	}
	return out
}

// Used are the names of this set's locals that expressions with these references read.
func (s *LocalSet) Used(refs []Reference) []string {
	var names []string
	for _, ref := range refs {
		names = append(names, s.needs(ref)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Values evaluates the named locals and what they need, each once. What the scope has under local already (of outer sets) is seen by
// the expressions, and is not part of the result. A local with an error has the value cty.DynamicVal.
func (s *LocalSet) Values(names []string, scope Scope) (map[string]cty.Value, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	all := objectOf(scope.Values["local"])
	values := map[string]cty.Value{}
	for _, name := range s.closure(names) {
		v, more := scope.With("local", cty.ObjectVal(all)).Value(s.attrs[name].Expr)
		diags = append(diags, more...)
		values[name], all[name] = v, v
	}
	return values, diags
}

// objectOf are the attributes of an object that can be added to; none of anything else.
func objectOf(v cty.Value) map[string]cty.Value {
	out := map[string]cty.Value{}
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() || !v.Type().IsObjectType() || v.IsMarked() {
		return out
	}
	maps.Copy(out, v.AsValueMap())
	return out
}
