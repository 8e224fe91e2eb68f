package lab

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// Options describe a fleet.
type Options struct {
	Hosts []HostSpec
	RTT   time.Duration    // added to every answer of every connection
	Boot  time.Duration    // how long a host is away when it reboots; 300 ms by default
	Now   func() time.Time // the hosts' clock; time.Now by default
	// Inside tells that nobody but this process reaches the hosts: by Host.Dial, and at no port of this machine. So thousands of them need no open files.
	Inside bool
}

// HostSpec describes one host. The zero value of all but Name is a sane machine.
type HostSpec struct {
	Name     string
	GPU      string // model, "MI300X" by default; "none": a machine without
	GPUs     int    // 8 by default
	Arch     string // "amd64" by default
	Faults   []Fault
	Shell    string            // login shell, /bin/sh by default
	Password string            // that sudo asks the ordinary user for; "": sudo asks nothing
	Runtimes []string          // container runtimes, "docker" and "podman"; docker alone by default, and "none" is none
	Images   []string          // of the lab's registries, that its container runtimes have from the start
	Archives map[string]string // by path, archives as "docker save" writes them: the references in them, with blanks between
	Packages []string          // installed besides those every host has
	Files    map[string]string // put on its file system
	RVS      string            // what `rvs --version` of the packaged RVS prints, "1.3.0" by default
	Tests    map[string]string // outcomes of RVS's tests that are not a pass, see TestFails; by configuration, "level" for a level
	Down     []string          // RDMA adapters whose link is down: "mlx5_0"; there is one for each accelerator
	Lacks    []string          // libraries of the system that are not there, whatever its packages say
}

// Lab is a running fleet.
type Lab struct {
	opts     Options
	ctx      context.Context //nolint:containedctx // the life of the lab
	stop     context.CancelFunc
	work     *work
	hosts    []*Host
	byName   map[string]*Host
	commands map[string]Command
	packages catalogue
	texts    *parsedTexts
	regexes  *regexes
	base     *FS
	key      ssh.Signer
	keyPEM   []byte
	images   imageLibrary
	registry labRegistry
	worlds   atomic.Int64 // containers that were started: each has a PID namespace of its own
}

// OrdinaryUser is the account of every host beside root: it may use sudo.
const OrdinaryUser = "amd"

// Start starts a fleet. Its hosts listen on 127.0.0.1, each on a port of its own, unless they are for this process alone, and let the client key log in
// as root and as OrdinaryUser. An error names the host it is about; then nothing runs.
func Start(o Options) (*Lab, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Boot = orDefault(o.Boot, 300*time.Millisecond)
	l := &Lab{opts: o, byName: map[string]*Host{}, commands: allCommands(), packages: standardCatalogue(), texts: newParsedTexts(), regexes: newRegexes(), work: newWork()}
	l.ctx, l.stop = context.WithCancel(context.Background())
	var err error
	if l.key, l.keyPEM, err = newKey("cvsplay-lab"); err != nil {
		return nil, err
	}
	base, err := debianTree(l, o.Now)
	if err != nil {
		return nil, fmt.Errorf("lab: the base tree: %w", err)
	}
	l.base = base.Freeze()
	for i, spec := range o.Hosts {
		h, err := l.newHost(i, spec)
		if err == nil && l.byName[h.Name()] != nil {
			err = errors.New("another host has this name")
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lab host %q: %w", spec.Name, err), l.Close())
		}
		l.hosts = append(l.hosts, h)
		l.byName[h.Name()] = h
	}
	for _, h := range l.hosts {
		if o.Inside {
			break
		}
		if err := h.listen(); err != nil {
			return nil, errors.Join(fmt.Errorf("lab host %q: %w", h.Name(), err), l.Close())
		}
	}
	return l, nil
}

// Close ends every process and connection, and waits for them.
func (l *Lab) Close() error {
	var errs []error
	for _, h := range l.hosts {
		errs = append(errs, h.close())
	}
	l.stop()
	l.work.close()
	return errors.Join(errs...)
}

// Hosts lists the hosts in the order of the options.
func (l *Lab) Hosts() []*Host { return l.hosts }

// Host finds a host by its name; nil if there is none.
func (l *Lab) Host(name string) *Host { return l.byName[name] }

// ClientKey is the private key that logs in everywhere, in OpenSSH's PEM format, without a passphrase.
func (l *Lab) ClientKey() []byte { return l.keyPEM }

// KnownHosts is a known_hosts file with a line for every host.
func (l *Lab) KnownHosts() []byte {
	var out []byte
	for _, h := range l.hosts {
		out = append(out, h.KnownHosts()...)
	}
	return out
}

func (l *Lab) now() time.Time { return l.opts.Now() }

// newKey makes an ed25519 key pair.
func newKey(comment string) (ssh.Signer, []byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return nil, nil, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	return signer, pem.EncodeToMemory(block), err
}
