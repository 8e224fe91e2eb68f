package lab

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// What save writes can be read by the library that others use, and has the id that the engine gives the image.
func TestArchiveIsADockerArchive(t *testing.T) {
	h := oneHost(t)
	out := h.sh("root", "docker pull -q rocm/cvs; docker pull -q debian:12; docker save -o /root/two.tar rocm/cvs:latest debian:12 && docker image inspect -f '{{.Id}}' rocm/cvs debian:12")
	ids := strings.Split(strings.TrimSpace(out.stdout), "\n")[2:]
	written, err := h.FS().ReadFile("/root/two.tar")
	if err != nil {
		t.Fatal(err, out)
	}
	made, err := h.lab.Archive("", "rocm/cvs:latest", "debian:12")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(written, made) {
		t.Error("Archive gives another file than docker save")
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(written)), nil }
	manifest, err := tarball.LoadManifest(open)
	if err != nil || len(manifest) != 2 {
		t.Fatalf("%v %v", manifest, err)
	}
	for i, ref := range []string{"rocm/cvs:latest", "debian:12"} {
		tag, err := name.NewTag(ref)
		if err != nil {
			t.Fatal(err)
		}
		img, err := tarball.Image(open, &tag)
		if err != nil {
			t.Fatal(err)
		}
		id, err := img.ConfigName()
		if err != nil || id.String() != ids[i] {
			t.Errorf("%s is %s in the archive and %s on the host: %v", ref, id, ids[i], err)
		}
		if layers, err := img.Layers(); err != nil || len(layers) != 1 {
			t.Errorf("%s: %v %v", ref, layers, err)
		}
	}
}

// Each row is a script on a lab host that has rocm/cvs:7.0.2, and what it prints.
func TestDockerArchives(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"save to a file and load", "docker save -o x.tar rocm/cvs:7.0.2; docker rmi -f rocm/cvs:7.0.2 >/dev/null; docker load -i x.tar; docker images --format '{{.Repository}}:{{.Tag}}'",
			"Loaded image: rocm/cvs:7.0.2\nrocm/cvs:7.0.2\nrc=0"},
		{"a loaded image has no repo digests", "docker save -o x.tar rocm/cvs:7.0.2; docker rmi -f rocm/cvs:7.0.2 >/dev/null; docker load -qi x.tar; docker image inspect -f '{{json .RepoDigests}}' rocm/cvs:7.0.2",
			"Loaded image: rocm/cvs:7.0.2\n[]\nrc=0"},
		{"through a pipe", "docker save rocm/cvs:7.0.2 | docker load", "Loaded image: rocm/cvs:7.0.2\nrc=0"},
		{"through a pipe, packed", "docker save rocm/cvs:7.0.2 | gzip | docker load", "Loaded image: rocm/cvs:7.0.2\nrc=0"},
		{"packed, from a file", "docker save rocm/cvs:7.0.2 | gzip >x.tgz; docker load --input x.tgz", "Loaded image: rocm/cvs:7.0.2\nrc=0"},
		{"two names of one image", "docker tag rocm/cvs:7.0.2 site/cvs:1; docker save rocm/cvs:7.0.2 site/cvs:1 | tar -xOf - manifest.json | grep -o 'RepoTags[^]]*]'; docker save rocm/cvs:7.0.2 site/cvs:1 | docker load",
			"RepoTags\":[\"rocm/cvs:7.0.2\",\"site/cvs:1\"]\nLoaded image: rocm/cvs:7.0.2\nLoaded image: site/cvs:1\nrc=0"},
		{"by id, without a name", "docker save $(docker images -q) | docker load | sed 's/[0-9a-f]\\{64\\}/ID/'", "Loaded image ID: sha256:ID\nrc=0"},
		{"a tag that moves", "docker pull -q rocm/cvs:6.4.3; docker save -o old.tar rocm/cvs:7.0.2; docker tag rocm/cvs:6.4.3 rocm/cvs:7.0.2; docker load -i old.tar | sed 's/[0-9a-f]\\{64\\}/ID/'",
			"docker.io/rocm/cvs:6.4.3\nThe image rocm/cvs:7.0.2 already exists, renaming the old one with ID sha256:ID to empty string\nLoaded image: rocm/cvs:7.0.2\nrc=0"},
		{"save of what is not there", "docker save -o x.tar nope", "Error response from daemon: No such image: nope\nrc=1"},
		{"save into nowhere", "docker save -o /no/x.tar rocm/cvs:7.0.2", "failed to save image: invalid output path: stat /no: no such file or directory\nrc=1"},
		{"load of what is not there", "docker load -i nope.tar", "open nope.tar: no such file or directory\nrc=1"},
		{"load of nothing", "docker load </dev/null", "open /var/lib/docker/tmp/docker-import-1/repositories: no such file or directory\nrc=1"},
		{"load of half an archive", "docker save rocm/cvs:7.0.2 | head -c 700 | docker load", "Error processing tar file(exit status 1): unexpected EOF\nrc=1"},
		{"load of something else", "docker load </etc/passwd", "Error processing tar file(exit status 1): unexpected EOF\nrc=1"},
		{"load of a tree", "mkdir -p d; echo x >d/f; tar -cf - d | docker load", "open /var/lib/docker/tmp/docker-import-1/repositories: no such file or directory\nrc=1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := oneHost(t)
			out := h.sh("root", "docker pull -q rocm/cvs:7.0.2 >/dev/null; exec 2>&1\n"+tt.script+"\necho rc=$?")
			if got := strings.TrimSpace(out.stdout); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// An archive that was saved on one host is the same image on another, and a full disk keeps it out.
func TestArchiveCrossesHosts(t *testing.T) {
	l := startLab(t, Options{Hosts: []HostSpec{{Name: "n1"}, {Name: "n2"}, {Name: "n3", Faults: []Fault{{Kind: DiskFull, Path: "/var/lib/docker"}}}}})
	archive, err := l.Archive("amd64", "docker.io/rocm/cvs:latest")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, h := range l.Hosts()[:2] {
		if err := h.FS().WriteFile("/srv/x.tar", archive, 0o644); err != nil {
			t.Fatal(err)
		}
		ids[h.sh("root", "docker load -qi /srv/x.tar; docker image inspect -f '{{.Id}}' rocm/cvs").stdout] = true
	}
	if len(ids) != 1 {
		t.Errorf("%v", ids)
	}
	full := l.Hosts()[2]
	if err := full.FS().WriteFile("/srv/x.tar", archive, 0o644); err != nil {
		t.Fatal(err)
	}
	if out := full.sh("root", "docker load -i /srv/x.tar; docker images -q"); out.stdout != "" || !strings.Contains(out.stderr, "no space left on device") {
		t.Errorf("%+v", out)
	}
}
