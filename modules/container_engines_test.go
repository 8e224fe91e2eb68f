package modules

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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

// realEngine is a container runtime of this machine with a registry of the test's own. All hosts of a test are on it, each with another
// container name.
type realEngine struct {
	containerBench
	runtime  string
	env      []string // beside the test's own: what makes the runtime keep to folders of the test
	registry string
	prefix   string
	digest   string // of IMAGE:1
}

// onEachEngine runs a test on Docker and on Podman. Whatever has to differ between them is in realEngine, or said in the test.
func onEachEngine(t *testing.T, test func(t *testing.T, e *realEngine)) {
	t.Helper()
	t.Parallel()
	for _, runtime := range []string{engine.DockerRuntime, engine.PodmanRuntime} {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			test(t, newRealEngine(t, runtime))
		})
	}
}

func newRealEngine(t *testing.T, runtime string) *realEngine {
	t.Helper()
	remotetest.Need(t, runtime)
	remotetest.Need(t, "busybox")
	if runtime == engine.DockerRuntime { // podman has folders of its own for each test
		remotetest.Alone(t, runtime)
	}
	prefix := fmt.Sprintf("cvsplaytest%d", time.Now().UnixNano())
	e := &realEngine{ // whose shells tell the run, and so no other test may have one of that name
		containerBench: containerBench{t: t, run: prefix + "-run-1", past: map[string][]engine.Outcome{}},
		runtime:        runtime, prefix: prefix,
	}
	e.registry = e.serve(ggcrregistry.New(ggcrregistry.Logger(log.New(io.Discard, "", 0))))
	e.ask = func(_ string, q engine.Question) engine.Answer { return e.here(q) }
	if runtime == engine.PodmanRuntime {
		e.env = podmanOfItsOwn(t, e.registry)
	}
	e.digest = e.push("1", v1.Config{}, "one")
	t.Cleanup(func() {
		e.discard()
		e.sh(e.runtime + " images -q " + e.repo() + " | sort -u | xargs -r " + e.runtime + " rmi -f")
	})
	return e
}

// discard removes the containers of this test.
func (e *realEngine) discard() {
	e.t.Helper()
	remove := " rm -f -v"
	if e.runtime == engine.PodmanRuntime {
		remove += " -t 0 --depend" // some share another's network
	}
	e.sh(e.runtime + " ps -aq --filter name=^/?" + e.prefix + " | xargs -r " + e.runtime + remove + " >/dev/null")
}

// serve runs an HTTP server for as long as the test, and gives its address.
func (e *realEngine) serve(handler http.Handler) string {
	server := httptest.NewServer(handler)
	e.t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// podmanOfItsOwn gives the environment in which podman keeps containers and images in a folder of the test, and takes these registries
// without a certificate. It needs root, since that is what a run of clusters works as. Podman gives containers more open files and processes than a
// sandbox may, so the limits of this process are its default, and no systemd has to be there.
func podmanOfItsOwn(t *testing.T, registries ...string) []string {
	t.Helper()
	remotetest.Need(t, "root")
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	insecure := ""
	for _, r := range registries {
		insecure += fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", r)
	}
	return []string{
		"CONTAINERS_CONF=" + write("containers.conf", fmt.Sprintf("[containers]\ndefault_ulimits = [\"nofile=%d\", \"nproc=%d\"]\n[engine]\n"+
			"cgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\ntmp_dir = %q\n", hardLimit(t, "open files"), maxProcesses(t), dir+"/tmp")),
		"CONTAINERS_STORAGE_CONF=" + write("storage.conf", fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n", dir+"/graph", dir+"/run")),
		"CONTAINERS_REGISTRIES_CONF=" + write("registries.conf", insecure),
	}
}

// hardLimit is a limit of this process.
func hardLimit(t *testing.T, what string) int {
	t.Helper()
	for line := range strings.Lines(must(readText("/proc/self/limits"))) {
		if rest, ok := strings.CutPrefix(line, "Max "+what); ok {
			if n, err := strconv.Atoi(strings.Fields(rest)[1]); err == nil {
				return n
			}
		}
	}
	return 1 << 20 // unlimited
}

// maxProcesses is what podman limits itself to before it starts a container.
func maxProcesses(t *testing.T) int {
	t.Helper()
	most, err := strconv.Atoi(strings.TrimSpace(must(readText("/proc/sys/kernel/pid_max"))))
	if err != nil {
		t.Fatal(err)
	}
	return min(most, hardLimit(t, "processes"))
}

// limits are ulimits that may be set here: given one, podman sets those for files and processes too.
func (e *realEngine) limits() []string {
	return []string{"nofile=512:1024", fmt.Sprintf("nproc=%d", maxProcesses(e.t))}
}

func readText(path string) (string, error) {
	b, err := os.ReadFile(path)
	return string(b), err
}

func (e *realEngine) repo() string { return e.registry + "/" + e.prefix }

// ctr runs the runtime's command for the test itself, and gives what it printed.
func (e *realEngine) ctr(args ...string) string {
	e.t.Helper()
	return e.command(e.runtime, args...)
}

func (e *realEngine) sh(script string) string {
	e.t.Helper()
	return e.command("sh", "-c", script)
}

func (e *realEngine) command(command string, args ...string) string {
	e.t.Helper()
	cmd := exec.Command(command, args...)
	cmd.Env = append(os.Environ(), e.env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		e.t.Errorf("%s %v: %v\n%s%s", command, args, err, stdout.Bytes(), stderr.Bytes())
	}
	return strings.TrimSpace(stdout.String())
}

// left are the containers of this test, by name.
func (e *realEngine) left() string {
	e.t.Helper()
	var names []string
	for name := range strings.FieldsSeq(e.ctr("ps", "-a", "--format", "{{.Names}}")) {
		if strings.HasPrefix(name, e.prefix) {
			names = append(names, strings.TrimPrefix(name, e.prefix+"-"))
		}
	}
	return strings.Join(names, " ")
}

// push makes a busybox image that differs by its content, and gives its digest.
func (e *realEngine) push(tag string, config v1.Config, content string) string {
	e.t.Helper()
	img := e.image(config, content)
	if err := remote.Write(must(name.NewTag(e.repo()+":"+tag)), img); err != nil {
		e.t.Fatal(err)
	}
	return must(img.Digest()).String()
}

func (e *realEngine) image(config v1.Config, content string) v1.Image {
	e.t.Helper()
	root := busyboxRoot(e.t, content)
	layer := must(tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(root)), nil }))
	img := must(mutate.AppendLayers(empty.Image, layer))
	config.Env = append(config.Env, "PATH=/bin")
	config.StopSignal = "SIGKILL" // sleep as the first process heeds no other, and would be waited for
	return must(mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: archOf(machine(e.t)), RootFS: must(img.ConfigFile()).RootFS, Config: config}))
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

// here runs a shell text on this machine, as a shell of the run does.
func (e *realEngine) here(q engine.Question) engine.Answer {
	sh := q.(engine.Shell)
	cmd := exec.CommandContext(e.t.Context(), "/bin/sh", append([]string{"-c", sh.Text, engine.SignOfLife + e.run}, sh.Args...)...)
	cmd.Env = append(os.Environ(), e.env...)
	cmd.Stdin = bytes.NewReader(sh.Stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	return engine.Answer{State: engine.Given, Code: cmd.ProcessState.ExitCode(),
		Stdout: engine.Output{Bytes: out.Bytes(), Size: int64(out.Len())}, Stderr: engine.Output{Bytes: errs.Bytes(), Size: int64(errs.Len())}}
}

// args are those of one host.
func (e *realEngine) args(host string, edit func(*containerArgs)) containerArgs {
	a := simArgs(func(a *containerArgs) { a.Runtime = e.runtime; edit(a) })
	a.Name = e.prefix + "-" + host
	if a.Image == "rocm/cvs:6" {
		a.Image = e.repo() + ":1"
	}
	return a
}

func (e *realEngine) exec(host string, argv ...string) string {
	e.t.Helper()
	return e.ctr(append([]string{"exec", e.prefix + "-" + host}, argv...)...)
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}
