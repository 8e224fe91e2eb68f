package config

import "maps"

// What people write who come from Ansible, and what they write into the wrong one of the two kinds of files.
var (
	playbookForeign = map[string]notice{
		"defaults":  {otherPlace, "Defaults of hosts are declared in an inventory, which is a file of its own (-i FILE)."},
		"source":    {otherPlace, "Sources of hosts are declared in an inventory, which is a file of its own (-i FILE)."},
		"variables": {otherPlace, "Values for a playbook's variables stand so in an inventory. Here write variable \"NAME\" { default = … } for each."},
		"tasks":     {otherTool, "Steps stand in a play: play \"NAME\" { hosts = …, step \"MODULE\" \"NAME\" { … } }."},
		"hosts":     {otherTool, "The hosts belong to a play: play \"NAME\" { hosts = group.gpu … }."},
		"vars":      {otherTool, "Write variable \"NAME\" { default = … } for what is set from outside, and locals { NAME = … } for the rest."},
		"import":    {otherTool, "Nothing has to be imported: each step asks its host what is there."},
	}
	playForeign = map[string]notice{
		"tasks":      {otherTool, "Steps stand right in the play, in the order in which they run: step \"MODULE\" \"NAME\" { … }."},
		"pre_tasks":  {otherTool, "Steps stand right in the play, in the order in which they run; what has to be first stands first."},
		"post_tasks": {otherTool, "Steps stand right in the play, in the order in which they run; what has to be last stands last."},
		"roles": {otherTool, "Steps that several playbooks share stand in a folder of their own, which include names; see \"cvsplay " +
			"docs language\"."},
		"handlers": {otherTool, "Each handler is a block of its own: handler \"MODULE\" \"NAME\" { … }."},
		"vars": {otherTool, "Write locals { NAME = … } for values that expressions of this play use, as local.NAME; what is set " +
			"from outside is a variable."},
		"vars_files":          {otherTool, "Write locals { NAME = yamldecode(file(\"FILE\")) }; or give the file of variables with --var-file."},
		"gather_facts":        {otherTool, "Facts are asked when an expression reads them, and only those: leave it out, and read host.facts.FAMILY.FACT."},
		"remote_user":         {otherTool, "How hosts are reached is said in the inventory: ssh { user = … }."},
		"become_user":         {otherTool, "Write become = \"USER\"."},
		"become_method":       {otherTool, "It is said in the inventory: become { method = … }."},
		"environment":         {otherTool, "It is called env here."},
		"serial":              {otherTool, "It is called batch here."},
		"strategy":            {otherTool, "Hosts do not wait for each other; where they have to, a step says barrier = true."},
		"max_fail_percentage": {otherTool, "It is called max_failures here: max_failures = \"10%\"."},
		"any_errors_fatal":    {otherTool, "Write on_error = \"play\"."},
		"connection":          {otherTool, "It is said in the inventory: connection = \"local\" of a host."},
		"name":                {otherTool, "A play has its name behind the word play, one word; a sentence about it is its description."},
		"for_each":            {otherTool, "A play is for hosts; for_each is for each of its steps."},
		"when":                {otherTool, "A play is narrowed by its hosts, such as [for h in group.gpu : h if …]; when is for each of its steps."},
	}
	stepForeign = map[string]notice{
		"with_dict":        {otherTool, "It is called for_each here, and takes a map."},
		"with_fileglob":    {otherTool, "Write for_each = fileset(\"FOLDER\", \"*.conf\")."},
		"become_user":      {otherTool, "Write become = \"USER\"."},
		"environment":      {otherTool, "It is called env here."},
		"until":            {otherTool, "Write retry { attempts = 3, delay = \"10s\", until = … }, each on a line of its own."},
		"retries":          {otherTool, "Write retry { attempts = … }, which counts the first attempt too."},
		"delay":            {otherTool, "Write retry { delay = \"10s\" }."},
		"no_log":           {otherTool, "Values are kept secret, not steps: give the variable sensitive = true, or write sensitive(…) around the value."},
		"vars":             {otherTool, "Write locals { NAME = … } into the play, and read local.NAME."},
		"async":            {otherTool, "A step may take as long as its timeout: write timeout = \"4h\"."},
		"poll":             {otherTool, "A step may take as long as its timeout: write timeout = \"4h\"."},
		"check_mode":       {otherTool, "For a script that only looks write read_only = true: it runs in check mode too. No step acts there."},
		"connection":       {otherTool, "How hosts are reached is said in the inventory."},
		"remote_user":      {otherTool, "It is said in the inventory: ssh { user = … }. To run as another user write become."},
		"any_errors_fatal": {otherTool, "Write on_error = \"play\" into the play."},
		"listen":           {otherTool, "A handler is notified by its name: notify = [handler.NAME]."},
		"tasks":            {otherTool, "A step does one thing. Write several steps."},
		"locals":           {otherPlace, "locals stands in the play, beside its steps, or at the top of the playbook."},
	}
)

var (
	playbookWords = joined(playbookForeign, playbookNotices)
	playWords     = joined(playForeign, playNotices)
	stepWords     = joined(stepForeign, stepNotices)
)

// joined are all of these notices; of two about one word the second.
func joined(a, b map[string]notice) map[string]notice {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}
