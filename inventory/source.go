package inventory

import (
	"context"
	"net/http"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// A Source makes hosts: the body of a source "TYPE" "NAME" block decides which.
type Source interface {
	// Open reads the block and gives its hosts. What it started is ended by the returned close function (may be nil), which is
	// to be set where Open fails after it started something, too.
	Open(ctx context.Context, block SourceBlock) (Found, hcl.Diagnostics)
}

// A SourceBlock is one source block of an inventory file.
type SourceBlock struct {
	Type, Name string
	Body       hcl.Body
	Eval       *hcl.EvalContext // path, env, functions
	Dir        string           // folder of the file
	DeclRange  hcl.Range
	Cache      string // folder for what programs printed; "": nothing is kept
	// Idle tells that the hosts will not be contacted: their names, groups and vars are wanted, and nothing has to be started.
	Idle bool
}

// Found is what a source found.
type Found struct {
	Hosts     []FoundHost
	Groups    map[string][]string // group → hosts
	Children  map[string][]string // group → child groups
	GroupVars map[string]cty.Value
	// GroupSettings are the groups' Address, Connection, SSH and Become as far as the source sets them.
	GroupSettings map[string]Host
	// GroupOrder are the names of all groups in the order of the source; those it lacks follow, sorted.
	GroupOrder []string
	// AllVars and AllSettings hold for every host that the source found, below those of any group.
	AllVars     cty.Value
	AllSettings Host
	// Ansible tells that of two groups of this source the one that Ansible ranks higher wins: by depth, then priority, then name.
	Ansible       bool
	GroupPriority map[string]int // Ansible's ansible_group_priority; 1 where missing
	Simulated     bool
	Registry      http.RoundTripper
	Close         func() error
}

// A FoundHost is one host that a source found.
type FoundHost struct {
	Name   string
	Vars   cty.Value // object, or cty.NilVal
	Host   Host      // Address, Connection, SSH, Become as far as the source sets them
	Groups []string
	// Patience is the ConnectTimeout where nobody says one; 0: as elsewhere.
	Patience time.Duration
}

// builtin are the source types that every inventory knows, unless Options.Sources has its own of that name.
func builtin(o Options) map[string]Source {
	return map[string]Source{
		"ansible":    Ansible{},
		"exec":       Exec{Env: o.Env},
		"lab":        Lab{Count: o.Lab},
		"slurm":      Slurm{},
		"ssh_config": SSHConfig{Env: o.Env},
	}
}
