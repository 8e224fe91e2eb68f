package modules

import (
	"fmt"
	"slices"
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

// The values of from.
const (
	fromController = "controller"
	fromHost       = "host"
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
   built or loaded there has none: "none", with the reason. None that fits the repository is an error, and so is an image that is not there.
3. The registry answers: the digest of what it names, for an image of several platforms that of the index ("registry"). A manifest of schema 1
   has no digest that could be pulled by: "none".
4. The registry refuses, does not know the image, is down or too slow: an error with the registry's own words. ` + "`on_error = \"tag\"`" + ` makes it a warning
   and leaves the tag.

A pull is required with ` + "`pull = \"always\"`" + ` (then no host is asked at all); with "missing" where a host that can be asked lacks the image; with "once"
until container_ensure or image_present, run from this controller by this account, has pulled what the tag names (` + "`$XDG_STATE_HOME/cvsplay/memory.json`" + ` tells);
with "never" not.

Where hosts answer for themselves, their digests must be equal, and the ids of images without one equal within one architecture; otherwise the
step is refused, with the hosts grouped by digest, the odd ones first. With ` + "`run_once`" + ` local images are asked of all hosts, and an error on one
of them is the step's.

The controller asks a registry with HEAD, at most nine times within ` + "`timeout`" + `; it speaks TLS, unless the registry is on this machine or ` + "`insecure`" + ` is
set. A digest that the registry claims must be that of the bytes, where they are fetched. Credentials are used for the call and kept nowhere.

With ` + "`from = \"host\"`" + `, for a registry that only the nodes reach, each host (with ` + "`run_once`" + ` one of them) asks once, through its own runtime, with that
one's mirrors, trust and login: docker by the engine's API (18.09 or later; before that where there is curl), podman by skopeo where it is
installed. A host that has no way to ask gives "none" with the reason. Docker's engine decides by its own configuration which registries it speaks
plain HTTP to: then ` + "`insecure`" + ` counts for ` + "`platform`" + ` only, and for skopeo.`,
	Example: `step "image_digest" "image" {
  run_once = true
  image    = "docker.io/rocm/cvs:latest"
}
`,
	Args: []engine.Arg{
		{Name: "image", Type: cty.String, Required: true, Valid: validReference, Doc: "Image reference; `rvs` means `docker.io/library/rvs:latest`."},
		{Name: "pull", Type: cty.String, Default: pullAlways, Values: []string{pullAlways, pullMissing, pullOnce, pullNever},
			Doc: "When the registry has to be asked: `always`; where a host lacks the image (`missing`); until this controller has pulled it (`once`); `never`."},
		{Name: "on_error", Type: cty.String, Default: "fail", Values: []string{"fail", "tag"}, Doc: "What an error does: fail the step, or go on with the tag and a warning."},
		{Name: "timeout", Type: cty.String, As: engine.AsDuration, Default: "1m", Valid: validPositiveDuration,
			Doc: "For all tries together; below 30 s it is raised to 30 s."},
		{Name: "platform", Type: cty.String, Valid: validPlatform, Doc: "`os/arch[/variant]`: find the image manifest for it too."},
		{Name: "from", Type: cty.String, Default: fromController, Values: []string{fromController, fromHost}, Doc: "Who asks the registry."},
		{Name: "username", Type: cty.String, Doc: "Account at the registry; default: the controller's docker credentials. Beside a password alone: `token`. Not with `from = \"host\"`."},
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
	if in.String("from") == fromHost {
		for _, name := range []string{"username", "password"} {
			if in.Has(name) {
				out = append(out, engine.Complaint{Arg: name, Say: `with from = "host" the host's own login serves, and no credentials leave the controller: log in there, or leave out "from"`})
			}
		}
		return out
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

// Ask asks who has to be asked in any case. The registry is asked later where the hosts, or what this controller remembers, may do without it; and
// later too by the hosts, since under run_once only one of them has to.
func (a imageDigestArgs) Ask() []engine.Question {
	ref, err := parseReference(a.Image)
	switch {
	case err != nil || ref.Digest != "":
		return nil
	case a.Pull == pullMissing || a.Pull == pullNever:
		return []engine.Question{localQuestion(ref)}
	case a.Pull == pullOnce:
		return []engine.Question{engine.Recall{Key: pulledKey(ref)}}
	case a.From == fromHost:
		return nil
	}
	return []engine.Question{a.manifest()}
}

// localQuestion asks a host for its image of a name.
func localQuestion(ref reference) engine.Question {
	return containerQuestion(engine.AutoRuntime, nil, []string{ref.Tagged()}, nil)
}

func (a imageDigestArgs) registryVerdict(ref reference, m engine.ManifestInfo) imageVerdict {
	if m.Problem != "" {
		return imageVerdict{source: "none", fault: a.registryFault(ref, m)}
	}
	if engine.IsSchema1Type(m.MediaType) {
		return imageVerdict{source: "none", media: m.MediaType, reason: "a manifest of schema 1 has no digest to pull by"}
	}
	if m.Digest == "" {
		return imageVerdict{source: "none", fault: "nobody answered"}
	}
	return imageVerdict{source: "registry", digest: m.Digest, digests: []string{m.Digest}, platform: m.Platform, media: m.MediaType}
}

// registryFault tells the ways apart in which a registry gives no digest.
func (a imageDigestArgs) registryFault(ref reference, m engine.ManifestInfo) string {
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
	who := ""
	if a.From == fromHost {
		who = "asked by this host, "
	}
	return fmt.Sprintf(who+"the registry "+say+": %s", ref.Domain, ref.Path+":"+ref.Tag, m.Words)
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
	if slices.Contains(v.digests, a.Expect) {
		v.digest = a.Expect // of an image with several
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
