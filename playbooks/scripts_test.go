package playbooks_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"cvsplay/engine/remote/remotetest"
)

// The shells that nodes and images have for /bin/sh.
var shells = []string{"dash", "bash", "busybox", "mksh"}

// TestScripts runs the scripts of playbooks in real shells, as each archive in testdata/scripts says: its files in bin stand before all other
// commands, run is what is done, with $SH for the shell and $SCRIPTS for the folder of the scripts, and want is what that prints.
func TestScripts(t *testing.T) {
	archives, err := filepath.Glob("testdata/scripts/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range archives {
		for _, shell := range shells {
			t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar")+"/"+shell, func(t *testing.T) {
				t.Parallel()
				remotetest.Need(t, shell)
				archive, err := txtar.ParseFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := inShell(t, shell, archive), file(archive, "want"); got != want {
					t.Errorf("it prints\n%s\nwant\n%s", got, want)
				}
			})
		}
	}
}

// inShell does what an archive asks for, and gives what it prints.
func inShell(t *testing.T, shell string, a *txtar.Archive) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Files {
		if strings.HasPrefix(f.Name, "bin/") {
			syscall.ForkLock.RLock() // a process that is started meanwhile would hold the file open, and it could not be run
			err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o700)
			syscall.ForkLock.RUnlock()
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	scripts, err := filepath.Abs("scripts")
	if err != nil {
		t.Fatal(err)
	}
	sh := remotetest.Command(shell)
	if shell == "busybox" {
		sh += " sh"
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", file(a, "run"))
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + filepath.Join(dir, "bin") + ":/usr/bin:/bin", "SH=" + sh, "SCRIPTS=" + scripts, "TMPDIR=" + dir}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}
