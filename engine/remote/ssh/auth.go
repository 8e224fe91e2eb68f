package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// keyFiles are identity files, each read once.
type keyFiles struct {
	mu    sync.Mutex
	files map[string]*identity
}

// An identity is what an identity file holds.
type identity struct {
	path   string
	signer ssh.Signer    // nil where the private half cannot be had from the file
	public ssh.PublicKey // nil where not even that is known
	err    error         // why there is no signer
}

func (k *keyFiles) get(path string) *identity {
	k.mu.Lock()
	defer k.mu.Unlock()
	if id := k.files[path]; id != nil {
		return id
	}
	id := readIdentity(path)
	if k.files == nil {
		k.files = map[string]*identity{}
	}
	k.files[path] = id
	return id
}

func readIdentity(path string) *identity {
	id := &identity{path: path}
	text, err := os.ReadFile(path)
	if err != nil {
		id.err = err
		id.public = readPublic(path + ".pub")
		return id
	}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(text); err == nil && !bytes.Contains(text, []byte("PRIVATE KEY")) {
		id.public, id.err = public, errors.New("only a public key, and the agent does not have the private one")
		return id
	}
	id.signer, id.err = ssh.ParsePrivateKey(text)
	if missing, ok := errors.AsType[*ssh.PassphraseMissingError](id.err); ok {
		if id.public = missing.PublicKey; id.public == nil {
			id.public = readPublic(path + ".pub")
		}
		id.err = errors.New("encrypted, and the agent does not have it: unlock it with ssh-add")
		return id
	}
	if id.err == nil {
		id.public = id.signer.PublicKey()
		id.signer = certified(path, id.signer)
	}
	return id
}

func readPublic(path string) ssh.PublicKey {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil
	}
	return public
}

// certified is the signer with the certificate that lies beside its file, where there is one.
func certified(path string, s ssh.Signer) ssh.Signer {
	cert, ok := readPublic(path + "-cert.pub").(*ssh.Certificate)
	if !ok {
		return s
	}
	if c, err := ssh.NewCertSigner(cert, s); err == nil {
		return c
	}
	return s
}

// agentKeys is the SSH agent, asked for its keys once.
type agentKeys struct {
	socket string

	once    sync.Once
	conn    net.Conn
	signers []ssh.Signer
	err     error
}

// list returns the agent's keys; none, without an error, where there is no agent.
func (a *agentKeys) list() ([]ssh.Signer, error) {
	a.once.Do(func() {
		if a.socket == "" {
			return
		}
		if a.conn, a.err = net.Dial("unix", a.socket); a.err == nil {
			a.signers, a.err = agent.NewClient(a.conn).Signers()
		}
	})
	return a.signers, a.err
}

func (a *agentKeys) close() error {
	a.once.Do(func() { a.err = net.ErrClosed })
	if a.conn == nil {
		return nil
	}
	return a.conn.Close()
}

// A login is the attempt to authenticate on one connection. It remembers what it offered, to explain a failure.
type login struct {
	route   route
	offered []offer
	useless []string // identities that could not be offered, and why
	refused bool     // the password was given once already
	used    string   // the key that signed last
}

// An offer is a key that the host may choose, and where it is from.
type offer struct {
	key   ssh.PublicKey
	where string
}

// methods are the ways to authenticate, in ssh's order. Keys are read when the server asks for them.
func (l *login) methods(p *Pool) []ssh.AuthMethod {
	methods := []ssh.AuthMethod{ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
		signers := l.signers(p)
		if len(signers) < 2 {
			return signers, nil
		}
		for i, s := range signers {
			signers[i] = noting(s, func() { l.used = string(s.PublicKey().Marshal()) })
		}
		return p.worked.order(l.route.likeness(), signers), nil
	})}
	if l.route.password == "" {
		return methods
	}
	return append(methods, ssh.PasswordCallback(func() (string, error) {
		l.refused = true
		return l.route.password, nil
	}), ssh.KeyboardInteractive(l.interactive))
}

// interactive answers the question for a password, and no other; once, whatever method it was given by.
func (l *login) interactive(_, _ string, questions []string, echos []bool) ([]string, error) {
	if len(questions) == 0 {
		return nil, nil
	}
	if len(questions) > 1 || echos[0] {
		return nil, fmt.Errorf("the host asks %q, which nobody is there to answer", strings.Join(questions, " "))
	}
	if l.refused {
		return nil, errors.New("the password was refused")
	}
	l.refused = true
	return []string{l.route.password}, nil
}

// signers are the keys to offer: those that were named first, since servers count attempts; then all of the agent. The list is the caller's.
func (l *login) signers(p *Pool) []ssh.Signer {
	if l.route.identityPEM != nil {
		return l.atHand()
	}
	var inAgent []ssh.Signer
	if l.route.useAgent {
		inAgent = l.agentSigners(p)
	}
	held := map[string]ssh.Signer{}
	for _, s := range inAgent {
		held[string(s.PublicKey().Marshal())] = s
	}
	var out []ssh.Signer
	for _, path := range l.route.identities {
		id := p.keys.get(path)
		s, where := id.signer, path
		if id.public != nil {
			blob := string(id.public.Marshal())
			if s == nil && held[blob] != nil {
				s, where = held[blob], "agent, "+path
			}
			delete(held, blob)
		}
		if s != nil {
			out = append(out, l.offer(s, where))
		} else if l.route.explicit || !errors.Is(id.err, fs.ErrNotExist) {
			l.useless = append(l.useless, path+": "+strings.TrimPrefix(id.err.Error(), "open "+path+": "))
		}
	}
	if l.route.onlyThose {
		return out
	}
	for _, s := range inAgent {
		if held[string(s.PublicKey().Marshal())] != nil {
			out = append(out, l.offer(s, "agent"))
		}
	}
	return out
}

// offer notes a key that is offered.
func (l *login) offer(s ssh.Signer, where string) ssh.Signer {
	l.offered = append(l.offered, offer{s.PublicKey(), where})
	return s
}

// atHand is the one key of a host whose key is given, and not in a file.
func (l *login) atHand() []ssh.Signer {
	s, err := ssh.ParsePrivateKey(l.route.identityPEM)
	if err != nil {
		l.useless = append(l.useless, "the key at hand: "+err.Error())
		return nil
	}
	return []ssh.Signer{l.offer(s, "at hand")}
}

func (l *login) agentSigners(p *Pool) []ssh.Signer {
	keys := &p.agent
	if l.route.agentSocket != "" {
		keys = p.otherAgent(l.route.agentSocket)
	}
	signers, err := keys.list()
	if err != nil {
		l.useless = append(l.useless, "agent: "+err.Error())
	}
	return signers
}

// succeeded remembers which of several keys was wanted.
func (l *login) succeeded(p *Pool) {
	if l.used != "" {
		p.worked.put(l.route.likeness(), l.used)
	}
}

// failure explains why the host did not let us in.
func (l *login) failure() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the host does not let %s in", l.route.user)
	switch {
	case len(l.offered) > 0:
		var offered []string
		for _, o := range l.offered {
			offered = append(offered, fmt.Sprintf("%s %s (%s)", o.key.Type(), ssh.FingerprintSHA256(o.key), o.where))
		}
		b.WriteString("; keys offered: " + strings.Join(offered, ", "))
	default:
		b.WriteString("; there was no key to offer")
	}
	if l.refused {
		b.WriteString("; the password was refused")
	}
	if len(l.useless) > 0 {
		b.WriteString("; not offered: " + strings.Join(l.useless, ", "))
	}
	return b.String()
}
