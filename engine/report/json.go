package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"cvsplay/engine/event"
)

// JSON writes every event as one line of JSON. The lines are plain to look at too: what would act on a terminal is written as JSON's own
// escapes, which stand for the same text.
func JSON(w io.Writer) Report { return &jsonReport{w: w} }

type jsonReport struct {
	w    io.Writer
	line bytes.Buffer
	err  error
}

// Handle writes e.
func (r *jsonReport) Handle(e event.Event) {
	if r.err != nil {
		return
	}
	r.line.Reset()
	enc := json.NewEncoder(&r.line)
	enc.SetEscapeHTML(false)
	if r.err = enc.Encode(e); r.err != nil {
		return
	}
	_, r.err = r.w.Write(escapeHidden(r.line.Bytes()))
}

// Close returns the first error.
func (r *jsonReport) Close() error { return r.err }

// escapeHidden writes characters of JSON strings that are no text as \u escapes. Elsewhere in JSON there are none.
func escapeHidden(line []byte) []byte {
	if clean(string(bytes.TrimSuffix(line, []byte("\n")))) {
		return line
	}
	var out []byte
	for i := 0; i < len(line); {
		r, size := utf8.DecodeRune(line[i:])
		switch {
		case r != 0x7f && !hidden(r):
			out = append(out, line[i:i+size]...)
		case r > 0xffff:
			high, low := (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += size
	}
	return out
}
