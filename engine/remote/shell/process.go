// Package shell runs scripts on a /bin/sh that stays open. It frames them: several travel to the shell in one write, and come back
// between markers that nothing a script prints can imitate.
//
// It knows nothing of SSH: whoever uses it says how a shell is started, for which account, and gets a Host that implements the
// running half of remote.Conn: queues for each account, time limits, the killing of process trees, and the
// honest account of what ran.
package shell

import (
	"context"
	"io"
)

// A Process is one /bin/sh, started by whatever means, that reads its program from Stdin and writes to Stdout and
// Stderr. It need not have printed or read anything yet.
type Process interface {
	Stdin() io.Writer
	Stdout() io.Reader
	Stderr() io.Reader

	// Gone tells, after both outputs ended, what ended them: nil if the process itself ended while the way to its host still
	// stands, else what broke. It may take a round trip to find out.
	Gone(ctx context.Context) error

	// Close lets go of the process; reads and writes in flight return. It kills nothing, and may be called more than once.
	Close() error
}

// A Starter starts a /bin/sh for an account; "" is the login user. It returns a *Denied error where the account could not be
// become, and any other error where no shell could be had.
type Starter interface {
	Start(ctx context.Context, account string) (Process, error)
}

// A Carrier is a Starter that can hand a shell its first program with the request that starts it, where that spares a round trip. Everybody on the host can
// read that program meanwhile. It returns no process and no error where the program has to be sent as any other.
//
// The shell ends without a word where it cannot read such a program. Once it has run it, it is as good as new.
type Carrier interface {
	Carry(ctx context.Context, account string, program []byte) (Process, error)
}

// Denied says that an account could not be become.
type Denied struct {
	Account string
	Why     string // wrong password, not allowed, no such user, … and what to do
	Said    string // the words of the program that denied it
}

func (d *Denied) Error() string {
	if d.Said == "" {
		return "cannot become " + d.Account + ": " + d.Why
	}
	return "cannot become " + d.Account + ": " + d.Why + " (" + d.Said + ")"
}

// NoShell says that a process was started and ended before it ran anything: a login shell such as nologin, a forced command.
type NoShell struct {
	Said string // the last words of the process
}

func (n *NoShell) Error() string {
	if n.Said == "" {
		return "the login shell ended without running /bin/sh"
	}
	return "the login shell ended without running /bin/sh, saying: " + n.Said
}
