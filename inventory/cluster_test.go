package inventory_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"

	"cvsplay/inventory"
)

// A cluster file that was converted is the same inventory as the file itself.
func TestImportedClusterIsTheSame(t *testing.T) {
	for _, name := range []string{"cluster", "cluster_list"} {
		archive, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		path := filepath.Join(dir, "cluster.json")
		write(t, path, archive.Files[0].Data)
		text, _, diags := inventory.ImportCluster(path, testEnv)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		write(t, filepath.Join(dir, "inv.hcl"), text)
		inv, _, diags := inventory.Load(t.Context(), []string{"inv.hcl"}, inventory.Options{Dir: dir, Env: testEnv})
		if len(diags) > 0 {
			t.Fatalf("%v\n%s", diags, text)
		}
		if got, want := describe(inv)+"\n", string(archive.Files[1].Data); got != want {
			t.Errorf("%s is\n%s\nwant\n%s\nof\n%s", name, got, want, text)
		}
	}
}

// Passwords are told of, and not shown.
func TestImportedPasswords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.json")
	write(t, path, []byte(`{"username": "{user-id}", "password": "s3cret", "node_dict": {"a": {}}}`))
	user := func(name string) (string, bool) { return "by-" + name, true }
	text, _, diags := inventory.ImportCluster(path, user)
	if len(diags) != 1 || diags[0].Severity != hcl.DiagWarning || diags[0].Summary != "Password in clear text" || strings.Contains(diags.Error(), "s3cret") {
		t.Errorf("%v", diags)
	}
	if !strings.Contains(string(text), `"by-USER"`) || !strings.Contains(string(text), `"s3cret"`) {
		t.Errorf("%s", text)
	}
	none := func(string) (string, bool) { return "", false }
	if text, _, diags := inventory.ImportCluster(path, none); text != nil || !strings.Contains(diags.Error(), "neither USER nor LOGNAME") {
		t.Errorf("%s %v", text, diags)
	}
	for name, want := range map[string]string{"none.json": "none.json", "inventory.hcl": "ends in .json"} {
		if text, _, diags := inventory.ImportCluster(filepath.Join(filepath.Dir(path), name), none); text != nil || !strings.Contains(diags.Error(), want) {
			t.Errorf("%s %v", text, diags)
		}
	}
}
