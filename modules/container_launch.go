package modules

import (
	"fmt"
	"slices"
	"strings"

	"cvsplay/engine"
)

// A launchPhase is how far a launch has come on a host. The fleet goes from one phase to the next together: no container starts before every host
// has the image, and none gets its name before every host is provisioned.
type launchPhase int

const (
	phaseImage launchPhase = iota
	phaseStart
	phaseSetup
	phaseHealth
	phaseName
	phaseOver
)

func (h *containerHost) phase() launchPhase {
	switch {
	case h.needsImage() && !h.launched():
		return phaseImage
	case h.own() == nil:
		return phaseStart
	case h.Args.SetupScript != "" && !h.did(changeSetup):
		return phaseSetup
	case h.Args.WaitHealthy > 0 && h.ownHealth() == "":
		return phaseHealth
	case h.own() == h.fresh:
		return phaseName
	}
	return phaseOver
}

// ownHealth is what is known of the health of the container launched here; "" where it has to be asked.
func (h *containerHost) ownHealth() string {
	switch h.own().declaredHealth() {
	case "":
		return "none"
	case "healthy":
		return "healthy"
	}
	status, _ := h.health()
	return status
}

// A launchState tells what launch left behind.
type launchState int

const (
	launchOver    launchState = iota // nothing is left to launch
	launchWorking                    // the hosts have work
	launchRefused                    // the step has ended: every host has its decision
)

// launch takes the hosts one phase further.
func (f *containerFleet) launch(hosts []*containerHost) launchState {
	hosts = having(hosts, func(h *containerHost) bool { return h.phase() != phaseOver })
	if len(hosts) == 0 {
		return launchOver
	}
	now := phaseOver
	for _, h := range hosts {
		now = min(now, h.phase())
	}
	if f.obstructed(hosts) || now == phaseStart && f.imagesDiffer(hosts) {
		return launchRefused
	}
	for _, h := range hosts {
		f.step(h, now)
	}
	return launchWorking
}

// obstructed fails the hosts on which a launch cannot succeed, before it has begun anywhere, and calls it off on the others.
func (f *containerFleet) obstructed(hosts []*containerHost) bool {
	blocked := having(hosts, func(h *containerHost) bool { return !h.launched() && h.obstacle() != "" })
	if len(blocked) == 0 {
		return false
	}
	for _, h := range blocked {
		h.decision = engine.Stop{State: engine.Failed, Why: h.obstacle()}
	}
	f.refuse(fmt.Sprintf("container %s was not launched anywhere: it cannot be on %s%s", f.name(), counted(len(blocked), "host"),
		section("failed", blocked, func(h *containerHost) string { first, _, _ := strings.Cut(h.obstacle(), "\n"); return first })))
	return true
}

// imagesDiffer refuses to start where hosts would not run the same image: a tag that moved between two pulls.
func (f *containerFleet) imagesDiffer(hosts []*containerHost) bool {
	var images []runningImage
	for _, h := range f.known() {
		switch {
		case slices.Contains(hosts, h) && !h.launched() && h.image != nil:
			images = append(images, h.imageToRun())
		case !slices.Contains(hosts, h) && h.box != nil:
			images = append(images, h.runningImage())
		}
	}
	why := conflictAmong(images)
	if why == "" {
		return false
	}
	f.refuse(fmt.Sprintf("container %s: the hosts would not run the same image, so nothing is started:%s\n  an image_digest step makes a tag one digest for all; or pull = %q", f.name(), why, pullAlways))
	return true
}

// step decides for one host in this phase of the fleet: its own work, or waiting, with what is still to come.
func (f *containerFleet) step(h *containerHost, now launchPhase) {
	if h.phase() == now && now == phaseHealth {
		h.decision = engine.More{Ask: []engine.Question{healthQuestion(h.Args.Runtime, h.own().ID, h.Args.WaitHealthy)}}
		return
	}
	act := engine.Act{Results: h.foretold(), Finally: h.owed()}
	for phase := h.phase(); phase < phaseOver; phase++ {
		changes := f.changes(h, phase)
		if phase != now {
			for i := range changes {
				changes[i].Do = nil
			}
		}
		act.Changes = append(act.Changes, changes...)
	}
	if h.phase() != now && len(h.Past) > 0 || len(act.Changes) == 0 {
		h.decision = h.onHold()
		return
	}
	h.decision = act
}

// onHold is the decision of a host whose launch waits for others. It does not count while they work; where they never come to an end, nobody takes
// the host for done.
func (h *containerHost) onHold() engine.Decision {
	return engine.Stop{State: engine.Refused, Why: fmt.Sprintf("the launch of container %s did not come to its end on other hosts", h.Args.Name)}
}

// changes are what a phase changes on this host.
func (f *containerFleet) changes(h *containerHost, phase launchPhase) []engine.Change {
	switch phase {
	case phaseImage:
		return []engine.Change{h.bringImage()}
	case phaseStart:
		return f.startChanges(h)
	case phaseSetup:
		if h.Args.SetupScript == "" {
			return nil
		}
		c := engine.Change{What: changeSetup, Have: "not provisioned", Want: "provisioned"}
		if own := h.own(); own != nil {
			c.Do = []engine.Action{h.Args.provision(own.ID)}
		}
		return []engine.Change{c}
	case phaseName:
		if !h.Args.isProvisional() {
			return nil
		}
		return []engine.Change{h.publish()}
	}
	return nil
}

func (h *containerHost) bringImage() engine.Change {
	have := "absent"
	if h.image != nil {
		have = shortID(h.image.ID)
	}
	if h.Args.ImageTar != "" {
		return engine.Change{What: changeLoad, Have: have, Want: h.ref.short(), Again: true,
			Do: []engine.Action{loadImage(h.Args.Runtime, h.Args.ImageTar, h.ref, h.Args.StartTimeout)}}
	}
	return engine.Change{What: changePull, Have: have, Want: h.ref.short(), Again: true, Do: []engine.Action{h.Args.pullImage(h.ref)}}
}

// startChanges make room and start the container. What is replaced is only stopped here: it can be started again if the launch fails.
func (f *containerFleet) startChanges(h *containerHost) []engine.Change {
	out := f.removeLeftBehind(h)
	if h.fresh != nil {
		out = append(out, engine.Change{What: changeLeftover, Have: h.fresh.Name + " " + f.ofRun(h.fresh), Want: "absent", Again: true,
			Do: []engine.Action{f.removeStranger(h, h.fresh)}})
	}
	switch {
	case h.box == nil:
	case h.Args.Lifetime == perRun:
		out = append(out, engine.Change{What: changeStale, Have: h.box.State.Status + " " + f.ofRun(h.box), Want: "absent", Again: true,
			Do: []engine.Action{f.removeStranger(h, h.box)}})
	case h.running() || h.box.State.Status == "paused":
		out = append(out, engine.Change{What: changeStop, Have: strings.Join(h.drift(), "; "), Want: "as declared", Again: true,
			Do: []engine.Action{stopContainer(h.Args.Runtime, h.box.ID)}})
	}
	name := h.Args.Name
	if h.Args.isProvisional() {
		name = h.Args.provisional()
	}
	return append(out, engine.Change{What: changeLaunch, Have: "absent", Want: "running from " + h.ref.short(), Again: true,
		Do: []engine.Action{launchContainer(h.Args.Runtime, h.Run, h.launchWords(name), h.Args.StartTimeout)}})
}

// ofRun tells which container it is that is to be removed, and whose.
func (f *containerFleet) ofRun(c *containerInspect) string {
	if !c.ours() {
		return shortID(c.ID)
	}
	return shortID(c.ID) + ", of " + f.whose(c)
}

// publish gives the container its name. What it replaces goes only now.
func (h *containerHost) publish() engine.Change {
	c := engine.Change{What: changePublish, Have: h.Args.provisional(), Want: h.Args.Name, Again: true}
	if h.fresh == nil {
		return c
	}
	if h.box != nil {
		c.Do = append(c.Do, removeContainer(h.Args.Runtime, "", h.box.ID))
	}
	c.Do = append(c.Do, renameContainer(h.Args.Runtime, h.fresh.ID, h.Args.Name))
	return c
}

// owed is the tear-down: of a per_run container, and of what an interrupted launch leaves under the provisional name.
func (h *containerHost) owed() []engine.Final {
	absent := func(name string) engine.Final {
		return engine.Final{Module: containerAbsentSchema.Name, Args: containerAbsentArgs{Name: name, Runtime: h.Args.Runtime, Run: h.Run}}
	}
	var out []engine.Final
	if h.Args.isProvisional() {
		out = append(out, absent(h.Args.provisional()))
	}
	if h.Args.Lifetime == perRun {
		out = append(out, absent(h.Args.Name))
	}
	return out
}

// calledOff tells whether launching has failed on some host.
func (f *containerFleet) calledOff() bool {
	launching := slices.ContainsFunc(f.hosts, (*containerHost).launching)
	return launching && slices.ContainsFunc(f.hosts, func(h *containerHost) bool { return f.faultOf(h) != "" })
}

// faultOf is why the launch failed on a host. For persistent containers that includes a host that was lost before its turn came.
func (f *containerFleet) faultOf(h *containerHost) string {
	if why := h.fault(); why != "" {
		return why
	}
	if f.lifetime == persistent && h.unknown != "" {
		return "lost before it was launched: " + h.unknown
	}
	return ""
}

// rollBack removes what this step launched, on all hosts, and then tells each host why.
func (f *containerFleet) rollBack() {
	working := false
	for _, h := range f.known() {
		if c := h.rollBackChange(); c != nil {
			h.decision = engine.Act{Changes: []engine.Change{*c}}
			working = true
		}
	}
	if working {
		for _, h := range f.hosts {
			if h.decision == nil {
				h.decision = h.onHold()
			}
		}
		return
	}
	faulty := f.where(func(h *containerHost) bool { return f.faultOf(h) != "" })
	for _, h := range faulty {
		switch {
		case h.unknown == "":
			h.decision = engine.Stop{State: engine.Failed, Why: h.fault() + h.undoFailed()}
		case h.Reach == engine.Reached && h.launching():
			h.decision = engine.Stop{State: engine.Failed, Why: fmt.Sprintf("%s\n  and what is there now is not known: %s\n  the next run removes what is left", h.fault(), h.unknown)}
		}
	}
	for _, h := range f.known() {
		if h.decision == nil && h.undoFailed() != "" {
			h.decision = engine.Stop{State: engine.Failed, Why: "the launch was called off" + h.undoFailed()}
		}
	}
	f.refuse(fmt.Sprintf("container %s: the launch was called off, and what it had launched was removed, because it failed on %s%s", f.name(), counted(len(faulty), "host"),
		section("failed", faulty, func(h *containerHost) string { first, _, _ := strings.Cut(f.faultOf(h), "\n"); return first })))
}

// rollBackChange is what undoes the launch on this host; nil where nothing is left to undo, or undoing has failed already.
func (h *containerHost) rollBackChange() *engine.Change {
	what, why := changeUndo, ""
	if h.fault() != "" {
		what, why = changeDiscard, h.fault()
	}
	own := h.own()
	if own != nil && h.outcome(changeUndo) == nil && h.outcome(changeDiscard) == nil {
		c := engine.Change{What: what, Have: own.Name + " " + shortID(own.ID), Want: "absent", Again: true,
			Do: []engine.Action{removeContainer(h.Args.Runtime, why, own.ID)}}
		return h.andRestart(&c)
	}
	if own == nil && h.outcome(changeUndoStart) == nil && h.stoppedByUs() {
		return &engine.Change{What: changeUndoStart, Have: h.box.State.Status, Want: "running", Again: true,
			Do: []engine.Action{startContainer(h.Args.Runtime, h.box.ID, h.Args.StartTimeout)}}
	}
	return nil
}

// andRestart adds the start of the container that was stopped to make room.
func (h *containerHost) andRestart(c *engine.Change) *engine.Change {
	if h.stoppedByUs() {
		c.Do = append(c.Do, startContainer(h.Args.Runtime, h.box.ID, h.Args.StartTimeout))
	}
	return c
}

func (h *containerHost) stoppedByUs() bool {
	return h.outcome(changeStop) != nil && h.box != nil && h.box != h.own() && !h.running()
}

// undoFailed says that something of a called-off launch is still there.
func (h *containerHost) undoFailed() string {
	for _, what := range []string{changeUndo, changeDiscard, changeUndoStart} {
		if o := h.outcome(what); o != nil && !o.OK && !lost(*o) {
			return fmt.Sprintf("\n  and rolling it back failed: %s\n  remove what is left by hand: %s", outcomeWords(*o), h.Args.Name)
		}
	}
	return ""
}
