package engine

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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

// fetched is a content as it came, with what is true about it.
type fetched struct {
	bytes     []byte
	digest    string // of the bytes
	mediaType string
}

// send makes a request for a manifest or a blob.
func (s *registrySession) send(ctx context.Context, method, kind, what string) (*http.Response, error) {
	repo := s.ref.Context()
	url := fmt.Sprintf("https://%s/v2/%s/%s/%s", repo.RegistryStr(), repo.RepositoryStr(), kind, what) // the login decides on the scheme
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, &registryError{RegistryInvalid, err.Error()}
	}
	if kind == "manifests" {
		if s.sent == registryTries {
			return nil, errNoTriesLeft
		}
		s.sent++
		req.Header["Accept"] = []string{strings.Join(manifestTypes, ", ")}
	}
	return s.client.Do(req)
}

// fetch gets a content; where it is named by its digest, or the registry claims one, the bytes have to have it.
func (s *registrySession) fetch(ctx context.Context, kind, what string) (fetched, error) {
	res, err := s.send(ctx, http.MethodGet, kind, what)
	if err != nil {
		return fetched{}, err
	}
	defer drain(res)
	if err := s.busy(res); err != nil {
		return fetched{}, err
	}
	if err := transport.CheckError(res, http.StatusOK); err != nil {
		return fetched{}, err
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, registryMaxBytes+1))
	if err != nil {
		return fetched{}, err
	}
	if len(b) > registryMaxBytes {
		return fetched{}, &registryError{RegistryDown, fmt.Sprintf("%s is longer than %d bytes", what, registryMaxBytes)}
	}
	got := fetched{bytes: b, mediaType: mediaTypeOf(res)}
	byDigest := digestForm.MatchString(what)
	claimed := res.Header.Get("Docker-Content-Digest")
	if byDigest {
		claimed = what
	}
	got.digest = digestLike(claimed, b)
	if signed := isSchema1(got.mediaType) && !byDigest; claimed != "" && claimed != got.digest && !signed { // of a signed one, only the payload counts
		return fetched{}, &registryError{RegistryMismatch, fmt.Sprintf("the registry claims %s, the bytes it sent are %s", claimed, got.digest)}
	}
	return got, nil
}

// fetchManifest is fetch for a manifest, with a look at whether it is one.
func (s *registrySession) fetchManifest(ctx context.Context, what string) (fetched, error) {
	got, err := s.fetch(ctx, "manifests", what)
	if err != nil {
		return got, err
	}
	got.mediaType, err = manifestType(got.bytes, got.mediaType)
	return got, err
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

// manifestType gives the media type of a manifest: as the registry told it, else as the manifest says itself, else by what it holds. Bytes that
// are no manifest are an error, whatever the status they came with: a proxy's page, or a registry's error.
func manifestType(b []byte, told string) (string, error) {
	var m struct {
		SchemaVersion int
		MediaType     string
		Manifests     json.RawMessage
		Signatures    json.RawMessage
		Errors        []transport.Diagnostic
	}
	if err := json.Unmarshal(b, &m); err != nil || m.SchemaVersion == 0 && len(m.Errors) == 0 {
		const shown = 200
		return "", &registryError{RegistryDown, fmt.Sprintf("the registry sent what is no manifest: %q", b[:min(len(b), shown)])}
	}
	switch {
	case m.SchemaVersion == 0:
		return "", saidInside(m.Errors)
	case slices.Contains(manifestTypes, told):
		return told, nil
	case slices.Contains(manifestTypes, m.MediaType):
		return m.MediaType, nil
	case m.SchemaVersion == 1 && m.Signatures != nil:
		return string(types.DockerManifestSchema1Signed), nil
	case m.SchemaVersion == 1:
		return string(types.DockerManifestSchema1), nil
	case m.Manifests != nil:
		return string(types.OCIImageIndex), nil
	}
	return string(types.OCIManifestSchema1), nil
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

// drain reads what is left of a body, so that the connection serves the next request.
func drain(res *http.Response) {
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
}

func mediaTypeOf(res *http.Response) string {
	media, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(media))
}
