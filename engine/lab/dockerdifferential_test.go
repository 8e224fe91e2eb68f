package lab

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cvsplay/engine/remote/remotetest"
)

// The scripts of testdata/docker.txt and podman.txt are run by the real runtime of this machine and by the lab's. What they print on both streams has to be the
// same. $R is the runtime, $I an image, $N a name for containers and images that nobody else uses, $T an empty folder.
type runtimeComparison struct {
	runtime string // of the real one: the command with its options
	image   string
	env     []string
	remove  func(t *testing.T, name string)
}

// TestLikeDocker compares the lab's docker with this machine's.
func TestLikeDocker(t *testing.T) {
	remotetest.Need(t, "docker")
	image := fmt.Sprintf("cvsplay-lab-test:%d", os.Getpid())
	remotetest.Run(t, "docker", "import", "-c", "CMD [\"/bin/sh\"]", "-c", "ENV PATH=/bin", tinyImage(t), image)
	t.Cleanup(func() { _ = exec.Command("docker", "rmi", "-f", image).Run() })
	runtimeComparison{runtime: "docker", image: image, remove: func(t *testing.T, name string) {
		out := remotetest.Run(t, "docker", "ps", "-aq", "--filter", "name="+name)
		for id := range strings.FieldsSeq(out) {
			remotetest.Run(t, "docker", "rm", "-f", "-v", id)
		}
	}}.compare(t, "testdata/docker.txt", "docker")
}

// TestLikePodman compares the lab's podman with this machine's, in a store of its own and without starting anything: where a test runs, containers often cannot.
func TestLikePodman(t *testing.T) {
	remotetest.Need(t, "podman")
	remotetest.Need(t, "root")
	dir := t.TempDir()
	config := filepath.Join(dir, "containers.conf")
	if err := os.WriteFile(config, []byte("[containers]\ndefault_ulimits = []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := runtimeComparison{
		runtime: "podman --root " + dir + "/root --runroot " + dir + "/run --storage-driver vfs", image: "docker.io/library/cvsplay-lab-test:1",
		env: []string{"CONTAINERS_CONF=" + config}, remove: func(*testing.T, string) {},
	}
	podman := func(args ...string) {
		cmd := exec.Command("podman", append(strings.Fields(c.runtime)[1:], args...)...)
		cmd.Env = append(os.Environ(), c.env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("podman %v: %v\n%s", args, err, out)
		}
	}
	podman("import", "-c", "CMD [\"/bin/sh\"]", "-c", "ENV PATH=/bin", tinyImage(t), c.image)
	t.Cleanup(func() { // and no "system reset": that would take the machine's own networks along
		podman("rm", "-a", "-f")
		podman("volume", "rm", "-a", "-f")
		podman("rmi", "-a", "-f")
	})
	c.compare(t, "testdata/podman.txt", "podman")
}

// tinyImage is an archive of a root file system: busybox, with the libraries that it needs.
func tinyImage(t *testing.T) string {
	t.Helper()
	remotetest.Need(t, "busybox")
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	put := func(from string) {
		data, err := os.ReadFile(from)
		if err == nil {
			err = os.MkdirAll(filepath.Join(root, filepath.Dir(from)), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(root, from), data, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	busybox := remotetest.Command("busybox")
	put(busybox)
	out, _ := exec.Command("ldd", busybox).Output() // it fails where busybox needs no library
	for _, lib := range regexp.MustCompile(`/\S+`).FindAllString(string(out), -1) {
		put(lib)
	}
	for _, d := range []string{"bin", "etc", "opt", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, applet := range []string{"sh", "sleep", "echo", "cat", "true", "false", "id", "touch", "ls"} {
		if err := os.Symlink(busybox, filepath.Join(root, "bin", applet)); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	for file, text := range map[string]string{"passwd": "root:x:0:0:root:/root:/bin/sh\n", "group": "root:x:0:\n"} {
		if err := os.WriteFile(filepath.Join(root, "etc", file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	archive := filepath.Join(dir, "root.tar")
	remotetest.Run(t, "tar", "-C", root, "--owner=0", "--group=0", "-cf", archive, ".")
	return archive
}

func (c runtimeComparison) compare(t *testing.T, file, lab string) {
	t.Helper()
	const image = "docker.io/library/debian:12"
	for i, text := range cases(readCases(t, file)) {
		title, script, _ := strings.Cut(text, "\n")
		t.Run(title, func(t *testing.T) {
			name := fmt.Sprintf("cvsplaytest%d-%d", os.Getpid(), i)
			dir := t.TempDir()
			cmd := exec.Command("/bin/sh", "-c", "exec 2>&1\n"+script)
			cmd.Env = append(os.Environ(), append(c.env, "R="+c.runtime, "I="+c.image, "N="+name, "T="+dir, "LC_ALL=C")...)
			t.Cleanup(func() { c.remove(t, name) })
			real, err := cmd.CombinedOutput()
			if _, ended := err.(*exec.ExitError); err != nil && !ended { //nolint:errorlint // as os/exec gives it
				t.Fatal(err)
			}
			h := startLab(t, Options{Hosts: []HostSpec{{Name: "n1", Runtimes: []string{lab}, Images: []string{image}}}}).Hosts()[0]
			mine := h.sh("root", fmt.Sprintf("exec 2>&1; R=%s I=%s N=%s T=/root/t; mkdir $T\n%s", lab, image, name, script))
			want := inOurWords(c.plain(string(bytes.TrimSpace(real)), c.image, name, dir))
			got := c.plain(strings.TrimSpace(mine.stdout), image, name, "/root/t")
			if got != want {
				t.Errorf("script:\n%s\nlab\n%s\n\nreal\n%s", script, got, want)
			}
		})
	}
}

var (
	longHex  = regexp.MustCompile(`[0-9a-f]{64}`)
	shortHex = regexp.MustCompile(`\b[0-9a-f]{12}\b`)
	tempName = regexp.MustCompile(`(docker-import)-\d+`)
)

// plain is an output without what differs from run to run.
func (c runtimeComparison) plain(out, image, name, dir string) string {
	out = tempName.ReplaceAllString(strings.ReplaceAll(out, "\r", ""), "$1-1")
	out = strings.NewReplacer(image, "IMAGE", strings.TrimPrefix(image, "docker.io/library/"), "IMAGE", name, "NAME", dir, "DIR", "/var/run/docker.sock", "SOCKET").Replace(out)
	return shortHex.ReplaceAllString(longHex.ReplaceAllString(out, "ID"), "SHORT")
}

// olderWords are those of older engines and clients, and what the lab's age says.
var olderWords = []struct{ older, ours string }{
	{`(?m)^time="[^\n]*\n`, ""},
	{`no such image: \S+: No such image: `, "No such image: "},
	{`Error response from daemon: Container ID is not running`, "Error response from daemon: container ID is not running"},
	{`You cannot remove a running container ID\. Stop the container before attempting removal or force remove`, `cannot remove container "/NAME": container is running: stop the container before removing or force remove`},
	{`Cannot kill container: (\S+): Container ID`, "cannot kill container: $1: container ID"},
	{`Cannot kill container: (\S+): No such`, "No such"},
	{`Invalid filter`, "invalid filter"},
	{`([: ])failed to create shim task`, "${1}failed to create task for container: failed to create shim task"},
	{`(?m)^failed to create shim task`, "failed to create task for container: failed to create shim task"},
	{`failed to create task for container: failed to create task for container`, "failed to create task for container"},
}

func inOurWords(out string) string {
	for _, w := range olderWords {
		out = regexp.MustCompile(w.older).ReplaceAllString(out, w.ours)
	}
	return strings.TrimSpace(out)
}
