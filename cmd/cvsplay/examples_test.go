package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestExamples holds every playbook that is shipped or shown to what a user would do with it first: validate and fmt.
func TestExamples(t *testing.T) {
	root := filepath.Join("..", "..")
	for _, dir := range []string{"playbooks", "examples"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				if d != nil && (d.Name() == "state" || d.Name() == "testdata") {
					return fs.SkipDir
				}
				return err
			}
			if strings.HasSuffix(path, ".hcl") {
				t.Run(path, func(t *testing.T) { wellFormed(t, path) })
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

var fenced = regexp.MustCompile("(?s)```hcl\n(.*?)```")

// TestFencedExamples does the same with what stands between the fences of the documentation; and a playbook checks simulated hosts, of the groups that
// the documentation speaks of.
func TestFencedExamples(t *testing.T) {
	inventory := filepath.Join(t.TempDir(), "lab.hcl")
	if err := os.WriteFile(inventory, []byte("source \"lab\" \"gpu\" {\n  count  = 3\n  groups = [\"gpu\"]\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	count := 0
	for page, text := range documentation(t) {
		for i, block := range fenced.FindAllStringSubmatch(text, -1) {
			count++
			path := filepath.Join(t.TempDir(), "example.hcl")
			if err := os.WriteFile(path, []byte(block[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Run(fmt.Sprintf("%s/%d", page, i+1), func(t *testing.T) {
				wellFormed(t, path)
				if !strings.Contains("\n"+block[1], "\nplay ") {
					return
				}
				if code, out := called(t, "check", path, "-i", inventory); code == codeUsage {
					t.Errorf("nothing was contacted:\n%s", out)
				}
			})
		}
	}
	if count < 10 {
		t.Errorf("only %d examples", count)
	}
}

// wellFormed validates a playbook, or lists an inventory, and asks whether it is formatted.
func wellFormed(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"inventory", "list", "-i", path}
	if regexp.MustCompile(`(?m)^play "`).Match(text) {
		args = []string{"validate", path}
	}
	if filepath.Base(filepath.Dir(filepath.Dir(path))) == "roles" { // it is validated with what includes it
		args = []string{"version"}
	}
	for _, args := range [][]string{args, {"fmt", "--check", path}} {
		if code, out := called(t, args...); code != 0 {
			t.Errorf("cvsplay %s: exit code %d\n%s", strings.Join(args, " "), code, out)
		}
	}
}

// called runs the command in this process.
func called(t *testing.T, args ...string) (int, string) {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	a := &app{stdout: out, stderr: out, stdin: strings.NewReader(""), environ: []string{"NO_COLOR=1"}}
	code := a.main(args)
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return code, string(text)
}
