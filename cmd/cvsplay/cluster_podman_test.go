package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cvsplay/engine/event"
	"cvsplay/engine/remote/remotetest"
)

const podmanPlaybook = `variable "image" { type = string }

variable "lifetime" {
  type    = string
  default = "persistent"
}

play "pods" {
  hosts  = group.gpu
  become = true # root's containers, whoever logs in

  step "image_digest" "image" {
    run_once = true
    image    = var.image
    insecure = true
  }

  step "container_ensure" "box" {
    name         = "pod"
    image        = step.image.ref
    lifetime     = var.lifetime
    runtime      = "podman"
    network      = "host"
    ipc          = "host"
    shm_size     = "1g"
    cap_add      = ["SYS_PTRACE"]
    devices      = ["/dev/null:/dev/pod"]
    volumes      = ["/etc/hosts:/etc/pod-hosts:ro"]
    setup_script = var.lifetime == "no_launch" ? null : "echo set up >/etc/pod-setup\n"
  }

  step "exec_script" "mark" {
    inside  = step.box
    creates = "/etc/pod-mark"
    script  = "cat /etc/cvs-release /etc/pod-setup >/etc/pod-mark\n"
  }

  step "sshd_ensure" "mpi" {
    inside      = step.box
    port        = 2225
    cluster_key = true
  }
}
`

// pods are the podman containers of the playbook, by node: which, and what was written into them.
func pods(c *remotetest.Cluster) map[string]string {
	states := map[string]string{}
	for _, n := range c.Nodes {
		states[n.Name] = strings.TrimSpace(c.Exec(n.Name, "podman inspect --format '{{.Id}}' pod; podman exec pod cat /etc/pod-mark"))
	}
	return states
}

// Podman on real nodes that have Docker too: check tells and changes nothing, the run changes just that, the second run nothing; a node that was down has its
// container, in which podman then sees one that was never started, started again with its files; a node that is down is unknown.
func TestPodmanOnCluster(t *testing.T) {
	t.Parallel()
	c := remotetest.UseCluster(t)
	u := newUser(t)
	u.write("podman.hcl", podmanPlaybook)
	before := c.Snapshot()
	checked := u.succeeds("check", "podman.hcl", "-i", c.Inventory, "--output", "json").events(t)
	if diff := before.Diff(c.Snapshot()); diff != "" {
		t.Errorf("check changed something:\n%s", diff)
	}
	ran := u.succeeds("run", "podman.hcl", "-i", c.Inventory, "--output", "json").events(t)
	foreseen, done := those(ends(checked), event.WouldChange), those(ends(ran), event.Changed)
	if len(foreseen) != 3*len(c.Nodes) || !slices.Equal(foreseen, done) {
		t.Errorf("check foresees\n%s\nrun changes\n%s", foreseen, done)
	}
	was, after := pods(c), c.Snapshot()
	for _, n := range c.Nodes {
		if !strings.HasSuffix(was[n.Name], "\n2.0\nset up") {
			t.Errorf("%s: %q", n.Name, was[n.Name])
		}
		if out := c.Exec(n.Name, "docker ps -aq; podman exec pod sh -c 'ssh -o BatchMode=yes -o ConnectTimeout=5 -p 2225 root@"+c.Nodes[0].Name+" cat /etc/pod-setup'"); out != "set up\n" {
			t.Errorf("from %s to %s: %q", n.Name, c.Nodes[0].Name, out)
		}
	}
	for _, inventory := range []string{c.Inventory, c.AsAmd} {
		if second := u.succeeds("run", "podman.hcl", "-i", inventory); !strings.Contains(second.stdout, "all well, nothing changed") {
			t.Errorf("the second run: %s", second)
		}
	}
	if diff := after.Diff(c.Snapshot()); diff != "" {
		t.Errorf("the second run changed something:\n%s", diff)
	}
	t.Run("an account without rights has containers of its own", func(t *testing.T) { ownContainers(t, u, c) })

	back := c.Nodes[1].Name
	c.Stop(back)
	refused := u.cvsplay("run", "podman.hcl", "-i", c.Inventory)
	if refused.code != 1 || !strings.Contains(refused.stdout, "unknown: "+back) {
		t.Errorf("%s is down: %s", back, refused)
	}
	c.Start(back)
	events := u.succeeds("run", "podman.hcl", "-i", c.Inventory, "--output", "json").events(t)
	if changed := those(ends(events), event.Changed); !slices.Equal(changed, []string{back + " box", back + " mpi"}) {
		t.Errorf("%s is back: the run changed %s", back, changed)
	}
	if now := pods(c); fmt.Sprint(now) != fmt.Sprint(was) {
		t.Errorf("the containers were\n%s, and are\n%s", was, now)
	}
}

// ownContainers: an account that may not do everything is answered by podman all the same, with what is its own. So root's container is not there.
func ownContainers(t *testing.T, u user, c *remotetest.Cluster) {
	u.write("plain.hcl", strings.Replace(podmanPlaybook, "become = true", "", 1))
	ran := u.cvsplay("run", "plain.hcl", "-i", c.AsAmd, "--var", "lifetime=no_launch")
	if ran.code != 1 || !strings.Contains(ran.stdout, "not running: node[1-3] (absent)") {
		t.Error(ran)
	}
}
