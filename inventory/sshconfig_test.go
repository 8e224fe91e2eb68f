package inventory_test

import (
	"path/filepath"
	"strings"
	"testing"

	"cvsplay/inventory"
)

// Hosts of ~/.ssh/config have their names alone: what it says of them is read when they are contacted.
func TestOwnSSHConfig(t *testing.T) {
	home := t.TempDir()
	write(t, filepath.Join(home, ".ssh/config"), []byte("Include conf.d/*\nHost *\n  User me\nHost n1 n2\n  HostName 10.0.0.1\n  Port 22x\n"))
	write(t, filepath.Join(home, ".ssh/conf.d/a"), []byte("Host n0\n  ProxyCommand nc\n"))
	write(t, filepath.Join(home, "inv/inv.hcl"), []byte("source \"ssh_config\" \"mine\" {}\n"))
	env := func(name string) (string, bool) { return home, name == "HOME" }
	inv, _, diags := inventory.Load(t.Context(), []string{"inv/inv.hcl"}, inventory.Options{Dir: home, Env: env})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if got := strings.Join(inv.Names(), " "); got != "n0 n1 n2" {
		t.Errorf("hosts are %s", got)
	}
	h, _ := inv.Host("n1")
	if h.Address != "n1" || h.SSH.User != "" || !h.SSH.UserConfig {
		t.Errorf("%+v", h)
	}
}
