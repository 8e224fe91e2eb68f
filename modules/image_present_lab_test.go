package modules_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"cvsplay/engine/event"
	"cvsplay/engine/lab"
	"cvsplay/modules"
	"cvsplay/modules/modtest"
)

// copyStep is a step that copies the archive's image; more are other arguments.
func copyStep(more string) string {
	return `
step "image_present" "it" {
  image   = "` + modtest.ArchivedImage + `"
  source  = var.archive
  address = host.address == "127.0.0.1" ? host.name : host.address
` + more + `
}
`
}

// copyPlay is a play of one step.
func copyPlay(inventory, archive, step string) modtest.Play {
	text := "variable \"archive\" {\n  type = string\n}\nplay \"copy\" {\n  hosts = group.all\n" + step + "\n}\n"
	return modtest.Play{Modules: modules.All(), Inventory: inventory, Text: text, Vars: map[string]string{"archive": archive}, Mode: modtest.Run}
}

// sources tells from where every host has the image, and whom each host served.
func sources(t *testing.T, p modtest.Played) (from map[string]string, served map[string]int) {
	t.Helper()
	from, served = map[string]string{}, map[string]int{}
	for host, e := range p.Ends("it") {
		var r struct{ From string }
		if err := json.Unmarshal(e.Results, &r); err != nil && e.Status != event.Failed && e.Status != event.Unreachable {
			t.Fatalf("%s: %v\n%s", host, err, p)
		}
		from[host] = r.From
		served[r.From]++
	}
	return from, served
}

func warnings(p modtest.Played) []string {
	var out []string
	for _, e := range p.Events {
		if e.Kind == event.Warning {
			out = append(out, e.Host+": "+e.Message)
		}
	}
	slices.Sort(out)
	return out
}

// nothingLeft holds the hosts to have no keys and no sshd of a copy any more.
func nothingLeft(t *testing.T, fleet modtest.Fleet) {
	t.Helper()
	for _, host := range fleet.Hosts() {
		fleet.Exec(host, `for d in /var/tmp/.cvsplay-image-r*; do if [ -e "$d" ]; then echo "$d is there"; exit 1; fi; done
for p in /proc/[0-9]*/cmdline; do
  case "$(tr '\000' ' ' <"$p" 2>/dev/null)" in *cvsplay-image*sshd_confi[g]*) echo "$p serves"; exit 1 ;; esac
done
`)
	}
}

// The archive leaves the controller for the seeds alone, and every one of 64 hosts has the image in the end.
func TestImageCopiedOnLab(t *testing.T) {
	fleet := modtest.LabFleet(t, 64)
	archive := modtest.Archive(t, fleet.Image(), modtest.ArchivedImage)
	st, err := os.Stat(archive)
	if err != nil {
		t.Fatal(err)
	}
	p := copyPlay(fleet.Inventory(), archive, copyStep("")).Do(t)
	from, served := sources(t, p)
	if served["controller"] != 2 || len(from) != 64 || served[""] > 0 || p.ExitCode != 0 {
		t.Errorf("served %v\n%s", served, p)
	}
	for _, host := range fleet.Hosts() {
		fleet.Exec(host, "docker image inspect "+modtest.ArchivedImage+" >/dev/null\n")
	}
	if w := warnings(p); len(w) > 0 || p.Uploaded > 2*st.Size() { // a small archive travels otherwise
		t.Errorf("%d bytes uploaded, warnings: %v", p.Uploaded, w)
	}
	nothingLeft(t, fleet)
	again := copyPlay(fleet.Inventory(), archive, copyStep("")).Do(t)
	for host, e := range again.Ends("it") {
		if e.Status != event.OK {
			t.Errorf("second run: %s is %s: %s", host, e.Status, e.Reason)
		}
	}
}

// What goes wrong on a host is that host's: the others get the image, and those that cannot be served get it from the controller and say why.
func TestImageCopyFaultsOnLab(t *testing.T) {
	fail := func(match, text string) lab.Fault {
		return lab.Fault{Kind: lab.Fail, Match: match, Text: text, Code: 1}
	}
	for _, c := range []struct {
		name    string
		faults  map[string]lab.Fault
		setup   map[string]string
		seeds   int // 0: 1
		address string
		from    string // of node1 …
		warns   string // of what the warnings have
	}{
		{name: "one lost", faults: map[string]lab.Fault{"node1": {Kind: lab.Unreachable}}, from: " controller node2 node2"},
		{name: "no ssh on one", setup: map[string]string{"node4": "rm /usr/bin/ssh"}, from: "node4 node4 node4 controller", warns: "node4: " + modtest.ArchivedImage + " came from the controller and not from another host: no ssh on this host"},
		{name: "port taken on the seed", setup: map[string]string{"node1": "/usr/sbin/sshd -p 2226 -o PidFile=/run/other.pid"}, from: "controller controller node2 node2",
			warns: "Bind to port 2226 on 0.0.0.0 failed: Address already in use."},
		{name: "no keys on one", faults: map[string]lab.Fault{"node3": fail("ssh-keygen", "no entropy")}, from: "controller node1 controller node1", warns: "no keys could be made: no entropy"},
		{name: "the address leads nowhere", address: `address = "nowhere.invalid"`, from: "controller controller controller controller", warns: "Could not resolve hostname nowhere.invalid"},
		{name: "the seed's disk is full", faults: map[string]lab.Fault{"node1": {Kind: lab.DiskFull, Path: "/var/tmp"}}, from: "# controller node2 node2"},
		{name: "the archive is not loaded on the seed", faults: map[string]lab.Fault{"node1": fail("^docker load", "Error processing tar file")}, from: "# controller node2 node2"},
		{name: "nor is the stream on a receiver: it gets the archive, and says what failed", faults: map[string]lab.Fault{"node2": {Kind: lab.Fail, Match: "^docker load$", Text: "unexpected EOF", Code: 1}},
			from: "controller controller node1 node1", warns: "unexpected EOF"},
		{name: "a holder fails while it serves: those it served take the other", seeds: 2, faults: map[string]lab.Fault{"node1": fail("^docker save", "unexpected EOF of the store")},
			from: "controller controller node2 node2", warns: "copying " + modtest.ArchivedImage + " from node1 failed: unexpected EOF of the store"},
		{name: "it had an older one", setup: map[string]string{"node2": "docker pull -q debian:12 >/dev/null; docker tag debian:12 " + modtest.ArchivedImage}, from: "controller node1 node1 node1"},
		{name: "one has it already: nothing leaves the controller", setup: map[string]string{"node3": "docker pull -q rocm/cvs:latest >/dev/null; docker tag rocm/cvs:latest " + modtest.ArchivedImage}, from: "node3 node3 present node3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fleet := modtest.LabFleet(t, 4)
			archive := modtest.Archive(t, fleet.Image(), modtest.ArchivedImage)
			for host, script := range c.setup {
				fleet.Exec(host, script+"\n")
			}
			for host, f := range c.faults {
				if err := fleet.Host(host).SetFaults(f); err != nil {
					t.Fatal(err)
				}
			}
			p := copyPlay(fleet.Inventory(), archive, withAddress(copyStep(fmt.Sprintf("  seeds = %d\n", max(c.seeds, 1))), c.address)).Do(t)
			from, _ := sources(t, p)
			var got []string
			for i := range 4 {
				host := fmt.Sprintf("node%d", i+1)
				if p.Ends("it")[host].Status == event.Failed {
					from[host] = "#"
				}
				got = append(got, from[host])
			}
			if strings.Join(got, " ") != c.from {
				t.Errorf("from %s, want %s\n%s", strings.Join(got, " "), c.from, p)
			}
			if w := strings.Join(warnings(p), "\n"); !strings.Contains(w, c.warns) || c.warns == "" && w != "" {
				t.Errorf("warnings %s, want %s\n%s", w, c.warns, p)
			}
			for host := range c.faults {
				if err := fleet.Host(host).SetFaults(); err != nil {
					t.Fatal(err)
				}
			}
			if c.faults["node1"].Kind != lab.Unreachable {
				nothingLeft(t, fleet)
			}
		})
	}
}

// withAddress puts another address into a step.
func withAddress(step, address string) string {
	if address == "" {
		return step
	}
	var out []string
	for line := range strings.Lines(step) {
		if strings.HasPrefix(strings.TrimSpace(line), "address") {
			line = address + "\n"
		}
		out = append(out, line)
	}
	return strings.Join(out, "")
}

// What was begun is taken back when the run is broken off in the middle of a copy.
func TestImageCopyIsBrokenOffOnLab(t *testing.T) {
	fleet := modtest.LabFleet(t, 3)
	archive := modtest.Archive(t, fleet.Image(), modtest.ArchivedImage)
	for _, host := range []string{"node2", "node3"} {
		if err := fleet.Host(host).SetFaults(lab.Fault{Kind: lab.Hang, Match: "^docker load$"}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		for ctx.Err() == nil && !(holds(fleet.Host("node1"), "sshd.pid") && holds(fleet.Host("node2"), "known_hosts") && holds(fleet.Host("node3"), "known_hosts")) {
			time.Sleep(10 * time.Millisecond)
		}
		stop()
	}()
	p := copyPlay(fleet.Inventory(), archive, copyStep("  seeds = 1\n"))
	p.Context = ctx
	played := p.Do(t)
	if played.ExitCode != 130 {
		t.Errorf("it was not broken off: %s", played)
	}
	cleaned := 0
	for _, e := range played.Events {
		if e.Kind == event.CleanupDone && e.Status == event.Changed {
			cleaned++
		}
	}
	if cleaned != 3 {
		t.Errorf("%d hosts were cleaned up: %s", cleaned, played)
	}
	nothingLeft(t, fleet)
}

// gzipFile compresses a file of the test, and gives the path of what came of it.
func gzipFile(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".gz", b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file + ".gz"
}

// holds tells whether a host has a file of this name among its temporary ones.
func holds(h *lab.Host, name string) bool {
	found := false
	_ = h.FS().Walk("/var/tmp", func(p string, _ lab.Info) error {
		found = found || path.Base(p) == name
		return nil
	})
	return found
}

// On real nodes, over real sshds: the archive leaves this machine once, for root and for an account that has the runtime by sudo only.
func TestImageCopiedOnCluster(t *testing.T) {
	t.Parallel()
	fleet := modtest.ClusterFleet(t)
	const size = 8 << 20
	for _, c := range []struct{ name, inventory, more string }{
		{"root", fleet.Inventory(), ""},
		{"an account without root", fleet.AsAmd, "  port = 2242\n"},
		{"an account that becomes root", fleet.AsAmd, "  become = true\n"},
		{"podman", fleet.Inventory(), "  runtime = \"podman\"\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			archive := modtest.RandomArchive(t, modtest.ArchivedImage, size)
			step := copyStep("  seeds = 1\n" + c.more)
			p := copyPlay(c.inventory, archive, step).Do(t)
			from, served := sources(t, p)
			if served["controller"] != 1 || served["node1"] != 2 || p.ExitCode != 0 {
				t.Errorf("from %v\n%s", from, p)
			}
			if p.Uploaded < size || p.Uploaded > size*3/2 {
				t.Errorf("%d bytes left this machine for an archive of %d", p.Uploaded, size)
			}
			nothingLeft(t, fleet)
			again := copyPlay(c.inventory, archive, step).Do(t)
			for host, e := range again.Ends("it") {
				if e.Status != event.OK {
					t.Errorf("second run: %s is %s: %s", host, e.Status, again)
				}
			}
		})
	}
	t.Run("a compressed archive", func(t *testing.T) {
		archive := gzipFile(t, modtest.RandomArchive(t, modtest.ArchivedImage, size))
		p := copyPlay(fleet.Inventory(), archive, copyStep("")).Do(t)
		if from, served := sources(t, p); served["controller"] != 2 || p.ExitCode != 0 {
			t.Errorf("from %v\n%s", from, p)
		}
		nothingLeft(t, fleet)
	})
	t.Run("a firewall on the way", func(t *testing.T) {
		archive := modtest.RandomArchive(t, modtest.ArchivedImage, size)
		p := copyPlay(fleet.Inventory(), archive, withAddress(copyStep("  seeds = 1\n"), "  address = \"127.0.0.1\"\n")).Do(t) // where nobody serves the receivers
		_, served := sources(t, p)
		w := strings.Join(warnings(p), "\n")
		if served["controller"] != 3 || p.ExitCode != 0 || !strings.Contains(w, "failed: ssh: connect to host 127.0.0.1 port 2226: Connection refused") {
			t.Errorf("served %v, warnings %s\n%s", served, w, p)
		}
		nothingLeft(t, fleet)
	})
}
