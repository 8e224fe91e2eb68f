package engine

// PodmanRuntime is Podman's name as a value of a "runtime" argument.
const PodmanRuntime = "podman"

func init() {
	AddRuntime(Runtime{
		Name: PodmanRuntime, Auto: 2, Probe: "ps",
		PullAs: `
		ctr login --authfile "$dir/auth.json" -u "$3" --password-stdin "$2" >/dev/null &&
			ctr pull -q --authfile "$dir/auth.json" "$1" </dev/null`,
		Unqualified: "localhost/",
		// Its "rm -f" waits ten seconds for a process that does not heed TERM. "rm" has a flag for that only since version 4.
		BeforeRemove: `ctr stop -t 0 "$@" >/dev/null 2>&1 </dev/null`,
		// It has no daemon: timers of systemd run the checks, and where there is no systemd nothing does.
		CheckHealth: `ctr healthcheck run "$1" >/dev/null 2>&1 </dev/null`,
		Describe:    podmanDescribe, DescribeImages: podmanDescribeImages,
	})
}
