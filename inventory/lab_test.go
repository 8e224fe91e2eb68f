package inventory_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"cvsplay/engine/lab"
	"cvsplay/inventory"
)

// hostname logs in to a host with nothing but what its settings say, and asks for its name.
func hostname(h *inventory.Host) (string, error) {
	key, known := h.SSH.IdentityPEM, h.SSH.KnownHosts
	var err error
	if key == nil {
		if key, err = os.ReadFile(h.SSH.IdentityFiles[0]); err != nil {
			return "", err
		}
		if known, err = os.ReadFile(h.SSH.KnownHostsFile[0]); err != nil {
			return "", err
		}
	}
	signer, err := ssh.ParsePrivateKey(key)
	if err != nil {
		return "", err
	}
	address := net.JoinHostPort(h.Address, strconv.Itoa(h.SSH.Port))
	conn, err := reach(h, address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	c, channels, requests, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{
		User: h.SSH.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if line := knownhosts.Line([]string{address}, key) + "\n"; !bytes.Contains(known, []byte(line)) {
				return fmt.Errorf("unknown host key %s", line)
			}
			return nil
		},
	})
	if err != nil {
		return "", err
	}
	client := ssh.NewClient(c, channels, requests)
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	defer session.Close()
	out, err := session.Output("hostname; id -un")
	return strings.Join(strings.Fields(string(out)), " "), err
}

// reach connects to a host: inside this process, or over the network.
func reach(h *inventory.Host, address string) (net.Conn, error) {
	if h.SSH.Dial != nil {
		return h.SSH.Dial(context.Background())
	}
	return net.DialTimeout("tcp", address, 10*time.Second)
}

// The hosts of a lab source can be logged in to with what the inventory says of them.
func TestLabHostsAreReached(t *testing.T) {
	inv, diags := parse(t, `
source "lab" "sim" {
  count  = 2
  groups = ["gpu"]
  user   = "amd"
  host "sim002" {
    fault { kind = "unreachable" }
  }
}
defaults {
  ssh {
    user    = "nobody"
    bastion = "elsewhere"
  }
}
`, inventory.Options{})
	if diags != "" {
		t.Fatal(diags)
	}
	defer inv.Close()
	first, _ := inv.Host("sim001")
	if got, err := hostname(first); err != nil || got != "sim001 amd" {
		t.Errorf("%q, %v", got, err)
	}
	second, _ := inv.Host("sim002")
	if got, err := hostname(second); err == nil {
		t.Errorf("an unreachable host said %q", got)
	}
	if !inv.Simulated || first.SSH.UserConfig || bytes.Count(first.SSH.KnownHosts, []byte("\n")) != 1 {
		t.Errorf("simulated %v, settings %+v", inv.Simulated, first.SSH)
	}
	if inv.Registry == nil {
		t.Fatal("no registry")
	}
	answer, err := (&http.Client{Transport: inv.Registry}).Get("https://registry-1.docker.io/v2/rocm/cvs/manifests/latest")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Docker-Content-Digest") == "" {
		t.Errorf("the lab's image of the shipped playbook: %s", answer.Status)
	}
	if err := inv.Close(); err != nil {
		t.Error(err)
	}
	if got, err := hostname(first); err == nil {
		t.Errorf("after the end the host said %q", got)
	}
}

// Many simulated hosts share the processors of one machine, and are waited for longer; but not longer than somebody says.
func TestManyLabHostsAreWaitedFor(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"":                               10*time.Second + 1000*30*time.Millisecond,
		`ssh { connect_timeout = "5s" }`: 5 * time.Second,
		`become { method = "sudo" }`:     10*time.Second + 1000*30*time.Millisecond,
	} {
		inv, diags := parse(t, "source \"lab\" \"sim\" {\n  count = 1000\n}\ndefaults {\n"+text+"\n}\n", inventory.Options{})
		if diags != "" {
			t.Fatal(diags)
		}
		if h, _ := inv.Host("sim0001"); h.SSH.ConnectTimeout != want {
			t.Errorf("with %q: %s", text, h.SSH.ConnectTimeout)
		}
		if err := inv.Close(); err != nil {
			t.Error(err)
		}
	}
	few, _ := parse(t, "source \"lab\" \"sim\" {}\n", inventory.Options{})
	defer few.Close()
	if h, _ := few.Host("sim001"); h.SSH.ConnectTimeout != 0 {
		t.Errorf("few hosts: %s", h.SSH.ConnectTimeout)
	}
}

// The file for a lab that keeps running is an inventory that reaches its hosts.
func TestSaveLab(t *testing.T) {
	l, err := lab.Start(lab.Options{Hosts: []lab.HostSpec{{Name: "gpu001"}, {Name: "gpu002"}, {Name: "head"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	path := filepath.Join(t.TempDir(), "lab.hcl")
	files, err := inventory.SaveLab(path, l, inventory.LabFile{Variables: map[string]string{"image": "127.0.0.1:5000/rocm/cvs:latest", "a": "${x}"}})
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", files[0], info.Mode(), err)
	}
	inv, _, diags := inventory.Load(t.Context(), []string{path}, inventory.Options{Env: testEnv})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if got := strings.Join(inv.Groups["gpu"].Hosts, " "); got != "gpu001 gpu002 head" || inv.Simulated {
		t.Errorf("hosts %s, simulated %v", got, inv.Simulated)
	}
	for name, want := range map[string]string{"image": "127.0.0.1:5000/rocm/cvs:latest", "a": "${x}"} {
		if got := inv.Variables[name].Value; !got.RawEquals(cty.StringVal(want)) {
			t.Errorf("variable %s is %#v", name, got)
		}
	}
	for _, h := range inv.Hosts {
		if got, err := hostname(h); err != nil || got != h.Name+" root" {
			t.Errorf("%s: %q, %v", h.Name, got, err)
		}
	}
}
