package lab

import (
	"net"
	"slices"
	"strconv"
	"sync"
	"syscall"
)

// Network is a network namespace: who listens where. A container started with the host's network shares it with the
// host. Nothing in it is a real socket.
type Network struct {
	mu        sync.Mutex
	listeners []*Listener
	resolve   func(name string) *Network // names of other hosts; nil result: no such host
}

// Listener is a process that listens on a TCP port of a Network. It is gone when its process ends.
type Listener struct {
	Process *Process
	Address string // "0.0.0.0", "127.0.0.1", …
	Port    int
	Accept  func(conn net.Conn) // owns the connection; runs in a goroutine of its own
}

// Listen enters l, or fails with EADDRINUSE, or EADDRNOTAVAIL where the address is another host's.
func (n *Network) Listen(l *Listener) error {
	if ip := net.ParseIP(l.Address); ip != nil && !ip.IsUnspecified() && !ip.IsLoopback() {
		return syscall.EADDRNOTAVAIL
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, have := range n.listeners {
		if have.Port == l.Port && (have.Address == l.Address || have.Address == "0.0.0.0" || l.Address == "0.0.0.0") {
			return syscall.EADDRINUSE
		}
	}
	n.listeners = append(n.listeners, l)
	return nil
}

// Listeners lists who listens, by port.
func (n *Network) Listeners() []*Listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := slices.Clone(n.listeners)
	slices.SortStableFunc(out, func(a, b *Listener) int { return a.Port - b.Port })
	return out
}

// drop takes away the listeners of a process.
func (n *Network) drop(p *Process) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners = slices.DeleteFunc(n.listeners, func(l *Listener) bool { return l.Process == p })
}

func (n *Network) at(port int) *Listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.listeners {
		if l.Port == port {
			return l
		}
	}
	return nil
}

// Dial connects to a port of the host called name, inside the lab. ENXIO: no such host; ECONNREFUSED: nobody listens.
func (n *Network) Dial(name string, port int) (net.Conn, error) {
	to := n
	if name != "localhost" && name != "127.0.0.1" && name != "::1" {
		to = n.resolve(name)
	}
	if to == nil {
		return nil, syscall.ENXIO
	}
	l := to.at(port)
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	near, far := newConnPair(virtualAddr(net.JoinHostPort(name, strconv.Itoa(port))))
	go l.Accept(far)
	return near, nil
}
