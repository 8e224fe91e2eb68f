package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
	"cvsplay/engine/eval"
	"cvsplay/engine/report"
	"cvsplay/modules"
)

type docsFlags struct{ markdown, json bool }

func (a *app) docsCommand() *cobra.Command {
	var f docsFlags
	cmd := &cobra.Command{
		Use:   "docs [MODULE|functions|facts]",
		Short: "Document a module, or list them all",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.docsList(f)
			}
			return a.docsPage(args[0], f)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return append(modules.All().Names(), "functions", "facts"), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&f.markdown, "markdown", false, "print Markdown")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

func (a *app) docsList(f docsFlags) error {
	all := modules.All()
	if f.json {
		var pages []page
		for _, name := range all.Names() {
			pages = append(pages, pageOf(all[name]))
		}
		return a.printJSON(pages)
	}
	fmt.Fprintln(a.stdout, "Modules (cvsplay docs MODULE tells all about one):")
	fmt.Fprintln(a.stdout)
	for _, name := range all.Names() {
		fmt.Fprintf(a.stdout, "  %-18s %s\n", name, all[name].Summary)
	}
	fmt.Fprintln(a.stdout)
	fmt.Fprintln(a.stdout, "cvsplay docs functions lists the functions of expressions, cvsplay docs facts what a host tells of itself.")
	return nil
}

func (a *app) docsPage(name string, f docsFlags) error {
	if name == "functions" {
		for _, d := range eval.FunctionDocs() {
			fmt.Fprintf(a.stdout, "%s\n    %s\n", d.Signature, d.Doc)
		}
		return nil
	}
	if name == "facts" {
		return a.docsFacts(f)
	}
	all := modules.All()
	m, ok := all[name]
	if !ok {
		return fmt.Errorf("there is no module %q.%s", name, eval.DidYouMean(name, all.Names()))
	}
	switch p := pageOf(m); {
	case f.json:
		return a.printJSON(p)
	case f.markdown:
		p.markdown(a.stdout)
	default:
		p.text(a.stdout)
	}
	return nil
}

// A page documents one module.
type page struct {
	Name    string      `json:"name"`
	Summary string      `json:"summary"`
	Doc     string      `json:"doc"`
	Example string      `json:"example"`
	Args    []pageArg   `json:"arguments"`
	Results []pageValue `json:"results"`
}

type pageArg struct {
	pageValue
	Required bool            `json:"required,omitempty"`
	Default  json.RawMessage `json:"default,omitempty"`
	Values   []string        `json:"values,omitempty"`
	Block    []pageArg       `json:"block,omitempty"`
	Soon     bool            `json:"not_supported_yet,omitempty"`
}

type pageValue struct {
	Name string `json:"name"`
	Type string `json:"type,omitempty"`
	Doc  string `json:"doc"`
}

func pageOf(m engine.Module) page {
	p := page{Name: m.Name, Summary: m.Summary, Doc: m.Doc, Example: m.Example, Args: pageArgs(m.Args)}
	for _, r := range m.Results {
		p.Results = append(p.Results, pageValue{r.Name, typeName(r.Type), r.Doc})
	}
	return p
}

func pageArgs(args []engine.Arg) []pageArg {
	var out []pageArg
	for _, a := range args {
		if a.Gone != "" {
			continue
		}
		p := pageArg{pageValue: pageValue{a.Name, typeName(a.Type), a.Doc}, Required: a.Required, Values: a.Values, Block: pageArgs(a.Block), Soon: a.Soon}
		if a.Block != nil {
			p.Type = "block"
		}
		if a.As == engine.AsDuration {
			p.Type = "duration"
		}
		if a.Default != nil {
			p.Default, _ = json.Marshal(a.Default) // defaults are plain values
		}
		out = append(out, p)
	}
	return out
}

func typeName(t cty.Type) string {
	if t == cty.NilType {
		return ""
	}
	return t.FriendlyName()
}

// facts is what there is to say of an argument in a few words.
func (p pageArg) facts() string {
	words := []string{p.Type}
	if p.Required {
		words = append(words, "required")
	}
	if len(p.Default) > 0 {
		words = append(words, "default "+string(p.Default))
	}
	if len(p.Values) > 0 {
		words = append(words, "one of "+strings.Join(p.Values, ", "))
	}
	if p.Soon {
		words = append(words, "not supported yet")
	}
	return strings.Join(words, "; ")
}

func (p page) text(w io.Writer) {
	fmt.Fprintf(w, "%s\n\n%s\n\n", strings.ToUpper(p.Name), report.Wrap(p.Summary+"\n\n"+p.Doc, 80, ""))
	fmt.Fprint(w, "ARGUMENTS\n\n")
	textArgs(w, p.Args, "  ")
	if len(p.Results) > 0 {
		fmt.Fprint(w, "RESULTS\n\n")
		for _, r := range p.Results {
			fmt.Fprintf(w, "  %s (%s)\n%s\n", r.Name, r.Type, report.Wrap(r.Doc, 80, "      "))
		}
	}
	if p.Example != "" {
		fmt.Fprintf(w, "\nEXAMPLE\n\n%s\n", indent(p.Example, "  "))
	}
}

func textArgs(w io.Writer, args []pageArg, margin string) {
	for _, a := range args {
		fmt.Fprintf(w, "%s%s (%s)\n%s\n", margin, a.Name, a.facts(), report.Wrap(a.Doc, 80, margin+"    "))
		textArgs(w, a.Block, margin+"    ")
	}
	if margin == "  " {
		fmt.Fprintln(w)
	}
}

func indent(s, margin string) string {
	return margin + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n"+margin)
}

func (p page) markdown(w io.Writer) {
	fmt.Fprintf(w, "# %s\n\n%s\n\n%s\n\n## Arguments\n\n| argument | type | meaning |\n|---|---|---|\n", p.Name, p.Summary, strings.TrimSpace(p.Doc))
	markdownArgs(w, p.Args, "")
	if len(p.Results) > 0 {
		fmt.Fprint(w, "\n## Results\n\n| result | type | meaning |\n|---|---|---|\n")
		for _, r := range p.Results {
			fmt.Fprintf(w, "| `%s` | %s | %s |\n", r.Name, r.Type, cell(r.Doc))
		}
	}
	if p.Example != "" {
		fmt.Fprintf(w, "\n## Example\n\n```hcl\n%s\n```\n", strings.TrimSpace(p.Example))
	}
}

func markdownArgs(w io.Writer, args []pageArg, prefix string) {
	for _, a := range args {
		fmt.Fprintf(w, "| `%s` | %s | %s |\n", prefix+a.Name, cell(a.facts()), cell(a.Doc))
		markdownArgs(w, a.Block, prefix+a.Name+".")
	}
}

func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}
