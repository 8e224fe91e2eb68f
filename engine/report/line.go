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
	hosts string
	rest  []string // why or what; may hold anything
	all   bool     // however long it is
}

// stepLine prints l. Words for which there is no room go on below.
func (t *transcript) stepLine(l line) {
	head := pad(l.word, statusWidth+gap)
	name := pad(truncate(l.label, maxLabel+keyRoom(l.label)), t.labelWidth) + strings.Repeat(" ", gap)
	indent := ansi.StringWidth(head)
	room := t.width - indent - ansi.StringWidth(name)
	rest := t.rest(l, t.width-indent)
	if ansi.StringWidth(l.hosts) > room { // names that are longer than a line go on below
		t.print(l.style.Render(head) + name)
		for _, text := range wrap(l.hosts, t.width-indent-2) {
			t.print(strings.Repeat(" ", indent+2) + text)
		}
	} else {
		text := l.style.Render(head) + name + pad(l.hosts, t.hostsWidth)
		room -= max(t.hostsWidth, ansi.StringWidth(l.hosts)) + gap
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
	if l.style.GetBold() || text == "" {
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
