package inventory

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// An Origin tells where one value of a host came from.
type Origin struct {
	Name  string    // ssh.user, vars.gpus, env.PATH, address
	Value cty.Value // marked where it is sensitive, or a password
	From  string    // who declared it: defaults, group "gpu", host "n1", source "lab" "gpu", and with a group of the source behind a comma
	Range hcl.Range // where
	Over  []Loser   // those it was preferred to, nearest first
}

// A Loser is a declaration that does not count, since another does.
type Loser struct {
	From  string
	Range hcl.Range
}

// Explain tells where the settings, vars and env of a host came from, sorted by name. Settings that nobody declared are left out.
// It evaluates the host anew, so it is nothing to ask of every host.
func (inv *Inventory) Explain(h *Host) []Origin {
	decl, ok := inv.declared.hosts[h.Name]
	if !ok {
		return nil
	}
	e := inv.declared.evaluation(decl, &verdict{})
	origins := make([]Origin, 0, len(e.order))
	for _, s := range e.order {
		v, ok := e.value(s)
		if !ok {
			continue // cannot be: the inventory was read without an error
		}
		if set := settingFor[s]; set != nil && set.secret {
			v = v.Mark(sensitive)
		}
		c := e.choices[s]
		o := Origin{Name: s.String(), Value: v, From: c.first[0].from, Range: c.first[0].at}
		for _, l := range c.losers() {
			o.Over = append(o.Over, Loser{From: l.from, Range: l.at})
		}
		origins = append(origins, o)
	}
	return origins
}
