package eval

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"mvdan.cc/sh/v3/syntax"
	"pgregory.net/rapid"
)

const canary = "s3cr3t \"c&n<ry'\\ü+/=\tz"

// No way of writing a secret leaves it in a text.
func TestRedactorForms(t *testing.T) {
	marshalled, err := json.Marshal(canary)
	if err != nil {
		t.Fatal(err)
	}
	bash, err := syntax.Quote(canary, syntax.LangBash)
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string]string{
		"raw": canary, "json": string(marshalled), "go": strconv.Quote(canary), "go ascii": strconv.QuoteToASCII(canary),
		"hex": hex.EncodeToString([]byte(canary)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(canary))),
		"query": url.QueryEscape(canary), "path": url.PathEscape(canary), "html": html.EscapeString(canary),
		"bash": bash, "posix": "'" + strings.ReplaceAll(canary, "'", `'\''`) + "'",
		"json without html": strings.NewReplacer(`\u0026`, "&", `\u003c`, "<").Replace(string(marshalled)),
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		for _, before := range []string{"", "x", "xy", "xyz"} {
			for _, after := range []string{"", "a", "ab"} {
				forms[fmt.Sprintf("base64 %q %q", before, after)] = encoding.EncodeToString([]byte(before + canary + after))
			}
		}
	}
	var r Redactor
	r.Add(canary)
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			got := r.Redact("before " + form + " after")
			if !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") || !strings.Contains(got, Hidden) {
				t.Errorf("got %q of %q", got, form)
			}
			// What is left around may be quotes, and characters of base64 that stand for other bytes too.
			if len(got) > len("before  after")+len(Hidden)+8 {
				t.Errorf("too much is left: %q", got)
			}
			if again := string(r.RedactBytes([]byte("before " + form + " after"))); again != got {
				t.Errorf("bytes give %q, the string gives %q", again, got)
			}
		})
	}
}

func TestRedactorLines(t *testing.T) {
	var r Redactor
	r.Add("-----BEGIN KEY-----\r\n  MIIEowIBAAKCAQEA\nabc\nlastline\n")
	cases := map[string]string{
		"a MIIEowIBAAKCAQEA b":       "a (sensitive) b",
		"lastline":                   "(sensitive)",
		"abc stays, it is too short": "abc stays, it is too short",
		"nothing here":               "nothing here",
		"bGFzdGxpbmU=":               "(sensitive)",
	}
	for text, want := range cases {
		if got := r.Redact(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestRedactorOverlaps(t *testing.T) {
	var r Redactor
	for _, secret := range []string{"alpha-beta", "beta-gamma", "beta", "alphabet", "abab"} {
		r.Add(secret)
	}
	cases := map[string]string{
		"alpha-beta-gamma":     "(sensitive)",
		"alpha-betabeta-gamma": "(sensitive)(sensitive)",
		"xbetax":               "x(sensitive)x",
		"alpha-bet":            "alpha-bet",
		"alphabeta":            "(sensitive)",
		"ababab":               "(sensitive)",
		"":                     "",
	}
	for text, want := range cases {
		if got := r.Redact(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestRedactorCollect(t *testing.T) {
	var r Redactor
	r.Collect(cty.ObjectVal(map[string]cty.Value{
		"open":   cty.StringVal("visible"),
		"one":    cty.StringVal("first-secret").Mark(Sensitive),
		"list":   cty.ListVal([]cty.Value{cty.StringVal("second-secret").Mark(Sensitive)}),
		"object": cty.ObjectVal(map[string]cty.Value{"deep": cty.TupleVal([]cty.Value{cty.StringVal("third-secret"), cty.NumberIntVal(98765)})}).Mark(Sensitive),
		"flag":   cty.True.Mark(Sensitive),
		"short":  cty.StringVal("abc").Mark(Sensitive),
		"null":   cty.NullVal(cty.String).Mark(Sensitive),
		"later":  cty.UnknownVal(cty.String).Mark(Sensitive),
	}))
	r.Collect(cty.NilVal)
	r.Collect(cty.SetVal([]cty.Value{cty.StringVal("fourth-secret")}).Mark(Sensitive))
	got := r.Redact("visible first-secret second-secret third-secret fourth-secret 98765 true abc")
	if want := "visible (sensitive) (sensitive) (sensitive) (sensitive) (sensitive) true abc"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestRedactorKnowsNothing(t *testing.T) {
	var r Redactor
	b := []byte("text")
	if got := r.RedactBytes(b); &got[0] != &b[0] || r.Redact("text") != "text" {
		t.Error("a redactor without secrets changes something")
	}
}

// With any secrets, no text keeps one; what is not a secret stays.
func TestRedactorLeavesNoSecret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letter := rapid.StringMatching(`[ab]{4,7}`)
		secrets := rapid.SliceOfN(letter, 1, 5).Draw(t, "secrets")
		text := rapid.StringMatching(`[abc]{0,60}`).Draw(t, "text")
		var r Redactor
		for _, s := range secrets {
			r.Add(s)
		}
		got := r.Redact(text)
		rest := strings.ReplaceAll(got, Hidden, "|")
		covered := make([]bool, len(text))
		for _, s := range secrets {
			if strings.Contains(rest, s) {
				t.Fatalf("%q is left in %q", s, got)
			}
			for i := range len(text) {
				if strings.HasPrefix(text[i:], s) {
					for j := range s {
						covered[i+j] = true
					}
				}
			}
		}
		var kept strings.Builder
		for i := range len(text) {
			if !covered[i] {
				kept.WriteByte(text[i])
			}
		}
		if plain := strings.ReplaceAll(rest, "|", ""); plain != kept.String() {
			t.Fatalf("kept %q of %q, want %q", plain, text, kept.String())
		}
	})
}

func TestRedactorConcurrently(t *testing.T) {
	var r Redactor
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			secret := fmt.Sprintf("secret-number-%d", i)
			r.Add(secret)
			for range 50 {
				if got := r.Redact("x" + secret + "y"); got != "x(sensitive)y" {
					t.Errorf("got %s", got)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkRedactor(b *testing.B) {
	var r Redactor
	for i := range 20 {
		r.Add(fmt.Sprintf("a-fairly-long-token-%08d", i*7919))
	}
	r.Add(strings.Repeat("MIIEowIBAAKCAQEAx5Jk\nq1Y2vP0Z8a9b7c6d5e4f\n", 25))
	line := []byte(strings.Repeat("2026-01-31 12:00:00 node017 rvs: GPU 3 pass: TRUE, 1234.5 GFLOPS; ", 4))
	hit := []byte("the token is a-fairly-long-token-00007919, and that is that")
	r.RedactBytes(hit)
	b.Run("no secret", func(b *testing.B) {
		b.SetBytes(int64(len(line)))
		for b.Loop() {
			r.RedactBytes(line)
		}
	})
	b.Run("one secret", func(b *testing.B) {
		b.SetBytes(int64(len(hit)))
		for b.Loop() {
			r.RedactBytes(hit)
		}
	})
	b.Run("build", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			r.Add(fmt.Sprintf("another-token-%d", i))
			r.RedactBytes(hit)
		}
	})
}
