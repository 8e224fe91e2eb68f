package inventory

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"cvsplay/engine/config"
	"cvsplay/engine/eval"
)

// ImportCluster reads a CVS cluster file and gives the text of an inventory file that says the same. The text is nil where the diagnostics
// have an error. env looks up USER and LOGNAME; nil: os.LookupEnv.
func ImportCluster(path string, env func(string) (string, bool)) ([]byte, *config.Files, hcl.Diagnostics) {
	if env == nil {
		env = os.LookupEnv
	}
	files := &config.Files{}
	if !isCluster(path) {
		return nil, files, hcl.Diagnostics{problem(hcl.Range{}, "Not a cluster file", "%s cannot be imported: the name of a CVS cluster file ends in .json.", path)}
	}
	file, diags := config.ReadFile(path)
	files.Add(path, file)
	if diags.HasErrors() {
		return nil, files, diags
	}
	s, more := readCluster(file.Bytes, path, env)
	diags = append(diags, more...)
	if diags.HasErrors() {
		return nil, files, diags
	}
	for _, b := range s.blocks {
		for _, v := range b.values {
			if set := settingFor[v.slot]; set != nil && set.secret {
				d := problem(v.at, "Password in clear text", "The inventory has this password as it stands here. Keep the file to yourself, or replace the text by env(\"NAME\").")
				d.Severity = hcl.DiagWarning
				diags = append(diags, d)
			}
		}
	}
	return s.write(), files, diags
}

// readCluster makes a sketch of a CVS cluster file that parses as JSON.
func readCluster(src []byte, name string, env func(string) (string, bool)) (*sketch, hcl.Diagnostics) {
	root, diags := scanCluster(src, name, env)
	if diags.HasErrors() {
		return nil, diags
	}
	c := &cluster{sketch: &sketch{}}
	c.read(root)
	if !c.diags.HasErrors() {
		c.diags = append(c.diags, c.sketch.check()...)
	}
	return c.sketch, c.diags
}

// A cluster reads the nodes of a CVS cluster file into a sketch.
type cluster struct {
	sketch *sketch
	diags  hcl.Diagnostics
	nodes  map[string]hcl.Range // names of node_dict
	racks  map[string]bool
	rackOf []rackUse
}

// A rackUse is a node that says in which rack it is.
type rackUse struct {
	host string
	rack string
	at   hcl.Range
}

// clusterKeys are the keys of a cluster file.
var clusterKeys = []string{
	"orchestrator", "username", "priv_key_file", "password", "head_node_dict", "env_vars", "node_dict", "racks", "rack_groups",
	"home_mount_dir_name", "node_dir_name", "gpu_type", "container",
}

func (c *cluster) fail(at hcl.Range, summary, detail string, args ...any) {
	c.diags = append(c.diags, problem(at, summary, detail, args...))
}

func (c *cluster) warn(at hcl.Range, summary, detail string, args ...any) {
	d := problem(at, summary, detail, args...)
	d.Severity = hcl.DiagWarning
	c.diags = append(c.diags, d)
}

func (c *cluster) read(root *clusterNode) {
	keys := c.object(root, clusterKeys...)
	if keys == nil {
		return
	}
	if _, ok := keys["node_dict"]; !ok {
		if len(keys) == 0 {
			c.diags = nil // it is another file altogether: that its keys are not known tells nothing
		}
		c.fail(root.at, "Not a cluster file", "This is no CVS cluster file: it has no node_dict, which names the nodes. "+
			`An inventory in JSON has a name that ends in .hcl.json; a list of Ansible is read with source "exec" "NAME" { command = ["cat", "FILE"] }.`)
		return
	}
	defaults := c.sketch.block("defaults", "", root.at)
	for _, s := range []struct{ key, section, name string }{
		{"username", "ssh", "user"}, {"priv_key_file", "ssh", "identity_files"}, {"password", "ssh", "password"},
		{"home_mount_dir_name", varsSection, "home_mount_dir_name"}, {"node_dir_name", varsSection, "node_dir_name"}, {"gpu_type", varsSection, "gpu_type"},
	} {
		c.setText(defaults, keys[s.key], s.section, s.name)
	}
	c.env(defaults, keys["env_vars"])
	c.orchestrator(keys["orchestrator"], root.at)
	c.container(defaults, keys["container"])
	c.nodeDict(keys["node_dict"])
	c.head(keys["head_node_dict"])
	c.rackDict(keys["racks"], keys["rack_groups"])
	c.sketch.blocks = slices.DeleteFunc(c.sketch.blocks, func(b *sketchBlock) bool { return b == defaults && len(b.values) == 0 })
}

// object gives the members of an object by name, and warns of those that are not known; nil where it is none, which is an error unless it
// is null.
func (c *cluster) object(n *clusterNode, known ...string) map[string]*clusterNode {
	if !c.is(n, clusterObject) {
		return nil
	}
	out := map[string]*clusterNode{}
	for _, m := range n.members {
		if !slices.Contains(known, m.name) {
			c.warn(m.at, "Unknown key", "The key %q has no meaning here, and is left out.%s", m.value.path, eval.DidYouMean(m.name, known))
			continue
		}
		out[m.name] = m.value
	}
	return out
}

// is tells whether a node is of a kind; all but null that is not is an error.
func (c *cluster) is(n *clusterNode, want clusterKind) bool {
	if n == nil || n.isNull() {
		return false
	}
	if n.kind != want {
		what := fmt.Sprintf("The key %q", n.path)
		if n.path == "" {
			what = "A cluster file"
		}
		c.fail(n.at, "Wrong type", "%s takes %s, and this is %s.", what, want, n.kind)
	}
	return n.kind == want
}

// text is the text that a node is; false for null, and where it is none.
func (c *cluster) text(n *clusterNode) (string, bool) {
	if !c.is(n, clusterPlain) {
		return "", false
	}
	v, err := convert.Convert(n.value, cty.String)
	if err != nil {
		c.fail(n.at, "Wrong type", "The key %q: %s.", n.path, err)
		return "", false
	}
	return v.AsString(), true
}

// setText gives a block the text of a node; a null one is a null var, and no setting.
func (c *cluster) setText(b *sketchBlock, n *clusterNode, section, name string) {
	if n != nil && n.isNull() && section == varsSection {
		b.set(section, name, cty.NullVal(cty.String), n.at)
		return
	}
	text, ok := c.text(n)
	if !ok {
		return
	}
	v := cty.StringVal(text)
	switch set := settingFor[slot{section, name}]; {
	case set != nil && set.secret:
		v = v.Mark(sensitive)
	case name == "identity_files":
		v = cty.ListVal([]cty.Value{v})
	}
	b.set(section, name, v, n.at)
}

// env takes env_vars. $NAME of the variable itself stands for what the host has, at either end of the value.
func (c *cluster) env(defaults *sketchBlock, n *clusterNode) {
	if !c.is(n, clusterObject) {
		return
	}
	for _, m := range n.members {
		text, ok := c.text(m.value)
		if !ok {
			continue
		}
		if !envName.MatchString(m.name) {
			c.fail(m.at, "Invalid name", "%q cannot be the name of an environment variable: it has letters, digits and underscores, and begins with no digit.", m.name)
			continue
		}
		text = strings.ReplaceAll(text, "${"+m.name+"}", "$"+m.name)
		_, literal, _ := SplitEnv(m.name, text)
		if regexp.MustCompile(`\$` + m.name + `\b`).MatchString(literal) {
			c.warn(m.value.at, "Literal text", "The key %q: $%s stands for what the host has at the beginning and at the end of the value; between other text it stays as it is.",
				m.value.path, m.name)
		}
		defaults.set(envSection, m.name, cty.StringVal(text), m.value.at)
	}
}

func (c *cluster) variable(name string, n *clusterNode) {
	if text, ok := c.text(n); ok {
		c.sketch.variables = append(c.sketch.variables, sketchValue{slot{"", name}, cty.StringVal(text), n.at})
	}
}

func (c *cluster) orchestrator(n *clusterNode, root hcl.Range) {
	const otherwise = "baremetal"
	if n == nil || n.isNull() {
		c.sketch.variables = append(c.sketch.variables, sketchValue{slot{"", "target"}, cty.StringVal(otherwise), root})
		return
	}
	known := []string{otherwise, "container"}
	if text, ok := c.text(n); ok && !slices.Contains(known, text) {
		c.fail(n.at, "Invalid value", "The key %q is \"baremetal\" or \"container\", not %q.%s", n.path, text, eval.DidYouMean(text, known))
		return
	}
	c.variable("target", n)
}

// nodeDict takes the nodes: an object by name, or a list of objects with a mgmt_ip each.
func (c *cluster) nodeDict(n *clusterNode) {
	c.nodes = map[string]hcl.Range{}
	group := c.sketch.block("group", "nodes", n.at)
	c.sketch.block("group", "gpu", n.at).children = []named{{"nodes", n.at}}
	if n.kind == clusterList {
		for _, item := range n.items {
			c.listed(group, item)
		}
	} else if c.is(n, clusterObject) {
		for _, m := range n.members {
			c.node(group, named{m.name, m.at}, m.value, "bmc_ip", "vpc_ip", "rack_id")
		}
	}
	if len(c.nodes) == 0 && !c.diags.HasErrors() {
		c.fail(n.at, "No hosts", "The key node_dict names no node.")
	}
}

func (c *cluster) listed(group *sketchBlock, item *clusterNode) {
	if !c.is(item, clusterObject) {
		return
	}
	for _, m := range item.members {
		if m.name != "mgmt_ip" {
			continue
		}
		name, ok := c.text(m.value)
		if !ok {
			break
		}
		if first, taken := c.nodes[name]; taken {
			c.fail(m.value.at, "Duplicate node", "The node %q is there already, at %s. Take one of the two out.", name, place(first))
			return
		}
		c.node(group, named{name, m.value.at}, item, "mgmt_ip", "bmc_ip", "vpc_ip", "rack_id")
		return
	}
	c.fail(item.at, "Missing key", "A node in a list has the key mgmt_ip, which is its address.")
}

func (c *cluster) node(group *sketchBlock, name named, n *clusterNode, known ...string) {
	c.nodes[name.name] = name.at
	group.hosts = append(group.hosts, name)
	keys := c.object(n, known...)
	var host *sketchBlock
	for _, key := range []string{"bmc_ip", "vpc_ip", "rack_id"} {
		v := keys[key]
		if v == nil {
			continue
		}
		if host == nil {
			host = c.sketch.block("host", name.name, name.at)
		}
		c.setText(host, v, varsSection, key)
		if text, ok := c.text(v); ok && key == "rack_id" {
			c.rackOf = append(c.rackOf, rackUse{name.name, text, v.at})
		}
	}
}

// head takes the head node, which may be one of the nodes.
func (c *cluster) head(n *clusterNode) {
	keys := c.object(n, "mgmt_ip")
	name, ok := c.text(keys["mgmt_ip"])
	if !ok {
		return
	}
	at := keys["mgmt_ip"].at
	group := c.sketch.block("group", "head", at)
	if _, taken := c.nodes[name]; taken {
		group.members = []named{{name, at}}
	} else {
		group.hosts = []named{{name, at}}
	}
}
