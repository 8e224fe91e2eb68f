package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
	"cvsplay/engine/config"
	"cvsplay/inventory"
)

// printSchema prints the JSON schema of one kind of file: draft-07, which editors know best. It tells names, types and which arguments are needed;
// what expressions are worth only validate can tell.
func (a *app) printSchema(f docsFlags) error {
	switch f.schema {
	case "playbook":
		all, err := a.documentedOrSay(f)
		if err != nil {
			return err
		}
		return a.printJSON(playbookSchema(all))
	case "inventory":
		return a.printJSON(inventorySchema())
	}
	return fmt.Errorf("--schema: %q is neither playbook nor inventory", f.schema)
}

// An object is an object of JSON.
type object = map[string]any

// A schema is made of definitions that refer to each other by name.
type schema struct {
	grammar     map[string]*hcl.BodySchema
	definitions object
}

func playbookSchema(all engine.Modules) object {
	s := &schema{grammar: config.Grammar(), definitions: object{}}
	steps := object{"check": s.labelled(1, reference("check")), "flush_handlers": s.labelled(1, object{"type": "object"})}
	for name, m := range all {
		s.definitions["step."+name] = s.step(m)
		steps[name] = described(s.labelled(1, reference("step."+name)), m.Summary)
	}
	for name := range s.grammar {
		if name != "" && name != "step" {
			s.definitions[name] = s.body(name)
		}
	}
	s.definitions["steps"] = oneOrMany(closed(steps))
	return s.document("A playbook of cvsplay, as .hcl.json", s.body(""))
}

func inventorySchema() object {
	s := &schema{grammar: inventory.Grammar(), definitions: object{}}
	for name := range s.grammar {
		if name != "" {
			s.definitions[name] = s.body(name)
		}
	}
	sources := object{}
	for kind, of := range inventory.SourceGrammar() {
		s.definitions["source."+kind] = s.attributes(of)
		sources[kind] = s.labelled(1, reference("source."+kind))
	}
	s.definitions["sources"] = oneOrMany(closed(sources))
	return s.document("An inventory of cvsplay, as .hcl.json", s.body(""))
}

func (s *schema) document(title string, root object) object {
	document := object{"$schema": "http://json-schema.org/draft-07/schema#", "title": title, "definitions": s.definitions}
	maps.Copy(document, root)
	return document
}

// body is what a block of a type may hold.
func (s *schema) body(name string) object {
	return s.attributes(s.grammar[name])
}

// attributes are those of a block, with the blocks in it.
func (s *schema) attributes(of *hcl.BodySchema) object {
	properties, required := object{}, []string{}
	for _, attr := range of.Attributes {
		properties[attr.Name] = wordSchema(attr.Name)
		if attr.Required {
			required = append(required, attr.Name)
		}
	}
	for _, block := range of.Blocks {
		properties[block.Type] = s.block(block)
	}
	if _, isPlay := properties["on_error"]; isPlay {
		required = append(required, "hosts")
	}
	out := closed(properties)
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func (s *schema) block(block hcl.BlockHeaderSchema) any {
	switch {
	case block.Type == "step" || block.Type == "handler":
		return reference("steps")
	case block.Type == "source":
		return reference("sources")
	case s.grammar[block.Type] == nil: // its names are free, or nobody has told them
		return s.labelled(len(block.LabelNames), object{"type": "object"})
	}
	return s.labelled(len(block.LabelNames), reference(block.Type))
}

// labelled is a block with so many labels, each of which is a property around it. At any level it may be an array.
func (s *schema) labelled(labels int, inner object) object {
	out := oneOrMany(inner)
	for range labels {
		out = oneOrMany(object{"type": "object", "additionalProperties": out})
	}
	return out
}

// step is what a step of a module may hold.
func (s *schema) step(m engine.Module) object {
	out := s.attributes(s.grammar["step"])
	properties, _ := out["properties"].(object)
	own := argumentsSchema(m.Args)
	ownProperties, _ := own["properties"].(object)
	maps.Copy(properties, ownProperties)
	properties["dynamic"] = object{"description": "Blocks of the module's arguments, one for each item."}
	if required, needs := own["required"]; needs {
		out["required"] = required
	}
	out["description"] = m.Summary
	return out
}

func argumentsSchema(args []engine.Arg) object {
	properties, required := object{}, []string{}
	for _, a := range args {
		if a.Gone != "" || a.Soon {
			continue
		}
		if a.Required && a.Block == nil {
			required = append(required, a.Name)
		}
		properties[a.Name] = argumentSchema(a)
	}
	out := closed(properties)
	if len(required) > 0 {
		slices.Sort(required)
		out["required"] = required
	}
	return out
}

func argumentSchema(a engine.Arg) object {
	var out object
	switch {
	case a.Block != nil:
		out = oneOrMany(argumentsSchema(a.Block))
	case len(a.Values) > 0:
		out = anyOf(object{"enum": slices.Concat(anys(a.Values), []any{nil})}, template())
	case a.As == engine.AsDuration:
		out = duration()
	case a.As == engine.AsAbsPath:
		out = pattern(`^/|[$%]\{`)
	case a.As == engine.AsMode:
		out = anyOf(pattern(`^[0-7]{3,4}$|[$%]\{`), object{"type": "integer"})
	default:
		out = typeSchema(a.Type)
	}
	if a.Default != nil {
		out["default"] = a.Default
	}
	return described(out, a.Doc)
}

// typeSchema is what may stand for a value of a type: anything that converts to it, or an expression.
func typeSchema(t cty.Type) object {
	switch {
	case t == cty.String:
		return object{"type": []string{"string", "number", "boolean", "null"}}
	case t == cty.Number:
		return anyOf(object{"type": []string{"number", "null"}}, pattern(`^-?[0-9]+(\.[0-9]+)?$|[$%]\{`))
	case t == cty.Bool:
		return anyOf(object{"type": []string{"boolean", "null"}}, pattern(`^(true|false)$|[$%]\{`))
	case t != cty.NilType && (t.IsListType() || t.IsSetType()):
		return anyOf(object{"type": []string{"array", "null"}, "items": typeSchema(t.ElementType())}, template())
	case t != cty.NilType && t.IsMapType():
		return anyOf(object{"type": []string{"object", "null"}, "additionalProperties": typeSchema(t.ElementType())}, template())
	}
	return object{}
}

// closed is an object with these properties and no others, but the comment that HCL's JSON has.
func closed(properties object) object {
	properties["//"] = object{"description": "A comment; \"lint: ignore ID\" silences a hint."}
	return object{"type": "object", "properties": properties, "additionalProperties": false}
}

func oneOrMany(inner object) object {
	return anyOf(inner, object{"type": "array", "items": inner})
}

func reference(name string) object { return object{"$ref": "#/definitions/" + name} }

func anyOf(these ...object) object { return object{"anyOf": these} }

// template is a text with an expression in it.
func template() object { return pattern(`[$%]\{`) }

func pattern(re string) object { return object{"type": "string", "pattern": re} }

func duration() object {
	return anyOf(pattern(`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|[$%]\{`), object{"type": "null"})
}

func described(s object, doc string) object {
	if doc != "" {
		s["description"] = doc
	}
	return s
}

func anys(words []string) []any {
	out := make([]any, len(words))
	for i, w := range words {
		out[i] = w
	}
	return out
}
