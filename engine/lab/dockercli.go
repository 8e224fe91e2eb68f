package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/pflag"
)

// dockerCommands are the client's.
func dockerCommands() map[string]Command {
	return map[string]Command{"docker": runDocker, "podman": runPodman}
}

// A dockerCLI is one call of the docker command, or of podman, which is nearly the same to its users.
type dockerCLI struct {
	ctx     context.Context //nolint:containedctx // a call's own
	p       *Process
	engine  *ContainerEngine
	argv    []string
	config  string // folder of the client's configuration; "": the user's
	name    string // of the subcommand, as the user typed it
	unheard bool   // the connection to the engine breaks before the answer
}

// dockerVerb is a subcommand: it adds its flags, and gives what to do with the other words.
type dockerVerb struct {
	build   func(d *dockerCLI, f *pflag.FlagSet) func(args []string) error
	inOrder bool   // flags stand before the first word only: what follows belongs to somebody else
	offline bool   // asks no engine
	failed  int    // exit code where the engine refuses; 0: 1
	request string // what it sends first: for the words of a broken connection; NAME is the first word
}

var dockerVerbs = map[string]dockerVerb{
	"version":  {build: (*dockerCLI).version, offline: true},
	"info":     {build: (*dockerCLI).info, request: "Get info"},
	"ps":       {build: (*dockerCLI).ps, request: "Get containers/json"},
	"images":   {build: (*dockerCLI).images, request: "Get images/json"},
	"inspect":  {build: (*dockerCLI).inspect, request: "Get containers/NAME/json"},
	"pull":     {build: (*dockerCLI).pull, request: "Post images/create?fromImage=NAME"},
	"tag":      {build: (*dockerCLI).tag, request: "Post images/NAME/tag"},
	"rmi":      {build: (*dockerCLI).rmi, request: "Delete images/NAME"},
	"save":     {build: (*dockerCLI).save, request: "Get images/get?names=NAME"},
	"load":     {build: (*dockerCLI).load, request: "Post images/load?quiet=1"},
	"manifest": {build: (*dockerCLI).manifest, offline: true},
	"run":      {build: (*dockerCLI).run, inOrder: true, failed: 125, request: "Post containers/create"},
	"create":   {build: (*dockerCLI).create, inOrder: true, request: "Post containers/create"},
	"start":    {build: (*dockerCLI).start, request: "Post containers/NAME/start"},
	"stop":     {build: (*dockerCLI).stop, request: "Post containers/NAME/stop"},
	"restart":  {build: (*dockerCLI).restart, request: "Post containers/NAME/restart"},
	"pause":    {build: (*dockerCLI).pause, request: "Post containers/NAME/pause"},
	"unpause":  {build: (*dockerCLI).unpause, request: "Post containers/NAME/unpause"},
	"kill":     {build: (*dockerCLI).kill, request: "Post containers/NAME/kill"},
	"wait":     {build: (*dockerCLI).wait, request: "Post containers/NAME/wait"},
	"rm":       {build: (*dockerCLI).rm, request: "Delete containers/NAME"},
	"rename":   {build: (*dockerCLI).rename, request: "Post containers/NAME/rename"},
	"exec":     {build: (*dockerCLI).exec, inOrder: true, request: "Get containers/NAME/json"},
	"logs":     {build: (*dockerCLI).logs, request: "Get containers/NAME/json"},
	"cp":       {build: (*dockerCLI).cp, request: "Get containers/NAME/archive"},
	"login":    {build: (*dockerCLI).login, offline: true},
	"logout":   {build: (*dockerCLI).logout, offline: true},

	"dial-stdio": {build: (*dockerCLI).dialStdio},
}

// dockerGroups are the longer spellings.
var dockerGroups = map[string]map[string]string{
	"container": {
		"ls": "ps", "list": "ps", "ps": "ps", "inspect": "inspect", "run": "run", "create": "create", "start": "start", "stop": "stop", "restart": "restart",
		"pause": "pause", "unpause": "unpause", "kill": "kill", "wait": "wait", "rm": "rm", "rename": "rename", "exec": "exec", "logs": "logs", "cp": "cp",
	},
	"image":    {"ls": "images", "list": "images", "inspect": "inspect", "pull": "pull", "tag": "tag", "rm": "rmi", "save": "save", "load": "load"},
	"manifest": {"inspect": "manifest"},
	"system":   {"dial-stdio": "dial-stdio"},
}

// exitCode ends the client with a code and without words.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// usageError is a call that the client itself refuses.
type usageError string

func (e usageError) Error() string { return string(e) }

func runDocker(ctx context.Context, p *Process, argv []string) int {
	d := &dockerCLI{ctx: ctx, p: p, engine: p.Host().Containers(), argv: argv}
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
	v, args, ok := d.verb(dockerVerbs, dockerGroups, args)
	if !ok {
		fmt.Fprintf(p.Stderr(), "docker: '%s' is not a docker command of the lab.\nSee 'docker --help'\n", d.name)
		return 1
	}
	return d.call(v, args)
}

// verb finds the subcommand, and gives the words after it.
func (d *dockerCLI) verb(verbs map[string]dockerVerb, groups map[string]map[string]string, args []string) (dockerVerb, []string, bool) {
	d.name, args = args[0], args[1:]
	verb, kind := d.name, ""
	if group, ok := groups[verb]; ok {
		if len(args) == 0 {
			return dockerVerb{}, nil, false
		}
		kind = verb
		d.name += " " + args[0]
		verb, args = group[args[0]], args[1:]
	}
	v, ok := verbs[verb]
	if verb == "inspect" && kind != "" {
		args = append([]string{"--type", kind}, args...)
	}
	return v, args, ok
}

func (d *dockerCLI) help() {
	names := make([]string, 0, len(dockerVerbs))
	for name := range dockerVerbs {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintf(d.out(), "Usage:  docker [--config DIR] COMMAND\n\nThe lab's container engine knows these commands:\n  %s\n", strings.Join(names, " "))
}

func (d *dockerCLI) call(v dockerVerb, args []string) int {
	flags := pflag.NewFlagSet(d.name, pflag.ContinueOnError)
	flags.SetInterspersed(!v.inOrder)
	flags.SetOutput(io.Discard)
	do := v.build(d, flags)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			fmt.Fprintf(d.out(), "Usage:  docker %s\n\n%s", d.name, flags.FlagUsages())
			return 0
		}
		if d.engine.podman {
			fmt.Fprintf(d.errs(), "Error: %s\nSee 'podman %s --help'\n", err, d.name)
		} else {
			fmt.Fprintf(d.errs(), "%s\nSee 'docker %s --help'.\n", err, d.name)
		}
		return 125
	}
	err := error(nil)
	if !v.offline {
		err = d.connect()
	}
	if err == nil {
		err = d.request(v, do, flags.Args())
	}
	if d.engine.podman {
		return d.reportPodman(err)
	}
	return d.report(v, err)
}

// request does what the subcommand is for. A fault may stop the engine meanwhile.
func (d *dockerCLI) request(v dockerVerb, do func([]string) error, args []string) error {
	if v.request == "" || d.engine.podman {
		return do(args)
	}
	f, stops := d.p.Host().faults.hit(strings.Join(d.argv, " "), EngineStop)
	if !stops {
		return do(args)
	}
	if f.Text == EngineDone {
		d.unheard = true
		_ = do(args)
		d.unheard = false
	}
	d.engine.goAway(f.Delay)
	method, path, _ := strings.Cut(v.request, " ")
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	return fmt.Errorf("error during connect: %s \"http://%%2Fvar%%2Frun%%2Fdocker.sock/v%s/%s\": EOF", method, dockerAPI, strings.ReplaceAll(path, "NAME", name))
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
		fmt.Fprintf(d.errs(), "docker: %s\nSee 'docker %s --help'.\n", err, d.name)
		return 1
	}
	prefix, after := "", ""
	if v.failed != 0 {
		prefix, after = "docker: ", "\n\nRun 'docker "+d.name+" --help' for more information"
	}
	fmt.Fprintf(d.errs(), "%s%s%s\n", prefix, err, after)
	if v.failed != 0 && errors.As(err, &missing) {
		return missing.code
	}
	return orDefault(v.failed, 1)
}

// connect looks whether the engine answers this user. Podman is its own engine.
func (d *dockerCLI) connect() error {
	if d.engine.podman {
		return nil
	}
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
	failed, err := d.each(names, do)
	if err == nil && len(failed) > 0 {
		return exitCode(1)
	}
	return err
}

// each does something to every container that is named. It gives the names with which it failed, having said why; podman's last reason is its error.
func (d *dockerCLI) each(names []string, do func(*container) error) (failed []string, last error) {
	if err := needArgs(names, 1, -1); err != nil {
		return nil, err
	}
	for _, name := range names {
		c, err := d.engine.find(name)
		if err == nil {
			err = do(c)
		}
		if err == nil {
			fmt.Fprintln(d.out(), name)
			continue
		}
		failed = append(failed, name)
		if !d.engine.podman {
			fmt.Fprintln(d.errs(), err)
			continue
		}
		d.complain(last)
		last = err
	}
	return failed, last
}

// complain says what went wrong where it is not the end.
func (d *dockerCLI) complain(err error) {
	switch {
	case err == nil:
	case d.engine.podman:
		fmt.Fprintf(d.errs(), "Error: %s\n", err)
	default:
		fmt.Fprintln(d.errs(), err)
	}
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
				return d.badTemplate(err)
			}
			fmt.Fprintln(d.out(), text)
			return down
		}
		fmt.Fprintf(d.out(), "Client: Docker Engine (lab)\n Version:           %s\n API version:       %s\n", dockerVersion, dockerAPI)
		if down != nil {
			return down
		}
		fmt.Fprintf(d.out(), "\nServer: Docker Engine (lab)\n Engine:\n  Version:          %s\n  API version:      %s (minimum version 1.24)\n", dockerVersion, dockerAPI)
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
			return d.printFormat(*format, about)
		}
		for _, k := range []string{"Containers", "ContainersRunning", "ContainersPaused", "ContainersStopped", "Images", "ServerVersion", "Driver", "OperatingSystem", "Name", "DockerRootDir"} {
			fmt.Fprintf(d.out(), "%s: %v\n", k, about[k])
		}
		return nil
	}
}

// out is where the client writes, and errs where it complains; nowhere where nobody hears it.
func (d *dockerCLI) out() io.Writer {
	if d.unheard {
		return io.Discard
	}
	return d.p.Stdout()
}

func (d *dockerCLI) errs() io.Writer {
	if d.unheard {
		return io.Discard
	}
	return d.p.Stderr()
}

// printFormat writes one thing through a template.
func (d *dockerCLI) printFormat(format string, what any) error {
	text, err := render(format, what)
	if err != nil {
		return d.badTemplate(err)
	}
	fmt.Fprintln(d.out(), text)
	return nil
}

// tableRow is what one row of a list says under the usual headings.
type tableRow interface{ cells() []string }

// table prints rows under headings, or each through a format, which sees the row itself.
func table[R tableRow](d *dockerCLI, format string, headings []string, rows []R) error {
	if format != "" && !strings.HasPrefix(format, "table ") {
		for _, row := range rows {
			text, err := execute(format, row)
			if err != nil {
				return d.badTemplate(err)
			}
			fmt.Fprintln(d.out(), text)
		}
		return nil
	}
	if format != "" {
		return usageError("the lab's tables have their own columns: leave \"table\" out of the format")
	}
	w := tabwriter.NewWriter(d.out(), 10, 1, 3, ' ', 0)
	fmt.Fprintln(w, strings.Join(headings, "\t"))
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row.cells(), "\t"))
	}
	return w.Flush()
}

// badTemplate is a format that cannot be used, in the client's words.
func (d *dockerCLI) badTemplate(err error) error {
	if !d.engine.podman {
		return fmt.Errorf("template parsing error: %w", err)
	}
	name := strings.ReplaceAll(d.name, "container ", "")
	words := strings.NewReplacer("template: :", "template: "+name+":", "executing \"\"", "executing \""+name+"\"", "lab.", "containers.").Replace(err.Error())
	return podmanError{templatePlace.ReplaceAllStringFunc(words, func(s string) string {
		column, _ := strconv.Atoi(s[len(":1:"):]) // the expression has only digits there
		return fmt.Sprint(":1:", column+len("{{range . }}")-1)
	}), 125}
}

// templatePlace is where in a template of one line something is wrong. Podman puts a loop around it.
var templatePlace = regexp.MustCompile(`:1:\d+`)
