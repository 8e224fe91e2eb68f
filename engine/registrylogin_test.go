package engine

import (
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
)

func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }

// canary is a password that must not turn up anywhere.
const canary = "canary-Zq9/+\"x"

// A tokenServer is a registry that wants a token, and gives it to whoever has the password.
type tokenServer struct {
	user, password string // "": anybody gets a token
	realm          string // in place of its own
	answer         string // in place of a token
	status         int    // of the token's request; 0: as it should be
	before         func(w http.ResponseWriter, req *http.Request) bool

	mu      sync.Mutex
	given   int    // tokens
	valid   string // the last one
	expires int    // so many requests a token serves; 0: for ever
	served  int
	asked   []string // token requests: "METHOD scope=… service=…"
}

// withTokens starts the registry.
func withTokens(t *testing.T, s *tokenServer) (host string) {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if req.URL.Path == "/token" {
			s.token(w, req)
			return
		}
		s.served++
		if s.valid == "" || req.Header.Get("Authorization") != "Bearer "+s.valid || s.expires > 0 && s.served > s.expires {
			realm := s.realm
			if realm == "" {
				realm = fmt.Sprintf("realm=\"%s/token\",", server.URL)
			}
			w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer %sservice=\"test\",scope=\"repository:app:pull\"", realm))
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", ociManifest)
		w.Header().Set("Docker-Content-Digest", someDigest)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func (s *tokenServer) token(w http.ResponseWriter, req *http.Request) {
	if s.before != nil && s.before(w, req) {
		return
	}
	_ = req.ParseForm()
	s.asked = append(s.asked, fmt.Sprintf("%s scope=%s service=%s", req.Method, req.Form.Get("scope"), req.Form.Get("service")))
	user, password, _ := req.BasicAuth()
	if grant := req.Form.Get("grant_type"); grant == "refresh_token" {
		user, password = "<token>", req.Form.Get("refresh_token")
	}
	switch {
	case s.status != 0:
		w.WriteHeader(s.status)
	case s.user != "" && (user != s.user || password != s.password):
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"errors":[{"code":"UNAUTHORIZED","message":"wrong password %s for %s"}]}`, "it is not told", user)
	case s.answer != "":
		fmt.Fprint(w, s.answer)
	default:
		s.given++
		s.valid, s.served = fmt.Sprintf("token-%d-of-the-test", s.given), 0
		fmt.Fprintf(w, `{"token":%q}`, s.valid)
	}
}

func TestRegistryTokens(t *testing.T) {
	tests := []struct {
		name    string
		server  *tokenServer
		q       Manifest
		problem RegistryProblem
		words   string
		asked   int // token requests; 0: not looked at
	}{
		{name: "anybody gets one", asked: 1},
		{name: "for a password", server: &tokenServer{user: "ci", password: canary}, q: Manifest{Username: "ci", Password: canary}, asked: 1},
		{name: "not without a password", server: &tokenServer{user: "ci", password: canary}, problem: RegistryDenied, words: "UNAUTHORIZED: wrong password", asked: 1},
		{name: "not for another password", server: &tokenServer{user: "ci", password: "x" + canary}, q: Manifest{Username: "ci", Password: canary}, problem: RegistryDenied, words: "UNAUTHORIZED", asked: 1},
		{name: "it runs out, and another is had", server: &tokenServer{expires: 1}, q: Manifest{Platform: ""}},
		{name: "the token server is down", server: &tokenServer{status: 503}, problem: RegistryDown, words: "503", asked: 9},
		{name: "the token server refuses", server: &tokenServer{status: 403}, problem: RegistryDenied, words: "403", asked: 1},
		{name: "an answer without a token", server: &tokenServer{answer: `{"refresh_token":"` + "not-to-be-told" + `"}`}, problem: RegistryDown, words: "its token server answers without a token"},
		{name: "a page in place of a token", server: &tokenServer{answer: "<html>sign in</html>"}, problem: RegistryDown, words: "invalid character"},
		{name: "no realm", server: &tokenServer{realm: `x="y",`}, problem: RegistryDenied, words: "missing realm", asked: 0},
		{name: "a realm inside of the network", server: &tokenServer{realm: `realm="http://169.254.169.254/latest/meta-data",`}, problem: RegistryDenied, words: "invalid realm"},
		{name: "a realm that is no address", server: &tokenServer{realm: `realm="file:///etc/passwd",`}, problem: RegistryDenied, words: "invalid realm"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := tt.server
			if s == nil {
				s = &tokenServer{}
			}
			q := tt.q
			q.Ref, q.Limit = withTokens(t, s)+"/app:1", time.Hour
			got := testRegistry().Manifest(t.Context(), q)
			if got.Problem != tt.problem || !strings.Contains(got.Words, tt.words) || tt.problem == "" && got.Digest != someDigest {
				t.Errorf("%+v, want %q …%s…", got, tt.problem, tt.words)
			}
			if tt.asked > 0 && len(s.asked) != tt.asked {
				t.Errorf("token requests: %q, want %d", s.asked, tt.asked)
			}
			for _, line := range s.asked {
				if line != "GET scope=repository:app:pull service=test" {
					t.Errorf("asked for %s", line)
				}
			}
			for _, secret := range []string{canary, "not-to-be-told", "token-1-of-the-test"} {
				if strings.Contains(got.Words, secret) {
					t.Errorf("a credential is told: %s", got.Words)
				}
			}
		})
	}
}

// A registry that wants a login and does not say how is one that refuses.
func TestRegistryUnauthorizedWithoutChallenge(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, "go away")
	}))
	t.Cleanup(server.Close)
	for _, password := range []string{"", canary} {
		q := Manifest{Ref: strings.TrimPrefix(server.URL, "http://") + "/app:1", Password: password}
		if password != "" {
			q.Username = "ci"
		}
		if got := testRegistry().Manifest(t.Context(), q); got.Problem != RegistryDenied || !strings.Contains(got.Words, "go away") {
			t.Errorf("%+v", got)
		}
	}
}

// A registry that gives back the credentials it got makes nobody print them.
func TestRegistryEchoesCredentials(t *testing.T) {
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		user, password, ok := req.BasicAuth()
		if !ok {
			w.Header().Set("WWW-Authenticate", "Basic realm=\"x\"")
		}
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"errors":[{"code":"DENIED","message":%q}]}`, fmt.Sprintf("%s may not: %s, by %s", user, password, req.Header.Get("Authorization")))
	}))
	t.Cleanup(echo.Close)
	host := strings.TrimPrefix(echo.URL, "http://")
	encoded := base64.StdEncoding.EncodeToString([]byte("ci:" + canary))
	for name, r := range map[string]*Registry{
		"of the playbook":   testRegistry(),
		"of the controller": {Keychain: keychain{authn.AuthConfig{Username: "ci", Password: canary}}, sleep: noPause},
		"encoded":           {Keychain: keychain{authn.AuthConfig{Auth: encoded}}, sleep: noPause},
	} {
		q := Manifest{Ref: host + "/app:1"}
		if name == "of the playbook" {
			q.Username, q.Password = "ci", canary
		}
		got := r.Manifest(t.Context(), q)
		if got.Problem != RegistryDenied || !strings.Contains(got.Words, "may not") {
			t.Errorf("%s: %+v", name, got)
		}
		if strings.Contains(got.Words, canary) || strings.Contains(got.Words, encoded) || strings.Contains(got.Words, strings.ReplaceAll(canary, `"`, `\"`)) {
			t.Errorf("%s: a credential is told: %s", name, got.Words)
		}
	}
}

type keychain struct{ config authn.AuthConfig }

func (k keychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(k.config), nil
}

// Credentials go to the registry they are for, also where it redirects elsewhere.
func TestRegistryCredentialsStayWithTheirRegistry(t *testing.T) {
	var seen []string
	far := crooked(t, func(w http.ResponseWriter, req *http.Request) {
		seen = append(seen, req.Header.Get("Authorization"))
		w.Header().Set("Content-Type", ociManifest)
		w.Header().Set("Docker-Content-Digest", someDigest)
	})
	near := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, _, ok := req.BasicAuth(); !ok {
			w.Header().Set("WWW-Authenticate", "Basic realm=\"x\"")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.Redirect(w, req, "http://"+far+req.URL.Path, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(near.Close)
	got := testRegistry().Manifest(t.Context(), Manifest{Ref: strings.TrimPrefix(near.URL, "http://") + "/app:1", Username: "ci", Password: canary})
	if got.Digest != someDigest || len(seen) != 1 || seen[0] != "" {
		t.Errorf("%+v; the other host was sent %q", got, seen)
	}
}

// dockerConfig makes the machine's docker configuration and credential helpers for a test; HOST stands for the registry.
func dockerConfig(t *testing.T, host, config string, helpers map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, script := range helpers {
		if err := os.WriteFile(filepath.Join(dir, "docker-credential-"+name), []byte("#!/bin/sh\n"+strings.ReplaceAll(script, "HOST", host)+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if config != "" {
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(strings.ReplaceAll(config, "HOST", host)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", dir)
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("XDG_CONFIG_HOME", dir)
	t.Setenv("REGISTRY_AUTH_FILE", "")
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// Without credentials of its own a question is asked with those of the controller's docker configuration.
func TestRegistryDockerCredentials(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte("ci:" + canary))
	const known = `[ "$1" = get ] && [ "$(cat)" = HOST ] || { echo credentials not found in native keychain; exit 1; }` + "\n"
	const gives = known + `echo '{"ServerURL":"HOST","Username":"ci","Secret":"canary-Zq9/+\"x"}'`
	const wrong = known + `echo '{"Username":"ci","Secret":"another"}'`
	tests := []struct {
		name, config string
		helpers      map[string]string
		problem      RegistryProblem
		words        string
	}{
		{name: "auths", config: `{"auths":{"HOST":{"auth":"` + encoded + `"}}}`},
		{name: "auths of another registry", config: `{"auths":{"other.test":{"auth":"` + encoded + `"}}}`, problem: RegistryDenied, words: "401"},
		{name: "no configuration", problem: RegistryDenied, words: "401"},
		{name: "credsStore", config: `{"credsStore":"good"}`, helpers: map[string]string{"good": gives}},
		{name: "credHelpers", config: `{"credHelpers":{"HOST":"good"}}`, helpers: map[string]string{"good": gives}},
		{name: "credHelpers before credsStore", config: `{"credsStore":"bad","credHelpers":{"HOST":"good"}}`, helpers: map[string]string{"good": gives, "bad": wrong}},
		{name: "a helper that knows nothing", config: `{"credsStore":"empty"}`, helpers: map[string]string{"empty": "echo credentials not found in native keychain; exit 1"}, problem: RegistryDenied, words: "401"},
		{name: "a helper that fails", config: `{"credHelpers":{"HOST":"broken"}}`, helpers: map[string]string{"broken": "echo the keyring is locked; exit 1"},
			problem: RegistryDenied, words: "the keyring is locked"},
		{name: "a helper that is not there", config: `{"credHelpers":{"HOST":"nowhere"}}`, problem: RegistryDenied, words: "docker-credential-nowhere"},
		{name: "a helper that speaks another language", config: `{"credsStore":"odd"}`, helpers: map[string]string{"odd": "echo hello"}, problem: RegistryDenied, words: "credentials cannot be read"},
		{name: "a configuration that cannot be read", config: `{"auths":`, problem: RegistryDenied, words: "credentials cannot be read"},
		{name: "the wrong password", config: `{"credsStore":"bad"}`, helpers: map[string]string{"bad": wrong}, problem: RegistryDenied, words: "401"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var methods []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if user, password, ok := req.BasicAuth(); !ok || user != "ci" || password != canary {
					w.Header().Set("WWW-Authenticate", "Basic realm=\"x\"")
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				methods = append(methods, req.Method)
				w.Header().Set("Content-Type", ociManifest)
				w.Header().Set("Docker-Content-Digest", someDigest)
			}))
			t.Cleanup(server.Close)
			host := strings.TrimPrefix(server.URL, "http://")
			dockerConfig(t, host, tt.config, tt.helpers)
			r := &Registry{sleep: noPause}
			got := r.Manifest(t.Context(), Manifest{Ref: host + "/app:1", Limit: time.Minute})
			if got.Problem != tt.problem || !strings.Contains(got.Words, tt.words) || tt.problem == "" && got.Digest != someDigest {
				t.Errorf("%+v, want %q …%s…", got, tt.problem, tt.words)
			}
			if strings.Contains(got.Words, "canary") || strings.Contains(got.Words, "another") {
				t.Errorf("a credential is told: %s", got.Words)
			}
			for _, path := range []string{"config.json"} { // it is read, never written
				text, err := os.ReadFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), path))
				if tt.config != "" && (err != nil || string(text) != strings.ReplaceAll(tt.config, "HOST", host)) {
					t.Errorf("%s is now %q, %v", path, text, err)
				}
			}
			if len(methods) > 1 {
				t.Errorf("requests: %s", methods)
			}
		})
	}
}

// An identity token is traded for an access token, and never sent to the registry itself.
func TestRegistryIdentityToken(t *testing.T) {
	s := &tokenServer{user: "<token>", password: canary}
	host := withTokens(t, s)
	r := &Registry{Keychain: keychain{authn.AuthConfig{IdentityToken: canary}}, sleep: noPause}
	got := r.Manifest(t.Context(), Manifest{Ref: host + "/app:1"})
	if got.Digest != someDigest || len(s.asked) != 1 || !strings.HasPrefix(s.asked[0], "POST scope=repository:app:pull") {
		t.Errorf("%+v by %q", got, s.asked)
	}
}

// A credential helper that waits for somebody at a screen holds nobody up for longer than the limit.
func TestRegistryCredentialsThatNeverCome(t *testing.T) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	r := &Registry{Keychain: stuckKeychain{release}}
	got := r.Manifest(t.Context(), Manifest{Ref: "registry.test/app:1", Limit: 50 * time.Millisecond})
	if got.Problem != RegistryTimeout || !strings.Contains(got.Words, "a credential helper does not answer") {
		t.Errorf("%+v", got)
	}
}

type stuckKeychain struct{ release chan struct{} }

func (k stuckKeychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	<-k.release
	return authn.Anonymous, nil
}
