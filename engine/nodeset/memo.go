package nodeset

import "slices"

// memoSize is how many lists a Memo remembers.
const memoSize = 8

// A Memo folds lists of names, and remembers the last ones: the same hosts end step after step, in another order each time. The zero value is ready.
type Memo struct {
	lists []folded // the one used last in front
}

type folded struct {
	names []string // sorted by bytes
	fold  string
}

// Fold is Fold(names).
func (m *Memo) Fold(names []string) string {
	if len(names) == 1 {
		return Fold(names)
	}
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	for i, f := range m.lists {
		if slices.Equal(f.names, sorted) {
			m.lists = slices.Insert(slices.Delete(m.lists, i, i+1), 0, f)
			return f.fold
		}
	}
	f := folded{names: sorted, fold: Fold(names)}
	m.lists = slices.Insert(m.lists[:min(len(m.lists), memoSize-1)], 0, f)
	return f.fold
}
