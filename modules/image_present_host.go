package modules

import (
	"fmt"
	"slices"
	"strings"

	"cvsplay/engine"
)

// An imageHost is one host's part in the decision: what is there, what is declared, and what this step did so far.
type imageHost struct {
	engine.On[imageArgs]

	ref   reference
	facts containerFacts
	image *imageInspect // what the host has under that name; nil: nothing

	// Where it is copied.
	archived engine.ArchivedImage
	tools    map[string]string // paths of programs; "": missing
	folder   string            // where this step keeps what it needs for a while
	folders  []string          // those of this step that are there
	keys     *copyKeys         // nil: none were made

	decision engine.Decision
}

// copyKeys are a host's public keys, and the account that they are for.
type copyKeys struct{ id, host, account string }

// The changes of this module. Each is carried out at most once on a host.
const (
	changeUpload     = "copy image from controller"
	changeFetch      = "copy image from another host"
	changeFetchAgain = "copy image from yet another host"
	changeMakeKeys   = "make keys for copying"
	changeServe      = "serve image to other hosts"
	changeTidy       = "remove keys for copying"
)

// fetches are the attempts to copy the image from a host that has it.
var fetches = []string{changeFetch, changeFetchAgain}

// observeImage reads a host's answers. A host of which nothing is known, or on which something failed, has its decision already.
func observeImage(on engine.On[imageArgs]) *imageHost {
	h := &imageHost{On: on}
	if on.Reach != engine.Reached || len(on.Answers) == 0 {
		h.decision = failedStop("%s", orText(on.Why, "not asked"))
		return h
	}
	facts, err := readContainerFacts(on.Answers[imageFacts])
	if err == nil && facts.Down != "" {
		err = fmt.Errorf("the container runtime does not answer: %s", facts.Down)
	}
	if err == nil {
		h.facts = facts
		h.ref, err = parseReference(on.Args.Image)
	}
	if err != nil {
		h.decision = failedStop("%s", err)
		return h
	}
	h.image = facts.image(h.ref)
	if on.Args.Source != nil {
		h.observeCopy()
		return h
	}
	if stop, failed := failedBefore(on.Past); failed {
		h.decision = stop
	}
	return h
}

func orText(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

func (h *imageHost) observeCopy() {
	if err := h.findArchived(); err != nil {
		h.decision = failedStop("%s", err)
		return
	}
	if err := h.readCopyFacts(h.Answers[imageCopy]); err != nil {
		h.decision = failedStop("what is needed to copy images cannot be told: %s", err)
		return
	}
	h.folder = imageFolder(h.Run, h.ref)
	h.folders = slices.DeleteFunc(h.folders, func(f string) bool { return f != h.folder })
	h.keys = h.madeKeys()
	stop, failed := failedBefore(h.Past)
	if !failed && !h.has() && h.did(changeUpload) {
		stop, failed = engine.Stop{State: engine.Failed, Why: fmt.Sprintf("%s was loaded, and %s is %s on the host and not %s", h.Args.Source.Source, h.ref, h.haveWords(), shortID(h.archived.ID))}, true
	}
	switch {
	case failed && len(h.folders) > 0 && h.outcome(changeTidy) == nil:
		h.decision = engine.Act{Changes: []engine.Change{h.change(changeTidy, true, removeFolder(h.folder))}}
	case failed:
		h.decision = stop
	}
}

// findArchived finds the image of the reference in the archive.
func (h *imageHost) findArchived() error {
	var names []string
	for _, img := range h.Args.Source.Images {
		for _, name := range img.Names {
			names = append(names, name)
			if other, ok := h.ref.sameRepository(name); ok && other.Tag == h.ref.Tag && h.ref.Digest == "" {
				h.archived = img
			}
		}
	}
	switch {
	case h.ref.Digest != "":
		return fmt.Errorf("a loaded image has no registry digest: whether it is %s could not be told\n  give the image without a digest", h.ref.short())
	case h.archived.ID == "" && len(names) == 0:
		return fmt.Errorf("%s holds an image without a name\n  save it by its name: docker save -o FILE %s", h.Args.Source.Source, h.ref)
	case h.archived.ID == "":
		return fmt.Errorf("%s does not hold %s\n  it holds %s", h.Args.Source.Source, h.ref, strings.Join(names, ", "))
	case h.archived.Architecture != "" && h.facts.Arch != "" && h.archived.Architecture != h.facts.Arch:
		return fmt.Errorf("%s holds %s for %s, and the host is %s\n  save one for each architecture, and choose it with when or by a variable of the host",
			h.Args.Source.Source, h.ref, h.archived.Architecture, h.facts.Arch)
	}
	return nil
}

// readCopyFacts reads the answer to copyQuestion strictly: what is not understood is an error, never an absence.
func (h *imageHost) readCopyFacts(a engine.Answer) error {
	h.tools = map[string]string{}
	ended := false
	for line := range strings.Lines(a.Stdout.String()) {
		line = strings.TrimRight(line, "\n")
		key, value, ok := strings.Cut(line, "=")
		switch {
		case line == "end":
			ended = true
		case !ok:
			return fmt.Errorf("cannot understand %q", line)
		case key == "folder":
			h.folders = append(h.folders, value)
		default:
			h.tools[key] = value
		}
	}
	if a.Code != 0 || !ended || len(h.tools) != 4 {
		return fmt.Errorf("%s", words(a))
	}
	return nil
}

// outcome is what became of a change; nil: it was not begun.
func (h *imageHost) outcome(what string) *engine.Outcome {
	for i := len(h.Past) - 1; i >= 0; i-- {
		if h.Past[i].What == what && begun(h.Past[i]) {
			return &h.Past[i]
		}
	}
	return nil
}

func (h *imageHost) did(what string) bool {
	o := h.outcome(what)
	return o != nil && o.OK
}

// said is the answer of a change's last action; ok: it ended well.
func (h *imageHost) said(what string) (a engine.Answer, ok bool) {
	o := h.outcome(what)
	if o == nil || len(o.Answers) == 0 {
		return a, false
	}
	a = o.Answers[len(o.Answers)-1]
	return a, o.OK && a.State == engine.Given && a.Code == 0
}

// madeKeys reads what making keys printed.
func (h *imageHost) madeKeys() *copyKeys {
	a, ok := h.said(changeMakeKeys)
	if !ok {
		return nil
	}
	var k copyKeys
	for line := range strings.Lines(a.Stdout.String()) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		switch name {
		case "id":
			k.id = value
		case "host":
			k.host = value
		case "account":
			k.account = value
		}
	}
	if k.id == "" || k.host == "" || k.account == "" {
		return nil
	}
	return &k
}

// has tells whether the image of that name on the host is the archive's.
func (h *imageHost) has() bool {
	img, want := h.image, h.archived
	switch {
	case img == nil:
		return false
	case img.ID == plainID(want.ID):
		return true
	case slices.ContainsFunc(want.Manifests, func(d string) bool { return plainID(d) == img.ID }):
		return true
	}
	// A store that counts by manifests names an image by its id. It makes a manifest of its own for an archive that has none.
	byManifest := slices.ContainsFunc(img.RepoDigests, func(d string) bool { return strings.HasSuffix(d, "@sha256:"+img.ID) })
	return byManifest && len(want.Layers) > 0 && slices.Equal(img.RootFS.Layers, want.Layers) && img.Created == want.Created && img.Architecture == want.Architecture
}

func (h *imageHost) haveWords() string {
	if h.image == nil {
		return "absent"
	}
	return shortID(h.image.ID)
}

func (h *imageHost) address() string { return orText(h.Args.Address, h.Address) }

// change is one of this step's changes of this host.
func (h *imageHost) change(what string, work bool, do ...engine.Action) engine.Change {
	c := engine.Change{What: what, Again: true}
	switch what {
	case changeUpload, changeFetch, changeFetchAgain:
		c.Have, c.Want = h.haveWords(), h.ref.short()
	}
	if work {
		c.Do = do
	}
	return c
}

// bring decides for a host that pulls, or loads what lies on it.
func (h *imageHost) bring() engine.Decision {
	a := h.Args
	c := engine.Change{Have: h.haveWords(), Want: h.ref.short(), Again: true}
	switch {
	case a.ImageTar != "" && h.image == nil && h.did(changeLoad) && h.ref.Digest != "":
		return failedStop("%s was loaded, but a loaded image has no digest: whether it is %s cannot be told\n  give the image without a digest", a.ImageTar, h.ref.Digest)
	case a.ImageTar != "" && h.image == nil && h.did(changeLoad):
		return failedStop("%s was loaded, but it does not hold %s", a.ImageTar, h.ref)
	case a.ImageTar != "" && h.image == nil:
		c.What, c.Do = changeLoad, []engine.Action{loadImage(a.Runtime, a.ImageTar, h.ref, 0)}
	case h.image == nil && h.did(changePull):
		return failedStop("%s was pulled, and is not there", h.ref)
	case h.image == nil && a.Pull == pullNever && a.ImageTar == "":
		return failedStop("%s is not on the host, and pull = %q", h.ref, pullNever)
	case h.image == nil, a.Pull == pullAlways && h.ref.Digest == "" && !h.did(changePull):
		c.What, c.Do = changePull, []engine.Action{containerArgs{Runtime: a.Runtime, Registry: a.Registry}.pullImage(h.ref)}
	case h.did(changePull):
		return engine.Done{Results: h.results(), Remember: rememberPull(h.ref, h.results())}
	default:
		return engine.Done{Results: h.results()}
	}
	return engine.Act{Changes: []engine.Change{c}, Results: h.foretold(c.What)}
}

// foretold are the results as far as they can be told before something is done.
func (h *imageHost) foretold(what string) engine.Values {
	out := engine.Values{"ref": h.ref.String()}
	switch what {
	case changePull:
		out["from"] = "registry"
		if h.ref.Digest != "" {
			out["digest"] = h.ref.Digest
		}
	case changeLoad:
		out["from"] = "host file"
	}
	return out
}

func (h *imageHost) results() engine.Values {
	out := engine.Values{"ref": h.ref.String(), "image_id": nil, "digest": nil, "size": nil, "from": h.from()}
	if h.image == nil {
		return out
	}
	out["image_id"], out["size"] = "sha256:"+h.image.ID, h.image.Size
	switch d := h.image.digests(h.ref); {
	case h.ref.Digest != "":
		out["digest"] = h.ref.Digest
	case h.Args.Source == nil && len(d) > 0: // podman lists a digest for what was loaded too: no registry knows it
		out["digest"] = d[0]
	}
	return out
}

// from tells how the image came here.
func (h *imageHost) from() string {
	switch {
	case h.did(changePull):
		return "registry"
	case h.did(changeLoad):
		return "host file"
	case h.did(changeUpload):
		return "controller"
	}
	for _, what := range fetches {
		if h.outcome(what) != nil && !h.fetchFailed(what) {
			return h.fetchedFrom(what)
		}
	}
	return "present"
}

// fetchFailed tells whether copying was tried and failed: also where something else came than the image.
func (h *imageHost) fetchFailed(what string) bool {
	o := h.outcome(what)
	_, ok := h.said(what)
	return o != nil && !ok && !(lost(*o) && h.has()) || ok && !h.has()
}

// fetchedFrom is the host that a copy came, or should have come, from.
func (h *imageHost) fetchedFrom(what string) string {
	a, _ := h.said(what)
	first, _, _ := strings.Cut(a.Stdout.String(), "\n")
	return strings.TrimPrefix(first, "from ")
}
