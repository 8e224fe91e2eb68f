package engine

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// manifestTypes are the media types of what a reference can name, the preferred ones first.
var manifestTypes = []string{
	string(types.OCIImageIndex), string(types.DockerManifestList), string(types.OCIManifestSchema1), string(types.DockerManifestSchema2),
	string(types.DockerManifestSchema1Signed), string(types.DockerManifestSchema1),
}

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$|^sha512:[0-9a-f]{128}$`)

// A ManifestText is what a manifest says, as a registry keeps it.
type ManifestText struct {
	Digest    string // SHA-256 of all of it
	MediaType string
	Images    []PlatformImage // of an index; attestations are none
}

// A PlatformImage is an entry of an index.
type PlatformImage struct{ Platform, Digest string }

// IsIndex tells whether it lists images of several platforms.
func (m ManifestText) IsIndex() bool { return IsIndexType(m.MediaType) }

// IsIndexType tells whether a media type is that of a list of images.
func IsIndexType(mediaType string) bool { return types.MediaType(mediaType).IsIndex() }

// IsSchema1Type tells whether a media type is that of a manifest of the first schema, whose digest names nothing that could be pulled.
func IsSchema1Type(mediaType string) bool {
	return mediaType == string(types.DockerManifestSchema1) || mediaType == string(types.DockerManifestSchema1Signed)
}

// ReadManifest reads a manifest. Its media type is the one told with it, else the one it says itself, else what follows from what it holds. Text that is
// no manifest is an error, whatever the status it came with: a proxy's page, or a registry's error, which it tells.
func ReadManifest(text []byte, told string) (ManifestText, error) {
	var said struct {
		SchemaVersion int
		MediaType     string
		Signatures    json.RawMessage
		Manifests     []struct {
			Digest   string
			Platform struct{ OS, Architecture, Variant string }
		}
		Errors []transport.Diagnostic
	}
	if err := json.Unmarshal(text, &said); err != nil || said.SchemaVersion == 0 && len(said.Errors) == 0 {
		const shown = 200
		return ManifestText{}, &registryError{RegistryDown, fmt.Sprintf("what was sent is no manifest: %q", text[:min(len(text), shown)])}
	}
	if said.SchemaVersion == 0 {
		return ManifestText{}, saidInside(said.Errors)
	}
	m := ManifestText{Digest: digestLike("", text), MediaType: string(types.OCIManifestSchema1)}
	switch {
	case slices.Contains(manifestTypes, told):
		m.MediaType = told
	case slices.Contains(manifestTypes, said.MediaType):
		m.MediaType = said.MediaType
	case said.SchemaVersion == 1 && said.Signatures != nil:
		m.MediaType = string(types.DockerManifestSchema1Signed)
	case said.SchemaVersion == 1:
		m.MediaType = string(types.DockerManifestSchema1)
	case said.Manifests != nil:
		m.MediaType = string(types.OCIImageIndex)
	}
	if m.IsIndex() {
		for _, entry := range said.Manifests {
			if p := entry.Platform; p.OS != "" && p.OS != "unknown" && digestForm.MatchString(entry.Digest) {
				m.Images = append(m.Images, PlatformImage{PlatformName(p.OS, p.Architecture, p.Variant), entry.Digest})
			}
		}
	}
	return m, nil
}

// Image finds the digest of an index's image for a platform; the error names those it has.
func (m ManifestText) Image(platform string) (string, error) {
	have := make([]string, len(m.Images))
	for i, image := range m.Images {
		have[i] = image.Platform
	}
	i := ChoosePlatform(have, platform)
	if i < 0 {
		return "", noPlatform(platform, have)
	}
	return m.Images[i].Digest, nil
}

func noPlatform(want string, have []string) error {
	return &registryError{RegistryPlatform, fmt.Sprintf("no image for %s, only %s", want, strings.Join(have, ", "))}
}

// digestLike is the digest of bytes in the algorithm of another digest; SHA-256 where that has none that is known.
func digestLike(other string, b []byte) string {
	if strings.HasPrefix(other, "sha512:") {
		sum := sha512.Sum512(b)
		return "sha512:" + hex.EncodeToString(sum[:])
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// saidInside is the error of a registry that says 200 and means something else.
func saidInside(said []transport.Diagnostic) error {
	var words []string
	problem := RegistryDown
	for _, d := range said {
		words = append(words, d.String())
		switch d.Code {
		case transport.UnauthorizedErrorCode, transport.DeniedErrorCode:
			problem = RegistryDenied
		case transport.ManifestUnknownErrorCode, transport.NameUnknownErrorCode:
			problem = RegistryNotFound
		}
	}
	err := &registryError{problem, strings.Join(words, "; ")}
	if problem == RegistryDown {
		return &passingError{err}
	}
	return err
}
