package lab

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

// fileCommands are those that make, copy and remove files.
func fileCommands() map[string]Command {
	return map[string]Command{
		"cat":      command("n,number A,show-all E v u b", 1, catCommand),
		"tee":      command("a,append i,ignore-interrupts p", 1, teeCommand),
		"cp":       command("a,archive f,force n,no-clobber p r,R,recursive T,no-target-directory t,target-directory= u,update v,verbose d P,no-dereference L,dereference l,link s,symbolic-link preserve? no-preserve= reflink? sparse= remove-destination x", 1, cpCommand),
		"mv":       command("f,force n,no-clobber T,no-target-directory t,target-directory= u,update v,verbose", 1, mvCommand),
		"rm":       command("f,force r,R,recursive d,dir v,verbose one-file-system preserve-root? no-preserve-root", 1, rmCommand),
		"rmdir":    command("p,parents ignore-fail-on-non-empty", 1, rmdirCommand),
		"mkdir":    command("p,parents m,mode= v,verbose", 1, mkdirCommand),
		"touch":    command("a c,no-create d,date= m r,reference= t= h,no-dereference f", 1, touchCommand),
		"mktemp":   command("d,directory u,dry-run q,quiet p= tmpdir? t suffix=", 1, mktempCommand),
		"truncate": command("c,no-create s,size=", 1, truncateCommand),
		"install":  command("d,directory m,mode= o,owner= g,group= D T,no-target-directory t,target-directory= c p", 1, installCommand),
		"sync":     command("d,data f,file-system", 1, func(*cmdline) int { return 0 }),
		"flock":    command("+ s,shared x,e,exclusive u,unlock n,nb,nonblock w,timeout= c,command= o,close E,conflict-exit-code= F,no-fork v", 64, flockCommand),
	}
}

func catCommand(c *cmdline) int {
	if c.has("A") || c.has("E") || c.has("v") {
		c.p.Errorf("options -A, -E, -v are not simulated")
		return 1
	}
	if c.has("n") || c.has("b") {
		return c.buffered(func(w *bufio.Writer) int {
			n := 0
			return c.inputs(func(_ string, r io.Reader) error {
				return eachLine(r, func(line string) bool {
					if c.has("b") && line == "\n" {
						_, _ = w.WriteString(line)
						return true
					}
					n++
					fmt.Fprintf(w, "%6d\t%s", n, line)
					return true
				})
			})
		})
	}
	failed := false
	code := c.inputs(func(_ string, r io.Reader) error {
		buf, back := c.p.world.lab().work.buffer()
		defer back()
		for {
			n, err := r.Read(buf)
			if n > 0 {
				if _, werr := c.p.Stdout().Write(buf[:n]); werr != nil {
					failed = true
					c.p.Errorf("write error: %s", strerror(werr))
					return nil
				}
			}
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
	if failed {
		return 1
	}
	return code
}

// eachLine calls visit for every line, with its newline, until it says no.
func eachLine(r io.Reader, visit func(line string) bool) error {
	br := bufio.NewReader(r)
	for {
		line, err := br.ReadString('\n')
		if line != "" && !visit(line) {
			return nil
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func teeCommand(c *cmdline) int {
	flags := os.O_TRUNC
	if c.has("a") {
		flags = os.O_APPEND
	}
	code := 0
	outs := []io.Writer{c.p.Stdout()}
	for _, name := range c.args {
		f, err := c.p.Create(name, flags, 0o666)
		if err != nil {
			c.p.Errorf("%s: %s", name, strerror(err))
			code = 1
			continue
		}
		defer func() { _ = f.Close() }()
		outs = append(outs, f)
	}
	buf, back := c.p.world.lab().work.buffer()
	defer back()
	for {
		n, err := c.p.Stdin().Read(buf)
		for i, w := range outs {
			if n == 0 || w == nil {
				continue
			}
			if _, werr := w.Write(buf[:n]); werr != nil {
				c.p.Errorf("%s: %s", append([]string{"standard output"}, c.args...)[i], strerror(werr))
				outs[i] = nil
				code = 1
			}
		}
		if err != nil {
			return code
		}
	}
}

func mkdirCommand(c *cmdline) int {
	if !c.need(1) {
		return 1
	}
	v := c.p.view()
	code := 0
	for _, path := range c.args {
		mode := Mode(0o777)
		if text := c.last("m", ""); text != "" {
			var ok bool
			if mode, ok = parseMode(text, 0o777, v.umask, true); !ok {
				c.p.Errorf("invalid mode %s", gnuQuote(text))
				return 1
			}
		}
		if c.has("p") {
			if info, err := v.stat(path, true); err == nil && info.IsDir() {
				continue
			}
			if err := c.mkParents(v, path); err != nil {
				at := path
				if pe, ok := errors.AsType[*fs.PathError](err); ok {
					at = pe.Path
				}
				c.p.Errorf("cannot create directory %s: %s", gnuQuote(at), strerror(err))
				code = 1
				continue
			}
		}
		err := v.mkdir(path, mode)
		if err == nil && c.has("m") {
			err = v.chmod(path, mode, true)
		}
		if err != nil {
			c.p.Errorf("cannot create directory %s: %s", gnuQuote(path), strerror(err))
			code = 1
		} else if c.has("v") {
			fmt.Fprintf(c.p.Stdout(), "mkdir: created directory %s\n", gnuQuote(path))
		}
	}
	return code
}

// mkParents makes the directories above path.
func (c *cmdline) mkParents(v view, path string) error {
	parent := strings.TrimRight(path, "/")
	i := strings.LastIndexByte(parent, '/')
	if i <= 0 {
		return nil
	}
	err := v.mkdirAll(parent[:i], 0o777)
	if reason(err) == syscall.EEXIST { // a file where a directory should be
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			return pathError("mkdir", pe.Path, syscall.ENOTDIR)
		}
	}
	return err
}

func rmdirCommand(c *cmdline) int {
	if !c.need(1) {
		return 1
	}
	v := c.p.view()
	code := 0
	for _, path := range c.args {
		for {
			err := v.rmdir(path)
			if err != nil {
				if c.has("ignore-fail-on-non-empty") && reason(err) == syscall.ENOTEMPTY {
					break
				}
				c.p.Errorf("failed to remove %s: %s", gnuQuote(path), strerror(err))
				code = 1
				break
			}
			parent := strings.TrimRight(path, "/")
			i := strings.LastIndexByte(parent, '/')
			if !c.has("p") || i <= 0 {
				break
			}
			path = parent[:i]
		}
	}
	return code
}

func rmCommand(c *cmdline) int {
	if len(c.args) == 0 {
		if c.has("f") {
			return 0
		}
		c.need(1)
		return 1
	}
	v := c.p.view()
	code := 0
	for _, path := range c.args {
		base := strings.TrimRight(path, "/")
		base = base[strings.LastIndexByte(base, '/')+1:]
		if base == "." || base == ".." {
			c.p.Errorf("refusing to remove '.' or '..' directory: skipping %s", gnuQuote(path))
			code = 1
			continue
		}
		if strings.Trim(path, "/") == "" && path != "" && c.has("r") && !c.has("no-preserve-root") {
			c.p.Errorf("it is dangerous to operate recursively on '/'")
			c.p.Errorf("use --no-preserve-root to override this failsafe")
			return 1
		}
		if !c.remove(v, path) {
			code = 1
		}
	}
	return code
}

// notRemoved is what becomes of a path that is not there any more, for one, even if it was a moment ago.
func (c *cmdline) notRemoved(path string, err error) bool {
	if c.has("f") && (reason(err) == syscall.ENOENT || reason(err) == syscall.ENOTDIR) {
		return true
	}
	c.p.Errorf("cannot remove %s: %s", gnuQuote(path), strerror(err))
	return false
}

// remove is rm of one path; it goes on after an error, as rm does.
func (c *cmdline) remove(v view, path string) bool {
	info, err := v.stat(path, false)
	if err != nil {
		return c.notRemoved(path, err)
	}
	switch {
	case !info.IsDir():
		err = v.unlink(path)
	case c.has("r"):
		err = c.removeTree(v, path)
	case c.has("d"):
		err = v.rmdir(path)
	default:
		err = syscall.EISDIR
	}
	if errors.Is(err, errComplained) {
		return false
	}
	if err != nil {
		return c.notRemoved(path, err)
	}
	if c.has("v") {
		kind := ""
		if info.IsDir() {
			kind = "directory "
		}
		fmt.Fprintf(c.p.Stdout(), "removed %s%s\n", kind, gnuQuote(path))
	}
	return true
}

// errComplained is of a directory that stays because something in it does, which was said already.
var errComplained = errors.New("something below could not be removed")

// removeTree removes a directory and all in it. One that cannot be read goes if it is empty.
func (c *cmdline) removeTree(v view, path string) error {
	entries, err := v.readDir(path)
	if reason(err) == syscall.EACCES && v.rmdir(path) == nil {
		return nil
	}
	if err != nil {
		return err
	}
	complained := false
	for _, e := range entries {
		if !c.remove(v, strings.TrimRight(path, "/")+"/"+e.Base) {
			complained = true
		}
	}
	if complained {
		return errComplained
	}
	return v.rmdir(path)
}

func touchCommand(c *cmdline) int {
	if len(c.args) == 0 {
		c.p.Errorf("missing file operand")
		c.tryHelp()
		return 1
	}
	v := c.p.view()
	atime := c.p.world.now()
	mtime := atime
	if ref := c.last("r", ""); ref != "" {
		info, err := v.stat(ref, true)
		if err != nil {
			c.p.Errorf("failed to get attributes of %s: %s", gnuQuote(ref), strerror(err))
			return 1
		}
		atime, mtime = info.Accessed, info.Modified
	}
	if text := c.last("d", c.last("t", "")); text != "" {
		when, ok := parseDate(text, c.p.world.now())
		if !ok {
			c.p.Errorf("invalid date format %s", gnuQuote(text))
			return 1
		}
		atime, mtime = when, when
	}
	if c.has("a") && !c.has("m") {
		mtime = time.Time{}
	}
	if c.has("m") && !c.has("a") {
		atime = time.Time{}
	}
	code := 0
	for _, path := range c.args {
		if _, err := v.stat(path, !c.has("h")); err != nil {
			if c.has("c") || c.has("h") {
				continue
			}
			st, _, err := v.open(path, os.O_WRONLY|os.O_CREATE, 0o666)
			if err != nil {
				c.p.Errorf("cannot touch %s: %s", gnuQuote(path), strerror(err))
				code = 1
				continue
			}
			_ = st.close()
		}
		if err := v.chtimes(path, atime, mtime, !c.has("h")); err != nil {
			c.p.Errorf("cannot touch %s: %s", gnuQuote(path), strerror(err))
			code = 1
		}
	}
	return code
}

func mktempCommand(c *cmdline) int {
	template := "tmp.XXXXXXXXXX"
	dir := ""
	if c.has("p") || c.has("tmpdir") || c.has("t") || len(c.args) == 0 {
		dir = orDefault(c.last("p", c.last("tmpdir", "")), orDefault(c.p.Getenv("TMPDIR"), "/tmp"))
	}
	if len(c.args) > 0 {
		template = c.args[0]
	}
	template += c.last("suffix", "")
	end := strings.LastIndexByte(template, 'X') + 1
	start := end
	for start > 0 && template[start-1] == 'X' {
		start--
	}
	if end-start < 3 {
		c.p.Errorf("too few X's in template %s", gnuQuote(template))
		return 1
	}
	if dir != "" {
		template = strings.TrimSuffix(dir, "/") + "/" + template
		shift := len(template) - len(strings.TrimPrefix(template, strings.TrimSuffix(dir, "/")+"/"))
		start, end = start+shift, end+shift
	}
	v := c.p.view()
	v.umask = 0
	for range 100 {
		path := template[:start] + randomLetters(end-start) + template[end:]
		var err error
		switch {
		case c.has("u"):
		case c.has("d"):
			err = v.mkdir(path, 0o700)
		default:
			var st stream
			if st, _, err = v.open(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
				_ = st.close()
			}
		}
		if err == nil {
			fmt.Fprintln(c.p.Stdout(), path)
			return 0
		}
		if reason(err) != syscall.EEXIST {
			kind := "file"
			if c.has("d") {
				kind = "directory"
			}
			c.p.Errorf("failed to create %s via template %s: %s", kind, gnuQuote(template), strerror(err))
			return 1
		}
	}
	return 1
}

func truncateCommand(c *cmdline) int {
	text := c.last("s", "")
	if text == "" {
		c.p.Errorf("you must specify either '--size' or '--reference'")
		return 1
	}
	if !c.need(1) {
		return 1
	}
	sign := byte(0)
	if strings.IndexByte("+-<>/%", text[0]) >= 0 {
		sign, text = text[0], text[1:]
	}
	size, ok := parseSize(text)
	if !ok {
		c.p.Errorf("Invalid number: %s", gnuQuote(text))
		return 1
	}
	code := 0
	for _, path := range c.args {
		flags := os.O_WRONLY | os.O_CREATE
		if c.has("c") {
			flags = os.O_WRONLY
		}
		st, _, err := c.p.view().open(path, flags, 0o666)
		if err != nil {
			if c.has("c") && reason(err) == syscall.ENOENT {
				continue
			}
			c.p.Errorf("cannot open %s for writing: %s", gnuQuote(path), strerror(err))
			code = 1
			continue
		}
		if f, ok := st.(*File); ok {
			n := size
			info, _ := f.info()
			switch sign {
			case '+':
				n = info.Bytes + size
			case '-':
				n = max(0, info.Bytes-size)
			case '<':
				n = min(info.Bytes, size)
			case '>':
				n = max(info.Bytes, size)
			}
			if err := f.Truncate(n); err != nil {
				c.p.Errorf("failed to truncate %s: %s", gnuQuote(path), strerror(err))
				code = 1
			}
		}
		_ = st.close()
	}
	return code
}
