package lab

import (
	"strconv"
	"strings"
)

func (sh *shell) kill(args []string) int { return killCommand(sh.p, args, sh.errorf, sh.jobPID) }

// jobPID resolves %1 and its like.
func (sh *shell) jobPID(spec string) (int, bool) {
	if spec == "%%" || spec == "%+" || spec == "%" {
		return sh.lastBG, sh.lastBG != 0
	}
	n, err := strconv.Atoi(strings.TrimPrefix(spec, "%"))
	if err != nil || n < 1 || n > len(sh.jobs) {
		return 0, false
	}
	pids := make([]int, 0, len(sh.jobs))
	for pid := range sh.jobs {
		pids = append(pids, pid)
	}
	return pids[n-1], true
}

// killCommand is kill, the builtin and the program.
func killCommand(p *Process, args []string, report func(string, ...any), job func(string) (int, bool)) int {
	args = args[1:]
	sig := SIGTERM
	if len(args) > 0 && strings.HasPrefix(args[0], "-") && args[0] != "--" {
		switch name := args[0][1:]; {
		case name == "l":
			_, _ = p.Stdout().Write([]byte(strings.Join(signalNames[1:], "\n") + "\n"))
			return 0
		case name == "s" && len(args) > 1:
			var ok bool
			if sig, ok = parseSignal(args[1]); !ok {
				report("kill: invalid signal number or name: %s", args[1])
				return 2
			}
			args = args[2:]
		default:
			var ok bool
			if sig, ok = parseSignal(name); !ok {
				report("kill: Illegal option -%s", name[:min(1, len(name))])
				return 2
			}
			args = args[1:]
		}
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		report("kill: Usage: kill [-s sigspec | -signum | -sigspec] [pid | job]... or\nkill -l [exitstatus]")
		return 2
	}
	status := 0
	for _, arg := range args {
		if strings.HasPrefix(arg, "%") && job != nil {
			pid, ok := job(arg)
			if !ok {
				report("kill: No such job: %s", arg)
				status = 2
				continue
			}
			arg = strconv.Itoa(pid)
		}
		pid, err := strconv.Atoi(arg)
		if err != nil {
			report("kill: Illegal number: %s", arg)
			return 2
		}
		if err := p.kill(pid, sig); err != nil {
			report("kill: %s\n", strerror(err))
			status = 1
		}
	}
	return status
}

func (sh *shell) wait(args []string) int {
	if len(args) == 1 {
		for pid, c := range sh.jobs {
			if code, interrupted := sh.waitFor(c); interrupted {
				return code
			}
			delete(sh.jobs, pid)
		}
		return 0
	}
	status := 0
	for _, arg := range args[1:] {
		pid, err := strconv.Atoi(arg)
		if strings.HasPrefix(arg, "%") {
			var ok bool
			if pid, ok = sh.jobPID(arg); !ok {
				sh.errorf("wait: No such job: %s", arg)
				return 2
			}
		} else if err != nil {
			sh.errorf("wait: Illegal number: %s", arg)
			return 2
		}
		c := sh.jobs[pid]
		if c == nil {
			status = 127
			continue
		}
		var interrupted bool
		if status, interrupted = sh.waitFor(c); interrupted {
			return status
		}
		delete(sh.jobs, pid)
	}
	return status
}

// waitFor waits for a job, or until a trapped signal comes.
func (sh *shell) waitFor(c *Process) (status int, interrupted bool) {
	for {
		select {
		case <-c.done:
			return c.exit().shell(), false
		case <-sh.p.ctx.Done():
			return 130, true
		case <-sh.wakeup:
			sh.trapMu.Lock()
			come := len(sh.pending) > 0
			sig := SIGTERM
			if come {
				sig = sh.pending[0]
			}
			sh.trapMu.Unlock()
			if come {
				return 128 + int(sig), true
			}
		}
	}
}
