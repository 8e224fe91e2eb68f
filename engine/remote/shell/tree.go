package shell

import (
	"bytes"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// snapshotScript lists every process of a host, and the mark of every process that the account may look at. grep puts the name of
// the file before each line, so that a process with a newline in its name cannot pass for another.
const snapshotScript = `grep -s -a '' /dev/null /proc/[0-9]*/stat
echo
grep -s -a -o '` + FrameVar + `=[0-9a-f]*' /dev/null /proc/[0-9]*/environ
:`

// A process is one process of a host, as /proc shows it.
type process struct {
	pid, parent, group, session int
	start                       string // in ticks since boot: with pid, who it is
	name                        string
	zombie                      bool
	frame                       string // the value of FrameVar in its environment, "" where there is none or it may not be read
}

// A snapshot is the processes of a host at one moment, by pid.
type snapshot map[int]process

var statLine = regexp.MustCompile(`(?s)^\d+ \((.*)\) (\S) (\d+) (-?\d+) (-?\d+) (.*)$`)

// parseSnapshot reads what snapshotScript printed.
func parseSnapshot(out []byte) snapshot {
	stats, marks, _ := bytes.Cut(out, []byte("\n\n"))
	texts := map[int]string{}
	for line := range strings.Lines(string(stats)) {
		if pid, text, ok := procLine(line, "/stat:"); ok {
			texts[pid] += text
		}
	}
	procs := snapshot{}
	for pid, text := range texts {
		if p, ok := parseStat(pid, text); ok {
			procs[pid] = p
		}
	}
	for line := range strings.Lines(string(marks)) {
		pid, text, ok := procLine(line, "/environ:")
		if p, known := procs[pid]; ok && known {
			_, p.frame, _ = strings.Cut(strings.TrimSpace(text), "=")
			procs[pid] = p
		}
	}
	return procs
}

// procLine takes "/proc/PID" and file off a line.
func procLine(line, file string) (pid int, text string, ok bool) {
	path, text, ok := strings.Cut(line, file)
	if !ok {
		return 0, "", false
	}
	pid, err := strconv.Atoi(strings.TrimPrefix(path, "/proc/"))
	return pid, text, err == nil
}

// parseStat reads /proc/PID/stat, see proc(5).
func parseStat(pid int, text string) (process, bool) {
	m := statLine.FindStringSubmatch(strings.TrimRight(text, "\n"))
	if m == nil {
		return process{}, false
	}
	p := process{pid: pid, name: m[1], zombie: m[2] == "Z" || m[2] == "X"}
	p.parent, _ = strconv.Atoi(m[3])
	p.group, _ = strconv.Atoi(m[4])
	p.session, _ = strconv.Atoi(m[5])
	const startTime = 22 - 7 // field 22, and field 7 is the first of the rest
	if rest := strings.Fields(m[6]); len(rest) > startTime {
		p.start = rest[startTime]
	}
	return p, true
}

// A tree is the processes of some jobs of one session, wherever they moved. It grows with every snapshot and forgets nobody: a
// process whose parent has died is still known.
type tree struct {
	shell  int             // pid of the session's shell; 0: find by mark alone
	start  string          // of the shell, once it was seen: its pid may be another's later
	frames map[string]bool // the jobs' marks
	known  map[int]string  // pid → start
	killer int             // pid of the shell that looks; 0: none of this host
}

func newTree(shell int, frames ...string) *tree {
	t := &tree{shell: shell, frames: map[string]bool{}, known: map[int]string{}}
	for _, f := range frames {
		t.frames[f] = true
	}
	return t
}

// living adds the tree's processes in a snapshot to the known ones, and returns all known ones that live, ordered by pid.
//
// Members are: the shell; whoever carries one of the marks; whoever is in the shell's session; and all their descendants. Who carries the
// mark of another script is none: what that left running on purpose is not ours to kill.
func (t *tree) living(procs snapshot) []process {
	sh, alive := procs[t.shell]
	if t.start == "" {
		t.start = sh.start
	}
	session := 0
	if alive && sh.start == t.start && !sh.zombie {
		// A server that gives all shells of a connection one session (dropbear) is in it, too, and so is the killer.
		if procs[t.killer].session != sh.session {
			session = sh.session
		}
		t.known[sh.pid] = sh.start
	}
	for pid, p := range procs {
		if t.root(p, session) {
			t.known[pid] = p.start
		}
	}
	for grew := true; grew; {
		grew = false
		for pid, p := range procs {
			if !t.has(p) && !t.spared(p) && t.has(procs[p.parent]) {
				t.known[pid] = p.start
				grew = true
			}
		}
	}
	var members []process
	for _, p := range procs {
		if t.has(p) && !p.zombie {
			members = append(members, p)
		}
	}
	sort.Slice(members, func(i, j int) bool { return members[i].pid < members[j].pid })
	return members
}

// root tells whether a process is a member by itself. The shell's session counts while the shell lives: its number may be given anew.
func (t *tree) root(p process, session int) bool {
	if p.frame != "" {
		return t.frames[p.frame]
	}
	return session != 0 && p.session == session
}

func (t *tree) spared(p process) bool { return p.frame != "" && !t.frames[p.frame] }

func (t *tree) has(p process) bool {
	start, ok := t.known[p.pid]
	return ok && start == p.start && p.pid > 1
}

func pids(procs []process) []string {
	var out []string
	for _, p := range procs {
		out = append(out, strconv.Itoa(p.pid))
	}
	return out
}

// names lists processes for a person.
func names(procs []process) []string {
	var out []string
	for _, p := range procs {
		out = append(out, fmt.Sprintf("%d %s", p.pid, strings.ToValidUTF8(p.name, "?")))
	}
	return out
}
