package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"cvsplay/engine/config"
	"cvsplay/engine/eval"
	"cvsplay/engine/remote/remotetest"
	"cvsplay/inventory"
	"cvsplay/modules"
)

// ansibleKeywords are what plays, blocks and tasks of Ansible may have.
var ansibleKeywords = strings.Fields(`
	action always any_errors_fatal args async become become_exe become_flags become_method become_user block changed_when check_mode
	collections connection debugger delay delegate_facts delegate_to diff environment fact_path failed_when force_handlers
	gather_facts gather_subset gather_timeout handlers hosts ignore_errors ignore_unreachable listen local_action loop
	loop_control max_fail_percentage module_defaults name no_log notify order poll port post_tasks pre_tasks register
	remote_user rescue retries roles run_once serial strategy tags tasks throttle timeout until vars vars_files vars_prompt when`)

// A counterpart is one row of the page for those who come from Ansible.
type counterpart struct {
	section string
	ansible []string // names of Ansible's
	here    []string // what they are called here; none: there is no such thing
	where   string   // what the names are: of a step, a function, a flag …
}

var inBackquotes = regexp.MustCompile("`([^`]+)`")

// counterparts reads the tables of the page.
func counterparts(t *testing.T) []counterpart {
	t.Helper()
	text, err := os.ReadFile(repository(t, "examples/from-ansible/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []counterpart
	section := ""
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "## "); ok {
			section = strings.TrimSpace(name)
		}
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) < 3 || !strings.HasPrefix(line, "| `") {
			continue
		}
		row := counterpart{section: section, ansible: quotedNames(cells[0]), here: quotedNames(cells[1]), where: strings.Trim(cells[2], "`")}
		if (row.where == "–") != (len(row.here) == 0) || len(row.here) == 0 && cells[1] != "none" {
			t.Errorf("a row says neither a name and where it stands nor none: %s", line)
		}
		rows = append(rows, row)
	}
	if len(rows) < 100 {
		t.Fatalf("the page has %d rows", len(rows))
	}
	return rows
}

func quotedNames(cell string) []string {
	var names []string
	for _, m := range inBackquotes.FindAllStringSubmatch(cell, -1) {
		names = append(names, m[1])
	}
	return names
}

// What the page for those who come from Ansible says to be there is there, and what it says not to be there is not.
func TestFromAnsiblePage(t *testing.T) {
	rows := counterparts(t)
	var told []string
	for _, row := range rows {
		for _, name := range row.here {
			if !isThere(t, row.where, name) {
				t.Errorf("%s is called %s here, as the page says, but there is no such %s", row.ansible, name, row.where)
			}
		}
		if len(row.here) > 0 {
			told = append(told, row.ansible...)
			continue
		}
		for _, name := range row.ansible {
			told = append(told, name)
			for _, where := range absentFrom[row.section] {
				if isThere(t, where, name) {
					t.Errorf("the page says that there is no %s here, and there is a %s of that name", name, where)
				}
			}
		}
	}
	for _, name := range ansibleKeywords {
		if !slices.Contains(told, name) {
			t.Errorf("the page does not tell what becomes of %s", name)
		}
	}
}

// absentFrom says, for each section of the page, where a name that has no counterpart would be.
var absentFrom = map[string][]string{
	"Keywords of plays, blocks and tasks": {"step", "play"},
	"Modules":                             {"module"},
	"Variables, filters and lookups":      {"function"},
	"The command line":                    {"flag", "command"},
}

// isThere tells whether the language or the command line has a name.
func isThere(t *testing.T, where, name string) bool {
	t.Helper()
	switch where {
	case "step":
		return slices.Contains(config.MetaNames(), name)
	case "play":
		return decodes(fmt.Sprintf("play \"p\" {\n hosts = []\n %s = 1\n}", name)) || decodes(fmt.Sprintf("play \"p\" {\n hosts = []\n %s {}\n}", name)) ||
			decodes(fmt.Sprintf("play \"p\" {\n hosts = []\n %s \"a\" {}\n}", name)) || decodes(fmt.Sprintf("play \"p\" {\n hosts = []\n %s \"a\" \"b\" {}\n}", name))
	case "playbook":
		return decodes(fmt.Sprintf("%s {}", name)) || decodes(fmt.Sprintf("%s \"a\" {}", name))
	case "variable":
		return decodes(fmt.Sprintf("variable \"a\" {\n %s = true\n}", name))
	case "inventory":
		return isSetting(t, name)
	case "module":
		return slices.Contains(modules.All().Names(), name)
	case "function":
		return slices.ContainsFunc(eval.FunctionDocs(), func(d eval.FuncDoc) bool { return strings.HasPrefix(d.Signature, name+"(") })
	case "value":
		return isValue(t, name)
	case "flag":
		cmd, _, err := (&app{}).root().Find([]string{"run"})
		return err == nil && cmd.Flags().Lookup(strings.TrimPrefix(name, "--")) != nil
	case "command":
		cmd, rest, err := (&app{}).root().Find(strings.Fields(name))
		return err == nil && len(rest) == 0 && cmd.HasParent()
	default:
		m, ok := modules.All()[where]
		if !ok {
			t.Fatalf("the page says %q of %s; what is that?", where, name)
		}
		_, ok = m.Arg(name)
		return ok
	}
}

// decodes tells whether a playbook may have what a text has: it may lack something, and values may be wrong.
func decodes(text string) bool {
	_, _, diags := config.Read([]byte(text), "p.hcl")
	return !slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool {
		for _, unknown := range []string{"Unsupported", "Extraneous label", "Missing name", "Not supported yet", "Not part of", "In the wrong place", "Invalid block definition"} {
			if strings.HasPrefix(d.Summary, unknown) {
				return true
			}
		}
		return false
	})
}

// isSetting tells whether hosts can have a setting: ssh.user, connection.
func isSetting(t *testing.T, name string) bool {
	text := name + " = null"
	if section, setting, ok := strings.Cut(name, "."); ok {
		text = fmt.Sprintf("%s {\n%s = null\n}", section, setting)
	}
	path := filepath.Join(t.TempDir(), "inv.hcl")
	if err := os.WriteFile(path, fmt.Appendf(nil, "host \"h\" {\n%s\n}\n", text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, diags := inventory.Load(t.Context(), []string{path}, inventory.Options{Idle: true})
	return !diags.HasErrors()
}

// isValue tells whether an expression means something in a step.
func isValue(t *testing.T, expression string) bool {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p.hcl")
	text := "play \"p\" {\n  hosts = group.all\n  step \"exec_script\" \"a\" {\n    for_each = [\"a\"]\n    script = \":\"\n    changed_when = (%s) == null\n  }\n}\n"
	if err := os.WriteFile(path, fmt.Appendf(nil, text, expression), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _ := called(t, "validate", path)
	return code == 0
}

// The playbook of Ansible that the page shows for comparison is one.
func TestFromAnsibleIsAnsible(t *testing.T) {
	remotetest.Need(t, "ansible-playbook")
	u := newUser(t)
	if err := os.CopyFS(u.dir, os.DirFS(repository(t, "examples/from-ansible/ansible"))); err != nil {
		t.Fatal(err)
	}
	if out := u.types("ansible-playbook --syntax-check site.yml"); !strings.Contains(out, "playbook: site.yml") {
		t.Error(out)
	}
}
