package modules

import (
	"fmt"
	"slices"
	"strings"

	"cvsplay/engine"
)

// A containerFleet is the hosts of one lifetime, with the decision over them.
type containerFleet struct {
	lifetime string
	hosts    []*containerHost
}

// decideContainers decides over the whole fleet. A host whose arguments are not known, since it fell out before, is unknown to the hosts of
// every lifetime.
func decideContainers(all []engine.On[containerArgs]) []engine.Decision {
	hosts := make([]*containerHost, len(all))
	byLifetime := map[string][]*containerHost{}
	var nowhere []*containerHost
	for i, on := range all {
		hosts[i] = observeContainer(on)
		if on.Args.Lifetime == "" {
			nowhere = append(nowhere, hosts[i])
			continue
		}
		byLifetime[on.Args.Lifetime] = append(byLifetime[on.Args.Lifetime], hosts[i])
	}
	for lifetime, members := range byLifetime {
		f := &containerFleet{lifetime: lifetime, hosts: append(members, nowhere...)}
		f.decide()
	}
	out := make([]engine.Decision, len(all))
	for i, h := range hosts {
		out[i] = h.decision
		if out[i] == nil {
			out[i] = engine.Stop{State: engine.Failed, Why: h.unknown}
		}
	}
	return out
}

func (f *containerFleet) decide() {
	f.sortAnswers()
	if f.calledOff() {
		f.rollBack()
		return
	}
	switch f.lifetime {
	case noLaunch:
		f.attachOnly()
	case perRun:
		f.launchFresh()
	case persistent:
		f.keep()
	}
}

// sortAnswers tells the answers apart that came after the first: where a container of another run is in question, the next is about life.
func (f *containerFleet) sortAnswers() {
	about := f.hasStrangers()
	for _, h := range f.known() {
		h.more = h.Answers[1:]
		if about && len(h.more) > 0 {
			h.looked, h.life, h.more = true, readLife(h.more[0]), h.more[1:]
		}
	}
}

// known are the hosts whose state is known.
func (f *containerFleet) known() []*containerHost {
	return f.where(func(h *containerHost) bool { return h.unknown == "" })
}

func (f *containerFleet) unknown() []*containerHost {
	return f.where(func(h *containerHost) bool { return h.unknown != "" })
}

func (f *containerFleet) where(is func(*containerHost) bool) []*containerHost {
	return having(f.hosts, is)
}

func having(hosts []*containerHost, is func(*containerHost) bool) []*containerHost {
	var out []*containerHost
	for _, h := range hosts {
		if is(h) {
			out = append(out, h)
		}
	}
	return out
}

// name is the container's, for messages; hosts may differ in it.
func (f *containerFleet) name() string {
	var names []string
	for _, h := range f.hosts {
		if h.Args.Name != "" && !slices.Contains(names, h.Args.Name) {
			names = append(names, h.Args.Name)
		}
	}
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", names[0], len(names)-1)
	}
	return strings.Join(names, ", ")
}

// refuse ends the step without acting on any host; those that have a decision of their own keep it.
func (f *containerFleet) refuse(why string) {
	for _, h := range f.hosts {
		switch {
		case h.decision != nil:
		case h.unknown != "":
			h.decision = engine.Stop{State: engine.Failed, Why: h.unknown}
		default:
			h.decision = engine.Stop{State: engine.Refused, Why: why}
		}
	}
}

// attachOnly is lifetime = "no_launch".
func (f *containerFleet) attachOnly() {
	unknown := f.unknown()
	down := having(f.known(), func(h *containerHost) bool { return !h.running() })
	if len(unknown)+len(down) > 0 {
		f.refuse(fmt.Sprintf("container %s does not run everywhere, and lifetime = %q never starts it%s%s\n  start it there, or use another lifetime",
			f.name(), noLaunch, section("not running", down, state), section("unknown", unknown, whyUnknown)))
		return
	}
	f.attach(f.hosts)
}

// launchFresh is lifetime = "per_run". A host that cannot be asked has failed by itself and holds nobody up.
func (f *containerFleet) launchFresh() {
	hosts := f.known()
	foreign := having(hosts, func(h *containerHost) bool { return h.foreign() != nil && !h.Args.Adopt })
	if len(foreign) > 0 {
		f.refuseForeign(foreign, "removed")
		return
	}
	if f.looksForLife() || f.refusedToTake() {
		return
	}
	fresh := having(hosts, func(h *containerHost) bool { return !h.finished() })
	switch f.launch(fresh) {
	case launchRefused:
	case launchWorking:
		f.wait()
	default:
		f.attach(hosts)
	}
}

// foreign is a container under one of the two names that cvsplay did not launch.
func (h *containerHost) foreign() *containerInspect {
	for _, c := range []*containerInspect{h.box, h.fresh} {
		if c != nil && !c.ours() {
			return c
		}
	}
	return nil
}

func (f *containerFleet) refuseForeign(hosts []*containerHost, would string) {
	f.refuse(fmt.Sprintf("container %s was not launched by cvsplay on some hosts, and would have to be %s%s\n  adopt = true takes it over; or give the step another name",
		f.name(), would, section("not ours", hosts, func(h *containerHost) string {
			c := h.foreign()
			return fmt.Sprintf("%s %s, %s, from %s", c.Name, shortID(c.ID), c.State.Status, c.Config.Image)
		})))
}

// keep is lifetime = "persistent".
func (f *containerFleet) keep() {
	if unknown := f.unknown(); len(unknown) > 0 {
		f.refuse(fmt.Sprintf("container %s: the state of %s is not known, so nothing is launched anywhere%s\n  bring it back; or go on without it: a play before this one in which it fails, or --limit",
			f.name(), counted(len(unknown), "host"), section("unknown", unknown, whyUnknown)))
		return
	}
	if f.looksForLife() || f.refusedToTake() {
		return
	}
	f.failVanished()
	absent := f.where(func(h *containerHost) bool { return h.box == nil && !h.launched() && h.decision == nil })
	present := f.where(func(h *containerHost) bool { return h.box != nil && !h.launched() })
	drifted := having(present, func(h *containerHost) bool { return h.Args.OnDrift == driftRecreate && len(h.drift()) > 0 })
	staying := having(present, func(h *containerHost) bool { return !slices.Contains(drifted, h) })
	if f.refusedToKeep(absent, present, drifted, staying) {
		return
	}
	if why := imageConflict(staying); why != "" {
		f.refuse(f.conflictWords(why))
		return
	}
	launch := f.where(func(h *containerHost) bool {
		return slices.Contains(absent, h) || slices.Contains(drifted, h) || (h.launched() && !h.finished())
	})
	launched := f.launch(launch)
	if launched == launchRefused {
		return
	}
	if f.startStopped(staying) || launched == launchWorking {
		f.wait()
		return
	}
	f.attach(f.hosts)
}

// failVanished fails the hosts whose container somebody removed while this step worked on it. It is not made anew behind anybody's back.
func (f *containerFleet) failVanished() {
	for _, h := range f.known() {
		if h.box == nil && !h.launched() && (h.outcome(changeStart) != nil || h.outcome(changeUnpause) != nil) {
			h.decision = engine.Stop{State: engine.Failed, Why: fmt.Sprintf("container %s vanished while it was started: somebody removed it", h.Args.Name)}
		}
	}
}

// refusedToKeep refuses what would leave the fleet in halves, or take what is not ours.
func (f *containerFleet) refusedToKeep(absent, present, drifted, staying []*containerHost) bool {
	launching := f.where((*containerHost).launched)
	together := having(f.hosts, func(h *containerHost) bool { return h.Args.Partial == partialLaunch })
	if len(absent) > 0 && len(present) > 0 && len(launching) == 0 && len(together) < len(f.hosts) {
		f.refuse(fmt.Sprintf("container %s is on some hosts and not on others%s%s\n  remove it everywhere and run again, for a cold start\n  or launch it on the missing hosts: partial = %q",
			f.name(), section("has it", present, state), section("absent", absent, nil), partialLaunch))
		return true
	}
	foreign := having(slices.Concat(absent, drifted), func(h *containerHost) bool { return h.foreign() != nil && !h.Args.Adopt })
	if len(foreign) > 0 {
		f.refuseForeign(foreign, "replaced")
		return true
	}
	if len(absent) > 0 && len(staying) > 0 {
		if why := pinMissing(absent, staying); why != "" {
			f.refuse(why)
			return true
		}
	}
	return false
}

// pinMissing makes the missing hosts launch the image that the others run, by its digest where it has one. It gives the reason to refuse where the
// declared image is another one.
func pinMissing(absent, staying []*containerHost) string {
	other := having(staying, func(h *containerHost) bool { return h.imageDrift() != "" })
	if len(other) > 0 {
		return fmt.Sprintf("partial = %q launches only the image that the running hosts run, and the declared one differs%s\n  declare that image, or bring all to the declared one: on_drift = %q",
			partialLaunch, section("runs another", other, (*containerHost).imageDrift), driftRecreate)
	}
	digests := map[string]int{}
	for _, h := range staying {
		if img := h.facts.imageByID(h.box.Image); img != nil {
			for _, d := range img.digests(h.ref) {
				digests[d]++
			}
		}
	}
	common := ""
	for d, n := range digests {
		if n == len(staying) && (common == "" || d < common) {
			common = d
		}
	}
	for _, h := range absent {
		if common != "" && h.ref.Digest == "" && h.Args.ImageTar == "" {
			pinned := h.ref
			pinned.Digest = common
			h.setImage(pinned.String())
		}
	}
	return ""
}

// startStopped starts what is there and does not run; it never makes anything new.
func (f *containerFleet) startStopped(hosts []*containerHost) bool {
	working := false
	for _, h := range hosts {
		if h.decision != nil || h.running() || h.box == nil {
			continue
		}
		what, action := changeStart, startContainer(h.Args.Runtime, h.box.ID, h.Args.StartTimeout)
		if h.box.State.Status == "paused" {
			what, action = changeUnpause, unpauseContainer(h.Args.Runtime, h.box.ID, h.Args.StartTimeout)
		}
		if o := h.outcome(what); o != nil && !lost(*o) {
			why := outcomeWords(*o)
			if o.OK {
				why = fmt.Sprintf("the container is %s, exit code %d, right after it was started%s", h.box.State.Status, h.box.State.ExitCode, indented(h.facts.Logs))
			}
			h.decision = engine.Stop{State: engine.Failed, Why: why}
			continue
		}
		h.decision = engine.Act{
			Changes: []engine.Change{{What: what, Have: h.box.State.Status, Want: "running", Do: []engine.Action{action}, Again: true}},
			Results: h.foretoldStart(),
		}
		working = true
	}
	return working
}

// attach ends the step on hosts whose containers run: once they are healthy, run one image, and are as declared or may differ.
func (f *containerFleet) attach(hosts []*containerHost) {
	if f.waitHealthy(hosts) {
		return
	}
	if why := imageConflict(hosts); why != "" {
		f.refuse(f.conflictWords(why))
		return
	}
	for _, h := range hosts {
		if h.decision == nil && h.unknown == "" {
			h.decision = f.attached(h)
		}
	}
}

// attached is the decision of a host whose container runs.
func (f *containerFleet) attached(h *containerHost) engine.Decision {
	drift := h.drift()
	if len(drift) > 0 && h.Args.OnDrift == driftFail {
		return engine.Stop{State: engine.Failed, Results: h.results(), Why: fmt.Sprintf("container %s is not as declared: %s\n  make it new: on_drift = %q",
			h.Args.Name, strings.Join(drift, "; "), driftRecreate)}
	}
	done := engine.Done{Results: h.results(), Warn: f.leftoverWarnings(h), Remember: h.pulled()}
	for _, d := range drift {
		done.Warn = append(done.Warn, fmt.Sprintf("container %s: %s", h.Args.Name, d))
	}
	if h.Args.WaitHealthy > 0 && h.box != nil && h.box.declaredHealth() == "" {
		done.Warn = append(done.Warn, fmt.Sprintf("wait_healthy: the image of container %s has no health check", h.Args.Name))
	}
	return done
}

// waitHealthy asks again, for as long as the step allows, where a container is not healthy yet.
func (f *containerFleet) waitHealthy(hosts []*containerHost) bool {
	asking := false
	for _, h := range hosts {
		if h.decision != nil || h.unknown != "" || h.Args.WaitHealthy == 0 || h.launched() || !h.running() {
			continue
		}
		if s := h.box.declaredHealth(); s == "" || s == "healthy" {
			continue
		}
		switch status, words := h.health(); status {
		case "":
			h.decision = engine.More{Ask: []engine.Question{healthQuestion(h.Args.Runtime, h.box.ID, h.Args.WaitHealthy)}}
			asking = true
		case "healthy", "none":
		default:
			h.decision = engine.Stop{State: engine.Failed, Why: fmt.Sprintf("container %s is not healthy within %s: %s%s", h.Args.Name, h.Args.WaitHealthy, status, indented(lines(words)))}
		}
	}
	if asking {
		f.wait()
	}
	return asking
}

// wait gives the hosts that have nothing to do in this round a decision that does not count while others have.
func (f *containerFleet) wait() {
	for _, h := range f.hosts {
		switch {
		case h.decision != nil:
		case h.unknown != "":
			h.decision = engine.Stop{State: engine.Failed, Why: h.unknown}
		default:
			h.decision = f.attached(h)
		}
	}
}

func (f *containerFleet) conflictWords(groups string) string {
	return fmt.Sprintf("container %s does not run the same image on all hosts:%s\n  bring the odd ones to the declared image (on_drift = %q), or remove them", f.name(), groups, driftRecreate)
}

// A runningImage is the image that a host runs, or is about to run.
type runningImage struct {
	host    string
	arch    string
	id      string
	names   string
	digests []string // NAME@DIGEST, normalised
}

func (h *containerHost) runningImage() runningImage {
	r := runningImage{host: h.Host, arch: h.facts.Arch, id: h.box.Image, names: h.box.Config.Image}
	return r.with(h.facts.imageByID(h.box.Image))
}

func (h *containerHost) imageToRun() runningImage {
	r := runningImage{host: h.Host, arch: h.facts.Arch, id: h.image.ID, names: h.ref.String()}
	return r.with(h.image)
}

func (r runningImage) with(img *imageInspect) runningImage {
	if img == nil {
		return r
	}
	if img.Architecture != "" {
		r.arch = img.platform()
	}
	for _, listed := range img.RepoDigests {
		if ref, err := parseReference(listed); err == nil {
			r.digests = append(r.digests, ref.Pinned())
		}
	}
	return r
}

func imageConflict(hosts []*containerHost) string {
	var images []runningImage
	for _, h := range hosts {
		if h.unknown == "" && h.box != nil {
			images = append(images, h.runningImage())
		}
	}
	return conflictAmong(images)
}

// conflictAmong lists the hosts by image where those of one architecture differ; "" where they do not. An id that cannot be read is a
// difference. Ids may differ where all know the image by one digest: stores count ids in different ways.
func conflictAmong(images []runningImage) string {
	byArch := map[string][]runningImage{}
	for _, r := range images {
		byArch[r.arch] = append(byArch[r.arch], r)
	}
	conflict := false
	for _, same := range byArch {
		conflict = conflict || !oneImage(same)
	}
	if !conflict {
		return ""
	}
	groups := map[string][]string{}
	for _, r := range images {
		what := "image not readable"
		if r.id != "" {
			what = fmt.Sprintf("%s (%s, %s)", shortID(r.id), r.names, r.arch)
		}
		groups[what] = append(groups[what], r.host)
	}
	return groupLines(groups)
}

func oneImage(images []runningImage) bool {
	equal := true
	common := slices.Clone(images[0].digests)
	for _, r := range images {
		if r.id == "" {
			return false
		}
		equal = equal && r.id == images[0].id
		common = slices.DeleteFunc(common, func(d string) bool { return !slices.Contains(r.digests, d) })
	}
	return equal || len(common) > 0
}

// section is one paragraph of a message: hosts that are in the same case, with what is to say of each, folded where it is the same.
func section(title string, hosts []*containerHost, say func(*containerHost) string) string {
	if len(hosts) == 0 {
		return ""
	}
	groups := map[string][]string{}
	var order []string
	for _, h := range hosts {
		what := ""
		if say != nil {
			what = say(h)
		}
		if groups[what] == nil {
			order = append(order, what)
		}
		groups[what] = append(groups[what], h.Host)
	}
	var b strings.Builder
	for _, what := range order {
		fmt.Fprintf(&b, "\n  %s: %s", title, engine.FoldHosts(groups[what]))
		if what != "" {
			fmt.Fprintf(&b, " (%s)", what)
		}
	}
	return b.String()
}

func state(h *containerHost) string {
	if h.box == nil {
		return "absent"
	}
	return h.box.State.Status
}

func whyUnknown(h *containerHost) string {
	first, _, _ := strings.Cut(h.unknown, "\n")
	return first
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
