package engine

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// fetched is a content as it came, with what is true about it.
type fetched struct {
	bytes     []byte
	digest    string // of the bytes
	mediaType string
	text      ManifestText // of a manifest
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
	if signed := IsSchema1Type(got.mediaType) && !byDigest; claimed != "" && claimed != got.digest && !signed { // of a signed one, only the payload counts
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
	got.text, err = ReadManifest(got.bytes, got.mediaType)
	return got, err
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
