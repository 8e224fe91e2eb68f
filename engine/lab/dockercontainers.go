package lab

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

func (d *dockerCLI) ps(f *pflag.FlagSet) func([]string) error {
	all, quiet, whole := f.BoolP("all", "a", false, ""), f.BoolP("quiet", "q", false, ""), f.Bool("no-trunc", false, "")
	format, filters := f.String("format", "", ""), f.StringArrayP("filter", "f", nil, "")
	return func(args []string) error {
		if err := needArgs(args, 0, 0); err != nil {
			return err
		}
		want, err := containerFilter(*filters)
		if err != nil {
			return err
		}
		var rows []object
		for _, c := range d.engine.list() {
			row := c.row(*whole)
			if status := row["State"]; !*all && status != stateRunning && status != statePaused && !filtersStatus(*filters) {
				continue
			}
			if !want(c, row) {
				continue
			}
			if *quiet {
				fmt.Fprintln(d.p.Stdout(), row["ID"])
				continue
			}
			rows = append(rows, row)
		}
		if *quiet {
			return nil
		}
		return d.table(*format, []string{"CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"}, rows)
	}
}

// row is what docker ps tells of a container.
func (c *container) row(whole bool) object {
	e := c.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	id, now := c.id, e.host.lab.now()
	if !whole {
		id = id[:12]
	}
	image := c.spec.Image
	if img := e.tags; len(img) >= 0 && strings.HasPrefix(image, "docker.io/") {
		image = familiarName(image)
	}
	var labels []string
	for k, v := range c.spec.Labels {
		labels = append(labels, k+"="+v)
	}
	slices.Sort(labels)
	var ports []string
	for _, p := range c.spec.Ports {
		ports = append(ports, fmt.Sprintf("%s:%s->%s", orDefault(p.IP, "0.0.0.0"), p.Host, p.Inside))
	}
	return object{
		"ID": id, "Image": image, "Command": strconv.Quote(strings.Join(c.argv(), " ")), "CreatedAt": c.created.Format("2006-01-02 15:04:05 -0700 MST"),
		"CreatedSince": ago(now.Sub(c.created)) + " ago", "RunningFor": ago(now.Sub(c.created)) + " ago", "Status": c.status(now), "State": c.state, "Names": c.name,
		"Ports": strings.Join(ports, ", "), "Labels": strings.Join(labels, ","), "Networks": c.spec.networkName(),
	}
}

func filtersStatus(filters []string) bool {
	return slices.ContainsFunc(filters, func(f string) bool { return strings.HasPrefix(f, "status=") })
}

// containerFilter is the meaning of --filter: equal keys are alternatives, other keys have to hold too.
func containerFilter(filters []string) (func(*container, object) bool, error) {
	byKey := map[string][]func(*container, object) bool{}
	for _, f := range filters {
		key, value, _ := strings.Cut(f, "=")
		var is func(*container, object) bool
		switch key {
		case "name":
			re, err := regexp.Compile(value)
			if err != nil {
				return nil, daemonError("invalid filter 'name=" + value + "'")
			}
			is = func(_ *container, row object) bool {
				name := row["Names"].(string)
				return re.MatchString(name) || re.MatchString("/"+name)
			}
		case "id":
			is = func(c *container, _ object) bool { return strings.HasPrefix(c.id, value) }
		case "label":
			k, v, exact := strings.Cut(value, "=")
			is = func(c *container, _ object) bool {
				have, ok := c.spec.Labels[k]
				return ok && (!exact || have == v)
			}
		case "status":
			is = func(_ *container, row object) bool { return row["State"] == value }
		default:
			return nil, daemonError("invalid filter '" + key + "'")
		}
		byKey[key] = append(byKey[key], is)
	}
	return func(c *container, row object) bool {
		for _, alternatives := range byKey {
			if !slices.ContainsFunc(alternatives, func(is func(*container, object) bool) bool { return is(c, row) }) {
				return false
			}
		}
		return true
	}, nil
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
			text, err := render(*format, o)
			if err != nil {
				return err
			}
			fmt.Fprintln(d.p.Stdout(), text)
		}
		if *format == "" {
			b, err := json.MarshalIndent(found, "", "    ")
			if err != nil {
				return err
			}
			fmt.Fprintf(d.p.Stdout(), "%s\n", b)
		}
		for _, err := range missing {
			fmt.Fprintln(d.p.Stderr(), err)
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
		return nil, daemonError("No such image: " + name)
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
		if *shm != "" && err == nil {
			s.ShmSize, err = shmBytes(*shm)
		}
		if !slices.Contains([]string{"always", "missing", "never"}, *pull) {
			err = errors.Join(err, usageError(fmt.Sprintf("invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"", *pull)))
		}
		return s, *pull, err
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
	ref, err := parseImageRef(spec.Image)
	if img := d.engine.local(spec.Image); pull == "always" || img == nil && pull == "missing" {
		if err != nil {
			return nil, daemonError("invalid reference format")
		}
		if img == nil {
			fmt.Fprintf(d.p.Stderr(), "Unable to find image '%s:%s' locally\n", ref.familiar(), ref.tag)
		}
		if _, err := d.engine.pull(ref); err != nil {
			return nil, err
		}
	}
	return d.engine.create(spec)
}

func (d *dockerCLI) create(f *pflag.FlagSet) func([]string) error {
	read := specFlags(f)
	return func(args []string) error {
		c, err := d.make(read, args, true)
		if err == nil {
			fmt.Fprintln(d.p.Stdout(), c.id)
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
			fmt.Fprintln(d.p.Stdout(), c.id)
			return d.engine.start(c)
		}
		return d.foreground(c)
	}
}

// foreground runs a container until it ends, with its output.
func (d *dockerCLI) foreground(c *container) error {
	if err := d.engine.start(c); err != nil {
		return err
	}
	select {
	case <-c.main.Done():
	case <-d.ctx.Done():
		return exitCode(130)
	}
	_, _ = d.p.Stdout().Write(c.log.last(-1))
	d.engine.mu.Lock()
	defer d.engine.mu.Unlock()
	if c.code != 0 {
		return exitCode(c.code)
	}
	return nil
}

func (d *dockerCLI) start(*pflag.FlagSet) func([]string) error {
	return func(args []string) error { return d.eachContainer(args, d.engine.start) }
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
			return c.turn(stateRunning, statePaused, "Container %s is not running")
		})
	}
}

func (d *dockerCLI) unpause(*pflag.FlagSet) func([]string) error {
	return func(args []string) error {
		return d.eachContainer(args, func(c *container) error {
			return c.turn(statePaused, stateRunning, "Container %s is not paused")
		})
	}
}

func (c *container) turn(from, to, otherwise string) error {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	if c.state != from {
		return daemonError(fmt.Sprintf(otherwise, c.id))
	}
	c.state = to
	return nil
}

func (d *dockerCLI) kill(f *pflag.FlagSet) func([]string) error {
	name := f.StringP("signal", "s", "KILL", "")
	return func(args []string) error {
		sig, ok := map[string]Signal{"KILL": SIGKILL, "9": SIGKILL, "TERM": SIGTERM, "15": SIGTERM, "HUP": SIGHUP, "1": SIGHUP}[strings.TrimPrefix(*name, "SIG")]
		if !ok {
			return usageError("invalid signal in the lab: " + *name)
		}
		return d.eachContainer(args, func(c *container) error {
			d.engine.mu.Lock()
			main, state := c.main, c.state
			d.engine.mu.Unlock()
			if state != stateRunning && state != statePaused {
				return daemonError(fmt.Sprintf("cannot kill container: %s: container %s is not running", c.name, c.id))
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

func (d *dockerCLI) rm(f *pflag.FlagSet) func([]string) error {
	force := f.BoolP("force", "f", false, "")
	f.BoolP("volumes", "v", false, "")
	return func(args []string) error {
		if err := needArgs(args, 1, -1); err != nil {
			return err
		}
		failed := false
		for _, name := range args {
			c, err := d.engine.find(name)
			if err == nil {
				err = d.engine.remove(c, *force)
			}
			if err != nil {
				fmt.Fprintln(d.p.Stderr(), err)
				failed = failed || !*force || c != nil
				continue
			}
			fmt.Fprintln(d.p.Stdout(), name)
		}
		if failed {
			return exitCode(1)
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
		if err != nil {
			return err
		}
		return d.engine.rename(c, args[1])
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
				return daemonError("invalid tail: " + *tail)
			}
		}
		_, err = d.p.Stdout().Write(c.log.last(n))
		return err
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
			return daemonError(fmt.Sprintf("Container %s is paused, unpause the container before exec", c.id))
		default:
			return daemonError(fmt.Sprintf("container %s is not running", c.id))
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
	if fd := d.p.fd(n); fd != nil {
		return borrowed{fd}
	}
	return nullDevice{}
}

// inside runs a process in a container, and waits for it. Where the client is killed the process goes on, as with the real one.
func (d *dockerCLI) inside(w *World, l Launch, detach bool) error {
	l.Main = func(p *Process) int {
		if _, err := p.LookPath(l.Argv[0]); err != nil {
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

// configFile is the client's configuration.
func (d *dockerCLI) configFile() string {
	dir := d.config
	if dir == "" {
		dir = d.p.Getenv("DOCKER_CONFIG")
	}
	if dir == "" {
		dir = orDefault(d.p.Getenv("HOME"), "/") + "/.docker"
	}
	return dir + "/config.json"
}

// clientConfig is what is used of the configuration file.
type clientConfig struct {
	Auths map[string]struct {
		Auth string `json:"auth,omitempty"`
	} `json:"auths"`
}

func (d *dockerCLI) editConfig(edit func(*clientConfig) bool) error {
	var c clientConfig
	file := d.configFile()
	if data, err := d.p.ReadFile(file); err == nil {
		if err := json.Unmarshal(data, &c); err != nil {
			return fmt.Errorf("WARNING: Error loading config file: %s: %w", file, err)
		}
	}
	if c.Auths == nil {
		c.Auths = map[string]struct {
			Auth string `json:"auth,omitempty"`
		}{}
	}
	if !edit(&c) {
		return nil
	}
	data, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		return err
	}
	if err := d.p.view().mkdirAll(dirOf(file), 0o700); err != nil {
		return errors.New(strerror(err))
	}
	if err := d.p.WriteFile(file, data, 0o600); err != nil {
		return fmt.Errorf("open %s: %s", file, strings.ToLower(strerror(err)))
	}
	return nil
}

const hubServer = "https://index.docker.io/v1/"

func (d *dockerCLI) login(f *pflag.FlagSet) func([]string) error {
	user, fromStdin := f.StringP("username", "u", "", ""), f.Bool("password-stdin", false, "")
	return func(args []string) error {
		if err := needArgs(args, 0, 1); err != nil {
			return err
		}
		if !*fromStdin || *user == "" {
			return errors.New("Error: Cannot perform an interactive login from a non TTY device") // docker's own words
		}
		b, err := io.ReadAll(d.p.Stdin())
		if err != nil {
			return err
		}
		password := strings.TrimRight(string(b), "\r\n")
		server := hubServer
		if len(args) == 1 && args[0] != "docker.io" {
			server = args[0]
		}
		if password == "" || password == "wrong" {
			return daemonError(fmt.Sprintf("Get \"https://%s/v2/\": unauthorized: incorrect username or password", orDefault(strings.Join(args, ""), "registry-1.docker.io")))
		}
		if err := d.connect(); err != nil {
			return err
		}
		err = d.editConfig(func(c *clientConfig) bool {
			entry := c.Auths[server]
			entry.Auth = base64.StdEncoding.EncodeToString([]byte(*user + ":" + password))
			c.Auths[server] = entry
			return true
		})
		if err == nil {
			fmt.Fprintln(d.p.Stdout(), "Login Succeeded")
		}
		return err
	}
}

func (d *dockerCLI) logout(*pflag.FlagSet) func([]string) error {
	return func(args []string) error {
		if err := needArgs(args, 0, 1); err != nil {
			return err
		}
		server := hubServer
		if len(args) == 1 && args[0] != "docker.io" {
			server = args[0]
		}
		return d.editConfig(func(c *clientConfig) bool {
			_, there := c.Auths[server]
			delete(c.Auths, server)
			if there {
				fmt.Fprintf(d.p.Stdout(), "Removing login credentials for %s\n", server)
			} else {
				fmt.Fprintf(d.p.Stdout(), "Not logged in to %s\n", server)
			}
			return there
		})
	}
}
