package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"cvsplay/engine/event"
	"cvsplay/engine/remote/remotetest"
	"cvsplay/inventory"
)

// A keptLab is `cvsplay lab`, kept running for several runs and for plain ssh.
type keptLab struct {
	user
	hosts []*inventory.Host
}

// keepLab starts a lab, and ends it with Ctrl-C when the test is done.
func keepLab(u user, hosts int) keptLab {
	u.t.Helper()
	remotetest.Need(u.t, "ssh")
	process := u.start("lab", "--hosts", fmt.Sprint(hosts), "--inventory", "lab.hcl")
	path := filepath.Join(u.dir, "lab.hcl")
	eventually(u.t, "the lab writes its inventory", func() bool { files, _ := filepath.Glob(path); return len(files) == 1 })
	u.t.Cleanup(func() {
		process.signal(syscall.SIGINT)
		if e := process.wait(); e.code != 0 || !strings.Contains(e.stdout, "They live until Ctrl-C.") {
			u.t.Error(e)
		}
		if left, _ := filepath.Glob(filepath.Join(u.dir, "lab*")); left != nil {
			u.t.Errorf("the lab leaves %s", left)
		}
	})
	inv, _, diags := inventory.Load(u.t.Context(), []string{path}, inventory.Options{})
	if diags.HasErrors() {
		u.t.Fatal(diags)
	}
	return keptLab{user: u, hosts: inv.Hosts}
}

// ssh runs a script on a host through OpenSSH's client, with strict host keys.
func (l keptLab) ssh(host *inventory.Host, script string) string {
	l.t.Helper()
	cmd := exec.CommandContext(l.t.Context(), "ssh", "-F", "none", "-i", filepath.Join(l.dir, "lab.key"), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
		"-o", "UserKnownHostsFile="+filepath.Join(l.dir, "lab.known_hosts"), "-p", fmt.Sprint(host.SSH.Port), "root@"+host.Address, "/bin/sh -s")
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s: %v\n%s", host.Name, err, out)
	}
	return string(out)
}

// lookScript tells what is on a lab host: files, with their times, containers, images, and who listens.
const lookScript = `
find / \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp -o -path /var/log -o -path /var/lib/docker \) -prune -o -type f -exec sha256sum {} +
find / \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp -o -path /var/log -o -path /var/lib/docker \) -prune -o -exec stat -c '%n %A %U:%G %s %Y' {} +
find /tmp /var/tmp -mindepth 1
docker ps --all --no-trunc --format '{{.Names}} {{.ID}} {{.State}} {{.Image}}'
docker images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}'
cat /proc/net/tcp | while read -r n at to state rest; do [ "$state" != 0A ] || echo "listens $at"; done
`

// look is the state of every host.
func (l keptLab) look() remotetest.Snapshot {
	l.t.Helper()
	taken := remotetest.Snapshot{}
	for _, h := range l.hosts {
		taken[h.Name] = strings.Split(l.ssh(h, lookScript), "\n")
	}
	return taken
}

func TestDemo(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	e := u.succeeds("run", repository(t, "playbooks/rvs.hcl"), "-i", repository(t, "inventory/default.hcl"), "-v")
	words := strings.Join(strings.Fields(e.stdout), " ") // where lines are broken depends on the length of paths
	for _, want := range []string{"these hosts are simulated", "gpu[001-004]", "changed ", "rvs: Verdict of each test on each node", " pass ", "4 hosts, all well"} {
		if !strings.Contains(words, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if t.Failed() {
		t.Log(e)
	}
}

// The main playbook against a lab that keeps running: check tells and changes nothing, the run changes just that, and the second run nothing.
func TestPlaybookOnKeptLab(t *testing.T) {
	t.Parallel()
	l := keepLab(newUser(t), 3)
	playbook := repository(t, "playbooks/rvs.hcl")
	before := l.look()
	checked := l.succeeds("check", playbook, "-i", "lab.hcl", "--output", "json").events(t)
	if diff := before.Diff(l.look()); diff != "" {
		t.Errorf("check changed something:\n%s", diff)
	}
	ran := l.succeeds("run", playbook, "-i", "lab.hcl", "--output", "json").events(t)
	foreseen, done := those(ends(checked), event.WouldChange), those(ends(ran), event.Changed)
	if len(foreseen) == 0 || !slices.Equal(foreseen, done) {
		t.Errorf("check foresees\n%s\nrun changes\n%s", foreseen, done)
	}
	after := l.look()
	if before.Diff(after) == "" {
		t.Error("the run left no trace")
	}

	l.succeeds("check", playbook, "-i", "lab.hcl")
	second := l.succeeds("run", playbook, "-i", "lab.hcl", "--output", "json").events(t)
	if changed := those(ends(second), event.Changed); changed != nil {
		t.Errorf("the second run changed %s", changed)
	}
	if diff := after.Diff(l.look()); diff != "" {
		t.Errorf("the second run changed something:\n%s", diff)
	}
	plain := l.succeeds("run", playbook, "-i", "lab.hcl")
	if !strings.Contains(plain.stdout, "3 hosts, all well, nothing changed") {
		t.Error(plain)
	}
}

// The counts of the events, of the recap among them, and of the recap for people are the same.
func TestCountsAgree(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("p.hcl", `
play "p" {
  hosts = group.all
  step "file" "f" {
    path    = "/srv/f"
    content = host.name
  }
  step "exec_script" "often" {
    for_each = ["a", "b"]
    script   = "echo $1\n"
    args     = [each.value]
  }
  step "exec_script" "bad" {
    script        = "exit 3\n"
    ignore_errors = true
  }
  step "exec_script" "some" {
    when      = host.name == "gpu002"
    read_only = true
    script    = "exit 4\n"
  }
  step "file" "last" {
    path    = "/srv/g"
    content = "x"
  }
}
`)
	u.write("i.hcl", `
source "lab" "gpu" {
  count = 3
  fault {
    hosts = ["gpu003"]
    kind  = "unreachable"
  }
}
`)
	e := u.cvsplay("run", "p.hcl", "-i", "i.hcl", "--output", "json")
	events := e.events(t)
	last := events[len(events)-1]
	if e.code != 1 || *last.ExitCode != 1 {
		t.Error(e)
	}
	counted := map[string]event.Counts{}
	for _, end := range ends(events) {
		if counted[end.Host] == nil {
			counted[end.Host] = event.Counts{}
		}
		counted[end.Host][end.Status]++
	}
	want := map[string]event.Counts{
		"gpu001": {event.Changed: 4, event.Failed: 1, event.Skipped: 1},
		"gpu002": {event.Changed: 3, event.Failed: 2},
		"gpu003": {event.Unreachable: 1},
	}
	for what, got := range map[string]map[string]event.Counts{"events": counted, "recap": last.Recap} {
		if a, b := asText(t, got), asText(t, want); a != b {
			t.Errorf("the %s count\n%s, want\n%s", what, a, b)
		}
	}
	plain := u.cvsplay("run", "p.hcl", "-i", "i.hcl")
	for _, row := range []string{"gpu001 0 4 1 1* 0", "gpu002 0 3 0 2* 0", "gpu003 0 0 0 0 1"} {
		if !strings.Contains(strings.Join(strings.Fields(plain.stdout), " "), row) {
			t.Errorf("the recap has no row %s", row)
		}
	}
	if t.Failed() {
		t.Log(e, plain)
	}
}

func asText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
