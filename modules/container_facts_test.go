package modules

import (
	"os/exec"
	"strings"
	"testing"

	"cvsplay/engine"
)

func factsText(f containerFacts, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	if f.Down != "" {
		return "down: " + f.Down
	}
	out := []string{f.Runtime, f.Arch}
	for _, c := range f.Containers {
		out = append(out, c.Name+"="+c.State.Status)
	}
	for _, i := range f.Images {
		out = append(out, "image="+shortID(i.ID))
	}
	for i := range 9 {
		out = append(out, f.Devices[i]...)
	}
	for _, l := range f.Logs {
		out = append(out, "log="+l)
	}
	return strings.Join(out, " ")
}

func TestReadContainerFacts(t *testing.T) {
	const head = "runtime docker\narch x86_64\n"
	tests := []struct {
		name, out string
		code      int
		want      string
	}{
		{"nothing there", head + "\nError response from daemon: No such container: a\nError response from daemon: No such container: a.new\ncontainers 1\n\n" +
			"Error response from daemon: no such image: x: No such image: x\nimages 1\n\nend\n", 0, "docker amd64"},
		{"podman's words", "runtime podman\narch aarch64\n[]\nError: inspecting object: no such container a\ncontainers 125\n" +
			"Error: inspecting object: x: image not known\nimages 125\n\nend\n", 0, "podman arm64"},
		{"running", head + `container 1f ab running {"Id":"1f","Name":"/a","Image":"sha256:ab","State":{"Status":"running"}}` + "\nError: No such container: a.new\ncontainers 1\n" +
			`image {"Id":"sha256:ab"}` + "\nimages 0\n\nend\n", 0, "docker amd64 a=running image=ab"},
		{"a warning beside the answer", head + "WARNING: Error loading config file: permission denied\n" +
			`container 1f ab running {"Id":"1f","Name":"/a","State":{"Status":"running"}}` + "\ncontainers 0\n\nend\n", 0, "docker amd64 a=running"},
		{"devices and logs", head + "device 0 /dev/kfd\nlog no such file\nlog end\n\nend\n", 0, "docker amd64 /dev/kfd log=no such file log=end"},
		{"not installed", "down no container runtime: docker podman not installed\nend\n", 0, "down: no container runtime: docker podman not installed"},
		{"daemon down", head + "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\ncontainers 1\n", 0,
			"error: the container runtime does not answer: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"},
		{"absent and a doubt", head + "Error: No such container: a\nError: i/o timeout\ncontainers 1\n\nend\n", 0, "error: the container runtime does not answer: Error: i/o timeout"},
		{"failed without words", head + "\ncontainers 1\n\nend\n", 0, "error: the container runtime does not answer: exit code 1"},
		{"cut", head + "\nError: No such container: a\ncontainers 1\n", 0, "error: the container runtime's answer is not whole: exit code 0"},
		{"broken JSON", head + "container 1f ab running {\ncontainers 0\n\nend\n", 0, "error: the container runtime's answer cannot be read: unexpected end of JSON input"},
		{"no shell", "", 127, "error: the container runtime's answer is not whole: exit code 127"},
	}
	for _, tt := range tests {
		f, err := readContainerFacts(engine.Answer{State: engine.Given, Code: tt.code, Stdout: engine.Output{Bytes: []byte(tt.out)}})
		if got := factsText(f, err); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// The text is run by every shell of this machine that a host may have, with a docker that knows one container.
func TestContainerQuestionText(t *testing.T) {
	bin := fakeRuntime(t, `case "$*" in
*"container inspect"*"it's \$a it's \$a.new") echo 'container 1f sha256:ab exited {"Id":"1f","Name":"/it'"'"'s $a","State":{"Status":"exited"}}'
	echo 'Error: No such container: a.new' >&2; exit 1 ;;
*"image inspect"*"x:1 sha256:ab") echo 'image {"Id":"sha256:ab"}'; echo 'Error: No such image: x:1' >&2; exit 1 ;;
*"logs --tail 10 1f") printf 'one\ntwo' ;;
*) echo "unexpected: $*" >&2; exit 2 ;;
esac`)
	q := containerQuestion("docker", []string{"it's $a", "it's $a.new"}, []string{"x:1"}, []string{"/dev/nul?", "/dev/no such", "/dev/zero"})
	for _, sh := range [][]string{{"/bin/sh"}, {"bash", "--posix"}, {"busybox", "sh"}, {"mksh"}} {
		if _, err := exec.LookPath(sh[0]); err != nil {
			continue
		}
		cmd := exec.Command(sh[0], append(append([]string{}, sh[1:]...), "-euc", "set +eu\n"+q.Text)...)
		cmd.Env = []string{"PATH=" + bin}
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", sh, err, out)
		}
		got := factsText(readContainerFacts(engine.Answer{State: engine.Given, Stdout: engine.Output{Bytes: out}}))
		if want := "docker " + archOf(machine(t)) + " it's $a=exited image=ab /dev/null /dev/zero log=one log=two"; got != want {
			t.Errorf("%s:\n got %s\nwant %s\n%s", sh, got, want, out)
		}
	}
}

func machine(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("uname", "-m").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
