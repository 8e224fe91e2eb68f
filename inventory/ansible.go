package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"cvsplay/engine/nodeset"
)

// An ansibleList is what ansible-inventory --list and inventory scripts print: groups in the order of the text, and variables.
type ansibleList struct {
	groups   []ansibleGroup
	hostvars map[string]cty.Value // nil where there is no _meta
}

// An ansibleGroup is one group of a list. Null vars are cty.NilVal.
type ansibleGroup struct {
	name     string
	hosts    []string
	children []string
	vars     cty.Value
}

// readAnsible reads a list. A group is an object with hosts, children and vars, or in the old style a list of hosts.
func readAnsible(text []byte) (*ansibleList, error) {
	list := &ansibleList{}
	err := eachMember(text, func(name string, value json.RawMessage) error {
		if name == "_meta" {
			return list.readMeta(value)
		}
		g, err := readAnsibleGroup(name, value)
		list.groups = append(list.groups, g)
		return err
	})
	return list, err
}

// eachMember calls f with the members of a JSON object in the order of the text; a name that comes twice is an error.
func eachMember(text []byte, f func(name string, value json.RawMessage) error) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	open, err := dec.Token()
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("it is empty")
	case err != nil:
		return err
	case open != json.Delim('{'):
		return errors.New("it is no JSON object")
	}
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string) // a key is nothing else
		if seen[name] {
			return fmt.Errorf("%q is there twice", name)
		}
		seen[name] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		if err := f(name, value); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	return nil
}

func (list *ansibleList) readMeta(text json.RawMessage) error {
	var meta struct{ Hostvars map[string]json.RawMessage }
	if err := json.Unmarshal(text, &meta); err != nil {
		return err
	}
	list.hostvars = make(map[string]cty.Value, len(meta.Hostvars))
	for name, vars := range meta.Hostvars {
		v, err := readVars(vars)
		if err != nil {
			return fmt.Errorf("hostvars of %q: %w", name, err)
		}
		list.hostvars[name] = v
	}
	return nil
}

func readAnsibleGroup(name string, text json.RawMessage) (ansibleGroup, error) {
	g := ansibleGroup{name: name}
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '[' {
		return g, json.Unmarshal(text, &g.hosts)
	}
	var body struct {
		Hosts    []string
		Children []string
		Vars     json.RawMessage
	}
	if err := json.Unmarshal(text, &body); err != nil {
		return g, err
	}
	g.hosts, g.children = body.Hosts, body.Children
	var err error
	g.vars, err = readVars(body.Vars)
	return g, err
}

func readVars(text json.RawMessage) (cty.Value, error) {
	if len(text) == 0 || string(text) == "null" {
		return cty.NilVal, nil
	}
	t, err := ctyjson.ImpliedType(text)
	if err != nil {
		return cty.NilVal, err
	}
	if !t.IsObjectType() {
		return cty.NilVal, errors.New("vars are no JSON object")
	}
	return ctyjson.Unmarshal(text, t)
}

// A note is something to tell about a list.
type note struct {
	severity        hcl.DiagnosticSeverity
	summary, detail string
}

// found makes hosts and groups of a list, settings of Ansible's connection variables.
func (list *ansibleList) found() (Found, []note) {
	b := &ansibleBuilder{f: Found{
		Ansible: true, Groups: map[string][]string{}, Children: map[string][]string{},
		GroupVars: map[string]cty.Value{}, GroupSettings: map[string]Host{}, GroupPriority: map[string]int{},
	}, ignored: map[string]bool{}}
	seen := map[string]bool{}
	for _, g := range list.groups {
		b.group(g)
		for _, name := range g.hosts {
			if !seen[name] {
				seen[name] = true
				b.host(name, list.hostvars[name])
			}
		}
	}
	var stray []string
	for name := range list.hostvars {
		if !seen[name] {
			stray = append(stray, name)
		}
	}
	if len(stray) > 0 {
		b.warn("Variables without a host", "_meta has variables of hosts that no group has: %s. They are left out.", nodeset.Fold(stray))
	}
	if len(b.ignored) > 0 {
		b.warn("Ansible variables without effect", "these have no meaning here and stay ordinary vars: %s.", strings.Join(slices.Sorted(maps.Keys(b.ignored)), ", "))
	}
	return b.f, b.notes
}

// An ansibleBuilder makes a Found of a list.
type ansibleBuilder struct {
	f       Found
	notes   []note
	ignored map[string]bool
}

func (b *ansibleBuilder) warn(summary, detail string, args ...any) {
	b.notes = append(b.notes, note{hcl.DiagWarning, summary, fmt.Sprintf(detail, args...)})
}

func (b *ansibleBuilder) fail(summary, detail string, args ...any) {
	b.notes = append(b.notes, note{hcl.DiagError, summary, fmt.Sprintf(detail, args...)})
}

func (b *ansibleBuilder) host(name string, vars cty.Value) {
	h := FoundHost{Name: name}
	h.Vars, h.Host = b.settings(fmt.Sprintf("host %q", name), vars)
	b.f.Hosts = append(b.f.Hosts, h)
}

func (b *ansibleBuilder) group(g ansibleGroup) {
	where := fmt.Sprintf("group %q", g.name)
	vars, set := b.settings(where, g.vars)
	switch g.name {
	case "all":
		b.f.AllVars, b.f.AllSettings = vars, set
		return // its children are whatever there is
	case "ungrouped":
		return // Ansible's name for hosts that are in no group
	}
	b.f.GroupOrder = append(b.f.GroupOrder, g.name)
	b.f.Groups[g.name] = g.hosts
	for _, c := range g.children {
		if c != "all" && c != "ungrouped" {
			b.f.Children[g.name] = append(b.f.Children[g.name], c)
		}
	}
	vars = b.priority(g.name, vars)
	if vars != cty.NilVal {
		b.f.GroupVars[g.name] = vars
	}
	b.f.GroupSettings[g.name] = set
}

// priority takes ansible_group_priority out of a group's vars.
func (b *ansibleBuilder) priority(group string, vars cty.Value) cty.Value {
	const name = "ansible_group_priority"
	if vars == cty.NilVal || !vars.Type().HasAttribute(name) {
		return vars
	}
	m := vars.AsValueMap()
	v, err := convert.Convert(m[name], cty.Number)
	if err == nil && !v.IsNull() {
		if p, ok := whole(v); ok {
			b.f.GroupPriority[group] = p
			delete(m, name)
			return cty.ObjectVal(m)
		}
	}
	b.fail("Invalid setting", "group %q: ansible_group_priority is no whole number.", group)
	return vars
}

// ansibleSettings are the variables of Ansible that say how a host is reached, and what they become. Of those that become the same
// the later ones win, as with Ansible.
var ansibleSettings = []struct {
	name string
	slot slot
}{
	{"ansible_host", slot{"", "address"}},
	{"ansible_ssh_host", slot{"", "address"}},
	{"ansible_connection", slot{"", "connection"}},
	{"ansible_port", slot{"ssh", "port"}},
	{"ansible_ssh_port", slot{"ssh", "port"}},
	{"ansible_user", slot{"ssh", "user"}},
	{"ansible_ssh_user", slot{"ssh", "user"}},
	{"ansible_password", slot{"ssh", "password"}},
	{"ansible_ssh_pass", slot{"ssh", "password"}},
	{"ansible_ssh_password", slot{"ssh", "password"}},
	{"ansible_private_key_file", slot{"ssh", "identity_files"}},
	{"ansible_ssh_private_key_file", slot{"ssh", "identity_files"}},
	{"ansible_become_method", slot{"become", "method"}},
	{"ansible_become_user", slot{"become", "user"}},
	{"ansible_become_password", slot{"become", "password"}},
	{"ansible_become_pass", slot{"become", "password"}},
}

// withoutEffect are variables of Ansible that change how a host is reached, in ways that cvsplay does not have.
var withoutEffect = []string{
	"ansible_become", "ansible_become_exe", "ansible_become_flags", "ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args",
	"ansible_ssh_executable", "ansible_ssh_transfer_method", "ansible_host_key_checking", "ansible_ssh_host_key_checking",
}

// settings takes the variables that are settings out of vars.
func (b *ansibleBuilder) settings(where string, vars cty.Value) (cty.Value, Host) {
	var h Host
	if vars == cty.NilVal {
		return vars, h
	}
	rest := vars.AsValueMap()
	for _, known := range ansibleSettings {
		v, ok := rest[known.name]
		if !ok {
			continue
		}
		delete(rest, known.name)
		if err := applyAnsible(&h, known.slot, v); err != nil {
			b.fail("Invalid setting", "%s: %s: %s.", where, known.name, err)
		}
	}
	for _, name := range withoutEffect {
		if _, ok := rest[name]; ok {
			b.ignored[name] = true
		}
	}
	return cty.ObjectVal(rest), h
}

// applyAnsible gives a host what one of Ansible's variables says.
func applyAnsible(h *Host, s slot, v cty.Value) error {
	if v.IsNull() {
		return nil
	}
	if !v.Type().IsPrimitiveType() {
		return errors.New("it is neither a text nor a number")
	}
	text, err := convert.Convert(v, cty.String)
	if err != nil {
		return err
	}
	if strings.Contains(text.AsString(), "{{") || strings.Contains(text.AsString(), "{%") {
		return errors.New("it is a Jinja template, which nothing here evaluates; let the program print the value")
	}
	switch s {
	case slot{"ssh", "identity_files"}:
		text = cty.ListVal([]cty.Value{text})
	case slot{"", "connection"}:
		switch text.AsString() {
		case "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh", "ansible.builtin.paramiko_ssh", "ansible.netcommon.libssh":
			text = cty.StringVal(string(ViaSSH))
		case "ansible.builtin.local":
			text = cty.StringVal(string(ViaLocal))
		}
	case slot{"become", "method"}:
		text = cty.StringVal(strings.TrimPrefix(text.AsString(), "ansible.builtin."))
	}
	return settingFor[s].apply(h, text)
}
