package ssh_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/remotetest"
	"cvsplay/engine/remote/ssh"
)

// away is a target that takes long to connect to.
func away(s *remotetest.Server, user string) ssh.Target {
	tg := target(s, user)
	tg.Dial = func(ctx context.Context) (net.Conn, error) {
		time.Sleep(10 * time.Millisecond)
		return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(tg.Address, strconv.Itoa(tg.Port)))
	}
	return tg
}

// words are the script's own shell's: the program, where the shell was started with it.
const words = "tr '\\000' ' ' </proc/$$/cmdline"

func TestFirstProgramIsCarriedFar(t *testing.T) {
	s := remotetest.Sshd(t)
	noise := "echo welcome; echo 'to the node' >&2\nprintf 'no newline'\n"
	for _, a := range []remotetest.Account{
		{Suffix: "-sh", Shell: "/bin/sh"},
		{Suffix: "-bash", Shell: "/bin/bash", Home: map[string]string{".bashrc": noise, ".profile": noise}},
		{Suffix: "-csh", Shell: "/bin/csh", Home: map[string]string{".cshrc": "echo welcome\n", ".login": "echo x\n"}},
		{Suffix: "-fish", Shell: "/usr/bin/fish"},
		{Suffix: "-mksh", Shell: "/bin/mksh"},
		{Suffix: "-ksh", Shell: "/bin/ksh93"},
	} {
		t.Run(strings.TrimPrefix(a.Suffix, "-"), func(t *testing.T) {
			remotetest.Need(t, a.Shell)
			c := dial(t, away(s, a.Make(t)))
			got := c.Run(t.Context(), []remote.Script{
				{Text: words}, {Text: "echo \"$1\"; cat; exit 3", Args: []string{"$HOME `x` 'y'\n!!\\"}}, {Text: "echo $$"}, {Text: "pwd; echo b >&2; echo $("},
			})
			if !strings.Contains(string(got[0].Stdout.Bytes), "base64") {
				t.Errorf("not carried: %s", show(got[0]))
			}
			want(t, got[1], `ended 3 "$HOME `+"`x`"+` 'y'\n!!\\\n" ""`)
			if got[3].State != remote.Ended || got[3].Code == 0 {
				t.Errorf("a text that no shell can read: %s", show(got[3]))
			}
			// The shell that it becomes is the same process, and has the words of every other.
			after := c.Run(t.Context(), []remote.Script{{Text: "echo $$"}, {Text: words}, {Foreign: true, Text: "cat", Stdin: []byte("in\n")}})
			want(t, after[0], show(got[2]))
			if strings.Contains(string(after[1].Stdout.Bytes), "base64") {
				t.Errorf("it keeps its first words: %s", show(after[1]))
			}
			want(t, after[2], `ended 0 "in\n" ""`)
		})
	}
}

func TestWhatIsNotCarried(t *testing.T) {
	s := remotetest.Sshd(t)
	user := remotetest.Account{}.Make(t)
	noise := make([]byte, 100<<10)
	rand.Read(noise)
	for _, c := range []struct {
		name   string
		script remote.Script
		near   bool
	}{
		{"standard input", remote.Script{Stdin: []byte("secret\n")}, false},
		{"environment", remote.Script{Env: []remote.EnvVar{{Name: "S", Value: "secret"}}}, false},
		{"a person's text", remote.Script{Foreign: true}, false},
		{"a link of a chain", remote.Script{Link: &remote.Link{Chain: "ab", First: true}}, false},
		{"what is too long", remote.Script{Args: []string{hex.EncodeToString(noise)}}, false},
		{"to a host that is near", remote.Script{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			tg := away(s, user)
			if c.near {
				tg.Dial = nil
			}
			c.script.Text = "tr '\\000' ' ' </proc/$PPID/cmdline; " + words
			e := run(t, dial(t, tg), c.script)
			if e.State != remote.Ended || strings.Contains(string(e.Stdout.Bytes), "base64") {
				t.Error(show(e))
			}
		})
	}
}

// A host that cannot read a program that it is given at the start gets it as any other does.
func TestHostThatCannotBeCarriedTo(t *testing.T) {
	s := remotetest.Sshd(t)
	user := remotetest.Account{Suffix: "-bare", Shell: "/bin/bash", Home: map[string]string{".bashrc": "PATH=/nowhere\n"}}.Make(t)
	c := dial(t, away(s, user))
	for range 2 {
		want(t, run(t, c, remote.Script{Text: "echo fine"}), `ended 0 "fine\n" ""`)
	}
	want(t, run(t, dial(t, away(s, remotetest.Account{Suffix: "-nologin", Shell: "/usr/sbin/nologin"}.Make(t))), remote.Script{Text: "echo fine"}),
		`not started 0 "" "" (no shell: the login shell ended without running /bin/sh, saying: This account is currently not available.)`)
}

func TestCarriedProgramThatTakesTooLong(t *testing.T) {
	s := remotetest.Sshd(t)
	c := dial(t, away(s, remotetest.Account{}.Make(t)))
	w := word()
	got := c.Run(t.Context(), []remote.Script{{Text: "echo a"}, {Text: "(sleep " + w + " & ); sleep " + w, Limit: 300 * time.Millisecond}, {Text: "echo after"}})
	want(t, got[0], `ended 0 "a\n" ""`)
	want(t, got[1], `timed out 0 "" "" (took longer than 300ms)`)
	want(t, got[2], `ended 0 "after\n" ""`)
	if left := remotetest.Alive(t, w); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// Everybody on the host can read a program that is carried, and the word that its markers begin with. Nobody can forge one of the next program by that.
func TestCarriedMarkersAreOfNoUse(t *testing.T) {
	s := remotetest.Sshd(t)
	c := dial(t, away(s, remotetest.Account{}.Make(t)))
	first := run(t, c, remote.Script{Text: words})
	packed := regexp.MustCompile(`echo ([A-Za-z0-9+/=]+)\|base64`).FindSubmatch(first.Stdout.Bytes)
	if packed == nil {
		t.Fatalf("not carried: %s", show(first))
	}
	unpack, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(packed[1])))
	if err != nil {
		t.Fatal(err)
	}
	program, err := io.ReadAll(unpack)
	if err != nil {
		t.Fatal(err)
	}
	mark := regexp.MustCompile(`echo (\S+) e 0 `).FindSubmatch(program)
	if mark == nil {
		t.Fatalf("no marker in %q", program)
	}
	var forged strings.Builder
	for number := range 10 {
		fmt.Fprintf(&forged, "%s e %d 7\n", mark[1], number)
	}
	want(t, run(t, c, remote.Script{Text: "cat", Stdin: []byte(forged.String())}), fmt.Sprintf("ended 0 %q \"\"", forged.String()))
}
