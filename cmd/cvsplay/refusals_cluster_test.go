package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"cvsplay/engine/event"
	"cvsplay/engine/remote/remotetest"
)

const refusalsPlaybook = `
variable "image" { type = string }
variable "lifetime" { default = "persistent" }
variable "partial" { default = "refuse" }
variable "on_drift" { default = "warn" }
variable "greeting" { default = "hello" }
play "refusals" {
  hosts = group.gpu
  step "image_digest" "image" {
    run_once = true
    image    = var.image
    insecure = true
  }
  step "container_ensure" "box" {
    name     = "box"
    image    = step.image.ref
    lifetime = var.lifetime
    partial  = var.partial
    on_drift = var.on_drift
    env      = { GREETING = var.greeting }
  }
}
`

// A refusal is a state of the nodes in which container_ensure must not act. All nodes have the container when it begins.
type refusal struct {
	row     string
	prepare map[string]string // by node
	limited []string          // a run before it, over some of the nodes
	args    []string
	code    int
	ends    map[event.Status][]string
	says    []string            // to people
	around  map[string][]string // by node, a script that breaks it for the time of the runs and one that mends it
	way     []string            // the way out: arguments of a run that ends well
	forced  map[string]string   // what a person has to do on nodes before it
	changes []string            // the nodes that it changes
}

// refusals are the rows of the table; the names of the nodes are those of the cluster.
func refusals(image1 string) []refusal {
	const gone = `docker rm -f box >/dev/null`
	const foreign = gone + `; docker run -d --name box --env GREETING=other "$image" >/dev/null`
	const stopped = "docker stop -t 0 box >/dev/null"
	all := []string{"node1", "node2", "node3"}
	refused := map[event.Status][]string{event.Refused: all}
	launchMissing := []string{"--var", "partial=launch_missing"}
	return []refusal{{
		row: "partial: some absent, some not", prepare: map[string]string{"node3": gone}, code: 1, ends: refused,
		says: []string{
			"container box is on some hosts and not on others", "has it: node[1-2] (running)", "absent: node3",
			"remove it everywhere and run again", `partial = "launch_missing"`,
		},
		way: launchMissing, changes: []string{"node3"},
	}, {
		row: "partial: absent, stopped and running", prepare: map[string]string{"node3": gone, "node2": stopped}, code: 1, ends: refused,
		says: []string{"has it: node1 (running)", "has it: node2 (exited)", "absent: node3"},
		way:  launchMissing, changes: []string{"node2", "node3"},
	}, {
		row: "unknown: the runtime does not answer", code: 1, ends: map[event.Status][]string{event.Refused: {"node1", "node2"}, event.Failed: {"node3"}},
		around: map[string][]string{"node3": {"mv /run/docker.sock /run/docker.aside", "mv /run/docker.aside /run/docker.sock"}},
		says: []string{
			"the state of 1 host is not known, so nothing is launched anywhere", "unknown: node3 (the container runtime does not answer: ",
			"Is the docker daemon running?", "bring it back; or go on without it",
		},
	}, {
		row: "skewed image", prepare: map[string]string{"node2": gone}, limited: []string{"--limit", "node2", "--var", "image=" + image1}, code: 1,
		ends: refused,
		says: []string{"container box does not run the same image on all hosts", "node2", "node[1,3]", image1, `on_drift = "recreate"`},
		way:  []string{"--var", "on_drift=recreate"}, changes: []string{"node2"},
	}, {
		row: "foreign container, per_run", prepare: map[string]string{"node1": foreign}, args: []string{"--var", "lifetime=per_run"}, code: 1, ends: refused,
		says: []string{
			"container box was not launched by cvsplay on some hosts, and would have to be removed", "not ours: node1 (box ", "running, from ",
			"adopt = true takes it over",
		},
		way: launchMissing, forced: map[string]string{"node1": gone}, changes: []string{"node1"},
	}, {
		row: "foreign container, recreated for drift", prepare: map[string]string{"node1": foreign}, args: []string{"--var", "on_drift=recreate"}, code: 1,
		ends: refused,
		says: []string{"was not launched by cvsplay on some hosts, and would have to be replaced", "not ours: node1", "adopt = true takes it over"},
		way:  launchMissing, forced: map[string]string{"node1": gone}, changes: []string{"node1"},
	}, {
		row: "drift: warned of", args: []string{"--var", "greeting=goodbye"}, code: 0, ends: map[event.Status][]string{event.OK: all},
		says: []string{"GREETING", "hello", "goodbye", "node[1-3]"},
	}, {
		row: "drift: failed", args: []string{"--var", "greeting=goodbye", "--var", "on_drift=fail"}, code: 1,
		ends: map[event.Status][]string{event.Failed: all}, says: []string{"GREETING", "hello", "goodbye", "node[1-3]"},
	}, {
		row: "no_launch: not running everywhere", prepare: map[string]string{"node2": stopped}, args: []string{"--var", "lifetime=no_launch"}, code: 1,
		ends: refused,
		says: []string{
			`container box does not run everywhere, and lifetime = "no_launch" never starts it`, "not running: node2 (exited)",
			"start it there, or use another lifetime",
		},
		changes: []string{"node2"},
	}}
}

// What container_ensure refuses on real nodes it says with the hosts, the cause and the way out; no container is other than it was; and the way
// that it names leads out.
func TestRefusalsOnCluster(t *testing.T) {
	t.Parallel()
	c := remotetest.UseCluster(t)
	u := newUser(t)
	u.write("p.hcl", refusalsPlaybook)
	image := c.Registry + "/rocm/cvs:2.0"
	cvsplay := func(verb string, args ...string) ended {
		return u.cvsplay(slices.Concat([]string{verb, "p.hcl", "-i", c.Inventory, "--var", "image=" + image}, args)...)
	}
	must := func(args ...string) ended {
		t.Helper()
		e := cvsplay("run", append(args, "--output", "json")...)
		if e.code != 0 {
			t.Fatal(e)
		}
		return e
	}
	must()
	for _, r := range refusals(c.Registry + "/rocm/cvs:1.0") {
		t.Run(r.row, func(t *testing.T) {
			for node, script := range r.prepare {
				c.Exec(node, "image="+image+"; "+script)
			}
			if r.limited != nil {
				must(r.limited...)
			}
			before := containerStates(c)
			for node, scripts := range r.around {
				c.Exec(node, scripts[0])
			}
			runs := []ended{cvsplay("check", append(r.args, "--output", "json")...), cvsplay("run", append(r.args, "--output", "json")...)}
			people := cvsplay("run", r.args...)
			for node, scripts := range r.around {
				c.Exec(node, scripts[1])
			}
			if after := containerStates(c); !maps.Equal(before, after) {
				t.Errorf("the containers were\n%s\nand are\n%s", before, after)
			}
			for _, e := range runs {
				r.ended(t, e, c)
			}
			words := strings.Join(strings.Fields(people.stdout), " ")
			for _, want := range r.says {
				if !strings.Contains(words, want) {
					t.Errorf("it does not say %q:\n%s", want, people)
				}
			}
			for node, script := range r.forced {
				c.Exec(node, script)
			}
			var changed []string
			for _, name := range those(ends(must(r.way...).events(t)), event.Changed) {
				changed = append(changed, strings.TrimSuffix(name, " box"))
			}
			if !slices.Equal(changed, r.changes) {
				t.Errorf("the way out changes %s, want %s", changed, r.changes)
			}
		})
	}
}

// ended holds the end of a run to the row.
func (r refusal) ended(t *testing.T, e ended, c *remotetest.Cluster) {
	t.Helper()
	got := ends(e.events(t))
	bad := e.code != r.code
	for status, nodes := range r.ends {
		for _, node := range nodes {
			bad = bad || got[node+" box"].Status != status
		}
	}
	if bad || len(c.Nodes) != 3 {
		t.Errorf("want exit code %d and %v: %s", r.code, r.ends, e)
	}
}
