package lab

import (
	"slices"
	"strings"
)

// trapped says that the shell has something to do at its end or on a signal.
func (sh *shell) trapped() bool {
	sh.trapMu.Lock()
	defer sh.trapMu.Unlock()
	for _, action := range sh.traps {
		if action != "" {
			return true
		}
	}
	return false
}

// take is called when a signal comes: those with an action wait for the end of the command that runs.
func (sh *shell) take(sig Signal) bool {
	sh.trapMu.Lock()
	defer sh.trapMu.Unlock()
	if sh.traps[sig] == "" {
		return false
	}
	if !slices.Contains(sh.pending, sig) {
		sh.pending = append(sh.pending, sig)
	}
	select {
	case sh.wakeup <- struct{}{}:
	default:
	}
	return true
}

// runTraps runs the actions of the signals that have come.
func (sh *shell) runTraps() {
	for !sh.inTrap {
		sh.trapMu.Lock()
		if len(sh.pending) == 0 {
			sh.trapMu.Unlock()
			return
		}
		sig := sh.pending[0]
		sh.pending = sh.pending[1:]
		action := sh.traps[sig]
		sh.trapMu.Unlock()
		if action == "" || sh.p.ctx.Err() != nil {
			continue
		}
		status, way := sh.status, sh.jump
		sh.jump = jump{}
		sh.inTrap = true
		sh.context = 0
		sh.text(action, 0)
		sh.inTrap = false
		if sh.jump.kind == goOn {
			sh.status, sh.jump = status, way
		}
	}
}

// trap is the builtin.
func (sh *shell) trap(args []string) int {
	args = args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		sh.listTraps()
		return 0
	}
	action, reset := args[0], false
	names := args[1:]
	if _, number := parseSignal(action); action == "-" || (number && (len(names) == 0 || action[0] >= '0' && action[0] <= '9')) {
		reset = true
		if action != "-" {
			names = args
		}
	} else if len(names) == 0 {
		sh.fail(failure("trap: usage: trap [[arg] signal ...]"))
		return 2
	}
	for _, name := range names {
		sig, ok := parseSignal(name)
		if !ok {
			sh.errorf("trap: %s: bad trap", name)
			return 1
		}
		sh.setTrap(sig, action, reset)
	}
	return 0
}

func (sh *shell) setTrap(sig Signal, action string, reset bool) {
	sh.trapMu.Lock()
	if reset {
		delete(sh.traps, sig)
	} else {
		sh.traps[sig] = action
	}
	sh.trapMu.Unlock()
	if sig == 0 {
		return
	}
	sh.p.ignore(sig, !reset && action == "")
	sh.p.OnSignal(sh.take)
}

func (sh *shell) listTraps() {
	sh.trapMu.Lock()
	var list []Signal
	for sig := range sh.traps {
		list = append(list, sig)
	}
	slices.Sort(list)
	var b strings.Builder
	for _, sig := range list {
		b.WriteString("trap -- " + shellQuote(sh.traps[sig]) + " " + sig.String() + "\n")
	}
	sh.trapMu.Unlock()
	sh.print(b.String())
}

// shellQuote quotes as dash prints values.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
}
