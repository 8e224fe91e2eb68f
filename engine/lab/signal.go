package lab

import (
	"strconv"
	"strings"
	"syscall"
)

// Signal is a signal number as on Linux.
type Signal int

// The signals that something here treats specially.
const (
	SIGHUP  Signal = 1
	SIGINT  Signal = 2
	SIGQUIT Signal = 3
	SIGKILL Signal = 9
	SIGPIPE Signal = 13
	SIGTERM Signal = 15
	SIGCHLD Signal = 17
	SIGCONT Signal = 18
	SIGSTOP Signal = 19
	SIGTSTP Signal = 20
	SIGURG  Signal = 23
	SIGWIN  Signal = 28
)

// signalNames holds the names without SIG; the index is the number.
var signalNames = strings.Fields(`EXIT HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM
	STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS`)

// String is the name without SIG.
func (s Signal) String() string {
	if s >= 0 && int(s) < len(signalNames) {
		return signalNames[s]
	}
	return strconv.Itoa(int(s))
}

// parseSignal reads a number or a name with or without SIG.
func parseSignal(text string) (Signal, bool) {
	if n, err := strconv.Atoi(text); err == nil {
		return Signal(n), n >= 0 && n <= 64
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	for i, have := range signalNames {
		if have == name {
			return Signal(i), true
		}
	}
	return 0, false
}

// harmless says that the signal does nothing to a process that does not ask for it.
func (s Signal) harmless() bool {
	switch s {
	case SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGURG, SIGWIN, 21, 22:
		return true
	}
	return false
}

// signalSet is a set of signals.
type signalSet uint64

func (s signalSet) has(sig Signal) bool          { return s&(1<<uint(sig)) != 0 }
func (s signalSet) with(sig Signal) signalSet    { return s | 1<<uint(sig) }
func (s signalSet) without(sig Signal) signalSet { return s &^ (1 << uint(sig)) }

// kill sends sig to a process, or to a group where pid is negative, with the rights of p.
func (p *Process) kill(pid int, sig Signal) error {
	if pid > 0 {
		target, err := p.world.mustProcess(pid)
		if err != nil {
			return err
		}
		if !p.maySignal(target) {
			return syscall.EPERM
		}
		target.Signal(sig)
		return nil
	}
	_, group, _ := p.ids()
	if pid < 0 {
		group = -pid
	}
	found, allowed := false, false
	for _, target := range p.world.Processes() {
		_, pgid, _ := target.ids()
		if (pid != -1 && pgid != group) || (pid == -1 && (target == p || target.pid == 1)) {
			continue
		}
		found = true
		if p.maySignal(target) {
			allowed = true
			target.Signal(sig)
		}
	}
	switch {
	case !found:
		return syscall.ESRCH
	case !allowed:
		return syscall.EPERM
	}
	return nil
}

func (p *Process) maySignal(target *Process) bool {
	me := p.User().UID
	return me == 0 || me == target.User().UID
}
