package config

import (
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
)

// A Playbook is one playbook file, with what it includes.
type Playbook struct {
	Unit
	Plays    []*Play // those of included files too, where these are included
	Includes []*Unit // files with plays, outer ones first
}

var playbookSchema = &hcl.BodySchema{
	Blocks: []hcl.BlockHeaderSchema{
		{Type: "cvsplay"},
		{Type: "variable", LabelNames: []string{"name"}},
		{Type: "locals"},
		{Type: "define", LabelNames: []string{"name"}},
		{Type: "play", LabelNames: []string{"name"}},
		includeHeader,
		{Type: "output", LabelNames: []string{"name"}},
	},
}

var settingsSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "required_version"}},
}

// Load reads one playbook. The playbook is never nil, and holds what could be read where there are errors; the files are those that
// diagnostics point into. Names are unique in it: variables, locals, modules, plays, outputs, and the steps and checks of a play.
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
	playbook := &Playbook{Unit: Unit{Path: path, Dir: filepath.Dir(path)}}
	files := &Files{}
	files.Add(path, file)
	if diags.HasErrors() {
		return playbook, files, diags
	}
	return playbook, files, append(diags, playbook.decode(file.Body, loader{files: files, stack: []string{absolutePath(path)}})...)
}

// decode fills p from the body of its file.
func (p *Playbook) decode(body hcl.Body, l loader) hcl.Diagnostics {
	body, diags := withoutNotices(body, playbookWords, nil)
	content, more := body.Content(playbookSchema)
	diags = append(diags, more...)
	for _, block := range inOrder(content.Blocks) {
		known, more := p.decodeBlock(block)
		if !known {
			more = p.decodePlays(block, l, p.Dir, nil)
		}
		diags = append(diags, more...)
	}
	diags = append(diags, p.uniqueNames()...)
	plays, includes := newNames("play"), newNames("include")
	for _, u := range p.Includes {
		diags = append(diags, includes.addIn(u.Parent, u.Name, u.NameRange)...)
	}
	for _, play := range p.Plays {
		diags = append(diags, plays.addIn(play.Unit, play.Label, play.NameRange)...)
	}
	return diags
}

func decodeSettings(block *hcl.Block, before *Attr) (*Attr, hcl.Diagnostics) {
	content, diags := block.Body.Content(settingsSchema)
	attr, ok := content.Attributes["required_version"]
	if !ok {
		return before, diags
	}
	if before != nil {
		return before, diags.Append(errorAt(attr.NameRange, "Duplicate required_version",
			"The file has said which version it needs at %s.", place(before.NameRange)))
	}
	return &Attr{Name: attr.Name, Expr: attr.Expr, NameRange: attr.NameRange}, diags
}

// Requires are the versions that the playbook and the files it includes need.
func (p *Playbook) Requires() []*Attr {
	units := append([]*Unit{&p.Unit}, p.Includes...)
	for _, play := range p.Plays {
		units = append(units, play.Includes...)
	}
	var out []*Attr
	for _, u := range units {
		if u.Required != nil {
			out = append(out, u.Required)
		}
	}
	return out
}
