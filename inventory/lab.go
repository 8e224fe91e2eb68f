package inventory

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"cvsplay/engine/eval"
	"cvsplay/engine/lab"
	"cvsplay/engine/nodeset"
	"github.com/hashicorp/hcl/v2"
)

// Lab is the source of simulated hosts inside this process:
//
//	source "lab" "gpu" {
//	  count  = 4
//	  name   = "gpu"             # gpu001 and so on; or a pattern, "gpu[001-004]"
//	  groups = ["gpu"]
//	  gpu    = "MI300X"          # "none": machines without
//	  gpus   = 8
//	  user   = "root"            # or "amd", who has to use sudo
//	  rtt    = "20ms"            # added to every answer
//
//	  host "gpu003" {            # what is different about one of them
//	    gpus  = 4
//	    rvs   = "1.1.0"          # version of the packaged RVS
//	    tests = { mem = "fail" } # outcomes of RVS's tests: fail, empty, crash; "level" is for all levels
//	    lacks = ["libpci.so.3"]  # libraries that are missing
//	    down  = ["mlx5_3"]       # RDMA adapters whose link is down; there is one for each GPU
//	    files = { "/etc/motd" = "hello" } # put on its file system
//	    runtimes = ["podman"]    # "docker" and "podman"; docker alone by default, and ["none"] is none
//	    images   = ["rocm/cvs:7.0.2"] # of the lab's registries, that are there from the start
//	    archives = { "/srv/cvs.tar" = "rocm/cvs:7.0.2" } # images in a file, as docker save writes it
//	    fault { kind = "slow", delay = "2s" }
//	  }
//	  fault {                    # what goes wrong; on all of them, where hosts is left out
//	    hosts = ["gpu004"]
//	    kind  = "unreachable"    # the kinds are those of the package lab
//	  }
//	}
type Lab struct {
	Count int // how many hosts, whatever the block says; 0: as the block says
}

// How many hosts a lab has where nothing tells, and at most.
const (
	labHosts    = 4
	maxLabHosts = 50_000
)

var labSchema = &hcl.BodySchema{
	Attributes: append([]hcl.AttributeSchema{
		{Name: "count"}, {Name: "name"}, {Name: "groups"}, {Name: "user"}, {Name: "rtt"},
	}, labHostSchema.Attributes...),
	Blocks: []hcl.BlockHeaderSchema{{Type: "host", LabelNames: []string{"name"}}, {Type: "fault"}},
}

var labHostSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{
		{Name: "gpu"}, {Name: "gpus"}, {Name: "arch"}, {Name: "shell"}, {Name: "sudo_password"}, {Name: "packages"}, {Name: "files"}, {Name: "runtimes"}, {Name: "images"}, {Name: "archives"},
		{Name: "rvs"}, {Name: "tests"}, {Name: "lacks"}, {Name: "down"},
	},
	Blocks: []hcl.BlockHeaderSchema{{Type: "fault"}},
}

var labFaultSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
	{Name: "hosts"}, {Name: "kind", Required: true}, {Name: "match"}, {Name: "path"}, {Name: "text"}, {Name: "code"}, {Name: "times"}, {Name: "delay"},
}}

// Open starts the lab; or names its hosts only, where the block is idle.
func (s Lab) Open(_ context.Context, block SourceBlock) (Found, hcl.Diagnostics) {
	b := &labBuilder{block: block, args: newArguments(block.Body, block.Eval, labSchema)}
	b.read(s.Count)
	if b.args.diags.HasErrors() {
		return Found{}, b.args.diags
	}
	found := Found{Simulated: true, GroupOrder: b.groups}
	if block.Idle {
		for _, spec := range b.options.Hosts {
			found.Hosts = append(found.Hosts, FoundHost{Name: spec.Name, Groups: b.groups, Host: Host{Address: spec.Name, SSH: SSH{User: b.user}}})
		}
		return found, b.args.diags
	}
	b.options.Inside = true
	l, err := lab.Start(b.options)
	if err != nil {
		return Found{}, hcl.Diagnostics{problem(block.DeclRange, "Lab not started", "The simulated hosts could not be started: %s.", err)}
	}
	found.Close, found.Registry = l.Close, l.RegistryTransport()
	for _, h := range l.Hosts() {
		found.Hosts = append(found.Hosts, FoundHost{Name: h.Name(), Groups: b.groups, Patience: patience(len(l.Hosts())), Host: Host{
			Address: h.Address(),
			SSH: SSH{
				User: b.user, Port: h.Port(), IdentityPEM: l.ClientKey(), KnownHosts: h.KnownHosts(),
				Dial: func(context.Context) (net.Conn, error) { return h.Dial() },
			},
		}})
	}
	return found, b.args.diags
}

// patience is how long a login may take where hundreds of simulated hosts share the processors of this machine; zero is as long as elsewhere.
func patience(hosts int) time.Duration {
	if hosts < 100 {
		return 0
	}
	return 10*time.Second + time.Duration(hosts)*30*time.Millisecond
}

// A labBuilder reads the block of a lab.
type labBuilder struct {
	block   SourceBlock
	args    *arguments
	options lab.Options
	groups  []string
	user    string
}

func (b *labBuilder) read(override int) {
	a := b.args
	b.groups = a.texts("groups")
	b.user = a.text("user", "root")
	if b.user != "root" && b.user != lab.OrdinaryUser {
		a.fail("user", "A lab host has the users \"root\" and %q.", lab.OrdinaryUser)
	}
	b.options.RTT = a.duration("rtt", 0)
	base := labSpec(a, lab.HostSpec{})
	for _, name := range b.names(override) {
		spec := base
		spec.Name = name
		b.options.Hosts = append(b.options.Hosts, spec)
	}
	seen := map[string]hcl.Range{}
	for _, inner := range a.content.Blocks {
		if inner.Type == "host" {
			b.readHost(inner, seen, override)
		} else {
			b.readFault(inner, override)
		}
	}
}

// labSpec reads what a lab and a host of it have in common.
func labSpec(a *arguments, otherwise lab.HostSpec) lab.HostSpec {
	spec := otherwise
	spec.GPU = a.text("gpu", spec.GPU)
	spec.GPUs = a.number("gpus", spec.GPUs, 1, 64)
	spec.Arch = a.text("arch", spec.Arch)
	spec.Shell = a.text("shell", spec.Shell)
	if down := a.texts("down"); down != nil {
		spec.Down = down
	}
	spec.Password = a.text("sudo_password", spec.Password)
	if packages := a.texts("packages"); packages != nil {
		spec.Packages = packages
	}
	if files := a.textMap("files"); files != nil {
		spec.Files = files
	}
	if runtimes := a.texts("runtimes"); runtimes != nil {
		spec.Runtimes = runtimes
	}
	if images := a.texts("images"); images != nil {
		spec.Images = images
	}
	if archives := a.textMap("archives"); archives != nil {
		spec.Archives = archives
	}
	spec.RVS = a.text("rvs", spec.RVS)
	if lacks := a.texts("lacks"); lacks != nil {
		spec.Lacks = lacks
	}
	if tests := a.textMap("tests"); tests != nil {
		spec.Tests = tests
		if err := lab.CheckTests(tests); err != nil {
			a.fail("tests", "%s.", err)
		}
	}
	return spec
}

var trailingRange = regexp.MustCompile(`^([^\[\],]+)\[([0-9]+)-[0-9]+\]$`)

// names are the names of the hosts: of the pattern, or a prefix with numbers of at least three digits.
func (b *labBuilder) names(override int) []string {
	a := b.args
	name := a.text("name", b.block.Name)
	_, counted := a.content.Attributes["count"]
	count := a.number("count", labHosts, 1, maxLabHosts)
	if override > 0 {
		count = min(override, maxLabHosts)
	}
	if !strings.ContainsAny(name, "[],") {
		return numbered(name, 1, max(3, len(strconv.Itoa(count))), count)
	}
	names, err := nodeset.Expand(name)
	switch {
	case err != nil:
		a.fail("name", "%s.", whyOf(err))
	case override > 0 && override != len(names):
		m := trailingRange.FindStringSubmatch(name)
		if m == nil {
			a.fail("name", "The pattern %q stands for %d names, and --lab asks for %d: that can be done where it ends in one range, as in node[001-004].", name, len(names), override)
			return nil
		}
		first, _ := strconv.Atoi(m[2]) // a few digits: Expand has read them
		return numbered(m[1], first, len(m[2]), count)
	case counted && count != len(names) && override == 0:
		a.fail("count", "The pattern %q stands for %d names, not %d. Leave count out.", name, len(names), count)
	}
	return names
}

func numbered(prefix string, first, width, count int) []string {
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("%s%0*d", prefix, width, first+i)
	}
	return names
}

// spec finds a host of the lab. One that --lab has left out is none, and no mistake.
func (b *labBuilder) spec(name string, at hcl.Range, override int) *lab.HostSpec {
	var names []string
	for i := range b.options.Hosts {
		if b.options.Hosts[i].Name == name {
			return &b.options.Hosts[i]
		}
		names = append(names, b.options.Hosts[i].Name)
	}
	if override == 0 && len(names) > 0 {
		b.args.diags = append(b.args.diags, problem(at, "Unknown host", "This lab has no host %q.%s", name, eval.DidYouMean(name, names)))
	}
	return nil
}

func (b *labBuilder) readHost(block *hcl.Block, seen map[string]hcl.Range, override int) {
	name := block.Labels[0]
	if first, taken := seen[name]; taken {
		b.args.diags = append(b.args.diags, problem(labelRange(block, 0), "Duplicate host", "There is a block for %q already, at %s. Put both into one.", name, place(first)))
		return
	}
	seen[name] = block.DefRange
	a := newArguments(block.Body, b.block.Eval, labHostSchema)
	spec := b.spec(name, labelRange(block, 0), override)
	if spec != nil {
		*spec = labSpec(a, *spec)
	}
	b.args.diags = append(b.args.diags, a.diags...)
	for _, inner := range a.content.Blocks {
		fault, hosts, ok := b.fault(inner)
		switch {
		case hosts != nil:
			b.args.diags = append(b.args.diags, problem(inner.DefRange, "Invalid argument", "Inside of a host block a fault is that host's; leave hosts out."))
		case ok && spec != nil:
			spec.Faults = append(slices.Clip(spec.Faults), fault)
		}
	}
}

func (b *labBuilder) readFault(block *hcl.Block, override int) {
	fault, hosts, ok := b.fault(block)
	if !ok {
		return
	}
	if hosts == nil {
		for i := range b.options.Hosts {
			spec := &b.options.Hosts[i]
			spec.Faults = append(slices.Clip(spec.Faults), fault)
		}
		return
	}
	for _, name := range hosts {
		if spec := b.spec(name, block.DefRange, override); spec != nil {
			spec.Faults = append(slices.Clip(spec.Faults), fault)
		}
	}
}

// fault reads one fault, and the hosts it is for; nil: it does not say.
func (b *labBuilder) fault(block *hcl.Block) (lab.Fault, []string, bool) {
	a := newArguments(block.Body, b.block.Eval, labFaultSchema)
	f := lab.Fault{
		Kind: a.text("kind", ""), Match: a.text("match", ""), Path: a.text("path", ""), Text: a.text("text", ""),
		Code: a.number("code", 0, 0, 255), Times: a.number("times", 0, 0, 1<<30), Delay: a.duration("delay", 0),
	}
	hosts := a.texts("hosts")
	if !a.diags.HasErrors() {
		if err := f.Validate(); err != nil {
			a.diags = append(a.diags, problem(block.DefRange, "Invalid fault", "%s.", err))
		}
	}
	b.args.diags = append(b.args.diags, a.diags...)
	return f, hosts, !a.diags.HasErrors()
}
