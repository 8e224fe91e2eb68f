package engine

// DockerRuntime is Docker's name as a value of a "runtime" argument.
const DockerRuntime = "docker"

func init() {
	AddRuntime(Runtime{
		Name: DockerRuntime, Auto: 1, Probe: "version", Socket: "/var/run/docker.sock",
		// The configuration names a registry that does not exist: in an empty one docker would look for a credential store, and leave the password there.
		PullAs: `
		echo '{"auths":{"none.invalid":{}}}' >"$dir/config.json"
		ctr --config "$dir" login -u "$3" --password-stdin "$2" >/dev/null &&
			ctr --config "$dir" pull -q "$1" </dev/null`,
		Describe: dockerDescribe, DescribeImages: dockerDescribeImages,
	})
}
