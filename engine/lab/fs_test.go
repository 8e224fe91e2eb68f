package lab

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func mustWrite(t *testing.T, f *FS, path, data string) {
	t.Helper()
	if err := f.WriteFile(path, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

func content(f *FS, path string) string {
	data, err := f.ReadFile(path)
	if err != nil {
		return strerror(err)
	}
	return string(data)
}

// TestCloneSharesNothingWritten changes a clone and its origin in every way, and looks at both.
func TestCloneSharesNothingWritten(t *testing.T) {
	a := NewFS(time.Now)
	for _, name := range []string{"/d/keep", "/d/write", "/d/remove", "/d/rename", "/d/mode", "/d/append"} {
		mustWrite(t, a, name, "base")
	}
	if err := rootView(a).link("/d/write", "/d/hard", false); err != nil {
		t.Fatal(err)
	}
	b := a.Clone()
	before := a.Tree("/")
	mustWrite(t, b, "/d/write", "new")
	if err := b.Remove("/d/remove"); err != nil {
		t.Error(err)
	}
	if err := rootView(b).rename("/d/rename", "/d/renamed"); err != nil {
		t.Error(err)
	}
	if err := b.Chmod("/d/mode", 0o600); err != nil {
		t.Error(err)
	}
	st, _, err := rootView(b).open("/d/append", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.write(t.Context(), []byte("+more")); err != nil {
		t.Error(err)
	}
	mustWrite(t, b, "/d/fresh", "fresh")
	if after := a.Tree("/"); after != before {
		t.Errorf("the origin has changed:\n%s\n%s", before, after)
	}
	for path, want := range map[string]string{
		"/d/keep": "base", "/d/write": "new", "/d/hard": "new", "/d/append": "base+more", "/d/renamed": "base", "/d/fresh": "fresh",
		"/d/remove": "No such file or directory", "/d/rename": "No such file or directory",
	} {
		if got := content(b, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	clone := b.Tree("/")
	mustWrite(t, a, "/d/keep", "changed in the origin")
	c := b.Clone()
	mustWrite(t, c, "/d/fresh", "third")
	if b.Tree("/") != clone {
		t.Error("the clone has changed with its origin or its own clone")
	}
}

func TestLinkCounts(t *testing.T) {
	f := NewFS(time.Now)
	v := rootView(f)
	mustWrite(t, f, "/a", "x")
	for _, step := range []error{v.link("/a", "/b", false), v.mkdir("/d", 0o755), v.mkdir("/d/e", 0o755), v.rename("/d/e", "/e")} {
		if step != nil {
			t.Fatal(step)
		}
	}
	for path, want := range map[string]int{"/a": 2, "/b": 2, "/d": 2, "/e": 2, "/": 4} {
		if info, err := f.Stat(path); err != nil || info.Links != want {
			t.Errorf("%s: %d links, want %d (%v)", path, info.Links, want, err)
		}
	}
	nodes := len(f.nodes)
	for range 100 {
		mustWrite(t, f, "/tmp", "x")
		if err := f.Remove("/tmp"); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.nodes) != nodes {
		t.Errorf("%d files are kept that nobody can reach", len(f.nodes)-nodes)
	}
}

func TestErrors(t *testing.T) {
	f := NewFS(time.Now)
	v := rootView(f)
	mustWrite(t, f, "/f", "x")
	mustWrite(t, f, "/d/sub/g", "x")
	if err := f.Symlink("loop", "/loop"); err != nil {
		t.Fatal(err)
	}
	_, _, exclusive := v.open("/f", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	_, _, isDir := v.open("/d", os.O_WRONLY, 0)
	_, loop := v.stat("/loop", true)
	_, through := v.stat("/f/x", true)
	_, slash := v.stat("/f/", true)
	_, long := v.stat("/"+strings.Repeat("x", 256), true)
	for name, c := range map[string]struct {
		err  error
		want syscall.Errno
	}{
		"exclusive": {exclusive, syscall.EEXIST}, "write directory": {isDir, syscall.EISDIR}, "loop": {loop, syscall.ELOOP},
		"through a file": {through, syscall.ENOTDIR}, "slash after a file": {slash, syscall.ENOTDIR}, "long name": {long, syscall.ENAMETOOLONG},
		"not empty": {v.rmdir("/d"), syscall.ENOTEMPTY}, "into itself": {v.rename("/d", "/d/sub/d"), syscall.EINVAL},
		"file over directory": {v.rename("/f", "/d"), syscall.EISDIR}, "directory over file": {v.rename("/d", "/f"), syscall.ENOTDIR},
		"link of directory": {v.link("/d", "/x", false), syscall.EPERM}, "unlink of directory": {v.unlink("/d"), syscall.EISDIR},
		"missing": {v.unlink("/none"), syscall.ENOENT}, "root": {v.rmdir("/"), syscall.EBUSY}, "mkdir again": {v.mkdir("/d", 0o755), syscall.EEXIST},
	} {
		if reason(c.err) != c.want {
			t.Errorf("%s: %v, want %v", name, c.err, c.want)
		}
	}
	if _, err := f.ReadFile("/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is no fs.ErrNotExist", err)
	}
}

func TestMount(t *testing.T) {
	host, inside := NewFS(time.Now), NewFS(time.Now)
	mustWrite(t, host, "/srv/data/f", "of the host")
	mustWrite(t, inside, "/mnt/hidden", "x")
	if err := inside.Mount("/mnt", host, "/srv/data", false); err != nil {
		t.Fatal(err)
	}
	if got := content(inside, "/mnt/f"); got != "of the host" {
		t.Error(got)
	}
	mustWrite(t, inside, "/mnt/new", "from inside")
	if got := content(host, "/srv/data/new"); got != "from inside" {
		t.Error(got)
	}
	if info, err := inside.Stat("/mnt/.."); err != nil || info.Ino != rootIno {
		t.Errorf("%v %v", info, err)
	}
	if err := rootView(inside).rename("/mnt/new", "/new"); reason(err) != syscall.EXDEV {
		t.Error(err)
	}
	if err := inside.Mount("/mnt", host, "/srv/data", true); err != nil {
		t.Fatal(err)
	}
	if err := inside.WriteFile("/mnt/f", nil, 0o644); reason(err) != syscall.EROFS {
		t.Error(err)
	}
	inside.Unmount()
	if got := content(inside, "/mnt/hidden"); got != "x" {
		t.Error(got)
	}
}

func TestConcurrentWriters(t *testing.T) {
	f := NewFS(time.Now)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			st, _, err := rootView(f).open("/log", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = st.close() }()
			for j := range 50 {
				fmt.Fprintf(streamWriter{t.Context(), st}, "%d %02d\n", i, j)
				_ = f.Clone()
			}
		})
	}
	wg.Wait()
	if n := strings.Count(content(f, "/log"), "\n"); n != 400 {
		t.Errorf("%d of 400 lines", n)
	}
}

func TestPipeEnds(t *testing.T) {
	r, w := newPipeEnds()
	go func() {
		for range 100 {
			_, _ = w.write(t.Context(), make([]byte, 10_000))
		}
		w.release()
	}()
	n, err := io.Copy(io.Discard, streamReader{t.Context(), r})
	if n != 1_000_000 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	r, w = newPipeEnds()
	r.release()
	if _, err := w.write(t.Context(), []byte("x")); reason(err) != syscall.EPIPE {
		t.Error(err)
	}
}

// TestSnapshot says that looking changes nothing, and that everything that changes is seen.
func TestSnapshot(t *testing.T) {
	h := oneHost(t)
	before := h.Snapshot()
	h.sh("root", "ls -lR /etc /usr >/dev/null; find / -name x; cat /etc/passwd | sha256sum; ps aux; [ -f /etc/hosts ]; dpkg -l; ss -ltn; echo x >/tmp/f; mktemp; id")
	if after := h.Snapshot(); after != before {
		t.Errorf("looking has changed the host:\n%s", lineDiff(before, after))
	}
	for _, script := range []string{
		"echo x >>/etc/hosts", "chmod 600 /etc/hosts", "chown 5 /etc/hosts", "mkdir /etc/empty", "ln -s a /etc/link", "ln /etc/hosts /etc/hard",
		"rm /etc/link", "apt-get remove -y openssh-server", "/usr/bin/mv /etc/hard /etc/hard2",
	} {
		before = h.Snapshot()
		if got := h.sh("root", script); got.code != 0 {
			t.Fatalf("%s: %+v", script, got)
		}
		if h.Snapshot() == before {
			t.Errorf("%s: not seen", script)
		}
	}
}

func lineDiff(a, b string) string {
	in := map[string]bool{}
	for line := range strings.Lines(a) {
		in[line] = true
	}
	var out strings.Builder
	for line := range strings.Lines(b) {
		if !in[line] {
			out.WriteString(line)
		}
	}
	return out.String()
}

// A path may be longer than what a walk has room for, and go up and through links on its way.
func TestLongPaths(t *testing.T) {
	f := NewFS(time.Now)
	deep := strings.Repeat("/d", 40)
	if err := f.WriteFile(deep+"/file", []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.Symlink(deep, "/link"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		deep + "/file":                       deep + "/file",
		"/" + deep + "/./file":               deep + "/file",
		"/link/file":                         deep + "/file",
		"/link/../d/../d/file":               deep + "/file",
		deep + strings.Repeat("/..", 39):     "/d",
		deep + strings.Repeat("/..", 50):     "/",
		deep + strings.Repeat("/..", 40):     "/",
		deep + strings.Repeat("/../d", 3):    deep,
		"/d/../link/" + "../../new":          strings.Repeat("/d", 38) + "/new",
		strings.Repeat("/d", 12) + "/../new": strings.Repeat("/d", 11) + "/new",
	} {
		if got, err := rootView(f).realpath(path); got != want || err != nil {
			t.Errorf("%s is %s, %v; want %s", path, got, err, want)
		}
	}
}
