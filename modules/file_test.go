package modules

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
	"cvsplay/engine/remote/remotetest"
)

func textOfFile(s string) *engine.Blob {
	b := engine.TextBlob([]byte(s), engine.Public)
	return &b
}

// Each row: what is there, what is declared (paths are below the test's folder), what is there afterwards, what was done. Every row is run a
// second time, which must change nothing, and once in every shell of this machine.
func TestFileOnThisMachine(t *testing.T) {
	for _, c := range []struct {
		name  string
		there []string
		args  fileArgs
		want  string // the tree afterwards
		acted string // what was changed
		ends  string // the decision, without the test's folder; "": done
	}{
		{"new file", nil, fileArgs{Path: "/f", Content: textOfFile("hi")}, "f 0644 hi", "write", ""},
		{"new empty file", nil, fileArgs{Path: "/f"}, "f 0644", "write", ""},
		{"new file with a mode", nil, fileArgs{Path: "/f", Content: textOfFile("hi"), Mode: "600"}, "f 0600 hi", "write", ""},
		{"same content", []string{"f 600 hi"}, fileArgs{Path: "/f", Content: textOfFile("hi")}, "f 0600 hi", "", ""},
		{"other content keeps the mode", []string{"f 640 old"}, fileArgs{Path: "/f", Content: textOfFile("new")}, "f 0640 new", "write", ""},
		{"no content declared", []string{"f 640 old"}, fileArgs{Path: "/f"}, "f 0640 old", "", ""},
		{"mode only", []string{"f 640 old"}, fileArgs{Path: "/f", Mode: "0755"}, "f 0755 old", "set mode", ""},
		{"set-id mode", []string{"f 755 x"}, fileArgs{Path: "/f", Mode: "4755"}, "f 4755 x", "set mode", ""},
		{"set-id mode goes", []string{"f 4755 x"}, fileArgs{Path: "/f", Mode: "0755"}, "f 0755 x", "set mode", ""},
		{"no folder", nil, fileArgs{Path: "/d/f"}, "", "", `failed: no such directory: /d; a file step with state = "directory" makes it`},
		{"folder is a file", []string{"d 644 x"}, fileArgs{Path: "/d/f"}, "d 0644 x", "", "failed: /d is not a directory"},
		{"directory in the way", []string{"f/ 755"}, fileArgs{Path: "/f"}, "f/ 0755", "", `refused: /f is a directory, not a file; remove it first with state = "absent"`},
		{"link in the way", []string{"t 644 x", "f -> t"}, fileArgs{Path: "/f", Content: textOfFile("new")}, "f -> t\nt 0644 x", "",
			"refused: /f is a symbolic link to t; declare the path it leads to, or follow = true"},
		{"link leads nowhere", []string{"f -> t"}, fileArgs{Path: "/f", Follow: true}, "f -> t", "", "failed: /f is a symbolic link that leads nowhere"},
		{"mode through a link", []string{"t 644 x", "f -> t"}, fileArgs{Path: "/f", Mode: "0600", Follow: true}, "f -> t\nt 0600 x", "set mode", ""},
		{"name with a space and quotes", nil, fileArgs{Path: `/a 'b" $c`, Content: textOfFile("x")}, `a 'b" $c 0644 x`, "write", ""},
		{"name with a leading dash", []string{"-f 644 x"}, fileArgs{Path: "/-f", Mode: "0600"}, "-f 0600 x", "set mode", ""},
		{"name with a newline", nil, fileArgs{Path: "/a\nb", Content: textOfFile("x")}, "a\nb 0644 x", "write", ""},
		{"slashes", []string{"f 644 x"}, fileArgs{Path: "//f/", Mode: "0600"}, "f 0600 x", "set mode", ""},
		{"accepted", nil, fileArgs{Path: "/f", Content: textOfFile("good"), Validate: "grep -q good %s"}, "f 0644 good", "write", ""},
		{"not accepted", []string{"f 644 good"}, fileArgs{Path: "/f", Content: textOfFile("bad"), Validate: "grep -q good %s"}, "f 0644 good", "write",
			"failed: write: refused by its validate command: it ended with 1 and said nothing"},

		{"new directory", nil, fileArgs{Path: "/d", State: "directory"}, "d/ 0755", "make directory", ""},
		{"new directory with parents", nil, fileArgs{Path: "/a/b/c", State: "directory", Mode: "0700"}, "a/ 0755\na/b/ 0755\na/b/c/ 0700", "make directory", ""},
		{"directory is there", []string{"d/ 700"}, fileArgs{Path: "/d", State: "directory"}, "d/ 0700", "", ""},
		{"directory of another mode", []string{"d/ 700"}, fileArgs{Path: "/d", State: "directory", Mode: "0755"}, "d/ 0755", "set mode", ""},
		{"directory loses set-group-id", []string{"d/ 2755"}, fileArgs{Path: "/d", State: "directory", Mode: "0755"}, "d/ 0755", "set mode", ""},
		{"directory below one with set-group-id", []string{"d/ 2755"}, fileArgs{Path: "/d/e", State: "directory", Mode: "0755"}, "d/ 2755\nd/e/ 0755", "make directory", ""},
		{"file instead of a directory", []string{"d 644 x"}, fileArgs{Path: "/d", State: "directory"}, "d 0644 x", "", `refused: /d is a file, not a directory; remove it first with state = "absent"`},
		{"link instead of a directory", []string{"e/ 755", "d -> e"}, fileArgs{Path: "/d", State: "directory"}, "d -> e\ne/ 0755", "",
			"refused: /d is a symbolic link to e, not a directory; declare the path it leads to, or follow = true"},
		{"link to a directory", []string{"e/ 700", "d -> e"}, fileArgs{Path: "/d", State: "directory", Mode: "0755", Follow: true}, "d -> e\ne/ 0755", "set mode", ""},
		{"recurse", []string{"d/ 755", "d/e/ 700", "d/f 600 x", "d/x 700 x", "d/ok 644 x", "d/l -> /etc/passwd"}, fileArgs{Path: "/d", State: "directory", Mode: "0755", Recurse: true},
			"d/ 0755\nd/e/ 0755\nd/f 0644 x\nd/l -> /etc/passwd\nd/ok 0644 x\nd/x 0755 x", "set below", ""},
		{"recurse with set-group-id", []string{"d/ 755", "d/e/ 755", "d/f 644 x"}, fileArgs{Path: "/d", State: "directory", Mode: "2775", Recurse: true},
			"d/ 2775\nd/e/ 2775\nd/f 0664 x", "set mode, set below", ""},
		{"recurse in a new directory", nil, fileArgs{Path: "/d", State: "directory", Mode: "0700", Recurse: true}, "d/ 0700", "make directory", ""},
		{"recurse through a link", []string{"e/ 755", "e/f 600 x", "d -> e"}, fileArgs{Path: "/d", State: "directory", Mode: "0755", Recurse: true, Follow: true},
			"d -> e\ne/ 0755\ne/f 0644 x", "set below", ""},

		{"new link", nil, fileArgs{Path: "/l", State: "link", Target: "no where"}, "l -> no where", "link", ""},
		{"link is there", []string{"l -> t"}, fileArgs{Path: "/l", State: "link", Target: "t"}, "l -> t", "", ""},
		{"link leads elsewhere", []string{"l -> t"}, fileArgs{Path: "/l", State: "link", Target: "u"}, "l -> u", "link", ""},
		{"link to a directory leads elsewhere", []string{"d/ 755", "e/ 755", "l -> d"}, fileArgs{Path: "/l", State: "link", Target: "e"}, "d/ 0755\ne/ 0755\nl -> e", "link", ""},
		{"target with a leading dash", nil, fileArgs{Path: "/l", State: "link", Target: "-t"}, "l -> -t", "link", ""},
		{"file instead of a link", []string{"l 644 x"}, fileArgs{Path: "/l", State: "link", Target: "t"}, "l 0644 x", "", `refused: /l is a file, not a symbolic link; remove it first with state = "absent"`},

		{"absent", nil, fileArgs{Path: "/f", State: "absent"}, "", "", ""},
		{"absent below nothing", nil, fileArgs{Path: "/d/e/f", State: "absent"}, "", "", ""},
		{"remove a file", []string{"-f 644 x"}, fileArgs{Path: "/-f", State: "absent"}, "", "remove", ""},
		{"remove a link, not what it leads to", []string{"d/ 755", "d/f 644 x", "l -> d"}, fileArgs{Path: "/l", State: "absent", Follow: true}, "d/ 0755\nd/f 0644 x", "remove", ""},
		{"remove a tree", []string{"d/ 755", "d/e/ 700", "d/e/f 400 x"}, fileArgs{Path: "/d", State: "absent"}, "", "remove", ""},
	} {
		for name, argv := range shells(t) {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				dir := t.TempDir()
				build(t, dir, c.there...)
				args, m := c.args, newMachine(t)
				args.Path, m.shell = dir+args.Path, argv
				want := c.ends
				if want == "" {
					want = "done"
				}
				if got := strings.ReplaceAll(said(m.file(args)), dir, ""); got != want {
					t.Errorf("ended\n%s\nwant\n%s", got, want)
				}
				if got := strings.Join(m.acted, ", "); got != c.acted {
					t.Errorf("did %q, want %q", got, c.acted)
				}
				if got := treeOf(t, dir); got != c.want {
					t.Errorf("left\n%s\nwant\n%s", got, c.want)
				}
				m.acted = nil
				if c.ends == "" {
					if m.file(args); len(m.acted) > 0 {
						t.Errorf("a second run did %v", m.acted)
					}
				}
			})
		}
	}
}

// What check mode foretells is what the next round finds.
func TestFileForetells(t *testing.T) {
	for _, args := range []fileArgs{
		{Path: "/f", Content: textOfFile("hi")},
		{Path: "/f", Content: textOfFile("hi"), Mode: "4711"},
		{Path: "/old", Content: textOfFile("hi")},
		{Path: "/old", Mode: "0700"},
		{Path: "/d", State: "directory"},
		{Path: "/d", State: "directory", Mode: "2770"},
		{Path: "/l", State: "link", Target: "x"},
		{Path: "/old", State: "absent"},
	} {
		t.Run(fmt.Sprint(args.Path, args.State, args.Mode), func(t *testing.T) {
			dir := t.TempDir()
			build(t, dir, "old 640 x")
			args.Path = dir + args.Path
			m := newMachine(t)
			decide := func(s engine.Seen) engine.Decision { return decideFile(args, s) }
			act, ok := m.decide(args, nil, decide).(engine.Act)
			if !ok {
				t.Fatal("nothing to do")
			}
			m.file(args)
			found := lookAt(t, args.Ask()[0].(engine.Path))
			for _, c := range act.Changes {
				told := c.Then[0].Path
				if told.Kind != found.Kind || told.Mode != found.Mode || told.SHA256 != found.SHA256 || told.Target != found.Target {
					t.Errorf("%s foretold %+v, found %+v", c.What, told, found)
				}
				if len(c.Then) != len(args.Ask()) {
					t.Errorf("%s foretells %d answers to %d questions", c.What, len(c.Then), len(args.Ask()))
				}
			}
			done := m.file(args).(engine.Done)
			for _, name := range []string{"path", "sha256", "mode", "size"} {
				if act.Results[name] != done.Results[name] {
					t.Errorf("%s: foretold %v, found %v", name, act.Results[name], done.Results[name])
				}
			}
		})
	}
}

func TestFileOwner(t *testing.T) {
	remotetest.Need(t, "root")
	dir := t.TempDir()
	build(t, dir, "f 4755 x", "d/ 755", "d/e/ 755", "d/e/f 644 x")
	m := newMachine(t)
	for _, c := range []struct{ args fileArgs }{
		{fileArgs{Path: dir + "/f", Owner: "nobody"}},
		{fileArgs{Path: dir + "/f", Owner: "65534", Group: "65534"}},
		{fileArgs{Path: dir + "/f", Owner: "root", Group: "daemon", Mode: "4755"}},
		{fileArgs{Path: dir + "/f", Group: "0"}},
		{fileArgs{Path: dir + "/f", Owner: "1", Content: textOfFile("new")}},
		{fileArgs{Path: dir + "/l", State: "link", Target: "f", Owner: "nobody"}},
		{fileArgs{Path: dir + "/l", State: "link", Target: "f", Owner: "daemon"}},
		{fileArgs{Path: dir + "/d", State: "directory", Owner: "nobody", Recurse: true}},
		{fileArgs{Path: dir + "/d", State: "directory", Group: "daemon", Recurse: true}},
		{fileArgs{Path: dir + "/d", State: "directory", Owner: "bin", Group: "bin", Mode: "0750", Recurse: true}},
		{fileArgs{Path: dir + "/n/m", State: "directory", Owner: "nobody"}},
	} {
		m.acted = nil
		if got := said(m.file(c.args)); got != "done" {
			t.Fatalf("%+v: %s", c.args, got)
		}
		first := len(m.acted)
		if m.file(c.args); len(m.acted) != first || first == 0 {
			t.Errorf("%+v: did %v", c.args, m.acted)
		}
	}
	if got := lookAt(t, engine.Path{Path: dir + "/f"}); got.Mode != "4755" || got.Owner != "daemon" || got.Group != "root" {
		t.Errorf("f is %+v", got)
	}
	if got := lookAt(t, engine.Path{Path: dir + "/d/e/f"}); got.Mode != "0640" || got.Owner != "bin" || got.Group != "bin" {
		t.Errorf("d/e/f is %+v", got)
	}
	if got := lookAt(t, engine.Path{Path: dir + "/n"}); got.Owner != "root" {
		t.Errorf("a parent that was missing is %+v", got)
	}
}

func TestFileDecides(t *testing.T) {
	secret := engine.TextBlob([]byte("hunter2"), engine.Secret)
	dir := given(engine.PathInfo{Kind: engine.Directory, Mode: "0755", Owner: "root", Group: "root", UID: "0", GID: "0"})
	reg := given(engine.PathInfo{Kind: engine.Regular, Mode: "0644", Owner: "root", Group: "root", UID: "0", GID: "0", SHA256: "aa", Size: 1})
	for _, c := range []struct {
		name    string
		args    fileArgs
		answers []engine.Answer
		past    []engine.Outcome
		want    string
	}{
		{"cannot be told", fileArgs{Path: "/f"}, []engine.Answer{given(engine.PathInfo{}), dir}, nil, "failed: cannot tell what is at /f"},
		{"cannot be read", fileArgs{Path: "/f", Content: textOfFile("x")}, []engine.Answer{given(engine.PathInfo{Kind: engine.Regular, Mode: "0600"}), dir}, nil, "failed: /f cannot be read"},
		{"secret", fileArgs{Path: "/f", Content: &secret}, []engine.Answer{pathAnswer(engine.Absent), dir}, nil, "act: write (absent -> sensitive content, mode 0600) again"},
		{"device", fileArgs{Path: "/f"}, []engine.Answer{pathAnswer(engine.OtherKind), dir}, nil, `refused: /f is a device, socket or pipe, not a file; remove it first with state = "absent"`},
		{"owner by name", fileArgs{Path: "/f", Owner: "root", Group: "0"}, []engine.Answer{reg, dir}, nil, "done"},
		{"owner only an earlier step would know", fileArgs{Path: "/f", Owner: "root"}, []engine.Answer{pathAnswer(engine.Regular), dir}, nil, "failed: the owner of /f is not known before the step that makes it has run"},
		{"write failed", fileArgs{Path: "/f", Content: textOfFile("x")}, []engine.Answer{reg, dir}, []engine.Outcome{{What: "write", Why: "/f: disk full"}}, "failed: write: /f: disk full"},
		{"write was lost", fileArgs{Path: "/f", Mode: "0644"}, []engine.Answer{reg, dir}, []engine.Outcome{{What: "write", Answers: []engine.Answer{{State: engine.Lost}}}}, "done"},
		{"vital", fileArgs{Path: "/usr//", State: "absent"}, []engine.Answer{dir}, nil, "refused: /usr is a directory the system stands on; it is never removed"},
		{"vital, hidden", fileArgs{Path: "/usr/x/..", State: "absent"}, []engine.Answer{dir}, nil, "refused: /usr/x/.. is a directory the system stands on; it is never removed"},
		{"tree: asks for mounts", fileArgs{Path: "/d", State: "absent"}, []engine.Answer{dir}, nil, "more 1"},
		{"tree: mounted", fileArgs{Path: "/d", State: "absent"}, []engine.Answer{dir, shellAnswer(0, "/d/mnt\n", "")}, nil, "refused: something is mounted in /d (/d/mnt); unmount it first, so that nothing of it is deleted"},
		{"tree: cannot tell mounts", fileArgs{Path: "/d", State: "absent"}, []engine.Answer{dir, shellAnswer(2, "", "boom")}, nil, "failed: cannot tell whether something is mounted in /d: boom"},
		{"recurse: find fails", fileArgs{Path: "/d", State: "directory", Owner: "x", Recurse: true}, []engine.Answer{dir, shellAnswer(1, "", "find: 'x' is not the name of a known user")}, nil,
			"failed: cannot look below /d: find: 'x' is not the name of a known user"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := said(decideFile(c.args, engine.Seen{Reach: engine.Reached, Answers: c.answers, Past: c.past})); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestMountsBelow(t *testing.T) {
	m := newMachine(t)
	for name, argv := range shells(t) {
		m.shell = argv
		if got := m.run(mountsBelow("/proc")); got.Code != 0 || !strings.Contains(got.Stdout.String(), "/proc\n") {
			t.Errorf("%s: /proc is mounted: %+v", name, got)
		}
		if got := m.run(mountsBelow(t.TempDir())); got.Code != 0 || got.Stdout.String() != "" {
			t.Errorf("%s: nothing is mounted in a new folder: %+v", name, got)
		}
	}
}

func TestFileDiff(t *testing.T) {
	secret := engine.TextBlob([]byte("new\n"), engine.Secret)
	binary := engine.TextBlob([]byte{0, 1, 2}, engine.Public)
	source := engine.Blob{Size: 4, SHA256: "ff", Source: "/x"}
	for _, c := range []struct {
		name string
		args fileArgs
		want string
	}{
		{"text", fileArgs{Path: "/f", Content: textOfFile("a\nB\n")}, "--- /f\n+++ /f\n@@ -1,2 +1,2 @@\n a\n-b\n+B\n"},
		{"new file", fileArgs{Path: "/g", Content: textOfFile("a\n")}, "--- /dev/null\n+++ /g\n@@ -0,0 +1 @@\n+a\n"},
		{"secret", fileArgs{Path: "/f", Content: &secret}, ""},
		{"binary", fileArgs{Path: "/f", Content: &binary}, ""},
		{"source", fileArgs{Path: "/f", Source: &source}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			build(t, dir, "f 644 a\nb\n")
			m := newMachine(t)
			m.diff = true
			c.args.Path = dir + c.args.Path
			act := m.decide(c.args, nil, func(s engine.Seen) engine.Decision { return decideFile(c.args, s) }).(engine.Act)
			if got := strings.ReplaceAll(act.Changes[0].Diff, dir, ""); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			if c.name == "secret" && strings.Contains(fmt.Sprintf("%s %s", act.Changes[0].Have, act.Changes[0].Want), secret.SHA256[:8]) {
				t.Error("the hash of a secret is shown")
			}
		})
	}
}

func TestFileBefore(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, "f 640 old")
	m := newMachine(t)
	args := fileArgs{Path: dir + "/f", Content: textOfFile("new")}
	decide := func(s engine.Seen) engine.Decision { return decideFile(args, s) }
	act := m.decide(args, nil, decide).(engine.Act)
	typed(t, fileSchema, act.Results)
	before := act.Results["before"].(map[string]any)
	if before["kind"] != "file" || before["mode"] != "0640" || before["size"] != int64(3) || before["target"] != nil {
		t.Errorf("before the change: %v", before)
	}
	if done := m.file(args).(engine.Done); done.Results["before"] != nil {
		t.Errorf("after the change only the first decision knows what was before: %v", done.Results)
	}
	if done := m.file(args).(engine.Done); done.Results["before"].(map[string]any)["size"] != int64(3) {
		t.Errorf("nothing was changed: %v", done.Results)
	}
}

func TestFileComplains(t *testing.T) {
	str := cty.StringVal
	for _, c := range []struct {
		name string
		in   engine.Inputs
		want string
	}{
		{"plain", engine.Inputs{"path": str("/f"), "content": str("x")}, ""},
		{"content of a directory", engine.Inputs{"path": str("/f"), "state": str("directory"), "content": str("x")}, `content has no meaning with state = "directory"`},
		{"target of a file", engine.Inputs{"path": str("/f"), "target": str("x")}, `target has no meaning with state = "file"`},
		{"two contents", engine.Inputs{"path": str("/f"), "content": str("x"), "source": str("y")}, "either content or a source"},
		{"link without target", engine.Inputs{"path": str("/f"), "state": str("link")}, "a link needs a target"},
		{"empty recurse", engine.Inputs{"path": str("/f"), "state": str("directory"), "recurse": cty.True}, "nothing to hold below"},
		{"recurse = false", engine.Inputs{"path": str("/f"), "recurse": cty.False, "backup": cty.False}, ""},
		{"vital", engine.Inputs{"path": str("/etc/"), "state": str("absent")}, "never removed"},
		{"state not known yet", engine.Inputs{"path": str("/etc"), "state": cty.UnknownVal(cty.String), "target": str("x")}, ""},
		{"validate without a place", engine.Inputs{"path": str("/f"), "validate": str("visudo -c")}, "write %s for its path"},
		{"validate", engine.Inputs{"path": str("/f"), "validate": str("visudo -cf %s")}, ""},
	} {
		t.Run(c.name, func(t *testing.T) { complained(t, checkFile(c.in), c.want) })
	}
	for account, ok := range map[string]bool{"root": true, "1000": true, "a:b": false, "-R": false, "": false} {
		if err := validAccount(cty.StringVal(account)); (err == nil) != ok {
			t.Errorf("account %q: %v", account, err)
		}
	}
}

// A file of the size people ship, of bytes that are no text.
func TestFileFromSource(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	content := strings.Repeat("\x00\xff\n\r", 5<<20)
	if err := os.WriteFile(src, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	blob := engine.TextBlob([]byte(content), engine.Public)
	blob.Text, blob.Source = nil, src
	m := newMachine(t)
	args := fileArgs{Path: dir + "/dst", Source: &blob}
	if got := said(m.file(args)); got != "done" {
		t.Fatal(got)
	}
	got, err := os.ReadFile(dir + "/dst")
	if err != nil || string(got) != content {
		t.Errorf("%d bytes arrived, %v", len(got), err)
	}
}
