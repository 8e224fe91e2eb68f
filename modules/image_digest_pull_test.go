package modules

import (
	"path/filepath"
	"strings"
	"testing"

	"cvsplay/engine"
)

// What an image_digest step found is pulled by its digest and gets the name that the person gave; a tag that fails is a failed pull.
func TestPullByDigestThenTag(t *testing.T) {
	const noted = `echo "docker $*" >>"$DIR/did"` + "\n"
	pinned, tagged := "docker.io/rocm/cvs@"+digestA, "docker.io/rocm/cvs:6"
	login := &containerRegistry{Server: "docker.io", Username: "ci", Password: "canary"}
	tests := []struct {
		name, image, docker string
		registry            *containerRegistry
		did                 []string // of pull and tag
		code                int
		says                string
	}{
		{"a tag with its digest", tagged + "@" + digestA, "", nil, []string{"pull -q " + pinned, "tag " + pinned + " " + tagged}, 0, ""},
		{"a tag with its digest, logged in", tagged + "@" + digestA, "", login, []string{"pull -q " + pinned, "tag " + pinned + " " + tagged}, 0, ""},
		{"a digest alone", pinned, "", nil, []string{"pull -q " + pinned}, 0, ""},
		{"a tag alone", tagged, "", nil, []string{"pull -q " + tagged}, 0, ""},
		{"the tag fails", tagged + "@" + digestA, `[ "$1" != tag ] || { echo "no space left on device" >&2; exit 1; }`, nil,
			[]string{"pull -q " + pinned, "tag " + pinned + " " + tagged}, 1, "no space left on device"},
		{"the tag fails, logged in", tagged + "@" + digestA, `[ "$1" != tag ] || { echo "no space left on device" >&2; exit 1; }`, login,
			[]string{"pull -q " + pinned, "tag " + pinned + " " + tagged}, 1, "no space left on device"},
		{"the pull fails: no tag", tagged + "@" + digestA, `case "$*" in *pull*) echo "manifest unknown" >&2; exit 1 ;; esac`, nil, []string{"pull -q " + pinned}, 1, "manifest unknown"},
	}
	for shell, argv := range shells(t) {
		for _, tt := range tests {
			t.Run(shell+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				ref, err := parseReference(tt.image)
				if err != nil {
					t.Fatal(err)
				}
				s := newStandIn(t, map[string]string{"docker": noted + tt.docker}, false)
				for _, tool := range []string{"mktemp", "rm"} {
					s.command(t, tool, "PATH=/usr/bin:/bin exec "+tool+` "$@"`)
				}
				a := s.run(t, argv, containerArgs{Runtime: engine.DockerRuntime, Registry: tt.registry}.pullImage(ref))
				var did []string
				for line := range strings.Lines(readFile(t, filepath.Join(s.home, "did"))) {
					words := strings.Fields(line)[1:]
					if len(words) > 2 && words[0] == "--config" {
						words = words[2:]
					}
					if words[0] == "pull" || words[0] == "tag" {
						did = append(did, strings.Join(words, " "))
					}
				}
				if strings.Join(did, "; ") != strings.Join(tt.did, "; ") {
					t.Errorf("did %s, want %s", did, tt.did)
				}
				if (a.Code != 0) != (tt.code != 0) || !strings.Contains(a.Stderr.String(), tt.says) {
					t.Errorf("exit code %d: %s", a.Code, a.Stderr.String())
				}
			})
		}
	}
}

// What was pulled is remembered under the name that the person gave, with the digest, and nothing where nothing was pulled.
func TestPullIsRemembered(t *testing.T) {
	ref, err := parseReference("rocm/cvs:6@" + digestA)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := parseReference("rocm/cvs@" + digestA)
	if err != nil {
		t.Fatal(err)
	}
	image := &imageInspect{ID: "11", RepoDigests: []string{"rocm/cvs@" + digestA}, RepoTags: []string{"rocm/cvs:6"}}
	given := []engine.Answer{{State: engine.Given}}
	for name, tt := range map[string]struct {
		ref  reference
		past []engine.Outcome
		want string
	}{
		"pulled":        {ref, []engine.Outcome{{What: changePull, OK: true, Answers: given}}, "docker.io/rocm/cvs:6 = " + digestA},
		"there already": {ref, nil, ""},
		"loaded":        {ref, []engine.Outcome{{What: changeLoad, OK: true, Answers: given}}, ""},
		"failed":        {ref, []engine.Outcome{{What: changePull, Answers: given}}, ""},
		"without a tag": {bare, []engine.Outcome{{What: changePull, OK: true, Answers: given}}, ""},
	} {
		h := &containerHost{ref: tt.ref, image: image, box: &containerInspect{Image: "11"}, facts: containerFacts{Images: []imageInspect{*image}}}
		h.Past = tt.past
		got := ""
		for key, digest := range h.pulled() {
			got += strings.TrimPrefix(key, "pulled ") + " = " + digest
		}
		if got != tt.want {
			t.Errorf("%s: remembers %q, want %q", name, got, tt.want)
		}
	}
}
