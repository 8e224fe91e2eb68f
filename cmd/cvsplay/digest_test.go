package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cvsplay/engine/event"
	"cvsplay/engine/lab"
	"cvsplay/engine/remote/remotetest"
)

// digestPlaybook asks for a digest, and with var.pulled makes a container of it.
const digestPlaybook = `
variable "image" { type = string }
variable "pull" { default = "always" }
variable "from" { default = "controller" }
variable "once" { default = false }
variable "platform" { default = "" }
variable "pulled" { default = false }
play "p" {
  hosts = group.all
  step "image_digest" "image" {
    run_once = var.once
    image    = var.image
    pull     = var.pull
    from     = var.from
    platform = var.platform == "" ? null : var.platform
    insecure = true
  }
  step "container_ensure" "box" {
    when     = var.pulled
    name     = "digest"
    image    = step.image.ref
    lifetime = "persistent"
  }
}
`

// digests plays it, and gives what the step on each host found.
func (s site) digests(u user, args ...string) (ended, map[string]digestFound) {
	s.t.Helper()
	u.write("digest.hcl", digestPlaybook)
	e := u.cvsplay(append([]string{"run", "digest.hcl", "-i", s.inventory, "--output", "json"}, args...)...)
	return e, digestsIn(s.t, e)
}

// digestFound is what an image_digest step left.
type digestFound struct {
	Status                       event.Status
	Why                          string
	Source, Digest, Reason       string
	PlatformDigest, Ref, Changes string
}

func digestsIn(t testing.TB, e ended) map[string]digestFound {
	t.Helper()
	found := map[string]digestFound{}
	for name, ev := range ends(e.events(t)) {
		if !strings.HasSuffix(name, " image") {
			continue
		}
		f := digestFound{Status: ev.Status, Why: ev.Reason, Changes: fmt.Sprint(ev.Changes)}
		var results struct {
			Source, Digest, Reason, Ref string
			Platform                    string `json:"platform_digest"`
		}
		if ev.Results != nil {
			if err := json.Unmarshal(ev.Results, &results); err != nil {
				t.Fatal(err)
			}
		}
		f.Source, f.Digest, f.Reason, f.Ref, f.PlatformDigest = results.Source, results.Digest, results.Reason, results.Ref, results.Platform
		found[ev.Host] = f
	}
	return found
}

// Under pull = "once" the registry is asked until this controller has pulled the tag; from then on the hosts are, and nobody else.
func pulledOnce(t *testing.T, s site, u user) {
	first := s.hosts[0]
	memory := filepath.Join(u.dir, "state", "cvsplay", "memory.json")
	args := []string{"--var", "pull=once", "--var", "once=true", "--var", "pulled=true"}
	u.write("digest.hcl", digestPlaybook)
	check := u.succeeds(append([]string{"check", "digest.hcl", "-i", s.inventory, "--output", "json"}, args...)...)
	if f := digestsIn(t, check)[first]; f.Source != "registry" {
		t.Errorf("the check finds %+v", f)
	}
	if _, err := os.Stat(memory); err == nil {
		t.Error("a check is remembered")
	}
	var digest string
	for i, want := range []string{"registry", "local", "local"} {
		e, found := s.digests(u, args...)
		f := found[first]
		if e.code != 0 || f.Source != want || f.Status != event.OK {
			t.Fatalf("run %d: from %q, want %q: %s", i+1, f.Source, want, e)
		}
		if i == 0 {
			digest = f.Digest
		} else if f.Digest != digest {
			t.Errorf("run %d: %s, and before %s", i+1, f.Digest, digest)
		}
	}
	kept, err := os.ReadFile(memory)
	if err != nil || !strings.Contains(string(kept), "pulled ") || !strings.Contains(string(kept), digest) {
		t.Errorf("the controller remembers %s, %v", kept, err)
	}
	if _, found := s.digests(u.at("elsewhere"), args...); found[first].Source != "registry" {
		t.Errorf("on another controller: %+v", found[first])
	}
	if err := os.WriteFile(memory, kept[:len(kept)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	e, found := s.digests(u, args...)
	if found[first].Source != "registry" || e.code != 0 || !strings.Contains(e.stdout, "memory.json is damaged and counts as empty") {
		t.Errorf("with a damaged memory: %s", e)
	}
	s.everywhere("docker rm -f digest >/dev/null; docker images -q | sort -u | xargs docker rmi -f >/dev/null")
	e, found = s.digests(u, "--var", "pull=once")
	if found[first].Source != "registry" || e.code != 0 { // nothing was pulled since the damage
		t.Errorf("where nothing was pulled: %s", e)
	}
}

func TestPulledOnce(t *testing.T) {
	t.Parallel()
	s, u := labSite(newUser(t), 2)
	pulledOnce(t, s, u)
}

func TestPulledOnceOnCluster(t *testing.T) {
	t.Parallel()
	s, u := clusterSite(t)
	pulledOnce(t, s, u)
}

func clusterSite(t *testing.T) (site, user) {
	c := remotetest.UseCluster(t)
	s := site{t: t, inventory: c.Inventory, sh: c.Exec}
	for _, n := range c.Nodes {
		s.hosts = append(s.hosts, n.Name)
	}
	return s, newUser(t)
}

// What the hosts hear of a registry is what the controller hears; each asks for itself, or one for all.
func askedByHosts(t *testing.T, s site, u user) {
	_, byController := s.digests(u)
	want := byController[s.hosts[0]].Digest
	if want == "" {
		t.Fatalf("the controller finds %+v", byController)
	}
	for _, once := range []string{"false", "true"} {
		e, found := s.digests(u, "--var", "from=host", "--var", "once="+once)
		hosts := s.hosts
		if once == "true" {
			hosts = hosts[:1]
		}
		for _, h := range hosts {
			if f := found[h]; e.code != 0 || f.Source != "registry" || f.Digest != want {
				t.Errorf("%s, run_once = %s: %+v, want %s\n%s", h, once, f, want, e)
			}
		}
		if len(found) != len(hosts) {
			t.Errorf("run_once = %s: %d hosts tell", once, len(found))
		}
	}
	_, byController = s.digests(u, "--var", "platform=linux/amd64")
	e, byHosts := s.digests(u, "--var", "from=host", "--var", "platform=linux/amd64")
	if a, b := byController[s.hosts[0]].PlatformDigest, byHosts[s.hosts[0]].PlatformDigest; a == "" || a != b {
		t.Errorf("the image for linux/amd64 is %q by the controller and %q by the host: %s", a, b, e)
	}
}

// refusedHosts is how registries refuse hosts: "IMAGE: part of the words".
func refusedHosts(t *testing.T, s site, u user, words map[string]string) {
	for image, want := range words {
		e, found := s.digests(u, "--var", "from=host", "--var", "image="+image)
		for _, h := range s.hosts {
			if f := found[h]; e.code != 1 || f.Status != event.Failed || !strings.Contains(f.Why, want) {
				t.Errorf("%s on %s: want …%s…: %+v", image, h, want, f)
			}
		}
	}
}

func TestAskedByHosts(t *testing.T) {
	t.Parallel()
	s, u := labSite(newUser(t), 3)
	askedByHosts(t, s, u)
	private := lab.PrivateRegistry + "/rocm/cvs:latest"
	refusedHosts(t, s, u, map[string]string{
		"docker.io/rocm/cvs:not-there": "asked by this host, the registry docker.io does not know rocm/cvs:not-there: manifest unknown",
		lab.DownRegistry + "/app:1":    "is not reachable",
		private:                        "refuses access to rocm/cvs:latest",
	})
	s.everywhere("echo " + lab.RegistryPassword + " | docker login -u " + lab.RegistryUser + " --password-stdin " + lab.PrivateRegistry + " >/dev/null 2>&1")
	e, found := s.digests(u, "--var", "from=host", "--var", "image="+private)
	for _, h := range s.hosts {
		if f := found[h]; f.Source != "registry" || f.Digest == "" {
			t.Errorf("%s, logged in: %+v\n%s", h, f, e)
		}
	}
	if strings.Contains(e.stdout+e.stderr, lab.RegistryPassword) {
		t.Error("the hosts' password is told")
	}
}

func TestAskedByHostsOnCluster(t *testing.T) {
	t.Parallel()
	s, u := clusterSite(t)
	askedByHosts(t, s, u)
	registry, _, _ := strings.Cut(digestImage(t, s, u), "/")
	refusedHosts(t, s, u, map[string]string{
		registry + "/rocm/cvs:not-there": "does not know rocm/cvs:not-there: manifest unknown",
		"127.0.0.1:1/app:1":              "connection refused",
	})
	e := u.cvsplay("run", "digest.hcl", "-i", strings.Replace(s.inventory, "inventory.hcl", "inventory-amd.hcl", 1), "--output", "json", "--var", "from=host")
	for h, f := range digestsIn(t, e) { // an account that becomes root by sudo
		if f.Source != "registry" || f.Digest == "" {
			t.Errorf("%s as amd: %+v", h, f)
		}
	}
}

// digestImage is the image that the inventory names.
func digestImage(t *testing.T, s site, u user) string {
	t.Helper()
	_, found := s.digests(u)
	ref, _, ok := strings.Cut(found[s.hosts[0]].Ref, "@")
	if !ok {
		t.Fatalf("%+v", found)
	}
	return ref
}

// A registry's credentials go to the registry and nowhere else: neither the playbook's, nor the controller's, though the registry shouts them back.
func TestRegistryCredentialsAreNowhere(t *testing.T) {
	t.Parallel()
	const password = "Canary-reg-8812"
	var asked []string
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		user, given, ok := req.BasicAuth()
		if !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		asked = append(asked, user+":"+given)
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"errors":[{"code":"DENIED","message":"%s with %s (%s) may not"}]}`, user, given, req.Header.Get("Authorization"))
	}))
	t.Cleanup(registry.Close)
	s, u := labSite(newUser(t), 1)
	host := strings.TrimPrefix(registry.URL, "http://")
	u.write("credentials.hcl", `
variable "token" {
  default   = null
  sensitive = false
}
play "p" {
  hosts = group.all
  step "image_digest" "image" {
    image    = "`+host+`/app:1"
    username = var.token == null ? null : "ci"
    password = var.token
    on_error = "tag"
  }
}
`)
	args := []string{"credentials.hcl", "-i", s.inventory, "-vv", "--json-file", "events.json"}
	said := map[string]ended{}
	u.env = append(u.env, "CVSPLAY_VAR_token="+password)
	for _, verb := range []string{"check", "run"} {
		said["of the playbook, "+verb] = u.succeeds(append([]string{verb}, args...)...)
	}
	u.env = slices.DeleteFunc(u.env, func(v string) bool { return strings.HasPrefix(v, "CVSPLAY_VAR_token=") })
	config := filepath.Join(u.dir, ".docker", "config.json")
	if err := os.MkdirAll(filepath.Dir(config), 0o700); err != nil {
		t.Fatal(err)
	}
	encoded := base64.StdEncoding.EncodeToString([]byte("ci:" + password))
	if err := os.WriteFile(config, []byte(`{"auths":{"`+host+`":{"auth":"`+encoded+`"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	said["of the controller"] = u.succeeds(append([]string{"run"}, args...)...)

	if len(asked) < 3 || slices.ContainsFunc(asked, func(a string) bool { return a != "ci:"+password }) {
		t.Errorf("the registry was asked with %q", asked)
	}
	hidden := func(where, text string) {
		for _, secret := range []string{password, encoded, encoded[4 : len(encoded)-4]} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %s:\n%s", where, secret, text)
			}
		}
	}
	for name, e := range said {
		hidden("what was printed, "+name, e.stdout+e.stderr)
		if !strings.Contains(strings.Join(strings.Fields(e.stdout), " "), "refuses access to app:1") {
			t.Errorf("%s: it does not say why: %s", name, e)
		}
	}
	err := filepath.WalkDir(u.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path == config {
			return err
		}
		text, err := os.ReadFile(path)
		hidden(path, string(text))
		return err
	})
	if err != nil {
		t.Error(err)
	}
	hidden("a file of the host", s.everywhere("grep -r -l 'Canary-reg' /tmp /root /home /etc /var/tmp /srv 2>/dev/null || :; ps -e -o args"))
}
