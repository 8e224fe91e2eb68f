package engine

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// What a Manifest question may cost a registry.
const (
	registryTries    = 9
	registryLimit    = time.Minute // where the question sets none
	registryMaxBytes = 4 << 20     // of one manifest or image configuration
)

// Registry answers Manifest questions over the distribution protocol, from the controller. The zero value is ready for use; it
// remembers its answers, so one is made for each run. Credentials go into requests and nowhere else.
type Registry struct {
	// Transport carries the requests; nil: a transport with the environment's proxy settings.
	Transport http.RoundTripper
	// Keychain gives the credentials of questions that bring none; nil: the controller's docker configuration and credential helpers.
	Keychain authn.Keychain

	sleep func(context.Context, time.Duration) error // between tries; nil: as long as it says
	now   func() time.Time                           // nil: the machine's clock

	mu    sync.Mutex
	known map[Manifest]*registryAnswer
}

// registryAnswer is a question that was asked: info is set once done is closed.
type registryAnswer struct {
	done chan struct{}
	info ManifestInfo
}

// Manifest asks for a reference's descriptor: by HEAD, by GET where that gives no digest, by at most nine requests for it within the
// limit. Equal questions of a run are asked once, and those that come meanwhile wait for the same answer. A refusal (401, 403, 404) is final at
// once; what a cancelled ctx cut off is not remembered.
func (r *Registry) Manifest(ctx context.Context, q Manifest) ManifestInfo {
	key := q
	key.Limit = 0
	for {
		a, mine := r.claim(key)
		if mine {
			a.info = r.ask(ctx, q)
			if ctx.Err() != nil {
				r.forget(key)
			}
			close(a.done)
			return a.info
		}
		select {
		case <-a.done:
		case <-ctx.Done():
			return ManifestInfo{Problem: RegistryTimeout, Words: context.Cause(ctx).Error()}
		}
		if r.remembers(key, a) {
			return a.info
		}
	}
}

func (r *Registry) claim(key Manifest) (a *registryAnswer, mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a, ok := r.known[key]; ok {
		return a, false
	}
	if r.known == nil {
		r.known = map[Manifest]*registryAnswer{}
	}
	a = &registryAnswer{done: make(chan struct{})}
	r.known[key] = a
	return a, true
}

func (r *Registry) forget(key Manifest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, key)
}

func (r *Registry) remembers(key Manifest, a *registryAnswer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[key] == a
}

func (r *Registry) ask(ctx context.Context, q Manifest) ManifestInfo {
	ref, err := name.ParseReference(q.Ref, name.WeakValidation)
	if err != nil {
		return ManifestInfo{Problem: RegistryInvalid, Words: err.Error()}
	}
	limit := q.Limit
	if limit <= 0 {
		limit = registryLimit
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s := newRegistrySession(r, q, ref, limit/3)
	info, err := s.retry(limited)
	if err != nil {
		info = problemOf(err)
		info.Words = s.printable(info.Words)
	}
	return info
}

// problemOf tells the problems with a registry apart.
func problemOf(err error) ManifestInfo {
	var known *registryError
	if errors.As(err, &known) {
		return ManifestInfo{Problem: known.problem, Words: known.words}
	}
	var refusal *transport.Error
	if errors.As(err, &refusal) {
		return ManifestInfo{Problem: problemOfStatus(refusal.StatusCode), Words: refusal.Error()}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return ManifestInfo{Problem: RegistryTimeout, Words: err.Error()}
	}
	return ManifestInfo{Problem: RegistryDown, Words: err.Error()}
}

func problemOfStatus(status int) RegistryProblem {
	switch {
	case status == http.StatusNotFound:
		return RegistryNotFound
	case status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status < 400 || status >= 500:
		return RegistryDown
	}
	return RegistryDenied
}

// registryError is a problem that the answer itself shows; no other try mends it.
type registryError struct {
	problem RegistryProblem
	words   string
}

func (e *registryError) Error() string { return e.words }
