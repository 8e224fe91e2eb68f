package config

import (
	"bytes"
	"regexp"

	"github.com/hashicorp/hcl/v2"
)

// What a shell, curl or rpm reads and HCL cannot: ${VAR:-x}, ${VAR##*/}, ${VAR%.*}, ${VAR/a/b}, ${#VAR}, ${!VAR}, ${@}, ${ARR[@]}, %{http_code}.
var (
	shellExpansion = regexp.MustCompile(`^\$\{(?:[#!]?[A-Za-z_][A-Za-z0-9_]*(?::[-=?+]|:[0-9]|=[^=]|##?|%[%.*/]|//|/[^ }]*/|\^\^?|,,?|@[A-Za-z]\}|\[[@*]\])|[#!][A-Za-z_@*]|[@*#?$!]\})`)
	formatField    = regexp.MustCompile(`^%\{-?[0-9]*[A-Za-z_][A-Za-z0-9_:]*\}`)
	directiveWord  = regexp.MustCompile(`^%\{~?\s*(?:if|else|endif|for|endfor)\b`)
)

// shellHints replaces the parser's errors, where a template holds what only another program can read, by one that says what to write.
// The errors that the parser found before the first such place stay.
func shellHints(src []byte, name string, diags hcl.Diagnostics) hcl.Diagnostics {
	if !diags.HasErrors() {
		return diags
	}
	hints := hcl.Diagnostics{}
	first := len(src)
	for _, at := range sequences(src) {
		length := foreignSequence(src[at:])
		if length == 0 {
			continue
		}
		first = min(first, at)
		text := string(src[at : at+length])
		hints = hints.Append(errorAt(rangeAt(src, name, at, at+length), "Shell syntax in a template",
			"In a string or heredoc, ${ and %%{ begin an expression of HCL, and %s is none. To pass it on as it stands, write %s; "+
				"or keep the script in a file of its own and use file(\"…\"), which is not a template.", text, text[:1]+text))
	}
	if len(hints) == 0 {
		return diags
	}
	kept := hcl.Diagnostics{}
	for _, d := range diags {
		if d.Subject != nil && d.Subject.End.Byte <= first {
			kept = append(kept, d)
		}
	}
	return append(kept, hints...)
}

// foreignSequence is the length of the sequence at the beginning of text where it is not HCL's, as far as that can be told; else 0.
func foreignSequence(text []byte) int {
	text, _, _ = bytes.Cut(text, []byte("\n"))
	foreign := shellExpansion.Match(text) || formatField.Match(text) && !directiveWord.Match(text)
	if !foreign {
		return 0
	}
	if end := bytes.IndexByte(text, '}'); end >= 0 {
		return end + 1
	}
	return len(text)
}

// sequences are the offsets of all ${ and %{ in templates. A sequence that is not HCL ends at its brace, so that what is in it cannot hide
// those that follow.
func sequences(src []byte) []int {
	m := newMeasure(src, opening{kind: root})
	shift := len(src) - len(m.src)
	var found []int
	for m.pos < len(m.src) && m.trouble == nil {
		kind := m.top().kind
		if kind != quote && kind != heredoc {
			m.code()
			continue
		}
		depth := len(m.open)
		m.template()
		if len(m.open) <= depth {
			continue
		}
		at := m.pos - 2
		if m.src[m.pos-1] == '~' {
			at--
		}
		found = append(found, at+shift)
		if length := foreignSequence(m.src[at:]); length > 0 {
			m.pos = at + length
			m.pop()
		}
	}
	return found
}
