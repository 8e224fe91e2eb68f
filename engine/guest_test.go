package engine

import (
	"strings"
	"testing"
)

func TestOnErrors(t *testing.T) {
	for name, c := range map[string]struct{ step, want string }{
		"unknown host":   {"step \"value\" \"a\" {\n on = \"n4\"\n key = \"a\"\n value = \"1\"\n}", `the inventory has no host "n4". Did you mean "n1"?`},
		"no name":        {"step \"value\" \"a\" {\n on = [\"n1\"]\n key = \"a\"\n value = \"1\"\n}", `takes the name of a host, or "controller"`},
		"fleet":          {"step \"everywhere\" \"a\" {\n on = \"n1\"\n key = \"a\"\n}", "is decided over all hosts of the play"},
		"all is no host": {"step \"value\" \"a\" {\n on = \"all\"\n key = \"a\"\n value = \"1\"\n}", `has no host "all"`},
	} {
		t.Run(name, func(t *testing.T) {
			diags := planOf(t, map[string]string{"playbook.hcl": "play \"p\" {\n  hosts = group.all\n" + c.step + "\n}\n", "inventory.hcl": threeHosts})
			if !strings.Contains(strings.ToLower(diags.Error()), strings.ToLower(c.want)) {
				t.Errorf("got %v, want %q", diags, c.want)
			}
		})
	}
}

// What a host's own steps owe to the end of the run and what those of others owe there is noted side by side.
func TestOwedByOthersToo(t *testing.T) {
	t.Parallel()
	s := newScenario(t, `play "p" {
  hosts = ["n1", "n2"]
  step "temp" "own" {
    when     = host.name == "n1"
    for_each = [for i in [1, 2, 3, 4, 5, 6, 7, 8] : "own${i}"]
    key      = each.key
  }
  step "temp" "guest" {
    when     = host.name == "n2"
    on       = "n1"
    for_each = [for i in [1, 2, 3, 4, 5, 6, 7, 8] : "guest${i}"]
    key      = each.key
  }
}
`, "")
	told := s.once(t, runOptions{})
	if paid := strings.Count(told, "cleanup of"); paid != 16 || len(s.fleet.hosts["n1"].state) != 0 {
		t.Errorf("16 are owed, and %d were paid\n%s", paid, told)
	}
}
