package engine

import (
	"bytes"
	"io"
	"sync"

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
	err      error
}

// longestLine is how much of one line goes into an event.
const longestLine = 64 << 10

// listen makes a listener for an action of a turn. Only what a person's script prints is told.
func (p *playRun) listen(t *turn, sh Shell) *listener {
	l := &listener{left: sh.Keep}
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
	if l.artifact != nil && l.err == nil {
		_, l.err = l.artifact.Write(chunk)
	}
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
		if err := l.artifact.Close(); l.err == nil {
			l.err = err
		}
	}
	return l.err
}
