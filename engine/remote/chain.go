package remote

import "strings"

// A Link makes a script part of a chain: scripts of one account that are sent together, each of which runs only if all before it in the
// chain gave what was wanted of them. The first that did not breaks the chain for good; so do a time limit that ran out, a connection that broke, and
// Conn.Hold. What does not run because of that is Withheld.
type Link struct {
	Chain string // the same for all links of a chain, and no other's: hex digits
	First bool   // it begins the chain, and runs in any case
	Any   bool   // whatever it gives, the chain goes on
	Want  *Want  // what is wanted of it; nil: that it ends with exit code 0
}

// A Want is how a script has to end, compared on the host, to the byte.
type Want struct {
	Code int
	// Stdout is what it has to write to standard output, in pieces: between two of them, anything may stand. nil: anything at all.
	Stdout []string
}

// Exactly wants this output and no other.
func Exactly(code int, stdout string) *Want { return &Want{Code: code, Stdout: []string{stdout}} }

// Whole tells whether nothing but one output is wanted, so that it is known wherever it is there.
func (w *Want) Whole() bool { return w != nil && len(w.Stdout) == 1 }

// Met tells whether a script gave what was wanted. A host decides the same for itself.
func (w *Want) Met(code int, stdout string) bool {
	if w == nil {
		return code == 0
	}
	if code != w.Code {
		return false
	}
	if w.Stdout == nil {
		return true
	}
	if w.Whole() {
		return stdout == w.Stdout[0]
	}
	first, last := w.Stdout[0], w.Stdout[len(w.Stdout)-1]
	if len(stdout) < len(first)+len(last) || !strings.HasPrefix(stdout, first) || !strings.HasSuffix(stdout, last) {
		return false
	}
	rest := stdout[len(first) : len(stdout)-len(last)]
	for _, piece := range w.Stdout[1 : len(w.Stdout)-1] {
		i := strings.Index(rest, piece)
		if i < 0 {
			return false
		}
		rest = rest[i+len(piece):]
	}
	return true
}
