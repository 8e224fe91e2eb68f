package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"cvsplay/engine/event"
	"cvsplay/engine/remote/remotetest"
)

// suiteScript makes an image in which apt-get installs a stand-in for RVS, and gives it to the registry. $1 the image to begin with, $2 its name.
const suiteScript = `
docker run --name suite "$1" sh -ec '
cd /usr/local/bin
cat >apt-get <<"X"
#!/bin/sh
case "$*" in
*"install rocm-validation-suite") ;;
*) exit ;;
esac
mkdir -p /opt/rocm/bin /opt/rocm/share/rocm-validation-suite/conf
: >/opt/rocm/share/rocm-validation-suite/conf/gst_single.conf
cat >/opt/rocm/bin/rvs <<"Y"
#!/bin/sh
case $1 in
--version) echo 1.3.0 ;;
-g) echo "Supported GPUs available:" ;;
-r) echo "[INFO  ] level $2 on $(hostname): 8 passed, 0 failed" ;;
esac
Y
chmod 0755 /opt/rocm/bin/rvs
X
cat >amd-smi <<"X"
#!/bin/sh
echo "{\"gpu_data\": [{\"gpu\": 0, \"asic\": {\"market_name\": \"AMD Instinct MI300X\"}}]}"
X
chmod 0755 apt-get amd-smi' >/dev/null
docker commit --change 'CMD ["sleep", "infinity"]' suite "$2" >/dev/null
docker rm suite >/dev/null
docker push --quiet "$2" >/dev/null
docker rmi --force "$2" "$1" >/dev/null`

// standIn makes that image, and gives a user whose playbooks run it, with the arguments for the cluster.
func standIn(u user, c *remotetest.Cluster) (user, []string) {
	image := c.Registry + "/rocm/suite:1"
	c.Exec(c.Nodes[0].Name, "set -- "+c.Registry+"/rocm/cvs:2.0 "+image+suiteScript)
	u.env = append(u.env, "CVSPLAY_VAR_profile=none", "CVSPLAY_VAR_registry_insecure=true")
	return u, []string{"-i", c.Inventory, "--var", "image=" + image, "--output", "json"}
}

// containerStates are all containers of every node: which, since when, of which image.
func containerStates(c *remotetest.Cluster) map[string]string {
	const format = "'{{.Name}} {{.Id}} {{.State.Status}} {{.State.StartedAt}} {{.Image}}'"
	states := map[string]string{}
	for _, n := range c.Nodes {
		states[n.Name] = c.Exec(n.Name, "docker ps --all --quiet --no-trunc | xargs -r docker inspect --format "+format)
	}
	return states
}

// output is the value of an output of the playbook.
func output(t *testing.T, events []event.Event, name string) string {
	t.Helper()
	for _, e := range events {
		if e.Kind == event.OutputValue && e.Name == name {
			return string(e.Value)
		}
	}
	t.Fatalf("there is no output %s", name)
	return ""
}

// What one invocation installs another one runs: in the same containers, none of which is started again. They are then brought up for MPI, and taken down.
func TestPairOnCluster(t *testing.T) {
	t.Parallel()
	c := remotetest.UseCluster(t)
	u, args := standIn(newUser(t), c)
	do := func(verb, playbook string, more ...string) []event.Event {
		t.Helper()
		return u.succeeds(slices.Concat([]string{verb, repository(t, "playbooks/"+playbook+".hcl")}, args, more)...).events(t)
	}
	every := func(steps ...string) []string {
		var names []string
		for _, n := range c.Nodes {
			for _, step := range steps {
				names = append(names, n.Name+" "+step)
			}
		}
		slices.Sort(names)
		return names
	}

	foreseen := those(ends(do("check", "install_rvs")), event.WouldChange)
	if done := those(ends(do("run", "install_rvs")), event.Changed); !slices.Equal(done, every("box", "install")) || !slices.Equal(foreseen, done) {
		t.Errorf("check foresees\n%s\nthe run changes\n%s", foreseen, done)
	}
	installed := containerStates(c)
	for _, verb := range []string{"check", "run", "run"} {
		events := do(verb, "run_rvs")
		if changed := append(those(ends(events), event.Changed), those(ends(events), event.WouldChange)...); changed != nil {
			t.Errorf("%s changes %s", verb, changed)
		}
		if verdict := output(t, events, "rvs"); verb == "run" && strings.Count(verdict, `"level":"pass"`) != len(c.Nodes) {
			t.Errorf("the verdict is %s", verdict)
		}
	}
	if changed := those(ends(do("run", "install_rvs")), event.Changed); changed != nil {
		t.Errorf("the second installation changes %s", changed)
	}
	for _, more := range [][]string{nil, {"--var", "reach_by=address"}} {
		events := do("run", "cluster_up", append(more, "--var", "mesh=full")...)
		if changed := those(ends(events), event.Changed); (more == nil && !slices.Equal(changed, every("mpi"))) || output(t, events, "unreached") != "{}" {
			t.Errorf("it changes %s; what is not reached: %s", changed, output(t, events, "unreached"))
		}
	}
	if now := containerStates(c); !maps.Equal(now, installed) {
		t.Errorf("the containers were\n%s\nand are\n%s", installed, now)
	}
	t.Run("a node that is not reached", func(t *testing.T) { namesPairs(t, u, c, args) })

	events := do("run", "teardown")
	if changed := those(ends(events), event.Changed); !slices.Equal(changed, every("box[cvs_rvs]")) {
		t.Errorf("teardown changes %s", changed)
	}
	var left map[string][]string
	if err := json.Unmarshal([]byte(output(t, events, "left")), &left); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes {
		if !slices.Equal(left[n.Name], []string{"image " + c.Registry + "/rocm/suite:1"}) {
			t.Errorf("%s says that %s is left", n.Name, left[n.Name])
		}
	}
	for node, state := range containerStates(c) {
		if state != "" {
			t.Errorf("%s has %s", node, state)
		}
	}
}

// namesPairs: a node that drops what comes to it is named by all others, and reaches them itself.
func namesPairs(t *testing.T, u user, c *remotetest.Cluster, args []string) {
	victim := c.Nodes[1].Name
	const rule = " INPUT -p tcp --dport 2224 -j DROP"
	c.Exec(victim, "iptables -I"+rule)
	e := u.cvsplay(slices.Concat([]string{"run", repository(t, "playbooks/cluster_up.hcl"), "--var", "connect_timeout=4"}, args)...)
	c.Exec(victim, "iptables -D"+rule)
	events := e.events(t)
	if e.code != 1 || those(ends(events), event.Changed) != nil {
		t.Error(e)
	}
	for _, n := range c.Nodes {
		end := ends(events)[n.Name+" reached"]
		want := "does not reach " + victim + ": Connection timed out"
		if n.Name == victim && end.Status != event.OK || n.Name != victim && !strings.Contains(end.Reason, want) {
			t.Errorf("%s is %s: %q, want %q", n.Name, end.Status, end.Reason, want)
		}
	}
}

// On the nodes themselves, as a user with sudo: teardown stops the sshd that was started for jobs and not the node's own, and the next run starts it with the
// same keys.
func TestBareMetalOnCluster(t *testing.T) {
	t.Parallel()
	c := remotetest.UseCluster(t)
	u := newUser(t)
	do := func(playbook string) map[string]event.Event {
		t.Helper()
		return ends(u.succeeds("run", repository(t, "playbooks/"+playbook+".hcl"), "-i", c.AsAmd, "--var", "target=baremetal", "--output", "json").events(t))
	}
	t.Cleanup(func() {
		for _, n := range c.Nodes {
			c.Exec(n.Name, "rm -rf /etc/ssh/cvsplay /root/.ssh/id_ed25519 /root/.ssh/id_ed25519.pub /root/.ssh/known_hosts2")
		}
	})
	const sshds = "ps -e -o args | grep -c '^sshd: .*[l]istener' || :"
	for i, step := range []struct {
		playbook string
		changed  int
		sshds    string
	}{{"cluster_up", 1, "2"}, {"cluster_up", 0, "2"}, {"teardown", 1, "1"}, {"teardown", 0, "1"}, {"cluster_up", 1, "2"}, {"teardown", 1, "1"}} {
		got := do(step.playbook)
		if changed := those(got, event.Changed); len(changed) != step.changed*len(c.Nodes) {
			t.Errorf("%d: %s changes %s", i, step.playbook, changed)
		}
		for _, n := range c.Nodes {
			if running := strings.TrimSpace(c.Exec(n.Name, sshds)); running != step.sshds {
				t.Errorf("%d: after %s %s runs %s sshds, want %s", i, step.playbook, n.Name, running, step.sshds)
			}
			if changes := got[n.Name+" mpi"].Changes; i == 4 && (len(changes) != 1 || changes[0].What != "start sshd") {
				t.Errorf("%s started anew changes %v", n.Name, changes)
			}
		}
	}
}
