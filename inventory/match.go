package inventory

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"cvsplay/engine/eval"
	"cvsplay/engine/nodeset"
)

// MatchOptions say where a pattern may look besides the inventory.
type MatchOptions struct {
	ReadFile func(path string) ([]byte, error) // for @FILE; by default the file
	Failed   func() ([]string, error)          // for @failed; nil: there is no playbook whose last run could be meant
}

// A MatchError tells why a pattern names no hosts.
type MatchError struct {
	Pattern string // the whole of it
	Term    string // the part that is to blame
	Why     string
}

// Error tells which part of the pattern is wrong, and why.
func (e *MatchError) Error() string {
	if e.Term == e.Pattern {
		return fmt.Sprintf("pattern %q: %s", e.Pattern, e.Why)
	}
	return fmt.Sprintf("pattern %q: %s: %s", e.Pattern, e.Term, e.Why)
}

// Match gives the hosts that a pattern stands for, in inventory order. A pattern is a list of terms between commas or colons: hosts
// are those of any plain term (all, where there is none), then those also of every &term, then without those of any !term. A term is
//
//	all, a host, a group    a name that is an IPv6 address is taken whole
//	node[001-016]           every one of these, which must be hosts of the inventory
//	gpu*, n?de[1-4]*        hosts and groups by globs, any of which may match nothing
//	@FILE                   terms in a file, one or more a line, # begins a comment
//	@failed                 hosts that did not end well in the last run
//
// A name that is neither host nor group is an error also behind ! and &, and so is a glob without a match or a pattern that leaves
// no host. Errors are *MatchError, but for those of MatchOptions.
func (inv *Inventory) Match(pattern string, o MatchOptions) ([]string, error) {
	if o.ReadFile == nil {
		o.ReadFile = readText
	}
	m := &matcher{inv: inv, o: o, pattern: pattern}
	terms, err := m.terms(pattern)
	if err != nil {
		return nil, err
	}
	chosen := make([]bool, len(inv.Hosts))
	for _, operator := range []operator{union, intersection, difference} {
		if err := m.apply(operator, terms, chosen); err != nil {
			return nil, err
		}
	}
	var names []string
	for i, h := range inv.Hosts {
		if chosen[i] {
			names = append(names, h.Name)
		}
	}
	if len(names) == 0 {
		return nil, m.fail(pattern, "no host is left")
	}
	return names, nil
}

// An operator is what a term does to the hosts that were chosen before.
type operator byte

const (
	union        operator = 0
	intersection operator = '&'
	difference   operator = '!'
)

// A matcher works on one pattern.
type matcher struct {
	inv     *Inventory
	o       MatchOptions
	pattern string
}

// A term is one part of a pattern.
type term struct {
	operator operator
	text     string
}

func (m *matcher) fail(term, why string, args ...any) error {
	return &MatchError{Pattern: m.pattern, Term: term, Why: fmt.Sprintf(why, args...)}
}

// apply works through all terms of one operator.
func (m *matcher) apply(op operator, terms []term, chosen []bool) error {
	plain := false
	for _, t := range terms {
		if t.operator != op {
			continue
		}
		plain = true
		hosts, err := m.hosts(t.text, nil)
		if err != nil {
			return err
		}
		for i := range chosen {
			switch op {
			case union:
				chosen[i] = chosen[i] || hosts[i]
			case intersection:
				chosen[i] = chosen[i] && hosts[i]
			case difference:
				chosen[i] = chosen[i] && !hosts[i]
			}
		}
	}
	if op == union && !plain {
		for i := range chosen {
			chosen[i] = true
		}
	}
	return nil
}

// terms takes a list apart.
func (m *matcher) terms(list string) ([]term, error) {
	var out []term
	for _, part := range split(list, ',') {
		texts := []string{part}
		if strings.Contains(part, ":") {
			texts = m.atColons(part)
		}
		for _, text := range texts {
			t := term{text: strings.TrimSpace(text)}
			if t.text != "" && (t.text[0] == '&' || t.text[0] == '!') {
				t.operator, t.text = operator(t.text[0]), strings.TrimSpace(t.text[1:])
			}
			if t.text == "" {
				return nil, m.fail(list, "a term is empty")
			}
			out = append(out, t)
		}
	}
	return out, nil
}

// split cuts at a separator outside of brackets.
func split(s string, separator byte) []string {
	var out []string
	depth, from := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '[':
			depth++
		case ']':
			depth--
		case separator:
			if depth <= 0 {
				out = append(out, s[from:i])
				from = i + 1
			}
		}
	}
	return append(out, s[from:])
}

// atColons takes a list apart at its colons, but for those of IPv6 addresses: of hosts of the inventory first, the longest that
// there is, else of the whole.
func (m *matcher) atColons(list string) []string {
	pieces := split(list, ':')
	var out []string
	for i := 0; i < len(pieces); {
		end := i + 1
		for j := len(pieces); j > i+1; j-- {
			if _, ok := m.inv.Host(bare(strings.Join(pieces[i:j], ":"))); ok {
				end = j
				break
			}
		}
		out = append(out, strings.Join(pieces[i:end], ":"))
		i = end
	}
	if a, err := netip.ParseAddr(bare(list)); err == nil && a.Is6() && len(out) == len(pieces) {
		return []string{list}
	}
	return out
}

// bare is a term without its operator.
func bare(term string) string { return strings.TrimLeft(strings.TrimSpace(term), "&! ") }

// hosts tells for every host whether a term means it. Files are those that the term stands in.
func (m *matcher) hosts(text string, files []string) ([]bool, error) {
	chosen := make([]bool, len(m.inv.Hosts))
	if name, ok := strings.CutPrefix(text, "@"); ok {
		return chosen, m.fromList(name, files, chosen)
	}
	if text == "all" {
		for i := range chosen {
			chosen[i] = true
		}
		return chosen, nil
	}
	if m.named(text, chosen) {
		return chosen, nil
	}
	names := []string{text}
	if strings.ContainsAny(text, "[]") {
		var err error
		if names, err = nodeset.Expand(text); err != nil {
			return nil, m.fail(text, "%s", whyOf(err))
		}
	}
	if strings.ContainsAny(text, "*?") {
		return chosen, m.globs(text, names, chosen)
	}
	var missing []string
	for _, name := range names {
		if !m.named(name, chosen) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, m.missing(text, missing)
	}
	return chosen, nil
}

func whyOf(err error) string {
	var e *nodeset.Error
	if errors.As(err, &e) {
		return fmt.Sprintf("%s, at %d", e.Why, e.Offset+1)
	}
	return err.Error()
}

// named chooses a host, the hosts of a group, or both.
func (m *matcher) named(name string, chosen []bool) bool {
	h, isHost := m.inv.Host(name)
	if isHost {
		chosen[h.Index] = true
	}
	g, isGroup := m.inv.Groups[name]
	if isGroup {
		m.choose(g, chosen)
	}
	return isHost || isGroup
}

func (m *matcher) choose(g *Group, chosen []bool) {
	for _, name := range g.Hosts {
		if h, ok := m.inv.Host(name); ok {
			chosen[h.Index] = true
		}
	}
}

// maxGlobs bounds what one term can cost: every glob is held against every host.
const maxGlobs = 1000

// globs chooses what matches any of the globs that a term stands for.
func (m *matcher) globs(text string, globs []string, chosen []bool) error {
	if len(globs) > maxGlobs {
		return m.fail(text, "the range stands for %d globs, and %d are the most", len(globs), maxGlobs)
	}
	matched := false
	for _, glob := range globs {
		for _, h := range m.inv.Hosts {
			if matches(glob, h.Name) {
				chosen[h.Index], matched = true, true
			}
		}
		for name, g := range m.inv.Groups {
			if matches(glob, name) {
				m.choose(g, chosen)
				matched = true
			}
		}
	}
	if !matched {
		return m.fail(text, "neither a host nor a group matches")
	}
	return nil
}

// matches tells whether a glob matches a name. One that is malformed, by a backslash at its end, matches none.
func matches(glob, name string) bool {
	ok, err := path.Match(glob, name)
	return ok && err == nil
}

// maxNamed bounds the names of a message, in bytes.
const maxNamed = 300

func (m *matcher) missing(text string, names []string) error {
	if len(names) > 1 {
		folded := nodeset.Fold(names)
		if len(folded) > maxNamed {
			folded = fmt.Sprintf("%s… (%d names)", strings.ToValidUTF8(folded[:maxNamed], ""), len(names))
		}
		return m.fail(text, "the inventory has no hosts %s", folded)
	}
	known := append(m.inv.Names(), m.inv.GroupNames()...)
	return m.fail(text, "the inventory has no host and no group %q.%s", names[0], eval.DidYouMean(names[0], known))
}

// fromList chooses the hosts of @FILE or @failed.
func (m *matcher) fromList(name string, files []string, chosen []bool) error {
	if name == "failed" {
		return m.fromFailed(chosen)
	}
	if slices.Contains(files, name) {
		return m.fail("@"+name, "the file names itself")
	}
	data, err := m.o.ReadFile(name)
	if err != nil {
		return m.fail("@"+name, "%s", err)
	}
	for number, line := range strings.Split(string(data), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		terms, err := m.terms(line)
		if err != nil {
			return m.inFile(name, number, err)
		}
		for _, t := range terms {
			if t.operator != union {
				return m.fail("@"+name, "line %d: a file only adds hosts; & and ! go next to it in the pattern", number+1)
			}
			hosts, err := m.hosts(t.text, append(files, name))
			if err != nil {
				return m.inFile(name, number, err)
			}
			for i := range chosen {
				chosen[i] = chosen[i] || hosts[i]
			}
		}
	}
	return nil
}

func (m *matcher) inFile(name string, number int, err error) error {
	var e *MatchError
	if errors.As(err, &e) {
		return m.fail("@"+name, "line %d: %s", number+1, e.Why)
	}
	return err
}

func (m *matcher) fromFailed(chosen []bool) error {
	if m.o.Failed == nil {
		return m.fail("@failed", "it stands for hosts of a playbook's last run, so it is for run and check alone; for a file of that name write @./failed")
	}
	names, err := m.o.Failed()
	if err != nil {
		return err
	}
	for _, name := range names {
		if h, ok := m.inv.Host(name); ok { // one that has left the inventory since cannot be chosen
			chosen[h.Index] = true
		}
	}
	return nil
}
