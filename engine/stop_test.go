package engine

import (
	"context"
	"strings"
	"testing"
	"time"

	"cvsplay/engine/event"
	"cvsplay/engine/remote"
	"cvsplay/inventory"
)

// A host that waits for its place among those that are worked on has not started: the play that another host's failure stops does not let it, though its step
// has nothing to ask first.
func TestStoppedPlayStartsNoneThatWaits(t *testing.T) {
	t.Parallel()
	s := newScenario(t, `play "p" {
  hosts    = group.all
  on_error = "play"
  step "run" "bad" {
    command = "fail 1 bad"
  }
}
`, "")
	s.dial = func(ctx context.Context, h *inventory.Host) (remote.Conn, error) {
		time.Sleep(50 * time.Millisecond) // the others have come to the step meanwhile
		return s.fleet.dial(ctx, h)
	}
	s.tune = func(o *RunOptions) { o.Parallel = 1 }
	told := s.once(t, runOptions{})
	ended := map[event.Status]int{}
	for _, status := range s.statuses() {
		ended[status]++
	}
	if ended[event.Failed] != 1 || ended[event.Cancelled] != 2 {
		t.Errorf("one host fails and two are cancelled, have %v\n%s", ended, told)
	}
}

// What is done in any case waits between its attempts also after Ctrl-C: what it waits for takes as long as ever.
func TestAlwaysWaitsBetweenAttempts(t *testing.T) {
	t.Parallel()
	s := newScenario(t, `play "p" {
  hosts = "n1"
  block "b" {
    step "run" "body" {
      command = "noop"
    }
    always {
      step "run" "tidy" {
        command = "fail 1 not yet"
        retry {
          attempts = 3
          delay    = "100ms"
        }
      }
    }
  }
}
`, "")
	if err := s.fleet.breakBy("n1 interrupt on noop"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	told := s.once(t, runOptions{})
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("three attempts took %s\n%s", took, told)
	}
}

// A second Ctrl-C cancels the step that runs, and those that wait for their place: these were not stopped while they ran.
func TestKilledBeforeItBegan(t *testing.T) {
	t.Parallel()
	s := newScenario(t, `play "p" {
  hosts = group.all
  step "run" "long" {
    command = "noop"
  }
}
`, "")
	if err := s.fleet.breakBy("* kill on noop"); err != nil {
		t.Fatal(err)
	}
	s.dial = func(ctx context.Context, h *inventory.Host) (remote.Conn, error) {
		time.Sleep(50 * time.Millisecond) // the others have come to the step meanwhile
		return s.fleet.dial(ctx, h)
	}
	s.tune = func(o *RunOptions) { o.Parallel = 1 }
	told := s.once(t, runOptions{})
	if strings.Count(told, "stopped while it ran") != 1 || strings.Count(told, "cancelled stopped before it began: run") != 2 {
		t.Errorf("one was killed, and two had not begun:\n%s", told)
	}
}
