package lab

import (
	"container/heap"
	"sync"
	"time"
)

const (
	turnsOfProcessor = 4
	// turnLimit is how long input may keep others waiting. What takes longer mostly waits itself: for a delay, or for another host.
	turnLimit = 100 * time.Millisecond
)

// turns are the few places among the connections whose input is worked on. With thousands of hosts that are asked at the same time, those that are begun
// are finished first: whose last turn was the latest has the next. So few hosts hold what they need while they work, and what was begun is not kept waiting.
type turns struct {
	mu      sync.Mutex
	free    int
	began   int64 // turns so far
	waiting turnQueue
}

// A waiter waits for a turn.
type waiter struct {
	last  int64 // when its connection had a turn before; 0: never
	since int64
	ready chan struct{}
}

// turnQueue is a heap of those who wait.
type turnQueue []*waiter

// Len is of heap.Interface, as are the others.
func (q turnQueue) Len() int { return len(q) }

// Less puts those first who had a turn last, and of the others those who came first.
func (q turnQueue) Less(i, j int) bool {
	if q[i].last != q[j].last {
		return q[i].last > q[j].last
	}
	return q[i].since < q[j].since
}

// Swap swaps two.
func (q turnQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push adds one.
func (q *turnQueue) Push(x any) {
	w, _ := x.(*waiter)
	*q = append(*q, w)
}

// Pop takes the last one.
func (q *turnQueue) Pop() any {
	last := len(*q) - 1
	w := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return w
}

// begin waits for a place, and gives the number of the turn.
func (t *turns) begin(last int64) int64 {
	t.mu.Lock()
	t.began++
	number := t.began
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return number
	}
	w := &waiter{last: last, since: number, ready: make(chan struct{})}
	heap.Push(&t.waiting, w)
	t.mu.Unlock()
	<-w.ready
	t.mu.Lock()
	defer t.mu.Unlock()
	t.began++
	return t.began
}

func (t *turns) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) == 0 {
		t.free++
		return
	}
	w, _ := heap.Pop(&t.waiting).(*waiter)
	close(w.ready)
}

// A turn is that of one connection, again and again.
type turn struct {
	turns *turns
	last  int64 // its number

	mu   sync.Mutex
	held chan struct{} // closed when the turn is over; nil: it did not begin
}

// begin waits for the turn. It does nothing in one that has begun. A turn is over after a while, whatever becomes of the input.
func (t *turn) begin() {
	if t.over() != nil {
		return
	}
	t.last = t.turns.begin(t.last)
	mine := make(chan struct{})
	t.mu.Lock()
	t.held = mine
	t.mu.Unlock()
	time.AfterFunc(turnLimit, func() { t.endOf(mine) })
}

// over is closed at the end of the turn; nil: it did not begin, or is over.
func (t *turn) over() chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.held
}

// end lets others have their turn.
func (t *turn) end() {
	t.endOf(t.over())
}

// drained waits until the input was read and the process wants more, or the turn is over, and ends it.
func (t *turn) drained(in *pipe) {
	if held := t.over(); held != nil {
		in.drained(held)
		t.endOf(held)
	}
}

func (t *turn) endOf(held chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if held == nil || t.held != held {
		return
	}
	close(held)
	t.held = nil
	t.turns.end()
}
