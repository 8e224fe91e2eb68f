package modtest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
	"cvsplay/engine/config"
	"cvsplay/engine/eval"
	"cvsplay/engine/event"
	"cvsplay/engine/remote"
	"cvsplay/engine/remote/shell"
	"cvsplay/engine/remote/ssh"
	"cvsplay/inventory"
)

// A Mode says whether a playbook is carried out.
type Mode string

// The modes.
const (
	Check Mode = "check"
	Run   Mode = "run"
)

// A Play is a playbook to carry out, as the command would.
type Play struct {
	Modules   engine.Modules
	Inventory string // path
	Text      string // of the playbook, in HCL
	Vars      map[string]string
	Mode      Mode
	See       func(event.Event) // is told each event as it comes, and holds the run up for as long as it takes; may be nil
	Limit     []string          // --limit: the hosts that it leaves; nil: all
	Keep      bool              // --keep
	RunID     string            // "": one of its own
	By        string            // who runs it, and from where
	Interrupt <-chan struct{}   // closed: the first Ctrl-C
	Context   context.Context   //nolint:containedctx // its end kills what runs, as a second Ctrl-C does; nil: the test's
}

// Do carries the playbook out to its end. It ends the test where the playbook or the inventory is wrong.
func (p Play) Do(t testing.TB) Played {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "playbook.hcl")
	if err := os.WriteFile(path, []byte(p.Text), 0o600); err != nil {
		t.Fatal(err)
	}
	pb, _, diags := config.Load(path)
	p.sound(t, diags)
	inv, _, diags := inventory.Load(t.Context(), []string{p.Inventory}, inventory.Options{})
	p.sound(t, diags)
	functions := eval.Functions(eval.FuncContext{Dir: dir, Home: dir, Env: os.LookupEnv})
	vars, diags := eval.Variables(pb.Variables, p.given(), functions)
	p.sound(t, diags)
	if p.RunID == "" {
		p.RunID = fmt.Sprintf("r%d", time.Now().UnixNano())
	}
	plan, diags := engine.NewPlan(pb, engine.PlanOptions{
		Modules: p.Modules, Inventory: inv, Vars: vars, Functions: functions, Check: p.Mode == Check, RunID: p.RunID, Dir: dir, InvDir: filepath.Dir(p.Inventory),
	})
	p.sound(t, diags)
	return p.carryOut(t, plan, inv)
}

// given are the values of the variables, in the order of their names.
func (p Play) given() []eval.Given {
	var given []eval.Given
	for _, name := range slices.Sorted(maps.Keys(p.Vars)) {
		given = append(given, eval.Given{Name: name, Source: eval.FromOption, Origin: "the test", Value: cty.StringVal(p.Vars[name])})
	}
	return given
}

func (p Play) sound(t testing.TB, diags hcl.Diagnostics) {
	t.Helper()
	if !diags.HasErrors() {
		return
	}
	for _, d := range diags.Errs() {
		t.Error(d)
	}
	t.Fatalf("of the playbook\n%s", p.Text)
}

func (p Play) carryOut(t testing.TB, plan *engine.Plan, inv *inventory.Inventory) Played {
	t.Helper()
	pool := ssh.NewPool(ssh.Options{Shell: shell.Options{Run: p.RunID}})
	defer func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
		if err := inv.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx := p.Context
	if ctx == nil {
		ctx = t.Context()
	}
	artifacts := t.TempDir()
	dialers := map[string]remote.Dialer{} // one for each host, since it remembers what its connections lost
	for _, name := range inv.Names() {
		h, _ := inv.Host(name)
		dialers[name] = pool.Dialer(target(h))
	}
	seen := &Played{Mode: p.Mode, Artifacts: artifacts, see: p.See}
	var uploaded, trips atomic.Int64
	seen.ExitCode = plan.Run(ctx, engine.RunOptions{
		Sinks: []event.Sink{seen}, Registry: &engine.Registry{Transport: inv.Registry}, Redactor: &eval.Redactor{}, Files: &config.Files{},
		Check: p.Mode == Check, Diff: true, Now: time.Now, By: p.By, Keep: p.Keep, Interrupt: p.Interrupt,
		Hosts: p.Limit, Limited: p.Limit != nil, Limit: strings.Join(p.Limit, ","),
		Dial: func(ctx context.Context, h *inventory.Host) (remote.Conn, error) {
			conn, err := dialers[h.Name].Dial(ctx)
			return counted{conn, &uploaded, &trips}, err
		},
		Artifact: func(host, path string) (io.WriteCloser, error) {
			file := filepath.Join(artifacts, host, path)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				return nil, err
			}
			return os.Create(file)
		},
	})
	seen.Uploaded, seen.Trips = uploaded.Load(), int(trips.Load())
	return *seen
}

// counted counts what is uploaded over a connection, and its round trips.
type counted struct {
	remote.Conn
	sum, trips *atomic.Int64
}

func (c counted) Run(ctx context.Context, scripts []remote.Script) []remote.Exit {
	c.trips.Add(1)
	return c.Conn.Run(ctx, scripts)
}

func (c counted) Upload(ctx context.Context, path string, r io.Reader) error {
	return c.Conn.Upload(ctx, path, io.TeeReader(r, c))
}

func (c counted) Write(b []byte) (int, error) {
	c.sum.Add(int64(len(b)))
	return len(b), nil
}

// target is how a host of a test's inventory is reached: directly, by a key.
func target(h *inventory.Host) ssh.Target {
	return ssh.Target{
		Name: h.Name, Address: h.Address, Port: h.SSH.Port, User: h.SSH.User, IdentityFiles: h.SSH.IdentityFiles, IdentityPEM: h.SSH.IdentityPEM,
		KnownHosts: h.SSH.KnownHostsFile, KnownLines: h.SSH.KnownHosts, HostKeys: ssh.HostKeysStrict, ConnectTimeout: 15 * time.Second,
		Agent: ssh.AgentOff, Config: ssh.ConfigOff,
	}
}

// Played is what a playbook told while it was carried out.
type Played struct {
	Mode      Mode
	Events    []event.Event
	ExitCode  int
	Artifacts string // folder with those of each host in HOST/PATH; it is there until the test ends
	see       func(event.Event)
	Uploaded  int64 // bytes of files that left this machine
	Trips     int   // round trips, of all hosts
}

// Handle takes one event.
func (p *Played) Handle(e event.Event) {
	p.Events = append(p.Events, e)
	if p.see != nil {
		p.see(e)
	}
}

// Ends are the ends of a step, by host and, for an instance of a for_each, key ("HOST[KEY]"). What is done once for all hosts has one.
func (p Played) Ends(step string) map[string]event.Event {
	ends := map[string]event.Event{}
	for _, e := range p.Events {
		if e.Kind != event.StepDone || e.Step != step {
			continue
		}
		key := e.Host
		if e.Key != "" {
			key += "[" + e.Key + "]"
		}
		ends[key] = e
	}
	return ends
}

// String is the transcript: how every step ended, with its changes.
func (p Played) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s, exit code %d\n", p.Mode, p.ExitCode)
	for _, e := range p.Events {
		switch e.Kind {
		case event.StepDone, event.CleanupDone:
			fmt.Fprintf(&out, "  %-8s %-12s %-12s %s\n", e.Host, e.Step+e.Key, e.Status, e.Reason)
			for _, c := range e.Changes {
				fmt.Fprintf(&out, "    %s\n", changeText(c))
			}
		case event.Warning, event.Stopping:
			fmt.Fprintf(&out, "  %-8s %-12s %s: %s\n", e.Host, e.Step, e.Kind, e.Message)
		}
	}
	return out.String()
}

// changeText is a change in words. Diffs are left to their own tests.
func changeText(c event.Change) string {
	return fmt.Sprintf("%s: %q -> %q", c.What, c.Have, c.Want)
}
