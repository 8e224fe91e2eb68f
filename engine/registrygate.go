package engine

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"cvsplay/engine/eval"
)

// registryGate is what every request goes through: it keeps to TLS, ends redirects that lead in a circle, bounds what is read, and notes the
// credentials that are sent.
type registryGate struct {
	inner http.RoundTripper
	plain bool // plain HTTP is allowed
	guard *eval.Redactor
}

const registryRedirects = 5

// RoundTrip sends one request.
func (g *registryGate) RoundTrip(req *http.Request) (*http.Response, error) {
	if !g.plain && req.URL.Scheme != "https" {
		return nil, fmt.Errorf("%s is asked over TLS only; \"insecure = true\" allows plain HTTP", req.URL.Host)
	}
	hops := 0
	for from := req.Response; from != nil && from.Request != nil; from = from.Request.Response {
		hops++
	}
	if hops > registryRedirects {
		return nil, &registryError{RegistryDown, fmt.Sprintf("it redirects without end, the last time to %s", req.URL.Host)}
	}
	if _, secret, ok := strings.Cut(req.Header.Get("Authorization"), " "); ok {
		g.guard.Add(secret)
	}
	if _, password, ok := req.BasicAuth(); ok {
		g.guard.Add(password)
	}
	res, err := g.inner.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	res.Body = boundedBody{io.LimitReader(res.Body, registryMaxBytes+1), res.Body}
	return res, nil
}

type boundedBody struct {
	io.Reader
	io.Closer
}
