package lab

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

const rootIno = 1

// FS is a Unix file system in memory: modes, owners, links, devices. It is safe for concurrent use.
//
// A clone shares all that is there with its origin; each copies a file at its first change, so ten thousand hosts cost
// one base tree and their differences. The exported methods act as root and follow symbolic links; what a lab user may
// do goes through a Process.
type FS struct {
	now func() time.Time

	mu     sync.RWMutex
	base   *FS // frozen; nil for the lowest layer
	frozen bool
	nodes  map[uint64]*inode
	next   uint64
	opened map[uint64]int       // open files by inode, so that an unlinked one lives on
	mounts map[uint64]mount     // what covers an inode
	locks  map[uint64]*fileLock // flock(2)
	guard  func(path string, grow bool) error
	proc   *inode // what /proc shows; set before the file system is used
	sys    *inode // the same for /sys
}

// mount says which file of which file system covers a mount point.
type mount struct {
	fs       *FS
	ino      uint64
	readOnly bool
}

// NewFS makes a file system with nothing but its root directory.
func NewFS(now func() time.Time) *FS {
	f := &FS{now: now, nodes: map[uint64]*inode{}, next: rootIno + 1}
	stamp := now().UnixNano()
	f.nodes[rootIno] = &inode{
		ino: rootIno, mode: TypeDir | 0o755, nlink: 2, entries: map[string]uint64{}, parent: rootIno,
		mtime: stamp, ctime: stamp, atime: stamp,
	}
	return f
}

// Clone returns a copy. Mounts, guards and locks stay behind.
func (f *FS) Clone() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	layer := f
	if !f.frozen {
		if len(f.nodes) == 0 && f.base != nil {
			layer = f.base
		} else {
			layer = &FS{now: f.now, base: f.base, frozen: true, nodes: f.nodes, next: f.next}
			f.base, f.nodes = layer, map[uint64]*inode{}
		}
	}
	return &FS{now: f.now, base: layer, nodes: map[uint64]*inode{}, next: f.next}
}

// Freeze makes f immutable, so that clones of it need no lock and no layer of their own.
func (f *FS) Freeze() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.frozen = true
	return f
}

// get finds an inode for reading. The caller holds mu, or f is frozen.
func (f *FS) get(ino uint64) *inode {
	for layer := f; layer != nil; layer = layer.base {
		if n := layer.nodes[ino]; n != nil {
			return n
		}
	}
	return nil
}

// own finds an inode for writing: one that no other file system shares. The caller holds mu for writing.
func (f *FS) own(ino uint64) *inode {
	if n := f.nodes[ino]; n != nil {
		return n
	}
	n := f.get(ino)
	if n == nil {
		return nil
	}
	c := *n
	c.owned = false
	c.entries = maps.Clone(n.entries)
	f.nodes[ino] = &c
	return &c
}

// snapshot is a copy of an inode that stays as it is. Its entries must not be used.
func (f *FS) snapshot(ino uint64) (inode, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	n := f.get(ino)
	if n == nil {
		return inode{}, false
	}
	return *n, true
}

// child looks one name up in a directory, and what covers the file; the zero mount is nothing.
func (f *FS) child(dir uint64, name string) (n inode, cover mount, ok bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	d := f.get(dir)
	if d == nil {
		return inode{}, mount{}, false
	}
	ino, ok := d.entries[name]
	if !ok {
		return inode{}, mount{}, false
	}
	found := f.get(ino)
	if found == nil {
		return inode{}, mount{}, false
	}
	return *found, f.mounts[ino], true
}

func (f *FS) names(dir uint64) []string {
	f.mu.RLock()
	defer f.mu.RUnlock()
	d := f.get(dir)
	if d == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(d.entries))
}

// change runs edit with mu held for writing, after the guards of path have let it pass. grow says that it needs space.
func (f *FS) change(path string, grow bool, edit func() error) error {
	f.mu.RLock()
	guard, frozen := f.guard, f.frozen
	f.mu.RUnlock()
	if frozen {
		return pathError("write", path, syscall.EROFS)
	}
	if guard != nil {
		if err := guard(path, grow); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return edit()
}

// add makes a new inode and enters it into a directory. The caller holds mu.
func (f *FS) add(dir uint64, name string, n inode) *inode {
	d := f.own(dir)
	stamp := f.now().UnixNano()
	n.ino = f.next
	f.next++
	n.nlink = 1
	n.mtime, n.ctime, n.atime = stamp, stamp, stamp
	if n.mode.IsDir() {
		n.nlink = 2
		n.parent = dir
		n.entries = map[string]uint64{}
		d.nlink++
	}
	d.entries[name] = n.ino
	d.mtime, d.ctime = stamp, stamp
	f.nodes[n.ino] = &n
	return &n
}

// drop takes a name out of a directory, and the file with its last name. The caller holds mu.
func (f *FS) drop(dir uint64, name string) {
	d := f.own(dir)
	n := f.own(d.entries[name])
	delete(d.entries, name)
	stamp := f.now().UnixNano()
	d.mtime, d.ctime = stamp, stamp
	if n == nil {
		return
	}
	n.ctime = stamp
	n.nlink--
	if n.mode.IsDir() {
		n.nlink--
		d.nlink--
	}
	f.release(n.ino)
}

// release forgets a file that has no name and no user any more. The caller holds mu.
func (f *FS) release(ino uint64) {
	if n := f.nodes[ino]; n != nil && n.nlink <= 0 && f.opened[ino] == 0 && !f.inBase(ino) {
		delete(f.nodes, ino)
	}
}

func (f *FS) inBase(ino uint64) bool { return f.base != nil && f.base.get(ino) != nil }

func (f *FS) hold(ino uint64, by int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.opened == nil {
		f.opened = map[uint64]int{}
	}
	f.opened[ino] += by
	if f.opened[ino] <= 0 {
		delete(f.opened, ino)
		if !f.frozen {
			f.release(ino)
		}
	}
}

// Mount covers the file or directory at path with what is at from in src. It is undone by Unmount.
func (f *FS) Mount(path string, src *FS, from string, readOnly bool) error {
	at, err := rootView(f).find(path, true)
	if err != nil {
		return err
	}
	what, err := rootView(src).find(from, true)
	if err != nil {
		return err
	}
	covered, _, ok := at.dirFS.child(at.dir.ino, at.name) // what is there below another mount
	if !ok {
		return pathError("mount", path, syscall.EINVAL)
	}
	at.dirFS.mu.Lock()
	defer at.dirFS.mu.Unlock()
	if at.dirFS.mounts == nil {
		at.dirFS.mounts = map[uint64]mount{}
	}
	at.dirFS.mounts[covered.ino] = mount{fs: what.fs, ino: what.node.ino, readOnly: readOnly}
	return nil
}

// Unmount uncovers every mount point of f.
func (f *FS) Unmount() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mounts = nil
}

// SetGuard lets check refuse changes below f: it is given the path and whether the change needs space.
func (f *FS) SetGuard(check func(path string, grow bool) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.guard = check
}

// ReadFile returns the content of the file at path.
func (f *FS) ReadFile(path string) ([]byte, error) { return rootView(f).readFile(path) }

// WriteFile makes or replaces the file at path with data, which f keeps: the caller must not change it afterwards.
// Missing directories are made with mode 0755.
func (f *FS) WriteFile(path string, data []byte, mode Mode) error {
	v := rootView(f)
	if err := v.mkdirAll(dirOf(path), 0o755); err != nil {
		return err
	}
	return v.writeFile(path, data, mode)
}

// MkdirAll makes the directory path and those above it.
func (f *FS) MkdirAll(path string, mode Mode) error { return rootView(f).mkdirAll(path, mode) }

// Symlink makes a symbolic link at path.
func (f *FS) Symlink(target, path string) error { return rootView(f).symlink(target, path) }

// Mknod makes a device at path.
func (f *FS) Mknod(path string, mode Mode, major, minor int) error {
	return rootView(f).mknod(path, mode, major, minor)
}

// Stat describes the file at path, following symbolic links.
func (f *FS) Stat(path string) (Info, error) { return rootView(f).stat(path, true) }

// Lstat describes the file at path itself.
func (f *FS) Lstat(path string) (Info, error) { return rootView(f).stat(path, false) }

// Chmod sets the permission bits of path.
func (f *FS) Chmod(path string, mode Mode) error { return rootView(f).chmod(path, mode, true) }

// Chown sets the owner and group of path itself; -1 keeps one.
func (f *FS) Chown(path string, uid, gid int) error { return rootView(f).chown(path, uid, gid, false) }

// Remove takes path away with everything below it. It is no error that nothing is there.
func (f *FS) Remove(path string) error {
	err := rootView(f).removeAll(path)
	if reason(err) == syscall.ENOENT {
		return nil
	}
	return err
}

// ReadDir lists the directory at path by name.
func (f *FS) ReadDir(path string) ([]Info, error) { return rootView(f).readDir(path) }

// Walk calls visit for everything at and below path, parents first, siblings by name, symbolic links not followed.
// fs.SkipDir skips a directory.
func (f *FS) Walk(path string, visit func(path string, info Info) error) error {
	info, err := f.Lstat(path)
	if err != nil {
		return err
	}
	err = visit(path, info)
	if errors.Is(err, fs.SkipDir) {
		return nil
	}
	if err != nil || !info.IsDir() {
		return err
	}
	entries, err := f.ReadDir(path)
	if err != nil {
		return err
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Base < entries[j].Base })
	for _, e := range entries {
		if err := f.Walk(strings.TrimSuffix(path, "/")+"/"+e.Base, visit); err != nil {
			return err
		}
	}
	return nil
}

func dirOf(path string) string {
	path = strings.TrimRight(path, "/")
	i := strings.LastIndexByte(path, '/')
	if i <= 0 {
		return "/"
	}
	return path[:i]
}
