package modules

import (
	"bytes"
	"regexp"
)

// An edit puts a line into a text, or takes it out.
type edit struct {
	line                 []byte
	has                  bool // a line is given
	match, after, before *regexp.Regexp
}

// A row is one line of a text: its bytes, and its line end ("\n", "\r\n", or none at the end of the text).
type row struct{ text, end []byte }

func rowsOf(content []byte) []row {
	var out []row
	for line := range bytes.Lines(content) {
		text := bytes.TrimSuffix(line, []byte("\n"))
		if len(text) < len(line) {
			text = bytes.TrimSuffix(text, []byte("\r"))
		}
		out = append(out, row{text: text, end: line[len(text):]})
	}
	return out
}

func textOf(rows []row) []byte {
	var out []byte
	for _, r := range rows {
		out = append(append(out, r.text...), r.end...)
	}
	return out
}

// present gives the text with the line in it.
func (e edit) present(content []byte) []byte {
	rows := rowsOf(content)
	there, last := false, -1
	for i, r := range rows {
		there = there || bytes.Equal(r.text, e.line)
		if e.match != nil && e.match.Match(r.text) {
			last = i
		}
	}
	// A line that its own match does not find would else be put in place of one matching line after the other, run by run.
	settled := there && (last < 0 || !e.match.Match(e.line))
	switch {
	case settled:
		return content
	case last >= 0:
		rows[last].text = e.line
		if len(e.line) == 0 && len(rows[last].end) == 0 { // without a line end an empty line is none
			rows[last].end = endOf(rows, last)
		}
		return textOf(rows)
	}
	return textOf(e.insert(rows))
}

// insert puts the line where it belongs.
func (e edit) insert(rows []row) []row {
	at := len(rows)
	for i, r := range rows {
		if e.after != nil && e.after.Match(r.text) {
			at = i + 1
		}
		if e.before != nil && e.before.Match(r.text) {
			at = i
			break
		}
	}
	fresh := row{text: e.line, end: endOf(rows, at)}
	if at == len(rows) && at > 0 && len(rows[at-1].end) == 0 {
		rows[at-1].end = fresh.end
	}
	out := make([]row, 0, len(rows)+1)
	out = append(out, rows[:at]...)
	out = append(out, fresh)
	return append(out, rows[at:]...)
}

// endOf is the line end of a new line: that of the line above, else of the one below, else a newline.
func endOf(rows []row, at int) []byte {
	for i := at - 1; i >= 0; i-- {
		if len(rows[i].end) > 0 {
			return rows[i].end
		}
	}
	if at < len(rows) && len(rows[at].end) > 0 {
		return rows[at].end
	}
	return []byte("\n")
}

// absent gives the text without the lines that match or equal.
func (e edit) absent(content []byte) []byte {
	rows := rowsOf(content)
	kept := rows[:0:0]
	for _, r := range rows {
		if (e.has && bytes.Equal(r.text, e.line)) || (e.match != nil && e.match.Match(r.text)) {
			continue
		}
		kept = append(kept, r)
	}
	if len(kept) == len(rows) {
		return content
	}
	return textOf(kept)
}
