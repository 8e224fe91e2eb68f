package engine

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	ggcrregistry "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// images is a registry that works, behind a handler that may misbehave.
type images struct {
	server *httptest.Server
	host   string
	sent   atomic.Int32 // requests for manifests
	before func(n int32, w http.ResponseWriter, req *http.Request) (handled bool)
}

func serveImages(t *testing.T) *images {
	t.Helper()
	s := &images{}
	inner := ggcrregistry.New(ggcrregistry.Logger(log.New(io.Discard, "", 0)))
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.Contains(req.URL.Path, "/manifests/") {
			n := s.sent.Add(1)
			if s.before != nil && s.before(n, w, req) {
				return
			}
		}
		inner.ServeHTTP(w, req)
	}))
	t.Cleanup(s.server.Close)
	s.host = strings.TrimPrefix(s.server.URL, "http://")
	return s
}

func (s *images) push(t *testing.T, ref string, what remote.Taggable) {
	t.Helper()
	tag, err := name.NewTag(s.host + "/" + ref)
	if err != nil {
		t.Fatal(err)
	}
	switch what := what.(type) {
	case v1.ImageIndex:
		err = remote.WriteIndex(tag, what)
	case v1.Image:
		err = remote.Write(tag, what)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.sent.Store(0)
}

func imageFor(t *testing.T, platform v1.Platform) v1.Image {
	t.Helper()
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config.OS, config.Architecture, config.Variant = platform.OS, platform.Architecture, platform.Variant
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

func indexOf(t *testing.T, platforms ...v1.Platform) (v1.ImageIndex, map[string]string) {
	t.Helper()
	digests := map[string]string{}
	index := v1.ImageIndex(empty.Index)
	for _, p := range platforms {
		img := imageFor(t, p)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &p}})
		digests[p.String()] = digestOf(t, img)
	}
	return index, digests
}

func digestOf(t *testing.T, of interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	h, err := of.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// anonymous keeps the tests from the docker configuration of whoever runs them.
type anonymous struct{}

func (anonymous) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }

// testRegistry has a transport of its own: a test server that closes takes idle connections away from the one that all share.
func testRegistry() *Registry {
	return &Registry{Keychain: anonymous{}, Transport: &http.Transport{}, sleep: noPause}
}

func noPause(ctx context.Context, _ time.Duration) error { return ctx.Err() }

func TestRegistryDescriptor(t *testing.T) {
	s := serveImages(t)
	index, platforms := indexOf(t, v1.Platform{OS: "linux", Architecture: "amd64"}, v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"})
	s.push(t, "rocm/cvs:latest", index)
	single := imageFor(t, v1.Platform{OS: "linux", Architecture: "amd64"})
	s.push(t, "single:1", single)

	tests := []struct {
		ref, platform string
		want          ManifestInfo
		requests      int32
	}{
		{"rocm/cvs:latest", "", ManifestInfo{Digest: digestOf(t, index)}, 1},
		{"rocm/cvs:latest", "linux/arm64", ManifestInfo{Digest: digestOf(t, index), Platform: platforms["linux/arm64/v8"]}, 2},
		{"rocm/cvs:latest", "linux/s390x", ManifestInfo{Problem: RegistryPlatform, Words: "no image for linux/s390x, only linux/amd64, linux/arm64/v8"}, 2},
		{"single:1", "linux/amd64", ManifestInfo{Digest: digestOf(t, single), Platform: digestOf(t, single)}, 2},
		{"single:1", "linux/arm64", ManifestInfo{Problem: RegistryPlatform, Words: "no image for linux/arm64, only linux/amd64"}, 2},
	}
	for _, tt := range tests {
		s.sent.Store(0)
		got := testRegistry().Manifest(t.Context(), Manifest{Ref: s.host + "/" + tt.ref, Platform: tt.platform})
		if got.Problem != tt.want.Problem || got.Words != tt.want.Words || got.Digest != tt.want.Digest || got.Platform != tt.want.Platform {
			t.Errorf("%s %s: got %+v, want %+v", tt.ref, tt.platform, got, tt.want)
		}
		if n := s.sent.Load(); n != tt.requests {
			t.Errorf("%s %s: %d requests, want %d", tt.ref, tt.platform, n, tt.requests)
		}
	}
}

// Every way a registry can misbehave, and what is told of it.
func TestRegistryProblems(t *testing.T) {
	refuse := func(status int, body string) func(int32, http.ResponseWriter, *http.Request) bool {
		return func(_ int32, w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return true
		}
	}
	const lie = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	tests := []struct {
		name     string
		ref      string
		q        Manifest
		before   func(n int32, w http.ResponseWriter, req *http.Request) bool
		problem  RegistryProblem
		words    string // contained
		requests int32
	}{
		{name: "no such tag", ref: "app:gone", problem: RegistryNotFound, words: "MANIFEST_UNKNOWN", requests: 2},
		{name: "denied", ref: "app:1", before: refuse(403, `{"errors":[{"code":"DENIED","message":"requested access is denied"}]}`),
			problem: RegistryDenied, words: "DENIED: requested access is denied", requests: 2},
		{name: "unauthorized", ref: "app:1", before: refuse(401, `{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}`),
			problem: RegistryDenied, words: "who are you", requests: 2},
		{name: "broken to the end", ref: "app:1", before: refuse(500, "oops"), problem: RegistryDown, words: "500", requests: 9},
		{name: "broken at first", ref: "app:1", requests: 4, before: func(n int32, w http.ResponseWriter, _ *http.Request) bool {
			if n <= 3 {
				w.WriteHeader(503)
			}
			return n <= 3
		}},
		{name: "too many requests, later", ref: "app:1", q: Manifest{Limit: 1200 * time.Millisecond}, problem: RegistryDown, words: "429", requests: 1,
			before: func(_ int32, w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Retry-After", "30")
				w.WriteHeader(429)
				return true
			}},
		{name: "no digest in the answer to HEAD", ref: "app:1", requests: 2, before: func(_ int32, w http.ResponseWriter, req *http.Request) bool {
			if req.Method == http.MethodHead {
				w.WriteHeader(200)
				return true
			}
			return false
		}},
		{name: "GET is broken where HEAD gives nothing", ref: "app:1", problem: RegistryDown, words: "502", requests: 9,
			before: func(_ int32, w http.ResponseWriter, req *http.Request) bool {
				if req.Method == http.MethodHead {
					w.WriteHeader(405)
				} else {
					w.WriteHeader(502)
				}
				return true
			}},
		{name: "claims another digest than the bytes have", ref: "app:1", problem: RegistryMismatch, words: "the registry claims " + lie, requests: 2,
			before: func(_ int32, w http.ResponseWriter, req *http.Request) bool {
				if req.Method == http.MethodHead {
					w.WriteHeader(405)
					return true
				}
				w.Header().Set("Docker-Content-Digest", lie)
				fmt.Fprint(w, "{}")
				return true
			}},
		{name: "lies to HEAD", ref: "app:1", q: Manifest{Platform: "linux/amd64"}, problem: RegistryMismatch, words: "claims " + lie, requests: 2,
			before: func(_ int32, w http.ResponseWriter, req *http.Request) bool {
				w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
				w.Header().Set("Docker-Content-Digest", lie)
				fmt.Fprint(w, `{"schemaVersion":2}`)
				return true
			}},
		{name: "no reference", ref: "App:1", problem: RegistryInvalid, words: "could not parse reference"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serveImages(t)
			s.push(t, "app:1", imageFor(t, v1.Platform{OS: "linux", Architecture: "amd64"}))
			s.before = tt.before
			q := tt.q
			q.Ref = s.host + "/" + tt.ref
			if q.Limit == 0 {
				q.Limit = 30 * time.Second
			}
			got := testRegistry().Manifest(t.Context(), q)
			if got.Problem != tt.problem || !strings.Contains(got.Words, tt.words) {
				t.Errorf("got %q: %s; want %q: …%s…", got.Problem, got.Words, tt.problem, tt.words)
			}
			if tt.problem == "" && got.Digest == "" {
				t.Error("no digest")
			}
			if n := s.sent.Load(); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
		})
	}
}

func TestRegistryStalls(t *testing.T) {
	s := serveImages(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	s.before = func(_ int32, _ http.ResponseWriter, req *http.Request) bool {
		select {
		case <-release:
		case <-req.Context().Done():
		}
		return true
	}
	start := time.Now()
	got := testRegistry().Manifest(t.Context(), Manifest{Ref: s.host + "/app:1", Limit: 600 * time.Millisecond})
	if got.Problem != RegistryTimeout {
		t.Errorf("got %q: %s", got.Problem, got.Words)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestRegistryNobodyListens(t *testing.T) {
	s := serveImages(t)
	s.server.Close()
	got := testRegistry().Manifest(t.Context(), Manifest{Ref: s.host + "/app:1", Limit: 700 * time.Millisecond})
	if got.Problem != RegistryDown || !strings.Contains(got.Words, "refused") {
		t.Errorf("got %q: %s", got.Problem, got.Words)
	}
}

func TestRegistryAsksOnce(t *testing.T) {
	s := serveImages(t)
	s.push(t, "app:1", imageFor(t, v1.Platform{OS: "linux", Architecture: "amd64"}))
	r := testRegistry()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if got := r.Manifest(t.Context(), Manifest{Ref: s.host + "/app:1", Limit: time.Duration(i+10) * time.Second}); got.Digest == "" {
				t.Errorf("%+v", got)
			}
		})
	}
	wg.Wait()
	if n := s.sent.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestRegistryForgetsWhatWasCancelled(t *testing.T) {
	s := serveImages(t)
	s.push(t, "app:1", imageFor(t, v1.Platform{OS: "linux", Architecture: "amd64"}))
	r := testRegistry()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	q := Manifest{Ref: s.host + "/app:1"}
	if got := r.Manifest(ctx, q); got.Problem == "" {
		t.Fatalf("an answer without asking: %+v", got)
	}
	if got := r.Manifest(t.Context(), q); got.Digest == "" {
		t.Errorf("%+v", got)
	}
}

// Credentials are sent as given, by basic authentication, and a registry that is not on this machine is never spoken to in the clear.
func TestRegistryCredentials(t *testing.T) {
	inner := ggcrregistry.New(ggcrregistry.Logger(log.New(io.Discard, "", 0)))
	guarded := func(w http.ResponseWriter, req *http.Request) {
		if user, password, ok := req.BasicAuth(); !ok || user != "ci" || password != "s3cret:x" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, req)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(guarded))
	t.Cleanup(server.Close)
	rt := server.Client().Transport
	host := strings.TrimPrefix(server.URL, "https://")
	tag, err := name.NewTag(host + "/app:1")
	if err != nil {
		t.Fatal(err)
	}
	img := imageFor(t, v1.Platform{OS: "linux", Architecture: "amd64"})
	if err := remote.Write(tag, img, remote.WithTransport(rt), remote.WithAuth(&authn.Basic{Username: "ci", Password: "s3cret:x"})); err != nil {
		t.Fatal(err)
	}
	r := &Registry{Transport: rt, Keychain: anonymous{}}
	if got := r.Manifest(t.Context(), Manifest{Ref: host + "/app:1", Username: "ci", Password: "s3cret:x"}); got.Digest != digestOf(t, img) {
		t.Errorf("%+v", got)
	}
	for _, password := range []string{"", "wrong"} {
		q := Manifest{Ref: host + "/app:1", Password: password}
		if password != "" {
			q.Username = "ci"
		}
		got := r.Manifest(t.Context(), q)
		if got.Problem != RegistryDenied {
			t.Errorf("%q: %+v", password, got)
		}
		if password != "" && strings.Contains(got.Words, password) {
			t.Errorf("the password is in %q", got.Words)
		}
	}
}

type dialed func(*http.Request) (*http.Response, error)

func (f dialed) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestRegistryPlainHTTP(t *testing.T) {
	tests := []struct {
		ref      string
		insecure bool
		plain    bool // a request in the clear may leave
	}{
		{"docker.io/rocm/cvs:latest", false, false},
		{"10.1.2.3:5000/app:1", false, false},
		{"registry.local:5000/app:1", false, false},
		{"10.1.2.3:5000/app:1", true, true},
		{"127.0.0.1:5000/app:1", false, true},
		{"localhost:5000/app:1", false, true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.ref, " ", tt.insecure), func(t *testing.T) {
			t.Parallel()
			var plain, total atomic.Int32
			r := &Registry{Keychain: anonymous{}, Transport: dialed(func(req *http.Request) (*http.Response, error) {
				total.Add(1)
				if req.URL.Scheme == "http" {
					plain.Add(1)
				}
				return nil, &tls.RecordHeaderError{Msg: "no TLS here"}
			})}
			got := r.Manifest(t.Context(), Manifest{Ref: tt.ref, Insecure: tt.insecure, Limit: 300 * time.Millisecond})
			if got.Problem == "" || total.Load() == 0 {
				t.Fatalf("%+v after %d requests", got, total.Load())
			}
			if (plain.Load() > 0) != tt.plain {
				t.Errorf("%d requests in the clear", plain.Load())
			}
		})
	}
}

func TestRegistryHugeManifest(t *testing.T) {
	s := serveImages(t)
	s.before = func(_ int32, w http.ResponseWriter, req *http.Request) bool {
		if req.Method == http.MethodHead {
			w.WriteHeader(405)
			return true
		}
		chunk := bytes.Repeat([]byte(" "), 1<<20)
		for range 6 {
			if _, err := w.Write(chunk); err != nil {
				return true
			}
		}
		return true
	}
	got := testRegistry().Manifest(t.Context(), Manifest{Ref: s.host + "/app:1", Limit: 20 * time.Second})
	if got.Problem != RegistryDown || !strings.Contains(got.Words, "longer than") {
		t.Errorf("%+v", got)
	}
}
