package engine

// PodmanRuntime is Podman's name as a value of a "runtime" argument.
const PodmanRuntime = "podman"

func init() {
	AddRuntime(Runtime{
		Name: PodmanRuntime, Auto: 2, Probe: "info",
		PullAs: `
		ctr login --authfile "$dir/auth.json" -u "$3" --password-stdin "$2" >/dev/null &&
			ctr pull -q --authfile "$dir/auth.json" "$1" </dev/null`,
	})
}
