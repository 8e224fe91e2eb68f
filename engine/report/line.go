package report

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"cvsplay/engine/event"
)

// A line is one line of a transcript: a state, a step, hosts and a few words, in columns.
type line struct {
	word  string
	style lipgloss.Style
	label string
	hosts []string
	rest  []string // why or what; may hold anything
	all   bool     // however long it is
}

// loud tells whether l is about a failure, which is told in full.
func (l line) loud() bool { return l.style.GetBold() }

// stepLine prints l. Words for which there is no room go on below.
func (t *transcript) stepLine(l line) {
	head := pad(l.word, statusWidth+gap)
	name := pad(truncate(l.label, maxLabel+keyRoom(l.label)), t.labelWidth) + strings.Repeat(" ", gap)
	indent := ansi.StringWidth(head)
	room := t.width - indent - ansi.StringWidth(name)
	rest := t.rest(l, t.width-indent)
	if hosts := t.foldHosts(l, room); ansi.StringWidth(hosts) > room { // names that are longer than a line go on below
		t.print(l.style.Render(head) + name)
		most := maxRest
		if t.verbose > 0 {
			most = len(l.hosts)
		}
		for _, text := range foldLines(l.hosts, t.width-indent-2, most) {
			t.print(strings.Repeat(" ", indent+2) + text)
		}
	} else {
		text := l.style.Render(head) + name + pad(hosts, t.hostsWidth)
		room -= max(t.hostsWidth, ansi.StringWidth(hosts)) + gap
		if one := strings.Join(l.rest, ", "); clean(one) && ansi.StringWidth(one) <= room {
			text += strings.Repeat(" ", gap) + t.quieter(l, one)
			rest = nil
		}
		t.print(text)
	}
	for _, text := range rest {
		t.print(strings.Repeat(" ", indent) + t.quieter(l, text))
	}
}

// foldHosts folds the hosts of a line. Names too long to line up are counted, unless they are needed: of hosts that failed, and with -v.
func (t *transcript) foldHosts(l line, room int) string {
	fold := Safe(t.memo.Fold(l.hosts))
	if t.verbose > 0 || l.loud() || len(l.hosts) == 1 || ansi.StringWidth(fold) <= min(room, max(maxHosts, t.hostsWidth)) {
		return fold
	}
	return count(len(l.hosts), "host")
}

// rest are the words of l as lines of so many columns.
func (t *transcript) rest(l line, width int) []string {
	var out []string
	for i, words := range l.rest {
		if i == maxRest && !l.all {
			return append(out, "… and "+thousands(len(l.rest)-i)+" more")
		}
		for _, text := range safeLines(words) {
			parts := wrap(text, width)
			if !l.all && len(parts) > maxRest {
				parts = append(parts[:maxRest-1], truncate(strings.Join(parts[maxRest-1:], " "), width))
			}
			out = append(out, parts...)
		}
	}
	return out
}

// quieter keeps the eye on what failed: the words of all else are faint.
func (t *transcript) quieter(l line, text string) string {
	if l.loud() || text == "" {
		return text
	}
	return t.styles.faint.Render(text)
}

// keyRoom is how much wider than others a label of instances may be.
func keyRoom(label string) int {
	if strings.HasSuffix(label, "]") {
		return maxHosts / 2
	}
	return 0
}

// keys writes which instances of a step are meant.
func keys(names []string) string {
	const shown = 3
	var quoted []string
	for i, name := range names {
		if name == "" {
			continue
		}
		if i == shown {
			quoted = append(quoted, "…")
			break
		}
		quoted = append(quoted, `"`+Safe(name)+`"`)
	}
	if len(quoted) == 0 {
		return ""
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// word is a state as a person reads it.
func word(s event.Status) string {
	return Safe(strings.ReplaceAll(string(s), "_", " "))
}
