package lab

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// stream is what stands behind a file descriptor: an open file, a pipe, a connection, a device.
type stream interface {
	read(ctx context.Context, p []byte) (int, error) // io.EOF at the end
	write(ctx context.Context, p []byte) (int, error)
	close() error
}

// descriptor is an open file description: shared by every descriptor that was duplicated from it, with one offset.
type descriptor struct {
	stream
	path string // as /proc/PID/fd shows it
	refs atomic.Int32
}

func newDescriptor(s stream, path string) *descriptor {
	d := &descriptor{stream: s, path: path}
	d.refs.Store(1)
	return d
}

func (d *descriptor) dup() *descriptor {
	d.refs.Add(1)
	return d
}

func (d *descriptor) release() {
	if d.refs.Add(-1) == 0 {
		if f, ok := d.stream.(*File); ok {
			f.funlock(d)
		}
		_ = d.stream.close()
	}
}

// File is an open regular file or directory of an FS. It is safe for concurrent use.
type File struct {
	fs    *FS
	ino   uint64
	path  string
	flags int

	mu     sync.Mutex
	off    int64
	closed bool
}

// open opens or makes a file with the flags of package os.
func (v view) open(path string, flags int, mode Mode) (stream, string, error) {
	s, err := v.walk(path, flags&os.O_EXCL == 0)
	if err != nil {
		return nil, "", err
	}
	if !s.found {
		if flags&os.O_CREATE == 0 {
			return nil, "", pathError("open", path, syscall.ENOENT)
		}
		if s, err = v.createFile(s, path, mode); err != nil {
			return nil, "", err
		}
		f, err := v.opened(s, flags)
		return f, s.path, err
	}
	if flags&os.O_CREATE != 0 && flags&os.O_EXCL != 0 {
		return nil, "", pathError("open", path, syscall.EEXIST)
	}
	if s.node.dyn != nil && s.node.dyn.open != nil {
		st, err := s.node.dyn.open(v.proc)
		return st, s.path, err
	}
	if err := v.mayOpen(s, path, flags); err != nil {
		return nil, "", err
	}
	switch {
	case s.node.dyn != nil && !s.node.mode.IsDir():
		return newDynamicFile(v.proc, s.node.dyn), s.path, nil
	case s.node.mode.Type() == TypeChar:
		st, err := v.device(&s.node, path)
		return st, s.path, err
	case s.node.mode.Type() == TypeBlock, s.node.mode.Type() == TypeSocket, s.node.mode.Type() == TypeFifo:
		return nil, "", pathError("open", path, syscall.ENXIO)
	}
	f, err := v.opened(s, flags)
	return f, s.path, err
}

func (v view) mayOpen(s spot, path string, flags int) error {
	writes := flags&(os.O_WRONLY|os.O_RDWR) != 0
	if s.node.mode.IsDir() && (writes || flags&os.O_CREATE != 0) {
		return pathError("open", path, syscall.EISDIR)
	}
	var want Mode
	if flags&os.O_WRONLY == 0 {
		want |= mayRead
	}
	if writes {
		want |= mayWrite
	}
	if !v.may(&s.node, want) {
		return pathError("open", path, syscall.EACCES)
	}
	if writes && s.readOnly && s.node.mode.IsRegular() {
		return pathError("open", path, syscall.EROFS)
	}
	return nil
}

func (v view) createFile(s spot, path string, mode Mode) (spot, error) {
	if strings.HasSuffix(path, "/") {
		return s, pathError("open", path, syscall.EISDIR)
	}
	if err := v.canEdit(s, path); err != nil {
		return s, err
	}
	fresh := v.newNode(s.dir, TypeRegular|(mode.Perm()&^v.umask))
	fresh.owned = true
	err := s.fs.change(s.path, true, func() error {
		d := s.fs.get(s.dir.ino)
		if d == nil || d.nlink <= 0 {
			return pathError("open", path, syscall.ENOENT)
		}
		if ino, taken := d.entries[s.name]; taken { // somebody was faster
			s.node = *s.fs.get(ino)
			return nil
		}
		s.node = *s.fs.add(s.dir.ino, s.name, fresh)
		return nil
	})
	s.found = true
	return s, err
}

func (v view) opened(s spot, flags int) (*File, error) {
	f := &File{fs: s.fs, ino: s.node.ino, path: s.path, flags: flags}
	if flags&os.O_TRUNC != 0 && flags&(os.O_WRONLY|os.O_RDWR) != 0 && s.node.size() > 0 {
		if err := f.Truncate(0); err != nil {
			return nil, err
		}
	} else if flags&os.O_TRUNC != 0 || flags&(os.O_WRONLY|os.O_RDWR) != 0 {
		if err := s.fs.change(s.path, false, func() error { return nil }); err != nil {
			return nil, err
		}
	}
	s.fs.hold(f.ino, 1)
	return f, nil
}

func (f *File) read(_ context.Context, p []byte) (int, error) { return f.Read(p) }

func (f *File) write(_ context.Context, p []byte) (int, error) { return f.Write(p) }

func (f *File) close() error { return f.Close() }

// Read reads from the file's own offset.
func (f *File) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.ReadAt(p, f.off)
	f.off += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// ReadAt reads from off; io.EOF with what is there at the end.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if f.flags&os.O_WRONLY != 0 {
		return 0, pathError("read", f.path, syscall.EBADF)
	}
	f.fs.mu.RLock()
	defer f.fs.mu.RUnlock()
	n := f.fs.get(f.ino)
	switch {
	case n == nil:
		return 0, pathError("read", f.path, syscall.EIO)
	case n.mode.IsDir():
		return 0, pathError("read", f.path, syscall.EISDIR)
	case off >= int64(len(n.data)):
		return 0, io.EOF
	}
	c := copy(p, n.data[off:])
	if c < len(p) {
		return c, io.EOF
	}
	return c, nil
}

// Write writes at the file's own offset, or at the end if it was opened for appending.
func (f *File) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := func(*inode) int64 { return f.off }
	if f.flags&os.O_APPEND != 0 { // the end is found and written to in one: others append through files of their own
		at = func(n *inode) int64 { f.off = n.size(); return f.off }
	}
	n, err := f.writeAt(p, at)
	f.off += int64(n)
	return n, err
}

// WriteAt writes at off; a gap before it reads as zeros.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	return f.writeAt(p, func(*inode) int64 { return off })
}

// writeAt writes where at says, which is asked while nobody else writes.
func (f *File) writeAt(p []byte, at func(*inode) int64) (int, error) {
	if f.flags&(os.O_WRONLY|os.O_RDWR) == 0 {
		return 0, pathError("write", f.path, syscall.EBADF)
	}
	if len(p) == 0 {
		return 0, nil
	}
	err := f.fs.change(f.path, true, func() error {
		n := f.fs.own(f.ino)
		if n == nil {
			return pathError("write", f.path, syscall.EIO)
		}
		off := at(n)
		n.resize(max(int64(len(n.data)), off+int64(len(p))))
		copy(n.data[off:], p)
		n.touched(f.fs)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// resize makes the data writable and size bytes long.
func (n *inode) resize(size int64) {
	have := int64(len(n.data))
	switch {
	case !n.owned:
		data := make([]byte, size, size+size/4)
		copy(data, n.data)
		n.data, n.owned = data, true
	case size > have:
		n.data = append(n.data, make([]byte, size-have)...)
	default:
		n.data = n.data[:size]
	}
}

func (n *inode) touched(f *FS) {
	stamp := f.now().UnixNano()
	n.mtime, n.ctime = stamp, stamp
}

// Truncate sets the size.
func (f *File) Truncate(size int64) error {
	return f.fs.change(f.path, size > 0, func() error {
		n := f.fs.own(f.ino)
		if n == nil {
			return pathError("truncate", f.path, syscall.EIO)
		}
		if size == 0 {
			n.data, n.owned = nil, true
		} else {
			n.resize(size)
		}
		n.touched(f.fs)
		return nil
	})
}

// Seek sets the offset as io.Seeker says.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += f.off
	case io.SeekEnd:
		n, _ := f.fs.snapshot(f.ino)
		offset += n.size()
	}
	if offset < 0 {
		return f.off, pathError("seek", f.path, syscall.EINVAL)
	}
	f.off = offset
	return offset, nil
}

// Close gives the file back.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		f.fs.hold(f.ino, -1)
	}
	return nil
}

func (f *File) info() (Info, error) {
	n, ok := f.fs.snapshot(f.ino)
	if !ok {
		return Info{}, pathError("stat", f.path, syscall.EIO)
	}
	return n.info(f.path[strings.LastIndexByte(f.path, '/')+1:], f.fs), nil
}

func (v view) readFile(path string) ([]byte, error) {
	st, _, err := v.open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = st.close() }()
	if f, ok := st.(*File); ok {
		f.fs.mu.RLock()
		defer f.fs.mu.RUnlock()
		n := f.fs.get(f.ino)
		if n == nil || n.mode.IsDir() {
			return nil, pathError("read", path, syscall.EISDIR)
		}
		return bytes.Clone(n.data), nil
	}
	return io.ReadAll(streamReader{context.Background(), st})
}

// writeFile replaces the content and keeps data.
func (v view) writeFile(path string, data []byte, mode Mode) error {
	st, _, err := v.open(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	defer func() { _ = st.close() }()
	f, ok := st.(*File)
	if !ok {
		_, err := st.write(context.Background(), data)
		return err
	}
	return f.fs.change(f.path, len(data) > 0, func() error {
		n := f.fs.own(f.ino)
		n.data, n.owned = data, false
		n.mode = n.mode.Type() | mode.Perm()&^v.umask
		n.touched(f.fs)
		return nil
	})
}

// streamReader and streamWriter give a stream the interfaces of package io.
type streamReader struct {
	ctx context.Context //nolint:containedctx // an io.Reader has no other place for it
	s   stream
}

func (r streamReader) Read(p []byte) (int, error) { return r.s.read(r.ctx, p) }

type streamWriter struct {
	ctx context.Context //nolint:containedctx // an io.Writer has no other place for it
	s   stream
}

func (w streamWriter) Write(p []byte) (int, error) { return w.s.write(w.ctx, p) }
