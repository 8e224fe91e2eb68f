package eval

import (
	"strings"
	"testing"

	"cvsplay/engine/config"
)

func TestRequiredVersion(t *testing.T) {
	for _, c := range []struct{ required, running, want string }{ // want: a part of the error, "" for none
		{`">= 1.2"`, "1.2.0", ""},
		{`">= 1.2"`, "v1.10.3", ""},
		{`">= 1.2, < 2"`, "2.0.0", "that is >= 1.2, < 2, and this one is 2.0.0"},
		{`"~> 1.2"`, "1.9", ""},
		{`"~> 1.2.0"`, "1.3.0", "~> 1.2.0"},
		{`"1.2.3"`, "1.2.4", "this one is 1.2.4"},
		{`">= 1.3"`, "v1.2.0-7-g0a1b2c3", "this one is v1.2.0-7-g0a1b2c3"},
		{`">= 1.2"`, "v1.2.0-7-g0a1b2c3", ""},
		{`">= 9"`, "dev", ""},
		{`">= 9"`, "12cc2ee", ""},
		{`">= 9"`, "1234567", ""},
		{`"new"`, "1.0.0", `"new" is no condition on versions`},
		{`null`, "1.0.0", "has to be a string"},
		{`[1]`, "1.0.0", "has to be a string"},
		{`var.x`, "1.0.0", "cannot use var.x"},
	} {
		attr := &config.Attr{Name: "required_version", Expr: parse(t, c.required)}
		diags := RequiredVersion(attr, c.running)
		switch {
		case c.want == "" && diags.HasErrors():
			t.Errorf("%s for %s: %v", c.required, c.running, diags)
		case c.want != "" && (!diags.HasErrors() || !strings.Contains(diags[0].Detail, c.want)):
			t.Errorf("%s for %s: got %v, want %s", c.required, c.running, diags, c.want)
		}
	}
	if diags := RequiredVersion(nil, "1.0.0"); diags.HasErrors() {
		t.Error(diags)
	}
}
