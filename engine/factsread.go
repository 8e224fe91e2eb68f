package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/eval"
)

// A knownFact is what a host told of one family, and when. What it could not tell is known too, until something is done there.
type knownFact struct {
	value cty.Value // cty.NilVal where err is set
	err   error
	epoch int
}

// errUnasked says that a host could not be asked for facts that an expression reads. Nothing was said about them.
type errUnasked struct{ answer Answer }

func (e errUnasked) Error() string { return e.answer.Why }

// errNoFacts says that a host told no facts of a family, and why.
type errNoFacts struct {
	name string // as one writes it
	why  error
}

func (e errNoFacts) Error() string {
	return fmt.Sprintf("%s cannot be had: %s", e.name, e.why)
}

func (e errNoFacts) Unwrap() error { return e.why }

// ownFacts are the families of host.facts that references read.
func ownFacts(refs []eval.Reference) factSet {
	var set factSet
	for _, r := range refs {
		if r.Root == "host" {
			set |= factsAt(r.Path, 0)
		}
	}
	return set
}

// othersFacts are the families of hosts["NAME"].facts that references read, by NAME; under eval.AnyKey where only evaluation tells which host.
func othersFacts(refs []eval.Reference) map[string]factSet {
	var sets map[string]factSet
	for _, r := range refs {
		if set := factsAt(r.Path, 1); r.Root == "hosts" && set != 0 {
			if sets == nil {
				sets = map[string]factSet{}
			}
			sets[r.Path[0]] |= set
		}
	}
	return sets
}

// factsAt are the families that a path reads which has "facts" at the place given.
func factsAt(path []string, at int) factSet {
	if len(path) <= at || path[at] != "facts" {
		return 0
	}
	if len(path) == at+1 || path[at+1] == eval.AnyKey {
		return allFacts
	}
	for i, f := range families {
		if f.Name == path[at+1] {
			return 1 << i
		}
	}
	return 0
}

// stale are those of a set that have to be asked: never asked, or something was done on the host since.
func (n *node) stale(set factSet) factSet {
	var out factSet
	for i := range set.each {
		if known, ok := n.facts[i]; !ok || known.epoch != n.age() {
			out |= 1 << i
		}
	}
	return out
}

// learn takes a family's answer. What a broken connection left open is not known.
func (n *node) learn(family string, a Answer, epoch int) {
	if a.State == Lost || a.State == NotStarted {
		return
	}
	if n.facts == nil {
		n.facts = map[int]knownFact{}
	}
	i := slices.Index(familyNames(), family)
	v, err := families[i].value(a)
	n.facts[i] = knownFact{value: v, err: err, epoch: epoch}
}

// factsValue is host.facts with those of a set that are known.
func (n *node) factsValue(set factSet) cty.Value {
	attrs := map[string]cty.Value{}
	for i, f := range set.each {
		if known, ok := n.facts[i]; ok && known.err == nil {
			attrs[f.Name] = known.value
		}
	}
	return objectOrEmpty(attrs)
}

// factInquiries are the questions for a set of families. They are asked on the host itself, as the account that logs in.
func factInquiries(set factSet) (keys []instanceKey, inquiries []inquiry) {
	for _, f := range set.each {
		keys, inquiries = append(keys, instanceKey{key: f.Name}), append(inquiries, inquiry{questions: []Question{f.ask}})
	}
	return keys, inquiries
}

// upcoming are the families that this step and those ahead of it read.
func (m *member) upcoming() factSet {
	var set factSet
	for _, s := range m.play.plan.Steps {
		if s.facts != 0 && m.goes(s) && m.records[s.Name] == nil && (!s.leftOut || s.wanted) && (!s.runOnce || m.play.isFirst(m, s)) {
			set |= s.facts
		}
	}
	return set
}

// know gathers what references read of host.facts, where it is not known since the last change, in one round trip with what the steps ahead read.
// waits: the step has not begun yet, and does not where the play is stopped meanwhile. Families that the host could not tell are an
// error, but inside of try.
func (m *member) know(refs []eval.Reference, waits bool) error {
	want := ownFacts(refs)
	if want == 0 {
		return nil
	}
	if m.origin != nil {
		return m.origin.know(refs, waits)
	}
	if m.node.stale(want) != 0 {
		answers := m.play.gather(m, m.node.stale(want|m.upcoming()), waits)
		if left := m.node.stale(want); left != 0 {
			for i := range left.each {
				return errUnasked{answers[i]}
			}
		}
	}
	for _, r := range refs {
		if r.Root != "host" || r.InTry {
			continue
		}
		for i, f := range factsAt(r.Path, 0).each {
			if err := m.node.facts[i].err; err != nil {
				return errNoFacts{"host.facts." + f.Name, err}
			}
		}
	}
	return nil
}

// gather asks a host for facts, in one round trip, and gives the answers by family.
func (p *playRun) gather(m *member, set factSet, waits bool) map[int]Answer {
	keys, inquiries := factInquiries(set)
	if waits {
		m.node.hold = p.halted
		if s := m.node.at; s != nil {
			m.node.hold = func(ctx context.Context) string { return p.haltedAt(ctx, s) }
		}
		defer func() { m.node.hold = nil }()
	}
	epoch, out := m.node.age(), map[int]Answer{}
	back := p.trip(m.node, keys, nil)
	answers := p.exchange(p.ctx, m.node, inquiries)
	back()
	k := 0
	for i := range set.each {
		m.hear(keys[k], inquiries[k], answers[k], epoch)
		out[i] = answers[k][0]
		k++
	}
	return out
}

// gatherAll gathers what a step's for_each reads of each host, on all of them at once: they are gone through one after the other.
func (p *playRun) gatherAll(s *Step) {
	want := ownFacts(s.forEach.refs)
	var wg sync.WaitGroup
	for _, m := range p.members {
		if m.goes(s) && m.node.stale(want) != 0 {
			wg.Go(func() { p.gather(m, m.node.stale(want|m.upcoming()), true) })
		}
	}
	wg.Wait()
}

// A factOf names one family of one host.
type factOf struct {
	host   string
	family int
}

// surveyFacts gathers what a stage's expressions read of other hosts' facts, on all of these at once. A host that is not among the play's, or
// has left it, tells none.
func (p *playRun) surveyFacts(sets map[string]factSet) {
	p.others, p.noFacts = nil, nil
	if len(sets) == 0 {
		return
	}
	p.others, p.noFacts = map[string]cty.Value{}, map[factOf]error{}
	wanted := func(name string) factSet { return sets[eval.AnyKey] | sets[name] }
	var wg sync.WaitGroup
	unasked := make([]map[int]Answer, len(p.stillIn))
	for i, m := range p.stillIn {
		if stale := m.node.stale(wanted(m.node.host.Name)); stale != 0 {
			wg.Go(func() { unasked[i] = p.gather(m, stale, true) })
		}
	}
	wg.Wait()
	for _, h := range p.run.inv.Hosts {
		for i := range wanted(h.Name).each {
			p.noFacts[factOf{h.Name, i}] = fmt.Errorf("%s is not among the hosts that play %q has, and only these are asked", h.Name, p.plan.Name)
		}
	}
	for i, m := range p.stillIn {
		p.tellFacts(m, wanted(m.node.host.Name), unasked[i])
	}
}

// tellFacts notes what a host told for others to read.
func (p *playRun) tellFacts(m *member, set factSet, answers map[int]Answer) {
	name := m.node.host.Name
	for i := range set.each {
		switch known, ok := m.node.facts[i]; {
		case !ok || known.epoch != m.node.age():
			p.noFacts[factOf{name, i}] = errors.New(answers[i].Why)
			set &^= 1 << i
		case known.err != nil:
			p.noFacts[factOf{name, i}] = known.err
		default:
			delete(p.noFacts, factOf{name, i})
		}
	}
	p.others[name] = m.node.factsValue(set)
}

// readyFacts finds facts of other hosts that are named and not there.
func (p *playRun) readyFacts(refs []eval.Reference) error {
	for _, r := range refs {
		if r.Root != "hosts" || r.InTry || len(r.Path) == 0 {
			continue
		}
		for i, f := range factsAt(r.Path, 1).each {
			if err := p.noFacts[factOf{r.Path[0], i}]; err != nil {
				return errNoFacts{fmt.Sprintf("hosts[%q].facts.%s", r.Path[0], f.Name), err}
			}
		}
	}
	return nil
}

// lackingFacts adds to the error of an expression that may read any host's facts which hosts told none: the expression's own error knows only
// that an attribute is missing.
func (p *playRun) lackingFacts(refs []eval.Reference, err error) error {
	set := othersFacts(refs)[eval.AnyKey]
	var failed diagError
	if set == 0 || !errors.As(err, &failed) || failed.diags[0].Summary != "Unsupported attribute" {
		return err
	}
	var why, outside []string
	for of, cause := range p.noFacts {
		if set&(1<<of.family) == 0 {
			continue
		}
		words := fmt.Sprintf("%s of %s: %s", families[of.family].Name, of.host, cause)
		if _, asked := p.others[of.host]; asked {
			why = append(why, words)
		} else {
			outside = append(outside, words)
		}
	}
	if why == nil { // then it may be one that is never asked
		why = outside
	}
	if why == nil {
		return err
	}
	sort.Strings(why)
	const most = 3
	if more := len(why) - most; more > 0 {
		why = append(why[:most], fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("%w Facts that cannot be had: %s", err, strings.Join(why, "; "))
}
