package report

import (
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
)

// A screen is the program that draws a live report: it looks at the report once a frame, and again only when what it saw was drawn.
type screen struct {
	report        *LiveReport
	styles        styles
	width, height int
	frame         int
	progress      progress
	done          bool
}

// A tick asks for the next look.
type tick struct{}

// Init starts the clock.
func (s *screen) Init() tea.Cmd {
	return tea.Sequence(
		func() tea.Msg { return tea.WindowSizeMsg{Width: s.width, Height: s.height} },
		func() tea.Msg { return tick{} },
	)
}

// Update takes the window's size and the clock.
func (s *screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = msg.Width, msg.Height
	case tick:
		return s, s.look()
	}
	return s, nil
}

// look fetches what happened. Lines are printed before the next look is asked for, so their order is kept and a stopped terminal stops the
// looking, not the run.
func (s *screen) look() tea.Cmd {
	var lines []string
	lines, s.progress, s.done = s.report.look(s.width)
	s.frame++
	next := tea.Tick(frame, func(time.Time) tea.Msg { return tick{} })
	if s.done {
		next = tea.Quit
	}
	if len(lines) == 0 {
		return next
	}
	return tea.Sequence(tea.Println(s.fit(lines)), next)
}

// fit breaks lines where the terminal would: what is left of the old view right of a break would stay there otherwise.
func (s *screen) fit(lines []string) string {
	out := make([]string, len(lines))
	for i, line := range lines {
		if out[i] = line; ansi.StringWidth(line) > s.width {
			out[i] = ansi.Hardwrap(line, s.width, true)
		}
	}
	return strings.Join(out, "\n")
}

// View draws the progress; nothing at the end.
func (s *screen) View() string {
	if s.done {
		return ""
	}
	return s.progress.view(s.styles, s.frame, s.width, s.height)
}
