package modules

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Each row is a fleet and what happens there: the changes of each round (in brackets those that a later round carries out), then the end of each
// host. A host is its state, and words about it.
func TestContainerFleetTable(t *testing.T) {
	tests := []struct {
		row   string
		args  func(*containerArgs)
		hosts []string
		want  string
	}{
		{"no_launch, running everywhere", lifetimeIs(noLaunch), []string{"running", "running"}, `
n[1-2]: done`},
		{"no_launch, some not, some unknown", lifetimeIs(noLaunch), []string{"running", "exited", "absent", "unknown", "down"}, `
n[1-3]: refused: container box does not run everywhere, and lifetime = "no_launch" never starts it
  not running: n2 (exited)
  not running: n3 (absent)
  unknown: n4 (no route to host)
  unknown: n5 (the container runtime does not answer: Cannot connect to the Docker daemon)
  start it there, or use another lifetime
n4: (unknown)
n5: failed: the container runtime does not answer: Cannot connect to the Docker daemon`},
		{"no_launch, another image on one", lifetimeIs(noLaunch), []string{"running", "running img=22", "running"}, `
n[1-3]: refused: container box does not run the same image on all hosts:
  n2: 22 (rocm/cvs:6, amd64)
  n[1,3]: 11 (rocm/cvs:6, amd64)
  bring the odd ones to the declared image (on_drift = "recreate"), or remove them`},
		{"no_launch, images of two architectures", lifetimeIs(noLaunch), []string{"running", "running arch=arm64 local=33 img=33"}, `
n[1-2]: done`},

		{"per_run, absent", lifetimeIs(perRun), []string{"absent", "absent local=-"}, `
n1: act: (launch container)
n2: act: pull image, (launch container)
n[1-2]: act: launch container
n[1-2]: done`},
		{"per_run, a stale one", lifetimeIs(perRun), []string{"running", "exited"}, `
n[1-2]: act: remove stale container, launch container
n[1-2]: done`},
		{"per_run, not ours", lifetimeIs(perRun), []string{"running foreign", "absent"}, `
n[1-2]: refused: container box was not launched by cvsplay on some hosts, and would have to be removed
  not ours: n1 (box id-box-old-r, running, from rocm/cvs:6)
  adopt = true takes it over; or give the step another name`},
		{"per_run, not ours, adopted", func(a *containerArgs) { a.Adopt = true }, []string{"running foreign"}, `
n1: act: remove stale container, launch container
n1: done`},
		{"per_run, an unknown host holds nobody up", lifetimeIs(perRun), []string{"absent", "unknown", "down"}, `
n1: act: launch container
n1: done
n2: (unknown)
n3: failed: the container runtime does not answer: Cannot connect to the Docker daemon`},
		{"per_run, pull fails on one", lifetimeIs(perRun), []string{"absent local=-", "absent local=- fails=pull+image", "absent"}, `
n[1-2]: act: pull image, (launch container)
n3: act: (launch container)
n[1,3]: refused: container box: the launch was called off, and what it had launched was removed, because it failed on 1 host
  failed: n2 (pull image: exit code 7)
n2: failed: pull image: exit code 7
    it broke`},
		{"per_run, start fails on one", lifetimeIs(perRun), []string{"absent", "absent fails=launch+container"}, `
n[1-2]: act: launch container
n1: act: roll back
n2: act: roll back failed container
n1: refused: container box: the launch was called off, and what it had launched was removed, because it failed on 1 host
  failed: n2 (launch container: exit code 7)
n2: failed: launch container: exit code 7
    it broke`},
		{"per_run, exits at once", lifetimeIs(perRun), []string{"absent", "absent exits"}, `
n[1-2]: act: launch container
n1: act: roll back
n2: act: roll back failed container
n1: refused: container box: the launch was called off, and what it had launched was removed, because it failed on 1 host
  failed: n2 (the container is exited, exit code 3, right after it was started)
n2: failed: the container is exited, exit code 3, right after it was started`},
		{"per_run, provisioned under another name", withSetup(perRun), []string{"running", "absent left"}, `
n1: act: remove stale container, launch container, (run setup_script), (name container)
n2: act: remove leftover container, launch container, (run setup_script), (name container)
n[1-2]: act: run setup_script, (name container)
n[1-2]: act: name container
n[1-2]: done`},

		{"persistent, one unknown", lifetimeIs(persistent), []string{"running", "absent", "unknown"}, `
n[1-2]: refused: container box: the state of 1 host is not known, so nothing is launched anywhere
  unknown: n3 (no route to host)
  bring it back; or go on without it: a play before this one in which it fails, or --limit
n3: (unknown)`},
		{"persistent, a runtime down", lifetimeIs(persistent), []string{"absent", "down"}, `
n1: refused: container box: the state of 1 host is not known, so nothing is launched anywhere
  unknown: n2 (the container runtime does not answer: Cannot connect to the Docker daemon)
  bring it back; or go on without it: a play before this one in which it fails, or --limit
n2: failed: the container runtime does not answer: Cannot connect to the Docker daemon`},
		{"persistent, running everywhere", lifetimeIs(persistent), []string{"running", "running"}, `
n[1-2]: done`},
		{"persistent, running or stopped", lifetimeIs(persistent), []string{"running", "exited", "paused", "created"}, `
n[2,4]: act: start container
n3: act: unpause container
n[1-4]: done`},
		{"persistent, does not start", lifetimeIs(persistent), []string{"running", "exited fails=start+container", "exited exits"}, `
n[2-3]: act: start container
n1: done
n2: failed: start container: exit code 7
    it broke
n3: failed: the container is exited, exit code 0, right after it was started`},
		{"persistent, absent everywhere", withSetup(persistent), []string{"absent", "absent local=-"}, `
n1: act: (launch container), (run setup_script), (name container)
n2: act: pull image, (launch container), (run setup_script), (name container)
n[1-2]: act: launch container, (run setup_script), (name container)
n[1-2]: act: run setup_script, (name container)
n[1-2]: act: name container
n[1-2]: done`},
		{"persistent, what a crash left is removed", lifetimeIs(persistent), []string{"absent left", "absent"}, `
n1: act: remove leftover container, launch container, (name container)
n2: act: launch container, (name container)
n[1-2]: act: name container
n[1-2]: done`},
		{"persistent, the provisional name is taken by another", lifetimeIs(persistent), []string{"absent left=foreign", "absent"}, `
n[1-2]: refused: container box was not launched by cvsplay on some hosts, and would have to be replaced
  not ours: n1 (box.new id-box.new-d, running, from rocm/cvs:6)
  adopt = true takes it over; or give the step another name`},
		{"persistent, setup fails on two", withSetup(persistent), []string{"absent", "absent fails=run+setup_script", "absent fails=run+setup_script"}, `
n[1-3]: act: launch container, (run setup_script), (name container)
n[1-3]: act: run setup_script, (name container)
n1: act: roll back
n[2-3]: act: roll back failed container
n1: refused: container box: the launch was called off, and what it had launched was removed, because it failed on 2 hosts
  failed: n[2-3] (run setup_script: exit code 7)
n[2-3]: failed: run setup_script: exit code 7
    it broke`},
		{"persistent, roll-back fails", withSetup(persistent), []string{"absent fails=roll+back", "absent fails=run+setup_script"}, `
n[1-2]: act: launch container, (run setup_script), (name container)
n[1-2]: act: run setup_script, (name container)
n1: act: roll back
n2: act: roll back failed container
n1: failed: the launch was called off
  and rolling it back failed: roll back: exit code 7
    it broke
  remove what is left by hand: box
n2: failed: run setup_script: exit code 7
    it broke`},
		{"persistent, lost while provisioning", withSetup(persistent), []string{"absent", "absent loses=run+setup_script:done"}, `
n[1-2]: act: launch container, (run setup_script), (name container)
n[1-2]: act: run setup_script, (name container)
n1: act: roll back
n2: act: roll back failed container
n1: refused: container box: the launch was called off, and what it had launched was removed, because it failed on 1 host
  failed: n2 (the connection was lost while setup_script ran: how far it came is not known)
n2: failed: the connection was lost while setup_script ran: how far it came is not known`},
		{"persistent, a host dies in the middle", withSetup(persistent), []string{"absent", "absent dies=launch+container"}, `
n[1-2]: act: launch container, (run setup_script), (name container)
n1: act: roll back
n1: refused: container box: the launch was called off, and what it had launched was removed, because it failed on 1 host
  failed: n2 (lost while it launched: connection lost)
n2: (unknown)`},
		{"persistent, a lost start that came through", lifetimeIs(persistent), []string{"absent loses=launch+container:done", "absent"}, `
n[1-2]: act: launch container, (name container)
n[1-2]: act: name container
n[1-2]: done`},
		{"persistent, a lost start that did not", lifetimeIs(persistent), []string{"absent loses=launch+container:not", "absent"}, `
n[1-2]: act: launch container, (name container)
n1: act: launch container, (name container)
n[1-2]: act: name container
n[1-2]: done`},
		{"persistent, a lost rename that did not", lifetimeIs(persistent), []string{"absent loses=name+container:not", "absent"}, `
n[1-2]: act: launch container, (name container)
n[1-2]: act: name container
n1: act: name container
n[1-2]: done`},
		{"persistent, a lost pull that did not", lifetimeIs(persistent), []string{"absent local=- loses=pull+image:not", "absent local=-"}, `
n[1-2]: act: pull image, (launch container), (name container)
n1: act: pull image, (launch container), (name container)
n[1-2]: act: launch container, (name container)
n[1-2]: act: name container
n[1-2]: done`},
		{"persistent, the tag moved between two hosts", lifetimeIs(persistent), []string{"absent local=- pulls=22", "absent local=-", "absent"}, `
n[1-2]: act: pull image, (launch container), (name container)
n3: act: (launch container), (name container)
n[1-3]: refused: container box: the hosts would not run the same image, so nothing is started:
  n1: 22 (docker.io/rocm/cvs:6, amd64)
  n[2-3]: 11 (docker.io/rocm/cvs:6, amd64)
  an image_digest step makes a tag one digest for all; or pull = "always"`},
		{"persistent, some absent", lifetimeIs(persistent), []string{"running", "absent", "exited", "absent"}, `
n[1-4]: refused: container box is on some hosts and not on others
  has it: n1 (running)
  has it: n3 (exited)
  absent: n[2,4]
  remove it everywhere and run again, for a cold start
  or launch it on the missing hosts: partial = "launch_missing"`},
		{"persistent, some absent, launched there", launchMissing, []string{"running", "absent", "exited", "absent local=-"}, `
n2: act: (launch container), (name container)
n3: act: start container
n4: act: pull image, (launch container), (name container)
n[2,4]: act: launch container, (name container)
n[2,4]: act: name container
n[1-4]: done`},
		{"persistent, missing hosts pull what the others run", launchMissing, []string{"running digest=A", "absent local=22"}, `
n2: act: pull image, (launch container), (name container)
n2: act: launch container, (name container)
n2: act: name container
n[1-2]: done`},
		{"persistent, missing hosts, another image declared", launchMissing, []string{"running img=22", "absent"}, `
n[1-2]: refused: partial = "launch_missing" launches only the image that the running hosts run, and the declared one differs
  runs another: n1 (started from rocm/cvs:6 (22), docker.io/rocm/cvs:6 is now 11)
  declare that image, or bring all to the declared one: on_drift = "recreate"`},
		{"persistent, launching the missing fails", launchMissing, []string{"running", "absent fails=launch+container"}, `
n2: act: launch container, (name container)
n2: act: roll back failed container
n1: refused: container box: the launch was called off, and what it had launched was removed, because it failed on 1 host
  failed: n2 (launch container: exit code 7)
n2: failed: launch container: exit code 7
    it broke`},
		{"persistent, another image on one", lifetimeIs(persistent), []string{"running", "running img=22"}, `
n[1-2]: refused: container box does not run the same image on all hosts:
  n1: 11 (rocm/cvs:6, amd64)
  n2: 22 (rocm/cvs:6, amd64)
  bring the odd ones to the declared image (on_drift = "recreate"), or remove them`},
		{"persistent, older than the tag everywhere", lifetimeIs(persistent), []string{"running img=10", "running img=10"}, `
n[1-2]: done [warn: container box: started from rocm/cvs:6 (10), docker.io/rocm/cvs:6 is now 11]`},

		{"drift, warn", withEnv(driftWarn), []string{"running env=A=2", "running"}, `
n1: done [warn: container box: env.A is 2, declared 1]
n2: done`},
		{"drift, fail", withEnv(driftFail), []string{"running env=A=2", "running"}, `
n1: failed: container box is not as declared: env.A is 2, declared 1
  make it new: on_drift = "recreate"
n2: done`},
		{"drift, recreate", withEnv(driftRecreate), []string{"running env=A=2", "running", "exited env=A=2"}, `
n1: act: stop old container, launch container, (name container)
n3: act: launch container, (name container)
n[1,3]: act: name container
n[1-3]: done`},
		{"drift, a half-done upgrade is finished", withEnv(driftRecreate), []string{"running img=10", "running"}, `
n1: act: stop old container, launch container, (name container)
n1: act: name container
n[1-2]: done`},
		{"drift, recreate fails: the old one runs again", withEnv(driftRecreate), []string{"running env=A=2 fails=launch+container", "running"}, `
n1: act: stop old container, launch container, (name container)
n1: act: roll back failed container
n1: failed: launch container: exit code 7
    it broke
n2: refused: container box: the launch was called off, and what it had launched was removed, because it failed on 1 host
  failed: n1 (launch container: exit code 7)`},
		{"drift, recreate, not ours", withEnv(driftRecreate), []string{"running foreign env=A=2", "running"}, `
n[1-2]: refused: container box was not launched by cvsplay on some hosts, and would have to be replaced
  not ours: n1 (box id-box-old-r, running, from rocm/cvs:6)
  adopt = true takes it over; or give the step another name`},

		{"image missing, pull = never", func(a *containerArgs) { a.Pull, a.Lifetime = pullNever, persistent }, []string{"absent", "absent local=-"}, `
n1: refused: container box was not launched anywhere: it cannot be on 1 host
  failed: n2 (docker.io/rocm/cvs:6 is not on the host, and pull = "never")
n2: failed: docker.io/rocm/cvs:6 is not on the host, and pull = "never"`},
		{"pull = always", func(a *containerArgs) { a.Pull = pullAlways }, []string{"absent", "absent pulls=11 local=10"}, `
n[1-2]: act: pull image, (launch container)
n[1-2]: act: launch container
n[1-2]: done`},
		{"image_tar", func(a *containerArgs) { a.ImageTar = "/srv/cvs.tar" }, []string{"absent local=-"}, `
n1: act: load image, (launch container)
n1: act: launch container
n1: done`},
		{"image_tar without the image", func(a *containerArgs) { a.ImageTar = "/srv/cvs.tar" }, []string{"absent local=- pulls="}, `
n1: act: load image, (launch container)
n1: failed: /srv/cvs.tar was loaded, but it does not hold docker.io/rocm/cvs:6`},
		{"a pull that brings nothing", lifetimeIs(perRun), []string{"absent local=- pulls=", "absent"}, `
n1: act: pull image, (launch container)
n2: act: (launch container)
n1: failed: docker.io/rocm/cvs:6 was pulled, and is not there
n2: refused: container box: the launch was called off, and what it had launched was removed, because it failed on 1 host
  failed: n1 (docker.io/rocm/cvs:6 was pulled, and is not there)`},
		{"required device missing", func(a *containerArgs) { a.RequiredDevices = []string{"/dev/kfd"} }, []string{"absent device=/dev/kfd", "absent"}, `
n1: refused: container box was not launched anywhere: it cannot be on 1 host
  failed: n2 (the host lacks /dev/kfd, which required_devices names)
n2: failed: the host lacks /dev/kfd, which required_devices names`},

		{"healthy in time", withHealth(persistent), []string{"absent health=healthy", "absent"}, `
n[1-2]: act: launch container, (name container)
n[1-2]: act: name container
n1: done
n2: done [warn: wait_healthy: the image of container box has no health check]`},
		{"not healthy in time", withHealth(perRun), []string{"absent health=starting", "absent health=healthy"}, `
n[1-2]: act: launch container
n1: act: roll back failed container
n2: act: roll back
n1: failed: the container is not healthy within 30s: starting
n2: refused: container box: the launch was called off, and what it had launched was removed, because it failed on 1 host
  failed: n1 (the container is not healthy within 30s: starting)`},
		{"attached, not healthy", withHealth(persistent), []string{"running health=unhealthy", "running"}, `
n1: failed: container box is not healthy within 30s: unhealthy
n2: done [warn: wait_healthy: the image of container box has no health check]`},
	}
	for _, tt := range tests {
		t.Run(tt.row, func(t *testing.T) {
			args := simArgs(tt.args)
			var hosts []*simHost
			for i, spec := range tt.hosts {
				hosts = append(hosts, newSim(t, fmt.Sprintf("n%d", i+1), spec, args))
			}
			got := strings.TrimSpace(play(t, hosts))
			if want := strings.TrimSpace(tt.want); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// More hosts than anybody's worker pool: all are launched, and where one cannot be the message is as short as for two.
func TestContainersOnHundredsOfHosts(t *testing.T) {
	const count = 400
	fleet := func(odd string) (hosts []*simHost) {
		args := simArgs(lifetimeIs(persistent))
		for i := range count {
			spec := "absent"
			if i == 250 && odd != "" {
				spec = odd
			}
			hosts = append(hosts, newSim(t, fmt.Sprintf("n%03d", i+1), spec, args))
		}
		return hosts
	}
	expect(t, "all", play(t, fleet("")), "n[001-400]: act: launch container, (name container)\nn[001-400]: act: name container\nn[001-400]: done\n")
	expect(t, "one unknown", play(t, fleet("unknown")), `n[001-250,252-400]: refused: container box: the state of 1 host is not known, so nothing is launched anywhere
  unknown: n251 (no route to host)
  bring it back; or go on without it: a play before this one in which it fails, or --limit
n251: (unknown)
`)
	expect(t, "one fails", play(t, fleet("absent fails=launch+container")), `n[001-400]: act: launch container, (name container)
n[001-250,252-400]: act: roll back
n251: act: roll back failed container
n[001-250,252-400]: refused: container box: the launch was called off, and what it had launched was removed, because it failed on 1 host
  failed: n251 (launch container: exit code 7)
n251: failed: launch container: exit code 7
    it broke
`)
}

func lifetimeIs(l string) func(*containerArgs) {
	return func(a *containerArgs) { a.Lifetime = l }
}

func launchMissing(a *containerArgs) { a.Lifetime, a.Partial = persistent, partialLaunch }

func withSetup(l string) func(*containerArgs) {
	return func(a *containerArgs) { a.Lifetime, a.SetupScript = l, "true\n" }
}

func withEnv(onDrift string) func(*containerArgs) {
	return func(a *containerArgs) {
		a.Lifetime, a.OnDrift, a.Env = persistent, onDrift, map[string]string{"A": "1"}
	}
}

func withHealth(l string) func(*containerArgs) {
	return func(a *containerArgs) { a.Lifetime, a.WaitHealthy = l, 30*time.Second }
}
