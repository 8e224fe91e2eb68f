package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// wrap breaks text, which has no escapes, into lines of at most width columns: at blanks, in longer words (folded host names) after
// commas, and where nothing else helps anywhere. There is always at least one line.
func wrap(text string, width int) []string {
	width = max(width, 1)
	if ansi.StringWidth(text) <= width {
		return []string{text}
	}
	var lines []string
	line := ""
	add := func(part string, blank string) {
		if line != "" && ansi.StringWidth(line)+len(blank)+ansi.StringWidth(part) <= width {
			line += blank + part
			return
		}
		if line != "" {
			lines = append(lines, line)
		}
		for ansi.StringWidth(part) > width {
			head := ansi.Truncate(part, width, "")
			if head == "" { // one character is wider than the line
				break
			}
			lines = append(lines, head)
			part = part[len(head):]
		}
		line = part
	}
	for word := range strings.FieldsSeq(text) {
		if ansi.StringWidth(word) <= width {
			add(word, " ")
			continue
		}
		for i, part := range strings.SplitAfter(word, ",") {
			if blank := ""; part != "" {
				if i == 0 {
					blank = " "
				}
				add(part, blank)
			}
		}
	}
	return append(lines, line)
}

// truncate shortens text to width columns, and shows that it did.
func truncate(text string, width int) string {
	return ansi.Truncate(text, max(width, 1), "…")
}

// pad fills text with blanks up to width columns.
func pad(text string, width int) string {
	if n := width - ansi.StringWidth(text); n > 0 {
		return text + strings.Repeat(" ", n)
	}
	return text
}

// count writes a number of things: "1 host", "3 hosts".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return thousands(n) + " " + thing + "s"
}

// thousands writes n with a comma before every three digits.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// elapsed writes a time as a person says it: 0.4s, 12s, 3m05s, 2h10m.
func elapsed(d time.Duration) string {
	if d < 9950*time.Millisecond {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
