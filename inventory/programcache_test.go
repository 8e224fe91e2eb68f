package inventory_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cvsplay/inventory"
)

// What a program printed counts for as long as its source says, unless the program or its arguments change; and what nobody could read is not kept.
func TestListsAreKept(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	env := func(name string) (string, bool) { return cache, name == "XDG_CACHE_HOME" }
	program := func(list string) {
		write(t, filepath.Join(dir, "list"), fmt.Appendf(nil, "#!/bin/sh\necho >>%q\necho '%s'\n", filepath.Join(dir, "asked"), list))
	}
	load := func(age string) (hosts string, asked int) {
		t.Helper()
		write(t, filepath.Join(dir, "inv.hcl"), fmt.Appendf(nil, "host \"here\" {}\nsource \"exec\" \"a\" {\n command = [\"./list\"]\n cache = %s\n}\n", age))
		inv, _, diags := inventory.Load(t.Context(), []string{"inv.hcl"}, inventory.Options{Dir: dir, Env: env})
		if diags.HasErrors() {
			hosts = diags[0].Summary
		} else {
			hosts = strings.Join(inv.Names(), " ")
		}
		text, _ := os.ReadFile(filepath.Join(dir, "asked"))
		return hosts, len(text)
	}
	kept := func() string {
		files, err := filepath.Glob(filepath.Join(cache, "cvsplay/inventory/*"))
		if err != nil || len(files) != 1 {
			t.Fatalf("kept: %q, %v", files, err)
		}
		return files[0]
	}
	for _, step := range []struct {
		name  string
		do    func()
		age   string
		hosts string
		asked int
	}{
		{"without a cache", func() { program(`{}`) }, "null", "here", 1},
		{"what cannot be read", func() { program(`[]`) }, `"1h"`, "Not an inventory", 2},
		{"is not kept", func() {}, `"1h"`, "Not an inventory", 3},
		{"the first time", func() { program(`{"g": {"hosts": ["n1"]}}`) }, `"1h"`, "here n1", 4},
		{"the second time", func() {}, `"1h"`, "here n1", 4},
		{"it is the owner's alone", func() {
			if info, err := os.Stat(kept()); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
		}, `"1h"`, "here n1", 4},
		{"too old", func() {
			if err := os.Chtimes(kept(), time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
				t.Error(err)
			}
		}, `"1h"`, "here n1", 5},
		{"another program", func() { program(`{"g": {"hosts": ["n1", "n2"]}}`) }, `"1h"`, "here n1 n2", 6},
		{"a damaged file", func() { write(t, kept(), []byte("nothing")) }, `"1h"`, "here n1 n2", 7},
		{"again", func() {}, `"1h"`, "here n1 n2", 7},
		{"no more", func() {}, "null", "here n1 n2", 8},
	} {
		step.do()
		if hosts, asked := load(step.age); hosts != step.hosts || asked != step.asked {
			t.Errorf("%s: %q, asked %d times; want %q, %d", step.name, hosts, asked, step.hosts, step.asked)
		}
	}
	write(t, filepath.Join(dir, "file"), nil)
	env = func(name string) (string, bool) { return filepath.Join(dir, "file"), name == "XDG_CACHE_HOME" }
	if hosts, _ := load(`"1h"`); hosts != "Source failed" {
		t.Errorf("where nothing can be kept: %q", hosts)
	}
}
