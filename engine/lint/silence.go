package lint

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"cvsplay/engine/eval"
)

// silencer is the comment that silences hints: # lint: ignore exec-no-guard, unused-local. JSON has the property "//" for it.
var silencer = regexp.MustCompile(`(?:#|//|"//"\s*:\s*")\s*lint:\s*ignore\s+([A-Za-z0-9_-]+(?:\s*,\s*[A-Za-z0-9_-]+)*)`)

// Unsilenced leaves out the hints that a comment silences, on their line or on the one above it; source has the text of a file by its name. What a
// comment names and is no hint is a hint itself. Other diagnostics stay as they are.
func Unsilenced(diags hcl.Diagnostics, source func(name string) []byte) hcl.Diagnostics {
	files := map[string]map[int][]silence{}
	var out hcl.Diagnostics
	for _, d := range diags {
		id := ID(d)
		if id == "" || d.Subject == nil {
			out = append(out, d)
			continue
		}
		lines, read := files[d.Subject.Filename]
		if !read {
			lines = silences(source(d.Subject.Filename), d.Subject.Filename)
			files[d.Subject.Filename] = lines
		}
		if !silenced(lines, d.Subject.Start.Line, id) {
			out = append(out, d)
		}
	}
	return out
}

// A silence is one id in a comment.
type silence struct {
	id    string
	at    hcl.Range
	alone bool // nothing but the comment is on its line
}

// silences are those of a text, by line.
func silences(src []byte, name string) map[int][]silence {
	out := map[int][]silence{}
	start := 0
	for number, line := range bytes.Split(src, []byte("\n")) {
		if found := silencer.FindSubmatchIndex(line); found != nil {
			alone := len(bytes.TrimSpace(line[:found[0]])) == 0
			for _, id := range strings.Split(string(line[found[2]:found[3]]), ",") {
				at := hcl.Range{
					Filename: name,
					Start:    hcl.Pos{Line: number + 1, Column: found[2] + 1, Byte: start + found[2]},
					End:      hcl.Pos{Line: number + 1, Column: found[3] + 1, Byte: start + found[3]},
				}
				out[number+1] = append(out[number+1], silence{strings.TrimSpace(id), at, alone})
			}
		}
		start += len(line) + 1
	}
	return out
}

func silenced(lines map[int][]silence, line int, id string) bool {
	for _, s := range lines[line] {
		if s.id == id {
			return true
		}
	}
	for _, s := range lines[line-1] {
		if s.alone && s.id == id {
			return true
		}
	}
	return false
}

// UnknownIDs are hints about comments that silence what no rule is called.
func UnknownIDs(src []byte, name string) hcl.Diagnostics {
	var ids []string
	known := map[string]bool{}
	for _, r := range Rules() {
		ids, known[r.ID] = append(ids, r.ID), true
	}
	var diags hcl.Diagnostics
	lines := silences(src, name)
	for number := range bytes.Count(src, []byte("\n")) + 1 {
		for _, s := range lines[number+1] {
			if !known[s.id] {
				diags = append(diags, hint("unknown-hint", s.at, fmt.Sprintf("There is no hint %q, so that this comment silences nothing.%s \"cvsplay "+
					"docs lint\" lists them.", s.id, eval.DidYouMean(s.id, ids))))
			}
		}
	}
	return diags
}
