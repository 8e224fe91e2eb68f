package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"cvsplay/engine"
	"cvsplay/engine/eval"
	"cvsplay/engine/event"
	"cvsplay/engine/remote/ssh"
	"cvsplay/engine/report"
	"cvsplay/inventory"
)

// runFlags are the flags of run and check.
type runFlags struct {
	inputFlags
	check    bool
	diff     bool
	limit    string
	parallel int
	output   string
	jsonFile string
	junit    string // file
	detailed bool
	keep     bool
	noFuse   bool
	step     bool
	hostKeys string
	verbose  int
	timings  bool
	adHoc    bool   // a command by itself: its output is told, not steps
	cpu, mem string // files for profiles
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run PLAYBOOK",
		Short: "Run a playbook",
		Long: "Run a playbook: every step is asked, decided, and carried out where something has to change, then asked again.\n\n" +
			"Exit codes: 0 all well; 1 some host failed, refused, was unreachable or unknown, or a report\n" +
			"could not be written; 2 the invocation, the playbook or the inventory is wrong, and nothing was contacted; 3 with\n" +
			"--detailed-exitcode where something changed; 130 interrupted.\n\n" +
			"--timings tells at the end where the time went: for each step what it took of the run, which is the time of the host that came last\n" +
			"at each barrier, then the median and the slowest of all hosts. Phases: queue (waiting for --parallel), place (waiting to be logged in),\n" +
			"dial, handshake, decide, ask, act, retry, wait (for other hosts).",
		Args: onePlaybook,
		RunE: func(cmd *cobra.Command, args []string) error { return a.run(cmd.Context(), a.playbook(args[0], f), f) },
	}
	f.addRun(cmd)
	cmd.Flags().BoolVar(&f.check, "check", false, "dry run: say what would change, and change nothing")
	return cmd
}

func (a *app) checkCommand() *cobra.Command {
	f := runFlags{check: true}
	cmd := &cobra.Command{
		Use:   "check PLAYBOOK",
		Short: "Say what a run would change, and change nothing",
		Args:  onePlaybook,
		RunE:  func(cmd *cobra.Command, args []string) error { return a.run(cmd.Context(), a.playbook(args[0], f), f) },
	}
	f.addRun(cmd)
	return cmd
}

func onePlaybook(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s takes one playbook, such as playbooks/rvs.hcl", cmd.Name())
	}
	return nil
}

func (f *runFlags) addRun(cmd *cobra.Command) {
	f.add(cmd)
	f.addChoice(cmd)
	f.addWork(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.diff, "diff", false, "show what changes inside of files")
	flags.Func("limit", "only the hosts of this `pattern`: names, groups, globs, node[001-016], @FILE, @failed, then &these, then !not_these", func(pattern string) error {
		if strings.TrimSpace(pattern) == "" { // a variable of a shell that is not set must not mean all hosts
			return errors.New("the pattern is empty; for all hosts write all")
		}
		f.limit = pattern
		return nil
	})
	flags.BoolVar(&f.step, "step", false, "ask before each step, once for all hosts: yes, no (it is left out), continue without asking, quit")
	flags.BoolVar(&f.keep, "keep", false, "leave per_run containers where they are at the end")
	flags.BoolVar(&f.noFuse, "no-fuse", false, "send every change by itself, for debugging: none travels ahead of its step")
	flags.StringVar(&f.junit, "junit", "", "write JUnit XML to this `file` too: each step on each host is a test")
	flags.BoolVar(&f.detailed, "detailed-exitcode", false, "exit with 3 where something changed, or would change")
	flags.StringVar(&f.cpu, "profile-cpu", "", "write a CPU profile of cvsplay to this `file`, for go tool pprof")
	flags.StringVar(&f.mem, "profile-mem", "", "write a memory profile of cvsplay to this `file`, for go tool pprof")
}

// addWork adds the flags of every command that works on hosts.
func (f *runFlags) addWork(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Var((*hostCount)(&f.parallel), "parallel", "work on at most `N` hosts at the same time; 0: on all")
	flags.StringVar(&f.output, "output", "auto", "auto, live, plain, json or quiet")
	flags.StringVar(&f.jsonFile, "json-file", "", "write the events to this `file` too, one a line")
	flags.StringVar(&f.hostKeys, "host-keys", "", "strict (the default), accept-new or off")
	flags.CountVarP(&f.verbose, "verbose", "v", "say more: -v what changed on each host and what travelled together, -vv what scripts print")
	flags.BoolVar(&f.timings, "timings", false, "tell at the end where the time went: by step, and on which hosts")
}

// policies are the values of --host-keys.
func (f *runFlags) policy() (ssh.HostKeyPolicy, error) {
	switch f.hostKeys {
	case "":
		return ssh.HostKeysDefault, nil
	case "strict":
		return ssh.HostKeysStrict, nil
	case "accept-new":
		return ssh.HostKeysAcceptNew, nil
	case "off":
		return ssh.HostKeysOff, nil
	}
	return 0, fmt.Errorf("--host-keys: %q is none of strict, accept-new, off", f.hostKeys)
}

// A source loads and binds what is to be run. What is wrong has been printed when ok is false.
type source func(ctx context.Context) (l *loaded, diags hcl.Diagnostics, ok bool)

func (a *app) playbook(path string, f runFlags) source {
	return func(ctx context.Context) (*loaded, hcl.Diagnostics, bool) {
		return a.load(ctx, path, f.inputFlags, liveInventory, f.check)
	}
}

func (a *app) run(ctx context.Context, from source, f runFlags) error {
	policy, err := f.policy()
	if err != nil {
		return err
	}
	if err := a.outputKnown(f.output); err != nil {
		return err
	}
	if err := a.mayConfirm(f); err != nil {
		return err
	}
	p, err := startProfiles(f.cpu, f.mem)
	if err != nil {
		return err
	}
	return a.profiled(p, a.bindAndRun(ctx, from, f, policy, p))
}

// profiled writes the profiles of a run that ended with err.
func (a *app) profiled(p *profiles, err error) error {
	failed := p.stop()
	if failed == nil {
		return err
	}
	a.complain(failed.Error())
	if code, ok := errors.AsType[exitCode](err); err == nil || ok && code == 3 {
		return exitCode(1)
	}
	return err
}

func (a *app) bindAndRun(ctx context.Context, from source, f runFlags, policy ssh.HostKeyPolicy, p *profiles) error {
	floor := make([]byte, heapFloor)
	defer runtime.KeepAlive(floor)
	l, diags, ok := from(ctx)
	if !ok {
		return exitCode(codeUsage)
	}
	defer l.close()
	if rest := withoutHints(diags); len(rest) > 0 {
		a.diagnose(rest, l.files)
	}
	hosts, err := a.limited(l, f)
	if err != nil && !f.adHoc {
		err = fmt.Errorf("--limit: %w", err)
	}
	if err != nil {
		return err
	}
	return a.runPlan(ctx, l, f, hosts, policy, p)
}

// limited are the hosts that --limit leaves; nil: all.
func (a *app) limited(l *loaded, f runFlags) ([]string, error) {
	if f.limit == "" {
		return nil, nil
	}
	o := inventory.MatchOptions{}
	if !f.adHoc {
		o.Failed = a.failedHosts(l.playbook.Path, l.inv)
	}
	return l.inv.Match(f.limit, o)
}

// heapFloor is a part of the heap that is never touched, and so takes addresses and no memory. It counts as live: below some hundreds of hosts,
// and while thousands connect, the collector would else begin again as soon as it has ended. It is the first thing to be had: where part of it was in use
// before, all of it would be cleared.
const heapFloor = 96 << 20

func (a *app) runPlan(ctx context.Context, l *loaded, f runFlags, hosts []string, policy ssh.HostKeyPolicy, p *profiles) error {
	sinks, closeSinks, err := a.sinks(f)
	if err != nil {
		return err
	}
	board := newSwitchboard(l.inv, policy, l.runID)
	defer board.close()
	last := a.watchLastRun(l, f, hosts)
	ctx, interrupt, quit, restore := a.interrupts(ctx, func() { abort(sinks); _ = last.save(); _ = p.stop() })
	defer restore()
	guard := &eval.Redactor{}
	for _, secret := range l.inv.Secrets() {
		guard.Add(secret)
	}
	changes := &changeWatch{}
	code := l.plan.Run(ctx, engine.RunOptions{
		Sinks: append(last.sinks(), append(eventSinks(sinks), changes)...), Dial: board.dial, Registry: &engine.Registry{Transport: l.inv.Registry}, Memory: a.memory(), Redactor: guard,
		Files: l.files, Version: version, By: operator(), Check: f.check, Diff: f.diff, Keep: f.keep, NoFuse: f.noFuse, Terse: !f.json(), Parallel: f.parallel,
		Trips: f.verbose > 0 || f.timings, Timings: f.timings,
		Limit: f.limit, Hosts: hosts, Limited: f.limit != "", Tags: f.tags, Confirm: a.confirm(f, interrupt, quit), Interrupt: interrupt, Now: time.Now, Artifact: a.artifacts(l.runID),
	})
	if code == 0 && f.detailed && changes.any {
		code = 3
	}
	if err := last.save(); err != nil {
		a.complain("which hosts did not end well cannot be kept for --limit @failed: " + err.Error())
	}
	if err := closeSinks(); err != nil { // the hosts are as told, but not all of it was told
		a.complain("the report is not complete: " + err.Error())
		if code == 0 || code == 3 {
			code = 1
		}
	}
	return asExit(code)
}

func asExit(code int) error {
	if code == 0 {
		return nil
	}
	return exitCode(code)
}

// changeWatch notes whether anything changed, for --detailed-exitcode.
type changeWatch struct{ any bool }

// Handle looks at one event.
func (c *changeWatch) Handle(e event.Event) {
	if e.Kind == event.StepDone && (e.Status == event.Changed || e.Status == event.WouldChange) {
		c.any = true
	}
}

// artifacts opens files in the run's folder.
func (a *app) artifacts(runID string) func(host, path string) (io.WriteCloser, error) {
	return func(host, path string) (io.WriteCloser, error) {
		if !filepath.IsLocal(path) || !filepath.IsLocal(host) {
			return nil, fmt.Errorf("artifact %q has to be a path inside of the run's folder", path)
		}
		state, err := a.stateFolder()
		if err != nil {
			return nil, err
		}
		file := filepath.Join(state, "runs", runID, host, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return nil, err
		}
		return os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	}
}

// stateFolder is where runs leave what outlives them.
func (a *app) stateFolder() (string, error) {
	if state, ok := a.lookup("XDG_STATE_HOME"); ok && state != "" {
		return filepath.Join(state, "cvsplay"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "state", "cvsplay"), nil
}

// memory is what this controller remembers from run to run; nil where it has no place for it.
func (a *app) memory() engine.Memory {
	state, err := a.stateFolder()
	if err != nil {
		return nil
	}
	return engine.NewFileMemory(filepath.Join(state, "memory.json"))
}

// abort gives the terminal back where it was drawn on.
func abort(sinks []report.Report) {
	for _, s := range sinks {
		if live, ok := s.(*report.LiveReport); ok {
			live.Abort()
		}
	}
}

// interrupts makes Ctrl-C and SIGTERM mean: once, start nothing more; twice, kill what runs on the hosts; three times, exit now.
// leave is called before the last of it; quit is as good as Ctrl-C.
func (a *app) interrupts(parent context.Context, leave func()) (ctx context.Context, soft <-chan struct{}, quit, restore func()) {
	ctx, cancel := context.WithCancel(parent)
	gentle := make(chan struct{})
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for n := 1; ; n++ {
			select {
			case <-done:
				return
			case <-signals:
			}
			switch n {
			case 1:
				close(gentle)
			case 2:
				cancel()
			default:
				leave()
				os.Exit(130)
			}
		}
	}()
	return ctx, gentle, func() { signals <- os.Interrupt }, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}
