package lab

import (
	"slices"
	"strings"
	"syscall"
	"time"
)

// view is a file system seen by somebody: every operation is done with that user's rights, relative to cwd.
type view struct {
	root  *FS
	cwd   string
	uid   int
	gids  []int // the first is the one that new files get
	umask Mode
	proc  *Process // who looks, for /proc/self; may be nil
}

func rootView(f *FS) view { return view{root: f, cwd: "/", gids: []int{0}} }

// spot is where a path leads: the directory and the name in it, and the file if it is there.
type spot struct {
	fs    *FS
	path  string // absolute, without links, dots and trailing slash
	node  inode
	found bool

	dirFS    *FS
	dir      inode
	name     string
	readOnly bool
}

// Rights of a file, as in its permission bits.
const (
	mayRead  Mode = 4
	mayWrite Mode = 2
	mayExec  Mode = 1
)

func (v view) may(n *inode, want Mode) bool {
	if v.uid == 0 {
		return want&mayExec == 0 || n.mode.IsDir() || n.mode&0o111 != 0
	}
	bits := n.mode
	switch {
	case n.uid == v.uid:
		bits >>= 6
	case slices.Contains(v.gids, n.gid):
		bits >>= 3
	}
	return bits&want == want
}

// step is a directory on the way to a file.
type step struct {
	fs       *FS
	node     inode
	name     string
	readOnly bool
}

// crumb is what is kept of a step, to go back to it.
type crumb struct {
	fs       *FS
	ino      uint64
	made     *inode // of a file that has no place in the tables
	name     string
	readOnly bool
}

func (s *step) crumb() crumb {
	c := crumb{fs: s.fs, ino: s.node.ino, name: s.name, readOnly: s.readOnly}
	if s.node.dyn != nil {
		made := s.node
		c.made = &made
	}
	return c
}

// again is the step of which c was kept.
func (c crumb) again() (step, bool) {
	s := step{fs: c.fs, name: c.name, readOnly: c.readOnly}
	if c.made != nil {
		s.node = *c.made
		return s, true
	}
	var ok bool
	s.node, ok = c.fs.snapshot(c.ino)
	return s, ok
}

// A walker is on its way along a path.
type walker struct {
	room   [12]crumb // the trail from the root to here, as long as it fits: it costs no memory then
	depth  int       // of the trail in room
	long   []crumb   // the trail where it is longer
	before step      // the directory of here
	here   step
	links  int // symbolic links that were followed
}

// back goes back to a directory of the trail; false if it is gone.
func (w *walker) back(length int) (ok bool) {
	length = max(1, length)
	if w.long != nil {
		w.long = w.long[:length]
	} else {
		w.depth = length
	}
	trail := w.trail()
	if w.here, ok = trail[length-1].again(); !ok {
		return false
	}
	w.before, ok = trail[max(0, length-2)].again()
	return ok
}

func (w *walker) trail() []crumb {
	if w.long != nil {
		return w.long
	}
	return w.room[:w.depth]
}

func (w *walker) forward(next *step) {
	w.before, w.here = w.here, *next
	switch {
	case w.long != nil:
		w.long = append(w.long, next.crumb())
	case w.depth == len(w.room):
		w.long = append(slices.Clone(w.room[:]), next.crumb())
	default:
		w.room[w.depth] = next.crumb()
		w.depth++
	}
}

// walk follows path. The last element may be missing; anything before it may not. A symbolic link at the end is
// followed if follow is set or the path ends in a slash.
func (v view) walk(path string, follow bool) (spot, error) {
	if path == "" {
		return spot{}, pathError("open", path, syscall.ENOENT)
	}
	full := path
	if !strings.HasPrefix(path, "/") {
		full = v.cwd + "/" + path
	}
	var w walker
	w.room[0] = crumb{fs: v.root, ino: rootIno}
	if !w.back(1) {
		return spot{}, pathError("open", path, syscall.ENOENT)
	}
	mustDir := strings.HasSuffix(full, "/") || strings.HasSuffix(full, "/.")
	for name, todo := firstElement(full); name != ""; name, todo = firstElement(todo) {
		if errno := v.barred(&w.here.node); errno != 0 {
			return spot{}, pathError("open", path, errno)
		}
		if name == ".." {
			if !w.back(len(w.trail()) - 1) {
				return spot{}, pathError("open", path, syscall.ENOENT)
			}
			continue
		}
		if len(name) > 255 {
			return spot{}, pathError("open", path, syscall.ENAMETOOLONG)
		}
		after, _ := firstElement(todo)
		last := after == ""
		next, found := v.enter(&w.here, name)
		if !found {
			if !last {
				return spot{}, pathError("open", path, syscall.ENOENT)
			}
			return w.spot(full, name), nil
		}
		if next.node.mode.Type() != TypeSymlink || last && !follow && !mustDir {
			w.forward(&next)
			continue
		}
		if next.node.dyn != nil && next.node.dyn.open != nil { // the magic links of /proc/self/fd
			s := w.spot(full, name)
			s.node, s.found = next.node, true
			return s, nil
		}
		target, errno := v.through(&w, &next)
		if errno != 0 {
			return spot{}, pathError("open", path, errno)
		}
		todo = target + "/" + todo
	}
	if mustDir && !w.here.node.mode.IsDir() {
		return spot{}, pathError("open", path, syscall.ENOTDIR)
	}
	return spot{
		fs: w.here.fs, node: w.here.node, found: true, path: trailPath(full, w.trail(), ""), name: w.here.name, readOnly: w.here.readOnly,
		dirFS: w.before.fs, dir: w.before.node,
	}, nil
}

// through is where a symbolic link leads.
func (v view) through(w *walker, link *step) (target string, errno syscall.Errno) {
	if w.links++; w.links > 40 {
		return "", syscall.ELOOP
	}
	target = v.linkTarget(&link.node)
	if strings.HasPrefix(target, "/") && !w.back(1) {
		return "", syscall.ENOENT
	}
	return target, 0
}

// spot is a name in the directory where the walker is.
func (w *walker) spot(full, name string) spot {
	return spot{fs: w.here.fs, path: trailPath(full, w.trail(), name), dirFS: w.here.fs, dir: w.here.node, name: name, readOnly: w.here.readOnly}
}

// barred is why nothing can be looked up in n, 0 if it can.
func (v view) barred(n *inode) syscall.Errno {
	switch {
	case !n.mode.IsDir():
		return syscall.ENOTDIR
	case !v.may(n, mayExec):
		return syscall.EACCES
	}
	return 0
}

// enter looks a name up, and goes through what is mounted there.
func (v view) enter(here *step, name string) (step, bool) {
	if here.node.dyn != nil {
		if here.node.dyn.lookup == nil {
			return step{}, false
		}
		n := here.node.dyn.lookup(v.proc, name)
		if n == nil {
			return step{}, false
		}
		return step{fs: here.fs, node: *n, name: name, readOnly: here.readOnly}, true
	}
	if here.node.ino == rootIno && name == "proc" && here.fs.proc != nil {
		return step{fs: here.fs, node: *here.fs.proc, name: name}, true
	}
	if here.node.ino == rootIno && name == "sys" && here.fs.sys != nil {
		return step{fs: here.fs, node: *here.fs.sys, name: name}, true
	}
	n, cover, ok := here.fs.child(here.node.ino, name)
	if !ok {
		return step{}, false
	}
	if cover.fs != nil {
		if covered, ok := cover.fs.snapshot(cover.ino); ok {
			return step{fs: cover.fs, node: covered, name: name, readOnly: cover.readOnly}, true
		}
	}
	return step{fs: here.fs, node: n, name: name, readOnly: here.readOnly}, true
}

func (v view) linkTarget(n *inode) string {
	if n.dyn != nil && n.dyn.link != nil {
		return n.dyn.link(v.proc)
	}
	return n.target
}

func elements(path string) []string {
	var out []string
	for part := range strings.SplitSeq(path, "/") {
		if part != "" && part != "." {
			out = append(out, part)
		}
	}
	return out
}

// firstElement cuts the first name off a path, and skips what means nothing: slashes and dots. "" is none.
func firstElement(path string) (name, rest string) {
	for {
		path = strings.TrimLeft(path, "/")
		name, rest = path, ""
		if i := strings.IndexByte(path, '/'); i >= 0 {
			name, rest = path[:i], path[i:]
		}
		if name != "." {
			return name, rest
		}
		path = rest
	}
}

// trailPath is the path of a trail, with one more name unless that is "". Mostly it is full, which led there.
func trailPath(full string, trail []crumb, last string) string {
	if isTrail(full, trail, last) {
		return full
	}
	var b strings.Builder
	for _, s := range trail[1:] {
		b.WriteByte('/')
		b.WriteString(s.name)
	}
	if last != "" {
		b.WriteByte('/')
		b.WriteString(last)
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

func isTrail(full string, trail []crumb, last string) bool {
	for _, s := range trail[1:] {
		if len(full) <= len(s.name) || full[0] != '/' || full[1:1+len(s.name)] != s.name {
			return false
		}
		full = full[1+len(s.name):]
	}
	if last == "" {
		return full == "" && len(trail) > 1
	}
	return len(full) == len(last)+1 && full[0] == '/' && full[1:] == last
}

// find is walk for a file that has to be there.
func (v view) find(path string, follow bool) (spot, error) {
	s, err := v.walk(path, follow)
	if err != nil {
		return s, err
	}
	if !s.found {
		return s, pathError("open", path, syscall.ENOENT)
	}
	return s, nil
}

// place is walk for a file that is about to be made: nothing may be there, and the directory must be writable.
func (v view) place(path string) (spot, error) {
	s, err := v.walk(strings.TrimRight(path, "/"), false)
	if path != "" && strings.Trim(path, "/") == "" {
		return s, pathError("mkdir", path, syscall.EEXIST)
	}
	if err != nil {
		return s, err
	}
	if s.found {
		return s, pathError("create", path, syscall.EEXIST)
	}
	return s, v.canEdit(s, path)
}

// canEdit says whether names in the directory of s may be made and taken away.
func (v view) canEdit(s spot, path string) error {
	if s.dir.dyn != nil {
		return pathError("write", path, syscall.EACCES)
	}
	if !v.may(&s.dir, mayWrite) || !v.may(&s.dir, mayExec) {
		return pathError("write", path, syscall.EACCES)
	}
	if s.readOnly {
		return pathError("write", path, syscall.EROFS)
	}
	return nil
}

func (v view) stat(path string, follow bool) (Info, error) {
	s, err := v.find(path, follow)
	if err != nil {
		return Info{}, err
	}
	if s.node.dyn != nil && s.node.mode.Type() == TypeSymlink {
		s.node.target = v.linkTarget(&s.node)
	}
	info := s.node.info(s.name, s.fs)
	if s.name == "" {
		info.Base = "/"
	}
	return info, nil
}

func (v view) access(path string, want Mode) error {
	s, err := v.find(path, true)
	if err != nil {
		return err
	}
	if !v.may(&s.node, want) {
		return pathError("access", path, syscall.EACCES)
	}
	if want&mayWrite != 0 && s.readOnly {
		return pathError("access", path, syscall.EROFS)
	}
	return nil
}

// realpath is the path without links and dots. All but the last element have to be there.
func (v view) realpath(path string) (string, error) {
	s, err := v.walk(path, true)
	return s.path, err
}

func (v view) readLink(path string) (string, error) {
	s, err := v.find(path, false)
	if err != nil {
		return "", err
	}
	if s.node.mode.Type() != TypeSymlink {
		return "", pathError("readlink", path, syscall.EINVAL)
	}
	return v.linkTarget(&s.node), nil
}

func (v view) readDir(path string) ([]Info, error) {
	s, err := v.find(path, true)
	if err != nil {
		return nil, err
	}
	if !s.node.mode.IsDir() {
		return nil, pathError("readdir", path, syscall.ENOTDIR)
	}
	if !v.may(&s.node, mayRead) {
		return nil, pathError("readdir", path, syscall.EACCES)
	}
	here := step{fs: s.fs, node: s.node}
	var names []string
	if d := s.node.dyn; d != nil {
		names = d.list(v.proc)
	} else {
		names = s.fs.names(s.node.ino)
	}
	out := make([]Info, 0, len(names))
	for _, name := range names {
		next, ok := v.enter(&here, name)
		if !ok {
			continue
		}
		if next.node.dyn != nil && next.node.dyn.link != nil {
			next.node.target = next.node.dyn.link(v.proc)
		}
		out = append(out, next.node.info(name, next.fs))
	}
	return out, nil
}

func (v view) newNode(dir inode, mode Mode) inode {
	n := inode{mode: mode, uid: v.uid, gid: v.gids[0]}
	if dir.mode&SetGID != 0 {
		n.gid = dir.gid
		if mode.IsDir() {
			n.mode |= SetGID
		}
	}
	return n
}

func (v view) create(path string, n inode, mode Mode) error {
	s, err := v.place(path)
	if err != nil {
		return err
	}
	fresh := v.newNode(s.dir, n.mode|mode)
	fresh.data, fresh.target, fresh.major, fresh.minor = n.data, n.target, n.major, n.minor
	return s.fs.change(s.path, true, func() error {
		d := s.fs.get(s.dir.ino)
		if d == nil || d.nlink <= 0 {
			return pathError("create", path, syscall.ENOENT)
		}
		if _, taken := d.entries[s.name]; taken {
			return pathError("create", path, syscall.EEXIST)
		}
		s.fs.add(s.dir.ino, s.name, fresh)
		return nil
	})
}

func (v view) mkdir(path string, mode Mode) error {
	return v.create(path, inode{mode: TypeDir}, mode.Perm()&^v.umask)
}

func (v view) mkdirAll(path string, mode Mode) error {
	if info, err := v.stat(path, true); err == nil {
		if !info.IsDir() {
			return pathError("mkdir", path, syscall.EEXIST)
		}
		return nil
	}
	if parent := dirOf(path); parent != path {
		if err := v.mkdirAll(parent, mode); err != nil {
			return err
		}
	}
	err := v.mkdir(path, mode)
	if reason(err) == syscall.EEXIST {
		if info, serr := v.stat(path, true); serr == nil && info.IsDir() {
			return nil
		}
	}
	return err
}

func (v view) symlink(target, path string) error {
	return v.create(path, inode{mode: TypeSymlink, target: target}, 0o777)
}

func (v view) mknod(path string, mode Mode, major, minor int) error {
	return v.create(path, inode{mode: mode.Type(), major: major, minor: minor}, mode.Perm()&^v.umask)
}

func (v view) link(old, path string, follow bool) error {
	from, err := v.find(old, follow)
	if err != nil {
		return err
	}
	if from.node.mode.IsDir() {
		return pathError("link", old, syscall.EPERM)
	}
	to, err := v.place(path)
	if err != nil {
		return err
	}
	if from.fs != to.fs {
		return pathError("link", path, syscall.EXDEV)
	}
	return to.fs.change(to.path, false, func() error {
		n, d := to.fs.own(from.node.ino), to.fs.own(to.dir.ino)
		if n == nil || d == nil {
			return pathError("link", path, syscall.ENOENT)
		}
		if _, taken := d.entries[to.name]; taken {
			return pathError("link", path, syscall.EEXIST)
		}
		n.nlink++
		stamp := to.fs.now().UnixNano()
		n.ctime, d.mtime, d.ctime = stamp, stamp, stamp
		d.entries[to.name] = n.ino
		return nil
	})
}

// sticky says whether v may not take n out of dir because dir has the sticky bit.
func (v view) sticky(dir, n *inode) bool {
	return dir.mode&Sticky != 0 && v.uid != 0 && v.uid != n.uid && v.uid != dir.uid
}

func (v view) unlink(path string) error {
	s, err := v.find(path, false)
	if err != nil {
		return err
	}
	if s.node.mode.IsDir() {
		return pathError("unlink", path, syscall.EISDIR)
	}
	return v.take(s, path)
}

func (v view) rmdir(path string) error {
	s, err := v.find(path, false)
	if err != nil {
		return err
	}
	if !s.node.mode.IsDir() {
		return pathError("rmdir", path, syscall.ENOTDIR)
	}
	if strings.HasSuffix(path, "/.") || path == "." {
		return pathError("rmdir", path, syscall.EINVAL)
	}
	return v.take(s, path)
}

func (v view) take(s spot, path string) error {
	if s.name == "" || s.fs != s.dirFS {
		return pathError("remove", path, syscall.EBUSY)
	}
	if err := v.canEdit(s, path); err != nil {
		return err
	}
	if v.sticky(&s.dir, &s.node) {
		return pathError("remove", path, syscall.EPERM)
	}
	return s.fs.change(s.path, false, func() error {
		d := s.fs.get(s.dir.ino)
		if d == nil || d.entries[s.name] != s.node.ino {
			return pathError("remove", path, syscall.ENOENT)
		}
		if n := s.fs.get(s.node.ino); n != nil && n.mode.IsDir() && len(n.entries) > 0 {
			return pathError("remove", path, syscall.ENOTEMPTY)
		}
		s.fs.drop(s.dir.ino, s.name)
		return nil
	})
}

func (v view) removeAll(path string) error {
	info, err := v.stat(path, false)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return v.unlink(path)
	}
	entries, err := v.readDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := v.removeAll(path + "/" + e.Base); err != nil {
			return err
		}
	}
	return v.rmdir(path)
}

func (v view) rename(old, path string) error {
	from, err := v.find(strings.TrimRight(old, "/"), false)
	if err != nil {
		return err
	}
	to, err := v.walk(strings.TrimRight(path, "/"), false)
	if err != nil {
		return err
	}
	if from.fs != to.fs || from.fs != from.dirFS || to.fs != to.dirFS {
		return pathError("rename", path, syscall.EXDEV)
	}
	for _, s := range []spot{from, to} {
		if err := v.canEdit(s, s.path); err != nil {
			return err
		}
		if s.found && v.sticky(&s.dir, &s.node) {
			return pathError("rename", path, syscall.EPERM)
		}
	}
	if from.node.mode.IsDir() && (to.path+"/" != from.path+"/") && strings.HasPrefix(to.path+"/", from.path+"/") {
		return pathError("rename", path, syscall.EINVAL)
	}
	return to.fs.change(to.path, false, func() error { return to.fs.move(from, to) })
}

// move renames within one file system. The caller holds mu.
func (f *FS) move(from, to spot) error {
	a, b := f.own(from.dir.ino), f.own(to.dir.ino)
	if a == nil || b == nil || a.entries[from.name] != from.node.ino {
		return pathError("rename", from.path, syscall.ENOENT)
	}
	n := f.own(from.node.ino)
	if have, taken := b.entries[to.name]; taken {
		if have == n.ino {
			return nil
		}
		old := f.get(have)
		switch {
		case old.mode.IsDir() && !n.mode.IsDir():
			return pathError("rename", to.path, syscall.EISDIR)
		case !old.mode.IsDir() && n.mode.IsDir():
			return pathError("rename", to.path, syscall.ENOTDIR)
		case old.mode.IsDir() && len(old.entries) > 0:
			return pathError("rename", to.path, syscall.ENOTEMPTY)
		}
		f.drop(b.ino, to.name)
	}
	delete(a.entries, from.name)
	b.entries[to.name] = n.ino
	if n.mode.IsDir() {
		a.nlink--
		b.nlink++
		n.parent = b.ino
	}
	stamp := f.now().UnixNano()
	a.mtime, a.ctime, b.mtime, b.ctime, n.ctime = stamp, stamp, stamp, stamp, stamp
	return nil
}

// edit changes the inode at path if v is its owner or root.
func (v view) edit(op, path string, follow bool, apply func(n *inode) error) error {
	s, err := v.find(path, follow)
	if err != nil {
		return err
	}
	if s.node.dyn != nil {
		return pathError(op, path, syscall.EPERM)
	}
	if s.readOnly {
		return pathError(op, path, syscall.EROFS)
	}
	return s.fs.change(s.path, false, func() error {
		n := s.fs.own(s.node.ino)
		if n == nil {
			return pathError(op, path, syscall.ENOENT)
		}
		if err := apply(n); err != nil {
			return err
		}
		n.ctime = s.fs.now().UnixNano()
		return nil
	})
}

func (v view) chmod(path string, mode Mode, follow bool) error {
	return v.edit("chmod", path, follow, func(n *inode) error {
		if v.uid != 0 && v.uid != n.uid {
			return pathError("chmod", path, syscall.EPERM)
		}
		n.mode = n.mode.Type() | mode.Perm()
		return nil
	})
}

func (v view) chown(path string, uid, gid int, follow bool) error {
	return v.edit("chown", path, follow, func(n *inode) error {
		foreign := (uid >= 0 && uid != n.uid) || (gid >= 0 && gid != n.gid && !slices.Contains(v.gids, gid))
		if v.uid != 0 && (foreign || v.uid != n.uid) {
			return pathError("chown", path, syscall.EPERM)
		}
		if uid >= 0 {
			n.uid = uid
		}
		if gid >= 0 {
			n.gid = gid
		}
		if n.mode.IsRegular() && n.mode&0o111 != 0 {
			n.mode &^= SetUID | SetGID
		}
		return nil
	})
}

// chtimes sets the access and modification times; the zero time keeps one.
func (v view) chtimes(path string, atime, mtime time.Time, follow bool) error {
	return v.edit("utimes", path, follow, func(n *inode) error {
		if v.uid != 0 && v.uid != n.uid && !v.may(n, mayWrite) {
			return pathError("utimes", path, syscall.EACCES)
		}
		if !atime.IsZero() {
			n.atime = atime.UnixNano()
		}
		if !mtime.IsZero() {
			n.mtime = mtime.UnixNano()
		}
		return nil
	})
}
