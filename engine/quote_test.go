package engine

import (
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A quoted word arrives byte for byte in every shell; a NUL, which no shell can carry, ends it.
func TestQuote(t *testing.T) {
	every := make([]byte, 255)
	for i := range every {
		every[i] = byte(i + 1)
	}
	for name, sh := range shells(t) {
		t.Run(name, func(t *testing.T) {
			arrives := func(t rapid.TB, words ...string) {
				cmd := exec.Command(sh[0], append(sh[1:], "-s")...)
				cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
				cmd.Stdin = strings.NewReader("printf '%s\\0' " + QuoteAll(words...) + "\n")
				out, err := cmd.CombinedOutput()
				if want := strings.Join(words, "\x00") + "\x00"; err != nil || string(out) != want {
					t.Fatalf("%q arrives as %q (%v)", want, out, err)
				}
			}
			arrives(t, "", "-n", "~", "a=b", "*", "!!", "\\", "'", "''", "\n", "$(id)", "ü😀\u202e", "\xff\xfe", string(every))
			rapid.Check(t, func(rt *rapid.T) {
				special := rapid.SampledFrom([]byte("a'\\\"$`*? \n\t!#~=-&;|<>(){}[]\x01\x7f\x80\xff"))
				words := rapid.SliceOfN(rapid.SliceOfN(rapid.OneOf(special, rapid.ByteRange(1, 255)), 0, 40), 1, 4).Draw(rt, "words")
				var texts []string
				for _, w := range words {
					texts = append(texts, string(w))
				}
				arrives(rt, append(texts, "end")...)
			})
		})
	}
	if got := Quote("a b\x00c"); got != "'a b'" {
		t.Error(got)
	}
}
