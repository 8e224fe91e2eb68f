package eval

import (
	"maps"
	"slices"
)

// A matcher finds many strings in a text in one pass (Aho and Corasick, 1975). It does not change once it is made.
type matcher struct {
	nodes []node
	roots [256]int32 // the node after the first byte; 0 where no string begins with it

	longest int // bytes of the longest string
}

// A node stands for the text since a string began. Children are a list through sibling: nearly all nodes have one.
type node struct {
	child, sibling int32
	fail           int32 // the longest other beginning of a string that the text ends with
	length         int32 // of the longest string that ends here; 0 for none
	depth          int32 // bytes since the string began
	byte           byte
}

// newMatcher is made in a fixed order, so that the same strings give the same matcher.
func newMatcher(texts map[string]bool) *matcher {
	m := &matcher{nodes: make([]node, 1, 1024)}
	for _, text := range slices.Sorted(maps.Keys(texts)) {
		m.add(text)
	}
	m.link()
	return m
}

func (m *matcher) add(text string) {
	at := int32(0)
	for i := range len(text) {
		next := m.step(at, text[i])
		if next == 0 {
			next = int32(len(m.nodes))
			m.nodes = append(m.nodes, node{byte: text[i], sibling: m.nodes[at].child, depth: int32(i + 1)})
			m.longest = max(m.longest, i+1)
			m.nodes[at].child = next
			if at == 0 {
				m.roots[text[i]] = next
			}
		}
		at = next
	}
	m.nodes[at].length = int32(len(text))
}

// step is the child of a node for one byte; 0 for none.
func (m *matcher) step(at int32, b byte) int32 {
	if at == 0 {
		return m.roots[b]
	}
	for c := m.nodes[at].child; c != 0; c = m.nodes[c].sibling {
		if m.nodes[c].byte == b {
			return c
		}
	}
	return 0
}

// link sets where to go on when no child fits, breadth first, since a node's place to go on is nearer to the root than itself.
func (m *matcher) link() {
	var queue []int32
	for c := m.nodes[0].child; c != 0; c = m.nodes[c].sibling {
		queue = append(queue, c)
	}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for c := m.nodes[at].child; c != 0; c = m.nodes[c].sibling {
			m.nodes[c].fail = m.next(m.nodes[at].fail, m.nodes[c].byte)
			if ends := m.nodes[m.nodes[c].fail].length; ends > m.nodes[c].length {
				m.nodes[c].length = ends
			}
			queue = append(queue, c)
		}
	}
}

// next is the node after one more byte.
func (m *matcher) next(at int32, b byte) int32 {
	for {
		if to := m.step(at, b); to != 0 || at == 0 {
			return to
		}
		at = m.nodes[at].fail
	}
}

// A span is a part of a text, from the first byte to behind the last.
type span struct{ from, to int }

// find gives the parts of a text that strings cover, in order; those that overlap are one.
func find[T string | []byte](m *matcher, text T) []span {
	var spans []span
	at := int32(0)
	for i := range len(text) {
		if at == 0 {
			if at = m.roots[text[i]]; at == 0 {
				continue
			}
		} else {
			at = m.next(at, text[i])
		}
		length := int(m.nodes[at].length)
		if length == 0 {
			continue
		}
		found := span{i + 1 - length, i + 1}
		for len(spans) > 0 && spans[len(spans)-1].to > found.from {
			found.from = min(found.from, spans[len(spans)-1].from)
			spans = spans[:len(spans)-1]
		}
		spans = append(spans, found)
	}
	return spans
}

// begun is the length of the longest end of a text that begins a string: what follows the text decides about it.
func begun(m *matcher, text []byte) int {
	at := int32(0)
	for _, b := range text[max(0, len(text)-m.longest):] {
		at = m.next(at, b)
	}
	return int(m.nodes[at].depth)
}

func redact(m *matcher, s string) string {
	spans := find(m, s)
	if len(spans) == 0 {
		return s
	}
	return string(replace(spans, s))
}

func redactBytes(m *matcher, b []byte) []byte {
	spans := find(m, b)
	if len(spans) == 0 {
		return b
	}
	return replace(spans, b)
}

func replace[T string | []byte](spans []span, text T) []byte {
	out := make([]byte, 0, len(text)+len(spans)*len(Hidden))
	end := 0
	for _, s := range spans {
		out = append(out, text[end:s.from]...)
		out = append(out, Hidden...)
		end = s.to
	}
	return append(out, text[end:]...)
}
