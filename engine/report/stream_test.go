package report_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"cvsplay/engine/event"
	"cvsplay/engine/nodeset"
)

// A stream records events as an engine tells them.
type stream struct {
	events []event.Event
	now    time.Time
	play   string
	steps  map[string]string // step → module
}

func newStream() *stream {
	return &stream{now: time.Date(2025, 3, 14, 9, 26, 53, 0, time.UTC), steps: map[string]string{}}
}

func (s *stream) add(e event.Event) {
	s.now = s.now.Add(20 * time.Millisecond)
	e.Seq, e.Time, e.Run = int64(len(s.events)+1), s.now, "r1"
	s.events = append(s.events, e)
}

func hosts(pattern string) []string {
	names, err := nodeset.Expand(pattern)
	if err != nil {
		panic(err)
	}
	return names
}

func (s *stream) run(e event.Event, pattern string) {
	e.Kind, e.V, e.Hosts = event.RunStarted, event.Version, hosts(pattern)
	if e.Playbook == "" {
		e.Playbook = "playbooks/rvs.hcl"
	}
	if e.Inventory == nil {
		e.Inventory = []string{"inventory/default.hcl"}
	}
	s.add(e)
}

// begin starts a play; its steps are written "module name, module name once".
func (s *stream) begin(play, pattern, steps string) {
	e := event.Event{Kind: event.PlayStarted, Play: play, Hosts: hosts(pattern)}
	s.play = play
	for text := range strings.SplitSeq(steps, ",") {
		f := strings.Fields(text)
		e.Steps = append(e.Steps, event.StepInfo{Module: f[0], Step: f[1], Once: len(f) == 3})
		s.steps[f[1]] = f[0]
	}
	s.add(e)
}

func (s *stream) start(step, pattern string) {
	for _, host := range hosts(pattern) {
		s.add(event.Event{Kind: event.StepStarted, Play: s.play, Step: step, Module: s.steps[step], Host: host})
	}
}

// done ends a step on hosts; more may set what else the events carry, and may name the host as HOST in the reason.
func (s *stream) done(step, pattern string, status event.Status, more event.Event) {
	for _, host := range hosts(pattern) {
		e := more
		e.Kind, e.Play, e.Step, e.Module, e.Host, e.Status = event.StepDone, s.play, step, s.steps[step], host, status
		e.Reason = strings.ReplaceAll(e.Reason, "HOST", host)
		s.add(e)
	}
}

func (s *stream) out(step, host, key, text string) {
	for line := range strings.Lines(text) {
		s.add(event.Event{Kind: event.Out, Play: s.play, Step: step, Key: key, Host: host, Stream: "stdout", Line: strings.TrimSuffix(line, "\n")})
	}
}

func (s *stream) leave(pattern string, status event.Status, notReached int) {
	for _, host := range hosts(pattern) {
		s.add(event.Event{Kind: event.HostDone, Play: s.play, Host: host, Status: status, NotReached: notReached})
	}
}

func (s *stream) output(name, description string, value any) {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	s.add(event.Event{Kind: event.OutputValue, Name: name, Message: description, Value: raw})
}

// end ends the play and the run.
func (s *stream) end(code int, seconds float64) []event.Event {
	s.add(event.Event{Kind: event.PlayDone, Play: s.play, Seconds: seconds})
	var tally event.Tally
	for _, e := range s.events {
		tally.Handle(e)
	}
	s.add(event.Event{Kind: event.RunDone, Recap: tally.Recap(), ExitCode: &code, Seconds: seconds})
	return s.events
}

func change(what, have, want string) event.Event {
	return event.Event{Changes: []event.Change{{What: what, Have: have, Want: want}}}
}

func reason(text string) event.Event { return event.Event{Reason: text} }

const rvsSteps = "image_digest image once, container_ensure box, sshd_ensure mpi, exec_script install_rvs, exec_script rvs, check rvs_passed"

// verdicts are results of the tests on hosts, by folded name.
func verdicts(byHosts map[string]string) map[string]any {
	tests := []string{"level", "mem", "gst_single", "iet_stress", "pebb_single", "pbqt_single", "peqt_single", "babel_stream"}
	out := map[string]any{}
	for pattern, words := range byHosts {
		for _, host := range hosts(pattern) {
			row := map[string]string{}
			for i, word := range strings.Fields(words) {
				row[tests[i]] = word
			}
			out[host] = row
		}
	}
	return out
}

// demo is a first run on the embedded lab, where all goes well.
func demo() []event.Event {
	s := newStream()
	s.run(event.Event{Simulated: true}, "gpu[1-4]")
	s.begin("rvs", "gpu[1-4]", rvsSteps)
	s.start("image", "gpu1")
	s.done("image", "gpu1", event.OK, event.Event{})
	s.start("box", "gpu[1-4]")
	s.done("box", "gpu[1-4]", event.Changed, event.Event{Changes: []event.Change{
		{What: "image registry.lab/rocm/cvs@sha256:5b0bcabd1ed2", Have: "absent", Want: "present"},
		{What: "container cvs_rvs", Have: "absent", Want: "running"},
	}})
	s.start("mpi", "gpu[1-4]")
	s.done("mpi", "gpu[1-4]", event.Changed, change("sshd on port 2224", "stopped", "running"))
	s.start("install_rvs", "gpu[1-4]")
	s.out("install_rvs", "gpu2", "", "Reading package lists...\nSetting up rocm-validation-suite (1.3.0)\n")
	s.done("install_rvs", "gpu[1,3-4]", event.Changed, change("/opt/rocm/bin/rvs", "absent", "made by the script"))
	s.done("install_rvs", "gpu2", event.OK, event.Event{})
	s.start("rvs", "gpu[1-4]")
	s.done("rvs", "gpu[1-4]", event.OK, event.Event{})
	s.done("rvs_passed", "gpu[1-4]", event.OK, event.Event{})
	s.leave("gpu[1-4]", event.Changed, 0)
	s.output("rvs", "Verdict for each node", verdicts(map[string]string{
		"gpu[1-4]": "pass skipped skipped skipped skipped skipped skipped skipped",
	}))
	return s.end(0, 7.31)
}

// failing is a run in which about everything goes wrong somewhere.
func failing() []event.Event {
	s := newStream()
	s.run(event.Event{Limit: "gpu,!drained", Tags: []string{"test"}}, "node[001-020],head")
	s.begin("rvs", "node[001-020]", rvsSteps)
	s.done("image", "node001", event.OK, event.Event{})
	s.add(event.Event{Kind: event.Warning, Message: "the inventory is older than a week"})
	for _, host := range hosts("node[011,013]") {
		address := "10.0.0." + strings.TrimLeft(strings.TrimPrefix(host, "node"), "0")
		s.done("box", host, event.Unreachable, reason("dial tcp "+address+":22: i/o timeout"))
		s.leave(host, event.Unreachable, 4)
	}
	s.start("box", "node[001-010,012,014-020]")
	s.done("box", "node[001-010,012,014-019]", event.OK, event.Event{})
	s.done("box", "node020", event.Refused,
		reason("container cvs_rvs on HOST runs another image (sha256:9a8b)\nremove it with: docker rm -f cvs_rvs\nor set lifetime = \"per_run\""))
	s.leave("node020", event.Refused, 4)
	for _, host := range hosts("node[001-010,012,014-019]") {
		s.add(event.Event{Kind: event.Warning, Play: s.play, Step: "mpi", Host: host, Message: "port 2224 on " + host + " is open to every network"})
	}
	s.done("mpi", "node[001-010,012,014-019]", event.Changed, change("sshd on port 2224", "stopped", "running"))
	s.start("install_rvs", "node[001-010,012,014-019]")
	s.add(event.Event{Kind: event.Retry, Play: s.play, Step: "install_rvs", Host: "node005", Attempt: 1, Message: "exit code 100", Seconds: 10})
	s.done("install_rvs", "node[001-010,012,014-018]", event.Changed, change("/opt/rocm/bin/rvs", "absent", "made by the script"))
	s.done("install_rvs", "node019", event.Unknown, reason("the connection to HOST was lost while the script ran; it may have run to its end"))
	s.leave("node019", event.Unknown, 2)
	s.start("rvs", "node[001-010,012,014-018]")
	for _, host := range hosts("node[003,017-018]") {
		for i := range 30 {
			s.out("rvs", host, "", fmt.Sprintf("[RESULT] [%d.%d] action_%d gst %s", 5000+i, i*7, i, host))
		}
		s.out("rvs", host, "", "[ERROR ] [5031.1] gst target stress not met: FALSE\n")
		s.done("rvs", host, event.Failed, reason("exit code 1"))
		s.leave(host, event.Failed, 1)
	}
	s.out("rvs", "node007", "", "rvs: error while loading shared libraries: librocblas.so.4: cannot open shared object file: No such file or directory\n")
	s.done("rvs", "node007", event.Failed, event.Event{Ignored: true, Reason: "exit code 127"})
	s.done("rvs", "node[001-002,004-006,008-010,012,014-016]", event.OK, event.Event{})
	s.done("rvs_passed", "node[001-002,004-006,008-010,012,014-016]", event.OK, event.Event{})
	s.done("rvs_passed", "node007", event.Failed, reason("HOST: 1 RVS failure lines"))
	s.leave("node[001-002,004-010,012,014-016]", event.Changed, 0)
	s.output("rvs", "Verdict for each node", verdicts(map[string]string{
		"node[001-002,004-006,008-010,012,014-016]": "skipped pass pass pass pass pass pass pass",
		"node[003,017-018]":                         "skipped pass fail pass pass pass pass pass",
		"node[007]":                                 "skipped fail fail fail fail fail fail fail",
	}))
	return s.end(1, 754)
}

// checking is a dry run.
func checking() []event.Event {
	s := newStream()
	s.run(event.Event{Check: true}, "node[001-003]")
	s.begin("rvs", "node[001-003]", rvsSteps)
	s.done("image", "node001", event.OK, event.Event{})
	s.done("box", "node001", event.OK, event.Event{})
	s.done("box", "node[002-003]", event.WouldChange, event.Event{Changes: []event.Change{
		{What: "image registry.example.com/rocm/cvs@sha256:5b0bcabd1ed22e9fb1310cf6c2dec7cdef19f0ad69efa1f392e94a4333501270", Want: "present"},
		{What: "container cvs_rvs", Have: "exited", Want: "running"},
	}})
	s.done("mpi", "node001", event.OK, event.Event{})
	s.done("mpi", "node[002-003]", event.WouldChange, reason("depends on step.box.id"))
	s.done("install_rvs", "node001", event.WouldChange, event.Event{Changes: []event.Change{{
		What: "/etc/rvs.conf", Have: "sha256:11", Want: "sha256:22",
		Diff: "--- /etc/rvs.conf\n+++ /etc/rvs.conf\n@@ -1,2 +1,2 @@\n # level\n-level = 3\n+level = 4\n",
	}}})
	s.done("install_rvs", "node[002-003]", event.WouldChange, reason("cannot be judged before step.box"))
	s.done("rvs", "node[001-003]", event.Skipped, reason("not run in check mode"))
	s.done("rvs_passed", "node[001-003]", event.Skipped, reason("depends on step.rvs, which is skipped"))
	s.leave("node[001-003]", event.WouldChange, 0)
	return s.end(0, 1.2)
}

// thousand is a large run: few hosts fail, each in its own way or in the same.
func thousand() []event.Event {
	s := newStream()
	s.run(event.Event{}, "node[0001-1000]")
	s.begin("rvs", "node[0001-1000]", rvsSteps)
	s.done("image", "node0001", event.OK, event.Event{})
	for i, host := range hosts("node[0001-1000]") {
		if i%50 == 7 {
			s.done("box", host, event.Unreachable, reason(fmt.Sprintf("dial tcp 10.1.%d.%d:22: connect: connection refused", i/250, i%250+1)))
			s.leave(host, event.Unreachable, 4)
			continue
		}
		s.done("box", host, event.Changed, change("container cvs_rvs", fmt.Sprintf("started %d days ago", i), "running"))
		s.done("mpi", host, event.OK, event.Event{})
		if i%3 == 0 {
			s.done("install_rvs", host, event.OK, event.Event{})
		} else {
			s.done("install_rvs", host, event.Changed, change("/opt/rocm/bin/rvs", "absent", "made by the script"))
		}
		if i%91 == 13 {
			s.out("rvs", host, "", fmt.Sprintf("GPU %d: pass: FALSE\n", i%8))
			s.done("rvs", host, event.Failed, reason("a line matches pass:\\s*FALSE"))
			s.leave(host, event.Failed, 1)
			continue
		}
		s.done("rvs", host, event.OK, event.Event{})
		s.done("rvs_passed", host, event.OK, event.Event{})
		s.leave(host, event.Changed, 0)
	}
	value := map[string]string{}
	for i, host := range hosts("node[0001-1000]") {
		value[host] = "pass"
		if i%91 == 13 {
			value[host] = "failed"
		}
	}
	s.output("rvs", "Verdict for each node", value)
	return s.end(1, 5025)
}

// several is a run of two plays with instances, batches, a stop, and outputs of every shape.
func several() []event.Event {
	s := newStream()
	s.run(event.Event{Playbook: "site.hcl", Inventory: []string{"a.hcl", "b.hcl"}}, "login1,gpu[1-4]")
	s.begin("prepare", "login1,gpu[1-2]", "file conf, line hosts_allow, exec_script reload")
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		e := change("/etc/"+"conf.d", "", "0644")
		e.Key = key
		s.done("conf", "login1,gpu[1-2]", event.Changed, e)
	}
	s.done("conf", "gpu1", event.Failed, event.Event{Key: "f", Reason: "no space left on device: /etc (0 B free of 20 GiB)"})
	s.leave("gpu1", event.Failed, 2)
	s.done("hosts_allow", "login1,gpu2", event.Skipped, reason("when is false"))
	s.done("reload", "login1,gpu2", event.OK, event.Event{})
	s.leave("login1,gpu2", event.Changed, 0)
	s.add(event.Event{Kind: event.PlayDone, Play: "prepare"})
	s.begin("roll", "gpu[2-4]", "exec_script drain, exec_script update")
	s.add(event.Event{Kind: event.BatchStarted, Play: "roll", Batch: 1, Hosts: hosts("gpu2")})
	s.done("drain", "gpu2", event.OK, event.Event{})
	s.done("update", "gpu2", event.Failed, event.Event{Reason: "exit code 2", Results: json.RawMessage(`{"rc":2,"stdout":"","stderr":"E: unable to lock\n"}`)})
	s.add(event.Event{Kind: event.Stopping, Play: "roll", Message: "1 of 1 hosts of the batch failed, max_failures is 0"})
	s.leave("gpu2", event.Failed, 0)
	s.add(event.Event{Kind: event.BatchStarted, Play: "roll", Batch: 2, Hosts: hosts("gpu[3-4]")})
	s.done("drain", "gpu3", event.Refused, event.Event{Reason: "it runs a job"})
	s.add(event.Event{Kind: event.Rescued, Play: "roll", Step: "drain", Host: "gpu3", Name: "quiet"})
	s.done("drain", "gpu[3-4]", event.Cancelled, reason("the play was stopped"))
	s.leave("gpu[3-4]", event.Cancelled, 1)
	s.output("ref", "", "registry.example.com/rocm/cvs@sha256:5b0b")
	s.output("count", "", 3)
	s.output("none", "", nil)
	s.output("report", "A text", "first line\nsecond line\n")
	s.output("versions", "", map[string]string{"gpu1": "6.4.1", "gpu2": "6.4.1", "gpu3": "7.0.0"})
	s.output("disks", "Of each host", []map[string]any{
		{"name": "nvme0n1", "size": 3840, "model": "a very long model name of a disk that nobody would ever put into a table of its own"},
		{"name": "sda", "size": 480, "model": nil},
	})
	s.output("nested", "", map[string]any{"a": map[string]any{"b": []int{1, 2}}})
	return s.end(1, 61)
}

// interrupted is a run that a person stopped.
func interrupted() []event.Event {
	s := newStream()
	s.run(event.Event{}, "node[1-3]")
	s.begin("rvs", "node[1-3]", "exec_script install, exec_script rvs")
	s.done("install", "node[1-2]", event.Changed, event.Event{})
	s.add(event.Event{Kind: event.Stopping, Play: "rvs", Message: "interrupted"})
	s.done("rvs", "node[1-2]", event.Cancelled, event.Event{})
	s.leave("node[1-2]", event.Cancelled, 1)
	s.done("install", "node3", event.Unknown, reason("stopped while the script ran"))
	cleanup := event.Event{Kind: event.CleanupDone, Play: "rvs", Step: "box", Module: "container_ensure", Host: "node1", Status: event.Changed}
	s.add(cleanup)
	cleanup.Host, cleanup.Status, cleanup.Reason = "node2", event.Failed, "docker rm: container is in use"
	s.add(cleanup)
	return s.end(130, 3)
}

const hostile = "\x1b[31mred\x1b[0m\x1b]0;title\a\x9b2J\u009b2J\u202eevil\u2066\r\n\x00\b\xff\x7fok\u2028new"

// attacked is a run in which every text tries to reach the terminal.
func attacked() []event.Event {
	s := newStream()
	s.run(event.Event{Playbook: hostile, Inventory: []string{hostile}, Limit: hostile, Tags: []string{hostile}}, "n1")
	s.events[0].Hosts = []string{hostile}
	s.add(event.Event{
		Kind: event.PlayStarted, Play: hostile, Hosts: []string{hostile}, Steps: []event.StepInfo{{Step: hostile, Module: hostile}, {Step: "two", Module: "m"}},
	})
	at := event.Event{Play: hostile, Step: hostile, Module: hostile, Host: hostile, Key: hostile}
	with := func(kind event.Kind, set func(*event.Event)) {
		e := at
		e.Kind = kind
		set(&e)
		s.add(e)
	}
	with(event.StepStarted, func(*event.Event) {})
	with(event.Out, func(e *event.Event) { e.Line, e.Stream = hostile, "stderr" })
	with(event.Out, func(e *event.Event) { e.LineB64 = []byte(hostile) })
	with(event.Retry, func(e *event.Event) { e.Message, e.Attempt = hostile, 1 })
	with(event.Out, func(e *event.Event) { e.Line = strings.Repeat(hostile, 500) })
	with(event.Warning, func(e *event.Event) { e.Message = hostile })
	with(event.Warning, func(e *event.Event) { e.Message, e.Step, e.Host = hostile, "", "" })
	with(event.Warning, func(e *event.Event) {
		e.Diagnostic = &event.Diagnostic{Severity: "warning", Summary: hostile, Detail: hostile, File: hostile, Context: hostile, Snippet: hostile, Line: 1, Column: 2}
	})
	for _, status := range append(event.Statuses(), event.Status(hostile)) {
		with(event.StepDone, func(e *event.Event) {
			e.Status, e.Reason = status, hostile
			e.Changes = []event.Change{{What: hostile, Have: hostile, Want: hostile, Diff: "+" + hostile}}
		})
	}
	with(event.StepDone, func(e *event.Event) {
		e.Status = event.Changed
		e.Changes = []event.Change{{What: hostile, Have: hostile, Want: hostile, Diff: "+" + hostile}}
	})
	with(event.Stopping, func(e *event.Event) { e.Message = hostile })
	with(event.HostDone, func(e *event.Event) { e.Status, e.Message = event.Failed, hostile })
	s.play = hostile
	s.output(hostile, hostile, hostile)
	s.output(hostile, hostile, map[string]string{hostile: hostile})
	s.output(hostile, hostile, map[string]any{hostile: map[string]string{hostile: hostile}})
	s.output(hostile, hostile, []any{map[string]string{hostile: hostile}})
	s.output(hostile, hostile, map[string]any{hostile: []string{hostile}})
	s.add(event.Event{Kind: event.OutputValue, Name: "broken", Value: json.RawMessage("{" + hostile)})
	return s.end(1, 1)
}
