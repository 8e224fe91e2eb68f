package report

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"cvsplay/engine/event"
)

const (
	tailLines   = 12  // kept of the output of a script that runs
	tailBytes   = 400 // of each line
	liveTail    = 8   // shown when it fails
	recapTail   = 5   // shown in the recap
	maxVariants = 2   // different outputs shown of hosts that failed alike
)

// A place is one step on one host.
type place struct{ host, step, key string }

// A tail is the last lines a script printed.
type tail struct {
	lines []string
	left  int // lines before them
}

func (t *tail) add(line string) {
	if len(line) > tailBytes {
		line = strings.ToValidUTF8(line[:tailBytes], "") + "…"
	}
	if len(t.lines) == tailLines {
		copy(t.lines, t.lines[1:])
		t.lines = t.lines[:tailLines-1]
		t.left++
	}
	t.lines = append(t.lines, line)
}

// last gives the last n lines, safe to print, and how many come before them.
func (t *tail) last(n int) (lines []string, left int) {
	if t == nil {
		return nil, 0
	}
	cut := max(0, len(t.lines)-n)
	return t.lines[cut:], t.left + cut
}

// resultTail is what a step's results tell of its output, for streams without lines of output.
func resultTail(results json.RawMessage) *tail {
	var out struct{ Stdout, Stderr string }
	if len(results) == 0 || json.Unmarshal(results, &out) != nil {
		return nil
	}
	t := &tail{}
	for _, text := range []string{out.Stdout, out.Stderr} {
		for _, line := range safeLines(text) {
			t.add(line)
		}
	}
	return t
}

// A cause is one reason for which hosts have failed.
type cause struct {
	play, step, key, module string
	status                  event.Status
	reason                  string // of the first host; with <host> and <address> where they differ
	alike                   string // what is equal for all of them
	hosts                   []string
	variants                []variant
	others                  int // hosts whose output is none of the variants
	notReached              [2]int
}

// A variant is one output that hosts with the same cause left.
type variant struct {
	alike string
	host  string // the first that left it
	hosts int
	tail  *tail
}

// Causes folds what failed by equal cause.
type causes struct {
	list   []*cause
	index  map[string]*cause
	ofHost map[string]*cause // the last of each host
}

func newCauses() *causes {
	return &causes{index: map[string]*cause{}, ofHost: map[string]*cause{}}
}

// add notes a failure and gives its cause; first tells that it is the first of it.
func (c *causes) add(e event.Event, reason string, t *tail) (found *cause, first bool) {
	reason = withoutHost(reason, e.Host)
	like := alike(reason, e.Host)
	id := strings.Join([]string{e.Play, e.Step, e.Key, string(e.Status), like}, "\x00")
	found = c.index[id]
	if found == nil {
		found = &cause{play: e.Play, step: e.Step, key: e.Key, module: e.Module, status: e.Status, reason: reason, alike: like}
		c.index[id] = found
		c.list = append(c.list, found)
		first = true
	} else if found.reason != reason {
		found.reason = like
	}
	found.hosts = append(found.hosts, e.Host)
	found.addOutput(e.Host, t)
	c.ofHost[e.Host] = found
	return found, first
}

// rescue takes back what a block made up for: it is no reason for which the host has failed.
func (c *causes) rescue(e event.Event) {
	for _, found := range c.list {
		if found.play == e.Play && found.step == e.Step {
			found.hosts = slices.DeleteFunc(found.hosts, func(host string) bool { return host == e.Host })
		}
	}
	c.list = slices.DeleteFunc(c.list, func(found *cause) bool { return len(found.hosts) == 0 })
	for id, found := range c.index {
		if len(found.hosts) == 0 {
			delete(c.index, id)
		}
	}
	if last := c.ofHost[e.Host]; last != nil && last.play == e.Play && last.step == e.Step {
		delete(c.ofHost, e.Host)
	}
}

func (c *cause) addOutput(host string, t *tail) {
	if t == nil || len(t.lines) == 0 {
		return
	}
	lines, _ := t.last(recapTail)
	like := digits.ReplaceAllString(alike(strings.Join(lines, "\n"), host), "0")
	for i := range c.variants {
		if c.variants[i].alike == like {
			c.variants[i].hosts++
			return
		}
	}
	if len(c.variants) == maxVariants {
		c.others++
		return
	}
	c.variants = append(c.variants, variant{alike: like, host: host, hosts: 1, tail: t})
}

// leave notes how many steps a failed host did not reach, and why it failed if no step of its own tells.
func (c *causes) leave(e event.Event, bad bool) {
	found := c.ofHost[e.Host]
	if found == nil || found.play != e.Play {
		if !bad || !e.Status.Bad() {
			return
		}
		e.Step, e.Key, e.Module = "", "", ""
		found, _ = c.add(e, e.Message, nil)
	}
	if e.NotReached > 0 {
		if found.notReached[0] == 0 || e.NotReached < found.notReached[0] {
			found.notReached[0] = e.NotReached
		}
		found.notReached[1] = max(found.notReached[1], e.NotReached)
	}
}

var (
	digits  = regexp.MustCompile(`[0-9]+`)
	address = regexp.MustCompile(`\[[0-9a-fA-F:.%a-z]+\](:\d+)?|\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b`)
)

// alike writes <host> and <address> where a text names the host or an address, so that equal causes of several hosts are equal text.
func alike(text, host string) string {
	if host != "" && strings.Contains(text, host) {
		text = replaceWord(text, host, "<host>")
	}
	return address.ReplaceAllStringFunc(text, func(s string) string {
		bare := strings.TrimPrefix(s, "[")
		if strings.HasPrefix(s, "[") {
			bare, _, _ = strings.Cut(bare, "]")
		} else {
			bare, _, _ = strings.Cut(bare, ":")
		}
		if _, err := netip.ParseAddr(bare); err != nil {
			return s
		}
		return "<address>"
	})
}

// withoutHost leaves the host's name out where a reason begins with it: it is told beside it. In an address, node1:22, it stays.
func withoutHost(reason, host string) string {
	rest, ok := strings.CutPrefix(reason, host+":")
	if trimmed := strings.TrimLeft(rest, " "); ok && host != "" && trimmed != rest {
		return trimmed
	}
	return reason
}

// replaceWord replaces word where it is not part of a longer name: node1 is no part of node10.
func replaceWord(text, word, by string) string {
	var b strings.Builder
	for {
		i := strings.Index(text, word)
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		end := i + len(word)
		if (i > 0 && nameByte(text[i-1])) || (end < len(text) && nameByte(text[end])) {
			b.WriteString(text[:end])
		} else {
			b.WriteString(text[:i] + by)
		}
		text = text[end:]
	}
}

func nameByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
