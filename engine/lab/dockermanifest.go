package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/spf13/pflag"
)

// A servedManifest is what a registry says of a reference.
type servedManifest struct {
	ref    imageRef
	media  types.MediaType
	digest v1.Hash
	raw    []byte
}

// ask asks the registry of a reference for its manifest, from this host and with this client's login.
func (d *dockerCLI) ask(ref imageRef) (servedManifest, error) {
	return d.askAs(ref, d.loginFor(ref.domain))
}

func (d *dockerCLI) askAs(ref imageRef, login registryLogin) (servedManifest, error) {
	m := servedManifest{ref: ref}
	if _, off := d.p.Host().Fault(Offline); off {
		return m, manifestError{pullOffline, registryHost(ref.domain), ""}
	}
	lab := d.p.Host().lab
	host := registryHost(lab.catalogued(ref).domain)
	url := fmt.Sprintf("https://%s/v2/%s/manifests/%s", host, ref.path, orDefault(ref.digest, ref.tag))
	req, err := http.NewRequestWithContext(d.ctx, http.MethodGet, url, nil)
	if err != nil {
		return m, err
	}
	if login.user != "" {
		req.SetBasicAuth(login.user, login.password)
	}
	res, err := lab.RegistryTransport().RoundTrip(req)
	switch {
	case err != nil && ref.domain == DownRegistry:
		return m, manifestError{pullRefused, host, downAddress.String()}
	case err != nil:
		return m, manifestError{pullNoHost, host, ""}
	}
	defer func() { _ = res.Body.Close() }()
	if m.raw, err = io.ReadAll(res.Body); err != nil {
		return m, err
	}
	switch {
	case res.StatusCode == http.StatusOK:
		m.media, m.digest = types.MediaType(res.Header.Get("Content-Type")), digestOf(m.raw)
		return m, nil
	case res.StatusCode == http.StatusUnauthorized && login.user == "":
		return m, manifestError{pullNoLogin, host, url}
	case res.StatusCode == http.StatusUnauthorized:
		return m, manifestError{loginRefused, host, url}
	}
	if served, err := lab.serves(ref); err != nil || !served {
		return m, errors.Join(err, manifestError{pullNoRepository, host, url})
	}
	return m, manifestError{pullNoTag, host, url}
}

// serves tells whether a registry of the lab has a repository.
func (l *Lab) serves(ref imageRef) (bool, error) {
	lib, err := l.library()
	if err != nil {
		return false, err
	}
	for _, img := range lib.images {
		if img.entry.Repository == l.catalogued(ref).repository() {
			return true, nil
		}
	}
	return false, nil
}

// manifestError is why a registry gave no manifest.
type manifestError struct {
	why      problem
	host, at string // the registry's; the address that was asked, or that refused
}

func (e manifestError) Error() string { return fmt.Sprintf("%s gives no manifest (%s)", e.host, e.at) }

// words is the reason as docker manifest gives it.
func (e manifestError) words(ref imageRef) string {
	full := ref.full()
	switch e.why {
	case pullNoTag:
		return "no such manifest: " + full
	case pullNoRepository:
		return "errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required\n"
	case pullNoLogin:
		return fmt.Sprintf("Get %q: no basic auth credentials", e.at)
	case loginRefused:
		return "unauthorized: authentication required"
	}
	ping := phrase(dockerWords[e.why], []any{"", "", "", "", e.host, e.at})
	return "failed to configure transport: error pinging v2 registry: " + ping
}

// podmanWords is the reason as podman gives it.
func (e manifestError) podmanWords(ref imageRef) string {
	args := append(ref.words(), e.host, e.at)
	if e.why == loginRefused {
		e.why = pullNoLogin
	}
	words := phrase(podmanWords[e.why].words, args)
	return fmt.Sprintf("reading image \"docker://%s\": %s", args[0], strings.TrimPrefix(words, fmt.Sprintf("initializing source docker://%s: ", args[0])))
}

// manifest is docker manifest inspect. Of an index it tells, with --verbose, of the images in it one by one, and of the index's own digest nothing.
func (d *dockerCLI) manifest(f *pflag.FlagSet) func([]string) error {
	verbose := f.BoolP("verbose", "v", false, "")
	f.Bool("insecure", false, "")
	return func(args []string) error {
		if err := needArgs(args, 1, 1); err != nil {
			return err
		}
		ref, err := parseImageRef(args[0])
		if err != nil {
			return errors.New("invalid reference format")
		}
		m, err := d.ask(ref)
		if why, ok := errors.AsType[manifestError](err); ok {
			return errors.New(why.words(ref))
		}
		switch {
		case err != nil:
			return err
		case !m.media.IsImage() && !m.media.IsIndex():
			return fmt.Errorf("unsupported manifest media type and no default available: %s", m.media)
		case !*verbose && m.media.IsIndex():
			return d.printIndented(m.raw, "   ")
		case !*verbose:
			return d.printIndented(m.raw, "\t")
		}
		return d.manifestVerbose(m)
	}
}

func (d *dockerCLI) printIndented(raw []byte, indent string) error {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", indent); err != nil {
		return err
	}
	_, err := fmt.Fprintf(d.out(), "%s\n", b.Bytes())
	return err
}

func (d *dockerCLI) manifestVerbose(m servedManifest) error {
	if m.media.IsImage() {
		about, err := d.describeManifest(m, m.ref.full(), nil)
		if err != nil {
			return err
		}
		return d.printJSON(about, "\t")
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(m.raw))
	if err != nil {
		return err
	}
	list := []object{}
	for _, desc := range index.Manifests {
		one := m.ref
		one.digest = desc.Digest.String()
		inner, err := d.ask(one)
		if err != nil {
			return err
		}
		about, err := d.describeManifest(inner, m.ref.full()+"@"+one.digest, desc.Platform)
		if err != nil {
			return err
		}
		list = append(list, about)
	}
	return d.printJSON(list, "\t")
}

// describeManifest is one image's manifest with its descriptor.
func (d *dockerCLI) describeManifest(m servedManifest, ref string, platform *v1.Platform) (object, error) {
	var parsed any
	if err := json.Unmarshal(m.raw, &parsed); err != nil {
		return nil, err
	}
	if platform == nil {
		platform = &v1.Platform{OS: "linux", Architecture: d.p.Host().spec.Arch}
	}
	kind := "OCIManifest"
	if m.media == types.DockerManifestSchema2 {
		kind = "SchemaV2Manifest"
	}
	descriptor := v1.Descriptor{MediaType: m.media, Digest: m.digest, Size: int64(len(m.raw)), Platform: platform}
	return object{"Ref": ref, "Descriptor": descriptor, "Raw": m.raw, kind: parsed}, nil
}

// podmanManifest is podman manifest inspect.
func (d *dockerCLI) podmanManifest(f *pflag.FlagSet) func([]string) error {
	d.authFlags(f)
	return func(args []string) error {
		if err := needArgs(args, 1, 1); err != nil {
			return err
		}
		ref, err := d.longName(args[0])
		if err != nil {
			return err
		}
		m, err := d.ask(ref)
		if why, ok := errors.AsType[manifestError](err); ok {
			return podmanError{why.podmanWords(ref), 125}
		}
		if err != nil {
			return err
		}
		if m.media.IsImage() {
			fmt.Fprintf(d.errs(), "time=%q level=warning msg=\"The manifest type %s is not a manifest list but a single image.\"\n", stamp(d.p.Host().lab.now()), m.media)
		}
		return d.printIndented(m.raw, "    ")
	}
}
