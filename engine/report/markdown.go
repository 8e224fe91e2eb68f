package report

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// maxProse is how many columns a paragraph fills at most: longer lines are hard to read.
const maxProse = 100

// Markdown shows a page of documentation on a terminal, wrapped to its width. Tables become lists of terms.
func Markdown(w io.Writer, page string, o Options) error {
	width, _ := o.size(w)
	src := []byte(Definitions(page))
	doc := goldmark.New(goldmark.WithExtensions(extension.DefinitionList)).Parser().Parse(text.NewReader(src))
	p := &prose{src: src, styles: newStyles(w, o), width: min(width, maxProse)}
	p.code = p.styles.plain.Foreground(lipgloss.Color("6"))
	p.coloured = p.code.Render("x") != "x"
	p.blocks(doc, "")
	return writeLines(w, p.lines, nil)
}

// A prose is a page that is being laid out.
type prose struct {
	src      []byte
	styles   styles
	code     lipgloss.Style
	coloured bool
	width    int
	lines    []string
}

// blocks lays out what stands in a node, with an empty line between paragraphs.
func (p *prose) blocks(parent ast.Node, margin string) {
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		if _, inItem := n.(*ast.TextBlock); n != parent.FirstChild() && !inItem {
			p.lines = append(p.lines, "")
		}
		p.block(n, margin)
	}
}

func (p *prose) block(n ast.Node, margin string) {
	switch n := n.(type) {
	case *ast.Heading:
		title := strings.ReplaceAll(ansi.Strip(p.inline(n)), "`", "")
		if _, isName := n.FirstChild().(*ast.CodeSpan); n.Level <= 2 && !isName {
			title = strings.ToUpper(title)
		}
		p.lines = append(p.lines, margin+p.styles.bold.Render(title))
	case *ast.FencedCodeBlock, *ast.CodeBlock:
		lines := n.Lines()
		for i := range lines.Len() {
			at := lines.At(i)
			p.lines = append(p.lines, strings.TrimRight(margin+"  "+Safe(strings.TrimRight(string(at.Value(p.src)), "\r\n")), " "))
		}
	case *ast.List:
		p.list(n, margin)
	case *extast.DefinitionList:
		p.definitions(n, margin+"  ")
	case *ast.HTMLBlock, *ast.ThematicBreak:
	default:
		p.wrapped(p.inline(n), margin, margin)
	}
}

func (p *prose) list(list *ast.List, margin string) {
	number := list.Start
	for item := list.FirstChild(); item != nil; item = item.NextSibling() {
		mark := "- "
		if list.IsOrdered() {
			mark = fmt.Sprintf("%d. ", number)
			number++
		}
		if item != list.FirstChild() && !list.IsTight {
			p.lines = append(p.lines, "")
		}
		first := len(p.lines)
		inner := margin + strings.Repeat(" ", len(mark))
		p.blocks(item, inner)
		if first < len(p.lines) {
			p.lines[first] = margin + mark + strings.TrimPrefix(p.lines[first], inner)
		}
	}
}

func (p *prose) definitions(list ast.Node, margin string) {
	for n := list.FirstChild(); n != nil; n = n.NextSibling() {
		if _, is := n.(*extast.DefinitionTerm); is {
			term := p.inline(n)
			if !p.coloured {
				term = strings.ReplaceAll(term, "`", "")
			}
			p.wrapped(term, margin, margin+"  ")
			continue
		}
		for inner := n.FirstChild(); inner != nil; inner = inner.NextSibling() {
			p.block(inner, margin+"    ")
		}
	}
}

// wrapped adds lines that begin with a margin, the first with one of its own.
func (p *prose) wrapped(words, first, margin string) {
	if strings.TrimSpace(words) == "" {
		return
	}
	for i, line := range strings.Split(ansi.Wordwrap(words, p.width-len(margin), ""), "\n") {
		if i == 0 {
			p.lines = append(p.lines, first+line)
			continue
		}
		p.lines = append(p.lines, margin+strings.TrimLeft(line, " "))
	}
}

// inline is the text of what stands in a paragraph.
func (p *prose) inline(parent ast.Node) string {
	var b strings.Builder
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Text:
			b.WriteString(Safe(string(util.ResolveEntityNames(util.UnescapePunctuations(n.Segment.Value(p.src))))))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.CodeSpan:
			b.WriteString(p.codeSpan(n))
		case *ast.Emphasis:
			b.WriteString(p.styles.bold.Render(p.inline(n)))
		case *ast.AutoLink:
			b.Write(n.URL(p.src))
		case *ast.RawHTML:
		default: // a link is its text
			b.WriteString(p.inline(n))
		}
	}
	return b.String()
}

// codeSpan keeps its backquotes where no colour tells it from what is around.
func (p *prose) codeSpan(n ast.Node) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if t, is := c.(*ast.Text); is {
			b.WriteString(strings.ReplaceAll(string(t.Segment.Value(p.src)), "\n", " "))
		}
	}
	if !p.coloured {
		return "`" + Safe(b.String()) + "`"
	}
	return p.code.Render(Safe(b.String()))
}

var tableRow = regexp.MustCompile(`^\|(.*)\|\s*$`)

// Definitions are the tables of a page as lists of terms: of each row the first cell, with those between in parentheses, and what the last one says.
// Terminals and manual pages are too narrow for anything else.
func Definitions(page string) string {
	var out []string
	rows, fenced := 0, false
	for _, line := range strings.Split(page, "\n") {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		row := tableRow.FindStringSubmatch(line)
		if row == nil || fenced {
			rows = 0
			out = append(out, line)
			continue
		}
		if rows++; rows > 2 { // its head, and the line below that
			out = append(out, definition(cells(row[1]))...)
		}
	}
	return strings.Join(out, "\n")
}

func definition(cells []string) []string {
	term := cells[0]
	var between []string
	for _, cell := range cells[1:max(1, len(cells)-1)] {
		if cell != "" {
			between = append(between, cell)
		}
	}
	if len(between) > 0 {
		term += " (" + strings.Join(between, ", ") + ")"
	}
	if last := cells[len(cells)-1]; last != "" && len(cells) > 1 {
		return []string{term, ": " + last, ""}
	}
	return []string{term, ": \u00a0", ""}
}

// cells are what stands between the bars of a row that are not escaped.
func cells(row string) []string {
	parts := strings.Split(strings.ReplaceAll(row, `\|`, "\x00"), "|")
	for i, part := range parts {
		parts[i] = strings.TrimSpace(strings.ReplaceAll(part, "\x00", "|"))
	}
	return parts
}
