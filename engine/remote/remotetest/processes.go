package remotetest

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
)

// Alive are the command lines of this machine's processes that have a word in them.
func Alive(t testing.TB, word string) []string {
	t.Helper()
	return slices.Sorted(maps.Values(processes(t, word)))
}

// processes are their ids and command lines.
func processes(t testing.TB, word string) map[int]string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || !bytes.Contains(b, []byte(word)) { // one that has ended meanwhile cannot be read
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil {
			t.Fatal(err)
		}
		found[pid] = string(bytes.ReplaceAll(b, []byte{0}, []byte(" ")))
	}
	return found
}

// Kill ends them.
func Kill(t testing.TB, word string) {
	t.Helper()
	for pid, line := range processes(t, word) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s: %v", line, err)
		}
	}
}
