package modules

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
)

func init() { register(engine.Fleet(containerEnsureSchema, decideContainers)) }

var containerEnsureSchema = engine.Module{
	Name:    "container_ensure",
	Summary: "Keep one named container as declared on every host.",
	Doc: `Looks at the whole fleet before it does anything: all hosts with which the play (or its batch) began, also those that cannot be asked. Such a host's
container is *unknown*, which is never taken for absent.

**lifetime = "no_launch"** attaches to containers that run already: on every host, or the step is refused.

**lifetime = "per_run"** (default) removes the container that an earlier run left, launches a fresh one, and removes it at the end of the run, also after a
failure and Ctrl-C; ` + "`--keep`" + ` leaves it. If launching fails on one host, what this step launched is removed on all. A run that was killed removes
nothing, so the step also looks for what such runs left under other names, see *Other runs*.

**lifetime = "persistent"** keeps the container from run to run:

| the fleet | what happens |
|---|---|
| a host is unknown | refused; nothing is launched anywhere |
| running everywhere | attach, once the image is the same everywhere |
| running or stopped everywhere | start the stopped ones, with their file system |
| absent everywhere | launch everywhere |
| absent on some | refused, with both remedies; ` + "`partial = \"launch_missing\"`" + ` launches there, and only the image that the others run |

**Launching** goes step by step through the fleet: the image is brought to every host first (pulled by digest and then tagged, or loaded from
` + "`image_tar`" + `), and has to be the same on all hosts of one architecture; then the containers start as ` + "`NAME.new`" + `, ` + "`setup_script`" + ` runs in
them, and only when every host is ready they get their name. If one host fails, what was launched is removed on all hosts and the hosts that failed say how.
What a run that has ended left under the provisional name is removed first.

**setup_script** provisions a container that was just launched, never one that is attached to. It runs as root inside, its text comes over standard input;
any failing command fails it (` + "`set -e`" + `, and ` + "`pipefail`" + ` where the shell has it). A ` + "`#!`" + ` line chooses another interpreter.

**Drift** is what a container that is attached to has otherwise than declared: the image, or a setting that the step or its profile gives. ` + "`on_drift`" + ` says
whether that is a warning, a failure, or makes the container new.

**Ownership**: containers launched by cvsplay carry its labels (` + "`cvsplay.*`" + `). One without them is never removed or replaced, unless ` + "`adopt = true`" + `.

**Other runs**: the shells of a run carry its id (` + "`cvsplay-run:ID`" + ` in ` + "`ps`" + `), and a container says of which run it is, who started that and from where, and in
which boot and PID namespace of the host those shells are to be seen. So any controller can tell whether that run is still going on:

| a container of another run, for that run alone or with a provisional name | its run has ended | is going on | cannot be told |
|---|---|---|---|
| under this step's name or provisional name | removed | refused: who has it, since when, from where | refused; ` + "`adopt = true`" + ` takes it over |
| under another name, where this step is ` + "`per_run`" + ` | removed | untouched | left, with a warning |

A run is going on if a shell of it is seen on any host of the fleet: also while a script of a run that was killed has not come to its end. It has ended if none
is, and the host was restarted since, or shows all its processes in the PID namespace in question. All else cannot be told: other accounts' processes are hidden
(` + "`hidepid`" + `), or an older version launched the container (under the step's own name that one counts as ended). Before it removes anything the step looks again for
some seconds. What ` + "`--keep`" + ` left is removed only under its own name. Of two runs that launch under one name at the same moment, one goes on and the other
gives way.

**profile = "rocm"**: ` + "`network` and `ipc` host, `privileged`; devices `/dev/kfd`, `/dev/dri` and `/dev/infiniband/*`" + `, as far as they exist; capabilities
SYS_PTRACE, IPC_LOCK, SYS_ADMIN; seccomp and apparmor unconfined; group video; unlimited locked memory. Lists of the step are appended to it,
single values override it.

The runtime is asked plainly, and through ` + "`sudo -n`" + ` where that is refused, on each host for itself. Podman refuses nobody: it answers every account
with containers and images of that account's own, so for root's containers log in as root or set ` + "`become = true`" + `. Steps with ` + "`inside`" + ` follow the
container to the account that this step asked as. Without systemd nothing runs Podman's health checks; ` + "`wait_healthy`" + ` then runs them itself.

` + "`shm_size`" + ` does not count where ` + "`ipc`" + ` is the host's or another container's, which has a size of its own.`,
	Example: `step "container_ensure" "box" {
  name     = "cvs_rvs"
  image    = "docker.io/rocm/cvs:2"
  lifetime = "persistent"
  profile  = "rocm"
}
`,
	Args:    containerArguments,
	Results: containerResults,
	Place:   true,
	Check:   checkContainer,
	Hints:   hintContainer,
}

var containerArguments = []engine.Arg{
	{Name: "name", Type: cty.String, Required: true, Visible: true, Valid: validContainerName, Doc: "Exact name of the container."},
	{Name: "image", Type: cty.String, Required: true, Visible: true, Valid: validReference, Doc: "Image reference; better the `ref` of an image_digest step."},
	{Name: "lifetime", Type: cty.String, Default: perRun, Values: []string{noLaunch, perRun, persistent}, Doc: "Who owns the container, see above."},
	{Name: "profile", Type: cty.String, Default: profileNone, Values: []string{profileNone, profileROCm}, Doc: "Settings for a kind of work."},
	{Name: "command", Type: cty.List(cty.String), Visible: true, Default: []string{"sleep", "infinity"}, Doc: "What keeps the container alive."},
	{Name: "setup_script", Type: cty.String, Doc: "Provisions a container that was just launched."},
	{Name: "setup_timeout", Type: cty.String, As: engine.AsDuration, Default: "10m", Valid: validPositiveDuration, Doc: "Time for `setup_script`."},
	{Name: "start_timeout", Type: cty.String, As: engine.AsDuration, Default: "15m", Valid: validPositiveDuration, Doc: "Time to bring the image, and to start."},
	{Name: "pull", Type: cty.String, Default: pullMissing, Values: []string{pullAlways, pullMissing, pullNever}, Doc: "When a launch pulls the image."},
	{Name: "image_tar", Type: cty.String, As: engine.AsAbsPath, Doc: "Archive on the host, loaded where the image is missing; then nothing is pulled."},
	{Name: "registry", Doc: "Login before a pull, in a folder of its own that is removed after it. Without an account and a password (both null) there is none.", Block: []engine.Arg{
		{Name: "server", Type: cty.String, Default: dockerDomain, Doc: "The registry."},
		{Name: "username", Type: cty.String, Visible: true, Doc: "Account."},
		{Name: "password", Type: cty.String, Secret: true, Doc: "Password or token."},
		{Name: "password_file", Type: cty.String, As: engine.AsAbsPath, Doc: "File on the host that holds the password."},
	}},
	{Name: "env", Type: cty.Map(cty.String), Visible: true, Valid: validContainerEnv, Doc: "Environment of the container. It shows on the host: no secrets."},
	{Name: "labels", Type: cty.Map(cty.String), Visible: true, Valid: validContainerLabels, Doc: "Labels beside those that cvsplay sets."},
	{Name: "volumes", Type: cty.List(cty.String), Visible: true, Valid: eachString(validVolume), Doc: "`HOST:CONTAINER[:ro]`."},
	{Name: "devices", Type: cty.List(cty.String), Visible: true, Valid: eachString(validDevice), Doc: "Device paths or globs; passed where they exist on the host."},
	{Name: "required_devices", Type: cty.List(cty.String), Visible: true, Valid: eachString(validDevice), Doc: "Passed too; a host that lacks one fails."},
	{Name: "cap_add", Type: cty.List(cty.String), Visible: true, Doc: "Capabilities."},
	{Name: "security_opt", Type: cty.List(cty.String), Visible: true, Doc: "Security options."},
	{Name: "group_add", Type: cty.List(cty.String), Visible: true, Doc: "Groups, by name in the image or by number."},
	{Name: "ulimit", Type: cty.List(cty.String), Visible: true, Valid: eachString(validUlimit), Doc: "`NAME=SOFT[:HARD]`."},
	{Name: "network", Type: cty.String, Visible: true, Doc: "Network: `host`, `bridge`, `none` or the name of one."},
	{Name: "ipc", Type: cty.String, Visible: true, Doc: "IPC namespace."},
	{Name: "pid", Type: cty.String, Visible: true, Doc: "PID namespace."},
	{Name: "shm_size", Type: cty.String, Visible: true, Valid: validSize, Doc: "Size of `/dev/shm`: `16g`."},
	{Name: "user", Type: cty.String, Visible: true, Doc: "Account that the command runs as."},
	{Name: "workdir", Type: cty.String, Visible: true, As: engine.AsAbsPath, Doc: "Folder that the command runs in."},
	{Name: "hostname", Type: cty.String, Visible: true, Doc: "Host name inside."},
	{Name: "restart", Type: cty.String, Visible: true, Valid: validRestart, Doc: "Restart policy: `no`, `always`, `unless-stopped`, `on-failure[:N]`."},
	{Name: "privileged", Type: cty.Bool, Doc: "All rights of the host."},
	{Name: "init", Type: cty.Bool, Doc: "A small init as the first process."},
	{Name: "ports", Type: cty.List(cty.String), Visible: true, Doc: "`[[IP:]HOST:]CONTAINER[/PROTOCOL]`."},
	{Name: "partial", Type: cty.String, Default: partialRefuse, Values: []string{partialRefuse, partialLaunch}, Doc: "A persistent container that only some hosts have."},
	{Name: "on_drift", Type: cty.String, Default: driftWarn, Values: []string{driftWarn, driftRecreate, driftFail}, Doc: "What a container that differs from the declaration means."},
	{Name: "adopt", Type: cty.Bool, Default: false, Doc: "A container of that name that cvsplay did not launch may be removed and replaced."},
	{Name: "wait_healthy", Type: cty.String, As: engine.AsDuration, Valid: validPositiveDuration, Doc: "Wait so long for the image's health check."},
	{Name: "runtime", Type: cty.String, Default: engine.AutoRuntime, Values: engine.RuntimeNames(),
		Doc: engine.RuntimeDoc()},
	{Name: "enabled", Type: cty.Bool, Gone: `enabled is gone: leave the step out with when, or say who owns the container with lifetime`},
	{Name: "launch", Type: cty.Bool, Gone: `launch is gone: for true write lifetime = "per_run", for false lifetime = "no_launch"`},
}

var containerResults = []engine.Result{
	{Name: "id", Type: cty.String, Doc: "Id of the container."},
	{Name: "name", Type: cty.String, Doc: "Its name.", Repeats: "name"},
	{Name: "image_id", Type: cty.String, Doc: "Id of the image it runs."},
	{Name: "digest", Type: cty.String, Doc: "Digest under which the image was pulled; null where it was built or loaded."},
	{Name: "state", Type: cty.String, Doc: "`running`."},
	{Name: "launched", Type: cty.Bool, Doc: "Whether this step launched it; false where it attached."},
	{Name: "runtime", Type: cty.String, Doc: "The runtime that was used, such as `docker`."},
}

var (
	containerNameRule = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)
	ulimitRule        = regexp.MustCompile(`^[a-z_]+=-?[0-9]+(:-?[0-9]+)?$`)
	restartRule       = regexp.MustCompile(`^(no|always|unless-stopped|on-failure(:[0-9]+)?)$`)
)

func validContainerName(v cty.Value) error {
	name := v.AsString()
	switch {
	case !containerNameRule.MatchString(name):
		return fmt.Errorf("not a container name (letters, digits, _ . -, at least two of them, the first a letter or digit)")
	case strings.HasSuffix(name, provisionalSuffix):
		return fmt.Errorf("names that end in %q are for containers that are being launched", provisionalSuffix)
	case len(name) > 200:
		return fmt.Errorf("longer than 200 characters")
	}
	return nil
}

func validContainerEnv(v cty.Value) error {
	for k := range v.AsValueMap() {
		if k == "" || strings.ContainsAny(k, "= \t\n") {
			return fmt.Errorf("%q is no name of an environment variable", k)
		}
	}
	return nil
}

func validContainerLabels(v cty.Value) error {
	for k := range v.AsValueMap() {
		if k == "" || strings.Contains(k, "=") {
			return fmt.Errorf("%q is no name of a label", k)
		}
		if strings.HasPrefix(k, labelPrefix) {
			return fmt.Errorf("labels that begin with %q are set by cvsplay itself", labelPrefix)
		}
	}
	return nil
}

// eachString checks the known elements of a list.
func eachString(valid func(string) error) func(cty.Value) error {
	return func(v cty.Value) error {
		for _, e := range v.AsValueSlice() {
			e, _ = e.Unmark()
			if !e.IsKnown() || e.IsNull() {
				continue
			}
			if err := valid(e.AsString()); err != nil {
				return fmt.Errorf("%q: %w", e.AsString(), err)
			}
		}
		return nil
	}
}

func validVolume(s string) error {
	parts := strings.Split(s, ":")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || !strings.HasPrefix(parts[1], "/") {
		return fmt.Errorf("not HOST:CONTAINER[:ro] with an absolute path in the container")
	}
	return nil
}

func validDevice(s string) error {
	path, rest, mapped := strings.Cut(s, ":")
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("not an absolute path on the host")
	}
	if mapped && strings.ContainsAny(path, "*?[") {
		return fmt.Errorf("a glob cannot be mapped to %q: every device it finds keeps its own path", rest)
	}
	return nil
}

func validUlimit(s string) error {
	if !ulimitRule.MatchString(s) {
		return fmt.Errorf("not NAME=SOFT[:HARD], as in \"memlock=-1\"")
	}
	return nil
}

func validSize(v cty.Value) error {
	_, err := parseSize(v.AsString())
	return err
}

func validRestart(v cty.Value) error {
	if !restartRule.MatchString(v.AsString()) {
		return fmt.Errorf("not a restart policy: no, always, unless-stopped, on-failure or on-failure:N")
	}
	return nil
}

func checkContainer(in engine.Inputs) []engine.Complaint {
	var out []engine.Complaint
	if in.Known("command") && in.Has("command") {
		if v, _ := in["command"].UnmarkDeep(); v.LengthInt() == 0 {
			out = append(out, engine.Complaint{Arg: "command", Say: "the command is empty; leave it out for one that sleeps"})
		}
	}
	if in.String("lifetime") == noLaunch && in.String("on_drift") == driftRecreate {
		out = append(out, engine.Complaint{Arg: "on_drift", Say: `on_drift = "recreate" launches containers, lifetime = "no_launch" never does`})
	}
	if in.String("pull") == pullAlways && in.Has("image_tar") {
		out = append(out, engine.Complaint{Arg: "pull", Say: `with image_tar nothing is pulled; leave pull = "always" out`})
	}
	if in.Has("image_tar") && in.Has("registry") {
		out = append(out, engine.Complaint{Arg: "registry", Say: "with image_tar nothing is pulled, so there is nothing to log in for"})
	}
	return append(out, complainRegistry(in)...)
}

// hintContainer finds images whose tag is another image tomorrow, where this step brings them.
func hintContainer(in engine.Inputs) []engine.Complaint {
	if in.Has("image_tar") || in.String("lifetime") == noLaunch || in.String("pull") == pullNever {
		return nil
	}
	ref, err := parseReference(in.String("image"))
	if err != nil || ref.Digest != "" || ref.Tag != "latest" {
		return nil
	}
	return []engine.Complaint{{
		Arg: "image", HintID: "image-latest",
		Say: "the tag latest is another image tomorrow, and on a node that pulls later: resolve it once, by an image_digest step before this one, and use its ref; or name a version",
	}}
}

func complainRegistry(in engine.Inputs) []engine.Complaint {
	if !in.Has("registry") || !in["registry"].IsKnown() {
		return nil
	}
	v, _ := in["registry"].Unmark()
	if !v.Type().IsObjectType() {
		return nil
	}
	block := engine.Inputs(v.AsValueMap())
	username, password, file := block.Has("username"), block.Has("password"), block.Has("password_file")
	switch {
	case !username && !password && !file: // the variables of a playbook that has them for those who need a login
		return nil
	case password && file && block.Known("password") && block.Known("password_file"):
		return []engine.Complaint{{Arg: "registry", Say: "give either password or password_file"}}
	case !username:
		return []engine.Complaint{{Arg: "registry", Say: "a login needs username"}}
	case !password && !file:
		return []engine.Complaint{{Arg: "registry", Say: "a login needs password or password_file"}}
	}
	return nil
}
