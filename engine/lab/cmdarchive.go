package lab

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// archiveCommands are tar and gzip.
func archiveCommands() map[string]Command {
	gz := "c,stdout,to-stdout d,decompress,uncompress k,keep f,force n,no-name N q v t,test 1 2 3 4 5 6 7 8 9,best"
	return map[string]Command{
		"tar":    tarCommand,
		"gzip":   command(gz, 1, gzipCommand),
		"gunzip": command(gz, 1, func(c *cmdline) int { c.set["d"] = true; return gzipCommand(c) }),
		"zcat":   command(gz, 1, func(c *cmdline) int { c.set["d"], c.set["c"] = true, true; return gzipCommand(c) }),
	}
}

func gzipCommand(c *cmdline) int {
	names := c.args
	if len(names) == 0 {
		names = []string{"-"}
	}
	code := 0
	for _, name := range names {
		var data []byte
		err := c.input(name, func(_ string, r io.Reader) error {
			var err error
			data, err = io.ReadAll(r)
			return err
		})
		if err == nil {
			data, err = recode(data, c.has("d"))
		}
		if err == nil {
			err = c.gzipWrite(name, data)
		}
		if err != nil {
			c.p.Errorf("%s: %s", name, strerror(err))
			code = 1
		}
	}
	return code
}

func recode(data []byte, decompress bool) ([]byte, error) {
	if decompress {
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, errors.New("not in gzip format")
		}
		return io.ReadAll(r)
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	err = errors.Join(err, w.Close())
	return b.Bytes(), err
}

func (c *cmdline) gzipWrite(name string, data []byte) error {
	if c.has("t") {
		return nil
	}
	if name == "-" || c.has("c") {
		_, err := c.p.Stdout().Write(data)
		return err
	}
	info, err := c.p.Stat(name)
	if err != nil {
		return err
	}
	to := name + ".gz"
	if c.has("d") {
		to = strings.TrimSuffix(name, ".gz")
		if to == name {
			return errors.New("unknown suffix -- ignored")
		}
	}
	if err := c.p.WriteFile(to, data, info.Bits.Perm()); err != nil {
		return err
	}
	if c.has("k") {
		return nil
	}
	return c.p.view().unlink(name)
}

// tarJob is one tar.
type tarJob struct {
	*cmdline
	v       view
	dir     string
	strip   int
	exclude []string
	code    int
}

func tarCommand(_ context.Context, p *Process, argv []string) int {
	if len(argv) > 1 && argv[1] != "" && argv[1][0] != '-' { // the old form without a dash
		argv = append([]string{argv[0], "-" + argv[1]}, argv[2:]...)
	}
	c, ok := parse(p, argv, "c,create x,extract,get t,list f,file= z,gzip,gunzip v,verbose C,directory= p,preserve-permissions,same-permissions O,to-stdout a,auto-compress no-same-owner same-owner strip-components= exclude= numeric-owner overwrite m,touch no-overwrite-dir h,dereference no-recursion")
	if !ok {
		return 2
	}
	j := &tarJob{cmdline: c, v: p.view(), exclude: c.value["exclude"]}
	if dir := c.last("C", ""); dir != "" {
		j.dir = dir
		info, err := p.Stat(dir)
		if err != nil || !info.IsDir() {
			p.Errorf("%s: Cannot open: %s", dir, notDirText(err))
			return 2
		}
		j.v.cwd = p.Abs(dir)
	}
	if n, ok := parseSize(c.last("strip-components", "0")); ok {
		j.strip = int(n)
	}
	switch {
	case c.has("c"):
		return j.create()
	case c.has("x"), c.has("t"):
		return j.extract()
	}
	p.Errorf("You must specify one of the '-Acdtrux', '--delete' or '--test-label' options")
	return 2
}

func (j *tarJob) create() int {
	if len(j.args) == 0 {
		j.p.Errorf("Cowardly refusing to create an empty archive")
		return 2
	}
	var b bytes.Buffer
	var w io.Writer = &b
	var z *gzip.Writer
	file := j.last("f", "-")
	if j.has("z") || (j.has("a") && (strings.HasSuffix(file, ".gz") || strings.HasSuffix(file, ".tgz"))) {
		z = gzip.NewWriter(&b)
		w = z
	}
	tw := tar.NewWriter(w)
	for _, path := range j.args {
		j.add(tw, path)
	}
	if err := tw.Close(); err != nil {
		return 2
	}
	if z != nil {
		_ = z.Close()
	}
	if file == "-" {
		_, _ = j.p.Stdout().Write(b.Bytes())
		return j.code
	}
	if err := j.p.WriteFile(file, b.Bytes(), 0o666); err != nil {
		j.p.Errorf("%s: Cannot open: %s", file, strerror(err))
		return 2
	}
	return j.code
}

func (j *tarJob) excluded(path string) bool {
	return slices.ContainsFunc(j.exclude, func(pat string) bool {
		return matchPattern(pat, path) || matchPattern(pat, path[strings.LastIndexByte(path, '/')+1:])
	})
}

func (j *tarJob) add(tw *tar.Writer, path string) {
	if j.excluded(path) {
		return
	}
	info, err := j.v.stat(path, j.has("h"))
	if err != nil {
		j.p.Errorf("%s: Cannot stat: %s", path, strerror(err))
		j.code = 2
		return
	}
	h := &tar.Header{
		Name: strings.TrimLeft(path, "/"), Mode: int64(info.Bits.Perm()), Uid: info.UserID, Gid: info.GroupID, ModTime: info.Modified,
		Uname: j.p.world.userName(info.UserID), Gname: j.p.world.groupName(info.GroupID),
	}
	var data []byte
	switch info.Bits.Type() {
	case TypeDir:
		h.Typeflag = tar.TypeDir
		h.Name = strings.TrimRight(h.Name, "/") + "/"
	case TypeSymlink:
		h.Typeflag, h.Linkname = tar.TypeSymlink, info.Target
	case TypeRegular:
		h.Typeflag = tar.TypeReg
		if data, err = j.v.readFile(path); err != nil {
			j.p.Errorf("%s: Cannot open: %s", path, strerror(err))
			j.code = 2
			return
		}
		h.Size = int64(len(data))
	default:
		return
	}
	if j.has("v") {
		fmt.Fprintln(j.p.Stderr(), h.Name)
	}
	if tw.WriteHeader(h) != nil {
		j.code = 2
		return
	}
	_, _ = tw.Write(data)
	if h.Typeflag == tar.TypeDir && !j.has("no-recursion") {
		entries, err := j.v.readDir(path)
		if err != nil {
			j.p.Errorf("%s: Cannot open: %s", path, strerror(err))
			j.code = 2
		}
		for _, e := range entries {
			j.add(tw, strings.TrimRight(path, "/")+"/"+e.Base)
		}
	}
}

func (j *tarJob) extract() int {
	file := j.last("f", "-")
	var data []byte
	err := j.input(file, func(_ string, r io.Reader) error {
		var err error
		data, err = io.ReadAll(r)
		return err
	})
	if err != nil {
		j.p.Errorf("%s: Cannot open: %s", file, strerror(err))
		j.p.Errorf("Error is not recoverable: exiting now")
		return 2
	}
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		if data, err = recode(data, true); err != nil {
			j.p.Errorf("Error is not recoverable: exiting now")
			return 2
		}
	}
	tr := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return j.code
		}
		if err != nil {
			j.p.Errorf("This does not look like a tar archive")
			j.p.Errorf("Exiting with failure status due to previous errors")
			return 2
		}
		j.member(h, tr)
	}
}

func (j *tarJob) member(h *tar.Header, r io.Reader) {
	name := strings.TrimLeft(h.Name, "/")
	if len(j.args) > 0 && !slices.ContainsFunc(j.args, func(want string) bool { return within(strings.TrimRight(name, "/"), strings.TrimRight(want, "/")) }) {
		return
	}
	if j.has("t") {
		fmt.Fprintln(j.p.Stdout(), h.Name)
		return
	}
	if slices.Contains(elements(name), "..") || j.excluded(strings.TrimRight(name, "/")) {
		return
	}
	parts := elements(name)
	if j.strip >= len(parts) && j.strip > 0 {
		return
	}
	path := strings.Join(parts[j.strip:], "/")
	if path == "" {
		return
	}
	if j.has("v") {
		fmt.Fprintln(j.p.Stdout(), h.Name)
	}
	if j.has("O") {
		_, _ = io.Copy(j.p.Stdout(), r)
		return
	}
	if err := j.write(path, h, r); err != nil {
		j.p.Errorf("%s: Cannot open: %s", path, strerror(err))
		j.code = 2
	}
}

func (j *tarJob) write(path string, h *tar.Header, r io.Reader) error {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		if err := j.v.mkdirAll(path[:i], 0o777); err != nil {
			return err
		}
	}
	mode := Mode(h.Mode) & PermMask
	if j.v.uid != 0 && !j.has("p") {
		mode &^= j.v.umask
	}
	var err error
	switch h.Typeflag {
	case tar.TypeDir:
		err = j.v.mkdirAll(path, 0o777)
	case tar.TypeSymlink:
		_ = j.v.unlink(path)
		return j.v.symlink(h.Linkname, path)
	case tar.TypeLink:
		_ = j.v.unlink(path)
		return j.v.link(strings.Join(elements(h.Linkname)[j.strip:], "/"), path, false)
	case tar.TypeReg:
		_ = j.v.unlink(path)
		var data []byte
		if data, err = io.ReadAll(r); err == nil {
			var st stream
			if st, _, err = j.v.open(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
				_, err = st.write(j.p.ctx, data)
				_ = st.close()
			}
		}
	default:
		return nil
	}
	if err != nil {
		return err
	}
	if j.v.uid == 0 && !j.has("no-same-owner") {
		_ = j.v.chown(path, h.Uid, h.Gid, false)
	}
	if !j.has("m") {
		_ = j.v.chtimes(path, time.Time{}, h.ModTime, true)
	}
	return j.v.chmod(path, mode, true)
}
