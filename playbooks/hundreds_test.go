package playbooks_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// inChild is set in the environment of the test program that TestHundreds starts.
const inChild = "CVSPLAY_TEST_HUNDREDS"

// Three hundred nodes of two architectures, one of them in each bad state there is: each ends as the rules of its own state say, whoever does not
// depend on it is well, and all that is said is folded. And as many that try each other in a ring. The test program is built anew for it: the race
// detector would make the simulation many times slower.
func TestHundreds(t *testing.T) {
	t.Parallel()
	if os.Getenv(inChild) != "" {
		for _, playbook := range []string{"rvs", "cluster_up"} {
			t.Run(playbook, func(t *testing.T) {
				t.Parallel()
				hold(t, filepath.Join("testdata", "hundreds", playbook+".txtar"), playbook)
			})
		}
		return
	}
	program := filepath.Join(t.TempDir(), "playbooks.test")
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	args := []string{"-test.run", "^TestHundreds$"}
	if *update {
		args = append(args, "-update")
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), inChild+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
