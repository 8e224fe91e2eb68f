// Package remotetest holds what tests of remote hosts need: real parts of the machine (an OpenSSH sshd, accounts, an agent), and a
// TCP proxy that injects faults.
package remotetest

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// RequireEnv names the environment variable that lists, with commas, the real parts that must be there: a test that needs one of
// them fails where it would be skipped. "all" names every part.
const RequireEnv = "CVSPLAY_REQUIRE"

// Need skips the test with the reason if a real part of the machine is missing, and fails it instead where RequireEnv names
// the part. It is the only way a test is skipped. "docker" is an engine that answers; "root" is the right to make accounts (for
// "cluster" see UseCluster); anything else is a command, looked up in $PATH and in the sbin directories.
func Need(t testing.TB, part string) {
	t.Helper()
	if why := missing(t.Context(), part); why != "" {
		lack(t, part, why)
	}
	t.Logf("uses %s", part) // what a run counts to tell that its real parts were there
}

// lack ends the test for want of a real part: skipped, or failed where the part is required.
func lack(t testing.TB, part, why string) {
	t.Helper()
	if required(os.Getenv(RequireEnv), part) {
		t.Fatalf("%s is required by %s: %s", part, RequireEnv, why)
	}
	t.Skipf("needs %s: %s", part, why)
}

func required(list, part string) bool {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name == part || name == "all" {
			return true
		}
	}
	return false
}

// missing says why a part cannot be used; "" where it can.
func missing(ctx context.Context, part string) string {
	switch part {
	case "root":
		if os.Geteuid() != 0 {
			return "not running as root"
		}
		return ""
	case "docker":
		return missingDocker(ctx)
	}
	if Command(part) == "" {
		return "no such command"
	}
	return ""
}

func missingDocker(ctx context.Context) string {
	if Command("docker") == "" {
		return "no docker command"
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "docker", "version", "--format", "{{.Server.Version}}").CombinedOutput()
	if err != nil {
		return "no Docker Engine answers: " + strings.TrimSpace(string(out))
	}
	return ""
}

// Command is the absolute path of a command, "" where there is none. Daemons are found though the sbin directories are not in an
// ordinary $PATH.
func Command(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/", "/usr/local/sbin/", "/usr/lib/openssh/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	return ""
}
