package engine

import "strings"

// The values of a "runtime" argument.
const (
	AutoRuntime   = "auto" // docker where it is installed, else podman
	DockerRuntime = "docker"
	PodmanRuntime = "podman"
)

// RuntimePrelude is POSIX sh that defines two functions:
//
//	ctr_find    finds the container runtime and whether it needs sudo; sets ctr_name (docker, podman), ctr_sudo ("", "sudo -n") and
//	            returns 0, or sets ctr_words to the reason and returns 1
//	ctr ARG…    runs the runtime's command; where there is none it prints the reason on stderr and returns 125
//
// What was found stays in shell variables: called once outside of a subshell, ctr_find costs nothing more for as long as that
// shell lives. A failure is not remembered, since a later step may install or start the runtime.
//
// An installed docker that does not answer is never passed over for podman: a container might be launched twice.
func RuntimePrelude(runtime string) string {
	if runtime == "" {
		runtime = AutoRuntime
	}
	names := runtime
	if runtime == AutoRuntime {
		names = DockerRuntime + " " + PodmanRuntime
	}
	return strings.NewReplacer("@WANT@", Quote(runtime), "@NAMES@", names).Replace(runtimePrelude)
}

// A socket that may be written settles "plain or sudo" without a process; whether the engine behind it answers is then told by the first
// command that is sent to it.
const runtimePrelude = `# the container runtime
ctr_find() {
	[ "${ctr_for-}" = @WANT@ ] && return 0
	ctr_name= ctr_sudo= ctr_words= ctr_for=
	for ctr_try in @NAMES@; do
		command -v "$ctr_try" >/dev/null 2>&1 && ctr_name=$ctr_try && break
	done
	if [ -z "$ctr_name" ]; then
		ctr_words='no container runtime: @NAMES@ not installed'
		return 1
	fi
	ctr_probe='version'
	[ "$ctr_name" = podman ] && ctr_probe='info'
	if [ "$ctr_name" = docker ] && [ -w /var/run/docker.sock ]; then
		:
	elif ctr_words=$("$ctr_name" "$ctr_probe" 2>&1 >/dev/null </dev/null); then
		:
	elif ctr_try=$(sudo -n "$ctr_name" "$ctr_probe" 2>&1 >/dev/null </dev/null); then
		ctr_sudo='sudo -n'
	else
		ctr_words="$ctr_words; with sudo -n: $ctr_try"
		return 1
	fi
	ctr_for=@WANT@
}
ctr() {
	if ! ctr_find; then
		printf '%s\n' "$ctr_words" >&2
		return 125
	fi
	$ctr_sudo "$ctr_name" "$@"
}
`
