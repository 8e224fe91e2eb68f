package lab

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// work is how the lab's hosts share the processors of this machine. Goroutines are kept for a while: those that ran a shell have stacks that fit one.
type work struct {
	all     sync.WaitGroup
	idle    chan func() // what is sent here a goroutine does that has nothing to do
	over    chan struct{}
	never   chan struct{} // closed from the beginning
	resting atomic.Int32  // goroutines that wait for something to do
	turns   chan struct{} // holds one for each connection whose input is being worked on
	large   sync.Pool     // of buffers, *[largeBuffer]byte
}

const (
	largeBuffer = 32 << 10
	idleWorkers = 256
	// turnLimit is how long input may keep others waiting. What takes longer mostly waits itself: for a delay, or for another host.
	turnLimit = 50 * time.Millisecond
)

func newWork() *work {
	w := &work{idle: make(chan func()), over: make(chan struct{}), never: make(chan struct{}), turns: make(chan struct{}, 4*runtime.GOMAXPROCS(0))}
	close(w.never)
	w.large.New = func() any { return new([largeBuffer]byte) }
	return w
}

// start does a task in a goroutine of its own. close waits for it.
func (w *work) start(task func()) {
	w.all.Add(1)
	select {
	case w.idle <- task:
	default:
		go w.serve(task)
	}
}

func (w *work) serve(task func()) {
	for {
		task()
		w.all.Done()
		if w.resting.Add(1) > idleWorkers {
			w.resting.Add(-1)
			return
		}
		select {
		case task = <-w.idle:
			w.resting.Add(-1)
		case <-w.over:
			return
		}
	}
}

// close waits until every task has ended.
func (w *work) close() {
	w.all.Wait()
	close(w.over)
}

// A turn is one of the few places among the connections whose input is worked on. With thousands of hosts that are asked at the same time, those that
// are begun are finished first: each needs memory while it works.
type turn struct {
	work *work

	mu   sync.Mutex
	held chan struct{} // closed when the turn is over; nil: it did not begin
}

func (w *work) turn() *turn { return &turn{work: w} }

// begin waits for the turn. It does nothing in one that has begun. A turn is over after a while, whatever becomes of the input.
func (t *turn) begin() {
	t.mu.Lock()
	held := t.held
	t.mu.Unlock()
	if held != nil {
		return
	}
	t.work.turns <- struct{}{}
	mine := make(chan struct{})
	t.mu.Lock()
	t.held = mine
	t.mu.Unlock()
	time.AfterFunc(turnLimit, func() { t.endOf(mine) })
}

// over is closed at the end of the turn, and where there is none.
func (t *turn) over() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held == nil {
		return t.work.never
	}
	return t.held
}

// end lets others have their turn.
func (t *turn) end() {
	t.mu.Lock()
	held := t.held
	t.mu.Unlock()
	t.endOf(held)
}

func (t *turn) endOf(held chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if held == nil || t.held != held {
		return
	}
	close(held)
	t.held = nil
	<-t.work.turns
}

// buffer lends a buffer; it is given back with the function.
func (w *work) buffer() ([]byte, func()) {
	b, _ := w.large.Get().(*[largeBuffer]byte)
	return b[:], func() { w.large.Put(b) }
}
