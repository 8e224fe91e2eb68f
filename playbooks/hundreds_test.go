package playbooks_test

import (
	"path/filepath"
	"testing"
)

// Three hundred nodes of two architectures, one of them in each bad state there is: each ends as the rules of its own state say, whoever does not
// depend on it is well, and all that is said is folded. And as many that try each other in a ring.
func TestHundreds(t *testing.T) {
	t.Parallel()
	for _, playbook := range []string{"rvs", "cluster_up"} {
		t.Run(playbook, func(t *testing.T) {
			t.Parallel()
			hold(t, filepath.Join("testdata", "hundreds", playbook+".txtar"), playbook)
		})
	}
}
