package nodeset

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A Memo says what Fold says, whatever it was asked before.
func TestMemoIsFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Memo
		lists := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom([]string{"n1", "n2", "n3", "n10", "gpu01-ib0", "gpu02-ib0", "login"}), 0, 6), 1, 30).Draw(t, "lists")
		for _, names := range lists {
			before := slices.Clone(names)
			if got, want := m.Fold(names), Fold(names); got != want {
				t.Fatalf("%q: %q, want %q", names, got, want)
			}
			if !slices.Equal(names, before) {
				t.Fatalf("the list was changed: %q, before %q", names, before)
			}
			if len(m.lists) > memoSize {
				t.Fatalf("%d lists are remembered", len(m.lists))
			}
		}
	})
}
