package report

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"cvsplay/engine/nodeset"
)

// A cell is one text of a table; it may have several lines.
type cell struct {
	text  string
	style lipgloss.Style
	right bool
}

// A grid is a table without frames: the first row is the head.
type grid struct {
	rows [][]cell
	gap  int // columns between
}

// widths are the columns' widths.
func (g grid) widths() []int {
	widths := make([]int, len(g.rows[0]))
	for _, row := range g.rows {
		for i, c := range row {
			for text := range strings.SplitSeq(c.text, "\n") {
				widths[i] = max(widths[i], ansi.StringWidth(text))
			}
		}
	}
	return widths
}

// width is that of the whole table.
func (g grid) width() int {
	total := -g.gap
	for _, w := range g.widths() {
		total += w + g.gap
	}
	return total
}

// lines are the table's lines.
func (g grid) lines() []string {
	widths := g.widths()
	last := len(widths) - 1
	var lines []string
	for _, row := range g.rows {
		blocks := make([]string, len(row))
		for i, c := range row {
			style := c.style
			switch {
			case c.right:
				style = style.Width(widths[i]).Align(lipgloss.Right)
			case i < last:
				style = style.Width(widths[i])
			}
			if i > 0 {
				style = style.MarginLeft(g.gap)
			}
			blocks[i] = style.Render(c.text)
		}
		for line := range strings.SplitSeq(lipgloss.JoinHorizontal(lipgloss.Top, blocks...), "\n") {
			lines = append(lines, strings.TrimRight(line, " "))
		}
	}
	return lines
}

// folded breaks folded names after commas into lines that fit a cell; of many lines the first.
func folded(names []string, width int) string {
	return strings.Join(foldLines(names, width, 3), "\n")
}

// foldLines folds names into lines of so many columns; of more lines than most the first, and how many names there are.
func foldLines(names []string, width, most int) []string {
	lines := wrap(Safe(nodeset.Fold(names)), width)
	if len(lines) > most {
		lines = append(lines[:most-1], "… "+thousands(len(names))+" in all")
	}
	return lines
}
