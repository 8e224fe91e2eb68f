package engine

import (
	"fmt"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"
)

// A Family is one group of facts about a host, gathered by one question: host.facts.NAME. Each fact is always there; one that the host does
// not tell is null. Nothing in it changes while nothing is changed on the host: how much memory there is, not how much is free.
type Family struct {
	Name  string
	Doc   string
	Facts []Fact

	ask  Shell
	read func(Answer) (any, error) // a struct with a `cty:"…"` tag for each fact; only of an answer that was given, with exit code 0
}

// A Fact is one attribute of a family, or of the items of one.
type Fact struct {
	Name string
	Type cty.Type // ignored where Each is set
	Doc  string
	Each []Fact // it is a list of objects that have these
}

// Families are all facts there are about a host.
func Families() []Family { return families }

var families = []Family{osFamily, kernelFamily, cpuFamily, memoryFamily, gpuFamily, rocmFamily, ibFamily}

// gpuLimit is how long a host may take to tell its GPUs: amd-smi talks to each of them.
const gpuLimit = time.Minute

// Type is that of the family's object.
func (f Family) Type() cty.Type { return factObject(f.Facts) }

func factObject(facts []Fact) cty.Type {
	attrs := make(map[string]cty.Type, len(facts))
	for _, f := range facts {
		attrs[f.Name] = f.factType()
	}
	return cty.Object(attrs)
}

func (f Fact) factType() cty.Type {
	if f.Each != nil {
		return cty.List(factObject(f.Each))
	}
	return f.Type
}

// value reads an answer to the family's question. Whatever is not a sound answer is an error that says why: never an absence.
func (f Family) value(a Answer) (cty.Value, error) {
	switch {
	case a.State == TimedOut:
		return cty.NilVal, fmt.Errorf("%s%s", underWay(a), a.Why)
	case a.State != Given:
		return cty.NilVal, fmt.Errorf("%s", a.Why)
	case a.Code != 0:
		return cty.NilVal, fmt.Errorf("%s", exitWords(a))
	case a.Stdout.Size > int64(len(a.Stdout.Bytes)):
		return cty.NilVal, fmt.Errorf("the host answered with %d bytes, which is more than there can be to say", a.Stdout.Size)
	}
	v, err := f.read(a)
	if err != nil {
		return cty.NilVal, err
	}
	return gocty.ToCtyValue(v, f.Type())
}

// A factSet is a set of families: bit i is for families[i].
type factSet uint

const allFacts factSet = 1<<7 - 1

// each gives the families of a set, by their index.
func (s factSet) each(yield func(int, Family) bool) {
	for i, f := range families {
		if s&(1<<i) != 0 && !yield(i, f) {
			return
		}
	}
}

// familyNames are the names of all families.
func familyNames() []string {
	names := make([]string, len(families))
	for i, f := range families {
		names[i] = f.Name
	}
	return names
}

// unknownFacts is host.facts before any host was asked.
func unknownFacts() cty.Value {
	attrs := map[string]cty.Value{}
	for _, f := range families {
		of := map[string]cty.Value{}
		for _, fact := range f.Facts {
			of[fact.Name] = cty.UnknownVal(fact.factType())
		}
		attrs[f.Name] = cty.ObjectVal(of)
	}
	return cty.ObjectVal(attrs)
}
