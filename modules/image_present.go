package modules

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
)

func init() { register(engine.Fleet(imagePresentSchema, decideImages)) }

// imageArgs are the arguments of one image_present step on one host.
type imageArgs struct {
	Image    string               `arg:"image"`
	Pull     string               `arg:"pull"`
	ImageTar string               `arg:"image_tar"`
	Source   *engine.ImageArchive `arg:"source"`
	Registry *containerRegistry   `arg:"registry"`
	Seeds    int                  `arg:"seeds"`
	Fanout   int                  `arg:"fanout"`
	Port     int                  `arg:"port"`
	Address  string               `arg:"address"`
	Runtime  string               `arg:"runtime"`
}

var imagePresentSchema = engine.Module{
	Name:    "image_present",
	Summary: "An image is on every host: pulled, loaded, or copied from the controller and then from host to host.",
	Doc: `Brings an image to the hosts that lack it, and starts nothing. Three ways, of which a step has one:

- **pulled** from its registry, with ` + "`registry`" + ` after a login, as container_ensure does it: a reference with a digest by that digest, and
  then tagged;
- **loaded** from ` + "`image_tar`" + `, an archive that lies on the host;
- **copied** from ` + "`source`" + `, an archive on the controller as ` + "`docker save`" + ` or ` + "`podman save`" + ` writes it, plain or compressed with gzip.

**source.** The archive tells which image the reference is, by the digest of its configuration. A host is as wanted where its image of
that name is that one; an older one under the name is replaced. Docker's containerd store counts images by their manifests instead: there
the manifest's digest in the archive counts, or else that the layers, the architecture and the time of creation are the same. A loaded
image has no registry digest, so ` + "`image`" + ` is a name and a tag here, one that the archive holds.

The archive leaves the controller ` + "`seeds`" + ` times, and not at all where some host of the step has that very image already. From then on
hosts that have it serve hosts that lack it, ` + "`fanout`" + ` each in a round, and what was served serves in the next: 1,000 hosts have it after
four rounds. In a fleet that would need more than six rounds a host serves more than ` + "`fanout`" + ` at a time.

How a host serves: by an sshd of its own for this purpose, on ` + "`port`" + `, as the account that the step runs as, with a host key made for it.
It lets in the hosts of the step that lack the image, each by a key that was made there for this purpose, and gives them the image's
archive and nothing else: no shell, no forwarding. Receivers know its host key and check it. A host that serves counts as changed, also
where it had the image before. The image is streamed from runtime to runtime: it is not compressed again, and not written down beside the
store. Keys, sshd and their folder in /var/tmp go when the step is done, or at the end of the run where it fails or is interrupted; the
sshd ends by itself after two hours whatever happens. It needs ssh, ssh-keygen, sshd and timeout on the hosts, no root (but the right to
use the runtime, by group or by ` + "`sudo -n`" + `), and ` + "`port`" + ` open between the hosts.

A host that cannot take part in this, or to which copying fails twice, gets the image from the controller, and says why. A host that fails
while it serves is replaced by another. A host that cannot be reached fails by itself and holds nobody up.

**As an account other than root that the step becomes** an archive of more than 64 MiB cannot be sent: log in as that account, or become
root. ` + "`timeout`" + ` of the step is for each load, pull and copy (default: one hour); sending the archive takes as long as it takes.

Afterwards all hosts of one architecture have to have the same image, or the step is refused: a tag can move between two pulls. With
` + "`pull = \"always\"`" + ` the step pulls in every run, and is changed in every run.`,
	Example: `step "image_present" "cvs" {
  image  = "docker.io/rocm/cvs:7.0.2"
  source = "images/cvs-7.0.2.tar" # docker save -o images/cvs-7.0.2.tar docker.io/rocm/cvs:7.0.2
  seeds  = 2
  fanout = 4
}

step "container_ensure" "box" {
  name     = "cvs_rvs"
  image    = step.cvs.ref
  lifetime = "persistent"
  pull     = "never"
}
`,
	Args: []engine.Arg{
		{Name: "image", Type: cty.String, Required: true, Visible: true, Valid: validReference, Doc: "Image reference."},
		{Name: "pull", Type: cty.String, Default: pullMissing, Values: []string{pullAlways, pullMissing, pullNever},
			Doc: "When it is pulled; never with `image_tar` or `source`."},
		{Name: "image_tar", Type: cty.String, As: engine.AsAbsPath, Doc: "Archive on the host, loaded where the image is missing."},
		{Name: "source", Type: cty.String, As: engine.AsImageArchive, Doc: "Path of an archive on the controller, copied where the image is missing."},
		containerArgument("registry"),
		{Name: "seeds", Type: cty.Number, Default: 2, Valid: validCount, Doc: "Hosts that get `source` from the controller."},
		{Name: "fanout", Type: cty.Number, Default: 4, Valid: validCount, Doc: "Hosts that one host serves at a time."},
		{Name: "port", Type: cty.Number, Default: 2226, Valid: validHighPort, Doc: "Port on which a host serves the image; above 1023."},
		{Name: "address", Type: cty.String, Visible: true, Valid: validAddress, Doc: "Name or address under which the other hosts reach this one; default: `host.address`."},
		containerArgument("runtime"),
	},
	Results: []engine.Result{
		{Name: "ref", Type: cty.String, Doc: "The reference, in full."},
		{Name: "image_id", Type: cty.String, Doc: "Id of the image, as the host's runtime counts."},
		{Name: "digest", Type: cty.String, Doc: "Digest under which it was pulled; null where it was loaded."},
		{Name: "size", Type: cty.Number, Doc: "Its size in bytes, as the host's runtime counts."},
		{Name: "from", Type: cty.String, Doc: "`present`, `registry`, `host file`, `controller`, or the name of the host it was copied from."},
	},
	Check: checkImagePresent,
}

// containerArgument is an argument that container_ensure has too.
func containerArgument(name string) engine.Arg {
	for _, a := range containerArguments {
		if a.Name == name {
			return a
		}
	}
	panic("container_ensure has no argument " + name)
}

func validCount(v cty.Value) error {
	if n, exact := v.AsBigFloat().Int64(); exact != 0 || n < 1 || n > 10000 {
		return fmt.Errorf("a whole number from 1 on")
	}
	return nil
}

func validHighPort(v cty.Value) error {
	if n, exact := v.AsBigFloat().Int64(); exact != 0 || n < 1024 || n > 65535 {
		return fmt.Errorf("a port is a whole number; here from 1024 to 65535, which need no root")
	}
	return nil
}

func validAddress(v cty.Value) error { return validNames(cty.ListVal([]cty.Value{v})) }

func checkImagePresent(in engine.Inputs) []engine.Complaint {
	var out []engine.Complaint
	for _, archive := range []string{"image_tar", "source"} {
		if !in.Has(archive) {
			continue
		}
		if in.String("pull") == pullAlways {
			out = append(out, engine.Complaint{Arg: "pull", Say: fmt.Sprintf(`with %s nothing is pulled; leave pull = "always" out`, archive)})
		}
		if in.Has("registry") {
			out = append(out, engine.Complaint{Arg: "registry", Say: fmt.Sprintf("with %s nothing is pulled, so there is nothing to log in for", archive)})
		}
		if strings.Contains(in.String("image"), "@") {
			out = append(out, engine.Complaint{Arg: "image", Say: fmt.Sprintf("an image that is loaded from %s has no registry digest; give its name and tag", archive)})
		}
	}
	if in.Has("image_tar") && in.Has("source") {
		out = append(out, engine.Complaint{Arg: "source", Say: "give either image_tar, on the host, or source, on the controller"})
	}
	return append(out, complainRegistry(in)...)
}

// The answers to Ask, by position.
const (
	imageFacts = iota
	imageCopy
)

// Ask asks the runtime for the image, and where it may be copied between hosts what the host can do for that.
func (a imageArgs) Ask() []engine.Question {
	out := []engine.Question{containerQuestion(a.Runtime, nil, containerArgs{Image: a.Image}.images(), nil)}
	if ref, err := parseReference(a.Image); a.Source != nil && err == nil {
		out = append(out, copyQuestion(ref))
	}
	return out
}

// decideImages decides over the fleet. Hosts that get one archive under one name are decided together, all others each by itself.
func decideImages(all []engine.On[imageArgs]) []engine.Decision {
	hosts := make([]*imageHost, len(all))
	var order []string
	copying := map[string]*imageFleet{}
	for i, on := range all {
		h := observeImage(on)
		hosts[i] = h
		if on.Args.Source == nil {
			if h.decision == nil {
				h.decision = h.bring()
			}
			continue
		}
		key := h.archived.ID + " " + h.ref.String()
		if copying[key] == nil {
			copying[key] = &imageFleet{}
			order = append(order, key)
		}
		copying[key].add(h)
	}
	for _, key := range order {
		copying[key].decide()
	}
	refuseMixedImages(hosts)
	out := make([]engine.Decision, len(all))
	for i, h := range hosts {
		out[i] = h.decision
	}
	return out
}

// refuseMixedImages refuses, once nothing is left to do, where hosts of one architecture have different images under one name.
func refuseMixedImages(hosts []*imageHost) {
	byName := map[string][]*imageHost{}
	for _, h := range hosts {
		switch h.decision.(type) {
		case engine.Done:
			if h.Args.Source == nil {
				byName[h.ref.String()] = append(byName[h.ref.String()], h)
			}
		case engine.Act:
			return
		}
	}
	for name, same := range byName {
		var images []runningImage
		for _, h := range same {
			images = append(images, runningImage{host: h.Host, arch: h.facts.Arch, id: h.image.ID, names: name}.with(h.image))
		}
		why := conflictAmong(images)
		if why == "" {
			continue
		}
		for _, h := range same {
			h.decision = engine.Stop{State: engine.Refused, Results: h.results(), Why: fmt.Sprintf(
				"%s is not the same image on all hosts:%s\n  an image_digest step makes a tag one digest for all; or pull = %q brings all to what the tag is now", name, why, pullAlways)}
		}
	}
}
