package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"

	"cvsplay/engine/config"
	"cvsplay/inventory"
)

// What is wrong with an include, and in what it takes in, is found without a host, and said where a person can mend it.
func TestIncludeErrors(t *testing.T) {
	const play = `play "p" {
  hosts = group.all
  step "value" "before" {
    key   = "a"
    value = "1"
  }
  include "r" {
    source = "./role"
ARGS
  }
OUT
}
`
	const role = `variable "need" {
  type = number
}

variable "opt" {
  default = "x"
}

step "value" "one" {
  key   = "k"
  value = "${var.need} ${var.opt}"
}

output "o" {
  value = step.one.value
}
`
	for name, c := range map[string]struct{ args, out, role, want, at string }{
		"missing argument":     {want: `declares the variable "need" without a default`, at: "playbook.hcl"},
		"unknown argument":     {args: "need = 1\nnede = 2", want: `declares no variable "nede". Did you mean "need"?`, at: "playbook.hcl"},
		"type":                 {args: `need = "many"`, want: `The variable "need" does not fit its type`, at: "playbook.hcl"},
		"unknown output":       {args: "need = 1", out: "check \"c\" {\ncondition = include.r.p == 1\nerror_message = \"\"\n}", want: `no output of`, at: "playbook.hcl"},
		"unknown include":      {args: "need = 1", out: "check \"c\" {\ncondition = include.x.o == 1\nerror_message = \"\"\n}", want: `There is no include "x" here`, at: "playbook.hcl"},
		"its own names":        {args: "need = 1", role: strings.Replace(role, "var.opt", "var.pot", 1), want: `There is no variable "pot". Did you mean "opt"?`, at: "main.hcl"},
		"no names of the play": {args: "need = 1", role: strings.Replace(role, "var.opt", "step.before.value", 1), want: `There is no step "before"`, at: "main.hcl"},
		"its own steps":        {args: "need = 1", role: strings.Replace(role, "= step.one.value", "= step.ono.value", 1), want: `There is no step "ono" in play "p". Did you mean "one"?`, at: "main.hcl"},
		"later step":           {args: "need = step.r.value", want: `There is no step "r"`, at: "playbook.hcl"},
		"plays":                {args: "need = 1", role: role + "play \"x\" {\n}\n", want: "a file with plays is included at the top level", at: "main.hcl"},
		"circle":               {args: "need = 1", role: role + "include \"self\" {\nsource = \"../role\"\nneed = 1\n}\n", want: "includes itself", at: "main.hcl"},
		"no folder":            {args: "need = 1", role: "-", want: "File not found", at: "playbook.hcl"},
		"when of a block":      {args: "need = 1", out: "block \"b\" {\nwhen = step.x.changed\nstep \"value\" \"x\" {\nkey = \"x\"\nvalue = \"1\"\n}\n}", want: `The step "x" stands in the block whose when this is`, at: "playbook.hcl"},
		"name of a handler":    {args: "need = 1", role: strings.Replace(role, `key   = "k"`, "key = \"k\"\nnotify = [handler.h]", 1), want: `There is no handler "h"`, at: "main.hcl"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.role == "" {
				c.role = role
			}
			files := map[string]string{"playbook.hcl": strings.NewReplacer("ARGS", c.args, "OUT", c.out).Replace(play), "inventory.hcl": threeHosts}
			if c.role != "-" {
				files["role/main.hcl"] = c.role
			}
			diags := planOf(t, files)
			if name == "missing argument" && len(diags.Errs()) > 1 {
				t.Errorf("what reads the argument is called wrong, too: %v", diags)
			}
			for _, d := range diags {
				if strings.Contains(d.Summary+": "+d.Detail, c.want) {
					if d.Subject == nil || filepath.Base(d.Subject.Filename) != c.at {
						t.Errorf("%s is said at %v, want %s", c.want, d.Subject, c.at)
					}
					return
				}
			}
			t.Errorf("no error says %q: %v", c.want, diags)
		})
	}
}

// planOf are the diagnostics of loading and binding a playbook.
func planOf(t *testing.T, files map[string]string) hcl.Diagnostics {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pb, _, diags := config.Load(filepath.Join(dir, "playbook.hcl"))
	if diags.HasErrors() {
		return diags
	}
	inv, _, more := inventory.Load(t.Context(), []string{filepath.Join(dir, "inventory.hcl")}, inventory.Options{})
	if more.HasErrors() {
		t.Fatal(more)
	}
	t.Cleanup(func() { _ = inv.Close() })
	s := &scenario{playbook: pb, inv: inv, fleet: newFakeFleet(inv.Names()), modules: toys()}
	_, diags = s.plan(runOptions{})
	return diags
}

// A sensitive value that an include hands on stays one.
func TestIncludeKeepsSecrets(t *testing.T) {
	s := scenarioOf(t, txtar.Parse([]byte(`
-- playbook.hcl --
variable "token" {
  default   = "hush-hush-secret"
  sensitive = true
}
play "p" {
  hosts = group.all
  include "r" {
    source = "./role"
    token  = var.token
  }
}
-- files/role/main.hcl --
variable "token" {
  type = string
}
step "value" "one" {
  key   = "k"
  value = "1"
  token = var.token
}
check "shown" {
  condition     = var.token == "x"
  error_message = "it is ${var.token}"
}
`)))
	if told := s.play(t); strings.Contains(told, "hush") || !strings.Contains(told, "the message is sensitive") {
		t.Error(told)
	}
}
