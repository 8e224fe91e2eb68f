package lab

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// work is how the lab's hosts share the processors of this machine. Goroutines are kept for a while: those that ran a shell have stacks that fit one.
type work struct {
	all     sync.WaitGroup
	idle    chan func() // what is sent here a goroutine does that has nothing to do
	over    chan struct{}
	resting atomic.Int32 // goroutines that wait for something to do
	turns   turns
	large   sync.Pool // of buffers, *[largeBuffer]byte
}

const (
	largeBuffer = 32 << 10
	idleWorkers = 256
)

func newWork() *work {
	w := &work{idle: make(chan func()), over: make(chan struct{})}
	w.turns.free = turnsOfProcessor * runtime.GOMAXPROCS(0)
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

// buffer lends a buffer; it is given back with the function.
func (w *work) buffer() ([]byte, func()) {
	b, _ := w.large.Get().(*[largeBuffer]byte)
	return b[:], func() { w.large.Put(b) }
}
