package ssh_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/remotetest"
	"cvsplay/engine/remote/shell"
	"cvsplay/engine/remote/ssh"
)

// target is how to reach a test's server as an account, with nothing of this machine's own settings.
func target(s *remotetest.Server, user string) ssh.Target {
	return ssh.Target{
		Name: "node1", Address: s.Host, Port: s.Port, User: user,
		IdentityFiles: []string{s.IdentityFile}, KnownHosts: []string{s.KnownHosts},
		Agent: ssh.AgentOff, Config: ssh.ConfigOff, ConnectTimeout: 15 * time.Second,
	}
}

// pool is a Pool for tests, quick to kill.
func pool(t testing.TB, o ssh.Options) *ssh.Pool {
	t.Helper()
	if o.ConfigFiles == nil {
		o.ConfigFiles = []string{}
	}
	if o.Home == "" {
		o.Home = t.TempDir()
	}
	if o.AgentSocket == "" {
		o.AgentSocket = "/no/agent"
	}
	o.Shell = shell.Options{Grace: 300 * time.Millisecond}
	p := ssh.NewPool(o)
	t.Cleanup(func() { p.Close() })
	return p
}

func dial(t testing.TB, tg ssh.Target) remote.Conn {
	t.Helper()
	c, err := pool(t, ssh.Options{}).Dialer(tg).Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// run runs one script.
func run(t testing.TB, c remote.Conn, s remote.Script) remote.Exit {
	t.Helper()
	return c.Run(t.Context(), []remote.Script{s})[0]
}

// show is an Exit in one line.
func show(e remote.Exit) string {
	s := fmt.Sprintf("%s %d %q %q", e.State, e.Code, e.Stdout.Bytes, e.Stderr.Bytes)
	if e.Why != "" {
		s += " (" + e.Why + ")"
	}
	return s
}

func want(t testing.TB, e remote.Exit, line string) {
	t.Helper()
	if got := show(e); got != line {
		t.Errorf("got  %s\nwant %s", got, line)
	}
}

func TestRun(t *testing.T) {
	s := remotetest.Sshd(t)
	c := dial(t, target(s, remotetest.Account{}.Make(t)))
	got := c.Run(t.Context(), []remote.Script{
		{Text: "id -un; pwd"},
		{Text: "exit 3"},
		{Foreign: true, Text: "cat; echo $1 >&2", Args: []string{"a"}, Stdin: []byte("x\x00y")},
	})
	want(t, got[0], `ended 0 "cvsplaytest\n/home/cvsplaytest\n" ""`)
	want(t, got[1], `ended 3 "" ""`)
	want(t, got[2], `ended 0 "x\x00y" "a\n"`)
}

func TestLoginShells(t *testing.T) {
	s := remotetest.Sshd(t)
	noise := "echo welcome; echo 'to the node' >&2\nprintf 'no newline'\n"
	for _, a := range []remotetest.Account{
		{Suffix: "-bash", Shell: "/bin/bash", Home: map[string]string{".bashrc": noise, ".profile": noise}},
		{Suffix: "-csh", Shell: "/bin/csh", Home: map[string]string{".cshrc": "echo welcome\n", ".login": "echo x\n"}},
		{Suffix: "-fish", Shell: "/usr/bin/fish", Home: map[string]string{".config/fish/config.fish": "echo welcome; set fish_greeting hello\n"}},
		{Suffix: "-mksh", Shell: "/bin/mksh", Home: map[string]string{".mkshrc": noise}},
		{Suffix: "-ksh", Shell: "/bin/ksh93", Home: map[string]string{".kshrc": noise}},
	} {
		t.Run(strings.TrimPrefix(a.Suffix, "-"), func(t *testing.T) {
			remotetest.Need(t, a.Shell)
			c := dial(t, target(s, a.Make(t)))
			got := c.Run(t.Context(), []remote.Script{
				{Text: "echo a; echo b >&2; exit 2"},
				{Foreign: true, Text: "echo \"$1\"; cat", Args: []string{"$HOME `x` 'y'\n!!"}, Stdin: []byte("in\n")},
			})
			want(t, got[0], `ended 2 "a\n" "b\n"`)
			want(t, got[1], `ended 0 "$HOME `+"`x`"+` 'y'\n!!\nin\n" ""`)
		})
	}
}

func TestNoShell(t *testing.T) {
	for _, c := range []struct {
		name, config string
		account      remotetest.Account
		says         string
	}{
		{"nologin", "", remotetest.Account{Suffix: "-nologin", Shell: "/usr/sbin/nologin"}, "This account is currently not available."},
		{"forced command", "ForceCommand echo only this", remotetest.Account{}, "only this"},
		{"forced command that fails", "ForceCommand /no/such/program", remotetest.Account{}, "/no/such/program"},
		{"sftp only", "ForceCommand internal-sftp", remotetest.Account{}, ""},
		{"no sessions", "MaxSessions 0", remotetest.Account{}, "no session"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := remotetest.Sshd(t, c.config)
			conn := dial(t, target(s, c.account.Make(t)))
			e := run(t, conn, remote.Script{Text: "echo a"})
			u, ok := errors.AsType[*remote.Unreachable](e.Err)
			if e.State != remote.NotStarted || !ok || u.Cause != "no shell" || !strings.Contains(u.Detail, c.says) {
				t.Error(show(e))
			}
		})
	}
}

// A cold connection and its first scripts cost nine round trips: one for TCP, one for the banners, one for the key exchange, four for
// authentication (service, none, the offer of a key, its signature), one to open the channel, one for the scripts. Nothing more may creep in.
func TestRoundTrips(t *testing.T) {
	s := remotetest.Sshd(t)
	proxy := remotetest.NewProxy(t, fmt.Sprintf("%s:%d", s.Host, s.Port))
	tg := target(s, remotetest.Account{}.Make(t))
	tg.Port, tg.HostKeys, tg.ConnectTimeout = proxy.Port, ssh.HostKeysOff, time.Minute
	d := pool(t, ssh.Options{}).Dialer(tg)
	const oneWay = 200 * time.Millisecond
	cold := func() time.Duration {
		began := time.Now()
		c, err := d.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, e := range c.Run(t.Context(), []remote.Script{{Text: "echo a"}, {Text: "echo b"}}) {
			if e.State != remote.Ended {
				t.Error(show(e))
			}
		}
		return time.Since(began)
	}
	base := min(cold(), cold())
	proxy.Set(remotetest.Faults{Delay: oneWay})
	// The proxy itself answers the TCP handshake at once: one less. A machine adds some of a trip, a busy one not every time more; one more would be 9 and that.
	trips := 10.0
	for range 10 {
		if trips = min(trips, float64(cold()-base)/float64(2*oneWay)); trips < 9.5 {
			break
		}
	}
	if trips >= 9.5 {
		t.Errorf("%.1f round trips", trips)
	}
	t.Logf("%.1f round trips", trips)
}
