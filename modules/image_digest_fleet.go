package modules

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"cvsplay/engine"
)

// imageVerdict is the digest found on one host, or why there is none.
type imageVerdict struct {
	source   string // pinned, registry, local, none
	digest   string
	platform string // digest of the image manifest for the platform asked for
	media    string
	reason   string   // of "none"
	fault    string   // an error, judged by on_error
	imageID  string   // of a local image, to compare those without a digest
	arch     string   // of a local image
	digests  []string // all of it for this repository
}

// An digestHost is one host's part in the decision.
type digestHost struct {
	engine.On[imageDigestArgs]
	ref      reference
	verdict  imageVerdict
	registry bool              // the verdict is a registry's
	more     []engine.Question // what has to be answered first
	unread   []engine.Answer   // what the verdict has not looked at yet
}

// decideImageDigest finds each host's digest, and holds them against each other.
func decideImageDigest(all []engine.On[imageDigestArgs]) []engine.Decision {
	var hosts []*digestHost // those that can be asked
	out := make([]engine.Decision, len(all))
	at := make([]int, 0, len(all))
	for i, on := range all {
		if on.Reach != engine.Reached {
			out[i] = engine.Stop{State: engine.Failed, Why: on.Why}
			continue
		}
		hosts, at = append(hosts, &digestHost{On: on}), append(at, i)
	}
	f := digestFleet{hosts: hosts}
	f.look()
	refused := f.disagreement()
	for n, h := range hosts {
		switch {
		case len(h.more) > 0:
			out[at[n]] = engine.More{Ask: h.more}
		case refused != "":
			out[at[n]] = engine.Stop{State: engine.Refused, Why: refused}
		default:
			out[at[n]] = h.Args.conclude(h.verdict)
		}
	}
	return out
}

// An digestFleet is the hosts that can be asked. One that cannot runs nothing: it neither has nor lacks an image.
type digestFleet struct {
	hosts    []*digestHost
	required map[string]bool // references for which a pull is required
}

// look finds every host's verdict, or what it has to be asked first.
func (f *digestFleet) look() {
	var open []*digestHost
	for _, h := range f.hosts {
		ref, err := parseReference(h.Args.Image)
		switch {
		case err != nil:
			h.verdict = imageVerdict{source: "none", fault: err.Error()}
		case ref.Digest != "":
			h.verdict = imageVerdict{source: "pinned", digest: ref.Digest}
		default:
			h.ref, h.unread = ref, h.Answers
			open = append(open, h)
		}
	}
	f.require(open)
	for _, h := range open {
		h.look(f.required[h.ref.String()])
	}
	f.share(open)
}

// require tells for which references a pull is required: where a host lacks the image, or this controller has not pulled it on all of them. What
// pull = "always" and "never" mean depends on nobody.
func (f *digestFleet) require(hosts []*digestHost) {
	f.required = map[string]bool{}
	for _, h := range hosts {
		if len(h.Answers) == 0 {
			continue
		}
		switch first := h.Answers[0]; h.Args.Pull {
		case pullOnce:
			f.required[h.ref.String()] = f.required[h.ref.String()] || first.Code != 0
		case pullMissing:
			facts, err := readContainerFacts(first)
			lacks := err == nil && facts.Down == "" && facts.image(h.ref) == nil
			f.required[h.ref.String()] = f.required[h.ref.String()] || lacks
		}
	}
}

// next is the answer that comes next; nil: there is none yet.
func (h *digestHost) next() *engine.Answer {
	if len(h.unread) == 0 {
		return nil
	}
	a := &h.unread[0]
	h.unread = h.unread[1:]
	return a
}

func (h *digestHost) look(required bool) {
	switch h.Args.Pull {
	case pullMissing:
		local := h.next()
		if required {
			h.askRegistry()
			return
		}
		h.askLocal(local)
	case pullNever:
		h.askLocal(h.next())
	case pullOnce:
		_ = h.next() // what is remembered; require looked at it
		if required {
			h.askRegistry()
			return
		}
		h.askLocal(h.next())
	default:
		h.askRegistry()
	}
}

// askLocal takes the digest from the host's own record of the image.
func (h *digestHost) askLocal(answer *engine.Answer) {
	if answer == nil {
		h.more = []engine.Question{localQuestion(h.ref)}
		return
	}
	h.verdict = imageVerdict{source: "none"}
	facts, err := readContainerFacts(*answer)
	switch {
	case err != nil:
		h.verdict.fault = err.Error()
	case facts.Down != "":
		h.verdict.fault = "the container runtime does not answer: " + facts.Down
	case facts.image(h.ref) == nil && h.Args.Pull == pullOnce:
		h.verdict.fault = fmt.Sprintf("%s is not on the host, and pull = %q asks no registry once this controller has pulled it somewhere: pull = %q does", h.ref, pullOnce, pullMissing)
	case facts.image(h.ref) == nil:
		h.verdict.fault = fmt.Sprintf("%s is not on the host, and pull = %q asks no registry", h.ref, h.Args.Pull)
	default:
		h.verdict = localVerdict(h.ref, *facts.image(h.ref))
	}
}

func localVerdict(ref reference, img imageInspect) imageVerdict {
	v := imageVerdict{source: "none", imageID: img.ID, arch: img.platform()}
	digests := img.digests(ref)
	switch {
	case len(img.RepoDigests) == 0:
		v.reason = "not from a registry"
	case len(digests) == 0:
		v.fault = fmt.Sprintf("no repo digest matches %s: the image was pulled as %s", ref.Name(), strings.Join(img.RepoDigests, ", "))
	default:
		v.source, v.digest, v.digests = "local", digests[0], digests
	}
	return v
}

// askRegistry takes the digest from the registry, asked by the controller or by the host.
func (h *digestHost) askRegistry() {
	h.registry = true
	first := h.next()
	switch {
	case h.Args.From != fromHost && first == nil:
		h.more = []engine.Question{h.Args.manifest()}
	case h.Args.From != fromHost:
		h.verdict = h.Args.registryVerdict(h.ref, first.Manifest)
	case first == nil:
		h.more = []engine.Question{h.Args.hostQuestion(h.ref)}
	default:
		h.readRegistry(readHostAnswer(*first), h.next())
	}
}

// readRegistry takes the digest from what the host was told; images is the answer to what it was asked after that.
func (h *digestHost) readRegistry(said hostAnswer, images *engine.Answer) {
	if said.cannot != "" {
		h.verdict = imageVerdict{source: "none", reason: said.cannot}
		return
	}
	info, asks := said.withPlatform(h.Args.Platform, images)
	if asks {
		h.more = []engine.Question{h.Args.hostImagesQuestion(h.ref, info.Digest)}
		return
	}
	h.verdict = h.Args.registryVerdict(h.ref, info)
}

// share makes one answer serve all under run_once: of the hosts that would ask a registry the first asks, and an error with a local image
// is everybody's.
func (f *digestFleet) share(hosts []*digestHost) {
	var asker *digestHost
	faults := map[string][]string{}
	for _, h := range hosts {
		if !h.Once {
			return
		}
		switch {
		case h.registry && h.Args.From != fromHost: // it is the same for all
		case h.registry && asker == nil:
			asker = h
		case h.registry:
			h.more, h.verdict = nil, asker.verdict
		case h.verdict.fault != "":
			faults[h.verdict.fault] = append(faults[h.verdict.fault], h.Host)
		}
	}
	if len(faults) == 0 {
		return
	}
	var say []string
	for _, fault := range slices.Sorted(maps.Keys(faults)) {
		say = append(say, fmt.Sprintf("%s: %s", engine.FoldHosts(faults[fault]), fault))
	}
	for _, h := range hosts {
		h.verdict = imageVerdict{source: "none", fault: strings.Join(say, "\n")}
	}
}

// disagreement compares what hosts found for themselves, for each reference: digests with digests, and the ids of images without one within one
// architecture. Where an image has several digests, it takes the one that all hosts have. It gives the reason to refuse; "" where they agree.
func (f *digestFleet) disagreement() string {
	byRef := map[string][]*digestHost{}
	for _, h := range f.hosts {
		if v := h.verdict; len(h.more) == 0 && v.fault == "" && (v.imageID != "" || v.source == "registry") {
			byRef[h.ref.String()] = append(byRef[h.ref.String()], h)
		}
	}
	for _, ref := range slices.Sorted(maps.Keys(byRef)) {
		found := make([]*imageVerdict, len(byRef[ref]))
		for i, h := range byRef[ref] {
			found[i] = &h.verdict
		}
		if takeCommonDigest(found) && sameIDs(found) {
			continue
		}
		groups, asked := map[string][]string{}, false
		for _, h := range byRef[ref] {
			groups[h.verdict.String()] = append(groups[h.verdict.String()], h.Host)
			asked = asked || h.verdict.source == "registry"
		}
		advice := `pull it from the registry for all (pull = "always"), or bring the odd ones up to date`
		if asked {
			advice = `the tag moved while they asked, or a mirror is behind: run again; run_once = true takes the answer of one host for all`
		}
		return fmt.Sprintf("%s is not the same image on all hosts:%s\n  %s", ref, groupLines(groups), advice)
	}
	return ""
}

// takeCommonDigest gives all verdicts that have digests one that all of them have.
func takeCommonDigest(local []*imageVerdict) bool {
	var common []string
	first := true
	for _, v := range local {
		if len(v.digests) == 0 {
			continue
		}
		if first {
			common, first = slices.Clone(v.digests), false
			continue
		}
		common = slices.DeleteFunc(common, func(d string) bool { return !slices.Contains(v.digests, d) })
	}
	if first {
		return true
	}
	if len(common) == 0 {
		return false
	}
	for _, v := range local {
		if len(v.digests) > 0 {
			v.digest = common[0]
		}
	}
	return true
}

// sameIDs tells whether an image without a digest is the image of all hosts of its architecture.
func sameIDs(local []*imageVerdict) bool {
	ids, loose := map[string]map[string]bool{}, map[string]bool{}
	for _, v := range local {
		if v.imageID == "" {
			continue // a registry's digest is compared with digests only
		}
		if ids[v.arch] == nil {
			ids[v.arch] = map[string]bool{}
		}
		ids[v.arch][v.imageID] = true
		loose[v.arch] = loose[v.arch] || len(v.digests) == 0
	}
	for arch := range ids {
		if loose[arch] && len(ids[arch]) > 1 {
			return false
		}
	}
	return true
}

// String is what an image is told apart by.
func (v imageVerdict) String() string {
	if v.source == "registry" {
		return v.digest + ", by the registry"
	}
	if len(v.digests) > 0 {
		return strings.Join(v.digests, ", ")
	}
	return fmt.Sprintf("image id %s (%s), without a digest", shortID(v.imageID), v.arch)
}

// groupLines lists hosts by what they have, the smallest groups first: those are the odd ones.
func groupLines(groups map[string][]string) string {
	whats := make([]string, 0, len(groups))
	for what := range groups {
		whats = append(whats, what)
	}
	sort.Slice(whats, func(i, j int) bool {
		if a, b := len(groups[whats[i]]), len(groups[whats[j]]); a != b {
			return a < b
		}
		return whats[i] < whats[j]
	})
	var b strings.Builder
	for _, what := range whats {
		fmt.Fprintf(&b, "\n  %s: %s", engine.FoldHosts(groups[what]), what)
	}
	return b.String()
}
