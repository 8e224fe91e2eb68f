package inventory_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cvsplay/inventory"
)

// large is an inventory of 10,000 hosts in groups, with values that are evaluated for each of them.
func large() string {
	var b strings.Builder
	b.WriteString(`
defaults {
  ssh {
    user = "amd"
    port = 22
  }
  vars = { a = 1, b = [1, 2, 3], c = { d = "e" } }
}
group "gpu" {
  hosts   = nodes("node[00001-10000]")
  address = "${host.name}.${host.vars.domain}"
  vars    = { gpus = 8, domain = "${host.vars.site}.example.com", site = "rack", fqdn = "${host.name}.${host.vars.domain}" }
  env     = { PATH = "/opt/rocm/bin:$PATH", NAME = host.name }
}
group "everything" {
  children = ["gpu"]
  vars     = { gpus = 4, top = true }
}
`)
	for rack := range 100 {
		fmt.Fprintf(&b, "group \"rack_%d\" {\n  members = nodes(\"node[%05d-%05d]\")\n  vars = { rack = %d }\n}\n", rack, rack*100+1, rack*100+100, rack)
	}
	for i := range 1000 {
		fmt.Fprintf(&b, "host \"node%05d\" {\n  vars = { own = %d }\n}\n", i*10+1, i)
	}
	return b.String()
}

func TestTenThousandHosts(t *testing.T) {
	text := large()
	began := time.Now()
	inv := load(t, text)
	took := time.Since(began)
	if len(inv.Hosts) != 10_000 || len(inv.Groups) != 102 {
		t.Fatalf("%d hosts, %d groups", len(inv.Hosts), len(inv.Groups))
	}
	h, _ := inv.Host("node09991")
	if got, want := fmt.Sprintln(h.Address, h.Groups, h.SSH.User, h.Env["NAME"]), "node09991.rack.example.com [gpu everything rack_99] amd node09991\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, name := range []string{"a", "gpus", "rack", "own", "top", "fqdn"} {
		if !h.Vars.Type().HasAttribute(name) {
			t.Errorf("no %s in %#v", name, h.Vars)
		}
	}
	// The goal is a second; the race detector and a machine that is busy with other tests get more.
	if took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	began = time.Now()
	if names, err := inv.Match("gpu:!rack_*:node[00001-00100]:&node*5", inventory.MatchOptions{}); err == nil {
		t.Errorf("%d hosts are left", len(names))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a pattern took %s", took)
	}
}

// Ten thousand hosts with the same mistake are one diagnostic.
func TestSharedMistake(t *testing.T) {
	_, diags := parse(t, "group \"g\" {\n hosts = nodes(\"n[00001-10000]\")\n address = \"${host.name}:22\"\n}", inventory.Options{})
	if lines := strings.Count(diags, "\n"); lines != 1 || !strings.Contains(diags, "This is so for 10000 hosts: n[00001-10000].") {
		t.Errorf("%d diagnostics: %.300s", lines, diags)
	}
}

func BenchmarkLoad(b *testing.B) {
	text := large()
	for b.Loop() {
		load(b, text)
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"host \"a\" {\n  vars = { a = host.vars.b, b = try(host.vars.c, 1) }\n}", "group \"g\" {\n hosts = nodes(\"n[1-3]\")\n children = [\"g\"]\n}",
		"defaults {\n ssh { port = 1 }\n vars = merge({}, { a = host.name })\n}\nhost \"x\" {}", "source \"lab\" \"l\" { count = 2 }",
		"variables { a = [1, null] }\nhost \"h\" { env = { A = \"$A\" } }", "host \"\" {}", "{\"host\": {\"a\": {}}}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "exec") || strings.Contains(text, "file") {
			return // runs programs, reads files
		}
		inv, diags := parse(t, text, inventory.Options{Idle: true})
		if inv == nil && diags == "" {
			t.Fatal("neither an inventory nor an error")
		}
		if inv != nil {
			for _, h := range inv.Hosts {
				h.Value()
				inv.Explain(h)
			}
		}
	})
}
