package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	someDigest  = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
)

// A crooked registry answers requests for manifests as its test says, and all else as one that wants no login.
func crooked(t *testing.T, manifests http.HandlerFunc) (host string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.Contains(req.URL.Path, "/manifests/") {
			manifests(w, req)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// pauses records what a registry session would have waited.
type pauses struct{ taken []time.Duration }

func (p *pauses) sleep(ctx context.Context, d time.Duration) error {
	p.taken = append(p.taken, d)
	return ctx.Err()
}

// At most nine tries, HEAD but for the last, whose words are told; and between them pauses from 10 ms by three up to 5 s, each half more or less.
func TestRegistryRetryCurve(t *testing.T) {
	var methods []string
	host := crooked(t, func(w http.ResponseWriter, req *http.Request) {
		methods = append(methods, req.Method)
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	base := []time.Duration{
		10 * time.Millisecond, 30 * time.Millisecond, 90 * time.Millisecond, 270 * time.Millisecond, 810 * time.Millisecond, 2430 * time.Millisecond,
		5 * time.Second, 5 * time.Second,
	}
	varied := map[time.Duration]bool{}
	for range 20 {
		methods = nil
		var p pauses
		got := (&Registry{Keychain: anonymous{}, sleep: p.sleep}).Manifest(t.Context(), Manifest{Ref: host + "/app:1", Limit: time.Hour})
		if got.Problem != RegistryDown || !strings.Contains(got.Words, "503") {
			t.Fatalf("%+v", got)
		}
		if !slices.Equal(methods, append(slices.Repeat([]string{"HEAD"}, 8), "GET")) {
			t.Errorf("requests: %s", methods)
		}
		if len(p.taken) != len(base) {
			t.Fatalf("pauses: %s", p.taken)
		}
		for i, d := range p.taken {
			if d < base[i]/2 || d > base[i]*3/2+time.Millisecond {
				t.Errorf("pause %d is %s, want about %s", i+1, d, base[i])
			}
		}
		varied[p.taken[len(base)-1]] = true
	}
	if len(varied) < 2 {
		t.Error("no jitter: the last pause was the same in every run")
	}
}

// The pauses that follow an answer: those of the curve are below a second at first.
func TestRegistryRetryAfter(t *testing.T) {
	now := time.Now()
	tests := []struct {
		name   string
		status int
		header string
		limit  time.Duration
		want   time.Duration // of the first pause; 0: one of the curve; -1: none
	}{
		{"seconds", 429, "7", time.Minute, 7 * time.Second},
		{"seconds, of a server that is down", 503, "3", time.Minute, 3 * time.Second},
		{"a time", 429, now.Add(20 * time.Second).UTC().Format(http.TimeFormat), time.Minute, 20 * time.Second},
		{"a time that is over", 429, now.Add(-time.Hour).UTC().Format(http.TimeFormat), time.Minute, 0},
		{"nothing", 429, "", time.Minute, 0},
		{"noise", 429, "soon", time.Minute, 0},
		{"below nothing", 429, "-5", time.Minute, 0},
		{"longer than the limit", 429, "120", time.Minute, -1},
		{"longer than anything", 429, "99999999999999", time.Minute, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var n atomic.Int32
			host := crooked(t, func(w http.ResponseWriter, _ *http.Request) {
				if n.Add(1) > 1 {
					w.Header().Set("Content-Type", ociManifest)
					w.Header().Set("Docker-Content-Digest", someDigest)
					return
				}
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				w.WriteHeader(tt.status)
			})
			var p pauses
			r := &Registry{Keychain: anonymous{}, sleep: p.sleep, now: func() time.Time { return now }}
			got := r.Manifest(t.Context(), Manifest{Ref: host + "/app:1", Limit: tt.limit})
			if tt.want < 0 {
				if got.Problem != RegistryDown || !strings.Contains(got.Words, "429") || !strings.Contains(got.Words, "come again in ") || n.Load() != 1 {
					t.Errorf("%+v after %d requests", got, n.Load())
				}
				return
			}
			if got.Digest != someDigest || len(p.taken) != 1 {
				t.Fatalf("%+v after the pauses %s", got, p.taken)
			}
			first := p.taken[0]
			if tt.want == 0 && first > 15*time.Millisecond || tt.want > 0 && (first < tt.want-time.Second || first > tt.want+time.Second) {
				t.Errorf("waits %s", first)
			}
		})
	}
}

// What a registry may send in the place of a manifest's descriptor, and what becomes of it: the digest is always that of bytes, or of a
// claim that nothing speaks against.
func TestRegistryAnswers(t *testing.T) {
	const manifest = `{"schemaVersion":2,"config":{}}`
	const other = `{"schemaVersion":2,"config":{},"annotations":{"moved":"yes"}}`
	const page = "<!DOCTYPE html><html><title>Sign in to the guest network</title></html>"
	sha512Of := digestLike("sha512:", []byte(manifest))
	tests := []struct {
		name       string
		head       map[string]string // headers of the answer to HEAD, with 200; nil: 405
		get        string
		getHeaders map[string]string
		want       ManifestInfo
		words      string
		requests   int32
	}{
		{name: "HEAD tells all", head: map[string]string{"Docker-Content-Digest": someDigest, "Content-Type": ociManifest},
			want: ManifestInfo{Digest: someDigest, MediaType: ociManifest}, requests: 1},
		{name: "the media type has parameters", head: map[string]string{"Docker-Content-Digest": someDigest, "Content-Type": "Application/vnd.oci.image.manifest.v1+JSON; charset=utf-8"},
			want: ManifestInfo{Digest: someDigest, MediaType: ociManifest}, requests: 1},
		{name: "HEAD without Docker-Content-Digest", head: map[string]string{"Content-Type": ociManifest}, get: manifest, getHeaders: map[string]string{"Content-Type": ociManifest},
			want: ManifestInfo{Digest: digestLike("", []byte(manifest)), MediaType: ociManifest}, requests: 2},
		{name: "HEAD with a digest that is none", head: map[string]string{"Docker-Content-Digest": "sha256:12", "Content-Type": ociManifest}, get: manifest,
			want: ManifestInfo{Digest: digestLike("", []byte(manifest)), MediaType: ociManifest}, requests: 2},
		{name: "HEAD with the type of a page", head: map[string]string{"Docker-Content-Digest": someDigest, "Content-Type": "text/html"}, get: page,
			want: ManifestInfo{Problem: RegistryDown}, words: "is no manifest", requests: 2},
		{name: "HEAD is not known", get: manifest, want: ManifestInfo{Digest: digestLike("", []byte(manifest)), MediaType: ociManifest}, requests: 2},
		{name: "SHA-512 claimed by HEAD", head: map[string]string{"Docker-Content-Digest": sha512Of, "Content-Type": ociManifest}, want: ManifestInfo{Digest: sha512Of, MediaType: ociManifest}, requests: 1},
		{name: "SHA-512 of the bytes", get: manifest, getHeaders: map[string]string{"Docker-Content-Digest": sha512Of}, want: ManifestInfo{Digest: sha512Of, MediaType: ociManifest}, requests: 2},
		{name: "GET claims a digest that is none", get: manifest, getHeaders: map[string]string{"Docker-Content-Digest": "latest"},
			want: ManifestInfo{Problem: RegistryMismatch}, words: "the registry claims latest", requests: 2},
		{name: "the tag moved between HEAD and GET", head: map[string]string{"Docker-Content-Digest": digestLike("", []byte(manifest))}, get: other,
			getHeaders: map[string]string{"Docker-Content-Digest": digestLike("", []byte(other))}, want: ManifestInfo{Digest: digestLike("", []byte(other)), MediaType: ociManifest}, requests: 2},
		{name: "GET claims what HEAD told, and sends something else", head: map[string]string{"Docker-Content-Digest": digestLike("", []byte(manifest))}, get: other,
			getHeaders: map[string]string{"Docker-Content-Digest": digestLike("", []byte(manifest))}, want: ManifestInfo{Problem: RegistryMismatch}, words: "the bytes it sent are", requests: 2},
		{name: "in-band error: denied", get: `{"errors":[{"code":"DENIED","message":"not for you"}]}`, want: ManifestInfo{Problem: RegistryDenied}, words: "DENIED: not for you", requests: 2},
		{name: "in-band error: unknown", get: `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no such tag"}]}`, want: ManifestInfo{Problem: RegistryNotFound}, words: "no such tag", requests: 2},
		{name: "in-band error: another", get: `{"errors":[{"code":"UNAVAILABLE","message":"later"}]}`, want: ManifestInfo{Problem: RegistryDown}, words: "UNAVAILABLE: later", requests: 9},
		{name: "in-band error: a page", get: page, want: ManifestInfo{Problem: RegistryDown}, words: "is no manifest", requests: 2},
		{name: "in-band error: a page said to be a manifest", get: page, getHeaders: map[string]string{"Content-Type": ociManifest}, want: ManifestInfo{Problem: RegistryDown}, words: "is no manifest", requests: 2},
		{name: "nothing", get: "", want: ManifestInfo{Problem: RegistryDown}, words: "is no manifest", requests: 2},
		{name: "JSON that is no manifest", get: `{"status":"ok"}`, want: ManifestInfo{Problem: RegistryDown}, words: "is no manifest", requests: 2},
		{name: "a list", get: `[{"schemaVersion":2}]`, want: ManifestInfo{Problem: RegistryDown}, words: "is no manifest", requests: 2},
		{name: "schema 1 by HEAD", head: map[string]string{"Docker-Content-Digest": someDigest, "Content-Type": string(types.DockerManifestSchema1)},
			want: ManifestInfo{Digest: someDigest, MediaType: string(types.DockerManifestSchema1)}, requests: 1},
		{name: "schema 1, signed, by HEAD", head: map[string]string{"Docker-Content-Digest": someDigest, "Content-Type": string(types.DockerManifestSchema1Signed)},
			want: ManifestInfo{Digest: someDigest, MediaType: string(types.DockerManifestSchema1Signed)}, requests: 1},
		{name: "schema 1, signed, with the digest of its payload", get: `{"schemaVersion":1,"signatures":[]}`,
			getHeaders: map[string]string{"Docker-Content-Digest": someDigest, "Content-Type": string(types.DockerManifestSchema1Signed)},
			want:       ManifestInfo{Digest: digestLike("", []byte(`{"schemaVersion":1,"signatures":[]}`)), MediaType: string(types.DockerManifestSchema1Signed)}, requests: 2},
		{name: "schema 1 without a type", get: `{"schemaVersion":1}`, want: ManifestInfo{Digest: digestLike("", []byte(`{"schemaVersion":1}`)), MediaType: string(types.DockerManifestSchema1)}, requests: 2},
		{name: "the type stands in the manifest", get: `{"schemaVersion":2,"mediaType":"` + string(types.DockerManifestList) + `"}`, getHeaders: map[string]string{"Content-Type": "application/json"},
			want: ManifestInfo{Digest: digestLike("", []byte(`{"schemaVersion":2,"mediaType":"`+string(types.DockerManifestList)+`"}`)), MediaType: string(types.DockerManifestList)}, requests: 2},
		{name: "the type follows from what it holds", get: `{"schemaVersion":2,"manifests":[]}`, getHeaders: map[string]string{"Content-Type": "text/plain"},
			want: ManifestInfo{Digest: digestLike("", []byte(`{"schemaVersion":2,"manifests":[]}`)), MediaType: string(types.OCIImageIndex)}, requests: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			host := crooked(t, func(w http.ResponseWriter, req *http.Request) {
				requests.Add(1)
				headers, body := tt.getHeaders, tt.get
				if req.Method == http.MethodHead {
					headers, body = tt.head, ""
					if headers == nil {
						w.WriteHeader(http.StatusMethodNotAllowed)
						return
					}
				}
				for k, v := range headers {
					w.Header().Set(k, v)
				}
				fmt.Fprint(w, body)
			})
			got := testRegistry().Manifest(t.Context(), Manifest{Ref: host + "/app:1", Limit: time.Hour})
			if got.Problem != tt.want.Problem || got.Digest != tt.want.Digest || got.MediaType != tt.want.MediaType || !strings.Contains(got.Words, tt.words) {
				t.Errorf("got  %+v\nwant %+v %s", got, tt.want, tt.words)
			}
			if n := requests.Load(); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
		})
	}
}

// Statuses that no registry should need nine times, and those that may pass.
func TestRegistryStatuses(t *testing.T) {
	for status, want := range map[int]struct {
		problem  RegistryProblem
		requests int32
	}{
		400: {RegistryDenied, 9}, 401: {RegistryDenied, 2}, 403: {RegistryDenied, 2}, 404: {RegistryNotFound, 2}, 408: {RegistryDown, 9}, 418: {RegistryDenied, 9},
		429: {RegistryDown, 9}, 500: {RegistryDown, 9}, 502: {RegistryDown, 9}, 503: {RegistryDown, 9}, 504: {RegistryDown, 9},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			host := crooked(t, func(w http.ResponseWriter, _ *http.Request) {
				n.Add(1)
				w.WriteHeader(status)
				fmt.Fprint(w, "the registry's own words")
			})
			got := testRegistry().Manifest(t.Context(), Manifest{Ref: host + "/app:1", Limit: time.Hour})
			if got.Problem != want.problem || n.Load() != want.requests {
				t.Errorf("%+v after %d requests, want %q after %d", got, n.Load(), want.problem, want.requests)
			}
			if status < 429 && !strings.Contains(got.Words, "the registry's own words") {
				t.Errorf("words: %s", got.Words)
			}
		})
	}
}

// A registry that never comes to an end is left when the limit is over, wherever it stalls.
func TestRegistryNeverEnds(t *testing.T) {
	stall := func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }
	drip := func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		for req.Context().Err() == nil {
			fmt.Fprint(w, " ")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	}
	tests := map[string]func(*testing.T) *Registry{
		"headers never come": func(t *testing.T) *Registry { return dialing(crooked(t, stall)) },
		"the body drips":     func(t *testing.T) *Registry { return dialing(crooked(t, drip)) },
		"the token server stalls": func(t *testing.T) *Registry {
			return dialing(withTokens(t, &tokenServer{realm: `realm="http://tokens.test/token",`, before: func(w http.ResponseWriter, req *http.Request) bool { stall(w, req); return true }}))
		},
		"nobody speaks behind an open port": func(t *testing.T) *Registry {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			return dialing(l.Addr().String())
		},
	}
	for name, start := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			got := r.Manifest(ctx, Manifest{Ref: "registry.test/app:1", Insecure: true, Limit: 300 * time.Millisecond})
			if got.Problem != RegistryTimeout {
				t.Errorf("%+v", got)
			}
			if ctx.Err() != nil {
				t.Error("the limit did not end it")
			}
		})
	}
}

// dialing makes a Registry that finds every host at one address.
func dialing(address string) *Registry {
	r := testRegistry()
	r.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	return r
}

// What is read of an answer is bounded, whichever it is.
func TestRegistryHugeAnswers(t *testing.T) {
	flood := func(w http.ResponseWriter, sent *atomic.Int64) {
		chunk := bytes.Repeat([]byte("x"), 1<<16)
		for sent.Load() < 1<<30 {
			n, err := w.Write(chunk)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}
	tests := map[string]struct {
		status int
		at     string
		words  string
	}{
		"manifest":           {200, "/manifests/", "longer than"},
		"refusal":            {403, "/manifests/", ""},
		"error of a server":  {500, "/manifests/", ""},
		"answer to the ping": {200, "/v2/", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sent atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				switch {
				case req.Method == http.MethodHead:
					w.WriteHeader(http.StatusMethodNotAllowed)
				case strings.Contains(req.URL.Path, tt.at):
					w.WriteHeader(tt.status)
					flood(w, &sent)
				}
			}))
			t.Cleanup(server.Close)
			got := testRegistry().Manifest(t.Context(), Manifest{Ref: strings.TrimPrefix(server.URL, "http://") + "/app:1", Limit: time.Hour})
			if got.Problem == "" || !strings.Contains(got.Words, tt.words) || len(got.Words) > 2000 {
				t.Errorf("%s %d bytes of words: %.300s", got.Problem, len(got.Words), got.Words)
			}
			if n := sent.Load(); n > 300<<20 { // nine tries of a few MiB, and what the sockets hold
				t.Errorf("%d bytes were taken", n)
			}
		})
	}
}

// Redirects are followed, to an end.
func TestRegistryRedirects(t *testing.T) {
	t.Run("a loop", func(t *testing.T) {
		var n atomic.Int32
		host := crooked(t, func(w http.ResponseWriter, req *http.Request) {
			n.Add(1)
			http.Redirect(w, req, fmt.Sprintf("/v2/app/manifests/%d", n.Load()), http.StatusTemporaryRedirect)
		})
		got := testRegistry().Manifest(t.Context(), Manifest{Ref: host + "/app:1", Limit: time.Hour})
		if got.Problem != RegistryDown || !strings.Contains(got.Words, "redirects without end") || n.Load() > 10 {
			t.Errorf("%+v after %d requests", got, n.Load())
		}
	})
	t.Run("a loop at the door", func(t *testing.T) {
		var n atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			n.Add(1)
			http.Redirect(w, req, req.URL.Path, http.StatusFound)
		}))
		t.Cleanup(server.Close)
		got := testRegistry().Manifest(t.Context(), Manifest{Ref: strings.TrimPrefix(server.URL, "http://") + "/app:1", Limit: time.Hour})
		if got.Problem != RegistryDown || !strings.Contains(got.Words, "redirects without end") || n.Load() > 10 {
			t.Errorf("%+v after %d requests", got, n.Load())
		}
	})
	t.Run("once, to another host", func(t *testing.T) {
		far := crooked(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", ociManifest)
			w.Header().Set("Docker-Content-Digest", someDigest)
		})
		host := crooked(t, func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, "http://"+far+req.URL.Path, http.StatusTemporaryRedirect)
		})
		if got := testRegistry().Manifest(t.Context(), Manifest{Ref: host + "/app:1"}); got.Digest != someDigest {
			t.Errorf("%+v", got)
		}
	})
	t.Run("from TLS to the clear", func(t *testing.T) {
		var n atomic.Int32
		far := crooked(t, func(http.ResponseWriter, *http.Request) { n.Add(1) })
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if strings.Contains(req.URL.Path, "/manifests/") {
				http.Redirect(w, req, "http://"+far+req.URL.Path, http.StatusTemporaryRedirect)
			}
		}))
		t.Cleanup(server.Close)
		rt := server.Client().Transport.(*http.Transport).Clone()
		address := server.Listener.Addr().String()
		rt.DialContext = func(ctx context.Context, network, to string) (net.Conn, error) {
			if to == "example.com:443" {
				to = address
			}
			return (&net.Dialer{}).DialContext(ctx, network, to)
		}
		r := testRegistry()
		r.Transport = rt
		got := r.Manifest(t.Context(), Manifest{Ref: "example.com/app:1", Limit: time.Hour})
		if got.Problem == "" || n.Load() > 0 || !strings.Contains(got.Words, "TLS only") {
			t.Errorf("%+v after %d requests in the clear", got, n.Load())
		}
	})
}

// A tag may move, and what it named vanish, between the descriptor and the index: then it is asked for anew.
func TestRegistryTagMovesBeforeThePlatformIsKnown(t *testing.T) {
	s := serveImages(t)
	index, platforms := indexOf(t, v1.Platform{OS: "linux", Architecture: "amd64"})
	s.push(t, "app:1", index)
	s.before = func(n int32, w http.ResponseWriter, _ *http.Request) bool {
		switch n {
		case 1: // HEAD
			w.Header().Set("Content-Type", string(types.OCIImageIndex))
			w.Header().Set("Docker-Content-Digest", someDigest)
			return true
		case 2: // GET by that digest
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		return false
	}
	got := testRegistry().Manifest(t.Context(), Manifest{Ref: s.host + "/app:1", Platform: "linux/amd64"})
	if got.Digest != digestOf(t, index) || got.Platform != platforms["linux/amd64"] || s.sent.Load() != 4 {
		t.Errorf("%+v after %d requests", got, s.sent.Load())
	}
}

func TestChoosePlatform(t *testing.T) {
	tests := []struct{ have, want, chosen string }{
		{"linux/amd64 linux/arm64/v8", "linux/amd64", "linux/amd64"},
		{"linux/amd64 linux/arm64/v8", "linux/arm64", "linux/arm64/v8"},
		{"linux/amd64 linux/arm64", "linux/arm64/v8", "linux/arm64"},
		{"linux/amd64 linux/arm64/8", "linux/arm64/v8", "linux/arm64/8"},
		{"linux/arm64/v8", "linux/arm64/v9", ""},
		{"linux/arm/v5 linux/arm/v6 linux/arm/v7", "linux/arm", "linux/arm/v7"},
		{"linux/arm/v5 linux/arm/v6 linux/arm/v7", "linux/arm/v6", "linux/arm/v6"},
		{"linux/arm/v5 linux/arm/v6", "linux/arm", "linux/arm/v5"},
		{"linux/amd64/v1", "linux/amd64", "linux/amd64/v1"},
		{"linux/amd64 linux/amd64/v3", "linux/amd64/v3", "linux/amd64/v3"},
		{"linux/amd64/v3", "linux/amd64", "linux/amd64/v3"},
		{"linux/x86_64", "linux/amd64", "linux/x86_64"},
		{"windows/amd64", "linux/amd64", ""},
		{"", "linux/amd64", ""},
	}
	for _, tt := range tests {
		have, chosen := strings.Fields(tt.have), ""
		if i := ChoosePlatform(have, tt.want); i >= 0 {
			chosen = have[i]
		}
		if chosen != tt.chosen {
			t.Errorf("%s of %s: %q, want %q", tt.want, tt.have, chosen, tt.chosen)
		}
	}
}

// Names of registries with ports, addresses and capitals.
func TestRegistryNames(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", ociManifest)
		w.Header().Set("Docker-Content-Digest", someDigest)
	})
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", listen)
		if err != nil {
			t.Logf("no %s here: %v", listen, err)
			continue
		}
		server := &httptest.Server{Listener: l, Config: &http.Server{Handler: answer}}
		server.Start()
		t.Cleanup(server.Close)
		if got := testRegistry().Manifest(t.Context(), Manifest{Ref: l.Addr().String() + "/team/app:1"}); got.Digest != someDigest {
			t.Errorf("%s: %+v", l.Addr(), got)
		}
	}
	for ref, words := range map[string]string{
		"registry.test/App:1": "could not parse reference", "registry.test:port/app:1": "", "registry.test/app:1:2": "", "[::1/app:1": "", "registry.test/a b:1": "", "": "",
	} {
		if got := testRegistry().Manifest(t.Context(), Manifest{Ref: ref}); got.Problem != RegistryInvalid || !strings.Contains(got.Words, words) {
			t.Errorf("%q: %+v", ref, got)
		}
	}
}

// A registry of another kind is told apart at once: certificates that nobody vouches for, plain HTTP, and no registry at all.
func TestRegistryOfAnotherKind(t *testing.T) {
	t.Run("a certificate that nobody vouches for", func(t *testing.T) {
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = quietLog()
		server.StartTLS()
		t.Cleanup(server.Close)
		r := dialing(server.Listener.Addr().String())
		var p pauses
		r.sleep = p.sleep
		got := r.Manifest(t.Context(), Manifest{Ref: "registry.test/app:1", Limit: time.Hour})
		if got.Problem != RegistryDown || !strings.Contains(got.Words, "certificate") || len(p.taken) > 0 {
			t.Errorf("%+v after %s", got, p.taken)
		}
	})
	t.Run("plain HTTP", func(t *testing.T) {
		r := dialing(crooked(t, func(http.ResponseWriter, *http.Request) {}))
		var p pauses
		r.sleep = p.sleep
		got := r.Manifest(t.Context(), Manifest{Ref: "registry.test/app:1", Limit: time.Hour})
		if got.Problem != RegistryDown || !strings.Contains(got.Words, "insecure = true") || len(p.taken) > 0 {
			t.Errorf("%+v after %s", got, p.taken)
		}
	})
	t.Run("no registry", func(t *testing.T) {
		server := httptest.NewServer(http.NotFoundHandler())
		t.Cleanup(server.Close)
		got := testRegistry().Manifest(t.Context(), Manifest{Ref: strings.TrimPrefix(server.URL, "http://") + "/app:1"})
		if got.Problem != RegistryDown || !strings.Contains(got.Words, "does not speak the registry protocol") {
			t.Errorf("%+v", got)
		}
	})
}

// The pause ends with the run, and what the registry said last is told.
func TestRegistryCancelledWhileItPauses(t *testing.T) {
	host := crooked(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	ctx, cancel := context.WithCancel(t.Context())
	r := testRegistry()
	r.sleep = func(ctx context.Context, d time.Duration) error { cancel(); return sleepFor(ctx, time.Hour) }
	if got := r.Manifest(ctx, Manifest{Ref: host + "/app:1", Limit: time.Hour}); got.Problem != RegistryDown || !strings.Contains(got.Words, "502") {
		t.Errorf("%+v", got)
	}
	if err := sleepFor(t.Context(), time.Millisecond); err != nil {
		t.Error(err)
	}
	if err := sleepFor(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
