package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// AutoRuntime is the value of a "runtime" argument that takes the first runtime that is installed.
const AutoRuntime = "auto"

// A Runtime is what our texts have to know of a container runtime beyond the command line that all have in common: version, ps, inspect, run, start, stop,
// exec and the rest as docker has them. Each has a file of its own, runtime_NAME.go, which adds it to the table; nothing else names it.
type Runtime struct {
	// Name is the value of a "runtime" argument, and the name of the command.
	Name string
	// Auto is its place among those that "auto" looks for, the lowest first; 0: it is used only where it is named.
	Auto int
	// Probe is the word after which its command fails where the engine behind it does not answer.
	Probe string
	// Socket settles, without a process, that the engine can be asked plainly: where it may be written. "": there is none.
	Socket string
	// PullAs is sh that logs in and pulls: $1 is the image, $2 the registry, $3 the account, $dir a folder for the credentials that only this account
	// can read and that is removed afterwards. The password is on standard input. It calls the runtime's command as "ctr".
	PullAs string
	// Unqualified is what its "load" puts before the name of an image that an archive names without a registry. "": it takes it for Docker Hub's.
	Unqualified string
	// BeforeRemove is sh that is run before "rm -f" on the containers "$@", where that would give them time to end. "": it ends them at once.
	BeforeRemove string
	// CheckHealth is sh that runs the health check of container $1 once. "": its engine does, from time to time.
	CheckHealth string
	// Describe and DescribeImages are sh that asks a registry from the host: the bodies of RuntimeDescribe's functions.
	Describe, DescribeImages string
}

var runtimes []Runtime

// AddRuntime adds a runtime to the table. It is called while the program is initialised; a name given twice is a bug and panics.
func AddRuntime(r Runtime) {
	for _, have := range runtimes {
		if have.Name == r.Name || r.Name == AutoRuntime || (r.Auto > 0 && have.Auto == r.Auto) {
			panic(fmt.Sprintf("runtime %q is in the table twice, or at the place of %q", r.Name, have.Name))
		}
	}
	runtimes = append(runtimes, r)
	slices.SortStableFunc(runtimes, func(a, b Runtime) int { return cmp.Or(cmp.Compare(a.Auto, b.Auto), cmp.Compare(a.Name, b.Name)) })
}

// RuntimeNames are the values of a "runtime" argument.
func RuntimeNames() []string {
	out := []string{AutoRuntime}
	for _, r := range runtimes {
		out = append(out, r.Name)
	}
	return out
}

// RuntimeDoc documents a "runtime" argument.
func RuntimeDoc() string {
	var names []string
	for _, r := range runtimesFor(AutoRuntime) {
		names = append(names, r.Name)
	}
	return "Container runtime; `auto` is " + strings.Join(names, " where it is installed, else ") + "."
}

// runtimesFor are those that a "runtime" argument allows, in the order in which they are looked for.
func runtimesFor(want string) []Runtime {
	var out []Runtime
	for _, r := range runtimes {
		if r.Name == want || (want == AutoRuntime && r.Auto > 0) {
			out = append(out, r)
		}
	}
	return out
}

// RuntimePrelude is POSIX sh that defines two functions:
//
//	ctr_find    finds the container runtime and whether it needs sudo; sets ctr_name (docker, podman, …), ctr_sudo ("", "sudo -n") and
//	            returns 0, or sets ctr_words to the reason and returns 1
//	ctr ARG…    runs the runtime's command; where there is none it prints the reason on stderr and returns 125
//
// What was found stays in shell variables: called once outside of a subshell, ctr_find costs nothing more for as long as that
// shell lives. A failure is not remembered, since a later step may install or start the runtime.
//
// An installed runtime that does not answer is never passed over for another one: a container might be launched twice.
func RuntimePrelude(runtime string) string {
	if runtime == "" {
		runtime = AutoRuntime
	}
	var names []string
	var probes strings.Builder
	for _, r := range runtimesFor(runtime) {
		names = append(names, Quote(r.Name))
		fmt.Fprintf(&probes, "\t%s) ctr_probe=%s ctr_socket=%s ;;\n", Quote(r.Name), Quote(r.Probe), Quote(r.Socket))
	}
	return strings.NewReplacer("@WANT@", Quote(runtime), "@NAMES@", strings.Join(names, " "), "@PROBES@", probes.String()).Replace(runtimePrelude)
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
	case $ctr_name in
@PROBES@	esac
	if [ -n "$ctr_socket" ] && [ -w "$ctr_socket" ]; then
		:
	elif ctr_words=$("$ctr_name" "$ctr_probe" 2>&1 >/dev/null </dev/null); then
		:
	elif ctr_try=$(sudo -n "$ctr_name" "$ctr_probe" 2>&1 >/dev/null </dev/null); then
		ctr_sudo='sudo -n'
	else
		[ "$ctr_words" = "$ctr_try" ] || ctr_words="$ctr_words; with sudo -n: $ctr_try"
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

// RuntimeLoad is POSIX sh that defines, over RuntimePrelude's, ctr_load FILE NAME SHORT: it loads an archive, and prints what the runtime says. SHORT is the
// image's NAME without Docker Hub's, as archives have it; "" where it is another registry's. Where it was loaded as something else, it is tagged.
func RuntimeLoad(runtime string) string {
	return `ctr_load() {
	ctr_unqualified=
` + runtimeCases(runtime, func(r Runtime) string {
		if r.Unqualified == "" {
			return ""
		}
		return "ctr_unqualified=" + Quote(r.Unqualified)
	}) + `	ctr_loaded=$(ctr load -i "$1" </dev/null) || return
	printf '%s\n' "$ctr_loaded"
	[ -n "$ctr_unqualified" ] && [ -n "$3" ] || return 0
	case "$ctr_loaded," in
	*"$ctr_unqualified$3,"* | *"$ctr_unqualified$3
"*) ctr tag "$ctr_unqualified$3" "$2" </dev/null ;;
	esac
}
`
}

// RuntimeRemove is POSIX sh that defines, over RuntimePrelude's, ctr_remove ID…: it removes containers with all they run and their anonymous volumes.
func RuntimeRemove(runtime string) string {
	return "ctr_remove() {\n" + runtimeCases(runtime, func(r Runtime) string { return r.BeforeRemove }) + "\tctr rm -f -v \"$@\" >/dev/null </dev/null\n}\n"
}

// RuntimeCheckHealth is POSIX sh that defines, over RuntimePrelude's, ctr_check_health ID: it sees to it that the container's health check is run.
func RuntimeCheckHealth(runtime string) string {
	return "ctr_check_health() {\n" + runtimeCases(runtime, func(r Runtime) string { return r.CheckHealth }) + "}\n"
}

// runtimeCases is sh that finds the runtime and does what only some want; it does nothing where the text is empty.
func runtimeCases(runtime string, text func(Runtime) string) string {
	if runtime == "" {
		runtime = AutoRuntime
	}
	var cases strings.Builder
	for _, r := range runtimesFor(runtime) {
		fmt.Fprintf(&cases, "\t%s) %s ;;\n", Quote(r.Name), cmp.Or(strings.TrimSpace(text(r)), ":"))
	}
	return "\tctr_find || { ctr; return; }\n\tcase $ctr_name in\n" + cases.String() + "\tesac\n"
}

// RuntimePullAs is POSIX sh that defines, over RuntimePrelude's, ctr_pull_as IMAGE REGISTRY ACCOUNT: it logs in with the password on
// standard input, pulls, and leaves no credentials behind, whatever happens.
func RuntimePullAs(runtime string) string {
	if runtime == "" {
		runtime = AutoRuntime
	}
	var cases strings.Builder
	for _, r := range runtimesFor(runtime) {
		fmt.Fprintf(&cases, "\t%s)\n%s\n\t\t;;\n", Quote(r.Name), strings.Trim(r.PullAs, "\n"))
	}
	return "ctr_pull_as() (\n" + `	umask 077
	dir=$(mktemp -d) || exit
	trap 'rm -rf "$dir"' EXIT
	trap 'exit 130' HUP INT TERM
	ctr_find || { ctr; exit; }
	case $ctr_name in
` + cases.String() + "\tesac\n)\n"
}
