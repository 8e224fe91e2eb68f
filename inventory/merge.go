package inventory

import (
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// A choice is what counts of all that was declared for one slot of one host. All cells of first must have the same value; those of lost, best
// first, lost against them, and those of rest against all of these.
type choice struct {
	first []*cell
	lost  []*cell
	rest  []candidate
}

// losers are all that lost: each would count if those before it were not there.
func (c choice) losers() []*cell {
	out := slices.Clone(c.lost)
	for len(c.rest) > 0 {
		c = pick(c.rest)
		out = append(append(out, c.first...), c.lost...)
	}
	return out
}

// A plan is what counts for hosts of the same groups, before what was said of them by name.
type plan struct {
	choices   map[slot]choice
	order     []slot // of choices, sorted
	wholes    bool   // a section is only taken apart for each host
	tiers     []tier // what it was made of, lowest first
	constants bool   // no value of vars looks at the host
	// vars is the object of vars, where it is the same for all hosts of the plan and one of them has been made.
	vars cty.Value
}

// A tier is layers of equal standing that one name declared.
type tier struct {
	group  *groupDecl // nil: the defaults
	layers []*layer
}

// planFor gives what counts for the hosts of some groups.
func (d *declarations) planFor(groups []*groupDecl) *plan {
	key := signature(groups)
	if p, ok := d.plans[key]; ok {
		return p
	}
	p := &plan{tiers: []tier{{layers: d.defaults}}}
	for _, g := range groups {
		p.tiers = append(p.tiers, tier{group: g, layers: g.layers})
	}
	for _, t := range p.tiers {
		for _, l := range t.layers {
			p.wholes = p.wholes || len(l.whole) > 0
		}
	}
	p.choices = choose(p.tiers)
	p.order = sortedSlots(p.choices)
	p.constants = !p.wholes
	for s, c := range p.choices {
		if s.section == varsSection {
			p.constants = p.constants && !c.readsHost()
		}
	}
	d.plans[key] = p
	return p
}

func (c choice) readsHost() bool {
	return slices.ContainsFunc(c.first, func(c *cell) bool { return c.reads.host })
}

func sortedSlots(choices map[slot]choice) []slot {
	return slices.SortedFunc(maps.Keys(choices), slot.compare)
}

// choose settles every slot of some tiers: defaults, then groups.
func choose(tiers []tier) map[slot]choice {
	bySlot := map[slot][]candidate{}
	for _, t := range tiers {
		for s, cells := range t.cells() {
			bySlot[s] = append(bySlot[s], candidate{t.group, cells})
		}
	}
	choices := make(map[slot]choice, len(bySlot))
	for s, all := range bySlot {
		choices[s] = pick(all)
	}
	return choices
}

// A candidate is what one tier says for one slot.
type candidate struct {
	group *groupDecl
	tierCells
}

// tierCells are cells of one tier: what a file says counts, else what a source found.
type tierCells struct {
	first, lost []*cell
	found       bool // first is what sources found
}

// cells gathers what the layers of a tier say.
func (t tier) cells() map[slot]tierCells {
	out := map[slot]tierCells{}
	for _, found := range []bool{false, true} { // files first
		for _, l := range t.layers {
			if l.found != found {
				continue
			}
			for s, c := range l.cells {
				have := out[s]
				if len(have.first) == 0 || have.found == found {
					have.first, have.found = append(have.first, c), found
				} else {
					have.lost = append(have.lost, c)
				}
				out[s] = have
			}
		}
	}
	return out
}

// pick finds what counts: of groups where one is above the other, the lower one; of groups of Ansible, the one that Ansible ranks
// higher; of the rest those of the highest priority. Defaults count where no group says anything.
func pick(all []candidate) choice {
	groups := slices.DeleteFunc(slices.Clone(all), func(c candidate) bool { return c.group == nil })
	best := slices.DeleteFunc(slices.Clone(groups), func(c candidate) bool {
		return slices.ContainsFunc(groups, func(other candidate) bool { return other.group.under(c.group) })
	})
	best = onlyBestOfAnsible(best)
	if len(best) > 0 {
		top := slices.MaxFunc(best, func(a, b candidate) int { return a.group.rank() - b.group.rank() }).group.rank()
		best = slices.DeleteFunc(best, func(c candidate) bool { return c.group.rank() < top })
	} else {
		best = all // the defaults alone
	}
	var out choice
	for _, c := range best {
		out.first, out.lost = append(out.first, c.first...), append(out.lost, c.lost...)
	}
	out.rest = slices.DeleteFunc(slices.Clone(all), func(c candidate) bool {
		return slices.ContainsFunc(best, func(b candidate) bool { return b.group == c.group })
	})
	return out
}

// under tells whether g is below another group, and so closer to the host.
func (g *groupDecl) under(other *groupDecl) bool {
	return g.ancestors[other] || other.below && !g.below
}

// rank is the priority against groups that are not Ansible's.
func (g *groupDecl) rank() int {
	if g.priority == nil {
		return 0
	}
	return *g.priority
}

// onlyBestOfAnsible leaves one of the groups that Ansible ranks among themselves.
func onlyBestOfAnsible(all []candidate) []candidate {
	var best *groupDecl
	for _, c := range all {
		if c.group.ansible && (best == nil || c.group.beats(best)) {
			best = c.group
		}
	}
	return slices.DeleteFunc(all, func(c candidate) bool { return c.group.ansible && c.group != best })
}

// beats is Ansible's order: depth, then priority, then name.
func (g *groupDecl) beats(other *groupDecl) bool {
	if g.depth != other.depth {
		return g.depth > other.depth
	}
	if a, b := g.ansiblePriority(), other.ansiblePriority(); a != b {
		return a > b
	}
	return g.name > other.name
}

func (g *groupDecl) ansiblePriority() int {
	if g.priority == nil {
		return 1
	}
	return *g.priority
}

// override puts what was said of a host by its name above the rest.
func override(base map[slot]choice, own []*layer) map[slot]choice {
	if len(own) == 0 {
		return base
	}
	out := maps.Clone(base)
	for s, cells := range (tier{layers: own}).cells() {
		below := base[s]
		out[s] = choice{first: cells.first, lost: slices.Concat(cells.lost, below.first, below.lost), rest: below.rest}
	}
	return out
}
