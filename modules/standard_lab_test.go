package modules_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cvsplay/engine/event"
	"cvsplay/modules"
	"cvsplay/modules/modtest"
)

// Twenty steps that all change take a host two round trips: one that asks, and one that changes and proves. With nothing to change they take one.
func TestTwentyStepsTakeFewRoundTrips(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "cmd", "bench", "play", "standard.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	fleet := modtest.LabFleet(t, 2)
	play := modtest.Play{
		Modules: modules.All(), Inventory: fleet.Inventory(), Text: strings.Replace(string(text), "group.bench", "group.all", 1),
		Vars: map[string]string{"base": "/opt"}, Mode: modtest.Run,
	}
	for i, want := range []struct {
		status event.Status
		trips  int // of a host
	}{{event.Changed, 2}, {event.OK, 1}} {
		p := play.Do(t)
		ends := 0
		for _, e := range p.Events {
			if e.Kind == event.StepDone {
				ends++
				if e.Status != want.status {
					t.Errorf("run %d: %s on %s is %s: %s", i+1, e.Step, e.Host, e.Status, e.Reason)
				}
			}
		}
		if hosts := len(fleet.Hosts()); ends != 20*hosts || p.Trips != want.trips*hosts {
			t.Errorf("run %d: %d steps in %d round trips, want %d in %d", i+1, ends, p.Trips, 20*hosts, want.trips*hosts)
		}
	}
}
