package inventory

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"

	"cvsplay/engine/config"
)

// seeds are the files of the archives in testdata whose names end so.
func seeds(f *testing.F, suffixes ...string) {
	f.Helper()
	archives, err := filepath.Glob("testdata/*.txtar")
	more, err2 := filepath.Glob("testdata/*/*.txtar")
	if err != nil || err2 != nil {
		f.Fatal(err, err2)
	}
	added := 0
	for _, path := range append(archives, more...) {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			for _, suffix := range suffixes {
				if strings.HasSuffix(file.Name, suffix) {
					f.Add(file.Data)
					added++
				}
			}
		}
	}
	if added == 0 {
		f.Fatalf("no seeds %q", suffixes)
	}
}

// fixed is a source that found something already.
type fixed struct{ found Found }

func (s fixed) Open(context.Context, SourceBlock) (Found, hcl.Diagnostics) { return s.found, nil }

// take makes an inventory of what a source found.
func take(t *testing.T, dir string, found Found) {
	t.Helper()
	loads(t, dir, []string{"inv.hcl"}, Options{Sources: map[string]Source{"fixed": fixed{found}}})
}

// loads reads an inventory and looks at all of it. It may be wrong, and then has to say so.
func loads(t *testing.T, dir string, paths []string, o Options) *Inventory {
	t.Helper()
	o.Dir, o.Idle = dir, true
	inv, files, diags := Load(t.Context(), paths, o)
	pointInto(t, files, diags)
	if (inv == nil) != diags.HasErrors() {
		t.Fatalf("an inventory: %v, and diagnostics %v", inv != nil, diags)
	}
	if inv == nil {
		return nil
	}
	for _, h := range inv.Hosts {
		h.Value()
		inv.Explain(h)
		if names, err := inv.Match("&"+h.Name, MatchOptions{}); err != nil || len(names) == 0 {
			t.Errorf("the host %q is chosen by no pattern: %v", h.Name, err)
		}
	}
	inv.GroupValue()
	inv.Secrets()
	return inv
}

// pointInto wants diagnostics to have a text, and to point into the files that were read, if anywhere.
func pointInto(t *testing.T, files *config.Files, diags hcl.Diagnostics) {
	t.Helper()
	for _, d := range diags {
		if d.Summary == "" || d.Detail == "" {
			t.Errorf("a diagnostic without a text: %+v", d)
		}
		for _, r := range []*hcl.Range{d.Subject, d.Context} {
			if r == nil {
				continue
			}
			if size := len(files.Source(r.Filename)); r.Start.Byte < 0 || r.End.Byte < r.Start.Byte || r.End.Byte > size || r.Start.Line < 1 {
				t.Errorf("%s: points to %s, outside of %d bytes", d.Summary, r, size)
			}
		}
		files.Describe(d)
	}
}

// inventoryFile makes a folder with an inventory that has one fixed source.
func inventoryFile(f *testing.F) string {
	f.Helper()
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "inv.hcl"), []byte("source \"fixed\" \"a\" {}\n"), 0o600); err != nil {
		f.Fatal(err)
	}
	return dir
}

// FuzzAnsibleFile reads inventories of Ansible in INI and YAML.
func FuzzAnsibleFile(f *testing.F) {
	seeds(f, "static", "hosts.ini", ".yml", ".yaml")
	files, err := filepath.Glob("testdata/ansible/*/hosts.*")
	if err != nil || len(files) == 0 {
		f.Fatal("no inventories", err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("[a]\nn[01:10:3] x='1' y=\"a b\" # z\n[a:children]\na\n[b:vars]\nansible_host={{ x }}\n"))
	dir := inventoryFile(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, read := range []func(r *ansibleReader) error{
			func(r *ansibleReader) error { return r.ini(string(text)) },
			func(r *ansibleReader) error { return r.yaml(text) },
		} {
			r := newAnsibleReader("hosts")
			if read(r) != nil || len(r.hosts) > 1000 {
				continue
			}
			list := r.list()
			list.byChildren()
			found, _ := list.found()
			take(t, dir, found)
		}
	})
}

// FuzzAnsibleList reads what inventory scripts print.
func FuzzAnsibleList(f *testing.F) {
	seeds(f, "list.json")
	dir := inventoryFile(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := readAnsible(text)
		if err != nil {
			return
		}
		list.byChildren()
		found, _ := list.found()
		take(t, dir, found)
	})
}

// FuzzSlurm reads what scontrol prints.
func FuzzSlurm(f *testing.F) {
	seeds(f, "nodes", "scontrol.txt")
	dir := inventoryFile(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if nodes, err := readSlurm(text); err == nil {
			take(t, dir, slurmFound(nodes, nil, []string{"!drain"}, []string{"gpu"}))
		}
	})
}

// FuzzSSHConfig reads OpenSSH's configuration.
func FuzzSSHConfig(f *testing.F) {
	seeds(f, ".conf")
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "inv.hcl"), []byte("source \"ssh_config\" \"a\" {\n  file = \"ssh.conf\"\n}\n"), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if strings.Contains(strings.ToLower(string(text)), "include") {
			return // what a file includes is another file
		}
		if err := os.WriteFile(filepath.Join(dir, "ssh.conf"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		loads(t, dir, []string{"inv.hcl"}, Options{})
	})
}

// FuzzCluster reads cluster files of CVS. What one becomes in HCL declares the same hosts.
func FuzzCluster(f *testing.F) {
	seeds(f, "inv.json")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, "cluster.json")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		inv := loads(t, dir, []string{"cluster.json"}, Options{})
		written, files, diags := ImportCluster(path, os.LookupEnv)
		pointInto(t, files, diags)
		if inv == nil || diags.HasErrors() {
			return
		}
		if err := os.WriteFile(filepath.Join(dir, "imported.hcl"), written, 0o600); err != nil {
			t.Fatal(err)
		}
		imported := loads(t, dir, []string{"imported.hcl"}, Options{})
		if imported == nil || !slices.Equal(slices.Sorted(slices.Values(imported.Names())), slices.Sorted(slices.Values(inv.Names()))) {
			t.Errorf("imported it is no longer the same:\n%s", written)
		}
	})
}
