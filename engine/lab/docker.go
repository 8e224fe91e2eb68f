package lab

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	dockerSocket  = "/run/docker.sock"
	dockerProgram = "/usr/bin/docker"
	dockerVersion = "27.5.1"
	dockerAPI     = "1.47"
	dockerStore   = "/var/lib/docker"
	dockerGroup   = 999
)

// ContainerEngine is a container runtime of a host: its images and containers. Docker's is a Service, so that a reboot stops the containers, and starts again those
// with a restart policy. Podman's has no daemon, and each account has one of its own (see podmanStores).
type ContainerEngine struct {
	host   *Host
	podman bool
	store  string // the folder where it would keep its data: faults of the disk are looked up for it

	mu         sync.Mutex
	up         bool
	tags       map[string]*labImage // docker.io/rocm/cvs:latest
	daemon     *Process
	digests    map[string]*labImage // docker.io/rocm/cvs@sha256:…
	images     map[string]*labImage // by id
	known      map[string][]string  // podman: all digests of an image, by its id
	containers []*container         // oldest first
}

func newEngine(h *Host) *ContainerEngine {
	return &ContainerEngine{host: h, store: dockerStore, tags: map[string]*labImage{}, digests: map[string]*labImage{}, images: map[string]*labImage{}, known: map[string][]string{}}
}

// newContainerEngine puts Docker's engine onto a host that is being made, with its place in snapshots.
func newContainerEngine(h *Host) *ContainerEngine {
	e := newEngine(h)
	h.parts = append(h.parts, e.snapshot)
	return e
}

// Containers is the host's Docker Engine. It is there on every host, and runs where Docker is installed.
func (h *Host) Containers() *ContainerEngine {
	for _, s := range h.services {
		if e, ok := s.(*ContainerEngine); ok {
			return e
		}
	}
	return nil
}

// Start starts the engine where it is installed, and the containers that are to run always.
func (e *ContainerEngine) Start(h *Host) {
	b := &builder{fs: h.FS()}
	if _, err := b.fs.Stat(dockerProgram); err != nil || e.running() {
		return
	}
	b.keep(b.fs.Remove(dockerSocket))
	b.dir(0o755, "/run")
	b.keep(b.fs.Mknod(dockerSocket, TypeSocket|0o660, 0, 0))
	b.keep(b.fs.Chmod(dockerSocket, 0o660))
	b.owned(dockerSocket, 0, dockerGroup)
	daemon := h.world.Start(Launch{Argv: []string{"/usr/bin/dockerd", "-H", "fd://"}, Parent: 1, Idle: true})
	e.mu.Lock()
	e.daemon = daemon
	e.mu.Unlock()
	e.startAgain()
	e.mu.Lock()
	e.up = true // whoever asks from here on finds the containers that come back by themselves running
	e.mu.Unlock()
}

// startAgain starts the containers that are to run always.
func (e *ContainerEngine) startAgain() {
	e.mu.Lock()
	again := slices.DeleteFunc(slices.Clone(e.containers), func(c *container) bool { return !c.comesBack() })
	e.mu.Unlock()
	for _, c := range again {
		_ = e.start(c)
	}
}

// Stop stops the engine, and with it all containers.
func (e *ContainerEngine) Stop(h *Host) {
	e.mu.Lock()
	e.up = false
	daemon := e.daemon
	e.mu.Unlock()
	if daemon != nil {
		daemon.finish(exitStatus{signal: SIGTERM})
	}
	e.endAll()
	_ = h.FS().Remove(dockerSocket)
}

func (e *ContainerEngine) endAll() {
	e.mu.Lock()
	all := slices.Clone(e.containers)
	e.mu.Unlock()
	for _, c := range all {
		c.end(SIGKILL, byEngine)
	}
}

// control is systemctl's hand on the engine.
func (e *ContainerEngine) control(verb string) int {
	if verb != "start" {
		e.Stop(e.host)
	}
	if verb != "stop" && !e.running() {
		e.Start(e.host)
	}
	return 0
}

// goAway stops the engine, and starts it again after a while; zero is never.
func (e *ContainerEngine) goAway(delay time.Duration) {
	e.Stop(e.host)
	if delay <= 0 {
		return
	}
	lab := e.host.lab
	lab.work.start(func() {
		select {
		case <-time.After(delay):
			e.Start(e.host)
		case <-lab.ctx.Done():
		}
	})
}

// setUpDocker is what the maintainer script of Docker's package does on a machine.
func setUpDocker(p *Process) {
	if p.world.name == "" {
		p.Host().Containers().Start(p.Host())
	}
}

// runtimes are the container runtimes of the host.
func (h *Host) runtimes() []string {
	if len(h.spec.Runtimes) == 0 {
		return []string{"docker"}
	}
	return h.spec.Runtimes
}

// installRuntimes gives a host that is being made its container runtimes. Docker is in the tree that all hosts begin with.
func (h *Host) installRuntimes() error {
	list := h.runtimes()
	for _, r := range list {
		if !slices.Contains([]string{"docker", "podman", "none"}, r) || r == "none" && len(list) > 1 {
			return fmt.Errorf("runtimes %q: want \"docker\", \"podman\", both, or \"none\" alone", list)
		}
	}
	if !slices.Contains(list, "docker") {
		if err := h.lab.packages["docker.io"].remove(h.FS()); err != nil {
			return err
		}
	}
	if slices.Contains(list, "podman") {
		return h.lab.packages.preinstall(h.FS(), []string{"podman"})
	}
	return nil
}

// stock gives the host the images and archives that it has from the start.
func (h *Host) stock() error {
	for _, path := range slices.Sorted(maps.Keys(h.spec.Archives)) {
		data, err := h.lab.Archive(h.spec.Arch, strings.Fields(h.spec.Archives[path])...)
		if err == nil {
			err = h.FS().MkdirAll(dirOf(path), 0o755)
		}
		if err == nil {
			err = h.FS().WriteFile(path, data, 0o644)
		}
		if err != nil {
			return fmt.Errorf("archive %s: %w", path, err)
		}
	}
	for _, r := range h.runtimes() {
		e := h.Containers()
		switch r {
		case "none":
			continue
		case "podman":
			e = h.Podman(User{Name: "root", Home: "/root"})
		}
		if err := e.preload(); err != nil {
			return err
		}
	}
	return nil
}

// preload gives the host the images that it has from the start: those of its description, and the odd one that a fault demands.
func (e *ContainerEngine) preload() error {
	spec := e.host.spec
	f, odd := e.host.Fault(OddImage)
	if len(spec.Images) == 0 && !odd {
		return nil
	}
	lib, err := e.host.lab.library()
	if err != nil {
		return err
	}
	for _, s := range spec.Images {
		ref, err := parseImageRef(s)
		if err != nil {
			return fmt.Errorf("image %q: %w", s, err)
		}
		img := lib.find(ref, spec.Arch)
		if img == nil || img.entry.Schema1 != "" {
			return fmt.Errorf("image %q: the lab's registries have none of this name for %s", s, spec.Arch)
		}
		e.pulled(img, ref)
	}
	if !odd {
		return nil
	}
	ref, err := parseImageRef(orDefault(f.Text, "docker.io/rocm/cvs:latest"))
	if err != nil {
		return fmt.Errorf("fault %q: %q: %w", OddImage, f.Text, err)
	}
	if img := lib.find(refOf("docker.io/rocm/cvs", "odd"), spec.Arch); img != nil {
		e.tag(e.keep(img), ref)
	}
	return nil
}

func (e *ContainerEngine) running() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.up && e.daemon.alive()
}

// admit keeps an image, and gives the one that is kept: an image that came from two registries is one image. The caller holds mu, or is alone.
func (e *ContainerEngine) admit(img *labImage) *labImage {
	if have := e.images[img.id]; have != nil {
		return have
	}
	e.images[img.id] = img
	return img
}

func (e *ContainerEngine) keep(img *labImage) *labImage {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.admit(img)
}

// tagged is the image that a name and tag stand for; nil if none.
func (e *ContainerEngine) tagged(ref imageRef) *labImage {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tags[ref.repository()+":"+ref.tag]
}

// pull gets an image from the registry of its domain, with the login that the client has for it.
func (e *ContainerEngine) pull(ref imageRef, login registryLogin) (*labImage, error) {
	img, err := e.offered(ref, login)
	if err != nil {
		return nil, err
	}
	args := ref.words()
	switch {
	case img.entry.Schema1 != "":
		return nil, e.fail(pullSchema1, args...)
	case e.host.faults.guard(e.store+"/image", true) != nil:
		return nil, e.fail(pullDiskFull, append(args, e.store)...)
	}
	return e.pulled(img, ref), nil
}

// offered is what the registry has of that name for this host.
func (e *ContainerEngine) offered(ref imageRef, login registryLogin) (*labImage, error) {
	lib, err := e.host.lab.library()
	if err != nil {
		return nil, err
	}
	args := ref.words()
	if _, off := e.host.Fault(Offline); off {
		return nil, e.fail(pullOffline, append(args, registryHost(ref.domain))...)
	}
	switch ref.domain {
	case DownRegistry:
		return nil, e.fail(pullRefused, append(args, ref.domain, downAddress.String())...)
	case PrivateRegistry:
		if !letIn(ref.domain, login.user, login.password) {
			return nil, e.fail(pullNoLogin, append(args, ref.domain, ref.path)...)
		}
	}
	wanted := e.host.lab.catalogued(ref)
	if img := lib.find(wanted, e.host.spec.Arch); img != nil {
		return img, nil
	}
	served := false
	for _, img := range lib.images {
		if img.entry.names(wanted) {
			return nil, e.fail(pullNoPlatform, append(args, e.host.spec.Arch)...)
		}
		served = served || img.entry.Repository == wanted.repository()
	}
	switch {
	case served:
		return nil, e.fail(pullNoTag, args...)
	case wanted.domain == "docker.io" || wanted.domain == PrivateRegistry:
		return nil, e.fail(pullNoRepository, args...)
	}
	return nil, e.fail(pullNoHost, append(args, ref.domain)...)
}

// registryHost is the machine that answers for a domain.
func registryHost(domain string) string {
	if domain == "docker.io" {
		return "registry-1.docker.io"
	}
	return domain
}

// pulled keeps an image that a registry gave under this reference.
func (e *ContainerEngine) pulled(img *labImage, ref imageRef) *labImage {
	index := img.index
	e.mu.Lock()
	defer e.mu.Unlock()
	img = e.admit(img)
	e.learn(img, index, img.digest)
	switch {
	case e.podman && ref.digest == "":
		e.tags[ref.repository()+":"+ref.tag] = img
	case e.podman:
		e.digests[ref.repository()+"@"+ref.digest] = img
	default:
		e.digests[ref.repository()+"@"+orDefault(ref.digest, index)] = img
		if ref.digest == "" {
			e.tags[ref.repository()+":"+ref.tag] = img
		}
	}
	return img
}

// learn notes digests of an image, which podman shows with each of its names. The caller holds mu.
func (e *ContainerEngine) learn(img *labImage, digests ...string) {
	for _, d := range digests {
		if e.podman && !slices.Contains(e.known[img.id], d) {
			e.known[img.id] = append(e.known[img.id], d)
		}
	}
}

// local finds an image that the host has, by reference or by the beginning of its id.
func (e *ContainerEngine) local(s string) *labImage {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ref, err := parseImageRef(s); err == nil {
		if img := e.named(ref, s); img != nil {
			return img
		}
	}
	hex := strings.TrimPrefix(s, "sha256:")
	if len(hex) < 4 {
		return nil
	}
	for id, img := range e.images {
		if strings.HasPrefix(strings.TrimPrefix(id, "sha256:"), hex) {
			return img
		}
	}
	return nil
}

// named is what a reference names on this host. The caller holds mu.
func (e *ContainerEngine) named(ref imageRef, written string) *labImage {
	if e.podman {
		return e.namedPodman(ref, written)
	}
	if ref.digest != "" {
		return e.digests[ref.repository()+"@"+ref.digest]
	}
	return e.tags[ref.repository()+":"+ref.tag]
}

func (e *ContainerEngine) tag(img *labImage, ref imageRef) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tags[ref.repository()+":"+ref.tag] = img
}

// repoTags are the tags of an image as the runtime shows them. The caller holds mu.
func (e *ContainerEngine) repoTags(img *labImage) []string { return e.shown(keysOf(e.tags, img)) }

// repoDigests are the digests of an image with the repositories it is known by: Docker shows those that were pulled; podman all that it knows with every name, so
// that some of them are in no registry. The caller holds mu.
func (e *ContainerEngine) repoDigests(img *labImage) []string {
	if !e.podman {
		return e.shown(keysOf(e.digests, img))
	}
	out := []string{}
	for _, full := range append(keysOf(e.tags, img), keysOf(e.digests, img)...) {
		for _, d := range e.known[img.id] {
			out = append(out, repositoryOf(full)+"@"+d)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (e *ContainerEngine) shown(names []string) []string {
	out := []string{}
	for _, full := range names {
		if !e.podman {
			full = familiarName(full)
		}
		out = append(out, full)
	}
	return out
}

func keysOf(in map[string]*labImage, img *labImage) []string {
	var out []string
	for _, full := range slices.Sorted(maps.Keys(in)) {
		if in[full] == img {
			out = append(out, full)
		}
	}
	return out
}

// repositoryOf is a name in full without its tag or digest.
func repositoryOf(full string) string {
	if repository, _, ok := strings.Cut(full, "@"); ok {
		return repository
	}
	return full[:strings.LastIndexByte(full, ':')]
}

func familiarName(full string) string {
	return strings.TrimPrefix(strings.TrimPrefix(full, "docker.io/"), "library/")
}

// forget takes one name of an image away, and the image with its last one. It tells what it did as docker rmi does.
func (e *ContainerEngine) forget(s string, force bool) ([]string, error) {
	img := e.local(s)
	if img == nil {
		return nil, e.imageMissing(s)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	tags, digests := e.repoTags(img), e.shown(keysOf(e.digests, img))
	ref, err := parseImageRef(s)
	var said []string
	if err == nil && ref.digest == "" && e.tags[ref.repository()+":"+ref.tag] == img && len(tags) > 1 {
		delete(e.tags, ref.repository()+":"+ref.tag)
		return []string{"Untagged: " + ref.familiar() + ":" + ref.tag}, nil
	}
	for _, c := range e.containers {
		if c.image == img && (!force || c.state == stateRunning) {
			return nil, daemonError(fmt.Sprintf("conflict: unable to remove repository reference %q (must force) - container %s is using its referenced image %s", s, c.id[:12], shortImageID(img.id)))
		}
	}
	for _, name := range append(tags, digests...) {
		said = append(said, "Untagged: "+name)
	}
	e.drop(img)
	return append(said, "Deleted: "+img.id), nil
}

// drop takes an image away with all its names. The caller holds mu.
func (e *ContainerEngine) drop(img *labImage) {
	maps.DeleteFunc(e.tags, func(_ string, i *labImage) bool { return i == img })
	maps.DeleteFunc(e.digests, func(_ string, i *labImage) bool { return i == img })
	delete(e.images, img.id)
	delete(e.known, img.id)
}

func shortImageID(id string) string { return strings.TrimPrefix(id, "sha256:")[:12] }

// withLatest is a reference as Docker repeats it: with the tag that it was given by default.
func withLatest(s string) string {
	ref, err := parseImageRef(s)
	if err != nil || ref.digest != "" || strings.HasSuffix(s, ":"+ref.tag) {
		return s
	}
	return s + ":" + ref.tag
}

// find finds a container by its name, or by the beginning of its id.
func (e *ContainerEngine) find(s string) (*container, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	plain := s
	if !e.podman {
		plain = strings.TrimPrefix(s, "/")
	}
	var byID *container
	for _, c := range e.containers {
		if c.name == plain || c.id == s {
			return c, nil
		}
		if s != "" && strings.HasPrefix(c.id, s) {
			byID = c
		}
	}
	if byID == nil {
		return nil, e.fail(noContainer, s)
	}
	return byID, nil
}

// list is all containers: Docker's the newest first, podman's the oldest.
func (e *ContainerEngine) list() []*container {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := slices.Clone(e.containers)
	if !e.podman {
		slices.Reverse(out)
	}
	return out
}

func (e *ContainerEngine) rename(c *container, name string) error {
	if !containerNames.MatchString(name) {
		return e.fail(renameBad, name)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.name == name {
		return e.fail(renameSame, name, c.id, c.id)
	}
	for _, other := range e.containers {
		if other.name == name {
			return e.fail(renameTaken, other.name, other.id, c.id)
		}
	}
	c.name = name
	return nil
}

// remove takes a container away; one that runs only with force. One that is busy is killed, and dead from then on.
func (e *ContainerEngine) remove(c *container, force, busy bool) error {
	e.mu.Lock()
	state := c.state
	e.mu.Unlock()
	if c.active() && !force {
		return e.fail(removeActive, c.name, c.id, state)
	}
	c.end(SIGKILL, byPerson)
	e.mu.Lock()
	defer e.mu.Unlock()
	if busy {
		c.state = stateDead
		return e.fail(removeBusy, c.id)
	}
	e.containers = slices.DeleteFunc(e.containers, func(o *container) bool { return o == c })
	return nil
}

// snapshot is the engine's part in the host's snapshot.
func (e *ContainerEngine) snapshot() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var b strings.Builder
	b.WriteString("# images\n")
	for _, set := range []map[string]*labImage{e.tags, e.digests} {
		for _, name := range slices.Sorted(maps.Keys(set)) {
			fmt.Fprintf(&b, "%s %s\n", name, set[name].id)
		}
	}
	b.WriteString("# containers\n")
	for _, c := range e.containers {
		fmt.Fprintf(&b, "%s %s %s %s %v started %s\n", c.id, c.name, c.state, c.image.id, c.spec.Labels, c.started.UTC().Format(time.RFC3339Nano))
		b.WriteString(c.fs.Tree("/"))
	}
	return b.String()
}
