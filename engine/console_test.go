package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/rogpeppe/go-internal/txtar"

	"cvsplay/engine/eval"
)

const consolePlaybook = `
-- playbook.hcl --
variable "size" {
  default = 2
}
locals {
  double = var.size * 2
}
play "p" {
  hosts = group.all_three
  locals {
    mine   = "${host.name} has ${local.double}"
    cores  = host.facts.cpu.cores
    before = step.a.value
  }
  step "value" "a" {
    key   = "a"
    value = "1"
  }
}

`

// Each expression, on n1 or on no host, with its value and the hosts that were asked for it.
func TestConsole(t *testing.T) {
	for _, c := range []struct{ host, expression, want string }{
		{"", "1 + 1", "2"},
		{"", "local.double", "4"},
		{"", "group.all", `["n1","n2","n3"]`},
		{"", "run.hosts", `["n1","n2","n3"]`},
		{"", `hosts["n2"].name`, `"n2"`},
		{"", "host.name", "No host is chosen"},
		{"", "local.mine", "No host is chosen"},
		{"n1", "local.mine", `"n1 has 4"`},
		{"n1", "host.name", `"n1"`},
		{"n1", "host.facts.os.id", `"ubuntu" asked n1: os`},
		{"n1", "local.cores > 1", "true asked n1: cpu"},
		{"", `hosts["n2"].facts.os.id`, `"ubuntu" asked n2: os`},
		{"n1", "[for n in run.hosts : hosts[n].facts.os.id]", `["ubuntu","ubuntu","ubuntu"] asked n1: os, n2: os, n3: os`},
		{"n1", "step.a.value", "Nothing has run"},
		{"n1", "local.before", "Nothing has run"},
		{"n1", "play.p.hosts", "Nothing has run"},
		{"n1", "local.doubel", "Unknown local value"},
		{"n1", "host.facts.sky", "Unknown family of facts"},
		{"n1", "tonumber(host.name)", "Invalid function argument"},
	} {
		t.Run(c.host+" "+c.expression, func(t *testing.T) {
			s := scenarioOf(t, txtar.Parse([]byte(consolePlaybook)))
			plan, diags := s.plan(runOptions{})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			console := plan.Console(plan.Plays[0], RunOptions{Dial: s.fleet.dial, Redactor: &eval.Redactor{}, Now: ticking()})
			defer console.Close()
			for range 2 { // what a host told may have changed: it is asked each time
				s.fleet.forget()
				if got := s.tried(console, c.host, c.expression); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			}
		})
	}
}

// tried is the value of an expression, or the summary of what is wrong, and who was asked for it.
func (s *scenario) tried(console *Console, host, expression string) string {
	expr, diags := hclsyntax.ParseExpression([]byte(expression), "input", hcl.InitialPos)
	if diags.HasErrors() {
		return diags[0].Summary
	}
	v, diags := console.Value(context.Background(), host, expr)
	if diags.HasErrors() {
		return diags[0].Summary
	}
	var asked []string
	for _, name := range s.inv.Names() {
		if h := s.fleet.hosts[name]; len(h.gathered) > 0 {
			asked = append(asked, fmt.Sprintf("%s: %s", name, strings.Join(h.gathered, " ")))
		} else if h.trips > 0 || h.dials > 0 {
			asked = append(asked, name+" for nothing")
		}
	}
	got := string(eval.ToJSON(v))
	if asked != nil {
		got += " asked " + strings.Join(asked, ", ")
	}
	return got
}
