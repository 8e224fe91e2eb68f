// Package become makes another account's shell of a shell.
package become

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"cvsplay/engine/remote/shell"
)

// Settings say how to become another account.
type Settings struct {
	Method   string // "" and "sudo": sudo
	Password string // of the login user, for sudo; "": none is given, and sudo must not ask
	Run      string // id of the run that the account's shell works for; "": it carries no sign of life
}

// limit is how long becoming may take: name services and PAM modules can be slow.
const limit = 45 * time.Second

// Become turns p, a fresh /bin/sh of the login user, into a /bin/sh of account, at that account's home environment. It tries no more
// than it must: nothing where the login user is the account already, sudo without a password where sudo wants none, else the password, once, on
// standard input. It is never an argument and never in an environment.
//
// The error is a *shell.Denied where the host said no. p is of no use then, and the caller closes it.
func Become(ctx context.Context, p shell.Process, account string, s Settings) error {
	if s.Method != "" && s.Method != "sudo" {
		return &shell.Denied{Account: account, Why: fmt.Sprintf("become method %q is not supported, only \"sudo\" is", s.Method)}
	}
	if account == "" || account[0] == '-' || strings.ContainsAny(account, "\x00\n") {
		return &shell.Denied{Account: account, Why: "this is no name of an account"}
	}
	if strings.ContainsAny(s.Password, "\x00\r\n") {
		return &shell.Denied{Account: account, Why: "a password with a line break or a NUL byte cannot be given to sudo"}
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// A read cannot be told to give up, but its stream can be taken away.
	defer context.AfterFunc(ctx, func() { p.Close() })()
	d := newDialogue(p, account, s)
	if _, err := io.WriteString(p.Stdin(), d.opening()); err != nil {
		return fmt.Errorf("become %s: %w", account, err)
	}
	return d.run(ctx)
}

// A dialogue is what is said between us and sudo, on its standard input and its standard error.
type dialogue struct {
	proc     shell.Process
	account  string
	settings Settings
	prompt   string    // sudo prints it when it wants the password
	ready    [2]string // printed in one by the account's shell once it is there; two, so that no message that repeats the command forges it
	said     []byte    // since the last prompt
}

func newDialogue(p shell.Process, account string, s Settings) *dialogue {
	return &dialogue{proc: p, account: account, settings: s, prompt: random(), ready: [2]string{random(), random()}}
}

func random() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// opening is the one line that the login user's shell runs. It replaces itself, so nothing may follow until the new shell is there: the
// old one would have read it.
func (d *dialogue) opening() string {
	hello := shell.Quote(fmt.Sprintf("echo %s''%s >&2; exec %s", d.ready[0], d.ready[1], shell.CommandLine(d.settings.Run)))
	ask := "-n"
	if d.settings.Password != "" {
		ask = "-S -p " + d.prompt
	}
	account := shell.Quote(d.account)
	return fmt.Sprintf("set +xv; LC_ALL=C; export LC_ALL; if [ \"$(id -un)\" = %s ]; then exec /bin/sh -c %s; "+
		"else exec sudo %s -H -u %s -- /bin/sh -c %s; fi\n", account, hello, ask, account, hello)
}

// run answers until the account's shell is there, or it is certain that it will not be.
func (d *dialogue) run(ctx context.Context) error {
	const most = 64 << 10 // of words; lectures and banners are shorter
	asked, buf := false, make([]byte, 4<<10)
	for {
		n, err := d.proc.Stderr().Read(buf)
		d.said = append(d.said, buf[:n]...)
		d.said = d.said[max(0, len(d.said)-most):]
		before, after, wanted := bytes.Cut(d.said, []byte(d.prompt))
		switch {
		case bytes.Contains(d.said, []byte(d.ready[0]+d.ready[1])):
			return nil
		case wanted && asked:
			d.said = before
			return d.denied("sudo does not accept the password")
		case wanted:
			asked = true
			d.said = after
			if _, err := io.WriteString(d.proc.Stdin(), d.settings.Password+"\n"); err != nil {
				return fmt.Errorf("become %s: %w", d.account, err)
			}
		case err != nil:
			return d.ended(ctx, err)
		}
	}
}

// ended tells why the dialogue came to its end.
func (d *dialogue) ended(ctx context.Context, err error) error {
	if ctx.Err() == context.DeadlineExceeded {
		return d.denied(fmt.Sprintf("sudo did not answer within %s; it may ask for something else than a password", limit))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if gone := d.proc.Gone(ctx); gone != nil {
		return gone
	}
	for _, c := range complaints {
		if bytes.Contains(d.said, []byte(c.words)) {
			return d.denied(c.why)
		}
	}
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("become %s: %w", d.account, err)
	}
	return d.denied("sudo gave no shell")
}

func (d *dialogue) denied(why string) error {
	said := strings.ReplaceAll(strings.TrimSpace(string(d.said)), d.prompt, "")
	if len(said) > 1000 {
		said = said[:1000] + "…"
	}
	return &shell.Denied{Account: d.account, Why: why, Said: strings.ToValidUTF8(said, "?")}
}

// complaints are what sudo and the shell say in the C locale, the special before the general.
var complaints = []struct{ words, why string }{
	{"must have a tty", "sudo requires a terminal (requiretty): exempt the login user in sudoers with Defaults:USER !requiretty"},
	{"a terminal is required", "sudo requires a terminal: a password is needed and none is set, see become { password }"},
	{"a password is required", "sudo wants a password and none is set: set become { password }, or allow NOPASSWD in sudoers"},
	{"interactive authentication is required", "sudo wants a password and none is set: set become { password }, or allow NOPASSWD in sudoers"},
	{"incorrect password", "sudo does not accept the password"},
	{"Sorry, try again", "sudo does not accept the password"},
	{"Authentication failed", "sudo does not accept the password"},
	{"not in the sudoers file", "the login user is not in the sudoers file"},
	{"may not run sudo", "the login user may not run sudo on this host"},
	{"is not allowed to execute", "sudoers does not allow the login user to run /bin/sh as this account"},
	{"unknown user", "there is no such user"},
	{"no tty present", "sudo requires a terminal: a password is needed and none is set, see become { password }"},
	{"sudo: not found", "there is no sudo on this host"},
	{"sudo: No such file", "there is no sudo on this host"},
	{"sudo: command not found", "there is no sudo on this host"},
	{"sudo: inaccessible or not found", "there is no sudo on this host"},
	{"effective uid is not 0", "sudo is not installed setuid root, or the host forbids it"},
	{"no new privileges", "the host forbids gaining privileges (no_new_privs)"},
	{"account has expired", "the account has expired"},
	{"Account or password is expired", "the password has expired"},
}
