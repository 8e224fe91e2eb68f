package engine

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"cvsplay/engine/eval"
)

// registrySession is one question on its way: the tries share the login.
type registrySession struct {
	q        Manifest
	ref      name.Reference
	keychain authn.Keychain
	gate     *registryGate // all requests go through it, the login's too
	patience time.Duration // of one try, so that one stalled connection does not eat the limit
	client   *http.Client  // logged in; nil before the first try got so far
	sent     int           // requests for manifests
	guard    eval.Redactor // knows the credentials that were used

	sleep func(context.Context, time.Duration) error
	now   func() time.Time
}

func newRegistrySession(r *Registry, q Manifest, ref name.Reference, patience time.Duration) *registrySession {
	s := &registrySession{q: q, ref: ref, keychain: r.Keychain, patience: patience, sleep: r.sleep, now: r.now}
	if s.keychain == nil {
		s.keychain = authn.DefaultKeychain
	}
	if s.sleep == nil {
		s.sleep = sleepFor
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.gate = &registryGate{inner: r.Transport, plain: s.plainAllowed(), guard: &s.guard}
	if s.gate.inner == nil {
		s.gate.inner = http.DefaultTransport
	}
	return s
}

// printable is a registry's words as they may be told: in one line, not too long, and without the credentials, which a registry may give back.
func (s *registrySession) printable(words string) string {
	const longest = 400
	words = strings.Join(strings.Fields(strings.ToValidUTF8(s.guard.Redact(words), "?")), " ")
	if runes := []rune(words); len(runes) > longest {
		words = string(runes[:longest]) + " …"
	}
	return words
}

// plainAllowed tells whether the registry may be spoken to without TLS: on this machine, or where the playbook says so.
func (s *registrySession) plainAllowed() bool {
	host := s.ref.Context().RegistryStr()
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return s.q.Insecure || host == "localhost" || strings.HasPrefix(host, "127.") || host == "[::1]"
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
	if err != nil || s.q.Platform == "" || IsSchema1Type(info.MediaType) {
		return info, err
	}
	info.Platform, err = s.platformDigest(ctx, info)
	return info, err
}

// login finds out how the registry wants to be asked, and gets a token where it wants one.
func (s *registrySession) login(ctx context.Context) (*http.Client, error) {
	auth, err := s.credentials(ctx)
	if err != nil {
		return nil, err
	}
	registry := s.ref.Context().Registry
	if s.q.Insecure {
		if registry, err = name.NewRegistry(registry.RegistryStr(), name.Insecure); err != nil {
			return nil, &registryError{RegistryInvalid, err.Error()}
		}
	}
	rt, err := transport.NewWithContext(ctx, registry, auth, transport.NewUserAgent(s.gate, "cvsplay"), []string{s.ref.Scope(transport.PullScope)})
	var refusal *transport.Error
	switch {
	case err == nil:
		return &http.Client{Transport: rt}, nil
	case errors.Is(err, http.ErrSchemeMismatch) && !s.gate.plain:
		return nil, &registryError{RegistryDown, err.Error() + " (\"insecure = true\" allows plain HTTP)"}
	case errors.As(err, &refusal):
		if refusal.StatusCode == http.StatusNotFound {
			return nil, &registryError{RegistryDown, "it does not speak the registry protocol: " + err.Error()}
		}
	case strings.Contains(err.Error(), "www-authenticate"): // the library has no type for a challenge that it cannot or will not follow
		return nil, &registryError{RegistryDenied, err.Error()}
	case strings.Contains(err.Error(), "no token in bearer response"): // what stands there instead may be a credential
		return nil, errors.New("its token server answers without a token")
	}
	return nil, err
}

// credentials gives the question's, else the controller's. A helper that hangs is left behind when ctx ends.
func (s *registrySession) credentials(ctx context.Context) (authn.Authenticator, error) {
	auth := authn.FromConfig(authn.AuthConfig{Username: s.q.Username, Password: s.q.Password})
	if s.q.Username == "" && s.q.Password == "" {
		var err error
		if auth, err = s.resolve(ctx); err != nil {
			return nil, err
		}
	}
	known, err := authn.Authorization(ctx, auth)
	if err != nil {
		return nil, unreadable(err)
	}
	for _, secret := range []string{known.Password, known.Auth, known.IdentityToken, known.RegistryToken} {
		s.guard.Add(secret)
	}
	return auth, nil
}

func (s *registrySession) resolve(ctx context.Context) (authn.Authenticator, error) {
	type found struct {
		auth authn.Authenticator
		err  error
	}
	done := make(chan found, 1)
	go func() {
		auth, err := s.keychain.Resolve(s.ref.Context())
		done <- found{auth, err}
	}()
	select {
	case f := <-done:
		if f.err != nil {
			return nil, unreadable(f.err)
		}
		return f.auth, nil
	case <-ctx.Done():
		return nil, &registryError{RegistryTimeout, "the controller's docker credentials: a credential helper does not answer"}
	}
}

func unreadable(err error) error {
	return &registryError{RegistryDenied, "the controller's docker credentials cannot be read: " + err.Error()}
}

// describe asks for the descriptor. Where the answer to HEAD does not tell it, or HEAD is refused, the manifest is fetched: then the words of
// the refusal are known too, since the answer to HEAD has no body. So is it on the last try.
func (s *registrySession) describe(ctx context.Context) (ManifestInfo, error) {
	if s.sent < registryTries-1 {
		if info, ok, err := s.head(ctx); ok || err != nil {
			return info, err
		}
	}
	got, err := s.fetchManifest(ctx, s.ref.Identifier())
	if err != nil {
		return ManifestInfo{}, err
	}
	return ManifestInfo{Digest: got.digest, MediaType: got.text.MediaType, Size: int64(len(got.bytes))}, nil
}

// head asks for the descriptor alone; ok is false where the answer leaves it open.
func (s *registrySession) head(ctx context.Context) (info ManifestInfo, ok bool, err error) {
	res, err := s.send(ctx, http.MethodHead, "manifests", s.ref.Identifier())
	if err != nil {
		return info, false, err
	}
	drain(res)
	if err := s.busy(res); err != nil {
		return info, false, err
	}
	digest := res.Header.Get("Docker-Content-Digest")
	if media := mediaTypeOf(res); res.StatusCode == http.StatusOK && digestForm.MatchString(digest) && slices.Contains(manifestTypes, media) {
		return ManifestInfo{Digest: digest, MediaType: media, Size: res.ContentLength}, true, nil
	}
	return info, false, nil
}

// platformDigest finds the image manifest for the platform asked for, in an index or as the only one.
func (s *registrySession) platformDigest(ctx context.Context, info ManifestInfo) (string, error) {
	got, err := s.fetchManifest(ctx, info.Digest)
	var refusal *transport.Error
	if errors.As(err, &refusal) && refusal.StatusCode == http.StatusNotFound {
		return "", &movedError{err} // what the tag named a moment ago is gone: it names something else now
	}
	if err != nil {
		return "", err
	}
	if got.text.IsIndex() {
		return got.text.Image(s.q.Platform)
	}
	return s.onlyPlatform(ctx, info.Digest, got.bytes)
}

// onlyPlatform holds an image that is in no index against the platform asked for.
func (s *registrySession) onlyPlatform(ctx context.Context, digest string, manifest []byte) (string, error) {
	var m v1.Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		return "", &registryError{RegistryDown, "the manifest cannot be read: " + err.Error()}
	}
	got, err := s.fetch(ctx, "blobs", m.Config.Digest.String())
	if err != nil {
		return "", err
	}
	have, err := PlatformOfConfig(got.bytes)
	if err != nil {
		return "", &registryError{RegistryDown, err.Error()}
	}
	if ChoosePlatform([]string{have}, s.q.Platform) < 0 {
		return "", noPlatform(s.q.Platform, []string{have})
	}
	return digest, nil
}
