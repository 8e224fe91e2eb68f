package modules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
)

// Two public keys, and the text of a .pub file with one.
const (
	keyA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIoV8w0vNNyBpkTTMoGUpUApI2qJ1JjF8dYYdyKv0tmw"
	keyB = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkXN5tg2FEZVbD8Kh8pZXcOEyDpKqnD2zCFwbBTHqX0"
)

// fakeNode is the state of a node for a decision: everything is as wanted, but for what a row takes away or adds.
type fakeNode struct {
	name       string
	facts      string // instead of those of a node whose sshd runs; "\n…": behind them
	host       string // public host key
	client     string // public client key
	authorized string // what the file holds behind its header
	known      string
	args       sshdArgs
	past       []engine.Outcome
	lost       bool
	limited    bool
}

func (f fakeNode) on() engine.On[sshdArgs] {
	if f.lost {
		return engine.On[sshdArgs]{Seen: engine.Seen{Host: f.name, Why: "no route"}}
	}
	if f.args.Port == 0 {
		f.args.Port = 2224
	}
	seen := engine.Seen{Host: f.name, Address: "10.0.0." + f.name[1:], Reach: engine.Reached, Past: f.past, Limited: f.limited}
	files := filesOf(f.args.Port)
	file := func(text, mode string) engine.Answer {
		if text == "" {
			return pathAnswer(engine.Absent)
		}
		b := engine.TextBlob([]byte(text), engine.Public)
		return given(engine.PathInfo{Kind: engine.Regular, Mode: mode, UID: "0", GID: "0", Owner: "root", Group: "root", SHA256: b.SHA256, Size: b.Size, Content: b.Text, Read: true})
	}
	folder := func(mode string) engine.Answer {
		return given(engine.PathInfo{Kind: engine.Directory, Mode: mode, UID: "0", GID: "0", Owner: "root", Group: "root"})
	}
	config := (&sshdNode{On: engine.On[sshdArgs]{Args: f.args}, files: files}).configText()
	sum := engine.TextBlob([]byte(config), engine.Public).SHA256
	facts := "uid=0\nsshd=/usr/sbin/sshd\nkeygen=/usr/bin/ssh-keygen\nssh=/usr/bin/ssh\nloaded=" + sum + " " + f.host + "\nlisten=00000000 11\nheld=11 77 ours\nend\n"
	if strings.HasPrefix(f.facts, "\n") {
		facts = strings.Replace(facts, "end\n", f.facts[1:]+"\nend\n", 1)
	} else if f.facts != "" {
		facts = f.facts
	}
	seen.Answers = []engine.Answer{
		shellAnswer(0, facts, ""), file(config, "0644"), file(authorizedHeader+f.authorized, "0600"), folder("0755"), folder("0755"), file(f.host, "0644"),
	}
	if f.args.ClusterKey || f.args.knowsHosts() {
		seen.Answers = append(seen.Answers, folder("0700"), file(f.known, "0600"))
	}
	if f.args.ClusterKey {
		private := ""
		if f.client != "" {
			private = "private"
		}
		seen.Answers = append(seen.Answers, file(private, "0600"), file(f.client, "0644"))
	}
	if len(seen.Answers) != len(f.args.Ask()) {
		panic("answers and questions differ")
	}
	return engine.On[sshdArgs]{Args: f.args, Seen: seen}
}

// saidShort is a decision without what it had and wants.
func saidShort(d engine.Decision) string {
	act, ok := d.(engine.Act)
	if !ok {
		return said(d)
	}
	var words []string
	for _, c := range act.Changes {
		w := c.What
		if len(c.Do) == 0 {
			w += " later"
		}
		words = append(words, w)
	}
	return "act: " + strings.Join(words, ", ")
}

func TestSSHDDecides(t *testing.T) {
	const nothingThere = "uid=0\nsshd=/usr/sbin/sshd\nkeygen=/usr/bin/ssh-keygen\nssh=/usr/bin/ssh\nend\n"
	mesh := sshdArgs{ClusterKey: true}
	auth := func(nodes ...string) string { // pairs of name and key
		var b strings.Builder
		for i := 0; i < len(nodes); i += 2 {
			b.WriteString(nodes[i+1] + " cvsplay:" + nodes[i] + "\n")
		}
		return b.String()
	}
	known := func(nodes ...string) string {
		var b strings.Builder
		for i := 0; i < len(nodes); i += 2 {
			fmt.Fprintf(&b, "[%[1]s]:2224,[10.0.0.%[2]s]:2224 %[3]s cvsplay:%[1]s:2224\n", nodes[i], nodes[i][1:], nodes[i+1])
		}
		return b.String()
	}
	both, bothKnown := auth("n1", keyA, "n2", keyB), known("n1", keyA, "n2", keyB)
	failed := []engine.Outcome{{What: "make client key", Why: "exit code 1: disk full"}}
	did := []engine.Outcome{{What: "make client key", OK: true}}
	n := func(name string, change func(*fakeNode)) fakeNode {
		f := fakeNode{name: name, args: mesh, host: keyA, client: keyA, authorized: both, known: bothKnown}
		if name == "n2" {
			f.host, f.client = keyB, keyB
		}
		if change != nil {
			change(&f)
		}
		return f
	}
	keyless := func(f *fakeNode) { f.client = "" }
	limited := func(f *fakeNode) { f.limited = true }
	for _, c := range []struct {
		name  string
		nodes []fakeNode
		want  string
	}{
		{"all as wanted", []fakeNode{n("n1", nil), n("n2", nil)}, "done\ndone"},
		{"alone, without keys", []fakeNode{{name: "n1", host: keyA}}, "done"},
		{"not running", []fakeNode{{name: "n1", host: keyA, facts: nothingThere}}, "act: start sshd"},
		{"older configuration loaded", []fakeNode{{name: "n1", host: keyA, facts: nothingThere[:len(nothingThere)-4] + "loaded=ff " + keyA + "\nlisten=00000000 11\nheld=11 77 ours\nend\n"}}, "act: reload sshd"},
		{"no host key", []fakeNode{{name: "n1"}}, "act: make host key, reload sshd"},
		{"not root", []fakeNode{{name: "n1", facts: strings.Replace(nothingThere, "uid=0", "uid=1000", 1)}}, "failed: sshd_ensure needs root here, and runs as uid 1000: set become = true"},
		{"no sshd", []fakeNode{{name: "n1", facts: strings.Replace(nothingThere, "/usr/sbin/sshd", "", 1)}},
			"failed: no sshd here: set package = true, or install openssh-server before (in a container: in its setup_script)"},
		{"no sshd, to be installed", []fakeNode{{name: "n1", args: sshdArgs{Package: true}, facts: strings.Replace(nothingThere, "/usr/sbin/sshd", "", 1)}},
			"act: install openssh-server, make host key later, start sshd later"},
		{"no ssh, with cluster_key", []fakeNode{n("n1", func(f *fakeNode) { f.facts = strings.Replace(nothingThere, "/usr/bin/ssh\n", "\n", 1) })},
			"failed: no ssh here: set package = true, or install openssh-server before (in a container: in its setup_script)"},
		{"facts without their end are none", []fakeNode{{name: "n1", facts: "uid=0\nsshd=\n"}}, "failed: the host does not tell about its sshd: uid=0; sshd="},
		{"facts that are noise", []fakeNode{{name: "n1", facts: "Welcome!\nend\n"}}, `failed: cannot understand what the host tells about its sshd: "Welcome!"`},
		{"foreign listener", []fakeNode{{name: "n1", host: keyA, facts: strings.Replace(nothingThere, "end", "listen=00000000 5\nheld=5 9 other /usr/bin/nc -l \nend", 1)}},
			"refused: port 2224 is taken by process 9 (/usr/bin/nc -l): choose another port, or stop it"},
		{"foreign listener on another address", []fakeNode{{name: "n1", host: keyA, args: sshdArgs{Listen: "10.0.0.1"}, facts: strings.Replace(nothingThere, "end", "listen=0100007F 5\nheld=5 9 other nc\nend", 1)}},
			"act: start sshd"},
		{"passphrase", []fakeNode{n("n1", func(f *fakeNode) { f.facts = "\nencrypted=yes" }), n("n2", nil)},
			"refused: /root/.ssh/id_ed25519 has a passphrase, so that no job can use it: move it away, or set cluster_key = false\ndone"},

		{"one key is missing: all will have to learn it", []fakeNode{n("n1", keyless), n("n2", nil)},
			"act: make client key, write authorized keys later\nact: write authorized keys later"},
		{"it was made: all learn it", []fakeNode{n("n1", func(f *fakeNode) { f.client, f.past = keyB, did }), n("n2", nil)}, "act: write authorized keys\nact: write authorized keys"},
		{"made here, not yet there: waits", []fakeNode{n("n1", func(f *fakeNode) { f.past = did }), n("n2", keyless)}, "done\nact: make client key, write authorized keys later"},
		{"it could not be made: the others go on", []fakeNode{n("n1", func(f *fakeNode) { f.client, f.past = "", failed }), n("n2", nil)}, "failed: make client key: exit code 1: disk full\ndone"},
		{"host key changed", []fakeNode{n("n1", func(f *fakeNode) {
			f.host = keyB
			f.past = []engine.Outcome{{What: "make host key", OK: true}}
		}), n("n2", nil)}, "act: write known hosts\nact: write known hosts"},
		{"host key missing", []fakeNode{n("n1", func(f *fakeNode) { f.host = "" }), n("n2", nil)}, "act: make host key, write known hosts later, reload sshd\nact: write known hosts later"},

		{"unreachable: its entries stay", []fakeNode{n("n1", nil), {name: "n2", lost: true}}, "done\nfailed: no route"},
		{"gone from the inventory: its entries go", []fakeNode{n("n1", nil)}, "act: write authorized keys, write known hosts"},
		{"left out by --limit: its entries stay", []fakeNode{n("n1", limited)}, "done"},
		{"--limit, key missing", []fakeNode{n("n1", func(f *fakeNode) { f.client, f.limited = "", true })},
			"refused: keys of the cluster cannot be changed under --limit, for the hosts left out would not learn of it (it has no client key yet): run it without --limit"},
		{"--limit, one has no key: the other is as it was", []fakeNode{n("n1", func(f *fakeNode) { f.client, f.limited = "", true }), n("n2", limited)},
			"refused: keys of the cluster cannot be changed under --limit, for the hosts left out would not learn of it (it has no client key yet): run it without --limit\ndone"},
		{"--limit, entry missing", []fakeNode{n("n1", func(f *fakeNode) { f.authorized, f.limited = auth("n2", keyB), true })},
			"refused: keys of the cluster cannot be changed under --limit, for the hosts left out would not learn of it (its authorized keys would change): run it without --limit"},
		{"--limit, host entry missing", []fakeNode{n("n1", func(f *fakeNode) { f.known, f.limited = known("n2", keyB), true })},
			"refused: keys of the cluster cannot be changed under --limit, for the hosts left out would not learn of it (its known hosts would change): run it without --limit"},
		{"--limit, declared keys may change", []fakeNode{n("n1", func(f *fakeNode) { f.args.AuthorizedKeys, f.limited = []string{keyB + " me\n"}, true })}, "act: write authorized keys"},
		{"declared keys", []fakeNode{{name: "n1", host: keyA, args: sshdArgs{AuthorizedKeys: []string{keyB + " me\n"}}, authorized: keyB + " me\n"}}, "done"},
		{"no cluster_key any more", []fakeNode{{name: "n1", host: keyA, authorized: both}}, "act: write authorized keys"},
		{"another port's lines are another step's", []fakeNode{n("n1", func(f *fakeNode) { f.known = strings.ReplaceAll(bothKnown, "2224", "2300") + bothKnown }), n("n2", nil)}, "done\ndone"},

		{"single", []fakeNode{{name: "n1", args: sshdArgs{SkipSingle: true}, host: keyA}}, "skipped: one host in scope, and skip_single is set"},
		{"not single", []fakeNode{{name: "n1", args: sshdArgs{SkipSingle: true}, host: keyA}, {name: "n2", lost: true}}, "done\nfailed: no route"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var all []engine.On[sshdArgs]
			for _, f := range c.nodes {
				all = append(all, f.on())
			}
			var got []string
			for _, d := range decideSSHD(all) {
				got = append(got, saidShort(d))
			}
			if text := strings.Join(got, "\n"); text != c.want {
				t.Errorf("got\n%s\nwant\n%s", text, c.want)
			}
		})
	}
}

func TestSSHDWritesWhatItWillFind(t *testing.T) {
	person := "example.com ssh-rsa AAAA\n|1|hash|x= ssh-rsa BBBB\n# cvsplay:n9:2224\nlast ssh-rsa CCCC"
	f := fakeNode{name: "n1", args: sshdArgs{ClusterKey: true, Names: []string{"fe80::1", "n1.example"}}, host: keyA, client: keyA, known: person}
	on := f.on()
	on.Answers[sshdAuthorized] = pathAnswer(engine.Absent)
	act := decideSSHD([]engine.On[sshdArgs]{on})[0].(engine.Act)
	written := map[string]string{}
	for _, c := range act.Changes {
		w := c.Do[0].(engine.WriteFile)
		written[w.Path] = string(w.Content.Text)
	}
	if got, want := written["/root/.ssh/known_hosts"], person+"\n[fe80::1]:2224,[n1.example]:2224 "+keyA+" cvsplay:n1:2224\n"; got != want {
		t.Errorf("known_hosts\n%s\nwant\n%s", got, want)
	}
	if got, want := written["/etc/ssh/cvsplay/authorized_keys_2224"], authorizedHeader+keyA+" cvsplay:n1\n"; got != want {
		t.Errorf("authorized keys\n%s\nwant\n%s", got, want)
	}
	f.known, f.authorized = written["/root/.ssh/known_hosts"], keyA+" cvsplay:n1\n"
	if got := saidShort(decideSSHD([]engine.On[sshdArgs]{f.on()})[0]); got != "done" {
		t.Errorf("with what it wrote it decides %s", got)
	}
}

func TestSSHDResults(t *testing.T) {
	f := fakeNode{name: "n1", host: keyA}
	done := decideSSHD([]engine.On[sshdArgs]{f.on()})[0].(engine.Done)
	typed(t, sshdSchema, done.Results)
	want := map[string]any{"port": 2224, "config": "/etc/ssh/cvsplay/sshd_2224.conf", "address": "10.0.0.1", "host_key": keyA}
	if fmt.Sprint(map[string]any(done.Results)) != fmt.Sprint(want) {
		t.Errorf("results %v, want %v", done.Results, want)
	}
	f.args.Names = []string{"vpc1", "n1"}
	if got := decideSSHD([]engine.On[sshdArgs]{f.on()})[0].(engine.Done).Results["address"]; got != "vpc1" {
		t.Errorf("address %v", got)
	}
}

func TestSSHDConfigText(t *testing.T) {
	n := &sshdNode{files: filesOf(22)}
	n.Args = sshdArgs{Port: 22, Listen: "::1", PermitRoot: "no"}
	n.facts.RootLocked = true
	for _, want := range []string{"Port 22\n", "ListenAddress ::1\n", "PermitRootLogin no\n", "PasswordAuthentication no\n", "AuthorizedKeysFile /etc/ssh/cvsplay/authorized_keys_22 .ssh/authorized_keys\n"} {
		if !strings.Contains(n.configText(), want) {
			t.Errorf("no %q in\n%s", want, n.configText())
		}
	}
	if strings.Contains(n.configText(), "UsePAM") {
		t.Error("UsePAM where there is no PAM")
	}
	n.facts.PAM = true
	if !strings.Contains(n.configText(), "UsePAM yes\n") {
		t.Error("a locked root gets in by PAM only")
	}
}

func TestKernelAddr(t *testing.T) {
	for hex, want := range map[string]string{
		"0100007F": "127.0.0.1", "00000000": "0.0.0.0", "00000000000000000000000001000000": "::1", "0000000000000000FFFF00000100007F": "::ffff:127.0.0.1", "B80D0120000000000000000001000000": "2001:db8::1",
	} {
		if got, err := kernelAddr(hex); err != nil || got.String() != want {
			t.Errorf("%s is %v, want %s (%v)", hex, got, want, err)
		}
	}
	for _, bad := range []string{"", "01", "zz00007F"} {
		if _, err := kernelAddr(bad); err == nil {
			t.Errorf("%q is taken for an address", bad)
		}
	}
}

func TestSSHDComplains(t *testing.T) {
	complained(t, checkSSHD(engine.Inputs{"cluster_key": cty.True, "permit_root": cty.StringVal("no")}), "the nodes log in as root")
	complained(t, checkSSHD(engine.Inputs{"permit_root": cty.StringVal("no")}), "")
	list := func(s string) cty.Value { return cty.ListVal([]cty.Value{cty.StringVal(s)}) }
	for _, c := range []struct {
		name  string
		valid func(cty.Value) error
		value cty.Value
		ok    bool
	}{
		{"key", validKeys, list(keyA + " me@here\n"), true},
		{"key with options", validKeys, list(`from="10.0.0.0/8",no-pty ` + keyA), true},
		{"two keys in one", validKeys, list(keyA + "\n" + keyB), false},
		{"path of a key", validKeys, list("~/.ssh/id_ed25519.pub"), false},
		{"key with our mark", validKeys, list(keyA + " cvsplay:n1"), false},
		{"key not known yet", validKeys, cty.ListVal([]cty.Value{cty.UnknownVal(cty.String)}), true},
		{"name", validNames, list("n1.example.com"), true},
		{"address", validNames, list("fe80::1"), true},
		{"pattern", validNames, list("*.example.com"), false},
		{"two names in one", validNames, list("a,b"), false},
		{"port", validPort, cty.NumberIntVal(65535), true},
		{"port 0", validPort, cty.NumberIntVal(0), false},
		{"listen", validListen, cty.StringVal("::"), true},
		{"listen on a name", validListen, cty.StringVal("eth0"), false},
	} {
		if err := c.valid(c.value); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
