package ssh_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/remotetest"
	"cvsplay/engine/remote/ssh"
)

// refused dials, which must fail with the cause.
func refused(t testing.TB, d remote.Dialer, cause string) *remote.Unreachable {
	t.Helper()
	c, err := d.Dial(t.Context())
	if err == nil {
		c.Close()
		t.Fatalf("connected, want %q", cause)
	}
	u, ok := errors.AsType[*remote.Unreachable](err)
	if !ok || u.Cause != cause || u.Host != "node1" {
		t.Fatalf("got %#v, want cause %q", err, cause)
	}
	return u
}

func mentions(t testing.TB, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in: %s", w, text)
		}
	}
}

func file(t testing.TB, name, text string) string {
	t.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join(t.TempDir(), name)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func contents(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// works runs a script over a new connection.
func works(t testing.TB, d remote.Dialer) {
	t.Helper()
	c, err := d.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want(t, run(t, c, remote.Script{Text: "echo fine"}), `ended 0 "fine\n" ""`)
}

func TestHostKeys(t *testing.T) {
	s := remotetest.Sshd(t)
	user := remotetest.Account{}.Make(t)
	other := remotetest.Key(t, filepath.Join(t.TempDir(), "other"))
	otherKey := strings.Join(strings.Fields(contents(t, other+".pub"))[:2], " ")
	name := fmt.Sprintf("[127.0.0.1]:%d", s.Port)
	shown := strings.Fields(remotetest.Run(t, "ssh-keygen", "-lf", filepath.Join(s.Dir, "host_key.pub")))[1]
	otherShown := strings.Fields(remotetest.Run(t, "ssh-keygen", "-lf", other+".pub"))[1]
	ecdsa := remotetest.Key(t, filepath.Join(t.TempDir(), "ecdsa"), "-t", "ecdsa", "-N", "")
	ecdsaKey := strings.Join(strings.Fields(contents(t, ecdsa+".pub"))[:2], " ")

	for _, c := range []struct {
		name, known string
		policy      ssh.HostKeyPolicy
		cause       string // "": it works
		words       []string
	}{
		{"known", name + " " + s.HostKey, 0, "", nil},
		{"known by its plain name", "127.0.0.1 " + s.HostKey, 0, "", nil},
		{"one of several", name + " " + ecdsaKey + "\n" + name + " " + otherKey + "\n" + name + " " + s.HostKey, 0, "", nil},
		{"pattern", "[127.0.0.*]:*,!x " + s.HostKey, 0, "", nil},
		{"unknown", "", 0, "unknown host key", []string{shown, "ssh-keyscan", "--host-keys accept-new"}},
		{"unknown, negated pattern", "*,![127.0.0.1]:*,!127.0.0.1 " + s.HostKey, 0, "unknown host key", nil},
		{"changed", "# comment\n" + name + " " + otherKey, 0, "host key changed", []string{shown, otherShown, "known_hosts:2", "ssh-keygen -R"}},
		{"changed, accept-new", name + " " + otherKey, ssh.HostKeysAcceptNew, "host key changed", nil},
		{"changed, off", name + " " + otherKey, ssh.HostKeysOff, "", nil},
		{"another type only", name + " " + ecdsaKey, 0, "handshake failed", nil},
		{"revoked", name + " " + s.HostKey + "\n@revoked * " + s.HostKey, 0, "host key revoked", []string{shown, "known_hosts:2"}},
		{"revoked, accept-new", "@revoked * " + s.HostKey, ssh.HostKeysAcceptNew, "host key revoked", nil},
		{"garbage around", "what is this\n|1|zzz\n" + name + " " + s.HostKey, 0, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			tg := target(s, user)
			tg.KnownHosts, tg.HostKeys = []string{file(t, "known_hosts", c.known+"\n")}, c.policy
			d := pool(t, ssh.Options{}).Dialer(tg)
			if c.cause == "" {
				works(t, d)
				return
			}
			mentions(t, refused(t, d, c.cause).Detail, c.words...)
		})
	}
}

func TestHashedHostKeys(t *testing.T) {
	s := remotetest.Sshd(t)
	tg := target(s, remotetest.Account{}.Make(t))
	known := file(t, "known_hosts", contents(t, s.KnownHosts))
	remotetest.Run(t, "ssh-keygen", "-H", "-f", known)
	if strings.Contains(contents(t, known), "127.0.0.1") {
		t.Fatal("not hashed")
	}
	tg.KnownHosts = []string{known}
	works(t, pool(t, ssh.Options{}).Dialer(tg))
}

func TestAcceptNewWritesTheKeyOnce(t *testing.T) {
	s := remotetest.Sshd(t)
	tg := target(s, remotetest.Account{}.Make(t))
	tg.KnownHosts, tg.HostKeys = []string{file(t, "known_hosts", "other.host ssh-ed25519 AAAA")}, ssh.HostKeysAcceptNew
	p := pool(t, ssh.Options{})
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() { works(t, p.Dialer(tg)) })
	}
	all.Wait()
	want := fmt.Sprintf("other.host ssh-ed25519 AAAA\n[127.0.0.1]:%d %s\n", s.Port, s.HostKey)
	if got := contents(t, tg.KnownHosts[0]); got != want {
		t.Errorf("known_hosts:\n%s\nwant:\n%s", got, want)
	}
	tg.HostKeys = ssh.HostKeysStrict
	works(t, pool(t, ssh.Options{}).Dialer(tg))
}

func TestHostCertificate(t *testing.T) {
	dir := t.TempDir()
	ca := remotetest.Key(t, filepath.Join(dir, "ca"))
	hostKey := remotetest.Key(t, filepath.Join(dir, "host"))
	remotetest.Run(t, "ssh-keygen", "-q", "-s", ca, "-I", "node", "-h", "-n", "127.0.0.1", hostKey+".pub")
	s := remotetest.Sshd(t, "HostKey "+hostKey, "HostCertificate "+hostKey+"-cert.pub")
	caKey := strings.Join(strings.Fields(contents(t, ca+".pub"))[:2], " ")
	tg := target(s, remotetest.Account{}.Make(t))
	tg.KnownHosts = []string{file(t, "known_hosts", "@cert-authority [127.0.0.*]:* "+caKey+"\n")}
	works(t, pool(t, ssh.Options{}).Dialer(tg))
	tg.KnownHosts = []string{file(t, "known_hosts", "@cert-authority *.example.com "+caKey+"\n")}
	_ = refused(t, pool(t, ssh.Options{}).Dialer(tg), "unknown host key")
}

// agent starts an ssh-agent that holds keys, and returns its socket.
func agent(t testing.TB, keys ...string) string {
	t.Helper()
	remotetest.Need(t, "ssh-agent")
	remotetest.Need(t, "ssh-add")
	socket := filepath.Join(t.TempDir(), "agent")
	out := remotetest.Run(t, "ssh-agent", "-s", "-a", socket)
	_, pid, _ := strings.Cut(out, "SSH_AGENT_PID=")
	pid, _, _ = strings.Cut(pid, ";")
	t.Cleanup(func() { remotetest.Run(t, "kill", pid) })
	t.Setenv("SSH_AUTH_SOCK", socket)
	for _, k := range keys {
		remotetest.Run(t, "ssh-add", "-q", k)
	}
	return socket
}

func TestAuthentication(t *testing.T) {
	s := remotetest.Sshd(t, "PasswordAuthentication yes", "MaxAuthTries 4")
	user := remotetest.Account{Suffix: "-password", Password: "pass word'$"}.Make(t)
	dir := t.TempDir()
	stranger := remotetest.Key(t, filepath.Join(dir, "stranger"))
	encrypted := filepath.Join(dir, "encrypted")
	if err := os.WriteFile(encrypted, []byte(contents(t, s.IdentityFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	remotetest.Run(t, "ssh-keygen", "-q", "-p", "-N", "secret", "-f", encrypted)
	public := file(t, "only.pub", contents(t, s.IdentityFile+".pub"))
	socket := agent(t, stranger, s.IdentityFile)

	for _, c := range []struct {
		name     string
		ids      []string
		agent    ssh.Agent
		password string
		words    []string // of the failure; nil: it works
	}{
		{"key", []string{s.IdentityFile}, ssh.AgentOff, "", nil},
		{"second key", []string{stranger, s.IdentityFile}, ssh.AgentOff, "", nil},
		{"agent", []string{"/no/such/file"}, ssh.AgentOn, "", nil},
		{"encrypted key that the agent has", []string{encrypted}, ssh.AgentOn, "", nil},
		{"public key of which the agent has the other half", []string{public}, ssh.AgentOn, "", nil},
		{"password", []string{stranger}, ssh.AgentOff, "pass word'$", nil},
		{"wrong key", []string{stranger}, ssh.AgentOff, "", []string{user, stranger, "SHA256:"}},
		{"encrypted key", []string{encrypted}, ssh.AgentOff, "", []string{encrypted + ": encrypted", "ssh-add", "no key to offer"}},
		{"missing key", []string{"/no/such/file"}, ssh.AgentOff, "", []string{"/no/such/file: no such file"}},
		{"wrong password", []string{stranger}, ssh.AgentOff, "wrong", []string{"the password was refused"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tg := target(s, user)
			tg.IdentityFiles, tg.Agent, tg.Password = c.ids, c.agent, c.password
			d := pool(t, ssh.Options{AgentSocket: socket}).Dialer(tg)
			if c.words == nil {
				works(t, d)
				return
			}
			before := strings.Count(s.Log(), "Connection from")
			u := refused(t, d, "authentication failed")
			mentions(t, u.Detail, c.words...)
			if strings.Contains(u.Error(), "wrong\"") {
				t.Errorf("the password is told: %s", u)
			}
			if tries := strings.Count(s.Log(), "Connection from") - before; tries != 1 {
				t.Errorf("%d connections, want 1", tries)
			}
		})
	}
}

func TestTooManyKeys(t *testing.T) {
	s := remotetest.Sshd(t, "MaxAuthTries 2")
	var keys []string
	for i := range 4 {
		keys = append(keys, remotetest.Key(t, filepath.Join(t.TempDir(), fmt.Sprint(i))))
	}
	tg := target(s, remotetest.Account{}.Make(t))
	tg.IdentityFiles = append(keys, s.IdentityFile)
	mentions(t, refused(t, pool(t, ssh.Options{}).Dialer(tg), "authentication failed").Detail, "identity_files")
}

func TestBastions(t *testing.T) {
	s, outer, inner := remotetest.Sshd(t), remotetest.Sshd(t), remotetest.Sshd(t)
	user := remotetest.Account{}.Make(t)
	first, second := target(outer, user), target(inner, user)
	first.Name, second.Name = "outer", "inner"
	tg := target(s, user)
	tg.Bastions = []ssh.Target{first, second}
	p := pool(t, ssh.Options{Handshakes: 1})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { works(t, p.Dialer(tg)) })
	}
	all.Wait()
	for name, b := range map[string]*remotetest.Server{"outer": outer, "inner": inner} {
		if n := strings.Count(b.Log(), "Accepted publickey"); n != 1 {
			t.Errorf("%d connections to the %s bastion, want one", n, name)
		}
	}
	if n := strings.Count(s.Log(), "Accepted publickey"); n != 8 {
		t.Errorf("%d connections to the host, want 8", n)
	}

	t.Run("bastion with an unknown key", func(t *testing.T) {
		stranger := first
		stranger.KnownHosts = []string{file(t, "known_hosts", "")}
		tg := tg
		tg.Bastions = []ssh.Target{stranger, second}
		u := refused(t, pool(t, ssh.Options{}).Dialer(tg), "unknown host key")
		mentions(t, u.Detail, "bastion outer")
	})
	t.Run("host behind it with a changed key", func(t *testing.T) {
		tg := tg
		tg.KnownHosts = []string{file(t, "known_hosts", fmt.Sprintf("[127.0.0.1]:%d %s\n", s.Port, inner.HostKey))}
		_ = refused(t, p.Dialer(tg), "host key changed")
	})
	t.Run("host that the bastion cannot reach", func(t *testing.T) {
		tg := tg
		tg.Port = 1
		_ = refused(t, p.Dialer(tg), "bastion refused")
	})
	t.Run("silent host behind it", func(t *testing.T) {
		tg := tg
		tg.Port, tg.ConnectTimeout = remotetest.Silent(t), 300*time.Millisecond
		_ = refused(t, p.Dialer(tg), "no answer")
	})
	t.Run("bastion that came back", func(t *testing.T) {
		proxy := remotetest.NewProxy(t, net.JoinHostPort(outer.Host, fmt.Sprint(outer.Port)))
		via := first
		via.Port, via.HostKeys = proxy.Port, ssh.HostKeysOff
		tg := tg
		tg.Bastions = []ssh.Target{via}
		p := pool(t, ssh.Options{})
		c, err := p.Dialer(tg).Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		want(t, run(t, c, remote.Script{Text: "echo a"}), `ended 0 "a\n" ""`)
		proxy.Reset()
		if e := run(t, c, remote.Script{Text: "echo a"}); e.State != remote.Lost && e.State != remote.NotStarted {
			t.Error(show(e))
		}
		works(t, p.Dialer(tg))
	})
}

func TestUnreachable(t *testing.T) {
	s := remotetest.Sshd(t)
	addr := net.JoinHostPort(s.Host, fmt.Sprint(s.Port))
	before := runtime.NumGoroutine()
	for _, c := range []struct {
		name  string
		port  func(t *testing.T) int
		host  string
		cause string
		slow  bool // it takes the whole connect timeout
	}{
		{"nobody listens", func(*testing.T) int { return 1 }, "", "connection refused", false},
		{"unknown name", func(*testing.T) int { return 22 }, "no-such-host.invalid", "unknown name", false},
		{"silent", func(t *testing.T) int { return remotetest.Silent(t) }, "", "no answer", true},
		{"drips its banner", func(t *testing.T) int {
			p := remotetest.NewProxy(t, addr)
			p.Set(remotetest.Faults{Drip: 100 * time.Millisecond})
			return p.Port
		}, "", "no answer", true},
		{"silent after its banner", func(t *testing.T) int {
			p := remotetest.NewProxy(t, addr)
			p.Set(remotetest.Faults{Delay: 350 * time.Millisecond})
			return p.Port
		}, "", "no answer", true},
		{"cut in the key exchange", func(t *testing.T) int {
			p := remotetest.NewProxy(t, addr)
			p.Set(remotetest.Faults{CutAfter: 200})
			return p.Port
		}, "", "connection closed", false},
		{"drops all at once", func(t *testing.T) int {
			p := remotetest.NewProxy(t, addr)
			p.Set(remotetest.Faults{Refuse: 1 << 30})
			return p.Port
		}, "", "connection closed", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			tg := target(s, "nobody")
			tg.Port, tg.ConnectTimeout = c.port(t), time.Second
			if c.host != "" {
				tg.Address = c.host
			}
			began := time.Now()
			_ = refused(t, pool(t, ssh.Options{}).Dialer(tg), c.cause)
			if took := time.Since(began); took > 2*time.Second || c.slow && took < 500*time.Millisecond {
				t.Errorf("took %s", took)
			}
		})
	}
	settled(t, before)
}

// settled waits until there are no more goroutines than before.
func settled(t testing.TB, before int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestDropsBeforeTheBannerAreRetried(t *testing.T) {
	s := remotetest.Sshd(t)
	p := remotetest.NewProxy(t, net.JoinHostPort(s.Host, fmt.Sprint(s.Port)))
	p.Set(remotetest.Faults{Refuse: 3})
	tg := target(s, remotetest.Account{}.Make(t))
	tg.Port, tg.HostKeys = p.Port, ssh.HostKeysOff
	works(t, pool(t, ssh.Options{}).Dialer(tg))
	if p.Dialed() != 4 {
		t.Errorf("dialled %d times, want 4", p.Dialed())
	}
}

func TestManyHostsOnACrowdedServer(t *testing.T) {
	s := remotetest.Sshd(t, "MaxStartups 10:30:60", "MaxSessions 2")
	user := remotetest.Account{}.Make(t)
	p := pool(t, ssh.Options{})
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() { works(t, p.Dialer(target(s, user))) })
	}
	all.Wait()
}

func TestContextEndsADial(t *testing.T) {
	s := remotetest.Sshd(t)
	tg := target(s, "nobody")
	tg.Port = remotetest.Silent(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	began := time.Now()
	_, err := pool(t, ssh.Options{}).Dialer(tg).Dial(ctx)
	u, ok := errors.AsType[*remote.Unreachable](err)
	if !ok || u.Cause != "cancelled" || !errors.Is(err, context.Canceled) || time.Since(began) > 2*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

func TestConfigLeadsToTheHost(t *testing.T) {
	s, jump := remotetest.Sshd(t), remotetest.Sshd(t)
	user := remotetest.Account{}.Make(t)
	config := file(t, "config", fmt.Sprintf(`
Host node*
    HostName 127.0.0.1
    Port %d
    ProxyJump jump
Host jump
    HostName 127.0.0.1
    Port %d
Host *
    User %s
    UserKnownHostsFile %s %s
Match user %s
    IdentityFile %s
`, s.Port, jump.Port, user, s.KnownHosts, jump.KnownHosts, user, s.IdentityFile))
	// Both servers let one key in.
	authorized := filepath.Join(jump.Dir, "authorized_keys")
	file(t, authorized, contents(t, authorized)+contents(t, s.IdentityFile+".pub"))
	if err := os.Chmod(authorized, 0o644); err != nil {
		t.Fatal(err)
	}
	p := pool(t, ssh.Options{ConfigFiles: []string{config}})
	works(t, p.Dialer(ssh.Target{Name: "node1"}))
	if !strings.Contains(jump.Log(), "Accepted publickey") {
		t.Error("not through the jump host")
	}
}
