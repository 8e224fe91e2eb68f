package modules

import (
	"slices"
	"time"

	"cvsplay/engine"
)

// containerArgs are the arguments of one container_ensure step.
type containerArgs struct {
	Name         string             `arg:"name"`
	Image        string             `arg:"image"`
	Lifetime     string             `arg:"lifetime"`
	Profile      string             `arg:"profile"`
	Command      []string           `arg:"command"`
	SetupScript  string             `arg:"setup_script"`
	SetupTimeout time.Duration      `arg:"setup_timeout"`
	StartTimeout time.Duration      `arg:"start_timeout"`
	Pull         string             `arg:"pull"`
	ImageTar     string             `arg:"image_tar"`
	Registry     *containerRegistry `arg:"registry"`

	Env             map[string]string `arg:"env"`
	Labels          map[string]string `arg:"labels"`
	Volumes         []string          `arg:"volumes"`
	Devices         []string          `arg:"devices"`
	RequiredDevices []string          `arg:"required_devices"`
	CapAdd          []string          `arg:"cap_add"`
	SecurityOpt     []string          `arg:"security_opt"`
	GroupAdd        []string          `arg:"group_add"`
	Ulimit          []string          `arg:"ulimit"`
	Network         string            `arg:"network"`
	IPC             string            `arg:"ipc"`
	PID             string            `arg:"pid"`
	ShmSize         string            `arg:"shm_size"`
	User            string            `arg:"user"`
	Workdir         string            `arg:"workdir"`
	Hostname        string            `arg:"hostname"`
	Restart         string            `arg:"restart"`
	Privileged      *bool             `arg:"privileged"`
	Init            *bool             `arg:"init"`
	Ports           []string          `arg:"ports"`

	Partial     string        `arg:"partial"`
	OnDrift     string        `arg:"on_drift"`
	Adopt       bool          `arg:"adopt"`
	WaitHealthy time.Duration `arg:"wait_healthy"`
	Runtime     string        `arg:"runtime"`
}

// containerRegistry is the login before a pull.
type containerRegistry struct {
	Server       string `arg:"server"`
	Username     string `arg:"username"`
	Password     string `arg:"password"`
	PasswordFile string `arg:"password_file"`
}

// The values of lifetime, profile, partial and on_drift.
const (
	noLaunch   = "no_launch"
	perRun     = "per_run"
	persistent = "persistent"

	profileNone = "none"
	profileROCm = "rocm"

	partialRefuse = "refuse"
	partialLaunch = "launch_missing"

	driftWarn     = "warn"
	driftRecreate = "recreate"
	driftFail     = "fail"
)

// provisionalSuffix makes the name that a container has until all hosts are provisioned.
const provisionalSuffix = ".new"

func (a containerArgs) provisional() string { return a.Name + provisionalSuffix }

// isProvisional tells whether a launch goes through the provisional name: where a launch that was broken off in the middle could otherwise be taken
// for a finished container, by the next run or by whoever uses the name.
func (a containerArgs) isProvisional() bool { return a.Lifetime == persistent || a.SetupScript != "" }

// images are the names under which the declared image can be on a host.
func (a containerArgs) images() []string {
	ref, err := parseReference(a.Image)
	if err != nil {
		return nil
	}
	var out []string
	for _, name := range []string{ref.Pinned(), ref.Tagged()} {
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// Ask asks the runtime for everything at once.
func (a containerArgs) Ask() []engine.Question {
	var more []string
	if a.Lifetime == perRun {
		more = append(more, askForLeftovers)
	}
	return []engine.Question{containerQuestion(a.Runtime, slices.Concat([]string{a.Name, a.provisional()}, a.neighbours()), a.images(), a.devicePatterns(), more...)}
}
