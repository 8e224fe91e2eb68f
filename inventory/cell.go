package inventory

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/eval"
)

// A slot is what a value is for: {"ssh", "user"}, {"vars", "gpus"}, {"", "address"}.
type slot struct{ section, name string }

// sensitive is the mark of values that no output may show.
const sensitive = eval.Sensitive

// The sections of slots whose names are free.
const (
	varsSection = "vars"
	envSection  = "env"
)

// String is the slot as a person writes it: ssh.user, vars.gpus, address.
func (s slot) String() string {
	if s.section == "" {
		return s.name
	}
	return s.section + "." + s.name
}

func (s slot) compare(other slot) int {
	if s.section != other.section {
		return strings.Compare(s.section, other.section)
	}
	return strings.Compare(s.name, other.name)
}

// A cell is one value that somebody declared for a slot, or for all names of a section at once. An expression that does not look
// at the host is evaluated once, whoever asks.
type cell struct {
	from  string // who declared it: group "gpu"
	at    hcl.Range
	expr  hcl.Expression // nil: value is given
	scope *fileScope
	reads reads

	known bool
	value cty.Value
}

// given makes a cell of a value that is there.
func given(from string, at hcl.Range, value cty.Value) *cell {
	return &cell{from: from, at: at, known: true, value: value}
}

// written makes a cell of an expression.
func written(from string, expr hcl.Expression, scope *fileScope) *cell {
	return &cell{from: from, at: expr.Range(), expr: expr, scope: scope, reads: readsOf(expr)}
}

// once is the value of a cell that does not look at the host. Its diagnostics come with the first call only.
func (c *cell) once() (cty.Value, hcl.Diagnostics) {
	if c.known {
		return c.value, nil
	}
	c.known = true
	value, diags := c.scope.value(c.expr)
	if diags.HasErrors() {
		value = cty.NilVal
	}
	c.value = value
	return c.value, diags
}

// reads are what an expression looks at of the host it is evaluated for.
type reads struct {
	host    bool             // it looks at the host at all
	allVars bool             // at host.vars as a whole, or by a name that only evaluation tells
	vars    []eval.Reference // at these names of host.vars
}

func readsOf(expr hcl.Expression) reads {
	var r reads
	for _, ref := range eval.References(expr) {
		if ref.Root != "host" {
			continue
		}
		r.host = true
		switch {
		case len(ref.Path) == 0 || ref.Path[0] == eval.AnyKey:
			r.allVars = true
		case ref.Path[0] == varsSection && (len(ref.Path) == 1 || ref.Path[1] == eval.AnyKey):
			r.allVars = true
		case ref.Path[0] == varsSection:
			r.vars = append(r.vars, ref)
		}
	}
	return r
}

// A layer is what one block, or one source, says of the hosts it is about.
type layer struct {
	found bool // by a source: below what a file says of the same host or group
	cells map[slot]*cell
	// whole are sections given by one expression that only evaluation takes apart, for each host.
	whole map[string]*cell
}

func newLayer() *layer { return &layer{cells: map[slot]*cell{}} }

func (l *layer) setWhole(section string, c *cell) {
	if l.whole == nil {
		l.whole = map[string]*cell{}
	}
	l.whole[section] = c
}
