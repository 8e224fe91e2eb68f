//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A usage is what one command took, with all processes that came of it.
type usage struct {
	Wall float64 `json:"wall"` // seconds until the command itself ended
	CPU  float64 `json:"cpu"`  // seconds, user and system, of all its processes
	RSS  float64 `json:"rss"`  // bytes: the most that the command itself had in memory
	Code int     `json:"code"` // its exit code; -1 where a signal ended it
	Left int     `json:"left"` // processes that it left behind, such as OpenSSH's masters; they were ended, and are counted
}

// A job is a command to measure.
type job struct {
	argv  []string
	env   []string // whole
	dir   string
	stdin []byte
}

// measure runs a job under a meter, which is this program again, and returns what both outputs had.
//
// The kernel adds the CPU time of a process to that of its parent when the parent waits for it. The meter is a "child subreaper": processes that lose
// their parent, daemons among them, become its children and no one else's. It ends those that are left when the command is done, waits for each, and
// so has the sum of all that ever ran. No rights are needed for that, and nothing that lives shorter than a sampling interval is missed. What
// is not counted are children of a program that ignores SIGCHLD, which the kernel forgets; none of the tools here does that.
func measure(ctx context.Context, j job) (usage, []byte, error) {
	self, err := os.Executable()
	if err != nil {
		return usage{}, nil, err
	}
	result, theirs, err := os.Pipe()
	if err != nil {
		return usage{}, nil, err
	}
	defer result.Close()
	cmd := exec.CommandContext(ctx, self, append([]string{meterName}, j.argv...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 4 * leftGrace
	cmd.Env, cmd.Dir, cmd.ExtraFiles, cmd.Stdin = j.env, j.dir, []*os.File{theirs}, bytes.NewReader(j.stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	theirs.Close()
	if err != nil {
		return usage{}, out.Bytes(), fmt.Errorf("%s: %w", j.argv[0], err)
	}
	var u usage
	err = json.NewDecoder(result).Decode(&u)
	return u, out.Bytes(), err
}

// meterName is the first argument that makes this program a meter.
const meterName = "meter"

// meter runs a command and writes its usage to a file, and ends what the command left behind.
func meter(argv []string, to io.Writer) error {
	const setChildSubreaper = 36
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		return fmt.Errorf("prctl: %w", errno)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	told := make(chan os.Signal, 1)
	signal.Notify(told, os.Interrupt, syscall.SIGTERM)
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		<-told
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		time.Sleep(leftGrace)
		_ = cmd.Process.Kill()
	}()
	err := cmd.Wait()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		return err
	}
	u := usage{Wall: time.Since(began).Seconds(), Code: cmd.ProcessState.ExitCode()}
	u.RSS = float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) * 1024
	if u.Left, err = endChildren(); err != nil {
		return err
	}
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &r); err != nil {
		return err
	}
	u.CPU = float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
	return json.NewEncoder(to).Encode(u)
}

// leftGrace is how long what was left behind may take to end by itself once it was told to.
const leftGrace = 5 * time.Second

// endChildren ends and waits for all children of this process, and for theirs, which become its own. It returns how many were still running.
func endChildren() (left int, err error) {
	began, told := time.Now(), map[int]bool{}
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.ECHILD):
			return len(told), nil
		case err != nil && !errors.Is(err, syscall.EINTR):
			return len(told), err
		case pid > 0:
			continue
		}
		pids, err := children()
		if err != nil {
			return len(told), err
		}
		for _, pid := range pids {
			sign := syscall.SIGKILL
			if time.Since(began) < leftGrace {
				if told[pid] {
					continue
				}
				sign = syscall.SIGTERM
			}
			told[pid] = true
			_ = syscall.Kill(pid, sign) // it may have ended just now
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// children are the processes whose parent this one is.
func children() ([]int, error) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, err
	}
	var out []int
	for _, t := range tasks {
		text, err := os.ReadFile("/proc/self/task/" + t.Name() + "/children")
		if errors.Is(err, os.ErrNotExist) {
			continue // the thread has ended
		}
		if err != nil {
			return nil, err
		}
		for field := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return nil, err
			}
			out = append(out, pid)
		}
	}
	return out, nil
}
