package engine

import "strings"

// The scripts that gather facts print passages: a line "@NAME WORDS…" begins one, and its text follows.

// A passage is one of them.
type passage struct {
	name  string
	words []string
	text  string
}

// passagesOf reads what such a script printed.
func passagesOf(out string) []passage {
	var list []passage
	var text strings.Builder
	finish := func() {
		if n := len(list); n > 0 {
			list[n-1].text = text.String()
		}
		text.Reset()
	}
	for line := range strings.Lines(out) {
		if rest, ok := strings.CutPrefix(line, "@"); ok {
			if words := strings.Fields(rest); len(words) > 0 {
				finish()
				list = append(list, passage{name: words[0], words: words[1:]})
				continue
			}
		}
		text.WriteString(line)
	}
	finish()
	return list
}

// word is the passage's n-th word; "" where it has fewer.
func (s passage) word(n int) string {
	if n < len(s.words) {
		return s.words[n]
	}
	return ""
}

// underWay names the command that was running when a script was cut short, as "COMMAND: "; "" where none was.
func underWay(a Answer) string {
	list := passagesOf(a.Stdout.String())
	if n := len(list); n > 0 && list[n-1].name == smiPassage {
		return smiCommand(list[n-1]) + ": "
	}
	return ""
}

// fields reads lines of a name, a blank and a value.
func fields(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name != "" {
			out[name] = strings.TrimSpace(value)
		}
	}
	return out
}

// told is a text that a fact has, or none where the host does not tell it.
func told(s string) *string {
	if s = strings.ToValidUTF8(strings.TrimSpace(s), "\uFFFD"); s == "" {
		return nil
	}
	return &s
}
