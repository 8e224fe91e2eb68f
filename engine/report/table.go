package report

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/lipgloss/table"
	"github.com/charmbracelet/x/ansi"
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
	t := table.New().
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).BorderHeader(false).BorderColumn(false).BorderRow(false).
		StyleFunc(func(row, column int) lipgloss.Style {
			c := g.rows[row+1][column] // the head is row -1
			s := c.style
			if c.right {
				s = s.Align(lipgloss.Right)
			}
			if column < last {
				s = s.PaddingRight(g.gap)
			}
			return s.Width(widths[column] + s.GetPaddingRight())
		})
	for i, row := range g.rows {
		var texts []string
		for _, c := range row {
			texts = append(texts, c.text)
		}
		if i == 0 {
			t.Headers(texts...)
		} else {
			t.Row(texts...)
		}
	}
	var lines []string
	for line := range strings.SplitSeq(t.Render(), "\n") {
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}

// folded breaks folded host names after commas into lines that fit a cell.
func folded(names string, width int) string { return strings.Join(wrap(names, width), "\n") }
