package modules

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The labels of a container that cvsplay launched.
const (
	labelOwner    = "cvsplay.owner"
	labelRun      = "cvsplay.run"
	labelLifetime = "cvsplay.lifetime"
	labelSpec     = "cvsplay.spec"
	labelDigest   = "cvsplay.digest"

	labelPrefix = "cvsplay."
	ownerName   = "cvsplay"
)

// containerSpec is how a container has to be on one host: the step's settings over its profile's, and of the devices those that exist. Its
// hash is the container's label, so its fields keep their names and their order. The image and setup_script are not part of it.
type containerSpec struct {
	Command     []string          `json:"command,omitempty"`
	Env         map[string]string `json:"env,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Volumes     []string          `json:"volumes,omitempty"`
	Devices     []string          `json:"devices,omitempty"`
	CapAdd      []string          `json:"cap_add,omitempty"`
	SecurityOpt []string          `json:"security_opt,omitempty"`
	GroupAdd    []string          `json:"group_add,omitempty"`
	Ulimit      []string          `json:"ulimit,omitempty"`
	Network     string            `json:"network,omitempty"`
	IPC         string            `json:"ipc,omitempty"`
	PID         string            `json:"pid,omitempty"`
	ShmSize     string            `json:"shm_size,omitempty"`
	User        string            `json:"user,omitempty"`
	Workdir     string            `json:"workdir,omitempty"`
	Hostname    string            `json:"hostname,omitempty"`
	Restart     string            `json:"restart,omitempty"`
	Privileged  *bool             `json:"privileged,omitempty"`
	Init        *bool             `json:"init,omitempty"`
	Ports       []string          `json:"ports,omitempty"`
}

// profileOf gives a profile's settings: the defaults for its kind of work. Its devices are paths or globs.
func profileOf(name string) (settings containerSpec, devices []string) {
	if name != profileROCm {
		return containerSpec{}, nil
	}
	yes := true
	return containerSpec{
		Network: "host", IPC: "host", Privileged: &yes,
		CapAdd:      []string{"SYS_PTRACE", "IPC_LOCK", "SYS_ADMIN"},
		SecurityOpt: []string{"seccomp=unconfined", "apparmor=unconfined"},
		GroupAdd:    []string{"video"},
		Ulimit:      []string{"memlock=-1"},
	}, []string{"/dev/kfd", "/dev/dri", "/dev/infiniband/*"}
}

// deviceWish is one device of the declaration.
type deviceWish struct {
	pattern  string // on the host: a path or a glob
	rest     string // ":CONTAINER[:PERMISSIONS]", or ""
	required bool
}

func (a containerArgs) deviceWishes() []deviceWish {
	_, profile := profileOf(a.Profile)
	var out []deviceWish
	add := func(list []string, required bool) {
		for _, d := range list {
			w := deviceWish{pattern: d, required: required}
			if i := strings.IndexByte(d, ':'); i >= 0 {
				w.pattern, w.rest = d[:i], d[i:]
			}
			out = append(out, w)
		}
	}
	add(profile, false)
	add(a.Devices, false)
	add(a.RequiredDevices, true)
	return out
}

func (a containerArgs) devicePatterns() []string {
	var out []string
	for _, w := range a.deviceWishes() {
		out = append(out, w.pattern)
	}
	return out
}

// missingDevices are the required devices that a host lacks.
func (a containerArgs) missingDevices(facts containerFacts) []string {
	var out []string
	for i, w := range a.deviceWishes() {
		if w.required && len(facts.Devices[i]) == 0 {
			out = append(out, w.pattern)
		}
	}
	return out
}

// neighbours are the containers whose namespaces this one is to share.
func (a containerArgs) neighbours() []string {
	var out []string
	for _, mode := range []string{a.Network, a.IPC, a.PID} {
		if name, ok := strings.CutPrefix(mode, "container:"); ok {
			out = appendNew(out, []string{name})
		}
	}
	return out
}

// spec merges the step with its profile: lists are appended, scalars override.
func (a containerArgs) spec(facts containerFacts) containerSpec {
	s, _ := profileOf(a.Profile)
	s.Command, s.Env, s.Labels = a.Command, a.Env, a.Labels
	s.Volumes, s.Ports = a.Volumes, a.Ports
	s.CapAdd = appendNew(s.CapAdd, a.CapAdd)
	s.SecurityOpt = appendNew(s.SecurityOpt, a.SecurityOpt)
	s.GroupAdd = appendNew(s.GroupAdd, a.GroupAdd)
	s.Ulimit = overrideUlimits(s.Ulimit, a.Ulimit)
	for i, w := range a.deviceWishes() {
		for _, path := range facts.Devices[i] {
			s.Devices = appendNew(s.Devices, []string{path + w.rest})
		}
	}
	for _, o := range []struct{ to, from *string }{
		{&s.Network, &a.Network}, {&s.IPC, &a.IPC}, {&s.PID, &a.PID}, {&s.ShmSize, &a.ShmSize}, {&s.User, &a.User},
		{&s.Workdir, &a.Workdir}, {&s.Hostname, &a.Hostname}, {&s.Restart, &a.Restart},
	} {
		if *o.from != "" {
			*o.to = *o.from
		}
	}
	if a.Privileged != nil {
		s.Privileged = a.Privileged
	}
	if a.Init != nil {
		s.Init = a.Init
	}
	return s
}

func appendNew(list, more []string) []string {
	out := slices.Clone(list)
	for _, m := range more {
		if !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}

// overrideUlimits: a limit given twice is refused by the runtimes, so the step's replaces the profile's.
func overrideUlimits(list, more []string) []string {
	kind := func(s string) string { name, _, _ := strings.Cut(s, "="); return name }
	out := slices.DeleteFunc(slices.Clone(list), func(have string) bool {
		return slices.ContainsFunc(more, func(m string) bool { return kind(m) == kind(have) })
	})
	return append(out, more...)
}

// hash is the fast path of the comparison with a running container.
func (s containerSpec) hash() string {
	b, err := json.Marshal(s)
	if err != nil {
		return "" // strings and bools always marshal
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// shmSize is the size of the container's own /dev/shm; "" where it shares the host's or another container's: podman refuses to start with both, docker
// does not heed it.
func (s containerSpec) shmSize() string {
	if s.IPC == "host" || strings.HasPrefix(s.IPC, "container:") {
		return ""
	}
	return s.ShmSize
}

// flags are the words of the runtime's run command that say all this.
func (s containerSpec) flags() []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(s.Env)) {
		out = append(out, "--env", k+"="+s.Env[k])
	}
	for _, k := range slices.Sorted(maps.Keys(s.Labels)) {
		out = append(out, "--label", k+"="+s.Labels[k])
	}
	for _, l := range []struct {
		flag string
		list []string
	}{
		{"--volume", s.Volumes}, {"--device", s.Devices}, {"--cap-add", s.CapAdd}, {"--security-opt", s.SecurityOpt},
		{"--group-add", s.GroupAdd}, {"--ulimit", s.Ulimit}, {"--publish", s.Ports},
	} {
		for _, v := range l.list {
			out = append(out, l.flag, v)
		}
	}
	for _, f := range []struct{ flag, value string }{
		{"--network", s.Network}, {"--ipc", s.IPC}, {"--pid", s.PID}, {"--shm-size", s.shmSize()}, {"--user", s.User},
		{"--workdir", s.Workdir}, {"--hostname", s.Hostname}, {"--restart", s.Restart},
	} {
		if f.value != "" {
			out = append(out, f.flag, f.value)
		}
	}
	if s.Privileged != nil {
		out = append(out, fmt.Sprintf("--privileged=%t", *s.Privileged))
	}
	if s.Init != nil {
		out = append(out, fmt.Sprintf("--init=%t", *s.Init))
	}
	return out
}
