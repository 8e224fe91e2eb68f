package modules

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	ggcrregistry "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"cvsplay/engine"
	"cvsplay/engine/remote/remotetest"
)

// realEngine is the Docker Engine of this machine with a registry of the test's own. All hosts of a test are on it, each with
// another container name.
type realEngine struct {
	containerBench
	registry string
	prefix   string
	digest   string // of IMAGE:1
}

func newRealEngine(t *testing.T) *realEngine {
	t.Helper()
	remotetest.Need(t, "docker")
	remotetest.Need(t, "busybox")
	server := httptest.NewServer(ggcrregistry.New(ggcrregistry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	e := &realEngine{
		containerBench: containerBench{t: t, run: "run-1", past: map[string][]engine.Outcome{}},
		registry:       strings.TrimPrefix(server.URL, "http://"), prefix: fmt.Sprintf("cvsplaytest%d", time.Now().UnixNano()),
	}
	e.ask = func(_ string, q engine.Question) engine.Answer { return e.here(q) }
	e.digest = e.push("1", "one")
	t.Cleanup(func() {
		e.docker("sh", "-c", "docker ps -aq --filter name=^/"+e.prefix+" | xargs -r docker rm -f; docker images -q "+e.repo()+" | sort -u | xargs -r docker rmi -f")
	})
	return e
}

func (e *realEngine) repo() string { return e.registry + "/" + e.prefix }

// docker runs a command of the test itself and gives what it printed.
func (e *realEngine) docker(argv ...string) string {
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		e.t.Errorf("%v: %v\n%s", argv, err, out)
	}
	return strings.TrimSpace(string(out))
}

// push makes a busybox image that differs by its content, and gives its digest.
func (e *realEngine) push(tag, content string) string {
	e.t.Helper()
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(busyboxRoot(e.t, content))), nil })
	if err != nil {
		e.t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		e.t.Fatal(err)
	}
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: archOf(machine(e.t)), RootFS: must(img.ConfigFile()).RootFS,
		Config: v1.Config{Env: []string{"PATH=/bin"}}})
	if err != nil {
		e.t.Fatal(err)
	}
	ref, err := name.NewTag(e.repo() + ":" + tag)
	if err != nil {
		e.t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		e.t.Fatal(err)
	}
	return must(img.Digest()).String()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// busyboxRoot is a root file system with this machine's busybox and the libraries it needs.
func busyboxRoot(t *testing.T, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h tar.Header, data []byte) {
		h.Size = int64(len(data))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"bin", "tmp", "etc"} {
		add(tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: 0o755}, nil)
	}
	busybox := remotetest.Command("busybox")
	files := []string{busybox}
	if out, err := exec.Command("ldd", busybox).Output(); err == nil {
		for word := range strings.FieldsSeq(string(out)) {
			if strings.HasPrefix(word, "/") {
				files = append(files, word)
			}
		}
	}
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			file = "/bin/busybox"
		}
		add(tar.Header{Name: file[1:], Typeflag: tar.TypeReg, Mode: 0o755}, data)
	}
	for _, tool := range []string{"sh", "sleep", "cat", "ls", "echo", "touch", "id", "env", "sed", "false", "true"} {
		add(tar.Header{Name: "bin/" + tool, Typeflag: tar.TypeSymlink, Linkname: "busybox", Mode: 0o777}, nil)
	}
	add(tar.Header{Name: "etc/content", Typeflag: tar.TypeReg, Mode: 0o644}, []byte(content))
	add(tar.Header{Name: "etc/passwd", Typeflag: tar.TypeReg, Mode: 0o644}, []byte("root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n"))
	add(tar.Header{Name: "etc/group", Typeflag: tar.TypeReg, Mode: 0o644}, []byte("root:x:0:\nvideo:x:44:\n"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// here runs a shell text on this machine.
func (e *realEngine) here(q engine.Question) engine.Answer {
	sh := q.(engine.Shell)
	cmd := exec.CommandContext(e.t.Context(), "/bin/sh", append([]string{"-c", sh.Text, "sh"}, sh.Args...)...)
	cmd.Stdin = bytes.NewReader(sh.Stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	return engine.Answer{State: engine.Given, Code: cmd.ProcessState.ExitCode(),
		Stdout: engine.Output{Bytes: out.Bytes(), Size: int64(out.Len())}, Stderr: engine.Output{Bytes: errs.Bytes(), Size: int64(errs.Len())}}
}

// args are those of one host.
func (e *realEngine) args(host string, edit func(*containerArgs)) containerArgs {
	a := simArgs(edit)
	a.Name = e.prefix + "-" + host
	if a.Image == "rocm/cvs:6" {
		a.Image = e.repo() + ":1"
	}
	return a
}

func (e *realEngine) exec(host string, argv ...string) string {
	return e.docker(append([]string{"docker", "exec", e.prefix + "-" + host}, argv...)...)
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

// A persistent container, from cold start to removal, on a real engine: launched by digest in step, kept, stopped, drifted, recreated.
func TestContainerOnRealEngine(t *testing.T) {
	e := newRealEngine(t)
	yes := true
	declared := func(edit func(*containerArgs)) map[string]containerArgs {
		out := map[string]containerArgs{}
		for _, h := range []string{"a", "b"} {
			out[h] = e.args(h, func(a *containerArgs) {
				a.Lifetime, a.Image = persistent, e.repo()+":1@"+e.digest
				a.Env, a.Labels = map[string]string{"GREETING": "it's $HOME \"quoted\"\nand more"}, map[string]string{"team": "a b"}
				a.Volumes, a.Devices = []string{"/tmp:/host-tmp:ro"}, []string{"/dev/nul?", "/dev/absent-one"}
				a.CapAdd, a.Ulimit, a.ShmSize, a.GroupAdd = []string{"SYS_PTRACE"}, []string{"nofile=512:1024"}, "64m", []string{"video"}
				a.SecurityOpt, a.Init, a.Network, a.IPC, a.Restart = []string{"seccomp=unconfined"}, &yes, "none", "private", "unless-stopped"
				a.Workdir, a.Hostname = "/tmp", "inside"
				a.SetupScript = "echo provisioned >/tmp/mark\nid -u >>/tmp/mark\n"
				edit(a)
			})
		}
		return out
	}
	same := func(*containerArgs) {}

	ends, transcript := e.ensure(declared(same))
	expect(t, "cold start", fmt.Sprint(ends), "map[a:done b:done]")
	expect(t, "rounds", transcript, strings.Join([]string{
		"a: act: pull image, (launch container), (run setup_script), (name container)",
		"b: act: pull image, (launch container), (run setup_script), (name container)",
		"a: act: launch container, (run setup_script), (name container)",
		"b: act: launch container, (run setup_script), (name container)",
		"a: act: run setup_script, (name container)", "b: act: run setup_script, (name container)",
		"a: act: name container", "b: act: name container", ""}, "\n"))
	expect(t, "provisioned", e.exec("a", "cat", "/tmp/mark"), "provisioned\n0")
	expect(t, "environment", e.exec("a", "sh", "-c", `echo "$GREETING"`), "it's $HOME \"quoted\"\nand more")
	expect(t, "tag", e.docker("docker", "image", "inspect", "--format", "{{index .RepoTags 0}}", e.repo()+":1"), e.repo()+":1")
	before := e.docker("docker", "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", e.prefix+"-a")

	ends, transcript = e.ensure(declared(same))
	expect(t, "second run", fmt.Sprint(ends)+transcript, "map[a:done b:done]")
	expect(t, "same container", e.docker("docker", "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", e.prefix+"-a"), before)

	e.docker("docker", "stop", "-t", "0", e.prefix+"-a")
	e.docker("docker", "pause", e.prefix+"-b")
	ends, transcript = e.ensure(declared(same))
	expect(t, "stopped and paused", fmt.Sprint(ends)+"\n"+transcript, "map[a:done b:done]\na: act: start container\nb: act: unpause container\n")
	expect(t, "file system kept", e.exec("a", "cat", "/tmp/mark"), "provisioned\n0")

	// Without the fast path every field is compared, and all are as declared.
	for h, a := range declared(same) {
		facts, err := readContainerFacts(e.here(a.Ask()[0]))
		if err != nil {
			t.Fatal(err)
		}
		box := facts.container(a.Name)
		delete(box.Config.Labels, labelSpec)
		if d := a.spec(facts).drift(*box); len(d) > 0 {
			t.Errorf("%s: %v", h, d)
		}
	}

	changed := func(a *containerArgs) { a.ShmSize, a.Env = "128m", map[string]string{"GREETING": "hello"} }
	ends, _ = e.ensure(declared(changed))
	if !strings.Contains(ends["a"], "done [warn: ") || !strings.Contains(ends["a"], "shm_size is 67108864, declared 134217728") || !strings.Contains(ends["a"], "env.GREETING is it's $HOME") {
		t.Errorf("drift: %s", ends["a"])
	}
	ends, _ = e.ensure(declared(func(a *containerArgs) { changed(a); a.OnDrift = driftRecreate }))
	expect(t, "recreated", fmt.Sprint(ends), "map[a:done b:done]")
	expect(t, "new environment", e.exec("b", "sh", "-c", `echo "$GREETING"`), "hello")

	// A foreign container is not removed; one of ours is, and only once.
	e.docker("docker", "run", "-d", "--name", e.prefix+"-foreign", e.repo()+":1", "sleep", "infinity")
	got := e.remove("a", containerAbsentArgs{Name: e.prefix + "-foreign", Runtime: engine.AutoRuntime})
	if !strings.HasPrefix(got, "refused: container "+e.prefix+"-foreign") {
		t.Error(got)
	}
	expect(t, "of another run", e.remove("a", containerAbsentArgs{Name: e.prefix + "-a", Run: "run-2"}), "done")
	expect(t, "absent", e.remove("a", containerAbsentArgs{Name: e.prefix + "-a", Run: e.run}), "done")
	expect(t, "adopted", e.remove("a", containerAbsentArgs{Name: e.prefix + "-foreign", Adopt: true}), "done")
	expect(t, "left", e.docker("docker", "ps", "-a", "--filter", "name=^/"+e.prefix, "--format", "{{.Names}}"), e.prefix+"-b")
}

func TestContainerFailsOnRealEngine(t *testing.T) {
	e := newRealEngine(t)
	t.Run("setup fails in a pipe and rolls back", func(t *testing.T) {
		both := map[string]containerArgs{
			"a": e.args("a", func(a *containerArgs) { a.Lifetime, a.SetupScript = persistent, "true\n" }),
			"b": e.args("b", func(a *containerArgs) {
				a.Lifetime, a.SetupScript = persistent, "echo begun\ncat\nfalse | true\necho 'never printed'\n"
			}),
		}
		ends, _ := e.ensure(both)
		expect(t, "the failing host", ends["b"], "failed: run setup_script: exit code 1\n    begun")
		if !strings.HasPrefix(ends["a"], "refused: container ") || !strings.Contains(ends["a"], "failed: b (run setup_script: exit code 1)") {
			t.Error(ends["a"])
		}
		expect(t, "left", e.docker("docker", "ps", "-aq", "--filter", "name=^/"+e.prefix), "")
	})
	t.Run("exits at once", func(t *testing.T) {
		ends, _ := e.ensure(map[string]containerArgs{"a": e.args("a", func(a *containerArgs) { a.Command = []string{"sh", "-c", "echo last words; exit 5"} })})
		expect(t, "end", ends["a"], "failed: the container is exited, exit code 5, right after it was started\n    last words")
		expect(t, "left", e.docker("docker", "ps", "-aq", "--filter", "name=^/"+e.prefix), "")
	})
	t.Run("cannot start", func(t *testing.T) {
		ends, _ := e.ensure(map[string]containerArgs{"a": e.args("a", func(a *containerArgs) { a.Command = []string{"no-such-program"} })})
		if !strings.HasPrefix(ends["a"], "failed: launch container: exit code 127\n") || !strings.Contains(ends["a"], "no-such-program") {
			t.Error(ends["a"])
		}
		expect(t, "left", e.docker("docker", "ps", "-aq", "--filter", "name=^/"+e.prefix), "")
	})
	t.Run("image unknown to the registry", func(t *testing.T) {
		ends, _ := e.ensure(map[string]containerArgs{"a": e.args("a", func(a *containerArgs) { a.Image = e.repo() + ":gone" })})
		if !strings.HasPrefix(ends["a"], "failed: pull image: exit code 1\n") {
			t.Error(ends["a"])
		}
	})
	t.Run("per_run removes the stale one", func(t *testing.T) {
		one := map[string]containerArgs{"a": e.args("a", func(*containerArgs) {})}
		ends, _ := e.ensure(one)
		expect(t, "fresh", ends["a"], "done")
		e.run = "run-2"
		ends, transcript := e.ensure(one)
		expect(t, "stale", ends["a"]+"\n"+transcript, "done\na: act: remove stale container, launch container\n")
	})
}

// The password travels on standard input into a folder that is gone afterwards, and nowhere else.
func TestContainerLoginOnFakeRuntime(t *testing.T) {
	bin := fakeRuntime(t, `case "$*" in
"--config "*" login -u ci --password-stdin reg.example.com") echo "login: $(cat) in $(ls -d "$2" >/dev/null && cat "$2/config.json")"; echo "$2" >"$LOG" ;;
"--config "*" pull -q reg.example.com/app@sha256:ab") echo "pull" ;;
"tag reg.example.com/app@sha256:ab reg.example.com/app:1") echo "tag" ;;
*) echo "unexpected: $*"; exit 2 ;;
esac >&2`)
	a := containerArgs{Image: "reg.example.com/app:1", Registry: &containerRegistry{Server: "reg.example.com", Username: "ci", Password: "s3cret"}}
	sh := a.pullImage(reference{Domain: "reg.example.com", Path: "app", Tag: "1", Digest: "sha256:ab"})
	if strings.Contains(sh.Text+strings.Join(sh.Args, " "), "s3cret") {
		t.Error("the password is in the text or the arguments")
	}
	logFile := t.TempDir() + "/log"
	cmd := exec.Command("/bin/sh", append([]string{"-c", sh.Text, "sh"}, sh.Args...)...)
	cmd.Env = []string{"PATH=" + bin + ":/bin:/usr/bin", "LOG=" + logFile}
	cmd.Stdin = bytes.NewReader(sh.Stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	expect(t, "commands", string(out), "login: s3cret in {\"auths\":{\"none.invalid\":{}}}\npull\ntag\n")
	dir, err := os.ReadFile(logFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(strings.TrimSpace(string(dir))); !os.IsNotExist(err) {
		t.Errorf("the credential folder %s is still there", dir)
	}
}
