package inventory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A programCache is where a source keeps what its program printed, for a program that is slow. It is one file, which its owner alone can
// read, since lists have passwords in them.
type programCache struct {
	path string
	age  time.Duration // how long the text counts; 0: nothing is kept
}

// cacheFor is the cache of a source: a file in the user's folder for what can be had again. Without such a folder nothing is kept.
func cacheFor(block SourceBlock, age time.Duration) programCache {
	folder, err := filepath.Abs(block.Dir)
	if block.Cache == "" || err != nil {
		return programCache{}
	}
	id := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", folder, block.Type, block.Name))
	return programCache{path: filepath.Join(block.Cache, hex.EncodeToString(id[:])), age: age}
}

// cacheFolder is where caches are; "" where the environment names no place.
func cacheFolder(env func(string) (string, bool)) string {
	if dir, ok := env("XDG_CACHE_HOME"); ok && filepath.IsAbs(dir) {
		return filepath.Join(dir, "cvsplay", "inventory")
	}
	if home, ok := env("HOME"); ok && filepath.IsAbs(home) {
		return filepath.Join(home, ".cache", "cvsplay", "inventory")
	}
	return ""
}

// listed gives what a program lists: from its cache, or by running it. An error is a *programError, or what parse says.
func listed[T any](ctx context.Context, p program, parse func([]byte) (T, error)) (T, error) {
	if text, ok := p.cache.recall(p); ok {
		if list, err := parse(text); err == nil {
			return list, nil
		}
	}
	text, err := run(ctx, p)
	if err != nil {
		var none T
		return none, err
	}
	list, err := parse(text)
	if err != nil {
		return list, err
	}
	if err := p.cache.keep(p, text); err != nil {
		return list, &programError{why: "printed a list that cannot be kept; take cache out of the source, or make room for it", err: err}
	}
	return list, nil
}

// stamp is another one for other arguments and another environment of the block, and where the program or a file among its arguments
// was changed.
func (p program) stamp() []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", p.command, p.dir)
	for _, name := range slices.Sorted(maps.Keys(p.env)) {
		fmt.Fprintf(h, "%q=%q\n", name, p.env[name])
	}
	for _, word := range p.command {
		if !filepath.IsAbs(word) {
			word = filepath.Join(p.dir, word)
		}
		if info, err := os.Stat(word); err == nil {
			fmt.Fprintf(h, "%d %d\n", info.Size(), info.ModTime().UnixNano())
		}
	}
	return fmt.Appendf(nil, "%x\n", h.Sum(nil))
}

// recall gives what the program printed lately.
func (c programCache) recall(p program) ([]byte, bool) {
	if c.age == 0 {
		return nil, false
	}
	info, err := os.Stat(c.path)
	if err != nil || time.Since(info.ModTime()) >= c.age {
		return nil, false
	}
	text, err := os.ReadFile(c.path)
	if err != nil {
		return nil, false
	}
	return bytes.CutPrefix(text, p.stamp())
}

// keep stores what the program printed.
func (c programCache) keep(p program, text []byte) error {
	if c.age == 0 {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(c.path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(c.path), ".new-*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(slices.Concat(p.stamp(), text))
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), c.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
