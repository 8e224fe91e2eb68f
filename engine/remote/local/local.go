// Package local reaches the machine it runs on as if it were a remote host, without SSH.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"syscall"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/become"
	"cvsplay/engine/remote/shell"
)

// New returns a Dialer for this machine. Become is for scripts of other accounts.
func New(b become.Settings, opts shell.Options) remote.Dialer {
	if opts.Leftovers == nil {
		opts.Leftovers = &shell.Leftovers{}
	}
	return dialer{become: b, opts: opts}
}

type dialer struct {
	become become.Settings
	opts   shell.Options
}

func (d dialer) Dial(ctx context.Context) (remote.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, &remote.Unreachable{Addr: "this machine", Cause: "cancelled", Err: err}
	}
	b := d.become
	b.Run = d.opts.Run
	return &conn{Host: shell.NewHost(starter{b}, d.opts)}, nil
}

type starter struct{ become become.Settings }

// Start runs /bin/sh in the home directory, as a login over SSH would.
func (s starter) Start(ctx context.Context, account string) (shell.Process, error) {
	dir := os.Getenv("HOME")
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		dir = "/"
	}
	p, err := Start(ctx, dir, shell.Command(s.become.Run)...)
	if err != nil || account == "" || isSelf(account) {
		return p, err
	}
	if err := become.Become(ctx, p, account, s.become); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func isSelf(account string) bool {
	me, err := user.Current()
	return err == nil && me.Username == account
}

type conn struct{ *shell.Host }

// Upload is remote.Conn's Upload.
func (c *conn) Upload(ctx context.Context, path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	_, err = io.Copy(f, reader{ctx, r})
	err = errors.Join(err, f.Chmod(0o600)) // whatever the umask left of it
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("upload to %s: %w", path, err), os.Remove(path))
	}
	return nil
}

// A reader stops with its context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
