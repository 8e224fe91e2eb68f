package ssh

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"
)

// A bastion is one connection that others go through. Whoever needs it first makes it; the others wait.
type bastion struct {
	turn   chan struct{} // full while somebody makes it
	client *client
	failed time.Time // when making it failed last
	err    error
}

func (b *bastion) close() error {
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	if b.client == nil {
		return nil
	}
	return b.client.Close()
}

// through returns the connection to the last of some hops, which goes through the ones before.
func (p *Pool) through(ctx context.Context, hops []route) (*client, error) {
	last := hops[len(hops)-1]
	b, err := p.bastion(hops)
	if err != nil {
		return nil, err
	}
	asked := time.Now()
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return nil, cancelled(last, context.Cause(ctx))
	}
	if b.client != nil && b.client.alive() {
		return b.client, nil
	}
	if b.err != nil && b.failed.After(asked) {
		return nil, b.err // it failed while we waited: no need to see it again
	}
	last.bastions = hops[:len(hops)-1]
	b.client, b.err = p.connect(ctx, last)
	if b.err != nil && ctx.Err() != nil {
		err, b.err = b.err, nil // ours alone
		return nil, err
	}
	b.failed = time.Now()
	return b.client, b.err
}

func (p *Pool) bastion(hops []route) (*bastion, error) {
	var id strings.Builder
	for _, h := range hops {
		id.WriteString(h.user + "@" + h.addr() + " " + strings.Join(h.identities, ",") + "\n")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errors.Join(net.ErrClosed)
	}
	b := p.bastions[id.String()]
	if b == nil {
		b = &bastion{turn: make(chan struct{}, 1)}
		p.bastions[id.String()] = b
	}
	return b, nil
}
