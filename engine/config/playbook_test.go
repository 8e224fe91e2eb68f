package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

func TestOrderIsThatOfTheText(t *testing.T) {
	cases := []struct{ name, file, src, want string }{
		{"native", "p.hcl", `
			play "one" {
			  hosts = []
			  check "c" {
			    condition = true
			    error_message = ""
			  }
			  step "file" "b" {}
			  locals { z = 1 }
			  step "line" "a" {}
			  locals { y = 1 }
			}
			play "two" { hosts = [] }`,
			"play one: check.c file.b line.a local.z local.y\nplay two:\n"},
		{"json with repeated keys", "p.hcl.json", `{"play": {"one": {"hosts": [],
			"step": {"file": {"a": {}}},
			"check": {"c": {"condition": true, "error_message": ""}},
			"step": {"line": {"b": {}}, "file": {"d": {}}}}}}`,
			"play one: file.a check.c line.b file.d\n"},
		{"json with an array", "p.hcl.json", `{"play": {"one": {"hosts": [], "step": [
			{"file": {"a": {}}},
			{"check": {"c": {"condition": true, "error_message": ""}}},
			{"line": {"b": {}}}]}}}`,
			"play one: file.a check.c line.b\n"},
		{"json, plays as an array", "p.hcl.json", `{"play": [{"b": {"hosts": []}}, {"a": {"hosts": [], "locals": {"y": 1, "x": 2}}}]}`,
			"play b:\nplay a: local.y local.x\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := outline(mustParse(t, c.file, c.src)); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

func TestJSONErrors(t *testing.T) {
	cases := []struct{ name, src, want string }{
		{"syntax", `{"play": }`, "Missing JSON value"},
		{"notice", `{"resource": {"a": {"b": {}}}}`, "Not part of a playbook: resource"},
		{"play notice", `{"play": {"p": {"hosts": [], "serial": 3}}}`, "Not part of a playbook: serial"},
		{"duplicate", `{"play": {"p": {"hosts": [], "step": {"file": {"a": {}}, "line": {"a": {}}}}}}`, "Duplicate step"},
		{"bad name", `{"locals": {"a b": 1}}`, "Invalid name"},
		{"template bomb", `{"locals": {"a": "` + strings.Repeat("${(", 300) + `"}}`, "Nested too deep"},
		{"escaped template bomb", `{"locals": {"a": "${` + strings.Repeat(`\u0028`, 300) + `"}}`, "Nested too deep"},
		{"type bomb", `{"variable": {"a": {"type": "` + strings.Repeat(`list(`, 300) + `"}}}`, "Nested too deep"},
		{"brackets in a text", `{"locals": {"a": "` + strings.Repeat("([{-!", 300) + `", "b b": 1}}`, "Invalid name"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			file, diags := Parse([]byte(c.src), "p.hcl.json")
			if !diags.HasErrors() {
				diags = (&Playbook{}).decode(file.Body, loader{files: &Files{}})
			}
			if !diags.HasErrors() || !strings.Contains(diags[0].Summary, c.want) {
				t.Errorf("got %v, want %s", diags, c.want)
			}
		})
	}
}

func TestSplit(t *testing.T) {
	for name, src := range map[string]string{
		"p.hcl": `play "p" {
		  hosts = []
		  step "container_ensure" "box" {
		    when    = true
		    env     = {}
		    timeout = "1m"
		    image   = "x"
		    retry { attempts = 2 }
		    notify  = "mine"
		  }
		}`,
		"p.hcl.json": `{"play": {"p": {"hosts": [], "step": {"container_ensure": {"box": {
		  "when": true, "env": {}, "timeout": "1m", "image": "x", "retry": {"attempts": 2}, "notify": "mine"}}}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			step := mustParse(t, name, src).Plays[0].Steps[0]
			rest, diags := step.Split(func(name string) bool { return name == "env" || name == "notify" })
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			m := step.Meta
			if m.When == nil || m.Timeout == nil || m.Retry == nil || m.Retry.Attempts == nil || m.Env != nil || m.Retry.Until != nil {
				t.Errorf("meta is %+v", m)
			}
			_, diags = rest.Content(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{
				{Name: "env", Required: true}, {Name: "image", Required: true}, {Name: "notify", Required: true},
			}})
			if diags.HasErrors() {
				t.Errorf("the module does not get env, image and notify, and nothing else: %v", diags)
			}
			if _, diags := step.Split(func(string) bool { return false }); diags.HasErrors() || step.Meta.Notify == nil {
				t.Errorf("notify is no meta-argument where the module does not own it: %v", diags)
			}
		})
	}
}

func TestMetaNames(t *testing.T) {
	names := MetaNames()
	if !slices.IsSorted(names) {
		t.Errorf("not sorted: %v", names)
	}
	for _, name := range []string{"when", "depends_on", "retry", "run_once", "hosts"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is missing", name)
		}
	}
	for _, name := range names {
		if _, both := stepNotices[name]; both {
			t.Errorf("%s is supported and not supported", name)
		}
	}
}

func TestReadFileRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cases := []struct{ name, path, want string }{
		{"missing", filepath.Join(dir, "none.hcl"), "There is no file"},
		{"folder", dir, "is a folder"},
		{"below a file", filepath.Join(write("f.hcl", nil), "x.hcl"), "File cannot be read"},
		{"too large", write("big.hcl", append([]byte("#"), make([]byte, MaxFileSize)...)), "larger than 4 MiB"},
		{"not UTF-8", write("latin.hcl", []byte("a = 1\nb = \"caf\xe9\"\n")), "The byte 0xe9"},
		{"not UTF-8, JSON", write("latin.json", []byte("{\"a\": \"\xff\"}")), "The byte 0xff"},
		{"syntax", write("syntax.hcl", []byte("a = (1\n")), ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, diags := ReadFile(c.path)
			if !diags.HasErrors() || !strings.Contains(diags.Error(), c.want) {
				t.Errorf("got %v, want %q", diags, c.want)
			}
		})
	}
	_, diags := ReadFile(filepath.Join(dir, "latin.hcl"))
	if at := diags[0].Subject.Start; at.Line != 2 || at.Column != 9 {
		t.Errorf("the byte is said to be at %v", at)
	}
}

func TestDescribe(t *testing.T) {
	src := "play \"p\" {\n  hosts = []\n\n  step \"file\" \"x\" {\n    päth = wrong\n  }\n}\n"
	file, diags := Parse([]byte(src), "p.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	files := &Files{}
	files.Add("p.hcl", file)
	at := strings.Index(src, "wrong")
	got := files.Describe(&hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "S", Detail: "D", Subject: rangeAt(file.Bytes, "p.hcl", at, at+5).Ptr()})
	want := Description{
		Severity: "warning", Summary: "S", Detail: "D", File: "p.hcl", Line: 5, Column: 12, EndLine: 5, EndColumn: 17,
		Context: `play "p", step "file" "x"`, Snippet: "    päth = wrong", FirstLine: 5,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := files.Describe(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "S"}); got.File != "" || got.Severity != "error" {
		t.Errorf("without a place: %+v", got)
	}
	whole := files.Describe(&hcl.Diagnostic{Subject: rangeAt([]byte(src), "p.hcl", 0, len(src)).Ptr()})
	if n := strings.Count(whole.Snippet, "\n") + 1; n != snippetLines {
		t.Errorf("a snippet of %d lines", n)
	}
	if other := files.Describe(&hcl.Diagnostic{Subject: &hcl.Range{Filename: "unread.hcl", Start: hcl.Pos{Line: 3, Byte: 7}}}); other.Line != 3 || other.Snippet != "" {
		t.Errorf("of a file that is not there: %+v", other)
	}
}
