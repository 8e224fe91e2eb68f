package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The states of a container.
const (
	stateCreated = "created"
	stateRunning = "running"
	statePaused  = "paused"
	stateExited  = "exited"
)

// containerSpec is what "docker run" was told.
type containerSpec struct {
	Name, Image, Entrypoint, User, Workdir, Hostname      string
	Network, IPC, PID, Restart                            string
	Command, Env, Binds, CapAdd, SecurityOpt, GroupAdd    []string
	Devices                                               []deviceSpec
	Ulimits                                               []ulimitSpec
	Ports                                                 []portSpec
	Labels                                                map[string]string
	Privileged, Init, initGiven, Remove, Detach, Interact bool
	ShmSize                                               int64
}

type deviceSpec struct{ Host, Inside, Rights string }

type ulimitSpec struct {
	Name       string
	Soft, Hard int64
}

type portSpec struct {
	IP, Host, Inside string // Inside: 80/tcp
}

// A container is one of the engine's. The engine's mutex guards what changes.
type container struct {
	engine  *ContainerEngine
	id      string
	name    string
	spec    containerSpec
	image   *labImage
	fs      *FS
	created time.Time

	world    *World
	main     *Process
	state    string
	code     int
	err      string
	started  time.Time
	finished time.Time
	halted   bool // by a person: unless-stopped does not start it again
	log      *logTail
}

// alive tells whether a process has not ended.
func (p *Process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// why says on whose behalf a container ends.
type why bool

const (
	byPerson why = true
	byEngine why = false
)

var containerNames = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

func validContainer(name string) error {
	if !containerNames.MatchString(name) {
		return daemonError(fmt.Sprintf("Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name))
	}
	return nil
}

func newContainerID() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// create makes a container of an image that the host has.
func (e *ContainerEngine) create(spec containerSpec) (*container, error) {
	img := e.local(spec.Image)
	if img == nil {
		return nil, daemonError("No such image: " + spec.Image)
	}
	root, err := img.root(e.host.lab)
	if err != nil {
		return nil, err
	}
	c := &container{engine: e, id: newContainerID(), name: spec.Name, spec: spec, image: img, fs: root.Clone(), created: e.host.lab.now(), state: stateCreated, log: &logTail{}}
	if c.name == "" {
		c.name = "lab_" + c.id[:8]
	}
	if err := validContainer(c.name); err != nil {
		return nil, err
	}
	if err := c.furnish(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, other := range e.containers {
		if other.name == c.name {
			return nil, nameConflict(other)
		}
	}
	e.containers = append(e.containers, c)
	return c, nil
}

// furnish gives the file system what the engine puts into every container, and the volumes.
func (c *container) furnish() error {
	h := c.engine.host
	c.fs.SetGuard(func(path string, grow bool) error { return h.faults.guard(dockerStore+"/overlay2"+path, grow) })
	b := &builder{fs: c.fs}
	b.file("/etc/hostname", 0o644, c.hostname()+"\n")
	b.file("/etc/hosts", 0o644, fmt.Sprintf("127.0.0.1\tlocalhost\n%s\t%s\n", h.ip, c.hostname()))
	b.file("/etc/resolv.conf", 0o644, "nameserver 127.0.0.11\n")
	if b.err != nil {
		return daemonError("failed to set up the container: " + strerror(b.err))
	}
	for _, v := range c.spec.Binds {
		if err := c.mount(v); err != nil {
			return err
		}
	}
	return nil
}

func (c *container) mount(bind string) error {
	parts := strings.Split(bind, ":")
	src, dst := parts[0], parts[1]
	if !strings.HasPrefix(src, "/") {
		src = dockerStore + "/volumes/" + src + "/_data"
	}
	h := c.engine.host
	info, err := h.FS().Stat(src)
	if err != nil {
		if err := h.FS().MkdirAll(src, 0o755); err != nil {
			return daemonError("error while creating mount source path '" + src + "': mkdir " + src + ": " + strings.ToLower(strerror(err)))
		}
	}
	if err != nil || info.IsDir() {
		err = c.fs.MkdirAll(dst, 0o755)
	} else if _, there := c.fs.Stat(dst); there != nil {
		err = c.fs.WriteFile(dst, nil, 0o644)
	} else {
		err = nil
	}
	if err == nil {
		err = c.fs.Mount(dst, h.FS(), src, len(parts) == 3 && slices.Contains(strings.Split(parts[2], ","), "ro"))
	}
	if err != nil {
		return daemonError("cannot mount " + bind + ": " + strerror(err))
	}
	return nil
}

func (c *container) hostname() string {
	switch {
	case c.spec.Hostname != "":
		return c.spec.Hostname
	case c.spec.Network == "host":
		return c.engine.host.Name()
	}
	return c.id[:12]
}

// argv is the first process's.
func (c *container) argv() []string {
	command := c.spec.Command
	if len(command) == 0 && c.spec.Entrypoint == "" {
		command = c.image.entry.Command
	}
	if c.spec.Entrypoint != "" {
		return append([]string{c.spec.Entrypoint}, command...)
	}
	return command
}

func (c *container) env(user User, extra ...string) []string {
	env := append([]string{"PATH=" + defaultPath, "HOSTNAME=" + c.hostname()}, []string{}...)
	env = setEnv(env, c.image.entry.Env...)
	env = setEnv(env, c.spec.Env...)
	env = setEnv(env, extra...)
	for _, e := range env {
		if strings.HasPrefix(e, "HOME=") {
			return env
		}
	}
	return append(env, "HOME="+orDefault(user.Home, "/"))
}

// user finds the account NAME, UID, NAME:GROUP in the container.
func (c *container) user(w *World, wanted string) (User, error) {
	account, _, _ := strings.Cut(orDefault(wanted, "root"), ":")
	if u, ok := w.LookupUser(account); ok {
		return u, nil
	}
	if uid, err := strconv.Atoi(account); err == nil {
		if u, ok := w.LookupUID(uid); ok {
			return u, nil
		}
	}
	return User{}, daemonError(fmt.Sprintf("unable to find user %s: no matching entries in passwd file", account))
}

// start runs the container's command. Starting one that runs does nothing.
func (e *ContainerEngine) start(c *container) error {
	e.mu.Lock()
	state := c.state
	e.mu.Unlock()
	switch state {
	case stateRunning:
		return nil
	case statePaused:
		return daemonError("cannot start a paused container, try unpause instead")
	}
	err := c.launch()
	if err == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c.err, c.code = strings.TrimPrefix(err.Error(), "Error response from daemon: "), 128
	var missing noProgram
	if errors.As(err, &missing) {
		c.code = missing.code
	}
	return err
}

// noProgram is a command that the container cannot run.
type noProgram struct {
	daemonError
	code int
}

func (c *container) launch() error {
	h := c.engine.host
	network := (*Network)(nil)
	if c.spec.Network == "host" {
		network = h.world.net
	}
	w := h.NewWorld(c.name, c.hostname(), c.fs, network)
	user, err := c.prepare(w)
	if err != nil {
		w.Close()
		return err
	}
	argv := c.argv()
	env := c.env(user)
	if err := c.runnable(argv[0], env); err != nil {
		w.Close()
		return err
	}
	c.engine.mu.Lock()
	c.world, c.state, c.err, c.code, c.halted = w, stateRunning, "", 0, false
	c.started = h.lab.now()
	log := c.log
	c.engine.mu.Unlock()
	idle := len(argv) == 2 && argv[0][strings.LastIndexByte(argv[0], '/')+1:] == "sleep" && argv[1] == "infinity" // costs no goroutine
	ready := make(chan struct{})
	main := w.Start(Launch{
		Argv: argv, Env: env, Dir: orDefault(c.spec.Workdir, "/"), User: user.Name, Stdout: log, Stderr: log, Idle: idle,
		Main: func(p *Process) int {
			<-ready
			code := p.Exec(argv)
			c.ended(p, code)
			return code
		},
	})
	c.engine.mu.Lock()
	c.main = main
	c.engine.mu.Unlock()
	close(ready)
	if err := c.publish(main); err != nil {
		c.end(SIGKILL, byEngine)
		return err
	}
	return nil
}

// prepare makes the devices and finds the accounts.
func (c *container) prepare(w *World) (User, error) {
	host := c.engine.host.FS()
	devices := c.spec.Devices
	if c.spec.Privileged {
		for _, dir := range []string{"/dev/kfd", "/dev/dri", "/dev/infiniband"} {
			if _, err := host.Stat(dir); err == nil {
				devices = append(slices.Clone(devices), deviceSpec{Host: dir, Inside: dir})
			}
		}
	}
	for _, d := range devices {
		if err := c.device(host, d.Host, d.Inside); err != nil {
			return User{}, daemonError(fmt.Sprintf("error gathering device information while adding custom device %q: no such file or directory", d.Host))
		}
	}
	for _, g := range c.spec.GroupAdd {
		if _, ok := w.lookupGroup(g); !ok {
			if _, err := strconv.Atoi(g); err != nil {
				return User{}, daemonError(fmt.Sprintf("Unable to find group %s: no matching entries in group file", g))
			}
		}
	}
	if c.spec.Workdir != "" {
		if err := c.fs.MkdirAll(c.spec.Workdir, 0o755); err != nil {
			return User{}, daemonError("cannot make the working directory: " + strerror(err))
		}
	}
	return c.user(w, c.spec.User)
}

// device copies a device, or a folder of devices, from the host.
func (c *container) device(host *FS, from, to string) error {
	return host.Walk(from, func(path string, info Info) error {
		inside := to + strings.TrimPrefix(path, from)
		if info.IsDir() {
			return c.fs.MkdirAll(inside, 0o755)
		}
		if _, err := c.fs.Lstat(inside); err == nil {
			return nil
		}
		if err := c.fs.MkdirAll(dirOf(inside), 0o755); err != nil {
			return err
		}
		if err := c.fs.Mknod(inside, info.Bits, info.Major, info.Minor); err != nil {
			return err
		}
		return c.fs.Chown(inside, info.UserID, info.GroupID)
	})
}

// runnable looks for a program as the runtime does before it starts anything.
func (c *container) runnable(name string, env []string) error {
	v := rootView(c.fs)
	v.cwd = orDefault(c.spec.Workdir, "/")
	failed := func(code int, words string) error {
		return noProgram{daemonError(fmt.Sprintf("failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: %q: %s", name, words)), code}
	}
	if strings.Contains(name, "/") {
		switch err := v.executable(name); {
		case err == nil:
			return nil
		case strings.Contains(strerror(err), "denied"):
			return failed(126, "permission denied: unknown")
		}
		return failed(127, "stat "+name+": no such file or directory: unknown")
	}
	path := defaultPath
	for _, e := range env {
		if p, ok := strings.CutPrefix(e, "PATH="); ok {
			path = p
		}
	}
	for dir := range strings.SplitSeq(path, ":") {
		if v.executable(dir+"/"+name) == nil {
			return nil
		}
	}
	return failed(127, "executable file not found in $PATH: unknown")
}

// publish listens on the host for the ports of a container with a network of its own.
func (c *container) publish(main *Process) error {
	if c.spec.Network == "host" {
		return nil
	}
	inside := c.world.net
	for _, p := range c.spec.Ports {
		port, err := strconv.Atoi(p.Host)
		if err != nil {
			continue
		}
		number, _, _ := strings.Cut(p.Inside, "/")
		target, err := strconv.Atoi(number)
		if err != nil {
			continue
		}
		l := &Listener{Process: main, Address: orDefault(p.IP, "0.0.0.0"), Port: port, Accept: func(conn net.Conn) {
			listener := inside.at(target)
			if listener == nil {
				_ = conn.Close()
				return
			}
			listener.Accept(conn)
		}}
		if err := c.engine.host.world.net.Listen(l); err != nil {
			return daemonError(fmt.Sprintf("driver failed programming external connectivity on endpoint %s: Bind for %s:%d failed: port is already allocated", c.name, l.Address, port))
		}
	}
	return nil
}

// ended notes that the first process is over; everything else in the container dies with it.
func (c *container) ended(p *Process, code int) {
	e := c.engine
	e.mu.Lock()
	if c.main != p || c.state == stateExited {
		e.mu.Unlock()
		return
	}
	c.state, c.code, c.finished = stateExited, code, e.host.lab.now()
	world, remove := c.world, c.spec.Remove
	if remove {
		e.containers = slices.DeleteFunc(e.containers, func(o *container) bool { return o == c })
	}
	e.mu.Unlock()
	e.host.world.net.drop(p)
	world.stop()
	world.Kill(SIGKILL)
}

// end kills the container.
func (c *container) end(sig Signal, on why) {
	e := c.engine
	e.mu.Lock()
	main, state := c.main, c.state
	active := state == stateRunning || state == statePaused
	if active {
		c.halted = bool(on)
	}
	e.mu.Unlock()
	if !active {
		return
	}
	c.ended(main, 128+int(sig))
	main.finish(exitStatus{signal: sig})
}

// halt stops the container as docker stop does: TERM, and KILL where that has not helped in time. The first process of a container gets no signal that
// it does not handle, so one without a handler is killed at once rather than after the full time.
func (c *container) halt(ctx context.Context, patience time.Duration) {
	e := c.engine
	e.mu.Lock()
	main, state := c.main, c.state
	e.mu.Unlock()
	if state != stateRunning && state != statePaused {
		return
	}
	if c.spec.Init {
		c.end(SIGTERM, byPerson)
		return
	}
	main.mu.Lock()
	handles := main.handler != nil
	main.mu.Unlock()
	if handles {
		main.Signal(SIGTERM)
		select {
		case <-main.Done():
		case <-ctx.Done():
		case <-time.After(patience):
		}
	}
	c.end(SIGKILL, byPerson)
}

// restarts tells whether the engine starts the container when it starts itself.
func (c *container) restarts() bool {
	policy, _, _ := strings.Cut(c.spec.Restart, ":")
	switch policy {
	case "always":
		return c.state == stateExited
	case "unless-stopped":
		return c.state == stateExited && !c.halted
	}
	return false
}

// logTail keeps the end of what the first process wrote.
type logTail struct {
	mu   sync.Mutex
	data []byte
}

const logKept = 64 << 10

func (l *logTail) read(context.Context, []byte) (int, error) { return 0, nil }

func (l *logTail) write(_ context.Context, p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.data = append(l.data, p...)
	if over := len(l.data) - logKept; over > 0 {
		l.data = slices.Clone(l.data[over:])
	}
	return len(p), nil
}

func (l *logTail) close() error { return nil }

// last gives the last lines; a negative number is all.
func (l *logTail) last(n int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 0 {
		return bytes.Clone(l.data)
	}
	lines := bytes.SplitAfter(l.data, []byte("\n"))
	if len(lines) > 0 && len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	return bytes.Join(lines[max(0, len(lines)-n):], nil)
}
