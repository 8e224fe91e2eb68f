package ssh_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/become"
	"cvsplay/engine/remote/remotetest"
	"cvsplay/engine/remote/ssh"
)

// eventually waits for a condition that must come.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// word is a number of seconds to sleep that no other process sleeps.
func word() string { return fmt.Sprintf("98766.%d", time.Now().UnixNano()%1_000_000_000) }

// proxied is a target behind a proxy.
func proxied(t testing.TB, s *remotetest.Server, user string) (ssh.Target, *remotetest.Proxy) {
	t.Helper()
	p := remotetest.NewProxy(t, net.JoinHostPort(s.Host, fmt.Sprint(s.Port)))
	tg := target(s, user)
	tg.Port, tg.HostKeys = p.Port, ssh.HostKeysOff
	return tg, p
}

func TestConnectionKilledInTheMiddle(t *testing.T) {
	s := remotetest.Sshd(t)
	tg, proxy := proxied(t, s, remotetest.Account{}.Make(t))
	d := pool(t, ssh.Options{}).Dialer(tg)
	c, err := d.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	count, w := "/home/cvsplaytest/count", word()
	got := c.Run(t.Context(), []remote.Script{
		{Text: "echo before"},
		{Text: "echo x >>$1; echo begun; sleep " + w, Args: []string{count}, Output: func(remote.Stream, []byte) { proxy.Reset() }},
		{Text: "echo never"},
	})
	want(t, got[0], `ended 0 "before\n" ""`)
	if got[1].State != remote.Lost || string(got[1].Stdout.Bytes) != "begun\n" || !strings.HasPrefix(got[1].Why, "connection lost: ") {
		t.Errorf("cut script: %s", show(got[1]))
	}
	if got[2].State != remote.Lost {
		t.Errorf("the script behind it was sent: %s", show(got[2]))
	}
	if n := contents(t, count); n != "x\n" {
		t.Errorf("ran: %q", n)
	}
	after := run(t, c, remote.Script{Text: "echo again"})
	if after.State != remote.NotStarted {
		t.Errorf("on the dead connection: %s", show(after))
	}

	// The next connection ends what the lost one left running, before it does anything else.
	eventually(t, "the lost script runs on", func() bool { return len(remotetest.Alive(t, w)) > 0 })
	works(t, d)
	if left := remotetest.Alive(t, w); len(left) > 0 {
		t.Errorf("left running: %q", left)
	}
}

func TestHalfOpenConnection(t *testing.T) {
	before := runtime.NumGoroutine()
	s := remotetest.Sshd(t)
	tg, proxy := proxied(t, s, remotetest.Account{}.Make(t))
	tg.Keepalive = 200 * time.Millisecond
	d := pool(t, ssh.Options{}).Dialer(tg)
	c, err := d.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := word()
	var began time.Time
	e := run(t, c, remote.Script{Text: "echo begun; sleep " + w, Output: func(remote.Stream, []byte) {
		began = time.Now()
		proxy.Set(remotetest.Faults{BlackHole: true})
	}})
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("noticed after %s", took)
	}
	if e.State != remote.Lost || e.Why != "connection lost: no sign of life for 600ms" {
		t.Error(show(e))
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	proxy.Close()
	proxy.Set(remotetest.Faults{})
	settled(t, before+3) // proxy's and test's own
	remotetest.Kill(t, w)
}

func TestIdleConnectionThatBroke(t *testing.T) {
	s := remotetest.Sshd(t)
	tg, proxy := proxied(t, s, remotetest.Account{}.Make(t))
	c := dial(t, tg)
	want(t, run(t, c, remote.Script{Text: "echo a"}), `ended 0 "a\n" ""`)
	proxy.HalfClose()
	eventually(t, "the connection is seen to be gone", func() bool {
		return run(t, c, remote.Script{Text: "echo a"}).State == remote.NotStarted
	})
}

func TestTimeLimitOverSSH(t *testing.T) {
	// One session on each connection: the kill has to find its own way.
	for _, sessions := range []string{"10", "1"} {
		t.Run("MaxSessions "+sessions, func(t *testing.T) {
			s := remotetest.Sshd(t, "MaxSessions "+sessions)
			c := dial(t, target(s, remotetest.Account{}.Make(t)))
			w := word()
			got := c.Run(t.Context(), []remote.Script{
				{Foreign: true, Text: "trap '' TERM; setsid -f sleep " + w + "; (sleep " + w + " & ); sleep " + w + "; sleep " + w, Limit: 300 * time.Millisecond},
				{Text: "echo after"},
			})
			want(t, got[0], `timed out 0 "" "" (took longer than 300ms)`)
			want(t, got[1], `ended 0 "after\n" ""`)
			if left := remotetest.Alive(t, w); len(left) > 0 || len(got[0].Survivors) > 0 {
				t.Errorf("survivors: %q, told %q", left, got[0].Survivors)
			}
		})
	}
}

func TestSurvivorsAreListed(t *testing.T) {
	remotetest.Need(t, "sudo")
	s := remotetest.Sshd(t)
	user := remotetest.Account{Suffix: "-sudo", Sudoers: "USER ALL=(ALL) NOPASSWD: ALL"}.Make(t)
	c := dial(t, target(s, user))
	w := word()
	e := run(t, c, remote.Script{Text: "sudo -n sh -c \"trap '' TERM HUP; sleep " + w + "; sleep " + w + "\"", Limit: 3 * time.Second}) // enough for sudo to begin, on a busy machine too
	if e.State != remote.TimedOut || !strings.Contains(strings.Join(e.Survivors, "\n"), " sleep") {
		t.Errorf("%s, survivors %q", show(e), e.Survivors)
	}
	remotetest.Kill(t, w)
}

func TestCloseLeavesNothing(t *testing.T) {
	s := remotetest.Sshd(t)
	user := remotetest.Account{}.Make(t)
	before := runtime.NumGoroutine()
	p := ssh.NewPool(ssh.Options{ConfigFiles: []string{}, Home: t.TempDir(), AgentSocket: "/no/agent"})
	c, err := p.Dialer(target(s, user)).Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := run(t, c, remote.Script{Text: "echo $$"})
	pid := strings.TrimSpace(string(e.Stdout.Bytes))
	if err := c.Upload(t.Context(), "/home/cvsplaytest/file", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	w, begun := word(), make(chan bool)
	exits := make(chan []remote.Exit)
	go func() {
		exits <- c.Run(context.Background(), []remote.Script{{Text: "echo; sleep " + w, Output: func(remote.Stream, []byte) { close(begun) }}})
	}()
	<-begun
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if e := (<-exits)[0]; e.State != remote.Lost || e.Why != "connection closed" {
		t.Error(show(e))
	}
	if left := remotetest.Alive(t, w); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	settled(t, before)
	eventually(t, "the shell ends", func() bool { _, err := os.Stat("/proc/" + pid); return err != nil })
}

func TestBinaryAndLargeOverSSH(t *testing.T) {
	s := remotetest.Sshd(t)
	c := dial(t, target(s, remotetest.Account{}.Make(t)))
	in := make([]byte, 4<<20)
	rand.Read(in)
	arg := strings.Repeat("it's $HOME `x` \\ \"\n\x01\xff", 128<<10/21)
	size := 0
	got := c.Run(t.Context(), []remote.Script{
		{Foreign: true, Text: "cat", Stdin: in, Keep: 8 << 20},
		{Foreign: true, Text: `printf %s "$1"`, Args: []string{arg}},
		{Text: "head -c 104857600 /dev/zero; echo e >&2", Keep: 10, Output: func(_ remote.Stream, b []byte) { size += len(b) }},
		{Text: "echo end"},
	})
	if got[0].State != remote.Ended || !bytes.Equal(got[0].Stdout.Bytes, in) {
		t.Errorf("binary: %s, %d bytes", got[0].State, got[0].Stdout.Size)
	}
	if string(got[1].Stdout.Bytes) != arg {
		t.Errorf("argument: %s, %d bytes of %d", got[1].State, got[1].Stdout.Size, len(arg))
	}
	if got[2].Stdout.Size != 100<<20 || size != 100<<20+2 || len(got[2].Stdout.Bytes) != 10 {
		t.Errorf("large: %s, %d bytes, %d streamed", got[2].State, got[2].Stdout.Size, size)
	}
	want(t, got[3], `ended 0 "end\n" ""`)
}

func TestBecome(t *testing.T) {
	remotetest.Need(t, "sudo")
	s := remotetest.Sshd(t)
	const secret = "sup3r 'secret' $pw"
	me := remotetest.Account{Suffix: "-sudo"}
	for _, c := range []struct {
		name, sudoers, password, account string
		want                             string // an Exit, or what the refusal says
		state                            remote.State
	}{
		{"no password needed", "USER ALL=(ALL) NOPASSWD: ALL", "", "root", `ended 0 "root\n/root\n" ""`, remote.Ended},
		{"password not needed but given", "USER ALL=(ALL) NOPASSWD: ALL", "wrong", "root", `ended 0 "root\n/root\n" ""`, remote.Ended},
		{"password", "USER ALL=(ALL) ALL", secret, "root", `ended 0 "root\n/root\n" ""`, remote.Ended},
		{"another user", "USER ALL=(ALL) NOPASSWD: ALL", "", "cvsplaytest", `ended 0 "cvsplaytest\n/home/cvsplaytest\n" ""`, remote.Ended},
		{"itself", "", "", "cvsplaytest-sudo", `ended 0 "cvsplaytest-sudo\n/home/cvsplaytest-sudo\n" ""`, remote.Ended},
		{"lecture and secure_path", "Defaults:USER lecture=always, secure_path=\"/usr/bin:/bin\", !use_pty\nUSER ALL=(ALL) ALL", secret, "root", `ended 0 "root\n/root\n" ""`, remote.Ended},
		{"wrong password", "USER ALL=(ALL) ALL", "wrong", "root", "sudo does not accept the password", remote.Refused},
		{"no password", "USER ALL=(ALL) ALL", "", "root", "sudo wants a password and none is set", remote.Refused},
		{"requires a terminal", "Defaults:USER requiretty\nUSER ALL=(ALL) NOPASSWD: ALL", "", "root", "requiretty", remote.Refused},
		{"not in sudoers", "", secret, "root", "not in the sudoers file", remote.Refused},
		{"other commands only", "USER ALL=(ALL) NOPASSWD: /bin/true", secret, "root", "does not allow", remote.Refused},
		{"no such user", "USER ALL=(ALL) NOPASSWD: ALL", "", "nobody-of-this-name", "no such user", remote.Refused},
		{"a name that is an option", "USER ALL=(ALL) NOPASSWD: ALL", "", "-u", "no name of an account", remote.Refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			me := me
			me.Sudoers, me.Password = c.sudoers, secret
			tg := target(s, me.Make(t))
			tg.Become = become.Settings{Password: c.password}
			conn := dial(t, tg)
			got := conn.Run(t.Context(), []remote.Script{{Text: "id -un; pwd", Account: c.account}, {Text: "id -un"}})
			want(t, got[1], `ended 0 "cvsplaytest-sudo\n" ""`)
			if got[0].State != c.state {
				t.Errorf("got %s", show(got[0]))
			}
			if c.state == remote.Ended {
				want(t, got[0], c.want)
			} else {
				mentions(t, got[0].Why, c.want)
			}
			if c.password != "" && strings.Contains(got[0].Why, c.password+"x") {
				t.Errorf("the password is told: %s", got[0].Why)
			}
		})
	}
}

func TestBecomeKillsAndHidesThePassword(t *testing.T) {
	remotetest.Need(t, "sudo")
	s := remotetest.Sshd(t)
	const secret = "canary-73219-password"
	tg := target(s, remotetest.Account{Suffix: "-sudo", Password: secret, Sudoers: "USER ALL=(ALL) ALL"}.Make(t))
	tg.Become = become.Settings{Password: secret}
	c := dial(t, tg)
	w := word()
	look := `cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -c 'canary-7321[9]'`
	got := c.Run(t.Context(), []remote.Script{
		{Account: "root", Foreign: true, Text: look},
		{Account: "root", Foreign: true, Text: "cat", Stdin: []byte("root's own\n")},
		{Account: "root", Text: "setsid sleep " + w, Limit: 300 * time.Millisecond},
		{Account: "root", Text: "id -u"},
	})
	want(t, got[0], `ended 1 "0\n" ""`)
	want(t, got[1], `ended 0 "root's own\n" ""`)
	want(t, got[2], `timed out 0 "" "" (took longer than 300ms)`)
	want(t, got[3], `ended 0 "0\n" ""`)
	if left := remotetest.Alive(t, w); len(left) > 0 {
		t.Errorf("survivors: %q", left)
	}
}

func TestUpload(t *testing.T) {
	for _, c := range []struct {
		name, config string
		compression  ssh.Compression
	}{
		{"sftp", "", ssh.CompressionDefault},
		{"no subsystem", "Subsystem sftp /bin/false", ssh.CompressionDefault},
		{"one session", "MaxSessions 1", ssh.CompressionDefault},
		{"compressed", "MaxSessions 1", ssh.CompressionOn},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := remotetest.Sshd(t, strings.Split(c.config, "\n")...)
			user := remotetest.Account{}.Make(t)
			tg := target(s, user)
			tg.Compression = c.compression
			conn := dial(t, tg)
			home := "/home/" + user + "/"
			big := make([]byte, 3<<20+17)
			rand.Read(big[1<<20:]) // the begin is all the same
			for name, content := range map[string][]byte{"empty": nil, "big": big, "it's $HOME\n x": []byte("no newline"), "-n": []byte("\n")} {
				if err := conn.Upload(t.Context(), home+name, bytes.NewReader(content)); err != nil {
					t.Fatal(err)
				}
				if got := contents(t, home+name); got != string(content) {
					t.Errorf("%q: %d bytes of %d", name, len(got), len(content))
				}
				info, err := os.Stat(home + name)
				if err != nil || info.Mode() != 0o600 {
					t.Errorf("%q: mode %v, %v", name, info.Mode(), err)
				}
			}
			if err := conn.Upload(t.Context(), "-relative", strings.NewReader("x")); err != nil || contents(t, home+"-relative") != "x" {
				t.Errorf("relative: %v", err)
			}

			fails := func(what, path string, r io.Reader, words ...string) {
				t.Helper()
				err := conn.Upload(t.Context(), path, r)
				if err == nil {
					t.Errorf("%s: no error", what)
					return
				}
				mentions(t, err.Error(), words...)
			}
			fails("exists", home+"empty", strings.NewReader("x"), "file exists")
			if contents(t, home+"empty") != "" {
				t.Error("the file that was there has changed")
			}
			if err := os.Symlink("/home/"+user+"/target", home+"link"); err != nil {
				t.Fatal(err)
			}
			fails("symbolic link", home+"link", strings.NewReader("x"), "file exists")
			fails("no directory", home+"no/such", strings.NewReader("x"), "no/such")
			fails("not allowed", "/etc/cvsplaytest", strings.NewReader("x"), "ermission denied")
			broken := errors.New("the reader broke")
			fails("reader breaks", home+"broken", io.MultiReader(bytes.NewReader(big), failing{broken}), broken.Error())
			for _, name := range []string{"broken", "target"} {
				if _, err := os.Lstat(home + name); err == nil {
					t.Errorf("%s is there", name)
				}
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestUploadToAFullDisk(t *testing.T) {
	remotetest.Need(t, "root")
	s := remotetest.Sshd(t)
	user := remotetest.Account{}.Make(t)
	disk := filepath.Join("/home", user, "disk")
	if err := os.Mkdir(disk, 0o777); err != nil {
		t.Fatal(err)
	}
	remotetest.Run(t, "mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "tmpfs", disk)
	t.Cleanup(func() { remotetest.Run(t, "umount", "-l", disk) })
	for _, compression := range []ssh.Compression{ssh.CompressionOff, ssh.CompressionOn} {
		tg := target(s, user)
		tg.Compression = compression
		err := dial(t, tg).Upload(t.Context(), disk+"/file", bytes.NewReader(make([]byte, 2<<20)))
		if err == nil {
			t.Fatal("no error")
		}
		mentions(t, err.Error(), "No space left on device", "1024")
		if _, err := os.Lstat(disk + "/file"); err == nil {
			t.Error("the part that was written is still there")
		}
	}
}

func TestCompression(t *testing.T) {
	s := remotetest.Sshd(t)
	user := remotetest.Account{}.Make(t)
	bare := remotetest.Account{Suffix: "-bare", Shell: "/bin/bash", Home: map[string]string{".bashrc": "gzip() { :; }; [ -z \"$BASH_EXECUTION_STRING\" ] || case $BASH_EXECUTION_STRING in *base64*) PATH=/nowhere ;; esac\n"}}.Make(t)
	config := file(t, "config", "Compression yes\n")
	noise := make([]byte, 4<<20)
	rand.Read(noise)
	zeros := make([]byte, len(noise))
	for _, c := range []struct {
		name    string
		take    func(*ssh.Target)
		content []byte
		packed  bool
	}{
		{"by default", func(*ssh.Target) {}, zeros, false},
		{"on", func(tg *ssh.Target) { tg.Compression = ssh.CompressionOn }, zeros, true},
		{"of what is compressed already", func(tg *ssh.Target) { tg.Compression = ssh.CompressionOn }, noise, false},
		{"as ssh_config says", func(tg *ssh.Target) { tg.Config = ssh.ConfigOn }, zeros, true},
		{"not as ssh_config says", func(tg *ssh.Target) { tg.Config, tg.Compression = ssh.ConfigOn, ssh.CompressionOff }, zeros, false},
		{"to a host that cannot unpack", func(tg *ssh.Target) { tg.User, tg.Compression = bare, ssh.CompressionOn }, zeros, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			tg, proxy := proxied(t, s, user)
			c.take(&tg)
			conn, err := pool(t, ssh.Options{ConfigFiles: []string{config}}).Dialer(tg).Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			path := filepath.Join("/home", tg.User, strings.ReplaceAll(c.name, " ", "-"))
			if err := conn.Upload(t.Context(), path, bytes.NewReader(c.content)); err != nil {
				t.Fatal(err)
			}
			if contents(t, path) != string(c.content) {
				t.Error("another file arrived")
			}
			if sent := proxy.ToServer(); (sent < int64(len(c.content))/4) != c.packed {
				t.Errorf("%d bytes were sent for %d", sent, len(c.content))
			}
		})
	}
}
