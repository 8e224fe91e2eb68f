package lab

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"sync"

	"golang.org/x/crypto/ssh"
)

// Host is one simulated machine.
type Host struct {
	lab    *Lab
	spec   HostSpec
	index  int
	world  *World
	faults *faults
	key    ssh.Signer
	ip     string // inside the lab

	mu       sync.Mutex
	listener net.Listener
	port     int
	conns    map[*login]struct{}
	down     bool // it reboots
	bootID   string
	services []Service
	parts    []func() string // what others add to Snapshot; set before the host is used
}

// Service is a daemon of a host. It is started when the host boots and stopped before it goes down.
type Service interface {
	Start(h *Host)
	Stop(h *Host)
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)

func (l *Lab) newHost(index int, spec HostSpec) (*Host, error) {
	if !hostName.MatchString(spec.Name) {
		return nil, errors.New("not a host name")
	}
	spec.GPU = orDefault(spec.GPU, "MI300X")
	spec.Arch = orDefault(spec.Arch, "amd64")
	spec.Shell = orDefault(spec.Shell, "/bin/sh")
	if spec.GPU == "none" {
		spec.GPUs = 0
	} else {
		spec.GPUs = orDefault(spec.GPUs, 8)
	}
	h := &Host{lab: l, spec: spec, index: index, faults: &faults{}, conns: map[*login]struct{}{}}
	h.ip = fmt.Sprintf("10.%d.%d.%d", 20+index/62500, index/250%250, index%250+1)
	if err := h.faults.set(spec.Faults); err != nil {
		return nil, err
	}
	key, pem, err := newKey("root@" + spec.Name)
	if err != nil {
		return nil, err
	}
	h.key = key
	fs := l.base.Clone()
	h.world = h.NewWorld("", spec.Name, fs, nil)
	if err := h.furnish(pem); err != nil {
		return nil, err
	}
	fs.SetGuard(h.faults.guard)
	h.services = h.standardServices()
	if err := h.stock(); err != nil {
		return nil, err
	}
	h.boot()
	return h, nil
}

// Name is the host's name.
func (h *Host) Name() string { return h.spec.Name }

// Spec is the host as it was ordered, defaults filled in.
func (h *Host) Spec() HostSpec { return h.spec }

// Address is where the host listens on this machine, or its name where it does not.
func (h *Host) Address() string {
	if h.lab.opts.Inside {
		return h.Name()
	}
	return loopback
}

const (
	loopback = "127.0.0.1"
	sshPort  = 22
)

// Port is the port it listens on.
func (h *Host) Port() int {
	if h.lab.opts.Inside {
		return sshPort
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.port
}

// IP is the host's address inside the lab.
func (h *Host) IP() string { return h.ip }

// HostKey is the public key of its sshd.
func (h *Host) HostKey() ssh.PublicKey { return h.key.PublicKey() }

// KnownHosts is its line of known_hosts.
func (h *Host) KnownHosts() []byte {
	address := h.Address()
	if port := h.Port(); port != sshPort {
		address = fmt.Sprintf("[%s]:%d", address, port)
	}
	return fmt.Appendf(nil, "%s %s", address, ssh.MarshalAuthorizedKey(h.HostKey()))
}

// Lab is the fleet it belongs to.
func (h *Host) Lab() *Lab { return h.lab }

// World is the host's own world, outside any container.
func (h *Host) World() *World { return h.world }

// FS is the host's root file system.
func (h *Host) FS() *FS { return h.world.fs }

// Fault gives the first fault of a kind, if the host has one.
func (h *Host) Fault(kind string) (Fault, bool) { return h.faults.find(kind) }

// resolve finds the network of a host by name or address, as the lab's name service.
func (h *Host) resolve(name string) *Network {
	for _, other := range []*Host{h.lab.byName[name], h.lab.byIP(name)} {
		if other != nil {
			return other.world.net
		}
	}
	return nil
}

func (l *Lab) byIP(ip string) *Host {
	var a, b, c int
	if _, err := fmt.Sscanf(ip, "10.%d.%d.%d", &a, &b, &c); err != nil {
		return nil
	}
	index := (a-20)*62500 + b*250 + c - 1
	if index < 0 || index >= len(l.hosts) || l.hosts[index].ip != ip {
		return nil
	}
	return l.hosts[index]
}
