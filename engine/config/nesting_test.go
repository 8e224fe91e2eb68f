package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// A bomb is a text that is repeated a hundred thousand times, and what is said of it: of flat ones only the parser can tell.
var bombs = []struct{ unit, want string }{
	{"(", "Nested too deep"}, {"[", "Nested too deep"}, {"{", "Nested too deep"}, {"-", "Nested too deep"}, {"!", "Nested too deep"},
	{"- ", "Nested too deep"}, {"a?b:", "Nested too deep"}, {"a?", "Nested too deep"}, {"\"${", "Nested too deep"}, {"f(", "Nested too deep"},
	{"[for x in y: ", "Nested too deep"}, {"{a=", "Nested too deep"}, {"x { ", "Nested too deep"}, {"x \"a\" {\n", "Nested too deep"},
	{"<<A\n${", "Nested too deep"}, {"!(", "Nested too deep"}, {"-(", "Nested too deep"}, {"(!a || ", "Nested too deep"},
	{"a ? [b] : ", "Nested too deep"}, {"1+", "Expression too long"}, {"a.b.", "Expression too long"}, {"a[b]", "Expression too long"},
	{".*", "Expression too long"}, {"a[*]", "Expression too long"}, {"a && ", "Expression too long"}, {"/* ", "Unfinished comment"},
	{"x=1\n", "File too complex"}, {"x = <<A\nA\n", "File too complex"}, {"\"${a}\"", "File too complex"},
	{"\"a\n", ""}, {"$", ""}, {"\"$${", ""}, {"\"\" ", ""}, {"a\n", ""}, {"#\n", ""}, {"1e9", ""}, {"😀", ""}, {"\\", ""}, {"~}", ""}, {"}", ""},
	{")", ""}, {"\r", ""}, {"a ", ""}, {"x {}\n", ""}, {"%{if a}", "Expression too long"},
}

// All of them are diagnostics with a place, and none takes time that grows faster than the text.
func TestBombs(t *testing.T) {
	for _, bomb := range bombs {
		for _, name := range []string{"bomb.hcl", "bomb.hcl.json"} {
			t.Run(fmt.Sprintf("%q %s", bomb.unit, name), func(t *testing.T) {
				src := []byte("a = " + strings.Repeat(bomb.unit, 100_000))
				start := time.Now()
				_, diags := Parse(src, name)
				if took := time.Since(start); took > 10*time.Second { // it takes some ms; much more is quadratic, also on a busy machine
					t.Errorf("took %v", took)
				}
				switch {
				case !diags.HasErrors() || diags[0].Subject == nil:
					t.Errorf("no diagnostic with a place: %v", diags)
				case name == "bomb.hcl" && bomb.want != "" && diags[0].Summary != bomb.want:
					t.Errorf("got %v, want %s", diags[0], bomb.want)
				}
			})
		}
	}
}

func TestNestingLimit(t *testing.T) {
	cases := []struct {
		name  string
		make  func(n int) string
		limit int
	}{
		{"parentheses", func(n int) string { return "a = " + strings.Repeat("(", n) + "1" + strings.Repeat(")", n) + "\n" }, MaxNesting},
		{"lists", func(n int) string { return "a = " + strings.Repeat("[", n) + strings.Repeat("]", n) + "\n" }, MaxNesting},
		{"blocks", func(n int) string { return strings.Repeat("b {\n", n) + strings.Repeat("}\n", n) }, MaxNesting},
		{"templates", func(n int) string { return "a = " + strings.Repeat(`"${`, n) + "1" + strings.Repeat(`}"`, n) + "\n" }, MaxNesting},
		{"negations", func(n int) string { return "a = " + strings.Repeat("!", n) + "true\n" }, MaxNesting},
		{"minus", func(n int) string { return "a = " + strings.Repeat("-", n) + "1\n" }, MaxNesting},
		{"conditions", func(n int) string { return "a = " + strings.Repeat("true ? 1 : ", n) + "1\n" }, MaxNesting},
		{"directives", func(n int) string {
			return `a = "` + strings.Repeat("%{ if true }", n) + strings.Repeat("%{ endif }", n) + "\"\n"
		}, MaxNesting - 1}, // the innermost directive is a sequence while it is read
		{"sum", func(n int) string { return "a = 1" + strings.Repeat(" + 1", n) + "\n" }, maxChain},
		{"attributes", func(n int) string { return "a = b" + strings.Repeat(".c", n) + "\n" }, maxChain},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, diags := Parse([]byte(c.make(c.limit)), "x.hcl"); diags.HasErrors() {
				t.Errorf("%d is refused: %v", c.limit, diags)
			}
			if _, diags := Parse([]byte(c.make(c.limit+1)), "x.hcl"); !diags.HasErrors() {
				t.Errorf("%d is not refused", c.limit+1)
			}
		})
	}
}

func TestHugeNumbers(t *testing.T) {
	for name, src := range map[string]string{
		"native": "a = 1e9999\n", "fraction": "a = [1.5E+123456789]\n", "template": "a = \"${1e-5000}\"\n",
	} {
		if _, diags := Parse([]byte(src), "x.hcl"); !diags.HasErrors() || diags[0].Summary != hugeSummary {
			t.Errorf("%s: %v", name, diags)
		}
	}
	for name, src := range map[string]string{"number": `{"a": 1e9999}`, "text": `{"a": "${1e9999}"}`} {
		if _, diags := Parse([]byte(src), "x.json"); !diags.HasErrors() || diags[0].Summary != hugeSummary {
			t.Errorf("json %s: %v", name, diags)
		}
	}
	if _, diags := Parse([]byte("a = 1e999\nb = e12345\n"), "x.hcl"); diags.HasErrors() {
		t.Error(diags)
	}
}

// What stands side by side is not nested.
func TestWideIsNotDeep(t *testing.T) {
	cases := map[string]string{
		"list of negative numbers":   "a = [" + strings.Repeat("-1, ", 3000) + "]\n",
		"object of conditions":       "a = {\n" + strings.Repeat("k = true ? -1 : !false\n", 3000) + "}\n",
		"attributes":                 strings.Repeat("a = b.c.d + 1\n", 3000),
		"heredocs with brackets":     strings.Repeat("a = <<EOT\n((((( [[[[ {{{{ \"\"\" $(( $[ \\${1}\nEOT\n", 1000),
		"strings with brackets":      strings.Repeat(`a = "(((([[[[{{{{ \" $${ %%{ # /* //"`+"\n", 3000),
		"comments with brackets":     strings.Repeat("# (((( \"\n// {{{{ \"\n/* [[[[ \" */\n", 3000),
		"templates one by one":       `a = "` + strings.Repeat("${b} %{ if c }d%{ else }e%{ endif }", 1000) + "\"\n",
		"calls one by one":           "a = [" + strings.Repeat("f(g([1])), ", 3000) + "]\n",
		"differences, not negations": "a = 1" + strings.Repeat(" - 1", 1500) + "\n",
	}
	for name, src := range cases {
		t.Run(name, func(t *testing.T) {
			if diags := checkNesting([]byte(src), "x.hcl"); diags.HasErrors() {
				t.Error(diags)
			}
		})
	}
}

// tokenDepth is how deep brackets and sequences nest for the parser's own scanner.
func tokenDepth(src []byte) int {
	tokens, _ := hclsyntax.LexConfig(src, "x.hcl", hcl.InitialPos)
	var open []hclsyntax.TokenType
	deepest := 0
	for _, token := range tokens {
		switch token.Type {
		case hclsyntax.TokenOParen, hclsyntax.TokenOBrack, hclsyntax.TokenOBrace, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			open = append(open, token.Type)
			deepest = max(deepest, len(open))
		case hclsyntax.TokenCParen, hclsyntax.TokenCBrack, hclsyntax.TokenCBrace, hclsyntax.TokenTemplateSeqEnd:
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
		case hclsyntax.TokenInvalid, hclsyntax.TokenBadUTF8:
			return 0
		}
	}
	return deepest
}

// deepest is the greatest depth that a measure reaches.
func deepest(src []byte) int {
	m := newMeasure(src, opening{kind: root})
	depth := 0
	for m.pos < len(m.src) && m.trouble == nil {
		if k := m.top().kind; k == quote || k == heredoc {
			m.template()
		} else {
			m.code()
		}
		depth = max(depth, m.depth)
	}
	if m.trouble != nil {
		return MaxNesting + 1
	}
	return depth
}

func FuzzReadFile(f *testing.F) {
	for _, seed := range []string{
		"", "a = 1\n", "a = \"${b}\"\n", "a = <<-EOT\n  x ${y} %{ if z }\n  EOT\n", "b \"l\" {\n  c = [1, {d = -1}]\n}\n", "a = !b ? (c) : d[0].e.*.f\n",
		"a = \"$${x} %%{y} \\\" $\"\n", "/* x */ a = 1 # y\n// z\n", "a = <<A\n$\nA\n", "a = \"${\"${<<A\n${b}\nA\n}\"}\"\n", "a = [for x in y : x => z...]\n",
		"a = 1.5e3 - -2\n", "a = b-c - d\n", "\xef\xbb\xbfa = 1\n", "a = {~}\n", "a = \"%{~ for x in y ~}${x}%{ endfor }\"\n",
	} {
		f.Add([]byte(seed), false)
	}
	f.Add([]byte(`{"a": ["${b}", {"c": null}]}`), true)
	f.Fuzz(func(t *testing.T, src []byte, json bool) {
		name := "x.hcl"
		if json {
			name = "x.hcl.json"
		}
		file, diags := Parse(src, name)
		if file == nil {
			t.Fatal("no file")
		}
		p := &Playbook{}
		_ = splitAllAfter(p, file)
		if json || diags.HasErrors() {
			return
		}
		if mine, parsers := deepest(src), tokenDepth(src); mine < parsers {
			t.Errorf("measured %d levels, the parser sees %d", mine, parsers)
		}
	})
}

func splitAllAfter(p *Playbook, file *hcl.File) hcl.Diagnostics {
	return append(p.decode(file.Body, loader{files: &Files{}}), splitAll(p)...)
}

func FuzzFormat(f *testing.F) {
	for _, path := range []string{"testdata/errors/step.hcl", "testdata/errors/blocks.hcl"} {
		src, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte("a=1\nbbb   =  {c=2}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		out, diags := Format(src, "x.hcl")
		if diags.HasErrors() {
			if string(out) != string(src) {
				t.Error("a text with errors was changed")
			}
			return
		}
		again, diags := Format(out, "x.hcl")
		if diags.HasErrors() {
			t.Fatalf("what was formatted has errors: %v\n%s", diags, out)
		}
		if string(again) != string(out) {
			t.Errorf("formatting once more changes it:\n%q\n%q", out, again)
		}
	})
}

func TestFormat(t *testing.T) {
	cases := []struct{ name, src, want string }{
		{"alignment", "play \"p\" {\nhosts=[ ]\n  description   = \"x\"\n}\n", "play \"p\" {\n  hosts       = []\n  description = \"x\"\n}\n"},
		{"heredoc stays", "a = <<-EOT\n    x   y\n  EOT\n", "a = <<-EOT\n    x   y\n  EOT\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, diags := Format([]byte(c.src), "x.hcl")
			if diags.HasErrors() || string(got) != c.want {
				t.Errorf("got %q %v, want %q", got, diags, c.want)
			}
		})
	}
	if _, diags := Format([]byte("a = (\n"), "x.hcl"); !diags.HasErrors() {
		t.Error("a syntax error is not told")
	}
	if _, diags := Format([]byte("{}"), "x.hcl.json"); !diags.HasErrors() {
		t.Error("JSON is formatted")
	}
}
