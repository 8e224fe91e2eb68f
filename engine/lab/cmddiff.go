package lab

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// diffCommands compare files.
func diffCommands() map[string]Command {
	return map[string]Command{
		"cmp":  command("s,quiet,silent n,bytes=", 2, cmpCommand),
		"diff": command("u q,brief r,recursive s,report-identical-files a,text L,label= U,unified= color?", 2, diffCommand),
	}
}

// twoFiles reads the two operands; code is not 0 after a message.
func (c *cmdline) twoFiles() (a, b []byte, code int) {
	if len(c.args) != 2 {
		c.p.Errorf("missing operand")
		return nil, nil, 2
	}
	var data [2][]byte
	for i, name := range c.args {
		err := c.input(name, func(_ string, r io.Reader) error {
			var err error
			data[i], err = io.ReadAll(r)
			return err
		})
		if err != nil {
			c.p.Errorf("%s: %s", name, strerror(err))
			return nil, nil, 2
		}
	}
	return data[0], data[1], 0
}

func cmpCommand(c *cmdline) int {
	if len(c.args) == 1 {
		c.args = append(c.args, "-")
	}
	a, b, code := c.twoFiles()
	if code != 0 {
		return code
	}
	if n, ok := parseSize(c.last("n", "")); ok {
		a, b = a[:min(n, int64(len(a)))], b[:min(n, int64(len(b)))]
	}
	if bytes.Equal(a, b) {
		return 0
	}
	if c.has("s") {
		return 1
	}
	line := 1
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			fmt.Fprintf(c.p.Stdout(), "%s %s differ: char %d, line %d\n", c.args[0], c.args[1], i+1, line)
			return 1
		}
		if a[i] == '\n' {
			line++
		}
	}
	short := 0
	if len(b) < len(a) {
		short = 1
	}
	c.p.Errorf("EOF on %s after byte %d, line %d", c.args[short], min(len(a), len(b)), line-1)
	return 1
}

func diffCommand(c *cmdline) int {
	if len(c.args) == 2 {
		if code, done := c.diffDirs(c.args[0], c.args[1]); done {
			return code
		}
	}
	a, b, code := c.twoFiles()
	if code != 0 {
		return code
	}
	return c.diffFiles(c.args[0], c.args[1], a, b)
}

func (c *cmdline) diffFiles(nameA, nameB string, a, b []byte) int {
	if bytes.Equal(a, b) {
		if c.has("s") {
			fmt.Fprintf(c.p.Stdout(), "Files %s and %s are identical\n", nameA, nameB)
		}
		return 0
	}
	if c.has("q") {
		fmt.Fprintf(c.p.Stdout(), "Files %s and %s differ\n", nameA, nameB)
		return 1
	}
	if hasNUL(a) || hasNUL(b) {
		fmt.Fprintf(c.p.Stdout(), "Binary files %s and %s differ\n", nameA, nameB)
		return 1
	}
	edits := udiff.Lines(string(a), string(b))
	if c.has("u") || c.has("U") {
		labels := append(c.value["L"], nameA, nameB)
		if len(c.value["L"]) == 1 {
			labels[1] = nameB
		}
		text, err := udiff.ToUnified(labels[0], labels[1], string(a), edits, 3)
		if err != nil {
			return 2
		}
		_, _ = io.WriteString(c.p.Stdout(), text)
		return 1
	}
	_, _ = io.WriteString(c.p.Stdout(), normalDiff(string(a), string(b), edits))
	return 1
}

// normalDiff is diff's oldest format.
func normalDiff(a, b string, edits []udiff.Edit) string {
	unified, err := udiff.ToUnifiedDiff("a", "b", a, edits, 0)
	if err != nil {
		return ""
	}
	span := func(from, n int) string {
		if n <= 1 {
			return fmt.Sprint(from)
		}
		return fmt.Sprintf("%d,%d", from, from+n-1)
	}
	var out strings.Builder
	for _, h := range unified.Hunks {
		var gone, come []string
		for _, l := range h.Lines {
			switch l.Kind {
			case udiff.Delete:
				gone = append(gone, l.Content)
			case udiff.Insert:
				come = append(come, l.Content)
			}
		}
		switch {
		case len(gone) == 0:
			fmt.Fprintf(&out, "%da%s\n", h.FromLine-1, span(h.ToLine, len(come)))
		case len(come) == 0:
			fmt.Fprintf(&out, "%sd%d\n", span(h.FromLine, len(gone)), h.ToLine-1)
		default:
			fmt.Fprintf(&out, "%sc%s\n", span(h.FromLine, len(gone)), span(h.ToLine, len(come)))
		}
		writeDiffLines(&out, "< ", gone)
		if len(gone) > 0 && len(come) > 0 {
			out.WriteString("---\n")
		}
		writeDiffLines(&out, "> ", come)
	}
	return out.String()
}

func writeDiffLines(out *strings.Builder, mark string, lines []string) {
	for _, l := range lines {
		out.WriteString(mark + l)
		if !strings.HasSuffix(l, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

// diffDirs compares two directories; done is false where the operands are not both directories.
func (c *cmdline) diffDirs(a, b string) (code int, done bool) {
	ia, erra := c.p.Stat(a)
	ib, errb := c.p.Stat(b)
	if erra != nil || errb != nil || !ia.IsDir() || !ib.IsDir() {
		return 0, false
	}
	v := c.p.view()
	entries := map[string]int{}
	var names []string
	for side, dir := range []string{a, b} {
		list, err := v.readDir(dir)
		if err != nil {
			c.p.Errorf("%s: %s", dir, strerror(err))
			return 2, true
		}
		for _, e := range list {
			if entries[e.Base] == 0 {
				names = append(names, e.Base)
			}
			entries[e.Base] |= 1 << side
		}
	}
	for _, name := range slices.Sorted(slices.Values(names)) {
		pa, pb := a+"/"+name, b+"/"+name
		switch entries[name] {
		case 1:
			fmt.Fprintf(c.p.Stdout(), "Only in %s: %s\n", a, name)
			code = max(code, 1)
			continue
		case 2:
			fmt.Fprintf(c.p.Stdout(), "Only in %s: %s\n", b, name)
			code = max(code, 1)
			continue
		}
		if sub, dirs := c.p.Stat(pa); dirs == nil && sub.IsDir() {
			if c.has("r") {
				n, _ := c.diffDirs(pa, pb)
				code = max(code, n)
			} else {
				fmt.Fprintf(c.p.Stdout(), "Common subdirectories: %s and %s\n", pa, pb)
			}
			continue
		}
		da, erra := c.p.ReadFile(pa)
		db, errb := c.p.ReadFile(pb)
		if erra != nil || errb != nil {
			code = 2
			continue
		}
		code = max(code, c.diffFiles(pa, pb, da, db))
	}
	return code, true
}
