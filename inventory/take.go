package inventory

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// foundGroup is what a group of a source may be called: what an expression can name with group["…"], and a pattern can say.
var foundGroup = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// take puts what a source found among the declarations.
func (l *loader) take(f Found, from string, at hcl.Range) {
	t := taking{l: l, found: f, from: from, at: at}
	t.groups()
	for i := range f.Hosts {
		t.host(&f.Hosts[i])
	}
	t.members()
	if f.Registry != nil {
		l.inv.Registry = f.Registry
	}
}

// A taking is one source's finds on their way to the declarations.
type taking struct {
	l     *loader
	found Found
	from  string
	at    hcl.Range
	below *groupDecl // stands for the settings of all hosts of the source
}

// groupNames are the names of all groups that the source knows, each once.
func (t *taking) groupNames() []string {
	known := map[string]bool{}
	for name := range t.found.Groups {
		known[name] = true
	}
	for name, children := range t.found.Children {
		known[name] = true
		for _, c := range children {
			known[c] = true
		}
	}
	for _, h := range t.found.Hosts {
		for _, g := range h.Groups {
			known[g] = true
		}
	}
	for name := range t.found.GroupVars {
		known[name] = true
	}
	for name := range t.found.GroupSettings {
		known[name] = true
	}
	var names []string
	for _, name := range t.found.GroupOrder {
		if known[name] && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (t *taking) groups() {
	for _, name := range t.groupNames() {
		if reserved[name] != "" || !foundGroup.MatchString(name) {
			t.l.verdict.add(problem(t.at, "Invalid group name", "The %s gives a group the name %q, which no group can have.", t.from, name))
			continue
		}
		g := t.l.decl.group(name, t.at)
		g.ansible = g.ansible || t.found.Ansible
		if p, ok := t.found.GroupPriority[name]; ok && g.priority == nil {
			g.priority = &p
		}
		for _, c := range t.found.Children[name] {
			g.children = append(g.children, named{c, t.at})
		}
		t.layer(&g.layers, t.ofGroup(name), t.found.GroupVars[name], t.found.GroupSettings[name])
	}
	below := &groupDecl{name: "all", index: len(t.l.decl.groupOrder), at: t.at, ansible: true, below: true}
	t.layer(&below.layers, t.ofGroup("all"), t.found.AllVars, t.found.AllSettings)
	if len(below.layers) > 0 {
		t.l.decl.groupOrder = append(t.l.decl.groupOrder, below)
		t.below = below
	}
}

func (t *taking) host(f *FoundHost) {
	n := named{f.Name, t.at}
	if d := checkHostName(n); d != nil {
		d.Detail = "The " + t.from + ": " + d.Detail
		t.l.verdict.addFor(f.Name, d)
		return
	}
	h := t.l.decl.host(f.Name)
	if h.found == nil {
		h.found = f
	}
	h.local = h.local || t.found.Simulated
	t.layer(&h.layers, t.from, f.Vars, f.Host)
	for _, g := range f.Groups {
		t.join(h, g)
	}
	if t.below != nil {
		h.join(t.below)
	}
}

// members puts hosts into the groups that list them. A host that only such a list names is declared by it.
func (t *taking) members() {
	for _, g := range t.groupNames() {
		for _, name := range t.found.Groups[g] {
			h, ok := t.l.decl.hosts[name]
			if !ok {
				t.host(&FoundHost{Name: name})
				if h, ok = t.l.decl.hosts[name]; !ok {
					continue // not a name
				}
			}
			t.join(h, g)
		}
	}
}

func (t *taking) join(h *hostDecl, group string) {
	if g, ok := t.l.decl.groups[group]; ok { // else its name was refused
		h.join(g)
	}
}

// ofGroup is who declared what a group of the source has.
func (t *taking) ofGroup(name string) string { return fmt.Sprintf("%s, group %q", t.from, name) }

// layer adds what a source says of one host or group.
func (t *taking) layer(to *[]*layer, from string, vars cty.Value, set Host) {
	lay := newLayer()
	lay.found = true
	if vars != cty.NilVal {
		cells, diag := given(from, t.at, vars).apart(varsSection, vars)
		if diag != nil {
			t.l.verdict.add(diag)
		}
		maps.Copy(lay.cells, cells)
	}
	for _, s := range settings {
		if v := s.get(set); v != cty.NilVal {
			if s.secret {
				v = v.Mark(sensitive)
			}
			lay.cells[s.slot] = given(from, t.at, v)
		}
	}
	if len(lay.cells) > 0 {
		*to = append(*to, lay)
	}
}
