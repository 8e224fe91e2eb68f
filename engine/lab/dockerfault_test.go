package lab

import (
	"strings"
	"testing"
	"time"
)

// Each row is a host with faults, a script, and what it prints. A container box runs from the start.
func TestEngineFaults(t *testing.T) {
	tests := []struct {
		name   string
		faults []Fault
		script string
		want   string
	}{
		{"the engine goes away before a launch", []Fault{{Kind: EngineStop, Match: "^docker run", Times: 1}}, "docker run -d --name two debian:12 sleep infinity; docker ps -aq; systemctl start docker; docker ps -a --format '{{.Names}} {{.State}}'",
			"docker: error during connect: Post \"http://%2Fvar%2Frun%2Fdocker.sock/v1.47/containers/create\": EOF\n\nRun 'docker run --help' for more information\n" +
				"Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\nbox exited\nrc=0"},
		{"the engine goes away after a launch", []Fault{{Kind: EngineStop, Match: "^docker run", Text: EngineDone, Times: 1}}, "docker run -d --name two debian:12 sleep infinity >/dev/null 2>&1; echo $?; systemctl start docker; docker ps -a --format '{{.Names}} {{.State}}'",
			"125\ntwo exited\nbox exited\nrc=0"},
		{"the engine comes back", []Fault{{Kind: EngineStop, Match: "^docker container inspect", Times: 1, Delay: time.Millisecond}},
			"docker container inspect box; until docker ps -q >/dev/null 2>&1; do sleep 0.01; done; docker container inspect -f '{{.State.Status}}' box",
			"error during connect: Get \"http://%2Fvar%2Frun%2Fdocker.sock/v1.47/containers/box/json\": EOF\nexited\nrc=0"},
		{"a container goes behind our back", []Fault{{Kind: Meanwhile, Match: "^docker exec", Text: "docker rm -f box", Times: 1}}, "docker exec box true; docker ps -aq", "Error response from daemon: No such container: box\nrc=0"},
		{"a name is taken behind our back", []Fault{{Kind: Meanwhile, Match: "^docker run .*--name two", Text: "docker create --name two debian:12", Times: 1}}, "docker run -d --name two debian:12 sleep infinity 2>&1 | sed 's/[0-9a-f]\\{64\\}/ID/' | head -n 1",
			"docker: Error response from daemon: Conflict. The container name \"/two\" is already in use by container \"ID\". You have to remove (or rename) that container to be able to reuse that name.\nrc=0"},
		{"a name is taken behind the back of a rename", []Fault{{Kind: Meanwhile, Match: "^docker rename", Text: "docker create --name two debian:12", Times: 1}}, "docker rename box two 2>&1 | sed 's/[0-9a-f]\\{64\\}/ID/'",
			"Error response from daemon: Error when allocating new name: Conflict. The container name \"/two\" is already in use by container \"ID\". You have to remove (or rename) that container to be able to reuse that name.\nError: failed to rename container named box\nrc=0"},
		{"the engine is stopped by somebody", []Fault{{Kind: Meanwhile, Match: "^docker exec", Text: "systemctl stop docker"}}, "docker exec box true", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\nrc=1"},
		{"a container that cannot be removed is dead", []Fault{{Kind: Busy, Match: "^docker rm", Times: 1}}, "docker rm -f box 2>&1 | sed 's/[0-9a-f]\\{64\\}/ID/g'; docker ps -a --format '{{.State}} {{.Status}}'; docker exec box true 2>&1 | sed 's/[0-9a-f]\\{64\\}/ID/'; docker start box; docker rm -f box",
			"Error response from daemon: container ID: driver \"overlay2\" failed to remove root filesystem: unlinkat /var/lib/docker/overlay2/ID/merged: device or resource busy\ndead Dead\n" +
				"Error response from daemon: container ID is not running\nError response from daemon: container is marked for removal and cannot be started\nError: failed to start containers: box\nbox\nrc=0"},
		{"no registry answers", []Fault{{Kind: Offline}}, "docker pull -q rocm/cvs:odd; docker manifest inspect rocm/cvs:odd; printf x | docker login -u a --password-stdin",
			"Error response from daemon: Get \"https://registry-1.docker.io/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)\n" +
				"failed to configure transport: error pinging v2 registry: Get \"https://registry-1.docker.io/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)\n" +
				"Error response from daemon: Get \"https://registry-1.docker.io/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)\nrc=1"},
		{"a pull that ends half-way", []Fault{{Kind: DiskFull, Path: "/var/lib/docker"}}, "docker pull rocm/cvs:odd; docker images -q rocm/cvs:odd", "odd: Pulling from rocm/cvs\nError response from daemon: write /var/lib/docker/tmp/GetImageBlob: no space left on device\nrc=0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := startLab(t, Options{Hosts: []HostSpec{{Name: "n1", Images: []string{"debian:12"}}}}).Hosts()[0]
			h.sh("root", "docker run -d --name box debian:12 sleep infinity")
			if err := h.SetFaults(tt.faults...); err != nil {
				t.Fatal(err)
			}
			out := h.sh("root", "exec 2>&1\n"+tt.script+"\necho rc=$?")
			if got := strings.TrimSpace(out.stdout); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// A meanwhile script meets the other faults, and not its own.
func TestMeanwhileOnce(t *testing.T) {
	h := oneHost(t)
	if err := h.SetFaults(Fault{Kind: Meanwhile, Match: "^touch", Text: "touch /root/a; sync || echo $? >/root/b"}, Fault{Kind: Fail, Match: "^sync", Code: 7}); err != nil {
		t.Fatal(err)
	}
	if out := h.sh("root", "touch /root/c; ls /root/a /root/c; cat /root/b"); out.stdout != "/root/a\n/root/c\n7\n" {
		t.Errorf("%+v", out)
	}
}

// What the lab's registries have for tests of digests.
func TestImagesForTests(t *testing.T) {
	l := startLab(t, Options{Hosts: []HostSpec{{Name: "n1"}, {Name: "n2", Arch: "arm64"}}})
	const id = " 2>&1 | sed 's/[0-9a-f]\\{64\\}/ID/g'"
	for _, tt := range []struct{ name, script, amd64, arm64 string }{
		{"an index that lacks a platform", "docker pull -q rocm/test:amd64", "docker.io/rocm/test:amd64\n", "Error response from daemon: no matching manifest for linux/arm64 in the manifest list entries\n"},
		{"a manifest of its own", "docker manifest inspect -v rocm/test:plain" + id + " | grep -c Descriptor", "1\n", "1\n"},
		{"an index", "docker manifest inspect -v rocm/cvs:latest | grep -c Descriptor; docker manifest inspect rocm/cvs:latest | grep -c platform", "2\n2\n", "2\n2\n"},
		{"schema 1", "docker pull -q rocm/test:schema1 2>&1 | cut -c1-50; docker manifest inspect -v rocm/test:schema1-signed", "Error response from daemon: [DEPRECATION NOTICE] D\nunsupported manifest media type and no default available: application/vnd.docker.distribution.manifest.v1+prettyjws\n", ""},
		{"unknown manifest", "docker manifest inspect rocm/cvs:nope; docker manifest inspect rocm/nope:1", "no such manifest: docker.io/rocm/cvs:nope\nerrors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required\n\n", ""},
		{"no login", "docker manifest inspect -v " + PrivateRegistry + "/rocm/cvs:latest; docker pull -q " + PrivateRegistry + "/rocm/cvs:latest",
			"Get \"https://" + PrivateRegistry + "/v2/rocm/cvs/manifests/latest\": no basic auth credentials\nError response from daemon: Head \"https://" + PrivateRegistry + "/v2/rocm/cvs/manifests/latest\": no basic auth credentials\n", ""},
		{"a login", "printf '" + RegistryPassword + "' | docker login -u " + RegistryUser + " --password-stdin " + PrivateRegistry + "; docker manifest inspect -v " + PrivateRegistry + "/rocm/cvs:latest | grep -c Descriptor; docker pull -q " + PrivateRegistry + "/rocm/cvs:latest; docker logout " + PrivateRegistry,
			"Login Succeeded\n2\n" + PrivateRegistry + "/rocm/cvs:latest\nRemoving login credentials for " + PrivateRegistry + "\n", ""},
		{"a wrong login", "printf no | docker login -u " + RegistryUser + " --password-stdin " + PrivateRegistry, "Error response from daemon: login attempt to https://" + PrivateRegistry + "/v2/ failed with status: 401 Unauthorized\n", ""},
		{"a registry that is down", "docker manifest inspect " + DownRegistry + "/x:1; docker pull " + DownRegistry + "/x:1",
			"failed to configure transport: error pinging v2 registry: Get \"https://" + DownRegistry + "/v2/\": dial tcp 10.19.0.1:443: connect: connection refused\nError response from daemon: Get \"https://" + DownRegistry + "/v2/\": dial tcp 10.19.0.1:443: connect: connection refused\n", ""},
		{"copy", "docker create --name box debian:12 >/dev/null 2>&1; echo hi >/root/f; docker cp /root/f box:/opt/; docker cp box:/opt/f /root/g; cat /root/g; docker cp box:/nope /root", "hi\nError response from daemon: Could not find the file /nope in container box\n", ""},
		{"labels", "docker run -d --name lab --label a=b --label c= debian:12 sleep infinity >/dev/null 2>&1; docker container ls -a --filter label=a=b --filter label=c --format '{{.Names}} {{.Label \"a\"}}|{{.Label \"no\"}}'; docker ps -aq --filter label=a=b --filter label=c=x", "lab b|\n", ""},
		{"an image whose tag went to another", "docker pull -q rocm/cvs:odd >/dev/null; docker create --name moved rocm/cvs:odd >/dev/null; docker tag debian:12 rocm/cvs:odd; docker ps -a --filter name=moved --format '{{.Image}}' | grep -Ec '^[0-9a-f]{12}$'", "1\n", ""},
	} {
		for i, want := range []string{tt.amd64, tt.arm64} {
			if want == "" {
				continue
			}
			h := l.Hosts()[i]
			if out := h.sh("root", "exec 2>&1\n"+tt.script); out.stdout != want {
				t.Errorf("%s on %s: got\n%s\nwant\n%s", tt.name, h.Name(), out.stdout, want)
			}
		}
	}
}
