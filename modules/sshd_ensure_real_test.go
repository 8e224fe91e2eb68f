package modules

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"cvsplay/engine"
	"cvsplay/engine/remote/remotetest"
)

// A realNode is a node with files, processes and, for the first of them, a network of its own: namespaces of this machine, with the real sshd.
type realNode struct {
	*thisMachine
	pid  int
	args sshdArgs
	past []engine.Outcome
	host string
}

// newRealNode starts a node; beside another one it shares that one's network, as containers with the host's network do.
func newRealNode(t *testing.T, host string, args sshdArgs, beside *realNode) *realNode {
	t.Helper()
	for _, part := range []string{"root", "unshare", "nsenter", "ip", "sshd", "ssh", "ssh-keygen"} {
		remotetest.Need(t, part)
	}
	const boot = `mount -t tmpfs none /run && mount -t tmpfs none /root && mount -t tmpfs none /etc/ssh && chmod 0755 /etc/ssh && chmod 0700 /root && ip link set lo up && echo up && exec cat`
	argv := []string{"unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"}
	if beside == nil {
		argv = append(argv, "--net")
	} else {
		argv = append([]string{"nsenter", "--net", "-t", fmt.Sprint(beside.pid)}, argv...)
	}
	cmd := exec.Command(argv[0], append(argv[1:], "/bin/sh", "-c", boot)...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the end of its input ends the node's first process, and so all others in it
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "up\n" {
		t.Fatalf("node %s does not start: %q, %v", host, line, err)
	}
	n := &realNode{thisMachine: newMachine(t), args: args, host: host}
	if _, err := fmt.Sscan(read(t, fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid)), &n.pid); err != nil {
		t.Fatal(err)
	}
	n.root = fmt.Sprintf("/proc/%d/root", n.pid)
	n.shell = []string{"nsenter", "--mount", "--pid", "--net", "-t", fmt.Sprint(n.pid), "/bin/sh"}
	return n
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// ensure runs the step over the nodes until nothing is left to do, and gives the decisions as text.
func ensure(t *testing.T, nodes ...*realNode) string {
	t.Helper()
	for _, n := range nodes {
		n.past, n.acted = nil, nil
	}
	for range 6 {
		all := make([]engine.On[sshdArgs], len(nodes))
		for i, n := range nodes {
			all[i] = engine.On[sshdArgs]{Args: n.args, Seen: engine.Seen{Host: n.host, Address: "127.0.0.1", Reach: engine.Reached, Past: n.past}}
			for _, q := range n.args.Ask() {
				all[i].Answers = append(all[i].Answers, n.answer(q))
			}
		}
		decisions, working := decideAsking(all, nodes), false
		for i, n := range nodes {
			act, ok := decisions[i].(engine.Act)
			if !ok {
				continue
			}
			working = true
			for _, c := range act.Changes {
				if len(c.Do) == 0 {
					continue
				}
				for _, o := range n.past {
					if o.What == c.What && o.OK {
						t.Fatalf("%s: did not converge: %s (%s -> %s)", n.host, c.What, c.Have, c.Want)
					}
				}
				n.past = append(n.past, n.carryOut(c))
				if o := n.past[len(n.past)-1]; !o.OK {
					break
				}
			}
		}
		if working {
			continue
		}
		var out []string
		for i, n := range nodes {
			out = append(out, n.host+": "+said(decisions[i]))
		}
		return strings.Join(out, "\n")
	}
	t.Fatal("not done after 6 rounds")
	return ""
}

// decideAsking decides, and asks the nodes what more it takes.
func decideAsking(all []engine.On[sshdArgs], nodes []*realNode) []engine.Decision {
	for {
		decisions, asked := decideSSHD(all), false
		for i, d := range decisions {
			more, _ := d.(engine.More)
			for _, q := range more.Ask {
				all[i].Answers, asked = append(all[i].Answers, nodes[i].answer(q)), true
			}
		}
		if !asked {
			return decisions
		}
	}
}

func (n *realNode) does(text string) engine.Answer { return n.run(engine.Shell{Text: text}) }

func TestSSHDReal(t *testing.T) {
	a := newRealNode(t, "n1", sshdArgs{Port: 2224, ClusterKey: true, Names: []string{"localhost", "127.0.0.1"}}, nil)
	b := newRealNode(t, "n2", sshdArgs{Port: 2225, ClusterKey: true, Names: []string{"localhost", "127.0.0.1"}}, a)
	if got := ensure(t, a, b); got != "n1: done\nn2: done" {
		t.Fatal(got)
	}
	want := "make /etc/ssh/cvsplay, make /run/sshd, make host key, make /root/.ssh, make client key, write configuration, start sshd, write authorized keys, write known hosts"
	for _, n := range []*realNode{a, b} {
		if got := strings.Join(n.acted, ", "); got != want {
			t.Errorf("%s did\n%s\nwant\n%s", n.host, got, want)
		}
		for _, port := range []string{"2224", "2225"} {
			got := n.does("ssh -o BatchMode=yes -p " + port + " root@localhost 'echo $SSH_CONNECTION'")
			if got.Code != 0 || !strings.HasSuffix(strings.TrimSpace(got.Stdout.String()), port) {
				t.Errorf("%s cannot log in on port %s: %+v", n.host, port, words(got))
			}
		}
		if got := n.does("stat -c '%a %n' /root/.ssh /root/.ssh/id_ed25519 /root/.ssh/known_hosts2 /etc/ssh/cvsplay/authorized_keys_*").Stdout.String(); !strings.HasPrefix(got, "700 /root/.ssh\n600 /root/.ssh/id_ed25519\n600 /root/.ssh/known_hosts2\n600 ") {
			t.Errorf("%s", got)
		}
	}

	t.Run("second run", func(t *testing.T) {
		if got := ensure(t, a, b); got != "n1: done\nn2: done" || len(a.acted)+len(b.acted) > 0 {
			t.Errorf("%s; did %v %v", got, a.acted, b.acted)
		}
	})
	t.Run("changed configuration is loaded by the same process", func(t *testing.T) {
		before := a.does("cat /run/cvsplay-sshd-2224.pid").Stdout.String()
		a.args.Listen = "127.0.0.1"
		if got := ensure(t, a, b); got != "n1: done\nn2: done" || strings.Join(a.acted, ", ") != "write configuration, reload sshd" || len(b.acted) > 0 {
			t.Errorf("%s; did %v %v", got, a.acted, b.acted)
		}
		if after := a.does("cat /run/cvsplay-sshd-2224.pid").Stdout.String(); after != before {
			t.Errorf("it was process %s and is %s", before, after)
		}
		if got := a.does("ssh -o BatchMode=yes -p 2224 root@127.0.0.1 true"); got.Code != 0 {
			t.Error(words(got))
		}
	})
	t.Run("lost pid file", func(t *testing.T) {
		a.does("rm /run/cvsplay-sshd-2224.pid")
		if got := ensure(t, a, b); got != "n1: done\nn2: done" || len(a.acted) > 0 {
			t.Errorf("%s; did %v", got, a.acted)
		}
	})
	t.Run("killed", func(t *testing.T) {
		a.does("rm -f /run/cvsplay-sshd-2224.pid; for p in /proc/[0-9]*; do case $(readlink $p/exe) in */sshd) kill -9 ${p#/proc/} ;; esac; done; " +
			"until ! grep -q ':08B0 .* 0A ' /proc/net/tcp /proc/net/tcp6; do sleep 0.05; done") // the kernel closes port 2224 a little later
		if got := ensure(t, a, b); got != "n1: done\nn2: done" || strings.Join(a.acted, ", ") != "start sshd" || len(b.acted) > 0 {
			t.Errorf("%s; did %v %v", got, a.acted, b.acted)
		}
	})
	t.Run("stale pid file", func(t *testing.T) {
		a.does("kill $(cat /run/cvsplay-sshd-2224.pid); sleep 0.3; echo 1 >/run/cvsplay-sshd-2224.pid")
		if got := ensure(t, a, b); got != "n1: done\nn2: done" || strings.Join(a.acted, ", ") != "start sshd" {
			t.Errorf("%s; did %v", got, a.acted)
		}
	})
	t.Run("lines of an earlier version move, a person's stay", func(t *testing.T) {
		a.does("printf 'example.com ssh-ed25519 AAAA\n' >/root/.ssh/known_hosts; cat /root/.ssh/known_hosts2 >>/root/.ssh/known_hosts; echo '[gone]:2224 ssh-ed25519 AAAA cvsplay:gone:2224' >>/root/.ssh/known_hosts; chmod 0640 /root/.ssh/known_hosts; rm /root/.ssh/known_hosts2")
		if got := ensure(t, a, b); got != "n1: done\nn2: done" || strings.Join(a.acted, ", ") != "write known hosts, take host keys out of known_hosts" || len(b.acted) > 0 {
			t.Errorf("%s; did %v %v", got, a.acted, b.acted)
		}
		if got := read(t, a.root+"/root/.ssh/known_hosts"); got != "example.com ssh-ed25519 AAAA\n" {
			t.Errorf("known_hosts is\n%s", got)
		}
		if info := lookAt(t, engine.Path{Path: a.root + "/root/.ssh/known_hosts"}); info.Mode != "0640" {
			t.Errorf("its mode became %s", info.Mode)
		}
		for _, name := range []string{"localhost", "127.0.0.1"} {
			if got := a.does("ssh -o BatchMode=yes -p 2225 root@" + name + " true"); got.Code != 0 {
				t.Error(words(got))
			}
		}
	})
	t.Run("a configuration that leaves our file out is told", func(t *testing.T) {
		a.does("printf 'Host local*\n  userknownhostsfile ~/.ssh/known_hosts\n' >/root/.ssh/config")
		if got := ensure(t, a, b); !strings.HasPrefix(got, "n1: done root's ssh takes host keys from /root/.ssh/known_hosts alone") || !strings.HasSuffix(got, "\nn2: done") {
			t.Error(got)
		}
		a.does("rm /root/.ssh/config")
	})
	t.Run("a person's lines and keys stay", func(t *testing.T) {
		a.does("printf 'example.com ssh-ed25519 AAAA\\n# note\\n' >/root/.ssh/k; cat /root/.ssh/known_hosts2 >>/root/.ssh/k; printf 'last.example ssh-rsa BBBB' >>/root/.ssh/k; mv /root/.ssh/k /root/.ssh/known_hosts2; chmod 0644 /root/.ssh/known_hosts2; rm /root/.ssh/id_ed25519.pub")
		before := read(t, a.root+"/root/.ssh/known_hosts2")
		if got := ensure(t, a, b); got != "n1: done\nn2: done" || strings.Join(a.acted, ", ") != "make client key" || len(b.acted) > 0 {
			t.Errorf("%s; did %v %v", got, a.acted, b.acted)
		}
		if read(t, a.root+"/root/.ssh/known_hosts2") != before {
			t.Error("known_hosts2 was changed though nothing in it had to")
		}
	})
	t.Run("a new host key reaches the others, beside a person's lines", func(t *testing.T) {
		old := read(t, b.root+"/etc/ssh/cvsplay/ssh_host_ed25519_key_2225.pub")
		b.does("rm /etc/ssh/cvsplay/ssh_host_ed25519_key_2225*")
		if got := ensure(t, a, b); got != "n1: done\nn2: done" || strings.Join(a.acted, ", ") != "write known hosts" || strings.Join(b.acted, ", ") != "make host key, reload sshd, write known hosts" {
			t.Errorf("%s; did %v, %v", got, a.acted, b.acted)
		}
		if got := a.does("ssh -o BatchMode=yes -p 2225 root@localhost true"); got.Code != 0 {
			t.Error(words(got))
		}
		now := read(t, a.root+"/root/.ssh/known_hosts2")
		if !strings.HasPrefix(now, "example.com ssh-ed25519 AAAA\n# note\nlast.example ssh-rsa BBBB\n[localhost]:2224,") || strings.Contains(now, strings.Fields(old)[1]) {
			t.Errorf("known_hosts2 is\n%s", now)
		}
		if info := lookAt(t, engine.Path{Path: a.root + "/root/.ssh/known_hosts2"}); info.Mode != "0644" {
			t.Errorf("its mode became %s", info.Mode)
		}
	})
	t.Run("a new key of one node reaches the other", func(t *testing.T) {
		b.does("rm /root/.ssh/id_ed25519 /root/.ssh/id_ed25519.pub")
		if got := ensure(t, a, b); got != "n1: done\nn2: done" || strings.Join(a.acted, ", ") != "write authorized keys" || strings.Join(b.acted, ", ") != "make client key, write authorized keys" {
			t.Errorf("%s; did %v, %v", got, a.acted, b.acted)
		}
		if got := b.does("ssh -o BatchMode=yes -p 2224 root@localhost true"); got.Code != 0 {
			t.Error(words(got))
		}
	})
	t.Run("key with a passphrase", func(t *testing.T) {
		b.does("mkdir /root/aside; mv /root/.ssh/id_ed25519* /root/aside/; ssh-keygen -q -t ed25519 -N secret -f /root/.ssh/id_ed25519")
		got := ensure(t, a, b)
		if !strings.Contains(got, "n1: done") || !strings.Contains(got, "n2: refused: /root/.ssh/id_ed25519 has a passphrase") || len(a.acted) > 0 {
			t.Errorf("%s; did %v", got, a.acted)
		}
		b.does("mv /root/aside/* /root/.ssh/")
	})
}

func TestSSHDRealForeignListener(t *testing.T) {
	a := newRealNode(t, "n1", sshdArgs{Port: 2224}, nil)
	b := newRealNode(t, "n2", sshdArgs{Port: 2224}, a)
	if got := ensure(t, a); got != "n1: done" {
		t.Fatal(got)
	}
	if got := ensure(t, b); got != "n2: refused: port 2224 is taken by a process that cannot be seen from here (its network is shared: it runs on the host, or in another container): choose another port, or stop it" {
		t.Error(got)
	}
	// The host sees into both; the same configuration path in another mount namespace is not its own.
	host := newMachine(t)
	host.shell = []string{"nsenter", "--net", "-t", fmt.Sprint(a.pid), "/bin/sh"}
	facts, err := readSSHDFacts(host.run(sshdArgs{Port: 2224}.question()))
	if err != nil || facts.OursPID != "" || !strings.Contains(facts.foreign(""), "sshd -f /etc/ssh/cvsplay/sshd_2224.conf") {
		t.Errorf("%+v: %q, %v", facts, facts.foreign(""), err)
	}
	// A plain sshd on the port is named.
	c := newRealNode(t, "n3", sshdArgs{Port: 2224}, nil)
	started := c.does("mkdir /run/sshd; ssh-keygen -q -t ed25519 -N '' -f /run/key && $(command -v sshd || echo /usr/sbin/sshd) -p 2224 -h /run/key -f /dev/null && sleep 0.5")
	if started.Code != 0 {
		t.Fatal(words(started))
	}
	if got := ensure(t, c); !strings.HasPrefix(got, "n3: refused: port 2224 is taken by process ") || !strings.Contains(got, "sshd -p 2224") {
		t.Error(got)
	}
	// Another address of the same port does not clash.
	c.args.Port = 2230
	c.args.Listen = "127.0.0.2"
	c.does("$(command -v sshd || echo /usr/sbin/sshd) -p 2230 -o ListenAddress=127.0.0.1 -h /run/key -f /dev/null; sleep 0.5")
	if got := ensure(t, c); got != "n3: done" {
		t.Error(got)
	}
}

// The scripts do the same in every shell a host may have.
func TestSSHDRealShells(t *testing.T) {
	for name, argv := range shells(t) {
		t.Run(name, func(t *testing.T) {
			n := newRealNode(t, "n1", sshdArgs{Port: 2224, ClusterKey: true, Names: []string{"localhost"}}, nil)
			n.shell = append(n.shell[:len(n.shell)-1], argv...)
			if got := ensure(t, n); got != "n1: done" {
				t.Fatal(got)
			}
			if got := n.does("ssh -o BatchMode=yes -p 2224 root@localhost true"); got.Code != 0 {
				t.Error(words(got))
			}
			n.args.Listen = "127.0.0.1"
			if got := ensure(t, n); got != "n1: done" || strings.Join(n.acted, ", ") != "write configuration, reload sshd" {
				t.Errorf("%s; did %v", got, n.acted)
			}
			if got := ensure(t, n); got != "n1: done" || len(n.acted) > 0 {
				t.Errorf("%s; did %v", got, n.acted)
			}
		})
	}
}
