package report

import (
	"strings"
	"testing"
)

const markdownPage = "# The page\n\nA paragraph with `code`, **weight** and a [link](#there), which is long enough to go on to\na second line; 1 \\< 2.\n\n" +
	"## `a_name`\n\n- one\n- two, of which there is so much to say that it takes a line more than one of these has\n\n1. first\n\n" +
	"```hcl\nplay \"p\" {\n  # not a heading\n}\n```\n\n| name | type | meaning |\n|---|---|---|\n| `a` | string; required | What it is, `x\\|y`. |\n| `b` | | |\n"

func TestMarkdown(t *testing.T) {
	const want = `THE PAGE

A paragraph with ` + "`code`" + `, weight and a link, which is
long enough to go on to a second line; 1 < 2.

a_name

- one
- two, of which there is so much to say that it takes a
  line more than one of these has

1. first

  play "p" {
    # not a heading
  }

  a (string; required)
      What it is, ` + "`x|y`" + `.
  b
`
	var b strings.Builder
	if err := Markdown(&b, markdownPage, Options{Width: 56, Color: ColorNever}); err != nil || b.String() != want {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestMarkdownInColour(t *testing.T) {
	var b strings.Builder
	if err := Markdown(&b, "# A\n\nwith `code`\x1b]0;x\x07\n", Options{Width: 56, Color: ColorAlways}); err != nil {
		t.Fatal(err)
	}
	if want := "\x1b[1mA\x1b[0m\n\nwith \x1b[36mcode\x1b[0m"; !strings.HasPrefix(b.String(), want) || strings.Contains(b.String(), "\x1b]0") {
		t.Errorf("%q", b.String())
	}
}
