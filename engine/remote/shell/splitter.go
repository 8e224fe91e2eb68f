package shell

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// maxMarker is the longest rest of a marker's line after the nonce.
const maxMarker = 64

// How much is read at once: little until there is much to read, since who waits for an answer has lent the buffer already.
const (
	sip   = 3 << 10
	chunk = 32 << 10
)

// room is for what may be the begin of a marker.
const room = 1 << 10

// A lender lends buffers to sessions while a program is under way, so that an idle one holds none.
type lender struct{ pool sync.Pool }

func lends(size int) *lender {
	return &lender{sync.Pool{New: func() any { b := make([]byte, size+room); return &b }}}
}

var sips, chunks = lends(sip), lends(chunk)

// A splitter takes one output stream of a session apart into data and markers. A marker is found wherever the nonce stands: output
// need not end with a newline before it.
type splitter struct {
	nonce  []byte
	data   func([]byte)           // bytes that are no marker, in order
	marker func(marker) (on bool) // false: the program is over, stop reading
}

// run reads until a marker ends the program (nil) or the stream ends (io.EOF, or what broke it).
func (s *splitter) run(r io.Reader) error {
	from := sips
	lent := from.pool.Get().(*[]byte)
	defer func() { from.pool.Put(lent) }()
	buf, n := *lent, 0
	for {
		m, err := r.Read(buf[n : len(buf)-room+n])
		var on bool
		var bad error
		n, on, bad = s.split(buf, n+m)
		switch {
		case bad != nil:
			return bad
		case !on:
			return nil
		case err != nil:
			s.data(buf[:n])
			return err
		case m == sip && from == sips:
			more := chunks.pool.Get().(*[]byte)
			copy(*more, buf[:n])
			from.pool.Put(lent)
			from, lent, buf = chunks, more, *more
		}
	}
}

var errMarker = errors.New("malformed marker")

// split consumes buf[:n] but for what may be the begin of a marker, which it moves to the front and returns the length of.
func (s *splitter) split(buf []byte, n int) (left int, on bool, err error) {
	rest := buf[:n]
	for {
		i := bytes.Index(rest, s.nonce)
		if i < 0 {
			keep := partial(rest, s.nonce)
			s.data(rest[:len(rest)-keep])
			return copy(buf, rest[len(rest)-keep:]), true, nil
		}
		s.data(rest[:i])
		rest = rest[i:]
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			if len(rest) > len(s.nonce)+maxMarker {
				return 0, false, errMarker
			}
			return copy(buf, rest), true, nil
		}
		m, err := parseMarker(rest[len(s.nonce):end])
		if err != nil {
			return 0, false, err
		}
		rest = rest[end+1:]
		if !s.marker(m) {
			return 0, false, nil
		}
	}
}

// partial is the length of the longest end of b that begins the nonce.
func partial(b, nonce []byte) int {
	for n := min(len(b), len(nonce)-1); n > 0; n-- {
		if bytes.HasSuffix(b, nonce[:n]) {
			return n
		}
	}
	return 0
}
