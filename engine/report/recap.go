package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"cvsplay/engine/event"
	"cvsplay/engine/nodeset"
)

const (
	maxRows   = 16 // of the recap; hosts that differ beyond that share rows with ranges
	maxCauses = 20
)

// recap prints what is known at the end: the counts of every host, what failed, outputs, and totals.
func (t *transcript) recap() {
	if t.answers != nil {
		t.answered()
		t.totals()
		return
	}
	t.print("")
	t.counts()
	t.failures()
	t.values()
	t.totals()
}

// A row is hosts with equal counts; low and high differ only where hosts had to share a row.
type row struct {
	hosts     []string
	low, high event.Counts
	ignored   int
	rescued   int
	bad       bool
	first     int // place in the inventory
}

func (t *transcript) counts() {
	rows := t.rows()
	if len(rows) == 0 {
		return
	}
	states := t.states(rows)
	head := []cell{{text: "host", style: t.styles.faint}}
	for _, s := range states {
		head = append(head, cell{text: word(s), style: t.styles.faint, right: true})
	}
	g := grid{rows: [][]cell{head}, gap: gap}
	if t.width-g.width() < 16 {
		g.gap = 1
	}
	room := max(12, t.width-g.width()+len(head[0].text))
	for _, r := range rows {
		style := t.styles.plain
		if r.bad {
			style = t.styles.badBold
		}
		cells := []cell{{text: folded(r.hosts, room), style: style}}
		if len(r.hosts) > 40 && strings.Contains(cells[0].text, "\n") {
			cells[0].text = count(len(r.hosts), "host")
		}
		for _, s := range states {
			cells = append(cells, t.number(r, s))
		}
		g.rows = append(g.rows, cells)
	}
	for _, line := range g.lines() {
		t.print(line)
	}
	if slices.ContainsFunc(rows, func(r row) bool { return r.ignored > 0 }) {
		t.print(t.styles.faint.Render("* failures that the playbook ignores are among them"))
	}
	if slices.ContainsFunc(rows, func(r row) bool { return r.rescued > 0 }) {
		t.print(t.styles.faint.Render("† failures that a block rescued are among them"))
	}
}

// number is the count of one state in a row.
func (t *transcript) number(r row, s event.Status) cell {
	low, high := r.low[s], r.high[s]
	text := thousands(low)
	if high > low {
		text += "–" + thousands(high)
	}
	style := t.styles.faint
	if high > 0 {
		style = t.styles.status(s, !r.bad)
		if s == event.OK {
			style = t.styles.plain
		}
	}
	if s == event.Failed && r.ignored > 0 {
		text += "*"
	}
	if (s == event.Failed || s == event.Refused) && r.rescued > 0 && high > 0 {
		text += "†"
	}
	return cell{text: text, style: style, right: true}
}

// states are the columns: the common ones, and every other that occurs.
func (t *transcript) states(rows []row) []event.Status {
	return slices.DeleteFunc(event.Statuses(), func(s event.Status) bool {
		switch s {
		case event.OK, event.Failed:
			return false
		case event.Changed:
			return t.started.Check
		case event.WouldChange:
			return !t.started.Check
		}
		return !slices.ContainsFunc(rows, func(r row) bool { return r.high[s] > 0 })
	})
}

// rows folds hosts with equal counts, in the order of the inventory.
func (t *transcript) rows() []row {
	recap := t.done.Recap
	if recap == nil {
		recap = t.tally.Recap()
	}
	index := map[string]*row{}
	for host, counts := range recap {
		ignored, rescued, bad := t.tally.Ignored(host), t.tally.Rescued(host), t.tally.Bad(host)
		id := fmt.Sprint(bad, ignored, rescued)
		for _, s := range event.Statuses() {
			id += fmt.Sprintf(" %d", counts[s])
		}
		r := index[id]
		if r == nil {
			r = &row{low: counts, high: counts, ignored: ignored, rescued: rescued, bad: bad, first: len(t.order)}
			index[id] = r
		}
		r.hosts = append(r.hosts, host)
		if at, ok := t.order[host]; ok {
			r.first = min(r.first, at)
		}
	}
	rows := make([]row, 0, len(index))
	for _, r := range index {
		slices.SortFunc(r.hosts, nodeset.Compare)
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.first, b.first), nodeset.Compare(a.hosts[0], b.hosts[0]))
	})
	return share(share(rows, well), failed)
}

func well(r row) bool   { return !r.bad }
func failed(r row) bool { return r.bad }

// share puts the hosts of the rows chosen into one row with ranges, if there are too many rows.
func share(rows []row, chosen func(row) bool) []row {
	if len(rows) <= maxRows {
		return rows
	}
	var out []row
	at := -1
	for _, r := range rows {
		switch {
		case !chosen(r):
			out = append(out, r)
		case at < 0:
			at = len(out)
			out = append(out, row{hosts: slices.Clone(r.hosts), low: r.low, high: r.high, ignored: r.ignored, rescued: r.rescued, bad: r.bad})
		default:
			all := &out[at]
			all.hosts = append(all.hosts, r.hosts...)
			all.ignored, all.rescued = max(all.ignored, r.ignored), max(all.rescued, r.rescued)
			low, high := event.Counts{}, event.Counts{}
			for _, s := range event.Statuses() {
				low[s] = min(all.low[s], r.low[s])
				high[s] = max(all.high[s], r.high[s])
			}
			all.low, all.high = low, high
		}
	}
	return out
}

// failures prints what failed, folded by equal cause.
func (t *transcript) failures() {
	if len(t.causes.list) == 0 {
		return
	}
	t.print("")
	t.print(t.styles.badBold.Render("what failed"))
	for i, c := range t.causes.list {
		if i == maxCauses {
			hosts := map[string]bool{}
			for _, rest := range t.causes.list[i:] {
				for _, host := range rest.hosts {
					hosts[host] = true
				}
			}
			t.print(fmt.Sprintf("… and %s on %s", count(len(t.causes.list)-i, "other cause"), count(len(hosts), "host")))
			return
		}
		t.cause(c)
	}
}

func (t *transcript) cause(c *cause) {
	const most = 6 // lines of names
	hosts := strings.Join(foldLines(c.hosts, t.width-2, most), " ")
	if t.verbose > 0 {
		hosts = Safe(nodeset.Fold(c.hosts))
	}
	what := word(c.status)
	if c.step != "" {
		name := c.step
		if t.plays > 1 {
			name = c.play + "." + name
		}
		what = "step " + Safe(name) + keys([]string{c.key}) + " (" + Safe(c.module) + ")"
		if c.status != event.Failed {
			what += " " + word(c.status)
		}
	}
	reasons := safeLines(c.reason)
	if len(reasons) > 0 {
		what += ": " + reasons[0]
		reasons = reasons[1:]
	}
	if note := unreached(c.notReached); len(reasons) > 0 && note != "" {
		reasons = append(reasons, note)
	} else if note != "" {
		what += " " + note
	}
	t.headline(hosts, what, t.styles.badBold)
	for _, text := range reasons {
		for _, part := range wrap(text, t.width-2) {
			t.print("  " + part)
		}
	}
	for _, v := range c.variants {
		if len(c.variants) > 1 {
			t.print("  " + t.styles.faint.Render("output of "+Safe(v.host)+" and "+count(v.hosts-1, "host")+" alike:"))
		} else if len(c.hosts) > 1 {
			t.print("  " + t.styles.faint.Render("output of "+Safe(v.host)+":"))
		}
		t.tail(v.tail, recapTail, 2)
	}
	if c.others > 0 {
		t.print("  " + t.styles.faint.Render("and other output of "+count(c.others, "host")))
	}
}

// headline prints hosts and what happened on them, the hosts standing out.
func (t *transcript) headline(hosts, what string, style lipgloss.Style) {
	for i, part := range wrap(hosts+": "+what, t.width-2) {
		indent, loud := "", ""
		if i > 0 {
			indent = "  "
		}
		switch {
		case hosts == "":
		case strings.HasPrefix(hosts, part): // they go on in the next line
			loud, part = part, ""
			hosts = strings.TrimLeft(hosts[len(loud):], " ")
		case strings.HasPrefix(part, hosts+":"):
			loud, part = hosts, part[len(hosts):]
			hosts = ""
		}
		if loud != "" {
			loud = style.Render(loud)
		}
		t.print(indent + loud + part)
	}
}

func unreached(n [2]int) string {
	switch {
	case n[1] == 0:
		return ""
	case n[0] == n[1]:
		return "(" + count(n[0], "step") + " not reached)"
	}
	return fmt.Sprintf("(%d–%d steps not reached)", n[0], n[1])
}

// totals prints the last lines: how the run went as a whole, and the time it took.
func (t *transcript) totals() {
	sum := event.Counts{}
	bad, changed := 0, 0
	recap := t.done.Recap
	if recap == nil {
		recap = t.tally.Recap()
	}
	for host, counts := range recap {
		for s, n := range counts {
			sum[s] += n
		}
		if t.tally.Bad(host) {
			bad++
		}
		if counts[event.WouldChange]+counts[event.Changed] > 0 {
			changed++
		}
	}
	t.print("")
	if t.quiet { // where no other warning was told
		for _, e := range t.valueless {
			t.told("warning", t.styles.warn.Render, e.Message)
		}
	}
	verdict, style := t.verdict(len(recap), bad)
	tail := ""
	switch n := sum[event.Changed]; {
	case t.answers != nil: // nobody can tell what a command changed
	case n > 0:
		tail += ", " + count(n, "change") + " on " + count(changed, "host")
	case !t.started.Check && bad == 0:
		tail += ", nothing changed"
	}
	tail += ", in " + elapsed(seconds(t.done.Seconds))
	if t.quiet && t.started.Simulated {
		tail += ", on simulated hosts"
	}
	if lines := wrap(verdict+tail, t.width); len(lines) == 1 {
		t.print(style.Render(verdict) + tail)
	} else {
		t.printLines(lines, style)
	}
	if t.started.Check {
		text := "check mode: nothing was changed; "
		if n := sum[event.WouldChange]; n > 0 {
			text += count(n, "step") + " would change on " + count(changed, "host")
		} else {
			text += "nothing would change"
		}
		t.printLines(wrap(text, t.width), t.styles.changed)
	}
}

func (t *transcript) printLines(lines []string, style lipgloss.Style) {
	for _, line := range lines {
		t.print(style.Render(line))
	}
}

func (t *transcript) verdict(hosts, bad int) (string, lipgloss.Style) {
	code := -1
	if t.done.ExitCode != nil {
		code = *t.done.ExitCode
	}
	switch {
	case code == 130:
		text := "interrupted"
		if bad > 0 {
			text += fmt.Sprintf(", %s of %s failed", thousands(bad), count(hosts, "host"))
		}
		return text, t.styles.badBold
	case bad > 0:
		return fmt.Sprintf("%s of %s failed", thousands(bad), count(hosts, "host")), t.styles.badBold
	case len(t.stopping) > 0:
		return "stopped early: " + Safe(strings.Join(t.stopping, "; ")), t.styles.badBold
	case code > 0 && code != 3 && len(t.valueless) > 0:
		var names []string
		for _, e := range t.valueless {
			names = append(names, Safe(e.Name))
		}
		return fmt.Sprintf("%s, all well, but no value for the output %s", count(hosts, "host"), strings.Join(names, ", ")), t.styles.badBold
	case code > 0 && code != 3:
		return fmt.Sprintf("exit code %d, %s", code, count(hosts, "host")), t.styles.badBold
	}
	return count(hosts, "host") + ", all well", t.styles.good.Bold(true)
}
