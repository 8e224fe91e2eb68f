package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"

	"cvsplay/engine/config"
	"cvsplay/engine/event"
	"cvsplay/engine/remote"
	"cvsplay/inventory"
)

// Each archive holds a rule of the language, or a few that belong together: what it says first is the rule in words. It is an archive as those of
// TestRuns are, and each file in it that is called wrong….hcl is a playbook that no run begins with: every error stands on the line that
// says so ("# ERROR: words of it"), and no other line has one. testdata/language/index.txt lists all rules.
func TestLanguage(t *testing.T) {
	eachArchive(t, "testdata/language/*.txtar", func(t *testing.T, path string, archive *txtar.Archive) {
		if section(archive, "playbook.hcl")+section(archive, "playbook.hcl.json") != "" {
			transcript(t, path, archive)
		}
		for _, f := range archive.Files {
			if strings.HasPrefix(f.Name, "wrong") {
				mistakes(t, path, f, archive)
			}
		}
	})
}

// mistakes holds what is wrong with a playbook against what its lines say.
func mistakes(t *testing.T, path string, f txtar.File, archive *txtar.Archive) {
	t.Helper()
	expected := wanted(f.Data)
	if len(expected) == 0 {
		t.Errorf("%s: %s: no line has an error", path, f.Name)
	}
	for _, d := range refusals(t, f, archive) {
		text, line := d.Summary+": "+d.Detail, 0
		if d.Subject != nil {
			line = d.Subject.Start.Line
		}
		if d.Severity == hcl.DiagError && !fulfil(expected, line, text) {
			t.Errorf("%s: %s:%d: not expected: %s", path, f.Name, line, text)
		}
	}
	for line, texts := range expected {
		for _, text := range texts {
			t.Errorf("%s: %s:%d: no error says %q", path, f.Name, line, text)
		}
	}
}

// refusals is what a command says of a playbook before it contacts a host.
func refusals(t *testing.T, f txtar.File, archive *txtar.Archive) hcl.Diagnostics {
	t.Helper()
	dir := t.TempDir()
	if err := lay(archive, dir); err != nil {
		t.Fatal(err)
	}
	pb, _, diags := config.Read(f.Data, filepath.Join(dir, f.Name))
	if diags.HasErrors() {
		return diags
	}
	hosts := section(archive, "inventory.hcl")
	if hosts == "" {
		hosts = threeHosts
	}
	file := filepath.Join(dir, "inventory.hcl")
	if err := os.WriteFile(file, []byte(hosts), 0o600); err != nil {
		t.Fatal(err)
	}
	inv, _, more := inventory.Load(t.Context(), []string{file}, inventory.Options{})
	if more.HasErrors() {
		t.Fatal(more)
	}
	t.Cleanup(func() { _ = inv.Close() })
	s := &scenario{playbook: pb, inv: inv, modules: toys()}
	_, diags = s.plan(runOptions{})
	return diags
}

// The list of the rules names the tests that hold each. A rule without a test, a test that is not there, an archive that no rule names, and a heading of
// docs/language.md that the list does not follow are errors.
func TestLanguageIndex(t *testing.T) {
	const index = "testdata/language/index.txt"
	text, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "\n\n")
	before := strings.Count(string(text), "\n") - strings.Count(list, "\n")
	named, rule, tests := map[string]bool{}, "", 0
	var headings []string
	conclude := func(at string) {
		later := strings.HasPrefix(rule, "later: ")
		switch {
		case rule != "" && tests == 0 && !later:
			t.Errorf("%s: no test holds the rule before: %s", at, rule)
		case tests > 0 && later:
			t.Errorf("%s: the rule before has tests, so it is there now: %s", at, rule)
		}
		rule, tests = "", 0
	}
	for n, line := range strings.Split(list, "\n") {
		at := fmt.Sprintf("%s:%d", index, before+n+1)
		switch held := strings.TrimSpace(line); {
		case held == "":
		case strings.HasPrefix(line, "\t\t"):
			named[held], tests = true, tests+1
			if why := noTest(held); why != "" {
				t.Errorf("%s: %s", at, why)
			}
		case strings.HasPrefix(line, "\t"):
			conclude(at)
			rule = held
		default:
			headings = append(headings, held)
		}
	}
	conclude(index)
	archives, err := filepath.Glob("testdata/language/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range archives {
		if name := strings.TrimPrefix(filepath.ToSlash(path), "testdata/"); !named[name] {
			t.Errorf("%s names no rule that %s holds", index, name)
		}
	}
	inOrder(t, index, headings)
}

// inOrder holds the headings of the list against those of the language's page: all of its part on playbooks, in its order.
func inOrder(t *testing.T, index string, headings []string) {
	t.Helper()
	page, err := os.ReadFile("../docs/language.md")
	if err != nil {
		t.Fatal(err)
	}
	playbook, _, _ := strings.Cut(string(page), "\n## An inventory\n")
	next := 0
	for line := range strings.Lines(playbook) {
		heading, ok := strings.CutPrefix(strings.TrimSpace(line), "##")
		if !ok {
			continue
		}
		heading = strings.TrimSpace(strings.TrimPrefix(heading, "#"))
		found := -1
		for i := next; i < len(headings); i++ {
			if headings[i] == heading {
				found = i
				break
			}
		}
		if found < 0 {
			t.Errorf("%s: docs/language.md goes on with %q, and the list does not", index, heading)
			continue
		}
		next = found + 1
	}
}

// noTest says why a line of the list names no test; "": it does. It is a file in testdata (language/X.txtar, run/X.txtar, plan/X.hcl), a file of
// another folder by its path in the repository, or FOLDER:TEST, with /ROW behind it for a row of a table.
func noTest(held string) string {
	dir, test, ok := strings.Cut(held, ":Test")
	if !ok {
		path := filepath.Join("testdata", held)
		if strings.Contains(held, "testdata/") {
			path = filepath.Join("..", held)
		}
		if _, err := os.Stat(path); err != nil {
			return "there is no file " + held
		}
		return ""
	}
	test, row, _ := strings.Cut(test, "/")
	files, err := filepath.Glob(filepath.Join("..", dir, "*_test.go"))
	if err != nil {
		return err.Error()
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err.Error()
		}
		if strings.Contains(string(text), "\nfunc Test"+test+"(t *testing.T) {") && (row == "" || strings.Contains(string(text), `{"`+row+`", `)) {
			return ""
		}
	}
	return "there is no test " + held
}

// As whom a step runs: the play's become serves the steps that have none, and a step's own replaces it.
func TestBecome(t *testing.T) {
	s := newScenario(t, `play "login" {
  hosts = "n1"
  step "run" "as_who_logs_in" {
    command = "say 1"
  }
  step "run" "as_root" {
    command = "say 2"
    become  = true
  }
}
play "root" {
  hosts  = "n1"
  become = true
  step "run" "as_root" {
    command = "say 3"
  }
  step "run" "as_who_logs_in" {
    command = "say 4"
    become  = false
  }
  step "run" "as_the_operator" {
    command = "say 5"
    become  = "operator"
  }
  step "run" "as_whom_a_variable_names" {
    command = "say 6"
    become  = host.vars.account
  }
}
`, `host "n1" {
  connection = "local"
  vars       = { account = "clerk" }
}
`)
	var got []string
	inner := s.fleet.dial
	s.dial = func(ctx context.Context, h *inventory.Host) (remote.Conn, error) {
		conn, err := inner(ctx, h)
		return spyConn{Conn: conn, see: func(scripts []remote.Script) {
			for _, sc := range scripts {
				got = append(got, fmt.Sprintf("%s as %q", strings.TrimSpace(sc.Text), sc.Account))
			}
		}}, err
	}
	s.once(t, runOptions{})
	want := []string{`say 1 as ""`, `say 2 as "root"`, `say 3 as "root"`, `say 4 as ""`, `say 5 as "operator"`, `say 6 as "clerk"`}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Every event of every archive has the kind and the fields that docs/events.md says, and no other.
func TestEventsAreDocumented(t *testing.T) {
	documented := eventFields(t)
	seen := map[string]map[string]bool{}
	for _, pattern := range []string{"testdata/run/*.txtar", "testdata/language/*.txtar"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if section(archive, "playbook.hcl") == "" {
				continue
			}
			s := scenarioOf(t, archive)
			s.watch = func(e event.Event) { noteFields(t, seen, e) }
			s.play(t)
		}
	}
	for kind, fields := range seen {
		for field := range fields {
			if field == "batch" && kind != string(event.BatchStarted) {
				continue // every event of a play may have it
			}
			if !documented[kind][field] {
				t.Errorf("docs/events.md does not say that %s has %s", kind, field)
			}
		}
	}
	for kind, fields := range documented {
		for field := range fields {
			if seen[kind] != nil && !seen[kind][field] && field != "simulated" { // which is said of the lab alone
				t.Errorf("docs/events.md says that %s has %s, and no archive shows it", kind, field)
			}
		}
	}
}

// noteFields notes which fields an event's JSON has.
func noteFields(t *testing.T, seen map[string]map[string]bool, e event.Event) {
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	kind := string(e.Kind)
	if seen[kind] == nil {
		seen[kind] = map[string]bool{}
	}
	for name := range fields {
		if !slices.Contains([]string{"seq", "time", "kind", "run"}, name) && (name != "batch" || kind == "batch_started") {
			seen[kind][name] = true
		}
	}
}

var inBackquotes = regexp.MustCompile("`([a-z0-9_]+)`")

// eventFields reads the table of docs/events.md: the fields of each kind.
func eventFields(t *testing.T) map[string]map[string]bool {
	t.Helper()
	page, err := os.ReadFile("../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| kind | when | fields |\n")
	out := map[string]map[string]bool{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 {
			break
		}
		kind := inBackquotes.FindStringSubmatch(cells[1])
		if kind == nil {
			continue // the rule below the header
		}
		out[kind[1]] = map[string]bool{}
		for _, field := range inBackquotes.FindAllStringSubmatch(cells[3], -1) {
			out[kind[1]][field[1]] = true
		}
	}
	return out
}
