package report

import (
	"io"
	"os"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"cvsplay/engine/event"
)

// Styles are the few looks of a report. Only the sixteen colours that every terminal has in a palette its owner chose.
type styles struct {
	plain, bold, faint lipgloss.Style
	good, changed, bad lipgloss.Style
	badBold, warn      lipgloss.Style
}

// newStyles decides about colour from the writer that is written to, not from the process's standard output.
func newStyles(w io.Writer, o Options) styles {
	env := environment(o.Environ)
	r := lipgloss.NewRenderer(w, termenv.WithEnvironment(env))
	switch o.Color {
	case ColorNever:
		r.SetColorProfile(termenv.Ascii)
	case ColorAlways:
		r.SetColorProfile(termenv.ANSI)
	default:
		profile := termenv.NewOutput(w, termenv.WithEnvironment(env)).EnvColorProfile()
		if env.Getenv("TERM") == "dumb" {
			profile = termenv.Ascii
		}
		r.SetColorProfile(profile)
	}
	r.SetHasDarkBackground(true) // nothing adapts to it; unset, the terminal would be asked, and its answer lands in the shell's input
	s := r.NewStyle()
	return styles{
		plain: s, bold: s.Bold(true), faint: s.Faint(true),
		good: s.Foreground(lipgloss.Color("2")), changed: s.Foreground(lipgloss.Color("3")), bad: s.Foreground(lipgloss.Color("1")),
		badBold: s.Foreground(lipgloss.Color("1")).Bold(true), warn: s.Foreground(lipgloss.Color("3")),
	}
}

// status is the look of a state.
func (s styles) status(status event.Status, ignored bool) lipgloss.Style {
	switch {
	case status.Bad() && ignored:
		return s.warn
	case status.Bad():
		return s.badBold
	case status == event.Changed || status == event.WouldChange:
		return s.changed
	case status == event.OK:
		return s.good
	}
	return s.faint
}

// An environment is a list of NAME=value, as termenv wants it; nil is the process's own.
type environment []string

// Environ lists the variables.
func (e environment) Environ() []string {
	if e == nil {
		return os.Environ()
	}
	return e
}

// Getenv is the value of one; of several the last.
func (e environment) Getenv(name string) string {
	if e == nil {
		return os.Getenv(name)
	}
	for i := len(e) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(e[i], name+"="); ok {
			return value
		}
	}
	return ""
}
