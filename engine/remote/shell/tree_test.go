package shell

import (
	"strings"
	"testing"
)

func TestTree(t *testing.T) {
	// pid (name) state ppid pgrp session … start, as in proc(5)
	stat := func(pid, name, state, ppid, session string) string {
		return "/proc/" + pid + "/stat:" + pid + " (" + name + ") " + state + " " + ppid + " " + session + " " + session + " 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9" + pid + " 0 0\n"
	}
	host := stat("1", "init", "S", "0", "1") + stat("100", "sh", "S", "1", "100")
	for _, c := range []struct {
		name, stats, marks string
		shell              int
		frame              string
		want               string
	}{
		{"the shell and its child", stat("101", "a", "S", "100", "100"), "", 100, "f", "100 sh, 101 a"},
		{"a child in its own session", stat("101", "a", "S", "100", "101"), "", 100, "f", "100 sh, 101 a"},
		{"an orphan of the shell's session", stat("101", "a", "S", "1", "100"), "", 100, "f", "100 sh, 101 a"},
		{"an orphan with the mark and its child", stat("101", "a", "S", "1", "101") + stat("102", "b", "S", "101", "102"), "/proc/101/environ:CVSPLAY_FRAME=f\n", 100, "f", "100 sh, 101 a, 102 b"},
		{"another script's process", stat("101", "a", "S", "1", "100") + stat("102", "b", "S", "100", "100"), "/proc/101/environ:CVSPLAY_FRAME=e\n/proc/102/environ:CVSPLAY_FRAME=e\n", 100, "f", "100 sh"},
		{"a stranger", stat("101", "a", "S", "1", "101"), "", 100, "f", "100 sh"},
		{"a zombie's child", stat("101", "a", "Z", "100", "100") + stat("102", "b", "S", "101", "5"), "", 100, "f", "100 sh, 102 b"},
		{"by mark alone", stat("101", "a", "S", "100", "100"), "/proc/101/environ:CVSPLAY_FRAME=f\n", 0, "f", "101 a"},
		{"names that lie", stat("101", "x) S 1 1 1 (y", "S", "1", "101") + stat("102", "a\n/proc/103/stat:103 (z", "S", "100", "102"), "", 100, "f", "100 sh, 102 a\n/proc/103/stat:103 (z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := strings.ReplaceAll(host+c.stats, "\n/proc/103", "\n/proc/102/stat:/proc/103") + "\n" + c.marks
			got := strings.Join(names(newTree(c.shell, c.frame).living(parseSnapshot([]byte(out)))), ", ")
			if got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestTreeRemembersWhoLostTheirParents(t *testing.T) {
	tree := newTree(100, "f")
	first := snapshot{100: {pid: 100, parent: 1, session: 100, start: "1", name: "sh"}, 101: {pid: 101, parent: 100, session: 101, start: "2", name: "a"}}
	tree.living(first)
	later := snapshot{101: {pid: 101, parent: 1, session: 101, start: "2", name: "a"}, 100: {pid: 100, parent: 1, session: 7, start: "9", name: "another with the shell's pid"}}
	if got := strings.Join(names(tree.living(later)), ", "); got != "101 a" {
		t.Errorf("got %q", got)
	}
}

// Where a server gives all shells of a connection its own session, being in it makes nobody one of ours.
func TestSessionThatIsTheServers(t *testing.T) {
	server := process{pid: 90, parent: 1, session: 90, start: "1", name: "dropbear"}
	procs := snapshot{
		90: server, 100: {pid: 100, parent: 90, session: 90, start: "2", name: "sh"}, 101: {pid: 101, parent: 100, session: 90, start: "3", name: "a"},
		102: {pid: 102, parent: 1, session: 90, start: "4", name: "somebody else's"}, 200: {pid: 200, parent: 90, session: 90, start: "5", name: "the killer"},
	}
	tree := newTree(100, "f")
	tree.killer = 200
	if got := strings.Join(names(tree.living(procs)), ", "); got != "100 sh, 101 a" {
		t.Errorf("got %q", got)
	}
}
