package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cvsplay/engine/event"
	"cvsplay/engine/remote/remotetest"
)

const boxState = "docker inspect --format '{{.Id}} {{.State.StartedAt}}' hello"

// boxes are the containers of the playbook for clusters, by node: which, and since when.
func boxes(c *remotetest.Cluster) map[string]string {
	states := map[string]string{}
	for _, n := range c.Nodes {
		states[n.Name] = strings.TrimSpace(c.Exec(n.Name, boxState))
	}
	return states
}

// The same on real nodes: check tells and changes nothing, the run changes just that, all that it declares is there, and the second run leaves
// it as it is.
func TestPlaybookOnCluster(t *testing.T) {
	t.Parallel()
	c := remotetest.UseCluster(t)
	u := newUser(t)
	playbook := repository(t, "examples/docker-cluster/hello.hcl")
	before := c.Snapshot()
	checked := u.succeeds("check", playbook, "-i", c.Inventory, "--output", "json").events(t)
	if diff := before.Diff(c.Snapshot()); diff != "" {
		t.Errorf("check changed something:\n%s", diff)
	}
	ran := u.succeeds("run", playbook, "-i", c.Inventory, "--output", "json").events(t)
	foreseen, done := those(ends(checked), event.WouldChange), those(ends(ran), event.Changed)
	if len(foreseen) != 3*len(c.Nodes) || !slices.Equal(foreseen, done) {
		t.Errorf("check foresees\n%s\nrun changes\n%s", foreseen, done)
	}
	t.Run("image by digest", func(t *testing.T) { sameImage(t, c, ends(ran)) })
	t.Run("script inside", func(t *testing.T) {
		for _, n := range c.Nodes {
			if got := c.Exec(n.Name, "docker exec hello cat /opt/hello/release"); got != "2.0\n" {
				t.Errorf("%s has the release %q", n.Name, got)
			}
		}
	})
	t.Run("ssh from node to node", func(t *testing.T) { everyNodeReachesEveryNode(t, c) })

	was, after := boxes(c), c.Snapshot()
	second := u.succeeds("run", playbook, "-i", c.Inventory, "--output", "json").events(t)
	if changed := those(ends(second), event.Changed); changed != nil {
		t.Errorf("the second run changed %s", changed)
	}
	asAmd := u.succeeds("run", playbook, "-i", c.AsAmd)
	if !strings.Contains(asAmd.stdout, "all well, nothing changed") {
		t.Errorf("as a user with sudo something else is wanted: %s", asAmd)
	}
	if now := boxes(c); fmt.Sprint(now) != fmt.Sprint(was) {
		t.Errorf("the containers were\n%s, and are\n%s", was, now)
	}
	if diff := after.Diff(c.Snapshot()); diff != "" {
		t.Errorf("the second run changed something:\n%s", diff)
	}
	t.Run("after a node was down", func(t *testing.T) { comesBack(t, u, c, was) })
}

// sameImage holds all nodes to the digest that the registry told.
func sameImage(t *testing.T, c *remotetest.Cluster, ends map[string]event.Event) {
	var results struct{ Ref, Digest, Source string }
	if err := json.Unmarshal(ends[c.Nodes[0].Name+" image"].Results, &results); err != nil {
		t.Fatal(err)
	}
	if results.Source != "registry" || !strings.HasPrefix(results.Digest, "sha256:") {
		t.Errorf("the digest: %+v", results)
	}
	for _, n := range c.Nodes {
		got := c.Exec(n.Name, "docker image inspect --format '{{.RepoDigests}} {{.RepoTags}}' \"$(docker inspect --format '{{.Image}}' hello)\"")
		if !strings.Contains(got, c.Registry+"/rocm/cvs@"+results.Digest) || !strings.Contains(got, c.Registry+"/rocm/cvs:latest") {
			t.Errorf("%s runs %s, want %s", n.Name, got, results.Ref)
		}
	}
}

// everyNodeReachesEveryNode goes from each container to each other, by name and by address, with the keys that were exchanged.
func everyNodeReachesEveryNode(t *testing.T, c *remotetest.Cluster) {
	const ssh = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=5 -p 2224 "
	var names, want []string
	for _, to := range c.Nodes {
		names, want = append(names, to.Name, to.Address), append(want, to.Name, to.Name)
	}
	for _, from := range c.Nodes {
		got := c.Exec(from.Name, "docker exec hello sh -c 'for name; do "+ssh+"\"root@$name\" hostname </dev/null; done' sh "+strings.Join(names, " "))
		if !slices.Equal(strings.Fields(got), want) {
			t.Errorf("from %s to %s: %q", from.Name, names, got)
		}
	}
	first, other := c.Nodes[0], c.Nodes[1]
	if got := c.Exec(first.Name, "docker exec hello "+ssh+"-o UserKnownHostsFile=/dev/null root@"+other.Address+" true 2>&1 || :"); !strings.Contains(got, "Host key verification failed") {
		t.Errorf("without known hosts it is let in all the same: %q", got)
	}
	keys := map[string]bool{}
	for _, n := range c.Nodes {
		keys[c.Exec(n.Name, "docker exec hello cat /root/.ssh/id_ed25519.pub")] = true
	}
	if len(keys) != len(c.Nodes) {
		t.Errorf("%d nodes have %d client keys", len(c.Nodes), len(keys))
	}
}

// comesBack: a node that was down has its container stopped. The next run starts it, with its file system and its sshd.
func comesBack(t *testing.T, u user, c *remotetest.Cluster, was map[string]string) {
	back := c.Nodes[1].Name
	c.Stop(back)
	c.Start(back)
	events := u.succeeds("run", repository(t, "examples/docker-cluster/hello.hcl"), "-i", c.Inventory, "--output", "json").events(t)
	if changed := those(ends(events), event.Changed); !slices.Equal(changed, []string{back + " box", back + " mpi"}) {
		t.Errorf("the run changed %s", changed)
	}
	for node, state := range boxes(c) {
		id, _, _ := strings.Cut(state, " ")
		if sameID := strings.HasPrefix(was[node], id+" "); !sameID || (state == was[node]) != (node != back) {
			t.Errorf("%s: the container was %s, and is %s", node, was[node], state)
		}
	}
	everyNodeReachesEveryNode(t, c)
}

// One node is down: a persistent container is refused on all others, naming it, and nothing changes there, whether they have the container or not.
func TestNodeIsDown(t *testing.T) {
	t.Parallel()
	c := remotetest.UseCluster(t)
	u := newUser(t)
	playbook := repository(t, "examples/docker-cluster/hello.hcl")
	gone := c.Nodes[2]
	for _, state := range []string{"absent everywhere", "running everywhere"} {
		t.Run(state, func(t *testing.T) {
			if state == "running everywhere" {
				u.succeeds("run", playbook, "-i", c.Inventory)
			}
			before := c.Snapshot()
			c.Stop(gone.Name)
			// Side by side: each waits for the node until its time to connect is over, and none of them may change anything.
			checking, running := u.start("check", playbook, "-i", c.Inventory, "--output", "json"), u.start("run", playbook, "-i", c.Inventory, "--output", "json")
			people := u.cvsplay("run", playbook, "-i", c.Inventory)
			refused := []ended{checking.wait(), running.wait()}
			c.Start(gone.Name)
			after := c.Snapshot()
			delete(before, gone.Name)
			delete(after, gone.Name)
			if diff := before.Diff(after); diff != "" {
				t.Errorf("something changed:\n%s", diff)
			}
			for _, e := range refused {
				downIsUnknown(t, e, c.Nodes[:2], gone)
			}
			if people.code != 1 || !strings.Contains(people.stdout, "unknown: "+gone.Name) {
				t.Error(people)
			}
		})
	}
}

func downIsUnknown(t *testing.T, e ended, others []remotetest.Node, gone remotetest.Node) {
	t.Helper()
	got := ends(e.events(t))
	bad := e.code != 1 || got[gone.Name+" box"].Status != event.Unreachable
	for _, n := range others {
		box := got[n.Name+" box"]
		bad = bad || box.Status != event.Refused || !strings.Contains(box.Reason, "unknown: "+gone.Name)
	}
	if bad || those(got, event.Changed) != nil || those(got, event.WouldChange) != nil {
		t.Errorf("%s is down: %s", gone.Name, e)
	}
}
