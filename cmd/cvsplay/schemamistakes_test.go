package main

import (
	"encoding/json"
	"fmt"
	"testing"

	"cvsplay/engine"
	"cvsplay/modules"
)

func allModules() engine.Modules { return modules.All() }

func quotedJSON(text string) string {
	b, _ := json.Marshal(text) // a string has no way to fail
	return string(b)
}

// The schemas find the common mistakes while a person still writes: each of these is wrong in one thing, and right without it.
func TestSchemasFindMistakes(t *testing.T) {
	const right = `{"play": {"nodes": {"hosts": "${group.all}", "step": {%q: {"a": {%s}}}}}}`
	playbook, inventory := schemaFor(t, "playbook"), schemaFor(t, "inventory")
	step := func(module, body string) string { return fmt.Sprintf(right, module, body) }
	motd := `"path": "/etc/motd", "content": "hello\n"`
	for _, c := range []struct{ what, wrong, right string }{
		{"a misspelt module", step("exec_scrpit", `"script": "true"`), step("exec_script", `"script": "true"`)},
		{"a misspelt argument", step("file", `"path": "/etc/motd", "contnt": "x"`), step("file", motd)},
		{"a misspelt meta-argument", step("file", motd+`, "ingore_errors": true`), step("file", motd+`, "ignore_errors": true`)},
		{"a missing argument", step("file", `"content": "x"`), step("file", motd)},
		{"a list for a text", step("exec_script", `"script": ["true"]`), step("exec_script", `"script": "true"`)},
		{"a text for a list", step("exec_script", `"command": "uname -r"`), step("exec_script", `"command": ["uname", "-r"]`)},
		{"a word for a bool", step("exec_script", `"script": "true", "read_only": "yes"`), step("exec_script", `"script": "true", "read_only": true`)},
		{"a value that is none of a few", step("file", `"path": "/srv", "state": "dir"`), step("file", `"path": "/srv", "state": "directory"`)},
		{"a relative path", step("file", `"path": "etc/motd", "content": "x"`), step("file", motd)},
		{"a mode in letters", step("file", motd+`, "mode": "rw-r--r--"`), step("file", motd+`, "mode": "0644"`)},
		{"a number for a duration", step("file", motd+`, "timeout": 30`), step("file", motd+`, "timeout": "30s"`)},
		{"a duration in words", step("file", motd+`, "timeout": "10 minutes"`), step("file", motd+`, "timeout": "10m"`)},
		{"a condition without an expression", step("file", motd+`, "when": "host.name == 'head'"`), step("file", motd+`, "when": "${host.name == \"head\"}"`)},
		{"a dependency that is only a name", step("file", motd+`, "depends_on": ["box"]`), step("file", motd+`, "depends_on": ["step.box"]`)},
		{"a container by its bare name", step("exec_script", `"script": "true", "inside": "cvs"`), step("exec_script", `"script": "true", "inside": "container:cvs"`)},
		{"a play without hosts", `{"play": {"nodes": {"step": {}}}}`, `{"play": {"nodes": {"hosts": "n1", "step": {}}}}`},
		{"a keyword of Ansible", `{"play": {"nodes": {"hosts": "n1", "gather_facts": false}}}`, `{"play": {"nodes": {"hosts": "n1"}}}`},
		{"a block of Terraform", `{"resource": {"file": {"a": {}}}}`, `{"locals": {"a": 1}}`},
		{"a misspelt on_error", `{"play": {"nodes": {"hosts": "n1", "on_error": "stop"}}}`, `{"play": {"nodes": {"hosts": "n1", "on_error": "play"}}}`},
		{"a check without a message", `{"play": {"nodes": {"hosts": "n1", "check": {"c": {"condition": "${true}"}}}}}`, `{"play": {"nodes": {"hosts": "n1", "check": {"c": {"condition": "${true}", "error_message": "no"}}}}}`},
		{"an output without a value", `{"output": {"o": {"description": "x"}}}`, `{"output": {"o": {"value": "x"}}}`},
		{"a share of hosts in words", `{"play": {"nodes": {"hosts": "n1", "max_failures": "ten"}}}`, `{"play": {"nodes": {"hosts": "n1", "max_failures": "10%"}}}`},
		{"a misspelt argument of a block", step("exec_script", `"script": "true", "version": {"comand": "x", "want": "1"}`), step("exec_script", `"script": "true", "version": {"command": "x", "want": "1"}`)},
	} {
		if playbook.Validate(parsed(t, []byte(c.wrong))) == nil {
			t.Errorf("%s is not found: %s", c.what, c.wrong)
		}
		if err := playbook.Validate(parsed(t, []byte(c.right))); err != nil {
			t.Errorf("%s: what is right is wrong: %v", c.what, err)
		}
	}
	for _, c := range []struct{ what, wrong, right string }{
		{"a user outside of ssh", `{"host": {"n1": {"user": "amd"}}}`, `{"host": {"n1": {"ssh": {"user": "amd"}}}}`},
		{"a port in words", `{"host": {"n1": {"ssh": {"port": "ssh"}}}}`, `{"host": {"n1": {"ssh": {"port": 22}}}}`},
		{"a port out of range", `{"host": {"n1": {"ssh": {"port": 70000}}}}`, `{"host": {"n1": {"ssh": {"port": 2222}}}}`},
		{"a variable of Ansible", `{"host": {"n1": {"ansible_host": "192.0.2.1"}}}`, `{"host": {"n1": {"address": "192.0.2.1"}}}`},
		{"a misspelt source", `{"source": {"ansibel": {"site": {"file": "hosts.yml"}}}}`, `{"source": {"ansible": {"site": {"file": "hosts.yml"}}}}`},
		{"a source without its file", `{"source": {"ansible": {"site": {}}}}`, `{"source": {"ansible": {"site": {"file": "hosts.yml"}}}}`},
	} {
		if inventory.Validate(parsed(t, []byte(c.wrong))) == nil {
			t.Errorf("%s is not found: %s", c.what, c.wrong)
		}
		if err := inventory.Validate(parsed(t, []byte(c.right))); err != nil {
			t.Errorf("%s: what is right is wrong: %v", c.what, err)
		}
	}
}
