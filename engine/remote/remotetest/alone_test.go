package remotetest

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestAloneForAsLongAsTheTest(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	isFree := func() bool {
		file, err := os.OpenFile(filepath.Join(os.TempDir(), "cvsplay-test-thing.lock"), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) {
			t.Fatal(err)
		}
		return err == nil
	}
	t.Run("inside", func(t *testing.T) {
		Alone(t, "thing")
		if isFree() {
			t.Error("another test could go on")
		}
	})
	if !isFree() {
		t.Error("it is kept after the test")
	}
}

func TestOneOfSeveralThatIsFree(t *testing.T) {
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	for i := range paths {
		if got := lockOneOf(t, paths); got != i {
			t.Errorf("lock %d: got %d", i, got)
		}
	}
}
