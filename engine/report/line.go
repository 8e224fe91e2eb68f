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
	rest  string // may hold anything
	all   bool   // however long it is
}

// stepLine prints l. Words for which there is no room go on below.
func (t *transcript) stepLine(l line) {
	head := pad(l.word, statusWidth+gap)
	name := pad(truncate(l.label, maxLabel+keyRoom(l.label)), t.labelWidth+gap)
	indent := ansi.StringWidth(head)
	room := t.width - indent - ansi.StringWidth(name)
	var rest []string
	for _, text := range safeLines(l.rest) {
		rest = append(rest, text)
		if !l.all {
			break
		}
	}
	hosts := wrap(l.hosts, max(room, t.width-indent-4)) // what is longer than a line goes on below
	if ansi.StringWidth(l.hosts) > room {
		t.print(l.style.Render(head) + name)
		for _, text := range hosts {
			t.print(strings.Repeat(" ", indent+2) + text)
		}
		t.below(rest, indent, l.all)
		return
	}
	text := l.style.Render(head) + name + pad(l.hosts, t.hostsWidth)
	used := indent + ansi.StringWidth(name) + max(t.hostsWidth, ansi.StringWidth(l.hosts)) + gap
	if len(rest) > 0 && ansi.StringWidth(rest[0]) <= t.width-used {
		text += strings.Repeat(" ", gap) + t.quieter(l, rest[0])
		rest = rest[1:]
	}
	t.print(text)
	t.below(rest, indent, l.all)
}

// quieter keeps the eye on what failed: the words of all else are faint.
func (t *transcript) quieter(l line, text string) string {
	if l.style.GetBold() || text == "" {
		return text
	}
	return t.styles.faint.Render(text)
}

// below prints the words of a line under it.
func (t *transcript) below(rest []string, indent int, all bool) {
	margin := strings.Repeat(" ", indent)
	for _, text := range rest {
		parts := wrap(text, t.width-indent)
		if !all && len(parts) > maxRest {
			parts = parts[:maxRest]
			parts[maxRest-1] = truncate(parts[maxRest-1]+" …", t.width-indent)
		}
		for _, part := range parts {
			t.print(margin + part)
		}
	}
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
