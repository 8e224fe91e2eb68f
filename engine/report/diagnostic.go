package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"cvsplay/engine/event"
)

// maxSnippet bounds the source lines shown of one diagnostic.
const maxSnippet = 8

// Diagnostics writes errors and warnings, each with the place in the source that it is about.
func Diagnostics(w io.Writer, list []event.Diagnostic, o Options) error {
	s := newStyles(w, o)
	width, _ := o.size(w)
	var lines []string
	for _, d := range list {
		lines = append(lines, s.diagnostic(d, width)...)
	}
	return writeLines(w, lines, nil)
}

// diagnostic draws d beside a bar.
func (s styles) diagnostic(d event.Diagnostic, width int) []string {
	style, severity := s.badBold, "Error"
	if d.Severity == "warning" {
		style, severity = s.warn, "Warning"
	}
	var lines []string
	add := func(text string) {
		lines = append(lines, strings.TrimRight(style.Render("│")+" "+text, " "))
	}
	lines = append(lines, style.Render("╷"))
	for i, text := range wrap(severity+": "+Safe(d.Summary), width-2) {
		if head, rest, ok := strings.Cut(text, ": "); ok && i == 0 {
			add(style.Render(head+": ") + s.bold.Render(rest))
		} else {
			add(s.bold.Render(text))
		}
	}
	if d.File != "" {
		add("")
		for _, text := range wrap("on "+where(d), width-4) {
			add("  " + text)
		}
		for _, text := range s.snippet(d, width-2, style) {
			add(text)
		}
	}
	if details := safeLines(d.Detail); len(details) > 0 {
		add("")
		for _, text := range details {
			for _, part := range wrap(text, width-2) {
				add(part)
			}
		}
	}
	return append(lines, style.Render("╵"))
}

func where(d event.Diagnostic) string {
	text := Safe(d.File)
	if d.Line > 0 {
		text += fmt.Sprintf(" line %d", d.Line)
	}
	if d.Context != "" {
		text += ", in " + Safe(d.Context)
	}
	return text
}

// snippet is the source lines with their numbers, and marks under what is meant.
func (s styles) snippet(d event.Diagnostic, width int, mark lipgloss.Style) []string {
	if d.Snippet == "" {
		return nil
	}
	source := strings.Split(strings.TrimSuffix(d.Snippet, "\n"), "\n")
	digits := len(fmt.Sprint(d.Line + min(len(source), maxSnippet) - 1))
	var lines []string
	for i, text := range source {
		if i == maxSnippet {
			lines = append(lines, s.faint.Render(strings.Repeat(" ", digits+4)+"…"))
			break
		}
		number := fmt.Sprintf("  %*d: ", digits, d.Line+i)
		margin := strings.Repeat(" ", len(number))
		shown, from, to := crop(strings.TrimRight(text, "\r"), d, i, width-len(number))
		lines = append(lines, s.faint.Render(number)+shown)
		if to > from {
			lines = append(lines, margin+strings.Repeat(" ", from)+mark.Render(strings.Repeat("^", to-from)))
		}
	}
	return lines
}

// crop shows line i of the snippet in so many columns, and gives the columns to mark.
func crop(text string, d event.Diagnostic, i, width int) (shown string, from, to int) {
	start, end := marked(text, d, i)
	shown = Safe(text)
	from, to = ansi.StringWidth(Safe(text[:start])), ansi.StringWidth(Safe(text[:end]))
	if to == from && end > start { // what is marked takes no columns
		to = from + 1
	}
	if end == start && start > 0 || start == 0 && end == 0 && i == 0 && d.Column > 0 {
		to = from + 1 // a place between two characters, such as the end of the line
	}
	total := ansi.StringWidth(shown)
	if total <= width {
		return shown, from, min(to, width)
	}
	left := 0
	if to > width { // the marks would be outside
		left = max(0, min(from-width/4, total-width+1))
	}
	if left > 0 {
		shown = "…" + ansi.Cut(shown, left+1, total)
	}
	return truncate(shown, width), min(from-left, width), min(to-left, width)
}

// marked gives the bytes of line i of the snippet that d is about.
func marked(text string, d event.Diagnostic, i int) (start, end int) {
	if d.Column <= 0 || (i > 0 && d.EndLine < d.Line+i) {
		return 0, 0
	}
	if i == 0 {
		start = offset(text, d.Column)
	} else {
		start = len(text) - len(strings.TrimLeft(text, " \t"))
	}
	last := max(d.EndLine, d.Line)
	switch {
	case d.Line+i < last:
		end = len(strings.TrimRight(text, " \t"))
	case d.EndColumn > 0:
		end = offset(text, d.EndColumn)
	default:
		end = start + firstCharacter(text[start:])
	}
	return start, max(start, end)
}

// offset is the byte at which a column begins.
func offset(text string, column int) int {
	at := 0
	for ; column > 1 && at < len(text); column-- {
		at += firstCharacter(text[at:])
	}
	return at
}

// firstCharacter is the length in bytes of what a person sees as the first character of text.
func firstCharacter(text string) int {
	cluster, _ := ansi.FirstGraphemeCluster(text, ansi.GraphemeWidth)
	return len(cluster)
}
