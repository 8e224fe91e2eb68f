package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// Steps that would travel as a chain, one for some hosts, one once for all, one whose results a later one reads, and a check.
const confirmedPlaybook = `
-- playbook.hcl --
play "p" {
  hosts = group.all_three
  step "value" "a" {
    key   = "a"
    value = "1"
    again = true
  }
  step "value" "b" {
    key   = "b"
    value = step.a.value
    again = true
    hosts = ["n1", "n2"]
  }
  step "value" "c" {
    key      = "c"
    value    = "1"
    run_once = true
  }
  check "d" {
    condition     = step.c.ok
    error_message = "no"
  }
}
`

// A stopped play asks about what is done in any case, and does no more than was confirmed; a handler is asked about where it is owed.
func TestConfirmOfWhatIsDoneInAnyCase(t *testing.T) {
	for name, c := range map[string]struct{ left, stop, want string }{
		"all confirmed": {want: `
a on n1,n2: a=0 b=0 c=0
b on n1,n2: a=2 b=0 c=0
h on n1,n2: a=2 b=2 c=0
exit code 0`},
		"interrupted": {stop: "a", want: `
a on n1,n2: a=0 b=0 c=0
b on n1,n2: a=0 b=0 c=0
exit code 130`},
		"interrupted within the block": {stop: "b", want: `
a on n1,n2: a=0 b=0 c=0
b on n1,n2: a=2 b=0 c=0
h on n1,n2: a=2 b=0 c=0
exit code 130`},
		"the handler is left out": {left: "h", want: `
a on n1,n2: a=0 b=0 c=0
b on n1,n2: a=2 b=0 c=0
h on n1,n2: a=2 b=2 c=0
exit code 0`},
	} {
		t.Run(name, func(t *testing.T) {
			s := scenarioOf(t, txtar.Parse([]byte(`
-- playbook.hcl --
play "p" {
  hosts = ["n1", "n2"]
  block "x" {
    step "value" "a" {
      key    = "a"
      value  = "1"
      notify = [handler.h]
    }
    always {
      step "value" "b" {
        key   = "b"
        value = "1"
      }
    }
  }
  handler "value" "h" {
    key   = "c"
    value = "1"
  }
}
`)))
			s.confirms(t, c.left, c.stop, c.want)
		})
	}
}

// A step that ran once in an earlier batch does not begin in a later one.
func TestConfirmOfBatches(t *testing.T) {
	s := scenarioOf(t, txtar.Parse([]byte(`
-- playbook.hcl --
play "p" {
  hosts = ["n1", "n2"]
  batch = 1
  step "value" "a" {
    key   = "a"
    value = "1"
  }
  step "value" "b" {
    key      = "b"
    value    = "1"
    run_once = true
  }
}
`)))
	s.confirms(t, "", "", `
a on n1: a=0 b=0 c=0
b on n1: a=1 b=0 c=0
a on n2: a=1 b=1 c=0
exit code 0`)
}

func TestConfirm(t *testing.T) {
	for name, c := range map[string]struct {
		left string // steps that are not confirmed
		stop string // the step at whose question the run is interrupted
		want string
	}{
		"all confirmed": {want: `
a on n1,n2,n3: a=0 b=0 c=0
b on n1,n2: a=3 b=0 c=0
c on n1: a=3 b=2 c=0
d on n1,n2,n3: a=3 b=2 c=1
exit code 0`},
		"one left out": {left: "b d", want: `
a on n1,n2,n3: a=0 b=0 c=0
b on n1,n2: a=3 b=0 c=0
c on n1: a=3 b=0 c=0
d on n1,n2,n3: a=3 b=0 c=1
exit code 0`},
		"one left out whose results a later one reads": {left: "a", want: `
a on n1,n2,n3: a=0 b=0 c=0
exit code 1`}, // refused everywhere: nobody is left to be asked about
		"interrupted while asked": {stop: "b", want: `
a on n1,n2,n3: a=0 b=0 c=0
b on n1,n2: a=3 b=0 c=0
exit code 130`},
	} {
		t.Run(name, func(t *testing.T) {
			s := scenarioOf(t, txtar.Parse([]byte(confirmedPlaybook)))
			s.confirms(t, c.left, c.stop, c.want)
		})
	}
}

// confirms makes a run in which steps are left out, and which is interrupted at the question about one, and compares what was asked, with what was done by
// then, and the exit code.
func (s *scenario) confirms(t *testing.T, left, stop, want string) {
	t.Helper()
	var asked strings.Builder
	s.tune = func(o *RunOptions) {
		stopped := make(chan struct{})
		o.Interrupt = stopped
		o.Confirm = func(_ context.Context, _ string, step *Step, hosts []string) bool {
			fmt.Fprintf(&asked, "\n%s on %s: %s", step.Name, strings.Join(hosts, ","), s.done("a", "b", "c"))
			if step.Name == stop {
				close(stopped)
			}
			return step.Name != stop && !strings.Contains(left, step.Name)
		}
	}
	told := s.once(t, runOptions{})
	code := told[strings.LastIndex(told, "exit code"):]
	if got := asked.String() + "\n" + strings.TrimSpace(code); got != want {
		t.Errorf("got:%s\nwant:%s\ntold:\n%s", got, want, told)
	}
}

// done counts the hosts that have each of these keys.
func (s *scenario) done(keys ...string) string {
	var out []string
	for _, key := range keys {
		n := 0
		for _, h := range s.fleet.hosts {
			if _, ok := h.state[key]; ok {
				n++
			}
		}
		out = append(out, fmt.Sprintf("%s=%d", key, n))
	}
	return strings.Join(out, " ")
}
