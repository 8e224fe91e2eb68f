package modules

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"cvsplay/engine"
)

// An sshdNode is one host as the decision sees it.
type sshdNode struct {
	engine.On[sshdArgs]
	files     sshdFiles
	facts     sshdFound
	hostKey   string          // public, type and base64; "": none yet
	clientKey string          // the same of root's client key
	asks      int             // how many of its answers are those to Ask
	stop      engine.Decision // it takes no part; nil: it does
}

// An sshdFleet is all hosts in scope.
type sshdFleet []*sshdNode

func newSSHDNode(on engine.On[sshdArgs]) *sshdNode {
	n := &sshdNode{On: on, files: filesOf(on.Args.Port)}
	if on.Reach != engine.Reached {
		n.stop = engine.Stop{State: engine.Failed, Why: on.Why}
		return n
	}
	if stop, failed := failedBefore(on.Past); failed {
		n.stop = stop
	}
	facts, err := readSSHDFacts(on.Answers[sshdFacts])
	if err != nil {
		n.stop = failedStop("%s", err)
		return n
	}
	n.facts, n.asks = facts, len(on.Args.Ask())
	n.readKeys()
	if n.stop == nil {
		n.stop = n.unfit()
	}
	return n
}

func (n *sshdNode) path(answer int) engine.PathInfo {
	if answer >= n.asks {
		return engine.PathInfo{}
	}
	return n.Answers[answer].Path
}

// further are the answers to what was asked beyond Ask.
func (n *sshdNode) further() []engine.Answer { return n.Answers[n.asks:] }

func (n *sshdNode) readKeys() {
	n.hostKey = publicKey(n.path(sshdHostPub))
	if n.Args.ClusterKey && n.path(sshdClientKey).Kind == engine.Regular {
		n.clientKey = publicKey(n.path(sshdClientPub))
	}
}

// publicKey is the key in a .pub file, without its comment; "" where there is none.
func publicKey(info engine.PathInfo) string {
	if info.Kind != engine.Regular || !info.Read {
		return ""
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(info.Content)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// unfit finds what keeps a node from having its sshd; nil: nothing.
func (n *sshdNode) unfit() engine.Decision {
	f := n.facts
	switch {
	case f.UID != "0":
		return failedStop("sshd_ensure needs root here, and runs as uid %s: set become = true", f.UID)
	case n.missing() != "" && !n.Args.Package:
		return failedStop("no %s here: set package = true, or install openssh-server before (in a container: in its setup_script)", n.missing())
	case f.EncryptedKey && n.Args.ClusterKey:
		return engine.Stop{State: engine.Refused, Why: rootKey + " has a passphrase, so that no job can use it: move it away, or set cluster_key = false"}
	}
	if d := n.unfitFiles(); d != nil {
		return d
	}
	if foreign := f.foreign(n.Args.Listen); foreign != "" {
		return engine.Stop{State: engine.Refused, Why: fmt.Sprintf("port %d is taken by %s: choose another port, or stop it", n.Args.Port, foreign)}
	}
	return nil
}

// unfitFiles finds a file of ours that is something else.
func (n *sshdNode) unfitFiles() engine.Decision {
	for _, f := range []struct {
		answer int
		path   string
	}{{sshdConfig, n.files.config}, {sshdAuthorized, n.files.authorized}, {sshdKnown, rootKnownHosts}} {
		if info := n.path(f.answer); info.Kind != engine.PathUnknown && info.Kind != engine.Absent && info.Kind != engine.Regular {
			return wrongKind(f.path, info, "a file")
		}
	}
	return nil
}

// missing names the first program that is not there; "": all are.
func (n *sshdNode) missing() string {
	switch {
	case n.facts.SSHD == "":
		return "sshd"
	case n.facts.Keygen == "":
		return "ssh-keygen"
	case n.facts.SSH == "" && n.Args.ClusterKey:
		return "ssh"
	}
	return ""
}

// needsClientKey and needsHostKey tell whether the node will make a key that the others have to learn.
func (n *sshdNode) needsClientKey() bool {
	return n.stop == nil && n.Args.ClusterKey && n.clientKey == ""
}
func (n *sshdNode) needsHostKey() bool { return n.stop == nil && n.hostKey == "" }

// decide gives the node's part: what it has to do, in order, and what it will have to do.
func (n *sshdNode) decide(m *sshdMesh) engine.Decision {
	if n.stop != nil {
		return n.stop
	}
	changes := n.changes(m)
	results := engine.Values{"port": n.Args.Port, "config": n.files.config, "address": n.Args.address(n.Seen)}
	if n.hostKey != "" {
		results["host_key"] = n.hostKey
	}
	acts := false
	for _, c := range changes {
		acts = acts || len(c.Do) > 0
	}
	// Foreseen changes alone wait for other nodes. Once something was done here, waiting is said by Done, which does not count while others work.
	if len(changes) == 0 || (!acts && len(n.Past) > 0) {
		return engine.Done{Results: results, Warn: n.warnings()}
	}
	return engine.Act{Changes: changes, Results: results}
}

func (n *sshdNode) changes(m *sshdMesh) []engine.Change {
	if n.missing() != "" {
		return n.changesOnceInstalled(m)
	}
	out := n.folders()
	out = append(out, n.keys()...)
	config := n.config()
	out = append(out, config...)
	out = append(out, n.exchange(m)...)
	return append(out, n.process(len(config) > 0 || n.hostKey == "")...)
}

// changesOnceInstalled: which accounts are locked, and whether there is PAM, is seen after the package is there.
func (n *sshdNode) changesOnceInstalled(m *sshdMesh) []engine.Change {
	full := *n
	full.facts.SSHD, full.facts.Keygen, full.facts.SSH = "/usr/sbin/sshd", "ssh-keygen", "ssh"
	out := []engine.Change{{
		What: "install openssh-server", Have: "no " + n.missing(), Want: "sshd",
		Do: []engine.Action{engine.Shell{Text: sshdInstallScript, Args: []string{n.files.privsep}}}, Again: true,
	}}
	full.Answers = slices.Clone(n.Answers)
	if sshdPrivsep < len(full.Answers) {
		full.Answers[sshdPrivsep].Path = engine.PathInfo{Kind: engine.Directory, Mode: "0755", UID: "0"}
	}
	for _, c := range full.changes(m) {
		c.Do = nil
		out = append(out, c)
	}
	return out
}

func (n *sshdNode) folders() []engine.Change {
	var out []engine.Change
	for _, d := range []struct {
		answer int
		path   string
	}{{sshdFolder, n.files.folder}, {sshdPrivsep, n.files.privsep}} {
		info := n.path(d.answer)
		if info.Kind == engine.Directory && info.Mode == "0755" && info.UID == "0" {
			continue
		}
		have := string(info.Kind)
		if info.Kind == engine.Directory {
			have = "mode " + info.Mode + ", owner " + info.Owner
		}
		out = append(out, engine.Change{
			What: "make " + d.path, Have: have, Want: "mode 0755, owner root", Again: true,
			Do: []engine.Action{engine.Shell{Text: `umask 022; mkdir -p -- "$1" && chown root "$1" && chmod 00755 "$1"`, Args: []string{d.path}}},
		})
	}
	return out
}

func (n *sshdNode) keys() []engine.Change {
	var out []engine.Change
	if n.hostKey == "" {
		out = append(out, engine.Change{
			What: "make host key", Have: "none", Want: "ed25519", Again: true,
			Do: []engine.Action{engine.Shell{Text: sshdKeyScript, Args: []string{n.files.hostKey, n.facts.Keygen}}},
		})
	}
	if n.path(sshdRootFolder).Kind != "" {
		out = append(out, n.rootFolder()...)
	}
	if !n.Args.ClusterKey {
		return out
	}
	if n.clientKey == "" {
		return append(out, engine.Change{
			What: "make client key", Have: "none", Want: "ed25519", Again: true,
			Do: []engine.Action{engine.Shell{Text: sshdKeyScript, Args: []string{rootKey, n.facts.Keygen}}},
		})
	}
	if mode := n.path(sshdClientKey).Mode; mode != "0600" && mode != "0400" {
		out = append(out, engine.Change{
			What: "close client key", Have: mode, Want: "0600", Again: true,
			Do: []engine.Action{chmod(rootKey, "0600")},
		})
	}
	return out
}

func (n *sshdNode) rootFolder() []engine.Change {
	info := n.path(sshdRootFolder)
	switch {
	case info.Kind == engine.Directory && info.Mode == "0700":
		return nil
	case info.Kind == engine.Directory:
		return []engine.Change{{What: "close " + rootSSH, Have: info.Mode, Want: "0700", Do: []engine.Action{chmod(rootSSH, "0700")}, Again: true}}
	}
	return []engine.Change{{What: "make " + rootSSH, Have: string(info.Kind), Want: "mode 0700", Do: []engine.Action{makeDirectory(rootSSH, "0700", attributes{})}, Again: true}}
}

func (n *sshdNode) config() []engine.Change {
	want := engine.TextBlob([]byte(n.configText()), engine.Public)
	have := n.path(sshdConfig)
	if have.Kind == engine.Regular && have.SHA256 == want.SHA256 && have.Mode == "0644" && have.UID == "0" {
		return nil
	}
	return []engine.Change{{
		What: "write configuration", Have: contentWords(have, engine.Public), Want: n.files.config, Again: true,
		Do: []engine.Action{engine.WriteFile{
			Path: n.files.config, Content: want, Mode: "0644", Owner: "root", Group: "root",
			Check: engine.Quote(n.facts.SSHD) + " -t -f %s",
		}},
	}}
}

// process starts the daemon, or has it load what it has not loaded yet.
func (n *sshdNode) process(changed bool) []engine.Change {
	sum := engine.TextBlob([]byte(n.configText()), engine.Public).SHA256
	act := engine.Shell{Text: sshdStartScript, Args: []string{
		n.facts.SSHD, n.files.config, n.files.pid, n.files.loaded, sum, n.files.hostKey + ".pub", portHex(n.Args.Port), n.facts.OursPID,
	}}
	switch {
	case n.facts.OursPID == "":
		return []engine.Change{{What: "start sshd", Have: "nothing listens", Want: fmt.Sprintf("port %d", n.Args.Port), Do: []engine.Action{act}, Again: true}}
	case changed || n.facts.Loaded != sum+" "+n.hostKey:
		return []engine.Change{{What: "reload sshd", Have: "older configuration", Want: n.files.config, Do: []engine.Action{act}, Again: true}}
	}
	return nil
}

// configText is the configuration of our sshd.
func (n *sshdNode) configText() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by cvsplay (sshd_ensure); changes made here are overwritten.\nPort %d\n", n.Args.Port)
	if n.Args.Listen != "" {
		fmt.Fprintf(&b, "ListenAddress %s\n", n.Args.Listen)
	}
	permit := n.Args.PermitRoot
	if permit == "" {
		permit = "prohibit-password"
	}
	fmt.Fprintf(&b, "HostKey %s\nPidFile %s\nPermitRootLogin %s\n", n.files.hostKey, n.files.pid, permit)
	fmt.Fprintf(&b, "AuthorizedKeysFile %s .ssh/authorized_keys\n", n.files.authorized)
	b.WriteString("PubkeyAuthentication yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n")
	if n.facts.RootLocked && n.facts.PAM {
		b.WriteString("UsePAM yes\n") // without it sshd turns away an account whose password is locked
	}
	b.WriteString("MaxStartups 1000\nMaxSessions 100\nUseDNS no\nPrintMotd no\nSubsystem sftp internal-sftp\n")
	return b.String()
}

// warnings say what keeps the node's ssh from finding what is written for it.
func (n *sshdNode) warnings() []string {
	files := strings.Fields(n.facts.Reads)
	if !n.Args.knowsHosts() || len(files) == 0 || slices.ContainsFunc(files, func(f string) bool { return strings.HasSuffix(f, ".ssh/known_hosts2") }) {
		return nil
	}
	return []string{fmt.Sprintf("root's ssh takes host keys from %s alone (UserKnownHostsFile in its configuration), and those of the cluster are in %s: name that file there too",
		strings.Join(files, ", "), rootKnownHosts)}
}
