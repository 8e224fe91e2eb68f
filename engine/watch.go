package engine

import (
	"bufio"
	"bytes"
	"io"
	"regexp"

	"cvsplay/engine/remote"
)

// A watcher holds what a script prints against the patterns of its Watch, while it comes and in bounded memory.
type watcher struct {
	note, seek []*regexp.Regexp
	streams    [2]watched
	sought     []bool
}

// watched is what was seen of one stream.
type watched struct {
	number  int64  // lines that ended
	partial []byte // of the line under way; its first bytes where it is long
	long    *longLine
	noted   []Line
	all     int64
}

const (
	notedMost    = 1000      // lines that are kept
	notedLine    = 1024      // bytes of a line that are kept
	longestWhole = 256 << 10 // bytes of a line that are held before it is matched piece by piece
)

// newWatcher makes a watcher; nil where there is nothing to watch for. The patterns were checked where they were given.
func newWatcher(w Watch) *watcher {
	if len(w.Note)+len(w.Seek) == 0 {
		return nil
	}
	compile := func(patterns []string) []*regexp.Regexp {
		out := make([]*regexp.Regexp, len(patterns))
		for i, p := range patterns {
			out[i] = regexp.MustCompile(p)
		}
		return out
	}
	return &watcher{note: compile(w.Note), seek: compile(w.Seek), sought: make([]bool, len(w.Seek))}
}

// write takes a chunk of a stream.
func (w *watcher) write(s remote.Stream, chunk []byte) {
	st := &w.streams[s]
	for len(chunk) > 0 {
		i := bytes.IndexByte(chunk, '\n')
		if i < 0 {
			w.part(st, chunk)
			return
		}
		if len(st.partial) == 0 && st.long == nil { // the usual case: nothing is copied
			w.line(s, chunk[:i])
		} else {
			w.part(st, chunk[:i])
			w.ended(s)
		}
		chunk = chunk[i+1:]
	}
}

// part takes a piece of the line under way.
func (w *watcher) part(st *watched, piece []byte) {
	if st.long != nil {
		st.long.write(piece)
		return
	}
	st.partial = append(st.partial, piece...)
	if len(st.partial) > longestWhole {
		st.long = w.beginLong()
		st.long.write(st.partial)
		st.partial = append([]byte(nil), st.partial[:notedLine]...)
	}
}

// ended is the end of the line under way.
func (w *watcher) ended(s remote.Stream) {
	st := &w.streams[s]
	if st.long == nil {
		w.line(s, st.partial)
	} else {
		matched := st.long.end()
		w.found(s, st.partial, func(i int) bool { return matched[i] }, func(i int) bool { return matched[len(w.note)+i] })
		st.long = nil
	}
	st.partial = st.partial[:0]
}

// line is a whole line, without its newline.
func (w *watcher) line(s remote.Stream, line []byte) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	w.found(s, line, func(i int) bool { return w.note[i].Match(line) }, func(i int) bool { return w.seek[i].Match(line) })
}

// found notes what a line matched.
func (w *watcher) found(s remote.Stream, line []byte, note, seek func(int) bool) {
	st := &w.streams[s]
	st.number++
	for i := range w.seek {
		w.sought[i] = w.sought[i] || seek(i)
	}
	for i := range w.note {
		if !note(i) {
			continue
		}
		if st.all++; len(st.noted) < notedMost {
			st.noted = append(st.noted, Line{Stream: s.String(), Number: st.number, Pattern: i, Text: bytes.Clone(line[:min(len(line), notedLine)])})
		}
		return
	}
}

// end tells what was found. A last line without a newline is a line.
func (w *watcher) end(a *Answer) {
	for s := range w.streams {
		st := &w.streams[s]
		if len(st.partial) > 0 || st.long != nil {
			w.ended(remote.Stream(s))
		}
		a.Noted = append(a.Noted, st.noted...)
		a.NotedAll += st.all
	}
	a.Noted = a.Noted[:min(len(a.Noted), notedMost)]
	a.Sought = w.sought
}

// again forgets what was seen: the script is sent a second time.
func (w *watcher) again() {
	for s := range w.streams {
		if long := w.streams[s].long; long != nil {
			long.end()
		}
		w.streams[s] = watched{}
	}
	clear(w.sought)
}

// A longLine is a line too long to be held, matched while it comes: each pattern reads it by itself.
type longLine struct {
	pipes   []*io.PipeWriter
	results []chan bool
	cr      bool // a carriage return was held back: it may be the line's end
}

func (w *watcher) beginLong() *longLine {
	l := &longLine{}
	for i := range len(w.note) + len(w.seek) {
		re := w.note
		if i >= len(w.note) {
			re, i = w.seek, i-len(w.note)
		}
		r, pipe := io.Pipe()
		result := make(chan bool, 1)
		go func() {
			matched := re[i].MatchReader(bufio.NewReaderSize(r, 32<<10))
			_ = r.Close() // what still comes does not matter any more
			result <- matched
		}()
		l.pipes, l.results = append(l.pipes, pipe), append(l.results, result)
	}
	return l
}

func (l *longLine) write(piece []byte) {
	if len(piece) == 0 {
		return
	}
	if l.cr {
		l.feed([]byte("\r"))
	}
	l.cr = piece[len(piece)-1] == '\r'
	if l.cr {
		piece = piece[:len(piece)-1]
	}
	l.feed(piece)
}

func (l *longLine) feed(piece []byte) {
	for _, pipe := range l.pipes {
		_, _ = pipe.Write(piece) // fails where the pattern has seen enough
	}
}

// end tells which patterns matched, those of note before those of seek.
func (l *longLine) end() []bool {
	out := make([]bool, len(l.pipes))
	for i, pipe := range l.pipes {
		_ = pipe.Close() // never fails
		out[i] = <-l.results[i]
	}
	return out
}
