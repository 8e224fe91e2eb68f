package inventory

import (
	"fmt"
	"net/netip"
	"regexp"

	"github.com/hashicorp/hcl/v2"
)

// declarations are all that files and sources say, before anything is evaluated for a host.
type declarations struct {
	defaults   []*layer
	hosts      map[string]*hostDecl
	hostOrder  []*hostDecl
	groups     map[string]*groupDecl
	groupOrder []*groupDecl
	sources    map[[2]string]hcl.Range // by type and name
	plans      map[string]*plan        // by the groups a host is in
	closures   map[string][]*groupDecl
}

func newDeclarations() *declarations {
	return &declarations{
		hosts: map[string]*hostDecl{}, groups: map[string]*groupDecl{}, sources: map[[2]string]hcl.Range{},
		plans: map[string]*plan{}, closures: map[string][]*groupDecl{},
	}
}

// hasLab tells whether a source is a lab.
func (d *declarations) hasLab() bool {
	for key := range d.sources {
		if key[0] == "lab" {
			return true
		}
	}
	return false
}

// A hostDecl is one host with all that was said of it by its own name.
type hostDecl struct {
	name   string
	index  int
	direct []*groupDecl // groups that name it, each once
	layers []*layer
	found  *FoundHost // by the first source that has it
	local  bool       // ~/.ssh/config is none of its business: it is inside this process
}

// A groupDecl is one group with all that was said of it.
type groupDecl struct {
	name     string
	index    int
	at       hcl.Range // of its first declaration
	members  []named   // hosts that something else has to declare
	children []named
	layers   []*layer
	// priority is nil where none is declared.
	priority   *int
	priorityAt hcl.Range
	ansible    bool // ranked as Ansible does against others that are
	below      bool // holds for whatever its source found, and counts below all other groups of it

	parents   []*groupDecl
	ancestors map[*groupDecl]bool
	depth     int
	hosts     []string
}

// A named is a name as somebody wrote it.
type named struct {
	name string
	at   hcl.Range
}

// host gives the declaration of a host, which is made if it is new.
func (d *declarations) host(name string) *hostDecl {
	h, ok := d.hosts[name]
	if !ok {
		h = &hostDecl{name: name, index: len(d.hostOrder)}
		d.hosts[name] = h
		d.hostOrder = append(d.hostOrder, h)
	}
	return h
}

// group gives the declaration of a group, which is made if it is new.
func (d *declarations) group(name string, at hcl.Range) *groupDecl {
	g, ok := d.groups[name]
	if !ok {
		g = &groupDecl{name: name, index: len(d.groupOrder), at: at}
		d.groups[name] = g
		d.groupOrder = append(d.groupOrder, g)
	}
	return g
}

// join puts a host into a group.
func (h *hostDecl) join(g *groupDecl) {
	for _, have := range h.direct {
		if have == g {
			return
		}
	}
	h.direct = append(h.direct, g)
}

// reserved are the names that no host and no group can have.
var reserved = map[string]string{
	"all":        "it is the group of all hosts; what holds for all of them goes into defaults",
	"controller": "it is the machine cvsplay runs on",
}

var (
	plainName  = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$`)
	plainGroup = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)
	nameColon  = regexp.MustCompile(`^([^:@]+|\[.*\]):[0-9]+$`)
)

// checkHostName tells what is wrong with the name of a host.
func checkHostName(n named) *hcl.Diagnostic {
	if why, ok := reserved[n.name]; ok {
		return problem(n.at, "Reserved name", "No host can be named %q: %s.", n.name, why)
	}
	if _, err := netip.ParseAddr(n.name); err == nil {
		return nil
	}
	hint := "A name has letters, digits, dots, dashes and underscores, and neither begins nor ends with a dot or a dash; or it is an IP address."
	switch {
	case plainName.MatchString(n.name) && len(n.name) <= 253:
		return nil
	case nameColon.MatchString(n.name):
		hint = "The port goes into the host's ssh block: ssh { port = … }."
	case regexp.MustCompile(`[\[\],]`).MatchString(n.name):
		hint = fmt.Sprintf("Write nodes(%q) for the names that this pattern stands for.", n.name)
	case regexp.MustCompile(`@`).MatchString(n.name):
		hint = "The user goes into the host's ssh block: ssh { user = … }."
	}
	return problem(n.at, "Invalid host name", "%q cannot be the name of a host. %s", n.name, hint)
}

// checkGroupName tells what is wrong with the name of a group.
func checkGroupName(n named) *hcl.Diagnostic {
	if why, ok := reserved[n.name]; ok {
		return problem(n.at, "Reserved name", "No group can be named %q: %s.", n.name, why)
	}
	if !plainGroup.MatchString(n.name) {
		return problem(n.at, "Invalid group name",
			"%q cannot be the name of a group: a name starts with a letter or an underscore, and goes on with letters, digits, underscores and dashes.", n.name)
	}
	return nil
}
