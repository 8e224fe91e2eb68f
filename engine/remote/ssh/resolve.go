package ssh

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A route is a Target with nothing left open: what to dial, as whom, and through what.
type route struct {
	name, host string
	port       int
	user       string
	keyName    string // what known_hosts calls it

	identityPEM []byte
	knownLines  []byte
	identities  []string
	explicit    bool // somebody named the identities, so that missing ones are worth a word
	onlyThose   bool // IdentitiesOnly
	useAgent    bool
	agentSocket string
	password    string
	timeout     time.Duration
	keepalive   time.Duration
	policy      HostKeyPolicy
	known       []string // files; the first is written to
	hashNames   bool
	compress    bool
	bastions    []route
	masters     []string // sockets on which a person's own ssh may share its connection
	dial        Dial     // nil: TCP
}

func (r route) addr() string { return net.JoinHostPort(r.host, strconv.Itoa(r.port)) }

// resolve settles a Target: what it says wins over ssh_config, which wins over the defaults.
func (p *Pool) resolve(t Target, depth int) (route, error) {
	if depth > 8 {
		return route{}, fmt.Errorf("%s: more than 8 jump hosts: does ProxyJump lead in a circle?", t.Name)
	}
	alias := t.Address
	if alias == "" {
		alias = t.Name
	}
	l := lookup{alias: alias, user: t.User, values: map[string]string{}}
	if t.Config == ConfigOn {
		p.readConfig.Do(func() { p.config, p.configErr = readConfig(p.opts.Home, p.opts.ConfigFiles) })
		if p.configErr != nil {
			return route{}, p.configErr
		}
		if err := l.ask(p.config); err != nil {
			return route{}, err
		}
	}
	r := route{
		identityPEM: t.IdentityPEM, knownLines: t.KnownLines, dial: t.Dial,
		name: t.Name, host: l.host(), user: l.remoteUser(), password: t.Password,
		port: t.Port, timeout: t.ConnectTimeout, keepalive: t.Keepalive, policy: p.policy(t, l),
		useAgent:  t.Agent == AgentOn && l.values["identityagent"] != "none",
		onlyThose: isYes(l.values["identitiesonly"]), hashNames: isYes(l.values["hashknownhosts"]),
		compress: t.Compression == CompressionOn || t.Compression == CompressionDefault && isYes(l.values["compression"]),
	}
	if err := r.numbers(l); err != nil {
		return route{}, fmt.Errorf("%s: %w", alias, err)
	}
	r.files(p.opts.Home, t, l)
	r.keyName = knownName(r.host, r.port)
	if a := l.values["hostkeyalias"]; a != "" {
		r.keyName = strings.ToLower(a)
	}
	var err error
	if r.bastions, err = p.jumps(t, l, depth); err != nil {
		return r, err
	}
	if p.trustsMasters(t) {
		r.masters = r.masterSockets(l, p.opts.Home)
	}
	return r, nil
}

// trustsMasters tells whether a connection that a person's own ssh made is as good as ours: where somebody said another way, other keys or another
// judgement of host keys than ssh knows of, it is not.
func (p *Pool) trustsMasters(t Target) bool {
	return t.Master == MasterOn && t.Bastions == nil && t.IdentityPEM == nil && t.KnownLines == nil && len(t.KnownHosts) == 0 &&
		t.HostKeys == HostKeysDefault && p.opts.HostKeys == HostKeysDefault
}

// numbers settles port and times.
func (r *route) numbers(l lookup) error {
	for _, n := range []struct {
		key  string
		set  bool
		take func(int)
	}{
		{"port", r.port != 0, func(n int) { r.port = n }},
		{"connecttimeout", r.timeout != 0, func(n int) { r.timeout = time.Duration(n) * time.Second }},
		{"serveraliveinterval", r.keepalive != 0, func(n int) { r.keepalive = time.Duration(n) * time.Second }},
	} {
		value := l.values[n.key]
		if n.set || value == "" || value == "none" {
			continue
		}
		number, err := strconv.Atoi(value)
		if err != nil {
			return fmt.Errorf("ssh_config says %s %s, which is no number", n.key, value)
		}
		n.take(number)
	}
	if r.port == 0 {
		r.port = defaultPort
	}
	if r.timeout <= 0 {
		r.timeout = defaultConnectTimeout
	}
	if r.keepalive <= 0 {
		r.keepalive = defaultKeepalive
	}
	return nil
}

// files settles identities, known_hosts and the agent's socket.
func (r *route) files(home string, t Target, l lookup) {
	tokens := strings.NewReplacer("%%", "%", "%h", r.host, "%r", r.user, "%u", localUser(), "%d", home, "%n", l.alias, "%p", strconv.Itoa(r.port))
	expand := func(files []string) []string {
		var out []string
		for _, f := range files {
			if f = strings.Trim(f, `"`); f != "none" {
				out = append(out, expandHome(tokens.Replace(f), home))
			}
		}
		return out
	}
	r.identities, r.explicit = expand(l.ids), len(l.ids) > 0
	if len(t.IdentityFiles) > 0 {
		r.identities, r.explicit = expand(t.IdentityFiles), true
	}
	if !r.explicit {
		for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk"} {
			r.identities = append(r.identities, filepath.Join(home, ".ssh", name))
		}
	}
	if a := l.values["identityagent"]; a != "" && a != "none" && a != "SSH_AUTH_SOCK" {
		r.agentSocket = expand([]string{a})[0]
	}
	if r.known = expand(t.KnownHosts); len(r.known) > 0 {
		return
	}
	own, global := l.values["userknownhostsfile"], l.values["globalknownhostsfile"]
	if own == "" {
		own = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
	}
	if global == "" {
		global = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
	}
	r.known = append(expand(strings.Fields(own)), expand(strings.Fields(global))...)
}

func (p *Pool) policy(t Target, l lookup) HostKeyPolicy {
	switch {
	case t.HostKeys != HostKeysDefault:
		return t.HostKeys
	case p.opts.HostKeys != HostKeysDefault:
		return p.opts.HostKeys
	}
	switch strings.ToLower(l.values["stricthostkeychecking"]) {
	case "accept-new":
		return HostKeysAcceptNew
	case "no", "off":
		return HostKeysOff
	}
	return HostKeysStrict // "ask" too: there is nobody to ask
}

func isYes(s string) bool { return strings.EqualFold(s, "yes") || strings.EqualFold(s, "true") }

// jumps settles what to go through.
func (p *Pool) jumps(t Target, l lookup, depth int) ([]route, error) {
	hops := t.Bastions
	if hops == nil {
		var err error
		if hops, err = proxyJump(l.values["proxyjump"]); err != nil {
			return nil, err
		}
		if command := l.values["proxycommand"]; hops == nil && command != "" && command != "none" && l.values["proxyjump"] == "" {
			return nil, fmt.Errorf("%s: ssh_config says ProxyCommand, which is not supported: use ProxyJump, or a bastion in the inventory", l.alias)
		}
	}
	var routes []route
	for i, hop := range hops {
		if i > 0 {
			hop.Bastions = []Target{} // it is reached through the one before
		}
		r, err := p.resolve(hop, depth+1)
		if err != nil {
			return nil, err
		}
		routes = append(routes, r.bastions...)
		r.bastions = nil
		routes = append(routes, r)
	}
	return routes, nil
}

// proxyJump reads "[user@]host[:port],…", or the same as URIs.
func proxyJump(value string) ([]Target, error) {
	if value == "" || strings.EqualFold(value, "none") {
		return nil, nil
	}
	var hops []Target
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimSpace(part)
		if !strings.HasPrefix(part, "ssh://") {
			part = "ssh://" + part
		}
		u, err := url.Parse(part)
		if err != nil || u.Hostname() == "" {
			return nil, fmt.Errorf("ssh_config says ProxyJump %s, which names no host", value)
		}
		hop := Target{Name: u.Hostname(), User: u.User.Username()}
		if port := u.Port(); port != "" {
			hop.Port, _ = strconv.Atoi(port)
		}
		hops = append(hops, hop)
	}
	return hops, nil
}
