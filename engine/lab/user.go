package lab

import (
	"slices"
	"strconv"
	"strings"
)

// User is an account of a world, as its /etc/passwd and /etc/group have it.
type User struct {
	Name   string
	UID    int
	GID    int
	Groups []int // the primary one first
	Home   string
	Shell  string
}

// passwdLine is one line of a colon-separated table of accounts.
type passwdLine []string

func (l passwdLine) field(i int) string {
	if i < len(l) {
		return l[i]
	}
	return ""
}

func (l passwdLine) number(i int) int {
	n, err := strconv.Atoi(l.field(i))
	if err != nil {
		return -1
	}
	return n
}

func (w *World) table(path string) []passwdLine {
	data, err := w.fs.ReadFile(path)
	if err != nil {
		return nil
	}
	var out []passwdLine
	for line := range strings.Lines(string(data)) {
		if l := strings.Split(strings.TrimRight(line, "\n"), ":"); len(l) > 2 {
			out = append(out, l)
		}
	}
	return out
}

// LookupUser finds an account by name.
func (w *World) LookupUser(name string) (User, bool) {
	return w.findUser(func(l passwdLine) bool { return l.field(0) == name })
}

// LookupUID finds an account by number.
func (w *World) LookupUID(uid int) (User, bool) {
	return w.findUser(func(l passwdLine) bool { return l.number(2) == uid })
}

func (w *World) findUser(match func(passwdLine) bool) (User, bool) {
	for _, l := range w.table("/etc/passwd") {
		if !match(l) {
			continue
		}
		u := User{Name: l.field(0), UID: l.number(2), GID: l.number(3), Home: l.field(5), Shell: l.field(6)}
		u.Groups = []int{u.GID}
		for _, g := range w.table("/etc/group") {
			gid := g.number(2)
			if gid != u.GID && slices.Contains(strings.Split(g.field(3), ","), u.Name) {
				u.Groups = append(u.Groups, gid)
			}
		}
		return u, true
	}
	return User{}, false
}

func (w *World) userName(uid int) string {
	if u, ok := w.LookupUID(uid); ok {
		return u.Name
	}
	return strconv.Itoa(uid)
}

func (w *World) lookupGroup(name string) (int, bool) {
	for _, l := range w.table("/etc/group") {
		if l.field(0) == name {
			return l.number(2), true
		}
	}
	return 0, false
}

func (w *World) groupName(gid int) string {
	for _, l := range w.table("/etc/group") {
		if l.number(2) == gid {
			return l.field(0)
		}
	}
	return strconv.Itoa(gid)
}
