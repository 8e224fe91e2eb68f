package main

import (
	"bytes"
	"strconv"
	"strings"
)

// names are the words of one session that differ from run to run: the id of the run and the nonces of its frames, in the order in which they
// first came. With a number in the place of each, the programs of all hosts are the same text.
type names struct {
	words []string
	place map[string]int
	run   string // id of the run; "" where the session's command has none
}

// signOfLife begins the word of a shell's command line that ends in the run's id.
const signOfLife = "cvsplay-run:"

// nonceLen is how many hex digits a nonce has. A hash has more.
const nonceLen = 32

// command notes the run's id in the command line of a session.
func (n *names) command(line string) {
	_, id, found := strings.Cut(line, signOfLife)
	if !found {
		return
	}
	if end := strings.IndexFunc(id, endsID); end >= 0 {
		id = id[:end]
	}
	if n.run = id; id != "" {
		n.number(id)
	}
}

func endsID(r rune) bool {
	return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
}

func (n *names) number(word string) int {
	i, ok := n.place[word]
	if !ok {
		if n.place == nil {
			n.place = map[string]int{}
		}
		i = len(n.words)
		n.words = append(n.words, word)
		n.place[word] = i
	}
	return i
}

// canonical puts a token in the place of every name, and notes the new ones.
func (n *names) canonical(text []byte) string {
	return n.replace(text, func(word string) (int, bool) { return n.number(word), true })
}

// canonicalOutput is the same for what a host said: a word like a nonce that nobody sent is the host's own.
func (n *names) canonicalOutput(text []byte) string {
	return n.replace(text, func(word string) (int, bool) {
		i, known := n.place[word]
		return i, known
	})
}

func (n *names) replace(text []byte, number func(string) (int, bool)) string {
	text = bytes.ReplaceAll(text, []byte{0}, []byte{0, 0})
	if n.run != "" {
		text = bytes.ReplaceAll(text, []byte(n.run), []byte(token(n.place[n.run])))
	}
	var out strings.Builder
	out.Grow(len(text))
	for i := 0; i < len(text); {
		j := i
		for j < len(text) && isHex(text[j]) {
			j++
		}
		if j-i == nonceLen {
			if k, ok := number(string(text[i:j])); ok {
				out.WriteString(token(k))
				i = j
				continue
			}
		}
		j = max(j, i+1)
		out.Write(text[i:j])
		i = j
	}
	return out.String()
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }

// token stands for a name: its number between two NULs. Nothing between them is a NUL itself.
func token(i int) string { return "\x00" + strconv.Itoa(i) + "\x00" }

// render puts names in the place of their tokens.
func render(canonical string, words []string) []byte {
	out := make([]byte, 0, len(canonical)+len(words)*nonceLen)
	for {
		before, rest, found := strings.Cut(canonical, "\x00")
		out = append(out, before...)
		if !found {
			return out
		}
		number, after, _ := strings.Cut(rest, "\x00")
		if i, err := strconv.Atoi(number); err == nil && i < len(words) {
			out = append(out, words[i]...)
		} else {
			out = append(out, 0)
		}
		canonical = after
	}
}
