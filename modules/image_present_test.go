package modules

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
)

const (
	simImage   = "docker.io/rocm/cvs:7"
	simImageID = "aa11223344556677889900aabbccddeeff00112233445566778899aabbccddee"
)

func simArchive() *engine.ImageArchive {
	return &engine.ImageArchive{
		Blob: engine.Blob{Size: 1 << 30, Source: "cvs.tar"},
		Images: []engine.ArchivedImage{{
			Names: []string{"rocm/cvs:7"}, ID: "sha256:" + simImageID, Architecture: "amd64", Layers: []string{"sha256:l1"}, Created: "2026-01-01T00:00:00Z",
		}},
	}
}

// An imageSim is a host as far as copying images is concerned: what it has, what it can, and what goes wrong there.
type imageSim struct {
	name    string
	id      string // of the image under the name; "": absent
	without string // programs that it lacks
	gone    string // cannot be asked
	arch    string
	folder  bool
	serves  bool
	fails   map[string]string // change → its words
	firewal bool              // nobody reaches it
	dies    bool              // once it serves it is gone
	args    imageArgs
	past    []engine.Outcome
}

func (h *imageSim) on() engine.On[imageArgs] {
	seen := engine.Seen{Host: h.name, Address: "10.0.0." + h.name[1:], Run: "run-1", Past: h.past}
	if h.gone != "" {
		seen.Why = h.gone
		return engine.On[imageArgs]{Args: h.args, Seen: seen}
	}
	seen.Reach = engine.Reached
	facts := "runtime docker\narch " + h.arch + "\n"
	if h.id != "" {
		img, err := json.Marshal(map[string]any{"Id": "sha256:" + h.id, "RepoTags": []string{"rocm/cvs:7"}, "Architecture": "amd64", "Size": 4711})
		if err != nil {
			panic(err)
		}
		facts += "image " + string(img) + "\nimages 0\n"
	} else {
		facts += "Error: No such image: rocm/cvs:7\nimages 1\n"
	}
	seen.Answers = []engine.Answer{shellAnswer(0, facts+"\nend\n", "")}
	if h.args.Source != nil {
		tools := ""
		for _, p := range []string{"ssh", "ssh-keygen", "sshd", "timeout"} {
			path := "/usr/bin/" + p
			if slices.Contains(strings.Fields(h.without), p) {
				path = ""
			}
			tools += p + "=" + path + "\n"
		}
		if h.folder {
			ref, err := parseReference(simImage)
			if err != nil {
				panic(err)
			}
			tools += "folder=" + imageFolder("run-1", ref) + "\n"
		}
		seen.Answers = append(seen.Answers, shellAnswer(0, tools+"end\n", ""))
	}
	return engine.On[imageArgs]{Args: h.args, Seen: seen}
}

// An imageSims is a fleet, with what its hosts did.
type imageSims struct {
	hosts   []*imageSim
	uploads []string
	busiest int // most hosts that one host served at a time
}

// run goes through the rounds as the engine does, and gives a line for each round and each host's end.
func (f *imageSims) run(t *testing.T) (rounds []string, ends []string) {
	t.Helper()
	for range 16 {
		var all []engine.On[imageArgs]
		for _, h := range f.hosts {
			all = append(all, h.on())
		}
		decisions := decideImages(all)
		load := map[string]int{}
		said := map[string][]string{}
		var order []string
		for i, d := range decisions {
			act, ok := d.(engine.Act)
			h := f.hosts[i]
			if !ok || h.gone != "" {
				continue
			}
			var did []string
			for _, c := range act.Changes {
				if len(c.Do) > 0 {
					for _, o := range h.past {
						if o.What == c.What {
							t.Fatalf("%s: %q is decided again", h.name, c.What)
						}
					}
					did = append(did, c.What+f.from(c, load))
					f.carryOut(h, c)
				}
			}
			if did == nil {
				continue
			}
			line := strings.Join(did, ", ")
			if said[line] == nil {
				order = append(order, line)
			}
			said[line] = append(said[line], h.name)
		}
		for _, n := range load {
			f.busiest = max(f.busiest, n)
		}
		if order == nil {
			for _, d := range decisions {
				ends = append(ends, imageEnd(d))
			}
			return rounds, ends
		}
		var words []string
		for _, line := range order {
			words = append(words, engine.FoldHosts(said[line])+": "+line)
		}
		rounds = append(rounds, strings.Join(words, "; "))
	}
	t.Fatalf("no end:\n%s", strings.Join(rounds, "\n"))
	return nil, nil
}

func imageEnd(d engine.Decision) string {
	if done, ok := d.(engine.Done); ok {
		end := fmt.Sprint(done.Results["from"])
		for _, w := range done.Warn {
			end += " [" + w + "]"
		}
		return end
	}
	return decisionText(d)
}

func (f *imageSims) host(name string) *imageSim {
	for _, h := range f.hosts {
		if h.name == name {
			return h
		}
	}
	return nil
}

// from names the host of a copy, and counts whom it serves.
func (f *imageSims) from(c engine.Change, load map[string]int) string {
	if c.What != changeFetch && c.What != changeFetchAgain {
		return ""
	}
	from := c.Do[0].(engine.Shell).Args[1]
	load[from]++
	return " " + from
}

func (f *imageSims) carryOut(h *imageSim, c engine.Change) {
	words, failed := h.fails[c.What]
	o := engine.Outcome{What: c.What, OK: true}
	last := c.Do[len(c.Do)-1].(engine.Shell)
	out, code := "", 0
	switch c.What {
	case changeMakeKeys:
		h.folder = true
		out = "id ssh-ed25519 ID" + h.name + "\nhost ssh-ed25519 HOST" + h.name + "\naccount amd\n"
	case changeUpload:
		f.uploads = append(f.uploads, h.name)
		out = string(last.Stdin)
		if !failed {
			h.id = simImageID
		}
	case changeServe:
		if last.Args[5] != "" && h.id != simImageID {
			failed, words = true, "the image did not come"
		}
		h.serves = !failed
		if h.dies {
			h.gone = "lost"
		}
	case changeFetch, changeFetchAgain:
		from := f.host(last.Args[1])
		out = "from " + from.name + "\n"
		switch {
		case failed:
		case !from.serves || from.firewal || h.firewal || from.gone != "":
			failed, words = true, "ssh: connect to host "+last.Args[2]+" port 2226: Connection timed out"
		default:
			h.id = simImageID
		}
	case changeTidy:
		h.folder = false
	}
	if failed {
		code = 1
		o.OK = last.AnyCode
		o.Why = words
	}
	o.Answers = make([]engine.Answer, len(c.Do))
	for i := range o.Answers {
		o.Answers[i] = engine.Answer{State: engine.Given}
	}
	o.Answers[len(c.Do)-1] = shellAnswer(code, out, words)
	h.past = append(h.past, o)
}

// newImageSims makes n hosts, n1 …, that lack the image.
func newImageSims(n int, edit func(i int, h *imageSim)) *imageSims {
	f := &imageSims{}
	for i := 1; i <= n; i++ {
		h := &imageSim{name: fmt.Sprintf("n%d", i), arch: "x86_64", fails: map[string]string{},
			args: imageArgs{Image: "rocm/cvs:7", Pull: pullMissing, Source: simArchive(), Seeds: 2, Fanout: 4, Port: 2226}}
		edit(i, h)
		f.hosts = append(f.hosts, h)
	}
	return f
}

func TestImageIsCopied(t *testing.T) {
	const (
		keys, up, serve, tidy = changeMakeKeys, changeUpload, changeServe, changeTidy
		get, again            = changeFetch, changeFetchAgain
	)
	seeds := func(n int) func(int, *imageSim) { return func(_ int, h *imageSim) { h.args.Seeds = n } }
	for _, c := range []struct {
		name   string
		n      int
		edit   func(i int, h *imageSim)
		rounds string
		ends   string
	}{
		{"all have it", 2, func(_ int, h *imageSim) { h.id = simImageID }, "", "present\npresent"},
		{"one host", 1, seeds(2), "n1: " + up, "controller"},
		{"as many as seeds: nothing is served", 2, seeds(2), "n[1-2]: " + up, "controller\ncontroller"},
		{"one host without sshd", 1, func(_ int, h *imageSim) { h.without = "sshd ssh" }, "n1: " + up, "controller"},
		{"an older one is replaced", 1, func(_ int, h *imageSim) { h.id = strings.Repeat("b", 64) }, "n1: " + up, "controller"},
		{
			"one seed serves two", 3, seeds(1),
			"n1: " + keys + ", " + up + "; n[2-3]: " + keys + "\nn1: " + serve + "\nn[2-3]: " + get + " n1\nn[1-3]: " + tidy,
			"controller\nn1\nn1",
		},
		{
			"a host that has it serves, and nothing leaves the controller", 2, func(i int, h *imageSim) {
				if i == 2 {
					h.id = simImageID
				}
			}, "n[1-2]: " + keys + "\nn2: " + serve + "\nn1: " + get + " n2\nn[1-2]: " + tidy, "n2\npresent",
		},
		{
			"a host that is gone holds nobody up", 3, func(i int, h *imageSim) {
				h.args.Seeds = 1
				if i == 1 {
					h.gone = "no route"
				}
			}, "n2: " + keys + ", " + up + "; n3: " + keys + "\nn2: " + serve + "\nn3: " + get + " n2\nn[2-3]: " + tidy, "failed: no route\ncontroller\nn2",
		},
		{
			"no ssh on one", 3, func(i int, h *imageSim) {
				h.args.Seeds = 1
				if i == 3 {
					h.without = "ssh"
				}
			}, "n[1-2]: " + keys + "; n3: " + keys + ", " + up + "\nn3: " + serve + "\nn[1-2]: " + get + " n3\nn[1-3]: " + tidy,
			"n3\nn3\ncontroller [docker.io/rocm/cvs:7 came from the controller and not from another host: no ssh on this host]",
		},
		{
			"no sshd anywhere", 3, func(_ int, h *imageSim) { h.args.Seeds, h.without = 1, "sshd" }, "n[1-3]: " + up,
			strings.TrimSpace(strings.Repeat("controller [docker.io/rocm/cvs:7 came from the controller and not from another host: no host could serve it: that takes sshd, ssh-keygen and timeout]\n", 3)),
		},
		{
			"the seed fails: another is one", 3, func(i int, h *imageSim) {
				h.args.Seeds = 1
				if i == 1 {
					h.fails[up] = "no space left on device"
				}
			}, "n1: " + keys + ", " + up + "; n[2-3]: " + keys + "\nn1: " + tidy + "; n2: " + up + "\nn2: " + serve + "\nn3: " + get + " n2\nn[2-3]: " + tidy,
			"failed: copy image from controller: no space left on device\ncontroller\nn2",
		},
		{
			"a firewall between all hosts: from the controller, with the reason", 3, func(_ int, h *imageSim) { h.args.Seeds, h.firewal = 1, true },
			"n1: " + keys + ", " + up + "; n[2-3]: " + keys + "\nn1: " + serve + "\nn[2-3]: " + get + " n1\nn[2-3]: " + up + "\nn[1-3]: " + tidy, "",
		},
		{
			"one host behind a firewall: another holder is tried, then the controller", 4, func(i int, h *imageSim) {
				h.args.Seeds, h.args.Fanout, h.firewal = 1, 4, i == 3
			},
			"n1: " + keys + ", " + up + "; n[2-4]: " + keys + "\nn1: " + serve + "\nn[2-4]: " + get + " n1\nn2: " + serve + "\nn3: " + again + " n2\nn3: " + up + "\nn[1-4]: " + tidy, "",
		},
		{
			"serving fails on one seed: the other serves all", 4, func(i int, h *imageSim) {
				if i == 1 {
					h.fails[serve] = "Bind to port 2226 on 0.0.0.0 failed: Address already in use."
				}
			},
			"n[1-2]: " + keys + ", " + up + "; n[3-4]: " + keys + "\nn1: " + serve + "\nn2: " + serve + "\nn[3-4]: " + get + " n2\nn[1-4]: " + tidy,
			"controller [docker.io/rocm/cvs:7 could not be served to other hosts from here: Bind to port 2226 on 0.0.0.0 failed: Address already in use.]\ncontroller\nn2\nn2",
		},
		{
			"a seed is lost while it serves: the other serves all", 4, func(i int, h *imageSim) { h.dies = i == 1 },
			"n[1-2]: " + keys + ", " + up + "; n[3-4]: " + keys + "\nn1: " + serve + "\nn2: " + serve + "\nn[3-4]: " + get + " n2\nn[2-4]: " + tidy, "",
		},
		{
			"serving fails everywhere", 4, func(_ int, h *imageSim) { h.fails[serve] = "in use" },
			"n[1-2]: " + keys + ", " + up + "; n[3-4]: " + keys + "\nn1: " + serve + "\nn2: " + serve + "\nn[3-4]: " + up + "\nn[1-4]: " + tidy, "",
		},
		{
			"it cannot be brought to any host: three are enough", 9, func(_ int, h *imageSim) { h.fails[up] = "no space left on device" },
			"n[1-2]: " + keys + ", " + up + "; n[3-9]: " + keys + "\nn[1-2]: " + tidy + "; n[3-4]: " + up + "\nn[3-9]: " + tidy, "",
		},
		{
			"keys cannot be made on one", 3, func(i int, h *imageSim) {
				h.args.Seeds = 1
				if i == 3 {
					h.fails[keys] = "read-only file system"
				}
			},
			"n1: " + keys + ", " + up + "; n[2-3]: " + keys + "\nn1: " + serve + "; n3: " + up + "\nn2: " + get + " n1\nn[1-3]: " + tidy, "",
		},
		{"another architecture", 1, func(_ int, h *imageSim) { h.arch = "aarch64" }, "", "failed: cvs.tar holds docker.io/rocm/cvs:7 for amd64, and the host is arm64\n  save one for each architecture, and choose it with when or by a variable of the host"},
		{"not in the archive", 1, func(_ int, h *imageSim) { h.args.Image = "rocm/cvs:8" }, "", "failed: cvs.tar does not hold docker.io/rocm/cvs:8\n  it holds rocm/cvs:7"},
		{"with a digest", 1, func(_ int, h *imageSim) { h.args.Image = "rocm/cvs:7@" + digestA }, "", "failed: a loaded image has no registry digest: whether it is docker.io/rocm/cvs:7@" + digestA[:19] + " could not be told\n  give the image without a digest"},
		{"never loaded as what it is", 1, func(_ int, h *imageSim) { h.fails[up] = "" }, "n1: " + up, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newImageSims(c.n, c.edit)
			rounds, ends := f.run(t)
			if got := strings.Join(rounds, "\n"); got != c.rounds && !(c.ends == "" && strings.HasPrefix(got, c.rounds)) {
				t.Errorf("rounds\n%s\nwant\n%s", got, c.rounds)
			}
			if got := strings.Join(ends, "\n"); got != c.ends && c.ends != "" {
				t.Errorf("ends\n%s\nwant\n%s", got, c.ends)
			}
			for _, h := range f.hosts {
				if h.folder && h.gone == "" {
					t.Errorf("%s keeps its folder", h.name)
				}
			}
		})
	}
}

// What check mode tells is what the run does: the first decision names every change of every host.
func TestImageCopyIsForeseen(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 40, 333} {
		f := newImageSims(n, func(i int, h *imageSim) {
			if i%5 == 4 {
				h.id = simImageID
			}
			if n == 40 {
				h.id, h.args.Seeds, h.args.Fanout = "", 1, 1
			}
		})
		var all []engine.On[imageArgs]
		for _, h := range f.hosts {
			all = append(all, h.on())
		}
		foreseen := map[string]string{}
		for i, d := range decideImages(all) {
			if act, ok := d.(engine.Act); ok {
				var whats []string
				for _, c := range act.Changes {
					whats = append(whats, c.What)
				}
				foreseen[f.hosts[i].name] = strings.Join(whats, ", ")
			}
		}
		f.run(t)
		for _, h := range f.hosts {
			var did []string
			for _, o := range h.past {
				did = append(did, o.What)
			}
			if got := strings.Join(did, ", "); got != foreseen[h.name] {
				t.Errorf("%d hosts: %s did %s, and check foresaw %s", n, h.name, got, foreseen[h.name])
			}
		}
	}
}

// However many hosts lack it, the archive leaves the controller as often as there are seeds, no host serves more than it may, and the rounds
// stay within what the engine allows.
func TestImageCopyScales(t *testing.T) {
	for _, c := range []struct{ n, seeds, fanout, busiest, rounds int }{
		{64, 2, 4, 4, 6}, {300, 2, 4, 4, 7}, {1000, 2, 4, 4, 7}, {1000, 1, 1, 3, 8}, {128, 2, 1, 1, 9}, {2000, 1, 1, 3, 9},
	} {
		f := newImageSims(c.n, func(_ int, h *imageSim) { h.args.Seeds, h.args.Fanout = c.seeds, c.fanout })
		rounds, ends := f.run(t)
		if len(f.uploads) != c.seeds || f.busiest > c.busiest || len(rounds) > c.rounds {
			t.Errorf("%+v: %d uploads, at most %d at a time, %d rounds\n%s", c, len(f.uploads), f.busiest, len(rounds), strings.Join(rounds, "\n"))
		}
		for i, e := range ends {
			if strings.ContainsAny(e, "[:") {
				t.Errorf("%s: %s", f.hosts[i].name, e)
			}
		}
	}
}

// Two thirds of the fleet cannot serve, or fail while they do: all others get it all the same.
func TestImageCopyGoesRoundFailures(t *testing.T) {
	f := newImageSims(90, func(i int, h *imageSim) {
		switch i % 3 {
		case 0:
			h.without = "sshd"
		case 1:
			h.fails[changeServe] = "Address already in use."
		}
	})
	_, ends := f.run(t)
	for i, h := range f.hosts {
		if h.id != simImageID {
			t.Errorf("%s: %s", h.name, ends[i])
		}
	}
	if len(f.uploads) != 2 {
		t.Errorf("uploads: %v", f.uploads)
	}
}

func TestImageIsBrought(t *testing.T) {
	other := strings.Repeat("c", 64)
	for _, c := range []struct {
		name string
		edit func(a *imageArgs)
		id   string
		past string
		want string
	}{
		{"there", func(*imageArgs) {}, other, "", "present"},
		{"missing", func(*imageArgs) {}, "", "", "act: pull image"},
		{"pulled", func(*imageArgs) {}, other, changePull, "registry"},
		{"pulled, and not there", func(*imageArgs) {}, "", changePull, "failed: docker.io/rocm/cvs:7 was pulled, and is not there"},
		{"missing, and never pulled", func(a *imageArgs) { a.Pull = pullNever }, "", "", `failed: docker.io/rocm/cvs:7 is not on the host, and pull = "never"`},
		{"always", func(a *imageArgs) { a.Pull = pullAlways }, other, "", "act: pull image"},
		{"always, done", func(a *imageArgs) { a.Pull = pullAlways }, other, changePull, "registry"},
		{"image_tar", func(a *imageArgs) { a.ImageTar = "/x.tar" }, "", "", "act: load image"},
		{"image_tar, loaded", func(a *imageArgs) { a.ImageTar = "/x.tar" }, other, changeLoad, "host file"},
		{"image_tar, never pulled", func(a *imageArgs) { a.ImageTar, a.Pull = "/x.tar", pullNever }, "", "", "act: load image"},
		{"image_tar without it", func(a *imageArgs) { a.ImageTar = "/x.tar" }, "", changeLoad, "failed: /x.tar was loaded, but it does not hold docker.io/rocm/cvs:7"},
	} {
		f := newImageSims(1, func(_ int, h *imageSim) {
			h.args.Source, h.id = nil, c.id
			c.edit(&h.args)
			if c.past != "" {
				h.past = []engine.Outcome{{What: c.past, OK: true, Answers: []engine.Answer{{State: engine.Given}}}}
			}
		})
		d := decideImages([]engine.On[imageArgs]{f.hosts[0].on()})[0]
		if got := imageEnd(d); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestImageDiffersBetweenHosts(t *testing.T) {
	f := newImageSims(3, func(i int, h *imageSim) {
		h.args.Source, h.id = nil, strings.Repeat("c", 64)
		if i == 2 {
			h.id = strings.Repeat("d", 64)
		}
	})
	_, ends := f.run(t)
	for _, e := range ends {
		if !strings.HasPrefix(e, "refused: docker.io/rocm/cvs:7 is not the same image on all hosts:\n  n2: dddddddddddd") {
			t.Errorf("got %s", e)
		}
	}
}

// A store that counts by manifests knows the image by another id than the archive's configuration has.
func TestImageIsTheArchives(t *testing.T) {
	want := simArchive().Images[0]
	want.Manifests = []string{"sha256:" + strings.Repeat("e", 64)}
	layers := imageInspect{}.RootFS
	layers.Layers = []string{"sha256:l1"}
	byManifest := func(edit func(*imageInspect)) *imageInspect {
		id := strings.Repeat("f", 64)
		img := &imageInspect{ID: id, RepoDigests: []string{"rocm/cvs@sha256:" + id}, RootFS: layers, Created: want.Created, Architecture: "amd64"}
		edit(img)
		return img
	}
	for _, c := range []struct {
		name string
		img  *imageInspect
		want bool
	}{
		{"absent", nil, false},
		{"by configuration", &imageInspect{ID: simImageID}, true},
		{"by manifest of the archive", &imageInspect{ID: strings.Repeat("e", 64)}, true},
		{"another", &imageInspect{ID: strings.Repeat("d", 64), RootFS: layers, Created: want.Created, Architecture: "amd64"}, false},
		{"by a manifest of the store's own, with the same content", byManifest(func(*imageInspect) {}), true},
		{"by a manifest, made at another time", byManifest(func(i *imageInspect) { i.Created = "2026-02-02T00:00:00Z" }), false},
		{"by a manifest, other layers", byManifest(func(i *imageInspect) { i.RootFS.Layers = []string{"sha256:l2"} }), false},
	} {
		h := &imageHost{image: c.img, archived: want}
		if h.has() != c.want {
			t.Errorf("%s: %v", c.name, h.has())
		}
	}
}

// Only the hosts that lack the image are let in, each by its own key, and none by another way.
func TestImageIsServedToThoseWhoLackIt(t *testing.T) {
	f := newImageSims(4, func(_ int, h *imageSim) { h.args.Seeds = 1 })
	var served engine.Shell
	for range 3 {
		var all []engine.On[imageArgs]
		for _, h := range f.hosts {
			all = append(all, h.on())
		}
		for i, d := range decideImages(all) {
			act, ok := d.(engine.Act)
			if !ok {
				continue
			}
			for _, c := range act.Changes {
				if len(c.Do) == 0 {
					continue
				}
				f.carryOut(f.hosts[i], c)
				if sh, ok := c.Do[0].(engine.Shell); ok && c.What == changeServe {
					served = sh
				}
			}
		}
		if served.Text != "" {
			break
		}
	}
	want := "restrict ssh-ed25519 IDn2 n2\nrestrict ssh-ed25519 IDn3 n3\nrestrict ssh-ed25519 IDn4 n4\n"
	if string(served.Stdin) != want {
		t.Errorf("authorized keys\n%s\nwant\n%s", served.Stdin, want)
	}
	for _, line := range []string{"ForceCommand /bin/sh $dir/send", "DisableForwarding yes", "PermitTTY no", "PasswordAuthentication no", "AllowUsers $(id -un)"} {
		if !strings.Contains(served.Text, line+"\n") {
			t.Errorf("no %q in the configuration", line)
		}
	}
}

func TestImageCopyFacts(t *testing.T) {
	const whole = "ssh=/usr/bin/ssh\nssh-keygen=\nsshd=/usr/sbin/sshd\ntimeout=/usr/bin/timeout\n"
	for text, want := range map[string]string{
		whole + "end\n": "", whole: "ended", "Welcome!\n" + whole + "end\n": "cannot understand \"Welcome!\"", "ssh=/usr/bin/ssh\nend\n": "ended",
	} {
		err := (&imageHost{}).readCopyFacts(shellAnswer(0, text, ""))
		if (err == nil) != (want == "") || err != nil && want != "ended" && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := readFolders(shellAnswer(0, "folder=/etc\nend\n", "")); err == nil {
		t.Error("a folder that is none of ours is taken for one")
	}
}

func TestImagePresentComplains(t *testing.T) {
	s := cty.StringVal
	complained(t, checkImagePresent(engine.Inputs{"image": s("a:1"), "source": s("x"), "image_tar": s("/x")}), "give either image_tar")
	complained(t, checkImagePresent(engine.Inputs{"image": s("a:1"), "source": s("x"), "pull": s("always")}), "nothing is pulled")
	complained(t, checkImagePresent(engine.Inputs{"image": s("a:1@" + digestA), "source": s("x")}), "no registry digest")
	complained(t, checkImagePresent(engine.Inputs{"image": s("a:1"), "source": s("x"), "pull": s("never")}), "")
	for port, ok := range map[int64]bool{1024: true, 65535: true, 22: false, 70000: false} {
		if err := validHighPort(cty.NumberIntVal(port)); (err == nil) != ok {
			t.Errorf("port %d: %v", port, err)
		}
	}
	for run, ok := range map[string]bool{"20261122t035604-abcdef": true, "": false, "../x": false, "a*": false} {
		if err := validRunID(s(run)); (err == nil) != ok {
			t.Errorf("run %q: %v", run, err)
		}
	}
}
