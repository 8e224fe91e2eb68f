package ssh_test

import (
	"strings"
	"testing"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/remotetest"
	"cvsplay/engine/remote/shell"
	"cvsplay/engine/remote/ssh"
)

// All shells of a run carry its sign of life, those of other accounts too, and those after a lost connection; other accounts can read it.
func TestSignOfLife(t *testing.T) {
	remotetest.Need(t, "sudo")
	s := remotetest.Sshd(t)
	me := remotetest.Account{Suffix: "-sudo", Sudoers: "USER ALL=(ALL) NOPASSWD: ALL"}.Make(t)
	p := ssh.NewPool(ssh.Options{ConfigFiles: []string{}, Home: t.TempDir(), AgentSocket: "/no/agent", Shell: shell.Options{Run: "run-9"}})
	t.Cleanup(func() { p.Close() })
	d := p.Dialer(target(s, me))
	const look = `echo "$$"; tr '\000' '\n' </proc/"${1-$$}"/cmdline | grep '^cvsplay-run:'`
	for _, what := range []string{"first connection", "second connection"} {
		c, err := d.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		root := run(t, c, remote.Script{Text: look, Account: "root"})
		pid, _, _ := strings.Cut(string(root.Stdout.Bytes), "\n")
		for of, e := range map[string]remote.Exit{
			"its own": run(t, c, remote.Script{Text: look}), "root's": root, "root's, as it sees it": run(t, c, remote.Script{Text: look, Args: []string{pid}}),
		} {
			if !strings.HasSuffix(string(e.Stdout.Bytes), "\ncvsplay-run:run-9\n") {
				t.Errorf("%s, %s shell: %s", what, of, show(e))
			}
		}
		if err := c.Close(); err != nil {
			t.Log(err)
		}
	}
}
