package shell

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// pieces is a reader that gives n bytes at a time.
type pieces struct {
	rest string
	n    int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.rest == "" {
		return 0, io.EOF
	}
	n := copy(b, p.rest[:min(p.n, len(p.rest))])
	p.rest = p.rest[n:]
	return n, nil
}

func TestSplitterWhereverTheStreamIsCut(t *testing.T) {
	const nonce = "00123456789abcdeffedcba9876543210"
	for _, c := range []struct{ stream, want string }{
		{"noise" + nonce + " b 0 77\nout" + nonce + " e 4 1\nafter", "noise[b 0 77]out[e 4 1] <nil>"},
		{nonce[:31] + nonce[:1] + nonce + " b 0 1\n" + nonce + " e 4 0\n", nonce[:31] + nonce[:1] + "[b 0 1]" + "[e 4 0] <nil>"},
		{nonce + " b 0 1\n" + nonce + " b 0 2\n\n" + nonce[:20], "[b 0 1][b 0 2]\n" + nonce[:20] + " EOF"},
		{"x" + nonce + " e 4 0", "x" + nonce + " e 4 0 EOF"},
		{"x" + nonce + " what\n", "x error"},
		{"x" + nonce + strings.Repeat("y", 200) + "\n", "x error"},
		{"", " EOF"},
	} {
		for n := 1; n <= len(c.stream)+1; n++ {
			var got bytes.Buffer
			s := splitter{
				nonce: []byte(nonce),
				data:  func(b []byte) { got.Write(b) },
				marker: func(m marker) bool {
					fmt.Fprintf(&got, "[%c %d %d]", m.kind, m.number, m.value)
					return m.kind == 'b'
				},
			}
			err := s.run(&pieces{c.stream, n})
			if err != nil && !errors.Is(err, io.EOF) {
				err = fmt.Errorf("error")
			}
			if result := fmt.Sprintf("%s %v", &got, err); result != c.want {
				t.Fatalf("%q in pieces of %d: got %q, want %q", c.stream, n, result, c.want)
			}
		}
	}
}
