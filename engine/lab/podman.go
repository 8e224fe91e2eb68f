package lab

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/pflag"
)

const (
	podmanProgram = "/usr/bin/podman"
	podmanVersion = "4.3.1"
	podmanStore   = "/var/lib/containers/storage"
)

// podmanStores are what podman keeps on a host. There is no daemon and no socket: every account has images and containers of its own, which no other account sees, and
// which root sees of nobody. A reboot stops all of them, and starts again those of root with the policy "always".
type podmanStores struct {
	host *Host
	mu   sync.Mutex
	of   map[int]*ContainerEngine // by user id
}

func newPodmanStores(h *Host) *podmanStores {
	s := &podmanStores{host: h, of: map[int]*ContainerEngine{}}
	h.parts = append(h.parts, s.snapshot)
	return s
}

// Podman is the podman of an account of the host.
func (h *Host) Podman(user User) *ContainerEngine {
	for _, s := range h.services {
		if p, ok := s.(*podmanStores); ok {
			return p.open(user)
		}
	}
	return nil
}

func (s *podmanStores) open(user User) *ContainerEngine {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.of[user.UID]
	if e == nil {
		e = newEngine(s.host)
		e.podman, e.store = true, podmanStore
		if user.UID != 0 {
			e.store = user.Home + "/.local/share/containers/storage"
		}
		s.of[user.UID] = e
	}
	return e
}

// all are the stores that have been used, by user id.
func (s *podmanStores) all() []*ContainerEngine {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*ContainerEngine
	for _, id := range slices.Sorted(maps.Keys(s.of)) {
		out = append(out, s.of[id])
	}
	return out
}

// Start starts root's containers that are to run always.
func (s *podmanStores) Start(*Host) {
	s.mu.Lock()
	root := s.of[0]
	s.mu.Unlock()
	if root != nil {
		root.startAgain()
	}
}

// Stop ends all containers.
func (s *podmanStores) Stop(*Host) {
	for _, e := range s.all() {
		e.endAll()
	}
}

// snapshot is podman's part in the host's snapshot: nothing for an account that has nothing.
func (s *podmanStores) snapshot() string {
	var b strings.Builder
	for _, e := range s.all() {
		e.mu.Lock()
		empty := len(e.images)+len(e.containers) == 0
		e.mu.Unlock()
		if !empty {
			b.WriteString("# podman " + e.store + "\n" + e.snapshot())
		}
	}
	return b.String()
}

// podmanVerbs are podman's subcommands, as far as the lab has them.
var podmanVerbs = map[string]dockerVerb{
	"version":     {build: (*dockerCLI).podmanVersion},
	"info":        {build: (*dockerCLI).podmanInfo},
	"ps":          {build: (*dockerCLI).podmanPs},
	"images":      {build: (*dockerCLI).images},
	"inspect":     {build: (*dockerCLI).podmanInspect},
	"exists":      {build: (*dockerCLI).podmanExists},
	"pull":        {build: (*dockerCLI).podmanPull},
	"tag":         {build: (*dockerCLI).podmanTag},
	"rmi":         {build: (*dockerCLI).podmanRmi},
	"save":        {build: (*dockerCLI).podmanSave},
	"load":        {build: (*dockerCLI).podmanLoad},
	"manifest":    {build: (*dockerCLI).podmanManifest},
	"run":         {build: (*dockerCLI).podmanRun, inOrder: true},
	"create":      {build: (*dockerCLI).podmanCreate, inOrder: true},
	"start":       {build: (*dockerCLI).start},
	"stop":        {build: (*dockerCLI).stop},
	"restart":     {build: (*dockerCLI).restart},
	"pause":       {build: (*dockerCLI).pause},
	"unpause":     {build: (*dockerCLI).unpause},
	"kill":        {build: (*dockerCLI).kill},
	"wait":        {build: (*dockerCLI).wait},
	"rm":          {build: (*dockerCLI).rm},
	"rename":      {build: (*dockerCLI).rename},
	"exec":        {build: (*dockerCLI).exec, inOrder: true},
	"logs":        {build: (*dockerCLI).logs},
	"cp":          {build: (*dockerCLI).cp},
	"healthcheck": {build: (*dockerCLI).podmanHealth},
	"login":       {build: (*dockerCLI).podmanLogin},
	"logout":      {build: (*dockerCLI).podmanLogout},
}

var podmanGroups = map[string]map[string]string{
	"container":   withVerb(dockerGroups["container"], "exists"),
	"image":       withVerb(dockerGroups["image"], "exists"),
	"manifest":    {"inspect": "manifest"},
	"healthcheck": {"run": "healthcheck"},
}

func withVerb(group map[string]string, verb string) map[string]string {
	out := maps.Clone(group)
	out[verb] = verb
	return out
}

func runPodman(ctx context.Context, p *Process, argv []string) int {
	d := &dockerCLI{ctx: ctx, p: p, engine: p.Host().Podman(p.account()), argv: argv}
	global := pflag.NewFlagSet("podman", pflag.ContinueOnError)
	global.SetInterspersed(false)
	global.SetOutput(io.Discard)
	version := global.BoolP("version", "v", false, "")
	global.String("log-level", "warn", "")
	if err := global.Parse(argv[1:]); err != nil {
		fmt.Fprintf(p.Stderr(), "Error: %s\nSee 'podman --help'\n", err)
		return 125
	}
	args := global.Args()
	if *version {
		fmt.Fprintf(p.Stdout(), "podman version %s\n", podmanVersion)
		return 0
	}
	if len(args) == 0 {
		fmt.Fprint(p.Stderr(), "Error: missing command 'podman COMMAND'\nTry 'podman --help' for more information\n")
		return 125
	}
	v, args, ok := d.verb(podmanVerbs, podmanGroups, args)
	if !ok {
		group, _, inside := strings.Cut(d.name, " ")
		if inside {
			group += " "
		} else {
			group = ""
		}
		fmt.Fprintf(p.Stderr(), "Error: unrecognized command `podman %s`\nTry 'podman %s--help' for more information\n", d.name, group)
		return 125
	}
	return d.call(v, args)
}

// account is who runs the process.
func (p *Process) account() User {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.user
}

// reportPodman prints what went wrong, and gives the exit code.
func (d *dockerCLI) reportPodman(err error) int {
	switch e := err.(type) { //nolint:errorlint // these are never wrapped
	case nil:
		return 0
	case exitCode:
		return int(e)
	case podmanError:
		d.complain(err)
		return e.code
	case noProgram:
		d.complain(err)
		return e.code
	}
	d.complain(err)
	return 125
}

// qualified tells whether a reference says in which registry it is.
func qualified(s string) bool {
	first, _, ok := strings.Cut(s, "/")
	return ok && (first == "localhost" || strings.ContainsAny(first, ".:"))
}

// localName is what podman makes of a name that somebody gives to an image here: without a registry it is of localhost.
func localName(s string) string {
	if qualified(s) {
		return s
	}
	return "localhost/" + s
}

// shortNames are those that Debian's settings know.
var shortNames = []string{"debian", "ubuntu"}

// longName is what podman asks a registry for.
func (d *dockerCLI) longName(s string) (imageRef, error) {
	ref, err := parseImageRef(s)
	if err != nil {
		return ref, podmanError{"invalid reference format", 125}
	}
	if !qualified(s) && !slices.Contains(shortNames, strings.TrimPrefix(ref.path, "library/")) {
		return ref, podmanError{fmt.Sprintf("short-name %q did not resolve to an alias and no unqualified-search registries are defined in \"/etc/containers/registries.conf\"", s), 125}
	}
	return ref, nil
}

// namedPodman is what a reference names in this store. One without a registry is of localhost, else of Docker Hub, else whatever ends with it. The caller holds mu.
func (e *ContainerEngine) namedPodman(ref imageRef, written string) *labImage {
	_, img := e.lookUp(ref, written)
	return img
}

// lookUp is an image with the name in full under which it was found. The caller holds mu.
func (e *ContainerEngine) lookUp(ref imageRef, written string) (string, *labImage) {
	refs := []imageRef{ref}
	if !qualified(written) {
		if local, err := parseImageRef(localName(written)); err == nil {
			refs = []imageRef{local, ref}
		}
	}
	for _, r := range refs {
		if full := r.full(); r.digest == "" && e.tags[full] != nil {
			return full, e.tags[full]
		}
		for _, names := range []map[string]*labImage{e.tags, e.digests} {
			for _, full := range slices.Sorted(maps.Keys(names)) {
				if r.digest != "" && repositoryOf(full) == r.repository() && slices.Contains(e.known[names[full].id], r.digest) {
					return r.repository() + "@" + r.digest, names[full]
				}
			}
		}
	}
	for _, full := range slices.Sorted(maps.Keys(e.tags)) {
		if !qualified(written) && ref.digest == "" && strings.HasSuffix(full, "/"+strings.TrimSuffix(written, ":"+ref.tag)+":"+ref.tag) {
			return full, e.tags[full]
		}
	}
	return "", nil
}

// fullName is the name in full of the image that a container is made from.
func (e *ContainerEngine) fullName(s string, img *labImage) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ref, err := parseImageRef(s); err == nil {
		if full, found := e.lookUp(ref, s); found == img {
			return full
		}
	}
	if names := append(keysOf(e.tags, img), keysOf(e.digests, img)...); len(names) > 0 {
		return names[0]
	}
	return strings.TrimPrefix(img.id, "sha256:")
}

func (d *dockerCLI) podmanPull(f *pflag.FlagSet) func([]string) error {
	quiet := f.BoolP("quiet", "q", false, "")
	d.authFlags(f)
	return func(args []string) error {
		if err := needArgs(args, 1, 1); err != nil {
			return err
		}
		ref, err := d.longName(args[0])
		if err != nil {
			return err
		}
		full := ref.full()
		if !*quiet {
			fmt.Fprintf(d.errs(), "Trying to pull %s...\n", full)
		}
		img, err := d.engine.pull(ref, d.loginFor(ref.domain))
		if err != nil {
			return err
		}
		if !*quiet {
			d.copied(img)
		}
		fmt.Fprintln(d.out(), strings.TrimPrefix(img.id, "sha256:"))
		return nil
	}
}

// copied is how podman tells of its progress.
func (d *dockerCLI) copied(img *labImage) {
	fmt.Fprintf(d.errs(), "Getting image source signatures\nCopying config %s\nWriting manifest to image destination\nStoring signatures\n", img.id)
}

// authFlags say where logins are, and whether the registry has a certificate.
func (d *dockerCLI) authFlags(f *pflag.FlagSet) {
	f.StringVar(&d.config, "authfile", "", "")
	f.Bool("tls-verify", true, "")
}

// authFile is where podman keeps its logins.
func (d *dockerCLI) authFile() string {
	if file := orDefault(d.config, d.p.Getenv("REGISTRY_AUTH_FILE")); file != "" {
		return file
	}
	who := d.p.account()
	if dir := d.p.Getenv("XDG_RUNTIME_DIR"); dir != "" && who.UID != 0 {
		return dir + "/containers/auth.json"
	}
	if who.UID == 0 {
		return "/run/containers/0/auth.json"
	}
	return fmt.Sprintf("/tmp/podman-run-%d/containers/auth.json", who.UID)
}

func (d *dockerCLI) podmanTag(*pflag.FlagSet) func([]string) error {
	return func(args []string) error {
		if err := needArgs(args, 2, -1); err != nil {
			return err
		}
		img := d.engine.local(args[0])
		if img == nil {
			return d.engine.imageMissing(args[0])
		}
		for _, s := range args[1:] {
			ref, err := parseImageRef(localName(s))
			if err != nil || ref.digest != "" {
				return podmanError{fmt.Sprintf("parsing reference %q: invalid reference format", s), 125}
			}
			d.engine.tag(img, ref)
		}
		return nil
	}
}

func (d *dockerCLI) podmanRmi(f *pflag.FlagSet) func([]string) error {
	force := f.BoolP("force", "f", false, "")
	return func(args []string) error {
		if err := needArgs(args, 1, -1); err != nil {
			return err
		}
		var last error
		for _, name := range args {
			said, err := d.engine.forgetPodman(name, *force)
			for _, line := range said {
				fmt.Fprintln(d.out(), line)
			}
			if err != nil {
				d.complain(last)
				last = err
			}
		}
		return last
	}
}

// forgetPodman takes one name of an image away, and the image with its last one.
func (e *ContainerEngine) forgetPodman(s string, force bool) ([]string, error) {
	img := e.local(s)
	if img == nil {
		return nil, podmanError{s + ": image not known", 1}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	names := append(keysOf(e.tags, img), keysOf(e.digests, img)...)
	full := ""
	if ref, err := parseImageRef(s); err == nil {
		full, _ = e.lookUp(ref, s)
	}
	switch {
	case full != "" && len(names) > 1:
		delete(e.tags, full)
		delete(e.digests, full)
		return []string{"Untagged: " + full}, nil
	case full == "" && len(names) > 1 && !force:
		return nil, podmanError{fmt.Sprintf("unable to delete image %q by ID with more than one tag (%v): please force removal", strings.TrimPrefix(img.id, "sha256:"), names), 125}
	}
	for _, c := range e.containers {
		if c.image == img {
			return nil, podmanError{fmt.Sprintf("image used by %s: image is in use by a container: consider listing external containers and force-removing image", c.id), 2}
		}
	}
	var said []string
	for _, name := range names {
		said = append(said, "Untagged: "+name)
	}
	e.drop(img)
	return append(said, "Deleted: "+strings.TrimPrefix(img.id, "sha256:")), nil
}

func (d *dockerCLI) podmanCreate(f *pflag.FlagSet) func([]string) error {
	read := d.podmanSpec(f)
	return func(args []string) error {
		c, err := d.make(read, args, true)
		if err == nil {
			fmt.Fprintln(d.out(), c.id)
		}
		return err
	}
}

func (d *dockerCLI) podmanRun(f *pflag.FlagSet) func([]string) error {
	read := d.podmanSpec(f)
	detach := f.BoolP("detach", "d", false, "")
	return func(args []string) error {
		c, err := d.make(read, args, *detach)
		if err != nil {
			return err
		}
		if !*detach {
			return d.foreground(c)
		}
		err = d.engine.start(c)
		if err == nil {
			fmt.Fprintln(d.out(), c.id)
		}
		return err
	}
}

// podmanSpec reads what run and create are told, and refuses what podman does not take together.
func (d *dockerCLI) podmanSpec(f *pflag.FlagSet) func([]string) (containerSpec, string, error) {
	read := specFlags(f)
	d.authFlags(f)
	return func(args []string) (containerSpec, string, error) {
		s, pull, err := read(args)
		policy, _, _ := strings.Cut(s.Restart, ":")
		refuse := func(words string) (containerSpec, string, error) { return s, pull, podmanError{words, 125} }
		switch {
		case err != nil:
		case s.IPC == "host" && s.ShmSize != 0:
			return refuse("invalid config provided: cannot set shmsize when running in the {host } IPC Namespace")
		case s.Init && s.PID == "host":
			return refuse("cannot add init binary as PID 1 (PID namespace isn't private)")
		case !slices.Contains([]string{"", "no", "always", "on-failure", "unless-stopped"}, policy):
			return refuse(fmt.Sprintf("running container create option: %q is not a valid restart policy: invalid argument", policy))
		}
		if s.Network == "host" && len(s.Ports) > 0 {
			fmt.Fprintln(d.errs(), "Port mappings have been discarded as one of the Host, Container, Pod, and None network modes are in use")
			s.Ports = nil
		}
		return s, pull, err
	}
}

func (d *dockerCLI) podmanHealth(*pflag.FlagSet) func([]string) error {
	return func(args []string) error {
		if err := needArgs(args, 1, 1); err != nil {
			return err
		}
		c, err := d.engine.find(args[0])
		if err != nil {
			return podmanError{fmt.Sprintf("unable to look up %s to perform a health check: %s", args[0], err), 125}
		}
		d.engine.mu.Lock()
		h, state := c.health, c.state
		d.engine.mu.Unlock()
		switch {
		case state != stateRunning:
			return podmanError{fmt.Sprintf("container %s is not running", c.id), 125}
		case h == nil:
			return podmanError{fmt.Sprintf("container %s has no defined healthcheck", c.id), 125}
		}
		if c.check(h) != 0 {
			fmt.Fprintln(d.out(), healthBad)
			return exitCode(1)
		}
		return nil
	}
}

func (d *dockerCLI) podmanLogin(f *pflag.FlagSet) func([]string) error {
	user, fromStdin := f.StringP("username", "u", "", ""), f.Bool("password-stdin", false, "")
	d.authFlags(f)
	return func(args []string) error {
		if err := needArgs(args, 0, 1); err != nil {
			return err
		}
		if !*fromStdin || *user == "" {
			return podmanError{"getting username and password: reading password: inappropriate ioctl for device", 125}
		}
		b, err := io.ReadAll(d.p.Stdin())
		if err != nil {
			return err
		}
		if err := d.letIn(orDefault(strings.Join(args, ""), "docker.io"), *user, strings.TrimRight(string(b), "\r\n")); err != nil {
			return err
		}
		fmt.Fprintln(d.out(), "Login Succeeded!")
		return nil
	}
}

func (d *dockerCLI) podmanLogout(f *pflag.FlagSet) func([]string) error {
	d.authFlags(f)
	return func(args []string) error {
		if err := needArgs(args, 0, 1); err != nil {
			return err
		}
		server := d.serverKey(strings.Join(args, ""))
		c, err := d.readConfig(d.configFile())
		if err != nil {
			return err
		}
		if _, there := c.Auths[server]; !there {
			return podmanError{"not logged into " + server, 125}
		}
		delete(c.Auths, server)
		if err := d.writeConfig(c); err != nil {
			return err
		}
		fmt.Fprintf(d.out(), "Removed login credentials for %s\n", server)
		return nil
	}
}
