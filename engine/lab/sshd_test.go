package lab

import (
	"net"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// TestClusterSSH sets up an sshd of its own on every node, as an MPI job needs it, and goes from node to node with
// strict checking.
func TestClusterSSH(t *testing.T) {
	l := startLab(t, Options{Hosts: []HostSpec{{Name: "n1"}, {Name: "n2"}}})
	n1, n2 := l.Hosts()[0], l.Hosts()[1]
	setup := `set -e
mkdir -p /etc/mpi /root/.ssh; chmod 700 /root/.ssh
ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
ssh-keygen -q -t ed25519 -N '' -C host -f /etc/mpi/key
printf 'Port 2224\nHostKey /etc/mpi/key\nPidFile /etc/mpi/pid\nPermitRootLogin prohibit-password\n' >/etc/mpi/config
/usr/sbin/sshd -t -f /etc/mpi/config
/usr/sbin/sshd -f /etc/mpi/config
while ! grep -q ':08B0 ' /proc/net/tcp; do sleep 0.01; done
cat /root/.ssh/id_ed25519.pub /etc/mpi/key.pub`
	keys := map[string][]string{}
	for _, h := range l.Hosts() {
		got := h.sh("root", setup)
		if got.code != 0 {
			t.Fatalf("%s: %+v", h.Name(), got)
		}
		keys[h.Name()] = strings.Split(strings.TrimSpace(got.stdout), "\n")
	}
	type step struct {
		host                   *Host
		script, stdout, stderr string
	}
	const strict = "ssh -n -p 2224 -o BatchMode=yes -o StrictHostKeyChecking=yes root@n2 "
	for _, s := range []step{
		{n1, strict + "hostname; echo $?", "255\n", "No ED25519 host key is known for [n2]:2224 and you have requested strict checking."},
		{n1, "ssh -n -p 2224 -o BatchMode=yes n2 hostname; echo $?", "255\n", "Host key verification failed."},
		{n1, "echo '[n2]:2224 " + keys["n2"][1] + "' >/root/.ssh/known_hosts; " + strict + "hostname; echo $?", "255\n", "root@n2: Permission denied (publickey)."},
		{n2, "echo '" + keys["n1"][0] + "' >>/root/.ssh/authorized_keys", "", ""},
		{n1, strict + "'hostname; exit 3'; echo $?", "n2\n3\n", ""},
		{n1, "echo in | ssh -p 2224 n2 cat", "in\n", ""},
		{n2, "chmod 777 /root/.ssh", "", ""},
		{n1, strict + "true; echo $?", "255\n", "Permission denied"},
		{n2, "chmod 700 /root/.ssh", "", ""},
		{n1, "ssh-keygen -R '[n2]:2224' >/dev/null 2>&1; ssh-keyscan -p 2224 n2 2>/dev/null | cut -d' ' -f1,2", "[n2]:2224 ssh-ed25519\n", ""},
		{n1, "echo '[n2]:2224 " + keys["n1"][1] + "' >/root/.ssh/known_hosts; " + strict + "true; echo $?", "255\n", "REMOTE HOST IDENTIFICATION HAS CHANGED"},
		{n1, "ssh -n -p 2225 n2 true; echo $?; ssh -n nowhere true; echo $?", "255\n255\n", "ssh: connect to host n2 port 2225: Connection refused\nssh: Could not resolve hostname nowhere: Name or service not known\n"},
		{n1, "ss -ltnpH 'sport = :2224' | sed 's/pid=[0-9]*/pid=N/; s/  */ /g'", "LISTEN 0 128 0.0.0.0:2224 0.0.0.0:* users:((\"sshd\",pid=N,fd=3))\n", ""},
		{n1, "/usr/sbin/sshd -f /etc/mpi/config; echo $?; sleep 0.05; ss -ltnH | grep -c :2224", "0\n1\n", ""}, // cannot bind, and says nothing
		{n1, "a=$(cat /etc/mpi/pid); kill -HUP $a; sleep 0.1; [ $(cat /etc/mpi/pid) = $a ] && tr '\\0' ' ' </proc/$a/cmdline", "sshd: /usr/sbin/sshd -f /etc/mpi/config [listener] 0 of 10-100 startups ", ""},
		{n1, "printf 'Host x\n  HostName n2\n  Port 2224\n' >/root/.ssh/config; echo '[n2]:2224 " + keys["n2"][1] + "' >/root/.ssh/known_hosts; ssh -n -o BatchMode=yes x hostname; echo 'Include /etc/passwd' >>/root/.ssh/config; ssh -n x true; echo $?", "n2\n255\n", "Include is not simulated"},
		{n1, "kill $(cat /etc/mpi/pid); sleep 0.05; ss -ltnH | grep -c :2224", "0\n", ""},
	} {
		got := s.host.sh("root", s.script)
		if got.stdout != s.stdout || !strings.Contains(got.stderr, s.stderr) {
			t.Errorf("%s: %s\n got %q %q\nwant %q %q", s.host.Name(), s.script, got.stdout, got.stderr, s.stdout, s.stderr)
		}
	}
}

// TestForcedSSHD runs an sshd of an ordinary account, as hosts copy images: one command, for the keys it is told, and nothing else.
func TestForcedSSHD(t *testing.T) {
	l := startLab(t, Options{Hosts: []HostSpec{{Name: "n1"}, {Name: "n2"}}})
	n1, n2 := l.Hosts()[0], l.Hosts()[1]
	setup := `set -e; umask 077; mkdir /var/tmp/x; cd /var/tmp/x
ssh-keygen -q -t ed25519 -N '' -f id; ssh-keygen -q -t ed25519 -N '' -f host
cat id.pub host.pub`
	one, two := n1.sh("root", setup), n2.sh(OrdinaryUser, setup)
	if one.code != 0 || two.code != 0 {
		t.Fatalf("%+v %+v", one, two)
	}
	client, _, _ := strings.Cut(one.stdout, "\n")
	_, server, _ := strings.Cut(strings.TrimSpace(two.stdout), "\n")
	config := `cd /var/tmp/x; echo 'restrict ` + client + `' >authorized_keys
printf 'Port 2226\nHostKey %s/host\nPidFile %s/pid\nAuthorizedKeysFile %s/authorized_keys\nStrictModes no\nAllowUsers ` + OrdinaryUser + `\nForceCommand echo forced $SSH_ORIGINAL_COMMAND; cat; exit 4\nDisableForwarding yes\nPermitTTY no\n' "$PWD" "$PWD" "$PWD" >config
timeout 60 /usr/sbin/sshd -D -e -f $PWD/config >log 2>&1 &
until [ -s pid ]; do sleep 0.01; done
/usr/sbin/sshd -D -e -f $PWD/config`
	if got := n2.sh(OrdinaryUser, config); got.code != 255 || !strings.Contains(got.stderr, "error: Bind to port 2226 on 0.0.0.0 failed: Address already in use.") {
		t.Errorf("a second one: %+v", got)
	}
	const ssh = "ssh -F /dev/null -T -p 2226 -i /var/tmp/x/id -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes -o HostKeyAlias=an-alias -o UserKnownHostsFile=/tmp/known -o GlobalKnownHostsFile=/dev/null "
	for _, s := range []struct {
		host                   *Host
		script, stdout, stderr string
	}{
		{n1, "echo '[an-alias]:2226 " + server + "' >/tmp/known; " + ssh + "-l " + OrdinaryUser + " n2 x </dev/null; echo $?", "255\n", "No ED25519 host key is known for an-alias"},
		{n1, "echo 'an-alias " + server + "' >/tmp/known; printf in | " + ssh + "-l " + OrdinaryUser + " n2 anything; echo $?", "forced anything\nin4\n", ""},
		{n1, "printf in | " + ssh + "-l " + OrdinaryUser + " n2; echo $?", "forced\nin4\n", ""},
		{n1, ssh + "-n -l root n2 x; echo $?", "255\n", "root@n2: Permission denied (publickey)."},
		{n2, "kill $(cat /var/tmp/x/pid); sleep 0.05; ss -ltnH | grep -c :2226", "0\n", ""},
	} {
		got := s.host.sh("root", s.script)
		if got.stdout != s.stdout || !strings.Contains(got.stderr, s.stderr) {
			t.Errorf("%s: %s\n got %q %q\nwant %q %q", s.host.Name(), s.script, got.stdout, got.stderr, s.stdout, s.stderr)
		}
	}
}

// TestKeyOptions heeds what an authorized key may not do.
func TestKeyOptions(t *testing.T) {
	for options, want := range map[string]loginRules{
		"": {}, "restrict": {noPTY: true, noTunnel: true}, "no-pty,no-port-forwarding": {noPTY: true, noTunnel: true}, `command="echo \"x\""`: {force: `echo "x"`},
	} {
		if got := (loginRules{}).with(strings.Split(options, ",")); got != want {
			t.Errorf("%s: %+v, want %+v", options, got, want)
		}
	}
	if got := (loginRules{force: "server's"}).with([]string{`command="key's"`}); got.force != "server's" {
		t.Errorf("the server's command comes first: %+v", got)
	}
}

func TestSSHDRefuses(t *testing.T) {
	h := oneHost(t)
	for _, c := range []struct{ script, want string }{
		{"cd /usr/sbin; sshd -t; echo $?", "sshd re-exec requires execution with an absolute path\n255\n"},
		{"echo 'Prt 1' >c; /usr/sbin/sshd -t -f $PWD/c; echo $?", "/tmp/c: line 1: Bad configuration option: Prt\n/tmp/c: terminating, 1 bad configuration options\n255\n"},
		{"echo 'HostKey /none' >c; /usr/sbin/sshd -t -f $PWD/c; echo $?", "Unable to load host key: /none\nsshd: no hostkeys available -- exiting.\n1\n"},
		{"rmdir /run/sshd; /usr/sbin/sshd -t; echo $?; mkdir /run/sshd", "Missing privilege separation directory: /run/sshd\n255\n"},
		{"echo 'Port x' >c; /usr/sbin/sshd -t -f $PWD/c; echo $?", "/tmp/c line 1: Badly formatted port number.\n255\n"},
		{"apt-get remove -y openssh-server >/dev/null; /usr/sbin/sshd -t; echo $?", "sh: 1: /usr/sbin/sshd: not found\n127\n"},
		{"apt-get install -y openssh-server >/dev/null; /usr/sbin/sshd -t; echo $?; dpkg-query -W -f '${Status}\\n' openssh-server", "0\ninstall ok installed\n"},
	} {
		if got := h.sh("root", "exec 2>&1; "+c.script); got.stdout != c.want {
			t.Errorf("%s\n got %q\nwant %q", c.script, got.stdout, c.want)
		}
	}
}

// TestJump reaches a host, and a port inside it, through another host of the lab.
func TestJump(t *testing.T) {
	l := startLab(t, Options{Hosts: []HostSpec{{Name: "jump"}, {Name: "inner"}}})
	jump := dial(t, l.Hosts()[0], "root")
	inner := l.Hosts()[1]
	key, err := ssh.ParsePrivateKey(l.ClientKey())
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"inner:22", net.JoinHostPort("127.0.0.1", portOf(inner))} {
		conn, err := jump.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		c, channels, requests, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{
			User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(inner.HostKey()),
		})
		if err != nil {
			t.Fatal(err)
		}
		client := ssh.NewClient(c, channels, requests)
		if out, _, err := run(client, "hostname"); out != "inner\n" || err != nil {
			t.Errorf("%s: %q %v", address, out, err)
		}
		_ = client.Close()
	}
	if _, err := jump.Dial("tcp", "127.0.0.1:1"); err == nil {
		t.Error("the lab has connected to a port of this machine")
	}
}
