package inventory

import (
	"regexp"
	"slices"
	"strings"

	"cvsplay/engine/eval"
)

// switchKeys are the keys of racks that are no rack, and what they set for the group of all switches.
var switchKeys = []struct{ key, setting string }{
	{"switch_ssh_user", "user"}, {"switch_ssh_password", "password"}, {"switch_ssh_key_file", "identity_files"},
}

// rackDict takes the racks: a group for each, of its nodes and its switches, and the group of all switches.
func (c *cluster) rackDict(racks, old *clusterNode) {
	n := racks
	if n == nil {
		n = old
	} else if old != nil {
		c.fail(old.at, "Duplicate key", `"rack_groups" is the old name of "racks", which is there too. Put both into "racks".`)
		return
	}
	c.racks = map[string]bool{}
	if n != nil && c.is(n, clusterObject) {
		switches := &sketchBlock{kind: "group", name: "switches", at: n.at}
		for _, m := range n.members {
			i := slices.IndexFunc(switchKeys, func(k struct{ key, setting string }) bool { return k.key == m.name })
			if i >= 0 {
				c.setText(switches, m.value, "ssh", switchKeys[i].setting)
				continue
			}
			c.rack(switches, m)
		}
		if len(switches.hosts) > 0 {
			c.sketch.blocks = append(c.sketch.blocks, switches)
		}
	}
	for _, use := range c.rackOf {
		if len(c.racks) > 0 && !c.racks[use.rack] {
			var names []string
			for name := range c.racks {
				names = append(names, name)
			}
			slices.Sort(names)
			c.warn(use.at, "Unknown rack", "The node %q is in the rack %q, which %q does not have.%s", use.host, use.rack, n.path, eval.DidYouMean(use.rack, names))
		}
		b := c.sketch.block("group", rackGroup(use.rack), use.at)
		b.members = append(b.members, named{use.host, use.at})
	}
}

func (c *cluster) rack(switches *sketchBlock, m *clusterMember) {
	keys := c.object(m.value, "platform", "switch_trays")
	if keys == nil {
		return
	}
	c.racks[m.name] = true
	group := c.sketch.block("group", rackGroup(m.name), m.at)
	c.setText(group, keys["platform"], varsSection, "platform")
	for _, tray := range c.trays(keys["switch_trays"]) {
		if first, taken := c.nodes[tray.name]; taken {
			c.fail(tray.at, "Duplicate host", "The switch %q is a node as well, at %s.", tray.name, place(first))
			continue
		}
		switches.hosts = append(switches.hosts, tray)
		group.members = append(group.members, tray)
	}
}

// trays are the names of switches: a list of them or of objects with a mgmt_ip each, or an object by name.
func (c *cluster) trays(n *clusterNode) []named {
	if n == nil || n.isNull() {
		return nil
	}
	var out []named
	if n.kind == clusterObject {
		for _, m := range n.members {
			out = append(out, named{m.name, m.at})
			c.object(m.value)
		}
		return out
	}
	if !c.is(n, clusterList) {
		return nil
	}
	for _, item := range n.items {
		if item.kind == clusterObject {
			keys := c.object(item, "mgmt_ip")
			if keys["mgmt_ip"] == nil {
				c.fail(item.at, "Missing key", "A switch in a list is a name, or has the key mgmt_ip, which is its address.")
				continue
			}
			item = keys["mgmt_ip"]
		}
		if name, ok := c.text(item); ok {
			out = append(out, named{name, item.at})
		}
	}
	return out
}

var notInGroupName = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// rackGroup is the group of a rack: rack_ and its name, with an underscore for what a group's name cannot have.
func rackGroup(rack string) string {
	return "rack_" + strings.TrimPrefix(notInGroupName.ReplaceAllString(rack, "_"), "rack_")
}
