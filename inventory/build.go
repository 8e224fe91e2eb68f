package inventory

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// build makes the hosts and groups of the declarations.
func (l *loader) build() {
	inv := l.inv
	inv.declared = l.decl
	inv.byName = make(map[string]*Host, len(l.decl.hostOrder))
	inv.Hosts = make([]*Host, 0, len(l.decl.hostOrder))
	for _, d := range l.decl.hostOrder {
		h := l.decl.evaluation(d, &l.verdict).host()
		inv.Hosts = append(inv.Hosts, h)
		inv.byName[h.Name] = h
	}
	inv.Groups = make(map[string]*Group, len(l.decl.groupOrder))
	for _, g := range l.decl.groupOrder {
		if g.below {
			continue
		}
		made := &Group{Name: g.name, Hosts: g.hosts, Priority: g.rank()}
		for _, c := range g.children {
			if !slices.Contains(made.Children, c.name) {
				made.Children = append(made.Children, c.name)
			}
		}
		inv.Groups[g.name] = made
		inv.groupNames = append(inv.groupNames, g.name)
	}
	inv.Simulated = !slices.ContainsFunc(l.decl.hostOrder, func(d *hostDecl) bool { return !d.local })
	l.checkBastions()
}

// host evaluates everything for the host. What is wrong has been reported; the host has the rest.
func (e *evaluation) host() *Host {
	h := &Host{
		Name: e.decl.name, Index: e.decl.index, Address: e.decl.name, Groups: e.groups, Connection: ViaSSH,
		SSH: SSH{UserConfig: !e.decl.local}, Become: Become{Method: "sudo", User: "root"},
	}
	if f := e.decl.found; f != nil {
		h.SSH.IdentityPEM, h.SSH.KnownHosts, h.SSH.Dial = f.Host.SSH.IdentityPEM, f.Host.SSH.KnownHosts, f.Host.SSH.Dial
	}
	var vars map[string]cty.Value
	for _, s := range e.order {
		if s.section == varsSection && e.shared && e.plan.vars != cty.NilVal {
			continue
		}
		v, ok := e.value(s)
		if !ok {
			e.failed = true
			continue
		}
		switch s.section {
		case varsSection:
			if vars == nil {
				vars = map[string]cty.Value{}
			}
			vars[s.name] = v
		case envSection:
			e.setEnv(h, s, v)
		default:
			if err := settingFor[s].apply(h, v); err != nil {
				if v.ContainsMarked() {
					err = errors.New("it cannot have this value, which is sensitive and not shown")
				}
				e.report(problem(e.choices[s].first[0].at, "Invalid setting", "%s: %s.", s, err))
			}
		}
	}
	h.Vars = e.varsValue(vars)
	e.finish(h)
	return h
}

// varsValue is the object of vars. Hosts of one plan whose vars no expression computes share theirs.
func (e *evaluation) varsValue(vars map[string]cty.Value) cty.Value {
	if e.shared && e.plan.vars != cty.NilVal {
		return e.plan.vars
	}
	v := cty.EmptyObjectVal
	if len(vars) > 0 {
		v = cty.ObjectVal(vars)
	}
	if e.shared && e.plan.constants && !e.failed {
		e.plan.vars = v
	}
	return v
}

// finish settles what one setting means for another.
func (e *evaluation) finish(h *Host) {
	if f := e.decl.found; f != nil && h.SSH.ConnectTimeout == 0 {
		h.SSH.ConnectTimeout = f.Patience
	}
	if h.Address == h.Name && h.Connection == ViaSSH && !e.has(slot{"", "address"}) {
		if err := checkAddress(h.Name); err != nil {
			e.report(problem(hcl.Range{}, "Invalid address", "The host %q has no address, and its name cannot be one: %s.", h.Name, err))
		}
	}
	if h.SSH.Bastion != h.Name && !(e.decl.local && h.SSH.Bastion != "") {
		return
	}
	// A bastion for a whole group, or for all, is none for itself, and none for a host inside this process.
	own := strings.HasPrefix(e.choices[slot{"ssh", "bastion"}].first[0].from, "host ")
	if own && h.SSH.Bastion == h.Name {
		e.report(problem(e.choices[slot{"ssh", "bastion"}].first[0].at, "Invalid setting", "The host %q cannot be its own bastion.", h.Name))
	}
	if !own || h.SSH.Bastion == h.Name {
		h.SSH.Bastion = ""
	}
}

func (e *evaluation) has(s slot) bool {
	_, ok := e.choices[s]
	return ok
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// setEnv gives the host one environment variable; null takes it out.
func (e *evaluation) setEnv(h *Host, s slot, v cty.Value) {
	at := e.choices[s].first[0].at
	v, marks := v.UnmarkDeep()
	if v.IsNull() {
		return
	}
	if !envName.MatchString(s.name) {
		e.report(problem(at, "Invalid name", "%q cannot be the name of an environment variable: it has letters, digits and underscores, and begins with no digit.", s.name))
		return
	}
	text, err := convert.Convert(v, cty.String)
	if err != nil || !text.IsKnown() {
		e.report(problem(at, "Wrong type", "%s: the value of an environment variable is a text.", s))
		return
	}
	if strings.Contains(text.AsString(), "\x00") {
		e.report(problem(at, "Invalid value", "%s: the value of an environment variable cannot hold a NUL byte.", s))
		return
	}
	if h.Env == nil {
		h.Env = map[string]string{}
	}
	h.Env[s.name] = text.AsString()
	if _, secret := marks[sensitive]; secret {
		h.SecretEnv = append(h.SecretEnv, s.name) // slots come sorted
	}
}

// checkBastions looks for bastions that are no hosts, and for those that lead back to where they began.
func (l *loader) checkBastions() {
	bastion := slot{"ssh", "bastion"}
	cellOf := func(h *Host) *cell {
		return l.decl.evaluation(l.decl.hosts[h.Name], &verdict{}).choices[bastion].first[0]
	}
	state := map[*Host]visit{}
	for _, h := range l.inv.Hosts {
		var path []string
		for at := h; state[at] != finished; {
			if state[at] == underWay {
				path = append(path[slices.Index(path, at.Name):], at.Name)
				l.verdict.add(problem(cellOf(at).at, "Cycle of bastions", "These bastions lead back to where they begin: %s.", strings.Join(path, " through ")))
				break
			}
			state[at], path = underWay, append(path, at.Name)
			if at.SSH.Bastion == "" {
				break
			}
			next, ok := l.inv.byName[at.SSH.Bastion]
			if !ok {
				l.verdict.addFor(at.Name, problem(cellOf(at).at, "Unknown host", "The bastion %q is no host of the inventory.%s", at.SSH.Bastion, l.decl.nearHosts(at.SSH.Bastion)))
				break
			}
			at = next
		}
		for _, name := range path {
			state[l.inv.byName[name]] = finished
		}
	}
}

// SplitEnv reads a value of a host's environment. $NAME of the variable itself at either end stands for what the host has:
// before and after tell at which ends it stood, literal is what is left.
func SplitEnv(name, value string) (before bool, literal string, after bool) {
	own := "$" + name
	if rest, ok := strings.CutPrefix(value, own); ok && (rest == "" || !nameByte(rest[0])) {
		before, value = true, rest
	}
	value, after = strings.CutSuffix(value, own)
	return before, value, after
}

// nameByte tells whether a byte would go on with the name of a variable.
func nameByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
