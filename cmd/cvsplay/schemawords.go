package main

import "github.com/zclconf/go-cty/cty"

// A word is an attribute of the language or of an inventory: what it takes, and what it is. One name means the same wherever it stands.
type word struct {
	takes object
	doc   string
}

// wordSchema is what may stand for an attribute; one that is not listed takes anything.
func wordSchema(name string) object {
	w, known := vocabulary[name]
	if !known {
		return object{}
	}
	out := object{}
	for key, value := range w.takes {
		out[key] = value
	}
	return described(out, w.doc)
}

var (
	aText    = typeSchema(cty.String)
	aNumber  = typeSchema(cty.Number)
	aBool    = typeSchema(cty.Bool)
	texts    = typeSchema(cty.List(cty.String))
	textMap  = typeSchema(cty.Map(cty.String))
	anything = object{}
	names    = anyOf(texts, object{"type": "string"})
	account  = object{"type": []string{"boolean", "string", "null"}}
	share    = anyOf(object{"type": []string{"integer", "null"}}, pattern(`^[0-9]+(\.[0-9]+)?%?$|[$%]\{`))
)

// references are names of steps or handlers; in JSON they stand bare in strings.
func references(root string) object {
	return object{"type": "array", "items": pattern(`^` + root + `\.[A-Za-z_][A-Za-z0-9_-]*$`)}
}

var vocabulary = map[string]word{
	"address":           {aText, "What is dialled: a name or an IP address; default: the host's name."},
	"args":              {texts, "$1 and so on of the script."},
	"barrier":           {aBool, "All hosts wait here for each other."},
	"bastion":           {aText, "Name of the host through which this one is reached."},
	"batch":             {anyOf(share, object{"type": "array", "items": share}), "How many hosts, or which share of them, go through the play at a time; a list begins with canaries."},
	"become":            {account, "true, or the name of a user."},
	"changed_when":      {aBool, "Whether a script changed something; self has the results."},
	"children":          {names, "Groups whose hosts are in this one."},
	"command":           {texts, "A program and its arguments."},
	"compression":       {aBool, "Whether large files travel compressed."},
	"condition":         {aBool, "What has to be so."},
	"config":            {aBool, "Whether ~/.ssh/config is read."},
	"connect_timeout":   {duration(), "How long connecting may take."},
	"connection":        {anyOf(object{"enum": []any{"ssh", "local", nil}}, template()), "How the host is reached."},
	"control_master":    {aBool, "Whether the shared connection of ~/.ssh/config is used."},
	"count":             {aNumber, "How many hosts."},
	"default":           {anything, "The value where none is given."},
	"delay":             {duration(), "Between two attempts."},
	"depends_on":        {references("step"), "Steps without which this one is skipped."},
	"description":       {aText, "For people."},
	"env":               {textMap, "Environment of scripts that a person wrote."},
	"error_message":     {aText, "What to say where it is not so."},
	"fail_when":         {aBool, "Replaces the module's verdict; self has the results."},
	"file":              {aText, "Path of a file."},
	"for_each":          {anyOf(object{"type": []string{"object", "array"}}, template()), "A map, a set, or a list of distinct strings: the step runs for each."},
	"groups":            {names, "Groups of the hosts."},
	"hosts":             {names, "Names of hosts."},
	"identity_files":    {texts, "Private keys."},
	"ignore_errors":     {aBool, "A failure is told and does not stop the host."},
	"inside":            {anyOf(pattern(`^container:.+|[$%]\{`), object{"type": "null"}), "A container: \"${step.NAME}\" or \"container:NAME\"."},
	"keepalive":         {duration(), "How often a quiet connection is asked for life."},
	"known_hosts_files": {texts, "Where host keys are looked up."},
	"max_failures":      {share, "The play stops where more hosts than that, or that share of them, have failed."},
	"members":           {names, "Hosts that something else declares."},
	"method":            {anyOf(object{"enum": []any{"sudo", nil}}, template()), "How another user is become."},
	"notify":            {references("handler"), "Handlers to run where the step changed something."},
	"nullable":          {aBool, "Whether the value may be null."},
	"on":                {aText, "Another host that the step runs on, or \"controller\"."},
	"on_error":          {anyOf(object{"enum": []any{"host", "play", nil}}, template()), "host: a failed host stops, the others go on; play: everything stops."},
	"partitions":        {names, "Partitions of Slurm."},
	"password":          {aText, "Better taken from \"${env(\\\"NAME\\\")}\"."},
	"port":              {anyOf(object{"type": []string{"integer", "null"}, "minimum": 1, "maximum": 65535}, pattern(`^[0-9]+$|[$%]\{`)), "Of the SSH server."},
	"priority":          {aNumber, "Of two groups that give different values the higher one wins."},
	"reader":            {anyOf(object{"enum": []any{"ansible", "builtin", nil}}, template()), "What reads the inventory."},
	"required_version":  {aText, "Which versions of cvsplay the playbook is for."},
	"run_once":          {aBool, "On one host; what it leaves is every host's."},
	"script":            {aText, "The text to run."},
	"sensitive":         {aBool, "Whether the value is kept out of all that is printed."},
	"states":            {names, "States of nodes of Slurm."},
	"tags":              {texts, "For --tags and --skip-tags."},
	"timeout":           {duration(), "How long it may take."},
	"type":              {aText, "Type constraint, such as \"list(string)\"."},
	"until":             {aBool, "What has to be so for the attempt to count as one that ended well."},
	"user":              {aText, "Name of the account."},
	"vars":              {anyOf(object{"type": []string{"object", "null"}}, template()), "host.vars of the hosts."},
	"when":              {aBool, "It is skipped where this is false."},
	"attempts":          {aNumber, "How often it is tried, the first time included."},
	"cache":             {duration(), "How long an answer is used again."},
}
