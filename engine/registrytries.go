package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// errNoTriesLeft ends a try that would be one request too many.
var errNoTriesLeft = errors.New("no tries are left")

// busyError is a registry that cannot answer now, with its own idea of when it can.
type busyError struct {
	words string
	after time.Duration // 0: it does not say
}

func (e *busyError) Error() string {
	if e.after == 0 {
		return e.words
	}
	return fmt.Sprintf("%s; it asks to come again in %s", e.words, e.after)
}

// movedError is content that was there a moment ago.
type movedError struct{ err error }

func (e *movedError) Error() string { return e.err.Error() }
func (e *movedError) Unwrap() error { return e.err }

// passingError is a problem that the answer itself shows and that another try may mend.
type passingError struct{ err error }

func (e *passingError) Error() string { return e.err.Error() }
func (e *passingError) Unwrap() error { return e.err }

// retry tries until the registry has answered, at most nine times within ctx. Pauses begin at 10 ms, grow threefold up to 5 s, and vary by a half; a
// registry that names a longer one is given it. Where the next pause would outlast ctx, it ends at once.
func (s *registrySession) retry(ctx context.Context) (ManifestInfo, error) {
	curve := backoff.NewExponentialBackOff()
	curve.InitialInterval, curve.Multiplier, curve.MaxInterval, curve.RandomizationFactor = 10*time.Millisecond, 3, 5*time.Second, 0.5
	var last error // what the registry said, rather than that the time is over
	for try := 1; ; try++ {
		info, err := s.try(ctx)
		if err == nil {
			return info, nil
		}
		if last == nil || !errors.Is(err, errNoTriesLeft) && ctx.Err() == nil {
			last = err
		}
		if s.isFinal(err) || try == registryTries || s.sent >= registryTries || ctx.Err() != nil {
			return ManifestInfo{}, last
		}
		pause := curve.NextBackOff()
		var busy *busyError
		if errors.As(err, &busy) {
			pause = max(pause, busy.after)
		}
		if deadline, ok := ctx.Deadline(); ok && s.now().Add(pause).After(deadline) {
			return ManifestInfo{}, last
		}
		if s.sleep(ctx, pause) != nil {
			return ManifestInfo{}, last
		}
	}
}

func sleepFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// isFinal tells whether no other try mends an error.
func (s *registrySession) isFinal(err error) bool {
	var moved *movedError
	var passing *passingError
	if errors.As(err, &moved) || errors.As(err, &passing) {
		return false
	}
	var known *registryError
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &known) || errors.As(err, &certificate) && !s.gate.plain {
		return true
	}
	var refusal *transport.Error
	if !errors.As(err, &refusal) {
		return false
	}
	switch refusal.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return true
	}
	return false
}

// busy is the error of a registry that cannot answer now.
func (s *registrySession) busy(res *http.Response) error {
	if res.StatusCode != http.StatusTooManyRequests && res.StatusCode < 500 {
		return nil
	}
	e := &busyError{words: "it answers " + res.Status, after: retryAfter(res.Header.Get("Retry-After"), s.now())}
	if res.Request.Method != http.MethodHead { // which has no words
		e.words = transport.CheckError(res).Error()
	}
	return e
}

// retryAfter reads the header: seconds, or a time. 0 where it says nothing that can be read.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 1e6)) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil && at.After(now) {
		return at.Sub(now).Round(time.Second)
	}
	return 0
}
