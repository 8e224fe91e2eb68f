package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cvsplay/engine/event"
)

// A drawing makes up plays of toy steps. No two steps want different things of one key: such a play cannot come to rest.
type drawing struct {
	t       *rapid.T
	steps   []string // names of those that leave "value"
	keys    int
	perHost bool // only steps that are decided host by host
}

// definedToy is a module of the play's own, which does what value does.
const definedToy = `define "defined" {
  arg "key" {
    type = string
  }
  arg "value" {
    type = string
  }
  probe {
    script   = "get ${arg.key}"
    ok_codes = [0, 1]
  }
  change "write it" {
    when   = probe.stdout != arg.value
    have   = probe.stdout
    want   = arg.value
    script = "set ${arg.key} ${arg.value}"
  }
  result "key" {
    value = arg.key
  }
  result "value" {
    value = probe.stdout
  }
}
`

func (d *drawing) key() string {
	d.keys++
	return fmt.Sprintf("k%d", d.keys)
}

func (d *drawing) pick(label string, of ...string) string {
	return rapid.SampledFrom(of).Draw(d.t, label)
}

// value is an expression for a value: a word, or what an earlier step left.
func (d *drawing) value() string {
	choices := []string{`"v1"`, `"v2"`, "host.name"}
	if len(d.steps) > 0 {
		from := d.pick("from", d.steps...)
		choices = append(choices, "try(step."+from+".value, \"none\")", "try(step."+from+".key, \"none\")")
	}
	return d.pick("value", choices...)
}

// when is a condition, or none.
func (d *drawing) when() string {
	choices := []string{"", "", "", "  when = host.name != \"n2\"\n"}
	if len(d.steps) > 0 {
		from := d.pick("when from", d.steps...)
		choices = append(choices, "  when = step."+from+".changed\n", "  when = !step."+from+".skipped\n")
	}
	return d.pick("when", choices...)
}

func (d *drawing) step(i int) string {
	name := fmt.Sprintf("s%d", i)
	kinds := []string{"value", "value", "value", "run", "each", "depends", "defined"}
	if !d.perHost {
		kinds = append(kinds, "everywhere", "once", "around")
	}
	body, module := "", "value"
	switch d.pick("kind", kinds...) {
	case "value":
		body = fmt.Sprintf("  key = %q\n  value = %s\n  then = %v\n", d.key(), d.value(), rapid.Bool().Draw(d.t, "then")) + d.when()
	case "run":
		module = "run"
		key := d.key()
		body = fmt.Sprintf("  command = \"set %s 1\"\n  creates = %q\n", key, key) + d.when()
	case "each":
		a, b := d.key(), d.key()
		body = fmt.Sprintf("  for_each = [%q, %q]\n  key = each.key\n  value = %s\n", a, b, d.value()) + d.when()
	case "depends":
		body = fmt.Sprintf("  key = %q\n  value = \"v1\"\n", d.key())
		if len(d.steps) > 0 {
			body += "  depends_on = [step." + d.pick("depends", d.steps...) + "]\n"
		}
	case "defined":
		module = "defined"
		body = fmt.Sprintf("  key = %q\n  value = %s\n", d.key(), d.value()) + d.when()
	case "everywhere":
		module = "everywhere"
		body = fmt.Sprintf("  key = %q\n", d.key())
	case "once":
		body = fmt.Sprintf("  key = %q\n  value = \"v1\"\n  run_once = true\n", d.key())
	case "around":
		body = fmt.Sprintf("  key = %q\n  value = join(\"-\", run.hosts)\n  barrier = %v\n", d.key(), rapid.Bool().Draw(d.t, "barrier"))
	}
	text := fmt.Sprintf("step %q %q {\n%s}\n", module, name, body)
	// A step that runs only in the run that changes another leaves nothing the next time: what depends on it would not come to rest either.
	if module != "run" && module != "everywhere" && !strings.Contains(body, "for_each") && !strings.Contains(body, ".changed") {
		d.steps = append(d.steps, name)
	}
	return text
}

// play makes up a play.
func (d *drawing) play() string {
	var b strings.Builder
	b.WriteString(definedToy + "play \"p\" {\nhosts = group.all\n")
	for i := range rapid.IntRange(1, 8).Draw(d.t, "steps") {
		b.WriteString(d.step(i))
	}
	b.WriteString("}\n")
	return b.String()
}

// state puts something on the hosts.
func (d *drawing) state(f *fakeFleet) {
	for _, name := range slices.Sorted(maps.Keys(f.hosts)) {
		for k := range d.keys {
			if v := d.pick("state", "", "", "v1", "v2", name, "1"); v != "" {
				f.hosts[name].state[fmt.Sprintf("k%d", k+1)] = v
			}
		}
	}
}

// For plays of steps that can come to rest: what check says of a step is what the run does, where it does not say that it depends on something; after
// the run the next check is empty, and a second run changes nothing.
func TestLawsOfPlays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := &drawing{t: rt}
		text := d.play()
		s := newScenario(t, text, "")
		d.state(s.fleet)

		checked := s.once(t, runOptions{check: true})
		foretold := s.statuses()
		open := map[string]bool{}
		for _, e := range s.events {
			if e.Kind == event.StepDone && (strings.Contains(e.Reason, "depends on") || strings.Contains(e.Reason, "cannot be judged")) {
				open[e.Host+" "+e.Step+"["+e.Key+"]"] = true
				open[e.Host+" "+e.Step] = true // its instances were not known
			}
		}
		ran := s.once(t, runOptions{})
		for key, status := range s.statuses() {
			step, _, _ := strings.Cut(key, "[")
			if open[key] || open[step] {
				continue
			}
			want := foretold[key]
			if want == event.WouldChange {
				want = event.Changed
			}
			if status != want {
				rt.Fatalf("%s: check said %s, the run %s\n%s\n%s\n%s", key, foretold[key], status, text, checked, ran)
			}
		}
		for name, o := range map[string]runOptions{"check after the run": {check: true}, "second run": {}} {
			told := s.once(t, o)
			for key, status := range s.statuses() {
				if status != event.OK && status != event.Skipped {
					rt.Fatalf("%s: %s is %s\n%s\n%s\n%s", name, key, status, text, ran, told)
				}
			}
		}
	})
}

// Whatever happens to one host: its neighbours end as if nothing had; nothing is done twice on it; what is told to be well is so; a lost connection
// is no failure.
func TestLawsOfLostHosts(t *testing.T) {
	kinds := []string{"cut-before", "cut-after", "die-before", "die-after", "unstarted", "refuse"}
	rapid.Check(t, func(rt *rapid.T) {
		d := &drawing{t: rt, perHost: true}
		text := d.play()
		whole, broken := newScenario(t, text, ""), newScenario(t, text, "")
		d.state(whole.fleet)
		for name, h := range whole.fleet.hosts {
			broken.fleet.hosts[name].state = maps.Clone(h.state)
		}
		for i := range rapid.IntRange(1, 3).Draw(rt, "faults") {
			line := "n2 " + rapid.SampledFrom(kinds).Draw(rt, fmt.Sprint("fault ", i))
			if !strings.HasSuffix(line, "refuse") {
				line += fmt.Sprintf(" after=%d on %s k%d", rapid.IntRange(0, 2).Draw(rt, "after"),
					rapid.SampledFrom([]string{"get", "set"}).Draw(rt, "verb"), rapid.IntRange(1, max(1, d.keys)).Draw(rt, "at"))
			}
			if err := broken.fleet.breakBy(line); err != nil {
				rt.Fatal(err)
			}
		}
		whole.once(t, runOptions{})
		told := broken.once(t, runOptions{})
		after := broken.statuses()
		for key, status := range whole.statuses() {
			if !strings.HasPrefix(key, "n2 ") && after[key] != status {
				rt.Fatalf("%s is %s, without the faults of n2 it is %s\n%s\n%s", key, after[key], status, text, told)
			}
		}
		did := slices.Clone(broken.fleet.hosts["n2"].did)
		slices.Sort(did)
		if once := slices.Compact(slices.Clone(did)); len(once) != len(did) {
			rt.Fatalf("something was done twice: %v\n%s\n%s", did, text, told)
		}
		for _, e := range broken.events {
			if e.Kind != event.StepDone || e.Host != "n2" {
				continue
			}
			if e.Status == event.Failed && whole.statuses()[e.Host+" "+e.Step+"["+e.Key+"]"] != event.Failed {
				rt.Fatalf("%s failed: %s\n%s\n%s", e.Step, e.Reason, text, told)
			}
			for _, c := range e.Changes {
				key, set := strings.CutPrefix(c.What, "set ")
				if e.Status == event.Changed && set && broken.fleet.hosts["n2"].state[key] != c.Want {
					rt.Fatalf("%s has %q for %s, and is told to be changed to %q\n%s\n%s", e.Host, broken.fleet.hosts["n2"].state[key], key, c.Want, text, told)
				}
			}
		}
	})
}
