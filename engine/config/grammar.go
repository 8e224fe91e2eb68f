package config

import "github.com/hashicorp/hcl/v2"

// Grammar says what each block of a playbook may hold, by its type: "" is the file itself, and "step" has what every step and handler takes besides
// its module's arguments. The attributes of locals are free.
func Grammar() map[string]*hcl.BodySchema {
	return map[string]*hcl.BodySchema{
		"": playbookSchema, "cvsplay": settingsSchema, "variable": variableSchema, "validation": validationSchema, "output": outputSchema,
		"play": playSchema, "block": blockSchema, "rescue": partSchema, "always": partSchema, "check": checkSchema,
		"step": metaSchema, "retry": retrySchema, "precondition": checkSchema, "postcondition": checkSchema,
		"define": defineSchema, "arg": argSchema, "probe": probeSchema, "refuse": refuseSchema, "change": changeSchema, "result": resultSchema,
	}
}
