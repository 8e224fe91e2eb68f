package modules

import (
	"fmt"
	"strings"

	"cvsplay/engine"
)

// matches are the lines that a fail_regex matched, as the results want them.
func (a execArgs) matches(ans engine.Answer) []any {
	out := make([]any, len(ans.Noted))
	for i, line := range ans.Noted {
		out[i] = map[string]any{"stream": line.Stream, "line": string(line.Text), "number": line.Number, "pattern": a.FailRegex[line.Pattern]}
	}
	return out
}

// unsound is what the patterns say against the output; "": nothing.
func (a execArgs) unsound(ans engine.Answer) string {
	if ans.NotedAll > 0 {
		first := ans.Noted[0]
		why := fmt.Sprintf("\n%s line %d: %s", first.Stream, first.Number, strings.ToValidUTF8(string(first.Text), "\uFFFD"))
		if ans.NotedAll == 1 {
			return "an output line matches fail_regex" + why
		}
		return fmt.Sprintf("%d output lines match fail_regex%s", ans.NotedAll, why)
	}
	var missing []string
	for i, pattern := range a.OKRegex {
		if !ans.Sought[i] {
			missing = append(missing, pattern)
		}
	}
	if missing == nil {
		return ""
	}
	return "no output line matches ok_regex " + strings.Join(missing, ", nor ")
}
