package ssh

import (
	"io"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// workedKeys remembers, for hosts of the same settings, which of several keys let us in last: each that a host does not want costs a round trip, and
// counts as an attempt.
type workedKeys struct {
	mu   sync.Mutex
	last map[string]string // settings → key
}

// likeness is what hosts have in common that most likely want the same key.
func (r route) likeness() string {
	return r.user + "\n" + r.agentSocket + "\n" + strings.Join(r.identities, "\n")
}

func (w *workedKeys) put(likeness, key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil {
		w.last = map[string]string{}
	}
	w.last[likeness] = key
}

// order puts the key that worked last first.
func (w *workedKeys) order(likeness string, signers []ssh.Signer) []ssh.Signer {
	w.mu.Lock()
	key := w.last[likeness]
	w.mu.Unlock()
	i := slices.IndexFunc(signers, func(s ssh.Signer) bool { return string(s.PublicKey().Marshal()) == key })
	if i <= 0 {
		return signers
	}
	return slices.Concat(signers[i:i+1], signers[:i], signers[i+1:])
}

// noting is a signer that notes when it is used, with all that it can do beyond a plain one.
func noting(s ssh.Signer, used func()) ssh.Signer {
	switch s := s.(type) {
	case ssh.MultiAlgorithmSigner:
		return notingMulti{s, used}
	case ssh.AlgorithmSigner:
		return notingAlgorithm{s, used}
	}
	return notingPlain{s, used}
}

type notingPlain struct {
	ssh.Signer
	used func()
}

func (n notingPlain) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	n.used()
	return n.Signer.Sign(rand, data)
}

type notingAlgorithm struct {
	ssh.AlgorithmSigner
	used func()
}

func (n notingAlgorithm) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	n.used()
	return n.AlgorithmSigner.SignWithAlgorithm(rand, data, algorithm)
}

type notingMulti struct {
	ssh.MultiAlgorithmSigner
	used func()
}

func (n notingMulti) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	n.used()
	return n.MultiAlgorithmSigner.SignWithAlgorithm(rand, data, algorithm)
}
