package report

import (
	"cmp"
	"crypto/sha256"
	"hash"
	"io"
	"slices"
	"strings"

	"cvsplay/engine/event"
	"cvsplay/engine/nodeset"
)

// maxAnswer is how much of what one host printed is kept to be shown, in bytes.
const maxAnswer = 1 << 20

// Answers fold what hosts printed by what they printed, and how that ended: the report of a command that is run by itself, without a playbook.
type answers struct {
	open   map[string]*answer // by host: not ended yet
	groups []*answered
	index  map[string]*answered
	ended  map[string]bool
}

// An answer is what one host has printed.
type answer struct {
	lines    []answerLine
	size     int
	left     int       // lines that were too much to keep
	out, err hash.Hash // of all lines
}

// An answerLine is one line, safe to print.
type answerLine struct {
	text   string
	stderr bool
}

// An answered group is the hosts that answered alike.
type answered struct {
	*answer
	hosts  []string
	status event.Status
	reason string
}

func newAnswers() *answers {
	return &answers{open: map[string]*answer{}, index: map[string]*answered{}, ended: map[string]bool{}}
}

func (a *answers) of(host string) *answer {
	one := a.open[host]
	if one == nil {
		one = &answer{out: sha256.New(), err: sha256.New()}
		a.open[host] = one
	}
	return one
}

// add takes one line of output.
func (a *answers) add(e event.Event) {
	one := a.of(e.Host)
	stderr := e.Stream == "stderr"
	sum := one.out
	if stderr {
		sum = one.err
	}
	raw := e.Line
	if e.LineB64 != nil {
		raw = string(e.LineB64)
	}
	_, _ = io.WriteString(sum, raw+"\n") // a hash takes everything
	if one.size += len(raw); one.size > maxAnswer {
		one.left++
		return
	}
	one.lines = append(one.lines, answerLine{text: safeLine(e), stderr: stderr})
}

// byStream gives the lines of standard output, then those of standard error: how they came among each other is chance.
func (a *answer) byStream() []answerLine {
	var out, err []answerLine
	for _, line := range a.lines {
		if line.stderr {
			err = append(err, line)
		} else {
			out = append(out, line)
		}
	}
	return append(out, err...)
}

// again forgets what a host printed: it is asked once more.
func (a *answers) again(host string) { delete(a.open, host) }

// end puts a host with those that answered alike. Only its first end counts: the end of its step, or of the host where it reached none.
func (a *answers) end(host string, status event.Status, reason string) {
	if a.ended[host] {
		return
	}
	a.ended[host] = true
	one := a.of(host)
	delete(a.open, host)
	reason = withoutHost(reason, host)
	id := string(status) + "\x00" + alike(reason, host) + "\x00" + string(one.out.Sum(nil)) + string(one.err.Sum(nil))
	g := a.index[id]
	if g == nil {
		g = &answered{answer: one, status: status, reason: reason}
		a.index[id] = g
		a.groups = append(a.groups, g)
	} else if g.reason != reason {
		g.reason = alike(reason, host)
	}
	g.hosts = append(g.hosts, host)
}

// well tells whether the command ended well on these hosts.
func (g *answered) well() bool { return g.status == event.OK || g.status == event.Changed }

// sorted gives the groups as they are shown: what ended well first, so that the rest stands last, and each in the order of the inventory.
func (a *answers) sorted(order map[string]int) []*answered {
	first := func(g *answered) int {
		at := len(order)
		for _, host := range g.hosts {
			if i, ok := order[host]; ok {
				at = min(at, i)
			}
		}
		return at
	}
	for _, g := range a.groups {
		slices.SortFunc(g.hosts, nodeset.Compare)
	}
	slices.SortStableFunc(a.groups, func(x, y *answered) int {
		if x.well() != y.well() {
			if x.well() {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(first(x), first(y)), nodeset.Compare(x.hosts[0], y.hosts[0]))
	})
	return a.groups
}

// answered prints what hosts printed, folded.
func (t *transcript) answered() {
	for _, g := range t.answers.sorted(t.order) {
		if t.quiet && !g.status.Bad() {
			continue
		}
		t.print("")
		t.answerHead(g)
		for _, line := range g.byStream() {
			bar := "│ "
			if line.stderr {
				bar = "┆ "
			}
			t.print(t.styles.faint.Render(bar) + line.text)
		}
		if g.left > 0 {
			t.print(t.styles.faint.Render("… and " + count(g.left, "more line")))
		}
	}
}

// answerHead prints the hosts, and how the command ended on them where it did not end well.
func (t *transcript) answerHead(g *answered) {
	const most = 6 // lines of names
	names := wrap(Safe(nodeset.Fold(g.hosts)), t.width-2)
	if len(names) > most && t.verbose == 0 {
		names = append(names[:most-1], "…")
	}
	hosts := strings.Join(names, " ")
	if g.well() {
		var words []string
		if len(g.hosts) > 1 {
			words = append(words, count(len(g.hosts), "host"))
		}
		if len(g.lines) == 0 {
			words = append(words, "no output")
		}
		t.headline(hosts, strings.Join(words, ", "), t.styles.bold)
		return
	}
	what := word(g.status)
	if len(g.hosts) > 1 {
		what += " on " + count(len(g.hosts), "host")
	}
	reasons := safeLines(g.reason)
	if len(reasons) > 0 {
		what += ": " + reasons[0]
		reasons = reasons[1:]
	}
	t.headline(hosts, what, t.styles.badBold)
	for _, text := range reasons {
		for _, part := range wrap(text, t.width-2) {
			t.print("  " + part)
		}
	}
}
