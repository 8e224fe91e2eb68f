package modules_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"cvsplay/engine/event"
	"cvsplay/modules"
	"cvsplay/modules/modtest"
)

// An sshdScene is hosts on which the rows of sshd_ensure are told one after the other: what one leaves the next finds.
type sshdScene struct {
	*testing.T
	fleet modtest.Fleet
	limit []string
}

// play carries steps out and gives how each of them ended, one line for each step: what all hosts have in common once, else by host.
func (s *sshdScene) play(mode modtest.Mode, steps string) (string, modtest.Played) {
	s.Helper()
	text := "variable \"image\" {\n  type = string\n}\nplay \"p\" {\n  hosts = group.all\n" + steps + "\n}\n"
	done := modtest.Play{
		Modules: modules.All(), Inventory: s.fleet.Inventory(), Text: text, Mode: mode, Limit: s.limit, Vars: map[string]string{"image": s.fleet.Image()},
	}.Do(s)
	var lines []string
	for _, e := range done.Events {
		if e.Kind == event.StepDone && !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, e.Step+": ") }) {
			lines = append(lines, e.Step+": "+summary(done.Ends(e.Step)))
		}
	}
	return strings.Join(lines, "\n"), done
}

// summary is how a step ended on all hosts, with what it changed.
func summary(ends map[string]event.Event) string {
	by := map[string][]string{}
	for _, host := range slices.Sorted(maps.Keys(ends)) {
		e := ends[host]
		words := string(e.Status)
		var what []string
		for _, c := range e.Changes {
			what = append(what, c.What)
		}
		if what != nil {
			words += " {" + strings.Join(what, ", ") + "}"
		}
		if e.Reason != "" {
			words += " " + e.Reason
		}
		by[words] = append(by[words], host)
	}
	var out []string
	for _, words := range slices.Sorted(maps.Keys(by)) {
		if len(by) == 1 {
			return words
		}
		out = append(out, strings.Join(by[words], ",")+" "+words)
	}
	return strings.Join(out, "; ")
}

// ends carries steps out and wants them to end so. A want that ends in * is how it begins.
func (s *sshdScene) ends(mode modtest.Mode, steps, want string) {
	s.Helper()
	got, done := s.play(mode, steps)
	if begin, open := strings.CutSuffix(want, "*"); got != want && !(open && strings.HasPrefix(got, begin)) {
		s.Errorf("got\n%s\nwant\n%s\n%s", got, want, done)
	}
}

// does runs a script on some hosts, or inside of their containers, and wants it to end well.
func (s *sshdScene) does(where, script string) {
	s.Helper()
	s.ends(modtest.Run, fmt.Sprintf("step \"exec_script\" \"does\" {\n%s\nread_only = true\nscript = %q\n}\n", where, script), "does: ok")
}

// sshdStep is an sshd_ensure step.
func sshdStep(name, arguments string) string {
	return fmt.Sprintf("step \"sshd_ensure\" %q {\n%s\n}\n", name, arguments)
}

// reaches is a step that logs in from every node on every node, strictly.
func reaches(where, port string) string {
	return fmt.Sprintf(`step "exec_script" "reaches" {
  %s
  read_only = true
  args      = run.hosts
  script    = "for n do ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -p %s root@$n true </dev/null || exit; done\n"
}
`, where, port)
}

const hasNone = "if [ -e /run/cvsplay-sshd-%[1]s.pid ]; then kill \"$(cat /run/cvsplay-sshd-%[1]s.pid)\" 2>/dev/null || :; rm -f /run/cvsplay-sshd-%[1]s.*; fi\n"

func TestSSHDOnTheLab(t *testing.T) {
	t.Parallel()
	sshdRows(t, modtest.LabFleet(t, 3))
}

func TestSSHDOnTheCluster(t *testing.T) {
	t.Parallel()
	sshdRows(t, modtest.ClusterFleet(t))
}

func sshdRows(t *testing.T, fleet modtest.Fleet) {
	clear := func() {
		for _, host := range fleet.Hosts() {
			script := "rm -rf /etc/ssh/cvsplay\nrm -f /root/.ssh/id_ed25519 /root/.ssh/id_ed25519.pub /root/.ssh/known_hosts /root/.ssh/known_hosts2\n"
			for _, port := range []string{"2241", "2242", "2243", "2244", "2245", "2246"} {
				script += fmt.Sprintf(hasNone, port)
			}
			fleet.Exec(host, script)
		}
		fleet.Clear()
	}
	clear()
	t.Cleanup(clear)
	row := func(name string, do func(*sshdScene)) {
		t.Run(name, func(t *testing.T) { do(&sshdScene{T: t, fleet: fleet}) })
	}
	const (
		names = "\nnames = [host.name]\n"
		mesh  = "cluster_key = true" + names
	)
	one := fleet.Hosts()[0]
	only := fmt.Sprintf("hosts = [%q]\n", one)

	row("from every node strict ssh to every other", func(s *sshdScene) {
		got, done := s.play(modtest.Run, sshdStep("a", "port = 2241\n"+mesh)+reaches("", "2241"))
		if !strings.Contains(got, "a: changed {") || !strings.HasSuffix(got, "\nreaches: ok") {
			s.Errorf("%s\n%s", got, done)
		}
	})
	row("second run nothing", func(s *sshdScene) {
		before := fleet.Snapshot()
		s.ends(modtest.Check, sshdStep("a", "port = 2241\n"+mesh), "a: ok")
		s.ends(modtest.Run, sshdStep("a", "port = 2241\n"+mesh), "a: ok")
		if d := before.Diff(fleet.Snapshot()); d != "" {
			s.Errorf("it changed\n%s", d)
		}
	})
	row("keys have their modes", func(s *sshdScene) {
		s.does("", `set -e
wants() { got=$(stat -c %a "$2"); [ "$got" = "$1" ] || { echo "$2 has mode $got" >&2; exit 1; }; }
wants 700 /root/.ssh
wants 600 /root/.ssh/id_ed25519
wants 600 /root/.ssh/known_hosts2
wants 600 /etc/ssh/cvsplay/authorized_keys_2241
wants 600 /etc/ssh/cvsplay/ssh_host_ed25519_key_2241
wants 755 /etc/ssh/cvsplay
`)
		s.does("", "chmod 0755 /root/.ssh; chmod 0644 /root/.ssh/id_ed25519")
		s.ends(modtest.Run, sshdStep("a", "port = 2241\n"+mesh), "a: changed {close /root/.ssh, close client key}")
	})
	row("two steps on two ports in one place do not disturb each other", func(s *sshdScene) {
		second := sshdStep("b", "port = 2242\n"+mesh)
		got, done := s.play(modtest.Run, sshdStep("a", "port = 2241\n"+mesh)+second+reaches("", "2242"))
		if !strings.HasPrefix(got, "a: ok\nb: changed {") || !strings.HasSuffix(got, "\nreaches: ok") {
			s.Errorf("%s\n%s", got, done)
		}
		s.ends(modtest.Run, sshdStep("a", "port = 2241\n"+mesh)+second+reaches("", "2241"), "a: ok\nb: ok\nreaches: ok")
	})
	row("changed configuration is reloaded by the same daemon", func(s *sshdScene) {
		s.does("", "cat /run/cvsplay-sshd-2242.pid >/root/was")
		s.ends(modtest.Run, sshdStep("b", "port = 2242\npermit_root = \"no\"\nauthorized_keys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIoV8w0vNNyBpkTTMoGUpUApI2qJ1JjF8dYYdyKv0tmw me\"]\nknown_hosts = true"+names),
			"b: changed {write configuration, write authorized keys, reload sshd}")
		s.does("", "[ \"$(cat /run/cvsplay-sshd-2242.pid)\" = \"$(cat /root/was)\" ]; c=$?; rm /root/was; exit $c")
	})
	row("permit_root = no keeps root out", func(s *sshdScene) {
		s.does("args = [host.name]", "! ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -p 2242 root@$1 true 2>/root/said && grep -q 'Permission denied' /root/said; c=$?; rm /root/said; exit $c")
	})
	row("listen", func(s *sshdScene) {
		local := sshdStep("c", "port = 2243\nlisten = \"127.0.0.1\"\nauthorized_keys = []")
		got, _ := s.play(modtest.Run, local)
		if !strings.HasPrefix(got, "c: changed {") {
			s.Error(got)
		}
		// 08C3 is 2243; nothing listens on another address.
		s.does("", "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -c ' [0-9A-F]*:08C3 [0-9A-F]*:0000 0A ' | grep -qx 1 && grep -q ' 0100007F:08C3 00000000:0000 0A ' /proc/net/tcp")
		s.ends(modtest.Run, local, "c: ok")
	})
	row("started but did not bind fails", func(s *sshdScene) {
		got, _ := s.play(modtest.Run, sshdStep("d", only+"port = 2246\nlisten = \"203.0.113.9\""))
		if want := "start sshd: exit code 1: sshd was started, and after 10 s it does not listen\n"; !strings.Contains(got, want) || !strings.Contains(got, "Bind to port 2246 on 203.0.113.9 failed: Cannot assign requested address.") {
			s.Error(got)
		}
	})
	row("foreign listener on the host is named", func(s *sshdScene) {
		s.does(only, "ssh-keygen -q -t ed25519 -N '' -f /root/foreign && $(command -v sshd || echo /usr/sbin/sshd) -p 2244 -o PidFile=/run/cvsplay-sshd-2244.pid -h /root/foreign -f /dev/null; c=$?; n=0; until grep -q ':08C4 [0-9A-F]*:0000 0A ' /proc/net/tcp || [ $n -gt 100 ]; do sleep 0.1; n=$((n+1)); done; rm -f /root/foreign /root/foreign.pub; exit $c")
		got, _ := s.play(modtest.Check, sshdStep("e", only+"port = 2244"))
		if !strings.HasPrefix(got, "e: refused port 2244 is taken by process ") || !strings.Contains(got, "sshd") || !strings.HasSuffix(got, ": choose another port, or stop it") {
			s.Error(got)
		}
	})
	row("the pattern never matches the asking shell", func(s *sshdScene) {
		// The words of our own configuration stand in the command line of whoever asks; nothing listens, so nothing is found.
		s.ends(modtest.Check, "step \"exec_script\" \"asks\" {\n"+only+"read_only = true\nscript = \"sleep 3 & true\"\nargs = [\"-f\", \"/etc/ssh/cvsplay/sshd_2245.conf\"]\n}\n"+sshdStep("f", only+"port = 2245"),
			"asks: ok\nf: would_change {make host key, write configuration, write authorized keys, start sshd}")
	})

	box := func(name, network string) string {
		return fmt.Sprintf("step \"container_ensure\" %q {\n  name = \"sshd_%s\"\n  image = var.image\n  lifetime = \"persistent\"\n  network = %q\n}\n", name, name, network)
	}
	row("no sshd there: the failure names the ways out", func(s *sshdScene) {
		if fleet.Kind() != modtest.Simulated { // the real image has one
			return
		}
		got, _ := s.play(modtest.Run, box("near", "host")+sshdStep("g", "inside = step.near\nport = 2245"))
		if want := "g: failed no sshd here: set package = true, or install openssh-server before (in a container: in its setup_script)"; !strings.HasSuffix(got, want) {
			s.Error(got)
		}
	})
	row("in a container with the host's network, the host's own is foreign", func(s *sshdScene) {
		got, _ := s.play(modtest.Run, box("near", "host")+sshdStep("g", "inside = step.near\nport = 2241\npackage = true"))
		if want := "g: refused port 2241 is taken by a process that cannot be seen from here (its network is shared: it runs on the host, or in another container): choose another port, or stop it"; !strings.HasSuffix(got, want) {
			s.Errorf("%s\nwant %s", got, want)
		}
	})
	row("in a container with the host's network, on a port of its own", func(s *sshdScene) {
		got, _ := s.play(modtest.Run, box("near", "host")+sshdStep("h", "inside = step.near\nport = 2245\npackage = true\n"+mesh)+reaches("inside = step.near", "2245"))
		if !strings.HasPrefix(got, "near: ok\nh: changed {") || !strings.HasSuffix(got, "\nreaches: ok") {
			s.Error(got)
		}
		if fleet.Kind() == modtest.Simulated { // a lab host does not see what holds the sockets of its containers
			return
		}
		got, _ = s.play(modtest.Check, sshdStep("i", "port = 2245"))
		if !strings.Contains(got, "port 2245 is taken by process ") || !strings.Contains(got, "-f /etc/ssh/cvsplay/sshd_2245.conf") {
			s.Errorf("the container's, seen from the host: %s", got)
		}
	})
	row("in a container with a network of its own", func(s *sshdScene) {
		ours := box("far", "bridge") + sshdStep("j", "inside = step.far\nport = 2241\npackage = true\ncluster_key = true\nnames = [\"localhost\"]")
		got, _ := s.play(modtest.Run, ours)
		if !strings.Contains(got, "start sshd") || strings.Contains(got, "failed") {
			s.Error(got)
		}
		s.ends(modtest.Run, ours, "far: ok\nj: ok")
		s.does("inside = \"container:sshd_far\"", "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -p 2241 root@localhost true")
	})
	row("container restarted: started again", func(s *sshdScene) {
		for _, host := range fleet.Hosts() {
			fleet.Exec(host, "docker restart -t 0 sshd_near >/dev/null\n")
		}
		s.ends(modtest.Run, box("near", "host")+sshdStep("h", "inside = step.near\nport = 2245\npackage = true\n"+mesh)+reaches("inside = step.near", "2245"), "near: ok\nh: changed {start sshd}\nreaches: ok")
	})
	row("a node cannot be asked: its entries stay, and the others go on", func(s *sshdScene) {
		gone := fleet.Hosts()[2]
		fleet.Lose(gone)
		got, _ := s.play(modtest.Run, sshdStep("a", "port = 2241\n"+mesh))
		fleet.Find(gone)
		if want := fleet.Hosts()[0] + "," + fleet.Hosts()[1] + " ok; " + gone + " unreachable"; !strings.HasPrefix(got, "a: "+want) {
			s.Errorf("got %s, want %s", got, want)
		}
		s.ends(modtest.Run, sshdStep("a", "port = 2241\n"+mesh)+reaches("", "2241"), "a: ok\nreaches: ok")
	})
	row("--limit: what changes no key goes on", func(s *sshdScene) {
		s.limit = []string{one}
		s.ends(modtest.Run, sshdStep("a", "port = 2241\n"+mesh), "a: ok")
	})
	row("--limit: a change of keys is refused", func(s *sshdScene) {
		fleet.Exec(one, "rm /root/.ssh/id_ed25519 /root/.ssh/id_ed25519.pub\n")
		s.limit = []string{one}
		s.ends(modtest.Run, sshdStep("a", "port = 2241\n"+mesh), "a: refused keys of the cluster cannot be changed under --limit, for the hosts left out would not learn of it (it has no client key yet): run it without --limit*")
		s.limit = nil
		got, _ := s.play(modtest.Run, sshdStep("a", "port = 2241\n"+mesh)+reaches("", "2241"))
		if !strings.Contains(got, one+" changed {make client key, write authorized keys}") || !strings.HasSuffix(got, "\nreaches: ok") {
			s.Error(got)
		}
	})
	row("skip_single", func(s *sshdScene) {
		s.ends(modtest.Run, sshdStep("k", only+"port = 2246\nskip_single = true"), "k: skipped one host in scope, and skip_single is set")
	})
}
