package inventory

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

var (
	iniSection = regexp.MustCompile(`^\[([^:\]\s]+)(?::(\w+))?\]\s*(?:[#;].*)?$`)
	iniPort    = regexp.MustCompile(`^([^:]+|\[[0-9a-fA-F:.]+\]|.*\].*):([0-9]+)$`)
)

// ini reads sections of hosts, of vars and of children.
func (r *ansibleReader) ini(text string) error {
	section, kind := "ungrouped", "hosts"
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			if m := iniSection.FindStringSubmatch(line); m != nil {
				section, kind = m[1], m[2]
				if kind == "" {
					kind = "hosts"
				}
				r.group(section)
				continue
			}
		}
		var err error
		switch kind {
		case "hosts":
			err = r.iniHost(section, line)
		case "children":
			r.group(section).child(strings.Fields(line)[0])
			r.group(strings.Fields(line)[0])
		case "vars":
			name, value, ok := strings.Cut(line, "=")
			if !ok {
				err = errors.New("a variable is written NAME=VALUE")
				break
			}
			r.group(section).vars[strings.TrimSpace(name)] = iniValue(strings.TrimSpace(value))
		default:
			return r.at(i+1, "a section is [GROUP], [GROUP:vars] or [GROUP:children], and not [%s:%s]", section, kind)
		}
		if err != nil {
			return r.at(i+1, "%s", err)
		}
	}
	return nil
}

// iniHost reads a host with its variables.
func (r *ansibleReader) iniHost(section, line string) error {
	words, err := iniWords(line)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return nil
	}
	vars := map[string]cty.Value{}
	pattern := words[0]
	if m := iniPort.FindStringSubmatch(pattern); m != nil {
		pattern = m[1]
		vars["ansible_port"] = iniValue(m[2])
	}
	for _, w := range words[1:] {
		name, value, ok := strings.Cut(w, "=")
		if !ok {
			return errors.New("what follows a host is NAME=VALUE, and not " + strconv.Quote(w))
		}
		vars[name] = iniValue(value)
	}
	names, err := ansibleRange(pattern)
	for _, name := range names {
		r.host(r.group(section), name, vars)
	}
	return err
}

// iniWords are the words of a line as a shell takes them: quotes hold blanks together, # begins a comment.
func iniWords(line string) ([]string, error) {
	var out []string
	var word strings.Builder
	quote, started := byte(0), false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
			started = true
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, started = c, true
		case c == ' ' || c == '\t':
			if started {
				out = append(out, word.String())
				word.Reset()
				started = false
			}
		case c == '#':
			if started {
				out = append(out, word.String())
			}
			return out, nil
		default:
			word.WriteByte(c)
			started = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quotation mark is not closed")
	}
	if started {
		out = append(out, word.String())
	}
	return out, nil
}

// iniValue is a value as Ansible takes it: a literal of Python, else the text as it is.
func iniValue(text string) cty.Value {
	if v, ok := readPython(text); ok {
		return v
	}
	return cty.StringVal(text)
}
