package inventory_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cvsplay/engine/remote/remotetest"
	"cvsplay/inventory"
)

// What an inventory of Ansible has wrong is told with its file and line.
func TestAnsibleFilesThatAreWrong(t *testing.T) {
	for _, tc := range []struct{ file, text, want string }{
		{"h.yml", `all: {host: {}}`, `h.yml:1: a group has hosts, children and vars, and no "host". Did you mean "hosts"?`},
		{"h.yml", "all:\n  hosts: [a]", `h.yml:2: hosts of the group "all" is no map`},
		{"h.yml", `all: {vars: {a: !vault x}}`, `h.yml:1: "a" is in a vault`},
		{"h.yml", `all: {hosts: {a: {}, a: {}}}`, `"a" is there twice`},
		{"h.yml", `all: {hosts: {"n[3:1]": }}`, `the range [3:1] of "n[3:1]": it goes from a number`},
		{"h.yml", `all: {hosts: {"n[1:9:0]": }}`, "the step is no whole number above zero"},
		{"h.yml", `all: {hosts: {"n[1:9999][1:9999]": }}`, "stands for more than 100000 hosts"},
		{"h.yml", `all: &a {children: {b: *a}}`, "groups stand deeper than 100"},
		{"h.yml", aliases(30), "there are more than 1000000 maps"},
		{"h.yml", `all: {vars: {a: {1: 2}}}`, "JSON has not"},
		{"h.yml", `a: b: c`, "h.yml"},
		{"h.yml", ``, "is empty"},
		{"h.ini", `n1 gpus`, `h.ini:1: what follows a host is NAME=VALUE, and not "gpus"`},
		{"h.ini", `n1 a="b`, "h.ini:1: a quotation mark is not closed"},
		{"h.ini", "[gpu:var]\nn", "h.ini:2: a section is [GROUP], [GROUP:vars] or [GROUP:children], and not [gpu:var]"},
		{"h.ini", "[gpu:vars]\nn", "h.ini:2: a variable is written NAME=VALUE"},
		{"h", "#!/bin/sh\n", `is a program: run it with source "exec"`},
		{"d/h.yml", "all:", "is a folder"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, tc.file), []byte(tc.text))
		file, _, _ := strings.Cut(tc.file, "/")
		inv, diags := parse(t, fmt.Sprintf("source \"ansible\" \"a\" {\n  file = %q\n  reader = \"builtin\"\n}\n", filepath.Join(dir, file)), inventory.Options{Env: testEnv})
		if inv != nil || diags == "" || !strings.Contains(diags, tc.want) {
			t.Errorf("%s %q: %s", tc.file, tc.text, diags)
		}
	}
}

// aliases are groups of which each has the one before it twice.
func aliases(levels int) string {
	var b strings.Builder
	b.WriteString("g0: &g0 {}\n")
	for i := 1; i <= levels; i++ {
		fmt.Fprintf(&b, "g%d: &g%d {children: {a%d: *g%d, b%d: *g%d}}\n", i, i, i, i-1, i, i-1)
	}
	return b.String()
}

// Where ansible-inventory is installed it is asked, and its groups come in the order of their parents' children.
func TestAnsibleInventoryIsAsked(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bin/ansible-inventory"), []byte(`#!/bin/sh
if [ "$ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED $3 $4" != "true --list --export" ]; then exit 9; fi
if grep -q broken "$2"; then echo "cannot parse $2" >&2; exit 4; fi
echo '{"_meta": {"hostvars": {"z": {"ansible_user": "u"}}}, "a": {"hosts": ["y"]}, "all": {"children": ["ungrouped", "z", "a"]}, "z": {"hosts": ["z"]}}'
`))
	write(t, filepath.Join(dir, "hosts"), []byte("[z]\nz\n"))
	write(t, filepath.Join(dir, "broken"), []byte("broken\n"))
	text := func(file string) string {
		return fmt.Sprintf("source \"ansible\" \"a\" {\n  file = %q\n}\n", filepath.Join(dir, file))
	}
	t.Setenv("PATH", filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	inv, diags := parse(t, text("hosts"), inventory.Options{Env: testEnv})
	if diags != "" || strings.Join(inv.Names(), " ") != "z y" || inv.Hosts[0].SSH.User != "u" {
		t.Errorf("%s", diags)
	}
	if _, diags := parse(t, text("broken"), inventory.Options{Env: testEnv}); !strings.Contains(diags, "ansible-inventory failed: exit status 4") || !strings.Contains(diags, "cannot parse") {
		t.Error(diags)
	}
	if _, diags := parse(t, text("none"), inventory.Options{Env: testEnv}); !strings.Contains(diags, "no such file") {
		t.Error(diags)
	}
	t.Setenv("PATH", filepath.Join(dir, "none"))
	inv, diags = parse(t, text("hosts"), inventory.Options{Env: testEnv})
	if diags != "" || strings.Join(inv.Names(), " ") != "z" {
		t.Errorf("without the program: %s", diags)
	}
}

func TestAnsibleReaders(t *testing.T) {
	if _, diags := parse(t, `source "ansible" "a" {
  file   = "x"
  reader = "own"
}`, inventory.Options{}); !strings.Contains(diags, `The reader is "auto", "ansible" or "builtin", not "own".`) {
		t.Error(diags)
	}
}

// describeAnsible reads an inventory of testdata/ansible with one of the readers.
func describeAnsible(t *testing.T, file, reader string) string {
	t.Helper()
	whole, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	return describe(load(t, fmt.Sprintf("source \"ansible\" \"a\" {\n  file = %q\n  reader = %q\n}\n", whole, reader))) + "\n"
}

func ansibleFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/ansible/*/hosts.*")
	if err != nil || len(files) < 5 {
		t.Fatalf("%q, %v", files, err)
	}
	return files
}

// The inventories that Ansible's documentation shows, in other words: each has its hosts beside it, in the file golden.
func TestReadsAnsible(t *testing.T) {
	for _, file := range ansibleFiles(t) {
		golden := filepath.Join(filepath.Dir(file), "golden")
		got := describeAnsible(t, file, "builtin")
		if *update {
			write(t, golden, []byte(got))
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is\n%s\nwant\n%s", file, got, want)
		}
	}
}

// What is read here is what ansible-inventory reads: names, groups, their order, variables with their types.
func TestReadsAsAnsibleDoes(t *testing.T) {
	remotetest.Need(t, "ansible-inventory")
	for _, file := range ansibleFiles(t) {
		if theirs, ours := describeAnsible(t, file, "ansible"), describeAnsible(t, file, "builtin"); theirs != ours {
			t.Errorf("%s by ansible-inventory is\n%s\nand here\n%s", file, theirs, ours)
		}
	}
}

// What has no end is not read to it.
func TestListsWithoutAnEnd(t *testing.T) {
	for _, source := range []string{`source "ansible" "a" {
  file   = "/dev/zero"
  reader = "builtin"
}`, `source "ssh_config" "a" {
  file = "/dev/zero"
}`} {
		if inv, diags := parse(t, source, inventory.Options{Env: testEnv}); inv != nil || !strings.Contains(diags, "/dev/zero is larger than 64 MiB") {
			t.Errorf("%s: %s", source, diags)
		}
	}
	inv, diags := parse(t, `host "a" {}`, inventory.Options{Env: testEnv})
	if inv == nil {
		t.Fatal(diags)
	}
	if _, err := inv.Match("@/dev/zero", inventory.MatchOptions{}); err == nil || !strings.Contains(err.Error(), "is larger than 64 MiB") {
		t.Errorf("a list of hosts: %v", err)
	}
}
