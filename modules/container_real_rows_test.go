package modules

import (
	"crypto/subtle"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	ggcrregistry "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"cvsplay/engine"
)

// Rows of container_ensure's tables that the runtimes decide differently if anything is read wrongly of one of them.

func TestContainerRowsOnRealEngine(t *testing.T) { onEachEngine(t, testContainerRowsOnRealEngine) }

func testContainerRowsOnRealEngine(t *testing.T, e *realEngine) {
	two := func(edit func(*containerArgs)) map[string]containerArgs {
		return map[string]containerArgs{"a": e.args("a", edit), "b": e.args("b", edit)}
	}
	lasting := func(a *containerArgs) { a.Lifetime = persistent }
	row := func(name string, test func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			defer e.discard()
			test(t)
		})
	}
	row("no_launch, running nowhere", func(t *testing.T) {
		ends, _ := e.ensure(two(func(a *containerArgs) { a.Lifetime = noLaunch }))
		if !strings.HasPrefix(ends["a"], "refused: ") || !strings.Contains(ends["a"], "not running: a,b (absent)") {
			t.Error(ends["a"])
		}
		expect(t, "left", e.left(), "")
	})
	row("no_launch, running everywhere", func(t *testing.T) {
		e.ensure(two(lasting))
		ends, transcript := e.ensure(two(func(a *containerArgs) { a.Lifetime = noLaunch }))
		expect(t, "attached", ends["a"]+" "+ends["b"]+transcript, "done done")
	})
	row("persistent, absent on some", func(t *testing.T) {
		e.ensure(map[string]containerArgs{"a": e.args("a", lasting)})
		ends, transcript := e.ensure(two(lasting))
		if !strings.HasPrefix(ends["b"], "refused: ") || !strings.Contains(ends["b"], `partial = "launch_missing"`) || transcript != "" {
			t.Error(ends["b"], transcript)
		}
		ends, transcript = e.ensure(two(func(a *containerArgs) { lasting(a); a.Partial = partialLaunch }))
		expect(t, "launch_missing", ends["a"]+" "+ends["b"]+"\n"+transcript, "done done\nb: act: launch container, (name container)\nb: act: name container\n")
	})
	row("persistent, created and never started", func(t *testing.T) {
		e.ctr("create", "--name", e.prefix+"-a", e.repo()+":1", "sleep", "infinity")
		ends, transcript := e.ensure(map[string]containerArgs{"a": e.args("a", lasting)})
		expect(t, "started", ends["a"]+"\n"+transcript, "done\na: act: start container\n")
	})
	row("per_run, a foreign one", func(t *testing.T) {
		e.ctr("run", "-d", "--name", e.prefix+"-a", e.repo()+":1", "sleep", "infinity")
		ends, _ := e.ensure(map[string]containerArgs{"a": e.args("a", func(*containerArgs) {})})
		if !strings.HasPrefix(ends["a"], "refused: ") || !strings.Contains(ends["a"], "adopt = true") {
			t.Error(ends["a"])
		}
		ends, transcript := e.ensure(map[string]containerArgs{"a": e.args("a", func(a *containerArgs) { a.Adopt = true })})
		expect(t, "adopted", ends["a"]+"\n"+transcript, "done\na: act: remove stale container, launch container\n")
	})
	row("a leftover of the provisional name, of a boot before", func(t *testing.T) {
		e.ctr("run", "-d", "--name", e.prefix+"-a"+provisionalSuffix, "--label", labelOwner+"="+ownerName, "--label", labelRun+"=run-0", "--label", labelLifetime+"="+persistent,
			"--label", labelBoot+"=00000000-0000-0000-0000-000000000000", "--label", labelPIDNS+"=pid:[1]", e.repo()+":1", "sleep", "infinity")
		ends, transcript := e.ensure(map[string]containerArgs{"a": e.args("a", lasting)})
		expect(t, "removed first", ends["a"]+"\n"+transcript, "done\na: act: remove leftover container, launch container, (name container)\na: act: name container\n")
		expect(t, "left", e.left(), "a")
	})
	row("a name that begins like another, and like an id", func(t *testing.T) {
		e.ctr("run", "-d", "--name", e.prefix+"-a-longer", e.repo()+":1", "sleep", "infinity")
		id := e.ctr("inspect", "--format", "{{.Id}}", e.prefix+"-a-longer")
		for _, like := range []string{e.prefix + "-a", id[:12]} {
			declared := e.args("a", func(a *containerArgs) { a.Lifetime = noLaunch })
			declared.Name = like
			ends, _ := e.ensure(map[string]containerArgs{"a": declared})
			if !strings.Contains(ends["a"], "not running: a (absent)") {
				t.Errorf("%s: %s", like, ends["a"])
			}
		}
	})
	row("an image that moved, pull = always", func(t *testing.T) {
		e.push("moving", v1.Config{}, "old")
		moving := func(a *containerArgs) { lasting(a); a.Image = e.repo() + ":moving" }
		e.ensure(two(moving))
		e.push("moving", v1.Config{}, "new")
		e.ctr("pull", "-q", e.repo()+":moving")
		ends, transcript := e.ensure(two(moving))
		if !strings.Contains(ends["a"], "done [warn: ") || !strings.Contains(ends["a"], "started from "+e.repo()+":moving") || transcript != "" {
			t.Error(ends["a"], transcript)
		}
		ends, _ = e.ensure(two(func(a *containerArgs) { moving(a); a.OnDrift = driftRecreate }))
		expect(t, "recreated", ends["a"]+" "+ends["b"]+" "+e.exec("a", "cat", "/etc/content"), "done done new")
	})
}

// An archive is loaded where the image is missing, and nothing is pulled.
func TestContainerImageTarOnRealEngine(t *testing.T) {
	onEachEngine(t, testContainerImageTarOnRealEngine)
}

func testContainerImageTarOnRealEngine(t *testing.T, e *realEngine) {
	ref := must(name.NewTag(e.repo() + ":packed"))
	tar := filepath.Join(t.TempDir(), "image.tar")
	if err := tarball.WriteToFile(tar, ref, e.image(v1.Config{}, "packed")); err != nil {
		t.Fatal(err)
	}
	loaded := func(image string) map[string]containerArgs {
		return map[string]containerArgs{"a": e.args("a", func(a *containerArgs) { a.Image, a.ImageTar = image, tar })}
	}
	ends, transcript := e.ensure(loaded(ref.String()))
	expect(t, "loaded", ends["a"]+"\n"+transcript, "done\na: act: load image, (launch container)\na: act: launch container\n")
	expect(t, "content", e.exec("a", "cat", "/etc/content"), "packed")
	ends, _ = e.ensure(loaded(e.repo() + ":other"))
	if !strings.HasPrefix(ends["a"], "failed: "+tar+" was loaded, but it does not hold "+e.repo()+":other") {
		t.Error(ends["a"])
	}
}

// The registry wants a login: with the right password the image is pulled, and with whichever no credentials are left on the host.
func TestContainerLoginOnRealEngine(t *testing.T) { onEachEngine(t, testContainerLoginOnRealEngine) }

func testContainerLoginOnRealEngine(t *testing.T, e *realEngine) {
	images := ggcrregistry.New(ggcrregistry.Logger(log.New(io.Discard, "", 0)))
	locked := e.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		account, password, _ := r.BasicAuth()
		if account != "ci" || subtle.ConstantTimeCompare([]byte(password), []byte("it's $ecret")) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="locked"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
			return
		}
		images.ServeHTTP(w, r)
	}))
	if e.runtime == engine.PodmanRuntime {
		e.env = podmanOfItsOwn(t, e.registry, locked)
	}
	home, temporary := t.TempDir(), t.TempDir()
	e.env = append(e.env, "HOME="+home, "XDG_RUNTIME_DIR="+home, "TMPDIR="+temporary)
	image := locked + "/" + e.prefix + ":1"
	if err := remote.Write(must(name.NewTag(image)), e.image(v1.Config{}, "locked"), remote.WithAuth(&authn.Basic{Username: "ci", Password: "it's $ecret"})); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("it's $ecret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		login *containerRegistry
		want  string // beginning of the end
	}{
		{"without a login", nil, "failed: pull image: exit code 1"},
		{"with a wrong password", &containerRegistry{Server: locked, Username: "ci", Password: "wrong"}, "failed: pull image: exit code 1"},
		{"with the password", &containerRegistry{Server: locked, Username: "ci", Password: "it's $ecret"}, "done"},
		{"with a file", &containerRegistry{Server: locked, Username: "ci", PasswordFile: file}, "done"},
	} {
		ends, _ := e.ensure(map[string]containerArgs{"a": e.args("a", func(a *containerArgs) { a.Image, a.Registry, a.Pull = image, c.login, pullAlways })})
		if !strings.HasPrefix(ends["a"], c.want) || strings.Contains(ends["a"], "ecret") {
			t.Errorf("%s: %s", c.name, ends["a"])
		}
		for _, dir := range []string{home, temporary} {
			for _, left := range filesUnder(t, dir) {
				if text, err := readText(left); err == nil && (strings.Contains(text, locked) || strings.Contains(left, "auth")) {
					t.Errorf("%s: left %s: %s", c.name, left, text)
				}
			}
		}
	}
	e.ctr("rmi", "-f", image)
}

func filesUnder(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// wait_healthy on both: docker's daemon runs the checks; with podman nobody does here, since there is no systemd, but the question that waits.
func TestContainerHealthOnRealEngine(t *testing.T) { onEachEngine(t, testContainerHealthOnRealEngine) }

func testContainerHealthOnRealEngine(t *testing.T, e *realEngine) {
	e.push("checked", v1.Config{Healthcheck: &v1.HealthConfig{
		Test: []string{"CMD-SHELL", "cat /tmp/well || { echo not yet; exit 1; }"}, Interval: time.Second, Timeout: 10 * time.Second, Retries: 1,
	}}, "checked")
	box := func(image string, command ...string) map[string]containerArgs {
		return map[string]containerArgs{"a": e.args("a", func(a *containerArgs) {
			a.Image, a.Command, a.WaitHealthy = e.repo()+image, command, 30*time.Second
			if strings.HasSuffix(command[len(command)-1], "ill") {
				a.WaitHealthy = 2 * time.Second
			}
		})}
	}
	ends, _ := e.ensure(box(":checked", "sh", "-c", "sleep 2; echo yes >/tmp/well; sleep infinity"))
	expect(t, "healthy after a while", ends["a"], "done")
	expect(t, "what the runtime says then", e.ctr("inspect", "--format", "{{.State.Health.Status}}", e.prefix+"-a"), "healthy")
	e.discard()
	ends, _ = e.ensure(box(":1", "sleep", "infinity"))
	expect(t, "without a check", ends["a"], "done [warn: wait_healthy: the image of container "+e.prefix+"-a has no health check]")
	e.discard()
	ends, _ = e.ensure(box(":checked", "sh", "-c", "sleep infinity # ill"))
	if !strings.HasPrefix(ends["a"], "failed: the container is not healthy within 2s: unhealthy") || !strings.Contains(ends["a"], "not yet") {
		t.Error(ends["a"])
	}
	expect(t, "left", e.left(), "")
}
