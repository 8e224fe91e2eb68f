package report_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"cvsplay/engine/event"
	"cvsplay/engine/report"
)

// answering is a command by itself that does not go well everywhere.
func answering() []event.Event {
	s := newStream()
	s.run(event.Event{Playbook: "exec"}, "n[01-06]")
	s.begin("exec", "n[01-06]", "exec_script command")
	s.start("command", "n[01-06]")
	for _, host := range hosts("n[03,01-02,05]") {
		s.add(event.Event{Kind: event.Out, Play: "exec", Step: "command", Host: host, Stream: "stderr", Line: "noise"})
		s.out("command", host, "", "same\n\x1b[31mon all\n")
	}
	s.out("command", "n04", "", "other\n")
	s.done("command", "n[03,01-02]", event.Changed, event.Event{})
	s.done("command", "n04", event.Changed, event.Event{})
	s.done("command", "n05", event.Failed, event.Event{Reason: "the script ended with 3"})
	s.add(event.Event{Kind: event.HostDone, Play: "exec", Host: "n05", Status: event.Failed, Message: "the script ended with 3"})
	s.add(event.Event{Kind: event.HostDone, Play: "exec", Host: "n06", Status: event.Unreachable, Message: "n06: connection refused"})
	code := 1
	s.add(event.Event{Kind: event.RunDone, ExitCode: &code, Seconds: 1.5})
	return s.events
}

func TestAnswers(t *testing.T) {
	golden(t, "answers.txt", plainText(answering(), report.Options{Answers: true}))
	golden(t, "answers-vv.txt", plainText(answering(), report.Options{Answers: true, Verbose: 2}))
	var b bytes.Buffer
	play(report.Quiet(&b, report.Options{Answers: true, Environ: noEnv}), answering())
	golden(t, "answers-quiet.txt", b.Bytes())
}

// Of very many names that do not fold well, the first are told, and how many there are.
func TestAnswersOfVeryManyHosts(t *testing.T) {
	s := newStream()
	s.run(event.Event{}, "n[1-2000]")
	s.begin("exec", "n[1-2000]", "exec_script command")
	for i, host := range hosts("n[1-2000]") {
		if i%2 == 0 {
			s.done("command", host, event.Changed, event.Event{})
		} else {
			s.done("command", host, event.Failed, reason("the script ended with 1"))
		}
	}
	s.add(event.Event{Kind: event.RunDone})
	text := string(plainText(s.events, report.Options{Answers: true}))
	for _, want := range []string{" …: 1,000 hosts, no output\n", " …: failed on 1,000 hosts: the script ended with 1\n"} {
		if !strings.Contains(strings.ReplaceAll(text, "\n  ", " "), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if lines := strings.Count(text, "\n"); lines > 20 {
		t.Errorf("%d lines", lines)
	}
}

// What a host prints before it is asked again is not its answer.
func TestAnswersAreOfTheLastAttempt(t *testing.T) {
	s := newStream()
	s.run(event.Event{}, "n1")
	s.begin("exec", "n1", "exec_script command")
	s.out("command", "n1", "", "first\n")
	s.add(event.Event{Kind: event.Retry, Play: "exec", Step: "command", Host: "n1", Attempt: 1})
	s.out("command", "n1", "", "second\n")
	s.done("command", "n1", event.Changed, event.Event{})
	s.add(event.Event{Kind: event.RunDone})
	text := string(plainText(s.events, report.Options{Answers: true}))
	if strings.Contains(text, "first") || !strings.Contains(text, "│ second") {
		t.Error(text)
	}
}

// What is too much to keep is counted, and still tells answers apart.
func TestAnswersAreCut(t *testing.T) {
	s := newStream()
	s.run(event.Event{}, "n[1-3]")
	s.begin("exec", "n[1-3]", "exec_script command")
	long := strings.Repeat("x", 1<<19)
	for i, host := range hosts("n[1-3]") {
		s.out("command", host, "", fmt.Sprintf("begin\n%s\n%s\n%d\n", long, long, i/2))
	}
	s.done("command", "n[1-3]", event.Changed, event.Event{})
	s.add(event.Event{Kind: event.RunDone})
	text := string(plainText(s.events, report.Options{Answers: true}))
	for _, want := range []string{"\nn[1-2]: 2 hosts\n", "\nn3:\n", "\n… and 2 more lines\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
}
