package modules

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
)

// fakeRuntime makes a folder for PATH with the tools that our texts use, and a docker command with this body.
func fakeRuntime(t *testing.T, body string) string {
	t.Helper()
	bin := t.TempDir()
	for _, tool := range []string{"sh", "sed", "uname", "tr", "cat", "mktemp", "rm", "sleep", "chmod", "mkdir", "printf"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	docker := "#!/bin/sh\n[ \"$1\" = version ] && exit 0\n" + body + "\n"
	if err := os.WriteFile(filepath.Join(bin, "docker"), []byte(docker), 0o755); err != nil {
		t.Fatal(err)
	}
	return bin
}

// noKeychain keeps the tests from the docker configuration of whoever runs them.
type noKeychain struct{}

func (noKeychain) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }
