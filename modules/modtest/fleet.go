package modtest

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	cryptossh "golang.org/x/crypto/ssh"

	"cvsplay/engine/lab"
	"cvsplay/engine/remote/remotetest"
	"cvsplay/inventory"
)

// A Fleet is hosts to hold laws against.
type Fleet interface {
	Kind() Kind
	Hosts() []string
	Inventory() string        // path of an inventory of the hosts, as root
	Image() string            // a reference in a registry that the hosts and this machine reach over plain HTTP
	Older() string            // an older image of that name
	Exec(host, script string) // as root; the test ends where it fails
	Snapshot() remotetest.Snapshot
	Clear()           // removes all containers
	Lose(host string) // from now on it cannot be reached
	Find(host string) // it can again
}

// LabFleet starts simulated hosts for the test, n of them.
func LabFleet(t testing.TB, n int) *Lab {
	t.Helper()
	var specs []lab.HostSpec
	for i := range n {
		specs = append(specs, lab.HostSpec{Name: fmt.Sprintf("node%d", i+1)})
	}
	return LabOf(t, specs...)
}

// LabOf starts these simulated hosts for the test.
func LabOf(t testing.TB, specs ...lab.HostSpec) *Lab {
	t.Helper()
	l, err := lab.Start(lab.Options{Hosts: specs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	registry, err := l.Registry()
	if err != nil {
		t.Fatal(err)
	}
	f := &Lab{Lab: l, t: t, registry: registry, path: filepath.Join(t.TempDir(), "lab.hcl")}
	if _, err := inventory.SaveLab(f.path, l, inventory.LabFile{}); err != nil {
		t.Fatal(err)
	}
	return f
}

// Lab is a fleet of simulated hosts.
type Lab struct {
	*lab.Lab
	t        testing.TB
	path     string
	registry string
}

// Kind is Simulated.
func (f *Lab) Kind() Kind { return Simulated }

// Hosts are the names of the hosts.
func (f *Lab) Hosts() []string {
	var names []string
	for _, h := range f.Lab.Hosts() {
		names = append(names, h.Name())
	}
	return names
}

// Inventory is the path of an inventory that reaches the hosts over SSH.
func (f *Lab) Inventory() string { return f.path }

// Image is an image of the lab's registry.
func (f *Lab) Image() string { return f.registry + "/rocm/cvs:latest" }

// Older is the version before.
func (f *Lab) Older() string { return f.registry + "/rocm/cvs:6.4.3" }

// Exec runs a script over SSH, on a connection of its own.
func (f *Lab) Exec(host, script string) {
	f.t.Helper()
	if said, err := f.over(host, "set -e\n"+script); err != nil {
		f.t.Fatalf("%s: %v\n%s\n%s", host, err, script, said)
	}
}

// Say runs a script, and gives all that it says, and the exit code where that is not 0.
func (f *Lab) Say(host, script string) string {
	f.t.Helper()
	said, err := f.over(host, script)
	if err != nil {
		said += err.Error() + "\n"
	}
	return said
}

func (f *Lab) over(host, script string) (string, error) {
	f.t.Helper()
	h := f.Host(host)
	signer, err := cryptossh.ParsePrivateKey(f.ClientKey())
	if err != nil {
		f.t.Fatal(err)
	}
	client, err := cryptossh.Dial("tcp", net.JoinHostPort(h.Address(), strconv.Itoa(h.Port())), &cryptossh.ClientConfig{
		User: "root", Auth: []cryptossh.AuthMethod{cryptossh.PublicKeys(signer)}, HostKeyCallback: cryptossh.FixedHostKey(h.HostKey()),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		f.t.Fatal(err)
	}
	session.Stdin = strings.NewReader(script)
	said, err := session.CombinedOutput("/bin/sh -s")
	return string(said), err
}

// Snapshot tells what is on every host.
func (f *Lab) Snapshot() remotetest.Snapshot {
	taken := remotetest.Snapshot{}
	for _, h := range f.Lab.Hosts() {
		taken[h.Name()] = strings.Split(strings.TrimSpace(h.Snapshot()), "\n")
	}
	return taken
}

// Clear removes all containers.
func (f *Lab) Clear() {
	f.t.Helper()
	for _, host := range f.Hosts() {
		f.Exec(host, clearScript)
	}
}

// Lose makes a host refuse connections.
func (f *Lab) Lose(host string) { f.faults(host, lab.Fault{Kind: lab.Unreachable}) }

// Find makes it accept them again.
func (f *Lab) Find(host string) { f.faults(host) }

func (f *Lab) faults(host string, list ...lab.Fault) {
	f.t.Helper()
	if err := f.Host(host).SetFaults(list...); err != nil {
		f.t.Fatal(err)
	}
}

const clearScript = "docker ps --all --quiet | xargs -r docker rm --force --volumes >/dev/null\n"

// ClusterFleet gives the test the real nodes for as long as it runs; without any it is skipped, as by [remotetest.UseCluster].
func ClusterFleet(t testing.TB) *Cluster {
	t.Helper()
	return &Cluster{remotetest.UseCluster(t)}
}

// Cluster is a fleet of real nodes.
type Cluster struct{ *remotetest.Cluster }

// Kind is Real.
func (f *Cluster) Kind() Kind { return Real }

// Hosts are the names of the nodes.
func (f *Cluster) Hosts() []string {
	var names []string
	for _, n := range f.Nodes {
		names = append(names, n.Name)
	}
	return names
}

// Inventory is the path of an inventory of the nodes.
func (f *Cluster) Inventory() string { return f.Cluster.Inventory }

// Image is an image of the cluster's registry.
func (f *Cluster) Image() string { return f.Registry + "/rocm/cvs:latest" }

// Older is the version before.
func (f *Cluster) Older() string { return f.Registry + "/rocm/cvs:1.0" }

// Exec runs a script through the engine that runs the node.
func (f *Cluster) Exec(host, script string) { f.Cluster.Exec(host, script) }

// Clear removes all containers.
func (f *Cluster) Clear() {
	for _, host := range f.Hosts() {
		f.Exec(host, clearScript)
	}
}

// Lose ends the node's sshd, so that it refuses connections at once; the engine that runs the node still reaches it.
func (f *Cluster) Lose(host string) {
	f.Exec(host, "kill \"$(cat /run/sshd.pid)\"\nwhile [ -e /run/sshd.pid ]; do sleep 0.1; done\n")
}

// Find starts it again.
func (f *Cluster) Find(host string) {
	f.Exec(host, "/usr/sbin/sshd\nuntil [ -e /run/sshd.pid ]; do sleep 0.1; done\n")
}
