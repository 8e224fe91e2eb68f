package ssh_test

import (
	"path/filepath"
	"strings"
	"testing"

	"cvsplay/engine/remote/remotetest"
	"cvsplay/engine/remote/ssh"
)

func TestKeyThatWorkedIsTriedFirst(t *testing.T) {
	s := remotetest.Sshd(t, "MaxAuthTries 6")
	dir := t.TempDir()
	var keys []string
	for _, name := range []string{"ed25519", "ecdsa", "rsa"} {
		keys = append(keys, remotetest.Key(t, filepath.Join(dir, name), "-t", name, "-N", ""))
	}
	tg := target(s, remotetest.Account{}.Make(t))
	tg.IdentityFiles = append(keys, s.IdentityFile)
	p := pool(t, ssh.Options{})
	failed := func() int { return strings.Count(s.Log(), "Failed publickey") }
	works(t, p.Dialer(tg))
	eventually(t, "the first login fails three times", func() bool { return failed() == len(keys) })
	works(t, p.Dialer(tg))
	if n := failed(); n != len(keys) {
		t.Errorf("the second login failed %d times", n-len(keys))
	}

	// A host that wants another key gets it, and others are asked with what it wanted.
	other := remotetest.Sshd(t)
	to := target(other, tg.User)
	file(t, filepath.Join(other.Dir, "authorized_keys"), contents(t, keys[2]+".pub"))
	to.IdentityFiles = tg.IdentityFiles
	works(t, p.Dialer(to))
	works(t, p.Dialer(to))
	if n := strings.Count(other.Log(), "Failed publickey"); n != 3 {
		t.Errorf("%d attempts failed, want those of the first login", n)
	}
	works(t, p.Dialer(tg))
}
