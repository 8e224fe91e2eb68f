package modules

import (
	"fmt"
	"slices"
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
	known      string // our file of host keys
	persons    string // root's own known_hosts
	args       sshdArgs
	past       []engine.Outcome
	lost       bool
	limited    bool
	gone       []string
}

func (f fakeNode) on() engine.On[sshdArgs] {
	if f.lost {
		return engine.On[sshdArgs]{Seen: engine.Seen{Host: f.name, Why: "no route"}}
	}
	if f.args.Port == 0 {
		f.args.Port = 2224
	}
	seen := engine.Seen{Host: f.name, Address: "10.0.0." + f.name[1:], Reach: engine.Reached, Past: f.past, Limited: f.limited, Gone: f.gone}
	files := filesOf(f.args.Port)
	file := func(text, mode string) engine.Answer {
		if text == "" {
			return pathAnswer(engine.Absent)
		}
		b := engine.TextBlob([]byte(text), engine.Public)
		return given(engine.PathInfo{Kind: engine.Regular, Mode: mode, UID: "0", GID: "0", Owner: "root", Group: "root", SHA256: b.SHA256, Size: b.Size})
	}
	read := func(text string) engine.Answer {
		a := file(text, "0644")
		a.Path.Content, a.Path.Read = []byte(text), true
		return a
	}
	folder := func(mode string) engine.Answer {
		return given(engine.PathInfo{Kind: engine.Directory, Mode: mode, UID: "0", GID: "0", Owner: "root", Group: "root"})
	}
	config := (&sshdNode{On: engine.On[sshdArgs]{Args: f.args}, files: files}).configText()
	sum := engine.TextBlob([]byte(config), engine.Public).SHA256
	facts := "uid=0\nsshd=/usr/sbin/sshd\nkeygen=/usr/bin/ssh-keygen\nssh=/usr/bin/ssh\nloaded=" + sum + " " + f.host + "\nlisten=00000000 11\nheld=11 77 ours\nend\n"
	if strings.Contains(f.persons, " cvsplay:") {
		facts = strings.Replace(facts, "end\n", "old=yes\nend\n", 1)
	}
	if strings.HasPrefix(f.facts, "\n") {
		facts = strings.Replace(facts, "end\n", f.facts[1:]+"\nend\n", 1)
	} else if f.facts != "" {
		facts = f.facts
	}
	seen.Answers = []engine.Answer{
		shellAnswer(0, facts, ""), file(config, "0644"), file(authorizedHeader+f.authorized, "0600"), folder("0755"), folder("0755"), read(f.host),
	}
	if f.args.ClusterKey || f.args.knowsHosts() {
		seen.Answers = append(seen.Answers, folder("0700"), file(f.known, "0600"), file(f.persons, "0644"))
	}
	if f.args.ClusterKey {
		private := ""
		if f.client != "" {
			private = "private"
		}
		seen.Answers = append(seen.Answers, file(private, "0600"), read(f.client))
	}
	if len(seen.Answers) != len(f.args.Ask()) {
		panic("answers and questions differ")
	}
	return engine.On[sshdArgs]{Args: f.args, Seen: seen}
}

// decideNodes decides over nodes that answer what more they are asked. It tells how many files were read.
func decideNodes(nodes []fakeNode) (out []engine.Decision, reads int) {
	all := make([]engine.On[sshdArgs], len(nodes))
	for i, f := range nodes {
		all[i] = f.on()
	}
	for {
		out = decideSSHD(all)
		before := reads
		for i, d := range out {
			more, _ := d.(engine.More)
			for _, q := range more.Ask {
				all[i].Answers = append(all[i].Answers, nodes[i].file(q.(engine.Path)))
				reads++
			}
		}
		if reads == before {
			return out, reads
		}
	}
}

// file is what one more look at a file gives.
func (f fakeNode) file(q engine.Path) engine.Answer {
	text := map[string]string{rootKnownHosts: f.known, personsKnownHosts: f.persons}[q.Path]
	if text == "" {
		text = authorizedHeader + f.authorized
	}
	b := engine.TextBlob([]byte(text), engine.Public)
	info := engine.PathInfo{Kind: engine.Regular, Mode: "0600", UID: "0", GID: "0", SHA256: b.SHA256, Size: b.Size}
	if b.Size <= q.Read {
		info.Content, info.Read = b.Text, true
	}
	return given(info)
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
		{"lost in an earlier play: its entries stay", []fakeNode{n("n1", func(f *fakeNode) { f.gone = []string{"n2"} })}, "done"},
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
			decisions, _ := decideNodes(c.nodes)
			var got []string
			for _, d := range decisions {
				got = append(got, saidShort(d))
			}
			if text := strings.Join(got, "\n"); text != c.want {
				t.Errorf("got\n%s\nwant\n%s", text, c.want)
			}
		})
	}
}

func TestSSHDWritesWhatItWillFind(t *testing.T) {
	const others = "example.com ssh-rsa AAAA\n|1|hash|x= ssh-rsa BBBB\n# cvsplay:n9:2224\nlast ssh-rsa CCCC"
	const mine = "[fe80::1]:2224,[n1.example]:2224 " + keyA + " cvsplay:n1:2224\n"
	const older = "[gone]:2224 " + keyB + " cvsplay:gone:2224\n[n7]:2300 " + keyB + " cvsplay:n7:2300\r\n"
	f := fakeNode{name: "n1", args: sshdArgs{ClusterKey: true, Names: []string{"fe80::1", "n1.example"}}, host: keyA, client: keyA, known: others, persons: "a b c\n" + older + "last"}
	f.authorized = "\n" // other than it has to be
	decisions, _ := decideNodes([]fakeNode{f})
	written := map[string]string{}
	for _, c := range decisions[0].(engine.Act).Changes {
		w := c.Do[0].(engine.WriteFile)
		written[w.Path] = string(w.Content.Text)
	}
	for path, want := range map[string]string{
		rootKnownHosts:                          others + "\n" + mine,
		personsKnownHosts:                       "a b c\n[n7]:2300 " + keyB + " cvsplay:n7:2300\r\nlast\n",
		"/etc/ssh/cvsplay/authorized_keys_2224": authorizedHeader + keyA + " cvsplay:n1\n",
	} {
		if written[path] != want {
			t.Errorf("%s\n%s\nwant\n%s", path, written[path], want)
		}
	}
	f.known, f.persons, f.authorized = written[rootKnownHosts], written[personsKnownHosts], keyA+" cvsplay:n1\n"
	if decisions, _ := decideNodes([]fakeNode{f}); saidShort(decisions[0]) != "done" {
		t.Errorf("with what it wrote it decides %s", saidShort(decisions[0]))
	}
}

// What does not decide is not read, and what is the same on many nodes is read on one of them.
func TestSSHDReads(t *testing.T) {
	const n = 50
	fleet := func(change func(i int, f *fakeNode)) []fakeNode {
		nodes := make([]fakeNode, n)
		auth, known := "", ""
		for i := range nodes {
			name := fmt.Sprintf("n%02d", i)
			auth += keyA + " cvsplay:" + name + "\n"
			known += fmt.Sprintf("[%[1]s]:2224,[10.0.0.%[2]s]:2224 %[3]s cvsplay:%[1]s:2224\n", name, name[1:], keyA)
			nodes[i] = fakeNode{name: name, args: sshdArgs{ClusterKey: true}, host: keyA, client: keyA}
		}
		for i := range nodes {
			nodes[i].authorized, nodes[i].known = auth, known
			change(i, &nodes[i])
		}
		return nodes
	}
	const other = "[x]:2300 " + keyB + " cvsplay:x:2300\n"
	for _, c := range []struct {
		name   string
		change func(int, *fakeNode)
		reads  int
		want   string // of the first node
	}{
		{"all as wanted", func(int, *fakeNode) {}, 0, "done"},
		{"a key is new", func(i int, f *fakeNode) {
			if i == 1 {
				f.host, f.client = keyB, keyB
			}
		}, 1, "act: write authorized keys, write known hosts"},
		{"the first run", func(_ int, f *fakeNode) { f.authorized, f.known = "", "" }, 0, "act: write authorized keys, write known hosts"},
		{"another step's lines", func(_ int, f *fakeNode) { f.known = other + f.known }, 1, "done"},
		{"a host cannot be asked", func(i int, f *fakeNode) { f.lost = i == 1 }, 2, "done"},
		{"lines of an earlier version, on each node beside others", func(i int, f *fakeNode) {
			f.persons, f.known = fmt.Sprintf("h%d k\n", i)+f.known, ""
		}, n, "act: write known hosts, take host keys out of known_hosts"},
		{"lines of an earlier version, moved", func(i int, f *fakeNode) { f.persons = fmt.Sprintf("h%d k\n", i) }, 0, "done"},
		{"lines of an earlier version, of another step", func(_ int, f *fakeNode) { f.persons = other }, 1, "done"},
		{"--limit: lines of an earlier version are no new keys", func(_ int, f *fakeNode) { f.persons, f.known, f.limited = f.known, "", true }, 1,
			"act: write known hosts, take host keys out of known_hosts"},
	} {
		t.Run(c.name, func(t *testing.T) {
			decisions, reads := decideNodes(fleet(c.change))
			if got := saidShort(decisions[0]); reads != c.reads || got != c.want {
				t.Errorf("%d files read, want %d; %s, want %s", reads, c.reads, got, c.want)
			}
		})
	}
}

// Entries of a host that cannot be asked move with the others, and what its file says now counts more than what an older one did.
func TestSSHDMovesWhatStays(t *testing.T) {
	line := func(name, key string) string { return fmt.Sprintf("[%s]:2224 %s cvsplay:%s:2224\n", name, key, name) }
	nodes := []fakeNode{
		{name: "n1", args: sshdArgs{KnownHosts: new(true), Names: []string{"n1"}}, host: keyA, known: line("n3", keyB), persons: line("n1", keyA) + line("n2", keyB) + line("n3", keyA) + line("gone", keyA)},
		{name: "n2", lost: true}, {name: "n3", lost: true},
	}
	decisions, _ := decideNodes(nodes)
	act, ok := decisions[0].(engine.Act)
	if !ok {
		t.Fatal(saidShort(decisions[0]))
	}
	if got, want := string(act.Changes[0].Do[0].(engine.WriteFile).Content.Text), line("n1", keyA)+line("n2", keyB)+line("n3", keyB); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := string(act.Changes[1].Do[0].(engine.WriteFile).Content.Text); got != "" {
		t.Errorf("left\n%s", got)
	}
}

// A file that cannot be read stops its node; the others are decided without it.
func TestSSHDUnreadable(t *testing.T) {
	on := fakeNode{name: "n1", args: sshdArgs{KnownHosts: new(true)}, host: keyA, known: "x"}.on()
	other := fakeNode{name: "n2", args: sshdArgs{KnownHosts: new(true)}, host: keyB}.on()
	all := []engine.On[sshdArgs]{on, other}
	if got := said(decideSSHD(all)[0]); got != "more 1" {
		t.Fatal(got)
	}
	sum := on.Answers[sshdKnown].Path.SHA256
	all[0].Answers = append(slices.Clone(on.Answers), given(engine.PathInfo{Kind: engine.Regular, SHA256: sum, Size: 1 << 40}))
	out := decideSSHD(all)
	if got := said(out[0]) + "; " + saidShort(out[1]); got != "failed: /root/.ssh/known_hosts2 cannot be read; it has 1 bytes; act: write known hosts" {
		t.Error(got)
	}
	all[0].Answers = slices.Clone(on.Answers)
	for i := range sshdFurther + 1 {
		all[0].Answers = append(all[0].Answers, given(engine.PathInfo{Kind: engine.Regular, SHA256: fmt.Sprint(i), Read: true}))
	}
	if got := said(decideSSHD(all)[0]); got != "failed: /root/.ssh/known_hosts2 changes while it is looked at" {
		t.Error(got)
	}
}

// A configuration that keeps ssh from reading our file is told.
func TestSSHDWarns(t *testing.T) {
	for reads, want := range map[string]string{
		"/root/.ssh/known_hosts /root/.ssh/known_hosts2": "done",
		"~/.ssh/known_hosts2":                            "done",
		"/dev/null":                                      "done root's ssh takes host keys from /dev/null alone (UserKnownHostsFile in its configuration), and those of the cluster are in /root/.ssh/known_hosts2: name that file there too",
	} {
		f := fakeNode{name: "n1", args: sshdArgs{KnownHosts: new(true)}, host: keyA, facts: "\nreads=" + reads, known: "[n1]:2224,[10.0.0.1]:2224 " + keyA + " cvsplay:n1:2224\n"}
		if decisions, _ := decideNodes([]fakeNode{f}); said(decisions[0]) != want {
			t.Errorf("%s: %s", reads, said(decisions[0]))
		}
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

// What a decision over a settled fleet costs grows with the fleet, not with its square.
func BenchmarkSSHDDecides(b *testing.B) {
	for _, n := range []int{100, 300, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			nodes, auth, known := make([]engine.On[sshdArgs], n), "", ""
			for i := range n {
				auth += fmt.Sprintf("%s cvsplay:n%03d\n", keyA, i)
				known += fmt.Sprintf("[n%03[1]d]:2224,[10.0.0.%03[1]d]:2224 %[2]s cvsplay:n%03[1]d:2224\n", i, keyA)
			}
			for i := range n {
				nodes[i] = fakeNode{name: fmt.Sprintf("n%03d", i), args: sshdArgs{ClusterKey: true}, host: keyA, client: keyA, authorized: auth, known: known}.on()
			}
			b.ResetTimer()
			for range b.N {
				if got := said(decideSSHD(nodes)[n-1]); got != "done" {
					b.Fatal(got)
				}
			}
		})
	}
}
