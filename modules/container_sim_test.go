package modules

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cvsplay/engine"
)

// simHost is a host whose runtime is a few fields: enough to answer the question and to carry out the changes, by their names.
type simHost struct {
	name    string
	gone    string // cannot be asked, for this reason
	down    string // the runtime does not answer
	box     *containerInspect
	fresh   *containerInspect
	local   string // id of the image that the declared reference names here; "": absent
	arch    string
	digest  string // under which the image was pulled
	pulls   string // id of the image that a pull brings
	health  string // what the health check will say
	devices []string

	fails   map[string]string  // change → its words: it exits with 7
	loses   map[string]string  // change → "done" or "not": the connection is lost once, and the change came so far
	exits   bool               // a container that is started exits at once
	revived string             // a run that shows signs of life just before its containers are removed
	others  []containerInspect // of ours, under other names
	look    lifeFacts
	dies    string // after this change the host cannot be asked any more

	past []engine.Outcome
	args containerArgs
}

const simRun = "run-1"

// newSim reads a host's state: STATE [KEY=VALUE…]. STATE is running, exited, paused, created, absent, unknown or down.
func newSim(t *testing.T, name, spec string, args containerArgs) *simHost {
	t.Helper()
	f := strings.Fields(spec)
	h := &simHost{name: name, local: "11", pulls: "11", arch: "amd64", args: args, fails: map[string]string{}, loses: map[string]string{}}
	h.look = lifeFacts{boot: "boot-2", pidns: "pid:[1]", all: true, runs: []string{simRun}}
	_, h.health, _ = strings.Cut(spec, "health=")
	switch f[0] {
	case "absent":
	case "unknown":
		h.gone = "no route to host"
	case "down":
		h.down = "Cannot connect to the Docker daemon"
	default:
		h.box = h.container(args.Name, f[0], "old-run")
	}
	for _, kv := range f[1:] {
		k, v, _ := strings.Cut(kv, "=")
		v = strings.ReplaceAll(v, "+", " ")
		switch k {
		case "foreign":
			h.box.Config.Labels = map[string]string{}
		case "img":
			h.box.Image = v
		case "env":
			h.box.Config.Env = []string{v}
			delete(h.box.Config.Labels, labelSpec)
		case "local":
			h.local = strings.Trim(v, "-")
		case "pulls":
			h.pulls = v
		case "digest":
			h.digest = strings.NewReplacer("A", digestA, "B", digestB).Replace(v)
			if h.box != nil {
				h.box.Config.Labels[labelDigest] = h.digest
			}
		case "arch":
			h.arch = v
		case "health": // taken above
		case "left":
			h.fresh = h.container(args.provisional(), "running", "dead-run")
			if run, at, ok := strings.Cut(v, ":"); ok {
				h.fresh = h.container(args.provisional(), "running", run)
				h.sign(h.fresh, at)
			}
			if v == "foreign" {
				h.fresh.Config.Labels = nil
			}
		case "fails":
			h.fails[v] = "it broke"
		case "loses":
			i := strings.LastIndexByte(v, ':')
			h.loses[v[:i]] = v[i+1:]
		case "exits":
			h.exits = true
		case "of":
			h.box.Config.Labels[labelRun] = v
		case "at":
			h.sign(h.box, v)
		case "other": // NAME:RUN[:WHERE]
			name, v, _ := strings.Cut(v, ":")
			run, at, _ := strings.Cut(v, ":")
			c := h.container(name, "running", run)
			h.sign(c, at)
			h.others = append(h.others, *c)
		case "persistent":
			c := h.container(v, "running", "old-run")
			h.sign(c, "here")
			c.Config.Labels[labelLifetime] = persistent
			h.others = append(h.others, *c)
		case "kept":
			h.others[len(h.others)-1].Config.Labels[labelKept] = "true"
		case "runs":
			h.look.runs = append(h.look.runs, v)
		case "hides":
			h.look.all = false
		case "blind":
			h.look.runs = nil
		case "revived":
			h.revived = v
		case "dies":
			h.dies = v
		case "device":
			h.devices = append(h.devices, v)
		default:
			t.Fatalf("no such word: %s", kv)
		}
	}
	return h
}

func (h *simHost) container(name, status, run string) *containerInspect {
	c := &containerInspect{ID: "id-" + name + "-" + run, Name: name, Image: h.local}
	c.State.Status = status
	c.Config.Image = h.args.Image
	c.Config.Cmd = h.args.Command
	c.Config.Labels = map[string]string{labelOwner: ownerName, labelRun: run, labelSpec: h.args.spec(containerFacts{}).hash()}
	if h.health != "" && status == "running" {
		c.State.Health = &struct{ Status string }{"starting"}
	}
	return c
}

// sign puts onto a container where it was launched: here, in an earlier boot, or in another PID namespace; and by whom.
func (h *simHost) sign(c *containerInspect, at string) {
	places := map[string][2]string{"here": {"boot-2", "pid:[1]"}, "before": {"boot-1", "pid:[1]"}, "elsewhere": {"boot-2", "pid:[2]"}, "": {"", ""}}
	place, ok := places[at]
	if !ok {
		panic("no such place: " + at)
	}
	c.Config.Labels[labelBoot], c.Config.Labels[labelPIDNS] = place[0], place[1]
	c.Config.Labels[labelBy], c.Config.Labels[labelLifetime], c.Created = "ops@login1", perRun, "2026-11-22T04:05:06.789Z"
}

// answers gives what the question would be answered.
func (h *simHost) answers(t *testing.T) []engine.Answer {
	t.Helper()
	if h.down != "" {
		return []engine.Answer{simAnswer("down "+h.down+"\nend\n", 0)}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "runtime docker\narch %s\n", map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[h.arch])
	images := map[string]bool{}
	if h.local != "" {
		images[h.local] = true
	}
	for _, c := range []*containerInspect{h.box, h.fresh} {
		if c != nil {
			j, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "container %s sha256:%s %s %s\n", c.ID, c.Image, c.State.Status, j)
			images[c.Image] = true
		}
	}
	b.WriteString("Error: No such container: x\ncontainers 1\n")
	for _, c := range h.others {
		fmt.Fprintf(&b, "leftover %s\n", asJSON(t, c))
	}
	for _, id := range sortedKeys(images) {
		img := imageInspect{ID: "sha256:" + id, Architecture: h.arch}
		if id == h.local {
			img.RepoTags = []string{"rocm/cvs:6"}
		}
		if h.digest != "" {
			img.RepoDigests = []string{"rocm/cvs@" + h.digest}
		}
		j, err := json.Marshal(img)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "image %s\n", j)
	}
	b.WriteString("Error: No such image: x\nimages 1\n")
	for i, p := range h.args.devicePatterns() {
		if slices.Contains(h.devices, p) {
			fmt.Fprintf(&b, "device %d %s\n", i, p)
		}
	}
	b.WriteString("\nend\n")
	return []engine.Answer{simAnswer(b.String(), 0)}
}

func sortedKeys(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func simAnswer(out string, code int) engine.Answer {
	return engine.Answer{State: engine.Given, Code: code, Stdout: engine.Output{Bytes: []byte(out), Size: int64(len(out))}}
}

// tell answers what was asked beyond the first question.
func (h *simHost) tell(q engine.Shell) engine.Answer {
	if q.Text != lifeQuestion.Text {
		return simAnswer("health "+h.health+"\n", 0)
	}
	all := map[bool]string{true: "yes", false: "no"}[h.look.all]
	text := fmt.Sprintf("life boot %s\nlife pidns %s\nlife all %s\n", h.look.boot, h.look.pidns, all)
	for _, r := range h.look.runs {
		text += "life run " + r + "\n"
	}
	return simAnswer(text+"life end\n", 0)
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	j, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(j)
}

// carryOut does a change, or fails, or loses the connection on it.
func (h *simHost) carryOut(t *testing.T, c engine.Change) engine.Outcome {
	t.Helper()
	o := engine.Outcome{What: c.What, OK: true}
	if words := h.fails[c.What]; words != "" {
		o.OK, o.Why = false, "exit code 7"
		o.Answers = []engine.Answer{simAnswer(words, 7)}
		if c.What == changeLaunch { // docker leaves a container that it could not start
			h.start(c)
			h.own().State.Status = "created"
		}
		return o
	}
	if o, came := h.comesToLife(c); came {
		return o
	}
	how := h.loses[c.What]
	delete(h.loses, c.What)
	if how != "not" {
		h.apply(t, c)
	}
	if c.What == h.dies {
		h.gone = "connection lost"
		how = "done"
	}
	if how != "" {
		o.OK, o.Why = false, "connection lost"
		o.Answers = []engine.Answer{{State: engine.Lost, Why: "connection lost"}}
		return o
	}
	for _, do := range c.Do {
		o.Answers = append(o.Answers, simAnswer(string(do.(engine.Shell).Stdin), 0))
	}
	return o
}

// comesToLife is what becomes of a removal while the run in question shows itself again.
func (h *simHost) comesToLife(c engine.Change) (engine.Outcome, bool) {
	sh := c.Do[0].(engine.Shell)
	if h.revived == "" || len(sh.Args) < 3 || sh.Args[0] != h.revived {
		return engine.Outcome{}, false
	}
	h.look.runs = append(h.look.runs, h.revived)
	o := engine.Outcome{What: c.What, OK: true, Answers: []engine.Answer{simAnswer("", 0)}}
	if sh.Args[1] == failAlive {
		o.OK, o.Why, o.Answers = false, "exit code 75", []engine.Answer{simAnswer("run "+h.revived+" is there again", 75)}
	}
	return o, true
}

func (h *simHost) own() *containerInspect {
	for _, c := range []*containerInspect{h.fresh, h.box} {
		if c != nil && c.run() == simRun {
			return c
		}
	}
	return nil
}

func (h *simHost) start(c engine.Change) {
	words := c.Do[0].(engine.Shell).Args
	name := words[slices.Index(words, "--name")+1]
	started := h.container(name, "running", simRun)
	for i, w := range words {
		if w == "--label" {
			k, v, _ := strings.Cut(words[i+1], "=")
			started.Config.Labels[k] = v
		}
	}
	if h.exits {
		started.State.Status, started.State.ExitCode = "exited", 3
	}
	if name == h.args.Name {
		h.box = started
	} else {
		h.fresh = started
	}
}

func (h *simHost) apply(t *testing.T, c engine.Change) {
	t.Helper()
	switch c.What {
	case changePull, changeLoad:
		h.local = h.pulls
		if sh := c.Do[0].(engine.Shell); len(sh.Args) > 0 && strings.Contains(sh.Args[0], "@") {
			_, h.digest, _ = strings.Cut(sh.Args[0], "@")
		}
	case changeStale:
		h.box = nil
	case changeLeftover:
		h.fresh = nil
	case changeStop:
		h.box.State.Status = "exited"
	case changeStart, changeUnpause, changeUndoStart:
		h.box.State.Status = "running"
		if h.exits {
			h.box.State.Status = "exited"
		}
	case changeLaunch:
		h.start(c)
	case changeSetup:
	case changePublish:
		h.box, h.fresh = h.fresh, nil
		h.box.Name = h.args.Name
	case changeUndo, changeDiscard:
		if h.own() == h.fresh {
			h.fresh = nil
		} else {
			h.box = nil
		}
		if len(c.Do) > 1 {
			h.box.State.Status = "running"
		}
	default:
		if !strings.HasPrefix(c.What, changeLeftBehind) {
			t.Fatalf("no such change: %s", c.What)
		}
		ids := c.Do[0].(engine.Shell).Args[2:]
		h.others = slices.DeleteFunc(h.others, func(c containerInspect) bool { return slices.Contains(ids, c.ID) })
	}
}

// play runs the step as the engine does, and gives the decisions of each round as text: equal ones of several hosts in one line.
func play(t *testing.T, hosts []*simHost) string {
	t.Helper()
	var transcript strings.Builder
	for round := 1; round <= 12; round++ {
		all := make([]engine.On[containerArgs], len(hosts))
		for i, h := range hosts {
			all[i] = engine.On[containerArgs]{Args: h.args, Seen: engine.Seen{Host: h.name, Run: simRun, Past: h.past}}
			if h.gone != "" {
				all[i].Why = h.gone
				continue
			}
			all[i].Reach, all[i].Answers = engine.Reached, h.answers(t)
		}
		decisions := decideContainers(all)
		for range 3 {
			more := false
			for i, d := range decisions {
				if d, ok := d.(engine.More); ok && hosts[i].gone == "" {
					more = true
					for _, q := range d.Ask {
						all[i].Answers = append(all[i].Answers, hosts[i].tell(q.(engine.Shell)))
					}
				}
			}
			if !more {
				break
			}
			decisions = decideContainers(all)
		}
		working := slices.ContainsFunc(decisions, func(d engine.Decision) bool { _, ok := d.(engine.Act); return ok })
		transcript.WriteString(decisionLines(hosts, decisions, working))
		for i, d := range decisions {
			if act, ok := d.(engine.Act); ok && hosts[i].gone == "" {
				hosts[i].act(t, act)
			}
		}
		if !working {
			return transcript.String()
		}
	}
	t.Fatalf("no end:\n%s", transcript.String())
	return ""
}

func (h *simHost) act(t *testing.T, act engine.Act) {
	t.Helper()
	for _, c := range act.Changes {
		if len(c.Do) == 0 {
			continue
		}
		for _, o := range h.past {
			if o.What == c.What && o.OK {
				t.Errorf("%s: %q is decided again after it was carried out", h.name, c.What)
			}
		}
		o := h.carryOut(t, c)
		h.past = append(h.past, o)
		if !o.OK {
			return
		}
	}
}

// decisionLines leaves out what does not count: the hosts that only wait while others work.
func decisionLines(hosts []*simHost, decisions []engine.Decision, working bool) string {
	groups := map[string][]string{}
	var order []string
	for i, d := range decisions {
		text := decisionText(d)
		if _, acts := d.(engine.Act); working && !acts {
			continue
		}
		if hosts[i].gone != "" {
			text = "(unknown)"
		}
		if groups[text] == nil {
			order = append(order, text)
		}
		groups[text] = append(groups[text], hosts[i].name)
	}
	var b strings.Builder
	for _, text := range order {
		fmt.Fprintf(&b, "%s: %s\n", engine.FoldHosts(groups[text]), text)
	}
	return b.String()
}

func simArgs(edit func(*containerArgs)) containerArgs {
	a := containerArgs{
		Name: "box", Image: "rocm/cvs:6", Lifetime: perRun, Profile: profileNone, Command: []string{"sleep", "infinity"}, Pull: pullMissing,
		Partial: partialRefuse, OnDrift: driftWarn, Runtime: engine.AutoRuntime, SetupTimeout: time.Minute, StartTimeout: time.Minute,
	}
	edit(&a)
	return a
}
