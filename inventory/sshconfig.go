package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/kevinburke/ssh_config"
)

// SSHConfig is the source of the hosts that an OpenSSH client configuration has a name for: those of Host lines without wildcards.
//
//	source "ssh_config" "mine" {
//	  file   = "vagrant.conf"        # ~/.ssh/config, where it is left out
//	  hosts  = ["gpu-*", "!gpu-old"] # patterns as in a Host line; all names, where it is left out
//	  groups = ["gpu"]
//	}
//
// What ~/.ssh/config says is read when a host is contacted, so from there a host has its name alone. Of any other file the settings
// become those of the hosts; Match blocks, and what only ssh itself can do, are left out with a warning.
type SSHConfig struct {
	Env func(string) (string, bool) // looks up HOME
}

var sshConfigSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "file"}, {Name: "hosts"}, {Name: "groups"}}}

// Open reads the file, and those that it includes.
func (x SSHConfig) Open(_ context.Context, block SourceBlock) (Found, hcl.Diagnostics) {
	args := newArguments(block.Body, block.Eval, sshConfigSchema)
	path, wanted, groups := args.text("file", "~/.ssh/config"), args.texts("hosts"), args.texts("groups")
	home, _ := x.Env("HOME")
	own := filepath.Join(home, ".ssh", "config")
	path = sshPath(path, block.Dir, home)
	r := &sshConfigReader{home: home, base: filepath.Dir(path)}
	if path == own {
		r.base = filepath.Join(home, ".ssh")
	}
	if !args.diags.HasErrors() {
		if err := r.file(path, nil, 0); err != nil {
			args.fail("file", "The ssh configuration cannot be read: %s.", err)
		}
	}
	names, err := r.names(wanted)
	if err != nil {
		args.fail("hosts", "%s.", err)
	}
	if len(names) == 0 && !args.diags.HasErrors() {
		args.fail("hosts", "%s has no such host. A host is a name without wildcards in a Host line.", path)
	}
	if args.diags.HasErrors() {
		return Found{}, args.diags
	}
	found := Found{GroupOrder: groups}
	for _, name := range names {
		h := FoundHost{Name: name, Groups: groups}
		if path != own {
			if err := r.settings(&h.Host, name); err != nil {
				args.fail("file", "The host %q of %s: %s.", name, path, err)
			}
		}
		found.Hosts = append(found.Hosts, h)
	}
	if path != own && len(r.without) > 0 {
		d := problem(block.DeclRange, "Without effect", "What %s says with %s has no effect here. In ~/.ssh/config it has, where cvsplay knows it.",
			path, strings.Join(slices.Sorted(maps.Keys(r.without)), ", "))
		d.Severity = hcl.DiagWarning
		args.diags = append(args.diags, d)
	}
	return found, args.diags
}

// sshPath is a path as a person wrote it: from home, from a folder, or whole.
func sshPath(path, dir, home string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(home, rest)
	}
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// An sshConfigReader gathers the blocks of a file and of those that it includes, in the order of the text.
type sshConfigReader struct {
	home, base string
	blocks     []sshConfigBlock
	without    map[string]bool // keywords whose effect is lost
}

// An sshConfigBlock is settings that hold for the names that all of its pattern lists match. One of Match holds for none.
type sshConfigBlock struct {
	patterns [][]string
	match    bool
	lines    [][2]string // keyword in lower case, and value
}

// maxSSHInclude is how deep Include may go, as in OpenSSH.
const maxSSHInclude = 16

func (r *sshConfigReader) file(path string, within [][]string, depth int) error {
	if depth > maxSSHInclude {
		return fmt.Errorf("%s: Include goes deeper than %d files", path, maxSSHInclude)
	}
	text, err := readText(path)
	if err != nil {
		return err
	}
	at := sshConfigBlock{patterns: within}
	for i, line := range strings.Split(string(text), "\n") {
		key, value := sshKeyword(line)
		switch key {
		case "":
		case "host", "match":
			r.blocks = append(r.blocks, at)
			at = sshConfigBlock{patterns: within, match: key == "match"}
			if at.match {
				at.match = !strings.EqualFold(value, "all")
			} else {
				at.patterns = append(slices.Clip(within), sshWords(value))
			}
			if at.match {
				r.lost("Match")
			}
		case "include":
			r.blocks = append(r.blocks, at)
			if err := r.include(value, at, depth); err != nil {
				return fmt.Errorf("%s:%d: %w", path, i+1, err)
			}
			at.lines = nil
		default:
			at.lines = append(at.lines, [2]string{key, value})
		}
	}
	r.blocks = append(r.blocks, at)
	return nil
}

func (r *sshConfigReader) include(value string, at sshConfigBlock, depth int) error {
	if at.match {
		return nil
	}
	for _, pattern := range sshWords(value) {
		paths, err := filepath.Glob(sshPath(pattern, r.base, r.home))
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := r.file(path, at.patterns, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *sshConfigReader) lost(keyword string) {
	if r.without == nil {
		r.without = map[string]bool{}
	}
	r.without[keyword] = true
}

// sshKeyword takes a line apart: a keyword in lower case, then blanks or one "=". An empty line and a comment have none.
func sshKeyword(line string) (key, value string) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", ""
	}
	i := strings.IndexAny(line, " \t=")
	if i < 0 {
		return strings.ToLower(line), ""
	}
	value = strings.TrimSpace(strings.TrimPrefix(strings.TrimLeft(line[i:], " \t"), "="))
	return strings.ToLower(line[:i]), value
}

// sshWords are the words of a value; quotes hold blanks together, and a # begins a comment.
func sshWords(value string) []string {
	var out []string
	for value = strings.TrimSpace(value); value != "" && value[0] != '#'; value = strings.TrimSpace(value) {
		var word string
		if value[0] == '"' {
			word, value, _ = strings.Cut(value[1:], `"`)
		} else if i := strings.IndexAny(value, " \t"); i >= 0 {
			word, value = value[:i], value[i:]
		} else {
			word, value = value, ""
		}
		out = append(out, word)
	}
	return out
}

// names are the names of Host lines that the patterns want, each once.
func (r *sshConfigReader) names(wanted []string) ([]string, error) {
	if wanted != nil && !slices.ContainsFunc(wanted, func(p string) bool { return !strings.HasPrefix(p, "!") }) {
		wanted = append(slices.Clip(wanted), "*")
	}
	var out []string
	for _, b := range r.blocks {
		if len(b.patterns) == 0 {
			continue
		}
		for _, name := range b.patterns[len(b.patterns)-1] {
			if strings.ContainsAny(name, "*?!") || slices.Contains(out, name) {
				continue
			}
			ok := wanted == nil
			if !ok {
				var err error
				if ok, err = sshMatch(name, wanted); err != nil {
					return nil, err
				}
			}
			if ok {
				out = append(out, name)
			}
		}
	}
	return out, nil
}

// sshMatch tells whether a Host line of these patterns is about a name: one of them matches it, and none of those with "!".
func sshMatch(name string, patterns []string) (bool, error) {
	host := &ssh_config.Host{}
	for _, p := range patterns {
		pattern, err := ssh_config.NewPattern(p)
		if err != nil {
			return false, fmt.Errorf("the pattern %q: %w", p, err)
		}
		host.Patterns = append(host.Patterns, pattern)
	}
	return host.Matches(name), nil
}

// sshLost are the keywords that change how a host is reached, and that no setting stands for.
var sshLost = map[string]string{
	"proxycommand": "ProxyCommand", "stricthostkeychecking": "StrictHostKeyChecking", "hostkeyalias": "HostKeyAlias",
	"certificatefile": "CertificateFile", "identityagent": "IdentityAgent", "identitiesonly": "IdentitiesOnly",
}

// sshAnyway are values of them that say what cvsplay does anyway.
var sshAnyway = map[string]string{"proxycommand": "none", "stricthostkeychecking": "yes", "certificatefile": "none", "identitiesonly": "no"}

// settings gives a host what the file says of a name: the first value of each keyword, and all of IdentityFile.
func (r *sshConfigReader) settings(h *Host, name string) error {
	values := map[string]string{}
	for _, b := range r.blocks {
		applies := !b.match
		for _, patterns := range b.patterns {
			ok, err := sshMatch(name, patterns)
			if err != nil {
				return err
			}
			applies = applies && ok
		}
		if !applies {
			continue
		}
		for _, line := range b.lines {
			key, words := line[0], sshWords(line[1])
			if len(words) == 0 {
				continue
			}
			if _, taken := values[key]; !taken {
				values[key] = words[0]
				if key == "userknownhostsfile" {
					h.SSH.KnownHostsFile = notNone(words)
				}
			}
			if key == "identityfile" {
				h.SSH.IdentityFiles = append(h.SSH.IdentityFiles, notNone(words[:1])...)
			}
			if called, ok := sshLost[key]; ok && !strings.EqualFold(words[0], sshAnyway[key]) {
				r.lost(called)
			}
		}
	}
	return sshSettings(h, name, values)
}

func notNone(paths []string) []string {
	return slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return strings.EqualFold(p, "none") })
}

// sshSettings takes the values that stand for one setting each.
func sshSettings(h *Host, name string, values map[string]string) error {
	h.Address = strings.NewReplacer("%%", "%", "%h", name).Replace(values["hostname"])
	h.SSH.User = values["user"]
	number := func(key string) (int, error) {
		if values[key] == "" || values[key] == "none" {
			return 0, nil
		}
		n, err := strconv.Atoi(values[key])
		if err != nil {
			return 0, fmt.Errorf("%s %s is no number", key, values[key])
		}
		return n, nil
	}
	port, err1 := number("port")
	timeout, err2 := number("connecttimeout")
	alive, err3 := number("serveraliveinterval")
	h.SSH.Port, h.SSH.ConnectTimeout, h.SSH.Keepalive = port, time.Duration(timeout)*time.Second, time.Duration(alive)*time.Second
	if jump := values["proxyjump"]; jump != "" && jump != "none" {
		if strings.ContainsAny(jump, ",@:/") {
			return fmt.Errorf("ProxyJump %s is not the name of one host; declare the jump host in the inventory, and set ssh { bastion = … }", jump)
		}
		h.SSH.Bastion = jump
	}
	return errors.Join(err1, err2, err3)
}

// readText reads a file that may be a list of hosts, of any size up to that of a program's. What is no file may have no end.
func readText(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder", path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxList+1))
	if err == nil && len(text) > maxList {
		err = fmt.Errorf("%s is larger than %d MiB", path, maxList>>20)
	}
	return text, err
}
