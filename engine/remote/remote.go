// Package remote is how the engine reaches a host: one connection, a few shells that stay open on it, and scripts that
// travel together. What is below it (SSH, this machine, the lab over SSH) shows in nothing but the errors' words.
//
// The packages below remote implement it: remote/ssh over golang.org/x/crypto/ssh, remote/local on the controller itself,
// both on top of remote/shell, which frames scripts on one long-lived /bin/sh.
package remote

import (
	"context"
	"fmt"
	"io"
	"time"
)

// A Conn is one connection to one host. Its methods may be called from several goroutines; scripts for the same account
// queue behind each other, those of different accounts run side by side.
type Conn interface {
	// Run sends scripts in one round trip and returns one Exit for each, in order, always len(scripts) of them. Those of one account
	// run one after the other; the exit code of one does not keep the next from running. Run itself has no error: what became
	// of each script is told by its Exit, also where the connection broke in the middle or ctx ended.
	//
	// Scripts for different accounts may travel in different sessions; the results keep the order of the arguments.
	Run(ctx context.Context, scripts []Script) []Exit

	// Upload makes a new file at path with mode 0600, readable by the connection's own user, with the bytes of r, and has
	// them on disk (fsync) when it returns. It fails if path exists, and follows no symbolic link. What was begun and failed is
	// removed again.
	Upload(ctx context.Context, path string, r io.Reader) error

	// Hold breaks the chains that are under way: links that run come to their end, no other starts. It returns once the host was told so, or cannot
	// be.
	Hold(ctx context.Context)

	// Close ends the sessions and the connection. What still runs on the host is killed first where it can be reached.
	Close() error
}

// A Dialer connects to hosts. Dial returns an *Unreachable error when the host cannot be reached or does not let us in.
type Dialer interface {
	Dial(ctx context.Context) (Conn, error)
}

// A Script is one POSIX sh text to run, as one frame of a program.
type Script struct {
	Text    string   // UTF-8 or any bytes but NUL
	Args    []string // $1 …; they show in the process list of the host
	Stdin   []byte   // what the script reads; may be secret: never in argv, never on disk readable by others
	Account string   // "": the login user; else the user to become
	Env     []EnvVar // exported to the script; values may be secret, they travel as Stdin does
	Dir     string   // working directory; "": the account's home

	// Foreign marks a text that a person wrote: it gets a process of its own (its own $$, stdin, options and exit), its "#!" line
	// chooses the interpreter, and it cannot harm the scripts that travel with it. Our own texts run in a subshell
	// of the session's shell, which costs no exec.
	Foreign bool

	// Limit is the longest time the script may take, from its begin mark, kept by the controller. 0: no limit. On expiry its
	// whole process tree gets TERM, five seconds later KILL; what survives is listed in Exit.Survivors.
	Limit time.Duration

	// Keep is how many bytes of each stream the Exit keeps; 0: 1 MiB. The rest is counted and hashed.
	Keep int64

	// Output, if set, is called with each chunk as it arrives, in order for each stream, from one goroutine at a time. The chunk is the
	// callee's only until it returns; while it blocks, the script waits to write, and nothing ends its Run.
	Output func(Stream, []byte)

	// Ahead marks a script that nobody waits for yet. Once one before it has run out of its Limit it is Withheld: what made that one hang may
	// well hang this one, too, and whoever waits for the first would wait for all.
	Ahead bool

	// Link, where set, lets the script run only if those before it in its chain did what was wanted of them.
	Link *Link

	// Ended, if set, is called once, as soon as it is known what became of the script, while those behind it may still run. It must not block.
	Ended func(Exit)
}

// An EnvVar is one variable of a script's environment. What the account has under that name already may stand on either side of the value, as in
// PATH=/opt/bin:$PATH.
type EnvVar struct {
	Name, Value string
	OwnBefore   bool
	OwnAfter    bool
}

// A Stream is one of a script's two output streams.
type Stream int

// The two streams.
const (
	Stdout Stream = iota
	Stderr
)

func (s Stream) String() string {
	if s == Stderr {
		return "stderr"
	}
	return "stdout"
}

// An Exit is what became of one script.
type Exit struct {
	State State
	Why   string // for every State but Ended: the cause, in words for a person
	Err   error  // the same, typed, where there is more to know; may be nil

	Code      int // exit code where Ended; 128+n after signal n, as sh tells it
	Stdout    Output
	Stderr    Output
	Duration  time.Duration // from the begin mark to the end mark
	Survivors []string      // after TimedOut or Lost: processes ("PID COMMAND") that could not be killed
}

// A State says how far a script came. The zero value claims nothing.
type State int

// The states of a script.
const (
	NotStarted State = iota // it never began: safe to do again
	Ended                   // it ran to its end, whatever its exit code
	TimedOut                // its Limit ran out, and it was killed
	Lost                    // sent, and the connection broke or ctx ended before its end was seen: it may have run
	Refused                 // the account could not be become: wrong password, not allowed, no such user
	Withheld                // the chain that it is a link of was broken before its turn came, or it was sent Ahead of a time-out: it did not run
)

func (s State) String() string {
	switch s {
	case NotStarted:
		return "not started"
	case Ended:
		return "ended"
	case TimedOut:
		return "timed out"
	case Lost:
		return "lost"
	case Refused:
		return "refused"
	case Withheld:
		return "withheld"
	}
	return fmt.Sprintf("State(%d)", int(s))
}

// An Output is what a script wrote to one stream: the first bytes, and the count and hash of all of them.
type Output struct {
	Bytes  []byte // at most Script.Keep
	Size   int64  // of all that was written
	SHA256 string // hex, of all that was written; "" where nothing was cut off
}

// Truncated tells whether Bytes is not all that was written.
func (o Output) Truncated() bool { return o.Size > int64(len(o.Bytes)) }

// Unreachable says that no connection to a host could be made, or that it is no longer there; or, as the Err of an Exit, that the host lets
// us in and gives us no shell ("no shell": nologin, a forced command). Cause is one of a few fixed
// words, so that hosts can be folded by it; Detail is the rest.
type Unreachable struct {
	Host   string // name in the inventory
	Addr   string // host:port that was dialled; with bastions the last of them reached
	Cause  string // "connection refused", "no answer", "unknown host key", "host key changed", "authentication failed", …
	Detail string // what to know and what to do: fingerprints, keys tried, the server's words
	Err    error
}

func (u *Unreachable) Error() string {
	if u.Detail == "" {
		return fmt.Sprintf("%s: %s", u.Addr, u.Cause)
	}
	return fmt.Sprintf("%s: %s: %s", u.Addr, u.Cause, u.Detail)
}

func (u *Unreachable) Unwrap() error { return u.Err }
