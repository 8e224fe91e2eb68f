package eval

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

var update = flag.Bool("update", false, "write down what the examples of functions give")

// An object is written on lines of its own.
var (
	folds     = regexp.MustCompile(`\n\s*`)
	inOneLine = strings.NewReplacer("{\n", "{ ", "\n}", " }", "\n", ", ")
)

// Each function has an example, which calls it, and which gives what is written there.
func TestFunctionExamples(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"motd": "hello", "greeting.tmpl": "hello ${name}", "scripts/a.sh": "true\n", "scripts/b.txt": ""} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	scope := Scope{Functions: Functions(FuncContext{Dir: dir, Home: "/home/amd"})}
	given := map[string]string{}
	for _, doc := range FunctionDocs() {
		if !regexp.MustCompile(`\b` + doc.Name + `\(`).MatchString(doc.Example) {
			t.Errorf("%s: the example %q does not call it", doc.Name, doc.Example)
			continue
		}
		expr, diags := hclsyntax.ParseExpression([]byte(doc.Example), doc.Name, hcl.InitialPos)
		if diags.HasErrors() {
			t.Errorf("%s: %s", doc.Name, diags)
			continue
		}
		v, diags := scope.Value(expr)
		if diags.HasErrors() {
			t.Errorf("%s: %s", doc.Name, diags)
			continue
		}
		v, _ = v.UnmarkDeep()
		got := strings.ReplaceAll(string(hclwrite.TokensForValue(v).Bytes()), dir, "/srv/playbooks")
		got = inOneLine.Replace(folds.ReplaceAllString(got, "\n"))
		given[doc.Name] = got
		if got != doc.Gives && !*update {
			t.Errorf("%s gives %s, not %s", doc.Example, got, doc.Gives)
		}
	}
	if *update {
		writeExamples(t, given)
	}
}

func writeExamples(t *testing.T, given map[string]string) {
	t.Helper()
	src, err := os.ReadFile("func_examples.go")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile("(?m)^(\t\"([a-z0-9]+)\": +\\{`.*`, )`.*`\\},$")
	src = line.ReplaceAllFunc(src, func(b []byte) []byte {
		found := line.FindSubmatch(b)
		return fmt.Appendf(nil, "%s`%s`},", found[1], given[string(found[2])])
	})
	if err := os.WriteFile("func_examples.go", src, 0o644); err != nil {
		t.Fatal(err)
	}
}
