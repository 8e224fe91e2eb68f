package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"cvsplay/engine/event"
)

// values prints the outputs.
func (t *transcript) values() {
	long := true // the one before
	for _, e := range t.outputs {
		before := len(t.lines)
		t.value(e)
		if lines := len(t.lines) - before; long || lines > 1 {
			t.lines = slices.Insert(t.lines, before, "")
			long = lines > 1
		}
	}
}

// value prints one output: a table where it is one, text where it is text, else JSON.
func (t *transcript) value(e event.Event) {
	title := t.styles.bold.Render(Safe(e.Name))
	if e.Message != "" {
		title += t.styles.faint.Render(": " + Safe(e.Message))
	}
	node, err := parse(e.Value)
	if err != nil {
		t.print(title)
		for _, text := range safeLines(string(e.Value)) {
			t.print("  " + text)
		}
		return
	}
	if lines := t.tableOf(node); lines != nil {
		t.print(title)
		for _, text := range lines {
			t.print("  " + text)
		}
		t.partial(e)
		return
	}
	lines := node.text()
	if e.Reason != "" && node.empty() { // nothing of it is known
		lines, e.Reason = []string{t.styles.faint.Render("(" + Safe(e.Reason) + ")")}, ""
	}
	if len(lines) == 1 && e.Message == "" {
		t.print(title + " = " + lines[0])
		return
	}
	t.print(title)
	for _, text := range lines {
		t.print("  " + text)
	}
	t.partial(e)
}

// partial says that there is more of an output than could be told.
func (t *transcript) partial(e event.Event) {
	if e.Reason != "" {
		t.print("  " + t.styles.faint.Render("("+Safe(e.Reason)+")"))
	}
}

// empty tells whether there is nothing in the value.
func (n node) empty() bool { return n.kind == 'n' || !n.leaf && len(n.names) == 0 && len(n.items) == 0 }

// A node is a JSON value whose attributes keep their order.
type node struct {
	raw    json.RawMessage
	scalar string // as a person reads it
	leaf   bool
	kind   byte // of the JSON: '{' '[' '"' and so on
	names  []string
	fields map[string]node
	items  []node
}

func parse(raw json.RawMessage) (node, error) {
	n := node{raw: bytes.TrimSpace(raw)}
	if len(n.raw) == 0 {
		return n, fmt.Errorf("an empty value")
	}
	n.kind = n.raw[0]
	switch n.kind {
	case '{':
		return n, n.object()
	case '[':
		var items []json.RawMessage
		if err := json.Unmarshal(n.raw, &items); err != nil {
			return n, err
		}
		for _, item := range items {
			child, err := parse(item)
			if err != nil {
				return n, err
			}
			n.items = append(n.items, child)
		}
		return n, nil
	}
	n.leaf = true
	n.scalar = string(n.raw)
	if n.kind == '"' {
		return n, json.Unmarshal(n.raw, &n.scalar)
	}
	if n.kind == 'n' {
		n.scalar = "-"
	}
	return n, nil
}

// object reads the attributes in the order of the text.
func (n *node) object() error {
	dec := json.NewDecoder(bytes.NewReader(n.raw))
	if _, err := dec.Token(); err != nil {
		return err
	}
	n.fields = map[string]node{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		child, err := parse(raw)
		if err != nil {
			return err
		}
		text, _ := name.(string)
		if _, twice := n.fields[text]; !twice {
			n.names = append(n.names, text)
		}
		n.fields[text] = child
	}
	return nil
}

// text is the value as lines.
func (n node) text() []string {
	if n.kind == 'n' {
		return []string{"null"}
	}
	if n.leaf {
		if lines := safeLines(n.scalar); lines != nil {
			return lines
		}
		return []string{`""`}
	}
	if n.empty() {
		return []string{"none"}
	}
	var b bytes.Buffer
	if json.Indent(&b, n.raw, "", "  ") != nil {
		return safeLines(string(n.raw))
	}
	return safeLines(b.String())
}

// flat tells whether all attributes are scalars, and there are some.
func (n node) flat() bool {
	if n.kind != '{' || len(n.names) == 0 {
		return false
	}
	for _, f := range n.fields {
		if !f.leaf || strings.Contains(f.scalar, "\n") {
			return false
		}
	}
	return true
}

// tableOf draws a map of scalars, a map of objects of scalars, or a list of such objects; nil if it is none of these.
func (t *transcript) tableOf(n node) []string {
	switch {
	case n.flat():
		return t.draw(n.names, []string{""}, func(name, _ string) node { return n.fields[name] })
	case n.kind == '{' && len(n.names) > 0 && all(n.names, func(name string) bool { return n.fields[name].flat() }):
		return t.draw(n.names, columns(n), func(name, column string) node { return n.fields[name].fields[column] })
	case n.kind == '[' && len(n.items) > 0 && all(n.items, node.flat):
		return t.list(n)
	}
	return nil
}

func all[T any](list []T, holds func(T) bool) bool {
	return !slices.ContainsFunc(list, func(x T) bool { return !holds(x) })
}

// columns are the attributes of all objects, each once.
func columns(n node) []string {
	var out []string
	seen := map[string]bool{}
	add := func(child node) {
		for _, name := range child.names {
			if !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	for _, name := range n.names {
		add(n.fields[name])
	}
	for _, item := range n.items {
		add(item)
	}
	return out
}

// draw is a table with a row for each name; names with equal rows are folded, as hosts with the same verdicts are.
func (t *transcript) draw(names, columns []string, value func(name, column string) node) []string {
	var order []string
	same := map[string][]string{}
	for _, name := range names {
		id := ""
		for _, c := range columns {
			id += "\x00" + value(name, c).scalar
		}
		if same[id] == nil {
			order = append(order, id)
		}
		same[id] = append(same[id], name)
	}
	var labels [][]string
	var rows [][]node
	for _, id := range order {
		labels = append(labels, same[id])
		var cells []node
		for _, c := range columns {
			cells = append(cells, value(same[id][0], c))
		}
		rows = append(rows, cells)
	}
	width := t.width - 2
	g := t.grid(columns, labels, rows, width)
	if g.width() > width { // the other way round: few different rows, many columns
		if turned := t.turned(columns, labels, rows, width); turned.width() <= width {
			g = turned
		} else {
			g.shrink(width)
		}
	}
	lines := g.lines()
	if len(columns) == 1 && columns[0] == "" {
		return lines[1:] // a map of scalars has no head
	}
	return lines
}

// grid has a row for each label; what is too wide is told in narrower columns.
func (t *transcript) grid(columns []string, labels [][]string, rows [][]node, width int) grid {
	var g grid
	for _, between := range []int{gap, 1} {
		for _, breaking := range []bool{false, true} {
			g = grid{gap: between, rows: [][]cell{t.head("", columns, breaking)}}
			for i := range labels {
				cells := []cell{{style: t.styles.plain}}
				for _, n := range rows[i] {
					cells = append(cells, t.cell(n))
				}
				g.rows = append(g.rows, cells)
			}
			room := max(16, width-g.width())
			for i, names := range labels {
				g.rows[i+1][0].text = folded(names, room)
			}
			if g.width() <= width {
				return g
			}
		}
	}
	return g
}

// turned has a row for each column.
func (t *transcript) turned(columns []string, labels [][]string, rows [][]node, width int) grid {
	room := max(12, (width-20)/max(1, len(labels))-gap)
	head := []cell{{style: t.styles.plain}}
	for _, names := range labels {
		head = append(head, cell{text: folded(names, room), style: t.styles.faint})
	}
	g := grid{gap: gap, rows: [][]cell{head}}
	for j, column := range columns {
		cells := []cell{{text: Safe(column), style: t.styles.plain}}
		for i := range labels {
			cells = append(cells, t.cell(rows[i][j]))
		}
		g.rows = append(g.rows, cells)
	}
	return g
}

// list is a table of the objects of a list, each in a row.
func (t *transcript) list(n node) []string {
	names := columns(n)
	head := t.head(Safe(names[0]), names[1:], false)
	g := grid{gap: gap, rows: [][]cell{head}}
	for _, item := range n.items {
		var cells []cell
		for _, name := range names {
			cells = append(cells, t.cell(item.fields[name]))
		}
		g.rows = append(g.rows, cells)
	}
	g.shrink(t.width - 2)
	return g.lines()
}

func (t *transcript) head(first string, columns []string, breaking bool) []cell {
	cells := []cell{{text: first, style: t.styles.faint}}
	for _, c := range columns {
		text := Safe(c)
		if breaking {
			text = strings.NewReplacer("_", "_\n", "-", "-\n", " ", "\n").Replace(text)
		}
		cells = append(cells, cell{text: text, style: t.styles.faint})
	}
	return cells
}

func (t *transcript) cell(n node) cell {
	if n.kind == 0 { // this row has no such attribute
		return cell{}
	}
	return cell{text: Safe(n.scalar), style: t.verdictStyle(n), right: n.kind == '-' || '0' <= n.kind && n.kind <= '9'}
}

// verdictStyle colours the words that verdicts are made of.
func (t *transcript) verdictStyle(n node) lipgloss.Style {
	if n.kind == 'n' {
		return t.styles.faint
	}
	if n.kind != '"' {
		return t.styles.plain
	}
	switch strings.ToLower(n.scalar) {
	case "pass", "passed", "ok":
		return t.styles.good
	case "fail", "failed", "error", "refused", "unreachable", "unknown":
		return t.styles.badBold
	case "changed", "would_change", "warn", "warning":
		return t.styles.changed
	case "skip", "skipped", "cancelled", "-", "":
		return t.styles.faint
	}
	return t.styles.plain
}

// shrink shortens the widest columns until the table fits.
func (g *grid) shrink(width int) {
	const least = 8
	for over := g.width() - width; over > 0; over = g.width() - width {
		widths := g.widths()
		widest := 0
		for i, w := range widths {
			if w > widths[widest] {
				widest = i
			}
		}
		target := max(least, widths[widest]-over)
		if target >= widths[widest] {
			return
		}
		for _, row := range g.rows {
			var lines []string
			for text := range strings.SplitSeq(row[widest].text, "\n") {
				lines = append(lines, truncate(text, target))
			}
			row[widest].text = strings.Join(lines, "\n")
		}
	}
}
