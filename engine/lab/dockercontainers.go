package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/pflag"
)

func (d *dockerCLI) ps(f *pflag.FlagSet) func([]string) error {
	all, quiet, whole := f.BoolP("all", "a", false, ""), f.BoolP("quiet", "q", false, ""), f.Bool("no-trunc", false, "")
	format, filters := f.String("format", "", ""), f.StringArrayP("filter", "f", nil, "")
	return func(args []string) error {
		if err := needArgs(args, 0, 0); err != nil {
			return err
		}
		list, err := d.listed(*all, *filters)
		if err != nil {
			return err
		}
		rows := make([]psRow, len(list))
		for i, c := range list {
			rows[i] = c.row(*whole)
		}
		if *quiet && *format == "" {
			*format = "{{.ID}}"
		}
		return table(d, *format, []string{"CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"}, rows)
	}
}

// listed are the containers that the filters let through: without "all", and without a filter for the status, those that run.
func (d *dockerCLI) listed(all bool, filters []string) ([]*container, error) {
	want, err := d.engine.containerFilter(filters)
	if err != nil {
		return nil, err
	}
	var out []*container
	for _, c := range d.engine.list() {
		d.engine.mu.Lock()
		runs := c.state == stateRunning || !d.engine.podman && (c.state == statePaused || c.state == stateRestarting)
		wanted := want(c)
		d.engine.mu.Unlock()
		if wanted && (all || runs || filtersStatus(filters)) {
			out = append(out, c)
		}
	}
	return out, nil
}

// A psRow is what docker ps tells of a container.
type psRow struct {
	Command, CreatedAt, ID, Image, Labels, LocalVolumes, Mounts, Names, Networks, Ports, RunningFor, Size, State, Status string

	labels map[string]string
}

// Label is one label's value, for templates.
func (r psRow) Label(name string) string { return r.labels[name] }

func (r psRow) cells() []string {
	return []string{r.ID, r.Image, r.Command, r.RunningFor, r.Status, r.Ports, r.Names}
}

// row is what docker ps tells of a container.
func (c *container) row(whole bool) psRow {
	e := c.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.host.lab.now()
	var labels, mounts []string
	for k, v := range c.spec.Labels {
		labels = append(labels, k+"="+v)
	}
	slices.Sort(labels)
	for _, b := range c.spec.Binds {
		source, _, _ := strings.Cut(b, ":")
		mounts = append(mounts, source)
	}
	r := psRow{
		ID: c.id, Image: c.shownImage(), Command: strconv.Quote(strings.Join(c.argv(), " ")), CreatedAt: c.created.Format("2006-01-02 15:04:05 -0700 MST"),
		RunningFor: ago(now.Sub(c.created)) + " ago", Status: c.status(now), State: c.state, Names: c.name, Ports: strings.Join(c.ports(), ", "),
		Labels: strings.Join(labels, ","), Networks: c.spec.networkName(), Mounts: strings.Join(mounts, ","), LocalVolumes: "0", Size: "0B", labels: c.spec.Labels,
	}
	if !whole {
		r.ID = c.id[:12]
		if command := []rune(strings.Join(c.argv(), " ")); len(command) > 19 {
			r.Command = "\"" + string(command[:18]) + "…\""
		}
	}
	return r
}

// shownImage is the reference that the container was started from, and the image's id where that means another image by now. The caller holds the engine's mutex.
func (c *container) shownImage() string {
	e := c.engine
	ref, err := parseImageRef(c.spec.Image)
	if e.podman {
		return c.imageName
	}
	if err == nil && ref.digest == "" && e.named(ref, c.spec.Image) != c.image && !strings.HasPrefix(c.image.id, "sha256:"+strings.TrimPrefix(c.spec.Image, "sha256:")) {
		return shortImageID(c.image.id)
	}
	return familiarName(c.spec.Image)
}

func (c *container) ports() []string {
	var ports []string
	for _, p := range c.spec.Ports {
		ports = append(ports, fmt.Sprintf("%s:%s->%s", orDefault(p.IP, "0.0.0.0"), p.Host, p.Inside))
	}
	return ports
}

func filtersStatus(filters []string) bool {
	return slices.ContainsFunc(filters, func(f string) bool { return strings.HasPrefix(f, "status=") })
}

// containerFilter is the meaning of --filter: equal keys are alternatives, other keys have to hold too; of labels all have to. It is used while the engine's mutex is held.
func (e *ContainerEngine) containerFilter(filters []string) (func(*container) bool, error) {
	byKey := map[string][]func(*container) bool{}
	for i, f := range filters {
		key, value, _ := strings.Cut(f, "=")
		is, err := e.oneFilter(key, value)
		if err != nil {
			return nil, err
		}
		if key == "label" {
			key = fmt.Sprint("label ", i)
		}
		byKey[key] = append(byKey[key], is)
	}
	return func(c *container) bool {
		for _, alternatives := range byKey {
			if !slices.ContainsFunc(alternatives, func(is func(*container) bool) bool { return is(c) }) {
				return false
			}
		}
		return true
	}, nil
}

var containerStates = []string{stateCreated, stateRestarting, stateRunning, "removing", statePaused, stateExited, stateDead}

func (e *ContainerEngine) oneFilter(key, value string) (func(*container) bool, error) {
	switch key {
	case "name":
		re, err := regexp.Compile(value)
		if err != nil {
			return nil, e.fail(badFilter, "name="+value)
		}
		return func(c *container) bool { return re.MatchString(c.name) || !e.podman && re.MatchString("/"+c.name) }, nil
	case "id":
		return func(c *container) bool { return strings.HasPrefix(c.id, value) }, nil
	case "label":
		k, v, exact := strings.Cut(value, "=")
		return func(c *container) bool {
			have, ok := c.spec.Labels[k]
			return ok && (!exact || have == v)
		}, nil
	case "status":
		if !slices.Contains(containerStates, value) {
			return nil, e.fail(badFilter, "status="+value)
		}
		return func(c *container) bool { return c.state == value }, nil
	case "exited":
		return func(c *container) bool { return c.state == stateExited && strconv.Itoa(c.code) == value }, nil
	case "health":
		return func(c *container) bool {
			if c.health == nil {
				return value == "none"
			}
			return c.health.status == value
		}, nil
	case "ancestor":
		ref, err := parseImageRef(value)
		return func(c *container) bool {
			return err == nil && c.image == e.named(ref, value) || strings.HasPrefix(strings.TrimPrefix(c.image.id, "sha256:"), strings.TrimPrefix(value, "sha256:"))
		}, nil
	}
	return nil, e.fail(badFilter, key)
}

func (d *dockerCLI) inspect(f *pflag.FlagSet) func([]string) error {
	format, kind := f.StringP("format", "f", "", ""), f.String("type", "", "")
	return func(args []string) error {
		if err := needArgs(args, 1, -1); err != nil {
			return err
		}
		found := []object{}
		var missing []error
		for _, name := range args {
			o, err := d.describe(*kind, name)
			if err != nil {
				missing = append(missing, err)
				continue
			}
			if *format == "" {
				found = append(found, o)
				continue
			}
			if err := d.printFormat(*format, o); err != nil {
				return err
			}
			found = append(found, nil)
		}
		if *format != "" && len(found) == 0 {
			fmt.Fprintln(d.out()) // as the client does
		}
		if *format == "" {
			b, err := json.MarshalIndent(found, "", "    ")
			if err != nil {
				return err
			}
			fmt.Fprintf(d.out(), "%s\n", b)
		}
		for _, err := range missing {
			fmt.Fprintln(d.errs(), err)
		}
		if len(missing) > 0 {
			return exitCode(1)
		}
		return nil
	}
}

func (d *dockerCLI) describe(kind, name string) (object, error) {
	if kind != "" && kind != "container" && kind != "image" {
		return nil, fmt.Errorf("%q is not a valid value for --type in the lab", kind)
	}
	if kind != "image" {
		c, err := d.engine.find(name)
		if err == nil {
			return c.inspect(), nil
		}
		if kind == "container" {
			return nil, err
		}
	}
	if img := d.engine.local(name); img != nil {
		return d.engine.inspectImage(img), nil
	}
	if kind == "image" {
		return nil, d.engine.imageMissing(name)
	}
	return nil, errors.New("Error: No such object: " + name)
}

// spec adds the flags of run and create, and gives how to read them.
func specFlags(f *pflag.FlagSet) func(args []string) (containerSpec, string, error) {
	var s containerSpec
	str := func(to *string, name, short string) { f.StringVarP(to, name, short, "", "") }
	str(&s.Name, "name", "")
	str(&s.Entrypoint, "entrypoint", "")
	str(&s.User, "user", "u")
	str(&s.Workdir, "workdir", "w")
	str(&s.Hostname, "hostname", "h")
	str(&s.Network, "network", "")
	str(&s.Network, "net", "")
	str(&s.IPC, "ipc", "")
	str(&s.PID, "pid", "")
	str(&s.Restart, "restart", "")
	for name, to := range map[string]*[]string{
		"volume": &s.Binds, "cap-add": &s.CapAdd, "security-opt": &s.SecurityOpt, "group-add": &s.GroupAdd,
	} {
		short := map[string]string{"volume": "v"}[name]
		f.StringArrayVarP(to, name, short, nil, "")
	}
	env, labels := f.StringArrayP("env", "e", nil, ""), f.StringArrayP("label", "l", nil, "")
	devices, ulimits, ports := f.StringArray("device", nil, ""), f.StringArray("ulimit", nil, ""), f.StringArrayP("publish", "p", nil, "")
	shm, pull := f.String("shm-size", "", ""), f.String("pull", "missing", "")
	health := healthFlags(f)
	f.BoolVar(&s.Privileged, "privileged", false, "")
	f.BoolVar(&s.Init, "init", false, "")
	f.BoolVar(&s.Remove, "rm", false, "")
	f.BoolVarP(&s.Interact, "interactive", "i", false, "")
	return func(args []string) (containerSpec, string, error) {
		if len(args) == 0 {
			return s, "", usageError("\"docker run\" requires at least 1 argument")
		}
		s.Image, s.Command, s.Env = args[0], args[1:], *env
		s.initGiven = f.Changed("init")
		s.Labels = map[string]string{}
		for _, l := range *labels {
			k, v, _ := strings.Cut(l, "=")
			s.Labels[k] = v
		}
		err := errors.Join(s.readDevices(*devices), s.readUlimits(*ulimits), s.readPorts(*ports), s.readVolumes())
		s.Health = health()
		if *shm != "" && err == nil {
			s.ShmSize, err = shmBytes(*shm)
		}
		if !slices.Contains([]string{"always", "missing", "never"}, *pull) {
			err = errors.Join(err, usageError(fmt.Sprintf("invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"", *pull)))
		}
		return s, *pull, err
	}
}

// healthFlags are those that say what the health check is, instead of the image.
func healthFlags(f *pflag.FlagSet) func() *v1.HealthConfig {
	command, none := f.String("health-cmd", "", ""), f.Bool("no-healthcheck", false, "")
	var h v1.HealthConfig
	f.DurationVar(&h.Interval, "health-interval", 0, "")
	f.DurationVar(&h.Timeout, "health-timeout", 0, "")
	f.DurationVar(&h.StartPeriod, "health-start-period", 0, "")
	f.IntVar(&h.Retries, "health-retries", 0, "")
	return func() *v1.HealthConfig {
		switch {
		case *none:
			h.Test = []string{"NONE"}
		case *command != "":
			h.Test = []string{"CMD-SHELL", *command}
		default:
			return nil
		}
		return &h
	}
}

func (s *containerSpec) readDevices(list []string) error {
	for _, v := range list {
		parts := strings.Split(v, ":")
		d := deviceSpec{Host: parts[0], Inside: parts[0], Rights: "rwm"}
		if len(parts) > 1 {
			d.Inside = parts[1]
		}
		if len(parts) > 2 {
			d.Rights = parts[2]
		}
		if len(parts) > 3 || !strings.HasPrefix(d.Host, "/") {
			return usageError("invalid device specification: " + v)
		}
		s.Devices = append(s.Devices, d)
	}
	return nil
}

func (s *containerSpec) readUlimits(list []string) error {
	for _, v := range list {
		name, limits, ok := strings.Cut(v, "=")
		soft, hard, both := strings.Cut(limits, ":")
		if !both {
			hard = soft
		}
		a, errA := strconv.ParseInt(soft, 10, 64)
		b, errB := strconv.ParseInt(hard, 10, 64)
		if !ok || errA != nil || errB != nil {
			return usageError(fmt.Sprintf("invalid argument %q for \"--ulimit\" flag: invalid ulimit argument", v))
		}
		s.Ulimits = append(s.Ulimits, ulimitSpec{Name: name, Soft: a, Hard: b})
	}
	return nil
}

func (s *containerSpec) readPorts(list []string) error {
	for _, v := range list {
		rest, proto, ok := strings.Cut(v, "/")
		if !ok {
			proto = "tcp"
		}
		parts := strings.Split(rest, ":")
		p := portSpec{Inside: parts[len(parts)-1] + "/" + proto}
		if len(parts) > 1 {
			p.Host = parts[len(parts)-2]
		}
		if len(parts) > 2 {
			p.IP = strings.Join(parts[:len(parts)-2], ":")
		}
		if _, err := strconv.Atoi(parts[len(parts)-1]); err != nil {
			return usageError(fmt.Sprintf("invalid containerPort: %s (the lab has no port ranges)", parts[len(parts)-1]))
		}
		s.Ports = append(s.Ports, p)
	}
	return nil
}

func (s *containerSpec) readVolumes() error {
	for _, v := range s.Binds {
		if parts := strings.Split(v, ":"); len(parts) < 2 || len(parts) > 3 || !strings.HasPrefix(parts[1], "/") {
			return usageError("invalid volume specification: '" + v + "'")
		}
	}
	return nil
}

func shmBytes(s string) (int64, error) {
	number := strings.TrimRight(strings.ToLower(s), "bkmgt")
	n, err := strconv.ParseFloat(number, 64)
	factor, ok := map[string]float64{"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}[strings.TrimSuffix(strings.ToLower(s)[len(number):], "b")]
	if err != nil || !ok {
		return 0, usageError(fmt.Sprintf("invalid argument %q for \"--shm-size\" flag: invalid size: '%s'", s, s))
	}
	return int64(n * factor), nil
}

// make creates a container, after a pull where the image is missing.
func (d *dockerCLI) make(read func([]string) (containerSpec, string, error), args []string, detach bool) (*container, error) {
	spec, pull, err := read(args)
	if err != nil {
		return nil, err
	}
	spec.Detach = detach
	img := d.engine.local(spec.Image)
	if pull != "always" && (img != nil || pull != "missing") {
		return d.engine.create(spec)
	}
	ref, err := d.remoteRef(spec.Image)
	if err != nil {
		return nil, err
	}
	if img == nil && !d.engine.podman {
		fmt.Fprintf(d.errs(), "Unable to find image '%s:%s' locally\n", ref.familiar(), ref.tag)
	}
	if _, err := d.engine.pull(ref, d.loginFor(ref.domain)); err != nil {
		return nil, err
	}
	return d.engine.create(spec)
}

// remoteRef is what a reference names in a registry.
func (d *dockerCLI) remoteRef(s string) (imageRef, error) {
	if d.engine.podman {
		return d.longName(s)
	}
	ref, err := parseImageRef(s)
	if err != nil {
		return ref, daemonError("invalid reference format")
	}
	return ref, nil
}

func (d *dockerCLI) create(f *pflag.FlagSet) func([]string) error {
	read := specFlags(f)
	return func(args []string) error {
		c, err := d.make(read, args, true)
		if err == nil {
			fmt.Fprintln(d.out(), c.id)
		}
		return err
	}
}

func (d *dockerCLI) run(f *pflag.FlagSet) func([]string) error {
	read := specFlags(f)
	detach := f.BoolP("detach", "d", false, "")
	return func(args []string) error {
		c, err := d.make(read, args, *detach)
		if err != nil {
			return err
		}
		if *detach {
			fmt.Fprintln(d.out(), c.id)
			return d.engine.start(c)
		}
		return d.foreground(c)
	}
}

// foreground runs a container until it ends, with the client's streams.
func (d *dockerCLI) foreground(c *container) error {
	c.attached = streams{stdout: d.lend(1), stderr: d.lend(2)}
	if c.spec.Interact {
		c.attached.stdin = d.lend(0)
	}
	if err := d.engine.start(c); err != nil {
		return err
	}
	select {
	case <-c.main.Done():
	case <-d.ctx.Done():
		return exitCode(130)
	}
	d.engine.mu.Lock()
	defer d.engine.mu.Unlock()
	if c.code != 0 {
		return exitCode(c.code)
	}
	return nil
}

func (d *dockerCLI) start(*pflag.FlagSet) func([]string) error {
	return func(args []string) error {
		failed, err := d.each(args, d.engine.start)
		if err == nil && len(failed) > 0 {
			return fmt.Errorf("Error: failed to start containers: %s", strings.Join(failed, ", ")) // docker's own words
		}
		return err
	}
}

func (d *dockerCLI) stop(f *pflag.FlagSet) func([]string) error {
	seconds := f.IntP("time", "t", 10, "")
	return func(args []string) error {
		return d.eachContainer(args, func(c *container) error {
			c.halt(d.ctx, time.Duration(*seconds)*time.Second)
			return nil
		})
	}
}

func (d *dockerCLI) restart(f *pflag.FlagSet) func([]string) error {
	seconds := f.IntP("time", "t", 10, "")
	return func(args []string) error {
		return d.eachContainer(args, func(c *container) error {
			c.halt(d.ctx, time.Duration(*seconds)*time.Second)
			return d.engine.start(c)
		})
	}
}

func (d *dockerCLI) pause(*pflag.FlagSet) func([]string) error {
	return func(args []string) error {
		return d.eachContainer(args, func(c *container) error {
			return c.turn(stateRunning, statePaused, pauseStopped)
		})
	}
}

func (d *dockerCLI) unpause(*pflag.FlagSet) func([]string) error {
	return func(args []string) error {
		return d.eachContainer(args, func(c *container) error {
			return c.turn(statePaused, stateRunning, notPaused)
		})
	}
}

func (c *container) turn(from, to string, otherwise problem) error {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	if c.state == to && to == statePaused {
		otherwise = pausedAlready
	}
	if c.state != from {
		return c.engine.fail(otherwise, c.id, c.state)
	}
	c.state = to
	return nil
}

func (d *dockerCLI) kill(f *pflag.FlagSet) func([]string) error {
	name := f.StringP("signal", "s", "KILL", "")
	return func(args []string) error {
		sig, ok := map[string]Signal{"KILL": SIGKILL, "9": SIGKILL, "TERM": SIGTERM, "15": SIGTERM, "HUP": SIGHUP, "1": SIGHUP}[strings.TrimPrefix(*name, "SIG")]
		if !ok {
			return d.engine.fail(badSignal, *name)
		}
		return d.eachContainer(args, func(c *container) error {
			d.engine.mu.Lock()
			main, state := c.main, c.state
			d.engine.mu.Unlock()
			if state != stateRunning && state != statePaused {
				return d.engine.fail(killStopped, c.name, c.id, state)
			}
			if sig == SIGKILL {
				c.end(SIGKILL, byPerson)
			} else {
				main.Signal(sig)
			}
			return nil
		})
	}
}

// wait gives the exit codes of containers once they have ended.
func (d *dockerCLI) wait(*pflag.FlagSet) func([]string) error {
	return func(args []string) error {
		if err := needArgs(args, 1, -1); err != nil {
			return err
		}
		var failed bool
		for _, name := range args {
			c, err := d.engine.find(name)
			if err != nil {
				d.complain(err)
				failed = true
				continue
			}
			d.engine.mu.Lock()
			main := c.main
			d.engine.mu.Unlock()
			if main != nil {
				select {
				case <-main.Done():
				case <-d.ctx.Done():
					return exitCode(130)
				}
			}
			d.engine.mu.Lock()
			code := c.code
			d.engine.mu.Unlock()
			fmt.Fprintln(d.out(), code)
		}
		if failed {
			return exitCode(d.failure(1))
		}
		return nil
	}
}

// failure is the exit code of a command that some of its words failed: Docker's, or podman's 125.
func (d *dockerCLI) failure(docker int) int {
	if d.engine.podman {
		return 125
	}
	return docker
}

func (d *dockerCLI) rm(f *pflag.FlagSet) func([]string) error {
	force := f.BoolP("force", "f", false, "")
	f.BoolP("volumes", "v", false, "")
	if d.engine.podman {
		f.IntP("time", "t", 10, "")
	}
	return func(args []string) error {
		if err := needArgs(args, 1, -1); err != nil {
			return err
		}
		failed := 0
		for _, name := range args {
			c, err := d.engine.find(name)
			if err == nil {
				_, busy := d.p.Host().faults.hit(strings.Join(d.argv, " "), Busy)
				err = d.engine.remove(c, *force, busy)
			}
			switch {
			case err == nil:
				fmt.Fprintln(d.out(), name)
			case c == nil && *force && d.engine.podman:
			case c == nil && *force:
				d.complain(err)
			default:
				d.complain(err)
				failed = 1
				if said, ok := errors.AsType[podmanError](err); ok && c != nil {
					failed = said.code
				}
			}
		}
		if failed != 0 {
			return exitCode(failed)
		}
		return nil
	}
}

func (d *dockerCLI) rename(*pflag.FlagSet) func([]string) error {
	return func(args []string) error {
		if err := needArgs(args, 2, 2); err != nil {
			return err
		}
		c, err := d.engine.find(args[0])
		if err == nil {
			err = d.engine.rename(c, args[1])
		}
		if err != nil && !d.engine.podman {
			return fmt.Errorf("%w\nError: failed to rename container named %s", err, args[0])
		}
		return err
	}
}

func (d *dockerCLI) logs(f *pflag.FlagSet) func([]string) error {
	tail := f.StringP("tail", "n", "all", "")
	return func(args []string) error {
		if err := needArgs(args, 1, 1); err != nil {
			return err
		}
		c, err := d.engine.find(args[0])
		if err != nil {
			return err
		}
		n := -1
		if *tail != "all" {
			if n, err = strconv.Atoi(*tail); err != nil {
				n = -1 // as Docker reads it
			}
		}
		return c.log.writeTo(d.out(), d.errs(), n)
	}
}

// borrowed is another process's stream: closing it leaves it open for its owner.
type borrowed struct{ stream }

func (borrowed) close() error { return nil }

func (d *dockerCLI) exec(f *pflag.FlagSet) func([]string) error {
	interactive, detach := f.BoolP("interactive", "i", false, ""), f.BoolP("detach", "d", false, "")
	user, dir, env := f.StringP("user", "u", "", ""), f.StringP("workdir", "w", "", ""), f.StringArrayP("env", "e", nil, "")
	f.Bool("privileged", false, "")
	return func(args []string) error {
		if err := needArgs(args, 2, -1); err != nil {
			return err
		}
		c, err := d.engine.find(args[0])
		if err != nil {
			return err
		}
		d.engine.mu.Lock()
		world, state := c.world, c.state
		d.engine.mu.Unlock()
		switch state {
		case stateRunning:
		case statePaused:
			return d.engine.fail(execPaused, args[0])
		case stateRestarting:
			return d.engine.fail(execRestarting, c.id)
		default:
			return d.engine.fail(execStopped, c.id)
		}
		account, err := c.user(world, orDefault(*user, c.spec.User))
		if err != nil {
			return err
		}
		l := Launch{Argv: args[1:], Env: c.env(account, *env...), Dir: orDefault(*dir, orDefault(c.spec.Workdir, "/")), User: account.Name, From: d.p}
		if *interactive {
			l.Stdin = d.lend(0)
		}
		if !*detach {
			l.Stdout, l.Stderr = d.lend(1), d.lend(2)
		}
		return d.inside(world, l, *detach)
	}
}

func (d *dockerCLI) lend(n int) stream {
	if fd := d.p.fd(n); fd != nil && !d.unheard {
		return borrowed{fd}
	}
	return nullDevice{}
}

// inside runs a process in a container, and waits for it. Where the client is killed the process goes on, as with the real one.
func (d *dockerCLI) inside(w *World, l Launch, detach bool) error {
	l.Main = func(p *Process) int {
		if _, err := p.LookPath(l.Argv[0]); err != nil && d.engine.podman {
			fmt.Fprintf(p.Stderr(), "Error: %s\n", d.engine.fail(programMissing, l.Argv[0]))
			return 127
		} else if err != nil {
			fmt.Fprintf(p.Stderr(), "OCI runtime exec failed: exec failed: unable to start container process: exec: %q: executable file not found in $PATH: unknown\n", l.Argv[0])
			return 127
		}
		return p.Exec(l.Argv)
	}
	p := w.Start(l)
	if detach {
		return nil
	}
	select {
	case <-p.Done():
	case <-d.ctx.Done():
		return exitCode(137)
	}
	if code := p.Wait(); code != 0 {
		return exitCode(code)
	}
	return nil
}
