package ssh_test

import (
	"runtime"
	"testing"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/remotetest"
	"cvsplay/engine/remote/ssh"
)

// Three goroutines of an idle connection are the library's, one serves the connection and one its shell.
func TestIdleConnectionTakesFewGoroutines(t *testing.T) {
	s := remotetest.Sshd(t)
	tg := target(s, remotetest.Account{}.Make(t))
	p := pool(t, ssh.Options{})
	const conns, each = 10, 5
	before := runtime.NumGoroutine()
	for range conns {
		c, err := p.Dialer(tg).Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		want(t, run(t, c, remote.Script{Text: "echo a"}), `ended 0 "a\n" ""`)
	}
	settled(t, before+conns*each)
}
