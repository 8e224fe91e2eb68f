package lab

import (
	"regexp"
	"strings"
	"sync"

	"mvdan.cc/sh/v3/pattern"
	"mvdan.cc/sh/v3/syntax"
)

// regexes remembers compiled expressions: the scripts of thousands of hosts have the same ones. nil remembers nothing.
type regexes struct {
	mu    sync.RWMutex
	known map[regexKey]*regexp.Regexp // nil: the text is none
}

// regexKey is a text and what it is: a shell pattern or an expression of some language.
type regexKey struct {
	kind, text string
}

const rememberedRegexes = 4096

func newRegexes() *regexes { return &regexes{known: map[regexKey]*regexp.Regexp{}} }

// get gives what build makes of a text. Its errors are not remembered.
func (c *regexes) get(kind, text string, build func() (*regexp.Regexp, error)) (*regexp.Regexp, error) {
	if c == nil {
		return build()
	}
	key := regexKey{kind, text}
	c.mu.RLock()
	re := c.known[key]
	c.mu.RUnlock()
	if re != nil {
		return re, nil
	}
	re, err := build()
	if err != nil {
		return nil, err
	}
	key.text = strings.Clone(text)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= rememberedRegexes {
		clear(c.known)
	}
	c.known[key] = re
	return re, nil
}

// match says whether the whole of text matches a shell pattern.
func (c *regexes) match(pat, text string) bool {
	if !pattern.HasMeta(pat, 0) && !strings.Contains(pat, `\`) {
		return pat == text
	}
	re, err := c.whole(pat)
	if err != nil {
		return pat == text
	}
	return re.MatchString(text)
}

// whole is the expression of a shell pattern for a whole text.
func (c *regexes) whole(pat string) (*regexp.Regexp, error) {
	return c.get("pattern", pat, func() (*regexp.Regexp, error) {
		expr, err := pattern.Regexp(pat, pattern.EntireString)
		if err != nil {
			return nil, err
		}
		return regexp.Compile(expr)
	})
}

// trim takes the match of a pattern off one end of value.
func (c *regexes) trim(value, pat string, op syntax.ParExpOperator) string {
	re, err := c.get("trim"+op.String(), pat, func() (*regexp.Regexp, error) { return trimRegex(pat, op) })
	if err != nil {
		return value
	}
	loc := re.FindStringSubmatchIndex(value)
	if loc == nil {
		return value
	}
	return value[:loc[2]] + value[loc[3]:]
}

func trimRegex(pat string, op syntax.ParExpOperator) (*regexp.Regexp, error) {
	mode := pattern.Shortest
	if op == syntax.RemLargePrefix || op == syntax.RemLargeSuffix {
		mode = 0
	}
	expr, err := pattern.Regexp(pat, mode)
	if err != nil {
		return nil, err
	}
	switch op {
	case syntax.RemSmallPrefix, syntax.RemLargePrefix:
		expr = `\A(` + expr + `)`
	case syntax.RemSmallSuffix:
		expr = `(?s)\A.*(` + expr + `)\z`
	default:
		expr = `(` + expr + `)\z`
	}
	return regexp.Compile(expr)
}

// matchPattern is match for patterns that come once.
func matchPattern(pat, text string) bool { return (*regexes)(nil).match(pat, text) }
