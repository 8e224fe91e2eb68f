package lab

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/pkg/sftp"
)

func sftpTo(t *testing.T, h *Host, user string) *sftp.Client {
	t.Helper()
	c, err := sftp.NewClient(dial(t, h, user))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestSFTPAtomicWrite writes as a careful client does: exclusive temporary file, mode, fsync, rename over.
func TestSFTPAtomicWrite(t *testing.T) {
	h := oneHost(t)
	c := sftpTo(t, h, "root")
	if v, ok := c.HasExtension("fsync@openssh.com"); !ok || v != "1" {
		t.Errorf("fsync is not offered: %q %v", v, ok)
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	if err := h.FS().WriteFile("/etc/target", []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		f, err := c.OpenFile("/etc/.tmp", os.O_WRONLY|os.O_CREATE|os.O_EXCL)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.OpenFile("/etc/.tmp", os.O_WRONLY|os.O_CREATE|os.O_EXCL); err == nil {
			t.Error("O_EXCL did not count")
		}
		if err := f.Chmod(0o640); err != nil {
			t.Error(err)
		}
		if _, err := io.Copy(f, bytes.NewReader(data)); err != nil {
			t.Error(err)
		}
		if err := f.Sync(); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if err := c.Rename("/etc/.tmp", "/etc/target"); err == nil {
			t.Error("the old rename replaced a file")
		}
		if err := c.PosixRename("/etc/.tmp", "/etc/target"); err != nil {
			t.Error(err)
		}
	}
	got, err := h.FS().ReadFile("/etc/target")
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if info, err := h.FS().Stat("/etc/target"); err != nil || info.Bits.Perm() != 0o640 {
		t.Errorf("%v %v", info, err)
	}
}

func TestSFTPFiles(t *testing.T) {
	h := oneHost(t)
	c := sftpTo(t, h, "root")
	if err := c.MkdirAll("/srv/a/b"); err != nil {
		t.Fatal(err)
	}
	if err := c.Symlink("a/b", "/srv/l"); err != nil {
		t.Fatal(err)
	}
	if target, err := c.ReadLink("/srv/l"); target != "a/b" || err != nil {
		t.Errorf("%q %v", target, err)
	}
	if info, err := c.Lstat("/srv/l"); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%v %v", info, err)
	}
	if info, err := c.Stat("/srv/l"); err != nil || !info.IsDir() {
		t.Errorf("%v %v", info, err)
	}
	if err := c.Chown("/srv/a", 12, 34); err != nil {
		t.Error(err)
	}
	info, err := c.Stat("/srv/a")
	if err != nil {
		t.Fatal(err)
	}
	if st, ok := info.Sys().(*sftp.FileStat); !ok || st.UID != 12 || st.GID != 34 {
		t.Errorf("%+v", info.Sys())
	}
	if _, err := c.Stat("/none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	entries, err := c.ReadDir("/srv")
	if err != nil || len(entries) != 2 {
		t.Errorf("%v %v", entries, err)
	}
	if home, err := c.RealPath("."); home != "/root" || err != nil {
		t.Errorf("%q %v", home, err)
	}
	f, err := c.Open("/proc/sys/kernel/hostname")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(f); string(data) != "n1\n" || err != nil {
		t.Errorf("%q %v", data, err)
	}
}

func TestSFTPRights(t *testing.T) {
	h := oneHost(t)
	c := sftpTo(t, h, "amd")
	if _, err := c.Create("/etc/x"); !errors.Is(err, os.ErrPermission) {
		t.Errorf("%v", err)
	}
	if _, err := c.ReadDir("/root"); !errors.Is(err, os.ErrPermission) {
		t.Errorf("%v", err)
	}
	if err := h.SetFaults(Fault{Kind: DiskFull, Path: "/home"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create("/home/amd/f"); err == nil || err.Error() != "sftp: \"no space left on device\" (SSH_FX_FAILURE)" {
		t.Errorf("%v", err)
	}
	if err := h.SetFaults(Fault{Kind: NoSFTP}); err != nil {
		t.Fatal(err)
	}
	if _, err := sftp.NewClient(dial(t, h, "root")); err == nil {
		t.Error("there is an sftp subsystem")
	}
}
