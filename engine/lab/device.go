package lab

import (
	"context"
	"crypto/rand"
	"io"
	"syscall"
)

// nullDevice is /dev/null.
type nullDevice struct{}

func (nullDevice) read(context.Context, []byte) (int, error)      { return 0, io.EOF }
func (nullDevice) write(_ context.Context, p []byte) (int, error) { return len(p), nil }
func (nullDevice) close() error                                   { return nil }

// zeroDevice is /dev/zero, and /dev/full where full is set.
type zeroDevice struct{ full bool }

func (zeroDevice) read(_ context.Context, p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func (d zeroDevice) write(_ context.Context, p []byte) (int, error) {
	if d.full {
		return 0, syscall.ENOSPC
	}
	return len(p), nil
}

func (zeroDevice) close() error { return nil }

// randomDevice is /dev/random and /dev/urandom.
type randomDevice struct{}

func (randomDevice) read(_ context.Context, p []byte) (int, error)  { return rand.Read(p) }
func (randomDevice) write(_ context.Context, p []byte) (int, error) { return len(p), nil }
func (randomDevice) close() error                                   { return nil }

// device opens a character device by its number.
func (v view) device(n *inode, path string) (stream, error) {
	switch [2]int{n.major, n.minor} {
	case [2]int{1, 3}:
		return nullDevice{}, nil
	case [2]int{1, 5}:
		return zeroDevice{}, nil
	case [2]int{1, 7}:
		return zeroDevice{full: true}, nil
	case [2]int{1, 8}, [2]int{1, 9}:
		return randomDevice{}, nil
	case [2]int{5, 0}:
		return nil, pathError("open", path, syscall.ENXIO) // no session here has a terminal
	}
	return nullDevice{}, nil // a GPU or an adapter that nobody talks to
}

// dynamicFile is an open file whose content is made when it is first read.
type dynamicFile struct {
	proc *Process
	dyn  *dynamic
	data []byte
	off  int
	got  []byte
	full bool // data is there
}

func newDynamicFile(p *Process, d *dynamic) *dynamicFile {
	return &dynamicFile{proc: p, dyn: d}
}

func (f *dynamicFile) read(_ context.Context, p []byte) (int, error) {
	if !f.full && f.dyn.read != nil {
		f.data = f.dyn.read(f.proc)
	}
	f.full = true
	if f.off >= len(f.data) {
		return 0, io.EOF
	}
	n := copy(p, f.data[f.off:])
	f.off += n
	return n, nil
}

func (f *dynamicFile) write(_ context.Context, p []byte) (int, error) {
	if f.dyn.write == nil {
		return 0, syscall.EACCES
	}
	f.got = append(f.got, p...)
	return len(p), f.dyn.write(f.proc, f.got)
}

func (f *dynamicFile) close() error { return nil }
