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

// ContainerEngine is a host's Docker Engine: its images and containers. It is a Service, so that a reboot stops the containers, and starts again those
// with a restart policy.
type ContainerEngine struct {
	host *Host

	mu         sync.Mutex
	up         bool
	tags       map[string]*labImage // docker.io/rocm/cvs:latest
	daemon     *Process
	digests    map[string]*labImage // docker.io/rocm/cvs@sha256:…
	images     map[string]*labImage // by id
	containers []*container         // oldest first
}

// newContainerEngine puts an engine onto a host that is being made: its command, its place in snapshots, and the image that a fault demands.
func newContainerEngine(h *Host) *ContainerEngine {
	e := &ContainerEngine{host: h, tags: map[string]*labImage{}, digests: map[string]*labImage{}, images: map[string]*labImage{}}
	h.parts = append(h.parts, e.snapshot)
	return e
}

// Containers is the host's container engine.
func (h *Host) Containers() *ContainerEngine {
	for _, s := range h.services {
		if e, ok := s.(*ContainerEngine); ok {
			return e
		}
	}
	return nil
}

// Start starts the engine, and the containers that are to run always.
func (e *ContainerEngine) Start(h *Host) {
	b := &builder{fs: h.FS()}
	if _, err := b.fs.Stat(dockerProgram); err != nil {
		b.file(dockerProgram, 0o755, string(Program("docker")))
		e.preload()
	}
	b.keep(b.fs.Remove(dockerSocket))
	b.dir(0o755, "/run")
	b.keep(b.fs.Mknod(dockerSocket, TypeSocket|0o660, 0, 0))
	b.keep(b.fs.Chmod(dockerSocket, 0o660))
	b.owned(dockerSocket, 0, dockerGroup)
	daemon := h.world.Start(Launch{Argv: []string{"/usr/bin/dockerd", "-H", "fd://"}, Parent: 1, Idle: true})
	e.mu.Lock()
	e.daemon = daemon
	again := slices.DeleteFunc(slices.Clone(e.containers), func(c *container) bool { return !c.restarts() })
	e.mu.Unlock()
	for _, c := range again {
		_ = e.start(c)
	}
	e.mu.Lock()
	e.up = true // whoever asks from here on finds the containers that come back by themselves running
	e.mu.Unlock()
}

// Stop stops the engine, and with it all containers.
func (e *ContainerEngine) Stop(h *Host) {
	e.mu.Lock()
	e.up = false
	all, daemon := slices.Clone(e.containers), e.daemon
	e.mu.Unlock()
	if daemon != nil {
		daemon.finish(exitStatus{signal: SIGTERM})
	}
	for _, c := range all {
		c.end(SIGKILL, byEngine)
	}
	_ = h.FS().Remove(dockerSocket)
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

// preload gives the host the odd image where a fault says that it has one.
func (e *ContainerEngine) preload() {
	f, odd := e.host.Fault(OddImage)
	if !odd {
		return
	}
	lib, err := e.host.lab.library()
	if err != nil {
		return
	}
	ref, err := parseImageRef(orDefault(f.Text, "docker.io/rocm/cvs:latest"))
	if err != nil {
		return
	}
	if img := lib.find(imageRef{domain: "docker.io", path: "rocm/cvs", tag: "odd"}, e.host.spec.Arch); img != nil {
		e.store(img)
		e.tags[ref.repository()+":"+ref.tag] = img
	}
}

func (e *ContainerEngine) running() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.up && e.daemon.alive()
}

// store keeps an image, and gives the one that is kept: an image that came from two registries is one image. The caller holds mu, or is alone.
func (e *ContainerEngine) store(img *labImage) *labImage {
	if have := e.images[img.id]; have != nil {
		return have
	}
	e.images[img.id] = img
	return img
}

func (e *ContainerEngine) keep(img *labImage) *labImage {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.store(img)
}

// tagged is the image that a name and tag stand for; nil if none.
func (e *ContainerEngine) tagged(ref imageRef) *labImage {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tags[ref.repository()+":"+ref.tag]
}

// pull gets an image from the registry of its domain.
func (e *ContainerEngine) pull(ref imageRef) (*labImage, error) {
	lib, err := e.host.lab.library()
	if err != nil {
		return nil, err
	}
	if err := e.host.faults.guard(dockerStore+"/image", true); err != nil {
		return nil, daemonError("write " + dockerStore + "/tmp/GetImageBlob: " + strings.ToLower(strerror(err)))
	}
	img := lib.find(e.host.lab.catalogued(ref), e.host.spec.Arch)
	if img == nil {
		return nil, e.unknownImage(lib, ref)
	}
	index := img.index
	e.mu.Lock()
	defer e.mu.Unlock()
	img = e.store(img)
	e.digests[ref.repository()+"@"+index] = img
	if ref.digest == "" {
		e.tags[ref.repository()+":"+ref.tag] = img
	} else if ref.digest != index {
		e.digests[ref.repository()+"@"+ref.digest] = img
	}
	return img, nil
}

func (e *ContainerEngine) unknownImage(lib *imageLibrary, ref imageRef) error {
	ref = e.host.lab.catalogued(ref)
	for _, img := range lib.images {
		if img.entry.Repository == ref.repository() {
			what := orDefault(ref.digest, ref.tag)
			return daemonError(fmt.Sprintf("manifest for %s:%s not found: manifest unknown: manifest unknown", ref.familiar(), what))
		}
	}
	if ref.domain != "docker.io" {
		return daemonError(fmt.Sprintf("Get \"https://%s/v2/\": dial tcp: lookup %s: no such host", ref.domain, ref.domain))
	}
	return daemonError(fmt.Sprintf("pull access denied for %s, repository does not exist or may require 'docker login': denied: requested access to the resource is denied", ref.familiar()))
}

// local finds an image that the host has, by reference or by the beginning of its id.
func (e *ContainerEngine) local(s string) *labImage {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ref, err := parseImageRef(s); err == nil {
		if img := e.digests[ref.repository()+"@"+ref.digest]; ref.digest != "" && img != nil {
			return img
		}
		if img := e.tags[ref.repository()+":"+ref.tag]; ref.digest == "" && img != nil {
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

func (e *ContainerEngine) tag(img *labImage, ref imageRef) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tags[ref.repository()+":"+ref.tag] = img
}

// namesOf lists the tags or digests under which the host has an image, as docker shows them.
func (e *ContainerEngine) namesOf(img *labImage, in map[string]*labImage) []string {
	out := []string{}
	for _, full := range slices.Sorted(maps.Keys(in)) {
		if in[full] == img {
			out = append(out, familiarName(full))
		}
	}
	return out
}

func familiarName(full string) string {
	return strings.TrimPrefix(strings.TrimPrefix(full, "docker.io/"), "library/")
}

// forget takes one name of an image away, and the image with its last one. It tells what it did as docker rmi does.
func (e *ContainerEngine) forget(s string, force bool) ([]string, error) {
	img := e.local(s)
	if img == nil {
		return nil, daemonError("No such image: " + s)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	tags, digests := e.namesOf(img, e.tags), e.namesOf(img, e.digests)
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
	maps.DeleteFunc(e.tags, func(_ string, i *labImage) bool { return i == img })
	maps.DeleteFunc(e.digests, func(_ string, i *labImage) bool { return i == img })
	delete(e.images, img.id)
	return append(said, "Deleted: "+img.id), nil
}

func shortImageID(id string) string { return strings.TrimPrefix(id, "sha256:")[:12] }

// find finds a container by its name, or by the beginning of its id.
func (e *ContainerEngine) find(s string) (*container, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	plain := strings.TrimPrefix(s, "/")
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
		return nil, daemonError("No such container: " + s)
	}
	return byID, nil
}

// list is all containers, the newest first.
func (e *ContainerEngine) list() []*container {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := slices.Clone(e.containers)
	slices.Reverse(out)
	return out
}

func (e *ContainerEngine) rename(c *container, name string) error {
	if err := validContainer(name); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, other := range e.containers {
		if other != c && other.name == name {
			return nameConflict(other)
		}
	}
	c.name = name
	return nil
}

func nameConflict(c *container) error {
	return daemonError(fmt.Sprintf("Conflict. The container name \"/%s\" is already in use by container %q. You have to remove (or rename) that container to be able to reuse that name.", c.name, c.id))
}

// remove takes a container away; one that runs only with force.
func (e *ContainerEngine) remove(c *container, force bool) error {
	e.mu.Lock()
	active := c.state == stateRunning || c.state == statePaused
	e.mu.Unlock()
	if active && !force {
		return daemonError(fmt.Sprintf("cannot remove container \"/%s\": container is running: stop the container before removing or force remove", c.name))
	}
	c.end(SIGKILL, byPerson)
	e.mu.Lock()
	defer e.mu.Unlock()
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

// daemonError is what the engine answers.
type daemonError string

func (e daemonError) Error() string { return "Error response from daemon: " + string(e) }
