package lab

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// healthOf asks a runtime what it thinks of box.
func (h *Host) healthOf(t *testing.T, runtime string) (status string, streak int, log []string) {
	t.Helper()
	out := h.sh("root", runtime+" container inspect --format '{{json .State.Health}}' box")
	var is struct {
		Status        string
		FailingStreak int
		Log           []struct {
			ExitCode int
			Output   string
		}
	}
	if err := json.Unmarshal([]byte(out.stdout), &is); err != nil {
		t.Fatalf("%v: %+v", err, out)
	}
	for _, l := range is.Log {
		log = append(log, fmt.Sprintf("%d %q", l.ExitCode, l.Output))
	}
	return is.Status, is.FailingStreak, log
}

// A health check begins as starting, and comes to an opinion after as many checks as the image says: each row's log has this line once it has.
func TestHealthCheck(t *testing.T) {
	for _, tt := range []struct{ runtime, image, status, line string }{
		{"docker", "healthy", healthGood, `0 "check 3\n"`},
		{"docker", "unhealthy", healthBad, `1 "the fabric is down\n"`},
		{"docker", "starting", healthStarting, `1 ""`},
		{"podman", "healthy", healthGood, `0 "check 3"`},
	} {
		t.Run(tt.runtime+" "+tt.image, func(t *testing.T) {
			t.Parallel()
			h := startLab(t, Options{Hosts: []HostSpec{{Name: "n1", Runtimes: []string{"docker", "podman"}}}}).Hosts()[0]
			h.sh("root", tt.runtime+" run -d --name box docker.io/rocm/test:"+tt.image+" sleep infinity")
			if status, _, log := h.healthOf(t, tt.runtime); len(log) == 0 && status != healthStarting {
				t.Errorf("at first it is %q", status)
			}
			var seen []string
			eventually(t, func() bool {
				status, streak, log := h.healthOf(t, tt.runtime)
				seen = append(seen, log...)
				if len(log) < 3 {
					return false
				}
				if grown := streak >= 3; grown != (tt.status == healthBad) {
					t.Errorf("%s after %d failures", status, streak)
				}
				return status == tt.status
			})
			if !slices.Contains(seen, tt.line) {
				t.Errorf("no %s in %q", tt.line, seen)
			}
		})
	}
}

// What docker ps says of a health check, and what turns it off.
func TestHealthInLists(t *testing.T) {
	h := oneHost(t)
	out := h.sh("root", "docker run -d --name box rocm/test:starting sleep infinity >/dev/null 2>&1; docker ps --format '{{.Status}}' | sed 's/^Up.*(/Up (/'; docker ps -q --filter health=starting | wc -l; docker ps -q --filter health=none | wc -l; "+
		"docker run -d --name off --no-healthcheck rocm/test:starting sleep infinity >/dev/null; docker inspect -f '{{if .State.Health}}yes{{else}}none{{end}} {{json .Config.Healthcheck}}' off; "+
		"docker run -d --name own --health-cmd 'echo own; exit 3' --health-interval 20ms --health-retries 1 debian:12 sleep infinity >/dev/null 2>&1; "+
		"while [ \"$(docker inspect -f '{{.State.Health.Status}}' own)\" = starting ]; do sleep 0.01; done; docker inspect -f '{{.State.Health.Status}} {{(index .State.Health.Log 0).ExitCode}}' own")
	if want := "Up (health: starting)\n1\n0\nnone {\"Test\":[\"NONE\"]}\nunhealthy 3\n"; out.stdout != want {
		t.Errorf("got\n%s%s\nwant\n%s", out.stdout, out.stderr, want)
	}
}

// A check that takes too long is killed, and one of podman's may be made by hand.
func TestHealthByHand(t *testing.T) {
	h := startLab(t, Options{Hosts: []HostSpec{{Name: "n1", Runtimes: []string{"docker", "podman"}}}}).Hosts()[0]
	out := h.sh("root", "podman run -d --name box --health-cmd 'exit 4' --health-interval 1h --health-retries 2 docker.io/library/debian:12 sleep infinity >/dev/null 2>&1; podman healthcheck run box; podman healthcheck run box; echo $?; "+
		"podman container inspect --format '{{.State.Health.Status}} {{.State.Health.FailingStreak}}' box; podman run -d --name plain debian:12 sleep infinity >/dev/null; podman healthcheck run plain 2>&1 | grep -c 'no defined healthcheck'; "+
		"docker run -d --name slow --health-cmd 'sleep 60' --health-interval 10ms --health-timeout 20ms --health-retries 1 debian:12 sleep infinity >/dev/null 2>&1; "+
		"while [ \"$(docker inspect -f '{{.State.Health.Status}}' slow)\" = starting ]; do sleep 0.01; done; docker inspect -f '{{(index .State.Health.Log 0).Output}}' slow")
	if want := "unhealthy\nunhealthy\n1\nunhealthy 2\n1\nHealth check exceeded timeout (20ms)\n"; out.stdout != want {
		t.Errorf("got\n%s%s\nwant\n%s", out.stdout, out.stderr, want)
	}
}

// A container that ends is started again as its policy says, and tells so meanwhile; what a person ends stays ended.
func TestRestartPolicies(t *testing.T) {
	h := oneHost(t)
	h.sh("root", "docker run -d --name box --restart always debian:12 false")
	eventually(t, func() bool {
		return strings.HasPrefix(h.sh("root", "docker inspect -f '{{.State.Status}} {{.State.Restarting}} {{.RestartCount}}' box").stdout, "restarting true 3")
	})
	out := h.sh("root", "docker exec box true 2>&1 | sed 's/[0-9a-f]\\{64\\}/ID/'; docker rm box 2>&1; docker ps --format '{{.Status}}' | cut -c1-14; docker stop box; docker inspect -f '{{.State.Status}}' box; "+
		"docker run -d --name twice --restart on-failure:2 debian:12 false >/dev/null")
	want := "Error response from daemon: Container ID is restarting, wait until the container is running\n" +
		"Error response from daemon: cannot remove container \"/box\": container is restarting: stop the container before removing or force remove\nRestarting (1)\nbox\nexited\n"
	if out.stdout != want {
		t.Errorf("got\n%s%s\nwant\n%s", out.stdout, out.stderr, want)
	}
	eventually(t, func() bool {
		return h.sh("root", "docker inspect -f '{{.State.Status}} {{.RestartCount}}' twice").stdout == "exited 2\n"
	})
	for _, name := range []string{"box", "twice"} {
		c, err := h.Containers().find(name)
		if err != nil {
			t.Fatal(err)
		}
		c.engine.mu.Lock()
		if c.state != stateExited || c.retry != nil && name == "box" {
			t.Errorf("%s is %s, and will be started again: %v", name, c.state, c.retry != nil)
		}
		c.engine.mu.Unlock()
	}
}
