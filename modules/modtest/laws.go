package modtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"cvsplay/engine"
	"cvsplay/engine/event"
	"cvsplay/engine/remote/remotetest"
)

// Laws holds the laws against every case that is for this kind of fleet. All cases go through each stage together, since what
// they need is apart, and a look at whole hosts between two stages takes its time: what differs there is told by its name.
func Laws(t *testing.T, fleet Fleet, modules engine.Modules, cases []Case) {
	s := &session{fleet: fleet, modules: modules, archive: Archive(t, fleet.Image(), ArchivedImage)}
	for _, c := range cases {
		if c.Only == "" || c.Only == fleet.Kind() {
			s.benches = append(s.benches, &bench{Case: c, session: s})
		}
	}
	t.Cleanup(s.clear)
	s.prepare(t)
	s.asked(t)
	s.changed(t)
	s.settled(t)
	s.prepare(t)
	s.without(t)
}

// A session is all cases on one fleet.
type session struct {
	fleet   Fleet
	modules engine.Modules
	benches []*bench
	archive string
	shot    remotetest.Snapshot // of the begin of the stage
}

// A bench is one case on the hosts.
type bench struct {
	Case
	*session
	foreseen Played // what the check of the first state told
	broken   bool   // it cannot be brought to the state it begins from
}

// each goes through the cases that a stage is for, a few at a time.
func (s *session) each(t *testing.T, stage string, is func(*bench) bool, do func(*bench, *testing.T)) {
	t.Run(stage, func(t *testing.T) {
		for _, b := range s.benches {
			if b.broken || !is(b) {
				continue
			}
			t.Run(b.Module+"/"+b.Name, func(t *testing.T) {
				t.Parallel()
				do(b, t)
			})
		}
	})
}

func all(*bench) bool        { return true }
func changing(b *bench) bool { return b.changes() }
func constant(b *bench) bool { return !b.changes() }
func settling(b *bench) bool { return b.Settles == Settles }
func refusing(b *bench) bool { return b.Without == Refuses }
func goingOn(b *bench) bool  { return b.Without == GoesOn && b.changes() }

// clear takes away what cases left on the hosts.
func (s *session) clear() {
	s.fleet.Clear()
	var script strings.Builder
	for _, b := range s.benches {
		fmt.Fprintln(&script, b.Setup)
	}
	for _, host := range s.fleet.Hosts() {
		s.fleet.Exec(host, script.String())
	}
}

// prepare brings the hosts to the state that the cases begin from.
func (s *session) prepare(t *testing.T) {
	s.clear()
	s.each(t, "prepare", all, func(b *bench, t *testing.T) {
		for _, steps := range []string{b.Before, b.Given} {
			if steps == "" || b.broken {
				continue
			}
			if got := b.play(t, Run, steps); got.ExitCode != 0 {
				b.broken = true
				t.Errorf("the state that it begins from does not come to be: %s", got)
			}
		}
	})
}

// asked is law 1; and where a step has nothing to do, or cannot do it, running it changes nothing either.
func (s *session) asked(t *testing.T) {
	s.shot = s.fleet.Snapshot()
	s.each(t, "check", all, func(b *bench, t *testing.T) {
		b.foreseen = b.play(t, Check, b.Given+b.Step)
		b.given(t, b.foreseen)
	})
	s.unchanged(t, "law 1: a check changed something")
	s.each(t, "run of what changes nothing", constant, (*bench).firstRun)
	s.unchanged(t, "a step that is not changed changed something")
}

// changed is law 2.
func (s *session) changed(t *testing.T) {
	s.each(t, "run", changing, (*bench).firstRun)
	for _, b := range s.benches {
		if b.Settles == ForTheRun {
			b.left(t)
		}
	}
}

func (b *bench) firstRun(t *testing.T) {
	done := b.play(t, Run, b.Given+b.Step)
	b.given(t, done)
	if said, did := outcomes(b.foreseen), outcomes(done); !maps.Equal(said, did) {
		t.Errorf("law 2: check and run differ:\n%s%s", b.foreseen, done)
	}
	b.ended(t, done)
}

// settled are laws 3 and 4.
func (s *session) settled(t *testing.T) {
	s.shot = s.fleet.Snapshot()
	s.each(t, "next check", settling, func(b *bench, t *testing.T) { b.nothing(t, "law 3: after the run", Check) })
	s.unchanged(t, "law 1: a check changed something")
	s.each(t, "second run", settling, func(b *bench, t *testing.T) { b.nothing(t, "law 4: in a second run", Run) })
	s.unchanged(t, "law 4: a second run changed something")
}

// without is law 5.
func (s *session) without(t *testing.T) {
	hosts := s.fleet.Hosts()
	gone := hosts[len(hosts)-1]
	s.shot = s.fleet.Snapshot()
	delete(s.shot, gone)
	s.fleet.Lose(gone)
	s.each(t, "check with a host unknown", all, func(b *bench, t *testing.T) {
		b.lost(t, gone, b.play(t, Check, b.Given+b.Step))
	})
	s.each(t, "run that needs all hosts", refusing, func(b *bench, t *testing.T) {
		done := b.play(t, Run, b.Given+b.Step)
		b.lost(t, gone, done)
		b.refused(t, gone, done)
	})
	s.fleet.Find(gone)
	s.unchanged(t, "law 5: with a host unknown something changed", gone)
	s.fleet.Lose(gone)
	s.each(t, "run without a host", goingOn, func(b *bench, t *testing.T) {
		done := b.play(t, Run, b.Given+b.Step)
		b.lost(t, gone, done)
		b.ended(t, done, gone)
	})
	s.fleet.Find(gone)
}

// unchanged compares the hosts, but some, with the begin of the stage.
func (s *session) unchanged(t *testing.T, law string, but ...string) {
	t.Helper()
	now := s.fleet.Snapshot()
	for _, host := range but {
		delete(now, host)
	}
	if diff := s.shot.Diff(now); diff != "" {
		t.Errorf("%s:\n%s", law, diff)
	}
	s.shot = now
}

// play carries out steps in a play of their own.
func (b *bench) play(t *testing.T, mode Mode, steps string) Played {
	t.Helper()
	text := `
variable "image" {
  type = string
}
variable "older" {
  type = string
}
variable "archive" {
  type = string
}
play "laws" {
  hosts = group.all
` + steps + "\n}\n"
	vars := map[string]string{"image": b.fleet.Image(), "older": b.fleet.Older(), "archive": b.archive}
	return Play{Modules: b.modules, Inventory: b.fleet.Inventory(), Text: text, Vars: vars, Mode: mode}.Do(t)
}

// left holds a step whose work ends with the run to it: no container whose name has that of the case may stay.
func (b *bench) left(t *testing.T) {
	t.Helper()
	for host, lines := range b.fleet.Snapshot() {
		for _, line := range lines {
			if strings.HasPrefix(line, "container ") && strings.Contains(line, b.Name) {
				t.Errorf("%s/%s: after the run %s still has %s", b.Module, b.Name, host, line)
			}
		}
	}
}

// given holds the steps that have run before to doing nothing now.
func (b *bench) given(t *testing.T, p Played) {
	t.Helper()
	for _, e := range p.Events {
		if e.Kind == event.StepDone && e.Step != "it" && e.Status != event.OK {
			t.Errorf("%s is given, and ended %s: %s", e.Step, e.Status, p)
			return
		}
	}
}

// outcomes tell how the step ended and what it changed, in the same words for a check and for a run.
func outcomes(p Played) map[string]string {
	out := map[string]string{}
	for key, e := range p.Ends("it") {
		status := e.Status
		switch {
		case status == event.WouldChange:
			status = event.Changed
		case status == event.Skipped && e.Reason == "not run in check mode": // it is known to change nothing, and so it is not run to look
			status = event.OK
		}
		text := string(status)
		for _, c := range e.Changes {
			text += "\n" + changeText(c)
		}
		out[key] = text
	}
	return out
}

// ended holds the first run to the end that the case names on every host but some, so that no case holds by doing nothing.
func (b *bench) ended(t *testing.T, done Played, but ...string) {
	t.Helper()
	ends := done.Ends("it")
	maps.DeleteFunc(ends, func(_ string, e event.Event) bool { return slices.Contains(but, e.Host) })
	if len(ends) == 0 {
		t.Errorf("the step did not run: %s", done)
	}
	for _, key := range slices.Sorted(maps.Keys(ends)) {
		e := ends[key]
		if want := b.ends(e.Host); e.Status != want {
			t.Errorf("%s ended %s, want %s: %s", key, e.Status, want, done)
			return
		}
		if e.Status == event.Changed && len(e.Changes) == 0 {
			t.Errorf("%s changed, and does not say what: %s", key, done)
			return
		}
	}
}

// nothing holds a step that ran to having nothing to do, and to ending as well, or as badly, as the first time.
func (b *bench) nothing(t *testing.T, law string, mode Mode) {
	t.Helper()
	p := b.play(t, mode, b.Given+b.Step)
	for _, e := range p.Events {
		if e.Kind == event.StepDone && (e.Status == event.Changed || e.Status == event.WouldChange || len(e.Changes) > 0) {
			t.Errorf("%s there is still something to change: %s", law, p)
			return
		}
	}
	if well := p.ExitCode == 0; well == b.Ends.Bad() {
		t.Errorf("%s it ended otherwise: %s", law, p)
	}
}

// lost holds the host that cannot be reached to end as that, and as nothing else.
func (b *bench) lost(t *testing.T, gone string, p Played) {
	t.Helper()
	if b.NoHost {
		return
	}
	told := false
	for _, e := range p.Events {
		if e.Host != gone {
			continue
		}
		switch {
		case e.Kind == event.StepDone && e.Status == event.Unreachable, e.Kind == event.HostDone && e.Status == event.Unreachable:
			told = true
		case e.Kind == event.StepDone:
			t.Errorf("law 5: %s cannot be reached, and %s ended %s: %s", gone, e.Step, e.Status, p)
		}
		if len(e.Changes) > 0 {
			t.Errorf("law 5: %s cannot be reached, and %s has changes: %s", gone, e.Step, p)
		}
	}
	if !told || p.ExitCode != 1 {
		t.Errorf("law 5: %s is not told to be unreachable: %s", gone, p)
	}
}

// refused holds every other host to a refusal that names the one that is gone: of the step, or of one that is given.
func (b *bench) refused(t *testing.T, gone string, p Played) {
	t.Helper()
	refused := map[string]bool{}
	for _, e := range p.Events {
		if e.Kind == event.StepDone && e.Status == event.Refused && strings.Contains(e.Reason, gone) {
			refused[e.Host] = true
		}
	}
	for _, host := range b.fleet.Hosts() {
		if host != gone && !refused[host] {
			t.Errorf("law 5: %s is not refused because of %s: %s", host, gone, p)
			return
		}
	}
}

// Covered ends the test for modules without a case, and for cases whose module is not there.
func Covered(t *testing.T, modules engine.Modules, cases []Case) {
	t.Helper()
	count := map[string]int{}
	names := map[string]bool{}
	for _, c := range cases {
		count[c.Module]++
		if _, ok := modules[c.Module]; !ok {
			t.Errorf("case %s: no module %s", c.Name, c.Module)
		}
		if names[c.Name] {
			t.Errorf("two cases are called %s", c.Name)
		}
		names[c.Name] = true
		if !strings.Contains(c.Step, fmt.Sprintf("step %q \"it\"", c.Module)) {
			t.Errorf("case %s: its step is not a %s called \"it\"", c.Name, c.Module)
		}
	}
	for _, name := range modules.Names() {
		if count[name] == 0 {
			t.Errorf("module %s: no case for the laws", name)
		}
	}
}
