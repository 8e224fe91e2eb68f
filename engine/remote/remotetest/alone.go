package remotetest

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Alone waits until no other test on this machine, of whichever program, is alone with the same thing, and keeps it for the test: a part of the
// machine that its tests would find each other's traces on.
func Alone(t testing.TB, thing string) {
	t.Helper()
	lockOneOf(t, []string{filepath.Join(os.TempDir(), "cvsplay-test-"+thing+".lock")})
}

// lockOneOf locks the first of the files that nobody else has locked, makes it where there is none, and gives its place in the list. The lock ends with the
// test, or with its process.
func lockOneOf(t testing.TB, paths []string) int {
	t.Helper()
	for {
		for i, path := range paths {
			if lock(t, path) {
				return i
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func lock(t testing.TB, path string) bool {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	switch err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case err == nil:
		t.Cleanup(func() { _ = file.Close() })
		return true
	case errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EINTR):
		_ = file.Close()
		return false
	default:
		t.Fatalf("lock %s: %v", path, err)
		return false
	}
}
