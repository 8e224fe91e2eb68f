package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// A labRegistry serves the catalogue's images by the distribution protocol: to the controller without a socket, and to whoever likes on
// loopback.
type labRegistry struct {
	once    sync.Once
	err     error
	domains map[string]http.Handler // docker.io → the registry that answers for it

	listen  sync.Once
	address atomic.Pointer[string] // where it listens on loopback; nil: nowhere
}

// dockerDomains are the names under which Docker Hub is asked.
var dockerDomains = []string{"index.docker.io", "registry-1.docker.io"}

// handlers fills one registry for each domain of the catalogue.
func (l *Lab) handlers() (map[string]http.Handler, error) {
	r := &l.registry
	r.once.Do(func() { r.domains, r.err = l.fillRegistries() })
	return r.domains, r.err
}

func (l *Lab) fillRegistries() (map[string]http.Handler, error) {
	lib, err := l.library()
	if err != nil {
		return nil, err
	}
	domains := map[string]http.Handler{}
	for _, entry := range catalogueImages() {
		domain, path, _ := strings.Cut(entry.Repository, "/")
		if domains[domain] == nil {
			domains[domain] = registry.New(registry.Logger(log.New(io.Discard, "", 0)))
		}
		for _, tag := range entry.Tags {
			ref, err := name.NewTag("registry.invalid/"+path+":"+tag, name.Insecure)
			if err != nil {
				return nil, err
			}
			to := handlerTransport{domains[domain]}
			if err := remote.WriteIndex(ref, lib.index[entry.Repository+":"+entry.Tags[0]], remote.WithTransport(to)); err != nil {
				return nil, err
			}
		}
	}
	for _, alias := range dockerDomains {
		domains[alias] = domains["docker.io"]
	}
	return domains, nil
}

// handlerTransport hands requests to a handler in this process.
type handlerTransport struct{ http.Handler }

func (t handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	inner := req.Clone(req.Context())
	if inner.Body == nil {
		inner.Body = http.NoBody
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	t.ServeHTTP(w, inner)
	_ = inner.Body.Close()
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: w.length(), Request: req,
	}, nil
}

// recorder is an http.ResponseWriter that keeps the answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) Write(p []byte) (int, error) { return w.body.Write(p) }
func (w *recorder) WriteHeader(status int)      { w.status = status }

// length is what the header says, which for HEAD is not that of the body.
func (w *recorder) length() int64 {
	if n, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil {
		return n
	}
	return int64(w.body.Len())
}

// RegistryTransport answers requests to every registry as the lab's network would: the catalogue's registries are there, all others are hosts
// that nobody knows. No request leaves this process.
func (l *Lab) RegistryTransport() http.RoundTripper { return labTransport{l} }

type labTransport struct{ lab *Lab }

func (t labTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	domains, err := t.lab.handlers()
	if err != nil {
		return nil, err
	}
	h := domains[req.URL.Host]
	if h == nil {
		return nil, &net.DNSError{Err: "no such host", Name: req.URL.Hostname(), IsNotFound: true}
	}
	return handlerTransport{h}.RoundTrip(req)
}

// Registry is the address on 127.0.0.1 where the images of docker.io are served over plain HTTP, until the lab is closed.
func (l *Lab) Registry() (string, error) {
	domains, err := l.handlers()
	if err != nil {
		return "", err
	}
	r := &l.registry
	r.listen.Do(func() {
		var listener net.Listener
		if listener, r.err = net.Listen("tcp", "127.0.0.1:0"); r.err != nil {
			return
		}
		address := listener.Addr().String()
		r.address.Store(&address)
		server := &http.Server{Handler: domains["docker.io"], ReadHeaderTimeout: time.Minute}
		context.AfterFunc(l.ctx, func() { _ = server.Close() })
		l.wg.Go(func() {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				r.err = fmt.Errorf("the lab's registry: %w", err)
			}
		})
	})
	if r.err != nil {
		return "", r.err
	}
	return *r.address.Load(), nil
}

// catalogued is the reference under which the catalogue has an image: on loopback, the lab's registry stands for Docker Hub.
func (l *Lab) catalogued(ref imageRef) imageRef {
	if address := l.registry.address.Load(); address != nil && ref.domain == *address {
		ref.domain = "docker.io"
	}
	return ref
}
