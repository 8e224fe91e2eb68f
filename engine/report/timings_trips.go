package report

import (
	"cmp"
	"slices"
	"strings"

	"cvsplay/engine/event"
)

// Trips are the round trips that hosts made for a step and that carried other steps too, each combination once.
type trips struct {
	list  []*trip
	index map[string]*trip
}

// A trip is the hosts whose round trip carried the same.
type trip struct {
	asked, acted []string
	hosts        []string
}

func (f *trips) add(e event.Event) {
	if len(union(e.Asked, e.Acted)) < 2 { // it travelled alone
		return
	}
	id := strings.Join(e.Asked, "\x00") + "\x01" + strings.Join(e.Acted, "\x00")
	one := f.index[id]
	if one == nil {
		one = &trip{asked: e.Asked, acted: e.Acted}
		if f.index == nil {
			f.index = map[string]*trip{}
		}
		f.index[id] = one
		f.list = append(f.list, one)
	}
	one.hosts = append(one.hosts, e.Host)
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// trips prints what travelled together. The hosts are those of the step, of which only parts have to be named.
func (t *transcript) trips(f *trips, hosts int) {
	slices.SortStableFunc(f.list, func(a, b *trip) int { return cmp.Compare(len(b.hosts), len(a.hosts)) })
	for i, one := range f.list {
		text := one.words(t.play)
		if i == maxGroups {
			left := map[string]bool{}
			for _, rest := range f.list[i:] {
				for _, host := range rest.hosts {
					left[host] = true
				}
			}
			text = count(len(f.list)-i, "other combination") + " on " + count(len(left), "host")
		} else if len(one.hosts) < hosts {
			text += " on " + t.hosts(one.hosts, t.width-statusWidth-gap)
		}
		indent := strings.Repeat(" ", statusWidth+gap)
		for k, part := range wrap(Safe(text), t.width-len(indent)-2) {
			mark := "  "
			if k == 0 {
				mark = "⇄ "
			}
			t.print(indent + t.styles.faint.Render(mark+part))
		}
		if i == maxGroups {
			break
		}
	}
}

// words say what one round trip carried.
func (one *trip) words(p *play) string {
	var parts []string
	if len(one.acted) > 0 {
		parts = append(parts, "changed "+spans(one.acted, p))
	}
	if len(one.asked) > 0 {
		parts = append(parts, "asked "+spans(one.asked, p))
	}
	return "one round trip " + strings.Join(parts, ", and ")
}

// spans names steps in few words: those that follow each other in the play by the first and the last.
func spans(names []string, p *play) string {
	const most = 4 // names or spans
	at := func(name string) int {
		if p != nil {
			if i, ok := p.index[name]; ok {
				return i
			}
		}
		return -1
	}
	var words []string
	for i := 0; i < len(names); {
		end := i + 1
		for end < len(names) && at(names[i]) >= 0 && at(names[end]) == at(names[i])+end-i {
			end++
		}
		if len(words) == most {
			words = append(words, thousands(len(names)-i)+" more")
			break
		}
		if end-i > 2 {
			words = append(words, names[i]+" … "+names[end-1]+" ("+count(end-i, "step")+")")
		} else {
			words, end = append(words, names[i]), i+1
		}
		i = end
	}
	return strings.Join(words, ", ")
}
