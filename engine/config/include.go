package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// A Unit is a file that an include block takes in, with names of its own: the steps of a folder, or a file with plays.
type Unit struct {
	Name      string // its label
	Prefix    string // what the names of its steps, or of its plays, begin with: "roce.", "outer.roce."
	Parent    *Unit  // that includes it; nil: the playbook
	Path      string
	Dir       string  // the folder it is in: what file("…") is relative to
	Args      []*Attr // values for its variables
	Required  *Attr
	Variables []*Variable
	Locals    []*Attr
	Defines   []*Define
	Outputs   []*Output
	DeclRange hcl.Range
	NameRange hcl.Range
}

// fullName is a name within the unit as the rest of the playbook knows it.
func (u *Unit) fullName(name string) string {
	if u == nil {
		return name
	}
	return u.Prefix + name
}

// A loader reads the files that others include.
type loader struct {
	files *Files
	stack []string // of the files that include each other, the playbook first
}

var includeHeader = hcl.BlockHeaderSchema{Type: "include", LabelNames: []string{"name"}}

// unitSchema is what a folder holds whose steps are included in a play.
var unitSchema = &hcl.BodySchema{
	Blocks: append([]hcl.BlockHeaderSchema{
		{Type: "cvsplay"}, {Type: "variable", LabelNames: []string{"name"}}, {Type: "locals"}, {Type: "output", LabelNames: []string{"name"}},
		{Type: "define", LabelNames: []string{"name"}}, {Type: "handler", LabelNames: []string{"module", "name"}},
	}, stepSchema...),
}

// open reads the file that an include block names, and gives the unit that its content belongs to; dir is the folder of the file it stands in.
func (l loader) open(block *hcl.Block, dir string, parent *Unit) (*Unit, hcl.Body, loader, hcl.Diagnostics) {
	u := &Unit{Name: block.Labels[0], Parent: parent, DeclRange: block.DefRange, NameRange: labelRange(block, 0)}
	u.Prefix = parent.fullName(u.Name) + "."
	attrs, diags := block.Body.JustAttributes()
	source, ok := attrs["source"]
	if !ok {
		return u, nil, l, append(diags, errorAt(block.DefRange, "Missing source", "An include says what it takes in: source = \"./roles/NAME\", a folder with a main.hcl, or a file."))
	}
	delete(attrs, "source")
	for _, attr := range attrs {
		u.Args = append(u.Args, &Attr{Name: attr.Name, Expr: attr.Expr, NameRange: attr.NameRange})
	}
	slices.SortFunc(u.Args, func(a, b *Attr) int { return a.NameRange.Start.Byte - b.NameRange.Start.Byte })
	path, err := sourcePath(source.Expr, dir)
	if err != "" {
		return u, nil, l, append(diags, errorAt(source.Expr.Range(), "Invalid source", "%s", err))
	}
	u.Path, u.Dir = path, filepath.Dir(path)
	at := absolutePath(path)
	if i := slices.Index(l.stack, at); i >= 0 {
		return u, nil, l, append(diags, errorAt(source.Expr.Range(), "Include in a circle", "%s includes itself.", strings.Join(append(l.stack[i:], at), " → ")))
	}
	l.stack = append(slices.Clone(l.stack), at)
	file, more := ReadFile(path)
	l.files.Add(path, file)
	for _, d := range more {
		if d.Subject == nil {
			d.Subject = source.Expr.Range().Ptr()
		}
	}
	diags = append(diags, more...)
	if more.HasErrors() {
		return u, nil, l, diags
	}
	return u, file.Body, l, diags
}

// sourcePath is the file that a source names, or what is wrong with it.
func sourcePath(e hcl.Expression, dir string) (path, wrong string) {
	v, diags := e.Value(nil)
	if diags.HasErrors() || v.IsNull() || v.Type() != cty.String || !v.IsKnown() || v.AsString() == "" {
		return "", "source is a text that stands as it is, such as \"./roles/roce\": files are read before anything is evaluated."
	}
	path = v.AsString()
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return path, "" // reading it says what is wrong
	}
	for _, name := range []string{"main.hcl", "main.hcl.json"} {
		if _, err := os.Stat(filepath.Join(path, name)); err == nil {
			return filepath.Join(path, name), ""
		}
	}
	return "", "The folder " + path + " has no main.hcl."
}

func absolutePath(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return filepath.Clean(path)
}

// include adds the steps of a folder where the include block stands.
func (r *stepReader) include(block *hcl.Block, in *Part) hcl.Diagnostics {
	u, body, l, diags := r.open(block, r.dir, r.unit)
	r.units = append(r.units, u)
	if body == nil {
		return diags
	}
	body, more := withoutNotices(body, unitNotices, nil)
	content, other := body.Content(unitSchema)
	diags = append(append(diags, more...), other...)
	inner := &stepReader{loader: l, dir: u.Dir, unit: u}
	inner.steps, inner.blocks = r.steps, r.blocks
	for _, b := range inOrder(content.Blocks) {
		if b.Type == "handler" {
			diags = append(diags, inner.handler(b)...)
			continue
		}
		known, more := u.decodeBlock(b)
		if !known {
			more = inner.decode(b, in)
		}
		diags = append(diags, more...)
	}
	r.steps, r.blocks = inner.steps, inner.blocks
	r.units, r.handlers = append(r.units, inner.units...), append(r.handlers, inner.handlers...)
	return append(diags, u.uniqueNames()...)
}

// decodeBlock reads a block that is neither a step nor a play; known is false for these.
func (u *Unit) decodeBlock(block *hcl.Block) (known bool, diags hcl.Diagnostics) {
	switch block.Type {
	case "cvsplay":
		u.Required, diags = decodeSettings(block, u.Required)
	case "variable":
		var v *Variable
		v, diags = decodeVariable(block)
		u.Variables = append(u.Variables, v)
		if v.Name == "source" {
			diags = diags.Append(errorAt(v.NameRange, "Name of a variable is taken", "What is included cannot have a variable named %q: in the include block, that is where it comes from.", v.Name))
		}
	case "locals":
		var attrs []*Attr
		attrs, diags = decodeLocals(block)
		u.Locals = append(u.Locals, attrs...)
	case "define":
		var d *Define
		d, diags = decodeDefine(block)
		u.Defines = append(u.Defines, d)
	case "output":
		var o *Output
		o, diags = decodeOutput(block)
		u.Outputs = append(u.Outputs, o)
	default:
		return false, nil
	}
	return true, diags
}

func (u *Unit) uniqueNames() hcl.Diagnostics {
	var diags hcl.Diagnostics
	variables, locals, outputs, modules := newNames("variable"), newNames("local value"), newNames("output"), newNames("module")
	for _, v := range u.Variables {
		diags = append(diags, variables.add(v.Name, v.NameRange)...)
	}
	for _, l := range u.Locals {
		diags = append(diags, locals.add(l.Name, l.NameRange)...)
	}
	for _, o := range u.Outputs {
		diags = append(diags, outputs.add(o.Name, o.NameRange)...)
	}
	for _, d := range u.Defines {
		diags = append(diags, modules.add(d.Name, d.NameRange)...)
	}
	return diags
}

// include adds the plays of a file where the include block stands.
func (p *Playbook) include(block *hcl.Block, l loader, dir string, parent *Unit) hcl.Diagnostics {
	u, body, l, diags := l.open(block, dir, parent)
	p.Includes = append(p.Includes, u)
	if body == nil {
		return diags
	}
	body, more := withoutNotices(body, playbookWords, nil)
	content, other := body.Content(playbookSchema)
	diags = append(append(diags, more...), other...)
	for _, b := range inOrder(content.Blocks) {
		known, more := u.decodeBlock(b)
		if !known {
			more = p.decodePlays(b, l, u.Dir, u)
		}
		diags = append(diags, more...)
	}
	return append(diags, u.uniqueNames()...)
}

// decodePlays adds a play, or those of a file that is included.
func (p *Playbook) decodePlays(block *hcl.Block, l loader, dir string, in *Unit) hcl.Diagnostics {
	if block.Type == "include" {
		return p.include(block, l, dir, in)
	}
	play, diags := decodePlay(block, l, dir, in)
	p.Plays = append(p.Plays, play)
	return diags
}
