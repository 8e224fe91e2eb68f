package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"cvsplay/engine/config"
	"cvsplay/engine/eval"
)

// What names of other tools, and of other languages, are called here.
var (
	foreignRoots = map[string]string{
		"item":                     "each.value, in a step with for_each",
		"inventory_hostname":       "host.name",
		"inventory_hostname_short": "host.name",
		"ansible_hostname":         "host.name",
		"ansible_host":             "host.address",
		"group_names":              "host.groups",
		"groups":                   "group.NAME",
		"hostvars":                 `hosts["NAME"].vars`,
		"playbook_dir":             "path.playbook",
		"role_path":                "path.module",
		"ansible_check_mode":       "run.check",
		"ansible_play_hosts":       "run.hosts",
		"vars":                     "var.NAME",
		"locals":                   "local.NAME",
		"yes":                      "true",
		"on":                       "true",
		"True":                     "true",
		"no":                       "false",
		"off":                      "false",
		"False":                    "false",
		"None":                     "null",
		"nil":                      "null",
		"omit":                     "null",
		"result":                   "step.NAME, or self in changed_when, fail_when and until",
	}
	foreignModules = map[string]string{
		"shell":            "exec_script",
		"command":          "exec_script",
		"raw":              "exec_script",
		"script":           "exec_script",
		"remote_exec":      "exec_script",
		"copy":             "file",
		"template":         "file",
		"blockinfile":      "file",
		"unarchive":        "exec_script, with creates",
		"get_url":          "exec_script, with creates",
		"lineinfile":       "line",
		"replace":          "line",
		"docker_container": "container_ensure",
		"podman_container": "container_ensure",
		"docker_image":     "image_present",
		"podman_image":     "image_present",
		"docker_login":     "the registry block of container_ensure",
		"apt":              "exec_script, with creates or unless",
		"yum":              "exec_script, with creates or unless",
		"dnf":              "exec_script, with creates or unless",
		"package":          "exec_script, with creates or unless",
		"pip":              "exec_script, with creates or unless",
		"service":          "exec_script, with unless",
		"systemd":          "exec_script, with unless",
		"user":             "exec_script, with unless",
		"sysctl":           "exec_script, with unless",
		"assert":           "a check block",
		"fail":             "a check block",
		"debug":            "an output block",
		"set_fact":         "locals of the play",
		"setup":            "host.facts",
		"ping":             "the command cvsplay ping",
		"include_tasks":    "include",
		"import_tasks":     "include",
		"include_role":     "include",
		"import_role":      "include",
		"wait_for":         "exec_script, with retry and until",
		"uri":              "exec_script, with read_only",
		"git":              "exec_script, with version or unless",
		"group":            "exec_script, with unless",
		"mount":            "exec_script, with unless",
		"meta":             "flush_handlers, or a step with barrier = true",
	}
	foreignArguments = map[string][]string{
		"dest":           {"path"},
		"src":            {"source"},
		"cmd":            {"script", "command"},
		"chdir":          {"workdir"},
		"regexp":         {"match"},
		"regex":          {"match"},
		"become_user":    {"become"},
		"validate_cmd":   {"validate"},
		"restart_policy": {"restart"},
		"volumes":        {"mounts", "volume"},
		"executable":     {"script"},
		"text":           {"content"},
	}
)

// unknownRoot says what to write instead of a name that no expression can begin with.
func (w where) unknownRoot(r eval.Reference) hcl.Diagnostics {
	say := fmt.Sprintf("There is no %q here.", r.Root)
	instead, foreign := foreignRoots[r.Root]
	switch {
	case foreign:
		say += " Write " + instead + "."
	case len(r.Path) == 0 && w.plan.declares(r.Root):
		say += fmt.Sprintf(" Did you mean var.%s?", r.Root)
	case len(r.Path) == 0 && slices.Contains(w.locals, r.Root):
		say += fmt.Sprintf(" Did you mean local.%s?", r.Root)
	case w.play != nil && w.play.declares(r.Root):
		say += fmt.Sprintf(" Did you mean step.%s?", r.Root)
	case strings.HasPrefix(r.Root, "ansible_"):
		say += " What a host tells of itself is host.facts.FAMILY.FACT; \"cvsplay docs facts\" lists it."
	case r.InTemplate && len(r.Path) == 0:
		say += fmt.Sprintf(" If it is meant for the shell, write $${%s}, or keep the script in a file of its own and use file(\"…\").", r.Root)
	default:
		near := didYouMean(r.Root, rootNames)
		if near == "" {
			near = " A text needs quotes; a name begins with " + strings.Join(rootNames, ", ") + "."
		}
		say += near
	}
	return wrong(r, "Unknown name", say)
}

// declares tells whether the playbook has a variable of this name.
func (p *Plan) declares(name string) bool { return p.vars.Type().HasAttribute(name) }

// declares tells whether the play has a step or check of this name.
func (p *Play) declares(name string) bool {
	return slices.ContainsFunc(p.decl.Steps, func(s *config.Step) bool { return s.Name == name })
}

// unknownModule says which module was probably meant.
func unknownModule(name string, modules []string, at hcl.Range) hcl.Diagnostics {
	near := eval.DidYouMean(name, modules)
	short := name[strings.LastIndexByte(name, '.')+1:] // ansible.builtin.copy
	if instead := foreignModules[short]; instead != "" {
		near = fmt.Sprintf(" What it does elsewhere is done here by %s.", instead)
	}
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Unknown module", Subject: &at,
		Detail: fmt.Sprintf("There is no module %q.%s \"cvsplay docs\" lists them all.", name, near)}}
}

// withSuggestions says which argument was probably meant, meta-arguments too, and what a value of the wrong type has to look like.
func withSuggestions(diags hcl.Diagnostics, s *Step) hcl.Diagnostics {
	for _, d := range diags {
		switch d.Summary {
		case "Unsupported argument", "Unsupported block type":
			if name := between(d.Detail, `"`); name != "" {
				d.Detail = s.unknownArgument(name, d.Summary == "Unsupported block type", s.blockAt(d.Subject))
			}
		case "Incorrect attribute value type":
			d.Detail += looksLike(d.Detail)
		}
	}
	return diags
}

func looksLike(detail string) string {
	switch {
	case strings.Contains(detail, "list of") && strings.HasSuffix(detail, "have string."):
		return " A list stands in brackets: [\"a\", \"b\"]."
	case strings.HasSuffix(detail, "a bool is required."):
		return " It is true or false, without quotes."
	case strings.HasSuffix(detail, "have tuple."):
		return " It is one value, without brackets."
	}
	return ""
}

// blockAt is the module's block around a place in the step; the zero Arg where there is none, or where that cannot be told.
func (s *Step) blockAt(at *hcl.Range) Arg {
	native, ok := s.decl.Body.(*hclsyntax.Body)
	if !ok || at == nil {
		return Arg{}
	}
	for _, b := range native.Blocks {
		if !b.Body.Range().Overlaps(*at) {
			continue
		}
		name := b.Type
		if name == "dynamic" && len(b.Labels) == 1 {
			name = b.Labels[0]
		}
		arg, _ := s.mod.Arg(name)
		return arg
	}
	return Arg{}
}

func (s *Step) unknownArgument(name string, block bool, in Arg) string {
	if in.Block != nil {
		return fmt.Sprintf("The block %s has no argument %q.%s", in.Name, name, eval.DidYouMean(name, argNames(in.Block)))
	}
	arg, own := s.mod.Arg(name)
	isMeta := !own && slices.Contains(config.MetaNames(), name)
	switch {
	case block && (own && arg.Block == nil || isMeta):
		return fmt.Sprintf("%s is an argument: write %s = …, with the equals sign.", name, name)
	case !block && (own && arg.Block != nil || isMeta):
		return fmt.Sprintf("%s is a block: write %s { … }, without the equals sign.", name, name)
	}
	say := fmt.Sprintf("The module %s has no argument %q.", s.Module, name)
	for _, other := range foreignArguments[name] {
		if _, has := s.mod.Arg(other); has || slices.Contains(config.MetaNames(), other) {
			return say + fmt.Sprintf(" Did you mean %q?", other)
		}
	}
	if near := eval.DidYouMean(name, append(config.MetaNames(), argNames(s.mod.Args)...)); near != "" {
		return say + near
	}
	return say + fmt.Sprintf(" \"cvsplay docs %s\" has them all.", s.mod.page())
}

func argNames(args []Arg) []string {
	names := make([]string, len(args))
	for i, a := range args {
		names[i] = a.Name
	}
	return names
}

// namesGroup is a hint where a name that no host has is one of a group.
func (p *Plan) namesGroup(name string) string {
	if _, is := p.inv.Groups[name]; is || name == "all" {
		return fmt.Sprintf("; for the hosts of the group write group.%s", name)
	}
	return ""
}
