package shell_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/local"
	"cvsplay/engine/remote/remotetest"
	"cvsplay/engine/remote/shell"
)

// shells are the /bin/sh of the distributions.
var shells = []string{"dash", "bash", "busybox", "mksh", "ksh"}

// A starter runs one of them as the session's shell.
type starter []string

func (s starter) Start(ctx context.Context, _ string) (shell.Process, error) {
	return local.Start(ctx, "/", s...)
}

// eachShell runs a test on a host of each kind.
func eachShell(t *testing.T, test func(*testing.T, *shell.Host)) {
	for _, name := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, host(t, name))
		})
	}
}

func host(t *testing.T, name string) *shell.Host {
	remotetest.Need(t, name)
	command := starter{remotetest.Command(name)}
	switch name {
	case "busybox":
		command = append(command, "sh")
	case "bash":
		command = append(command, "--posix")
	}
	h := shell.NewHost(command, shell.Options{Grace: 300 * time.Millisecond})
	t.Cleanup(func() { h.Close() })
	return h
}

// everyByte holds all bytes that an argument can hold.
func everyByte() string {
	b := make([]byte, 0, 255)
	for c := 1; c < 256; c++ {
		b = append(b, byte(c))
	}
	return string(b)
}

// show is an Exit in one line.
func show(e remote.Exit) string {
	s := fmt.Sprintf("%s %d %q %q", e.State, e.Code, e.Stdout.Bytes, e.Stderr.Bytes)
	if e.Why != "" {
		s += " (" + e.Why + ")"
	}
	return s
}

func TestScripts(t *testing.T) {
	big := strings.Repeat("it's $HOME `x` \\ \"\n", 128<<10/19+1)
	awkward := everyByte() + "'\n\n-n\\c " + big
	for _, c := range []struct {
		name   string
		script remote.Script
		want   string
	}{
		{"nothing", remote.Script{}, `ended 0 "" ""`},
		{"streams", remote.Script{Text: "echo out; echo err >&2; exit 7"}, `ended 7 "out\n" "err\n"`},
		{"no newline at the end", remote.Script{Text: "printf a; printf b >&2"}, `ended 0 "a" "b"`},
		{"syntax error in our own text", remote.Script{Text: "echo 'unclosed"}, ""},
		{"here-document in our own text", remote.Script{Text: "cat <<X\na\nb\nX\n"}, `ended 0 "a\nb\n" ""`},
		{"here-document in our own text with stdin", remote.Script{Text: "cat <<X\na\nX\ncat", Stdin: []byte("in\n")}, `ended 0 "a\nin\n" ""`},
		{"locale", remote.Script{Text: "echo $LC_ALL"}, `ended 0 "C\n" ""`},
		{"arguments", remote.Script{Text: `echo $#; printf '%s|' "$@"`, Args: []string{"a b", "", "$x", "-n"}}, `ended 0 "4\na b||$x|-n|" ""`},
		{"directory", remote.Script{Text: "pwd", Dir: "/usr"}, `ended 0 "/usr\n" ""`},
		{"stdin is not the program", remote.Script{Text: "cat; read x; echo $?"}, `ended 0 "1\n" ""`},
		{"stdin", remote.Script{Text: "cat", Stdin: []byte("a\nb\n")}, `ended 0 "a\nb\n" ""`},
		{"stdin without newline", remote.Script{Text: "cat", Stdin: []byte("a\nb")}, `ended 0 "a\nb" ""`},
		{"stdin with NUL", remote.Script{Text: "cat", Stdin: []byte("a\x00b\n")}, `ended 0 "a\x00b\n" ""`},
		{"stdin left unread", remote.Script{Text: "exit 3", Stdin: []byte(big + "x")}, `ended 3 "" ""`},
		{"environment", remote.Script{Text: `printf %s "$A" | cat; env | grep -c '^A='`, Env: []remote.EnvVar{{Name: "A", Value: "x' $y"}}}, `ended 0 "x' $y1\n" ""`},
		{"exit of a signal", remote.Script{Text: "sh -c 'kill -9 $$'"}, ""},
		{"options stay inside", remote.Script{Text: "set -eu; cd /; exec 2>&1; false; echo no"}, `ended 1 "" ""`},

		{"foreign", remote.Script{Foreign: true, Text: "echo \"$1\"; cat; exit 4", Args: []string{"a b"}, Stdin: []byte("in\n")}, `ended 4 "a b\nin\n" ""`},
		{"foreign stdin with NUL", remote.Script{Foreign: true, Text: "cat", Stdin: []byte("a\x00b")}, `ended 0 "a\x00b" ""`},
		{"foreign without stdin", remote.Script{Foreign: true, Text: "cat; echo end"}, `ended 0 "end\n" ""`},
		{"foreign unclosed quote", remote.Script{Foreign: true, Text: "echo 'unclosed"}, ""},
		{"foreign interpreter", remote.Script{Foreign: true, Text: "#!/bin/cat\nx y\n"}, `ended 0 "#!/bin/cat\nx y\n" ""`},
		{"foreign interpreter with an option", remote.Script{Foreign: true, Text: "#!/bin/sh -e\nfalse\necho no\n"}, `ended 1 "" ""`},
		{"foreign interpreter by env", remote.Script{Foreign: true, Text: "#!/usr/bin/env bash\n[[ -n $BASH_VERSION ]] && echo \"$1\"\n", Args: []string{"x"}}, `ended 0 "x\n" ""`},
		{"foreign own process", remote.Script{Foreign: true, Text: "kill -TERM $$"}, ""},
		{"foreign environment", remote.Script{Foreign: true, Text: `echo "$LC_ALL $A"`, Env: []remote.EnvVar{{Name: "LC_ALL", Value: "C.UTF-8"}, {Name: "A", Value: "1"}}}, `ended 0 "C.UTF-8 1\n" ""`},
		{"foreign directory missing", remote.Script{Foreign: true, Text: `echo no`, Dir: "/no/such"}, ""},
		{"foreign big argument", remote.Script{Foreign: true, Text: `printf %s "$1"`, Args: []string{awkward}}, fmt.Sprintf(`ended 0 %q ""`, awkward)},

		{"every byte in an argument", remote.Script{Text: "cat <<X\n$1\nX\n", Args: []string{awkward}}, fmt.Sprintf(`ended 0 %q ""`, awkward+"\n")},
		{"every byte in stdin", remote.Script{Text: `cat`, Stdin: []byte(awkward)}, fmt.Sprintf(`ended 0 %q ""`, awkward)},
		{"every byte in a line of stdin", remote.Script{Text: `cat`, Stdin: []byte(awkward + "\n")}, fmt.Sprintf(`ended 0 %q ""`, awkward+"\n")},
		{"every byte in the environment", remote.Script{Foreign: true, Text: `printf %s "$A"`, Env: []remote.EnvVar{{Name: "A", Value: everyByte()}}}, fmt.Sprintf(`ended 0 %q ""`, everyByte())},
		{"every byte in our own text", remote.Script{Text: "cat <<'X'\n" + everyByte() + "\nX\n"}, fmt.Sprintf(`ended 0 %q ""`, everyByte()+"\n")},
		{"every byte in a foreign text", remote.Script{Foreign: true, Text: "#!/bin/cat\n" + everyByte() + "\n"}, fmt.Sprintf(`ended 0 %q ""`, "#!/bin/cat\n"+everyByte()+"\n")},

		{"NUL in an argument", remote.Script{Args: []string{"a", "b\x00"}}, `not started 0 "" "" (argument 2 holds a NUL byte)`},
		{"what is there already stands around a variable", remote.Script{Foreign: true, Text: `echo "$A $NONE"`,
			Env: []remote.EnvVar{{Name: "A", Value: "1"}, {Name: "A", Value: ":x y:", OwnBefore: true, OwnAfter: true}, {Name: "NONE", Value: "z", OwnAfter: true}}}, `ended 0 "1:x y:1 z\n" ""`},
		{"bad name of a variable", remote.Script{Env: []remote.EnvVar{{Name: "A-B"}}}, `not started 0 "" "" ("A-B" is no name of an environment variable)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachShell(t, func(t *testing.T, h *shell.Host) {
				after := remote.Script{Text: "echo after; echo after >&2"}
				got := h.Run(t.Context(), []remote.Script{after, c.script, after})
				const afterwards = `ended 0 "after\n" "after\n"`
				if show(got[0]) != afterwards || show(got[2]) != afterwards {
					t.Errorf("neighbours: %s, %s", show(got[0]), show(got[2]))
				}
				switch {
				case c.want != "" && show(got[1]) != c.want:
					t.Errorf("got  %.600s\nwant %.600s", show(got[1]), c.want)
				case c.want == "" && (got[1].State != remote.Ended || got[1].Code == 0):
					t.Errorf("got %s, want a failure", show(got[1]))
				}
			})
		})
	}
}

func TestSessionSurvivesHostileScripts(t *testing.T) {
	hostile := []string{
		"exec 1>&- 2>&-", "kill -9 $$", "cat >/dev/null", "set -n", "trap '' TERM; exit 9", ")", "}", "fi; echo", "$(", "<<X",
		"echo; }; ) ; exit", "exec 0</dev/full", "ulimit -f 0; echo x >/tmp/never", "while read -r l; do eval \"$l\"; done",
		"cd /; umask 777; unset PATH; LC_ALL=zz", "\\", "'", "\"", "`", "echo 'a\\",
	}
	eachShell(t, func(t *testing.T, h *shell.Host) {
		var scripts []remote.Script
		for _, text := range hostile {
			scripts = append(scripts, remote.Script{Foreign: true, Text: text}, remote.Script{Text: "umask; pwd; echo ok"})
		}
		umask := h.Run(t.Context(), []remote.Script{{Text: "umask; pwd; echo ok"}})[0]
		for i, e := range h.Run(t.Context(), scripts) {
			if e.State != remote.Ended {
				t.Errorf("%q: %s", scripts[i].Text, show(e))
			}
			if i%2 == 1 && show(e) != show(umask) {
				t.Errorf("after %q: %s", hostile[i/2], show(e))
			}
		}
	})
}

func TestMarkersCannotBeForged(t *testing.T) {
	eachShell(t, func(t *testing.T, h *shell.Host) {
		marker := strings.Repeat("0123456789abcdef", 2)
		forged := fmt.Sprintf("%s e 0 0\n%s e 1 0\n%s b 0 1\n", marker, marker, marker)
		text := "cat; cat /proc/$$/environ | tr '\\0' '\\n' | sed -n 's/^" + shell.FrameVar + "=\\(.*\\)/\\1 e 0 0/p'; exit 5"
		got := h.Run(t.Context(), []remote.Script{
			{Foreign: true, Text: text, Stdin: []byte(forged)},
			{Text: "echo next"},
		})
		out := string(got[0].Stdout.Bytes)
		if got[0].State != remote.Ended || got[0].Code != 5 || !strings.HasPrefix(out, forged) || !strings.HasSuffix(out, " e 0 0\n") {
			t.Errorf("forger: %s", show(got[0]))
		}
		if show(got[1]) != `ended 0 "next\n" ""` {
			t.Errorf("next: %s", show(got[1]))
		}
	})
}

func TestLargeOutput(t *testing.T) {
	eachShell(t, func(t *testing.T, h *shell.Host) {
		const size = 100 << 20
		sum, streamed := sha256.New(), 0
		script := remote.Script{
			Text: fmt.Sprintf("head -c %d /dev/zero | tr '\\0' x", size),
			Keep: 1000,
			Output: func(s remote.Stream, b []byte) {
				sum.Write(b)
				streamed += len(b)
			},
		}
		e := h.Run(t.Context(), []remote.Script{script})[0]
		if e.State != remote.Ended || e.Stdout.Size != size || streamed != size || !e.Stdout.Truncated() {
			t.Fatalf("%s: size %d, streamed %d", e.State, e.Stdout.Size, streamed)
		}
		if !bytes.Equal(e.Stdout.Bytes, bytes.Repeat([]byte("x"), 1000)) {
			t.Errorf("kept %d bytes", len(e.Stdout.Bytes))
		}
		if want := hex.EncodeToString(sum.Sum(nil)); e.Stdout.SHA256 != want {
			t.Errorf("hash %s, want %s", e.Stdout.SHA256, want)
		}
	})
}

func TestLargeStdinWhileOutputFlows(t *testing.T) {
	eachShell(t, func(t *testing.T, h *shell.Host) {
		in := bytes.Repeat([]byte("line of text\n"), 100_000)
		got := h.Run(t.Context(), []remote.Script{
			{Text: "head -c 300000 /dev/zero; cat", Stdin: in, Keep: 8 << 20},
			{Foreign: true, Text: "head -c 300000 /dev/zero; cat", Stdin: in, Keep: 8 << 20},
		})
		for _, e := range got {
			if e.State != remote.Ended || e.Stdout.Size != int64(300_000+len(in)) || !bytes.HasSuffix(e.Stdout.Bytes, in) {
				t.Errorf("%s, %d bytes: %s", e.State, e.Stdout.Size, e.Why)
			}
		}
	})
}

// A word to find a test's own processes by: a number of seconds to sleep.
func sleepWord(n int) string {
	return fmt.Sprintf("98765%d.%d", n, time.Now().UnixNano()%1_000_000_000)
}

func TestTimeLimitKillsTheTree(t *testing.T) {
	cases := []struct{ name, text string }{
		{"child", "sleep %s; echo no"},
		{"in the background", "sleep %s & sleep %[1]s & wait"},
		{"its own session", "setsid sleep %s; echo no"},
		{"detached", "setsid -f sleep %s; (setsid sh -c 'sleep %[1]s & sleep %[1]s') & sleep %[1]s"},
		{"double fork", "( ( sleep %s & ) & ); sleep %[1]s"},
		{"TERM ignored", "trap '' TERM; sleep %s; sleep %[1]s; sleep %[1]s"},
		{"TERM ignored, detached", "( trap '' TERM; setsid -f sleep %s ); sleep %[1]s"},
		{"stopped", "sh -c 'kill -STOP $$; sleep 1' sh %s; sleep %[1]s"},
		{"busy", ": %s; while :; do :; done"},
	}
	for _, name := range shells {
		t.Run(name, func(t *testing.T) {
			var all sync.WaitGroup
			some := make(chan struct{}, 4) // each looks at all processes of the machine
			for n, c := range cases {
				for _, foreign := range []bool{false, true} {
					h, word := host(t, name), sleepWord(n)
					all.Go(func() {
						some <- struct{}{}
						defer func() { <-some }()
						killedInTime(t, h, c.name, fmt.Sprintf("echo begun; "+c.text, word), word, foreign)
					})
				}
			}
			all.Wait()
		})
	}
}

func killedInTime(t *testing.T, h *shell.Host, name, text, word string, foreign bool) {
	got := h.Run(t.Context(), []remote.Script{
		{Text: "echo before"},
		{Text: text, Foreign: foreign, Limit: 300 * time.Millisecond},
		{Text: "echo after"},
		{Text: "sleep 0.4; echo in time", Limit: 30 * time.Second},
	})
	want := []string{`ended 0 "before\n" ""`, `timed out 0 "begun\n" "" (took longer than 300ms)`, `ended 0 "after\n" ""`, `ended 0 "in time\n" ""`}
	for i, e := range got {
		e.Stderr.Bytes = bytes.ReplaceAll(e.Stderr.Bytes, []byte("Terminated \n"), nil) // mksh tells
		if show(e) != want[i] {
			t.Errorf("%s: script %d: %s, want %s", name, i, show(e), want[i])
		}
	}
	if left := remotetest.Alive(t, word); len(left) > 0 || len(got[1].Survivors) > 0 {
		t.Errorf("%s: survivors: %q, told: %q", name, left, got[1].Survivors)
	}
}

func TestTimeLimitSparesWhatEarlierScriptsLeft(t *testing.T) {
	eachShell(t, func(t *testing.T, h *shell.Host) {
		word := sleepWord(7)
		h.Run(t.Context(), []remote.Script{{Text: "( nohup sleep " + word + " >/dev/null 2>&1 & )"}})
		defer remotetest.Kill(t, word)
		got := h.Run(t.Context(), []remote.Script{{Text: "sleep 100", Limit: 100 * time.Millisecond}})
		if got[0].State != remote.TimedOut {
			t.Fatal(show(got[0]))
		}
		if left := remotetest.Alive(t, word); len(left) != 1 {
			t.Errorf("the daemon of another script: %q", left)
		}
	})
}

func TestNothingIsSentAheadOfATimeOut(t *testing.T) {
	eachShell(t, func(t *testing.T, h *shell.Host) {
		got := h.Run(t.Context(), []remote.Script{
			{Text: "echo first", Ahead: true},
			{Text: "sleep 100", Limit: 100 * time.Millisecond},
			{Text: "echo never", Ahead: true},
			{Text: "echo last"},
		})
		for i, want := range []remote.State{remote.Ended, remote.TimedOut, remote.Withheld, remote.Ended} {
			if got[i].State != want {
				t.Errorf("script %d: %s, want %s", i, show(got[i]), want)
			}
		}
	})
}

func TestContextEnds(t *testing.T) {
	eachShell(t, func(t *testing.T, h *shell.Host) {
		word := sleepWord(8)
		ctx, cancel := context.WithCancel(t.Context())
		got := h.Run(ctx, []remote.Script{
			{Text: "echo ok"},
			{Text: "echo begun; sleep " + word, Output: func(remote.Stream, []byte) { cancel() }},
			{Text: "echo never"},
		})
		want := []string{`ended 0 "ok\n" ""`, `lost 0 "begun\n" "" (context canceled)`, `not started 0 "" "" (context canceled)`}
		for i, e := range got {
			e.Stderr.Bytes = bytes.ReplaceAll(e.Stderr.Bytes, []byte("Terminated \n"), nil) // mksh tells
			if show(e) != want[i] {
				t.Errorf("script %d: %s, want %s", i, show(e), want[i])
			}
		}
		if left := remotetest.Alive(t, word); len(left) > 0 {
			t.Errorf("survivors: %q", left)
		}
		if e := h.Run(t.Context(), []remote.Script{{Text: "echo again"}})[0]; show(e) != `ended 0 "again\n" ""` {
			t.Errorf("afterwards: %s", show(e))
		}
		if e := h.Run(ctx, []remote.Script{{Text: "echo again"}})[0]; show(e) != `not started 0 "" "" (context canceled)` {
			t.Errorf("after the end: %s", show(e))
		}
	})
}

func TestCloseKills(t *testing.T) {
	eachShell(t, func(t *testing.T, h *shell.Host) {
		word, begun := sleepWord(9), make(chan struct{})
		exits := make(chan []remote.Exit)
		go func() {
			exits <- h.Run(t.Context(), []remote.Script{{Text: "echo; sleep " + word, Output: func(s remote.Stream, _ []byte) {
				if s == remote.Stdout {
					close(begun)
				}
			}}})
		}()
		<-begun
		h.Close()
		if e := (<-exits)[0]; e.State != remote.Lost || e.Why != "connection closed" {
			t.Error(show(e))
		}
		if left := remotetest.Alive(t, word); len(left) > 0 {
			t.Errorf("survivors: %q", left)
		}
		if e := h.Run(t.Context(), []remote.Script{{}})[0]; show(e) != `not started 0 "" "" (connection closed)` {
			t.Error(show(e))
		}
	})
}

func TestShellKilledByItsScript(t *testing.T) {
	eachShell(t, func(t *testing.T, h *shell.Host) {
		kill := remote.Script{Foreign: true, Text: "kill -9 $PPID; echo killed"}
		got := h.Run(t.Context(), []remote.Script{{Text: "echo a"}, kill, {Text: "echo b"}})
		if show(got[0]) != `ended 0 "a\n" ""` || show(got[2]) != `ended 0 "b\n" ""` {
			t.Errorf("neighbours: %s, %s", show(got[0]), show(got[2]))
		}
		// Some shells run a subshell in their own process, so that it is only the script's own process that is killed.
		if got[1].State != remote.Lost && got[1].State != remote.Ended {
			t.Errorf("killer: %s", show(got[1]))
		}
	})
}

func TestIdleShellThatEnded(t *testing.T) {
	h := host(t, "dash")
	pid := strings.TrimSpace(string(h.Run(t.Context(), []remote.Script{{Text: "echo $$"}})[0].Stdout.Bytes))
	if err := killAndWait(pid); err != nil {
		t.Fatal(err)
	}
	if e := h.Run(t.Context(), []remote.Script{{Text: "echo fine"}})[0]; show(e) != `ended 0 "fine\n" ""` {
		t.Error(show(e))
	}
}

func killAndWait(pid string) error {
	k := shell.NewHost(starter{"/bin/sh"}, shell.Options{})
	defer k.Close()
	e := k.Run(context.Background(), []remote.Script{{Text: "kill -9 $1; while kill -0 $1; do sleep 0.01; done 2>/dev/null", Args: []string{pid}, Limit: 10 * time.Second}})[0]
	if e.State != remote.Ended {
		return fmt.Errorf("%s: %s", e.State, e.Why)
	}
	return nil
}

func TestNoShell(t *testing.T) {
	h := shell.NewHost(starter{"/bin/echo", "This account is currently not available."}, shell.Options{})
	defer h.Close()
	for range 2 {
		got := h.Run(t.Context(), []remote.Script{{Text: "echo a"}, {Text: "echo b"}})
		for _, e := range got {
			const want = `not started 0 "" "" (the login shell ended without running /bin/sh, saying: This account is currently not available.)`
			if show(e) != want {
				t.Error(show(e))
			}
		}
	}
}

func TestNoiseBeforeTheShell(t *testing.T) {
	h := shell.NewHost(starter{"/bin/sh", "-c", "echo welcome; printf 'no newline' >&2; head -c 1000000 /dev/urandom; exec /bin/sh"}, shell.Options{})
	defer h.Close()
	if e := h.Run(t.Context(), []remote.Script{{Text: "echo a; echo b >&2"}})[0]; show(e) != `ended 0 "a\n" "b\n"` {
		t.Error(show(e))
	}
}

func TestShellThatDoesNotComeUp(t *testing.T) {
	h := shell.NewHost(starter{"/bin/sleep", "100"}, shell.Options{StartLimit: 100 * time.Millisecond, Grace: time.Millisecond, KillLimit: time.Second})
	defer h.Close()
	e := h.Run(t.Context(), []remote.Script{{Text: "echo a"}})[0]
	if e.State != remote.Lost || !strings.HasPrefix(e.Why, "the shell did not come up in time") {
		t.Error(show(e))
	}
}
