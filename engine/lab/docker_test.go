package lab

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Each row is a script on a lab host and what it prints, on both streams, and the exit code of its last command.
func TestDockerScripts(t *testing.T) {
	const up = "docker run -d --name box docker.io/rocm/cvs:latest sleep infinity >/dev/null 2>&1; "
	tests := []struct{ name, script, want string }{
		{"nothing there", "docker ps -aq; docker images -q; docker container inspect box", "[]\nError response from daemon: No such container: box\nrc=1"},
		{"pull by tag", "docker pull -q rocm/cvs:latest; docker images --format '{{.Repository}}:{{.Tag}}'", "docker.io/rocm/cvs:latest\nrocm/cvs:latest\nrc=0"},
		{"pull of an unknown tag", "docker pull rocm/cvs:nope", "Error response from daemon: manifest for rocm/cvs:nope not found: manifest unknown: manifest unknown\nrc=1"},
		{"pull of an unknown repository", "docker pull nope", "Error response from daemon: pull access denied for nope, repository does not exist or may require 'docker login': denied: requested access to the resource is denied\nrc=1"},
		{"pull of an unknown registry", "docker pull reg.example.com/a", "Error response from daemon: Get \"https://reg.example.com/v2/\": dial tcp: lookup reg.example.com: no such host\nrc=1"},
		{"run and exec", up + "docker exec box cat /etc/hostname | wc -c; docker exec -i -u 0 -w /tmp -e A='b c' box sh -c 'pwd; echo $A; id -u; cat' <<X\nhi\nX", "13\n/tmp\nb c\n0\nhi\nrc=0"},
		{"exit code of exec", up + "docker exec box sh -c 'exit 7'", "rc=7"},
		{"exec of nothing", up + "docker exec box nope", "OCI runtime exec failed: exec failed: unable to start container process: exec: \"nope\": executable file not found in $PATH: unknown\nrc=127"},
		{"exec without a container", "docker exec box true", "Error response from daemon: No such container: box\nrc=1"},
		{"exec in a stopped one", up + "docker stop -t 0 box; docker exec box true 2>&1 | sed 's/[0-9a-f]\\{64\\}/ID/'", "box\nError response from daemon: container ID is not running\nrc=0"},
		{"file system of its own, kept when stopped", up + "docker exec box touch /opt/mark; ls /opt/mark; docker stop -t 0 box; docker start box; docker exec box ls /opt/mark",
			"ls: cannot access '/opt/mark': No such file or directory\nbox\nbox\n/opt/mark\nrc=0"},
		{"pause", up + "docker pause box; docker inspect -f '{{.State.Status}} {{.State.Running}}' box; docker unpause box; docker inspect -f '{{.State.Status}}' box", "box\npaused true\nbox\nrunning\nrc=0"},
		{"name taken", up + "docker create --name box rocm/cvs 2>&1 | sed 's/\"[0-9a-f]\\{64\\}\"/ID/'", "Error response from daemon: Conflict. The container name \"/box\" is already in use by container ID. You have to remove (or rename) that container to be able to reuse that name.\nrc=0"},
		{"rename", up + "docker rename box other; docker ps --format '{{.Names}} {{.State}} {{.Image}}'", "other running rocm/cvs:latest\nrc=0"},
		{"remove", up + "docker rm box; docker rm -f -v box; docker rm -f box; docker ps -aq", "Error response from daemon: cannot remove container \"/box\": container is running: stop the container before removing or force remove\nbox\nError response from daemon: No such container: box\nrc=0"},
		{"exits at once", "docker run -d --name box rocm/cvs sh -c 'echo one; echo two; exit 5' >/dev/null 2>&1; sleep 0.2; docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' box; docker logs --tail 1 box", "exited 5\ntwo\nrc=0"},
		{"no such program", "docker run -d --name box rocm/cvs nope 2>/dev/null >&2; echo $?; docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' box", "127\ncreated 127\nrc=0"},
		{"never pulled", "docker run -d --pull=never --name box rocm/cvs", "docker: Error response from daemon: No such image: rocm/cvs:latest\n\nRun 'docker run --help' for more information\nrc=125"},
		{"unknown flag", "docker run --gpus all rocm/cvs", "unknown flag: --gpus\nSee 'docker run --help'.\nrc=125"},
		{"unknown command", "docker swarm init", "docker: 'swarm' is not a docker command of the lab.\nSee 'docker --help'\nrc=1"},
		{"devices", "docker run -d --name box --device /dev/kfd --device /dev/dri rocm/cvs sleep infinity >/dev/null 2>&1; docker exec box ls /dev/kfd /dev/dri/card0; docker exec box ls /dev/infiniband", "/dev/dri/card0\n/dev/kfd\nls: cannot access '/dev/infiniband': No such file or directory\nrc=2"},
		{"privileged", "docker run -d --name box --privileged rocm/cvs sleep infinity >/dev/null 2>&1; docker exec box sh -c 'ls /dev/infiniband | head -n 1'", "rdma_cm\nrc=0"},
		{"missing device", "docker run -d --device /dev/nope rocm/cvs sleep infinity 2>&1 | grep ^docker:", "docker: Error response from daemon: error gathering device information while adding custom device \"/dev/nope\": no such file or directory\nrc=0"},
		{"volumes", "mkdir -p /data; echo x >/data/f; docker run -d --name box -v /data:/d:ro -v /made:/m rocm/cvs sleep infinity >/dev/null 2>&1; docker exec box cat /d/f; docker exec box sh -c 'echo y >/m/g; echo z >/d/f'; cat /made/g",
			"x\nsh: 1: cannot create /d/f: Read-only file system\ny\nrc=0"},
		{"environment", "docker run -d --name box -e A='1 2' rocm/cvs sleep infinity >/dev/null 2>&1; docker exec -e B=3 box env | grep -E '^(A|B|HOME|ROCM_VERSION)=' | sort", "A=1 2\nB=3\nHOME=/root\nROCM_VERSION=7.0.2\nrc=0"},
		{"networks", "docker run -d --name hh --network host rocm/cvs sleep infinity >/dev/null 2>&1; docker exec hh hostname; docker run -d --name bb --hostname inside rocm/cvs sleep infinity >/dev/null 2>&1; docker exec bb hostname", "n1\ninside\nrc=0"},
		{"tag, save, rmi, load", "docker pull -q rocm/cvs:6.4.3 >/dev/null; docker tag rocm/cvs:6.4.3 mine:1; docker save -o /tmp/i.tar mine:1; docker rmi mine:1 rocm/cvs:6.4.3 >/dev/null; docker images -q | wc -l; docker load -i /tmp/i.tar; docker images --format '{{.Repository}}:{{.Tag}}'; docker image inspect -f '{{len .RepoDigests}}' mine:1",
			"0\nLoaded image: mine:1\nmine:1\n0\nrc=0"},
		{"login and out", "printf s3cret | docker --config /tmp/c login -u ci --password-stdin; grep -c Y2k6czNjcmV0 /tmp/c/config.json; docker --config /tmp/c logout; printf s3cret | docker login -u ci --password-stdin reg.example.com; printf wrong | docker login -u ci --password-stdin", "Login Succeeded\n1\nRemoving login credentials for https://index.docker.io/v1/\nError response from daemon: Get \"https://reg.example.com/v2/\": dial tcp: lookup reg.example.com: no such host\nError response from daemon: Get \"https://registry-1.docker.io/v2/\": unauthorized: incorrect username or password\nrc=1"},
		{"engine stopped", up + "systemctl stop docker; docker ps; systemctl start docker; docker ps -a --format '{{.Names}} {{.State}}'", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\nbox exited\nrc=0"},
		{"restart policy", "docker run -d --name box --restart always rocm/cvs sleep infinity >/dev/null 2>&1; systemctl restart docker; docker ps --format '{{.Names}} {{.State}}'", "box running\nrc=0"},
		{"filters", up + "docker ps -a --filter name=^/bo$ -q; docker ps --filter name=^/box$ --format '{{.Names}}'; docker ps --filter colour=red", "box\nError response from daemon: invalid filter 'colour'\nrc=1"},
		{"unknown member", up + "docker inspect -f '{{.Nope}}' box", "template parsing error: template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\"\nrc=1"},
		{"no health check", up + "docker inspect -f '{{if .State.Health}}yes{{else}}none{{end}}' box; docker inspect box | grep -c Health", "none\n0\nrc=1"},
		{"no docker inside", up + "docker exec box sh -c 'command -v docker sudo systemctl; echo $?'", "127\nrc=0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := oneHost(t)
			out := h.sh("root", "exec 2>&1\n"+tt.script+"\necho rc=$?")
			if got := strings.TrimSpace(out.stdout); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// A user who may not write the engine's socket is told so, and sudo helps.
func TestDockerPermission(t *testing.T) {
	h := oneHost(t)
	out := h.sh(OrdinaryUser, "docker ps -q; echo $?; sudo -n docker version --format '{{.Server.Version}}'")
	if !strings.HasPrefix(out.stderr, "permission denied while trying to connect to the Docker daemon socket") || out.stdout != "1\n"+dockerVersion+"\n" {
		t.Errorf("%+v", out)
	}
}

// The JSON has the members that programs read of the real engine's.
func TestDockerInspectShape(t *testing.T) {
	h := oneHost(t)
	out := h.sh("root", "docker run -d --name box --init --network host --cap-add SYS_PTRACE --ulimit memlock=-1 --shm-size 1g -p 8080:80 --label a=b --device /dev/kfd rocm/cvs sleep infinity >/dev/null 2>&1\n"+
		"docker container inspect --format 'container {{.Id}} {{.Image}} {{.State.Status}} {{json .}}' box\ndocker image inspect --format '{{json .}}' rocm/cvs:latest")
	lines := strings.Split(strings.TrimSpace(out.stdout), "\n")
	if len(lines) != 2 {
		t.Fatalf("%+v", out)
	}
	var c struct {
		ID, Name, Image string
		State           struct{ Status string }
		HostConfig      struct {
			CapAdd      []string
			ShmSize     int64
			NetworkMode string
			Init        bool
			Ulimits     []struct {
				Name       string
				Soft, Hard int64
			}
			Devices []struct{ PathOnHost string }
		}
		Config struct{ Labels map[string]string }
	}
	text := strings.SplitN(lines[0], " ", 5)[4]
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprintf("%s %s %+v %v", c.Name, c.State.Status, c.HostConfig, c.Config.Labels),
		"/box running {CapAdd:[CAP_SYS_PTRACE] ShmSize:1073741824 NetworkMode:host Init:true Ulimits:[{Name:memlock Soft:-1 Hard:-1}] Devices:[{PathOnHost:/dev/kfd}]} map[a:b]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var i struct {
		ID                    string `json:"Id"`
		RepoTags, RepoDigests []string
		Architecture          string
	}
	if err := json.Unmarshal([]byte(lines[1]), &i); err != nil {
		t.Fatal(err)
	}
	if i.ID != c.Image || len(i.RepoTags) != 1 || len(i.RepoDigests) != 1 || i.Architecture != "amd64" {
		t.Errorf("%+v, container runs %s", i, c.Image)
	}
}

// What the registry says of a tag is what a host pulls, on either architecture, and it is the same in every lab.
func TestRegistryServesTheCatalogue(t *testing.T) {
	l := startLab(t, Options{Hosts: []HostSpec{{Name: "n1"}, {Name: "n2", Arch: "arm64"}}})
	tag, err := name.NewTag("docker.io/rocm/cvs:latest")
	if err != nil {
		t.Fatal(err)
	}
	desc, err := remote.Head(tag, remote.WithTransport(l.RegistryTransport()))
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, h := range l.Hosts() {
		out := h.sh("root", "docker pull -q rocm/cvs@"+desc.Digest.String()+" && docker image inspect -f '{{index .RepoDigests 0}} {{.Id}}' rocm/cvs@"+desc.Digest.String())
		want := "docker.io/rocm/cvs@" + desc.Digest.String() + "\nrocm/cvs@" + desc.Digest.String() + " "
		if !strings.HasPrefix(out.stdout, want) {
			t.Errorf("%s: %+v", h.Name(), out)
		}
		ids[out.stdout] = true
	}
	if len(ids) != 2 {
		t.Error("two architectures, one image")
	}
	address, err := l.Registry()
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Head("http://" + address + "/v2/rocm/cvs/manifests/7.0.2")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if got := res.Header.Get("Docker-Content-Digest"); got != desc.Digest.String() {
		t.Errorf("on loopback: %s, want %s", got, desc.Digest)
	}
	other, err := startLab(t, Options{}).library()
	if err != nil {
		t.Fatal(err)
	}
	if got := other.images[0].index; got != desc.Digest.String() {
		t.Errorf("another lab has %s", got)
	}
	if _, err := remote.Head(name.MustParseReference("reg.example.com/a"), remote.WithTransport(l.RegistryTransport())); err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("an unknown registry: %v", err)
	}
}

func TestOddImage(t *testing.T) {
	l := startLab(t, Options{Hosts: []HostSpec{{Name: "n1"}, {Name: "n2", Faults: []Fault{{Kind: OddImage}}}}})
	for i, want := range []string{"", "rocm/cvs:latest\n"} {
		if out := l.Hosts()[i].sh("root", "docker images --format '{{.Repository}}:{{.Tag}}'"); out.stdout != want {
			t.Errorf("%s: %+v", l.Hosts()[i].Name(), out)
		}
	}
}

// A snapshot tells of containers and images, and does not change by itself.
func TestDockerInSnapshot(t *testing.T) {
	h := oneHost(t)
	empty := h.Snapshot()
	h.sh("root", "docker run -d --name box rocm/cvs sleep infinity")
	running := h.Snapshot()
	if empty == running || !strings.Contains(running, " box running sha256:") || !strings.Contains(running, "docker.io/rocm/cvs:latest sha256:") {
		t.Errorf("nothing of the container in\n%s", running)
	}
	time.Sleep(10 * time.Millisecond)
	h.sh("root", "docker ps -a; docker exec box ls /; docker inspect box")
	if again := h.Snapshot(); again != running {
		t.Error("looking changed the snapshot")
	}
	h.sh("root", "docker exec box touch /opt/x")
	if h.Snapshot() == running {
		t.Error("a file inside is not in the snapshot")
	}
}

// After a reboot the engine is there again, and of the containers those that should be.
func TestDockerReboot(t *testing.T) {
	h := oneHost(t)
	h.sh("root", "docker run -d --name aa --restart unless-stopped rocm/cvs sleep infinity; docker run -d --name bb rocm/cvs sleep infinity; "+
		"docker run -d --name cc --restart unless-stopped rocm/cvs sleep infinity; docker stop cc")
	boot := h.bootIdentity()
	h.Reboot()
	for deadline := time.Now().Add(10 * time.Second); h.bootIdentity() == boot || !h.Containers().running(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the host does not come back")
		}
	}
	if out := h.sh("root", "docker ps -a --format '{{.Names}} {{.State}}' | sort"); out.stdout != "aa running\nbb exited\ncc exited\n" {
		t.Errorf("%+v", out)
	}
}

// A full disk stops pulls and writes inside containers.
func TestDockerDiskFull(t *testing.T) {
	h := oneHost(t)
	h.sh("root", "docker run -d --name box rocm/cvs sleep infinity")
	if err := h.faults.set([]Fault{{Kind: DiskFull, Path: "/var/lib/docker"}}); err != nil {
		t.Fatal(err)
	}
	out := h.sh("root", "exec 2>&1; docker exec box sh -c 'echo x >/opt/f'; docker pull debian:12")
	want := "sh: 1: cannot create /opt/f: No space left on device\n12: Pulling from library/debian\nError response from daemon: write /var/lib/docker/tmp/GetImageBlob: no space left on device\n"
	if out.stdout != want {
		t.Errorf("got\n%swant\n%s", out.stdout, want)
	}
}
