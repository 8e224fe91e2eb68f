package engine

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Each case puts commands of its own into PATH and tells what a script sees of them.
func TestRuntimePrelude(t *testing.T) {
	const (
		answers = "#!/bin/sh\necho \"$0 $*\" | sed 's,.*/,,'\n"
		down    = "#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n"
		denied  = "#!/bin/sh\n[ \"$AS_ROOT\" = 1 ] || { echo 'permission denied' >&2; exit 1; }\necho \"root $*\"\n"
		sudo    = "#!/bin/sh\n[ \"$1\" = -n ] || exit 9\nshift\nAS_ROOT=1 exec \"$@\"\n"
		noSudo  = "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n"
	)
	tests := []struct {
		name, runtime string
		commands      map[string]string
		want          string
	}{
		{"docker before podman", "auto", map[string]string{"docker": answers, "podman": answers}, "docker ps -a\nfound docker ()\n"},
		{"podman where docker is missing", "", map[string]string{"podman": answers}, "podman ps -a\nfound podman ()\n"},
		{"asked for podman", "podman", map[string]string{"docker": answers, "podman": answers}, "podman ps -a\nfound podman ()\n"},
		{"sudo where plain is refused", "docker", map[string]string{"docker": denied, "sudo": sudo}, "root ps -a\nfound docker (sudo -n)\n"},
		{"a docker that is down is not passed over", "auto", map[string]string{"docker": down, "podman": answers, "sudo": sudo},
			"Cannot connect to the Docker daemon\nnone, 125\n"},
		{"sudo wants a password", "auto", map[string]string{"docker": denied, "sudo": noSudo},
			"permission denied; with sudo -n: sudo: a password is required\nnone, 125\n"},
		{"nothing installed", "auto", nil, "no container runtime: docker podman not installed\nnone, 125\n"},
	}
	// The socket of the machine that runs the test must not decide.
	const script = `ctr ps -a; rc=$?; if ctr_find; then echo "found $ctr_name ($ctr_sudo)"; else echo "none, $rc"; fi`
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bin := t.TempDir()
			for name, text := range tt.commands {
				if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, tool := range []string{"sed"} {
				path, err := exec.LookPath(tool)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(path, filepath.Join(bin, tool)); err != nil {
					t.Fatal(err)
				}
			}
			prelude := strings.ReplaceAll(RuntimePrelude(tt.runtime), "/var/run/docker.sock", filepath.Join(bin, "docker.sock"))
			cmd := exec.Command("/bin/sh", "-c", "exec 2>&1\n"+prelude+script)
			cmd.Env = []string{"PATH=" + bin}
			got, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}
