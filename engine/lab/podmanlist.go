package lab

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// whole is a format that stands for all of the JSON.
var whole = regexp.MustCompile(`^\s*(json|{{\s*json\s*(\.)?\s*}})\s*$`)

// psReporter is what podman ps tells of a container; unlike Docker's, it has no method Label. (It is called so in podman's complaints about a template.)
type psReporter struct {
	Command, CreatedAt, ID, Image, ImageID, Names, Networks, Ports, RunningFor, Size, State, Status string

	ExitCode int
	Labels   map[string]string
}

func (r psReporter) cells() []string {
	return []string{r.ID, r.Image, r.Command, r.RunningFor, r.Status, r.Ports, r.Names}
}

func (c *container) podmanRow(long bool) psReporter {
	docker := c.row(long)
	e := c.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	r := psReporter{
		Command: strings.Join(c.argv(), " "), CreatedAt: docker.CreatedAt, ID: docker.ID, Image: docker.Image, ImageID: shortImageID(c.image.id), Names: c.name, Networks: docker.Networks,
		Ports: docker.Ports, RunningFor: docker.RunningFor, Size: docker.Size, State: docker.Status, Status: docker.Status, ExitCode: c.code, Labels: c.spec.Labels,
	}
	if c.state == stateRunning { // "Up 2 seconds ago (healthy)"
		r.Status = "Up " + ago(e.host.lab.now().Sub(c.started)) + " ago"
		if c.health != nil {
			r.Status += " (" + c.health.status + ")"
		}
		r.State = r.Status
	}
	return r
}

func (d *dockerCLI) podmanPs(f *pflag.FlagSet) func([]string) error {
	all, quiet, long := f.BoolP("all", "a", false, ""), f.BoolP("quiet", "q", false, ""), f.Bool("no-trunc", false, "")
	format, filters := f.String("format", "", ""), f.StringArrayP("filter", "f", nil, "")
	return func(args []string) error {
		if err := needArgs(args, 0, 0); err != nil {
			return err
		}
		list, err := d.listed(*all, *filters)
		if err != nil {
			return err
		}
		rows := make([]psReporter, len(list))
		about := []object{}
		for i, c := range list {
			rows[i] = c.podmanRow(*long)
			about = append(about, object{
				"Id": c.id, "Names": []string{rows[i].Names}, "Image": rows[i].Image, "ImageID": strings.TrimPrefix(c.image.id, "sha256:"), "Labels": orNullMap(c.spec.Labels),
				"State": c.current(), "Status": rows[i].Status, "ExitCode": rows[i].ExitCode, "Command": c.argv(), "CreatedAt": rows[i].RunningFor, "Created": c.created.Unix(),
			})
		}
		if whole.MatchString(*format) {
			return d.printJSON(about, "  ")
		}
		if *quiet && *format == "" {
			*format = "{{.ID}}"
		}
		return table(d, *format, []string{"CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"}, rows)
	}
}

func (c *container) current() string {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	return c.state
}

func orNullMap(m map[string]string) any {
	if len(m) == 0 {
		return nil
	}
	return m
}

func (d *dockerCLI) printJSON(v any, indent string) error {
	b, err := json.MarshalIndent(v, "", indent)
	if err == nil {
		_, err = fmt.Fprintf(d.out(), "%s\n", b)
	}
	return err
}

// podmanExists says by its exit code alone whether there is something of that name.
func (d *dockerCLI) podmanExists(*pflag.FlagSet) func([]string) error {
	return func(args []string) error {
		if err := needArgs(args, 1, 1); err != nil {
			return err
		}
		there := d.engine.local(args[0]) != nil
		if !strings.HasPrefix(d.name, "image") {
			_, err := d.engine.find(args[0])
			there = err == nil
		}
		if !there {
			return exitCode(1)
		}
		return nil
	}
}

func (d *dockerCLI) podmanVersion(f *pflag.FlagSet) func([]string) error {
	format := f.StringP("format", "f", "", "")
	return func(args []string) error {
		if err := needArgs(args, 0, 0); err != nil {
			return err
		}
		if *format == "" {
			fmt.Fprintf(d.out(), "Client:       Podman Engine\nVersion:      %[1]s\nAPI Version:  %[1]s\nGo Version:   go\nOS/Arch:      linux/%[2]s\n", podmanVersion, d.p.Host().spec.Arch)
			return nil
		}
		about := object{"Version": podmanVersion, "APIVersion": podmanVersion, "OsArch": "linux/" + d.p.Host().spec.Arch}
		return d.printFormat(*format, object{"Client": about, "Server": about})
	}
}

func (d *dockerCLI) podmanInfo(f *pflag.FlagSet) func([]string) error {
	format := f.StringP("format", "f", "", "")
	return func(args []string) error {
		if err := needArgs(args, 0, 0); err != nil {
			return err
		}
		counts := map[string]int{}
		list := d.engine.list()
		for _, c := range list {
			counts[c.current()]++
		}
		d.engine.mu.Lock()
		images := len(d.engine.images)
		d.engine.mu.Unlock()
		rootless := d.p.account().UID != 0
		if *format != "" {
			return d.printFormat(*format, object{
				"Host": object{"Arch": d.p.Host().spec.Arch, "Hostname": d.p.Host().Name(), "OS": "linux", "CPUs": cores, "Kernel": kernelRelease, "Security": object{"Rootless": rootless}},
				"Store": object{
					"GraphRoot": d.engine.store, "GraphDriverName": "overlay", "ImageStore": object{"Number": images},
					"ContainerStore": object{"Number": len(list), "Running": counts[stateRunning], "Paused": counts[statePaused], "Stopped": len(list) - counts[stateRunning] - counts[statePaused]},
				},
				"Version": object{"Version": podmanVersion, "APIVersion": podmanVersion},
			})
		}
		fmt.Fprintf(d.out(), "host:\n  arch: %s\n  cpus: %d\n  hostname: %s\n  kernel: %s\n  os: linux\n  security:\n    rootless: %v\nstore:\n  containerStore:\n    number: %d\n    paused: %d\n    running: %d\n    stopped: %d\n"+
			"  graphDriverName: overlay\n  graphRoot: %s\n  imageStore:\n    number: %d\nversion:\n  APIVersion: %[13]s\n  Version: %[13]s\n",
			d.p.Host().spec.Arch, cores, d.p.Host().Name(), kernelRelease, rootless, len(list), counts[statePaused], counts[stateRunning],
			len(list)-counts[stateRunning]-counts[statePaused], d.engine.store, images, "", podmanVersion)
		return nil
	}
}

func (d *dockerCLI) podmanInspect(f *pflag.FlagSet) func([]string) error {
	format, kind := f.StringP("format", "f", "", ""), f.String("type", "all", "")
	return func(args []string) error {
		if err := needArgs(args, 1, -1); err != nil {
			return err
		}
		found := []object{}
		var missing []error
		for _, name := range args {
			o, err := d.describePodman(*kind, name)
			if err != nil {
				missing = append(missing, err)
				continue
			}
			found = append(found, o)
		}
		if *format == "" || whole.MatchString(*format) {
			if err := d.printJSON(found, "     "); err != nil {
				return err
			}
			found = nil
		}
		for _, o := range found {
			text, err := renderPodman(*format, o)
			if err != nil {
				return podmanError{"inspecting object: printing inspect output: " + strings.ReplaceAll(err.Error(), "template: :", "template: inspect:"), 125}
			}
			fmt.Fprintln(d.out(), text)
		}
		if len(missing) == 0 {
			return nil
		}
		for _, err := range slices.Backward(missing[1:]) {
			fmt.Fprintf(d.errs(), "error inspecting object: %s\n", err)
		}
		return podmanError{"inspecting object: " + missing[0].Error(), 125}
	}
}

func (d *dockerCLI) describePodman(kind, name string) (object, error) {
	if !slices.Contains([]string{"all", "container", "image"}, kind) {
		return nil, podmanError{fmt.Sprintf("invalid type %q: must be \"image\", \"container\", \"pod\", \"network\", \"volume\", or \"all\"", kind), 125}
	}
	if kind != "image" {
		c, err := d.engine.find(name)
		if err == nil {
			return c.inspect(), nil
		}
		if kind == "container" {
			return nil, podmanError{"no such container " + name, 125}
		}
	}
	if img := d.engine.local(name); img != nil {
		return d.engine.inspectImage(img), nil
	}
	if kind == "image" {
		return nil, d.engine.imageMissing(name)
	}
	return nil, d.engine.fail(noObject, name)
}
