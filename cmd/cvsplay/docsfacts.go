package main

import (
	"fmt"
	"io"

	"cvsplay/engine"
)

// A factPage documents one family of facts.
type factPage struct {
	Name  string     `json:"name"`
	Doc   string     `json:"doc"`
	Facts []pageFact `json:"facts"`
}

type pageFact struct {
	pageValue
	Each []pageValue `json:"each,omitempty"` // of the objects in a list
}

func factPages() []factPage {
	var pages []factPage
	for _, f := range engine.Families() {
		p := factPage{Name: f.Name, Doc: f.Doc}
		for _, fact := range f.Facts {
			one := pageFact{pageValue: pageValue{fact.Name, typeName(fact.Type), fact.Doc}}
			for _, each := range fact.Each {
				one.Type = "list of objects"
				one.Each = append(one.Each, pageValue{each.Name, typeName(each.Type), each.Doc})
			}
			p.Facts = append(p.Facts, one)
		}
		pages = append(pages, p)
	}
	return pages
}

const factsIntroduction = `A playbook reads what a host tells of itself as host.facts.FAMILY.FACT. A family is asked when an expression of the play ` +
	`reads it, with the questions that travel anyway, and again when it is read after something was changed on that host. Every fact is always ` +
	`there; one that the host does not tell is null.`

// markdownFacts is one table, which docs/language.md has too.
func markdownFacts(w io.Writer, pages []factPage) {
	fmt.Fprint(w, "| fact | type | meaning |\n|---|---|---|\n")
	for _, p := range pages {
		fmt.Fprintf(w, "| **`%s`** | | %s |\n", p.Name, cell(p.Doc))
		for _, fact := range p.Facts {
			fmt.Fprintf(w, "| `%s.%s` | %s | %s |\n", p.Name, fact.Name, fact.Type, cell(fact.Doc))
			for _, each := range fact.Each {
				fmt.Fprintf(w, "| `%s.%s[*].%s` | %s | %s |\n", p.Name, fact.Name, each.Name, each.Type, cell(each.Doc))
			}
		}
	}
}
