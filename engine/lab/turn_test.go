package lab

import (
	"slices"
	"testing"
)

// Whose last turn was the latest has the next one, and those who had none come in their order.
func TestTurns(t *testing.T) {
	q := &turns{free: 1}
	first := q.begin(0)
	second := first + 1
	got := make(chan string)
	ends := []struct {
		name string
		last int64
	}{{"new", 0}, {"newer", 0}, {"first", first}, {"second", second}}
	for i, w := range ends {
		go func() {
			q.begin(w.last)
			got <- w.name
		}()
		for waiting := 0; waiting <= i; { // in this order
			q.mu.Lock()
			waiting = len(q.waiting)
			q.mu.Unlock()
		}
	}
	var order []string
	for range ends {
		q.end()
		order = append(order, <-got)
	}
	if want := []string{"second", "first", "new", "newer"}; !slices.Equal(order, want) {
		t.Errorf("%v, want %v", order, want)
	}
	q.end()
	if q.free != 1 || len(q.waiting) != 0 {
		t.Errorf("%d places are free, %d wait", q.free, len(q.waiting))
	}
}
