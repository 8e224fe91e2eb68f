package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/shell"
)

// tree starts processes that carry a mark: a child, one in a session of its own, one whose parents are gone, one with an empty environment, one
// that is stopped, and if told so one that ignores TERM. It returns once all are there, with their numbers.
func tree(t *testing.T, mark string, deaf bool) []int {
	t.Helper()
	dir := t.TempDir()
	const text = `cd "$1"
sleep 1000 & echo $! >child
setsid sleep 1000 & echo $! >session
( ( sleep 1000 & echo $! >orphan ) & )
env -i sleep 1000 & echo $! >empty
if $2; then sh -c 'trap "" TERM; echo $$ >deaf; while :; do sleep 1000; done' & else echo $$ >deaf; fi
sleep 1000 & kill -s STOP $!; echo $! >stopped
while ! [ -s deaf ] || ! [ -s orphan ]; do sleep 0.05; done
echo up
wait
`
	cmd := exec.Command("/bin/sh", "-c", text, "sh", dir, strconv.FormatBool(deaf))
	cmd.Env = append(os.Environ(), placeVar+"="+mark)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	t.Cleanup(func() { // what ended already is not there to be ended
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		for _, pid := range alive(pids) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = cmd.Wait()
	})
	if n, err := out.Read(make([]byte, 3)); n != 3 {
		t.Fatalf("%d, %v", n, err)
	}
	pids = []int{cmd.Process.Pid}
	for _, name := range []string{"child", "session", "orphan", "empty", "deaf", "stopped"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		var pid int
		if _, scanErr := fmt.Sscan(string(text), &pid); err != nil || scanErr != nil {
			t.Fatal(name, err, scanErr)
		}
		pids = append(pids, pid)
	}
	return pids
}

// alive tells which processes are there and have not ended.
func alive(pids []int) []int {
	var out []int
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if _, rest, ok := strings.Cut(string(stat), ") "); err == nil && ok && !strings.HasPrefix(rest, "Z") {
			out = append(out, pid)
		}
	}
	return out
}

func TestReapInShells(t *testing.T) {
	for name, sh := range shells(t) {
		t.Run(name, func(t *testing.T) {
			mine, others := tree(t, shell.Nonce(), false), shell.Nonce()
			cmd := exec.Command(sh[0], append(sh[1:], "-s", others)...)
			cmd.Stdin = strings.NewReader(reapScript)
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != "end\n" || len(alive(mine)) != len(mine) {
				t.Fatalf("with nothing to end: %q, %v, %v", out, err, alive(mine))
			}
			mark := shell.Nonce()
			marked := tree(t, mark, name == "sh") // which takes the five seconds that are granted
			cmd = exec.Command(sh[0], append(sh[1:], "-s", mark)...)
			cmd.Stdin = strings.NewReader(reapScript)
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != "end\n" {
				t.Errorf("%q, %v", out, err)
			}
			if left := alive(marked); left != nil {
				t.Errorf("%v live on of %v", left, marked)
			}
			if len(alive(mine)) != len(mine) {
				t.Error("others were ended")
			}
		})
	}
}

// reapConn answers what a reaper asks.
type reapConn struct {
	remote.Conn
	exit remote.Exit
	asks []remote.Script
}

func (c *reapConn) Run(_ context.Context, scripts []remote.Script) []remote.Exit {
	c.asks = append(c.asks, scripts...)
	return []remote.Exit{c.exit}
}

func (c *reapConn) Close() error { return nil }

func TestReapMendsTheExit(t *testing.T) {
	said := func(out, words string) remote.Exit {
		return remote.Exit{State: remote.Ended, Stdout: remote.Output{Bytes: []byte(out)}, Stderr: remote.Output{Bytes: []byte(words)}}
	}
	for _, c := range []struct {
		name  string
		exit  remote.Exit // of the script
		reply remote.Exit // of the reaper
		want  string      // survivors and words
		asked bool
	}{
		{"it ended", remote.Exit{State: remote.Ended}, said("", ""), "[] ", false},
		{"nothing is left", remote.Exit{State: remote.TimedOut, Why: "late", Survivors: []string{"7 sudo", "8 docker"}}, said("end\n", ""), "[] late", true},
		{"some are left", remote.Exit{State: remote.TimedOut, Why: "late", Survivors: []string{"7 sudo", "8 docker"}}, said("31 dd\nend\nhost 8\n", ""), "[8 docker 31 dd (inside box)] late", true},
		{"it was lost", remote.Exit{State: remote.Lost, Why: "reset"}, said("end\n", ""), "[] reset", true},
		{"nobody can tell", remote.Exit{State: remote.TimedOut, Why: "late", Survivors: []string{"7 sudo"}}, said("", "Error: no such container\nmore"),
			"[7 sudo] late; what it left running inside container box could not be ended: Error: no such container", true},
		{"the host is gone", remote.Exit{State: remote.Lost, Why: "reset"}, remote.Exit{State: remote.NotStarted, Why: "no route", Err: errors.New("no route")},
			"[] reset; what it left running inside container box could not be ended: no route", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := &reapConn{exit: c.reply}
			n := &node{run: &run{}, conn: conn}
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // what is to be ended is ended all the same
			n.reap(ctx, frame{reaper: newReaper(place{name: "box"})}, &c.exit)
			if got := fmt.Sprint(c.exit.Survivors, " ", c.exit.Why); got != c.want || (len(conn.asks) == 1) != c.asked {
				t.Errorf("got %s, want %s; asked %d times", got, c.want, len(conn.asks))
			}
		})
	}
}
