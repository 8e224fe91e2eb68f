package modules

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cvsplay/engine"
	"cvsplay/engine/remote/remotetest"
)

// hostCanary is a password that must not stand in any command line or environment, with all that JSON, sed and a shell could stumble over.
const hostCanary = `canary p"w\x:y/&|$(id)'`

// A standIn is a host's commands: those that a test makes, which note how they were called, beside real ones, which can be made to.
type standIn struct{ bin, log, home string }

func newStandIn(t *testing.T, commands map[string]string, noted bool) standIn {
	t.Helper()
	s := standIn{bin: t.TempDir(), log: filepath.Join(t.TempDir(), "log"), home: t.TempDir()}
	for name, text := range commands {
		s.command(t, name, text)
	}
	for _, tool := range []string{"sed", "tr", "base64", "grep", "cat", "sleep", "timeout", "printf", "echo"} {
		real, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if noted {
			s.command(t, tool, "exec "+real+` "$@"`)
		} else if err := os.Symlink(real, filepath.Join(s.bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s standIn) command(t *testing.T, name, text string) {
	t.Helper()
	const notes = "#!/bin/sh\n{ echo \"called: $0 $*\"; /usr/bin/env; } >>\"$LOG\"\n"
	if err := os.WriteFile(filepath.Join(s.bin, name), []byte(notes+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// run runs one of our texts in a shell. The machine's own engine must not decide.
func (s standIn) run(t *testing.T, argv []string, sh engine.Shell) engine.Answer {
	t.Helper()
	text := strings.ReplaceAll(sh.Text, "/var/run/docker.sock", filepath.Join(s.home, "docker.sock"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], append(append(append([]string{}, argv[1:]...), "-c", text, "sh"), sh.Args...)...)
	cmd.Env = []string{"PATH=" + s.bin, "HOME=" + s.home, "LOG=" + s.log, "DIR=" + s.home}
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	a := engine.Answer{State: engine.Given}
	if err := cmd.Run(); err != nil {
		if a.Code = cmd.ProcessState.ExitCode(); a.Code < 0 {
			t.Fatal(err)
		}
	}
	a.Stdout = engine.Output{Bytes: []byte(out.String()), Size: int64(out.Len())}
	a.Stderr = engine.Output{Bytes: []byte(errs.String()), Size: int64(errs.Len())}
	return a
}

const (
	// It answers when the request's head is whole, and ends though its input does not.
	engineAnswers = `case $* in
	"system dial-stdio")
		sed '/^.$/q' >"$DIR/request"
		printf 'HTTP/1.0 200 OK\r\nServer: test\r\n\r\n{"Descriptor":{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","size":3}}\n'
		;;
	version) ;;
	*) echo "unexpected: $*" >&2; exit 9 ;;
	esac`
	olderDocker = `case $* in
	version) ;;
	*) printf '\nUsage:\tdocker system COMMAND\n\nManage Docker\n' ;;
	esac`
	// Its answer is lost three times, as docker's own is where it copies to an engine that has closed.
	unluckyEngine = `case $* in
	version) ;;
	*)
		echo >>"$DIR/request"
		if [ "$(sed -n '$=' "$DIR/request")" -lt 4 ]; then
			echo 'error while Copy (stdin to stream): write unix @->/var/run/docker.sock: write: broken pipe' >&2
			exit 1
		fi
		printf 'HTTP/1.0 200 OK\r\n\r\n{"Descriptor":{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","size":3}}\n'
		;;
	esac`
	stuckEngine = `case $* in
	version) ;;
	*) exec /bin/sleep 60 ;;
	esac`
)

// The login that docker's command line would find is the one that the engine is given, in every shell, and nobody else sees it.
func TestHostLogins(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte("ci:" + hostCanary))
	given, err := json.Marshal(map[string]string{"ServerURL": "x", "Username": "ci", "Secret": hostCanary})
	if err != nil {
		t.Fatal(err)
	}
	gives := func(server string) string {
		return fmt.Sprintf("read -r server; [ \"$1 $server\" = 'get %s' ] || { echo credentials not found in native keychain; exit 1; }\n/bin/cat <<'END'\n%s\nEND", server, given)
	}
	const wrong = `echo '{"Username":"ci","Secret":"another"}'`
	whole := fmt.Sprintf(`{"password":%s,"username":"ci"}`, jsonText(hostCanary))
	tests := []struct {
		name, image, config string
		helpers             map[string]string
		want                string // JSON with its keys in order; "": no login
	}{
		{"none at all", "reg.test:5000/app:1", "", nil, ""},
		{"auths", "reg.test:5000/app:1", "{\n\t\"auths\": {\n\t\t\"other.test\": {\n\t\t\t\"auth\": \"eDp5\"\n\t\t},\n\t\t\"reg.test:5000\": {\n\t\t\t\"auth\": \"" + encoded + "\"\n\t\t}\n\t},\n\t\"HttpHeaders\": {}\n}\n", nil, whole},
		{"auths, in one line", "reg.test:5000/app:1", `{"auths":{"reg.test:5000":{"auth":"` + encoded + `"},"other.test":{"auth":"eDp5"}}}`, nil, whole},
		{"auths, as an address", "reg.test/app:1", `{"auths":{"https://reg.test/v2/":{"auth":"` + encoded + `"}}}`, nil, whole},
		{"auths of a registry whose name ends so", "reg.test/app:1", `{"auths":{"my.reg.test":{"auth":"` + encoded + `"},"regxtest":{"auth":"` + encoded + `"}}}`, nil, ""},
		{"auths of a registry whose name begins so", "reg.test/app:1", `{"auths":{"reg.test.example":{"auth":"` + encoded + `"},"reg.test:5000":{"auth":"` + encoded + `"}}}`, nil, ""},
		{"Docker Hub", "rvs", `{"auths":{"https://index.docker.io/v1/":{"auth":"` + encoded + `"}}}`, nil, whole},
		{"IPv6", "[fd00::1]:5000/app:1", `{"auths":{"[fd00::1]:5000":{"auth":"` + encoded + `"}}}`, nil, whole},
		{"an identity token", "reg.test/app:1", `{"auths":{"reg.test":{"auth":"eDo=","identitytoken":"tok.en-1"}}}`, nil, `{"identitytoken":"tok.en-1"}`},
		{"an empty entry beside a store", "reg.test/app:1", `{"auths":{"reg.test":{}},"credsStore":"good"}`, map[string]string{"good": gives("reg.test")}, whole},
		{"credsStore", "reg.test:5000/app:1", `{"credsStore":"good"}`, map[string]string{"good": gives("reg.test:5000")}, whole},
		{"credsStore of Docker Hub", "rvs", `{"credsStore": "good"}`, map[string]string{"good": gives("https://index.docker.io/v1/")}, whole},
		{"credHelpers", "reg.test:5000/app:1", `{"credHelpers":{"other.test":"bad","reg.test:5000":"good"}}`, map[string]string{"good": gives("reg.test:5000"), "bad": wrong}, whole},
		{"credHelpers before credsStore", "reg.test/app:1", `{"credsStore":"bad","credHelpers":{"reg.test":"good"}}`, map[string]string{"good": gives("reg.test"), "bad": wrong}, whole},
		{"a helper that knows nothing", "reg.test/app:1", `{"credsStore":"good"}`, map[string]string{"good": gives("another.test")}, ""},
		{"a helper that is not there", "reg.test/app:1", `{"credsStore":"nowhere"}`, nil, ""},
		{"a helper's identity token", "reg.test/app:1", `{"credsStore":"good"}`, map[string]string{"good": `echo '{"ServerURL":"reg.test","Username":"\u003ctoken\u003e","Secret":"tok"}'`}, `{"identitytoken":"tok"}`},
		{"a configuration that cannot be read", "reg.test/app:1", `{"auths":`, nil, ""},
	}
	for shell, argv := range shells(t) {
		for _, tt := range tests {
			t.Run(shell+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				commands := map[string]string{"docker": engineAnswers}
				for name, text := range tt.helpers {
					commands["docker-credential-"+name] = text
				}
				s := newStandIn(t, commands, shell == "mksh" || shell == "dash")
				if tt.config != "" {
					writeFile(t, filepath.Join(s.home, ".docker", "config.json"), tt.config)
				}
				ref, err := parseReference(tt.image)
				if err != nil {
					t.Fatal(err)
				}
				got := readHostAnswer(s.run(t, argv, imageDigestArgs{Image: tt.image}.hostQuestion(ref)))
				if got.info.Digest != digestC || got.info.Problem != "" || got.cannot != "" {
					t.Fatalf("%+v", got)
				}
				request := readFile(t, filepath.Join(s.home, "request"))
				if want := "GET /distribution/" + ref.Tagged() + "/json HTTP/1.0\r\n"; !strings.HasPrefix(request, want) {
					t.Errorf("the engine is asked %q, want %q", request, want)
				}
				req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
				if err != nil {
					t.Fatalf("%v: %q", err, request)
				}
				login, err := base64.URLEncoding.DecodeString(req.Header.Get("X-Registry-Auth"))
				if err != nil {
					t.Fatal(err)
				}
				if got := inOrder(t, login); got != tt.want {
					t.Errorf("login %s, want %s", got, tt.want)
				}
				if log := readFile(t, s.log); strings.Contains(log, "canary") || strings.Contains(log, encoded) || strings.Contains(log, "tok.en") {
					t.Errorf("somebody saw the login:\n%s", log)
				}
			})
		}
	}
}

func jsonText(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// inOrder writes a login's JSON with its keys in order, and without what names the server.
func inOrder(t *testing.T, login []byte) string {
	t.Helper()
	if len(login) == 0 {
		return ""
	}
	var m map[string]string
	if err := json.Unmarshal(login, &m); err != nil {
		t.Fatalf("%v: %q", err, login)
	}
	delete(m, "ServerURL")
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What a host's commands may be like, in every shell.
func TestHostWays(t *testing.T) {
	const raw = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`
	skopeo := func(text string) map[string]string { return map[string]string{"podman": "exit 0", "skopeo": text} }
	tests := []struct {
		name     string
		commands map[string]string
		insecure bool
		want     string // digest, or what is told
	}{
		{"no runtime", nil, false, "not reachable: no container runtime: docker podman not installed"},
		{"docker", map[string]string{"docker": engineAnswers}, false, digestC},
		{"a docker that is not answered", map[string]string{"docker": "echo 'Cannot connect to the Docker daemon' >&2; exit 1", "sudo": "exit 1"}, false, "not reachable: Cannot connect to the Docker daemon; with sudo -n:"},
		{"docker by sudo", map[string]string{"docker": "[ \"$AS_ROOT\" = 1 ] || exit 1\n" + engineAnswers, "sudo": "shift; AS_ROOT=1 exec \"$@\""}, false, digestC},
		{"docker before 18.09, without curl", map[string]string{"docker": olderDocker}, false, "cannot: this docker has no way to ask a registry"},
		{"docker before 18.09, with curl", map[string]string{"docker": olderDocker, "curl": `
			/bin/cat >/dev/null
			case $* in
			"-isS --max-time 5 --unix-socket "*"/docker.sock -K - http://docker/distribution/reg.test/app:1/json") printf 'HTTP/1.1 404 Not Found\r\n\r\n{"message":"manifest unknown: no such tag"}\n' ;;
			*) echo "unexpected: $*" ;;
			esac`}, false, "not found: manifest unknown: no such tag"},
		{"an engine that hangs", map[string]string{"docker": stuckEngine}, false, "timed out: timed out"},
		{"an engine whose answers are lost", map[string]string{"docker": unluckyEngine}, false, digestC},
		{"podman without skopeo", map[string]string{"podman": "exit 0"}, false, "cannot: podman cannot ask a registry without pulling: skopeo, which can, is not installed"},
		{"podman with skopeo", skopeo(`[ "$*" = "--command-timeout 5s inspect --raw docker://reg.test/app:1" ] || exit 9
			printf '%s' '` + raw + `'`), false, manifestDigest(raw)},
		{"skopeo, insecure", skopeo(`[ "$*" = "--command-timeout 5s inspect --raw --tls-verify=false docker://reg.test/app:1" ] || exit 9
			printf '%s' '` + raw + `'`), true, manifestDigest(raw)},
		{"skopeo, a last line that ends", skopeo(`printf '%s\n' '` + raw + `'`), false, manifestDigest(raw + "\n")},
		{"skopeo, refused", skopeo(`echo 'level=fatal msg="reading manifest 1 in reg.test/app: denied: not for you"' >&2; exit 1`), false, "denied: level=fatal"},
		{"skopeo, unknown", skopeo(`echo 'level=fatal msg="reading manifest 1 in reg.test/app: manifest unknown: no such tag"' >&2; exit 2`), false, "not found: level=fatal"},
		{"skopeo, down", skopeo(`echo 'dial tcp 127.0.0.1:1: connect: connection refused' >&2; exit 1`), false, "not reachable: dial tcp"},
		{"skopeo, too slow", skopeo(`echo 'Get "http://x": context deadline exceeded' >&2; exit 1`), false, "timed out: Get"},
		{"skopeo, a page", skopeo(`echo '<html>hi</html>'`), false, "not reachable: what was sent is no manifest"},
	}
	for shell, argv := range shells(t) {
		for _, tt := range tests {
			t.Run(shell+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				s := newStandIn(t, tt.commands, false)
				ref, err := parseReference("reg.test/app:1")
				if err != nil {
					t.Fatal(err)
				}
				q := imageDigestArgs{Image: "reg.test/app:1", Insecure: tt.insecure}.hostQuestion(ref)
				q.Args[1] = "5"
				h := readHostAnswer(s.run(t, argv, q))
				got := h.info.Digest
				switch {
				case h.cannot != "":
					got = "cannot: " + h.cannot
				case h.info.Problem != "":
					got = string(h.info.Problem) + ": " + h.info.Words
				}
				if !strings.HasPrefix(got, tt.want) {
					t.Errorf("got %s\nwant %s", got, tt.want)
				}
				if left, err := filepath.Glob(filepath.Join(s.home, "*")); err != nil || len(left) > 1 || len(left) == 1 && filepath.Base(left[0]) != "request" {
					t.Errorf("left on the host: %v %v", left, err)
				}
			})
		}
	}
}

func manifestDigest(text string) string {
	m, err := engine.ReadManifest([]byte(text), "")
	if err != nil {
		return err.Error()
	}
	return m.Digest
}

// A real Docker Engine, and skopeo, ask a registry on this machine: what they tell is what it serves.
func TestHostWaysReal(t *testing.T) {
	const index = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		fail := func(status int, code, words string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, words)
		}
		user, password, _ := req.BasicAuth()
		switch path := req.URL.Path; {
		case user != "ci" && strings.HasSuffix(path, "/v2/"), strings.Contains(path, "/private/") && password != hostCanary:
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			fail(401, "UNAUTHORIZED", "who are you")
		case strings.Contains(path, "/denied/"):
			fail(403, "DENIED", "not for you")
		case strings.Contains(path, "/broken/"):
			fail(503, "UNAVAILABLE", "later")
		case strings.Contains(path, "/manifests/") && !strings.Contains(path, "/gone/"):
			w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
			w.Header().Set("Docker-Content-Digest", manifestDigest(index))
			w.Header().Set("Content-Length", fmt.Sprint(len(index)))
			if req.Method != http.MethodHead {
				fmt.Fprint(w, index)
			}
		case path != "/v2/":
			fail(404, "MANIFEST_UNKNOWN", "no such tag")
		}
	}))
	t.Cleanup(registry.Close)
	host := strings.TrimPrefix(registry.URL, "http://")
	encoded := base64.StdEncoding.EncodeToString([]byte("ci:" + hostCanary))
	tests := []struct{ image, want string }{
		{host + "/private/app:1", manifestDigest(index)},
		{host + "/denied/app:1", "denied"},
		{host + "/gone/app:1", "not found"},
		{host + "/broken/app:1", "not reachable"},
		{"127.0.0.1:1/app:1", "not reachable"},
	}
	for _, runtime := range []string{"docker", "skopeo"} {
		t.Run(runtime, func(t *testing.T) {
			remotetest.Need(t, runtime)
			home := t.TempDir()
			writeFile(t, filepath.Join(home, ".docker", "config.json"), `{"auths":{"`+host+`":{"auth":"`+encoded+`"}}}`)
			path := os.Getenv("PATH")
			if runtime == "skopeo" { // and a podman, which is not asked, before any docker
				s := newStandIn(t, map[string]string{"podman": "exit 0"}, false)
				if err := os.Remove(filepath.Join(s.bin, "timeout")); err != nil {
					t.Fatal(err)
				}
				real, err := exec.LookPath("skopeo")
				if err != nil {
					t.Fatal(err)
				}
				s.command(t, "skopeo", "exec "+real+` "$@"`)
				path = s.bin
			}
			for _, tt := range tests {
				ref, err := parseReference(tt.image)
				if err != nil {
					t.Fatal(err)
				}
				q := imageDigestArgs{Image: tt.image, Insecure: true}.hostQuestion(ref)
				cmd := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", q.Text, "sh"}, q.Args...)...)
				cmd.Env = []string{"HOME=" + home, "PATH=" + path, "LOG=" + filepath.Join(home, "log"), "XDG_RUNTIME_DIR=" + home}
				var errs strings.Builder
				cmd.Stderr = &errs
				out, err := cmd.Output()
				if err != nil && cmd.ProcessState.ExitCode() < 0 {
					t.Fatal(err)
				}
				a := engine.Answer{State: engine.Given, Code: cmd.ProcessState.ExitCode(), Stdout: engine.Output{Bytes: out, Size: int64(len(out))}}
				a.Stderr = engine.Output{Bytes: []byte(errs.String()), Size: int64(errs.Len())}
				h := readHostAnswer(a)
				got := h.info.Digest
				if h.info.Problem != "" {
					got = string(h.info.Problem)
				}
				if got != tt.want {
					t.Errorf("%s: got %s, want %s: %+v", tt.image, got, tt.want, h)
				}
				if strings.Contains(h.info.Words, "canary") {
					t.Errorf("%s: the password is told: %s", tt.image, h.info.Words)
				}
			}
		})
	}
}
