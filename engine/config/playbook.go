package config

import (
	"path/filepath"

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

var playbookSchema = &hcl.BodySchema{
	Blocks: []hcl.BlockHeaderSchema{
		{Type: "cvsplay"},
		{Type: "variable", LabelNames: []string{"name"}},
		{Type: "locals"},
		{Type: "play", LabelNames: []string{"name"}},
		{Type: "output", LabelNames: []string{"name"}},
	},
}

var settingsSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "required_version"}},
}

// Load reads one playbook. The playbook is never nil, and holds what could be read where there are errors; the files are those that
// diagnostics point into. Names are unique in it: variables, locals, plays, outputs, and the steps and checks of a play.
func Load(path string) (*Playbook, *Files, hcl.Diagnostics) {
	file, diags := ReadFile(path)
	return read(path, file, diags)
}

// Read is Load for a text that is there already; path is what ranges say, and its folder is where file("…") looks.
func Read(src []byte, path string) (*Playbook, *Files, hcl.Diagnostics) {
	file, diags := Parse(src, path)
	return read(path, file, diags)
}

func read(path string, file *hcl.File, diags hcl.Diagnostics) (*Playbook, *Files, hcl.Diagnostics) {
	playbook := &Playbook{Path: path, Dir: filepath.Dir(path)}
	files := &Files{}
	files.Add(path, file)
	if diags.HasErrors() {
		return playbook, files, diags
	}
	return playbook, files, append(diags, playbook.decode(file.Body)...)
}

// decode fills p from the body of its file.
func (p *Playbook) decode(body hcl.Body) hcl.Diagnostics {
	body, diags := withoutNotices(body, playbookNotices, nil)
	content, more := body.Content(playbookSchema)
	diags = append(diags, more...)
	for _, block := range inOrder(content.Blocks) {
		diags = append(diags, p.decodeBlock(block)...)
	}
	return append(diags, p.uniqueNames()...)
}

func (p *Playbook) decodeBlock(block *hcl.Block) hcl.Diagnostics {
	switch block.Type {
	case "cvsplay":
		return p.decodeSettings(block)
	case "variable":
		v, diags := decodeVariable(block)
		p.Variables = append(p.Variables, v)
		return diags
	case "locals":
		attrs, diags := decodeLocals(block)
		p.Locals = append(p.Locals, attrs...)
		return diags
	case "play":
		play, diags := decodePlay(block)
		p.Plays = append(p.Plays, play)
		return diags
	default: // output: the schema lets no other pass
		out, diags := decodeOutput(block)
		p.Outputs = append(p.Outputs, out)
		return diags
	}
}

func (p *Playbook) decodeSettings(block *hcl.Block) hcl.Diagnostics {
	content, diags := block.Body.Content(settingsSchema)
	attr, ok := content.Attributes["required_version"]
	if !ok {
		return diags
	}
	if p.Required != nil {
		return diags.Append(errorAt(attr.NameRange, "Duplicate required_version",
			"The playbook has said which version it needs at %s.", place(p.Required.NameRange)))
	}
	p.Required = &Attr{Name: attr.Name, Expr: attr.Expr, NameRange: attr.NameRange}
	return diags
}

func (p *Playbook) uniqueNames() hcl.Diagnostics {
	var diags hcl.Diagnostics
	variables, locals, plays, outputs := newNames("variable"), newNames("local value"), newNames("play"), newNames("output")
	for _, v := range p.Variables {
		diags = append(diags, variables.add(v.Name, v.NameRange)...)
	}
	for _, l := range p.Locals {
		diags = append(diags, locals.add(l.Name, l.NameRange)...)
	}
	for _, play := range p.Plays {
		diags = append(diags, plays.add(play.Name, play.NameRange)...)
	}
	for _, o := range p.Outputs {
		diags = append(diags, outputs.add(o.Name, o.NameRange)...)
	}
	return diags
}
