package modules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/crypto/ssh"

	"cvsplay/engine"
)

func init() { register(engine.Fleet(sshdSchema, decideSSHD)) }

// sshdArgs are the arguments of one sshd_ensure step on one host.
type sshdArgs struct {
	Port           int      `arg:"port"`
	Listen         string   `arg:"listen"`
	AuthorizedKeys []string `arg:"authorized_keys"`
	ClusterKey     bool     `arg:"cluster_key"`
	Names          []string `arg:"names"`
	PermitRoot     string   `arg:"permit_root"`
	HostKeys       string   `arg:"host_keys"`
	KnownHosts     *bool    `arg:"known_hosts"`
	Package        bool     `arg:"package"`
	SkipSingle     bool     `arg:"skip_single"`
}

var sshdSchema = engine.Module{
	Name:    "sshd_ensure",
	Summary: "A running sshd for cluster jobs, on a host or inside a container, on a port of its own.",
	Doc: `Keeps an sshd of its own beside whatever sshd the host has, with a configuration, a host key (ed25519) and authorized keys of its own in ` + "`/etc/ssh/cvsplay`" + `. It is
` + "`ok`" + ` where the process that listens on the port is the sshd that was started with that configuration, and the configuration and the keys are as declared. Changed
configuration is loaded by SIGHUP; sessions go on. It needs root (` + "`become = true`" + ` on a host). It is a process, not a service: after a reboot, or after its container was
started again, the next run starts it.

**Refused**: something else listens on the port (it is named as far as the host, or the container, can see it).

**` + "`cluster_key`" + `**: every node makes a client key of its own (` + "`/root/.ssh/id_ed25519`" + `) where it has none; no private key travels. The public keys go into the authorized
keys of every node, and with ` + "`known_hosts`" + ` the host keys into marked lines of ` + "`/root/.ssh/known_hosts2`" + `, which OpenSSH reads beside ` + "`known_hosts`" + `, so that
` + "`ssh -p PORT root@NODE`" + ` works from every node to every other with strict checking. Where ` + "`UserKnownHostsFile`" + ` in the configuration of root's ssh leaves that file out, a
warning says so; programs that are not OpenSSH may not read it. Other lines there, ` + "`known_hosts`" + ` and ` + "`/root/.ssh/authorized_keys`" + ` are left alone (but for marked lines that
an earlier version put into ` + "`known_hosts`" + `: they move); the last counts too. Entries of hosts that cannot be asked stay. Under ` + "`--limit`" + ` a change of keys is
refused, since the hosts left out would not learn of it.

**Failed**: the daemon does not listen ten seconds after it was started, whatever its exit code; no sshd is installed and ` + "`package`" + ` is not set.

Keys in ` + "`authorized_keys`" + ` may log in as any account; as root only with ` + "`permit_root = \"prohibit-password\"`" + `. Nobody logs in with a password.`,
	Example: `step "sshd_ensure" "mpi" {
  port        = 2224
  cluster_key = true
}
`,
	Args: []engine.Arg{
		{Name: "port", Type: cty.Number, Default: 2224, Valid: validPort, Doc: "Port it listens on."},
		{Name: "listen", Type: cty.String, Valid: validListen, Doc: "Address it listens on; default: all."},
		{Name: "authorized_keys", Type: cty.List(cty.String), Valid: validKeys, Doc: "Public keys that may log in, as lines of an authorized_keys file."},
		{Name: "cluster_key", Type: cty.Bool, Default: false, Doc: "Every node may log in on every other, each with a client key of its own."},
		{Name: "names", Type: cty.List(cty.String), Valid: validNames, Doc: "Names and addresses under which the other nodes know this one; default: `[host.name, host.address]`."},
		{Name: "permit_root", Type: cty.String, Default: "prohibit-password", Values: []string{"prohibit-password", "no"}, Doc: "Whether root may log in, by key."},
		{Name: "host_keys", Type: cty.String, Default: "generate", Values: []string{"generate"}, Doc: "Where host keys come from: made on the node where they are missing."},
		{Name: "known_hosts", Type: cty.Bool, Doc: "Every node knows the host key of every other; default: true with `cluster_key`."},
		{Name: "package", Type: cty.Bool, Default: false, Doc: "Install the package openssh-server where sshd is missing."},
		{Name: "skip_single", Type: cty.Bool, Default: false, Doc: "With one host in scope there is nothing to do: `skipped`."},
	},
	Results: []engine.Result{
		{Name: "port", Type: cty.Number, Repeats: "port", Doc: "The port."},
		{Name: "host_key", Type: cty.String, Doc: "Public host key, `ssh-ed25519 AAAA…`."},
		{Name: "config", Type: cty.String, Doc: "Path of the configuration file."},
		{Name: "address", Type: cty.String, Doc: "Under which the other nodes reach it: the first of `names`, else the host's address."},
	},
	Place: false,
	Check: checkSSHD,
}

func validPort(v cty.Value) error {
	if n, exact := v.AsBigFloat().Int64(); exact != 0 || n < 1 || n > 65535 {
		return fmt.Errorf("a port is a whole number from 1 to 65535")
	}
	return nil
}

func validListen(v cty.Value) error {
	if _, err := netip.ParseAddr(v.AsString()); err != nil {
		return fmt.Errorf("not an IP address")
	}
	return nil
}

func validKeys(v cty.Value) error {
	for _, each := range v.AsValueSlice() {
		if !each.IsKnown() || each.IsNull() {
			continue
		}
		key := strings.TrimSpace(each.AsString())
		if strings.ContainsAny(key, "\r\n") {
			return fmt.Errorf("more than one line in a key; lines(file(…)) makes a list of them")
		}
		_, comment, _, _, err := ssh.ParseAuthorizedKey([]byte(key))
		if err != nil {
			return fmt.Errorf("%.40q is not a public key", key)
		}
		if strings.HasPrefix(comment, sshdMark) {
			return fmt.Errorf("the comment %q is how cvsplay marks its own lines; change it", comment)
		}
	}
	return nil
}

func validNames(v cty.Value) error {
	for _, each := range v.AsValueSlice() {
		if !each.IsKnown() || each.IsNull() {
			continue
		}
		if name := each.AsString(); name == "" || strings.ContainsAny(name, " \t\r\n,[]*?!#|@") {
			return fmt.Errorf("%q is neither a host name nor an address", name)
		}
	}
	return nil
}

func checkSSHD(in engine.Inputs) []engine.Complaint {
	if in.True("cluster_key") && in.String("permit_root") == "no" {
		return []engine.Complaint{{Arg: "permit_root", Say: "with cluster_key the nodes log in as root; permit_root = \"no\" keeps them out"}}
	}
	return nil
}

func (a sshdArgs) knowsHosts() bool {
	if a.KnownHosts != nil {
		return *a.KnownHosts
	}
	return a.ClusterKey
}

// names are those of a node, each once.
func (a sshdArgs) names(seen engine.Seen) []string {
	names := a.Names
	if len(names) == 0 {
		names = []string{seen.Host, seen.Address}
	}
	var out []string
	for _, n := range names {
		if n != "" && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

func (a sshdArgs) address(seen engine.Seen) string {
	if len(a.Names) > 0 {
		return a.Names[0]
	}
	return seen.Address
}

// The answers to Ask, by position.
const (
	sshdFacts = iota
	sshdConfig
	sshdAuthorized
	sshdFolder
	sshdPrivsep
	sshdHostPub
	sshdRootFolder // from here on only where keys are exchanged
	sshdKnown      // our file of host keys
	sshdPersons    // root's own
	sshdClientKey
	sshdClientPub
)

// Ask looks at the port and who listens there, at our files, and where keys are exchanged at those of root.
func (a sshdArgs) Ask() []engine.Question {
	f := filesOf(a.Port)
	out := []engine.Question{
		a.question(),
		engine.Path{Path: f.config, Hash: true},
		engine.Path{Path: f.authorized, Hash: true},
		engine.Path{Path: f.folder},
		engine.Path{Path: f.privsep},
		engine.Path{Path: f.hostKey + ".pub", Read: 16 << 10},
	}
	if a.ClusterKey || a.knowsHosts() {
		out = append(out,
			engine.Path{Path: rootSSH, Follow: true},
			engine.Path{Path: rootKnownHosts, Hash: true},
			engine.Path{Path: personsKnownHosts, Hash: true},
		)
	}
	if a.ClusterKey {
		out = append(out,
			engine.Path{Path: rootKey, Follow: true},
			engine.Path{Path: rootKey + ".pub", Follow: true, Read: 16 << 10},
		)
	}
	return out
}

// decideSSHD brings all nodes forward together: whatever a node can do by itself is done at once, and keys are exchanged as soon as every
// node that will have one has it.
func decideSSHD(all []engine.On[sshdArgs]) []engine.Decision {
	fleet := make(sshdFleet, len(all))
	for i, on := range all {
		fleet[i] = newSSHDNode(on)
		if on.Reach == engine.Reached && on.Args.SkipSingle && len(all) == 1 {
			fleet[i].stop = engine.Stop{State: engine.Skipped, Why: "one host in scope, and skip_single is set"}
		}
	}
	for {
		mesh := newSSHDMesh(fleet)
		if more := mesh.read(); more != nil {
			return more
		}
		mesh.refuseLimited()
		if mesh.stopped {
			continue // at least one node less takes part
		}
		out := make([]engine.Decision, len(all))
		for i, n := range fleet {
			out[i] = n.decide(mesh)
		}
		return out
	}
}
