package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// collidingStep makes up a step over few keys, so that steps undo, repeat and depend on each other's work, and break it.
func (d *drawing) collidingStep(i int) string {
	name := fmt.Sprintf("s%d", i)
	key := d.pick("key", "k1", "k2", "k3", "k4")
	flag := func(label string) bool { return rapid.IntRange(0, 4).Draw(d.t, label) > 0 }
	module, body := "value", ""
	switch d.pick("kind", "value", "value", "value", "value", "each", "run", "run", "reads", "check", "depends", "defined") {
	case "value":
		body = fmt.Sprintf("  key = %q\n  value = %s\n  then = %v\n  again = %v\n", key, d.value(), flag("then"), flag("again"))
		switch d.pick("breaks", "", "", "", "", "", "", "fail", "noop", "else", "judged", "ignored", "retry") {
		case "fail":
			body += "  by = \"fail 3 no\"\n"
		case "noop":
			body += "  by = \"noop\"\n"
		case "else":
			body += "  by = \"set k1 other\"\n"
		case "judged":
			body += "  fail_when = self.value == \"v1\"\n"
		case "ignored":
			body += "  by = \"fail 3 no\"\n  ignore_errors = true\n"
		case "retry":
			body += "  by = \"fail 3 no\"\n  retry {\n    attempts = 2\n    delay = \"1ms\"\n  }\n"
		}
	case "defined":
		module = "defined"
		body = fmt.Sprintf("  key = %q\n  value = %s\n", key, d.value())
	case "each":
		body = fmt.Sprintf("  for_each = [\"k1\", \"k3\"]\n  key = each.key\n  value = %s\n  again = %v\n", d.value(), flag("again"))
	case "run":
		module = "run"
		body = fmt.Sprintf("  command = %q\n  again = %v\n", d.pick("command", "set "+key+" 1", "set "+key+" v1", "del "+key, "say hello", "fail 2 no"), flag("again"))
		if flag("guarded") {
			body += fmt.Sprintf("  creates = %q\n", key)
		}
	case "reads":
		module = "run"
		body = fmt.Sprintf("  command = \"get %s\"\n  read_only = true\n  ignore_errors = true\n", key)
	case "check":
		if len(d.steps) == 0 {
			return ""
		}
		return fmt.Sprintf("check %q {\n  condition = try(step.%s.value, \"v1\") != \"v2\"\n  error_message = \"no\"\n}\n", name, d.pick("checks", d.steps...))
	case "depends":
		body = fmt.Sprintf("  key = %q\n  value = \"v1\"\n  again = true\n", key)
		if len(d.steps) > 0 {
			body += "  depends_on = [step." + d.pick("depends", d.steps...) + "]\n"
		}
	}
	if !strings.Contains(body, "depends_on") {
		body += d.when()
	}
	body += d.condition()
	if (module == "value" || module == "defined") && !strings.Contains(body, "for_each") {
		d.steps = append(d.steps, name)
	}
	return fmt.Sprintf("step %q %q {\n%s}\n", module, name, body)
}

// condition is a precondition or a postcondition that may not hold, or none.
func (d *drawing) condition() string {
	choices := []string{"", "", "", "", "  postcondition {\n    condition = !self.changed\n    error_message = \"changed\"\n  }\n"}
	if len(d.steps) > 0 {
		from := "step." + d.pick("requires", d.steps...)
		for _, block := range []string{"precondition", "postcondition"} {
			choices = append(choices, fmt.Sprintf("  %s {\n    condition = try(%s.value, \"v1\") == \"v1\"\n    error_message = \"%s is ${try(%[2]s.value, \"-\")}\"\n  }\n", block, from, from))
		}
	}
	return d.pick("condition", choices...)
}

func (d *drawing) colliding() string {
	var b strings.Builder
	b.WriteString(definedToy + "play \"p\" {\nhosts = group.all\n")
	for i := range rapid.IntRange(2, 12).Draw(d.t, "steps") {
		b.WriteString(d.collidingStep(i))
	}
	b.WriteString("}\n")
	d.keys = 4
	return b.String()
}

// without leaves out what a run may differ in however it travels.
func without(told string) string {
	var out []string
	for line := range strings.Lines(told) {
		if !strings.HasPrefix(line, "round trips:") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// What a play does, how its steps end, and what is told of them does not depend on what travels together.
func TestChainsChangeNothingButRoundTrips(t *testing.T) {
	trips := map[bool]int{}
	rapid.Check(t, func(rt *rapid.T) {
		d := &drawing{t: rt, perHost: true}
		text := d.colliding()
		apart, fused := newScenario(t, text, ""), newScenario(t, text, "")
		d.state(apart.fleet)
		for name, h := range apart.fleet.hosts {
			fused.fleet.hosts[name].state = maps.Clone(h.state)
		}
		for round := range 2 {
			want, got := apart.once(t, runOptions{noFuse: true}), fused.once(t, runOptions{})
			if without(want) != without(got) {
				rt.Fatalf("run %d\n%s\n== each step by itself\n%s\n== together\n%s", round, text, want, got)
			}
			for name, h := range apart.fleet.hosts {
				if !maps.Equal(h.state, fused.fleet.hosts[name].state) {
					rt.Fatalf("%s differs\n%s\n%v\n%v", name, text, h.state, fused.fleet.hosts[name].state)
				}
				trips[true] += fused.fleet.hosts[name].trips
				trips[false] += h.trips
			}
		}
	})
	t.Logf("round trips: %d apart, %d together", trips[false], trips[true])
	if trips[true] >= trips[false] {
		t.Error("nothing travelled together")
	}
}

// Whatever breaks a connection in the middle of a chain: nothing that was told not to be run twice is, and nothing is told to be done that is not.
func TestChainsThatAreCut(t *testing.T) {
	kinds := []string{"cut-before", "cut-after", "die-before", "die-after", "unstarted", "timeout"}
	rapid.Check(t, func(rt *rapid.T) {
		d := &drawing{t: rt, perHost: true}
		text := d.play()
		s := newScenario(t, strings.ReplaceAll(text, "  key = ", "  again = true\n  key = "), "")
		d.state(s.fleet)
		for i := range rapid.IntRange(1, 2).Draw(rt, "faults") {
			line := fmt.Sprintf("n2 %s after=%d on %s k", rapid.SampledFrom(kinds).Draw(rt, fmt.Sprint("fault ", i)),
				rapid.IntRange(0, 6).Draw(rt, "after"), rapid.SampledFrom([]string{"get", "set"}).Draw(rt, "verb"))
			if err := s.fleet.breakBy(line); err != nil {
				rt.Fatal(err)
			}
		}
		told := s.once(t, runOptions{})
		did := slices.Clone(s.fleet.hosts["n2"].did)
		for _, e := range s.events {
			for _, c := range e.Changes {
				key, set := strings.CutPrefix(c.What, "set ")
				if e.Status == "changed" && set && s.fleet.hosts[e.Host].state[key] != c.Want {
					rt.Fatalf("%s has %q for %s, and is told to be changed to %q\n%s\n%s", e.Host, s.fleet.hosts[e.Host].state[key], key, c.Want, text, told)
				}
			}
			if strings.Contains(e.Message, "this is a bug") || strings.Contains(e.Reason, "this is a bug") {
				rt.Fatalf("%s%s\n%s\n%s", e.Message, e.Reason, text, told)
			}
		}
		for i := range did { // a run without a guard
			if strings.HasPrefix(did[i], "add") && slices.Contains(did[i+1:], did[i]) {
				rt.Fatalf("done twice: %v\n%s\n%s", did, text, told)
			}
		}
	})
}
