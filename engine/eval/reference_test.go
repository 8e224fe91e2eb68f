package eval

import (
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// list writes references with ? behind those inside of try, and $ behind those in a template.
func list(refs []Reference) string {
	var out []string
	for _, r := range refs {
		text := r.String()
		if r.InTry {
			text += "?"
		}
		if r.InTemplate {
			text += "$"
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func TestReferences(t *testing.T) {
	cases := []struct{ src, want string }{
		{`1`, ``},
		{`var.image`, `var.image`},
		{`step.box.ref`, `step.box.ref`},
		{`step.many["a b"].rc`, `step.many["a b"].rc`},
		{`step.many["a"].rc`, `step.many.a.rc`},
		{`hosts["n1"].step.a.rc`, `hosts.n1.step.a.rc`},
		{`hosts[host.name].step.a.rc`, `hosts[…].step.a.rc host.name`},
		{`[for n in run.hosts : hosts[n].step.ver.version]`, `run.hosts hosts[…].step.ver.version`},
		{`[for n, h in hosts : h.step.x]`, `hosts`},
		{`step.a.list[*].name`, `step.a.list[…].name`},
		{`step.a.list.*.name`, `step.a.list[…].name`},
		{`step.a.list[*].b[*].c`, `step.a.list[…].b[…].c`},
		{`(step.a).rc`, `step.a.rc`},
		{`step.a.list[0]`, `step.a.list["0"]`},
		{`step.a[var.key][each.value].x`, `step.a[…][…].x var.key each.value`},
		{`try(step.a.rc, step.b.rc) + step.c.rc`, `step.a.rc? step.b.rc? step.c.rc`},
		{`can(regex("x", var.a))`, `var.a?`},
		{`"x ${var.a} ${try(var.b, "")}"`, `var.a$ var.b?$`},
		{`"${var.a}"`, `var.a$`},
		{`f(var.a).x`, `var.a`},
		{`{ (var.k) = [var.v], plain = x }`, `var.k var.v x`},
		{`{for x in var.l : x => var.y if x != local.z}`, `var.l var.y local.z`},
		{`[for var in var.l : var.x]`, `var.l`},
	}
	for _, c := range cases {
		t.Run(c.src, func(t *testing.T) {
			refs := References(parse(t, c.src))
			slices.SortStableFunc(refs, func(a, b Reference) int { return a.Range.Start.Byte - b.Range.Start.Byte })
			if got := list(refs); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			for _, r := range refs {
				if len(r.Steps) != len(r.Path) {
					t.Errorf("%s has %d ranges for %d names", r, len(r.Steps), len(r.Path))
				}
			}
		})
	}
}

func TestJSONReferences(t *testing.T) {
	cases := []struct{ src, want string }{
		{`"plain"`, ``},
		{`"${var.a}"`, `var.a$`},
		{`["${step.a.rc}", {"${var.k}": "x ${try(var.v, 1)}"}, 5, null, true]`, `step.a.rc$ var.k$ var.v?$`},
		{`"${hosts[host.name].step.a.b}"`, `hosts[…].step.a.b$ host.name$`},
	}
	for _, c := range cases {
		t.Run(c.src, func(t *testing.T) {
			if got := list(References(parseJSON(t, c.src))); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestReferenceRanges(t *testing.T) {
	src := `1 + step.instal.rc`
	r := References(parse(t, src))[0]
	if got := string(r.Range.SliceBytes([]byte(src))); got != "step.instal.rc" {
		t.Errorf("the range is %q", got)
	}
	if got := string(r.Steps[0].SliceBytes([]byte(src))); got != ".instal" {
		t.Errorf("the range of the first name is %q", got)
	}
}

func TestBodyReferences(t *testing.T) {
	file, diags := hclsyntax.ParseConfig([]byte(`
		image = var.image
		other = var.other
		mount "a" {
		  from = try(step.a.path, "")
		}
		labels {
		  x = local.y
		}
	`), "x.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	spec := hcldec.ObjectSpec{
		"image":  &hcldec.AttrSpec{Name: "image", Type: cty.String},
		"mount":  &hcldec.BlockMapSpec{TypeName: "mount", LabelNames: []string{"n"}, Nested: hcldec.ObjectSpec{"from": &hcldec.AttrSpec{Name: "from", Type: cty.String}}},
		"labels": &hcldec.BlockAttrsSpec{TypeName: "labels", ElementType: cty.String},
	}
	if got, want := list(BodyReferences(file.Body, spec)), "var.image step.a.path? local.y"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
