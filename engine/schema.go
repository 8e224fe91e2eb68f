package engine

import (
	"fmt"
	"sort"

	"github.com/zclconf/go-cty/cty"
)

// A Module is one kind of step: its schema, and how it is decided. Decoding, validation, documentation and the unknown results of check mode
// all come from the schema.
type Module struct {
	Name    string
	Summary string // one sentence, for lists
	Doc     string // Markdown: what it does, what it asks, what it refuses
	Example string // HCL of one step, complete enough to validate
	File    string // the playbook that defines it; "": it is built in
	Args    []Arg
	Results []Result
	// Place says that a step of this module can stand in "inside": its argument "name" is the container's name, "runtime" its runtime.
	Place bool
	// Surveys says that under run_once all hosts of the play are asked, though one decision serves them all.
	Surveys bool
	// Alongside says that several hosts may have a step of this module run on one other host at the same time, by "on". Those of other modules
	// take turns there, since what they compare with what is there another one could be changing.
	Alongside bool
	// Judged says that the playbook may overrule "changed" by changed_when.
	Judged bool
	// Looks tells by a step's arguments that it changes nothing whatever happens: check mode never counts it among what would change.
	Looks func(Inputs) bool
	// Check finds what is wrong among several arguments, before any host is contacted. It sees values that may be unknown.
	Check func(Inputs) []Complaint
	// Hints finds what is allowed but probably not meant.
	Hints func(Inputs) []Complaint

	kind kind
}

// page is what "cvsplay docs" needs to be given to tell of the module.
func (m Module) page() string {
	if m.File == "" {
		return m.Name
	}
	return fmt.Sprintf("--playbook %s %s", m.File, m.Name)
}

// PerHost makes a module whose steps are decided host by host.
func PerHost[A Args](m Module, decide func(A, Seen) Decision) Module {
	m.kind = kind{
		decode: decodeAs[A],
		decide: func(all []On[Args]) []Decision {
			out := make([]Decision, len(all))
			for i, on := range all {
				a, ok := on.Args.(A)
				if !ok {
					continue
				}
				out[i] = decide(a, on.Seen)
			}
			return out
		},
	}
	return m
}

// Fleet makes a module whose steps are decided over all hosts in scope at once, those that cannot be asked too: decide gets
// one On for each host and gives one decision for each, in the same order. Done and Stop count only when no host has work left, so phases
// across the fleet are rounds.
func Fleet[A Args](m Module, decide func([]On[A]) []Decision) Module {
	m.kind = kind{
		fleet:  true,
		decode: decodeAs[A],
		decide: func(all []On[Args]) []Decision {
			typed := make([]On[A], len(all))
			for i, on := range all {
				typed[i].Seen = on.Seen
				if a, ok := on.Args.(A); ok {
					typed[i].Args = a
				}
			}
			return decide(typed)
		},
	}
	return m
}

// kind is what is left of a module's types once they are erased.
type kind struct {
	fleet  bool
	decode func(*archiveReading, []Arg, map[string]cty.Value) (Args, error)
	decide func([]On[Args]) []Decision
}

// IsFleet tells whether the module is decided over the whole fleet.
func (m Module) IsFleet() bool { return m.kind.fleet }

// Decode makes the module's arguments of known values, with defaults where none are given.
func (m Module) Decode(given map[string]cty.Value) (Args, error) {
	return m.kind.decode(&archiveReading{}, m.Args, withDefaults(m.Args, given))
}

// Arg finds an argument of the schema by its name.
func (m Module) Arg(name string) (Arg, bool) {
	for _, a := range m.Args {
		if a.Name == name {
			return a, true
		}
	}
	return Arg{}, false
}

// An Arg is one argument, or one nested block, of a module.
type Arg struct {
	Name     string
	Type     cty.Type // of an argument; ignored for a block
	Doc      string
	Required bool
	Default  any      // Go value of the type; nil: null
	Values   []string // the values allowed, where it is one of a few
	As       Form     // what the text must be, beyond its type
	// Valid finds what is wrong with a known, non-null, unmarked value.
	Valid func(cty.Value) error
	// Secret values are kept out of everything that is printed, whether or not the person marked them.
	Secret bool
	// Visible values show on the host (argv, labels): a sensitive one is an error.
	Visible bool
	// Block holds the arguments of a nested block; Many allows it more than once.
	Block []Arg
	Many  bool
	// Gone refuses the argument and says what replaces it.
	Gone string
	// Soon refuses the argument as not supported yet.
	Soon bool
}

// A Form is what an argument's text must be.
type Form int

// The forms of an argument.
const (
	Plain          Form = iota
	AsDuration          // "90s", "10m": time.Duration in the struct
	AsRE2               // a regular expression, or a list of them: string(s) in the struct
	AsContent           // text that becomes a file: Blob in the struct
	AsSource            // path of a file on the controller: Blob in the struct
	AsImageArchive      // path of an archive of container images on the controller: ImageArchive in the struct
	AsAbsPath           // absolute path on the host: string in the struct
	AsGlob              // absolute path or glob on the host
	AsMode              // octal file mode such as "0644"
)

// A Result is one value a step leaves.
type Result struct {
	Name    string
	Type    cty.Type
	Doc     string
	Repeats string // the argument whose value it always is: known before the step ran
}

// A Complaint is something wrong with a step, found without a host.
type Complaint struct {
	Arg    string // the argument it is about; "": the step
	Say    string // what is wrong, and what to do
	HintID string // for Hints
}

// Inputs are what a person gave for the arguments of one step: values may be unknown, null or marked.
type Inputs map[string]cty.Value

// Has tells whether an argument was given (or may be: its value is not known yet).
func (g Inputs) Has(name string) bool {
	v, ok := g[name]
	if !ok {
		return false
	}
	v, _ = v.Unmark()
	if !v.IsKnown() {
		return true
	}
	if v.IsNull() {
		return false
	}
	return true
}

// String gives a known string argument, else "".
func (g Inputs) String(name string) string {
	v, ok := g[name]
	if !ok {
		return ""
	}
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}

// Known tells whether an argument's value is wholly known.
func (g Inputs) Known(name string) bool {
	v, ok := g[name]
	return !ok || v.IsWhollyKnown()
}

// True tells whether a bool argument is known to be true.
func (g Inputs) True(name string) bool {
	v, ok := g[name]
	if !ok {
		return false
	}
	v, _ = v.Unmark()
	return v.IsKnown() && !v.IsNull() && v.Type() == cty.Bool && v.True()
}

// Modules are the modules of a run, by name.
type Modules map[string]Module

// NewModules makes a registry; a name given twice is a bug and panics.
func NewModules(list ...Module) Modules {
	out := make(Modules, len(list))
	for _, m := range list {
		if _, dup := out[m.Name]; dup {
			panic(fmt.Sprintf("module %q is registered twice", m.Name))
		}
		out[m.Name] = m
	}
	return out
}

// Names lists the modules in alphabetical order.
func (ms Modules) Names() []string {
	out := make([]string, 0, len(ms))
	for name := range ms {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}
