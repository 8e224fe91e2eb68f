package ssh

import (
	"context"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"cvsplay/engine/remote/shell"
)

// A master is a person's own ssh that keeps its connection open on a socket, for others to use. Where ssh_config says so (ControlPath) and one is
// running for the host, our sessions are its sessions: nothing is dialled, no key is exchanged, and nobody logs in. We start none, and end none.
//
// What is said on the socket is in OpenSSH's PROTOCOL.mux. A session is asked for as ssh itself does, with the descriptors for its streams handed over.
// The master's proxy mode, which needs no descriptors, is not for us: a channel that the host refused kills such a master once we leave.
type master struct {
	socket string
	limit  time.Duration // for its answers to what it can answer by itself
}

// masterLimit is for a master that takes us in and says nothing. One that is not there costs no time at all.
const masterLimit = 3 * time.Second

// Messages to and from a master.
const (
	muxHello      = 0x00000001
	muxNewSession = 0x10000002
	muxAliveCheck = 0x10000004
	muxDenied     = 0x80000002
	muxFailure    = 0x80000003
	muxExited     = 0x80000004
	muxAlive      = 0x80000005
	muxOpened     = 0x80000006

	muxVersion = 4
)

// masterRefused says that a master, or the host behind it, gives us no session, in its words.
type masterRefused struct{ words string }

func (r *masterRefused) Error() string { return "the shared connection gives no session: " + r.words }

var errMaster = errors.New("the shared connection makes no sense")

// findMaster returns the first of a host's sockets at which a master says that it is there; nil where none does.
func findMaster(ctx context.Context, r route) *master {
	for _, socket := range r.masters {
		m := &master{socket, min(masterLimit, r.timeout)}
		if m.alive(ctx) {
			return m
		}
	}
	return nil
}

// alive tells whether the master is there.
func (m *master) alive(ctx context.Context) bool {
	conn, err := m.talk(ctx, m.limit)
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := send(conn, ssh.Marshal(struct{ Type, Request uint32 }{muxAliveCheck, 0})); err != nil {
		return false
	}
	kind, _, err := receive(conn)
	return err == nil && kind == muxAlive
}

// talk says hello. What is said next has to come to its end within the limit, unless the connection's deadline is taken away.
func (m *master) talk(ctx context.Context, limit time.Duration) (*net.UnixConn, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "unix", m.socket)
	if err != nil {
		return nil, err
	}
	conn, ok := raw.(*net.UnixConn)
	if !ok || !trusted(conn, m.socket) {
		raw.Close()
		return nil, fmt.Errorf("%s is served by somebody else", m.socket)
	}
	deadline, _ := ctx.Deadline()
	err = errors.Join(conn.SetDeadline(deadline), send(conn, ssh.Marshal(struct{ Type, Version uint32 }{muxHello, muxVersion})))
	if err == nil {
		err = hello(conn)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func hello(conn net.Conn) error {
	kind, body, err := receive(conn)
	if err == nil && (kind != muxHello || len(body) < 4 || binary.BigEndian.Uint32(body) != muxVersion) {
		err = errMaster
	}
	return err
}

// send sends one message: its length goes first.
func send(conn net.Conn, message []byte) error {
	_, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...))
	return err
}

// receive reads one message, and takes its kind off.
func receive(conn net.Conn) (kind uint32, body []byte, err error) {
	const most = 256 << 10
	var length [4]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n < 4 || n > most {
		return 0, nil, errMaster
	}
	message := make([]byte, n)
	if _, err := io.ReadFull(conn, message); err != nil {
		return 0, nil, err
	}
	return binary.BigEndian.Uint32(message), message[4:], nil
}

// start begins a session. Its error is a *masterRefused where the master is well and gives us none.
func (m *master) start(ctx context.Context, o order, limit time.Duration) (shell.Process, error) {
	conn, err := m.talk(ctx, limit)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	g := &guest{master: m, conn: conn, exited: make(chan struct{}), ended: make(chan struct{})}
	err = g.begin(o)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		g.Close()
		return nil, err
	}
	go g.listen()
	return g, nil
}

// A guest is a session on a master's connection, as shell.Process.
type guest struct {
	master                *master
	conn                  *net.UnixConn // open as long as the session is
	stdin, stdout, stderr *os.File      // our ends
	exited                chan struct{} // closed when the host told how the process ended
	ended                 chan struct{} // closed when the master ended the session
	once                  sync.Once
}

// begin asks for the session, hands its descriptors over, and waits until it is there.
func (g *guest) begin(o order) error {
	var ends [3][2]*os.File // read, write
	for i := range ends {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		ends[i] = [2]*os.File{r, w}
	}
	g.stdin, g.stdout, g.stderr = ends[0][1], ends[1][0], ends[2][0]
	theirs := []*os.File{ends[0][0], ends[1][1], ends[2][1]}
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	const noEscape = 0xffffffff
	message := struct {
		Type, Request                           uint32
		Reserved                                string
		Terminal, X11, Agent, Subsystem, Escape uint32
		TerminalType, Command                   string
	}{Type: muxNewSession, Escape: noEscape, Command: o.command}
	if o.subsystem {
		message.Subsystem = 1
	}
	if err := send(g.conn, ssh.Marshal(message)); err != nil {
		return err
	}
	for _, f := range theirs {
		if _, _, err := g.conn.WriteMsgUnix([]byte{0}, syscall.UnixRights(int(f.Fd())), nil); err != nil {
			return err
		}
	}
	kind, body, err := receive(g.conn)
	switch {
	case err != nil:
		return err
	case kind == muxOpened:
		return g.conn.SetDeadline(time.Time{})
	case kind != muxDenied && kind != muxFailure:
		return errMaster
	}
	var why struct {
		Request uint32
		Words   string
	}
	if err := ssh.Unmarshal(body, &why); err != nil {
		return errMaster
	}
	return &masterRefused{why.Words}
}

// listen reads what the master says of the session, until it ends.
func (g *guest) listen() {
	defer close(g.ended)
	told := false
	for {
		kind, _, err := receive(g.conn)
		if err != nil {
			return
		}
		if kind == muxExited && !told {
			told = true
			close(g.exited)
		}
	}
}

func (g *guest) Stdin() io.Writer  { return g.stdin }
func (g *guest) CloseInput() error { return g.stdin.Close() }
func (g *guest) Stdout() io.Reader { return g.stdout }
func (g *guest) Stderr() io.Reader { return g.stderr }

// Close gives the session up.
func (g *guest) Close() error {
	g.once.Do(func() {
		g.conn.Close()
		for _, f := range []*os.File{g.stdin, g.stdout, g.stderr} {
			if f != nil {
				f.Close()
			}
		}
	})
	return nil
}

// Gone is shell.Process's Gone. A master says how a process ended where it knows, and ends with its connection.
func (g *guest) Gone(ctx context.Context) error {
	limit := time.NewTimer(answerLimit)
	defer limit.Stop()
	select {
	case <-g.ended:
	case <-limit.C:
		return fmt.Errorf("connection lost: no sign of life for %s", answerLimit)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-g.exited:
		return nil
	default:
	}
	if g.master.alive(ctx) {
		return nil
	}
	return errors.New("connection lost: the ssh that shared its connection has ended")
}

// trusted tells whether a socket is served by whom it should be: others may have put one of theirs in its place.
func trusted(conn *net.UnixConn, socket string) bool {
	owner, ok := servedBy(conn)
	if !ok {
		owner, ok = ownerOf(socket)
	}
	return ok && (owner == 0 || owner == os.Geteuid())
}

var variable = regexp.MustCompile(`\$\{[^}]*\}`)

// masterSockets are where ssh_config's ControlPath says that a master may be. Newer versions of ssh make another %C of a host behind a jump host than older ones.
func (r route) masterSockets(l lookup, home string) []string {
	path := strings.Trim(l.values["controlpath"], `"`)
	if path == "" || path == "none" {
		return nil
	}
	var jumps []string
	if len(r.bastions) > 0 {
		jumps = []string{r.bastions[len(r.bastions)-1].host}
	}
	path = variable.ReplaceAllStringFunc(path, func(v string) string { return os.Getenv(v[2 : len(v)-1]) })
	machine, _ := os.Hostname() // where it fails, %l is empty, as for ssh
	short, _, _ := strings.Cut(machine, ".")
	alias := l.values["hostkeyalias"]
	if alias == "" {
		alias = l.alias
	}
	var out []string
	for _, jump := range append(jumps, "") {
		port := strconv.Itoa(r.port)
		sum := sha1.Sum([]byte(machine + r.host + port + r.user + jump))
		expanded := strings.NewReplacer("%%", "%", "%C", hex.EncodeToString(sum[:]), "%h", r.host, "%i", strconv.Itoa(os.Getuid()), "%j", jump,
			"%k", alias, "%L", short, "%l", machine, "%n", l.alias, "%p", port, "%r", r.user, "%u", localUser(), "%d", home).Replace(path)
		out = append(out, expandHome(expanded, home))
	}
	return out
}

// ownerOf is the account that a socket belongs to.
func ownerOf(socket string) (uid int, ok bool) {
	info, err := os.Lstat(socket)
	if err != nil {
		return 0, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}
