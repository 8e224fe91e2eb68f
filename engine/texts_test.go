package engine

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/zclconf/go-cty/cty"
)

// What two hosts print is in memory once, if it is the same and not short.
func TestEqualResultsAreKeptOnce(t *testing.T) {
	step := &Step{mod: Module{Results: []Result{{Name: "out", Type: cty.String}}}}
	play := &playRun{}
	printed := func(text string) *byte {
		own := &turn{member: &member{play: play}, step: step, bound: &bound{}}
		results, err := own.results(Values{"out": strings.Clone(text)})
		if err != nil {
			t.Fatal(err)
		}
		if got := results["out"].AsString(); got != text {
			t.Errorf("%q became %q", text, got)
		}
		return unsafe.StringData(results["out"].AsString())
	}
	long := strings.Repeat("a line\n", 100)
	first := printed(long)
	if again := printed(long); again != first {
		t.Error("a long text is kept twice")
	}
	if printed(long+"b") == first {
		t.Error("different texts are one")
	}
	first = printed("short")
	if again := printed("short"); again == first {
		t.Error("a short text was looked for")
	}
}
