// Package inventory says which hosts there are, in which groups, with which variables, and how they are reached.
package inventory

import (
	"context"
	"net/http"
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

	byName map[string]*Host
	close  []func() error
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
	Env        map[string]string // environment of scripts that a person wrote
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
	UserConfig     bool   // whether ~/.ssh/config is read; false for lab hosts
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
	Priority int
}

// Host finds a host by its name.
func (inv *Inventory) Host(name string) (*Host, bool) {
	h, ok := inv.byName[name]
	return h, ok
}

// Close ends what sources started (the lab).
func (inv *Inventory) Close() error {
	var first error
	for _, c := range inv.close {
		if err := c(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// A Source makes hosts: the body of a source "TYPE" "NAME" block decides which.
type Source interface {
	// Open reads the block and gives its hosts. What it started is ended by the returned close function (may be nil).
	Open(ctx context.Context, block SourceBlock) (Found, hcl.Diagnostics)
}

// A SourceBlock is one source block of an inventory file.
type SourceBlock struct {
	Type, Name string
	Body       hcl.Body
	Eval       *hcl.EvalContext // path, env, functions
	Dir        string           // folder of the file
	DeclRange  hcl.Range
}

// Found is what a source found.
type Found struct {
	Hosts     []FoundHost
	Groups    map[string][]string // group → hosts
	Children  map[string][]string // group → child groups
	GroupVars map[string]cty.Value
	Simulated bool
	Registry  http.RoundTripper
	Close     func() error
}

// A FoundHost is one host that a source found.
type FoundHost struct {
	Name   string
	Vars   cty.Value // object, or cty.NilVal
	Host   Host      // Address, Connection, SSH, Become as far as the source sets them
	Groups []string
}
