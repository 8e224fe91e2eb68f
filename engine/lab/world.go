package lab

import (
	"context"
	"slices"
	"sync"
	"time"
)

// World is a root file system with processes and a network: a host, or a container on one. The same programs and the
// same shell serve both.
type World struct {
	host *Host
	name string // of the container; "" for the host itself
	fs   *FS
	net  *Network
	ctx  context.Context //nolint:containedctx // the life of the world
	stop context.CancelFunc

	pidNS int64 // number of its PID namespace, as /proc/PID/ns shows it

	mu       sync.Mutex
	hostname string
	procs    map[int]*Process
	nextPID  int
	bootTime time.Time
}

// NewWorld makes a world on the host: a container with the root file system fs. A nil net gives it a network of its
// own. /proc is there at once; /dev has to be on fs (see MakeDevices).
func (h *Host) NewWorld(name, hostname string, fs *FS, net *Network) *World {
	if net == nil {
		net = &Network{resolve: h.resolve}
	}
	w := &World{
		host: h, name: name, fs: fs, net: net, hostname: hostname,
		procs: map[int]*Process{}, nextPID: 1, bootTime: h.lab.now(), pidNS: firstPIDNamespace,
	}
	if name != "" {
		w.pidNS += h.lab.worlds.Add(1)
	}
	w.ctx, w.stop = context.WithCancel(h.lab.ctx)
	w.mountProc()
	return w
}

// firstPIDNamespace is the number of a kernel's own PID namespace.
const firstPIDNamespace = 0xEFFFFFFC

// Name is the container's name, "" for a host.
func (w *World) Name() string { return w.name }

func (w *World) hostName() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hostname
}

func (w *World) setHostName(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hostname = name
}

// FS is the root file system.
func (w *World) FS() *FS { return w.fs }

// Network is the network the world sees.
func (w *World) Network() *Network { return w.net }

// Host is the host on which it is.
func (w *World) Host() *Host { return w.host }

func (w *World) lab() *Lab      { return w.host.lab }
func (w *World) now() time.Time { return w.host.lab.now() }

// Processes lists what runs, by pid.
func (w *World) Processes() []*Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]*Process, 0, len(w.procs))
	for _, p := range w.procs {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *Process) int { return a.pid - b.pid })
	return out
}

// Process finds a process by its number; nil if there is none.
func (w *World) Process(pid int) *Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.procs[pid]
}

// admit gives a new process its number and its life.
func (w *World) admit(p *Process) {
	p.ctx, p.end = context.WithCancel(w.ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	p.pid = w.nextPID
	w.nextPID++
	w.procs[p.pid] = p
}

// dismiss takes a process out of the table; its children belong to the first process from then on.
func (w *World) dismiss(p *Process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.procs, p.pid)
	for _, c := range w.procs {
		c.mu.Lock()
		if c.ppid == p.pid {
			c.ppid = 1
		}
		c.mu.Unlock()
	}
}

// Launch is how a process comes into a world from outside: the first one of a container, a login, a daemon.
type Launch struct {
	Argv   []string
	Env    []string
	Dir    string // "/" by default
	User   string // "root" by default
	Parent int    // pid of the parent, 0 by default
	Stdin  stream // nil: /dev/null
	Stdout stream
	Stderr stream
	Main   func(p *Process) int // nil: the program called Argv[0]
	From   *Process             // on whose behalf: a fault that cuts the connection cuts that of From
	Idle   bool                 // a daemon that only exists: no code, until it is killed
	login  *login
}

// Start starts a process in a session of its own.
func (w *World) Start(s Launch) *Process {
	user, ok := w.LookupUser(orDefault(s.User, "root"))
	if !ok {
		user = User{Name: orDefault(s.User, "root"), Groups: []int{0}, Home: "/", Shell: "/bin/sh"}
	}
	p := &Process{
		world: w, start: w.now(), done: make(chan struct{}),
		ppid: s.Parent, argv: s.Argv, exe: s.Argv[0], env: s.Env, cwd: orDefault(s.Dir, "/"), umask: 0o022, user: user,
		fds: map[int]*descriptor{}, login: s.login,
	}
	if s.From != nil {
		p.login = s.From.login
	}
	for n, st := range []stream{s.Stdin, s.Stdout, s.Stderr} {
		if st == nil {
			st = nullDevice{}
		}
		p.fds[n] = newDescriptor(st, "/dev/null")
	}
	w.admit(p)
	p.mu.Lock() // others see it from now on
	p.pgid, p.sid = p.pid, p.pid
	p.mu.Unlock()
	if s.Idle {
		return p
	}
	main := s.Main
	if main == nil {
		main = func(p *Process) int { return p.Exec(s.Argv) }
	}
	p.run(main)
	return p
}

// Wait waits until the process has ended and gives its exit status as a shell shows it: 128 and the signal if it was
// killed.
func (p *Process) Wait() int {
	<-p.done
	return p.exit().shell()
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Kill ends every process of the world; the world itself can go on with new ones.
func (w *World) Kill(sig Signal) {
	for _, p := range w.Processes() {
		if sig == SIGKILL {
			p.finish(exitStatus{signal: sig})
		} else {
			p.Signal(sig)
		}
	}
}

// Close kills everything and ends the world.
func (w *World) Close() {
	w.Kill(SIGKILL)
	w.stop()
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
