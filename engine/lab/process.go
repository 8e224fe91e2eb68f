package lab

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Command is the code of a program of a lab host. argv[0] is the name it was called by; the result is the exit
// status. Everything it may use it gets from p: standard streams, environment, directory, files, user. It has to come
// back soon after ctx is done, which is when the process was killed.
type Command func(ctx context.Context, p *Process, argv []string) int

// Process is a running program of a World.
type Process struct {
	world *World
	pid   int
	start time.Time
	ctx   context.Context //nolint:containedctx // the life of the process is what this type is about
	end   context.CancelFunc
	done  chan struct{}
	login *login // the connection it came over; nil for daemons

	mu      sync.Mutex
	ppid    int
	pgid    int
	sid     int
	argv    []string
	exe     string
	env     []string
	cwd     string
	umask   Mode
	user    User
	fds     map[int]*descriptor
	dead    bool
	status  exitStatus
	ignored signalSet
	handler func(Signal) bool // takes the signals that the program handles
}

// exitStatus says how a process ended.
type exitStatus struct {
	code   int
	signal Signal // 0: it returned
}

// shell is the value of $? after it.
func (s exitStatus) shell() int {
	if s.signal != 0 {
		return 128 + int(s.signal)
	}
	return s.code
}

// spawn says how a child differs from its parent.
type spawn struct {
	argv    []string
	exe     string
	env     []string // nil: the parent's
	user    *User
	session bool // of its own, with a process group
	group   bool // a process group of its own
	files   map[int]*descriptor
	main    func(p *Process) int
}

// fork makes a child of p that is not running yet. It has p's descriptors unless s.files is given. What a process does that was killed meanwhile
// leaves no child behind: it is dead from the start.
func (p *Process) fork(s spawn) *Process {
	p.mu.Lock()
	c := &Process{
		world: p.world, start: p.world.now(), done: make(chan struct{}),
		ppid: p.pid, pgid: p.pgid, sid: p.sid, argv: p.argv, exe: p.exe, env: p.env, cwd: p.cwd, umask: p.umask,
		user: p.user, ignored: p.ignored, login: p.login,
	}
	files := s.files
	if files == nil {
		files = p.fds
	}
	c.fds = make(map[int]*descriptor, len(files))
	for n, d := range files {
		c.fds[n] = d.dup()
	}
	orphan := p.dead
	p.mu.Unlock()
	if s.argv != nil {
		c.argv = s.argv
	}
	if s.exe != "" {
		c.exe = s.exe
	}
	if s.env != nil {
		c.env = s.env
	}
	if s.user != nil {
		c.user = *s.user
	}
	p.world.admit(c)
	c.mu.Lock() // others see it from now on
	if s.session {
		c.sid, c.pgid = c.pid, c.pid
	}
	if s.group {
		c.pgid = c.pid
	}
	c.mu.Unlock()
	if orphan {
		c.finish(exitStatus{signal: SIGKILL})
	}
	return c
}

// run gives the process its program, in a goroutine of its own.
func (p *Process) run(main func(p *Process) int) {
	p.world.lab().work.start(func() {
		if p.ctx.Err() != nil {
			p.finish(exitStatus{signal: SIGKILL})
			return
		}
		p.finish(exitStatus{code: main(p) & 0xff})
	})
}

// spawn starts a child.
func (p *Process) spawn(s spawn) *Process {
	c := p.fork(s)
	c.run(s.main)
	return c
}

// wait waits for a child, or until p itself is killed.
func (p *Process) wait(child *Process) exitStatus {
	select {
	case <-child.done:
	case <-p.ctx.Done():
		select {
		case <-child.done:
		default:
			return exitStatus{signal: SIGKILL}
		}
	}
	return child.exit()
}

func (p *Process) exit() exitStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// finish ends the process: what it held is given back, whoever waits for it goes on. Only the first call counts.
func (p *Process) finish(st exitStatus) {
	p.mu.Lock()
	if p.dead {
		p.mu.Unlock()
		return
	}
	p.dead, p.status = true, st
	fds := p.fds
	p.fds = nil
	p.mu.Unlock()
	p.end()
	p.world.net.drop(p)
	p.world.dismiss(p)
	for _, d := range fds {
		d.release()
	}
	close(p.done)
}

// Signal delivers sig as kill(2) does.
func (p *Process) Signal(sig Signal) {
	p.mu.Lock()
	dead, handler, ignored := p.dead, p.handler, p.ignored.has(sig)
	p.mu.Unlock()
	switch {
	case sig == 0 || dead:
	case p.pid == 1 && handler == nil:
	case sig == SIGKILL:
		p.finish(exitStatus{signal: sig})
	case ignored:
	case handler != nil && handler(sig):
	case sig.harmless():
	default:
		p.finish(exitStatus{signal: sig})
	}
}

func (p *Process) ignore(sig Signal, yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if yes {
		p.ignored = p.ignored.with(sig)
	} else {
		p.ignored = p.ignored.without(sig)
	}
}

// OnSignal lets take handle signals; it says whether it did. It is called on the sender's goroutine and must not block.
func (p *Process) OnSignal(take func(Signal) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handler = take
}

// PID is the process's number in its world.
func (p *Process) PID() int { return p.pid }

// World is where the process lives.
func (p *Process) World() *World { return p.world }

// Host is the host on which it runs, be it in a container or not.
func (p *Process) Host() *Host { return p.world.host }

// User is the account it runs as.
func (p *Process) User() User {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.user
}

// Dir is the working directory.
func (p *Process) Dir() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cwd
}

// Argv is the command line.
func (p *Process) Argv() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.argv
}

// Environ is the environment.
func (p *Process) Environ() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.env
}

// Getenv is one variable of the environment, "" if it is not there.
func (p *Process) Getenv(name string) string {
	value, _ := p.lookupEnv(name)
	return value
}

func (p *Process) lookupEnv(name string) (string, bool) {
	env := p.Environ()
	for i := len(env) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(env[i], "="); ok && k == name {
			return v, true
		}
	}
	return "", false
}

// setEnv gives an environment with the assignments applied.
func setEnv(env []string, assignments ...string) []string {
	out := make([]string, 0, len(env)+len(assignments))
	set := map[string]bool{}
	for _, a := range assignments {
		name, _, _ := strings.Cut(a, "=")
		set[name] = true
	}
	for _, e := range env {
		if name, _, _ := strings.Cut(e, "="); !set[name] {
			out = append(out, e)
		}
	}
	return append(out, assignments...)
}

func (p *Process) fd(n int) *descriptor {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fds[n]
}

// setFD puts d at n and gives back what was there, which the caller has to release.
func (p *Process) setFD(n int, d *descriptor) *descriptor {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.fds[n]
	switch {
	case p.dead:
		return d
	case d == nil:
		delete(p.fds, n)
	default:
		p.fds[n] = d
	}
	return old
}

// files is a copy of the process's descriptors. One that was killed has none.
func (p *Process) files() map[int]*descriptor {
	p.mu.Lock()
	defer p.mu.Unlock()
	files := make(map[int]*descriptor, len(p.fds)+2)
	maps.Copy(files, p.fds)
	return files
}

// channel is one of the process's descriptors as an io.Reader and io.Writer. Writing to a pipe that nobody reads is
// SIGPIPE.
type channel struct {
	p *Process
	n int
}

func (c channel) Read(b []byte) (int, error) {
	d := c.p.fd(c.n)
	if d == nil {
		return 0, syscall.EBADF
	}
	return d.read(c.p.ctx, b)
}

func (c channel) Write(b []byte) (int, error) {
	d := c.p.fd(c.n)
	if d == nil {
		return 0, syscall.EBADF
	}
	n, err := d.write(c.p.ctx, b)
	if err != nil && reason(err) == syscall.EPIPE {
		c.p.Signal(SIGPIPE)
	}
	return n, err
}

// Stdin is descriptor 0.
func (p *Process) Stdin() io.Reader { return channel{p, 0} }

// Stdout is descriptor 1.
func (p *Process) Stdout() io.Writer { return channel{p, 1} }

// Stderr is descriptor 2.
func (p *Process) Stderr() io.Writer { return channel{p, 2} }

// Errorf writes a message to standard error, after the program's name.
func (p *Process) Errorf(format string, args ...any) {
	fmt.Fprintf(p.Stderr(), "%s: %s\n", p.name(), fmt.Sprintf(format, args...))
}

// name is the command's name without directories.
func (p *Process) name() string {
	argv := p.Argv()
	if len(argv) == 0 {
		return "?"
	}
	return argv[0][strings.LastIndexByte(argv[0], '/')+1:]
}

// view is the file system as the process may use it.
func (p *Process) view() view {
	p.mu.Lock()
	defer p.mu.Unlock()
	return view{root: p.world.fs, cwd: p.cwd, uid: p.user.UID, gids: p.user.Groups, umask: p.umask, proc: p}
}

// Abs makes a path absolute.
func (p *Process) Abs(path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return strings.TrimSuffix(p.Dir(), "/") + "/" + path
}

// ReadFile reads a file with the process's rights.
func (p *Process) ReadFile(path string) ([]byte, error) {
	d, err := p.openFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer d.release()
	return io.ReadAll(streamReader{p.ctx, d})
}

// WriteFile makes or replaces a file with the process's rights and umask.
func (p *Process) WriteFile(path string, data []byte, mode Mode) error {
	d, err := p.openFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	defer d.release()
	_, err = d.write(p.ctx, data)
	return err
}

// Stat describes a file, following symbolic links.
func (p *Process) Stat(path string) (Info, error) { return p.view().stat(path, true) }

// Lstat describes a file itself.
func (p *Process) Lstat(path string) (Info, error) { return p.view().stat(path, false) }

func (p *Process) openFile(path string, flags int, mode Mode) (*descriptor, error) {
	st, where, err := p.view().open(path, flags, mode)
	if err != nil {
		return nil, err
	}
	return newDescriptor(st, where), nil
}
