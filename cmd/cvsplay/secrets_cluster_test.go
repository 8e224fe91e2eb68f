package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cvsplay/engine/remote/remotetest"
)

const (
	registryAccount = "robot"
	registrySecret  = "Canary-7f3a91-registry"  // of a registry that ends with the test
	watchedWord     = "Seen-by-those-who-watch" // no secret: what a process has for an argument, to see that it would be found
)

// A loginRegistry is the cluster's registry for those who log in, over HTTPS, on this machine's address in the cluster's network.
type loginRegistry struct {
	address     string
	certificate string        // PEM
	pulls       *atomic.Int64 // manifests that were asked for by those who had logged in
}

func newLoginRegistry(t *testing.T, c *remotetest.Cluster) loginRegistry {
	t.Helper()
	gateway := netip.MustParseAddr(c.Nodes[0].Address).As4()
	gateway[3] = 1 // as the cluster's network is made
	ip := netip.AddrFrom4(gateway).String()
	listener, err := net.Listen("tcp", ip+":0")
	if err != nil {
		t.Fatal(err)
	}
	r := loginRegistry{address: listener.Addr().String(), pulls: &atomic.Int64{}}
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: c.Registry})
	handler := func(w http.ResponseWriter, req *http.Request) {
		if name, password, ok := req.BasicAuth(); !ok || name != registryAccount || password != registrySecret {
			w.Header().Set("WWW-Authenticate", `Basic realm="cluster"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
			return
		}
		if strings.Contains(req.URL.Path, "/manifests/") {
			r.pulls.Add(1)
		}
		req.Header.Del("Authorization")
		behind.ServeHTTP(w, req)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(handler)}}
	server.TLS, r.certificate = selfSigned(t, ip)
	server.StartTLS()
	t.Cleanup(server.Close)
	return r
}

// selfSigned is a certificate for an address, and its PEM for those who are to trust it.
func selfSigned(t *testing.T, ip string) (*tls.Config, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.ParseIP(ip)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12},
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// trustScript makes a node's Docker trust the registry.
const trustScript = `
mkdir -p /etc/docker/certs.d/%[1]s /etc/cvsplay
echo '%[2]s' >/etc/docker/certs.d/%[1]s/ca.crt
: >/etc/docker/certs.d/mark`

// freshScript takes away what a run before left.
const freshScript = `
docker ps -aq | xargs -r docker rm -f >/dev/null
docker images -q | sort -u | xargs -r docker rmi -f >/dev/null
rm -f /etc/cvsplay/registry-token`

// tokenScript puts the password, $1 in base64, into the file on a node.
const tokenScript = `
echo "$1" | base64 -d >/etc/cvsplay/registry-token
chmod 0600 /etc/cvsplay/registry-token`

// watchScript writes down which processes have one of the words in their command lines or environments, until its mark is taken away. $1 are the words,
// one a line, in base64: else it would find itself.
const watchScript = `
echo "$1" | base64 -d >/run/watch.words
: >/run/watch.on
while [ -e /run/watch.on ]; do
	grep -a -F -f /run/watch.words /proc/[0-9]*/cmdline /proc/[0-9]*/environ || :
	sleep 0.05
done 2>/dev/null >/run/watch.log &
exec >/dev/null 2>&1`

// leftScript tells all that a login could have left on a node.
const leftScript = `
rm -f /run/watch.on /run/watch.words; cat /run/watch.log; rm -f /run/watch.log
docker ps --all --no-trunc; docker images --digests --no-trunc
docker ps --all --quiet | xargs -r docker inspect
docker images --quiet | xargs -r docker image inspect
ps -eo args
for home in /root /home/amd; do cat $home/.docker/config.json $home/.docker/* $home/.*_history 2>/dev/null || :; done
find / -xdev -path /proc -prune -o -path /var/lib/docker -prune -o -type f -newer /etc/docker/certs.d/mark -size -64k -exec cat {} +
find /tmp /var/tmp /run /dev/shm -type f -size -64k -exec cat {} + 2>/dev/null || :`

// After runs that log in, also in vain, no node shows the password: not in a process list while they ran, not in containers, images, files.
func TestRegistryLoginLeavesNothingOnCluster(t *testing.T) {
	t.Parallel()
	c := remotetest.UseCluster(t)
	r := newLoginRegistry(t, c)
	u := newUser(t)
	u.write("trusted.pem", r.certificate)
	u.env = append(u.env, "SSL_CERT_FILE="+u.dir+"/trusted.pem", "CVSPLAY_VAR_registry="+r.address, "CVSPLAY_VAR_registry_username="+registryAccount)
	for _, n := range c.Nodes {
		c.Exec(n.Name, fmt.Sprintf(trustScript, r.address, r.certificate))
	}
	t.Cleanup(func() {
		for _, n := range c.Nodes {
			c.Exec(n.Name, "rm -rf /etc/docker/certs.d /etc/cvsplay; rm -f /run/watch.on")
		}
	})
	image := []string{"-i", c.Inventory, "--var", "image=" + r.address + "/rocm/cvs:2.0"}
	for _, run := range []struct {
		name, playbook, password string
		code                     int
		says                     string
	}{
		{"a wrong password, from the environment", "private", "wrong-" + registrySecret, 1, "authentication required"},
		{"from the environment", "private", registrySecret, 0, "all well"},
		{"a wrong password, from a file", "on_nodes", "wrong-" + registrySecret, 1, "401 Unauthorized"},
		{"from a file", "on_nodes", registrySecret, 0, "all well"},
	} {
		t.Run(run.name, func(t *testing.T) {
			u := u
			u.t = t
			words := base64.StdEncoding.EncodeToString([]byte(registrySecret + "\n" + basic(run.password) + "\n" + watchedWord + "\n"))
			for _, n := range c.Nodes {
				c.Exec(n.Name, freshScript)
				if run.playbook == "on_nodes" {
					c.Exec(n.Name, "set -- "+base64.StdEncoding.EncodeToString([]byte(run.password))+tokenScript)
				}
				c.Exec(n.Name, "set -- "+words+watchScript)
				c.Exec(n.Name, "sh -c 'sleep 0.3; :' "+watchedWord)
			}
			if run.playbook == "private" {
				u.env = append(slices.Clip(u.env), "CVSPLAY_VAR_registry_password="+run.password)
			}
			was := r.pulls.Load()
			e := u.cvsplay(slices.Concat([]string{"run", repository(t, "examples/private-registry/"+run.playbook+".hcl"), "-vv"}, image)...)
			if e.code != run.code || !strings.Contains(strings.Join(strings.Fields(e.stdout), " "), run.says) || (r.pulls.Load() > was) != (run.code == 0) {
				t.Errorf("want exit code %d and %q: %s", run.code, run.says, e)
			}
			said := map[string]string{"the run": e.stdout + e.stderr}
			for _, n := range c.Nodes {
				c.Exec(n.Name, "rm -f /etc/cvsplay/registry-token")
				said[n.Name] = c.Exec(n.Name, leftScript)
			}
			for where, text := range said {
				for _, secret := range []string{registrySecret, basic(run.password)} {
					if i := strings.Index(text, secret); i >= 0 {
						t.Errorf("%s: …%s…", where, text[max(0, i-300):min(len(text), i+100)])
					}
				}
				if where != "the run" && (!strings.Contains(text, "dockerd") || !strings.Contains(text, watchedWord)) {
					t.Errorf("%s does not tell what runs: %.500s", where, text)
				}
			}
		})
	}
}

// basic is how a login is written in a header, and in docker's configuration.
func basic(password string) string {
	return base64.StdEncoding.EncodeToString([]byte(registryAccount + ":" + password))
}
