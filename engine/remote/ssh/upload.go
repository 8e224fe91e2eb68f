package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/shell"
)

// The scripts of an upload. SFTP cannot make a file that was never readable by others (the client has no say in the mode), so the shell makes
// it, and the shell takes it away again, which can tell why a write failed, where SFTP says "failure".
const (
	createScript = `if [ -e "$1" ] || [ -L "$1" ]; then echo "$1: file exists" >&2; exit 1; fi
umask 077; set -C; : >"$1"`
	appendScript  = `cat >>"$1"`
	sizeScript    = `sync "$1" 2>/dev/null || sync; wc -c <"$1"`
	syncScript    = `sync "$1" 2>/dev/null || sync`
	discardScript = `{ head -c 65536 /dev/zero >>"$1"; } 2>&1 && why= || why=yes
rm -f -- "$1"
if [ -n "$why" ]; then cd -- "$(dirname -- "$1")" && { df -kP .; df -iP .; }; fi`
)

// Upload is remote.Conn's Upload.
func (c *conn) Upload(ctx context.Context, path string, r io.Reader) error {
	if path == "" || strings.IndexByte(path, 0) >= 0 {
		return fmt.Errorf("upload: %q is no path", path)
	}
	script := path
	if script[0] == '-' {
		script = "./" + script
	}
	packed := false
	if c.route.compress {
		var err error
		if r, packed, err = compressible(contextReader{ctx, r}); err != nil {
			return fmt.Errorf("upload to %s: %w", path, err)
		}
	}
	made, err := c.send(ctx, path, script, r, packed)
	switch {
	case err == nil:
		return nil
	case !made:
		return fmt.Errorf("upload: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.route.timeout)
	defer cancel()
	return fmt.Errorf("upload to %s: %w%s", path, err, c.discard(ctx, script))
}

// send makes the file and fills it. It tells whether it was made, whatever came then.
func (c *conn) send(ctx context.Context, path, script string, r io.Reader, packed bool) (made bool, err error) {
	var files *fileTransfer
	var none error
	var up sync.WaitGroup
	if !packed {
		up.Go(func() { files, none = c.transfer(ctx) }) // while the file is made
	}
	err = c.ask(ctx, createScript, script, nil)
	up.Wait()
	if err != nil {
		return false, err
	}
	if packed {
		if err := c.uploadCompressed(ctx, script, r); !errors.Is(err, errNoGzip) {
			return true, err
		}
		files, none = c.transfer(ctx)
	}
	switch {
	case errors.Is(none, errNoSFTP):
		return true, c.uploadByShell(ctx, script, r)
	case none != nil:
		return true, none
	}
	return true, c.uploadBySFTP(ctx, files, path, script, r)
}

func (c *conn) uploadBySFTP(ctx context.Context, files *fileTransfer, path, script string, r io.Reader) error {
	defer context.AfterFunc(ctx, func() { c.forget(files) })()
	f, err := files.sftp.OpenFile(path, os.O_WRONLY)
	if err != nil {
		return err
	}
	const parallel = 64 // requests under way: of 32 KiB they are 2 MiB, as much as a channel's window holds
	_, err = f.ReadFromWithConcurrency(contextReader{ctx, r}, parallel)
	needsSync := false
	if err == nil {
		if err = f.Sync(); unsupported(err) {
			err, needsSync = nil, true
		}
	}
	if err = errors.Join(err, f.Close()); ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil && needsSync {
		return c.ask(ctx, syncScript, script, nil)
	}
	return err
}

func unsupported(err error) bool {
	status, ok := errors.AsType[*sftp.StatusError](err)
	return ok && status.FxCode() == sftp.ErrSSHFxOpUnsupported
}

// uploadByShell is for hosts without the sftp subsystem.
func (c *conn) uploadByShell(ctx context.Context, path string, r io.Reader) error {
	buf := make([]byte, 1<<20)
	total := int64(0)
	for {
		n, err := io.ReadFull(contextReader{ctx, r}, buf)
		if n > 0 {
			total += int64(n)
			if err := c.ask(ctx, appendScript, path, bytes.Clone(buf[:n])); err != nil {
				return err
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return err
		}
	}
	e := c.script(ctx, sizeScript, path, nil)
	if err := exitError(e); err != nil {
		return err
	}
	if size := strings.TrimSpace(string(e.Stdout.Bytes)); size != fmt.Sprint(total) {
		return fmt.Errorf("%d bytes were sent, and the file has %s", total, size)
	}
	return nil
}

// discard removes what was begun, and adds why the host could not write, where it can tell.
func (c *conn) discard(ctx context.Context, path string) string {
	e := c.script(ctx, discardScript, path, nil)
	if err := exitError(e); err != nil {
		return "; what was begun could not be removed: " + err.Error()
	}
	if words := strings.TrimSpace(string(e.Stdout.Bytes)); words != "" {
		return "; " + words
	}
	return ""
}

// stepLimit is for one script of an upload.
const stepLimit = 5 * time.Minute

func (c *conn) script(ctx context.Context, text, path string, in []byte) remote.Exit {
	return c.Run(ctx, []remote.Script{{Text: text, Args: []string{path}, Stdin: in, Limit: stepLimit}})[0]
}

func (c *conn) ask(ctx context.Context, text, path string, in []byte) error {
	return exitError(c.script(ctx, text, path, in))
}

// exitError is what a script that should have ended well did instead.
func exitError(e remote.Exit) error {
	switch {
	case e.State != remote.Ended && e.Err != nil:
		return fmt.Errorf("%s: %w", e.State, e.Err)
	case e.State != remote.Ended:
		return fmt.Errorf("%s: %s", e.State, e.Why)
	case e.Code != 0:
		return errors.New(strings.ToValidUTF8(strings.TrimSpace(string(e.Stderr.Bytes)), "?"))
	}
	return nil
}

// A fileTransfer is an SFTP session.
type fileTransfer struct {
	process shell.Process
	sftp    *sftp.Client
}

func (f *fileTransfer) close() {
	f.process.Close()
	f.sftp.Close()
}

var errNoSFTP = errors.New("the server has no sftp subsystem")

// transfer returns the connection's SFTP session, and starts it where there is none.
func (c *conn) transfer(ctx context.Context) (*fileTransfer, error) {
	c.mu.Lock()
	files, none := c.files, c.noSFTP
	c.mu.Unlock()
	if none {
		return nil, errNoSFTP
	}
	if files != nil {
		return files, nil
	}
	p, client, err := c.startSFTP(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.noSFTP = c.noSFTP || errors.Is(err, errNoSFTP)
		return nil, err
	}
	files = &fileTransfer{process: p, sftp: client}
	if c.files != nil || c.closed {
		// Another upload was faster, or the connection was closed.
		go files.close()
		if c.files == nil {
			return nil, errNoSFTP
		}
		return c.files, nil
	}
	c.files = files
	return files, nil
}

// forget lets go of a session that may hang.
func (c *conn) forget(files *fileTransfer) {
	c.mu.Lock()
	if c.files == files {
		c.files = nil
	}
	c.mu.Unlock()
	files.close()
}

func (c *conn) startSFTP(ctx context.Context) (shell.Process, *sftp.Client, error) {
	p, err := c.start(ctx, order{command: "sftp", subsystem: true, bulk: true})
	switch {
	case errors.Is(err, errNoSubsystem):
		return nil, nil, errNoSFTP
	case err != nil:
		return nil, nil, err
	}
	defer context.AfterFunc(ctx, func() { p.Close() })()
	go func() { _, _ = io.Copy(io.Discard, p.Stderr()) }() // ends with the session
	client, err := sftp.NewClientPipe(p.Stdout(), stdinOf{p.Stdin(), p}, sftp.UseConcurrentWrites(true))
	if err == nil {
		err = widen(client)
	}
	if err == nil {
		return p, client, nil
	}
	defer p.Close()
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	if gone := p.Gone(ctx); gone != nil {
		return nil, nil, gone
	}
	return nil, nil, errNoSFTP
}

// widen has large packets sent to OpenSSH's server, which has always taken them and says so since it tells its limits: an answer for each 255 KiB instead
// of each 32.
func widen(client *sftp.Client) error {
	if _, tells := client.HasExtension("limits@openssh.com"); !tells {
		return nil
	}
	return sftp.MaxPacketUnchecked(255 << 10)(client)
}

// A stdinOf is a process's standard input; nothing comes after it is closed.
type stdinOf struct {
	io.Writer
	process shell.Process
}

func (s stdinOf) Close() error { return s.process.Close() }

// A contextReader stops with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}
