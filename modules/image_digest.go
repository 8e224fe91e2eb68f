package modules

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
)

func init() { register(engine.Fleet(imageDigestSchema, decideImageDigest)) }

// imageDigestArgs are the arguments of one image_digest step.
type imageDigestArgs struct {
	Image    string        `arg:"image"`
	Pull     string        `arg:"pull"`
	OnError  string        `arg:"on_error"`
	Timeout  time.Duration `arg:"timeout"`
	Platform string        `arg:"platform"`
	From     string        `arg:"from"`
	Username string        `arg:"username"`
	Password string        `arg:"password"`
	Insecure bool          `arg:"insecure"`
	Expect   string        `arg:"expect"`
}

// The values of pull.
const (
	pullAlways  = "always"
	pullMissing = "missing"
	pullOnce    = "once"
	pullNever   = "never"
)

const (
	imageDigestLimit = time.Minute
	imageDigestFloor = 30 * time.Second
)

var imageDigestSchema = engine.Module{
	Name:    "image_digest",
	Surveys: true,
	Summary: "Turn an image reference into the digest that every host will run.",
	Doc: `Finds out, before any host pulls, which bytes a tag names now. Without it ` + "`:latest`" + ` can be another image on each host. It never changes a
host and asks the same in check mode. Give its result ` + "`ref`" + ` to container_ensure; with ` + "`run_once`" + ` one answer serves the fleet.

The first that holds decides:

1. The reference has a digest: that is it (` + "`source`" + ` is "pinned"), and nothing is asked.
2. No pull is required and the image is on the host: the digest under which it was pulled from that repository ("local"). An image that was
   built or loaded there has none: "none", with the reason. None that fits the repository is an error.
3. The registry answers: the digest of what it names, for an image of several platforms that of the index ("registry"). A manifest of schema 1
   has no digest that could be pulled by: "none".
4. The registry refuses, does not know the image, is down or too slow: an error with the registry's own words. ` + "`on_error = \"tag\"`" + ` makes it a warning
   and leaves the tag.

A pull is required with ` + "`pull = \"always\"`" + ` (then no host is asked at all), and with "missing" where a host that can be asked lacks the image; never
with "never", where a missing image is an error.

Where hosts answer for themselves ("missing" without a pull, "never"), their digests must be equal, and the ids of images without one equal within
one architecture; otherwise the step is refused, with the hosts grouped by digest.

The registry is asked with HEAD, at most nine times within ` + "`timeout`" + `; it speaks TLS, unless it is on this machine or ` + "`insecure`" + ` is set. Credentials are
used for the call and kept nowhere.`,
	Example: `step "image_digest" "image" {
  run_once = true
  image    = "docker.io/rocm/cvs:latest"
}
`,
	Args: []engine.Arg{
		{Name: "image", Type: cty.String, Required: true, Valid: validReference, Doc: "Image reference; `rvs` means `docker.io/library/rvs:latest`."},
		{Name: "pull", Type: cty.String, Default: pullAlways, Values: []string{pullAlways, pullMissing, pullOnce, pullNever},
			Doc: "When the registry has to be asked: `always`; where a host lacks the image (`missing`); `never`. `once` is not supported yet."},
		{Name: "on_error", Type: cty.String, Default: "fail", Values: []string{"fail", "tag"}, Doc: "What an error does: fail the step, or go on with the tag and a warning."},
		{Name: "timeout", Type: cty.String, As: engine.AsDuration, Default: "1m", Valid: validPositiveDuration,
			Doc: "For all tries together; below 30 s it is raised to 30 s."},
		{Name: "platform", Type: cty.String, Valid: validPlatform, Doc: "`os/arch[/variant]`: find the image manifest for it too."},
		{Name: "from", Type: cty.String, Default: "controller", Values: []string{"controller", "host"}, Doc: "Who asks the registry. `host` is not supported yet."},
		{Name: "username", Type: cty.String, Doc: "Account at the registry; default: the controller's docker credentials. Beside a password alone: `token`."},
		{Name: "password", Type: cty.String, Secret: true, Doc: "Password or token of the account."},
		{Name: "insecure", Type: cty.Bool, Default: false, Doc: "The registry speaks plain HTTP."},
		{Name: "expect", Type: cty.String, Valid: validDigest, Doc: "Digest that it must be; else the step fails."},
	},
	Results: []engine.Result{
		{Name: "ref", Type: cty.String, Doc: "`NAME:TAG@DIGEST`; the given reference where there is no digest."},
		{Name: "digest", Type: cty.String, Doc: "The digest; null where there is none."},
		{Name: "platform_digest", Type: cty.String, Doc: "Digest of the image manifest for `platform`; null without it, and where no registry was asked."},
		{Name: "media_type", Type: cty.String, Doc: "Media type of what the digest names; null where no registry was asked."},
		{Name: "source", Type: cty.String, Doc: "`pinned`, `registry`, `local` or `none`."},
		{Name: "reason", Type: cty.String, Doc: "Why there is no digest; else null."},
	},
	Check: checkImageDigest,
}

func validReference(v cty.Value) error {
	_, err := parseReference(v.AsString())
	return err
}

func validDigest(v cty.Value) error {
	if !digestRule.MatchString(v.AsString()) {
		return fmt.Errorf("not a digest (sha256: and 64 hex digits)")
	}
	return nil
}

func validPositiveDuration(v cty.Value) error {
	d, err := time.ParseDuration(v.AsString())
	if err != nil {
		return fmt.Errorf("not a duration such as \"90s\" or \"10m\"")
	}
	if d <= 0 {
		return fmt.Errorf("has to be longer than nothing")
	}
	return nil
}

func validPlatform(v cty.Value) error {
	parts := strings.Split(v.AsString(), "/")
	if len(parts) != 2 && len(parts) != 3 {
		return fmt.Errorf("not a platform such as \"linux/amd64\" or \"linux/arm64/v8\"")
	}
	for _, p := range parts {
		if p == "" || strings.ContainsFunc(p, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
		}) {
			return fmt.Errorf("not a platform: %q is no name of a system or architecture", p)
		}
	}
	return nil
}

func checkImageDigest(in engine.Inputs) []engine.Complaint {
	var out []engine.Complaint
	if in.String("pull") == pullOnce {
		out = append(out, engine.Complaint{Arg: "pull", Say: `pull = "once" is not supported yet: it needs a record of earlier runs`})
	}
	if in.String("from") == "host" {
		out = append(out, engine.Complaint{Arg: "from", Say: `from = "host" is not supported yet: the controller asks the registry`})
	}
	if in.Has("username") && !in.Has("password") {
		out = append(out, engine.Complaint{Arg: "username", Say: "a username needs a password"})
	}
	return out
}

// limit is the time for all tries, and whether it had to be raised.
func (a imageDigestArgs) limit() (d time.Duration, raised bool) {
	switch {
	case a.Timeout == 0:
		return imageDigestLimit, false
	case a.Timeout < imageDigestFloor:
		return imageDigestFloor, true
	}
	return a.Timeout, false
}

func (a imageDigestArgs) manifest() engine.Question {
	ref, _ := parseReference(a.Image)
	user := a.Username
	if user == "" && a.Password != "" {
		user = "token"
	}
	limit, _ := a.limit()
	return engine.Manifest{Ref: ref.String(), Platform: a.Platform, Username: user, Password: a.Password, Insecure: a.Insecure, Limit: limit}
}

// Ask asks the registry or the host; the registry only after the hosts have answered where that may do without it.
func (a imageDigestArgs) Ask() []engine.Question {
	ref, err := parseReference(a.Image)
	switch {
	case err != nil || ref.Digest != "":
		return nil
	case a.Pull == pullMissing || a.Pull == pullNever:
		return []engine.Question{containerQuestion(engine.AutoRuntime, nil, []string{ref.Tagged()}, nil)}
	}
	return []engine.Question{a.manifest()}
}

// imageVerdict is the digest found on one host, or why there is none.
type imageVerdict struct {
	source   string // pinned, registry, local, none
	digest   string
	platform string // digest of the image manifest for the platform asked for
	media    string
	reason   string // of "none"
	fault    string // an error, judged by on_error
	imageID  string // of a local image, to compare those without a digest
	arch     string
	asks     bool     // the registry has to answer first
	digests  []string // all of a local image for this repository
}

func decideImageDigest(all []engine.On[imageDigestArgs]) []engine.Decision {
	out := make([]engine.Decision, len(all))
	lacking := imageIsLacking(all)
	verdicts := make([]imageVerdict, len(all))
	for i, on := range all {
		if on.Reach == engine.Reached {
			verdicts[i] = on.Args.verdict(on.Answers, lacking)
		}
	}
	refused := agree(all, verdicts)
	for i, on := range all {
		switch {
		case on.Reach != engine.Reached:
			out[i] = engine.Stop{State: engine.Failed, Why: on.Why}
		case verdicts[i].asks:
			out[i] = engine.More{Ask: []engine.Question{on.Args.manifest()}}
		case refused != "":
			out[i] = engine.Stop{State: engine.Refused, Why: refused}
		default:
			out[i] = on.Args.conclude(verdicts[i])
		}
	}
	return out
}

// imageIsLacking tells whether a host that can be asked lacks the image it is asked for. A host that cannot be asked runs nothing: it neither
// has nor lacks the image.
func imageIsLacking(all []engine.On[imageDigestArgs]) bool {
	for _, on := range all {
		if on.Reach != engine.Reached || on.Args.Pull != pullMissing || len(on.Answers) == 0 {
			continue
		}
		ref, err := parseReference(on.Args.Image)
		if err != nil || ref.Digest != "" {
			continue
		}
		facts, err := readContainerFacts(on.Answers[0])
		if err == nil && facts.Down == "" && facts.image(ref) == nil {
			return true
		}
	}
	return false
}

func (a imageDigestArgs) verdict(answers []engine.Answer, lacking bool) imageVerdict {
	ref, err := parseReference(a.Image)
	if err != nil {
		return imageVerdict{source: "none", fault: err.Error()}
	}
	if ref.Digest != "" {
		return imageVerdict{source: "pinned", digest: ref.Digest}
	}
	if len(answers) == 0 {
		return imageVerdict{source: "none", fault: "nobody answered"}
	}
	if a.Pull != pullMissing && a.Pull != pullNever {
		return a.registryVerdict(ref, answers[0].Manifest)
	}
	if !lacking {
		return localVerdict(ref, answers[0])
	}
	if len(answers) < 2 {
		return imageVerdict{asks: true}
	}
	return a.registryVerdict(ref, answers[1].Manifest)
}

// localVerdict takes the digest from the host's own record of the image.
func localVerdict(ref reference, answer engine.Answer) imageVerdict {
	facts, err := readContainerFacts(answer)
	switch {
	case err != nil:
		return imageVerdict{source: "none", fault: err.Error()}
	case facts.Down != "":
		return imageVerdict{source: "none", fault: "the container runtime does not answer: " + facts.Down}
	}
	img := facts.image(ref)
	if img == nil {
		return imageVerdict{source: "none", fault: fmt.Sprintf("%s is not on the host, and pull = %q asks no registry", ref, pullNever)}
	}
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

func (a imageDigestArgs) registryVerdict(ref reference, m engine.ManifestInfo) imageVerdict {
	if m.Problem != "" {
		return imageVerdict{source: "none", fault: registryFault(ref, m)}
	}
	if strings.HasSuffix(m.MediaType, "manifest.v1+json") && strings.Contains(m.MediaType, "docker.distribution") || strings.HasSuffix(m.MediaType, "manifest.v1+prettyjws") {
		return imageVerdict{source: "none", media: m.MediaType, reason: "a manifest of schema 1 has no digest to pull by"}
	}
	return imageVerdict{source: "registry", digest: m.Digest, platform: m.Platform, media: m.MediaType}
}

// registryFault tells the ways apart in which a registry gives no digest.
func registryFault(ref reference, m engine.ManifestInfo) string {
	say := map[engine.RegistryProblem]string{
		engine.RegistryDenied:   "%s refuses access to %s",
		engine.RegistryNotFound: "%s does not know %s",
		engine.RegistryDown:     "%s is not reachable, asked for %s",
		engine.RegistryTimeout:  "%s did not answer in time, asked for %s",
		engine.RegistryMismatch: "%s claims a wrong digest for %s",
		engine.RegistryPlatform: "%s lacks the platform of %s",
		engine.RegistryInvalid:  "%s cannot be asked for %s",
	}[m.Problem]
	if say == "" {
		say = "%s gives no digest for %s"
	}
	return fmt.Sprintf("the registry "+say+": %s", ref.Domain, ref.Path+":"+ref.Tag, m.Words)
}

// conclude makes the decision of one host's verdict.
func (a imageDigestArgs) conclude(v imageVerdict) engine.Decision {
	var warn []string
	if _, raised := a.limit(); raised {
		warn = append(warn, fmt.Sprintf("timeout = %s is too short to ask a registry: raised to %s", a.Timeout, imageDigestFloor))
	}
	if v.fault != "" {
		if a.OnError != "tag" {
			return engine.Stop{State: engine.Failed, Why: v.fault, Warn: warn}
		}
		v.reason = v.fault
		warn = append(warn, v.fault+"; going on with the tag, which may be another image on each host")
	}
	if a.Expect != "" && v.digest != a.Expect {
		have := v.digest
		if have == "" {
			have = "no digest (" + v.reason + ")"
		}
		return engine.Stop{State: engine.Failed, Why: fmt.Sprintf("%s is %s, expected %s", a.Image, have, a.Expect), Warn: warn}
	}
	return engine.Done{Results: a.results(v), Warn: warn}
}

func (a imageDigestArgs) results(v imageVerdict) engine.Values {
	ref := a.Image
	if parsed, err := parseReference(a.Image); err == nil && v.digest != "" && parsed.Digest == "" {
		parsed.Digest = v.digest
		ref = parsed.String()
	}
	out := engine.Values{"ref": ref, "source": v.source, "digest": nil, "platform_digest": nil, "media_type": nil, "reason": nil}
	for name, s := range map[string]string{"digest": v.digest, "platform_digest": v.platform, "media_type": v.media, "reason": v.reason} {
		if s != "" {
			out[name] = s
		}
	}
	return out
}

// agree compares what hosts found for themselves, for each reference: digests with digests, and the ids of images without one within one
// architecture. Where an image has several digests, it takes the one that all hosts have. It gives the reason to refuse; "" where they agree.
func agree(all []engine.On[imageDigestArgs], verdicts []imageVerdict) string {
	byRef := map[string][]int{}
	for i, on := range all {
		if v := verdicts[i]; on.Reach == engine.Reached && v.imageID != "" && v.fault == "" {
			byRef[on.Args.Image] = append(byRef[on.Args.Image], i)
		}
	}
	refs := make([]string, 0, len(byRef))
	for ref := range byRef {
		refs = append(refs, ref)
	}
	sort.Strings(refs)
	for _, ref := range refs {
		local := make([]*imageVerdict, len(byRef[ref]))
		for n, i := range byRef[ref] {
			local[n] = &verdicts[i]
		}
		if takeCommonDigest(local) && sameIDs(local) {
			continue
		}
		groups := map[string][]string{}
		for n, i := range byRef[ref] {
			groups[local[n].String()] = append(groups[local[n].String()], all[i].Host)
		}
		return fmt.Sprintf("%s is not the same image on all hosts:%s\n  pull it from the registry for all (pull = \"always\"), or bring the odd ones up to date",
			ref, groupLines(groups))
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

func (v imageVerdict) String() string {
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
