package local

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"cvsplay/engine/remote/shell"
)

// A process is a command of this machine, in a session of its own as sshd would start it.
type process struct {
	stdin, stdout, stderr *os.File // our ends
	once                  sync.Once
}

// Start runs a command that behaves as a shell, with dir as its working directory.
func Start(_ context.Context, dir string, command ...string) (shell.Process, error) {
	var ends [3][2]*os.File // read, write
	for i := range ends {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", command[0], err)
		}
		ends[i] = [2]*os.File{r, w}
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = ends[0][0], ends[1][1], ends[2][1]
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err := cmd.Start()
	for _, theirs := range []*os.File{ends[0][0], ends[1][1], ends[2][1]} {
		theirs.Close()
	}
	p := &process{stdin: ends[0][1], stdout: ends[1][0], stderr: ends[2][0]}
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	go func() { _ = cmd.Wait() }() // so that it does not stay a zombie; how it ended is told by what it printed
	return p, nil
}

func (p *process) Stdin() io.Writer           { return p.stdin }
func (p *process) Stdout() io.Reader          { return p.stdout }
func (p *process) Stderr() io.Reader          { return p.stderr }
func (p *process) Gone(context.Context) error { return nil }

func (p *process) Close() error {
	p.once.Do(func() {
		p.stdin.Close()
		p.stdout.Close()
		p.stderr.Close()
	})
	return nil
}
