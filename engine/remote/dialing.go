package remote

import (
	"context"
	"time"
)

// A Dialing tells whoever dials where the time of it went. One Dial at a time writes it.
type Dialing struct {
	Place     time.Duration // waiting for a place among the hosts that shake hands
	Handshake time.Duration // keys and authentication, of bastions too
}

type dialingKey struct{}

// Watched gives the context of a Dial that writes where its time goes.
func (d *Dialing) Watched(ctx context.Context) context.Context {
	return context.WithValue(ctx, dialingKey{}, d)
}

// DialingOf is what a Dial has to write, which nobody may read.
func DialingOf(ctx context.Context) *Dialing {
	if d, ok := ctx.Value(dialingKey{}).(*Dialing); ok {
		return d
	}
	return &Dialing{}
}
