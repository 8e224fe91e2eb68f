package ssh

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"

	"cvsplay/engine/remote/shell"
)

// sample is how much of a file is looked at to tell whether it is worth to be compressed.
const sample = 256 << 10

// compressible tells whether content is worth it: what is compressed already is not. It returns the content again, from its begin.
func compressible(r io.Reader) (io.Reader, bool, error) {
	var head bytes.Buffer
	_, err := io.CopyN(&head, r, sample)
	again := io.MultiReader(bytes.NewReader(head.Bytes()), r)
	if errors.Is(err, io.EOF) {
		return again, false, nil // it is too small to matter
	}
	if err != nil {
		return nil, false, err
	}
	var packed counter
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed) // the level is known to be one
	_, _ = w.Write(head.Bytes())                         // a count does not fail
	_ = w.Close()
	return again, packed < sample*3/4, nil
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// errNoGzip says that a host cannot unpack, and that nothing was sent.
var errNoGzip = errors.New("the host cannot unpack")

// An inputCloser is a process that can be told that no more input comes.
type inputCloser interface{ CloseInput() error }

// uploadCompressed sends the content packed into a file that is there and empty. The host opens it before it is ready: later, where the upload was broken
// off, it would make the file anew that was removed by then.
func (c *conn) uploadCompressed(ctx context.Context, path string, r io.Reader) error {
	mark := shell.Nonce()
	file := shell.Quote(path)
	program := fmt.Sprintf("exec 3>>%s || exit\necho %s ready\ngzip -dc >&3 && { sync %s 2>/dev/null || sync; }\ncode=$?\necho %s $code $(wc -c <%s)\nexit\n", file, mark, file, mark, file)
	p, err := c.start(ctx, order{command: shell.CarryingLine("", []byte(program)), bulk: true})
	if err != nil {
		return err
	}
	defer p.Close()
	defer context.AfterFunc(ctx, func() { p.Close() })()
	said := make(chan string, 1)
	go func() {
		words, _ := io.ReadAll(io.LimitReader(p.Stderr(), 4<<10))
		_, _ = io.Copy(io.Discard, p.Stderr()) // ends with the session
		said <- strings.ToValidUTF8(strings.TrimSpace(string(words)), "?")
	}()
	out := bufio.NewReader(io.LimitReader(p.Stdout(), 64<<10))
	if _, err := after(out, mark); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if gone := p.Gone(ctx); gone != nil {
			return gone
		}
		return errNoGzip
	}
	total, err := pack(p, contextReader{ctx, r})
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.EPIPE) {
		return err
	}
	result, err := after(out, mark) // it may have ended before it took all, and says why
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return errors.Join(errors.New("the unpacking was broken off"), p.Gone(ctx))
	}
	code, size, _ := strings.Cut(result, " ")
	if code != "0" {
		p.Close()
		return errors.New(<-said)
	}
	if size = strings.TrimSpace(size); size != strconv.FormatInt(total, 10) {
		return fmt.Errorf("%d bytes were sent, and the file has %s", total, size)
	}
	return nil
}

// after reads lines until one has the mark, and returns what stands behind it.
func after(out *bufio.Reader, mark string) (string, error) {
	for {
		line, err := out.ReadString('\n')
		if _, rest, ok := strings.Cut(line, mark+" "); ok && err == nil {
			return strings.TrimSuffix(rest, "\n"), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// pack sends all of the content, and that it is all.
func pack(p shell.Process, r io.Reader) (total int64, err error) {
	buf := bufio.NewWriterSize(p.Stdin(), 32<<10)
	w, err := gzip.NewWriterLevel(buf, gzip.BestSpeed)
	if err != nil {
		return 0, err
	}
	total, err = io.Copy(w, r)
	if err == nil {
		err = errors.Join(w.Close(), buf.Flush())
	}
	if err != nil {
		return total, err
	}
	if in, ok := p.(inputCloser); ok {
		return total, in.CloseInput()
	}
	return total, nil
}
