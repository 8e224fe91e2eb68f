package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/kevinburke/ssh_config"
)

// maxInclude is how deep Include may go, as in OpenSSH.
const maxInclude = 16

// A configFile is one parsed ssh_config. The library reads lines, quotes and Host patterns; Match and Include, which it cannot do or
// does for one user only, are ours.
type configFile struct {
	path   string
	blocks []configBlock
}

type configBlock struct {
	host    *ssh_config.Host
	match   []string // criteria of a Match line, nil for a Host line
	line    int
	include map[*ssh_config.KV][]*configFile
}

// includeKey is what Include is called while the library parses, so that it leaves the files alone.
const includeKey = "CvsplayInclude"

// readConfig reads files; those that do not exist are empty.
func readConfig(home string, files []string) ([]*configFile, error) {
	var all []*configFile
	for i, f := range files {
		base := filepath.Join(home, ".ssh")
		if i > 0 && filepath.Dir(f) == "/etc/ssh" {
			base = "/etc/ssh"
		}
		c, err := readConfigFile(f, base, home, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

func readConfigFile(path, base, home string, depth int) (*configFile, error) {
	if depth > maxInclude {
		return nil, fmt.Errorf("%s: Include goes deeper than %d files", path, maxInclude)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	plain, matches := withoutMatch(text)
	parsed, err := ssh_config.DecodeBytes(plain)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c := &configFile{path: path}
	for i, h := range parsed.Hosts {
		b := configBlock{host: h, include: map[*ssh_config.KV][]*configFile{}}
		if i > 0 && i-1 < len(matches) {
			b.match, b.line = matches[i-1].criteria, matches[i-1].line
		}
		for _, n := range h.Nodes {
			kv, ok := n.(*ssh_config.KV)
			if !ok || kv.Key != includeKey {
				continue
			}
			if b.include[kv], err = readIncludes(kv.Value, base, home, depth+1); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", path, kv.Pos().Line, err)
			}
		}
		c.blocks = append(c.blocks, b)
	}
	return c, nil
}

func readIncludes(patterns, base, home string, depth int) ([]*configFile, error) {
	var all []*configFile
	for _, p := range strings.Fields(patterns) {
		p = expandHome(strings.Trim(p, `"`), home)
		if !filepath.IsAbs(p) {
			p = filepath.Join(base, p)
		}
		names, err := filepath.Glob(p)
		if err != nil {
			return nil, fmt.Errorf("include %s: %w", p, err)
		}
		for _, name := range names {
			c, err := readConfigFile(name, base, home, depth)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// A block line is a Host or Match line; criteria is nil for Host.
type blockLine struct {
	criteria []string
	line     int
}

// withoutMatch makes every Match line "Host *" and renames Include, and returns the blocks' lines in order.
func withoutMatch(text []byte) (plain []byte, blocks []blockLine) {
	lines := bytes.Split(text, []byte("\n"))
	for i, line := range lines {
		key, rest := keyword(string(line))
		switch strings.ToLower(key) {
		case "host":
			blocks = append(blocks, blockLine{line: i + 1})
		case "match":
			criteria := strings.Fields(rest)
			if criteria == nil {
				criteria = []string{""}
			}
			blocks = append(blocks, blockLine{criteria: criteria, line: i + 1})
			lines[i] = []byte("Host *")
		case "include":
			lines[i] = []byte(includeKey + " " + rest)
		}
	}
	return bytes.Join(lines, []byte("\n")), blocks
}

// keyword takes a line apart as ssh_config(5) does: a keyword, then blanks or one "=".
func keyword(line string) (key, rest string) {
	line = strings.TrimSpace(line)
	i := strings.IndexAny(line, " \t=")
	if i < 0 {
		return line, ""
	}
	rest = strings.TrimLeft(line[i:], " \t")
	return line[:i], strings.TrimLeft(strings.TrimPrefix(rest, "="), " \t")
}

func expandHome(path, home string) string {
	if path == "~" {
		return home
	}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(home, rest)
	}
	return path
}

// A lookup gathers what files say of one host: the first value of each keyword counts, and all of IdentityFile.
type lookup struct {
	alias  string // the name that was asked for
	user   string // what the inventory says, above the files
	values map[string]string
	ids    []string
	final  bool // the second pass, where "Match final" holds
	again  bool // there is such a Match
}

// ask runs through the files, twice where a "Match final" wants it.
func (l *lookup) ask(files []*configFile) error {
	l.values = map[string]string{}
	for {
		for _, f := range files {
			if err := l.file(f); err != nil {
				return err
			}
		}
		if l.final || !l.again {
			return nil
		}
		l.final, l.ids = true, nil
	}
}

func (l *lookup) file(f *configFile) error {
	for _, b := range f.blocks {
		applies := b.host.Matches(l.alias)
		if b.match != nil {
			var err error
			if applies, err = l.matches(b.match); err != nil {
				return fmt.Errorf("%s:%d: %w", f.path, b.line, err)
			}
		}
		if !applies {
			continue
		}
		if err := l.block(b); err != nil {
			return err
		}
	}
	return nil
}

func (l *lookup) block(b configBlock) error {
	for _, n := range b.host.Nodes {
		kv, ok := n.(*ssh_config.KV)
		if !ok {
			continue
		}
		for _, included := range b.include[kv] {
			if err := l.file(included); err != nil {
				return err
			}
		}
		key := strings.ToLower(kv.Key)
		if key == "identityfile" {
			l.ids = append(l.ids, kv.Value)
		} else if _, set := l.values[key]; !set {
			l.values[key] = kv.Value
		}
	}
	return nil
}

// matches tells whether all criteria of a Match line hold.
func (l *lookup) matches(criteria []string) (bool, error) {
	holds := true
	for len(criteria) > 0 {
		name, negated := strings.CutPrefix(strings.ToLower(criteria[0]), "!")
		criteria = criteria[1:]
		var subject string
		switch name {
		case "all":
			holds = holds && !negated
			continue
		case "final", "canonical":
			l.again = l.again || name == "final"
			holds = holds && (l.final && name == "final") != negated
			continue
		case "host":
			subject = l.host()
		case "originalhost":
			subject = l.alias
		case "user":
			subject = l.remoteUser()
		case "localuser":
			subject = localUser()
		default:
			return false, fmt.Errorf("the Match criterion %q is not supported: those that are: all, host, originalhost, user, localuser, final; or turn ssh_config off for this host", name)
		}
		if len(criteria) == 0 {
			return false, fmt.Errorf("the Match criterion %q has no pattern", name)
		}
		ok, err := matchList(subject, criteria[0])
		if err != nil {
			return false, err
		}
		holds = holds && ok != negated
		criteria = criteria[1:]
	}
	return holds, nil
}

// host is the name that will be dialled, as far as it is known.
func (l *lookup) host() string {
	if name := l.values["hostname"]; name != "" {
		return strings.NewReplacer("%%", "%", "%h", l.alias).Replace(name)
	}
	return l.alias
}

func (l *lookup) remoteUser() string {
	if l.user != "" {
		return l.user
	}
	if u := l.values["user"]; u != "" {
		return u
	}
	return localUser()
}

func localUser() string {
	u, err := user.Current()
	if err != nil {
		return os.Getenv("USER")
	}
	return u.Username
}

// matchList tells whether a comma list of patterns matches: one of them does, and none of those with "!".
func matchList(subject, list string) (bool, error) {
	matched := false
	for p := range strings.SplitSeq(list, ",") {
		p, negated := strings.CutPrefix(p, "!")
		pattern, err := ssh_config.NewPattern(p)
		if err != nil {
			return false, fmt.Errorf("pattern %q: %w", p, err)
		}
		if !(&ssh_config.Host{Patterns: []*ssh_config.Pattern{pattern}}).Matches(subject) {
			continue
		}
		if negated {
			return false, nil
		}
		matched = true
	}
	return matched, nil
}
