package lab

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"cvsplay/engine/remote/remotetest"
)

// realShell is the machine's own dash, the measure of the lab's.
const realShell = "/bin/dash"

// scripts are run by dash with the machine's coreutils and by the lab; output and exit status have to be the same. Each
// begins in an empty directory. Standard error is compared only as far as a script sends it to standard output.
func scripts(t *testing.T) string {
	return readCases(t, "testdata/shell.txt") + readCases(t, "testdata/coreutils.txt")
}

func readCases(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// cases splits the text of a file of scripts: each follows a line of ---.
func cases(text string) []string {
	var out []string
	for part := range strings.SplitSeq("\n"+text, "\n--- ") {
		if strings.TrimSpace(part) != "" {
			out = append(out, part)
		}
	}
	return out
}

// ofProcps finds the commands of a package that a small machine has not.
var ofProcps = regexp.MustCompile(`\b(ps|pgrep|pkill|free)\b`)

// TestLikeDash compares the lab with this machine's dash and coreutils.
func TestLikeDash(t *testing.T) {
	remotetest.Need(t, realShell)
	h := oneHost(t)
	list := cases(scripts(t))
	if len(list) < 100 {
		t.Fatalf("only %d scripts", len(list))
	}
	for _, c := range list {
		name, script, _ := strings.Cut(c, "\n")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if ofProcps.MatchString(script) {
				remotetest.Need(t, "ps")
			}
			want := realOutput(t, script)
			dir := "/tmp/" + strings.ReplaceAll(t.Name(), "/", "_")
			if err := h.FS().MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			got := h.sh("root", "cd "+shellQuote(dir)+"\n"+script)
			if got.stdout != want.stdout || got.code != want.code {
				t.Errorf("script:\n%s\nlab  %d %q\nreal %d %q\nlab stderr:\n%s\nreal stderr:\n%s", script, got.code, got.stdout, want.code, want.stdout, got.stderr, want.stderr)
			}
		})
	}
}

func realOutput(t *testing.T, script string) output {
	t.Helper()
	cmd := exec.Command(realShell, "-c", "umask 022\n"+script)
	cmd.Args[0] = "sh"
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=" + defaultPath, "HOME=/root", "LC_ALL=C", "TZ=UTC"}
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	code := 0
	if ee, ok := errors.AsType[*exec.ExitError](err); ok {
		code = ee.ExitCode()
		if ws, ok := ee.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			code = 128 + int(ws.Signal())
		}
	} else if err != nil {
		t.Fatal(err)
	}
	return output{out.String(), errs.String(), code}
}
