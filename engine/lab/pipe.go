package lab

import (
	"context"
	"io"
	"sync"
	"syscall"
)

const pipeCapacity = 64 << 10

// pipe is a byte queue of 64 KiB between processes. Reading ends with io.EOF when the last writer has closed, writing
// with EPIPE when the last reader has.
type pipe struct {
	mu      sync.Mutex
	buf     []byte
	off     int
	limit   int
	noWrite bool
	noRead  bool
	changed chan struct{} // closed and replaced whenever those who wait should look again
	waiting int           // how many do
	hungry  int           // how many of them want to read
}

func newPipe() *pipe { return &pipe{limit: pipeCapacity, changed: make(chan struct{})} }

// newPipeEnds makes the two ends of a pipe.
func newPipeEnds() (r, w *descriptor) {
	p := newPipe()
	return newDescriptor(readEnd{p}, "pipe:[1]"), newDescriptor(writeEnd{p}, "pipe:[1]")
}

// newHereDocument is a descriptor that gives text and then ends.
func newHereDocument(text []byte) *descriptor {
	p := newPipe()
	p.buf, p.noWrite = text, true
	return newDescriptor(readEnd{p}, "pipe:[1]")
}

func (p *pipe) wake() {
	if p.waiting > 0 {
		close(p.changed)
		p.changed, p.waiting, p.hungry = make(chan struct{}), 0, 0
	}
}

// await is what to wait on; the caller holds mu.
func (p *pipe) await() <-chan struct{} {
	p.waiting++
	return p.changed
}

// drained waits until all that was written is read and somebody wants more, nobody reads or writes any more, or until over.
func (p *pipe) drained(over <-chan struct{}) {
	for {
		p.mu.Lock()
		if p.noRead || p.noWrite || p.off == len(p.buf) && p.hungry > 0 {
			p.mu.Unlock()
			return
		}
		wait := p.await()
		p.mu.Unlock()
		select {
		case <-wait:
		case <-over:
			return
		}
	}
}

func (p *pipe) read(ctx context.Context, b []byte) (int, error) {
	for {
		p.mu.Lock()
		if p.off < len(p.buf) {
			n := copy(b, p.buf[p.off:])
			p.off += n
			if p.off == len(p.buf) {
				p.buf, p.off = p.buf[:0], 0
				if cap(p.buf) > queueKept { // every idle shell has one
					p.buf = nil
				}
			}
			p.wake()
			p.mu.Unlock()
			return n, nil
		}
		if p.noWrite || p.noRead {
			p.mu.Unlock()
			return 0, io.EOF
		}
		if p.waiting > p.hungry {
			p.wake() // who waits for this
		}
		wait := p.await()
		p.hungry++
		p.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			p.mu.Lock()
			p.wake() // it is hungry no more
			p.mu.Unlock()
			return 0, syscall.EINTR
		}
	}
}

func (p *pipe) write(ctx context.Context, b []byte) (int, error) {
	done := 0
	for {
		p.mu.Lock()
		if p.noRead || p.noWrite {
			p.mu.Unlock()
			return done, syscall.EPIPE
		}
		if room := p.limit - (len(p.buf) - p.off); room > 0 && done < len(b) {
			if p.off > 0 {
				p.buf = append(p.buf[:0], p.buf[p.off:]...)
				p.off = 0
			}
			n := min(room, len(b)-done)
			p.buf = append(p.buf, b[done:done+n]...)
			done += n
			p.wake()
		}
		if done == len(b) {
			p.mu.Unlock()
			return done, nil
		}
		wait := p.await()
		p.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return done, syscall.EINTR
		}
	}
}

func (p *pipe) closeWrite() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noWrite = true
	p.wake()
}

func (p *pipe) closeRead() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noRead = true
	p.buf, p.off = nil, 0
	p.wake()
}

// readEnd and writeEnd are the two sides of a pipe as streams.
type readEnd struct{ p *pipe }

func (e readEnd) read(ctx context.Context, b []byte) (int, error) { return e.p.read(ctx, b) }
func (readEnd) write(context.Context, []byte) (int, error)        { return 0, syscall.EBADF }
func (e readEnd) close() error                                    { e.p.closeRead(); return nil }

type writeEnd struct{ p *pipe }

func (writeEnd) read(context.Context, []byte) (int, error)          { return 0, syscall.EBADF }
func (e writeEnd) write(ctx context.Context, b []byte) (int, error) { return e.p.write(ctx, b) }
func (e writeEnd) close() error                                     { e.p.closeWrite(); return nil }
