package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cvsplay/engine/event"
	"cvsplay/engine/remote/remotetest"
)

// A site is hosts on which runs of several controllers meet.
type site struct {
	t         testing.TB
	inventory string
	hosts     []string
	sh        func(host, script string) string // runs a script on a host by other means than cvsplay
}

// holdScript goes on until somebody says so.
const holdScript = "touch /tmp/begun-$1; while [ ! -e /tmp/go-$1 ]; do sleep 0.1; done"

// playFor writes a playbook that has a container for the run, and holds on to it until it is let go.
func (u user) playFor(container string) string {
	name := container + ".hcl"
	u.write(name, fmt.Sprintf(`
variable "image" {
  type = string
}
play "p" {
  hosts = group.all
  step "container_ensure" "box" {
    name  = %q
    image = var.image
  }
  step "exec_script" "hold" {
    script = %q
    args   = [%q]
  }
}
`, container, holdScript+"\n", container))
	return name
}

// everywhere tells what a script prints, if it is the same on all hosts.
func (s site) everywhere(script string) string {
	s.t.Helper()
	first := s.sh(s.hosts[0], script)
	for _, h := range s.hosts[1:] {
		if got := s.sh(h, script); got != first {
			return fmt.Sprintf("%s says %q, and %s %q", s.hosts[0], first, h, got)
		}
	}
	return first
}

func (s site) containers() string {
	return s.everywhere("docker ps -a --format '{{.Names}}' --filter label=cvsplay.owner=cvsplay | sort | xargs")
}

// holds starts a run that has its container and holds on to it.
func (s site) holds(u user, container string) *running {
	s.t.Helper()
	r := u.start("run", u.playFor(container), "-i", s.inventory, "--output", "json")
	eventually(s.t, "the run for "+container+" has begun everywhere", func() bool {
		return strings.TrimSpace(s.everywhere("cat /tmp/begun-"+container+" 2>&1 || :")) == ""
	})
	return r
}

func (s site) letGo(container string) {
	s.t.Helper()
	s.everywhere("touch /tmp/go-" + container)
}

// noShells waits until the shells of a run that was killed have ended.
func (s site) noShells() {
	s.t.Helper()
	eventually(s.t, "no run has a shell anywhere", func() bool {
		return strings.TrimSpace(s.everywhere("ps -e -o args | grep -c '[c]vsplay-run:' || :")) == "0"
	})
}

// A run that is killed leaves its container. While its script goes on, it is respected; after that, the next run of anybody finds the container and removes
// it, whatever it is called, and touches nothing else.
func killedRun(t *testing.T, s site, u user) {
	dead := s.holds(u.at("login1"), "first")
	if err := dead.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	dead.wait()
	expectNames(t, "after the kill", s.containers(), "first")
	other := u.at("login2")
	s.letGo("second")
	e := other.succeeds("run", other.playFor("second"), "-i", s.inventory, "--output", "json")
	if changes := fmt.Sprint(ends(e.events(t))[s.hosts[0]+" box"].Changes); strings.Contains(changes, "leftover") {
		t.Errorf("a script of the killed run goes on, and its container is removed: %s", changes)
	}
	expectNames(t, "while its script goes on", s.containers(), "first")

	s.letGo("first")
	s.noShells()
	live := s.holds(u.at("login3"), "third")
	expectNames(t, "the next run", s.containers(), "third")
	checked := other.succeeds("check", other.playFor("second"), "-i", s.inventory, "--output", "json").events(t)
	if got := ends(checked)[s.hosts[0]+" box"]; strings.Contains(fmt.Sprint(got.Changes), "leftover") {
		t.Errorf("check would remove the container of a live run: %v", got.Changes)
	}
	s.letGo("third")
	last := live.wait()
	if last.code != 0 {
		t.Error(last)
	}
	for _, h := range s.hosts {
		changes := fmt.Sprint(ends(last.events(t))[h+" box"].Changes)
		if !strings.Contains(changes, "remove leftover of run ") || !strings.Contains(changes, "@login1, since ") || !strings.Contains(changes, "first (running)") {
			t.Errorf("%s does not tell what it removed: %s", h, changes)
		}
	}
	expectNames(t, "at the end", s.containers(), "")
}

func expectNames(t *testing.T, when, got, want string) {
	t.Helper()
	if strings.TrimSpace(got) != want {
		t.Errorf("%s the hosts have the containers %q, want %q", when, got, want)
	}
}

// Of two runs under one name exactly one goes on; the other is refused, and says who has it.
func liveRun(t *testing.T, s site, u user) {
	live := s.holds(u.at("login1"), "shared")
	before := s.everywhere("docker inspect --format '{{.Name}}' shared")
	refused := u.at("login2").cvsplay("run", u.playFor("shared"), "-i", s.inventory, "--output", "json")
	got := ends(refused.events(t))
	for _, h := range s.hosts {
		box := got[h+" box"]
		for _, words := range []string{"belongs to a run that is still going on", "@login1, since ", "pkill -f cvsplay-run:"} {
			if box.Status != event.Refused || !strings.Contains(box.Reason, words) {
				t.Errorf("%s is %s and does not say %q: %s", h, box.Status, words, box.Reason)
			}
		}
	}
	if after := s.everywhere("docker inspect --format '{{.Name}}' shared"); refused.code != 1 || after != before {
		t.Errorf("exit code %d; the container was %q and is %q", refused.code, before, after)
	}
	neighbour := u.at("login2")
	s.letGo("own")
	neighbour.succeeds("run", neighbour.playFor("own"), "-i", s.inventory)
	expectNames(t, "beside another run", s.containers(), "shared")
	s.letGo("shared")
	if e := live.wait(); e.code != 0 {
		t.Error(e)
	}
	expectNames(t, "at the end", s.containers(), "")
}

// Two that begin at the same moment: whoever is second finds the name taken, or gives way.
func twoAtOnce(t *testing.T, s site, u user) {
	one, two := u.at("login1"), u.at("login2")
	playbook := u.playFor("race")
	runs := []*running{
		one.start("run", playbook, "-i", s.inventory, "--output", "json"), two.start("run", playbook, "-i", s.inventory, "--output", "json"),
	}
	done := make(chan ended, len(runs))
	for _, r := range runs {
		go func() { done <- r.wait() }()
	}
	loser := <-done
	s.letGo("race")
	winner := <-done
	if loser.code != 1 || winner.code != 0 {
		t.Errorf("one has to give way, and one to go on:\n%s\n%s", loser, winner)
	}
	if changed := those(ends(winner.events(t)), event.Changed); !slices.Contains(changed, s.hosts[0]+" box") {
		t.Errorf("the one that goes on changed %s", changed)
	}
	expectNames(t, "at the end", s.containers(), "")
}

func labSite(u user, hosts int) (site, user) {
	l := keepLab(u, hosts)
	s := site{t: u.t, inventory: "lab.hcl"}
	for _, h := range l.hosts {
		s.hosts = append(s.hosts, h.Name)
	}
	s.sh = func(host, script string) string {
		i := slices.Index(s.hosts, host)
		return l.ssh(l.hosts[i], script)
	}
	return s, u
}

func TestKilledRun(t *testing.T) {
	t.Parallel()
	s, u := labSite(newUser(t), 2)
	killedRun(t, s, u)
}

func TestLiveRun(t *testing.T) {
	t.Parallel()
	s, u := labSite(newUser(t), 3)
	liveRun(t, s, u)
}

func TestTwoRunsAtOnce(t *testing.T) {
	t.Parallel()
	s, u := labSite(newUser(t), 4)
	twoAtOnce(t, s, u)
}

// The same with real nodes, engines and shells.
func TestKilledRunOnCluster(t *testing.T) {
	t.Parallel()
	c := remotetest.UseCluster(t)
	s := site{t: t, inventory: c.Inventory, sh: c.Exec}
	for _, n := range c.Nodes {
		s.hosts = append(s.hosts, n.Name)
	}
	t.Cleanup(func() { s.everywhere("rm -f /tmp/begun-* /tmp/go-*") })
	killedRun(t, s, newUser(t))
}
