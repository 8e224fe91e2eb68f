package engine

import (
	"bytes"
	"io"
	"sync"

	"cvsplay/engine/eval"
	"cvsplay/engine/event"
	"cvsplay/engine/remote"
)

// A listener passes on what a script prints: as events, line by line, and whole to the artifact where one is kept.
type listener struct {
	mu       sync.Mutex
	line     func(remote.Stream, []byte)
	partial  [2][]byte
	left     int64 // bytes that still become events
	open     func() (io.WriteCloser, error)
	artifact io.WriteCloser
	unkept   [2][]byte // of the artifact: a line whose end has not come, since a secret is found in whole lines
	guard    *eval.Redactor
	err      error
}

// longestLine is how much of one line goes into an event. A longer one is told in pieces.
const longestLine = 64 << 10

// listen makes a listener for a script of a turn. Only what a person's script prints is told.
func (p *playRun) listen(t *turn, sh Shell) *listener {
	l := &listener{left: sh.Keep, guard: p.run.guard}
	if l.left == 0 {
		l.left = defaultKeep
	}
	if sh.Foreign {
		l.line = func(s remote.Stream, line []byte) {
			p.emit(event.Event{Kind: event.Out, Step: t.step.Name, Key: t.key, Host: t.member.host().host.Name, Stream: s.String(), Line: string(line)})
		}
	}
	if sh.Artifact != "" && p.run.opts.Artifact != nil {
		l.open = func() (io.WriteCloser, error) { return p.run.opts.Artifact(t.member.host().host.Name, sh.Artifact) }
		l.artifact, l.err = l.open()
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
		if i := bytes.IndexByte(l.partial[s], '\n'); i >= 0 {
			l.tell(s, l.partial[s][:i])
			l.partial[s] = l.partial[s][i+1:]
			continue
		}
		if n := l.piece(l.partial[s]); n > 0 {
			l.line(s, l.partial[s][:n])
			l.partial[s] = l.partial[s][n:]
			continue
		}
		return
	}
}

// tell tells a line, in pieces where it is long.
func (l *listener) tell(s remote.Stream, line []byte) {
	for n := l.piece(line); n > 0; n = l.piece(line) {
		l.line(s, line[:n])
		line = line[n:]
	}
	l.line(s, line)
}

// piece is how much of a line is told by itself: 0 where it is not too long. No piece ends within a secret, which would be found in neither.
func (l *listener) piece(line []byte) int {
	if len(line) <= longestLine {
		return 0
	}
	return l.guard.Whole(line)
}

// keep writes whole lines to the artifact, without secrets.
func (l *listener) keep(s remote.Stream, chunk []byte) {
	if l.artifact == nil || l.err != nil {
		return
	}
	l.unkept[s] = append(l.unkept[s], chunk...)
	whole := bytes.LastIndexByte(l.unkept[s], '\n') + 1
	if whole == 0 {
		whole = l.piece(l.unkept[s])
	}
	if whole > 0 {
		_, l.err = l.artifact.Write(l.guard.RedactBytes(l.unkept[s][:whole]))
		l.unkept[s] = append([]byte(nil), l.unkept[s][whole:]...)
	}
}

// again begins anew, since the script is sent a second time. What was told stays told; the artifact is the second one's.
func (l *listener) again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial, l.unkept = [2][]byte{}, [2][]byte{}
	if l.artifact == nil || l.err != nil {
		return
	}
	if l.err = l.artifact.Close(); l.err == nil {
		l.artifact, l.err = l.open()
	}
}

// close tells what is left of the last lines; the error is the artifact's.
func (l *listener) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s, rest := range l.partial {
		if l.left == 0 { // there may have been more: what it cut in two is no secret that can be found
			rest = rest[:len(rest)-torn(l.guard, rest)]
		}
		if len(rest) > 0 && l.line != nil {
			l.tell(remote.Stream(s), rest)
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

// torn is how many bytes at the end of a text that was cut off are the first part of a secret, which nobody would find. A few bytes begin one
// by chance, and tell nothing.
func torn(guard *eval.Redactor, text []byte) int {
	const tells = 4
	if n := guard.Begun(text); n >= tells {
		return n
	}
	return 0
}

// untorn takes the first part of a secret off the ends of what was cut off in an answer.
func untorn(guard *eval.Redactor, a *Answer) {
	for _, o := range []*Output{&a.Stdout, &a.Stderr} {
		if o.Size > int64(len(o.Bytes)) {
			o.Bytes = o.Bytes[:len(o.Bytes)-torn(guard, o.Bytes)]
		}
	}
	for i, line := range a.Noted {
		if len(line.Text) == notedLine {
			a.Noted[i].Text = line.Text[:notedLine-torn(guard, line.Text)]
		}
	}
}
