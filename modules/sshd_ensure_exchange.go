package modules

import (
	"bytes"
	"slices"
	"strings"

	"cvsplay/engine"
)

// sshdMark begins the comment of every line that cvsplay puts into a file of keys: cvsplay:NODE, or cvsplay:NODE:PORT for a host key.
const sshdMark = "cvsplay:"

const authorizedHeader = "# Written by cvsplay (sshd_ensure); changes made here are overwritten.\n"

// exchange writes what nodes know of each other. As long as some node has yet to make a key, it is foreseen only.
func (n *sshdNode) exchange(m *sshdMesh) []engine.Change {
	return slices.Concat(n.authorize(m), n.know(m))
}

func (n *sshdNode) authorize(m *sshdMesh) []engine.Change {
	have := n.path(sshdAuthorized)
	c := engine.Change{What: "write authorized keys", Have: contentWords(have, engine.Public), Want: n.files.authorized, Again: true}
	if n.Args.ClusterKey && m.needsClientKey {
		return []engine.Change{c}
	}
	want := m.authorized(n).text
	if have.Kind == engine.Regular && have.SHA256 == want.SHA256 && have.Mode == "0600" && have.UID == "0" {
		return nil
	}
	c.Do = []engine.Action{engine.WriteFile{Path: n.files.authorized, Content: want, Mode: "0600", Owner: "root", Group: "root"}}
	return []engine.Change{c}
}

// know writes the host keys of all nodes where root's ssh looks for them, and takes out what an earlier version wrote into the person's file.
func (n *sshdNode) know(m *sshdMesh) []engine.Change {
	if !n.Args.knowsHosts() {
		return nil
	}
	have := n.path(sshdKnown)
	c := engine.Change{What: "write known hosts", Have: contentWords(have, engine.Public), Want: rootKnownHosts, Again: true}
	if m.needsHostKey {
		return []engine.Change{c}
	}
	var out []engine.Change
	if want := m.known(n); !want.same {
		c.Do = []engine.Action{rewrite(rootKnownHosts, have, want.text)}
		out = append(out, c)
	}
	if rest, old := m.sort(m.content(n, sshdPersons)); n.facts.OldLines && len(old) > 0 {
		persons := n.path(sshdPersons)
		out = append(out, engine.Change{
			What: "take host keys out of known_hosts", Have: contentWords(persons, engine.Public), Want: rootKnownHosts + " has them", Again: true,
			Do: []engine.Action{rewrite(personsKnownHosts, persons, engine.TextBlob(rest, engine.Public))},
		})
	}
	return out
}

// rewrite gives a file another content and leaves it to whom it belongs.
func rewrite(path string, have engine.PathInfo, content engine.Blob) engine.WriteFile {
	w := engine.WriteFile{Path: path, Content: content, Mode: "0600", Owner: "root", Group: "root"}
	if have.Kind == engine.Regular {
		w.Mode, w.Owner, w.Group = have.Mode, have.UID, have.GID
	}
	return w
}

// marked are the lines of a content that end in our mark.
func marked(content []byte) []string {
	var out []string
	for line := range bytes.Lines(content) {
		if text := strings.TrimRight(string(line), "\r\n"); isMarked(text) {
			out = append(out, text)
		}
	}
	return out
}

func isMarked(line string) bool {
	return !strings.HasPrefix(line, "#") && strings.HasPrefix(lastField(line), sshdMark)
}

func lastField(line string) string { return line[strings.LastIndexByte(line, ' ')+1:] }

// clientMark is the node that a marked authorized key belongs to.
func clientMark(line string) string { return strings.TrimPrefix(lastField(line), sshdMark) }

// hostMark is the node and the port that a marked host key belongs to.
func hostMark(line string) (name, port string) {
	mark := strings.TrimPrefix(lastField(line), sshdMark)
	i := strings.LastIndexByte(mark, ':')
	if i < 0 {
		return mark, ""
	}
	return mark[:i], mark[i+1:]
}

func nodeOfHostMark(line string) string {
	name, _ := hostMark(line)
	return name
}

func byMark(a, b string) int {
	if c := strings.Compare(lastField(a), lastField(b)); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}
