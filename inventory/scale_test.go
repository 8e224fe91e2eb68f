package inventory_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"cvsplay/inventory"
)

// large is an inventory of racks with 100 hosts each, with values that are evaluated for each of them.
func large(racks int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
defaults {
  ssh {
    user = "amd"
    port = 22
  }
  vars = { a = 1, b = [1, 2, 3], c = { d = "e" } }
}
group "gpu" {
  hosts   = nodes("node[00001-%05d]")
  address = "${host.name}.${host.vars.domain}"
  vars    = { gpus = 8, domain = "${host.vars.site}.example.com", site = "rack", fqdn = "${host.name}.${host.vars.domain}" }
  env     = { PATH = "/opt/rocm/bin:$PATH", NAME = host.name }
}
group "everything" {
  children = ["gpu"]
  vars     = { gpus = 4, top = true }
}
`, racks*100)
	for rack := range racks {
		fmt.Fprintf(&b, "group \"rack_%d\" {\n  members = nodes(\"node[%05d-%05d]\")\n  vars = { rack = %d }\n}\n", rack, rack*100+1, rack*100+100, rack)
	}
	for i := range racks * 10 {
		fmt.Fprintf(&b, "host \"node%05d\" {\n  vars = { own = %d }\n}\n", i*10+1, i)
	}
	return b.String()
}

func TestTenThousandHosts(t *testing.T) {
	inv := load(t, large(100))
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
	if names, err := inv.Match("gpu:!rack_*:node[00001-00100]:&node*5", inventory.MatchOptions{}); err == nil {
		t.Errorf("%d hosts are left", len(names))
	}
}

// Ten thousand hosts with the same mistake are one diagnostic.
func TestSharedMistake(t *testing.T) {
	_, diags := parse(t, "group \"g\" {\n hosts = nodes(\"n[00001-10000]\")\n address = \"${host.name}:22\"\n}", inventory.Options{})
	if lines := strings.Count(diags, "\n"); lines != 1 || !strings.Contains(diags, "This is so for 10000 hosts: n[00001-10000].") {
		t.Errorf("%d diagnostics: %.300s", lines, diags)
	}
}

// largeAnsible is the same fleet as inventories of Ansible.
func largeAnsible(racks int) (ini, yml string) {
	var i, y strings.Builder
	i.WriteString("[gpu]\n")
	y.WriteString("all:\n  vars: {ansible_user: amd, a: 1, b: [1, 2, 3], c: {d: e}}\n  children:\n    gpu:\n      vars: {gpus: 8, site: rack}\n      hosts:\n")
	for n := range racks * 100 {
		fmt.Fprintf(&i, "node%05d ansible_host=10.0.%d.%d own=%d text='of the host'\n", n+1, n/250, n%250+1, n)
		fmt.Fprintf(&y, "        node%05d: {ansible_host: 10.0.%d.%d, own: %d, text: of the host}\n", n+1, n/250, n%250+1, n)
	}
	i.WriteString("[gpu:vars]\ngpus=8\nsite=rack\n[all:vars]\nansible_user=amd\na=1\nb=[1, 2, 3]\nc={'d': 'e'}\n[everything:children]\ngpu\n")
	for rack := range racks {
		fmt.Fprintf(&i, "[rack_%d]\nnode[%05d:%05d]\n[rack_%d:vars]\nrack=%d\n", rack, rack*100+1, rack*100+100, rack, rack)
		fmt.Fprintf(&y, "    rack_%d: {hosts: {\"node[%05d:%05d]\": }, vars: {rack: %d}}\n", rack, rack*100+1, rack*100+100, rack)
	}
	return i.String(), y.String()
}

// largeFleet is the same in each of the formats that are read here.
func largeFleet(t testing.TB, racks int) map[string]func() *inventory.Inventory {
	dir := t.TempDir()
	ini, yml := largeAnsible(racks)
	write(t, dir+"/hosts", []byte(ini))
	write(t, dir+"/hosts.yml", []byte(yml))
	of := func(text string) func() *inventory.Inventory {
		return func() *inventory.Inventory { return load(t, text) }
	}
	return map[string]func() *inventory.Inventory{
		"HCL":  of(large(racks)),
		"INI":  of(fmt.Sprintf("source \"ansible\" \"a\" {\n  file = %q\n  reader = \"builtin\"\n}\n", dir+"/hosts")),
		"YAML": of(fmt.Sprintf("source \"ansible\" \"a\" {\n  file = %q\n  reader = \"builtin\"\n}\n", dir+"/hosts.yml")),
	}
}

// What a host costs is bounded, in a measure that does not depend on the machine.
func TestHostsAreCheap(t *testing.T) {
	fleet := largeFleet(t, 10)
	for format, most := range map[string]uint64{"HCL": 260, "INI": 140, "YAML": 180} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		inv := fleet[format]()
		runtime.ReadMemStats(&after)
		if len(inv.Hosts) != 1000 {
			t.Fatalf("%s: %d hosts", format, len(inv.Hosts))
		}
		if each := (after.Mallocs - before.Mallocs) / 1000; each > most {
			t.Errorf("%s: %d allocations for each host, and %d are the most", format, each, most)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for format, read := range largeFleet(b, 100) {
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				read()
			}
		})
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
