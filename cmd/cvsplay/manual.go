package main

import (
	"fmt"
	"strings"

	"cvsplay/docs"
	"cvsplay/engine/eval"
	"cvsplay/engine/lint"
)

// A topic is a page of the manual that is about no single module.
type topic struct {
	name    string
	section string // of manual pages
	summary string
	page    func() (string, error) // Markdown, with a heading of the first level
	data    func() any             // what --json prints; nil: the page itself
}

// topics are all there are, in the order in which one reads them.
func topics() []topic {
	return []topic{
		{"language", "5", "playbooks and inventories", embedded("language.md"), nil},
		{"functions", "7", "the functions of expressions", functionsPage, func() any { return functionDocs() }},
		{"facts", "7", "what a host tells of itself", factsPage, func() any { return factPages() }},
		{"lint", "7", "what validate hints at", lintPage, func() any { return lintDocs() }},
		{"validate", "7", "what validate prints for editors", embedded("validate.md"), nil},
		{"events", "5", "the stream of events that run prints", embedded("events.md"), nil},
	}
}

func embedded(name string) func() (string, error) {
	return func() (string, error) {
		text, err := docs.Pages.ReadFile(name)
		return string(text), err
	}
}

// json is what --json prints of a topic.
func (t topic) json() (any, error) {
	if t.data != nil {
		return t.data(), nil
	}
	text, err := t.page()
	return map[string]string{"name": t.name, "summary": t.summary, "markdown": text}, err
}

type functionDoc struct {
	Name      string `json:"name"`
	Signature string `json:"signature"`
	Doc       string `json:"doc"`
	Example   string `json:"example"`
	Gives     string `json:"gives"`
}

func functionDocs() []functionDoc {
	var out []functionDoc
	for _, d := range eval.FunctionDocs() {
		out = append(out, functionDoc(d))
	}
	return out
}

func functionsPage() (string, error) {
	var b strings.Builder
	b.WriteString("# Functions\n\nEach with an example and what that gives. Relative paths begin in the folder of the file in which they stand.\n\n" +
		"| function | meaning |\n|---|---|\n")
	for _, d := range eval.FunctionDocs() {
		fmt.Fprintf(&b, "| `%s` | %s %s is %s. |\n", cell(d.Signature), cell(d.Doc), code(d.Example), code(d.Gives))
	}
	return b.String(), nil
}

// code is a code span in a cell of a table.
func code(text string) string {
	text = strings.ReplaceAll(text, "|", `\|`)
	if strings.Contains(text, "`") {
		return "`` " + text + " ``"
	}
	return "`" + text + "`"
}

type lintDoc struct {
	ID   string `json:"id"`
	Why  string `json:"why"`
	Bad  string `json:"bad"`
	Good string `json:"good"`
}

func lintDocs() []lintDoc {
	var out []lintDoc
	for _, r := range lint.Rules() {
		out = append(out, lintDoc(r))
	}
	return out
}

const lintIntroduction = "`cvsplay validate` hints at what is allowed and probably not meant. A hint is a warning; `--lint error` makes it an error, and `--lint off` leaves all of them " +
	"out. The comment `# lint: ignore ID` silences one on its line, or on the line below it; several ids stand behind commas. In JSON it is the property " +
	"`\"//\": \"lint: ignore ID\"`, on the same line. Files in JSON have the hints of modules only."

func lintPage() (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# Hints\n\n%s\n", lintIntroduction)
	for _, r := range lint.Rules() {
		fmt.Fprintf(&b, "\n## `%s`\n\n%s\n\n```hcl\n%s```\n\nBetter:\n\n```hcl\n%s```\n", r.ID, r.Why, r.Bad, r.Good)
	}
	return b.String(), nil
}

func factsPage() (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# Facts\n\n%s\n\n", factsIntroduction)
	markdownFacts(&b, factPages())
	return b.String(), nil
}
