package report

import (
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"cvsplay/engine/event"
	"cvsplay/engine/nodeset"
)

const (
	maxGroups = 3 // lines of a step and a state; more are told in one, unless everything is asked for
	maxNow    = 6 // hosts of one step whose failure is told alone, when it happens
)

// A stepFold gathers how one step ended on the hosts, until it is over and can be told in few lines.
type stepFold struct {
	play, step, module string
	groups             []*group
	index              map[string]*group
	told               int // failures told when they happened
	warnings           warnings
	trips              trips
}

// A group is the hosts on which a step ended in the same way.
type group struct {
	status  event.Status
	ignored bool
	keys    []string // of for_each
	reason  string
	changes []event.Change
	hosts   []string
	ended   int // how often: once for every host and instance
	told    int // of ended, those that were told when it happened
}

func newStepFold(e event.Event) *stepFold {
	return &stepFold{play: e.Play, step: e.Step, module: e.Module, index: map[string]*group{}}
}

// hosts is on how many hosts the step ended.
func (f *stepFold) hosts() int {
	names := map[string]bool{}
	for _, g := range f.groups {
		for _, host := range g.hosts {
			names[host] = true
		}
	}
	return len(names)
}

// add takes a step_done and gives the group it belongs to.
func (f *stepFold) add(e event.Event) *group {
	if f.module == "" {
		f.module = e.Module
	}
	e.Reason = withoutHost(e.Reason, e.Host)
	var id strings.Builder
	id.WriteString(string(e.Status) + "\x00" + e.Key + "\x00" + alike(e.Reason, e.Host))
	if e.Ignored {
		id.WriteString("\x00ignored")
	}
	for _, c := range e.Changes {
		id.WriteString("\x00" + c.What + "\x01" + c.Have + "\x01" + c.Want + "\x01" + c.Diff)
	}
	g := f.index[id.String()]
	if g == nil {
		g = &group{status: e.Status, ignored: e.Ignored, reason: e.Reason, changes: e.Changes}
		if e.Key != "" {
			g.keys = []string{e.Key}
		}
		f.index[id.String()] = g
		f.groups = append(f.groups, g)
	} else if g.reason != e.Reason {
		g.reason = alike(e.Reason, e.Host)
	}
	g.hosts = append(g.hosts, e.Host)
	g.ended++
	return g
}

// lines are the groups as they are told: in the order of the states, instances that ended alike on the same hosts together, and if all
// is false not more than maxGroups of a state.
func (f *stepFold) lines(all bool) []*group {
	merged := f.mergeKeys()
	var out []*group
	for _, status := range event.Statuses() {
		same := slices.DeleteFunc(slices.Clone(merged), func(g *group) bool { return g.status != status })
		if !all && len(same) > maxGroups {
			same = []*group{mergeAll(same)}
		}
		out = append(out, same...)
	}
	return out
}

// mergeKeys joins groups that differ in their instance alone.
func (f *stepFold) mergeKeys() []*group {
	var out []*group
	index := map[string]*group{}
	for _, g := range f.groups {
		if len(g.keys) == 0 {
			out = append(out, g)
			continue
		}
		id := strings.Join([]string{string(g.status), g.summary(), nodeset.Fold(g.hosts)}, "\x00")
		if first := index[id]; first != nil {
			first.keys = append(first.keys, g.keys...)
			first.ended += g.ended
			first.told += g.told
			continue
		}
		c := *g
		index[id] = &c
		out = append(out, &c)
	}
	return out
}

// mergeAll is one group for many of the same state.
func mergeAll(groups []*group) *group {
	all := &group{status: groups[0].status, ignored: true}
	for _, g := range groups {
		all.hosts = append(all.hosts, g.hosts...)
		all.keys = append(all.keys, g.keys...)
		all.ended += g.ended
		all.told += g.told
		all.ignored = all.ignored && g.ignored
	}
	slices.Sort(all.keys)
	all.keys = slices.Compact(all.keys)
	all.reason = "for " + count(len(groups), "different reason") + ", such as: " + groups[0].summary()
	if len(groups[0].changes) > 0 && groups[0].reason == "" {
		all.reason = count(len(groups), "different change") + ", such as: " + groups[0].summary()
	}
	return all
}

// untold tells whether the group has hosts whose failure was not told when it happened.
func (g *group) untold() bool { return g.told < g.ended }

// summary is why, or what changed, in one line.
func (g *group) summary() string { return strings.Join(g.words(describe), ", ") }

// words are why, or else every change.
func (g *group) words(describe func(event.Change) string) []string {
	reason, _, _ := strings.Cut(g.reason, "\n")
	switch {
	case g.ignored && reason != "":
		return []string{"ignored: " + reason}
	case g.ignored:
		return []string{"ignored"}
	case reason != "":
		return []string{reason}
	}
	var words []string
	for _, c := range g.changes {
		words = append(words, describe(c))
	}
	return words
}

// describeIn is describe in so many columns: what is changed is shortened before what it is changed to.
func describeIn(c event.Change, width int) string {
	const least = 24
	if over := ansi.StringWidth(describe(c)) - width; over > 0 {
		c.What = truncate(c.What, max(least, ansi.StringWidth(c.What)-over))
	}
	return describe(c)
}

// describe writes a change: what, and from what to what.
func describe(c event.Change) string {
	switch {
	case c.Have != "" && c.Want != "":
		return c.What + ": " + c.Have + " → " + c.Want
	case c.Want != "":
		return c.What + " → " + c.Want
	case c.Have != "":
		return c.What + " (was " + c.Have + ")"
	}
	return c.What
}
