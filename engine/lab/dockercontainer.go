package lab

import (
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
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The states of a container.
const (
	stateCreated = "created"
	stateRunning = "running"
	statePaused  = "paused"
	stateExited  = "exited"

	stateRestarting = "restarting"
	stateDead       = "dead" // removing it has failed half-way
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
	Health                                                *v1.HealthConfig // nil: the image's
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
	engine *ContainerEngine
	id     string
	name   string
	spec   containerSpec

	imageName string // podman: the image's name in full
	image     *labImage
	fs        *FS
	created   time.Time

	world    *World
	main     *Process
	state    string
	code     int
	err      string
	started  time.Time
	finished time.Time
	halted   bool // by a person: unless-stopped does not start it again
	ending   bool // somebody else ends it: its policy does not start it again
	restarts int
	retry    context.CancelFunc // calls off the restart that it waits for
	health   *health            // nil: no check
	log      *containerLog
	attached streams // of a client that waits for the container
}

// streams are those of a client; nil where it has none.
type streams struct{ stdin, stdout, stderr stream }

// active tells whether the container has to be stopped before it can go.
func (c *container) active() bool {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	return c.state == stateRunning || c.state == statePaused || c.state == stateRestarting
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

func newContainerID() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// create makes a container of an image that the host has.
func (e *ContainerEngine) create(spec containerSpec) (*container, error) {
	img := e.local(spec.Image)
	if img == nil {
		return nil, e.imageMissing(spec.Image)
	}
	root, err := img.root(e.host.lab)
	if err != nil {
		return nil, err
	}
	c := &container{engine: e, id: newContainerID(), name: spec.Name, spec: spec, image: img, fs: root.Clone(), created: e.host.lab.now(), state: stateCreated, log: &containerLog{}}
	if e.podman {
		c.imageName = e.fullName(spec.Image, img)
		for _, d := range spec.Devices {
			if _, err := e.host.FS().Stat(d.Host); err != nil {
				return nil, e.fail(noDevice, d.Host)
			}
		}
	}
	if c.name == "" {
		c.name = "lab_" + c.id[:8]
	}
	if !containerNames.MatchString(c.name) {
		return nil, e.fail(badName, c.name)
	}
	if err := c.furnish(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, other := range e.containers {
		if other.name == c.name {
			return nil, e.fail(nameTaken, other.name, other.id)
		}
	}
	e.containers = append(e.containers, c)
	return c, nil
}

// furnish gives the file system what the engine puts into every container, and the volumes.
func (c *container) furnish() error {
	h := c.engine.host
	c.fs.SetGuard(func(path string, grow bool) error { return h.faults.guard(c.engine.store+"/overlay2"+path, grow) })
	b := &builder{fs: c.fs}
	b.file("/etc/hostname", 0o644, c.hostname()+"\n")
	b.file("/etc/hosts", 0o644, fmt.Sprintf("127.0.0.1\tlocalhost\n%s\t%s\n", h.ip, c.hostname()))
	b.file("/etc/resolv.conf", 0o644, "nameserver 127.0.0.11\n")
	if c.engine.podman {
		b.file("/run/.containerenv", 0o644, "")
	} else {
		b.file("/.dockerenv", 0o755, "")
	}
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
	named := !strings.HasPrefix(src, "/")
	if named {
		src = c.engine.store + "/volumes/" + src + "/_data"
	}
	h := c.engine.host
	info, err := h.FS().Stat(src)
	if err != nil && c.engine.podman && !named {
		return c.engine.fail(noSource, src)
	}
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
	env := []string{"PATH=" + defaultPath, "HOSTNAME=" + c.hostname()}
	if c.engine.podman {
		env = append(env, "TERM=xterm", "container=podman")
	}
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
	return User{}, c.engine.fail(noUser, account, c.id)
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
		return e.fail(startPaused, c.id)
	case stateRestarting:
		c.end(SIGKILL, byEngine) // and not in a while
	case stateDead:
		return daemonError("container is marked for removal and cannot be started")
	}
	err := c.launch()
	if err == nil || e.podman {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c.err, c.code = wordsOf(err), 128
	var missing noProgram
	if errors.As(err, &missing) {
		c.code = missing.code
	}
	return err
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
	c.world, c.state, c.err, c.code, c.halted, c.ending = w, stateRunning, "", 0, false, false
	c.started = h.lab.now()
	c.health = c.newHealth()
	c.engine.mu.Unlock()
	idle := len(argv) == 2 && argv[0][strings.LastIndexByte(argv[0], '/')+1:] == "sleep" && argv[1] == "infinity" // costs no goroutine
	ready := make(chan struct{})
	main := w.Start(Launch{
		Argv: argv, Env: env, Dir: orDefault(c.spec.Workdir, "/"), User: user.Name, Idle: idle,
		Stdin: c.attached.stdin, Stdout: c.log.stream(1, c.attached.stdout), Stderr: c.log.stream(2, c.attached.stderr),
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
	c.watch(main)
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
			return User{}, c.engine.fail(noDevice, d.Host)
		}
	}
	for _, g := range c.spec.GroupAdd {
		if _, ok := w.lookupGroup(g); !ok {
			if _, err := strconv.Atoi(g); err != nil {
				return User{}, c.engine.fail(noGroup, g, c.id)
			}
		}
	}
	if info, err := c.fs.Stat(orDefault(c.spec.Workdir, "/")); c.engine.podman && (err != nil || !info.IsDir()) {
		return User{}, c.engine.fail(noWorkdir, c.spec.Workdir, c.id)
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
	failed := func(code int, p problem) error { return noProgram{c.engine.fail(p, name), code} }
	if strings.Contains(name, "/") {
		switch err := v.executable(name); {
		case err == nil:
			return nil
		case strings.Contains(strerror(err), "denied"):
			return failed(126, programForbidden)
		}
		return failed(127, programNotThere)
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
	return failed(127, programMissing)
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
			return c.engine.fail(portTaken, c.name, l.Address, port)
		}
	}
	return nil
}

// ended notes that the first process is over; everything else in the container dies with it. Its policy may start it again.
func (c *container) ended(p *Process, code int) {
	e := c.engine
	e.mu.Lock()
	if c.main != p || c.state == stateExited {
		e.mu.Unlock()
		return
	}
	c.state, c.code, c.finished = stateExited, code, e.host.lab.now()
	world, remove, again := c.world, c.spec.Remove, !c.ending && c.restartsAfter(code)
	if remove {
		e.containers = slices.DeleteFunc(e.containers, func(o *container) bool { return o == c })
	}
	if again {
		c.restartSoon()
	}
	e.mu.Unlock()
	e.host.world.net.drop(p)
	world.stop()
	world.Kill(SIGKILL)
}

// restartsAfter tells whether the policy starts the container again after it ended by itself. The caller holds the engine's mutex.
func (c *container) restartsAfter(code int) bool {
	policy, most, _ := strings.Cut(c.spec.Restart, ":")
	switch policy {
	case "always", "unless-stopped":
		return true
	case "on-failure":
		n, _ := strconv.Atoi(most)
		return code != 0 && (n == 0 || c.restarts < n)
	}
	return false
}

// restartSoon starts the container again after a while, which doubles each time. The caller holds the engine's mutex.
func (c *container) restartSoon() {
	e := c.engine
	if !e.podman {
		c.state = stateRestarting
	}
	after := 100 * time.Millisecond << min(c.restarts, 9)
	c.restarts++
	ctx, cancel := context.WithCancel(e.host.lab.ctx)
	c.retry = cancel
	e.host.lab.work.start(func() {
		defer cancel()
		select {
		case <-ctx.Done():
			return
		case <-time.After(after):
		}
		e.mu.Lock()
		calledOff := ctx.Err() != nil
		if !calledOff {
			c.state = stateExited
		}
		e.mu.Unlock()
		if !calledOff {
			_ = e.start(c)
		}
	})
}

// end kills the container.
func (c *container) end(sig Signal, on why) {
	e := c.engine
	e.mu.Lock()
	main, state := c.main, c.state
	active := state == stateRunning || state == statePaused
	if c.retry != nil {
		c.retry()
		c.retry = nil
	}
	if state == stateRestarting {
		c.state = stateExited
	}
	if active || state == stateRestarting {
		c.halted, c.ending = bool(on), true
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
		c.end(SIGKILL, byPerson) // it may wait for a restart
		return
	}
	e.mu.Lock()
	c.ending, c.halted = true, true
	e.mu.Unlock()
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

// comesBack tells whether the engine starts the container when it starts itself. The caller holds the engine's mutex.
func (c *container) comesBack() bool {
	policy, _, _ := strings.Cut(c.spec.Restart, ":")
	switch policy {
	case "always":
		return c.state == stateExited
	case "unless-stopped":
		return c.state == stateExited && !c.halted
	}
	return false
}
