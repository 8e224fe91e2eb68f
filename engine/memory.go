package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// A Memory is what this controller remembers from run to run, for Recall questions. It never replaces asking a host: what a host has is asked
// there.
type Memory interface {
	// Recall gives the value under a key, if there is one. An error says why nothing can be told: it counts as none.
	Recall(key string) (value string, ok bool, err error)
	// Remember keeps values for this run and those to come.
	Remember(values map[string]string) error
}

// A FileMemory is a Memory in one JSON file, an object of strings. Runs of any number of processes may share it. A file that is
// damaged is put aside as FILE.damaged by the next Remember, and begun anew.
type FileMemory struct {
	path string

	mu sync.Mutex
}

// NewFileMemory makes a memory of a file, which need not exist; nothing is opened before it is used.
func NewFileMemory(path string) *FileMemory { return &FileMemory{path: path} }

// Recall reads the file: another run may have written meanwhile.
func (m *FileMemory) Recall(key string) (value string, ok bool, err error) {
	all, err := m.read()
	value, ok = all[key]
	return value, ok, err
}

// Remember writes the file anew, with what is there now and the values, and puts it in the old one's place: whoever reads sees the one or the
// other. The lock is a file beside it.
func (m *FileMemory) Remember(values map[string]string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(m.path), 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(m.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }() // the lock goes with it
	if err := lockFile(lock); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	all, err := m.read()
	var damaged *damagedError
	switch {
	case errors.As(err, &damaged):
		if err := os.Rename(m.path, m.path+".damaged"); err != nil {
			return err
		}
		all = map[string]string{}
	case err != nil:
		return err
	}
	maps.Copy(all, values)
	return m.write(all)
}

func lockFile(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// damagedError is a file that is there and holds no memory.
type damagedError struct {
	path string
	err  error
}

func (e *damagedError) Error() string {
	return fmt.Sprintf("%s is damaged and counts as empty: %v", e.path, e.err)
}

func (e *damagedError) Unwrap() error { return e.err }

// read gives what the file holds; a file that is not there holds nothing.
func (m *FileMemory) read() (map[string]string, error) {
	text, err := os.ReadFile(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, err
	}
	var all map[string]string
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, &damagedError{m.path, err}
	}
	if all == nil { // the word null
		all = map[string]string{}
	}
	return all, nil
}

func (m *FileMemory) write(all map[string]string) error {
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(m.path), filepath.Base(m.path)+".*")
	if err != nil {
		return err
	}
	_, err = fresh.Write(append(text, '\n'))
	err = errors.Join(err, fresh.Sync(), fresh.Close())
	if err == nil {
		err = os.Rename(fresh.Name(), m.path)
	}
	if err != nil {
		_ = os.Remove(fresh.Name())
	}
	return err
}
