package engine

import (
	"strings"

	"cvsplay/engine/remote/shell"
)

// Quote makes one word of POSIX sh out of any string. A string with a NUL byte cannot be said in a shell: it is cut at it, so values have to
// be checked where they enter (the planner refuses NUL in every argument).
func Quote(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return shell.Quote(s)
}

// QuoteAll quotes words and joins them by spaces.
func QuoteAll(words ...string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = Quote(w)
	}
	return strings.Join(out, " ")
}
