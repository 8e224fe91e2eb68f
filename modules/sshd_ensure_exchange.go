package modules

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cvsplay/engine"
)

// sshdMark begins the comment of every line that cvsplay puts into a file of keys: cvsplay:NODE, or cvsplay:NODE:PORT for a host key.
const sshdMark = "cvsplay:"

const authorizedHeader = "# Written by cvsplay (sshd_ensure); changes made here are overwritten.\n"

// exchange writes what nodes know of each other. As long as some node has yet to make a key, it is foreseen only.
func (n *sshdNode) exchange(fleet sshdFleet) []engine.Change {
	return append(n.authorize(fleet), n.know(fleet)...)
}

func (n *sshdNode) authorize(fleet sshdFleet) []engine.Change {
	c := engine.Change{What: "write authorized keys", Want: n.files.authorized, Again: true}
	have := n.path(sshdAuthorized)
	c.Have = contentWords(have, engine.Public)
	if n.Args.ClusterKey && fleet.any((*sshdNode).needsClientKey) {
		return []engine.Change{c}
	}
	want := engine.TextBlob(n.authorizedText(fleet), engine.Public)
	if have.Kind == engine.Regular && have.SHA256 == want.SHA256 && have.Mode == "0600" && have.UID == "0" {
		return nil
	}
	c.Do = []engine.Action{engine.WriteFile{Path: n.files.authorized, Content: want, Mode: "0600", Owner: "root", Group: "root"}}
	return []engine.Change{c}
}

// authorizedText are the declared keys, then those of the nodes, by name.
func (n *sshdNode) authorizedText(fleet sshdFleet) []byte {
	var b bytes.Buffer
	b.WriteString(authorizedHeader)
	for _, key := range n.Args.AuthorizedKeys {
		b.WriteString(strings.TrimSpace(key) + "\n")
	}
	for _, line := range n.clientLines(fleet) {
		b.WriteString(line + "\n")
	}
	return b.Bytes()
}

// clientLines are the marked lines that the node's authorized keys have to hold, sorted.
func (n *sshdNode) clientLines(fleet sshdFleet) []string {
	if !n.Args.ClusterKey {
		return nil
	}
	var lines []string
	for _, m := range fleet {
		if m.stop == nil && m.Args.ClusterKey && m.clientKey != "" {
			lines = append(lines, m.clientKey+" "+sshdMark+m.Host)
		}
	}
	for _, line := range marked(n.path(sshdAuthorized).Content) {
		if n.keeps(fleet, clientMark(line)) {
			lines = append(lines, line)
		}
	}
	slices.SortFunc(lines, byMark)
	return lines
}

// keeps tells whether an entry for a node stays though that node did not tell its key now: it cannot be asked, or was left out of the run.
func (n *sshdNode) keeps(fleet sshdFleet, name string) bool {
	for _, m := range fleet {
		if m.Host == name {
			return m.stop != nil
		}
	}
	return n.Limited
}

// know writes the host keys of all nodes into root's known_hosts.
func (n *sshdNode) know(fleet sshdFleet) []engine.Change {
	if !n.Args.knowsHosts() {
		return nil
	}
	c := engine.Change{What: "write known hosts", Want: rootKnownHosts, Again: true}
	have := n.path(sshdKnown)
	c.Have = contentWords(engine.PathInfo{Kind: have.Kind, Mode: have.Mode, Size: have.Size, SHA256: engine.TextBlob(have.Content, engine.Public).SHA256}, engine.Public)
	if fleet.any((*sshdNode).needsHostKey) {
		return []engine.Change{c}
	}
	want := n.hostLines(fleet)
	if slices.Equal(want, n.managed(fleet, have.Content)) {
		return nil
	}
	mode, owner, group := "0600", "root", "root"
	if have.Kind == engine.Regular {
		mode, owner, group = have.Mode, have.UID, have.GID
	}
	text := n.knownText(fleet, have.Content, want)
	c.Do = []engine.Action{engine.WriteFile{Path: rootKnownHosts, Content: engine.TextBlob(text, engine.Public), Mode: mode, Owner: owner, Group: group}}
	return []engine.Change{c}
}

// hostLines are the marked lines that the node's known_hosts have to hold, sorted.
func (n *sshdNode) hostLines(fleet sshdFleet) []string {
	var lines []string
	for _, m := range fleet {
		if m.stop != nil || m.hostKey == "" {
			continue
		}
		var patterns []string
		for _, name := range m.Args.names(m.Seen) {
			if m.Args.Port != 22 {
				name = fmt.Sprintf("[%s]:%d", name, m.Args.Port)
			}
			patterns = append(patterns, name)
		}
		lines = append(lines, fmt.Sprintf("%s %s %s%s:%d", strings.Join(patterns, ","), m.hostKey, sshdMark, m.Host, m.Args.Port))
	}
	for _, line := range n.managed(fleet, n.path(sshdKnown).Content) {
		if name, _ := hostMark(line); n.keeps(fleet, name) {
			lines = append(lines, line)
		}
	}
	slices.SortFunc(lines, byMark)
	return lines
}

// managed are the lines of a known_hosts that this step answers for: marked, with a port that one of its nodes has.
func (n *sshdNode) managed(fleet sshdFleet, content []byte) []string {
	var out []string
	for _, line := range marked(content) {
		if n.manages(fleet, line) {
			out = append(out, line)
		}
	}
	return out
}

func (n *sshdNode) manages(fleet sshdFleet, line string) bool {
	_, port := hostMark(line)
	for _, m := range fleet {
		if m.Reach == engine.Reached && port == strconv.Itoa(m.Args.Port) {
			return true
		}
	}
	return false
}

// knownText leaves every other line where it is, byte by byte.
func (n *sshdNode) knownText(fleet sshdFleet, content []byte, want []string) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(content) {
		text := strings.TrimRight(string(line), "\r\n")
		if !isMarked(text) || !n.manages(fleet, text) {
			b.Write(line)
		}
	}
	if b.Len() > 0 && !bytes.HasSuffix(b.Bytes(), []byte("\n")) {
		b.WriteByte('\n')
	}
	for _, line := range want {
		b.WriteString(line + "\n")
	}
	return b.Bytes()
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

func byMark(a, b string) int {
	if c := strings.Compare(lastField(a), lastField(b)); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

func (fleet sshdFleet) any(is func(*sshdNode) bool) bool { return slices.ContainsFunc(fleet, is) }

// refuseLimited keeps a run over some of the hosts from changing keys that the hosts left out would have to learn.
func (n *sshdNode) refuseLimited(fleet sshdFleet) {
	if n.stop != nil || !n.Limited || !(n.Args.ClusterKey || n.Args.knowsHosts()) {
		return
	}
	what := ""
	switch {
	case n.needsClientKey():
		what = "it has no client key yet"
	case n.needsHostKey() && n.Args.knowsHosts():
		what = "it has no host key yet"
	case n.Args.ClusterKey && !fleet.any((*sshdNode).needsClientKey) && !slices.Equal(n.clientLines(fleet), marked(n.path(sshdAuthorized).Content)):
		what = "its authorized keys would change"
	case n.Args.knowsHosts() && !fleet.any((*sshdNode).needsHostKey) && !slices.Equal(n.hostLines(fleet), n.managed(fleet, n.path(sshdKnown).Content)):
		what = "its known hosts would change"
	}
	if what != "" {
		n.stop = engine.Stop{State: engine.Refused, Why: "keys of the cluster cannot be changed under --limit, for the hosts left out would not learn of it (" + what + "): run it without --limit"}
	}
}
