package modules

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cvsplay/engine"
)

// An sshdMesh is what the nodes of a fleet have to know of each other. It is made once for a decision, and a text that is the same for many
// nodes, as nearly all are, is made once and shared: every one of a thousand nodes has to know a thousand.
type sshdMesh struct {
	fleet    sshdFleet
	byName   map[string]*sshdNode
	ports    map[string]bool // whose lines this step answers for
	clients  []string        // marked lines with the client keys of the nodes that take part, sorted
	hosts    []string        // the same with their host keys
	keepsAny bool            // entries may stay though their nodes do not tell their keys now
	limited  bool            // hosts were left out of the run
	gone     []string        // hosts that fell out in an earlier play

	needsClientKey, needsHostKey bool // some node will make a key that the others have to learn
	stopped                      bool // a node was stopped while the mesh was made: others are to be decided without it

	contents map[string]sshdContent // of files, by SHA-256: each read on one of the nodes that have it
	made     map[string]sshdFile    // by what it is made of
}

// sshdContent is what a file holds.
type sshdContent struct {
	text []byte
	read bool // false: it is too large
}

// An sshdFile is a file of keys as it has to be.
type sshdFile struct {
	text engine.Blob
	same bool // the marked lines that the file has are those it has to have
	told bool // the same lines stand in all files together: no node has to learn a key
}

func newSSHDMesh(fleet sshdFleet) *sshdMesh {
	m := &sshdMesh{fleet: fleet, byName: map[string]*sshdNode{}, ports: map[string]bool{}, contents: map[string]sshdContent{}, made: map[string]sshdFile{}}
	for _, n := range fleet {
		m.byName[n.Host] = n
		m.limited = m.limited || n.Limited
		m.gone = n.Gone
		m.keepsAny = m.keepsAny || n.Limited || n.stop != nil || len(n.Gone) > 0
		m.needsClientKey = m.needsClientKey || n.needsClientKey()
		m.needsHostKey = m.needsHostKey || n.needsHostKey()
		if n.Reach != engine.Reached {
			continue
		}
		m.ports[strconv.Itoa(n.Args.Port)] = true
		for _, a := range n.further() {
			if a.Path.Kind == engine.Regular {
				m.contents[a.Path.SHA256] = sshdContent{text: a.Path.Content, read: a.Path.Read}
			}
		}
		if n.stop != nil {
			continue
		}
		if n.Args.ClusterKey && n.clientKey != "" {
			m.clients = append(m.clients, n.clientKey+" "+sshdMark+n.Host)
		}
		if n.hostKey != "" {
			m.hosts = append(m.hosts, n.hostLine())
		}
	}
	slices.SortFunc(m.clients, byMark)
	slices.SortFunc(m.hosts, byMark)
	return m
}

// hostLine is the node's own line in the files of the others.
func (n *sshdNode) hostLine() string {
	var patterns []string
	for _, name := range n.Args.names(n.Seen) {
		if n.Args.Port != 22 {
			name = fmt.Sprintf("[%s]:%d", name, n.Args.Port)
		}
		patterns = append(patterns, name)
	}
	return fmt.Sprintf("%s %s %s%s:%d", strings.Join(patterns, ","), n.hostKey, sshdMark, n.Host, n.Args.Port)
}

// keeps tells whether an entry for a node stays though that node did not tell its key now: it cannot be asked, fell out earlier, or was left out of the
// run.
func (m *sshdMesh) keeps(name string) bool {
	if n := m.byName[name]; n != nil {
		return n.stop != nil
	}
	return m.limited || slices.Contains(m.gone, name)
}

// withKept are the lines of the nodes that take part and those of present that stay, sorted.
func (m *sshdMesh) withKept(lines, present []string, nameOf func(string) string) []string {
	var kept []string
	for _, line := range present {
		if m.keeps(nameOf(line)) {
			kept = append(kept, line)
		}
	}
	if kept == nil {
		return lines
	}
	all := slices.Concat(lines, kept)
	slices.SortFunc(all, byMark)
	return all
}

// authorized is the file of authorized keys that a node has to have: the declared keys, then those of the nodes, by name.
func (m *sshdMesh) authorized(n *sshdNode) sshdFile {
	declared := authorizedHeader + linesOf(trimmed(n.Args.AuthorizedKeys))
	if !n.Args.ClusterKey {
		return m.once(declared, func() sshdFile { return sshdFile{text: publicText(declared), same: true, told: true} })
	}
	return m.unlessAlready(n.path(sshdAuthorized), "authorized\x00"+declared, func(content []byte) sshdFile {
		have := marked(content)
		want := m.withKept(m.clients, have, clientMark)
		same := slices.Equal(want, have)
		return sshdFile{text: publicText(declared + linesOf(want)), same: same, told: same}
	})
}

// known is the file of host keys that a node has to have. Lines that are not this step's stay where they are, byte by byte; what an earlier
// version wrote into the person's file counts.
func (m *sshdMesh) known(n *sshdNode) sshdFile {
	key, persons := "known", []byte(nil)
	if n.facts.OldLines {
		key += "\x00" + n.path(sshdPersons).SHA256
		persons = m.content(n, sshdPersons)
	}
	return m.unlessAlready(n.path(sshdKnown), key, func(ours []byte) sshdFile {
		rest, have := m.sort(ours)
		_, old := m.sort(persons)
		all := withOlder(have, old)
		want := m.withKept(m.hosts, all, nodeOfHostMark)
		return sshdFile{text: publicText(string(rest) + linesOf(want)), same: slices.Equal(want, have), told: slices.Equal(want, all)}
	})
}

// withOlder are the lines of a file, and those of an older one about whom it says nothing, sorted.
func withOlder(have, old []string) []string {
	marks := map[string]bool{}
	for _, line := range have {
		marks[lastField(line)] = true
	}
	all := slices.Clone(have)
	for _, line := range old {
		if !marks[lastField(line)] {
			all = append(all, line)
		}
	}
	slices.SortFunc(all, byMark)
	return all
}

// sort parts a file of host keys in the lines that this step answers for (marked, with a port that one of its nodes has) and the rest, which
// ends with a newline.
func (m *sshdMesh) sort(content []byte) (rest []byte, managed []string) {
	for line := range bytes.Lines(content) {
		text := strings.TrimRight(string(line), "\r\n")
		if _, port := hostMark(text); isMarked(text) && m.ports[port] {
			managed = append(managed, text)
		} else {
			rest = append(rest, line...)
		}
	}
	if len(rest) > 0 && rest[len(rest)-1] != '\n' {
		rest = append(rest, '\n')
	}
	return rest, managed
}

// unlessAlready makes a file by what it holds now, once for all nodes where it holds the same. One that holds what it would hold if it were made
// anew needs no look.
func (m *sshdMesh) unlessAlready(have engine.PathInfo, key string, f func(content []byte) sshdFile) sshdFile {
	anew := m.once(key, func() sshdFile { return f(nil) })
	if have.SHA256 == anew.text.SHA256 {
		return sshdFile{text: anew.text, same: true, told: true}
	}
	if have.SHA256 == "" {
		return anew
	}
	return m.once(key+"\x00"+have.SHA256, func() sshdFile { return f(m.contents[have.SHA256].text) })
}

func (m *sshdMesh) once(key string, f func() sshdFile) sshdFile {
	file, made := m.made[key]
	if !made {
		file = f()
		m.made[key] = file
	}
	return file
}

// content is what one of a node's files holds, as far as it had to be read.
func (m *sshdMesh) content(n *sshdNode, answer int) []byte {
	return m.contents[n.path(answer).SHA256].text
}

// read asks for the contents that decide and are not known yet, each on one of the nodes that have it; nil: there is none. A file that
// cannot be read stops its node.
func (m *sshdMesh) read() []engine.Decision {
	out := make([]engine.Decision, len(m.fleet))
	asked := map[string]bool{}
	for i, n := range m.fleet {
		var ask []engine.Question
		for _, q := range m.unread(n) {
			sum := n.path(q.answer).SHA256
			switch known, is := m.contents[sum]; {
			case is && !known.read:
				m.stop(n, failedStop("%s cannot be read; it has %d bytes", q.path, n.path(q.answer).Size))
			case len(n.further()) > sshdFurther:
				m.stop(n, failedStop("%s changes while it is looked at", q.path))
			case !is && !asked[sum]:
				asked[sum] = true
				ask = append(ask, engine.Path{Path: q.path, Hash: true, Read: q.most})
			}
		}
		out[i] = engine.More{Ask: ask} // who asks nothing waits for those who have the same
	}
	if len(asked) == 0 {
		return nil
	}
	return out
}

// sshdFurther is how many further questions a node is asked before its files are taken for ones that do not keep still.
const sshdFurther = 6

// An sshdUnread is a file whose content decides.
type sshdUnread struct {
	answer int
	path   string
	most   int64
}

// unread are the files of a node that the decision has to look into. What a file has to hold tells by its hash that it is as it should be.
func (m *sshdMesh) unread(n *sshdNode) []sshdUnread {
	if n.stop != nil {
		return nil
	}
	var out []sshdUnread
	add := func(answer int, path string, most int64) {
		if n.path(answer).Kind == engine.Regular {
			out = append(out, sshdUnread{answer, path, most})
		}
	}
	if n.Args.ClusterKey && m.keepsAny && !m.needsClientKey && n.path(sshdAuthorized).SHA256 != m.authorized(n).text.SHA256 {
		add(sshdAuthorized, n.files.authorized, 16<<20)
	}
	if !n.Args.knowsHosts() || m.needsHostKey {
		return out
	}
	if n.path(sshdKnown).SHA256 != m.known(n).text.SHA256 {
		add(sshdKnown, rootKnownHosts, 64<<20)
	}
	if n.facts.OldLines {
		add(sshdPersons, personsKnownHosts, 64<<20)
	}
	return out
}

// refuseLimited keeps a run over some of the hosts from changing keys that the hosts left out would have to learn.
func (m *sshdMesh) refuseLimited() {
	if !m.limited {
		return
	}
	why := make([]string, len(m.fleet))
	for i, n := range m.fleet {
		why[i] = m.teaches(n)
	}
	for i, n := range m.fleet {
		if why[i] != "" {
			m.stop(n, engine.Stop{State: engine.Refused, Why: "keys of the cluster cannot be changed under --limit, for the hosts left out would not learn of it (" + why[i] + "): run it without --limit"})
		}
	}
}

func (m *sshdMesh) stop(n *sshdNode, d engine.Decision) { n.stop, m.stopped = d, true }

// teaches tells which change of a node's keys others would have to learn; "": none. Files are compared once no node lacks a key.
func (m *sshdMesh) teaches(n *sshdNode) string {
	switch {
	case n.stop != nil:
	case n.needsClientKey():
		return "it has no client key yet"
	case n.needsHostKey() && n.Args.knowsHosts():
		return "it has no host key yet"
	case n.Args.ClusterKey && !m.needsClientKey && !m.authorized(n).told:
		return "its authorized keys would change"
	case n.Args.knowsHosts() && !m.needsHostKey && !m.known(n).told:
		return "its known hosts would change"
	}
	return ""
}

func publicText(text string) engine.Blob { return engine.TextBlob([]byte(text), engine.Public) }

func linesOf(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
	return b.String()
}

func trimmed(lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = strings.TrimSpace(line)
	}
	return out
}
