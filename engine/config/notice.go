package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// A notice is what to say of a block or attribute that people write here for a reason, though nothing can be done with it.
type notice struct {
	summary string
	detail  string
}

const (
	notSupported = "Not supported yet"
	otherTool    = "Not part of a playbook"
	otherPlace   = "In the wrong place"
)

var playbookNotices = map[string]notice{
	"module": {otherTool, "Terraform's module has two counterparts here: include puts the steps of a folder into a play, or takes in a file with plays, " +
		"and define makes a module of scripts."},
	"resource":  {otherTool, "A playbook has steps instead of Terraform's resources: write step \"MODULE\" \"NAME\" { … } inside of a play."},
	"data":      {otherTool, "A playbook has no data sources: a step leaves results that later steps read as step.NAME.ATTR, and host.vars holds what the inventory says."},
	"provider":  {otherTool, "A playbook has no providers: how hosts are reached is said in the inventory."},
	"terraform": {otherTool, "Write cvsplay { required_version = \"…\" } to say which version a playbook needs."},
	"step":      {otherPlace, "A step stands inside of a play: play \"NAME\" { hosts = …, step … }."},
	"check":     {otherPlace, "A check stands inside of a play, in the order of its steps."},
	"handler":   {otherPlace, "A handler stands inside of a play, beside its steps."},
	"block":     {otherPlace, "A block stands inside of a play, where its steps do."},
	"host":      {otherPlace, "Hosts are declared in an inventory, which is a file of its own (-i FILE)."},
	"group":     {otherPlace, "Groups are declared in an inventory, which is a file of its own (-i FILE)."},
}

var playNotices = map[string]notice{
	"dynamic":  {otherPlace, "dynamic makes the blocks of a step's arguments. To repeat a step, give it for_each."},
	"define":   {otherPlace, "define stands at the top level of a playbook."},
	"variable": {otherPlace, "Variables are declared at the top level of a playbook."},
	"output":   {otherPlace, "Outputs are declared at the top level of a playbook; there they read play.NAME.hosts."},
	"rescue":   {otherPlace, "rescue stands in a block: block \"NAME\" { step …, rescue { … } }."},
	"always":   {otherPlace, "always stands in a block: block \"NAME\" { step …, always { … } }."},
	"serial":   {otherTool, "It is called batch here."},
	"play":     {otherPlace, "A play cannot stand inside of another one."},
	"resource": {otherTool, "A play has steps instead of Terraform's resources: write step \"MODULE\" \"NAME\" { … }."},
	"module":   {otherTool, "A play has steps: write step \"MODULE\" \"NAME\" { … }."},
}

// unitNotices are for a folder whose steps are included.
var unitNotices = map[string]notice{
	"play":  {otherPlace, "A play includes steps, handlers and checks; a file with plays is included at the top level of the playbook."},
	"hosts": {otherPlace, "The play that includes these steps says for which hosts they are."},
}

var blockNotices = map[string]notice{
	"handler":  {otherPlace, "A handler stands in the play itself: it runs at the end of the play, wherever it was notified."},
	"locals":   {otherPlace, "Locals stand in the play itself."},
	"env":      {otherPlace, "env is for a play or a step."},
	"for_each": {otherPlace, "A block is gone through once; give for_each to its steps."},
}

var stepNotices = map[string]notice{
	"block":       {otherPlace, "A block holds steps, and stands where they do."},
	"rescue":      {otherPlace, "rescue stands in a block: block \"NAME\" { step …, rescue { … } }."},
	"always":      {otherPlace, "always stands in a block: block \"NAME\" { step …, always { … } }."},
	"step":        {otherPlace, "A step cannot stand inside of another one."},
	"check":       {otherPlace, "A check stands beside a step, not inside of it."},
	"count":       {otherTool, "Use for_each, which takes a map, a set or a list of distinct strings."},
	"lifecycle":   {otherTool, "Steps have no lifecycle: write precondition and postcondition right into the step."},
	"provider":    {otherTool, "Steps have no provider: how hosts are reached is said in the inventory."},
	"register":    {otherTool, "A step's results need no register: later steps read step.NAME.ATTR."},
	"delegate_to": {otherTool, "It is called on here."},
	"failed_when": {otherTool, "It is called fail_when here."},
	"loop":        {otherTool, "It is called for_each here."},
	"with_items":  {otherTool, "It is called for_each here."},
}

// withoutNotices takes the blocks and attributes with a notice out of a body, and says it of each. A name for which own is true (which may
// be nil) is left alone.
func withoutNotices(body hcl.Body, notices map[string]notice, own func(string) bool) (hcl.Body, hcl.Diagnostics) {
	hit := func(name string) bool {
		_, known := notices[name]
		return known && (own == nil || !own(name))
	}
	var diags hcl.Diagnostics
	say := func(name string, at hcl.Range) {
		diags = diags.Append(errorAt(at, notices[name].summary+": "+name, "%s", notices[name].detail))
	}
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		return withoutJSONNotices(body, notices, hit, say), diags
	}
	kept := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}, SrcRange: native.SrcRange, EndRange: native.EndRange}
	for name, attr := range native.Attributes {
		if hit(name) {
			say(name, attr.NameRange)
		} else {
			kept.Attributes[name] = attr
		}
	}
	for _, block := range native.Blocks {
		if hit(block.Type) {
			say(block.Type, block.TypeRange)
		} else {
			kept.Blocks = append(kept.Blocks, block)
		}
	}
	if len(diags) == 0 {
		return body, nil
	}
	return kept, diags
}

// withoutJSONNotices does the same for JSON, where blocks and attributes are properties alike.
func withoutJSONNotices(body hcl.Body, notices map[string]notice, hit func(string) bool, say func(string, hcl.Range)) hcl.Body {
	schema := &hcl.BodySchema{}
	for name := range notices {
		if hit(name) {
			schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: name})
		}
	}
	content, rest, _ := body.PartialContent(schema) // what else is wrong with the body is said when it is decoded
	found := make([]*hcl.Attribute, 0, len(content.Attributes))
	for _, attr := range content.Attributes {
		found = append(found, attr)
	}
	slices.SortFunc(found, func(a, b *hcl.Attribute) int { return a.NameRange.Start.Byte - b.NameRange.Start.Byte })
	for _, attr := range found {
		say(attr.Name, attr.NameRange)
	}
	return rest
}
