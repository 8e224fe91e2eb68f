package remotetest

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// accountPrefix begins the name of every account that tests make, and of nothing else.
const accountPrefix = "cvsplaytest"

// An Account is an account of this machine that exists for tests. It is made when it is missing, and stays.
type Account struct {
	Suffix   string            // of its name: "" is the usual one
	Shell    string            // login shell; "": /bin/dash
	Password string            // "": none, so that no password lets in
	Sudoers  string            // lines of sudoers, where USER is its name; "": none
	Home     map[string]string // files in its home; all others are removed
}

// Make makes the account as described and returns its name. It needs root, and sudo where Sudoers is set.
func (a Account) Make(t testing.TB) string {
	t.Helper()
	Need(t, "root")
	Need(t, "useradd")
	if a.Shell == "" {
		a.Shell = "/bin/dash"
	}
	name := accountPrefix + a.Suffix
	defer lockAccounts(t)()
	if _, err := user.Lookup(name); err != nil {
		Run(t, "useradd", "--create-home", "--shell", a.Shell, name)
	}
	hash := "*" // no password matches, and the account is not locked
	if a.Password != "" {
		hash = strings.TrimSpace(Run(t, "openssl", "passwd", "-6", a.Password))
	}
	Run(t, "usermod", "--shell", a.Shell, "--password", hash, name)
	a.fillHome(t, name)
	a.allow(t, name)
	return name
}

func (a Account) fillHome(t testing.TB, name string) {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(u.HomeDir) != name {
		t.Fatalf("home of %s is %s: not ours to clean", name, u.HomeDir)
	}
	entries, err := os.ReadDir(u.HomeDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(u.HomeDir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	for file, text := range a.Home {
		path := filepath.Join(u.HomeDir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, path, text)
	}
}

// allow writes the account's line of sudoers, and takes it away after the test.
func (a Account) allow(t testing.TB, name string) {
	t.Helper()
	path := filepath.Join("/etc/sudoers.d", name)
	if a.Sudoers == "" {
		os.Remove(path)
		return
	}
	Need(t, "sudo")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(a.Sudoers, "USER", name)+"\n"), 0o440); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(path) })
	if out, err := exec.Command(Command("visudo"), "-c", "-f", path).CombinedOutput(); err != nil {
		t.Fatalf("sudoers: %s", out)
	}
}

// lockAccounts keeps other test processes from the account database until the returned function is called.
func lockAccounts(t testing.TB) func() {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(os.TempDir(), accountPrefix+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { f.Close() }
}
