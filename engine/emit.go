package engine

import (
	"encoding/json"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"cvsplay/engine/eval"
	"cvsplay/engine/event"
)

// An emitter numbers events, takes the secrets out of them and hands them to the sinks, one at a time.
type emitter struct {
	mu    sync.Mutex
	seq   int64
	run   string
	now   func() time.Time
	sinks []event.Sink
	guard *eval.Redactor
	tally event.Tally
}

func (e *emitter) emit(ev event.Event) {
	e.redact(&ev)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seq++
	ev.Seq, ev.Time, ev.Run = e.seq, e.now(), e.run
	e.tally.Handle(ev)
	for _, s := range e.sinks {
		s.Handle(ev)
	}
}

func (e *emitter) redact(ev *event.Event) {
	clean := func(s *string) {
		if *s != "" {
			*s = strings.ToValidUTF8(e.guard.Redact(*s), "\uFFFD")
		}
	}
	for _, s := range []*string{&ev.Reason, &ev.Message, &ev.Key} {
		clean(s)
	}
	if ev.Line != "" {
		e.line(ev)
	}
	if len(ev.Changes) > 0 {
		changes := append([]event.Change(nil), ev.Changes...)
		for i := range changes {
			clean(&changes[i].What)
			clean(&changes[i].Have)
			clean(&changes[i].Want)
			clean(&changes[i].Diff)
		}
		ev.Changes = changes
	}
	for _, raw := range []*json.RawMessage{&ev.Results, &ev.Value} {
		if len(*raw) > 0 {
			*raw = e.json(*raw)
		}
	}
	if d := ev.Diagnostic; d != nil {
		copied := *d
		clean(&copied.Summary)
		clean(&copied.Detail)
		clean(&copied.Snippet)
		ev.Diagnostic = &copied
	}
}

// line keeps a line's bytes exact: what is not UTF-8 travels as base64.
func (e *emitter) line(ev *event.Event) {
	text := e.guard.Redact(ev.Line)
	if utf8.ValidString(text) {
		ev.Line = text
		return
	}
	ev.Line, ev.LineB64 = "", []byte(text)
}

// json redacts inside a JSON text; what the redactor puts there holds no character that JSON escapes. A secret that is a number or a
// structure could break the syntax: then the whole value goes.
func (e *emitter) json(raw json.RawMessage) json.RawMessage {
	clean := e.guard.RedactBytes(raw)
	if !json.Valid(clean) {
		return json.RawMessage(`"(sensitive)"`)
	}
	return clean
}
