package inventory

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"cvsplay/engine/eval"
)

// link settles what members and children mean, once everything was declared.
func (d *declarations) link(v *verdict) {
	if len(d.hostOrder) == 0 {
		v.add(problem(hcl.Range{}, "No hosts", "The inventory declares no host. Declare some with a host block, with hosts = […] in a group, or with a source."))
		return
	}
	for _, g := range d.groupOrder {
		d.linkMembers(g, v)
		d.linkChildren(g, v)
	}
	if v.diags.HasErrors() {
		return
	}
	state := map[*groupDecl]visit{}
	for _, g := range d.groupOrder {
		if chain := g.climb(state, nil); chain != nil {
			v.add(cycleOf(chain))
			return
		}
	}
	for _, h := range d.hostOrder {
		for _, g := range d.groupsOf(h) {
			if !g.below {
				g.hosts = append(g.hosts, h.name)
			}
		}
	}
}

func (d *declarations) linkMembers(g *groupDecl, v *verdict) {
	for _, m := range g.members {
		h, ok := d.hosts[m.name]
		if !ok {
			v.addFor(m.name, problem(m.at, "Unknown host", "Nothing declares the host %q, which members of the group %q names. "+
				"Members are hosts that something else declares; to declare one here, write it into hosts.%s", m.name, g.name, d.nearHosts(m.name)))
			continue
		}
		h.join(g)
	}
}

func (d *declarations) linkChildren(g *groupDecl, v *verdict) {
	for _, c := range g.children {
		child, ok := d.groups[c.name]
		switch {
		case reserved[c.name] != "":
			v.add(problem(c.at, "Reserved name", "No group can be named %q: %s.", c.name, reserved[c.name]))
		case !ok && d.hosts[c.name] != nil:
			v.add(problem(c.at, "Unknown group", "Nothing declares the group %q; there is a host of that name. Hosts of a group go into members.", c.name))
		case !ok:
			v.add(problem(c.at, "Unknown group", "Nothing declares the group %q, which children of the group %q names.%s", c.name, g.name, d.nearGroups(c.name)))
		case !slices.Contains(child.parents, g):
			child.parents = append(child.parents, g)
		}
	}
}

func (d *declarations) nearHosts(name string) string {
	names := make([]string, len(d.hostOrder))
	for i, h := range d.hostOrder {
		names[i] = h.name
	}
	return eval.DidYouMean(name, names)
}

func (d *declarations) nearGroups(name string) string {
	var names []string
	for _, g := range d.groupOrder {
		names = append(names, g.name)
	}
	return eval.DidYouMean(name, names)
}

// A visit is how far a walk has come with something.
type visit int

const (
	unseen visit = iota
	underWay
	finished
)

// climb finds the ancestors and the depth of a group; or the chain of groups that leads back to it, each a child of the next.
func (g *groupDecl) climb(state map[*groupDecl]visit, path []*groupDecl) []*groupDecl {
	switch state[g] {
	case finished:
		return nil
	case underWay:
		return append(path[slices.Index(path, g):], g)
	}
	state[g] = underWay
	g.ancestors, g.depth = map[*groupDecl]bool{}, 1
	for _, p := range g.parents {
		if chain := p.climb(state, append(path, g)); chain != nil {
			return chain
		}
		g.ancestors[p] = true
		for a := range p.ancestors {
			g.ancestors[a] = true
		}
		g.depth = max(g.depth, p.depth+1)
	}
	state[g] = finished
	return nil
}

func cycleOf(chain []*groupDecl) *hcl.Diagnostic {
	names := make([]string, len(chain))
	for i, g := range chain {
		names[len(chain)-1-i] = strconv.Quote(g.name)
	}
	at := chain[0].at
	for _, c := range chain[1].children {
		if c.name == chain[0].name {
			at = c.at
		}
	}
	return problem(at, "Cycle of groups", "A group cannot hold itself: %s.", strings.Join(names, " has the child "))
}

// groupsOf are the groups of a host, those above the ones that name it too, in order of declaration.
func (d *declarations) groupsOf(h *hostDecl) []*groupDecl {
	key := signature(h.direct)
	if all, ok := d.closures[key]; ok {
		return all
	}
	set := map[*groupDecl]bool{}
	for _, g := range h.direct {
		set[g] = true
		for a := range g.ancestors {
			set[a] = true
		}
	}
	all := make([]*groupDecl, 0, len(set))
	for g := range set {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *groupDecl) int { return a.index - b.index })
	d.closures[key] = all
	return all
}

// signature is equal for the same groups in the same order.
func signature(groups []*groupDecl) string {
	var b strings.Builder
	for _, g := range groups {
		fmt.Fprintf(&b, "%d,", g.index)
	}
	return b.String()
}
