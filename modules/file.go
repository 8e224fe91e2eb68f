package modules

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
)

func init() { register(engine.PerHost(fileSchema, decideFile)) }

// fileArgs are the arguments of one file step.
type fileArgs struct {
	Path     string       `arg:"path"`
	State    string       `arg:"state"`
	Content  *engine.Blob `arg:"content"`
	Source   *engine.Blob `arg:"source"`
	Target   string       `arg:"target"`
	Mode     string       `arg:"mode"`
	Owner    string       `arg:"owner"`
	Group    string       `arg:"group"`
	Recurse  bool         `arg:"recurse"`
	Backup   bool         `arg:"backup"`
	Validate string       `arg:"validate"`
	Follow   bool         `arg:"follow"`
}

var fileSchema = engine.Module{
	Name:    "file",
	Summary: "Declare a file, a directory or a symbolic link, or that nothing is at a path.",
	Doc: `Compares kind, SHA-256, mode, owner and target with what is declared; content travels only when it differs. What is not declared stays as it is.

A file is written atomically (temporary file in the same directory with its final mode, fsync, rename, fsync of the directory). The folder it stands in has to be
there; for a directory, missing parents are made with mode 0755.

**Refused**: a thing of another kind at the path (it is not deleted to make room; declare ` + "`state = \"absent\"`" + ` in a step before), a symbolic link at the path of a
file or directory unless ` + "`follow = true`" + `, and the removal of ` + "`/`" + ` and other directories a system stands on, or of a tree with something mounted in it.

**` + "`recurse`" + `** gives everything below a directory its owner and group. Directories get ` + "`mode`" + `; files get it without the execute bits, unless they are executable by somebody
already. Symbolic links are not followed, and have no mode.

` + "`validate`" + ` is a shell command that must accept the new file before it takes its place; ` + "`%s`" + ` is the path of the new file.`,
	Example: `step "file" "motd" {
  path    = "/etc/motd"
  content = "This node belongs to the test cluster.\n"
  mode    = "0644"
}
`,
	Args: append([]engine.Arg{
		{Name: "path", Type: cty.String, Required: true, As: engine.AsAbsPath, Doc: "Absolute path on the host."},
		{Name: "state", Type: cty.String, Default: "file", Values: []string{"file", "directory", "link", "absent"}, Doc: "What has to be there."},
		{Name: "content", Type: cty.String, As: engine.AsContent, Doc: "The text of the file (Unicode NFC; for exact bytes use `source`); may be sensitive. Without it and `source` the file has to be there, and is empty if it is made."},
		{Name: "source", Type: cty.String, As: engine.AsSource, Doc: "Path of a file on the controller, instead of `content`: any size, any bytes."},
		{Name: "target", Type: cty.String, Doc: "Where a link leads; kept as written."},
		{Name: "recurse", Type: cty.Bool, Default: false, Doc: "Owner, group and mode hold for everything below the directory too."},
	}, attributeArgs...),
	Results: fileResults,
	Check:   checkFile,
}

// fileResults are what file and line leave.
var fileResults = []engine.Result{
	{Name: "path", Type: cty.String, Repeats: "path", Doc: "The path."},
	{Name: "sha256", Type: cty.String, Doc: "Of the file; null for anything else."},
	{Name: "mode", Type: cty.String, Doc: "Octal, with four digits; null where nothing is there."},
	{Name: "size", Type: cty.Number, Doc: "In bytes; null where it is no file."},
	{Name: "before", Type: cty.Object(map[string]cty.Type{
		"kind": cty.String, "sha256": cty.String, "mode": cty.String, "size": cty.Number, "owner": cty.String, "group": cty.String, "target": cty.String,
	}), Doc: "What was there: `kind` (file, directory, link, absent, other), and as far as it has them `sha256`, `mode`, `size`, `owner`, `group`, `target`."},
}

// vital are directories that no step removes.
var vital = []string{
	"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/tmp",
	"/usr", "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/local", "/usr/sbin", "/usr/share", "/var", "/var/cache", "/var/lib", "/var/log", "/var/tmp",
}

// checkFile finds arguments that do not go together.
func checkFile(in engine.Inputs) []engine.Complaint {
	var out []engine.Complaint
	complain := func(arg, format string, words ...any) {
		out = append(out, engine.Complaint{Arg: arg, Say: fmt.Sprintf(format, words...)})
	}
	state := in.String("state")
	if state == "" {
		state = "file"
	}
	if !in.Known("state") {
		return nil
	}
	for arg, states := range map[string][]string{
		"content":  {"file"},
		"source":   {"file"},
		"validate": {"file"},
		"backup":   {"file"},
		"target":   {"link"},
		"recurse":  {"directory"},
		"mode":     {"file", "directory"},
		"owner":    {"file", "directory", "link"},
		"group":    {"file", "directory", "link"},
	} {
		given := in.Has(arg)
		if arg == "recurse" || arg == "backup" {
			given = in.True(arg)
		}
		if given && !slices.Contains(states, state) {
			complain(arg, "%s has no meaning with state = %q", arg, state)
		}
	}
	if in.Has("content") && in.Has("source") && in.Known("content") && in.Known("source") {
		complain("source", "a file has either content or a source; leave one of them out")
	}
	if state == "link" && !in.Has("target") {
		complain("target", "a link needs a target")
	}
	if in.True("recurse") && !in.Has("mode") && !in.Has("owner") && !in.Has("group") {
		complain("recurse", "nothing to hold below the directory: give owner, group or mode")
	}
	if p := in.String("path"); state == "absent" && p != "" && slices.Contains(vital, path.Clean(p)) {
		complain("path", "%s is a directory the system stands on; it is never removed", path.Clean(p))
	}
	slices.SortFunc(out, func(a, b engine.Complaint) int { return strings.Compare(a.Arg, b.Arg) })
	return append(out, checkValidate(in)...)
}

// clean is the path without what would hide that it is the same: repeated and final slashes.
func (a fileArgs) clean() string { return cleanPath(a.Path) }

func cleanPath(p string) string {
	if strings.Contains(p, "..") {
		return p // behind a symbolic link, x/.. is not nothing
	}
	return path.Clean(p)
}

// blob is the declared content; nil: none is.
func (a fileArgs) blob() *engine.Blob {
	if a.Source != nil {
		return a.Source
	}
	return a.Content
}

func (a fileArgs) attributes() attributes {
	return attributes{Mode: a.Mode, Owner: a.Owner, Group: a.Group, Follow: a.Follow}
}

// Ask looks at the path, and at the folder it stands in where something may have to be made there. Both as another step would ask for
// them, so that check mode knows what an earlier step leaves.
func (a fileArgs) Ask() []engine.Question {
	p := a.clean()
	switch a.State {
	case "absent":
		return []engine.Question{engine.Path{Path: p}}
	case "link":
		return []engine.Question{engine.Path{Path: p}, engine.Path{Path: path.Dir(p)}}
	case "directory":
		out := []engine.Question{engine.Path{Path: p, Follow: a.Follow}}
		if a.Recurse {
			out = append(out, a.tree().ask())
		}
		return out
	}
	return []engine.Question{engine.Path{Path: p, Follow: a.Follow, Hash: true}, engine.Path{Path: path.Dir(p)}}
}

func (a fileArgs) tree() tree {
	return tree{path: a.clean(), attributes: a.attributes()}
}

func decideFile(a fileArgs, seen engine.Seen) engine.Decision {
	if stop, failed := failedBefore(seen.Past); failed {
		return stop
	}
	now := seen.Answers[0].Path
	if now.Kind == engine.PathUnknown {
		return failedStop("cannot tell what is at %s", a.clean())
	}
	if now.Kind == engine.Symlink && a.Follow && a.State != "absent" && a.State != "link" {
		return failedStop("%s is a symbolic link that leads nowhere", a.clean())
	}
	if a.State != "absent" && a.attributes().untold(now) {
		return failedStop("the owner of %s is not known before the step that makes it has run", a.clean())
	}
	var d engine.Decision
	switch a.State {
	case "absent":
		d = a.decideAbsent(now, seen)
	case "link":
		d = a.decideLink(now, seen)
	case "directory":
		d = a.decideDirectory(now, seen)
	default:
		d = a.decideContent(now, seen)
	}
	return withBefore(d, now, seen.Past)
}

func (a fileArgs) decideContent(now engine.PathInfo, seen engine.Seen) engine.Decision {
	want := fileWant{path: a.clean(), kind: engine.Regular, attributes: a.attributes(), backup: a.Backup, validate: a.Validate, content: a.blob()}
	if stop := want.refuse(now, seen.Answers[1].Path); stop != nil {
		return stop
	}
	if now.Kind == engine.Regular && want.content != nil && now.SHA256 == "" {
		return failedStop("%s cannot be read", want.path)
	}
	if want.writes(now) && seen.Diff && len(seen.Answers) == 2 && want.diffable(now) {
		return engine.More{Ask: []engine.Question{engine.Path{Path: want.path, Follow: a.Follow, Read: diffMost}}}
	}
	if seen.Diff && len(seen.Answers) == 3 {
		want.old = &seen.Answers[2].Path
	}
	return want.decide(now, seen)
}

func (a fileArgs) decideDirectory(now engine.PathInfo, seen engine.Seen) engine.Decision {
	p, attr := a.clean(), a.attributes()
	switch now.Kind {
	case engine.Directory:
	case engine.Absent:
		return a.makeDirectory(now, seen)
	default:
		return wrongKind(p, now, "a directory")
	}
	changes := attr.changes(p, now)
	if a.Recurse {
		c, err := a.tree().change(seen.Answers[1])
		if err != nil {
			return failedStop("%s", err)
		}
		changes = append(changes, c...)
	}
	if len(changes) == 0 && seen.Brief {
		return engine.Done{}
	}
	after := attr.after(now)
	return settle(changes, a.foretell(after, seen), fileValues(p, after))
}

func (a fileArgs) makeDirectory(now engine.PathInfo, seen engine.Seen) engine.Decision {
	attr := a.attributes()
	after := attr.after(engine.PathInfo{Kind: engine.Directory, Mode: orMode(a.Mode, "0755")})
	c := engine.Change{
		What:  "make directory",
		Have:  string(now.Kind),
		Want:  attr.words(after.Mode),
		Do:    []engine.Action{makeDirectory(a.clean(), after.Mode, attr)},
		Again: true,
	}
	return settle([]engine.Change{c}, a.foretell(after, seen), fileValues(a.clean(), after))
}

// foretell are the answers to Ask once a directory is as wanted.
func (a fileArgs) foretell(after engine.PathInfo, seen engine.Seen) []engine.Answer {
	out := []engine.Answer{given(after)}
	if a.Recurse {
		out = append(out, engine.Answer{State: engine.Given})
	}
	return out[:min(len(out), len(seen.Answers))]
}

func (a fileArgs) decideLink(now engine.PathInfo, seen engine.Seen) engine.Decision {
	p, attr := a.clean(), a.attributes()
	if stop := missingParent(p, seen.Answers[1].Path); stop != nil {
		return stop
	}
	after := attr.after(now)
	after.Kind, after.Target, after.Mode = engine.Symlink, a.Target, "0777"
	var changes []engine.Change
	switch {
	case now.Kind == engine.Absent, now.Kind == engine.Symlink && now.Target != a.Target:
		have := string(engine.Absent)
		if now.Kind == engine.Symlink {
			have = now.Target
		}
		changes = []engine.Change{{What: "link", Have: have, Want: a.Target, Do: []engine.Action{makeLink(p, a.Target, attr)}, Again: true}}
	case now.Kind == engine.Symlink:
		changes = attr.changes(p, now)
	default:
		return wrongKind(p, now, "a symbolic link")
	}
	return settle(changes, []engine.Answer{given(after), seen.Answers[1]}, fileValues(p, after))
}

func (a fileArgs) decideAbsent(now engine.PathInfo, seen engine.Seen) engine.Decision {
	p := a.clean()
	gone := engine.PathInfo{Kind: engine.Absent}
	if now.Kind == engine.Absent {
		return settle(nil, nil, fileValues(p, gone))
	}
	text := `rm -f -- "$1"`
	if now.Kind == engine.Directory {
		if slices.Contains(vital, path.Clean(p)) {
			return engine.Stop{State: engine.Refused, Why: p + " is a directory the system stands on; it is never removed"}
		}
		if len(seen.Answers) == 1 {
			return engine.More{Ask: []engine.Question{mountsBelow(p)}}
		}
		if ans := seen.Answers[1]; ans.Code != 0 {
			return failedStop("cannot tell whether something is mounted in %s: %s", p, words(ans))
		} else if at := strings.TrimSpace(ans.Stdout.String()); at != "" {
			return engine.Stop{State: engine.Refused, Why: fmt.Sprintf("something is mounted in %s (%s); unmount it first, so that nothing of it is deleted", p, strings.ReplaceAll(at, "\n", ", "))}
		}
		text = `rm -rf -- "$1"`
	}
	c := engine.Change{What: "remove", Have: string(now.Kind), Want: string(engine.Absent), Do: []engine.Action{engine.Shell{Text: text, Args: []string{p}}}, Again: true}
	return settle([]engine.Change{c}, []engine.Answer{given(gone)}, fileValues(p, gone))
}
