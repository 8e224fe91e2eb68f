package remotetest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// ClusterEnv names the environment variable with the state folders of clusters that run already, as
// examples/docker-cluster/cluster made them: one, or several with a colon between them.
const ClusterEnv = "CVSPLAY_CLUSTER"

// A Cluster is three nodes, each with an OpenSSH server, a Docker Engine of its own and Podman, and a registry. One test has it for itself.
type Cluster struct {
	Nodes      []Node
	Registry   string // host:port; plain HTTP. Holds rocm/cvs:1.0, :2.0, :latest (2.0, both with an sshd) and debian:bookworm
	Key        string // path of the private key that opens root's and amd's account on every node
	KnownHosts string // path of a known_hosts file with the nodes' host keys, by address and by name
	Inventory  string // path of an inventory of the nodes, all in group gpu, as root
	AsAmd      string // path of the same inventory as amd, who becomes root by sudo without a password

	t   testing.TB
	dir string
}

// A Node is one machine of a Cluster.
type Node struct {
	Name    string // node1, node2, node3
	Address string // reached from here, on port 22
}

// UseCluster gives the test a cluster for as long as it runs: all nodes up, no containers, and no images on them. What the test
// leaves in their file systems stays there, so tests write to paths of their own. Nodes that the test stopped are started again.
//
// It is one of the clusters that ClusterEnv names, shared with other test programs one test at a time; without one a cluster is started at the
// first call, and removed when the test program ends, however it ends. That takes Docker, and the cluster's images, which
// are built only where RequireEnv names "cluster": a plain go test downloads nothing. Where there can be none, the test is skipped as
// by Need.
func UseCluster(t testing.TB) *Cluster {
	t.Helper()
	Need(t, "docker")
	dirs, err := sharedClusters()
	if err != nil {
		lack(t, "cluster", err.Error())
	}
	t.Logf("uses cluster")
	var clusters []*Cluster
	var locks []string
	for _, dir := range dirs {
		c, err := openCluster(dir)
		if err != nil {
			t.Fatal(err)
		}
		clusters, locks = append(clusters, c), append(locks, filepath.Join(dir, "lock"))
	}
	c := clusters[lockOneOf(t, locks)]
	c.t = t
	c.reset()
	return c
}

// Exec runs a script as root on a node and returns its standard output. It goes through the engine, not through SSH. The test ends where
// the script fails.
func (c *Cluster) Exec(node, script string) string {
	c.t.Helper()
	return c.command("exec", node, "sh", "-ec", script)
}

// Stop shuts a node down: its processes are gone, its disks stay.
func (c *Cluster) Stop(node string) {
	c.t.Helper()
	c.t.Cleanup(func() { c.Start(node) })
	c.command("stop", node)
}

// Start starts a node again, and returns when it answers. A node that is up stays up.
func (c *Cluster) Start(node string) {
	c.t.Helper()
	c.command("start", node)
}

// Snapshot tells what is on every node: files with their times, containers, images, and the processes that no session holds.
func (c *Cluster) Snapshot() Snapshot {
	c.t.Helper()
	taken := Snapshot{}
	for node, out := range c.everywhere(snapshotScript) {
		taken[node] = strings.Split(strings.TrimSpace(out), "\n")
	}
	return taken
}

const resetScript = `
ids=$(docker ps --all --quiet)
[ -z "$ids" ] || docker rm --force --volumes $ids >/dev/null
ids=$(docker images --quiet | sort -u)
[ -z "$ids" ] || docker rmi --force $ids >/dev/null
podman rm --all --force --time 0 >/dev/null
podman rmi --all --force >/dev/null
[ ! -d /home/amd/.local/share/containers ] || runuser -u amd -- sh -c 'cd; podman rm --all --force --time 0; podman rmi --all --force' >/dev/null`

func (c *Cluster) reset() {
	c.t.Helper()
	if _, err := c.tryOnAll("exec", "sh", "-ec", resetScript); err != nil { // a node is down
		c.onAll("start")
		c.everywhere(resetScript)
	}
}

// everywhere runs a script on all nodes at the same time.
func (c *Cluster) everywhere(script string) map[string]string {
	c.t.Helper()
	return c.onAll("exec", "sh", "-ec", script)
}

// onAll gives a command of the script that keeps clusters to all nodes at the same time.
func (c *Cluster) onAll(command string, args ...string) map[string]string {
	c.t.Helper()
	outs, err := c.tryOnAll(command, args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return outs
}

func (c *Cluster) tryOnAll(command string, args ...string) (map[string]string, error) {
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		outs = map[string]string{}
		errs []error
	)
	for _, node := range c.Nodes {
		all.Go(func() {
			out, err := clusterCommand(c.dir, append([]string{command, node.Name}, args...)...)
			mu.Lock()
			defer mu.Unlock()
			outs[node.Name] = out
			errs = append(errs, err)
		})
	}
	all.Wait()
	return outs, errors.Join(errs...)
}

func (c *Cluster) command(args ...string) string {
	c.t.Helper()
	out, err := clusterCommand(c.dir, args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// openCluster reads what the script left about a cluster in its state folder.
func openCluster(dir string) (*Cluster, error) {
	hosts, err := os.ReadFile(filepath.Join(dir, "hosts"))
	if err != nil {
		return nil, fmt.Errorf("no cluster is up in %s: %w", dir, err)
	}
	c := &Cluster{
		Key:        filepath.Join(dir, "id_ed25519"),
		KnownHosts: filepath.Join(dir, "known_hosts"),
		Inventory:  filepath.Join(dir, "inventory.hcl"),
		AsAmd:      filepath.Join(dir, "inventory-amd.hcl"),
		dir:        dir,
	}
	for line := range strings.Lines(string(hosts)) {
		var address, name string
		if _, err := fmt.Sscan(line, &address, &name); err != nil {
			return nil, fmt.Errorf("%s/hosts: %q: %w", dir, line, err)
		}
		if name == "registry" {
			c.Registry = address + ":5000"
			continue
		}
		c.Nodes = append(c.Nodes, Node{Name: name, Address: address})
	}
	return c, nil
}

// sharedClusters are the state folders of the clusters that this test program may use.
var sharedClusters = sync.OnceValues(func() ([]string, error) {
	if list := os.Getenv(ClusterEnv); list != "" {
		return filepath.SplitList(list), nil
	}
	if !required(os.Getenv(RequireEnv), "cluster") {
		if _, err := clusterCommand("", "built"); err != nil {
			return nil, errors.New("its images are not built (make cluster-up builds them)")
		}
	}
	dir, err := os.MkdirTemp("", "cvsplay-cluster-")
	if err != nil {
		return nil, err
	}
	if err := removeAtEnd(dir); err != nil {
		return nil, err
	}
	_, err = clusterCommand(dir, "up", "3")
	return []string{dir}, err
})

// removeAtEnd leaves a process behind that waits for the end of this one, and then removes the cluster. It has a session of its own: a
// Ctrl-C, too, ends this process only.
func removeAtEnd(dir string) error {
	script, err := clusterScript()
	if err != nil {
		return err
	}
	ended, alive, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := exec.Command("/bin/sh", "-c", `cat; exec "$0" down`, script)
	cmd.Env = append(os.Environ(), ClusterEnv+"="+dir)
	cmd.Stdin = ended
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer func() { _ = alive.Close() }() // and alive stays open as long as the process is waited for
		_ = cmd.Wait()
	}()
	return ended.Close()
}

// clusterCommand runs the script that keeps clusters, and returns its standard output.
func clusterCommand(dir string, args ...string) (string, error) {
	script, err := clusterScript()
	if err != nil {
		return "", err
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(script, args...)
	cmd.Env = append(os.Environ(), ClusterEnv+"="+dir)
	cmd.Stdin = bytes.NewReader(nil)
	cmd.Stdout = &stdout
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("cluster %s: %w\n%s%s", strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// clusterScript finds the script from a package's folder, where its tests run.
func clusterScript() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "examples/docker-cluster/cluster"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("the tests do not run inside the module: no go.mod above")
		}
	}
}
