package config

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// Files are the files that were read, by the name that ranges carry, so that a diagnostic can show its source. The zero value is
// empty and ready to use. It is not for concurrent writing.
type Files struct {
	byName map[string]*hcl.File
}

// Add remembers a file; a nil file is left out.
func (f *Files) Add(name string, file *hcl.File) {
	if file == nil {
		return
	}
	if f.byName == nil {
		f.byName = map[string]*hcl.File{}
	}
	f.byName[name] = file
}

// Merge remembers what others has read too.
func (f *Files) Merge(others *Files) {
	if others == nil {
		return
	}
	for name, file := range others.byName {
		f.Add(name, file)
	}
}

// Names are the names of all files, sorted.
func (f *Files) Names() []string { return slices.Sorted(maps.Keys(f.byName)) }

// File is the file with a name; nil where it was not read.
func (f *Files) File(name string) *hcl.File { return f.byName[name] }

// Source is the text of a file; nil where it was not read.
func (f *Files) Source(name string) []byte {
	if f == nil || f.byName[name] == nil {
		return nil
	}
	return f.byName[name].Bytes
}

// A Description is one diagnostic as plain data, for whoever prints it. Positions count from 1, columns in characters as a person sees
// them; a diagnostic without a place has an empty File. Text may hold control characters of the source, which the printer has to escape.
type Description struct {
	Severity  string // error, warning
	Summary   string
	Detail    string
	File      string
	Line      int
	Column    int
	EndLine   int
	EndColumn int    // where the marked text ends, exclusive
	Context   string // the blocks around it, outermost first: play "rvs", step "exec_script" "run"
	Snippet   string // the lines of the source that it is about, without their last line end; at most snippetLines
	FirstLine int    // the number of the snippet's first line
}

// snippetLines bounds a snippet: a heredoc or block that is to blame as a whole would fill the screen.
const snippetLines = 6

// Describe makes plain data of a diagnostic. Values are never part of it: neither its expression nor its evaluation context is read.
func (f *Files) Describe(d *hcl.Diagnostic) Description {
	out := Description{Severity: "error", Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hcl.DiagWarning {
		out.Severity = "warning"
	}
	if d.Subject == nil {
		return out
	}
	subject := *d.Subject
	out.File = subject.Filename
	out.Line, out.Column = subject.Start.Line, subject.Start.Column
	out.EndLine, out.EndColumn = subject.End.Line, subject.End.Column
	if subject.Empty() {
		out.EndColumn++
	}
	src := f.Source(subject.Filename)
	if src == nil || subject.Start.Byte > len(src) {
		return out
	}
	out.Context = blocksAround(f.byName[subject.Filename], subject.Start.Byte)
	shown := subject
	if d.Context != nil && d.Context.End.Line-d.Context.Start.Line < snippetLines {
		shown = hcl.RangeOver(subject, *d.Context)
	}
	out.FirstLine = shown.Start.Line
	out.Snippet = lines(src, shown.Start.Line, min(shown.End.Line, shown.Start.Line+snippetLines-1))
	return out
}

// blocksAround are the headers of the blocks that hold an offset.
func blocksAround(file *hcl.File, offset int) string {
	var headers []string
	for _, block := range file.BlocksAtPos(hcl.Pos{Byte: offset}) {
		header := block.Type
		for _, label := range block.Labels {
			header += fmt.Sprintf(" %q", label)
		}
		headers = append(headers, header)
	}
	return strings.Join(headers, ", ")
}

// lines cuts the lines first to last (from 1, inclusive) out of a text.
func lines(src []byte, first, last int) string {
	for n := 1; n < first; n++ {
		i := bytes.IndexByte(src, '\n')
		if i < 0 {
			return ""
		}
		src = src[i+1:]
	}
	end := 0
	for n := first; n <= last; n++ {
		i := bytes.IndexByte(src[end:], '\n')
		if i < 0 {
			end = len(src)
			break
		}
		end += i + 1
	}
	return strings.TrimRight(strings.ToValidUTF8(string(src[:end]), string(utf8.RuneError)), "\r\n")
}
