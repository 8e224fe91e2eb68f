package inventory_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/eval"
	"cvsplay/inventory"
)

func TestHostSettings(t *testing.T) {
	inv := load(t, `
host "plain" {}
host "full" {
  address    = "fe80::1"
  connection = "local"
  ssh {
    user              = "u"
    port              = 2222
    identity_files    = ["~/.ssh/a", "b"]
    known_hosts_files = ["k"]
    password          = "ssh-pw"
    bastion           = "plain"
    connect_timeout   = "1m30s"
    keepalive         = "15s"
    config            = false
  }
  become {
    method   = "sudo"
    user     = "admin"
    password = env("SUDO_PASSWORD")
  }
  env = {
    PATH  = "$PATH:/opt/bin"
    COUNT = 3
    TOKEN = sensitive("env-secret")
    GONE  = null
  }
}
`)
	plain, _ := inv.Host("plain")
	if want := (&inventory.Host{
		Name: "plain", Address: "plain", Connection: inventory.ViaSSH, Vars: cty.EmptyObjectVal,
		SSH: inventory.SSH{UserConfig: true}, Become: inventory.Become{Method: "sudo", User: "root"},
	}); !reflect.DeepEqual(plain, want) {
		t.Errorf("got %+v, want %+v", plain, want)
	}
	full, _ := inv.Host("full")
	if want := (&inventory.Host{
		Name: "full", Index: 1, Address: "fe80::1", Connection: inventory.ViaLocal, Vars: cty.EmptyObjectVal,
		Env: map[string]string{"PATH": "$PATH:/opt/bin", "COUNT": "3", "TOKEN": "env-secret"}, SecretEnv: []string{"TOKEN"},
		SSH: inventory.SSH{
			User: "u", Port: 2222, IdentityFiles: []string{"~/.ssh/a", "b"}, KnownHostsFile: []string{"k"}, Password: "ssh-pw",
			Bastion: "plain", ConnectTimeout: 90 * time.Second, Keepalive: 15 * time.Second,
		},
		Become: inventory.Become{Method: "sudo", User: "admin", Password: "s3cret-sudo"},
	}); !reflect.DeepEqual(full, want) {
		t.Errorf("got %+v, want %+v", full, want)
	}
	if got, want := inv.Secrets(), []string{"env-secret", "s3cret-sudo", "ssh-pw"}; !slices.Equal(got, want) {
		t.Errorf("secrets %q, want %q", got, want)
	}
}

func TestHostValue(t *testing.T) {
	inv := load(t, `
group "a" {
  hosts = ["n"]
  vars  = { gpus = 8, token = sensitive("canary") }
}
host "bare" {}
`)
	n, _ := inv.Host("n")
	v := n.Value()
	if got, want := string(eval.ToJSON(v)), `{"address":"n","groups":["a"],"name":"n","vars":{"gpus":8,"token":"(sensitive)"}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !v.GetAttr("vars").GetAttr("token").HasMark(eval.Sensitive) || v.GetAttr("vars").GetAttr("gpus").IsMarked() {
		t.Errorf("marks of %#v", v)
	}
	bare, _ := inv.Host("bare")
	if got, want := bare.Value().Type(), cty.List(cty.String); !got.AttributeType("groups").Equals(want) {
		t.Errorf("groups of a host without any are of the type %s", got.AttributeType("groups").FriendlyName())
	}
	groups := inv.GroupValue()
	if got, want := string(eval.ToJSON(groups)), `{"a":["n"],"all":["bare","n"]}`; got != want {
		t.Errorf("group is %s, want %s", got, want)
	}
}

// A secret is shown by no diagnostic, also where it is what is wrong.
func TestDiagnosticsKeepSecrets(t *testing.T) {
	for _, tc := range []string{
		`host "n" { address = sensitive("canary x") }`,
		`host "n" { vars = { a = sensitive("canary"), b = host.vars.a.nothing } }`,
		`host "n" { env = { A = [sensitive("canary")] } }`,
		`host "n" { vars = { a = sensitive({ canary = 1 }), b = host.vars.a + 1 } }`,
		"group \"a\" {\n hosts = [\"n\"]\n ssh { password = \"canary\" }\n}\ngroup \"b\" {\n hosts = [\"n\"]\n ssh { password = \"canary2\" }\n}",
	} {
		_, diags := parse(t, tc, inventory.Options{})
		if diags == "" || strings.Contains(diags, "canary") {
			t.Errorf("%s: %q", tc, diags)
		}
	}
}

func TestSplitEnv(t *testing.T) {
	for _, tc := range []struct {
		name, value string
		before      bool
		literal     string
		after       bool
	}{
		{"PATH", "/opt/bin:$PATH", false, "/opt/bin:", true},
		{"PATH", "$PATH:/opt/bin", true, ":/opt/bin", false},
		{"PATH", "$PATH:/opt:$PATH", true, ":/opt:", true},
		{"PATH", "$PATH", true, "", false},
		{"PATH", "$PATH$PATH", true, "", true},
		{"PATH", "/a:$PATH:/b", false, "/a:$PATH:/b", false},
		{"PATH", "$PATHS", false, "$PATHS", false},
		{"PATH", "$PATH_X", false, "$PATH_X", false},
		{"PATH", "$HOME/bin", false, "$HOME/bin", false},
		{"PATH", "${PATH}", false, "${PATH}", false},
		{"A", "", false, "", false},
		{"A", "$(rm -rf /)", false, "$(rm -rf /)", false},
	} {
		before, literal, after := inventory.SplitEnv(tc.name, tc.value)
		if before != tc.before || literal != tc.literal || after != tc.after {
			t.Errorf("SplitEnv(%q, %q) = %v, %q, %v", tc.name, tc.value, before, literal, after)
		}
	}
}

func TestExplain(t *testing.T) {
	inv := load(t, `
defaults {
  vars = { a = 1 }
}
group "g" {
  hosts = ["n"]
  vars  = { a = 2 }
  ssh { password = "hidden" }
}
`)
	h, _ := inv.Host("n")
	var got []string
	for _, o := range inv.Explain(h) {
		line := fmt.Sprintf("%s %s %s:%d", o.Name, eval.ToJSON(o.Value), o.From, o.Range.Start.Line)
		for _, l := range o.Over {
			line += fmt.Sprintf(" over %s:%d", l.From, l.Range.Start.Line)
		}
		got = append(got, line)
	}
	want := []string{`ssh.password "(sensitive)" group "g":8`, `vars.a 2 group "g":7 over defaults:3`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
