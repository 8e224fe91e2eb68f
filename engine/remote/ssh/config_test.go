package ssh

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// summary is a route in one line.
func summary(r route) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s@%s", r.user, r.addr())
	if name := knownName(r.host, r.port); r.keyName != name {
		b.WriteString(" key=" + r.keyName)
	}
	if r.explicit {
		b.WriteString(" ids=" + strings.Join(r.identities, ","))
	}
	if r.onlyThose {
		b.WriteString(" only")
	}
	if !r.useAgent {
		b.WriteString(" noagent")
	}
	if r.agentSocket != "" {
		b.WriteString(" agent=" + r.agentSocket)
	}
	if r.timeout != defaultConnectTimeout {
		fmt.Fprintf(&b, " timeout=%s", r.timeout)
	}
	if r.keepalive != defaultKeepalive {
		fmt.Fprintf(&b, " keepalive=%s", r.keepalive)
	}
	if r.policy != HostKeysStrict {
		fmt.Fprintf(&b, " policy=%d", r.policy)
	}
	if !strings.HasSuffix(r.known[0], "/.ssh/known_hosts") {
		b.WriteString(" known=" + r.known[0])
	}
	for _, hop := range r.bastions {
		b.WriteString(" via(" + summary(hop) + ")")
	}
	return b.String()
}

func TestConfig(t *testing.T) {
	me := localUser()
	for _, c := range []struct {
		name   string
		config string
		target Target
		want   string // a summary, or what the error says after "error: "
	}{
		{"empty", "", Target{Name: "n1"}, me + "@n1:22"},
		{"address", "", Target{Name: "n1", Address: "10.0.0.1", Port: 2222, User: "u"}, "u@10.0.0.1:2222"},
		{"IPv6", "", Target{Name: "n1", Address: "fd00::1"}, me + "@[fd00::1]:22"},
		{"first value counts", "Host n1\nUser a\nPort 1\nHost *\nUser b\nPort 2\n", Target{Name: "n1"}, "a@n1:1"},
		{"inventory wins", "Host n1\nUser a\nPort 1\nConnectTimeout 3\nServerAliveInterval 7\n", Target{Name: "n1", User: "x", Port: 9, ConnectTimeout: time.Second}, "x@n1:9 timeout=1s keepalive=7s"},
		{"the address is asked for", "Host 10.0.0.1\nUser a\n", Target{Name: "n1", Address: "10.0.0.1"}, "a@10.0.0.1:22"},
		{"patterns", "Host n? !n2\nUser a\nHost N1\nUser b\n", Target{Name: "n2"}, me + "@n2:22"},
		{"quotes, equals, case, comments", "# x\nhost=n1 # y\n  USER = \"a\"\n\tport\t7\n", Target{Name: "n1"}, "a@n1:7"},
		{"host name", "Host n1\nHostName %h.example.com\nHostKeyAlias Cluster\n", Target{Name: "n1"}, me + "@n1.example.com:22 key=cluster"},
		{"identities", "Host *\nIdentityFile ~/a\nIdentitiesOnly yes\nIdentityFile /k/%r-%h-%%\n", Target{Name: "n1", User: "u"}, "u@n1:22 ids=HOME/a,/k/u-n1-% only"},
		{"identities of the inventory", "IdentityFile ~/a\n", Target{Name: "n1", IdentityFiles: []string{"~/b"}}, me + "@n1:22 ids=HOME/b"},
		{"agent", "IdentityAgent ~/agent\n", Target{Name: "n1"}, me + "@n1:22 agent=HOME/agent"},
		{"no agent", "IdentityAgent none\n", Target{Name: "n1"}, me + "@n1:22 noagent"},
		{"known hosts", "UserKnownHostsFile /a /b\nStrictHostKeyChecking accept-new\n", Target{Name: "n1"}, me + "@n1:22 policy=2 known=/a"},
		{"ask is strict", "StrictHostKeyChecking ask\n", Target{Name: "n1"}, me + "@n1:22"},
		{"no checking", "StrictHostKeyChecking no\n", Target{Name: "n1"}, me + "@n1:22 policy=3"},
		{"inventory is strict", "StrictHostKeyChecking no\n", Target{Name: "n1", HostKeys: HostKeysStrict}, me + "@n1:22"},

		{"match all", "Match all\nUser a\n", Target{Name: "n1"}, "a@n1:22"},
		{"match host is the real name", "Host n1\nHostName x.y\nMatch host x.*\nUser a\nMatch host n1\nPort 9\n", Target{Name: "n1"}, "a@x.y:22"},
		{"match originalhost", "Host n1\nHostName x.y\nMatch originalhost n*,!n2\nUser a\n", Target{Name: "n1"}, "a@x.y:22"},
		{"match user", "Match user root\nPort 9\nMatch user u,v\nPort 8\n", Target{Name: "n1", User: "u"}, "u@n1:8"},
		{"match localuser", "Match localuser " + me + "\nPort 9\n", Target{Name: "n1"}, me + "@n1:9"},
		{"match several", "Match host n1 user u\nPort 9\nMatch host n1 !user u\nPort 8\n", Target{Name: "n1", User: "w"}, "w@n1:8"},
		{"match final", "Match final host *.y\nPort 9\nHost n1\nHostName x.y\n", Target{Name: "n1"}, me + "@x.y:9"},
		{"match final counts identities once", "IdentityFile /a\nMatch final\nPort 9\n", Target{Name: "n1"}, me + "@n1:9 ids=/a"},
		{"match exec", "Host n1\n\nMatch exec \"true\"\nPort 9\n", Target{Name: "n1"}, `error: config:3: the Match criterion "exec" is not supported`},
		{"match without a pattern", "Match host\nPort 9\n", Target{Name: "n1"}, `error: config:1: the Match criterion "host" has no pattern`},

		{"include", "Host n1\nInclude part*\nHost *\nPort 5\n", Target{Name: "n1"}, "included@n1:5"},
		{"include of another host", "Host n2\nInclude part1\nHost *\nPort 5\n", Target{Name: "n1"}, me + "@n1:5"},
		{"include with a match", "Include matching\n", Target{Name: "n1"}, me + "@n1:77"},
		{"include in a circle", "Include circle\n", Target{Name: "n1"}, "error: Include goes deeper than 16 files"},
		{"include of nothing", "Include /no/such/*\nPort 5\n", Target{Name: "n1"}, me + "@n1:5"},
		{"bad port", "Port x\n", Target{Name: "n1"}, "error: ssh_config says port x, which is no number"},

		{"jump", "Host n1\nProxyJump u@j1:99,j2\nHost j2\nUser v\n", Target{Name: "n1"}, me + "@n1:22 via(u@j1:99) via(v@j2:22)"},
		{"jump by URI", "Host n1\nProxyJump ssh://[::1]:99\n", Target{Name: "n1"}, me + "@n1:22 via(" + me + "@[::1]:99)"},
		{"jump of a jump", "Host n1\nProxyJump j1\nHost j1\nProxyJump j0\n", Target{Name: "n1"}, me + "@n1:22 via(" + me + "@j0:22) via(" + me + "@j1:22)"},
		{"jump of the last of several is not asked", "Host n1\nProxyJump j1,j2\nHost j2\nProxyJump j0\n", Target{Name: "n1"}, me + "@n1:22 via(" + me + "@j1:22) via(" + me + "@j2:22)"},
		{"jump in a circle", "Host *\nProxyJump j1\n", Target{Name: "n1"}, "error: does ProxyJump lead in a circle?"},
		{"no jump", "Host *\nProxyJump none\n", Target{Name: "n1"}, me + "@n1:22"},
		{"bastion wins over jump", "Host n1\nProxyJump j1\n", Target{Name: "n1", Bastions: []Target{{Name: "b"}}}, me + "@n1:22 via(" + me + "@b:22)"},
		{"proxy command", "Host n1\nProxyCommand nc %h %p\n", Target{Name: "n1"}, "error: ProxyCommand, which is not supported"},
		{"config off", "User a\n", Target{Name: "n1", Config: ConfigOff}, me + "@n1:22"},
	} {
		t.Run(c.name, func(t *testing.T) {
			home := t.TempDir()
			for name, text := range map[string]string{
				"config": c.config, "part1": "User included\n", "part2": "User late\n", "matching": "Match user " + me + "\nPort 77\n", "circle": "Include circle\n",
			} {
				if err := os.MkdirAll(filepath.Join(home, ".ssh"), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(home, ".ssh", name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p := NewPool(Options{Home: home, ConfigFiles: []string{filepath.Join(home, ".ssh", "config"), "/no/such/file"}})
			r, err := p.resolve(c.target, 0)
			if wrong, ok := strings.CutPrefix(c.want, "error: "); ok {
				if err == nil || !strings.Contains(err.Error(), wrong) {
					t.Errorf("error %v, want %s", err, wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.ReplaceAll(summary(r), home, "HOME"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
