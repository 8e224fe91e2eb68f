package lab

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// grepCommands are grep and its old names.
func grepCommands() map[string]Command {
	spec := "E,extended-regexp F,fixed-strings G,basic-regexp P,perl-regexp e,regexp= f,file= i,y,ignore-case no-ignore-case v,invert-match w,word-regexp x,line-regexp c,count l,files-with-matches L,files-without-match m,max-count= o,only-matching q,quiet,silent s,no-messages n,line-number H,with-filename h,no-filename r,recursive R,dereference-recursive a,text I z,null-data Z,null A,after-context= B,before-context= C,context= include= exclude= exclude-dir= color? colour? line-buffered"
	return map[string]Command{
		"grep":  command(spec, 2, grepCommand),
		"egrep": command(spec, 2, func(c *cmdline) int { c.set["E"] = true; return grepCommand(c) }),
		"fgrep": command(spec, 2, func(c *cmdline) int { c.set["F"] = true; return grepCommand(c) }),
	}
}

// grep is one run of grep.
type grep struct {
	c       *cmdline
	match   []*regexp.Regexp
	names   bool // show file names
	end     byte
	before  int
	after   int
	limit   int
	found   bool
	trouble bool
}

func grepCommand(c *cmdline) int {
	g := &grep{c: c, end: '\n', limit: -1}
	patterns, ok := g.patterns()
	if !ok {
		return 2
	}
	for _, p := range patterns {
		re, err := g.compile(p)
		if err != nil {
			c.p.Errorf("%v", err)
			return 2
		}
		g.match = append(g.match, re)
	}
	if c.has("z") {
		g.end = 0
	}
	for name, to := range map[string]*int{"A": &g.after, "B": &g.before, "m": &g.limit} {
		if text := c.last(name, c.last("C", "")); text != "" && (name != "m" || c.has("m")) {
			n, err := strconv.Atoi(text)
			if err != nil {
				c.p.Errorf("%s: invalid context length argument", text)
				return 2
			}
			*to = n
		}
	}
	files := c.args
	recursive := c.has("r") || c.has("R")
	if len(files) == 0 {
		files = []string{"-"}
		if recursive {
			files = []string{"."}
		}
	}
	g.names = (len(files) > 1 || recursive || c.has("H")) && !c.has("h")
	for _, f := range files {
		g.path(f, recursive)
		if g.found && c.has("q") {
			return 0
		}
	}
	switch {
	case g.trouble:
		return 2
	case g.found:
		return 0
	}
	return 1
}

func (g *grep) patterns() ([]string, bool) {
	c := g.c
	var list []string
	for _, e := range c.value["e"] {
		list = append(list, strings.Split(e, "\n")...)
	}
	for _, f := range c.value["f"] {
		data, err := c.p.ReadFile(f)
		if err != nil {
			c.p.Errorf("%s: %s", f, strerror(err))
			return nil, false
		}
		if len(data) > 0 {
			list = append(list, strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")...)
		}
	}
	if !c.has("e") && !c.has("f") {
		if len(c.args) == 0 {
			fmt.Fprintf(c.p.Stderr(), "Usage: grep [OPTION]... PATTERNS [FILE]...\nTry 'grep --help' for more information.\n")
			return nil, false
		}
		list = strings.Split(c.args[0], "\n")
		c.args = c.args[1:]
	}
	return list, true
}

func (g *grep) compile(p string) (*regexp.Regexp, error) {
	c := g.c
	text := p
	var err error
	switch {
	case c.has("F"):
		text = regexp.QuoteMeta(p)
	case c.has("P"):
	default:
		if text, err = posixRegex(p, c.has("E")); err != nil {
			return nil, err
		}
	}
	if c.has("w") {
		text = `\b(?:` + text + `)\b`
	}
	if c.has("x") {
		text = `^(?:` + text + `)$`
	}
	if c.has("i") {
		text = "(?i)" + text
	}
	if c.has("P") {
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, fmt.Errorf("Invalid regular expression") //nolint:staticcheck // the words of the C library
		}
		return re, nil
	}
	return c.p.world.lab().regexes.get("grep", text, func() (*regexp.Regexp, error) { return compileLongest(text) })
}

func (g *grep) path(path string, recursive bool) {
	c := g.c
	if path == "-" {
		g.search("(standard input)", c.p.Stdin())
		return
	}
	info, err := c.p.Stat(path)
	if err == nil && info.IsDir() {
		if !recursive {
			g.complain("%s: Is a directory", path)
			return
		}
		entries, err := c.p.view().readDir(path)
		if err != nil {
			g.complain("%s: %s", path, strerror(err))
			return
		}
		for _, e := range entries {
			if e.Bits.Type() == TypeSymlink && !c.has("R") || g.excluded(e) {
				continue
			}
			g.path(strings.TrimRight(path, "/")+"/"+e.Base, true)
		}
		return
	}
	f, err := c.p.Open(path)
	if err != nil {
		g.complain("%s: %s", path, strerror(err))
		return
	}
	defer func() { _ = f.Close() }()
	g.search(path, f)
}

func (g *grep) excluded(e Info) bool {
	if e.IsDir() {
		for _, pat := range g.c.value["exclude-dir"] {
			if matchPattern(pat, e.Base) {
				return true
			}
		}
		return false
	}
	for _, pat := range g.c.value["exclude"] {
		if matchPattern(pat, e.Base) {
			return true
		}
	}
	includes := g.c.value["include"]
	for _, pat := range includes {
		if matchPattern(pat, e.Base) {
			return false
		}
	}
	return len(includes) > 0
}

func (g *grep) complain(format string, args ...any) {
	g.trouble = true
	if !g.c.has("s") {
		g.c.p.Errorf(format, args...)
	}
}

func (g *grep) matches(line []byte) bool {
	for _, re := range g.match {
		if re.Match(line) {
			return !g.c.has("v")
		}
	}
	return g.c.has("v")
}

func (g *grep) search(name string, r io.Reader) {
	c := g.c
	data, err := io.ReadAll(r)
	if err != nil {
		g.complain("%s: %s", name, strerror(err))
		return
	}
	var lines [][]byte
	if len(data) > 0 {
		lines = bytes.Split(bytes.TrimSuffix(data, []byte{g.end}), []byte{g.end})
	}
	binary := !c.has("a") && !c.has("z") && hasNUL(data)
	var out bytes.Buffer
	count, shown := 0, -1
	summed := c.has("q") || c.has("c") || c.has("l") || c.has("L")
	quiet := summed || (binary && !c.has("o"))
	owed := 0
	for i, line := range lines {
		if !g.matches(line) {
			if owed > 0 && !quiet {
				g.line(&out, name, i, line, '-')
				shown = i
				owed--
			}
			continue
		}
		count++
		if !quiet {
			g.lead(&out, name, lines[:i], shown)
			g.line(&out, name, i, line, ':')
			shown, owed = i, g.after
		}
		if g.limit >= 0 && count >= g.limit {
			break
		}
	}
	g.summary(&out, name, count)
	if binary && count > 0 && !summed && !c.has("I") && !c.has("o") {
		c.p.Errorf("%s: binary file matches", name)
	}
	_, _ = c.p.Stdout().Write(out.Bytes())
}

// lead writes the context before a match: the end of the lines above it, after a rule if they do not follow the last one shown.
func (g *grep) lead(out *bytes.Buffer, name string, above [][]byte, shown int) {
	first := max(shown+1, len(above)-g.before)
	if (g.before > 0 || g.after > 0) && shown >= 0 && first > shown+1 {
		out.WriteString("--\n")
	}
	for i := first; i < len(above); i++ {
		g.line(out, name, i, above[i], '-')
	}
}

func (g *grep) summary(out *bytes.Buffer, name string, count int) {
	c := g.c
	g.found = g.found || (count > 0) != c.has("L")
	end := "\n"
	if c.has("Z") {
		end = "\x00"
	}
	switch {
	case c.has("q"):
	case c.has("l"):
		if count > 0 {
			out.WriteString(name + end)
		}
	case c.has("L"):
		if count == 0 {
			out.WriteString(name + end)
		}
	case c.has("c"):
		if g.names {
			out.WriteString(name + ":")
		}
		fmt.Fprintf(out, "%d\n", count)
	}
}

func (g *grep) line(out *bytes.Buffer, name string, index int, line []byte, mark byte) {
	prefix := ""
	if g.names {
		prefix = name + string(mark)
	}
	if g.c.has("n") {
		prefix += strconv.Itoa(index+1) + string(mark)
	}
	if !g.c.has("o") {
		out.WriteString(prefix)
		out.Write(line)
		out.WriteByte(g.end)
		return
	}
	if g.c.has("v") {
		return
	}
	for pos := 0; pos <= len(line); {
		var best []int
		for _, re := range g.match {
			loc := re.FindIndex(line[pos:])
			if loc != nil && (best == nil || loc[0] < best[0] || (loc[0] == best[0] && loc[1] > best[1])) {
				best = loc
			}
		}
		if best == nil {
			return
		}
		if best[1] > best[0] {
			out.WriteString(prefix)
			out.Write(line[pos+best[0] : pos+best[1]])
			out.WriteByte(g.end)
			pos += best[1]
		} else {
			pos += best[1] + 1
		}
	}
}
