package remotetest

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Alone waits until no other test on this machine, of whichever program, is alone with the same thing, and keeps it for the test: a part of the
// machine that its tests would find each other's traces on.
func Alone(t testing.TB, thing string) {
	t.Helper()
	lockFile(t, filepath.Join(os.TempDir(), "cvsplay-test-"+thing+".lock"))
}

// lockFile locks a file, which it makes where there is none. The lock ends with the test, or with its process.
func lockFile(t testing.TB, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	for {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		t.Fatalf("lock %s: %v", path, err)
	}
}
