package inventory

import "github.com/hashicorp/hcl/v2"

// Grammar says what each block of an inventory may hold, by its type; "" is the file itself. The attributes of variables are free, and what a source
// may hold depends on its type: see SourceGrammar.
func Grammar() map[string]*hcl.BodySchema {
	return map[string]*hcl.BodySchema{
		"": fileSchema, "defaults": valuesSchema(), "host": valuesSchema(), "group": valuesSchema("hosts", "members", "children", "priority"),
		"ssh": sectionSchema("ssh"), "become": sectionSchema("become"),
	}
}

// SourceGrammar says what a source may hold, by its type.
func SourceGrammar() map[string]*hcl.BodySchema {
	return map[string]*hcl.BodySchema{
		"exec": execSchema, "ansible": ansibleSchema, "slurm": slurmSchema, "ssh_config": sshConfigSchema, "lab": labSchema,
	}
}
