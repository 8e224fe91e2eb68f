package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"cvsplay/engine/config"
)

// schemaFor compiles what docs --schema prints.
func schemaFor(t *testing.T, kind string, more ...string) *jsonschema.Schema {
	t.Helper()
	code, text := called(t, append([]string{"docs", "--schema", kind}, more...)...)
	if code != 0 {
		t.Fatal(text)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(kind+".json", parsed(t, []byte(text))); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(kind + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func parsed(t *testing.T, text []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return v
}

// Every playbook and inventory that is shipped or shown, as JSON, is one by its schema; and the JSON says the same as the HCL: it is valid too.
func TestSchemasTakeWhatIsShipped(t *testing.T) {
	playbooks, inventories := schemaFor(t, "playbook"), schemaFor(t, "inventory")
	count := 0
	for _, pattern := range []string{"playbooks/*.hcl", "examples/*.hcl", "examples/*/*.hcl", "cmd/cvsplay/starter/*.hcl", "inventory/default.hcl"} {
		paths, err := filepath.Glob(repository(t, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatal(pattern, err)
		}
		for _, path := range paths {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text := inJSON(t, src, path)
			s, isPlaybook := inventories, regexp.MustCompile(`(?m)^play "`).Match(src)
			if isPlaybook {
				s = playbooks
			}
			if regexp.MustCompile(`(?m)^define "`).Match(src) { // it has modules of its own
				s = schemaFor(t, "playbook", "--playbook", path)
			}
			count++
			if err := s.Validate(parsed(t, text)); err != nil {
				t.Errorf("%s as JSON: %v", path, err)
			}
			if isPlaybook {
				validAsJSON(t, path, text)
			}
		}
	}
	if count < 15 {
		t.Errorf("only %d files", count)
	}
}

// validAsJSON validates a playbook in JSON as if it stood beside the one that it was made of.
func validAsJSON(t *testing.T, path string, text []byte) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "beside")
	if err := os.CopyFS(folder, os.DirFS(filepath.Dir(path))); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "converted.hcl.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := called(t, "validate", file); code != 0 {
		t.Errorf("%s as JSON:\n%s", path, out)
	}
}

// What the modules show as their example is one by the schema.
func TestSchemaTakesTheExamplesOfModules(t *testing.T) {
	s := schemaFor(t, "playbook")
	for name, m := range allModules() {
		text := inJSON(t, []byte("play \"p\" {\n hosts = group.all\n"+m.Example+"\n}\n"), name+".hcl")
		if err := s.Validate(parsed(t, text)); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}

// The JSON files of other tests that are valid are valid by the schema.
func TestSchemaTakesJSONOfTests(t *testing.T) {
	s := schemaFor(t, "playbook")
	archives, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, archive := range archives {
		a, err := txtar.ParseFile(archive)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if !strings.HasSuffix(f.Name, ".hcl.json") {
				continue
			}
			count++
			if err := s.Validate(parsed(t, f.Data)); err != nil {
				t.Errorf("%s of %s: %v", f.Name, archive, err)
			}
		}
	}
	if count == 0 {
		t.Error("there is no JSON in the scripts")
	}
}

// inJSON is a file in HCL as the same in JSON: the order of blocks of one type is kept by arrays, that of steps and checks as a generator does it.
func inJSON(t *testing.T, src []byte, name string) []byte {
	t.Helper()
	file, diags := config.Parse(src, name)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	body, _ := file.Body.(*hclsyntax.Body)
	var b bytes.Buffer
	writeBody(&b, body, src)
	return b.Bytes()
}

func writeBody(b *bytes.Buffer, body *hclsyntax.Body, src []byte) {
	b.WriteByte('{')
	comma := func() {
		if !strings.HasSuffix(b.String(), "{") {
			b.WriteByte(',')
		}
	}
	for name, attr := range body.Attributes {
		comma()
		b.WriteString(quotedJSON(name) + ":")
		writeExpression(b, name, attr.Expr, src)
	}
	done := map[string]bool{}
	for _, first := range body.Blocks {
		group := groupOf(first.Type)
		if done[group] {
			continue
		}
		done[group] = true
		comma()
		b.WriteString(quotedJSON(group) + ":[")
		for i, block := range sameGroup(body.Blocks, group) {
			if i > 0 {
				b.WriteByte(',')
			}
			labels := block.Labels
			if block.Type == "check" && group == "step" {
				labels = append([]string{"check"}, labels...)
			}
			for _, label := range labels {
				b.WriteString("{" + quotedJSON(label) + ":")
			}
			writeBody(b, block.Body, src)
			b.WriteString(strings.Repeat("}", len(labels)))
		}
		b.WriteByte(']')
	}
	b.WriteByte('}')
}

// groupOf is the property under which a block stands: checks stand among the steps, whose order counts.
func groupOf(kind string) string {
	if kind == "check" {
		return "step"
	}
	return kind
}

func sameGroup(blocks hclsyntax.Blocks, group string) []*hclsyntax.Block {
	var out []*hclsyntax.Block
	for _, b := range blocks {
		if groupOf(b.Type) == group {
			out = append(out, b)
		}
	}
	return out
}

func writeExpression(b *bytes.Buffer, name string, e hclsyntax.Expression, src []byte) {
	text := string(e.Range().SliceBytes(src))
	switch name {
	case "depends_on", "notify":
		words := strings.Split(strings.Trim(text, "[] \n"), ",")
		for i, w := range words {
			words[i] = quotedJSON(strings.TrimSpace(w))
		}
		b.WriteString("[" + strings.Join(words, ",") + "]")
		return
	case "type":
		b.WriteString(quotedJSON(text))
		return
	}
	v, diags := e.Value(nil)
	if !diags.HasErrors() && v.IsWhollyKnown() {
		if encoded, err := ctyjson.Marshal(v, v.Type()); err == nil && !bytes.ContainsAny(encoded, "$%") {
			b.Write(encoded)
			return
		}
	}
	b.WriteString(quotedJSON("${" + text + "\n}")) // a heredoc ends with a line
}
