package modules

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"cvsplay/engine"
)

// thisMachine answers questions and carries out actions here, each text by a real shell: what a module is decided on and what it does is
// then held against the real thing.
type thisMachine struct {
	t     testing.TB
	shell []string
	root  string // where its files are, "" or a folder
	diff  bool
	acted []string // what was changed, in order
}

func newMachine(t testing.TB) *thisMachine {
	return &thisMachine{t: t, shell: []string{"/bin/sh"}}
}

// until runs ask, decide, act until the step is done or stopped, and gives the last decision.
func (m *thisMachine) until(args engine.Args, decide func(engine.Seen) engine.Decision) engine.Decision {
	m.t.Helper()
	var past []engine.Outcome
	for range 5 {
		d := m.decide(args, past, decide)
		act, ok := d.(engine.Act)
		if !ok {
			return d
		}
		for _, c := range act.Changes {
			for _, o := range past {
				if o.What == c.What && o.OK {
					m.t.Fatalf("did not converge: %s (%s -> %s)", c.What, c.Have, c.Want)
				}
			}
			o := m.carryOut(c)
			past = append(past, o)
			if !o.OK {
				break
			}
		}
	}
	m.t.Fatal("not done after 5 rounds")
	return nil
}

// decide asks until the module has heard enough.
func (m *thisMachine) decide(args engine.Args, past []engine.Outcome, decide func(engine.Seen) engine.Decision) engine.Decision {
	m.t.Helper()
	seen := engine.Seen{Host: "here", Reach: engine.Reached, Diff: m.diff, Past: past}
	ask := args.Ask()
	for {
		for _, q := range ask {
			seen.Answers = append(seen.Answers, m.answer(q))
		}
		more, ok := decide(seen).(engine.More)
		if !ok {
			return decide(seen)
		}
		ask = more.Ask
	}
}

func (m *thisMachine) answer(q engine.Question) engine.Answer {
	switch q := q.(type) {
	case engine.Path:
		q.Path = m.root + q.Path
		return given(lookAt(m.t, q))
	case engine.Shell:
		return m.run(q)
	}
	m.t.Fatalf("no answer to %T", q)
	return engine.Answer{}
}

func (m *thisMachine) carryOut(c engine.Change) engine.Outcome {
	m.acted = append(m.acted, c.What)
	o := engine.Outcome{What: c.What, OK: true}
	for _, action := range c.Do {
		switch action := action.(type) {
		case engine.Shell:
			ans := m.run(action)
			o.Answers = append(o.Answers, ans)
			if ans.Code != 0 && !action.AnyCode {
				o.OK, o.Why = false, words(ans)
			}
		case engine.WriteFile:
			if err := m.write(action); err != nil {
				o.OK, o.Why = false, err.Error()
			}
		}
	}
	return o
}

func (m *thisMachine) run(sh engine.Shell) engine.Answer {
	m.t.Helper()
	cmd := exec.Command(m.shell[0], append(append(append([]string{}, m.shell[1:]...), "-c", sh.Text, "sh"), sh.Args...)...)
	cmd.Stdin, cmd.Dir = strings.NewReader(string(sh.Stdin)), sh.Dir
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		m.t.Fatal(err)
	}
	return shellAnswer(cmd.ProcessState.ExitCode(), stdout.String(), stderr.String())
}

func (m *thisMachine) write(w engine.WriteFile) error {
	r, err := w.Content.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	tmp := m.root + w.Path + ".new"
	if err := os.WriteFile(tmp, content, 0o600); err != nil {
		return err
	}
	uid, gid := os.Getuid(), os.Getgid()
	if n, err := strconv.Atoi(w.Owner); err == nil {
		uid = n
	}
	if n, err := strconv.Atoi(w.Group); err == nil {
		gid = n
	}
	if err := os.Chown(tmp, uid, gid); err != nil {
		return err
	}
	if out, err := exec.Command("chmod", w.Mode, tmp).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if w.Check != "" {
		check := m.run(engine.Shell{Text: strings.ReplaceAll(w.Check, "%s", engine.Quote(w.Path+".new"))})
		if check.Code != 0 {
			os.Remove(tmp)
			return fmt.Errorf("refused by its validate command: %s", words(check))
		}
	}
	return os.Rename(tmp, m.root+w.Path)
}

// lookAt answers a path question.
func lookAt(t testing.TB, q engine.Path) engine.PathInfo {
	t.Helper()
	stat := os.Lstat
	if q.Follow {
		stat = os.Stat
	}
	st, err := stat(q.Path)
	if errors.Is(err, fs.ErrNotExist) && q.Follow {
		st, err = os.Lstat(q.Path)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return engine.PathInfo{Kind: engine.Absent}
	}
	if err != nil {
		t.Fatal(err)
	}
	sys := st.Sys().(*syscall.Stat_t)
	info := engine.PathInfo{
		Mode: fmt.Sprintf("%04o", sys.Mode&0o7777), Size: st.Size(),
		UID: strconv.Itoa(int(sys.Uid)), GID: strconv.Itoa(int(sys.Gid)),
	}
	info.Owner, info.Group = info.UID, info.GID
	if u, err := user.LookupId(info.UID); err == nil {
		info.Owner = u.Username
	}
	if g, err := user.LookupGroupId(info.GID); err == nil {
		info.Group = g.Name
	}
	switch {
	case st.Mode().IsRegular():
		info.Kind = engine.Regular
		content, err := os.ReadFile(q.Path)
		if err != nil {
			t.Fatal(err)
		}
		if q.Hash {
			sum := sha256.Sum256(content)
			info.SHA256 = hex.EncodeToString(sum[:])
		}
		if info.Size <= q.Read {
			info.Content, info.Read = content, true
		}
	case st.IsDir():
		info.Kind = engine.Directory
	case st.Mode()&fs.ModeSymlink != 0:
		info.Kind = engine.Symlink
		info.Target, _ = os.Readlink(q.Path)
	default:
		info.Kind = engine.OtherKind
	}
	return info
}

func (m *thisMachine) file(a fileArgs) engine.Decision {
	m.t.Helper()
	return m.until(a, func(s engine.Seen) engine.Decision { return decideFile(a, s) })
}

func (m *thisMachine) line(a lineArgs) engine.Decision {
	m.t.Helper()
	return m.until(a, func(s engine.Seen) engine.Decision { return decideLine(a, s) })
}

// build makes a small tree: "NAME MODE content" is a file, "NAME/ MODE" a directory, "NAME -> TARGET" a link.
func build(t testing.TB, dir string, entries ...string) {
	t.Helper()
	for _, e := range entries {
		if name, target, ok := strings.Cut(e, " -> "); ok {
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		f := strings.SplitN(e, " ", 3)
		p := filepath.Join(dir, f[0])
		var err error
		if strings.HasSuffix(f[0], "/") {
			err = os.MkdirAll(p, 0o755)
		} else {
			err = os.WriteFile(p, []byte(strings.Join(f[2:], "")), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("chmod", "0"+f[1], p).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

// treeOf is a tree as text, one entry a line, as build takes it.
func treeOf(t testing.TB, dir string) string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		info := lookAt(t, engine.Path{Path: p, Read: 1 << 20})
		name := strings.TrimPrefix(p, dir+"/")
		switch info.Kind {
		case engine.Directory:
			out = append(out, name+"/ "+info.Mode)
		case engine.Symlink:
			out = append(out, name+" -> "+info.Target)
		default:
			out = append(out, strings.TrimSpace(name+" "+info.Mode+" "+string(info.Content)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, "\n")
}
