package inventory

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/nodeset"
)

// A sketch is what the file of another tool says, in the terms of an inventory file. It can be taken in, and be written as one.
type sketch struct {
	blocks    []*sketchBlock // in the order in which they declare hosts and groups
	variables []sketchValue
}

// A sketchBlock is a defaults, group or host block.
type sketchBlock struct {
	kind, name string
	at         hcl.Range
	hosts      []named
	members    []named
	children   []named
	values     []sketchValue
}

// A sketchValue is one value with its place in the other tool's file.
type sketchValue struct {
	slot  slot // of a variable: its name alone
	value cty.Value
	at    hcl.Range
}

func (s *sketch) block(kind, name string, at hcl.Range) *sketchBlock {
	for _, b := range s.blocks {
		if b.kind == kind && b.name == name {
			return b
		}
	}
	b := &sketchBlock{kind: kind, name: name, at: at}
	s.blocks = append(s.blocks, b)
	return b
}

func (b *sketchBlock) set(section, name string, v cty.Value, at hcl.Range) {
	b.values = append(b.values, sketchValue{slot{section, name}, v, at})
}

// label is how messages call the block.
func (b *sketchBlock) label() string {
	if b.kind == "defaults" {
		return b.kind
	}
	return fmt.Sprintf("%s %q", b.kind, b.name)
}

// check tells which names cannot be, and which settings cannot have their values.
func (s *sketch) check() hcl.Diagnostics {
	var v verdict
	for _, b := range s.blocks {
		if b.kind == "group" {
			if d := checkGroupName(named{b.name, b.at}); d != nil {
				v.add(d)
			}
		}
		for _, h := range b.hosts {
			if d := checkHostName(h); d != nil {
				v.add(d)
			}
		}
		for _, val := range b.values {
			set := settingFor[val.slot]
			if set == nil {
				continue
			}
			if err := set.apply(&Host{}, val.value); err != nil {
				v.add(problem(val.at, "Invalid setting", "%s: %s.", val.slot, err))
			}
		}
	}
	return v.result()
}

// takeSketch puts a sketch that was checked among the declarations.
func (l *loader) takeSketch(s *sketch) {
	for _, b := range s.blocks {
		lay := newLayer()
		for _, v := range b.values {
			lay.cells[v.slot] = given(b.label(), v.at, v.value)
		}
		switch b.kind {
		case "defaults":
			l.decl.defaults = append(l.decl.defaults, lay)
		case "host":
			h := l.decl.host(b.name)
			h.layers = append(h.layers, lay)
		case "group":
			g := l.decl.group(b.name, b.at)
			for _, h := range b.hosts {
				l.decl.host(h.name).join(g)
			}
			g.members = append(g.members, b.members...)
			g.children = append(g.children, b.children...)
			g.layers = append(g.layers, lay)
		}
	}
	for _, v := range s.variables {
		l.variable(v.slot.name, v.value, v.at)
	}
}

// write gives the sketch as the text of an inventory file. A secret is written as it is, since nothing else would reach the hosts.
func (s *sketch) write() []byte {
	file := hclwrite.NewEmptyFile()
	body := file.Body()
	for _, b := range s.blocks {
		if b.kind == "host" && len(b.values) == 0 {
			continue // a group has it
		}
		if len(body.Blocks()) > 0 {
			body.AppendNewline()
		}
		var labels []string
		if b.kind != "defaults" {
			labels = []string{b.name}
		}
		b.write(body.AppendNewBlock(b.kind, labels).Body())
	}
	if len(s.variables) > 0 {
		body.AppendNewline()
		variables := body.AppendNewBlock("variables", nil).Body()
		for _, v := range s.variables {
			variables.SetAttributeValue(v.slot.name, v.value)
		}
	}
	return hclwrite.Format(file.Bytes())
}

func (b *sketchBlock) write(body *hclwrite.Body) {
	for _, list := range []struct {
		name  string
		names []named
	}{{"hosts", b.hosts}, {"members", b.members}, {"children", b.children}} {
		if len(list.names) > 0 {
			body.SetAttributeRaw(list.name, nameTokens(list.names, list.name != "children"))
		}
	}
	for _, v := range b.values {
		if v.slot.section == "" {
			body.SetAttributeValue(v.slot.name, plain(v.value))
		}
	}
	for _, section := range []string{"ssh", "become"} {
		var inner *hclwrite.Body
		for _, v := range b.values {
			if v.slot.section != section {
				continue
			}
			if inner == nil {
				inner = body.AppendNewBlock(section, nil).Body()
			}
			inner.SetAttributeValue(v.slot.name, plain(v.value))
		}
	}
	for _, section := range []string{varsSection, envSection} {
		var pairs []hclwrite.ObjectAttrTokens
		for _, v := range b.values {
			if v.slot.section == section {
				pairs = append(pairs, hclwrite.ObjectAttrTokens{Name: keyTokens(v.slot.name), Value: hclwrite.TokensForValue(plain(v.value))})
			}
		}
		if len(pairs) > 0 {
			body.SetAttributeRaw(section, hclwrite.TokensForObject(pairs))
		}
	}
}

func plain(v cty.Value) cty.Value {
	v, _ = v.UnmarkDeep()
	return v
}

// keyTokens is a name in a map: as it is where it can stand so, else quoted.
func keyTokens(name string) hclwrite.Tokens {
	if envName.MatchString(name) {
		return hclwrite.TokensForIdentifier(name)
	}
	return hclwrite.TokensForValue(cty.StringVal(name))
}

// nameTokens is a list of names; of hosts as a pattern, where that is shorter and stands for them in the same order.
func nameTokens(names []named, hosts bool) hclwrite.Tokens {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = n.name
	}
	if pattern := nodeset.Fold(texts); hosts && len(texts) > 2 {
		if back, err := nodeset.Expand(pattern); err == nil && slices.Equal(back, texts) {
			return hclwrite.TokensForFunctionCall("nodes", hclwrite.TokensForValue(cty.StringVal(pattern)))
		}
	}
	return hclwrite.TokensForValue(nameList(texts))
}
