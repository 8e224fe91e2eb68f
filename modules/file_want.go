package modules

import (
	"bytes"
	"fmt"
	"path"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"

	"cvsplay/engine"
)

// diffMost is the longest content that is shown as a diff; of a longer one, size and hash are.
const diffMost = 1 << 20

// A fileWant is a regular file as it has to be.
type fileWant struct {
	path       string
	kind       engine.PathKind
	attributes attributes
	content    *engine.Blob // nil: as it is, empty for a new file
	backup     bool
	validate   string
	old        *engine.PathInfo // with its content, where somebody will look at the diff
	more       []engine.Answer  // answers that follow path and folder in what is foretold
}

// refuse finds what keeps the file from being written at all; nil: nothing.
func (w fileWant) refuse(now, parent engine.PathInfo) engine.Decision {
	switch now.Kind {
	case engine.Regular:
		return nil
	case engine.Absent:
		return missingParent(w.path, parent)
	case engine.Symlink:
		return engine.Stop{State: engine.Refused, Why: fmt.Sprintf("%s is a symbolic link to %s; declare the path it leads to, or follow = true", w.path, now.Target)}
	}
	return wrongKind(w.path, now, "a file")
}

// writes tells whether content has to travel.
func (w fileWant) writes(now engine.PathInfo) bool {
	return now.Kind != engine.Regular || (w.content != nil && now.SHA256 != w.content.SHA256)
}

// diffable tells whether both contents can be looked at by a person.
func (w fileWant) diffable(now engine.PathInfo) bool {
	return now.Kind == engine.Regular && !w.blob().Secret && w.blob().Source == "" && now.Size <= diffMost && w.blob().Size <= diffMost
}

func (w fileWant) blob() engine.Blob {
	if w.content == nil {
		return engine.TextBlob(nil, engine.Public)
	}
	return *w.content
}

// decide compares the file with what is there.
func (w fileWant) decide(now engine.PathInfo, seen engine.Seen) engine.Decision {
	after := w.after(now)
	var changes []engine.Change
	if w.writes(now) {
		changes = []engine.Change{w.change(now, after, seen)}
	} else {
		changes = w.attributes.changes(w.path, now)
	}
	if len(changes) == 0 && seen.Brief {
		return engine.Done{}
	}
	then := append([]engine.Answer{given(after), seen.Answers[min(1, len(seen.Answers)-1)]}, w.more...)
	return settle(changes, then, fileValues(w.path, after))
}

// after is the file once it is as wanted.
func (w fileWant) after(now engine.PathInfo) engine.PathInfo {
	if !w.writes(now) {
		return w.attributes.after(now)
	}
	b := w.blob()
	if now.Kind != engine.Regular {
		now = engine.PathInfo{Mode: "0644"}
		if b.Secret {
			now.Mode = "0600"
		}
	}
	after := w.attributes.after(now)
	after.Kind, after.SHA256, after.Size = engine.Regular, b.SHA256, b.Size
	after.Content, after.Read = nil, false
	if b.Source == "" {
		after.Content, after.Read = b.Text, true
	}
	return after
}

func (w fileWant) change(now, after engine.PathInfo, seen engine.Seen) engine.Change {
	b := w.blob()
	owner, group := w.attributes.Owner, w.attributes.Group
	if owner == "" {
		owner = now.UID
	}
	if group == "" {
		group = now.GID
	}
	c := engine.Change{
		What: "write",
		Have: contentWords(now, engine.Secrecy(b.Secret)),
		Want: contentWords(after, engine.Secrecy(b.Secret)),
		Do: []engine.Action{engine.WriteFile{
			Path: w.path, Content: b, Mode: after.Mode, Owner: owner, Group: group,
			Backup: w.backup, Check: w.validate, Follow: w.attributes.Follow,
		}},
		Again: true,
	}
	if seen.Diff {
		c.Diff = w.diff(now)
	}
	return c
}

// diff shows what changes of a text; "" where it must not, or cannot, be shown.
func (w fileWant) diff(now engine.PathInfo) string {
	b := w.blob()
	if b.Secret || b.Source != "" || b.Size > diffMost {
		return ""
	}
	var old []byte
	if now.Kind == engine.Regular {
		if w.old == nil || !w.old.Read {
			return ""
		}
		old = w.old.Content
	}
	if !isText(old) || !isText(b.Text) {
		return ""
	}
	from, to := w.path, w.path
	if now.Kind == engine.Absent {
		from = "/dev/null"
	}
	return udiff.Unified(from, to, string(old), string(b.Text))
}

// isText tells whether a content can be shown: valid UTF-8 without NUL.
func isText(b []byte) bool { return utf8.Valid(b) && bytes.IndexByte(b, 0) < 0 }

// contentWords describe a file by what is compared. The hash of a short secret would give it away.
func contentWords(p engine.PathInfo, secret engine.Secrecy) string {
	if p.Kind != engine.Regular {
		return string(p.Kind)
	}
	if secret {
		return "sensitive content, mode " + p.Mode
	}
	sum := p.SHA256
	if len(sum) > 12 {
		sum = sum[:12]
	}
	return fmt.Sprintf("%d bytes, sha256 %s, mode %s", p.Size, sum, p.Mode)
}

// missingParent fails where a thing cannot be made since the folder it stands in is not there.
func missingParent(p string, parent engine.PathInfo) engine.Decision {
	switch parent.Kind {
	case engine.Absent:
		return failedStop("no such directory: %s; a file step with state = \"directory\" makes it", path.Dir(p))
	case engine.Regular, engine.OtherKind:
		return failedStop("%s is not a directory", path.Dir(p))
	}
	return nil
}

// wrongKind refuses to delete one thing to make room for another.
func wrongKind(p string, now engine.PathInfo, want string) engine.Decision {
	is := map[engine.PathKind]string{
		engine.Regular: "a file", engine.Directory: "a directory", engine.Symlink: "a symbolic link to " + now.Target, engine.OtherKind: "a device, socket or pipe",
	}[now.Kind]
	way := "; remove it first with state = \"absent\""
	if now.Kind == engine.Symlink && want == "a directory" {
		way = "; declare the path it leads to, or follow = true"
	}
	return engine.Stop{State: engine.Refused, Why: fmt.Sprintf("%s is %s, not %s%s", p, is, want, way)}
}

// settle is Done where nothing has to change, else an Act whose changes all leave what is foretold.
func settle(changes []engine.Change, then []engine.Answer, results engine.Values) engine.Decision {
	if len(changes) == 0 {
		return engine.Done{Results: results}
	}
	for i := range changes {
		changes[i].Then = then
	}
	return engine.Act{Changes: changes, Results: results}
}

func given(p engine.PathInfo) engine.Answer { return engine.Answer{State: engine.Given, Path: p} }

func failedStop(format string, words ...any) engine.Decision {
	return engine.Stop{State: engine.Failed, Why: fmt.Sprintf(format, words...)}
}

// failedBefore ends a step of which an action has failed; what was lost is settled by what is there now.
func failedBefore(past []engine.Outcome) (engine.Stop, bool) {
	for _, o := range past {
		if o.OK {
			continue
		}
		lost := false
		for _, a := range o.Answers {
			lost = lost || a.State == engine.Lost
		}
		if !lost {
			return engine.Stop{State: engine.Failed, Why: o.What + ": " + o.Why}, true
		}
	}
	return engine.Stop{}, false
}

// fileValues are the results of a path as it is at the end.
func fileValues(p string, info engine.PathInfo) engine.Values {
	v := engine.Values{"path": p, "sha256": nil, "mode": nil, "size": nil}
	if info.Mode != "" {
		v["mode"] = info.Mode
	}
	if info.Kind == engine.Regular {
		v["size"] = info.Size
		if info.SHA256 != "" {
			v["sha256"] = info.SHA256
		}
	}
	return v
}

// withBefore adds the result "before": what was there before the first change. An Act tells it; once something was done only that Act knew.
func withBefore(d engine.Decision, now engine.PathInfo, past []engine.Outcome) engine.Decision {
	if done, ok := d.(engine.Done); len(past) > 0 || ok && done.Results == nil {
		return d
	}
	before := map[string]any{"kind": string(now.Kind), "sha256": nil, "mode": nil, "size": nil, "owner": nil, "group": nil, "target": nil}
	for name, value := range map[string]string{"sha256": now.SHA256, "mode": now.Mode, "owner": now.Owner, "group": now.Group, "target": now.Target} {
		if value != "" {
			before[name] = value
		}
	}
	if now.Kind == engine.Regular {
		before["size"] = now.Size
	}
	switch d := d.(type) {
	case engine.Done:
		d.Results["before"] = before
	case engine.Act:
		d.Results["before"] = before
	}
	return d
}
