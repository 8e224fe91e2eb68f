package report

import (
	"io"
	"strings"

	"cvsplay/engine/event"
)

// Plain writes lines as things happen, for logs: each step when it is over on all its hosts, failures at once, and the recap.
func Plain(w io.Writer, o Options) Report {
	return &plain{w: w, transcript: newTranscript(w, o)}
}

// Quiet writes what fails, when it fails, and the recap.
func Quiet(w io.Writer, o Options) Report {
	t := newTranscript(w, o)
	t.quiet = true
	return &plain{w: w, transcript: t}
}

type plain struct {
	w          io.Writer
	transcript *transcript
	err        error
}

// Handle writes the lines that e has to tell.
func (p *plain) Handle(e event.Event) {
	p.err = writeLines(p.w, p.transcript.handle(e), p.err)
}

// Close returns the first error.
func (p *plain) Close() error { return p.err }

// writeLines writes lines at once, unless an earlier write failed.
func writeLines(w io.Writer, lines []string, err error) error {
	if err != nil || len(lines) == 0 {
		return err
	}
	_, err = io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}
