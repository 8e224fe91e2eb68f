// Package nodeset writes many host names as one short pattern, and reads such patterns back:
//
//	node001 node002 node003 node020  ⇄  node[001-003,020]
//
// It is the notation that cluster people know from Slurm and ClusterShell: a bracket holds numbers and ranges, a range may have
// a step ([0-6/2]), a name may have several brackets, and a comma outside brackets separates names.
package nodeset

import "fmt"

// Max is how many names Expand gives at most.
const Max = 100_000

// An Error tells why a pattern cannot be expanded.
type Error struct {
	Pattern string
	Offset  int // of the offending byte in Pattern
	Why     string
}

// Error tells what is wrong, and where counted in bytes from 1.
func (e *Error) Error() string {
	return fmt.Sprintf("pattern %q, at %d: %s", e.Pattern, e.Offset+1, e.Why)
}
