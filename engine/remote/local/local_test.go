package local_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/become"
	"cvsplay/engine/remote/local"
	"cvsplay/engine/remote/remotetest"
	"cvsplay/engine/remote/shell"
)

func dial(t *testing.T, b become.Settings) remote.Conn {
	t.Helper()
	c, err := local.New(b, shell.Options{Grace: 200 * time.Millisecond}).Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestRun(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	got := dial(t, become.Settings{}).Run(t.Context(), []remote.Script{
		{Text: "pwd"},
		{Foreign: true, Text: "#!/bin/sh -e\ncat; false", Stdin: []byte("in")},
		{Text: "sleep 50", Limit: 100 * time.Millisecond},
		{Text: "echo after"},
	})
	want := []string{"ended 0 " + home + "\n", "ended 1 in", "timed out 0 ", "ended 0 after\n"}
	for i, e := range got {
		if s := fmt.Sprintf("%s %d %s", e.State, e.Code, e.Stdout.Bytes); s != want[i] {
			t.Errorf("script %d: %q, want %q (%s)", i, s, want[i], e.Why)
		}
	}
}

func TestBecome(t *testing.T) {
	remotetest.Need(t, "sudo")
	user := remotetest.Account{}.Make(t)
	e := dial(t, become.Settings{}).Run(t.Context(), []remote.Script{{Text: "id -un; pwd", Account: user}})[0]
	if e.State != remote.Ended || string(e.Stdout.Bytes) != user+"\n/home/"+user+"\n" {
		t.Errorf("%s %q %s", e.State, e.Stdout.Bytes, e.Why)
	}
}

func TestUpload(t *testing.T) {
	c, path := dial(t, become.Settings{}), filepath.Join(t.TempDir(), "file")
	if err := c.Upload(t.Context(), path, strings.NewReader("content")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 || info.Size() != 7 {
		t.Errorf("%v, %v", info, err)
	}
	if err := c.Upload(t.Context(), path, strings.NewReader("other")); !errors.Is(err, os.ErrExist) {
		t.Errorf("a file that exists: %v", err)
	}
	link := path + ".link"
	if err := os.Symlink(path+".target", link); err != nil {
		t.Fatal(err)
	}
	if err := c.Upload(t.Context(), link, strings.NewReader("other")); !errors.Is(err, os.ErrExist) {
		t.Errorf("a symbolic link: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cut := io.MultiReader(strings.NewReader("begin"), readerFunc(func([]byte) (int, error) { cancel(); return 1, nil }))
	if err := c.Upload(ctx, path+".2", cut); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := os.Lstat(path + ".2"); err == nil {
		t.Error("what was begun is still there")
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
