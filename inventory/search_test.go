package inventory_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/inventory"
)

// Without paths: $CVSPLAY_INVENTORY, inventory.hcl, inventory/default.hcl, and what the binary carries.
func TestSearch(t *testing.T) {
	host := func(name string) []byte { return []byte("host \"" + name + "\" {}\n") }
	for _, tc := range []struct {
		name  string
		files []string
		env   string
		want  string
		read  string
	}{
		{"nothing there", nil, "", "gpu001 gpu002 gpu003 gpu004", "inventory/default.hcl (built in)"},
		{"default", []string{"inventory/default.hcl"}, "", "inventory/default.hcl", "inventory/default.hcl"},
		{"inventory", []string{"inventory/default.hcl", "inventory.hcl"}, "", "inventory.hcl", "inventory.hcl"},
		{"environment", []string{"inventory.hcl", "env.hcl"}, "env.hcl", "env.hcl", "env.hcl"},
		{"folder", []string{"inventory.hcl", "env/b.hcl", "env/a.hcl", "env/sub/c.hcl"}, "env", "env/a.hcl env/b.hcl", "env"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range tc.files {
				write(t, filepath.Join(dir, f), host(strings.ReplaceAll(f, "/", "-")))
			}
			inv, _, diags := inventory.Load(t.Context(), nil, inventory.Options{Dir: dir, Idle: true, Env: func(name string) (string, bool) {
				return tc.env, name == "CVSPLAY_INVENTORY" && tc.env != ""
			}})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if got, want := strings.Join(inv.Names(), " "), strings.ReplaceAll(tc.want, "/", "-"); got != want || !slices.Equal(inv.Files, []string{tc.read}) {
				t.Errorf("hosts %s of %q; want %s of %s", got, inv.Files, want, tc.read)
			}
			if builtIn := tc.files == nil; inv.Simulated != builtIn {
				t.Errorf("simulated: %v", inv.Simulated)
			}
		})
	}
}

func TestPathsThatAreNoInventory(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "cluster.json"), []byte("{}"))
	write(t, filepath.Join(dir, "hosts.yml"), []byte("all:\n"))
	write(t, filepath.Join(dir, "empty/README.md"), []byte("\n"))
	for path, want := range map[string]string{
		"cluster.json": "it has no node_dict",
		"hosts.yml":    "Ansible's inventories are not supported yet",
		"empty":        "has no file whose name ends in .hcl",
		"nowhere.hcl":  "nowhere.hcl",
		"nowhere":      "nowhere",
	} {
		inv, _, diags := inventory.Load(t.Context(), []string{path}, inventory.Options{Dir: dir})
		if inv != nil || len(diags) != 1 || !strings.Contains(textOf(dir, diags[0]), want) {
			t.Errorf("%s: %v", path, diags)
		}
	}
}

// fleet is a source that counts how often it is closed.
type fleet struct {
	closed *int
	found  inventory.Found
	diags  hcl.Diagnostics
}

func (f fleet) Open(context.Context, inventory.SourceBlock) (inventory.Found, hcl.Diagnostics) {
	f.found.Close = func() error { *f.closed++; return nil }
	return f.found, f.diags
}

// What a source started is ended with the inventory, or with the error that there is none.
func TestSourcesAreClosed(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{`source "fleet" "a" {}`, ""},
		{"source \"fleet\" \"a\" {}\nhost \"x y\" {}", "Invalid host name"},
		{"source \"fleet\" \"a\" {}\nhost \"x\" { vars = { a = host.vars.a } }", "Cycle in host.vars"},
		{"source \"fleet\" \"a\" {}\ngroup \"g\" { members = [\"y\"] }", "Unknown host"},
	} {
		closed := 0
		source := fleet{closed: &closed, found: inventory.Found{Hosts: []inventory.FoundHost{{Name: "f1", Vars: cty.NilVal}}}}
		inv, diags := parse(t, tc.text, inventory.Options{Sources: map[string]inventory.Source{"fleet": source}})
		if !strings.Contains(diags, tc.want) || (inv == nil) != (tc.want != "") {
			t.Errorf("%s: %s", tc.text, diags)
		}
		if inv != nil {
			if closed != 0 {
				t.Errorf("%s: closed before its time", tc.text)
			}
			if err := inv.Close(); err != nil {
				t.Error(err)
			}
			if err := inv.Close(); err != nil {
				t.Error(err)
			}
		}
		if closed != 1 {
			t.Errorf("%s: closed %d times", tc.text, closed)
		}
	}
	// A source that fails after it started something is closed too.
	closed := 0
	source := fleet{closed: &closed, diags: hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Broken"}}}
	if inv, diags := parse(t, `source "fleet" "a" {}`, inventory.Options{Sources: map[string]inventory.Source{"fleet": source}}); inv != nil || !strings.Contains(diags, "Broken") || closed != 1 {
		t.Errorf("%v, closed %d times", diags, closed)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "inv.hcl"), []byte("host \"a\" {}\nsource \"exec\" \"x\" { command = [\"false\"] }\n"))
	inv, _, diags := inventory.Load(ctx, []string{"inv.hcl"}, inventory.Options{Dir: dir})
	if inv != nil || len(diags) != 1 || diags[0].Summary != "Interrupted" {
		t.Errorf("%v", diags)
	}
}

func TestLabOverride(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"source \"lab\" \"n\" { count = 2 }", "n001 n002 n003"},
		{"source \"lab\" \"x\" { name = \"node[08-09]\" }", "node08 node09 node10"},
		{"source \"lab\" \"x\" {\n name = \"n\"\n host \"n009\" {}\n fault {\n hosts = [\"n009\"]\n kind = \"silent\"\n }\n}", "n001 n002 n003"},
	} {
		inv, diags := parse(t, tc.text, inventory.Options{Idle: true, Lab: 3})
		if diags != "" {
			t.Errorf("%s: %s", tc.text, diags)
		} else if got := strings.Join(inv.Names(), " "); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.text, got, tc.want)
		}
	}
	if _, diags := parse(t, `source "lab" "x" { name = "r[1-2]n[1-2]" }`, inventory.Options{Idle: true, Lab: 3}); !strings.Contains(diags, "--lab asks for 3") {
		t.Error(diags)
	}
	if _, diags := parse(t, `host "real" {}`, inventory.Options{Lab: 3}); !strings.Contains(diags, "--lab") {
		t.Errorf("--lab without a lab source: %q", diags)
	}
}

// A program is found from its folder, whether it is named with path.inventory or relative to the file; also where the file is not
// in the current folder.
func TestProgramNextToTheFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "inv/bin/list"), []byte("#!/bin/sh\nexec cat list.json\n"))
	write(t, filepath.Join(dir, "inv/list.json"), []byte(`{"g": {"hosts": ["n"]}}`))
	write(t, filepath.Join(dir, "inv/a.hcl"), []byte("source \"exec\" \"a\" { command = [\"${path.inventory}/bin/list\"] }\n"))
	write(t, filepath.Join(dir, "inv/b.hcl"), []byte("source \"exec\" \"b\" { command = [\"bin/list\"] }\n"))
	t.Chdir(dir)
	for _, file := range []string{"inv/a.hcl", "inv/b.hcl"} {
		inv, _, diags := inventory.Load(t.Context(), []string{file}, inventory.Options{Env: testEnv})
		if len(diags) > 0 || strings.Join(inv.Groups["g"].Hosts, " ") != "n" {
			t.Errorf("%s: %v", file, diags)
		}
	}
}

// A program that leaves children behind is ended with them, and what it says is cut.
func TestProgramIsBounded(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "list"), []byte("#!/bin/sh\nhead -c 100000 /dev/zero | tr '\\0' x >&2\nsleep 61 &\necho $! >pid\nwait\n"))
	write(t, filepath.Join(dir, "inv.hcl"), []byte("source \"exec\" \"a\" {\n command = [\"./list\"]\n timeout = \"1s\"\n}\n"))
	began := time.Now()
	_, _, diags := inventory.Load(t.Context(), []string{"inv.hcl"}, inventory.Options{Dir: dir, Env: testEnv})
	if len(diags) != 1 || !strings.Contains(diags[0].Detail, "took longer than 1s") || len(diags[0].Detail) > 5000 || !strings.HasSuffix(diags[0].Detail, "xxx …") {
		t.Errorf("%.300v", diags)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %s", took)
	}
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/cmdline")
	if err == nil && strings.Contains(string(stat), "sleep") {
		t.Errorf("the child goes on: %q", stat)
	}
}
