package lab

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"

	"mvdan.cc/sh/v3/syntax"
)

// A parsedText is program text as the parser gave it: its complete commands, and the error that ends it, if one does. Shells share it: nobody changes it.
type parsedText struct {
	lists [][]*syntax.Stmt
	err   error
}

// parsedTexts remembers what was parsed. Thousands of hosts run the same scripts, and parsing one takes longer than running it.
type parsedTexts struct {
	mu    sync.Mutex
	seed  maphash.Seed
	once  map[uint64]struct{} // hashes of texts that came once: most of them never come again
	texts map[parsedKey]*parsedText
	size  int // of the texts remembered, in bytes
}

type parsedKey struct {
	text string
	bash bool
}

const (
	rememberedOnce = 1 << 15
	rememberedText = 4 << 20
)

func newParsedTexts() *parsedTexts {
	return &parsedTexts{seed: maphash.MakeSeed(), once: map[uint64]struct{}{}, texts: map[parsedKey]*parsedText{}}
}

// parse gives the commands of a whole text.
func (c *parsedTexts) parse(text string, bash bool) *parsedText {
	key := parsedKey{text: text, bash: bash}
	known, again := c.find(key)
	if known != nil {
		return known
	}
	parsed := parseText(text, bash)
	if again {
		c.keep(key, parsed)
	}
	return parsed
}

// find gives what is remembered of a text, and whether it is worth to be remembered: whether it came before.
func (c *parsedTexts) find(key parsedKey) (known *parsedText, again bool) {
	sum := maphash.String(c.seed, key.text)
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.texts[key]; known != nil {
		return known, true
	}
	if _, again = c.once[sum]; !again {
		if len(c.once) >= rememberedOnce {
			clear(c.once)
		}
		c.once[sum] = struct{}{}
	}
	return nil, again
}

func (c *parsedTexts) keep(key parsedKey, parsed *parsedText) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.size += len(key.text); c.size > rememberedText {
		clear(c.texts)
		c.size = len(key.text)
	}
	key.text = strings.Clone(key.text) // not the text that it is a part of
	c.texts[key] = parsed
}

func newParser(bash bool) *syntax.Parser {
	if bash {
		return syntax.NewParser(syntax.Variant(syntax.LangBash))
	}
	return syntax.NewParser(syntax.Variant(syntax.LangPOSIX))
}

func parseText(text string, bash bool) *parsedText {
	out := &parsedText{}
	parser := newParser(bash)
	for list, err := range parser.InteractiveSeq(&sourceReader{r: strings.NewReader(text)}) {
		if err != nil {
			out.err = err
			break
		}
		if !parser.Incomplete() && len(list) > 0 {
			out.lists = append(out.lists, slices.Clone(list)) // the parser uses its own again
		}
	}
	return out
}
