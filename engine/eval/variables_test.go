package eval

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cvsplay/engine/config"

	"github.com/zclconf/go-cty/cty"
)

const declarations = `
variable "image" {
  type    = string
  default = "rocm/cvs:latest"
  validation {
    condition     = can(regex("[:@]", var.image))
    error_message = "The image ${var.image} must carry a tag or a digest."
  }
}
variable "level" {
  type    = number
  default = 4
}
variable "token" {
  type      = string
  default   = null
  sensitive = true
  validation {
    condition     = var.token == null ? true : length(var.token) > 3
    error_message = "The token ${var.token} is too short."
  }
}
variable "nodes" {
  type    = list(string)
  default = []
}
variable "mounts" {
  type    = map(object({ path = string, ro = optional(bool, true) }))
  default = { data = { path = "/data" } }
}
variable "plain" {
  default = "x"
}
variable "strict" {
  type     = string
  default  = "fallback"
  nullable = false
}
variable "keyed" {
  type      = map(string)
  default   = {}
  sensitive = true
}
`

// load gives the variables of a text.
func load(t *testing.T, src string) []*config.Variable {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p.hcl")
	if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	p, _, diags := config.Load(path)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return p.Variables
}

func option(t *testing.T, text string) Given {
	t.Helper()
	g, err := Option(text)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestVariableValues(t *testing.T) {
	decls := load(t, declarations)
	functions := Functions(FuncContext{})
	cases := []struct{ given, name, want string }{ // given as --var; want is a value or an error
		{"", "image", `"rocm/cvs:latest"`},
		{"", "level", `4`},
		{"", "token", `sensitive null`},
		{"", "nodes", `[]`},
		{"", "mounts", `{"data":{"path":"/data","ro":true}}`},
		{"", "plain", `"x"`},
		{"image=a:b", "image", `"a:b"`},
		{"image=a=b:c", "image", `"a=b:c"`},
		{"level=5", "level", `5`},
		{"level=five", "level", `error: The variable "level" does not fit its type: a number is needed, and this is a string that stands for none. The value comes from --var level.`},
		{"token=hunter2-canary", "token", `sensitive "hunter2-canary"`},
		{"nodes=[\"a\", \"b\"]", "nodes", `["a","b"]`},
		{"nodes=a,b", "nodes", `error: The variable "nodes" needs a list(string), written as in a playbook, such as ["a", "b"]`},
		{"nodes=[upper(\"a\")]", "nodes", `error: names and functions cannot be used`},
		{"nodes=[a]", "nodes", `error: names and functions cannot be used`},
		{"nodes=5", "nodes", `error: does not fit its type: a list(string) is needed, and this is a number`},
		{"nodes=" + strings.Repeat("[", 1000), "nodes", `error: nested too deep`},
		{`mounts={ x = { path = "/x", ro = false } }`, "mounts", `{"x":{"path":"/x","ro":false}}`},
		{`mounts={ x = {} }`, "mounts", `error: attribute "path" is required`},
		{"plain=[1]", "plain", `"[1]"`},
		{"image=notag", "image", "error: The image notag must carry a tag or a digest.\n\nThe value comes from --var image."},
		{"token=pw", "token", "error: (sensitive)\n\nThe value comes from --var token."},
		{"keyed=hunter2-canary", "keyed", "error: The variable \"keyed\" needs a map(string)"},
		{"imag=a:b", "image", `error: The playbook declares no variable "imag". Did you mean "image"? The value comes from --var imag.`},
	}
	for _, c := range cases {
		t.Run(c.given, func(t *testing.T) {
			var given []Given
			if c.given != "" {
				given = append(given, option(t, c.given))
			}
			values, diags := Variables(decls, given, functions)
			part, isError := strings.CutPrefix(c.want, "error: ")
			switch {
			case isError && !diags.HasErrors():
				t.Errorf("no error, but %s", show(values[c.name]))
			case isError:
				if !strings.Contains(diags[0].Detail, part) {
					t.Errorf("got %s", diags[0].Detail)
				}
				if strings.Contains(diags[0].Detail, "hunter2") {
					t.Errorf("the value is shown: %s", diags[0].Detail)
				}
			case diags.HasErrors():
				t.Error(diags)
			case show(values[c.name]) != c.want:
				t.Errorf("got %s, want %s", show(values[c.name]), c.want)
			}
		})
	}
}

func TestVariablePrecedence(t *testing.T) {
	decls := load(t, declarations)
	sources := []Given{
		{Name: "level", Source: FromInventory, Origin: "the inventory", Value: cty.NumberIntVal(1)},
		{Name: "level", Source: FromEnvironment, Origin: "environment", Text: "2"},
		{Name: "level", Source: FromFile, Origin: "file one", Value: cty.NumberIntVal(3)},
		{Name: "level", Source: FromFile, Origin: "file two", Value: cty.NumberIntVal(4)},
		{Name: "level", Source: FromOption, Origin: "--var", Text: "5"},
		{Name: "level", Source: FromOption, Origin: "--var", Text: "6"},
	}
	for n := range sources {
		given := append([]Given{}, sources[:n+1]...)
		given[0], given[n] = given[n], given[0] // order of the sources does not matter, but of the last two of each
		if n == 3 || n == 5 {
			given = sources[:n+1]
		}
		values, diags := Variables(decls, given, Functions(FuncContext{}))
		if want := string(rune('1' + n)); diags.HasErrors() || show(values["level"]) != want {
			t.Errorf("of %d: got %s %v, want %s", n+1, show(values["level"]), diags, want)
		}
	}
}

func TestVariableErrors(t *testing.T) {
	cases := []struct {
		name, src string
		given     []Given
		want      string // "" for no diagnostic; "warning: …"
	}{
		{"no value", `variable "x" {}`, nil, "--var x=…"},
		{"unknown in the environment", ``, []Given{{Name: "y", Source: FromEnvironment, Text: "1"}}, ""},
		{"unknown in the inventory", ``, []Given{{Name: "y", Source: FromInventory, Value: cty.True}}, ""},
		{"unknown in a file", ``, []Given{{Name: "y", Source: FromFile, Origin: "f:1", Value: cty.True}}, "warning: The playbook declares no variable \"y\". The value comes from f:1."},
		{"default of another type", `variable "x" {
			type    = number
			default = "many"
		}`, nil, "The default of the variable \"x\" does not fit its type"},
		{"default that reads", `variable "x" { default = var.y }`, nil, "cannot use var.y"},
		{"bad type", `variable "x" { type = strin }`, nil, "strin"},
		{"sensitive is no bool", `variable "x" {
			default   = 1
			sensitive = "maybe"
		}`, nil, "either true or false"},
		{"null, nullable", `variable "x" { default = 1 }`, []Given{{Name: "x", Source: FromFile, Value: cty.NullVal(cty.DynamicPseudoType)}}, ""},
		{"null, not nullable", `variable "x" { nullable = false }`, []Given{{Name: "x", Source: FromFile, Value: cty.NullVal(cty.DynamicPseudoType)}}, "nullable = false"},
		{"validation that fails itself", `variable "x" {
			default = 1
			validation {
				condition     = var.z
				error_message = "no"
			}
		}`, nil, `does not have an attribute named "z"`},
		{"validation of another type", `variable "x" {
			default = 1
			validation {
				condition     = "perhaps"
				error_message = "no"
			}
		}`, nil, "A bool is needed"},
		{"validation reads another variable", `variable "y" { default = 2 }
		variable "x" {
			default = 1
			validation {
				condition     = var.x > var.y
				error_message = "x must be more than ${var.y}"
			}
		}`, nil, "x must be more than 2\n\nThe value is the variable's default."},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, diags := Variables(load(t, c.src), c.given, Functions(FuncContext{}))
			want, warning := strings.CutPrefix(c.want, "warning: ")
			switch {
			case want == "" && len(diags) > 0:
				t.Errorf("got %v", diags)
			case want == "":
			case len(diags) == 0 || !strings.Contains(diags[0].Detail, want):
				t.Errorf("got %v, want %s", diags, want)
			case diags.HasErrors() == warning:
				t.Errorf("severity of %v", diags)
			}
		})
	}
}

func TestOption(t *testing.T) {
	if g := option(t, "a=b=c"); g.Name != "a" || g.Text != "b=c" || g.Origin != "--var a" {
		t.Errorf("got %+v", g)
	}
	if g := option(t, "a="); g.Text != "" {
		t.Errorf("got %+v", g)
	}
	for _, text := range []string{"", "a", "=b"} {
		if _, err := Option(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestEnvironment(t *testing.T) {
	given := Environment([]string{"PATH=/bin", "CVSPLAY_VAR_b=2=3", "CVSPLAY_VAR_a=", "CVSPLAY_VAR_=x"})
	if len(given) != 2 || given[0].Name != "a" || given[1].Text != "2=3" || given[1].Origin != "environment variable CVSPLAY_VAR_b" {
		t.Errorf("got %+v", given)
	}
}

func TestVarFile(t *testing.T) {
	dir := t.TempDir()
	for name, src := range map[string]string{
		"v.hcl":  "level = 5\nnodes = [\"a\"]\n",
		"v.json": `{"level": 5, "nodes": ["a"]}`,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		given, files, diags := VarFile(path)
		if diags.HasErrors() || files.Source(path) == nil {
			t.Fatal(diags)
		}
		if len(given) != 2 || given[0].Name != "level" || given[0].Origin != path+":1" {
			t.Errorf("got %+v", given)
		}
		values, diags := Variables(load(t, declarations), given, Functions(FuncContext{}))
		if diags.HasErrors() || show(values["level"]) != "5" || show(values["nodes"]) != `["a"]` {
			t.Errorf("%s: got %v %v", name, values, diags)
		}
	}
	bad := filepath.Join(dir, "bad.hcl")
	if err := os.WriteFile(bad, []byte("level = var.x\nblock {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, diags := VarFile(bad); len(diags) != 2 {
		t.Errorf("got %v", diags)
	}
	if _, _, diags := VarFile(filepath.Join(dir, "gone.hcl")); !diags.HasErrors() {
		t.Error("a file that is not there is read")
	}
}
