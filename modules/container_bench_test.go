package modules

import (
	"testing"

	"cvsplay/engine"
)

// A containerBench runs container steps on hosts that are really there, as the engine would: it asks, decides, acts, and asks again.
type containerBench struct {
	t    *testing.T
	run  string
	past map[string][]engine.Outcome
	ask  func(host string, q engine.Question) engine.Answer
}

// ensure runs the step on hosts, and gives each one's end as text.
func (e *containerBench) ensure(hosts map[string]containerArgs) (ends map[string]string, transcript string) {
	e.t.Helper()
	names := make(map[string]bool)
	for h := range hosts {
		names[h] = true
		e.past[h] = nil
	}
	for range 12 {
		var all []engine.On[containerArgs]
		for _, h := range sortedKeys(names) {
			on := engine.On[containerArgs]{Args: hosts[h], Seen: engine.Seen{Host: h, Run: e.run, Reach: engine.Reached, Past: e.past[h]}}
			for _, q := range hosts[h].Ask() {
				on.Answers = append(on.Answers, e.ask(h, q))
			}
			all = append(all, on)
		}
		decisions := decideContainers(all)
		for i, d := range decisions {
			if more, ok := d.(engine.More); ok {
				for _, q := range more.Ask {
					all[i].Answers = append(all[i].Answers, e.ask(all[i].Host, q))
				}
				decisions = decideContainers(all)
			}
		}
		working := false
		for i, d := range decisions {
			if act, ok := d.(engine.Act); ok {
				working = true
				transcript += all[i].Host + ": " + decisionText(act) + "\n"
				e.act(all[i].Host, act)
			}
		}
		if !working {
			ends = map[string]string{}
			for i, d := range decisions {
				ends[all[i].Host] = decisionText(d)
			}
			return ends, transcript
		}
	}
	e.t.Fatalf("no end:\n%s", transcript)
	return nil, ""
}

func (e *containerBench) act(host string, act engine.Act) {
	for _, c := range act.Changes {
		if len(c.Do) == 0 {
			continue
		}
		o := engine.Outcome{What: c.What, OK: true}
		for _, do := range c.Do {
			a := engine.Answer{}
			if o.OK {
				a = e.ask(host, do.(engine.Shell))
				o.OK = a.Code == 0
				o.Why = a.Stderr.String()
			}
			o.Answers = append(o.Answers, a)
		}
		e.past[host] = append(e.past[host], o)
		if !o.OK {
			return
		}
	}
}

// remove does what the end of the run owes.
func (e *containerBench) remove(host string, a containerAbsentArgs) string {
	var past []engine.Outcome
	for range 4 {
		seen := engine.Seen{Host: host, Run: e.run, Reach: engine.Reached, Past: past, Answers: []engine.Answer{e.ask(host, a.Ask()[0])}}
		d := decideContainerAbsent(a, seen)
		act, ok := d.(engine.Act)
		if !ok {
			return decisionText(d)
		}
		for _, c := range act.Changes {
			past = append(past, engine.Outcome{What: c.What, OK: true, Answers: []engine.Answer{e.ask(host, c.Do[0].(engine.Shell))}})
		}
	}
	return "no end"
}
