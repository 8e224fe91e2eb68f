package lab

import (
	"context"
	"syscall"
)

// fileLock is the state of flock(2) on one file.
type fileLock struct {
	exclusive *descriptor
	shared    map[*descriptor]bool
	changed   chan struct{}
}

// flock takes a lock for the open file d, waiting for it if wait is set (EAGAIN if not).
func (f *File) flock(ctx context.Context, d *descriptor, exclusive, wait bool) error {
	for {
		f.fs.mu.Lock()
		l := f.fs.lock(f.ino)
		alone := len(l.shared) == 0 || (len(l.shared) == 1 && l.shared[d])
		free := (l.exclusive == nil || l.exclusive == d) && (!exclusive || alone)
		if free {
			delete(l.shared, d)
			l.exclusive = nil
			if exclusive {
				l.exclusive = d
			} else {
				l.shared[d] = true
			}
			f.fs.mu.Unlock()
			return nil
		}
		changed := l.changed
		f.fs.mu.Unlock()
		if !wait {
			return syscall.EAGAIN
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return syscall.EINTR
		}
	}
}

// lock finds the state of an inode. The caller holds mu.
func (f *FS) lock(ino uint64) *fileLock {
	if f.locks == nil {
		f.locks = map[uint64]*fileLock{}
	}
	l := f.locks[ino]
	if l == nil {
		l = &fileLock{shared: map[*descriptor]bool{}, changed: make(chan struct{})}
		f.locks[ino] = l
	}
	return l
}

// funlock gives the lock of d back.
func (f *File) funlock(d *descriptor) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	l := f.fs.locks[f.ino]
	if l == nil {
		return
	}
	if l.exclusive == d {
		l.exclusive = nil
	}
	delete(l.shared, d)
	close(l.changed)
	l.changed = make(chan struct{})
}
