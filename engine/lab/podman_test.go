package lab

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func podmanHost(t *testing.T, with ...Fault) *Host {
	t.Helper()
	return startLab(t, Options{Hosts: []HostSpec{{Name: "n1", Runtimes: []string{"podman"}, Faults: with}}}).Hosts()[0]
}

// Each row is a script on a lab host with podman alone, and what it prints on both streams. The words are those of podman 4.3.1.
func TestPodmanScripts(t *testing.T) {
	const up = "podman run -d --name box docker.io/rocm/cvs:latest sleep infinity >/dev/null 2>&1; "
	const id = " 2>&1 | sed 's/[0-9a-f]\\{64\\}/ID/g'"
	tests := []struct{ name, script, want string }{
		{"nothing there", "podman ps -aq; podman images -q; podman container inspect box", "[]\nError: inspecting object: no such container box\nrc=125"},
		{"no docker beside it", "command -v docker; ls /run/docker.sock", "ls: cannot access '/run/docker.sock': No such file or directory\nrc=2"},
		{"inspect of nothing, formatted", "podman container inspect --format '{{.Id}}' box", "Error: inspecting object: no such container box\nrc=125"},
		{"inspect of no object", "podman inspect box", "[]\nError: inspecting object: no such object: \"box\"\nrc=125"},
		{"images that are not there", "podman image inspect --format '{{.Id}}' nope other", "error inspecting object: other: image not known\nError: inspecting object: nope: image not known\nrc=125"},
		{"pull tells the id without its algorithm", "podman pull -q docker.io/rocm/cvs:latest | grep -Ec '^[0-9a-f]{64}$'; podman images --format '{{.Repository}}:{{.Tag}}'", "1\ndocker.io/rocm/cvs:latest\nrc=0"},
		{"pull of an unknown tag", "podman pull -q docker.io/rocm/cvs:nope", "Error: initializing source docker://docker.io/rocm/cvs:nope: reading manifest nope in docker.io/rocm/cvs: manifest unknown: manifest unknown\nrc=125"},
		{"pull of an unknown registry", "podman pull nope.invalid/x:1", "Trying to pull nope.invalid/x:1...\nError: initializing source docker://nope.invalid/x:1: pinging container registry nope.invalid: Get \"https://nope.invalid/v2/\": dial tcp: lookup nope.invalid: no such host\nrc=125"},
		{"pull of a short name", "podman pull rocm/cvs", "Error: short-name \"rocm/cvs\" did not resolve to an alias and no unqualified-search registries are defined in \"/etc/containers/registries.conf\"\nrc=125"},
		{"pull of an alias", "podman pull -q debian:12 >/dev/null; podman images --format '{{.Repository}}:{{.Tag}}'", "docker.io/library/debian:12\nrc=0"},
		{"repo digests of an index: its own and the image's", "podman pull -q docker.io/rocm/cvs:latest >/dev/null; podman image inspect --format '{{len .RepoDigests}} {{.RepoTags}}' rocm/cvs:latest", "2 [docker.io/rocm/cvs:latest]\nrc=0"},
		{"repo digests with every name", "podman pull -q docker.io/rocm/cvs:latest >/dev/null; podman tag docker.io/rocm/cvs:latest site/x:1; podman image inspect --format '{{len .RepoDigests}} {{.RepoTags}}' site/x:1",
			"4 [docker.io/rocm/cvs:latest localhost/site/x:1]\nrc=0"},
		{"pull by digest has no tag", "D=$(podman pull -q docker.io/rocm/cvs:latest >/dev/null; podman image inspect --format '{{.Digest}}' rocm/cvs); podman rmi rocm/cvs >/dev/null; podman pull -q docker.io/rocm/cvs@$D >/dev/null; " +
			"podman image inspect --format '{{json .RepoTags}}' docker.io/rocm/cvs@$D; podman tag docker.io/rocm/cvs@$D docker.io/rocm/cvs:mine; podman image inspect --format '{{json .RepoTags}}' docker.io/rocm/cvs@$D",
			"[]\n[\"docker.io/rocm/cvs:mine\"]\nrc=0"},
		{"all of the JSON", up + "podman image inspect --format '{{json .}}' rocm/cvs | head -n 2", "[\n     {\nrc=0"},
		{"run and exec", up + "podman exec box cat /etc/hostname | wc -c; podman exec -i -u 0 -w /tmp -e A='b c' box sh -c 'pwd; echo $A $container; id -u; cat' <<X\nhi\nX", "13\n/tmp\nb c podman\n0\nhi\nrc=0"},
		{"name taken", up + "podman run -d --name box docker.io/rocm/cvs:latest" + id, "Error: creating container storage: the container name \"box\" is already in use by ID. You have to remove that container to be able to reuse that name: that name is already in use\nrc=0"},
		{"rename to a name that is taken", up + "podman create --name other rocm/cvs >/dev/null; podman rename other box" + id, "Error: renaming container ID: name box already in use, cannot rename container ID: container already exists\nrc=0"},
		{"bad name", up + "podman rename box 'b d'", "Error: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument\nrc=125"},
		{"never pulled", "podman run -d --pull=never nope:1", "Error: nope:1: image not known\nrc=125"},
		{"no such program", up + "podman run -d --name b2 rocm/cvs nope; podman container inspect --format '{{.State.Status}} {{.State.ExitCode}}{{.State.Error}}' b2",
			"Error: crun: executable file `nope` not found in $PATH: No such file or directory: OCI runtime attempted to invoke a command that was not found\ncreated 0\nrc=0"},
		{"exec of nothing", up + "podman exec box nope", "Error: crun: executable file `nope` not found in $PATH: No such file or directory: OCI runtime attempted to invoke a command that was not found\nrc=127"},
		{"exec in a stopped one", up + "podman stop -t 0 box; podman exec box true", "box\nError: can only create exec sessions on running containers: container state improper\nrc=255"},
		{"exec without a container", "podman exec box true", "Error: no container with name or ID \"box\" found: no such container\nrc=125"},
		{"pause", up + "podman pause box; podman ps -q; podman exec box true; podman start box" + id, "box\nError: can only create exec sessions on running containers: container state improper\n" +
			"Error: unable to start container \"ID\": container ID must be in Created or Stopped state to be started: container state improper\nrc=0"},
		{"unpause", up + "podman pause box; podman unpause box; podman unpause box" + id, "box\nbox\nError: \"ID\" is not paused, can't unpause: container state improper\nrc=0"},
		{"remove", up + "podman rm box >/dev/null 2>&1; echo $?; podman rm -f -v box; podman rm -f box; podman rm box", "2\nbox\nError: no container with name or ID \"box\" found: no such container\nrc=1"},
		{"ps", up + "podman ps --format '{{.Names}} {{.Image}} {{.Labels}}'; podman ps -a --filter name=^/box$ -q; podman ps -a --filter name=^box$ --filter label=no -q", "box docker.io/rocm/cvs:latest map[]\nrc=0"},
		{"ps has no labels one by one", up + "podman ps --format '{{.Label \"a\"}}'", "Error: template: ps:1:13: executing \"ps\" at <.Label>: can't evaluate field Label in type containers.psReporter\nrc=125"},
		{"unknown filter", "podman ps --filter colour=x", "Error: colour is an invalid filter\nrc=125"},
		{"logs and wait", "podman run -d --name b3 debian:12 sh -c 'echo one; echo two; exit 5' >/dev/null 2>&1; podman wait b3; podman logs --tail 1 b3; podman container inspect --format '{{.State.Status}} {{.State.ExitCode}}' b3", "5\ntwo\nexited 5\nrc=0"},
		{"volume that is not there", up + "podman create -v /nothere:/x rocm/cvs", "Error: statfs /nothere: no such file or directory\nrc=125"},
		{"device that is not there", up + "podman run -d --device /dev/nope rocm/cvs", "Error: stat /dev/nope: no such file or directory\nrc=125"},
		{"work folder that is not there", up + "podman run -d --workdir /no rocm/cvs" + id, "Error: workdir \"/no\" does not exist on container ID\nrc=0"},
		{"shared memory of the host", up + "podman run -d --ipc host --shm-size 1g rocm/cvs", "Error: invalid config provided: cannot set shmsize when running in the {host } IPC Namespace\nrc=125"},
		{"init among the host's processes", up + "podman run -d --init --pid host rocm/cvs", "Error: cannot add init binary as PID 1 (PID namespace isn't private)\nrc=125"},
		{"ports of the host's network", up + "podman run -d --network host -p 80:80 rocm/cvs sleep infinity >/dev/null", "Port mappings have been discarded as one of the Host, Container, Pod, and None network modes are in use\nrc=0"},
		{"no health check", up + "podman container inspect --format '{{json .State.Health}}' box", "{\"FailingStreak\":0,\"Log\":null,\"Status\":\"\"}\nrc=0"},
		{"unknown flag", "podman run --gpus all x", "Error: unknown flag: --gpus\nSee 'podman run --help'\nrc=125"},
		{"unknown command", "podman swarm", "Error: unrecognized command `podman swarm`\nTry 'podman --help' for more information\nrc=125"},
		{"login in a file of its own", "printf '" + RegistryPassword + "' | podman login --authfile /tmp/a.json -u " + RegistryUser + " --password-stdin " + PrivateRegistry + "; stat -c %a /tmp/a.json; podman pull -q --authfile /tmp/a.json " + PrivateRegistry + "/rocm/cvs:latest | wc -c; " +
			"podman logout --authfile /tmp/a.json " + PrivateRegistry + "; podman logout --authfile /tmp/a.json " + PrivateRegistry,
			"Login Succeeded!\n600\n65\nRemoved login credentials for " + PrivateRegistry + "\nError: not logged into " + PrivateRegistry + "\nrc=125"},
		{"wrong login", "printf no | podman login -u " + RegistryUser + " --password-stdin " + PrivateRegistry, "Error: logging into \"" + PrivateRegistry + "\": invalid username/password\nrc=125"},
		{"no login", "podman pull -q " + PrivateRegistry + "/rocm/cvs:latest", "Error: initializing source docker://" + PrivateRegistry + "/rocm/cvs:latest: reading manifest latest in " + PrivateRegistry + "/rocm/cvs: unauthorized\nrc=125"},
		{"registry that is down", "podman pull -q " + DownRegistry + "/x:1", "Error: initializing source docker://" + DownRegistry + "/x:1: pinging container registry " + DownRegistry + ": Get \"https://" + DownRegistry + "/v2/\": dial tcp 10.19.0.1:443: connect: connection refused\nrc=125"},
		{"save and load", up + "podman save -qo x.tar rocm/cvs; podman rm -f box >/dev/null; podman rmi rocm/cvs >/dev/null; podman load -qi x.tar; podman image inspect --format '{{len .RepoDigests}}' rocm/cvs", "Loaded image: docker.io/rocm/cvs:latest\n1\nrc=0"},
		{"save does not overwrite", up + "podman save -qo x.tar rocm/cvs; podman save -qo x.tar rocm/cvs", "Error: docker-archive doesn't support modifying existing images\nrc=125"},
		{"load through a pipe", up + "podman save rocm/cvs | podman load -q", "Loaded image: docker.io/rocm/cvs:latest\nrc=0"},
		{"load of a compressed archive", up + "podman save rocm/cvs | gzip | podman load 2>&1 | grep docker-archive", " * docker-archive: loading tar component manifest.json: archive/tar: invalid tar header\nrc=0"},
		{"rmi of an image that is used", up + "podman rmi rocm/cvs" + id, "Error: image used by ID: image is in use by a container: consider listing external containers and force-removing image\nrc=0"},
		{"version and info", "podman version --format '{{.Client.Version}}'; podman info --format '{{.Store.GraphRoot}} {{.Host.Security.Rootless}}'", podmanVersion + "\n/var/lib/containers/storage false\nrc=0"},
		{"exists", up + "podman container exists box; echo $?; podman image exists nope", "0\nrc=1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := podmanHost(t).sh("root", "exec 2>&1\n"+tt.script+"\necho rc=$?")
			if got := strings.TrimRight(out.stdout, "\n"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// Each account has a podman of its own, and sudo is another one.
func TestPodmanRootless(t *testing.T) {
	h := podmanHost(t)
	out := h.sh(OrdinaryUser, "export HOME=/home/amd; podman run -d --name box debian:12 sleep infinity >/dev/null 2>&1; podman ps --format '{{.Names}}'; sudo -n podman ps -aq; sudo -n podman images -q; "+
		"podman info --format '{{.Store.GraphRoot}} {{.Host.Security.Rootless}}'; sudo -n podman run -d --name box debian:12 sleep infinity >/dev/null 2>&1; podman rm -f -v box; sudo -n podman ps --format '{{.Names}}'")
	if want := "box\n/home/amd/.local/share/containers/storage true\nbox\nbox\n"; out.stdout != want {
		t.Errorf("got\n%s%s\nwant\n%s", out.stdout, out.stderr, want)
	}
	if s := h.Snapshot(); !strings.Contains(s, "# podman /var/lib/containers/storage") || !strings.Contains(s, " box running ") {
		t.Error("the snapshot does not show root's container")
	}
}

// What podman tells of a container and its image has the members that programs read, in podman's way.
func TestPodmanInspectShape(t *testing.T) {
	h := podmanHost(t)
	out := h.sh("root", "podman run -d --name box --network host --cap-add SYS_PTRACE --cap-add IPC_LOCK --ulimit memlock=-1 --security-opt apparmor=unconfined --security-opt seccomp=unconfined --device /dev/dri "+
		"--restart on-failure:3 --label a=b -v /opt:/data:ro -v named:/n docker.io/rocm/cvs:latest sleep infinity >/dev/null\npodman container inspect --format 'x {{json .}}' box\npodman image inspect --format 'x {{json .}}' rocm/cvs")
	lines := strings.Split(strings.TrimSpace(out.stdout), "\n")
	if len(lines) != 2 {
		t.Fatalf("%+v", out)
	}
	var c struct {
		ID, Name, Image, ImageName string
		Config                     struct{ Labels map[string]string }
		HostConfig                 struct {
			Binds, CapAdd, SecurityOpt []string
			NetworkMode, IpcMode       string
			PidMode                    string
			ShmSize                    int
			RestartPolicy              struct{ Name string }
			Ulimits                    []struct {
				Name string
				Soft int
			}
			Devices []struct{ PathOnHost, CgroupPermissions string }
		}
	}
	if err := json.Unmarshal([]byte(lines[0][2:]), &c); err != nil {
		t.Fatal(err)
	}
	devices := len(c.HostConfig.Devices)
	c.HostConfig.Devices = c.HostConfig.Devices[:1]
	want := "box docker.io/rocm/cvs:latest map[a:b] 16 {Binds:[named:/n:rw,rprivate,nosuid,nodev,rbind /opt:/data:ro,rprivate,rbind] CapAdd:[CAP_IPC_LOCK CAP_SYS_PTRACE] SecurityOpt:[seccomp=unconfined apparmor=unconfined] " +
		"NetworkMode:host IpcMode:shareable PidMode:private ShmSize:65536000 RestartPolicy:{Name:on-failure} " +
		"Ulimits:[{Name:RLIMIT_MEMLOCK Soft:-1} {Name:RLIMIT_NOFILE Soft:1048576} {Name:RLIMIT_NPROC Soft:1048576}] Devices:[{PathOnHost:/dev/dri/card0 CgroupPermissions:}]}"
	if got := fmt.Sprintf("%s %s %v %d %+v", c.Name, c.ImageName, c.Config.Labels, devices, c.HostConfig); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var i map[string]any
	if err := json.Unmarshal([]byte(lines[1][2:]), &i); err != nil {
		t.Fatal(err)
	}
	if _, variant := i["Variant"]; i["Id"] != c.Image || strings.HasPrefix(c.Image, "sha256:") || variant {
		t.Errorf("image %v, container runs %s", i, c.Image)
	}
}

// A reboot ends podman's containers; root's with the policy "always" come back.
func TestPodmanReboot(t *testing.T) {
	h := podmanHost(t)
	h.sh("root", "podman run -d --name aa --restart always debian:12 sleep infinity; podman run -d --name bb debian:12 sleep infinity")
	boot := h.bootIdentity()
	h.Reboot()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		out := h.sh("root", "podman ps -a --format json | grep '\"State\"' | tr -d ' ,'").stdout
		if h.bootIdentity() != boot && out == "\"State\":\"running\"\n\"State\":\"exited\"\n" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(out)
		}
	}
}

// Both runtimes on one host know nothing of each other.
func TestDockerBesidePodman(t *testing.T) {
	h := startLab(t, Options{Hosts: []HostSpec{{Name: "n1", Runtimes: []string{"docker", "podman"}, Images: []string{"debian:12"}}}}).Hosts()[0]
	out := h.sh("root", "docker images --format '{{.Repository}}'; podman images --format '{{.Repository}}'; docker create --name box debian:12 >/dev/null; podman ps -aq; podman create --name box debian:12 >/dev/null; docker ps -aq | wc -l")
	if out.stdout != "debian\ndocker.io/library/debian\n1\n" {
		t.Errorf("%+v", out)
	}
}

// A host may have no runtime at all, and get one by its package.
func TestRuntimeByPackage(t *testing.T) {
	h := startLab(t, Options{Hosts: []HostSpec{{Name: "n1", Runtimes: []string{"none"}}}}).Hosts()[0]
	out := h.sh("root", "command -v docker; command -v podman; ls /run/docker.sock 2>&1; apt-get install -y docker.io podman >/dev/null 2>&1; docker ps -q; podman ps -q; echo $?; command -v docker; command -v podman")
	if want := "ls: cannot access '/run/docker.sock': No such file or directory\n0\n/usr/bin/docker\n/usr/bin/podman\n"; out.stdout != want {
		t.Errorf("%+v", out)
	}
	for _, bad := range [][]string{{"lxc"}, {"none", "docker"}} {
		if _, err := Start(Options{Hosts: []HostSpec{{Name: "n1", Runtimes: bad}}}); err == nil || !strings.Contains(err.Error(), "want \"docker\"") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
