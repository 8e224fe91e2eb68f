package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"cvsplay/engine/event"
	"cvsplay/engine/nodeset"
)

const (
	maxTimed  = 16   // rows of a play
	leastPart = 0.01 // of a play's time, below which nothing has a row of its own
	maxRiders = 2    // lines on steps that were asked with others
	wholeHost = "all"
)

// A playTimes is the timings of one play.
type playTimes struct {
	event.Event
	play *play
}

// timings tells where the time went: for each play a table of what took part of it, and of who was slow.
func (t *transcript) timings() {
	for _, e := range t.times {
		if e.Play == "" {
			t.endings(e.Event)
			continue
		}
		t.print("")
		title := "where the time went"
		if t.plays > 1 {
			title += " in play " + Safe(e.Play)
		}
		t.print(t.styles.bold.Render(title) + t.styles.faint.Render(": "+fine(e.Seconds)))
		t.timed(e.Event)
		t.riders(e)
	}
	if len(t.times) > 0 {
		t.print(t.styles.faint.Render("run: of the hosts that came last at each barrier; the others waited for them"))
	}
}

// timed prints the table of one play.
func (t *transcript) timed(e event.Event) {
	shown, rest := chooseTimed(joinDecisions(e), e.Seconds)
	faint := t.styles.faint
	g := grid{gap: gap, rows: [][]cell{{
		{text: "step", style: faint}, {text: "phase", style: faint}, {text: "run", style: faint, right: true},
		{text: "median", style: faint, right: true}, {text: "max", style: faint, right: true}, {text: "slowest", style: faint},
	}}}
	before := ""
	for _, p := range shown {
		name, phase := t.timedLabel(p), p.Name
		if phase == wholeHost {
			phase = ""
		}
		row := []cell{{text: name, style: t.styles.plain}, {text: phase, style: t.styles.plain}, t.timedCell(p.Path, e.Seconds), t.timedCell(p.Median, 0), t.timedCell(p.Max, 0), {}}
		if name == before {
			row[0].text = ""
		}
		before = name
		g.rows = append(g.rows, row)
	}
	room := t.width - g.width()
	for i, p := range shown {
		g.rows[i+1][5] = cell{text: slowest(p, room), style: t.styles.plain}
	}
	for _, line := range g.lines() {
		t.print(line)
	}
	var sum float64
	for _, p := range rest {
		sum += p.Path
	}
	if len(rest) > 0 && max(sum, weigh(rest[0])) >= leastPart*e.Seconds {
		t.print(faint.Render("and " + count(len(rest), "other phase") + ", " + fine(sum) + " of the run"))
	}
}

// joinDecisions puts what decisions took into one phase, unless one of them took long: each takes a little, and there is one for each step.
func joinDecisions(e event.Event) []event.Phase {
	out := []event.Phase{{Name: "decide"}}
	for _, p := range e.Phases {
		switch {
		case p.With != "", p.Name == wholeHost && p.Hosts < 2:
		case p.Name == "decide" && weigh(p) < 5*leastPart*e.Seconds:
			out[0].Path += p.Path
		default:
			out = append(out, p)
		}
	}
	return out
}

// weigh is how much a phase matters: by what it took of the run, and less by what it took of a host that nobody waited for.
func weigh(p event.Phase) float64 { return max(p.Path, p.Max/4) }

// chooseTimed gives the phases that have a row, in the order of the play, and all others, the longest first.
func chooseTimed(phases []event.Phase, total float64) (shown, rest []event.Phase) {
	byWeight := slices.Clone(phases)
	slices.SortStableFunc(byWeight, func(a, b event.Phase) int { return cmp.Compare(weigh(b), weigh(a)) })
	least := leastPart * total
	if len(byWeight) > maxTimed {
		least = max(least, weigh(byWeight[maxTimed-1]))
	}
	for _, p := range phases {
		if p.Name == wholeHost || weigh(p) >= least && len(shown) < maxTimed {
			shown = append(shown, p)
		}
	}
	for _, p := range byWeight {
		if !slices.ContainsFunc(shown, func(s event.Phase) bool { return s.Step == p.Step && s.Name == p.Name }) {
			rest = append(rest, p)
		}
	}
	return shown, rest
}

// timedLabel names what a phase is of.
func (t *transcript) timedLabel(p event.Phase) string {
	switch {
	case p.Step != "":
		const most = 24
		return truncate(Safe(p.Step), most)
	case p.Name == "decide":
		return "(this machine)"
	case p.Name == wholeHost:
		return "(each host alone)"
	}
	return "(connection)"
}

// timedCell writes a time; of nothing nothing. What is a large part of the whole stands out.
func (t *transcript) timedCell(s, whole float64) cell {
	style := t.styles.plain
	if whole > 0 && s > whole/4 {
		style = t.styles.bold
	}
	if s == 0 {
		return cell{text: "", style: style, right: true}
	}
	return cell{text: fine(s), style: style, right: true}
}

// slowest names the hosts that stand out, with their times, in so many columns; those with equal times together.
func slowest(p event.Phase, room int) string {
	const (
		apart  = 1.25 // times the median, from where a host stands out
		notice = 0.01 // seconds, below which no difference matters
	)
	if p.Name == "wait" {
		return waitedFor(p.Slowest)
	}
	out := ""
	for i := 0; i < len(p.Slowest); {
		first := p.Slowest[i]
		if first.Seconds < max(apart*p.Median, p.Median+notice) {
			break
		}
		var names []string
		for ; i < len(p.Slowest) && fine(p.Slowest[i].Seconds) == fine(first.Seconds); i++ {
			names = append(names, p.Slowest[i].Host)
		}
		text := Safe(nodeset.Fold(names)) + " " + fine(first.Seconds)
		if out != "" {
			text = ", " + text
		}
		if out != "" && len(out)+len(text) > room {
			break
		}
		out += text
	}
	return out
}

// waitedFor names the hosts that came about as late as the last.
func waitedFor(late []event.HostSeconds) string {
	var names []string
	for _, h := range late {
		if h.Seconds >= late[0].Seconds/2 {
			names = append(names, h.Host)
		}
	}
	if names == nil {
		return ""
	}
	return "for " + Safe(nodeset.Fold(names))
}

// riders tells of steps that nobody waited for: what they ask travelled with other steps' questions.
func (t *transcript) riders(e playTimes) {
	var order []string
	with := map[string][]string{}
	for _, p := range e.Phases {
		if p.With == "" {
			continue
		}
		if with[p.With] == nil {
			order = append(order, p.With)
		}
		with[p.With] = append(with[p.With], p.Step)
	}
	for i, name := range order {
		if i == maxRiders {
			t.print(t.styles.faint.Render(fmt.Sprintf("… and others with %s", count(len(order)-i, "other step"))))
			return
		}
		text := "asked with " + name + ": " + spans(with[name], e.play)
		t.print(t.styles.faint.Render(truncate(Safe(text), t.width)))
	}
}

// endings tells what the run did after its plays, where that took long.
func (t *transcript) endings(e event.Event) {
	var parts []string
	for _, p := range e.Phases {
		if p.Path >= leastPart*max(t.done.Seconds, 1) {
			parts = append(parts, p.Name+" "+fine(p.Path))
		}
	}
	if len(parts) > 0 {
		t.print(t.styles.faint.Render("after the plays: " + strings.Join(parts, ", ")))
	}
}

// fine writes a time as a person says it, short ones in milliseconds.
func fine(s float64) string {
	d := seconds(s)
	switch {
	case d < time.Millisecond:
		return "<1ms"
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%dms", d.Milliseconds())
	}
	return elapsed(d)
}
