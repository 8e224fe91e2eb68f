package engine

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"

	"cvsplay/engine/remote"
)

// wantMost is the longest output that a host compares.
const wantMost = 64 << 10

// want has the host compare what its scripts print with what is expected; nil for an inquiry: its answers may be anything. A script whose
// output cannot be foretold breaks the chain.
func (b *batch) want(expected [][]expectation) {
	b.wants = make([]*remote.Want, len(b.scripts))
	for k, at := range b.spots {
		var all []expectation
		for _, s := range at {
			if expected[s.inquiry] != nil {
				all = append(all, expected[s.inquiry][s.question])
			}
		}
		if len(all) == 0 {
			continue
		}
		if b.grouped[k] != nil {
			b.wants[k] = b.grouped[k].want(expected)
		} else {
			b.wants[k] = all[0].shellWant()
		}
	}
}

// never is wanted of a script of which nobody can tell what it prints.
func never() *remote.Want { return &remote.Want{Code: -1} }

func (e expectation) shellWant() *remote.Want {
	a := e.answer
	switch {
	case e.proof, e.code:
		return &remote.Want{Code: a.Code}
	case a.Stdout.Size != int64(len(a.Stdout.Bytes)) || a.Stdout.Size > wantMost || len(a.Stderr.Bytes) > 0 || strings.IndexByte(a.Stdout.String(), 0) >= 0:
		return never()
	}
	return remote.Exactly(a.Code, a.Stdout.String())
}

// A pathWriter writes what pathScript prints, with gaps where anything may stand.
type pathWriter struct {
	pieces []string
}

func newPathWriter() *pathWriter { return &pathWriter{pieces: []string{""}} }

func (w *pathWriter) text(s string) { w.pieces[len(w.pieces)-1] += s }

func (w *pathWriter) gap() {
	if w.pieces[len(w.pieces)-1] != "" || len(w.pieces) == 1 {
		w.pieces = append(w.pieces, "")
	}
}

func (w *pathWriter) known(s string) {
	if s == "" {
		w.gap()
		return
	}
	w.text(s)
}

// want is what pathScript prints for these paths.
func (g *pathGroup) want(expected [][]expectation) *remote.Want {
	paths, infos := g.paths, make([]*PathInfo, len(g.paths))
	for i, s := range g.at {
		if expected[s.inquiry] == nil {
			continue
		}
		info, have := &expected[s.inquiry][s.question].answer.Path, &infos[g.which[i]]
		if *have != nil && !reflect.DeepEqual(*have, info) {
			return never() // two steps foretell of one path what cannot both come
		}
		*have = info
	}
	w := newPathWriter()
	have := ""
	for i, info := range infos {
		switch {
		case info == nil || info.Kind == PathUnknown: // whether there is a line for it is not known
			return never()
		case info.Kind == Absent:
			w.text(fmt.Sprintf("A %d\n", i+1))
		default:
			have += fmt.Sprintf(" %d", i+1)
		}
	}
	if have == "" {
		return w.want()
	}
	w.text("H" + have + "\n")
	for _, info := range infos {
		if info.Kind != Absent {
			w.stat(*info)
		}
	}
	for i, info := range infos {
		if info.Kind != Absent && !w.content(i+1, paths[i], *info) {
			return never()
		}
	}
	w.sums(paths, infos)
	return w.want()
}

func (w *pathWriter) want() *remote.Want {
	size := 0
	for _, p := range w.pieces {
		size += len(p)
	}
	if size > wantMost {
		return never()
	}
	return &remote.Want{Stdout: w.pieces}
}

// stat writes the line of what is there.
func (w *pathWriter) stat(i PathInfo) {
	w.text("S ")
	if i.Kind == AnyKind {
		w.gap()
		w.text("\n")
		return
	}
	w.known(plainMode(i.Mode))
	w.text("|")
	w.known(numeric(i.UID))
	w.text("|")
	w.known(numeric(i.GID))
	w.text("|")
	w.known(named(i.Owner))
	w.text("|")
	w.known(named(i.Group))
	w.text("|")
	kind := ""
	switch i.Kind {
	case Regular:
		kind = "regular file"
		if i.Size == 0 {
			kind = "regular empty file"
		}
		w.text(fmt.Sprint(i.Size))
	case Directory:
		kind = "directory"
		w.gap()
	case Symlink:
		kind = "symbolic link"
		w.gap()
	default:
		w.gap()
	}
	w.text("|")
	w.known(kind)
	w.text("\n")
}

// content writes what follows for a link, or for a file that is read; false: that cannot be told.
func (w *pathWriter) content(number int, q Path, i PathInfo) bool {
	switch {
	case i.Kind == AnyKind:
		return !q.Hash && q.Read == 0 && !q.Follow
	case i.Kind == Symlink:
		w.text(fmt.Sprintf("L %d %d\n%s\n", number, len(i.Target), i.Target))
	case i.Kind == Regular && q.Read > 0 && i.Size <= q.Read:
		if !i.Read {
			return false
		}
		w.text(fmt.Sprintf("C %d %s\n", number, base64.StdEncoding.EncodeToString(i.Content)))
	}
	return true
}

func (w *pathWriter) sums(paths []Path, infos []*PathInfo) {
	which := ""
	for i, info := range infos {
		if info.Kind == Regular && paths[i].Hash {
			which += fmt.Sprintf(" %d", i+1)
		}
	}
	if which == "" {
		return
	}
	w.text("X" + which + "\n")
	for i, info := range infos {
		if info.Kind == Regular && paths[i].Hash {
			w.known(info.SHA256)
			w.gap() // sha256sum escapes some names, and marks the line where it does
			w.text("\n")
		}
	}
}

// plainMode is a mode as stat prints it.
func plainMode(mode string) string {
	if mode == "" {
		return ""
	}
	if mode = strings.TrimLeft(mode, "0"); mode == "" {
		return "0"
	}
	return mode
}

// numeric is an id; "" where it is no number: a name was declared.
func numeric(id string) string {
	if strings.Trim(id, "0123456789") != "" {
		return ""
	}
	return id
}

// named is the name of an account; "" where it is a number: the account has no name, or one that is not known.
func named(name string) string {
	if strings.Trim(name, "0123456789") == "" {
		return ""
	}
	return name
}
