// Package inventory says which hosts there are, in which groups, with which variables, and how they are reached.
package inventory

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// An Inventory is all hosts and groups of the files given, merged.
type Inventory struct {
	Files     []string // the files read, as given
	Hosts     []*Host  // in the order of their declaration
	Groups    map[string]*Group
	Variables map[string]Variable // of variables {} blocks: values for a playbook's variables of these names
	// Simulated tells that every host is a lab host inside this process.
	Simulated bool
	// Registry, where set, answers for all image registries (the lab's). nil: the network does.
	Registry http.RoundTripper

	byName     map[string]*Host
	groupNames []string
	close      []func() error
	declared   *declarations // what Explain goes back to
}

// A Variable is a playbook variable's value that an inventory gives.
type Variable struct {
	Value cty.Value
	Range hcl.Range
}

// A Host is one machine.
type Host struct {
	Name       string
	Address    string            // what is dialled; the name where nothing else is declared
	Groups     []string          // in order of declaration, "all" left out
	Vars       cty.Value         // object; may be marked in parts
	Env        map[string]string // environment of scripts that a person wrote; SplitEnv reads a value
	SecretEnv  []string          // the names in Env whose values are sensitive, sorted
	Connection Connection
	SSH        SSH
	Become     Become
	Index      int // position in Inventory.Hosts
}

// A Connection is how a host is reached.
type Connection string

// The connections.
const (
	ViaSSH   Connection = "ssh"
	ViaLocal Connection = "local"
)

// SSH are the settings of a host's connection. Zero values: what ~/.ssh/config and OpenSSH's defaults say.
type SSH struct {
	User           string
	Port           int
	IdentityFiles  []string
	IdentityPEM    []byte // a private key that is at hand (the lab's); wins over files
	Password       string
	Bastion        string // name of another host
	KnownHostsFile []string
	KnownHosts     []byte // lines that are at hand (the lab's); only these are looked at
	// Dial connects to the host where that is in this process (the lab's); nil: over the network.
	Dial func(context.Context) (net.Conn, error)

	UserConfig     bool  // whether ~/.ssh/config is read; false for lab hosts
	Compression    *bool // whether large files travel compressed; nil: what ~/.ssh/config says
	NoMaster       bool  // whether the connection that a person's own ssh shares (ControlPath of ~/.ssh/config) is left alone
	ConnectTimeout time.Duration
	Keepalive      time.Duration
}

// Become is how a step becomes another user where it asks for it.
type Become struct {
	Method   string // "sudo"
	User     string // default user; "root"
	Password string
}

// A Group is a named set of hosts.
type Group struct {
	Name     string
	Hosts    []string // all of them, children's too, in inventory order
	Children []string
	Priority int // 0 where none is declared
}

// Host finds a host by its name.
func (inv *Inventory) Host(name string) (*Host, bool) {
	h, ok := inv.byName[name]
	return h, ok
}

// Names are the names of all hosts, in inventory order.
func (inv *Inventory) Names() []string {
	names := make([]string, len(inv.Hosts))
	for i, h := range inv.Hosts {
		names[i] = h.Name
	}
	return names
}

// GroupNames are the names of all groups in order of declaration, "all" left out.
func (inv *Inventory) GroupNames() []string { return inv.groupNames }

// GroupValue is what expressions see as "group": an object of sets of host names, "all" among them.
func (inv *Inventory) GroupValue() cty.Value {
	groups := map[string]cty.Value{"all": nameSet(inv.Names())}
	for name, g := range inv.Groups {
		groups[name] = nameSet(g.Hosts)
	}
	return cty.ObjectVal(groups)
}

func nameSet(names []string) cty.Value {
	if len(names) == 0 {
		return cty.SetValEmpty(cty.String)
	}
	return cty.SetVal(stringValues(names))
}

func stringValues(texts []string) []cty.Value {
	values := make([]cty.Value, len(texts))
	for i, s := range texts {
		values[i] = cty.StringVal(s)
	}
	return values
}

// Secrets are the texts among the hosts' settings that no output may show: passwords, and sensitive values of env. Those of
// variables and vars carry marks of their own.
func (inv *Inventory) Secrets() []string {
	var secrets []string
	for _, h := range inv.Hosts {
		secrets = append(secrets, h.SSH.Password, h.Become.Password)
		for _, name := range h.SecretEnv {
			secrets = append(secrets, h.Env[name])
		}
	}
	slices.Sort(secrets)
	return slices.DeleteFunc(slices.Compact(secrets), func(s string) bool { return s == "" })
}

// Close ends what sources started (the lab). It may be called more than once.
func (inv *Inventory) Close() error {
	var errs []error
	for _, c := range inv.close {
		errs = append(errs, c())
	}
	inv.close = nil
	return errors.Join(errs...)
}

// Value is what expressions see as "host": an object with name, address, groups (a list) and vars.
func (h *Host) Value() cty.Value {
	vars := h.Vars
	if vars == cty.NilVal {
		vars = cty.EmptyObjectVal
	}
	return cty.ObjectVal(map[string]cty.Value{
		"name": cty.StringVal(h.Name), "address": cty.StringVal(h.Address), "groups": nameList(h.Groups), "vars": vars,
	})
}

func nameList(names []string) cty.Value {
	if len(names) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	return cty.ListVal(stringValues(names))
}
