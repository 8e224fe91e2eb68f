package lab

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// A catalogueImage is an image that the lab's registries serve. What a registry and a runtime tell of it is real: manifests, digests and layers are
// those of the small archive it consists of. What a container sees is its tree, which the archive only hints at.
type catalogueImage struct {
	Repository string   // docker.io/rocm/cvs
	Tags       []string // the first is its version
	System     string   // as /etc/os-release names it
	Packages   []string // installed beside the base system, as far as the lab's package catalogue has them
	Files      map[string]string
	Env        []string
	Command    []string
	Platforms  []v1.Platform    // nil: amd64 and arm64
	Plain      bool             // one manifest, not in an index
	Health     *v1.HealthConfig // nil: none
	Schema1    types.MediaType  // a manifest of this old kind and nothing else, which no runtime takes
}

// PrivateRegistry is a registry of the lab that lets nobody in but RegistryUser with RegistryPassword. DownRegistry is one that does not run: its machine
// refuses connections.
const (
	PrivateRegistry  = "private.lab.example.com"
	DownRegistry     = "down.lab.example.com"
	RegistryUser     = "cvs"
	RegistryPassword = "open sesame"
)

// catalogueImages are all images there are. Several tags of one entry name the same bytes.
func catalogueImages() []catalogueImage {
	ubuntu := "Ubuntu 22.04.5 LTS"
	rocm := func(repository, version string, tags ...string) catalogueImage {
		return catalogueImage{
			Repository: repository, Tags: tags, System: ubuntu,
			Packages: []string{"rocm-core", "amd-smi-lib", "curl"},
			Files:    map[string]string{"/opt/rocm/.info/version": version + "\n"},
			Env:      []string{"PATH=/opt/rocm/bin:" + defaultPath, "ROCM_VERSION=" + version},
			Command:  []string{"/bin/sh"},
		}
	}
	variant := func(tag string, change func(*catalogueImage)) catalogueImage {
		c := rocm("docker.io/rocm/test", "7.0.2-"+tag, tag)
		change(&c)
		return c
	}
	checked := func(tag string, h v1.HealthConfig) catalogueImage {
		return variant(tag, func(c *catalogueImage) { c.Health = &h })
	}
	return []catalogueImage{
		rocm("docker.io/rocm/cvs", "7.0.2", "7.0.2", "latest"),
		rocm("docker.io/rocm/cvs", "6.4.3", "6.4.3"),
		rocm("docker.io/rocm/cvs", "6.4.3-odd", "odd"),
		{Repository: "docker.io/library/ubuntu", Tags: []string{"22.04", "latest"}, System: ubuntu, Env: []string{"PATH=" + defaultPath}, Command: []string{"/bin/sh"}},
		{Repository: "docker.io/library/debian", Tags: []string{"12", "bookworm", "latest"}, System: "Debian GNU/Linux 12 (bookworm)",
			Env: []string{"PATH=" + defaultPath}, Command: []string{"/bin/sh"}},
		rocm(PrivateRegistry+"/rocm/cvs", "7.0.2", "7.0.2", "latest"),

		// What tests need: one architecture only, in an index and without one; manifests as they were of old; health checks.
		variant("amd64", func(c *catalogueImage) { c.Platforms = platforms[:1] }),
		variant("plain", func(c *catalogueImage) { c.Platforms, c.Plain = platforms[:1], true }),
		variant("schema1", func(c *catalogueImage) { c.Schema1 = types.DockerManifestSchema1 }),
		variant("schema1-signed", func(c *catalogueImage) { c.Schema1 = types.DockerManifestSchema1Signed }),
		checked("healthy", v1.HealthConfig{Test: []string{"CMD-SHELL", healthyAtThird}, Interval: 50 * time.Millisecond, Timeout: 10 * time.Second, StartPeriod: time.Minute, Retries: 3}),
		checked("unhealthy", v1.HealthConfig{Test: []string{"CMD-SHELL", "echo 'the fabric is down'; exit 1"}, Interval: 50 * time.Millisecond, Timeout: 10 * time.Second, Retries: 3}),
		checked("starting", v1.HealthConfig{Test: []string{"CMD", "false"}, Interval: 50 * time.Millisecond, Timeout: 10 * time.Second, StartPeriod: 24 * time.Hour, Retries: 3}),
	}
}

// healthyAtThird is a health check that finds a reason to complain twice.
const healthyAtThird = `n=$(($(cat /run/checks 2>/dev/null || echo 0)+1)); echo $n >/run/checks; echo "check $n"; [ $n -ge 3 ]`

// platforms are those of most catalogue images.
var platforms = []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64", Variant: "v8"}}

// An imageLibrary holds the images of a lab: made when first used, shared by its hosts.
type imageLibrary struct {
	once   sync.Once
	err    error
	images []*labImage
	index  map[string]v1.ImageIndex // by entry: NAME:TAG of its first tag; none of those that are not in an index
}

// A labImage is a catalogue image for one platform.
type labImage struct {
	entry    catalogueImage
	platform v1.Platform
	image    v1.Image
	id       string // digest of its configuration: sha256:…
	digest   string // of its manifest
	index    string // digest of the index it is in
	size     int64
	created  time.Time

	once sync.Once
	tree *FS
	err  error
}

// made is the time stamp of everything in the images, so that their digests are the same in every lab.
var made = time.Date(2025, 9, 1, 12, 0, 0, 0, time.UTC)

// library gives the lab's images.
func (l *Lab) library() (*imageLibrary, error) {
	lib := &l.images
	lib.once.Do(func() {
		lib.index = map[string]v1.ImageIndex{}
		for _, entry := range catalogueImages() {
			if lib.err = lib.add(entry); lib.err != nil {
				return
			}
		}
	})
	return lib, lib.err
}

func (lib *imageLibrary) add(entry catalogueImage) error {
	kind := types.OCIImageIndex
	if entry.Health != nil {
		kind = types.DockerManifestList
	}
	index := mutate.IndexMediaType(v1.ImageIndex(empty.Index), kind)
	var list []*labImage
	for _, p := range entry.platforms() {
		img, err := entry.build(p)
		if err != nil {
			return fmt.Errorf("image %s: %w", entry.Repository, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img.image, Descriptor: v1.Descriptor{Platform: &p}})
		img.index = img.digest
		list = append(list, img)
	}
	lib.images = append(lib.images, list...)
	if entry.Plain || entry.Schema1 != "" {
		return nil
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	for _, img := range list {
		img.index = digest.String()
	}
	lib.index[entry.Repository+":"+entry.Tags[0]] = index
	return nil
}

func (entry catalogueImage) platforms() []v1.Platform {
	if entry.Platforms != nil {
		return entry.Platforms
	}
	return platforms
}

// mediaTypes are those of the image's manifest, configuration and layers. Only Docker's own format has health checks for podman too; and in an OCI manifest
// podman takes nothing of Docker's.
func (entry catalogueImage) mediaTypes() (manifest, config, layer types.MediaType) {
	if entry.Health != nil {
		return types.DockerManifestSchema2, types.DockerConfigJSON, types.DockerLayer
	}
	return types.OCIManifestSchema1, types.OCIConfigJSON, types.OCILayer
}

// build makes the image for one platform.
func (entry catalogueImage) build(p v1.Platform) (*labImage, error) {
	archive, err := entry.archive(p)
	if err != nil {
		return nil, err
	}
	ofManifest, ofConfig, ofLayer := entry.mediaTypes()
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }, tarball.WithMediaType(ofLayer))
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, ofManifest), ofConfig), layer)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant, config.Created = p.OS, p.Architecture, p.Variant, v1.Time{Time: made}
	config.Config = v1.Config{Env: entry.Env, Cmd: entry.Command, Healthcheck: entry.Health}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return nil, err
	}
	id, err := img.ConfigName()
	if err != nil {
		return nil, err
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	return &labImage{entry: entry, platform: p, image: img, id: id.String(), digest: digest.String(), size: int64(len(archive)), created: made}, nil
}

// archive is the one layer: what tells the image from others.
func (entry catalogueImage) archive(p v1.Platform) ([]byte, error) {
	files := map[string]string{"/etc/os-release": osRelease(entry.System), "/etc/lab-platform": p.String() + "\n"}
	for path, text := range entry.Files {
		files[path] = text
	}
	paths := make([]string, 0, len(files))
	for path := range files {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, path := range paths {
		h := &tar.Header{Name: strings.TrimPrefix(path, "/"), Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(files[path])), ModTime: made}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, files[path]); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

func osRelease(system string) string {
	if rest, ok := strings.CutPrefix(system, "Ubuntu "); ok {
		return fmt.Sprintf("PRETTY_NAME=%q\nNAME=\"Ubuntu\"\nVERSION_ID=\"%s\"\nVERSION_CODENAME=jammy\nID=ubuntu\nID_LIKE=debian\n", system, rest[:5])
	}
	return fmt.Sprintf("PRETTY_NAME=%q\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n", system)
}

// hostPrograms are those that images do not have: they belong to a machine.
var hostPrograms = []string{"sudo", "su", "reboot", "shutdown", "poweroff", "systemctl", "modprobe", "lsmod"}

// root is the image's file system: frozen, for clones.
func (img *labImage) root(l *Lab) (*FS, error) {
	img.once.Do(func() {
		b := &builder{fs: NewFS(l.opts.Now)}
		b.skeleton(img.entry.System)
		b.file("/etc/os-release", 0o644, osRelease(img.entry.System))
		for _, program := range standardPrograms() {
			if !slices.Contains(hostPrograms, program) {
				b.file(programPath(program), 0o755, string(Program(program)))
			}
		}
		b.dir(0o700, "/root")
		b.file("/etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"+
			"sshd:x:101:65534::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n")
		b.file("/etc/group", 0o644, "root:x:0:\ndaemon:x:1:\nsudo:x:27:\nvideo:x:44:\nrender:x:104:\nnogroup:x:65534:\n")
		for path, text := range img.entry.Files {
			b.file(path, 0o644, text)
		}
		var there []string
		for _, p := range append([]string{"coreutils", "dash", "bash", "tar", "ca-certificates"}, img.entry.Packages...) {
			if _, ok := l.packages[p]; ok {
				there = append(there, p)
			}
		}
		b.keep(l.packages.preinstall(b.fs, there))
		img.tree, img.err = b.fs.Freeze(), b.err
	})
	return img.tree, img.err
}

// names tells whether a reference by tag is to this entry.
func (entry catalogueImage) names(ref imageRef) bool {
	return ref.digest == "" && entry.Repository == ref.repository() && slices.Contains(entry.Tags, ref.tag)
}

// find gives the image that a reference names, for an architecture: by the digest of its index or manifest, or by its tag.
func (lib *imageLibrary) find(ref imageRef, arch string) *labImage {
	for _, img := range lib.images {
		if img.entry.Repository != ref.repository() {
			continue
		}
		switch {
		case ref.digest != "" && ref.digest == img.digest:
			return img
		case img.platform.Architecture != arch:
		case ref.digest != "" && ref.digest == img.index:
			return img
		case img.entry.names(ref):
			return img
		}
	}
	return nil
}

func (lib *imageLibrary) byID(id string) *labImage {
	for _, img := range lib.images {
		if img.id == id {
			return img
		}
	}
	return nil
}

// An imageRef is a reference as the docker command reads it.
type imageRef struct {
	domain, path, tag, digest string
}

func parseImageRef(s string) (imageRef, error) {
	rest, digest, _ := strings.Cut(s, "@")
	tag, err := name.NewTag(rest, name.WithDefaultRegistry("docker.io"))
	if err != nil {
		return imageRef{}, fmt.Errorf("invalid reference format")
	}
	if digest != "" {
		if _, err := v1.NewHash(digest); err != nil {
			return imageRef{}, fmt.Errorf("invalid reference format")
		}
	}
	r := imageRef{domain: tag.RegistryStr(), path: tag.RepositoryStr(), tag: tag.TagStr(), digest: digest}
	if r.domain == "index.docker.io" {
		r.domain = "docker.io"
	}
	if digest != "" && !strings.Contains(rest[strings.LastIndexByte(rest, '/')+1:], ":") {
		r.tag = ""
	}
	if r.domain == "docker.io" && !strings.Contains(r.path, "/") {
		r.path = "library/" + r.path
	}
	return r, nil
}

func (r imageRef) repository() string { return r.domain + "/" + r.path }

// words are the arguments of problems with a pull: the reference in full, the repository in full, its tag or digest, the repository as Docker shows it.
func (r imageRef) words() []any {
	return []any{r.full(), r.repository(), orDefault(r.digest, r.tag), r.familiar()}
}

// full is the reference with all that goes without saying.
func (r imageRef) full() string {
	if r.digest != "" {
		return r.repository() + "@" + r.digest
	}
	return r.repository() + ":" + r.tag
}

// familiar is the repository as docker shows it.
func (r imageRef) familiar() string {
	if r.domain != "docker.io" {
		return r.repository()
	}
	return strings.TrimPrefix(r.path, "library/")
}
