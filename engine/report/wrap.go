package report

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Wrap breaks paragraphs into lines of at most width columns, each behind a margin. Empty lines between paragraphs stay; lines that begin
// with white space, a list or a table's mark stay as they are.
func Wrap(text string, width int, margin string) string {
	var out []string
	var para []string
	flush := func() {
		if len(para) > 0 {
			out = append(out, strings.Split(ansi.Wordwrap(strings.Join(para, " "), width-len(margin), ""), "\n")...)
		}
		para = nil
	}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if line == "" || strings.ContainsAny(line[:1], " \t-*|#`") {
			flush()
			out = append(out, line)
			continue
		}
		para = append(para, line)
	}
	flush()
	for i, line := range out {
		if line != "" {
			out[i] = margin + line
		}
	}
	return strings.Join(out, "\n")
}
