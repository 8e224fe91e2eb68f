package main

import (
	"context"
	"fmt"
	"sync"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/become"
	"cvsplay/engine/remote/local"
	"cvsplay/engine/remote/shell"
	"cvsplay/engine/remote/ssh"
	"cvsplay/inventory"
)

// A switchboard dials the hosts of an inventory, each as its settings say. A host's dialer is kept, since it remembers what a lost
// connection left running.
type switchboard struct {
	inv  *inventory.Inventory
	pool *ssh.Pool
	run  string // its id: the shells on all hosts carry it

	mu      sync.Mutex
	dialers map[string]remote.Dialer
}

func newSwitchboard(inv *inventory.Inventory, hostKeys ssh.HostKeyPolicy, run string) *switchboard {
	options := ssh.Options{HostKeys: hostKeys, Shell: shell.Options{Run: run}}
	return &switchboard{inv: inv, pool: ssh.NewPool(options), run: run, dialers: map[string]remote.Dialer{}}
}

func (s *switchboard) dial(ctx context.Context, h *inventory.Host) (remote.Conn, error) {
	d, err := s.dialer(h)
	if err != nil {
		return nil, err
	}
	return d.Dial(ctx)
}

func (s *switchboard) dialer(h *inventory.Host) (remote.Dialer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.dialers[h.Name]; d != nil {
		return d, nil
	}
	d, err := s.newDialer(h)
	if err == nil {
		s.dialers[h.Name] = d
	}
	return d, err
}

func (s *switchboard) newDialer(h *inventory.Host) (remote.Dialer, error) {
	if h.Connection == inventory.ViaLocal {
		return local.New(becomeOf(h), shell.Options{Run: s.run}), nil
	}
	t, err := s.target(h)
	if err != nil {
		return nil, err
	}
	return s.pool.Dialer(t), nil
}

func (s *switchboard) target(h *inventory.Host) (ssh.Target, error) {
	t := ssh.Target{
		Name: h.Name, Address: h.Address, Port: h.SSH.Port, User: h.SSH.User,
		IdentityFiles: h.SSH.IdentityFiles, IdentityPEM: h.SSH.IdentityPEM, Password: h.SSH.Password,
		ConnectTimeout: h.SSH.ConnectTimeout, Keepalive: h.SSH.Keepalive,
		KnownHosts: h.SSH.KnownHostsFile, KnownLines: h.SSH.KnownHosts, Dial: h.SSH.Dial, Become: becomeOf(h),
	}
	if !h.SSH.UserConfig {
		t.Config = ssh.ConfigOff
	}
	if on := h.SSH.Compression; on != nil {
		t.Compression = ssh.CompressionOff
		if *on {
			t.Compression = ssh.CompressionOn
		}
	}
	if h.SSH.NoMaster {
		t.Master = ssh.MasterOff
	}
	if h.SSH.KnownHosts != nil { // the one key of a lab host is known: no policy applies
		t.HostKeys = ssh.HostKeysStrict
	}
	return t, s.bastions(h, &t)
}

// bastions resolves the chain of hosts to go through, the first one first.
func (s *switchboard) bastions(h *inventory.Host, t *ssh.Target) error {
	seen := map[string]bool{h.Name: true}
	for name := h.SSH.Bastion; name != ""; {
		via, ok := s.inv.Host(name)
		if !ok {
			return fmt.Errorf("host %s: its bastion %q is not in the inventory", h.Name, name)
		}
		if seen[name] {
			return fmt.Errorf("host %s: its bastions lead in a circle at %q", h.Name, name)
		}
		seen[name] = true
		hop := *via
		hop.SSH.Bastion = ""
		vt, err := s.target(&hop)
		if err != nil {
			return err
		}
		t.Bastions = append([]ssh.Target{vt}, t.Bastions...)
		name = via.SSH.Bastion
	}
	return nil
}

func becomeOf(h *inventory.Host) become.Settings {
	return become.Settings{Method: h.Become.Method, Password: h.Become.Password}
}

func (s *switchboard) close() { _ = s.pool.Close() }
