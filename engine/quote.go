package engine

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Quote makes one word of POSIX sh out of any string. A string with a NUL byte cannot be said in a shell: it is cut at it, so values have to
// be checked where they enter (the planner refuses NUL in every argument).
func Quote(s string) string {
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	q, err := syntax.Quote(s, syntax.LangPOSIX)
	if err != nil { // bytes that POSIX quoting in the library refuses: single quotes carry them all the same
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return q
}

// QuoteAll quotes words and joins them by spaces.
func QuoteAll(words ...string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = Quote(w)
	}
	return strings.Join(out, " ")
}
