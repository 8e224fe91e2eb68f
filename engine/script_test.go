package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"cvsplay/engine/config"
	"cvsplay/engine/eval"
	"cvsplay/engine/remote"
	"cvsplay/engine/remote/become"
	"cvsplay/engine/remote/local"
	"cvsplay/engine/remote/shell"
	"cvsplay/inventory"
)

// shells are those of this machine that may be a host's /bin/sh.
func shells(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{"sh": {"/bin/sh"}}
	for _, name := range []string{"dash", "bash", "mksh", "ksh"} {
		if path, err := exec.LookPath(name); err == nil {
			out[name] = []string{path}
		}
	}
	if path, err := exec.LookPath("busybox"); err == nil {
		out["busybox"] = []string{path, "sh"}
	}
	return out
}

// runFrame runs a frame's script in a shell.
func runFrame(t *testing.T, sh []string, f frame) Answer {
	t.Helper()
	args := append(append(append([]string(nil), sh[1:]...), "-c", f.script.Text, "sh"), f.script.Args...)
	cmd := exec.Command(sh[0], args...)
	cmd.Stdin = bytes.NewReader(f.script.Stdin)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	code := 0
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatal(err)
		}
		code = exit.ExitCode()
	}
	output := func(b []byte) remote.Output { return remote.Output{Bytes: b, Size: int64(len(b))} }
	return f.read(remote.Exit{State: remote.Ended, Code: code, Stdout: output(stdout.Bytes()), Stderr: output(stderr.Bytes())})
}

// What is at a path is told exactly, whatever the path and its content are called, by every shell.
func TestPathAnswers(t *testing.T) {
	const sumOfHi = "98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4" // "hi\n"
	hostile := []string{"plain", "with space", "-rf", "new\nline", `back\slash`, "quote'\"`$(x)", "S 644|0|0", "ünïcode", "trail\n", "H 1 2"}
	for name, sh := range shells(t) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			var paths []Path
			var want []string
			expect := func(p Path, text string) {
				p.Path = filepath.Join(dir, p.Path)
				paths, want = append(paths, p), append(want, text)
			}
			for _, n := range hostile {
				must(os.WriteFile(filepath.Join(dir, n), []byte("hi\n"), 0o640))
				must(os.Chmod(filepath.Join(dir, n), 0o640))
				expect(Path{Path: n, Hash: true, Read: 10}, `file 0640 3 `+sumOfHi+` read "hi\n"`)
			}
			must(os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600))
			must(os.WriteFile(filepath.Join(dir, "binary"), []byte("a\x00b\xff\r\n\n"), 0o600))
			must(os.Mkdir(filepath.Join(dir, "folder"), 0o755))
			must(os.Chmod(filepath.Join(dir, "folder"), os.ModeSticky|0o777))
			must(os.Symlink("plain", filepath.Join(dir, "link")))
			must(os.Symlink("to\nnowhere\n", filepath.Join(dir, "dangling")))
			must(os.Symlink("loop", filepath.Join(dir, "loop")))
			must(syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
			expect(Path{Path: "empty", Read: 1, Hash: true}, `file 0600 0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 read ""`)
			expect(Path{Path: "binary", Read: 7}, `file 0600 7  read "a\x00b\xff\r\n\n"`)
			expect(Path{Path: "binary", Read: 6}, `file 0600 7 `)
			expect(Path{Path: "missing", Hash: true, Read: 5}, "absent")
			expect(Path{Path: "no/such/folder"}, "absent")
			expect(Path{Path: "plain/below a file"}, "absent")
			expect(Path{Path: "folder", Hash: true, Read: 5}, "directory 1777")
			expect(Path{Path: "link", Hash: true, Read: 5}, `link 0777 → "plain"`)
			expect(Path{Path: "dangling", Hash: true}, `link 0777 → "to\nnowhere\n"`)
			expect(Path{Path: "loop"}, `link 0777 → "loop"`)
			expect(Path{Path: "pipe", Hash: true, Read: 5}, "other 0600")
			expect(Path{Path: "plain", Hash: true}, "file 0640 3 "+sumOfHi)
			got := askPaths(t, sh, paths)
			for i := range paths {
				if text := pathText(got[i]); text != want[i] {
					t.Errorf("%q: got %s, want %s", paths[i].Path, text, want[i])
				}
			}

			follow := []Path{
				{Path: filepath.Join(dir, "link"), Follow: true, Hash: true, Read: 5}, {Path: filepath.Join(dir, "dangling"), Follow: true},
				{Path: filepath.Join(dir, "plain"), Follow: true},
			}
			for i, text := range []string{`file 0640 3 ` + sumOfHi + ` read "hi\n"`, `link 0777 → "to\nnowhere\n"`, "file 0640 3 "} {
				got := askPaths(t, sh, follow[i:i+1])
				if said := pathText(got[0]); said != text && !(i == 1 && got[0].State == Problem) {
					t.Errorf("following %q: got %s, want %s", follow[i].Path, said, text)
				}
			}
		})
	}
}

func askPaths(t *testing.T, sh []string, paths []Path) []Answer {
	t.Helper()
	out, at := make([]Answer, len(paths)), make([]*Answer, len(paths))
	for i := range out {
		at[i] = &out[i]
	}
	readPaths(paths, runFrame(t, sh, setting{}.pathFrame(paths)), at)
	return out
}

func pathText(a Answer) string {
	p := a.Path
	switch {
	case a.State != Given:
		return "problem: " + a.Why
	case p.Kind == Absent || p.Kind == PathUnknown:
		return string(p.Kind)
	case p.Kind == Symlink:
		return fmt.Sprintf("%s %s → %q", p.Kind, p.Mode, p.Target)
	case p.Kind != Regular:
		return fmt.Sprintf("%s %s", p.Kind, p.Mode)
	}
	text := fmt.Sprintf("%s %s %d %s", p.Kind, p.Mode, p.Size, p.SHA256)
	if p.Read {
		text += fmt.Sprintf(" read %q", p.Content)
	}
	return text
}

// A file is written whole or not at all, by every shell: the old one stays where anything goes wrong, and nothing else is left behind.
func TestWriteScript(t *testing.T) {
	const wild = "a\x00b\xff\r\n$(x) `y` 'z'\n\n"
	tests := []struct {
		name    string
		w       WriteFile // Path is relative to the folder
		problem string
	}{
		{"a new file", WriteFile{Path: "new", Mode: "0640"}, ""},
		{"a name with everything", WriteFile{Path: "-a b\n'$(x)"}, ""},
		{"an old one is replaced", WriteFile{Path: "old", Mode: "0604"}, ""},
		{"with a backup", WriteFile{Path: "old", Backup: true}, ""},
		{"a folder", WriteFile{Path: "folder"}, "is a directory"},
		{"no folder", WriteFile{Path: "no/such"}, "no such directory"},
		{"a link is refused", WriteFile{Path: "link"}, "is a symbolic link; follow = true writes through it"},
		{"a link is followed", WriteFile{Path: "link", Follow: true}, ""},
		{"a link that leads nowhere", WriteFile{Path: "dangling/x", Follow: true}, "no such directory"},
		{"an owner that there is not", WriteFile{Path: "old", Owner: "nobody-by-that-name"}, "cannot give it to nobody-by-that-name"},
		{"accepted", WriteFile{Path: "old", Check: "grep -q z %s"}, ""},
		{"refused", WriteFile{Path: "old", Check: "echo 'syntax error in line 1' >&2; ! test -s %s"}, "syntax error in line 1; refused by its validate command"},
		{"the check reads nothing", WriteFile{Path: "old", Check: "test -z \"$(cat)\" && test -s %s"}, ""},
	}
	for name, sh := range shells(t) {
		t.Run(name, func(t *testing.T) {
			for _, c := range tests {
				dir := t.TempDir()
				for _, err := range []error{
					os.WriteFile(filepath.Join(dir, "old"), []byte("before"), 0o644), os.Mkdir(filepath.Join(dir, "folder"), 0o755), os.Symlink("old", filepath.Join(dir, "link")), os.Symlink("nowhere", filepath.Join(dir, "dangling")),
				} {
					if err != nil {
						t.Fatal(err)
					}
				}
				w := c.w
				w.Path, w.Content = filepath.Join(dir, c.w.Path), TextBlob([]byte(wild), Public)
				if w.Mode == "" {
					w.Mode = "0600"
				}
				a := runFrame(t, sh, setting{}.writeScript(w, Shell{Stdin: []byte(wild)}, "", ""))
				if c.problem != "" {
					old, err := os.ReadFile(filepath.Join(dir, "old"))
					if a.State != Problem || !strings.Contains(a.Why, c.problem) || err != nil || string(old) != "before" {
						t.Errorf("%s: got %v %q, the old file is %q", c.name, a.State, a.Why, old)
					}
				} else if a.State != Given || a.Code != 0 {
					t.Errorf("%s: got %v %d %q", c.name, a.State, a.Code, a.Why+a.Stderr.String())
				} else if content, err := os.ReadFile(w.Path); err != nil || string(content) != wild {
					t.Errorf("%s: got %q, %v", c.name, content, err)
				}
				if c.w.Backup {
					if found, _ := filepath.Glob(filepath.Join(dir, "old.*~")); len(found) != 1 {
						t.Errorf("%s: backups: %v", c.name, found)
					}
				}
				if found, _ := filepath.Glob(filepath.Join(dir, ".cvsplay.*")); len(found) != 0 {
					t.Errorf("%s: left behind: %v", c.name, found)
				}
				if info, err := os.Stat(w.Path); a.State == Given && (err != nil || fmt.Sprintf("%04o", info.Mode().Perm()) != w.Mode) {
					t.Errorf("%s: mode %v, want %s", c.name, info.Mode(), w.Mode)
				}
			}
		})
	}
}

// A large file goes over another way than the script, with the same result; so does one that an upload cannot serve.
func TestWriteLargeFile(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "source")
	content := bytes.Repeat([]byte("0123456789abcde\n"), inlineLimit/8)
	if err := os.WriteFile(source, content, 0o600); err != nil {
		t.Fatal(err)
	}
	blob, err := fileBlob(source, Public)
	if err != nil {
		t.Fatal(err)
	}
	s := newScenario(t, "play \"p\" {\n  hosts = group.all\n}\n", "host \"n1\" {\n  connection = \"local\"\n}\n")
	plan, _ := s.plan(runOptions{})
	dialer := local.New(become.Settings{}, shell.Options{})
	r := &run{plan: plan, opts: RunOptions{Now: ticking(), Files: &config.Files{}, Redactor: &eval.Redactor{},
		Dial: func(ctx context.Context, _ *inventory.Host) (remote.Conn, error) { return dialer.Dial(ctx) }}}
	n := &node{host: s.inv.Hosts[0], run: r}
	t.Cleanup(n.close)
	p := &playRun{run: r, plan: &Play{}}
	turn := newTurn(newMember(n, p), &Step{index: -1}, "")
	for _, c := range []struct{ path, want string }{
		{filepath.Join(dir, "target"), ""},
		{filepath.Join(dir, "target"), ""}, // over an old one
		{filepath.Join(dir, "no", "target"), "no such"},
	} {
		a := p.perform(t.Context(), turn, WriteFile{Path: c.path, Content: blob, Mode: "0640"}, nil)
		if c.want != "" {
			if a.State != Problem || !strings.Contains(strings.ToLower(a.Why), c.want) {
				t.Errorf("%s: got %v %q", c.path, a.State, a.Why)
			}
			continue
		}
		got, err := os.ReadFile(c.path)
		if a.State != Given || err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: got %v %q, %d bytes", c.path, a.State, a.Why, len(got))
		}
	}
	if found, _ := filepath.Glob(filepath.Join(dir, ".cvsplay.*")); len(found) != 0 {
		t.Errorf("left behind: %v", found)
	}
}
