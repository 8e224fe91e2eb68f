package inventory

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"go.yaml.in/yaml/v3"

	"cvsplay/engine/eval"
)

// An ansibleReader makes a list of files, as ansible-inventory does of them.
type ansibleReader struct {
	path   string
	groups map[string]*ansibleDraft
	order  []string // of groups
	hosts  map[string]map[string]cty.Value
	maps   int // how many were read, aliases each time
}

// An ansibleDraft is a group in the making.
type ansibleDraft struct {
	hosts, children []string
	has             map[string]bool // of hosts
	vars            map[string]cty.Value
}

// readAnsibleFile reads a static inventory: YAML (or JSON) where its name says so, else INI; with group_vars and host_vars beside it.
func readAnsibleFile(path string) (*ansibleList, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder, which takes ansible-inventory (of the package ansible-core) to be read", path)
	case info.Mode()&0o111 != 0:
		return nil, fmt.Errorf(`%s is a program: run it with source "exec" "NAME" { command = [%q, "--list"] }`, path, path)
	}
	text, err := readText(path)
	if err != nil {
		return nil, err
	}
	r := newAnsibleReader(path)
	switch filepath.Ext(path) {
	case ".yml", ".yaml", ".json":
		err = r.yaml(text)
	default:
		err = r.ini(string(text))
	}
	if err == nil {
		err = r.beside(filepath.Dir(path))
	}
	if err != nil {
		return nil, err
	}
	return r.list(), nil
}

func newAnsibleReader(path string) *ansibleReader {
	r := &ansibleReader{path: path, groups: map[string]*ansibleDraft{}, hosts: map[string]map[string]cty.Value{}}
	r.group("all")
	return r
}

// at is an error with its line.
func (r *ansibleReader) at(line int, text string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", r.path, line, fmt.Sprintf(text, args...))
}

func (r *ansibleReader) group(name string) *ansibleDraft {
	g, ok := r.groups[name]
	if !ok {
		g = &ansibleDraft{has: map[string]bool{}, vars: map[string]cty.Value{}}
		r.groups[name], r.order = g, append(r.order, name)
	}
	return g
}

func (g *ansibleDraft) child(name string) {
	if !slices.Contains(g.children, name) {
		g.children = append(g.children, name)
	}
}

// host puts a host into a group, with vars above those that it has.
func (r *ansibleReader) host(g *ansibleDraft, name string, vars map[string]cty.Value) {
	if r.hosts[name] == nil {
		r.hosts[name] = map[string]cty.Value{}
	}
	for k, v := range vars {
		r.hosts[name][k] = v
	}
	if !g.has[name] {
		g.has[name] = true
		g.hosts = append(g.hosts, name)
	}
}

// list is what was read. Groups without a parent are children of "all".
func (r *ansibleReader) list() *ansibleList {
	parented := map[string]bool{"all": true}
	for _, g := range r.groups {
		for _, c := range g.children {
			parented[c] = true
		}
	}
	for _, name := range r.order {
		if !parented[name] {
			r.groups["all"].child(name)
		}
	}
	out := &ansibleList{hostvars: map[string]cty.Value{}}
	for _, name := range r.order {
		g := r.groups[name]
		out.groups = append(out.groups, ansibleGroup{name: name, hosts: g.hosts, children: g.children, vars: ansibleVars(g.vars)})
	}
	for name, vars := range r.hosts {
		out.hostvars[name] = ansibleVars(vars)
	}
	return out
}

func ansibleVars(vars map[string]cty.Value) cty.Value {
	if len(vars) == 0 {
		return cty.NilVal
	}
	return cty.ObjectVal(vars)
}

// yaml reads groups by name.
func (r *ansibleReader) yaml(text []byte) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("%s: %w", r.path, err)
	}
	asYAML11(&doc)
	if len(doc.Content) == 0 {
		return fmt.Errorf("%s is empty", r.path)
	}
	return r.pairs(doc.Content[0], "the inventory", func(key, value *yaml.Node) error { return r.yamlGroup(key.Value, value, 0) })
}

// How deep groups may stand inside of each other, and how many maps a file may have: aliases can make very many of a few.
const (
	maxAnsibleDepth = 100
	maxAnsibleMaps  = 1_000_000
)

// pairs calls f with the keys of a map in the order of the text; null has none.
func (r *ansibleReader) pairs(n *yaml.Node, what string, f func(key, value *yaml.Node) error) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if r.maps++; r.maps > maxAnsibleMaps {
		return r.at(n.Line, "there are more than %d maps", maxAnsibleMaps)
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return r.at(n.Line, "%s is no map", what)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			return r.at(key.Line, "a key of %s is no text", what)
		}
		if seen[key.Value] {
			return r.at(key.Line, "%q is there twice", key.Value)
		}
		seen[key.Value] = true
		if err := f(key, n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (r *ansibleReader) yamlGroup(name string, n *yaml.Node, depth int) error {
	if depth > maxAnsibleDepth {
		return r.at(n.Line, "groups stand deeper than %d inside of each other", maxAnsibleDepth)
	}
	g := r.group(name)
	known := []string{"hosts", "children", "vars"}
	return r.pairs(n, fmt.Sprintf("the group %q", name), func(key, value *yaml.Node) error {
		switch key.Value {
		case "hosts":
			return r.pairs(value, fmt.Sprintf("hosts of the group %q", name), func(host, vars *yaml.Node) error { return r.yamlHost(g, host, vars) })
		case "children":
			return r.pairs(value, fmt.Sprintf("children of the group %q", name), func(child, body *yaml.Node) error {
				g.child(child.Value)
				return r.yamlGroup(child.Value, body, depth+1)
			})
		case "vars":
			return r.yamlVars(g.vars, value, fmt.Sprintf("vars of the group %q", name))
		default:
			return r.at(key.Line, "a group has hosts, children and vars, and no %q.%s", key.Value, eval.DidYouMean(key.Value, known))
		}
	})
}

func (r *ansibleReader) yamlHost(g *ansibleDraft, host, body *yaml.Node) error {
	vars := map[string]cty.Value{}
	if err := r.yamlVars(vars, body, fmt.Sprintf("what the host %q has", host.Value)); err != nil {
		return err
	}
	names, err := ansibleRange(host.Value)
	if err != nil {
		return r.at(host.Line, "%s", err)
	}
	for _, name := range names {
		r.host(g, name, vars)
	}
	return nil
}

// yamlVars adds what a map says to vars. What it merges in with << counts less than its own keys.
func (r *ansibleReader) yamlVars(vars map[string]cty.Value, n *yaml.Node, what string) error {
	merged, own := map[string]cty.Value{}, map[string]cty.Value{}
	err := r.pairs(n, what, func(key, value *yaml.Node) error {
		switch {
		case key.Tag == "!!merge":
			return r.yamlVars(merged, value, what)
		case value.Tag == "!vault":
			return r.at(value.Line, "%q is in a vault, which takes ansible-inventory (of the package ansible-core) to be read", key.Value)
		}
		v, err := yamlValue(value)
		if err != nil {
			return r.at(value.Line, "%q: %s", key.Value, err)
		}
		own[key.Value] = v
		return nil
	})
	maps.Copy(vars, merged)
	maps.Copy(vars, own)
	return err
}

// What YAML 1.1, which Ansible reads, takes for something else than YAML 1.2 does.
var (
	yaml11True  = regexp.MustCompile(`^(?:yes|Yes|YES|on|On|ON)$`)
	yaml11False = regexp.MustCompile(`^(?:no|No|NO|off|Off|OFF)$`)
	yaml11Text  = regexp.MustCompile(`^(?:[-+]?0o[0-7_]+|[-+]?[0-9]+[eE][-+]?[0-9]+)$`)
)

// asYAML11 gives the plain scalars of a document the types that they have for Ansible; names stay texts. A date is the text that it is.
func asYAML11(n *yaml.Node) {
	for i, inner := range n.Content {
		if n.Kind != yaml.MappingNode || i%2 == 1 {
			asYAML11(inner)
		}
	}
	if n.Kind != yaml.ScalarNode || n.Style != 0 {
		return
	}
	switch tag := n.ShortTag(); {
	case yaml11True.MatchString(n.Value):
		n.Tag, n.Value = "!!bool", "true"
	case yaml11False.MatchString(n.Value):
		n.Tag, n.Value = "!!bool", "false"
	case tag == "!!timestamp" || yaml11Text.MatchString(n.Value):
		n.Tag, n.Style = "!!str", yaml.DoubleQuotedStyle
	}
}

// yamlValue goes by way of JSON, which has what vars can have, for all but what most of them are.
func yamlValue(n *yaml.Node) (cty.Value, error) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" {
		return cty.StringVal(n.Value), nil
	}
	var decoded any
	if err := n.Decode(&decoded); err != nil {
		return cty.NilVal, err
	}
	switch v := decoded.(type) {
	case int:
		return cty.NumberIntVal(int64(v)), nil
	case bool:
		return cty.BoolVal(v), nil
	}
	text, err := json.Marshal(map[string]any{"v": decoded})
	if err != nil {
		return cty.NilVal, errors.New("it has something that JSON has not, such as a key that is no text")
	}
	v, err := readVars(text)
	if err != nil {
		return cty.NilVal, err
	}
	return v.GetAttr("v"), nil
}

// beside reads group_vars and host_vars, which are above what the inventory itself says.
func (r *ansibleReader) beside(dir string) error {
	groups, err := varsFolder(filepath.Join(dir, "group_vars"))
	if err != nil {
		return err
	}
	for _, name := range r.order {
		if err := groups.read(name, r.groups[name].vars); err != nil {
			return err
		}
	}
	hosts, err := varsFolder(filepath.Join(dir, "host_vars"))
	if err != nil || len(hosts.names) == 0 {
		return err
	}
	for name, vars := range r.hosts {
		if err := hosts.read(name, vars); err != nil {
			return err
		}
	}
	return nil
}

// An ansibleVarsFolder is group_vars or host_vars: its files are looked up by name, of which there are fewer than hosts.
type ansibleVarsFolder struct {
	path  string
	names map[string]bool
}

// varsFolder lists a folder; one that is not there is empty.
func varsFolder(path string) (ansibleVarsFolder, error) {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	folder := ansibleVarsFolder{path: path, names: map[string]bool{}}
	for _, e := range entries {
		folder.names[e.Name()] = true
	}
	return folder, err
}

// read reads the files that a name can have: as it is, with an extension, or a folder of files.
func (f ansibleVarsFolder) read(name string, vars map[string]cty.Value) error {
	base := filepath.Join(f.path, name)
	for _, ext := range []string{"", ".yml", ".yaml", ".json"} {
		if !f.names[name+ext] {
			continue
		}
		info, err := os.Stat(base + ext)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			if err := varsFile(base+ext, vars); err != nil {
				return err
			}
			continue
		}
		entries, err := os.ReadDir(base + ext) // sorted by name
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !e.IsDir() && slices.Contains([]string{"", ".yml", ".yaml", ".json"}, filepath.Ext(e.Name())) {
				if err := varsFile(filepath.Join(base+ext, e.Name()), vars); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func varsFile(path string, vars map[string]cty.Value) error {
	text, err := readText(path)
	if err != nil {
		return err
	}
	file := &ansibleReader{path: path}
	if strings.HasPrefix(string(text), "$ANSIBLE_VAULT") {
		return file.at(1, "this is a vault, which takes ansible-inventory (of the package ansible-core) to be read")
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	asYAML11(&doc)
	if len(doc.Content) == 0 {
		return nil
	}
	return file.yamlVars(vars, doc.Content[0], "what it has")
}

// ansibleRange gives the names that a pattern of Ansible stands for: www[01:50].example.com, db-[a:f], n[1:9:2].
func ansibleRange(pattern string) ([]string, error) {
	head, rest, found := strings.Cut(pattern, "[")
	if !found {
		return []string{pattern}, nil
	}
	inside, tail, closed := strings.Cut(rest, "]")
	parts := strings.Split(inside, ":")
	if !closed || len(parts) < 2 || len(parts) > 3 {
		return []string{pattern}, nil // an IPv6 address; or a name that will be refused
	}
	middle, err := ansibleSteps(parts)
	if err != nil {
		return nil, fmt.Errorf("the range [%s] of %q: %w", inside, pattern, err)
	}
	ends, err := ansibleRange(tail)
	if err != nil {
		return nil, err
	}
	if len(middle)*len(ends) > maxAnsibleRange {
		return nil, fmt.Errorf("%q stands for more than %d hosts", pattern, maxAnsibleRange)
	}
	var out []string
	for _, m := range middle {
		for _, e := range ends {
			out = append(out, head+m+e)
		}
	}
	return out, nil
}

// maxAnsibleRange is how many hosts one pattern may stand for.
const maxAnsibleRange = 100_000

func ansibleSteps(parts []string) ([]string, error) {
	step := 1
	var err error
	if len(parts) == 3 {
		if step, err = strconv.Atoi(parts[2]); err != nil || step < 1 {
			return nil, errors.New("the step is no whole number above zero")
		}
	}
	low, high := parts[0], parts[1]
	if len(low) == 1 && len(high) == 1 && ansibleLetter(low[0]) && ansibleLetter(high[0]) {
		var out []string
		for c := int(low[0]); c <= int(high[0]); c += step {
			out = append(out, string(rune(c)))
		}
		return out, nil
	}
	if low == "" {
		low = "0"
	}
	first, err1 := strconv.Atoi(low)
	last, err2 := strconv.Atoi(high)
	if err1 != nil || err2 != nil || first < 0 || last < first || (last-first)/step >= maxAnsibleRange {
		return nil, errors.New("it goes from a number or letter to one that is not below it")
	}
	width := 0
	if len(low) > 1 && low[0] == '0' {
		width = len(low)
	}
	var out []string
	for i := first; i <= last; i += step {
		out = append(out, fmt.Sprintf("%0*d", width, i))
	}
	return out, nil
}

func ansibleLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
