package modules_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
	"cvsplay/engine/config"
	"cvsplay/engine/eval"
	"cvsplay/engine/event"
	"cvsplay/modules"
	"cvsplay/modules/modtest"
)

// What a playbook defines obeys the laws of what is built in.
const definitions = `
define "setting" {
  description = "A setting in a file of its own."

  arg "path" {
    type        = string
    description = "Where it is kept."
  }
  arg "value" {
    type        = string
    description = "What it has to be."
  }
  arg "mode" {
    type        = string
    default     = "600"
    values      = ["600", "644"]
    description = "Who may read it."
  }
  arg "token" {
    type        = string
    default     = null
    sensitive   = true
    description = "What it is stamped with."
  }

  probe {
    script = <<-EOT
      if [ -d "$1" ]; then
        echo folder
      elif [ -e "$1" ]; then
        stat -c %a "$1"
        cat "$1"
      else
        printf '\n'
      fi
    EOT
    args   = [arg.path]
  }

  refuse {
    when          = probe.stdout == "folder\n"
    error_message = "${arg.path} is a folder."
  }

  change "write value" {
    when   = join("\n", slice(split("\n", probe.stdout), 1, length(split("\n", probe.stdout)))) != "${arg.value}${arg.token == null ? "" : arg.token}"
    have   = probe.stdout == "\n" ? "nothing" : "something"
    want   = arg.value
    script = <<-EOT
      #!/bin/sh
      umask 077
      printf '%s%s' "$2" "$TOKEN" >"$1"
    EOT
    args   = [arg.path, arg.value]
    env    = { TOKEN = arg.token }
  }
  change "set mode" {
    when   = split("\n", probe.stdout)[0] != arg.mode
    have   = split("\n", probe.stdout)[0]
    want   = arg.mode
    script = "chmod \"$2\" \"$1\"\n"
    args   = [arg.path, arg.mode]
  }

  result "path" {
    value       = arg.path
    description = "Where it is kept."
  }
  result "lines" {
    value       = length(split("\n", probe.stdout)) - 1
    description = "How many it has."
  }
}

define "release" {
  description = "What the kernel is called."

  probe {
    script = "uname -s\n"
  }

  result "name" {
    type        = string
    value       = trimspace(probe.stdout)
    description = "Its name."
  }
}
`

// withDefined are the shipped modules, and those of the definitions.
func withDefined(t *testing.T) engine.Modules {
	t.Helper()
	all := modules.All()
	maps.Copy(all, defined(t))
	return all
}

func defined(t *testing.T) engine.Modules {
	t.Helper()
	pb, _, diags := config.Read([]byte(definitions), "defined.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	own, diags := engine.DefinedModules(pb, engine.PlanOptions{Modules: modules.All(), Functions: eval.Functions(eval.FuncContext{})})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return own
}

var definedCases = []modtest.Case{
	{
		Name: "defined_new", Module: "setting", Setup: `rm -rf /srv/laws/defined_new; mkdir -p /srv/laws/defined_new`,
		Step: `step "setting" "it" {
  path  = "/srv/laws/defined_new/f"
  value = "it's \"$HOME\" and ${host.name}"
}`,
	},
	{
		Name: "defined_mode", Module: "setting", Setup: `rm -rf /srv/laws/defined_mode; mkdir -p /srv/laws/defined_mode; printf x >/srv/laws/defined_mode/f; chmod 600 /srv/laws/defined_mode/f`,
		Step: `step "setting" "it" {
  path  = "/srv/laws/defined_mode/f"
  value = "x"
  mode  = "644"
}`,
	},
	{
		Name: "defined_secret", Module: "setting", Setup: `rm -rf /srv/laws/defined_secret; mkdir -p /srv/laws/defined_secret`,
		Step: `step "setting" "it" {
  for_each = ["a", "b"]
  path     = "/srv/laws/defined_secret/${each.key}"
  value    = "x"
  token    = "canary"
}`,
	},
	{
		Name: "defined_there", Module: "setting", Ends: event.OK, Setup: `rm -rf /srv/laws/defined_there; mkdir -p /srv/laws/defined_there; printf x >/srv/laws/defined_there/f; chmod 600 /srv/laws/defined_there/f`,
		Step: `step "setting" "it" {
  path  = "/srv/laws/defined_there/f"
  value = "x"
}`,
	},
	{
		Name: "defined_refused", Module: "setting", Ends: event.Refused, Setup: `rm -rf /srv/laws/defined_refused; mkdir -p /srv/laws/defined_refused/f`,
		Step: `step "setting" "it" {
  path  = "/srv/laws/defined_refused/f"
  value = "x"
}`,
	},
	{
		Name: "defined_inside", Module: "setting", Before: launched("laws_defined", "var.image"),
		Step: `step "setting" "it" {
  inside = "container:laws_defined"
  path   = "/opt/defined"
  value  = "inside"
}`,
	},
	{Name: "defined_looks", Module: "release", Ends: event.OK, Step: `step "release" "it" {
}`},
}

func everyCase() []modtest.Case { return slices.Concat(lawCases, definedCases) }

// The example that is made for a defined module is a step that validates.
func TestExamplesOfDefinedModules(t *testing.T) {
	own := defined(t)
	text := definitions + "play \"p\" {\n  hosts = [\"n1\"]\n" + own["setting"].Example + strings.ReplaceAll(own["release"].Example, "example", "other") + "}\n"
	pb, _, diags := config.Read([]byte(text), "example.hcl")
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, text)
	}
	if _, diags := engine.NewPlan(pb, engine.PlanOptions{Modules: modules.All(), Functions: eval.Functions(eval.FuncContext{})}); diags.HasErrors() {
		t.Errorf("%v\n%s", diags, text)
	}
	if got := own["release"].Results[0].Type; got != cty.String {
		t.Errorf("the result has the type %s", got.FriendlyName())
	}
}
