package modules

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestContainerRows holds the list of the rules, testdata/container/rows.txt, against the tests: a rule without a test, a test that is not there, and a row of a
// table that no rule names.
func TestContainerRows(t *testing.T) {
	named, rule, count := map[string]bool{}, "", 0
	for n, line := range strings.Split(contents(t, "testdata/container/rows.txt"), "\n") {
		switch at := fmt.Sprintf("rows.txt:%d", n+1); {
		case strings.HasPrefix(line, "\t\t"):
			where := strings.TrimSpace(line)
			named[where], count = true, count+1
			if err := isTest(t, where); err != "" {
				t.Errorf("%s: %s", at, err)
			}
		case strings.HasPrefix(line, "\t"):
			if rule != "" && count == 0 {
				t.Errorf("%s: no test holds the rule before: %s", at, rule)
			}
			rule, count = strings.TrimSpace(line), 0
		}
	}
	for _, row := range tableRows(t) {
		if !named[row] {
			t.Errorf("rows.txt does not name %s", row)
		}
	}
}

func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// isTest says what is wrong with the name of a test; "": it is there.
func isTest(t *testing.T, where string) string {
	t.Helper()
	if archive, row, ok := strings.Cut(where, ".txtar/"); ok {
		if !strings.Contains(contents(t, "testdata/container/"+archive+".txtar"), "\n# "+row+"\n") {
			return "the archive has no row " + row
		}
		return ""
	}
	dir, test := ".", where
	if d, name, ok := strings.Cut(where, ":Test"); ok {
		dir, test = d, "Test"+name
	}
	test, row, _ := strings.Cut(test, "/")
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text := contents(t, f)
		if strings.Contains(text, "\nfunc "+test+"(t *testing.T) {") && (row == "" || strings.Contains(text, `{"`+row+`", `)) {
			return ""
		}
	}
	return "there is no test " + where
}

var tableRow = regexp.MustCompile(`(?m)^\t\t\{"([^"]+)", `)

// tableRows are the rows of the tables of fleets, and of the archives.
func tableRows(t *testing.T) []string {
	t.Helper()
	var out []string
	for test, file := range map[string]string{"TestContainerFleetTable": "container_fleet_test.go", "TestContainerLeftoversTable": "container_leftovers_test.go"} {
		for _, m := range tableRow.FindAllStringSubmatch(contents(t, file), -1) {
			out = append(out, test+"/"+m[1])
		}
	}
	archives, err := filepath.Glob("testdata/container/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range archives {
		scenario, _, _ := strings.Cut(contents(t, path), "-- want --\n")
		for line := range strings.Lines(scenario) {
			if row, ok := strings.CutPrefix(line, "# "); ok {
				out = append(out, filepath.Base(path)+"/"+strings.TrimSpace(row))
			}
		}
	}
	if len(out) < 100 {
		t.Fatalf("only %d rows are found", len(out))
	}
	return out
}
