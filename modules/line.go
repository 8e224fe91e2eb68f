package modules

import (
	"path"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
)

func init() { register(engine.PerHost(lineSchema, decideLine)) }

// lineArgs are the arguments of one line step.
type lineArgs struct {
	Path     string       `arg:"path"`
	Line     *engine.Blob `arg:"line"`
	Match    string       `arg:"match"`
	After    string       `arg:"after"`
	Before   string       `arg:"before"`
	State    string       `arg:"state"`
	Create   bool         `arg:"create"`
	Mode     string       `arg:"mode"`
	Owner    string       `arg:"owner"`
	Group    string       `arg:"group"`
	Backup   bool         `arg:"backup"`
	Validate string       `arg:"validate"`
	Follow   bool         `arg:"follow"`
}

// lineMost is the longest file that line edits.
const lineMost = 64 << 20

var lineSchema = engine.Module{
	Name:    "line",
	Summary: "Declare that a line is in a text file, or that it is not.",
	Doc: `**present**: the last line that ` + "`match`" + ` matches becomes ` + "`line`" + `. Without ` + "`match`" + `, or where nothing matches, the line itself has to be there; if it is not, it
goes behind the last line that ` + "`after`" + ` matches, or in front of the first that ` + "`before`" + ` matches, else to the end of the file. Where ` + "`line`" + ` is not matched by ` + "`match`" + ` itself (` + "`# option`" + ` becomes
` + "`option`" + `), a line that is there already is enough, and nothing is replaced.

**absent**: every line that ` + "`match`" + ` matches, and every line that equals ` + "`line`" + `, is removed.

Patterns are RE2, matched against the bytes of one line without its line end. Nothing else in the file changes: a line keeps its line end, a new line has that of its
neighbours (CRLF in a CRLF file), and a file without a final newline gets one only where a line follows.

The file is written as ` + "`file`" + ` writes it, with the owner and mode it has unless they are declared. It may have up to 64 MiB. A missing file is an
error unless ` + "`create = true`" + `, or nothing is wanted in it.`,
	Example: `step "line" "hugepages" {
  path   = "/etc/sysctl.d/90-cluster.conf"
  match  = "^vm\\.nr_hugepages\\s*="
  line   = "vm.nr_hugepages = 1024"
  create = true
}
`,
	Args: append([]engine.Arg{
		{Name: "path", Type: cty.String, Required: true, As: engine.AsAbsPath, Doc: "Absolute path of a text file on the host."},
		{Name: "line", Type: cty.String, As: engine.AsContent, Doc: "The line, without a line end; may be sensitive. Required, but with `state = \"absent\"` and a `match`."},
		{Name: "match", Type: cty.String, As: engine.AsRE2, Doc: "The line to replace: the last that matches."},
		{Name: "after", Type: cty.String, As: engine.AsRE2, Doc: "A new line goes behind the last line that matches."},
		{Name: "before", Type: cty.String, As: engine.AsRE2, Doc: "A new line goes in front of the first line that matches."},
		{Name: "state", Type: cty.String, Default: "present", Values: []string{"present", "absent"}, Doc: "Whether the line is there."},
		{Name: "create", Type: cty.Bool, Default: false, Doc: "Make the file where it is missing."},
	}, attributeArgs...),
	Results: fileResults,
	Check:   checkLine,
	Hints:   hintLine,
}

// checkLine finds arguments that contradict each other.
func checkLine(in engine.Inputs) []engine.Complaint {
	var out []engine.Complaint
	complain := func(arg, say string) { out = append(out, engine.Complaint{Arg: arg, Say: say}) }
	absent := in.String("state") == "absent"
	if !in.Has("line") && (!absent || !in.Has("match")) {
		complain("line", "no line is given")
	}
	if text, known := lineText(in); known && strings.ContainsAny(text, "\r\n") {
		complain("line", "a line holds no line end; for several lines use for_each, or file")
	}
	if in.Has("after") && in.Has("before") {
		complain("before", "a new line goes either after or before; leave one of them out")
	}
	if absent {
		for _, arg := range []string{"after", "before"} {
			if in.Has(arg) {
				complain(arg, arg+" has no meaning with state = \"absent\"")
			}
		}
		if in.True("create") {
			complain("create", "create has no meaning with state = \"absent\"")
		}
	}
	return append(out, checkValidate(in)...)
}

// hintLine points at a match that the line itself would not have.
func hintLine(in engine.Inputs) []engine.Complaint {
	text, known := lineText(in)
	if !known || !in.Has("match") || !in.Known("match") || in.String("state") == "absent" {
		return nil
	}
	re, err := regexp.Compile(in.String("match"))
	if err != nil || re.MatchString(text) {
		return nil
	}
	return []engine.Complaint{{Arg: "match", HintID: "line-no-match", Say: "match does not match line itself: once the line is there, other lines that match stay as they are"}}
}

func lineText(in engine.Inputs) (string, bool) {
	v, ok := in["line"]
	if !ok {
		return "", false
	}
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}

// Ask reads the whole file.
func (a lineArgs) Ask() []engine.Question {
	p := cleanPath(a.Path)
	out := []engine.Question{engine.Path{Path: p, Follow: a.Follow, Hash: true, Read: lineMost}}
	if a.Create {
		out = append(out, engine.Path{Path: path.Dir(p)})
	}
	return out
}

// edit is what the step does to a text.
func (a lineArgs) edit() edit {
	e := edit{match: compiledOne(a.Match), after: compiledOne(a.After), before: compiledOne(a.Before)}
	if a.Line != nil {
		e.line, e.has = a.Line.Text, true
	}
	return e
}

// compiledOne: patterns were checked before any host was contacted.
func compiledOne(pattern string) *regexp.Regexp {
	if pattern == "" {
		return nil
	}
	return regexp.MustCompile(pattern)
}

func decideLine(a lineArgs, seen engine.Seen) engine.Decision {
	if stop, failed := failedBefore(seen.Past); failed {
		return stop
	}
	p, now := cleanPath(a.Path), seen.Answers[0].Path
	attr := attributes{Mode: a.Mode, Owner: a.Owner, Group: a.Group, Follow: a.Follow}
	switch now.Kind {
	case engine.PathUnknown:
		return failedStop("cannot tell what is at %s", p)
	case engine.Absent:
		if a.State == "absent" {
			return withBefore(engine.Done{Results: fileValues(p, now)}, now, seen.Past)
		}
		if !a.Create {
			return failedStop("no such file: %s; create = true makes it", p)
		}
	case engine.Symlink:
		if a.Follow {
			return failedStop("%s is a symbolic link that leads nowhere", p)
		}
	case engine.Regular:
		if stop := unreadable(p, now); stop != nil {
			return stop
		}
		if attr.untold(now) {
			return failedStop("the owner of %s is not known before the step that makes it has run", p)
		}
	}
	want := fileWant{path: p, attributes: attr, backup: a.Backup, validate: a.Validate}
	parent := engine.PathInfo{}
	if a.Create {
		parent = seen.Answers[1].Path
	}
	if stop := want.refuse(now, parent); stop != nil {
		return stop
	}
	text := a.edit().present(now.Content)
	if a.State == "absent" {
		text = a.edit().absent(now.Content)
	}
	blob := engine.TextBlob(text, engine.Secrecy(a.Line != nil && a.Line.Secret))
	want.content = &blob
	want.old = &now
	return withBefore(want.decideLine(now, seen), now, seen.Past)
}

// unreadable fails where the text of the file did not come.
func unreadable(p string, now engine.PathInfo) engine.Decision {
	switch {
	case now.Size > lineMost:
		return failedStop("%s has %d bytes; line edits files of up to %d", p, now.Size, lineMost)
	case !now.Read:
		return failedStop("%s cannot be read", p)
	}
	return nil
}

// decideLine is decide, but with the hash of a content that is at hand.
func (w fileWant) decideLine(now engine.PathInfo, seen engine.Seen) engine.Decision {
	if now.Kind == engine.Regular {
		now.SHA256 = engine.TextBlob(now.Content, engine.Public).SHA256
	}
	return w.decide(now, seen)
}
