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
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
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
		to := handlerTransport{domains[domain]}
		for _, tag := range entry.Tags {
			if err := lib.publish(entry, path+":"+tag, to); err != nil {
				return nil, err
			}
		}
	}
	for _, alias := range dockerDomains {
		domains[alias] = domains["docker.io"]
	}
	domains[PrivateRegistry] = guarded{domains[PrivateRegistry]}
	return domains, nil
}

// publish puts an entry of the catalogue into a registry.
func (lib *imageLibrary) publish(entry catalogueImage, as string, to http.RoundTripper) error {
	ref, err := name.NewTag("registry.invalid/"+as, name.Insecure)
	if err != nil {
		return err
	}
	switch {
	case entry.Schema1 != "":
		return publishSchema1(ref, entry.Schema1, to)
	case entry.Plain:
		return remote.Write(ref, lib.find(refOf(entry.Repository, entry.Tags[0]), entry.platforms()[0].Architecture).image, remote.WithTransport(to))
	}
	return remote.WriteIndex(ref, lib.index[entry.Repository+":"+entry.Tags[0]], remote.WithTransport(to))
}

func refOf(repository, tag string) imageRef {
	domain, path, _ := strings.Cut(repository, "/")
	return imageRef{domain: domain, path: path, tag: tag}
}

// publishSchema1 puts a manifest of the old kind: its bytes are all that anybody reads of it.
func publishSchema1(ref name.Tag, kind types.MediaType, to http.RoundTripper) error {
	text := fmt.Sprintf(`{"schemaVersion":1,"name":%q,"tag":%q,"architecture":"amd64","fsLayers":[],"history":[]}`, ref.RepositoryStr(), ref.TagStr())
	req, err := http.NewRequest(http.MethodPut, "http://registry.invalid/v2/"+ref.RepositoryStr()+"/manifests/"+ref.TagStr(), strings.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", string(kind))
	res, err := to.RoundTrip(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s: %s", ref, res.Status)
	}
	return nil
}

// guarded is a registry that wants a login.
type guarded struct{ http.Handler }

func (g guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, ok := r.BasicAuth()
	if !ok || !letIn(PrivateRegistry, user, password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="lab"`)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}`+"\n")
		return
	}
	g.Handler.ServeHTTP(w, r)
}

// letIn tells whether a registry of the lab knows an account. Those without secrets of their own know everybody, save who has "wrong" for a password.
func letIn(domain, user, password string) bool {
	if domain == PrivateRegistry {
		return user == RegistryUser && password == RegistryPassword
	}
	return user != "" && password != "" && password != "wrong"
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
	if req.URL.Host == DownRegistry {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: downAddress, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
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
		l.work.start(func() {
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

// downAddress is where DownRegistry would listen.
var downAddress = &net.TCPAddr{IP: net.IPv4(10, 19, 0, 1), Port: 443}

// catalogued is the reference under which the catalogue has an image: on loopback, the lab's registry stands for Docker Hub.
func (l *Lab) catalogued(ref imageRef) imageRef {
	if address := l.registry.address.Load(); address != nil && ref.domain == *address {
		ref.domain = "docker.io"
	}
	return ref
}
