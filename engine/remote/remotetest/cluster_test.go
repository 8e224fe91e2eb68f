package remotetest

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// ssh runs a command on a node as a person would, with host keys checked strictly.
func ssh(t *testing.T, c *Cluster, user string, node Node, command string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ssh", "-F", "none", "-i", c.Key, "-o", "IdentitiesOnly=yes",
		"-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=5", "-o", "UserKnownHostsFile="+c.KnownHosts,
		user+"@"+node.Address, command).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func TestClusterLetsBothAccountsIn(t *testing.T) {
	c := UseCluster(t)
	if len(c.Nodes) < 3 {
		t.Fatalf("the cluster has %d nodes: %v", len(c.Nodes), c.Nodes)
	}
	for _, node := range c.Nodes {
		if out, err := ssh(t, c, "root", node, "hostname; id -un"); err != nil || out != node.Name+"\nroot" {
			t.Errorf("root@%s: %q, %v", node.Name, out, err)
		}
		if out, err := ssh(t, c, "amd", node, "docker ps >/dev/null 2>&1 || sudo -n id -un"); err != nil || out != "root" {
			t.Errorf("amd@%s: %q, %v", node.Name, out, err)
		}
	}
}

func TestClusterNodesPullFromItsRegistryByDigest(t *testing.T) {
	c := UseCluster(t)
	digest := manifestDigest(t, "http://"+c.Registry+"/v2/rocm/cvs/manifests/latest")
	if old := manifestDigest(t, "http://"+c.Registry+"/v2/rocm/cvs/manifests/1.0"); old == digest {
		t.Errorf("1.0 and latest are the same image, %s", digest)
	}
	image := c.Registry + "/rocm/cvs@" + digest
	c.Exec("node2", "docker pull -q "+image)
	if out := c.Exec("node2", "docker run --rm --network host "+image+" cat /etc/cvs-release"); out != "2.0\n" {
		t.Errorf("the image of %s says %q", digest, out)
	}
	if out := c.Exec("node1", "docker images -q"); out != "" {
		t.Errorf("what node2 pulled is on node1: %q", out)
	}
}

func manifestDigest(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodHead, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/vnd.docker.distribution.manifest.v2+json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	digest := response.Header.Get("Docker-Content-Digest")
	if response.StatusCode != http.StatusOK || digest == "" {
		t.Fatalf("%s: %s, digest %q", url, response.Status, digest)
	}
	return digest
}

func TestClusterNodeStopsAndStarts(t *testing.T) {
	c := UseCluster(t)
	node := c.Nodes[1]
	boot := c.Exec(node.Name, "echo kept >/root/kept; cat /proc/sys/kernel/random/boot_id")
	c.Stop(node.Name)
	if out, err := ssh(t, c, "root", node, "true"); err == nil {
		t.Errorf("a stopped node answers: %q", out)
	}
	if out, err := ssh(t, c, "root", c.Nodes[0], "true"); err != nil {
		t.Errorf("another node does not: %q", out)
	}
	c.Start(node.Name)
	if out, err := ssh(t, c, "root", node, "cat /root/kept; rm /root/kept"); err != nil || out != "kept" {
		t.Errorf("after its start: %q, %v", out, err)
	}
	if again := c.Exec(node.Name, "cat /proc/sys/kernel/random/boot_id"); again == boot {
		t.Errorf("the boot id stayed %q", boot)
	}
}

func TestClusterSnapshotSeesWhatChanges(t *testing.T) {
	c := UseCluster(t)
	before := c.Snapshot()
	for _, node := range c.Nodes {
		if out, err := ssh(t, c, "amd", node, "sudo -n docker ps"); err != nil {
			t.Fatalf("%s: %q", node.Name, out)
		}
	}
	if diff := before.Diff(c.Snapshot()); diff != "" {
		t.Errorf("looking changes something:\n%s", diff)
	}
	// What follows is undone at the end, each in one script, with the wanted difference beside it.
	c.t.Cleanup(func() { c.Exec("node3", "rm -f /tmp/new; chmod 0700 /home/amd; pkill -f '^sleep 61$'") })
	changes := []struct{ script, want string }{
		{"cp /etc/hosts.allow /run/x; cat /run/x >/etc/hosts.allow", "node3 + file /etc/hosts.allow"}, // the same bytes again
		{"touch /tmp/new", "node3 + file /tmp/new"},
		{"chmod 0711 /home/amd", "node3 + file /home/amd d711"},
		{"docker create --name box " + c.Registry + "/rocm/cvs:1.0", "node3 + container /box"},
		{"setsid sleep 61 >/dev/null 2>&1 &", "node3 + process root sleep 61"},
	}
	for _, change := range changes {
		c.Exec("node3", change.script)
	}
	diff := before.Diff(c.Snapshot())
	for _, change := range changes {
		if !strings.Contains(diff, change.want) {
			t.Errorf("after %s: no %q in\n%s", change.script, change.want, diff)
		}
	}
	if strings.Contains(diff, "node1") {
		t.Errorf("node1 changed too:\n%s", diff)
	}
}

func TestSnapshotDiff(t *testing.T) {
	before := Snapshot{"a": {"x", "y", "y"}, "b": {"z"}}
	after := Snapshot{"a": {"y", "x"}, "c": {"z"}}
	want := "a - y\nb - z\nc + z\n"
	if got := before.Diff(after); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
