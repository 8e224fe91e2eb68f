package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/become"
	"cvsplay/engine/remote/shell"
)

// A conn is remote.Conn over SSH. It is one connection, a master's or ours; where the server allows too few sessions on it, more are made.
type conn struct {
	pool   *Pool
	route  route
	become become.Settings
	run    string // id of the run
	host   *shell.Host

	mu      sync.Mutex
	closed  bool
	master  *master // nil: there is none, or none any more
	clients []*client
	files   *fileTransfer
	noSFTP  bool
}

// maxClients bounds the connections to one host.
const maxClients = 6

func newConn(p *Pool, r route, m *master, clients []*client, b become.Settings, opts shell.Options) *conn {
	b.Run = opts.Run
	c := &conn{pool: p, route: r, become: b, run: opts.Run, master: m, clients: clients}
	c.host = shell.NewHost(c, opts)
	return c
}

// Run is remote.Conn's Run.
func (c *conn) Run(ctx context.Context, scripts []remote.Script) []remote.Exit {
	exits := c.host.Run(ctx, scripts)
	for i := range exits {
		if none, ok := errors.AsType[*shell.NoShell](exits[i].Err); ok {
			u := &remote.Unreachable{Host: c.route.name, Addr: c.route.addr(), Cause: "no shell", Detail: none.Error(), Err: none}
			exits[i].Err, exits[i].Why = u, u.Cause+": "+u.Detail
		}
	}
	return exits
}

// Hold is remote.Conn's Hold.
func (c *conn) Hold(ctx context.Context) { c.host.Hold(ctx) }

// Close is remote.Conn's Close.
func (c *conn) Close() error {
	errs := []error{c.host.Close()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files != nil {
		c.files.close()
		c.files = nil
	}
	for _, cl := range c.clients {
		errs = append(errs, cl.Close())
	}
	c.clients, c.closed = nil, true
	return errors.Join(errs...)
}

// Start is shell.Starter's Start.
func (c *conn) Start(ctx context.Context, account string) (shell.Process, error) {
	p, err := c.start(ctx, order{command: "exec " + shell.CommandLine(c.run)})
	if err != nil {
		return nil, err
	}
	if account == "" || account == c.route.user {
		return p, nil
	}
	if err := become.Become(ctx, p, account, c.become); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Carry is shell.Carrier's Carry. OpenSSH takes input for a command only after it has begun, so that a program that is sent comes a round trip
// later than one in the command line. That costs the host three processes, some milliseconds.
func (c *conn) Carry(ctx context.Context, account string, program []byte) (shell.Process, error) {
	const longest = 96 << 10 // of a command line; Linux takes 128 KiB
	c.mu.Lock()
	fits := c.master == nil && len(c.clients) > 0 && c.clients[0].far() && (account == "" || account == c.route.user)
	c.mu.Unlock()
	if !fits {
		return nil, nil
	}
	line := shell.CarryingLine(c.run, program)
	if len(line) > longest {
		return nil, nil
	}
	return c.start(ctx, order{command: line})
}

// An order is what a session is to run: a command line of the login shell's, or a subsystem of the server.
type order struct {
	command   string
	subsystem bool
	bulk      bool // it is going to be sent much
}

// errNoSubsystem says that a server does not have the subsystem that was ordered.
var errNoSubsystem = errors.New("the server has no such subsystem")

// start begins a session.
func (c *conn) start(ctx context.Context, o order) (shell.Process, error) {
	c.mu.Lock()
	m := c.master
	c.mu.Unlock()
	if m != nil {
		p, err := m.start(ctx, o, c.route.timeout)
		if err == nil || ctx.Err() != nil {
			return p, err
		}
		if _, refused := errors.AsType[*masterRefused](err); !refused {
			c.mu.Lock()
			c.master = nil
			c.mu.Unlock()
		}
	}
	p, err := c.session(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.order(o); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// session opens a session channel on the first connection that allows one, and makes another connection where none does.
func (c *conn) session(ctx context.Context) (*process, error) {
	c.mu.Lock()
	clients, closed := slices.Clone(c.clients), c.closed
	c.mu.Unlock()
	if closed {
		return nil, shell.ErrClosed
	}
	for _, cl := range clients {
		p, err := openSession(ctx, cl)
		if err == nil {
			return p, nil
		}
		if _, refused := errors.AsType[*ssh.OpenChannelError](err); !refused {
			return nil, err
		}
	}
	if len(clients) >= maxClients {
		return nil, fmt.Errorf("the server allows too few sessions on %d connections", len(clients))
	}
	cl, err := c.pool.connect(ctx, c.route)
	if err != nil {
		return nil, err
	}
	p, err := openSession(ctx, cl)
	if err != nil {
		cl.Close()
		if refused, ok := errors.AsType[*ssh.OpenChannelError](err); ok {
			return nil, &shell.NoShell{Said: "the server allows no session: " + refused.Message}
		}
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		cl.Close()
		return nil, shell.ErrClosed
	}
	c.clients = append(c.clients, cl)
	return p, nil
}

// openSession opens a session channel. The wait for it ends with ctx; what comes later is closed.
func openSession(ctx context.Context, cl *client) (*process, error) {
	type opened struct {
		p   *process
		err error
	}
	done := make(chan opened, 1)
	go func() {
		ch, reqs, err := cl.ssh.OpenChannel("session", nil)
		cl.raw.calm.Store(true)
		if err != nil {
			done <- opened{err: err}
			return
		}
		done <- opened{p: newProcess(cl, ch, reqs)}
	}()
	select {
	case o := <-done:
		if _, refused := errors.AsType[*ssh.OpenChannelError](o.err); o.err != nil && !refused {
			return nil, cl.lost()
		}
		return o.p, o.err
	case <-ctx.Done():
		go func() {
			if o := <-done; o.p != nil {
				o.p.Close()
			}
		}()
		return nil, context.Cause(ctx)
	}
}

// A process is a session channel as shell.Process.
type process struct {
	client *client
	ch     ssh.Channel
	stdin  io.Writer
	exited chan struct{} // closed when the server told how the process ended
	closed chan struct{} // closed when the server closed the channel, too
	once   sync.Once
}

func newProcess(cl *client, ch ssh.Channel, reqs <-chan *ssh.Request) *process {
	p := &process{client: cl, ch: ch, stdin: pieces{ch}, exited: make(chan struct{}), closed: make(chan struct{})}
	go p.serve(reqs)
	return p
}

// order says what the session is to run. It does not wait to hear that a command begins: the shell's own first marker says so, a round trip earlier.
func (p *process) order(o order) error {
	if o.bulk {
		p.stdin = p.ch
	}
	if !o.subsystem {
		if _, err := p.ch.SendRequest("exec", false, ssh.Marshal(struct{ Command string }{o.command})); err != nil {
			return p.client.lost()
		}
		return nil
	}
	ok, err := p.ch.SendRequest("subsystem", true, ssh.Marshal(struct{ Name string }{o.command}))
	if err == nil && !ok {
		return errNoSubsystem
	}
	return err
}

// serve reads what the server says of the channel, until it is closed.
func (p *process) serve(reqs <-chan *ssh.Request) {
	defer close(p.closed)
	told := false
	for r := range reqs {
		if (r.Type == "exit-status" || r.Type == "exit-signal") && !told {
			told = true
			close(p.exited)
		}
		if r.WantReply {
			_ = r.Reply(false, nil) // it fails once the connection is lost, which ends the loop
		}
	}
}

func (p *process) Stdin() io.Writer  { return p.stdin }
func (p *process) CloseInput() error { return p.ch.CloseWrite() }
func (p *process) Stdout() io.Reader { return p.ch }
func (p *process) Stderr() io.Reader { return p.ch.Stderr() }

// A pieces writes what is small in small pieces. The library keeps room for the largest packet that was ever sent, twice, for as long as the connection
// stands: thousands of idle hosts would keep their programs in it. What is large goes in packets as large as may be.
type pieces struct{ w io.Writer }

const (
	piece     = 4 << 10
	largeText = 64 << 10
)

func (w pieces) Write(p []byte) (n int, err error) {
	if len(p) > largeText {
		return w.w.Write(p)
	}
	for part := range slices.Chunk(p, piece) {
		m, err := w.w.Write(part)
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// answerLimit is how long a server may take to say that it is still there.
const answerLimit = 10 * time.Second

// Close gives the channel up. A server that does not do the same holds reads in flight, and loses the connection for it.
func (p *process) Close() error {
	p.once.Do(func() {
		p.ch.Close()
		hung := time.AfterFunc(answerLimit, func() {
			p.client.fail(fmt.Errorf("a channel was not closed for %s", answerLimit))
			p.client.raw.Close()
		})
		go func() {
			<-p.closed
			hung.Stop()
		}()
	})
	return nil
}

// Gone is shell.Process's Gone. A channel ends the same way whether its process or its connection did; the
// connection is asked.
func (p *process) Gone(ctx context.Context) error {
	select {
	case <-p.exited:
		return nil
	case <-p.client.dead:
		return p.client.lost()
	default:
	}
	answered := make(chan error, 1)
	go func() {
		_, _, err := p.client.ssh.SendRequest("keepalive@openssh.com", true, nil)
		answered <- err
	}()
	limit := time.NewTimer(answerLimit)
	defer limit.Stop()
	select {
	case err := <-answered:
		if err == nil {
			return nil
		}
		<-p.client.dead
		return p.client.lost()
	case <-limit.C:
		return fmt.Errorf("connection lost: no sign of life for %s", answerLimit)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
