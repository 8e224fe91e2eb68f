package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// targets pairs the operands of cp, mv, ln and install: sources and where each goes. ok is false after a message.
func (c *cmdline) targets() (sources []string, dests []string, ok bool) {
	args := c.args
	dir := c.last("t", "")
	if dir == "" {
		if len(args) == 0 {
			c.p.Errorf("missing file operand")
			c.tryHelp()
			return nil, nil, false
		}
		if len(args) == 1 {
			c.p.Errorf("missing destination file operand after %s", gnuQuote(args[0]))
			c.tryHelp()
			return nil, nil, false
		}
		last := args[len(args)-1]
		info, err := c.p.Stat(last)
		isDir := err == nil && info.IsDir()
		if !isDir || c.has("T") {
			if len(args) > 2 {
				if c.has("T") {
					c.p.Errorf("extra operand %s", gnuQuote(args[2]))
				} else {
					c.p.Errorf("target %s: %s", gnuQuote(last), notDirText(err))
				}
				return nil, nil, false
			}
			return args[:1], args[1:], true
		}
		dir, args = last, args[:len(args)-1]
	}
	for _, src := range args {
		base := strings.TrimRight(src, "/")
		dests = append(dests, strings.TrimRight(dir, "/")+"/"+base[strings.LastIndexByte(base, '/')+1:])
	}
	return args, dests, true
}

func notDirText(err error) string {
	if err != nil {
		return strerror(err)
	}
	return "Not a directory"
}

func cpCommand(c *cmdline) int {
	sources, dests, ok := c.targets()
	if !ok {
		return 1
	}
	code := 0
	for i, src := range sources {
		if !c.copy(src, dests[i]) {
			code = 1
		}
	}
	return code
}

// keeps says whether cp keeps an attribute: mode, ownership or timestamps.
func (c *cmdline) keeps(what string) bool {
	if c.has("a") || (c.has("p") && what != "links") {
		return true
	}
	for _, list := range c.value["preserve"] {
		if list == "" || strings.Contains(list, "all") || strings.Contains(list, what) {
			return true
		}
	}
	return false
}

// copy is cp of one operand.
func (c *cmdline) copy(src, dst string) bool {
	v := c.p.view()
	follow := !c.has("a") && !c.has("d") && !c.has("P") && (!c.has("r") || c.has("L"))
	info, err := v.stat(src, follow)
	if err != nil {
		c.p.Errorf("cannot stat %s: %s", gnuQuote(src), strerror(err))
		return false
	}
	old, oldErr := v.stat(dst, true)
	if oldErr == nil {
		switch {
		case old.same(info):
			c.p.Errorf("%s and %s are the same file", gnuQuote(src), gnuQuote(dst))
			return false
		case c.has("n"):
			return true
		case c.has("u") && !info.Modified.After(old.Modified):
			return true
		case info.IsDir() && !old.IsDir():
			c.p.Errorf("cannot overwrite non-directory %s with directory %s", gnuQuote(dst), gnuQuote(src))
			return false
		case !info.IsDir() && old.IsDir():
			c.p.Errorf("cannot overwrite directory %s with non-directory", gnuQuote(dst))
			return false
		}
	}
	switch {
	case info.IsDir():
		return c.copyDir(v, src, dst, info, oldErr == nil)
	case c.has("l"):
		err = v.link(src, dst, follow)
	case c.has("s"):
		err = v.symlink(src, dst)
	case info.Bits.Type() == TypeSymlink:
		_ = v.unlink(dst)
		err = v.symlink(info.Target, dst)
	case !info.Bits.IsRegular() && (c.has("r") || c.has("a")):
		err = v.mknod(dst, info.Bits, info.Major, info.Minor)
	default:
		if err := c.copyFile(v, src, dst, info); err != nil {
			return false
		}
	}
	if err != nil {
		c.p.Errorf("cannot create %s: %s", gnuQuote(dst), strerror(err))
		return false
	}
	c.copied(v, src, dst, info)
	return true
}

func (c *cmdline) copied(v view, src, dst string, info Info) {
	link := info.Bits.Type() == TypeSymlink
	if c.keeps("ownership") {
		_ = v.chown(dst, info.UserID, info.GroupID, false)
	}
	if c.keeps("mode") && !link {
		_ = v.chmod(dst, info.Bits, true)
	}
	if c.keeps("timestamps") {
		_ = v.chtimes(dst, info.Accessed, info.Modified, false)
	}
	if c.has("v") {
		fmt.Fprintf(c.p.Stdout(), "%s -> %s\n", gnuQuote(src), gnuQuote(dst))
	}
}

func (c *cmdline) copyFile(v view, src, dst string, info Info) error {
	in, _, err := v.open(src, os.O_RDONLY, 0)
	if err != nil {
		c.p.Errorf("cannot open %s for reading: %s", gnuQuote(src), strerror(err))
		return err
	}
	defer func() { _ = in.close() }()
	if c.has("remove-destination") {
		_ = v.unlink(dst)
	}
	out, _, err := v.open(dst, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Bits.Perm()&0o777)
	if err != nil && c.has("f") && reason(err) == syscall.EACCES && v.unlink(dst) == nil {
		out, _, err = v.open(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Bits.Perm()&0o777)
	}
	if err != nil {
		c.p.Errorf("cannot create regular file %s: %s", gnuQuote(dst), strerror(err))
		return err
	}
	defer func() { _ = out.close() }()
	if _, err = io.Copy(streamWriter{c.p.ctx, out}, streamReader{c.p.ctx, in}); err != nil {
		c.p.Errorf("error writing %s: %s", gnuQuote(dst), strerror(err))
	}
	return err
}

func (c *cmdline) copyDir(v view, src, dst string, info Info, there bool) bool {
	if !c.has("r") && !c.has("a") {
		c.p.Errorf("-r not specified; omitting directory %s", gnuQuote(src))
		return false
	}
	abs, _ := v.realpath(src)
	if target, err := v.realpath(dst); err == nil && within(target, abs) {
		c.p.Errorf("cannot copy a directory, %s, into itself, %s", gnuQuote(src), gnuQuote(dst))
		return false
	}
	if !there {
		if err := v.mkdir(dst, info.Bits|0o700); err != nil {
			c.p.Errorf("cannot create directory %s: %s", gnuQuote(dst), strerror(err))
			return false
		}
	}
	entries, err := v.readDir(src)
	if err != nil {
		c.p.Errorf("cannot access %s: %s", gnuQuote(src), strerror(err))
		return false
	}
	ok := true
	for _, e := range entries {
		ok = c.copy(strings.TrimRight(src, "/")+"/"+e.Base, strings.TrimRight(dst, "/")+"/"+e.Base) && ok
	}
	if !there && !c.keeps("mode") {
		_ = v.chmod(dst, info.Bits&^v.umask, true)
	}
	c.copied(v, src, dst, info)
	return ok
}

func mvCommand(c *cmdline) int {
	sources, dests, ok := c.targets()
	if !ok {
		return 1
	}
	code := 0
	for i, src := range sources {
		if !c.move(src, dests[i]) {
			code = 1
		}
	}
	return code
}

func (c *cmdline) move(src, dst string) bool {
	v := c.p.view()
	info, err := v.stat(src, false)
	if err != nil {
		c.p.Errorf("cannot stat %s: %s", gnuQuote(src), strerror(err))
		return false
	}
	if old, err := v.stat(dst, false); err == nil {
		switch {
		case old.same(info):
			c.p.Errorf("%s and %s are the same file", gnuQuote(src), gnuQuote(dst))
			return false
		case c.has("n") && c.lastOf("n", "f") == "n":
			return true
		case c.has("u") && !info.Modified.After(old.Modified):
			return true
		case old.IsDir() && !info.IsDir():
			c.p.Errorf("cannot overwrite directory %s with non-directory", gnuQuote(dst))
			return false
		case !old.IsDir() && info.IsDir():
			c.p.Errorf("cannot overwrite non-directory %s with directory %s", gnuQuote(dst), gnuQuote(src))
			return false
		}
	}
	err = v.rename(src, dst)
	if err != nil && reason(err) == syscall.EXDEV {
		deep := &cmdline{p: c.p, set: map[string]bool{"a": true, "r": true, "f": true}, value: map[string][]string{}}
		if !deep.copy(src, dst) {
			return false
		}
		return deep.remove(v, src)
	}
	if err != nil {
		if reason(err) == syscall.EINVAL {
			c.p.Errorf("cannot move %s to a subdirectory of itself, %s", gnuQuote(src), gnuQuote(dst))
		} else {
			c.p.Errorf("cannot move %s to %s: %s", gnuQuote(src), gnuQuote(dst), strerror(err))
		}
		return false
	}
	if c.has("v") {
		fmt.Fprintf(c.p.Stdout(), "renamed %s -> %s\n", gnuQuote(src), gnuQuote(dst))
	}
	return true
}

func installCommand(c *cmdline) int {
	v := c.p.view()
	mode, ok := parseMode(c.last("m", "0755"), 0, 0, false)
	if !ok {
		c.p.Errorf("invalid mode %s", gnuQuote(c.last("m", "")))
		return 1
	}
	uid, gid, err := c.installOwner()
	if err != nil {
		c.p.Errorf("%v", err)
		return 1
	}
	finish := func(path string) bool {
		err := v.chmod(path, mode, true)
		if err == nil && (uid >= 0 || gid >= 0) {
			err = v.chown(path, uid, gid, true)
		}
		if err != nil {
			c.p.Errorf("cannot change permissions of %s: %s", gnuQuote(path), strerror(err))
		}
		return err == nil
	}
	code := 0
	if c.has("d") {
		for _, dir := range c.args {
			if err := v.mkdirAll(dir, 0o755); err != nil {
				c.p.Errorf("cannot create directory %s: %s", gnuQuote(dir), strerror(err))
				code = 1
			} else if !finish(dir) {
				code = 1
			}
		}
		return code
	}
	if c.has("D") && len(c.args) > 0 {
		if err := c.mkParents(v, c.args[len(c.args)-1]); err != nil {
			c.p.Errorf("cannot create directory: %s", strerror(err))
			return 1
		}
	}
	sources, dests, ok := c.targets()
	if !ok {
		return 1
	}
	for i, src := range sources {
		info, err := v.stat(src, true)
		if err != nil {
			c.p.Errorf("cannot stat %s: %s", gnuQuote(src), strerror(err))
			code = 1
			continue
		}
		_ = v.unlink(dests[i])
		info.Bits = TypeRegular | 0o600
		if c.copyFile(v, src, dests[i], info) != nil || !finish(dests[i]) {
			code = 1
		}
	}
	return code
}

func (c *cmdline) installOwner() (uid, gid int, err error) {
	uid, gid = -1, -1
	if name := c.last("o", ""); name != "" {
		if uid, err = c.p.world.userID(name); err != nil {
			return uid, gid, err
		}
	}
	if name := c.last("g", ""); name != "" {
		gid, err = c.p.world.groupID(name)
	}
	return uid, gid, err
}

// userID reads the name or number of a user.
func (w *World) userID(name string) (int, error) {
	if u, ok := w.LookupUser(name); ok {
		return u.UID, nil
	}
	n, err := strconv.Atoi(name)
	if err != nil || n < 0 {
		return -1, fmt.Errorf("invalid user: %s", gnuQuote(name))
	}
	return n, nil
}

// groupID reads the name or number of a group.
func (w *World) groupID(name string) (int, error) {
	if gid, ok := w.lookupGroup(name); ok {
		return gid, nil
	}
	n, err := strconv.Atoi(name)
	if err != nil || n < 0 {
		return -1, fmt.Errorf("invalid group: %s", gnuQuote(name))
	}
	return n, nil
}

func flockCommand(c *cmdline) int {
	if !c.need(1) {
		return 64
	}
	d, command, ok := c.lockTarget()
	if !ok {
		return 66
	}
	f, isFile := d.stream.(*File)
	if !isFile {
		c.p.Errorf("%s: Bad file descriptor", c.args[0])
		d.release()
		return 65
	}
	if c.has("u") {
		f.funlock(d)
		d.release()
		return 0
	}
	ctx, cancel := c.p.ctx, func() {}
	if text := c.last("w", ""); text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil {
			c.p.Errorf("invalid timeout value: %s", text)
			return 64
		}
		ctx, cancel = context.WithTimeout(ctx, time.Duration(seconds*float64(time.Second)))
	}
	defer cancel()
	if err := f.flock(ctx, d, !c.has("s"), !c.has("n")); err != nil {
		d.release()
		code, _ := strconv.Atoi(c.last("E", "1"))
		return code
	}
	defer d.release()
	if command == nil {
		return 0
	}
	return c.p.Run(Run{Argv: command})
}

// lockTarget is what flock locks: an open descriptor, or a file with the command to run under the lock.
func (c *cmdline) lockTarget() (*descriptor, []string, bool) {
	command := c.args[1:]
	if text := c.last("c", ""); text != "" {
		command = []string{"/bin/sh", "-c", text}
	} else if len(command) > 1 && (command[0] == "-c" || command[0] == "--command") {
		command = []string{"/bin/sh", "-c", command[1]}
	}
	if n, err := strconv.Atoi(c.args[0]); err == nil && len(command) == 0 {
		d := c.p.fd(n)
		if d == nil {
			c.p.Errorf("%d: Bad file descriptor", n)
			return nil, nil, false
		}
		return d.dup(), nil, true
	}
	d, err := c.p.openFile(c.args[0], os.O_RDONLY|os.O_CREATE, 0o666)
	if err != nil {
		c.p.Errorf("cannot open lock file %s: %s", c.args[0], strerror(err))
		return nil, nil, false
	}
	return d, command, true
}
