package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// documentation is the README and the pages of the documentation, by their paths in the repository.
func documentation(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(repository(t, "docs/*.md"))
	if err != nil || len(paths) == 0 {
		t.Fatal(err)
	}
	pages := map[string]string{}
	for _, path := range append(paths, repository(t, "README.md")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		pages[strings.TrimPrefix(path, repository(t, ".")+"/")] = string(text)
	}
	return pages
}

// What stands between fences is HCL or commands, which the tests execute; JSON, which they compare; or what a run printed, which differs from run to run.
func TestFencesAreExecuted(t *testing.T) {
	for name, text := range documentation(t) {
		open := false
		for line := range strings.Lines(text) {
			kind, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
			if !fence {
				continue
			}
			if open = !open; !open {
				continue
			}
			switch kind {
			case "hcl", "text":
			case "json":
				if name != "docs/validate.md" {
					t.Errorf("%s: no test compares this JSON", name)
				}
			default:
				t.Errorf("%s: no test executes what stands between fences with %q", name, kind)
			}
		}
	}
}

// The document that the page on validate shows is the one that is printed.
func TestValidatePage(t *testing.T) {
	shown := regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(documentation(t)["docs/validate.md"])
	t.Chdir(t.TempDir())
	text := "play \"p\" {\n  hosts = group.all\n  step \"exec_script\" \"a\" {\n    crates = \"/x\"\n    script = \"true\"\n  }\n}\n"
	if err := os.WriteFile("site.hcl", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, printed := called(t, "validate", "--json", "site.hcl")
	var want, got any
	if err := json.Unmarshal([]byte(shown[1]), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(printed), &got); err != nil || !reflect.DeepEqual(want, got) {
		t.Errorf("the page shows %s\nand printed is %s, %v", shown[1], printed, err)
	}
}

// endsOtherwise are commands of the README that need what a test has not.
var endsOtherwise = map[string]string{
	"cvsplay run hello.hcl --limit @failed": "ended well on all hosts",
	"cvsplay run hello.hcl --step":          "needs a terminal",
}

var (
	indentedCommand = regexp.MustCompile(`(?m)^    ((?:cvsplay|make) [^\n]*)$`)
	trailingComment = regexp.MustCompile(`\s+# .*$`)
	makeTarget      = regexp.MustCompile(`^make ([a-z-]+)`)
)

// The commands of the README do what it says, on simulated hosts with the names that it has.
func TestReadmeCommands(t *testing.T) {
	u := newUser(t)
	readme := documentation(t)["README.md"]
	for _, block := range fenced.FindAllStringSubmatch(readme, -1) {
		if name, _, named := strings.Cut(strings.TrimPrefix(block[1], "# "), "\n"); named && strings.HasSuffix(name, ".hcl") {
			u.write(name, block[1])
		}
	}
	u.write("inventory.hcl", "source \"lab\" \"gpu\" {\n  count  = 16\n  name   = \"node\"\n  groups = [\"gpu\"]\n}\n")
	if err := os.CopyFS(filepath.Join(u.dir, "playbooks"), os.DirFS(repository(t, "playbooks"))); err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(repository(t, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, found := range indentedCommand.FindAllStringSubmatch(readme, -1) {
		line := trailingComment.ReplaceAllString(found[1], "")
		if target := makeTarget.FindStringSubmatch(line); target != nil { // what they run are these tests, and the playbooks below
			if !strings.Contains(string(makefile), "\n"+target[1]+":") {
				t.Errorf("%s: the Makefile has no such target", line)
			}
			continue
		}
		count++
		t.Run(line, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", line)
			cmd.Dir, cmd.Env = u.dir, u.env
			out, err := cmd.CombinedOutput()
			if want, otherwise := endsOtherwise[line]; otherwise != (err != nil) || !strings.Contains(string(out), want) {
				t.Errorf("%v, and %q was expected:\n%s", err, want, out)
			}
		})
	}
	if count < 10 {
		t.Errorf("only %d commands", count)
	}
}
