package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// What a Manifest question may cost a registry.
const (
	registryTries    = 9
	registryLimit    = time.Minute // where the question sets none
	registryMaxBytes = 4 << 20     // of one manifest or image configuration
)

// Registry answers Manifest questions over the distribution protocol, from the controller. The zero value is ready for use; it
// remembers its answers, so one is made for each run. Credentials go into requests and nowhere else.
type Registry struct {
	// Transport carries the requests; nil: a transport with the environment's proxy settings.
	Transport http.RoundTripper
	// Keychain gives the credentials of questions that bring none; nil: the controller's docker configuration and credential helpers.
	Keychain authn.Keychain

	longestPause time.Duration // between two tries; 0: 5 s

	mu    sync.Mutex
	known map[Manifest]*registryAnswer
}

// registryAnswer is a question that was asked: info is set once done is closed.
type registryAnswer struct {
	done chan struct{}
	info ManifestInfo
}

// Manifest asks for a reference's descriptor: by HEAD, by GET where that gives no digest, by at most nine requests for it within the
// limit. Equal questions of a run are asked once, and those that come meanwhile wait for the same answer. A refusal (401, 403, 404) is final at
// once; what a cancelled ctx cut off is not remembered.
func (r *Registry) Manifest(ctx context.Context, q Manifest) ManifestInfo {
	key := q
	key.Limit = 0
	for {
		a, mine := r.claim(key)
		if mine {
			a.info = r.ask(ctx, q)
			if ctx.Err() != nil {
				r.forget(key)
			}
			close(a.done)
			return a.info
		}
		select {
		case <-a.done:
		case <-ctx.Done():
			return ManifestInfo{Problem: RegistryTimeout, Words: context.Cause(ctx).Error()}
		}
		if r.remembers(key, a) {
			return a.info
		}
	}
}

func (r *Registry) claim(key Manifest) (a *registryAnswer, mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a, ok := r.known[key]; ok {
		return a, false
	}
	if r.known == nil {
		r.known = map[Manifest]*registryAnswer{}
	}
	a = &registryAnswer{done: make(chan struct{})}
	r.known[key] = a
	return a, true
}

func (r *Registry) forget(key Manifest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, key)
}

func (r *Registry) remembers(key Manifest, a *registryAnswer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[key] == a
}

func (r *Registry) ask(ctx context.Context, q Manifest) ManifestInfo {
	ref, err := name.ParseReference(q.Ref, name.WeakValidation)
	if err != nil {
		return ManifestInfo{Problem: RegistryInvalid, Words: err.Error()}
	}
	limit := q.Limit
	if limit <= 0 {
		limit = registryLimit
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s := &registrySession{q: q, ref: ref, transport: r.Transport, keychain: r.Keychain, patience: limit / 3, longestPause: r.longestPause}
	if s.longestPause == 0 {
		s.longestPause = 5 * time.Second
	}
	info, err := s.retry(limited)
	if err == nil {
		return info
	}
	return problemOf(err)
}

// problemOf tells the problems with a registry apart.
func problemOf(err error) ManifestInfo {
	var known *registryError
	if errors.As(err, &known) {
		return ManifestInfo{Problem: known.problem, Words: known.words}
	}
	var refusal *transport.Error
	if errors.As(err, &refusal) {
		switch refusal.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden:
			return ManifestInfo{Problem: RegistryDenied, Words: refusal.Error()}
		case http.StatusNotFound:
			return ManifestInfo{Problem: RegistryNotFound, Words: refusal.Error()}
		}
		return ManifestInfo{Problem: RegistryDown, Words: refusal.Error()}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return ManifestInfo{Problem: RegistryTimeout, Words: err.Error()}
	}
	return ManifestInfo{Problem: RegistryDown, Words: err.Error()}
}

// registryError is a problem that the answer itself shows; no other try mends it.
type registryError struct {
	problem RegistryProblem
	words   string
}

func (e *registryError) Error() string { return string(e.problem) + ": " + e.words }

// registrySession is one question on its way: the tries share the login.
type registrySession struct {
	q            Manifest
	ref          name.Reference
	transport    http.RoundTripper
	keychain     authn.Keychain
	patience     time.Duration // of one try, so that one stalled connection does not eat the limit
	client       *http.Client  // logged in; nil before the first try got so far
	longestPause time.Duration
	sent         int   // requests for manifests
	last         error // why the last try failed
}

func (s *registrySession) retry(ctx context.Context) (ManifestInfo, error) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.Multiplier, pause.MaxInterval, pause.RandomizationFactor = 10*time.Millisecond, 3, s.longestPause, 0.5
	info, err := backoff.Retry(ctx, func() (ManifestInfo, error) {
		info, err := s.try(ctx)
		var enough *backoff.PermanentError
		if errors.As(err, &enough) {
			return info, err
		}
		if err != nil {
			s.last = err
		}
		return info, judgeRetry(err)
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(registryTries), backoff.WithMaxElapsedTime(0))
	if err != nil && s.last != nil {
		return info, s.last // what the registry said, rather than that the time is over
	}
	return info, err
}

// judgeRetry marks the errors that are final.
func judgeRetry(err error) error {
	var known *registryError
	if errors.As(err, &known) {
		return backoff.Permanent(err)
	}
	var refusal *transport.Error
	if errors.As(err, &refusal) && final(refusal.StatusCode) {
		return backoff.Permanent(err)
	}
	return err
}

func final(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusNotFound
}

func (s *registrySession) try(ctx context.Context) (ManifestInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	if s.client == nil {
		client, err := s.login(ctx)
		if err != nil {
			return ManifestInfo{}, err
		}
		s.client = client
	}
	info, err := s.describe(ctx)
	if err != nil || s.q.Platform == "" || isSchema1(info.MediaType) {
		return info, err
	}
	info.Platform, err = s.platformDigest(ctx, info)
	return info, err
}

func isSchema1(mediaType string) bool {
	return mediaType == string(types.DockerManifestSchema1) || mediaType == string(types.DockerManifestSchema1Signed)
}

func (s *registrySession) login(ctx context.Context) (*http.Client, error) {
	auth, err := s.credentials()
	if err != nil {
		return nil, &registryError{RegistryDenied, "the controller's credentials cannot be read: " + err.Error()}
	}
	inner := s.transport
	if inner == nil {
		inner = http.DefaultTransport
	}
	if !s.plainAllowed() {
		inner = onlyTLS{inner}
	}
	registry := s.ref.Context().Registry
	if s.q.Insecure {
		if registry, err = name.NewRegistry(registry.RegistryStr(), name.Insecure); err != nil {
			return nil, &registryError{RegistryInvalid, err.Error()}
		}
	}
	rt, err := transport.NewWithContext(ctx, registry, auth, transport.NewUserAgent(inner, "cvsplay"), []string{s.ref.Scope(transport.PullScope)})
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: rt}, nil
}

func (s *registrySession) credentials() (authn.Authenticator, error) {
	if s.q.Username != "" || s.q.Password != "" {
		return authn.FromConfig(authn.AuthConfig{Username: s.q.Username, Password: s.q.Password}), nil
	}
	keychain := s.keychain
	if keychain == nil {
		keychain = authn.DefaultKeychain
	}
	return keychain.Resolve(s.ref.Context())
}

// plainAllowed tells whether the registry may be spoken to without TLS: on this machine, or where the playbook says so.
func (s *registrySession) plainAllowed() bool {
	host := s.ref.Context().RegistryStr()
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return s.q.Insecure || host == "localhost" || strings.HasPrefix(host, "127.") || host == "[::1]"
}

// onlyTLS keeps requests, and with them credentials, from going out in the clear.
type onlyTLS struct{ http.RoundTripper }

func (t onlyTLS) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		return nil, fmt.Errorf("%s is asked over TLS only; \"insecure = true\" allows plain HTTP", req.URL.Host)
	}
	return t.RoundTripper.RoundTrip(req)
}

// describe asks for the descriptor. Without a digest in the answer to HEAD, or where HEAD is refused, the manifest is fetched: then the words of
// the refusal are known too, since the answer to HEAD has no body.
func (s *registrySession) describe(ctx context.Context) (ManifestInfo, error) {
	res, err := s.send(ctx, http.MethodHead, "manifests", s.ref.Identifier())
	if err != nil {
		return ManifestInfo{}, err
	}
	drain(res)
	if err := busy(res); err != nil {
		return ManifestInfo{}, err
	}
	digest, err := v1.NewHash(res.Header.Get("Docker-Content-Digest"))
	if res.StatusCode == http.StatusOK && err == nil {
		return ManifestInfo{Digest: digest.String(), MediaType: mediaTypeOf(res), Size: res.ContentLength}, nil
	}
	got, err := s.fetch(ctx, "manifests", s.ref.Identifier())
	if err != nil {
		return ManifestInfo{}, err
	}
	if got.claimed != "" && got.claimed != got.digest && !isSchema1(got.mediaType) {
		return ManifestInfo{}, mismatch(got.claimed, got.digest)
	}
	return ManifestInfo{Digest: got.digest, MediaType: got.mediaType, Size: int64(len(got.bytes))}, nil
}

func mismatch(claimed, actual string) error {
	return &registryError{RegistryMismatch, fmt.Sprintf("the registry claims %s, the bytes it sent are %s", claimed, actual)}
}

// platformDigest finds the image manifest for the platform asked for, in an index or as the only one.
func (s *registrySession) platformDigest(ctx context.Context, info ManifestInfo) (string, error) {
	want, err := v1.ParsePlatform(s.q.Platform)
	if err != nil {
		return "", &registryError{RegistryInvalid, err.Error()}
	}
	got, err := s.fetchVerified(ctx, "manifests", info.Digest)
	if err != nil {
		return "", err
	}
	if !types.MediaType(got.mediaType).IsIndex() {
		return s.onlyPlatform(ctx, info.Digest, got.bytes, *want)
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(got.bytes, &index); err != nil {
		return "", &registryError{RegistryDown, "the index cannot be read: " + err.Error()}
	}
	var have []string
	for _, m := range index.Manifests {
		if m.Platform == nil {
			continue
		}
		if m.Platform.Satisfies(*want) {
			return m.Digest.String(), nil
		}
		have = append(have, m.Platform.String())
	}
	return "", &registryError{RegistryPlatform, fmt.Sprintf("no image for %s, only %s", want, strings.Join(have, ", "))}
}

func (s *registrySession) onlyPlatform(ctx context.Context, digest string, manifest []byte, want v1.Platform) (string, error) {
	var m v1.Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		return "", &registryError{RegistryDown, "the manifest cannot be read: " + err.Error()}
	}
	got, err := s.fetchVerified(ctx, "blobs", m.Config.Digest.String())
	if err != nil {
		return "", err
	}
	var config v1.ConfigFile
	if err := json.Unmarshal(got.bytes, &config); err != nil {
		return "", &registryError{RegistryDown, "the image configuration cannot be read: " + err.Error()}
	}
	have := v1.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant}
	if !have.Satisfies(want) {
		return "", &registryError{RegistryPlatform, fmt.Sprintf("no image for %s, only %s", &want, &have)}
	}
	return digest, nil
}

// fetched is a content with what was claimed about it and what is true.
type fetched struct {
	bytes     []byte
	digest    string // of the bytes
	claimed   string // by the registry; "" where it claims none
	mediaType string
}

func (s *registrySession) fetchVerified(ctx context.Context, kind, digest string) (fetched, error) {
	got, err := s.fetch(ctx, kind, digest)
	if err == nil && got.digest != digest {
		return got, mismatch(digest, got.digest)
	}
	return got, err
}

func (s *registrySession) fetch(ctx context.Context, kind, what string) (fetched, error) {
	res, err := s.send(ctx, http.MethodGet, kind, what)
	if err != nil {
		return fetched{}, err
	}
	defer drain(res)
	if err := busy(res); err != nil {
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
	sum := sha256.Sum256(b)
	return fetched{
		bytes: b, digest: "sha256:" + hex.EncodeToString(sum[:]), claimed: res.Header.Get("Docker-Content-Digest"), mediaType: mediaTypeOf(res),
	}, nil
}

func (s *registrySession) send(ctx context.Context, method, kind, what string) (*http.Response, error) {
	repo := s.ref.Context()
	url := fmt.Sprintf("https://%s/v2/%s/%s/%s", repo.RegistryStr(), repo.RepositoryStr(), kind, what) // the login decides on the scheme
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, &registryError{RegistryInvalid, err.Error()}
	}
	if kind == "manifests" {
		if s.sent == registryTries {
			return nil, backoff.Permanent(s.last)
		}
		s.sent++
		req.Header["Accept"] = []string{strings.Join([]string{
			string(types.OCIImageIndex), string(types.DockerManifestList), string(types.OCIManifestSchema1), string(types.DockerManifestSchema2),
			string(types.DockerManifestSchema1Signed), string(types.DockerManifestSchema1),
		}, ", ")}
	}
	return s.client.Do(req)
}

// busy is the error of a registry that asks to come again later, with its own idea of when.
func busy(res *http.Response) error {
	if res.StatusCode != http.StatusTooManyRequests && res.StatusCode < 500 {
		return nil
	}
	err := transport.CheckError(res)
	seconds, parseErr := strconv.Atoi(res.Header.Get("Retry-After"))
	if parseErr != nil || seconds <= 0 {
		return err
	}
	return errors.Join(err, backoff.RetryAfter(seconds))
}

// drain reads what is left of a body, so that the connection serves the next request.
func drain(res *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, registryMaxBytes))
	_ = res.Body.Close()
}

func mediaTypeOf(res *http.Response) string {
	media, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	return strings.TrimSpace(media)
}
