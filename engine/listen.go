package engine

import (
	"bytes"
	"io"
	"sync"

	"cvsplay/engine/eval"
	"cvsplay/engine/event"
	"cvsplay/engine/remote"
)

// A listener passes on what an action prints: as events, line by line, and whole to the artifact where one is kept.
type listener struct {
	mu       sync.Mutex
	line     func(remote.Stream, []byte)
	partial  [2][]byte
	left     int64 // bytes that still become events
	artifact io.WriteCloser
	unkept   [2][]byte // of the artifact: a line whose end has not come, since a secret is found in whole lines
	guard    *eval.Redactor
	err      error
}

// longestLine is how much of one line goes into an event.
const longestLine = 64 << 10

// listen makes a listener for an action of a turn. Only what a person's script prints is told.
func (p *playRun) listen(t *turn, sh Shell) *listener {
	l := &listener{left: sh.Keep, guard: p.run.guard}
	if l.left == 0 {
		l.left = defaultKeep
	}
	if sh.Foreign {
		l.line = func(s remote.Stream, line []byte) {
			p.run.emit(event.Event{Kind: event.Out, Play: p.plan.Name, Step: t.step.Name, Key: t.key, Host: t.node().host.Name, Stream: s.String(), Line: string(line)})
		}
	}
	if sh.Artifact != "" && p.run.opts.Artifact != nil {
		l.artifact, l.err = p.run.opts.Artifact(t.node().host.Name, sh.Artifact)
	}
	return l
}

func (l *listener) write(s remote.Stream, chunk []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep(s, chunk)
	if l.line == nil {
		return
	}
	if int64(len(chunk)) > l.left {
		chunk = chunk[:l.left]
	}
	l.left -= int64(len(chunk))
	l.partial[s] = append(l.partial[s], chunk...)
	for {
		i := bytes.IndexByte(l.partial[s], '\n')
		switch {
		case i >= 0:
			l.line(s, l.partial[s][:min(i, longestLine)])
			l.partial[s] = l.partial[s][i+1:]
		case len(l.partial[s]) > longestLine:
			l.line(s, l.partial[s][:longestLine])
			l.partial[s] = l.partial[s][longestLine:]
		default:
			return
		}
	}
}

// keep writes whole lines to the artifact, without secrets.
func (l *listener) keep(s remote.Stream, chunk []byte) {
	if l.artifact == nil || l.err != nil {
		return
	}
	l.unkept[s] = append(l.unkept[s], chunk...)
	whole := bytes.LastIndexByte(l.unkept[s], '\n') + 1
	if whole == 0 && len(l.unkept[s]) > longestLine {
		whole = len(l.unkept[s])
	}
	if whole > 0 {
		_, l.err = l.artifact.Write(l.guard.RedactBytes(l.unkept[s][:whole]))
		l.unkept[s] = append([]byte(nil), l.unkept[s][whole:]...)
	}
}

// close tells what is left of the last lines; the error is the artifact's.
func (l *listener) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s, rest := range l.partial {
		if len(rest) > 0 && l.line != nil {
			l.line(remote.Stream(s), rest)
		}
		l.partial[s] = nil
	}
	if l.artifact != nil {
		for _, rest := range l.unkept {
			if len(rest) > 0 && l.err == nil {
				_, l.err = l.artifact.Write(l.guard.RedactBytes(rest))
			}
		}
		if err := l.artifact.Close(); l.err == nil {
			l.err = err
		}
	}
	return l.err
}
