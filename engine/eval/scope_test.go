package eval

import (
	"strings"
	"testing"

	"cvsplay/engine/config"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
)

func parse(t *testing.T, src string) hcl.Expression {
	t.Helper()
	expr, diags := hclsyntax.ParseExpression([]byte(src), "test.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return expr
}

// parseJSON gives the expression of a JSON value.
func parseJSON(t *testing.T, src string) hcl.Expression {
	t.Helper()
	file, diags := hcljson.Parse([]byte(`{"x": `+src+`}`), "test.hcl.json")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	attrs, diags := file.Body.JustAttributes()
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return attrs["x"].Expr
}

// testScope has one value of each sort: secret is hunter2-canary, unknown is an unknown string.
func testScope() Scope {
	return Scope{
		Functions: Functions(FuncContext{Dir: "testdata/files", Home: "/home/tester", Env: func(name string) (string, bool) {
			return "from the environment", name == "SET"
		}}),
		Values: map[string]cty.Value{
			"var": cty.ObjectVal(map[string]cty.Value{
				"secret":  cty.StringVal("hunter2-canary").Mark(Sensitive),
				"short":   cty.StringVal("pw").Mark(Sensitive),
				"image":   cty.StringVal("rocm/cvs:latest"),
				"unknown": cty.UnknownVal(cty.String),
				"list":    cty.ListVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b")}),
				"unlist":  cty.UnknownVal(cty.List(cty.String)),
				"mixed": cty.ObjectVal(map[string]cty.Value{
					"open": cty.StringVal("o"), "closed": cty.StringVal("hunter2-canary").Mark(Sensitive), "later": cty.UnknownVal(cty.String),
				}),
			}),
			"any": cty.DynamicVal,
		},
	}
}

// show is a value as the tables of the tests write it.
func show(v cty.Value) string {
	if v.ContainsMarked() && !v.IsMarked() {
		return "partly sensitive " + string(ToJSON(v))
	}
	plain, marks := v.Unmark()
	prefix := ""
	if len(marks) > 0 {
		prefix = "sensitive "
	}
	if !plain.IsKnown() {
		return prefix + "unknown " + plain.Type().FriendlyName()
	}
	plain, _ = plain.UnmarkDeep()
	return prefix + string(ToJSON(plain))
}

func TestScopeValue(t *testing.T) {
	scope := testScope()
	cases := []struct{ src, want string }{
		{`"${var.image}!"`, `"rocm/cvs:latest!"`},
		{`"${var.unknown}!"`, `unknown string`},
		{`"${var.secret}!"`, `sensitive "hunter2-canary!"`},
		{`try(var.nothing, "default")`, `"default"`},
		{`try(var.secret, "default")`, `sensitive "hunter2-canary"`},
		{`try(var.secret.x, "default")`, `"default"`},
		{`try(any.x, "default")`, `unknown dynamic`},
		{`can(var.nothing)`, `false`},
		{`can(var.secret)`, `true`},
		{`can(any.x)`, `unknown bool`},
		{`var.mixed`, `partly sensitive {"closed":"(sensitive)","open":"o"}`},
		{`var.mixed.open`, `"o"`},
		{`var.secret == "x" ? 1 : 2`, `sensitive 2`},
		{`[for x in var.unlist : x]`, `unknown dynamic`},
		{`[for x in var.list : upper(x)]`, `["A","B"]`},
	}
	for _, c := range cases {
		t.Run(c.src, func(t *testing.T) {
			v, diags := scope.Value(parse(t, c.src))
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if got := show(v); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestScopeErrors(t *testing.T) {
	scope := testScope()
	cases := []struct{ src, want string }{
		{`vra.image`, `There is no name "vra" here. Did you mean "var"?`},
		{`zzz`, `An expression can begin with any, var, or a function.`},
		{`"${HOME}/x"`, `If it is meant for the shell, write $${HOME}`},
		{`[for x in var.list : y]`, `There is no name "y" here.`},
		{`upcase("a")`, `There is no function named "upcase"`},
		{`var.imag`, `does not have an attribute named "imag"`},
		{`file("none.txt")`, `there is no file testdata/files/none.txt`},
		{`log(-1, 2)`, `Call to function "log" failed: these values have no result.`},
		{`(1 / 0) % 2`, `Error during operation: these values have no result.`},
	}
	for _, c := range cases {
		t.Run(c.src, func(t *testing.T) {
			v, diags := scope.Value(parse(t, c.src))
			if !diags.HasErrors() || !strings.Contains(diags.Error(), c.want) {
				t.Errorf("got %v, want %s", diags, c.want)
			}
			if strings.Contains(diags.Error(), "goroutine") {
				t.Errorf("it tells of the program: %v", diags)
			}
			if v != cty.DynamicVal {
				t.Errorf("the value is %#v", v)
			}
			for _, d := range diags {
				if d.Expression != nil || d.EvalContext != nil || d.Extra != nil {
					t.Error("the diagnostic carries values")
				}
			}
		})
	}
}

// What is nearest is suggested, and the same each time.
func TestScopeSuggestsTheNearestFunction(t *testing.T) {
	scope := testScope()
	for range 20 { // "one" is near, too
		if _, diags := scope.Value(parse(t, `node("n[1-2]")`)); !strings.Contains(diags.Error(), `Did you mean "nodes"?`) {
			t.Fatalf("got %v", diags)
		}
	}
}

func TestConvert(t *testing.T) {
	scope := testScope()
	cases := []struct {
		src  string
		want cty.Type
		text string // the value, or a part of the error
	}{
		{`"5"`, cty.Number, `5`},
		{`var.unknown`, cty.Number, `unknown number`},
		{`var.secret`, cty.Number, `error: A number is needed, and this is a string that stands for none.`},
		{`true`, cty.List(cty.String), `error: A list(string) is needed, and this is a bool.`},
		{`["a", {}]`, cty.List(cty.String), `error: A list(string) is needed, and this is a tuple: element 1: string required`},
		{`{a = 1}`, cty.Map(cty.String), `{"a":"1"}`},
	}
	for _, c := range cases {
		t.Run(c.src, func(t *testing.T) {
			v, diags := scope.Convert(parse(t, c.src), c.want)
			got := show(v)
			if diags.HasErrors() {
				got = "error: " + diags[0].Detail
			}
			if !strings.Contains(got, c.text) {
				t.Errorf("got %s, want %s", got, c.text)
			}
		})
	}
}

// No message shows what is sensitive, whatever went wrong with it.
func TestErrorsHideSecrets(t *testing.T) {
	scope := testScope()
	for _, src := range []string{
		`parseint(var.secret, 10)`,
		`parseint("x${var.secret}y", 10)`,
		`parseint(upper(var.secret), 10)`,
		`parseint(sensitive("literal-canary"), 10)`,
		`parseint(sensitive("quoted\"-\\canary"), 10)`,
		`file(var.secret)`,
		`file("${var.secret}/x")`,
		`jsondecode(var.secret)`,
		`formatdate("YYYY", var.secret)`,
		`tonumber(var.secret)`,
		`try(parseint(var.secret, 10))`,
		`[for x in [var.secret] : parseint(x, 10)]`,
		`regex(var.secret, "x")`,
		`regex("(${var.secret}", "x")`,
		`env(var.secret)`,
		`lookup({}, var.secret)`,
		`{}[var.secret]`,
		`var.list[var.secret]`,
		`nodes("${var.secret}[")`,
		`cidrhost(var.secret, 1)`,
		`templatefile("secret.tmpl", {secret = var.secret})`,
		`parseint(var.short, 2)`,
		`convert(var.secret, number)`,
		`var.mixed.closed + 1`,
		`base64decode(var.secret)`,
		`timeadd(var.secret, "1h")`,
		`yamldecode("[${var.secret}")`,
		`csvdecode("a,b\n${var.secret}")`,
	} {
		t.Run(src, func(t *testing.T) {
			_, diags := scope.Value(parse(t, src))
			if !diags.HasErrors() {
				t.Fatal("no error")
			}
			for _, d := range diags {
				text := strings.ToLower(d.Summary + " " + d.Detail)
				if strings.Contains(text, "canary") || strings.Contains(text, "hunter2") || strings.Contains(text, `"pw"`) {
					t.Errorf("%s: %s", d.Summary, d.Detail)
				}
			}
		})
	}
}

func TestSuggest(t *testing.T) {
	among := []string{"install", "image", "rvs", "box"}
	for name, want := range map[string]string{"instal": "install", "Image": "image", "rsv": "rvs", "bx": "box", "something": "", "rvs2": "rvs"} {
		if got := Suggest(name, among); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := DidYouMean("instal", among); got != ` Did you mean "install"?` {
		t.Errorf("got %q", got)
	}
}

func TestLocalSet(t *testing.T) {
	scope := testScope()
	attrs := func(pairs ...string) []*config.Attr {
		var out []*config.Attr
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, &config.Attr{Name: pairs[i], Expr: parse(t, pairs[i+1])})
		}
		return out
	}
	t.Run("order does not matter", func(t *testing.T) {
		set, diags := NewLocalSet(attrs("c", `"${local.b}c"`, "a", `var.image`, "b", `"${local.a}b"`, "unused", `zzz.y`), nil)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		values, diags := set.Values([]string{"c"}, scope)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		if got := show(values["c"]); got != `"rocm/cvs:latestbc"` || len(values) != 3 {
			t.Errorf("got %s of %d", got, len(values))
		}
		refs := set.References("c")
		if len(refs) != 1 || refs[0].String() != "var.image" {
			t.Errorf("c reads %v", refs)
		}
	})
	t.Run("circle", func(t *testing.T) {
		_, diags := NewLocalSet(attrs("a", `local.b`, "b", `[for x in [1] : local.c]`, "c", `local.a`), nil)
		if len(diags) != 1 || !strings.Contains(diags[0].Detail, "local.a → local.b → local.c → local.a") {
			t.Errorf("got %v", diags)
		}
	})
	t.Run("itself", func(t *testing.T) {
		_, diags := NewLocalSet(attrs("a", `local.a + 1`), nil)
		if len(diags) != 1 || !strings.Contains(diags[0].Detail, "local.a → local.a") {
			t.Errorf("got %v", diags)
		}
	})
	t.Run("all of them, itself too", func(t *testing.T) {
		_, diags := NewLocalSet(attrs("a", `keys(local)`), nil)
		if !diags.HasErrors() {
			t.Error("no error")
		}
	})
	t.Run("typo", func(t *testing.T) {
		_, diags := NewLocalSet(attrs("name", `1`, "b", `local.nmae`, "c", `try(local.nothing, 1)`, "d", `local.outside`), []string{"outside"})
		if len(diags) != 1 || !strings.Contains(diags[0].Detail, `Did you mean "name"?`) {
			t.Errorf("got %v", diags)
		}
	})
	t.Run("outer locals are seen", func(t *testing.T) {
		set, diags := NewLocalSet(attrs("b", `local.a + 1`), []string{"a"})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		outer := scope.With("local", cty.ObjectVal(map[string]cty.Value{"a": cty.NumberIntVal(1)}))
		values, diags := set.Values(set.Used(References(parse(t, `local.b + local.a`))), outer)
		if diags.HasErrors() || len(values) != 1 || show(values["b"]) != "2" {
			t.Errorf("got %v %v", values, diags)
		}
	})
}
