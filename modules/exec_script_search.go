package modules

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"cvsplay/engine"
)

// A searched is what the patterns found in a script's output.
type searched struct {
	matches []any  // lines that a fail_regex matched, as the results want them
	why     string // the verdict; "": passed
	first   string // first line that failed
	failed  int    // how many lines failed
	missing []string
}

const (
	matchesMost = 1000 // lines kept
	matchLine   = 1024 // bytes of a line kept
)

// search applies fail_regex and ok_regex to the raw lines of both streams.
func search(a execArgs, ans engine.Answer) searched {
	if len(a.FailRegex)+len(a.OKRegex) == 0 {
		return searched{}
	}
	fail, ok := compiled(a.FailRegex), compiled(a.OKRegex)
	found := make([]bool, len(ok))
	var s searched
	for _, stream := range []struct {
		name string
		out  engine.Output
	}{{"stdout", ans.Stdout}, {"stderr", ans.Stderr}} {
		number := 0
		for line := range bytes.Lines(stream.out.Bytes) {
			number++
			line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
			s.line(fail, stream.name, number, line)
			for i, re := range ok {
				found[i] = found[i] || re.Match(line)
			}
		}
	}
	for i, hit := range found {
		if !hit {
			s.missing = append(s.missing, ok[i].String())
		}
	}
	s.why = s.verdict(a, ans)
	return s
}

// compiled: patterns were checked before any host was contacted.
func compiled(patterns []string) []*regexp.Regexp {
	out := make([]*regexp.Regexp, len(patterns))
	for i, p := range patterns {
		out[i] = regexp.MustCompile(p)
	}
	return out
}

// line notes a line that one of the patterns matches; the first of them is named.
func (s *searched) line(fail []*regexp.Regexp, stream string, number int, line []byte) {
	for _, re := range fail {
		if !re.Match(line) {
			continue
		}
		if len(line) > matchLine {
			line = line[:matchLine]
		}
		s.failed++
		if s.failed == 1 {
			s.first = fmt.Sprintf("%s line %d: %s", stream, number, strings.ToValidUTF8(string(line), "\uFFFD"))
		}
		if s.failed <= matchesMost {
			s.matches = append(s.matches, map[string]any{
				"stream": stream, "line": string(line), "number": number, "pattern": re.String(),
			})
		}
		return
	}
}

func (s *searched) verdict(a execArgs, ans engine.Answer) string {
	cut := int64(len(ans.Stdout.Bytes)) < ans.Stdout.Size || int64(len(ans.Stderr.Bytes)) < ans.Stderr.Size
	switch {
	case s.failed == 1:
		return "an output line matches fail_regex\n" + s.first
	case s.failed > 1:
		return fmt.Sprintf("%d output lines match fail_regex\n%s", s.failed, s.first)
	case len(s.missing) > 0 && !cut:
		return "no output line matches ok_regex " + strings.Join(s.missing, ", nor ")
	case cut && (len(a.FailRegex) > 0 || len(s.missing) > 0):
		return fmt.Sprintf("cannot be judged: it wrote more than the %d bytes of each stream that were searched; raise max_output", a.keep())
	}
	return ""
}
