package lab

import (
	"context"
	"io"
	"strings"
	"sync"
)

// containerLog keeps the end of what a container's first process wrote, line by line.
type containerLog struct {
	mu    sync.Mutex
	lines []logLine
	size  int
}

type logLine struct {
	fd   int // 1 or 2
	text string
}

const logKept = 64 << 10

func (l *containerLog) add(fd int, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size += len(text)
	for piece := range strings.Lines(text) {
		if n := len(l.lines); n > 0 && l.lines[n-1].fd == fd && !strings.HasSuffix(l.lines[n-1].text, "\n") {
			l.lines[n-1].text += piece
			continue
		}
		l.lines = append(l.lines, logLine{fd, piece})
	}
	for l.size > logKept && len(l.lines) > 1 {
		l.size -= len(l.lines[0].text)
		l.lines = l.lines[1:]
	}
}

// writeTo writes the last lines to where they belong; a negative number is all.
func (l *containerLog) writeTo(stdout, stderr io.Writer, n int) error {
	l.mu.Lock()
	lines := l.lines
	if n >= 0 {
		lines = lines[max(0, len(lines)-n):]
	}
	lines = append([]logLine{}, lines...)
	l.mu.Unlock()
	for _, line := range lines {
		to := stdout
		if line.fd == 2 {
			to = stderr
		}
		if _, err := io.WriteString(to, line.text); err != nil {
			return err
		}
	}
	return nil
}

// stream is a descriptor of the first process: what is written goes into the log, and to a client that waits for it.
func (l *containerLog) stream(fd int, client stream) stream { return &logStream{l, fd, client} }

type logStream struct {
	log    *containerLog
	fd     int
	client stream // nil: none
}

func (s *logStream) read(context.Context, []byte) (int, error) { return 0, nil }

func (s *logStream) write(ctx context.Context, p []byte) (int, error) {
	s.log.add(s.fd, string(p))
	if s.client != nil {
		return s.client.write(ctx, p)
	}
	return len(p), nil
}

func (s *logStream) close() error { return nil }
