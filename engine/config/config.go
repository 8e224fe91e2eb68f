// Package config turns the text of playbooks into source shapes that keep every range. It evaluates nothing: what a
// person wrote stays an expression until a scope is there for it, and a module's arguments stay a body until the module's schema is known.
package config

import (
	"github.com/hashicorp/hcl/v2"
)

// A Playbook is one playbook file.
type Playbook struct {
	Path      string // as given
	Dir       string // the folder it is in: what file("…") is relative to
	Required  *Attr  // cvsplay { required_version = … }; nil where absent
	Variables []*Variable
	Locals    []*Attr
	Plays     []*Play
	Outputs   []*Output
}

// An Attr is a name with an expression: a local, a key of a vars map.
type Attr struct {
	Name      string
	Expr      hcl.Expression
	NameRange hcl.Range
}

// A Variable is one variable block. Nil expressions were not written.
type Variable struct {
	Name        string
	Type        hcl.Expression // a type constraint, as typeexpr reads it
	Default     hcl.Expression
	Description hcl.Expression
	Sensitive   hcl.Expression
	Validations []*Validation
	DeclRange   hcl.Range // of the block's header
}

// A Validation is one validation block of a variable.
type Validation struct {
	Condition    hcl.Expression
	ErrorMessage hcl.Expression
	DeclRange    hcl.Range
}

// A Play is one play block. Nil expressions were not written.
type Play struct {
	Name        string
	Hosts       hcl.Expression
	Description hcl.Expression
	OnError     hcl.Expression
	MaxFailures hcl.Expression
	Become      hcl.Expression
	Env         hcl.Expression
	Tags        hcl.Expression
	Locals      []*Attr
	Steps       []*Step // steps and checks in the order of the text
	DeclRange   hcl.Range
}

// A Step is one step or check block of a play.
type Step struct {
	Module    string // label one; "" for a check
	Name      string
	Check     *Check   // set for a check block
	Body      hcl.Body // everything inside a step's braces, meta-arguments and module arguments alike
	Meta      Meta     // what Split found; set by the planner, which knows the module's schema
	DeclRange hcl.Range
	ModRange  hcl.Range // of the module's label
	NameRange hcl.Range
}

// A Check is the content of a check block.
type Check struct {
	Condition    hcl.Expression
	ErrorMessage hcl.Expression
}

// Meta are the meta-arguments of one step. Nil expressions were not written.
type Meta struct {
	When         hcl.Expression
	ForEach      hcl.Expression
	RunOnce      hcl.Expression
	Hosts        hcl.Expression
	Inside       hcl.Expression
	Become       hcl.Expression
	Env          hcl.Expression
	Timeout      hcl.Expression
	ChangedWhen  hcl.Expression
	FailWhen     hcl.Expression
	IgnoreErrors hcl.Expression
	Tags         hcl.Expression
	Barrier      hcl.Expression
	DependsOn    hcl.Expression
	Description  hcl.Expression
	Retry        *Retry
}

// A Retry is a retry block. Nil expressions were not written.
type Retry struct {
	Attempts  hcl.Expression
	Delay     hcl.Expression
	Until     hcl.Expression
	DeclRange hcl.Range
}

// An Output is one output block.
type Output struct {
	Name        string
	Value       hcl.Expression
	Description hcl.Expression
	Sensitive   hcl.Expression
	DeclRange   hcl.Range
}
