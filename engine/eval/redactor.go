package eval

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/zclconf/go-cty/cty"
	"mvdan.cc/sh/v3/syntax"
)

// minSecret is how short a secret may be and still be looked for: one of three bytes stands in every other line by chance.
const minSecret = 4

// A Redactor knows secrets, and takes them out of texts: as they are, line by line, and as base64 (of any alignment), hexadecimal digits,
// JSON, Go, HTML, URL and shell would write them. Secrets shorter than 4 bytes and booleans are not looked for. The zero value knows
// no secret and is ready to use. All methods may be called from several goroutines; a secret that is added is seen by all calls
// that begin afterwards.
type Redactor struct {
	mu      sync.Mutex
	secrets map[string]bool
	forms   map[string]bool
	matcher atomic.Pointer[matcher] // of forms; nil where it has to be built again
	some    atomic.Bool
}

// Collect remembers each string and number in v that is sensitive, at any depth.
func (r *Redactor) Collect(v cty.Value) {
	eachSecret(v, r.Add)
}

// Add remembers one secret.
func (r *Redactor) Add(secret string) {
	if len(secret) < minSecret {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.secrets[secret] {
		return
	}
	if r.secrets == nil {
		r.secrets, r.forms = map[string]bool{}, map[string]bool{}
	}
	r.secrets[secret] = true
	for _, part := range parts(secret) {
		eachForm(part, func(form string) {
			if len(form) >= minSecret {
				r.forms[form] = true
			}
		})
	}
	r.matcher.Store(nil)
	r.some.Store(true)
}

// Redact is s with (sensitive) in place of each secret. Secrets that overlap become one.
func (r *Redactor) Redact(s string) string {
	if !r.some.Load() {
		return s
	}
	return redact(r.current(), s)
}

// RedactBytes is Redact for bytes. The result shares b's memory where nothing was found.
func (r *Redactor) RedactBytes(b []byte) []byte {
	if !r.some.Load() {
		return b
	}
	return redactBytes(r.current(), b)
}

// Begun is how many bytes at the end of b may be the beginning of a secret that goes on behind it.
func (r *Redactor) Begun(b []byte) int {
	if !r.some.Load() {
		return 0
	}
	return begun(r.current(), b)
}

// Whole is how many bytes of b, from its first, can be redacted by themselves: no secret stands partly before that point and partly behind it,
// whatever follows b. It is 0 only where that many bytes have not come yet; b never has to be longer than three times the longest form of a
// secret. Where secrets overlap without end, as zeros do, the point lies among them.
func (r *Redactor) Whole(b []byte) int {
	if !r.some.Load() {
		return len(b)
	}
	m := r.current()
	end := len(b) - begun(m, b)
	for _, s := range find(m, b) {
		if s.from < end && end < s.to && (s.from > 0 || len(b) <= 3*m.longest) {
			return s.from
		}
	}
	return end
}

// current is the matcher for all secrets known by now.
func (r *Redactor) current() *matcher {
	if m := r.matcher.Load(); m != nil {
		return m
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.matcher.Load(); m != nil {
		return m
	}
	m := newMatcher(r.forms)
	r.matcher.Store(m)
	return m
}

// parts are the pieces of a secret that show it when they are printed alone: the whole, and each of its lines.
func parts(secret string) []string {
	out := []string{secret}
	if trimmed := strings.TrimSpace(secret); trimmed != secret && len(trimmed) >= minSecret {
		out = append(out, trimmed)
	}
	if strings.ContainsAny(secret, "\r\n") {
		for line := range strings.FieldsFuncSeq(secret, func(r rune) bool { return r == '\n' || r == '\r' }) {
			if line = strings.TrimSpace(line); len(line) >= minSecret {
				out = append(out, line)
			}
		}
	}
	return out
}

// eachForm calls f with the ways in which programs write a text.
func eachForm(text string, f func(string)) {
	f(text)
	eachBase64(text, f)
	digits := hex.EncodeToString([]byte(text))
	f(digits)
	f(strings.ToUpper(digits))
	for _, quoted := range []string{jsonInside(text), strings.Trim(strconv.Quote(text), `"`), strings.Trim(strconv.QuoteToASCII(text), `"`)} {
		f(quoted)
	}
	f(strings.ReplaceAll(jsonInside(text), "/", `\/`))
	f(html.EscapeString(text))
	f(url.QueryEscape(text))
	f(url.PathEscape(text))
	f(strings.ReplaceAll(url.QueryEscape(text), "+", "%20"))
	for _, lang := range []syntax.LangVariant{syntax.LangPOSIX, syntax.LangBash} {
		if quoted, err := syntax.Quote(text, lang); err == nil {
			f(quoted)
		}
	}
	f(strings.ReplaceAll(text, "'", `'\''`))
	f(strings.ReplaceAll(text, "'", `'"'"'`))
}

// jsonInside is text as it stands inside of a JSON string.
func jsonInside(text string) string {
	quoted, _ := json.Marshal(text) // a string always can be said
	return strings.Trim(string(quoted), `"`)
}

// eachBase64 calls f with what stands for text in the base64 of any longer text: for each of the three alignments, the characters that hold
// bits of text alone. Short texts would leave too few characters to be told from others.
func eachBase64(text string, f func(string)) {
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		f(encoding.EncodeToString([]byte(text)))
		for shift := range 3 {
			padded := append(make([]byte, shift), text...)
			encoded := encoding.WithPadding(base64.NoPadding).EncodeToString(padded)
			from := (shift*8 + 5) / 6
			to := len(padded) * 8 / 6
			if to-from >= minBase64 {
				f(encoded[from:to])
			}
		}
	}
}

// minBase64 is how many characters of base64 are enough to be sure of a secret: those of five bytes.
const minBase64 = 6
