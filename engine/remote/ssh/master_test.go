package ssh_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/remotetest"
	"cvsplay/engine/remote/ssh"
)

// A shared is a server whose ssh_config says that connections are shared.
type shared struct {
	*remotetest.Server
	config, socket string
}

// sharedServer has sockets of a name in a directory of their own.
func sharedServer(t *testing.T, name string, config ...string) shared {
	t.Helper()
	remotetest.Need(t, "ssh")
	s := remotetest.Sshd(t, config...)
	dir, err := os.MkdirTemp("", "m") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return shared{Server: s, socket: filepath.Join(dir, name), config: file(t, "config", fmt.Sprintf(
		"Host node1\n  HostName 127.0.0.1\n  Port %d\n  User %s\n  IdentityFile %s\n  UserKnownHostsFile %s\n  ControlPath %s\n",
		s.Port, remotetest.Account{}.Make(t), s.IdentityFile, s.KnownHosts, filepath.Join(dir, name)))}
}

// master starts a person's ssh that shares its connection, and returns its process.
func (s shared) master(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(remotetest.Command("ssh"), "-F", s.config, "-M", "-N", "node1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, "the master listens", func() bool {
		all, _ := os.ReadDir(filepath.Dir(s.socket))
		return len(all) == 1 && !strings.Contains(all[0].Name(), ".") // it makes it under another name
	})
	return cmd
}

func (s shared) logins() int { return strings.Count(s.Log(), "Accepted publickey") }

func (s shared) pool(t *testing.T) *ssh.Pool {
	t.Helper()
	return pool(t, ssh.Options{ConfigFiles: []string{s.config}})
}

func TestMaster(t *testing.T) {
	for _, c := range []struct{ name, socket string }{{"words", "%r-%n-%p"}, {"hash", "%C"}} {
		t.Run(c.name, func(t *testing.T) {
			s := sharedServer(t, c.socket, "MaxSessions 2")
			s.master(t)
			p := s.pool(t)
			c, err := p.Dialer(ssh.Target{Name: "node1"}).Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := c.Run(t.Context(), []remote.Script{{Text: "id -un; exit 3"}, {Foreign: true, Text: "cat", Stdin: []byte("x\x00y")}})
			want(t, got[0], `ended 3 "cvsplaytest\n" ""`)
			want(t, got[1], `ended 0 "x\x00y" ""`)
			big := make([]byte, 3<<20)
			rand.Read(big)
			if err := c.Upload(t.Context(), "/home/cvsplaytest/big", bytes.NewReader(big)); err != nil {
				t.Fatal(err)
			}
			if contents(t, "/home/cvsplaytest/big") != string(big) {
				t.Error("another file arrived")
			}
			if n := s.logins(); n != 1 {
				t.Errorf("%d logins, want the master's alone", n)
			}
			// A third session is one too many for the server: it gets a connection of ours.
			w := word()
			e := run(t, c, remote.Script{Text: "sleep " + w, Limit: 1})
			if e.State != remote.TimedOut || len(remotetest.Alive(t, w)) > 0 {
				t.Errorf("%s; left: %q", show(e), remotetest.Alive(t, w))
			}
			if n := s.logins(); n != 2 {
				t.Errorf("%d logins, want the master's and one of ours", n)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			works(t, p.Dialer(ssh.Target{Name: "node1"}))
			remotetest.Run(t, "ssh", "-F", s.config, "-O", "check", "node1")
		})
	}
}

func TestMasterThatEnds(t *testing.T) {
	s := sharedServer(t, "master")
	master := s.master(t)
	d := s.pool(t).Dialer(ssh.Target{Name: "node1"})
	c, err := d.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w := word()
	e := run(t, c, remote.Script{Text: "echo begun; sleep " + w, Output: func(remote.Stream, []byte) { _ = master.Process.Kill() }})
	if e.State != remote.Lost || !strings.HasPrefix(e.Why, "connection lost: ") {
		t.Error(show(e))
	}
	works(t, d) // its socket is still there
	if left := remotetest.Alive(t, w); len(left) > 0 || s.logins() != 2 {
		t.Errorf("left: %q, %d logins", left, s.logins())
	}
}

func TestNoMaster(t *testing.T) {
	for _, c := range []struct {
		name string
		take func(t *testing.T, s shared, tg *ssh.Target)
	}{
		{"no socket", func(*testing.T, shared, *ssh.Target) {}},
		{"a socket of nobody", func(t *testing.T, s shared, _ *ssh.Target) { listener(t, s).Close() }},
		{"a file", func(t *testing.T, s shared, _ *ssh.Target) { file(t, s.socket, "") }},
		{"one that closes", func(t *testing.T, s shared, _ *ssh.Target) { answer(listener(t, s), "") }},
		{"one that speaks another language", func(t *testing.T, s shared, _ *ssh.Target) {
			answer(listener(t, s), "HTTP/1.1 400 Bad Request\r\n\r\n")
		}},
		{"turned off", func(t *testing.T, s shared, tg *ssh.Target) { s.master(t); tg.Master = ssh.MasterOff }},
		{"known hosts of our own", func(t *testing.T, s shared, tg *ssh.Target) { s.master(t); tg.KnownHosts = []string{s.KnownHosts} }},
		{"a judgement of host keys of our own", func(t *testing.T, s shared, tg *ssh.Target) { s.master(t); tg.HostKeys = ssh.HostKeysStrict }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sharedServer(t, "master")
			tg := ssh.Target{Name: "node1"}
			c.take(t, s, &tg)
			before := s.logins()
			works(t, s.pool(t).Dialer(tg))
			if n := s.logins(); n != before+1 {
				t.Errorf("%d logins, want %d", n, before+1)
			}
		})
	}
}

// A master that takes us in and says nothing is not waited for longer than for the host.
func TestSilentMaster(t *testing.T) {
	s := sharedServer(t, "master")
	l := listener(t, s)
	works(t, s.pool(t).Dialer(ssh.Target{Name: "node1", ConnectTimeout: 500e6}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.pool(t).Dialer(ssh.Target{Name: "node1"}).Dial(ctx); err == nil {
		t.Error("connected after all was cancelled")
	}
	l.Close()
}

// listener takes connections at the place of a master.
func listener(t *testing.T, s shared) *net.UnixListener {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	t.Cleanup(func() { l.Close() })
	return l
}

// answer says a word to whoever comes, and closes.
func answer(l net.Listener, word string) {
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(word))
			c.Close()
		}
	}()
}
