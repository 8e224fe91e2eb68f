package inventory

import (
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/eval"
)

// containerKeys are the keys of a cluster file's container, and runtimeArgs those of its runtime's args: they have
// the names that container_ensure gives them.
var (
	containerKeys = []string{"lifetime", "image", "name", "image_tar", "env", "setup_script", "runtime", "enabled", "launch"}
	runtimeArgs   = []string{
		"network", "ipc", "privileged", "volumes", "devices", "cap_add", "security_opt", "group_add", "ulimit", "shm_size", "registry",
	}
	registryKeys = []string{"username", "password_file", "server"}
)

// container makes the container of the file the var of that name, with the arguments of container_ensure. What the variables of the
// shipped playbooks say, they get too.
func (c *cluster) container(defaults *sketchBlock, n *clusterNode) {
	keys := c.object(n, containerKeys...)
	if keys == nil {
		return
	}
	c.gone(keys)
	out := map[string]cty.Value{}
	for _, m := range n.members {
		switch m.name {
		case "lifetime", "image", "name", "image_tar", "setup_script":
			if text, ok := c.text(m.value); ok {
				out[m.name] = cty.StringVal(text)
			}
		case "env":
			if c.is(m.value, clusterObject) {
				out[m.name] = m.value.value
			}
		case "runtime":
			c.runtime(out, m.value)
		}
	}
	if len(out) == 0 {
		return
	}
	defaults.set(varsSection, "container", cty.ObjectVal(out), n.at)
	c.variable("image", keys["image"])
	c.variable("container", keys["name"])
	c.variable("lifetime", keys["lifetime"])
}

// gone tells what is written instead of arguments that are no more.
func (c *cluster) gone(keys map[string]*clusterNode) {
	if v := keys["enabled"]; v != nil {
		c.fail(v.at, "Removed key", `%q is no more: with "orchestrator": "container" there is a container, and "lifetime" says whose it is: "per_run", "persistent" or "no_launch".`, v.path)
	}
	v := keys["launch"]
	if v == nil {
		return
	}
	way := `"lifetime": "per_run" (it was true) or "lifetime": "no_launch" (it was false)`
	if v.kind == clusterPlain && v.value.Type() == cty.Bool && !v.value.IsNull() {
		way = `"lifetime": "no_launch"`
		if v.value.True() {
			way = `"lifetime": "per_run"`
		}
	}
	c.fail(v.at, "Removed key", "%q is no more: write %s.", v.path, way)
}

// runtime takes the name of the runtime and its arguments.
func (c *cluster) runtime(out map[string]cty.Value, n *clusterNode) {
	keys := c.object(n, "name", "args")
	if name, ok := c.text(keys["name"]); ok {
		out["runtime"] = cty.StringVal(name)
	}
	args := keys["args"]
	if !c.is(args, clusterObject) {
		return
	}
	for _, m := range args.members {
		switch m.name {
		case "network", "ipc", "shm_size":
			if text, ok := c.text(m.value); ok {
				out[m.name] = cty.StringVal(text)
			}
		case "privileged":
			c.privileged(out, m.value)
		case "volumes", "devices", "cap_add", "security_opt", "group_add", "ulimit":
			if list, ok := c.texts(m.value); ok {
				out[m.name] = list
			}
		case "registry":
			c.registry(out, m.value)
		default:
			c.warn(m.at, "Unknown key", "The key %q has no meaning here, and is left out.%s", m.value.path, eval.DidYouMean(m.name, runtimeArgs))
		}
	}
}

func (c *cluster) privileged(out map[string]cty.Value, n *clusterNode) {
	if !c.is(n, clusterPlain) {
		return
	}
	if n.value.Type() != cty.Bool {
		c.fail(n.at, "Wrong type", "The key %q is true or false.", n.path)
		return
	}
	out["privileged"] = n.value
}

// texts is a list of texts; one text is a list of it.
func (c *cluster) texts(n *clusterNode) (cty.Value, bool) {
	if n.isNull() {
		return cty.NilVal, false
	}
	items := []*clusterNode{n}
	if n.kind != clusterPlain {
		if !c.is(n, clusterList) {
			return cty.NilVal, false
		}
		items = n.items
	}
	var out []string
	for _, item := range items {
		if text, ok := c.text(item); ok {
			out = append(out, text)
		}
	}
	return nameList(out), true
}

func (c *cluster) registry(out map[string]cty.Value, n *clusterNode) {
	keys := c.object(n, registryKeys...)
	values := map[string]cty.Value{}
	for name, v := range keys {
		if text, ok := c.text(v); ok {
			values[name] = cty.StringVal(text)
		}
	}
	if len(values) > 0 {
		out["registry"] = cty.ObjectVal(values)
	}
}
