package ssh

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/crypto/ssh"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/shell"
)

type dialer struct {
	pool   *Pool
	target Target
	shell  shell.Options
}

// Dial is remote.Dialer's Dial.
func (d *dialer) Dial(ctx context.Context) (remote.Conn, error) {
	r, err := d.pool.resolve(d.target, 0)
	if err != nil {
		return nil, &remote.Unreachable{Host: d.target.Name, Addr: d.target.Address, Cause: "settings", Detail: err.Error(), Err: err}
	}
	if m := findMaster(ctx, r); m != nil {
		return newConn(d.pool, r, m, nil, d.target.Become, d.shell), nil
	}
	cl, err := d.pool.connect(ctx, r)
	if err != nil {
		return nil, err
	}
	return newConn(d.pool, r, nil, []*client{cl}, d.target.Become, d.shell), nil
}

// connect reaches a route's host, through its bastions. Its error is an *Unreachable. A bastion that was there when it was last looked at may turn out to
// be gone; it is reached once more then.
func (p *Pool) connect(ctx context.Context, r route) (*client, error) {
	cl, err := p.connectOnce(ctx, r)
	if errors.Is(err, errBastionGone) {
		cl, err = p.connectOnce(ctx, r)
	}
	return cl, err
}

func (p *Pool) connectOnce(ctx context.Context, r route) (*client, error) {
	var via *client
	if len(r.bastions) > 0 {
		var err error
		if via, err = p.through(ctx, r.bastions); err != nil {
			return nil, behind(r, err)
		}
	}
	times, asked := remote.DialingOf(ctx), time.Now()
	err := p.gate.enter(ctx)
	times.Place += time.Since(asked)
	if err != nil {
		return nil, cancelled(r, err)
	}
	defer p.gate.leave()
	parent := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, r.timeout, errNoAnswer)
	defer cancel()
	a := &attempt{pool: p, route: r, via: via}
	// A server that has too many handshakes under way drops some before it says a word; nothing was tried then, and it is told to wait.
	cl, err := backoff.Retry(ctx, func() (*client, error) { return a.try(ctx) },
		backoff.WithBackOff(&backoff.ExponentialBackOff{InitialInterval: 100 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 1.6, MaxInterval: 2 * time.Second}),
		backoff.WithMaxElapsedTime(0))
	if err == nil {
		return cl, nil
	}
	if parent.Err() != nil {
		return nil, cancelled(r, context.Cause(parent))
	}
	if a.last != nil {
		err = a.last
	}
	return nil, a.unreachable(err)
}

var errNoAnswer = errors.New("no answer in time")

func cancelled(r route, err error) error {
	return &remote.Unreachable{Host: r.name, Addr: r.addr(), Cause: "cancelled", Err: err}
}

// behind says that a host was not reached because a bastion was not.
func behind(r route, err error) error {
	u, ok := errors.AsType[*remote.Unreachable](err)
	if !ok {
		return err
	}
	out := *u
	out.Host = r.name
	out.Detail = strings.TrimPrefix(u.Detail+fmt.Sprintf("; this is bastion %s of %s", u.Host, r.addr()), "; ")
	return &out
}

// An attempt is the way to one connection, in as many tries as it takes.
type attempt struct {
	pool  *Pool
	route route
	via   *client // the last bastion, nil for none
	login *login
	began atomic.Pointer[time.Time] // when the stream below was asked for last
	only  []string                  // types of host keys to accept, nil: any
	last  error                     // of the last try, where the time ran out between two
}

func (a *attempt) begin() {
	now := time.Now()
	a.began.Store(&now)
}

// try dials and shakes hands. A failure that may pass is retried, all others are permanent.
func (a *attempt) try(ctx context.Context) (*client, error) {
	conn, err := a.dial(ctx)
	if err != nil {
		return nil, backoff.Permanent(err)
	}
	a.login = &login{route: a.route}
	w := newWire(conn, time.Since(*a.began.Load()))
	began := time.Now()
	cl, err := a.handshake(ctx, w)
	remote.DialingOf(ctx).Handshake += time.Since(began)
	if err == nil {
		a.login.succeeded(a.pool)
		return cl, nil
	}
	if other, ok := errors.AsType[*otherTypes](err); ok && a.only == nil {
		a.only = other.types
		return a.try(ctx)
	}
	if ctx.Err() != nil {
		return nil, backoff.Permanent(context.Cause(ctx))
	}
	if !w.spoke.Load() && dropped(err) {
		a.pool.gate.dropped()
		a.last = fmt.Errorf("the server closes the connection before it says a word: %w", err)
		return nil, a.last
	}
	return nil, backoff.Permanent(err)
}

func (a *attempt) dial(ctx context.Context) (net.Conn, error) {
	a.begin()
	if a.via != nil {
		return a.dialThrough(ctx)
	}
	dial := a.route.dial
	if dial == nil {
		dial = func(ctx context.Context) (net.Conn, error) {
			d := net.Dialer{Control: func(string, string, syscall.RawConn) error { // the name is known by now
				a.begin()
				return nil
			}}
			return d.DialContext(ctx, "tcp", a.route.addr())
		}
	}
	conn, err := dial(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return conn, err
}

var errBastionGone = errors.New("the connection to the bastion broke")

func (a *attempt) dialThrough(ctx context.Context) (net.Conn, error) {
	conn, err := a.via.dial(ctx, a.route.addr())
	if _, refused := errors.AsType[*ssh.OpenChannelError](err); err == nil || refused {
		return conn, err
	}
	select {
	case <-a.via.dead:
		return nil, fmt.Errorf("%w: %w", errBastionGone, err)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (a *attempt) handshake(ctx context.Context, conn *wire) (*client, error) {
	// Everything until the end of authentication hangs on this connection, whatever it waits for.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	config, err := a.config()
	if err != nil {
		conn.Close()
		return nil, err
	}
	c, chans, reqs, err := ssh.NewClientConn(conn, a.route.addr(), config)
	if err != nil {
		stop()
		return nil, err
	}
	if !stop() {
		c.Close()
		return nil, context.Cause(ctx)
	}
	return newClient(c, chans, reqs, conn, a.route.keepalive), nil
}

func (a *attempt) config() (*ssh.ClientConfig, error) {
	list, err := a.known()
	if err != nil {
		return nil, err
	}
	return &ssh.ClientConfig{
		User:              a.route.user,
		Auth:              a.login.methods(a.pool),
		HostKeyCallback:   func(_ string, _ net.Addr, key ssh.PublicKey) error { return a.hostKey(list, key) },
		HostKeyAlgorithms: a.algorithms(list),
	}, nil
}

// known are the lines that vouch for the host: those at hand, or those of the files.
func (a *attempt) known() (*knownList, error) {
	if a.route.knownLines == nil {
		return a.pool.known.list(a.route.known)
	}
	list := newKnownList()
	return list, list.read("the lines at hand", bufio.NewReader(bytes.NewReader(a.route.knownLines)))
}

// hostKey judges the key that the host shows.
func (a *attempt) hostKey(list *knownList, key ssh.PublicKey) error {
	if a.route.policy == HostKeysOff {
		return nil
	}
	var file string
	if len(a.route.known) > 0 && a.route.knownLines == nil {
		file = a.route.known[0]
	}
	err := list.check(a.route.keyName, file, key)
	unknown, ok := errors.AsType[*unknownKey](err)
	if !ok {
		return err
	}
	if len(unknown.others) > 0 {
		if a.only != nil {
			return unknown
		}
		other := &otherTypes{}
		for _, k := range unknown.others {
			other.types = append(other.types, k.keyType)
		}
		return other
	}
	if a.route.policy == HostKeysAcceptNew && file != "" {
		if _, certificate := key.(*ssh.Certificate); !certificate {
			return list.accept(a.route.keyName, file, key, a.route.hashNames)
		}
	}
	return unknown
}

// algorithms are the host key algorithms in the order of what known_hosts has, since a server shows one key only.
func (a *attempt) algorithms(list *knownList) []string {
	all := ssh.SupportedAlgorithms().HostKeys
	types, certificates := list.prefer(a.route.keyName)
	if a.only != nil {
		types = a.only
	}
	var first, rest []string
	for _, t := range types {
		for _, name := range algorithmsOf(t) {
			if slices.Contains(all, name) && !slices.Contains(first, name) {
				first = append(first, name)
			}
		}
	}
	if a.only != nil && len(first) > 0 {
		return first
	}
	for _, name := range all {
		isCertificate := strings.Contains(name, "-cert-v01@")
		switch {
		case isCertificate && certificates:
			first = append([]string{name}, first...)
		case !isCertificate && !slices.Contains(first, name):
			rest = append(rest, name)
		}
	}
	return append(first, rest...)
}

func algorithmsOf(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512}
	}
	return []string{keyType}
}

// dropped tells whether an error is what a server leaves that closes the connection. Where a write finds out first, the library closes our end, and the read
// that waits says so.
func dropped(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// unreachable puts the reason why there is no connection into one of a few words and the rest.
func (a *attempt) unreachable(err error) error {
	r := a.route
	u := &remote.Unreachable{Host: r.name, Addr: r.addr(), Err: err}
	u.Cause, u.Detail = a.cause(err)
	return u
}

func (a *attempt) cause(err error) (cause, detail string) {
	if cause, detail := a.keyCause(err); cause != "" {
		return cause, detail
	}
	var dns *net.DNSError
	text := strings.TrimPrefix(err.Error(), "ssh: handshake failed: ")
	switch {
	case errors.Is(err, errNoAnswer), errors.Is(err, syscall.ETIMEDOUT), errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer", fmt.Sprintf("within %s", a.route.timeout)
	case errors.As(err, &dns):
		return "unknown name", dns.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused", "nothing listens on this port"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route", text
	case strings.Contains(text, "unable to authenticate"), strings.Contains(text, "Too many authentication failures"):
		return "authentication failed", a.login.failure() + a.hint(text)
	case a.login != nil && len(a.login.offered) > 0 && dropped(err):
		return "authentication failed", "the server closed the connection during authentication; " + a.login.failure()
	case dropped(err) || a.last != nil:
		return "connection closed", text
	}
	if open, ok := errors.AsType[*ssh.OpenChannelError](err); ok {
		return "bastion refused", fmt.Sprintf("the bastion cannot reach it: %s (%s)", open.Message, open.Reason)
	}
	return "handshake failed", text
}

func (a *attempt) hint(text string) string {
	if strings.Contains(text, "Too many authentication failures") {
		return "; the server counts attempts: name the right key in identity_files"
	}
	return ""
}

// keyCause is the cause where the host's key is the matter.
func (a *attempt) keyCause(err error) (cause, detail string) {
	if e, ok := errors.AsType[*unknownKey](err); ok {
		return "unknown host key", a.unknownDetail(e)
	}
	if e, ok := errors.AsType[*changedKey](err); ok {
		return "host key changed", fmt.Sprintf("%s. Either the host was set up anew, or somebody is between you and it. If you know that it was set up anew, remove the old key: ssh-keygen -R '%s' -f %s",
			e.Error(), e.name, e.want.file)
	}
	if e, ok := errors.AsType[*revokedKey](err); ok {
		return "host key revoked", e.Error()
	}
	return "", ""
}

func (a *attempt) unknownDetail(e *unknownKey) string {
	detail := e.Error()
	if len(e.others) > 0 {
		detail += fmt.Sprintf(", and %s has only %s", e.others[0].place(), e.others[0].keyType)
	}
	file := e.file
	if file == "" {
		file = "~/.ssh/known_hosts"
	}
	return fmt.Sprintf("%s. Compare this fingerprint with the host's own, then add its key: ssh-keyscan -p %d %s >> %s; or accept new keys with --host-keys accept-new",
		detail, a.route.port, a.route.host, file)
}
