// Package ssh reaches hosts over SSH, as a person who uses OpenSSH's ssh expects: ~/.ssh/config, the agent, known_hosts, and jump
// hosts mean here what they mean there.
//
// What hosts have in common in a run (known_hosts, keys, the agent, connections to bastions, the number of handshakes at
// a time) is a Pool's.
package ssh

import (
	"context"
	"net"
	"time"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/become"
	"cvsplay/engine/remote/shell"
)

// A Target is how to reach one host. What is zero is taken from ssh_config for Address, and else is ssh's default.
type Target struct {
	Name    string // in the inventory, for messages
	Address string // host name or IP address, or a Host of ssh_config; "": Name
	Port    int
	User    string

	IdentityFiles []string // private keys, or public keys of which the agent has the private half
	IdentityPEM   []byte   // a private key that is at hand; no other key is offered then, and no agent asked
	Password      string   // for the password and keyboard-interactive methods
	Agent         Agent

	Bastions []Target // to go through, the first one first; nil: ProxyJump of ssh_config
	Dial     Dial     // makes the stream that SSH is spoken on, where there are no bastions; nil: TCP

	ConnectTimeout time.Duration // for TCP, banner, key exchange and authentication together; default 10 s
	Keepalive      time.Duration // between two keepalives; three without an answer end the connection; default 15 s

	HostKeys   HostKeyPolicy
	KnownHosts []string // files; the first is where accept-new writes
	KnownLines []byte   // lines of known_hosts that are at hand; no file is looked at then

	Become become.Settings
	Config Config
	Master Master

	Compression Compression
}

// A Dial connects to a host's SSH server by something else than TCP. Its errors are those of package net.
type Dial func(ctx context.Context) (net.Conn, error)

// An Agent says whether keys of the SSH agent are offered.
type Agent int

// The agent's uses.
const (
	AgentOn  Agent = iota // where there is one
	AgentOff              // never
)

// A Config says whether ssh_config is read.
type Config int

// The uses of ssh_config.
const (
	ConfigOn  Config = iota // ~/.ssh/config, then /etc/ssh/ssh_config
	ConfigOff               // neither
)

// A Master says whether the connection that a person's own ssh keeps open to a host is used.
type Master int

// The uses of masters.
const (
	MasterOn  Master = iota // where ssh_config names its socket (ControlPath), and nothing is set that ssh does not know of
	MasterOff               // never
)

// A Compression says whether large files travel compressed, where that makes them smaller.
type Compression int

// The uses of compression.
const (
	CompressionDefault Compression = iota // Compression of ssh_config, else CompressionOff
	CompressionOn
	CompressionOff
)

// A HostKeyPolicy says what becomes of a host whose key is not in known_hosts.
type HostKeyPolicy int

// The policies.
const (
	HostKeysDefault   HostKeyPolicy = iota // StrictHostKeyChecking of ssh_config, else HostKeysStrict
	HostKeysStrict                         // refused
	HostKeysAcceptNew                      // an unknown key is written down and accepted, a changed one is refused
	HostKeysOff                            // any key is accepted: no protection against impostors
)

// defaults of what neither Target nor ssh_config says.
const (
	defaultConnectTimeout = 10 * time.Second
	defaultKeepalive      = 15 * time.Second
	defaultPort           = 22
)

// New returns a Dialer for one host with a Pool of its own. Where there are several hosts, share a Pool.
func New(t Target) remote.Dialer { return NewPool(Options{}).Dialer(t) }

// Dialer returns a Dialer for one host. It remembers what its connections lost, and ends it when it connects again.
func (p *Pool) Dialer(t Target) remote.Dialer {
	opts := p.opts.Shell
	opts.Leftovers = &shell.Leftovers{}
	return &dialer{pool: p, target: t, shell: opts}
}
