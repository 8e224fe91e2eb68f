// Package report shows a run to people and programs. Every report is a fold over the stream of events: what a live run printed, a
// replayed stream prints again.
//
// Whatever comes from a host, a playbook or an inventory goes through Safe before it is printed: no control character or escape
// sequence of it reaches the terminal, and one line of it stays one line.
package report

import (
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"cvsplay/engine/event"
)

// A Report is a consumer of a run's events. Handle is called by one goroutine at a time.
type Report interface {
	event.Sink

	// Close shows what is still to be shown and gives back the terminal. No event comes after it. It returns the first error of the
	// writer, after which nothing was written any more.
	Close() error
}

// Options are a person's wishes for what is shown. The zero value suits.
type Options struct {
	Verbose int   // 1: what changed on each host, and retries; 2: every line that scripts print, too
	Diff    bool  // show the diffs that changes carry
	Answers bool  // show what hosts printed, folded, and not how steps ended: of a command that is run by itself
	Color   Color // whether to colour
	Width   int   // columns; 0: those of the terminal that is written to, 80 elsewhere
	Height  int   // rows, of the live view alone; 0: the terminal's, or 24

	Environ []string         // decides about colour (NO_COLOR, TERM, COLORTERM, CLICOLOR_FORCE); nil: the process's own
	Now     func() time.Time // the clock of elapsed time in the live view; nil: time.Now
}

// A Color says whether a report is coloured.
type Color int

// ColorAuto is decided by the writer, which has to be a terminal, and the environment.
const (
	ColorAuto Color = iota
	ColorNever
	ColorAlways
)

const (
	defaultWidth  = 80
	defaultHeight = 24
	minWidth      = 40 // narrower terminals wrap by themselves
)

// size is the columns and rows to lay out for on w.
func (o Options) size(w io.Writer) (width, height int) {
	width, height = o.Width, o.Height
	if f, ok := w.(*os.File); ok && (width == 0 || height == 0) {
		if columns, rows, err := term.GetSize(int(f.Fd())); err == nil {
			if width == 0 {
				width = columns
			}
			if height == 0 {
				height = rows
			}
		}
	}
	if width <= 0 {
		width = defaultWidth
	}
	if height <= 0 {
		height = defaultHeight
	}
	return max(width, minWidth), height
}

// CanLive tells whether w is a terminal that the live view can be drawn on.
func CanLive(w io.Writer, environ []string) bool {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false
	}
	name := environment(environ).Getenv("TERM")
	return name != "" && name != "dumb"
}
