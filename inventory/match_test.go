package inventory_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cvsplay/engine/nodeset"
	"cvsplay/inventory"
)

// load reads one inventory file that has to be right.
func load(t testing.TB, text string) *inventory.Inventory {
	t.Helper()
	inv, diags := parse(t, text, inventory.Options{})
	if diags != "" || inv == nil {
		t.Fatal(diags)
	}
	return inv
}

// parse reads one inventory file, and gives its diagnostics as text.
func parse(t testing.TB, text string, o inventory.Options) (*inventory.Inventory, string) {
	t.Helper()
	o.Dir = t.TempDir()
	if o.Env == nil {
		o.Env = testEnv
	}
	if err := os.WriteFile(o.Dir+"/inv.hcl", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	inv, _, diags := inventory.Load(t.Context(), []string{"inv.hcl"}, o)
	var b strings.Builder
	for _, d := range diags {
		b.WriteString(textOf(o.Dir, d) + "\n")
	}
	return inv, b.String()
}

const patterns = `
group "gpu" {
  hosts = nodes("gpu[001-004]")
}
group "cpu" {
  hosts = ["cpu1", "cpu2"]
}
group "drained" {}
group "slow" {
  members = ["gpu002", "cpu1"]
}
host "fe80::1" {}
host "beef" {}
host "cafe" {}
host "cafe::beef" {}
host "head" {}
group "head" {
  hosts = ["head", "standby"]
}
`

func TestMatch(t *testing.T) {
	inv := load(t, patterns)
	files := map[string]string{
		"list":    "# two of them\ngpu003\r\n\n gpu[001-002] , cpu1 # and more\n",
		"again":   "@list\nhead\n",
		"loop":    "@loop\n",
		"minus":   "!gpu001\n",
		"unknown": "gpu001\ngpu9\n",
	}
	o := inventory.MatchOptions{
		ReadFile: func(path string) ([]byte, error) {
			if text, ok := files[path]; ok {
				return []byte(text), nil
			}
			return nil, fmt.Errorf("open %s: %w", path, os.ErrNotExist)
		},
		Failed: func() ([]string, error) { return []string{"cpu2", "gone", "gpu001"}, nil },
	}
	for _, tc := range []struct{ pattern, want string }{
		{"all", "gpu[001-004] cpu[1-2] fe80::1 beef cafe cafe::beef head standby"},
		{"*", "gpu[001-004] cpu[1-2] fe80::1 beef cafe cafe::beef head standby"},
		{"gpu", "gpu[001-004]"},
		{"gpu003,gpu001", "gpu001 gpu003"},
		{"gpu003:gpu001", "gpu001 gpu003"},
		{" gpu003 , cpu ", "gpu003 cpu[1-2]"},
		{"gpu[001-002,004]", "gpu[001-002,004]"},
		{"gpu[001-002]:cpu[1-2]", "gpu[001-002] cpu[1-2]"},
		{"gpu00?", "gpu[001-004]"},
		{"?pu", "gpu[001-004] cpu[1-2]"},
		{"*pu*[1-2]", "gpu[001-002] cpu[1-2]"},
		{"*[3-4]", "gpu[003-004]"},
		{"*pu*[3-9]", "gpu[003-004]"},
		{"gpu:!slow", "gpu001 gpu[003-004]"},
		{"!slow:gpu", "gpu001 gpu[003-004]"},
		{"gpu,&slow", "gpu002"},
		{"&slow,cpu,gpu,!gpu002", "cpu1"},
		{"&slow", "gpu002 cpu1"},
		{"!gpu,!cpu,!*fe*,!*be*", "head standby"},
		{"gpu:!drained", "gpu[001-004]"},
		{"fe80::1", "fe80::1"},
		{"fe80::1:gpu001", "gpu001 fe80::1"},
		{"gpu001:fe80::1:cpu1", "gpu001 cpu1 fe80::1"},
		{"cafe::beef", "cafe::beef"},
		{"cafe:beef", "beef cafe"},
		{"cafe,beef:cafe::beef", "beef cafe cafe::beef"},
		{"*:!fe80::1:!gpu:!cpu", "beef cafe cafe::beef head standby"},
		{"head", "head standby"},
		{"@list", "gpu[001-003] cpu1"},
		{"@again:!@list", "head standby"},
		{"@failed", "gpu001 cpu2"},
		{"gpu,!@failed", "gpu[002-004]"},
	} {
		got, err := inv.Match(tc.pattern, o)
		want := expand(t, tc.want)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Match(%q) = %q, %v; want %q", tc.pattern, got, err, want)
		}
	}
	for _, tc := range []struct{ pattern, want string }{
		{"", `pattern "": a term is empty`},
		{"gpu,", "a term is empty"},
		{"gpu::cpu", "a term is empty"},
		{"!", "a term is empty"},
		{"gpu04", `the inventory has no host and no group "gpu04". Did you mean "gpu004"?`},
		{"slaw", `no host and no group "slaw". Did you mean "slow"?`},
		{"gpu,!nothing-like-it", `no host and no group "nothing-like-it".`},
		{"gpu[003-007]", "the inventory has no hosts gpu[005-007]"},
		{"x[1-9999/2]", "17,19,21,23,"},
		{"x[1-9999/2]", "… (5000 names)"},
		{"*[1-2000]", "stands for 2000 globs"},
		{"*[7-9]", "neither a host nor a group matches"},
		{"gpu[003-005]", `no host and no group "gpu005"`},
		{"gpu[3", "a [ without its ], at 4"},
		{"node*", "neither a host nor a group matches"},
		{"gpu,!node*", "neither a host nor a group matches"},
		{"drained", "no host is left"},
		{"gpu,&cpu", "no host is left"},
		{"fe80::2", `no host and no group "fe80::2"`},
		{"@nowhere", "open nowhere: file does not exist"},
		{"@loop", "the file names itself"},
		{"@minus", "line 1: a file only adds hosts"},
		{"@unknown", `line 2: the inventory has no host and no group "gpu9"`},
	} {
		got, err := inv.Match(tc.pattern, o)
		var e *inventory.MatchError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tc.want) || e.Pattern != tc.pattern {
			t.Errorf("Match(%q) = %q, %v; want %q", tc.pattern, got, err, tc.want)
		}
	}
	if _, err := inv.Match("@failed", inventory.MatchOptions{}); err == nil || !strings.Contains(err.Error(), "for run and check alone") {
		t.Errorf("@failed without a playbook: %v", err)
	}
}

// expand writes out the names of node sets between blanks.
func expand(t testing.TB, text string) []string {
	t.Helper()
	var out []string
	for _, field := range strings.Fields(text) {
		names, err := nodeset.Expand(field)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, names...)
	}
	return out
}

// A pattern is set algebra: whatever the order of its terms, the unions come first, then intersections, then differences.
func TestMatchIsSetAlgebra(t *testing.T) {
	inv := load(t, patterns)
	atoms := []string{"gpu", "cpu", "slow", "drained", "head", "all", "gpu001", "gpu[002-003]", "c*", "fe80::1", "cafe::beef", "?pu*[1-2]"}
	sets := map[string]map[string]bool{}
	for _, a := range atoms {
		sets[a] = map[string]bool{}
		names, err := inv.Match(a, inventory.MatchOptions{})
		if err != nil && a != "drained" {
			t.Fatal(err)
		}
		for _, n := range names {
			sets[a][n] = true
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var terms []string
		var plain, also, without []string
		for range rapid.IntRange(1, 6).Draw(t, "terms") {
			atom := rapid.SampledFrom(atoms).Draw(t, "atom")
			switch op := rapid.SampledFrom([]string{"", "", "&", "!"}).Draw(t, "operator"); op {
			case "&":
				also, terms = append(also, atom), append(terms, op+atom)
			case "!":
				without, terms = append(without, atom), append(terms, op+atom)
			default:
				plain, terms = append(plain, atom), append(terms, atom)
			}
		}
		pattern := strings.Join(terms, rapid.SampledFrom([]string{",", ":", " , "}).Draw(t, "separator"))
		in := func(host string) func(string) bool { return func(atom string) bool { return sets[atom][host] } }
		var want []string
		for _, host := range inv.Names() {
			if (len(plain) == 0 || slices.ContainsFunc(plain, in(host))) &&
				!slices.ContainsFunc(also, func(a string) bool { return !sets[a][host] }) && !slices.ContainsFunc(without, in(host)) {
				want = append(want, host)
			}
		}
		got, err := inv.Match(pattern, inventory.MatchOptions{})
		if !slices.Equal(got, want) || (err == nil) != (len(want) > 0) {
			t.Fatalf("Match(%q) = %q, %v; want %q", pattern, got, err, want)
		}
	})
}

func FuzzMatch(f *testing.F) {
	inv := load(f, patterns)
	for _, seed := range []string{"gpu", "a:b,c", "!x", "&", "@f", "fe80::1:gpu", "gpu[1-", "*", "[", "gpu[001-002]*,!@f"} {
		f.Add(seed)
	}
	o := inventory.MatchOptions{ReadFile: func(string) ([]byte, error) { return []byte("gpu001\n@f\n"), nil }}
	f.Fuzz(func(t *testing.T, pattern string) {
		names, err := inv.Match(pattern, o)
		if (err == nil) != (len(names) > 0) {
			t.Fatalf("%q, %v", names, err)
		}
		if !slices.IsSortedFunc(names, func(a, b string) int {
			x, _ := inv.Host(a)
			y, _ := inv.Host(b)
			return x.Index - y.Index
		}) {
			t.Fatalf("%q are not in inventory order", names)
		}
	})
}
