package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cvsplay/modules"
)

// Every page is there for people, as Markdown and as JSON, and the list names it.
func TestDocsPages(t *testing.T) {
	_, list := called(t, "docs")
	names := modules.All().Names()
	for _, topic := range topics() {
		names = append(names, topic.name)
	}
	for _, name := range names {
		if !strings.Contains(list, "\n  "+name+" ") {
			t.Errorf("the list does not name %s:\n%s", name, list)
		}
		code, shown := called(t, "docs", name)
		if code != 0 || regexp.MustCompile(`(?m)^\|--|^#+ |\*\*[A-Z]`).MatchString(shown) {
			t.Errorf("cvsplay docs %s: exit code %d, and what is shown is Markdown:\n%s", name, code, shown)
		}
		for line := range strings.Lines(shown) {
			if len([]rune(line)) > 101 && !strings.HasPrefix(line, "  ") && strings.Contains(line, " ") {
				t.Errorf("cvsplay docs %s: this line is too long: %s", name, line)
			}
		}
		code, text := called(t, "docs", name, "--markdown")
		if code != 0 || !strings.HasPrefix(text, "# ") || strings.Count(text, "```")%2 != 0 {
			t.Errorf("cvsplay docs %s --markdown: exit code %d\n%s", name, code, text)
		}
		code, text = called(t, "docs", name, "--json")
		if !json.Valid([]byte(text)) || code != 0 {
			t.Errorf("cvsplay docs %s --json: exit code %d\n%s", name, code, text)
		}
	}
}

// The manual as a whole has each module and each function once.
func TestManualIsWhole(t *testing.T) {
	code, text := called(t, "docs", "--markdown")
	if code != 0 {
		t.Fatal(text)
	}
	for _, name := range modules.All().Names() {
		if strings.Count(text, "\n## "+name+"\n") != 1 {
			t.Errorf("the manual has not one part about %s", name)
		}
	}
	for _, d := range functionDocs() {
		if strings.Count(text, "\n| `"+d.Signature+"` |") != 1 {
			t.Errorf("the manual has not one row about %s", d.Signature)
		}
	}
	text = regexp.MustCompile("(?s)```.*?```").ReplaceAllString(text, "")
	if deep := regexp.MustCompile(`(?m)^#####`).FindString(text); deep != "" || strings.Count(text, "\n# ") != 0 {
		t.Error("headings are not one below the other")
	}
}

// Manual pages are made for commands, modules and topics; man reads them without a complaint, and they are the same each time.
func TestManPages(t *testing.T) {
	first, second := manFolder(t), manFolder(t)
	names, err := filepath.Glob(filepath.Join(first, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range names {
		got = append(got, filepath.Base(name))
		one, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		other, err := os.ReadFile(filepath.Join(second, filepath.Base(name)))
		if err != nil || string(one) != string(other) {
			t.Errorf("%s is another one the second time, %v", name, err)
		}
		if !strings.Contains(string(one), ".SH NAME\n") || strings.Contains(string(one), "\n|") {
			t.Errorf("%s:\n%s", name, one)
		}
	}
	for _, want := range []string{"cvsplay.1", "cvsplay-run.1", "cvsplay-inventory-list.1", "cvsplay-language.5", "cvsplay-exec_script.7", "cvsplay-functions.7"} {
		if !slices.Contains(got, want) {
			t.Errorf("there is no %s among %q", want, got)
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Log("no groff here: how the pages look was not tried")
		return
	}
	cmd := exec.CommandContext(t.Context(), groff, append([]string{"-t", "-man", "-Tutf8", "-Wall"}, names...)...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if shown, err := cmd.Output(); err != nil || complaints.Len() > 0 || !strings.Contains(string(shown), "cvsplay-language") {
		t.Errorf("%v\n%s", err, complaints.String())
	}
}

func manFolder(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "man")
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	a := &app{stdout: out, stderr: out, environ: []string{"SOURCE_DATE_EPOCH=1790000000"}}
	if code := a.main([]string{"docs", "--man", folder}); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	return folder
}
