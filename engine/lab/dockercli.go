package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/pflag"
)

// dockerCommands are the client's.
func dockerCommands() map[string]Command {
	return map[string]Command{"docker": runDocker}
}

// A dockerCLI is one call of the docker command.
type dockerCLI struct {
	ctx    context.Context //nolint:containedctx // a call's own
	p      *Process
	engine *ContainerEngine
	config string // folder of the client's configuration; "": the user's
	name   string // of the subcommand, as the user typed it
}

// dockerVerb is a subcommand: it adds its flags, and gives what to do with the other words.
type dockerVerb struct {
	build   func(d *dockerCLI, f *pflag.FlagSet) func(args []string) error
	inOrder bool // flags stand before the first word only: what follows belongs to somebody else
	offline bool // asks no engine
	failed  int  // exit code where the engine refuses; 0: 1
}

var dockerVerbs = map[string]dockerVerb{
	"version": {build: (*dockerCLI).version, offline: true},
	"info":    {build: (*dockerCLI).info},
	"ps":      {build: (*dockerCLI).ps},
	"images":  {build: (*dockerCLI).images},
	"inspect": {build: (*dockerCLI).inspect},
	"pull":    {build: (*dockerCLI).pull},
	"tag":     {build: (*dockerCLI).tag},
	"rmi":     {build: (*dockerCLI).rmi},
	"save":    {build: (*dockerCLI).save},
	"load":    {build: (*dockerCLI).load},
	"run":     {build: (*dockerCLI).run, inOrder: true, failed: 125},
	"create":  {build: (*dockerCLI).create, inOrder: true},
	"start":   {build: (*dockerCLI).start},
	"stop":    {build: (*dockerCLI).stop},
	"restart": {build: (*dockerCLI).restart},
	"pause":   {build: (*dockerCLI).pause},
	"unpause": {build: (*dockerCLI).unpause},
	"kill":    {build: (*dockerCLI).kill},
	"rm":      {build: (*dockerCLI).rm},
	"rename":  {build: (*dockerCLI).rename},
	"exec":    {build: (*dockerCLI).exec, inOrder: true},
	"logs":    {build: (*dockerCLI).logs},
	"login":   {build: (*dockerCLI).login, offline: true},
	"logout":  {build: (*dockerCLI).logout, offline: true},
}

// dockerGroups are the longer spellings.
var dockerGroups = map[string]map[string]string{
	"container": {
		"ls": "ps", "list": "ps", "ps": "ps", "inspect": "inspect", "run": "run", "create": "create", "start": "start", "stop": "stop", "restart": "restart",
		"pause": "pause", "unpause": "unpause", "kill": "kill", "rm": "rm", "rename": "rename", "exec": "exec", "logs": "logs",
	},
	"image": {"ls": "images", "list": "images", "inspect": "inspect", "pull": "pull", "tag": "tag", "rm": "rmi", "save": "save", "load": "load"},
}

// exitCode ends the client with a code and without words.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// usageError is a call that the client itself refuses.
type usageError string

func (e usageError) Error() string { return string(e) }

func runDocker(ctx context.Context, p *Process, argv []string) int {
	d := &dockerCLI{ctx: ctx, p: p, engine: p.Host().Containers()}
	global := pflag.NewFlagSet("docker", pflag.ContinueOnError)
	global.SetInterspersed(false)
	global.SetOutput(io.Discard)
	version := global.BoolP("version", "v", false, "")
	global.StringVar(&d.config, "config", "", "")
	if err := global.Parse(argv[1:]); err != nil {
		fmt.Fprintf(p.Stderr(), "%s\nSee 'docker --help'.\n", err)
		return 125
	}
	args := global.Args()
	if *version {
		fmt.Fprintf(p.Stdout(), "Docker version %s, build lab\n", dockerVersion)
		return 0
	}
	if len(args) == 0 {
		d.help()
		return 0
	}
	d.name, args = args[0], args[1:]
	verb := d.name
	kind := ""
	if group, ok := dockerGroups[verb]; ok && len(args) > 0 {
		kind = verb
		d.name += " " + args[0]
		verb, args = group[args[0]], args[1:]
	}
	v, ok := dockerVerbs[verb]
	if !ok {
		fmt.Fprintf(p.Stderr(), "docker: '%s' is not a docker command of the lab.\nSee 'docker --help'\n", d.name)
		return 1
	}
	if verb == "inspect" && kind != "" {
		args = append([]string{"--type", kind}, args...)
	}
	return d.call(v, args)
}

func (d *dockerCLI) help() {
	names := make([]string, 0, len(dockerVerbs))
	for name := range dockerVerbs {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintf(d.p.Stdout(), "Usage:  docker [--config DIR] COMMAND\n\nThe lab's container engine knows these commands:\n  %s\n", strings.Join(names, " "))
}

func (d *dockerCLI) call(v dockerVerb, args []string) int {
	flags := pflag.NewFlagSet(d.name, pflag.ContinueOnError)
	flags.SetInterspersed(!v.inOrder)
	flags.SetOutput(io.Discard)
	do := v.build(d, flags)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			fmt.Fprintf(d.p.Stdout(), "Usage:  docker %s\n\n%s", d.name, flags.FlagUsages())
			return 0
		}
		fmt.Fprintf(d.p.Stderr(), "%s\nSee 'docker %s --help'.\n", err, d.name)
		return 125
	}
	err := error(nil)
	if !v.offline {
		err = d.connect()
	}
	if err == nil {
		err = do(flags.Args())
	}
	return d.report(v, err)
}

// report prints what went wrong, and gives the exit code.
func (d *dockerCLI) report(v dockerVerb, err error) int {
	var code exitCode
	var usage usageError
	var missing noProgram
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &usage):
		fmt.Fprintf(d.p.Stderr(), "docker: %s\nSee 'docker %s --help'.\n", err, d.name)
		return 1
	}
	prefix, after := "", ""
	if v.failed != 0 {
		prefix, after = "docker: ", "\n\nRun 'docker "+d.name+" --help' for more information"
	}
	fmt.Fprintf(d.p.Stderr(), "%s%s%s\n", prefix, err, after)
	if v.failed != 0 && errors.As(err, &missing) {
		return missing.code
	}
	return orDefault(v.failed, 1)
}

// connect looks whether the engine answers this user.
func (d *dockerCLI) connect() error {
	err := d.p.view().access("/var/run/docker.sock", mayWrite)
	switch {
	case err == nil && d.engine != nil && d.engine.running():
		return nil
	case err != nil && reason(err) == syscall.EACCES:
		return errors.New("permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: dial unix /var/run/docker.sock: connect: permission denied")
	}
	return errors.New("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?") //nolint:staticcheck // docker's own words
}

func needArgs(args []string, least, most int) error {
	if len(args) < least || most >= 0 && len(args) > most {
		return usageError(fmt.Sprintf("wrong number of arguments: %d", len(args)))
	}
	return nil
}

// eachContainer does something to every container that is named, and says which it was done to.
func (d *dockerCLI) eachContainer(names []string, do func(*container) error) error {
	if err := needArgs(names, 1, -1); err != nil {
		return err
	}
	failed := false
	for _, name := range names {
		c, err := d.engine.find(name)
		if err == nil {
			err = do(c)
		}
		if err != nil {
			fmt.Fprintln(d.p.Stderr(), err)
			failed = true
			continue
		}
		fmt.Fprintln(d.p.Stdout(), name)
	}
	if failed {
		return exitCode(1)
	}
	return nil
}

func (d *dockerCLI) version(f *pflag.FlagSet) func([]string) error {
	format := f.StringP("format", "f", "", "")
	return func(args []string) error {
		if err := needArgs(args, 0, 0); err != nil {
			return err
		}
		about := object{"Version": dockerVersion, "ApiVersion": dockerAPI, "Os": "linux", "Arch": d.p.Host().spec.Arch, "GitCommit": "lab", "GoVersion": "go"}
		down := d.connect()
		if *format != "" {
			answer := object{"Client": about, "Server": nil}
			if down == nil {
				answer["Server"] = about
			}
			text, err := render(*format, answer)
			if err != nil && down != nil {
				return down
			}
			if err != nil {
				return err
			}
			fmt.Fprintln(d.p.Stdout(), text)
			return down
		}
		fmt.Fprintf(d.p.Stdout(), "Client: Docker Engine (lab)\n Version:           %s\n API version:       %s\n", dockerVersion, dockerAPI)
		if down != nil {
			return down
		}
		fmt.Fprintf(d.p.Stdout(), "\nServer: Docker Engine (lab)\n Engine:\n  Version:          %s\n  API version:      %s (minimum version 1.24)\n", dockerVersion, dockerAPI)
		return nil
	}
}

func (d *dockerCLI) info(f *pflag.FlagSet) func([]string) error {
	format := f.StringP("format", "f", "", "")
	return func(args []string) error {
		if err := needArgs(args, 0, 0); err != nil {
			return err
		}
		counts := map[string]int{}
		for _, c := range d.engine.list() {
			counts[c.inspect()["State"].(object)["Status"].(string)]++
		}
		d.engine.mu.Lock()
		about := object{
			"Containers": len(d.engine.containers), "ContainersRunning": counts[stateRunning], "ContainersPaused": counts[statePaused],
			"ContainersStopped": counts[stateExited] + counts[stateCreated], "Images": len(d.engine.images), "Driver": "overlay2", "ServerVersion": dockerVersion,
			"OSType": "linux", "OperatingSystem": "Debian GNU/Linux 12 (lab)", "Name": d.p.Host().Name(), "DockerRootDir": dockerStore, "NCPU": cores,
		}
		d.engine.mu.Unlock()
		if *format != "" {
			text, err := render(*format, about)
			if err != nil {
				return err
			}
			fmt.Fprintln(d.p.Stdout(), text)
			return nil
		}
		for _, k := range []string{"Containers", "ContainersRunning", "ContainersPaused", "ContainersStopped", "Images", "ServerVersion", "Driver", "OperatingSystem", "Name", "DockerRootDir"} {
			fmt.Fprintf(d.p.Stdout(), "%s: %v\n", k, about[k])
		}
		return nil
	}
}

// table prints rows under headings, or each through a format.
func (d *dockerCLI) table(format string, headings []string, rows []object) error {
	if format != "" && !strings.HasPrefix(format, "table ") {
		for _, row := range rows {
			text, err := render(format, row)
			if err != nil {
				return err
			}
			fmt.Fprintln(d.p.Stdout(), text)
		}
		return nil
	}
	if format != "" {
		return usageError("the lab's tables have their own columns: leave \"table\" out of the format")
	}
	w := tabwriter.NewWriter(d.p.Stdout(), 10, 1, 3, ' ', 0)
	fmt.Fprintln(w, strings.Join(headings, "\t"))
	for _, row := range rows {
		cells := make([]string, len(headings))
		for i, h := range headings {
			cells[i] = fmt.Sprint(row[columns[h]])
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// columns are the fields under the headings.
var columns = map[string]string{
	"CONTAINER ID": "ID", "IMAGE": "Image", "COMMAND": "Command", "CREATED": "CreatedSince", "STATUS": "Status", "PORTS": "Ports", "NAMES": "Names",
	"REPOSITORY": "Repository", "TAG": "Tag", "DIGEST": "Digest", "IMAGE ID": "ID", "SIZE": "Size",
}
