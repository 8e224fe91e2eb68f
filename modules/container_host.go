package modules

import (
	"fmt"
	"slices"
	"strings"

	"cvsplay/engine"
)

// A containerHost is one host's part in the decision: what is there, what is declared, and what this step did so far.
type containerHost struct {
	engine.On[containerArgs]

	unknown string // why nothing is known; "": all below is known
	facts   containerFacts
	ref     reference // the image to launch
	image   *imageInspect
	spec    containerSpec
	box     *containerInspect // the container of that name; nil: there is none
	fresh   *containerInspect // the one of the provisional name

	looked bool            // it was asked which runs are there
	life   *lifeFacts      // what it said; nil: nothing that can be read
	more   []engine.Answer // of what was asked beyond that

	decision engine.Decision
}

// The changes of this module. Each is carried out at most once on a host.
const (
	changePull      = "pull image"
	changeLoad      = "load image"
	changeStale     = "remove stale container"
	changeLeftover  = "remove leftover container"
	changeStop      = "stop old container"
	changeLaunch    = "launch container"
	changeSetup     = "run setup_script"
	changePublish   = "name container"
	changeStart     = "start container"
	changeUnpause   = "unpause container"
	changeUndo      = "roll back"                  // a launch that was called off because of other hosts
	changeDiscard   = "roll back failed container" // the one that was the reason
	changeUndoStart = "start old container again"
)

// launchChanges are those whose failure calls the launch off on all hosts.
var launchChanges = []string{changePull, changeLoad, changeStale, changeLeftover, changeStop, changeLaunch, changeSetup, changePublish}

func callsOff(what string) bool {
	return slices.Contains(launchChanges, what) || strings.HasPrefix(what, changeLeftBehind)
}

func observeContainer(on engine.On[containerArgs]) *containerHost {
	h := &containerHost{On: on}
	if on.Reach != engine.Reached || len(on.Answers) == 0 {
		h.unknown = on.Why
		if h.unknown == "" {
			h.unknown = "not asked"
		}
		return h
	}
	facts, err := readContainerFacts(on.Answers[0])
	if err != nil {
		h.unknown = err.Error()
		return h
	}
	if facts.Down != "" {
		h.unknown = "the container runtime does not answer: " + facts.Down
		return h
	}
	h.facts = facts
	h.spec = on.Args.spec(facts)
	h.box, h.fresh = facts.container(on.Args.Name), facts.container(on.Args.provisional())
	h.setImage(on.Args.Image)
	return h
}

func (h *containerHost) setImage(image string) {
	ref, err := parseReference(image)
	if err != nil {
		h.unknown = err.Error()
		return
	}
	h.ref, h.image = ref, h.facts.image(ref)
}

// outcome is the last of a change; nil: it was not begun.
func (h *containerHost) outcome(what string) *engine.Outcome {
	for i := len(h.Past) - 1; i >= 0; i-- {
		if h.Past[i].What == what && begun(h.Past[i]) {
			return &h.Past[i]
		}
	}
	return nil
}

func begun(o engine.Outcome) bool {
	return o.OK || slices.ContainsFunc(o.Answers, func(a engine.Answer) bool { return a.State != engine.NotStarted })
}

func lost(o engine.Outcome) bool {
	return slices.ContainsFunc(o.Answers, func(a engine.Answer) bool { return a.State == engine.Lost })
}

func (h *containerHost) did(what string) bool {
	o := h.outcome(what)
	return o != nil && o.OK
}

// declaredHealth is what the runtime says of a container's health; "" where its image has no health check.
func (c containerInspect) declaredHealth() string {
	if c.State.Health == nil || c.State.Health.Status == "none" {
		return ""
	}
	return c.State.Health.Status
}

// launching tells whether this step began to launch here.
func (h *containerHost) launching() bool {
	return slices.ContainsFunc(h.Past, func(o engine.Outcome) bool { return begun(o) && callsOff(o.What) })
}

// launched tells whether this step began to start a container here.
func (h *containerHost) launched() bool { return h.outcome(changeLaunch) != nil }

// own is the container that this step launched, under whichever name.
func (h *containerHost) own() *containerInspect {
	if !h.launched() {
		return nil
	}
	for _, c := range []*containerInspect{h.fresh, h.box} {
		if c != nil && c.ours() && c.run() == h.Run {
			return c
		}
	}
	return nil
}

// finished tells whether what this step launched is ready, and has its name.
func (h *containerHost) finished() bool {
	c := h.own()
	return c != nil && c == h.box && c.State.Status == "running" && h.phase() == phaseOver
}

func (h *containerHost) running() bool {
	return h.box != nil && h.box.State.Status == "running"
}

// fault is why launching failed here; "" where it did not (yet).
func (h *containerHost) fault() string {
	if o := h.outcome(changeDiscard); o != nil && len(o.Answers) > 0 && len(o.Answers[0].Stdout.Bytes) > 0 {
		return strings.TrimSpace(o.Answers[0].Stdout.String()) // the reason for it, as it was given along
	}
	for _, o := range h.Past {
		if callsOff(o.What) && !o.OK && !lost(o) {
			return outcomeWords(o)
		}
		if o.What == changeSetup && lost(o) {
			return "the connection was lost while setup_script ran: how far it came is not known"
		}
	}
	if h.unknown != "" && h.launching() {
		return "lost while it launched: " + h.unknown
	}
	switch {
	case h.unknown != "" || h.outcome(changeUndo) != nil:
		return ""
	case h.did(changePull) && h.image == nil && !h.launched():
		return fmt.Sprintf("%s was pulled, and is not there", h.ref)
	case h.own() != nil || h.did(changeLaunch):
		return h.ownFault()
	}
	return ""
}

// ownFault is what is wrong with the container that this step launched.
func (h *containerHost) ownFault() string {
	c := h.own()
	if c == nil {
		return "the container vanished after it was started"
	}
	if c.State.Status != "running" {
		why := fmt.Sprintf("the container is %s, exit code %d, right after it was started", c.State.Status, c.State.ExitCode)
		if c.State.Error != "" {
			why += ": " + c.State.Error
		}
		return why + indented(h.facts.Logs)
	}
	if h.image != nil && c.Image != h.image.ID {
		return fmt.Sprintf("the container was started from image %s, and %s is %s", shortID(c.Image), h.ref, shortID(h.image.ID))
	}
	if status, words := h.health(); status != "" && status != "healthy" && status != "none" {
		return fmt.Sprintf("the container is not healthy within %s: %s%s", h.Args.WaitHealthy, status, indented(lines(words)))
	}
	return ""
}

// health is the answer of the health question, where it was asked.
func (h *containerHost) health() (status, words string) {
	if len(h.more) == 0 {
		return "", ""
	}
	return readHealth(h.more[0])
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

func indented(list []string) string {
	var b strings.Builder
	for _, l := range list {
		b.WriteString("\n    " + l)
	}
	return b.String()
}

// outcomeWords says how a change failed: for a script its exit code and the end of what it printed.
func outcomeWords(o engine.Outcome) string {
	const last = 12
	for _, a := range o.Answers {
		if a.State != engine.Given || a.Code == 0 {
			continue
		}
		out := strings.TrimSpace(strings.TrimSpace(a.Stdout.String()) + "\n" + strings.TrimSpace(a.Stderr.String()))
		all := lines(out)
		if len(all) > last {
			all = append([]string{fmt.Sprintf("… %d lines before", len(all)-last)}, all[len(all)-last:]...)
		}
		return fmt.Sprintf("%s: exit code %d%s", o.What, a.Code, indented(all))
	}
	return o.What + ": " + o.Why
}

// pulled is what is remembered of a pull that this step made.
func (h *containerHost) pulled() map[string]string {
	if !h.did(changePull) {
		return nil
	}
	return rememberPull(h.ref, h.results())
}

// obstacle is why a launch cannot begin here; "" where it can.
func (h *containerHost) obstacle() string {
	if missing := h.Args.missingDevices(h.facts); len(missing) > 0 {
		return "the host lacks " + strings.Join(missing, ", ") + ", which required_devices names"
	}
	if h.needsImage() && h.Args.Pull == pullNever && h.Args.ImageTar == "" {
		return fmt.Sprintf("%s is not on the host, and pull = %q", h.ref, pullNever)
	}
	if h.did(changeLoad) && h.image == nil {
		if h.ref.Digest != "" {
			return fmt.Sprintf("%s was loaded, but a loaded image has no digest: whether it is %s cannot be told\n  give the image without a digest", h.Args.ImageTar, h.ref.Digest)
		}
		return fmt.Sprintf("%s was loaded, but it does not hold %s", h.Args.ImageTar, h.ref)
	}
	return ""
}

// needsImage tells whether the image has to be brought here. With pull = "always" a tag is pulled though it is there: it may have moved.
func (h *containerHost) needsImage() bool {
	if h.image == nil {
		return true
	}
	return h.Args.Pull == pullAlways && h.ref.Digest == "" && h.Args.ImageTar == "" && !h.did(changePull)
}

// imageDrift is how the image of a container that is attached to differs from the declared one; "" where it does not, or where that cannot be told.
func (h *containerHost) imageDrift() string {
	if h.box == nil {
		return ""
	}
	runs := h.facts.imageByID(h.box.Image)
	if h.ref.Digest != "" {
		if h.box.Config.Labels[labelDigest] == h.ref.Digest || (runs != nil && runs.is(h.ref)) {
			return ""
		}
		return fmt.Sprintf("started from %s, declared %s", h.startedFrom(), h.ref)
	}
	if h.image != nil {
		if h.image.ID == h.box.Image {
			return ""
		}
		return fmt.Sprintf("started from %s, %s is now %s", h.startedFrom(), h.ref, shortID(h.image.ID))
	}
	if from, err := parseReference(h.box.Config.Image); err == nil && from.Tagged() != h.ref.Tagged() {
		return fmt.Sprintf("started from %s, declared %s", h.startedFrom(), h.ref)
	}
	return ""
}

func (h *containerHost) startedFrom() string {
	if h.box.Config.Image == "" || strings.Contains(h.box.Config.Image, plainID(h.box.Image)) {
		return shortID(h.box.Image)
	}
	return fmt.Sprintf("%s (%s)", h.box.Config.Image, shortID(h.box.Image))
}

// drift is all in which a container that is attached to differs from the declaration.
func (h *containerHost) drift() []string {
	if h.box == nil || h.own() != nil {
		return nil
	}
	var out []string
	if h.Args.Lifetime == persistent && h.box.lifetime() == perRun {
		out = append(out, "it was launched for one run alone, so that a later run may remove it; declared persistent")
	}
	if d := h.imageDrift(); d != "" {
		out = append(out, d)
	}
	for _, d := range h.spec.drift(*h.box, h.facts) {
		out = append(out, d.String())
	}
	return out
}

func (h *containerHost) results() engine.Values {
	out := engine.Values{
		"id": nil, "name": h.Args.Name, "image_id": nil, "digest": nil, "state": nil,
		"launched": h.launched(), "runtime": h.facts.Runtime,
	}
	if h.box == nil {
		return out
	}
	out["id"], out["image_id"], out["state"] = h.box.ID, "sha256:"+h.box.Image, h.box.State.Status
	if img := h.facts.imageByID(h.box.Image); img != nil && h.ref.Digest != "" && img.is(h.ref) {
		out["digest"] = h.ref.Digest
	} else if img != nil {
		if d := img.digests(h.ref); len(d) > 0 {
			out["digest"] = d[0]
		}
	}
	if d := h.box.Config.Labels[labelDigest]; out["digest"] == nil && d != "" {
		out["digest"] = d
	}
	return out
}

// foretoldStart are the results once a container that is there runs.
func (h *containerHost) foretoldStart() engine.Values {
	out := h.results()
	out["state"] = "running"
	return out
}

// foretold are the results of a launch that has not begun, as far as they can be told.
func (h *containerHost) foretold() engine.Values {
	out := engine.Values{"name": h.Args.Name, "state": "running", "launched": true, "runtime": h.facts.Runtime}
	if h.ref.Digest != "" {
		out["digest"] = h.ref.Digest
	}
	if !h.needsImage() {
		out["image_id"] = "sha256:" + h.image.ID
	}
	return out
}
