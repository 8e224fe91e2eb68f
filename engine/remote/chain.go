package remote

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
