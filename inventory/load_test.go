package inventory_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"

	"cvsplay/engine/eval"
	"cvsplay/engine/nodeset"
	"cvsplay/inventory"
)

var update = flag.Bool("update", false, "write what the hosts of the archives in testdata are")

// TestCases loads the inventory of every archive in testdata: its files whose names begin with inv, in order. A comment
// "# ERROR: text" or "# WARNING: text" stands on the line that a diagnostic has to point at, and the text is part of it; in the
// archive's own comment it is "# ERROR FILE:LINE: text", or without a place. The file "hosts" is what the hosts are, one line a value; "env" what
// SplitEnv makes of their environments; "limits" has patterns with their hosts behind " = ", or with part of an error behind " ! ". The archives in
// testdata/language begin with a sentence of the language each.
func TestCases(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	ofLanguage, err2 := filepath.Glob("testdata/language/*.txtar")
	if err != nil || err2 != nil || len(archives) == 0 || len(ofLanguage) == 0 {
		t.Fatal("no archives", err, err2)
	}
	for _, path := range slices.Concat(archives, ofLanguage) {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(path, "testdata/"), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if runCase(t, archive) && *update {
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// runCase tells whether the archive was changed, too.
func runCase(t *testing.T, archive *txtar.Archive) bool {
	dir := t.TempDir()
	var paths []string
	views := map[string]*txtar.File{}
	wanted := expectations("", archive.Comment)
	for i, f := range archive.Files {
		if describers[f.Name] != nil {
			views[f.Name] = &archive.Files[i]
			continue
		}
		write(t, filepath.Join(dir, f.Name), f.Data)
		if strings.HasPrefix(f.Name, "inv") {
			if p, _, _ := strings.Cut(f.Name, "/"); !slices.Contains(paths, p) {
				paths = append(paths, p)
			}
			wanted = append(wanted, expectations(f.Name, f.Data)...)
		}
	}
	inv, _, diags := inventory.Load(t.Context(), paths, inventory.Options{Dir: dir, Env: testEnv, Idle: true})
	compareDiagnostics(t, dir, wanted, diags)
	if len(views) == 0 {
		if !diags.HasErrors() {
			t.Error("no error, and the archive has nothing to compare")
		}
		return false
	}
	if inv == nil {
		t.Fatal("no inventory")
	}
	defer inv.Close()
	changed := false
	for name, view := range views {
		got, want := describers[name](inv, dir, string(view.Data))+"\n", string(view.Data)
		if got != want && *update {
			view.Data, changed = []byte(got), true
		} else if got != want {
			t.Errorf("%s are\n%s\nwant\n%s", name, got, want)
		}
	}
	return changed
}

// describers write what the files of these names hold, of an inventory that was read in a folder.
var describers = map[string]func(inv *inventory.Inventory, dir, want string) string{
	"hosts":  func(inv *inventory.Inventory, _, _ string) string { return describe(inv) },
	"env":    func(inv *inventory.Inventory, _, _ string) string { return describeEnv(inv) },
	"limits": describeLimits,
}

// describeEnv tells what becomes of each variable on its host.
func describeEnv(inv *inventory.Inventory) string {
	var out []string
	for _, h := range inv.Hosts {
		for _, name := range slices.Sorted(maps.Keys(h.Env)) {
			before, literal, after := inventory.SplitEnv(name, h.Env[name])
			line := h.Name + " " + name
			if before {
				line += " own then"
			}
			line += fmt.Sprintf(" literal %q", literal)
			if after {
				line += " then own"
			}
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// describeLimits holds every pattern of the text against the inventory. An error that has the text behind " ! " stays as it stands there.
func describeLimits(inv *inventory.Inventory, dir, text string) string {
	read := func(path string) ([]byte, error) { return os.ReadFile(filepath.Join(dir, path)) }
	var out []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		pattern, _, _ := strings.Cut(line, " = ")
		pattern, said, _ := strings.Cut(pattern, " ! ")
		names, err := inv.Match(pattern, inventory.MatchOptions{ReadFile: read})
		switch {
		case err == nil:
			out = append(out, pattern+" = "+nodeset.Fold(names))
		case said != "" && strings.Contains(err.Error(), said):
			out = append(out, line)
		default:
			out = append(out, pattern+" ! "+err.Error())
		}
	}
	return strings.Join(out, "\n")
}

func testEnv(name string) (string, bool) {
	v, ok := map[string]string{"HOME": "/home/tester", "SUDO_PASSWORD": "s3cret-sudo", "LOGNAME": "tester"}[name]
	return v, ok
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	mode := os.FileMode(0o644)
	if strings.HasPrefix(string(data), "#!") {
		mode = 0o755
	}
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
}

// An expected diagnostic has a place (FILE:LINE, or none) and a text that is part of it.
type expected struct {
	severity hcl.DiagnosticSeverity
	where    string
	text     string
}

var expectation = regexp.MustCompile(`# (ERROR|WARNING)( \S+)?: (.*)$`)

// expectations are those of a file's comments.
func expectations(name string, data []byte) []expected {
	var out []expected
	for i, line := range strings.Split(string(data), "\n") {
		m := expectation.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		e := expected{severity: hcl.DiagError, where: strings.TrimSpace(m[2]), text: m[3]}
		if m[1] == "WARNING" {
			e.severity = hcl.DiagWarning
		}
		if name != "" {
			e.where = fmt.Sprintf("%s:%d", name, i+1)
		}
		out = append(out, e)
	}
	return out
}

// compareDiagnostics wants every expectation to be part of a diagnostic of its place, and every diagnostic to be expected.
func compareDiagnostics(t *testing.T, dir string, wanted []expected, diags hcl.Diagnostics) {
	t.Helper()
	left := slices.Clone(diags)
	for _, want := range wanted {
		i := slices.IndexFunc(left, func(d *hcl.Diagnostic) bool {
			return d.Severity == want.severity && whereOf(dir, d) == want.where && strings.Contains(textOf(dir, d), want.text)
		})
		if i < 0 {
			t.Errorf("missing at %q: %s", want.where, want.text)
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	for _, d := range left {
		t.Errorf("unexpected at %q: %s", whereOf(dir, d), textOf(dir, d))
	}
}

// textOf is a diagnostic on one line.
func textOf(dir string, d *hcl.Diagnostic) string {
	return strings.NewReplacer(dir+"/", "", "\n", " ").Replace(d.Summary + ": " + d.Detail)
}

func whereOf(dir string, d *hcl.Diagnostic) string {
	if d.Subject == nil {
		return ""
	}
	name, err := filepath.Rel(dir, d.Subject.Filename)
	if err != nil {
		name = d.Subject.Filename
	}
	return fmt.Sprintf("%s:%d", filepath.ToSlash(name), d.Subject.Start.Line)
}

// describe writes everything that is set of an inventory.
func describe(inv *inventory.Inventory) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(inv.Variables)) {
		fmt.Fprintf(&b, "variable %s = %s\n", name, eval.ToJSON(inv.Variables[name].Value))
	}
	for _, name := range inv.GroupNames() {
		g := inv.Groups[name]
		fmt.Fprintf(&b, "group %s: %s", name, strings.Join(g.Hosts, " "))
		if len(g.Children) > 0 {
			fmt.Fprintf(&b, "; children %s", strings.Join(g.Children, " "))
		}
		if g.Priority != 0 {
			fmt.Fprintf(&b, "; priority %d", g.Priority)
		}
		b.WriteString("\n")
	}
	for _, h := range inv.Hosts {
		fmt.Fprintf(&b, "host %s: %s\n", h.Name, strings.Join(h.Groups, " "))
		for _, o := range inv.Explain(h) {
			fmt.Fprintf(&b, "  %s = %s by %s", o.Name, eval.ToJSON(o.Value), o.From)
			for _, l := range o.Over {
				fmt.Fprintf(&b, " over %s", l.From)
			}
			b.WriteString("\n")
		}
	}
	return strings.TrimSpace(strings.ReplaceAll(b.String(), " \n", "\n"))
}
