package ssh

import (
	"errors"
	"os"
	"path/filepath"
	"sync"

	"cvsplay/engine/remote/shell"
)

// Options are a Pool's. The zero value is what ssh does.
type Options struct {
	Handshakes  int           // at a time, over all hosts; 0: as many as the machine bears
	HostKeys    HostKeyPolicy // for targets that say nothing, above ssh_config
	ConfigFiles []string      // nil: ~/.ssh/config and /etc/ssh/ssh_config
	Home        string        // whose ~/.ssh it is; "": the user's
	AgentSocket string        // "": $SSH_AUTH_SOCK
	Shell       shell.Options // for the shells on all hosts
}

// A Pool is what the hosts of a run share. It is safe for concurrent use.
type Pool struct {
	opts  Options
	gate  *gate
	known knownFiles
	keys  keyFiles
	agent agentKeys

	worked workedKeys

	readConfig sync.Once
	config     []*configFile
	configErr  error

	mu       sync.Mutex
	bastions map[string]*bastion
	agents   map[string]*agentKeys // by socket, where ssh_config names one
	closed   bool
}

// NewPool returns a Pool. Close it to let go of bastions and agent.
func NewPool(o Options) *Pool {
	if o.Home == "" {
		o.Home, _ = os.UserHomeDir()
	}
	if o.AgentSocket == "" {
		o.AgentSocket = os.Getenv("SSH_AUTH_SOCK")
	}
	if o.ConfigFiles == nil {
		o.ConfigFiles = []string{filepath.Join(o.Home, ".ssh", "config"), "/etc/ssh/ssh_config"}
	}
	return &Pool{opts: o, gate: newGate(o.Handshakes), bastions: map[string]*bastion{}, agent: agentKeys{socket: o.AgentSocket}}
}

// Close ends the connections to bastions, and with them what goes through them.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	all, agents := p.bastions, p.agents
	p.bastions, p.agents = nil, nil
	p.mu.Unlock()
	var errs []error
	for _, a := range agents {
		errs = append(errs, a.close())
	}
	for _, b := range all {
		errs = append(errs, b.close())
	}
	return errors.Join(append(errs, p.agent.close())...)
}

func (p *Pool) otherAgent(socket string) *agentKeys {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.agents[socket]
	if a == nil {
		a = &agentKeys{socket: socket}
		if p.agents == nil && !p.closed {
			p.agents = map[string]*agentKeys{}
		}
		if !p.closed {
			p.agents[socket] = a
		}
	}
	return a
}
