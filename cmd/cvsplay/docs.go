package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"cvsplay/engine"
	"cvsplay/engine/config"
	"cvsplay/engine/eval"
	"cvsplay/engine/report"
	"cvsplay/modules"
)

type docsFlags struct {
	markdown, json bool
	playbook       string
	man            string
	schema         string
}

func (a *app) docsCommand() *cobra.Command {
	var f docsFlags
	cmd := &cobra.Command{
		Use:   "docs [MODULE|TOPIC]",
		Short: "Document modules, functions and the language",
		Long: "Document a module or a topic, or list them all. With --playbook the modules that the playbook defines are among them.\n\n" +
			"    cvsplay docs exec_script\n" +
			"    cvsplay docs language\n" +
			"    cvsplay docs --playbook site.hcl sysctl\n" +
			"    cvsplay docs --markdown > manual.md                  all modules, and what they are used with\n" +
			"    cvsplay docs --man /usr/local/share/man              man cvsplay-run, man cvsplay-language, man cvsplay-exec_script\n" +
			"    cvsplay docs --schema playbook > playbook.schema.json",
		Args: takes(0, 1, "one module or topic, or none: without one it lists them"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case f.man != "":
				return a.writeMan(cmd.Root(), f.man)
			case f.schema != "":
				return a.printSchema(f)
			case len(args) == 0:
				return a.docsList(f)
			}
			return a.docsPage(args[0], f)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			all, _, _ := a.documented(f)
			names := all.Names()
			for _, t := range topics() {
				names = append(names, t.name)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&f.markdown, "markdown", false, "print Markdown; without a name all of it")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.Flags().StringVar(&f.playbook, "playbook", "", "with the modules that a playbook `file` defines")
	cmd.Flags().StringVar(&f.man, "man", "", "write manual pages into a `folder`")
	cmd.Flags().StringVar(&f.schema, "schema", "", "print the JSON schema of .hcl.json files, for editors: `playbook|inventory`")
	cmd.MarkFlagsMutuallyExclusive("markdown", "json", "man", "schema")
	return cmd
}

// documented are the modules there are: those that a playbook defines too, where one is named.
func (a *app) documented(f docsFlags) (engine.Modules, *config.Files, hcl.Diagnostics) {
	all := modules.All()
	if f.playbook == "" {
		return all, nil, nil
	}
	pb, files, diags := config.Load(f.playbook)
	if diags.HasErrors() {
		return all, files, diags
	}
	own, more := engine.DefinedModules(pb, engine.PlanOptions{Modules: all, Functions: eval.Functions(eval.FuncContext{Dir: pb.Dir, Env: a.lookup})})
	maps.Copy(all, own)
	return all, files, append(diags, more...)
}

// documentedOrSay says what is wrong with the playbook.
func (a *app) documentedOrSay(f docsFlags) (engine.Modules, error) {
	all, files, diags := a.documented(f)
	if diags.HasErrors() {
		a.diagnose(diags, files)
		return nil, exitCode(codeUsage)
	}
	return all, nil
}

func (a *app) docsList(f docsFlags) error {
	all, err := a.documentedOrSay(f)
	switch {
	case err != nil:
		return err
	case f.json:
		var pages []page
		for _, name := range all.Names() {
			pages = append(pages, pageOf(all[name]))
		}
		return a.printJSON(pages)
	case f.markdown:
		return a.printManual(all)
	}
	fmt.Fprint(a.stdout, "Modules (cvsplay docs MODULE tells all about one):\n\n")
	for _, name := range all.Names() {
		fmt.Fprintf(a.stdout, "  %-18s %s\n", name, all[name].Summary)
	}
	fmt.Fprint(a.stdout, "\nTopics (cvsplay docs TOPIC):\n\n")
	for _, t := range topics() {
		fmt.Fprintf(a.stdout, "  %-18s %s\n", t.name, t.summary)
	}
	return nil
}

// printManual prints all modules, and the topics that are made from the program, as one page.
func (a *app) printManual(all engine.Modules) error {
	var b strings.Builder
	b.WriteString("# cvsplay: modules and what they are used with\n\n")
	for _, name := range all.Names() {
		var p strings.Builder
		pageOf(all[name]).markdown(&p)
		b.WriteString(deeper(p.String()) + "\n")
	}
	for _, t := range topics() {
		if t.data == nil { // it is a page of its own
			continue
		}
		text, err := t.page()
		if err != nil {
			return err
		}
		b.WriteString(deeper(text) + "\n")
	}
	_, err := io.WriteString(a.stdout, strings.TrimRight(b.String(), "\n")+"\n")
	return err
}

// deeper is a page one level down in another one.
func deeper(page string) string {
	lines := strings.Split(page, "\n")
	fenced := false
	for i, line := range lines {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		if strings.HasPrefix(line, "#") && !fenced {
			lines[i] = "#" + line
		}
	}
	return strings.Join(lines, "\n")
}

func (a *app) docsPage(name string, f docsFlags) error {
	var names []string
	for _, t := range topics() {
		if names = append(names, t.name); t.name == name {
			return a.docsTopic(t, f)
		}
	}
	all, err := a.documentedOrSay(f)
	if err != nil {
		return err
	}
	m, ok := all[name]
	if !ok {
		return fmt.Errorf("there is no module and no topic %q.%s \"cvsplay docs\" lists them", name, eval.DidYouMean(name, append(names, all.Names()...)))
	}
	p := pageOf(m)
	if f.json {
		return a.printJSON(p)
	}
	var b strings.Builder
	p.markdown(&b)
	return a.printPage(b.String(), f)
}

func (a *app) docsTopic(t topic, f docsFlags) error {
	if f.json {
		v, err := t.json()
		if err != nil {
			return err
		}
		return a.printJSON(v)
	}
	text, err := t.page()
	if err != nil {
		return err
	}
	return a.printPage(text, f)
}

// printPage prints a page as the Markdown that it is, or as a terminal shows it.
func (a *app) printPage(text string, f docsFlags) error {
	if f.markdown {
		_, err := io.WriteString(a.stdout, text)
		return err
	}
	return report.Markdown(a.stdout, text, report.Options{Environ: a.environ})
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
			p.Default = defaultJSON(a)
		}
		out = append(out, p)
	}
	return out
}

// defaultJSON is a default as a person would write it: a plain value, or that of an argument of a defined module.
func defaultJSON(a engine.Arg) json.RawMessage {
	var text []byte
	switch v := a.Default.(type) {
	case cty.Value:
		if a.Secret {
			v = cty.StringVal(eval.Hidden)
		}
		text, _ = ctyjson.Marshal(v, v.Type()) // constants, so known
	default:
		text, _ = json.Marshal(v)
	}
	return text
}

func typeName(t cty.Type) string {
	switch t {
	case cty.NilType:
		return ""
	case cty.DynamicPseudoType:
		return "any"
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

func (p page) markdown(w io.Writer) {
	fmt.Fprintf(w, "# %s\n\n%s\n\n%s\n", p.Name, p.Summary, strings.TrimSpace(p.Doc))
	if len(p.Args) > 0 {
		fmt.Fprint(w, "\n## Arguments\n\n| argument | type | meaning |\n|---|---|---|\n")
		markdownArgs(w, p.Args, "")
	}
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
