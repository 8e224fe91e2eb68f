package engine

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aymanbagabas/go-udiff"
	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/zclconf/go-cty/cty/function"

	"cvsplay/engine/config"
	"cvsplay/engine/eval"
	"cvsplay/engine/event"
	"cvsplay/engine/remote"
	"cvsplay/inventory"
)

var update = flag.Bool("update", false, "write what the runs of the archives in testdata/run give")

// Each archive is a playbook, hosts with what is on them and what goes wrong with them, and the runs that follow each other; "want" is what
// these tell. See TestRuns' testdata for the form.
func TestRuns(t *testing.T) { eachArchive(t, "testdata/run/*.txtar", transcript) }

// eachArchive runs a test for each archive that matches a pattern.
func eachArchive(t *testing.T, pattern string, test func(t *testing.T, path string, archive *txtar.Archive)) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			test(t, path, archive)
		})
	}
}

// transcript holds the runs of an archive against what it wants.
func transcript(t *testing.T, path string, archive *txtar.Archive) {
	got := scenarioOf(t, archive).play(t)
	if *update {
		put(archive, "want", got)
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := section(archive, "want"); got != want {
		t.Error(udiff.Unified("want", "got", want, got))
	}
	terse := scenarioOf(t, archive)
	terse.tune = func(o *RunOptions) { o.Terse = true }
	if short := terse.play(t); short != got {
		t.Errorf("without the results that nobody reads it is another run:\n%s", udiff.Unified("whole", "terse", got, short))
	}
}

func section(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func put(a *txtar.Archive, name, text string) {
	for i := range a.Files {
		if a.Files[i].Name == name {
			a.Files[i].Data = []byte(text)
			return
		}
	}
	a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(text)})
}

// A scenario is a playbook on fake hosts.
type scenario struct {
	playbook *config.Playbook
	inv      *inventory.Inventory
	fleet    *fakeFleet
	runs     []string
	modules  Modules
	vars     []eval.Given
	events   []event.Event // of the last run

	// What a test may put in the place of the usual.
	dial     func(context.Context, *inventory.Host) (remote.Conn, error)
	artifact func(host, path string) (io.WriteCloser, error)
	watch    func(event.Event)
	memory   Memory
	tune     func(*RunOptions)
}

const threeHosts = `group "all_three" {
  hosts      = ["n1", "n2", "n3"]
  connection = "local"
}
`

// scenarioOf reads an archive: playbook.hcl, or playbook.hcl.json; inventory.hcl (n1, n2, n3 where there is none); state; faults; runs, one a line.
// Files in the folder "files" lie beside the playbook.
func scenarioOf(t testing.TB, a *txtar.Archive) *scenario {
	t.Helper()
	file := "playbook.hcl"
	if section(a, file) == "" {
		file += ".json"
	}
	s := newScenarioOf(t, file, section(a, file), section(a, "inventory.hcl"), a)
	for _, err := range []error{s.fleet.set(section(a, "state")), s.fleet.breakBy(section(a, "faults"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.Lines(section(a, "runs")) {
		if line = strings.TrimSpace(line); line != "" {
			s.runs = append(s.runs, line)
		}
	}
	if s.runs == nil {
		s.runs = []string{"run"}
	}
	return s
}

// lay writes the files of an archive's folder "files".
func lay(a *txtar.Archive, dir string) error {
	for _, f := range a.Files {
		name, ok := strings.CutPrefix(f.Name, "files/")
		if !ok {
			continue
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.Data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func newScenario(t testing.TB, playbook, hosts string) *scenario {
	t.Helper()
	return newScenarioOf(t, "playbook.hcl", playbook, hosts)
}

func newScenarioOf(t testing.TB, file, playbook, hosts string, beside ...*txtar.Archive) *scenario {
	t.Helper()
	if hosts == "" {
		hosts = threeHosts
	}
	dir := t.TempDir()
	for _, a := range beside {
		if err := lay(a, dir); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{file: playbook, "inventory.hcl": hosts} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pb, _, diags := config.Load(filepath.Join(dir, file))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	inv, _, diags := inventory.Load(t.Context(), []string{filepath.Join(dir, "inventory.hcl")}, inventory.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	t.Cleanup(func() { _ = inv.Close() })
	return &scenario{playbook: pb, inv: inv, fleet: newFakeFleet(inv.Names()), modules: toys()}
}

// runOptions are the words of a line of "runs".
type runOptions struct {
	check, keep, diff    bool
	noFuse               bool
	recap                bool // tell how many steps of each host ended how, too
	limit                []string
	tags, skip           []string
	start, parallel, was string
	vars, env, varFiles  []string
}

func parseRun(t testing.TB, line string) runOptions {
	t.Helper()
	var o runOptions
	words := strings.Fields(line)
	o.was = words[0]
	o.check = words[0] == "check"
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		switch name {
		case "keep":
			o.keep = true
		case "diff":
			o.diff = true
		case "nofuse":
			o.noFuse = true
		case "recap":
			o.recap = true
		case "var":
			o.vars = append(o.vars, value)
		case "env":
			o.env = append(o.env, value)
		case "varfile":
			o.varFiles = append(o.varFiles, value)
		case "limit":
			o.limit = strings.Split(value, ",")
		case "tags":
			o.tags = strings.Split(value, ",")
		case "skip":
			o.skip = strings.Split(value, ",")
		case "start":
			o.start = value
		case "parallel":
			o.parallel = value
		default:
			t.Fatalf("runs: unknown word %q", w)
		}
	}
	return o
}

// play goes through the runs and writes what each told. A line "state HOST KEY=VALUE…" or "mend" stands between runs.
func (s *scenario) play(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	for _, line := range s.runs {
		verb, rest, _ := strings.Cut(line, " ")
		switch verb {
		case "state":
			if err := s.fleet.set(rest); err != nil {
				t.Fatal(err)
			}
		case "mend":
			for _, h := range s.fleet.hosts {
				h.faults, h.dead = nil, false
			}
		case "run", "check":
			fmt.Fprintf(&b, "== %s\n", line)
			b.WriteString(s.once(t, parseRun(t, line)))
		default:
			t.Fatalf("runs: unknown line %q", line)
		}
	}
	return b.String()
}

// plan binds the playbook.
func (s *scenario) plan(o runOptions) (*Plan, hcl.Diagnostics) {
	functionsIn := func(dir string) map[string]function.Function {
		return eval.Functions(eval.FuncContext{Dir: dir, Home: "/root", Env: func(string) (string, bool) { return "", false }})
	}
	functions := functionsIn(s.playbook.Dir)
	given, diags := s.given(o)
	vars, more := eval.Variables(s.playbook.Variables, given, functions)
	diags = append(diags, more...)
	plan, more := NewPlan(s.playbook, PlanOptions{
		Modules: s.modules, Inventory: s.inv, Vars: vars, Functions: functions, FunctionsIn: functionsIn, Check: o.check, RunID: "r1",
		Dir: s.playbook.Dir, InvDir: s.playbook.Dir, Tags: o.tags, SkipTags: o.skip, StartAt: o.start,
	})
	return plan, append(diags, more...)
}

// given are the values for variables, as a command gathers them.
func (s *scenario) given(o runOptions) ([]eval.Given, hcl.Diagnostics) {
	given := slices.Clone(s.vars)
	var diags hcl.Diagnostics
	for name, v := range s.inv.Variables {
		given = append(given, eval.Given{Name: name, Source: eval.FromInventory, Origin: "the inventory", Value: v.Value, Range: &v.Range})
	}
	given = append(given, eval.Environment(o.env)...)
	for _, name := range o.varFiles {
		list, _, more := eval.VarFile(filepath.Join(s.playbook.Dir, name))
		diags = append(diags, more...)
		given = append(given, list...)
	}
	for _, text := range o.vars {
		g, err := eval.Option(text)
		if err != nil {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid --var", Detail: err.Error()})
			continue
		}
		given = append(given, g)
	}
	return given, diags
}

// once makes one run.
func (s *scenario) once(t testing.TB, o runOptions) string {
	t.Helper()
	plan, diags := s.plan(o)
	if diags.HasErrors() {
		return s.wrong(diags)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	interrupt := make(chan struct{})
	s.fleet.interrupt, s.fleet.kill = onceOnly(func() { close(interrupt) }), cancel
	s.fleet.forget()
	before := s.snapshot()
	rec := &recorder{watch: s.watch}
	dial := s.fleet.dial
	if s.dial != nil {
		dial = s.dial
	}
	parallel, _ := strconv.Atoi(o.parallel)
	options := RunOptions{
		Sinks: []event.Sink{rec}, Dial: dial, Registry: &Registry{}, Memory: s.memory, Redactor: &eval.Redactor{}, Files: &config.Files{}, Version: "test",
		Check: o.check, Diff: o.diff, Keep: o.keep, Parallel: parallel, Limit: strings.Join(o.limit, ","), Hosts: o.limit, Limited: o.limit != nil,
		Tags: o.tags, NoFuse: o.noFuse, Interrupt: interrupt, Now: ticking(), Artifact: s.artifact,
	}
	if s.tune != nil {
		s.tune(&options)
	}
	code := plan.Run(ctx, options)
	s.events = rec.events
	s.sound(t, code)
	if o.check && s.snapshot() != before {
		t.Errorf("check mode changed something: before\n%s\nafter\n%s", before, s.snapshot())
	}
	told := s.told(code)
	if o.recap {
		told += s.recap()
	}
	return told
}

// wrong writes what keeps a playbook from being run.
func (s *scenario) wrong(diags hcl.Diagnostics) string {
	var b strings.Builder
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		where := ""
		if d.Subject != nil {
			where = fmt.Sprintf("%s:%d: ", d.Subject.Filename, d.Subject.Start.Line)
		}
		fmt.Fprintf(&b, "error: %s%s: %s\n", where, d.Summary, sentence(d.Detail))
	}
	return strings.ReplaceAll(b.String(), s.playbook.Dir+"/", "")
}

// recap writes the counts of run_done.
func (s *scenario) recap() string {
	var b strings.Builder
	recap := s.events[len(s.events)-1].Recap
	for _, name := range s.inv.Names() {
		var words []string
		for _, status := range event.Statuses() {
			if n := recap[name][status]; n > 0 {
				words = append(words, fmt.Sprintf("%s %d", status, n))
			}
		}
		if words != nil {
			fmt.Fprintf(&b, "recap of %s: %s\n", name, strings.Join(words, ", "))
		}
	}
	return b.String()
}

func onceOnly(f func()) func() {
	done := false
	return func() {
		if !done {
			done = true
			f()
		}
	}
}

// ticking is a clock that goes on by a second whenever it is read.
func ticking() func() time.Time {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tick := make(chan time.Time, 1)
	tick <- at
	return func() time.Time {
		now := <-tick
		tick <- now.Add(time.Second)
		return now
	}
}

// A recorder keeps all events.
type recorder struct {
	events []event.Event
	watch  func(event.Event)
}

func (r *recorder) Handle(e event.Event) {
	r.events = append(r.events, e)
	if r.watch != nil {
		r.watch(e)
	}
}

// sound holds the stream to what every stream has to be.
func (s *scenario) sound(t testing.TB, code int) {
	t.Helper()
	done, left := map[string]bool{}, map[string]bool{}
	members, handlers := map[string][]string{}, map[string]bool{}
	for i, e := range s.events {
		if e.Seq != int64(i+1) {
			t.Errorf("event %d has the number %d", i+1, e.Seq)
		}
		switch e.Kind {
		case event.PlayStarted:
			members[e.Play] = e.Hosts
			for _, s := range e.Steps {
				handlers[s.Step] = s.Handler
			}
		case event.StepDone:
			key := e.Play + "/" + e.Step + "/" + e.Key + "/" + e.Host
			if done[key] && !handlers[e.Step] {
				t.Errorf("%s is done twice", key)
			}
			done[key] = true
			if left[e.Play+"/"+e.Host] {
				t.Errorf("%s is told after host_done of %s", key, e.Host)
			}
		case event.HostDone:
			if left[e.Play+"/"+e.Host] {
				t.Errorf("host_done of %s in play %s is told twice", e.Host, e.Play)
			}
			left[e.Play+"/"+e.Host] = true
		case event.PlayDone:
			for _, name := range members[e.Play] {
				if !left[e.Play+"/"+name] {
					t.Errorf("no host_done of %s in play %s", name, e.Play)
				}
			}
		}
	}
	first, last := s.events[0], s.events[len(s.events)-1]
	if first.Kind != event.RunStarted || last.Kind != event.RunDone || last.ExitCode == nil || *last.ExitCode != code {
		t.Errorf("the run begins with %s and ends with %s (exit code %d)", first.Kind, last.Kind, code)
	}
}

// told writes the events of a run: those of a play host by host, since only the order on one host is certain.
func (s *scenario) told(code int) (text string) {
	var b strings.Builder
	hosts := map[string][]string{}
	var general []string
	flush := func() {
		for _, name := range s.inv.Names() {
			for _, line := range hosts[name] {
				fmt.Fprintf(&b, "%s %s\n", name, line)
			}
		}
		for _, line := range general {
			b.WriteString(line + "\n")
		}
		hosts, general = map[string][]string{}, nil
	}
	for _, e := range s.events {
		switch line := eventLine(e); {
		case line == "":
		case e.Host != "":
			hosts[e.Host] = append(hosts[e.Host], line)
		case e.Kind == event.PlayStarted || e.Kind == event.PlayDone:
			if e.Kind == event.PlayStarted {
				flush()
				b.WriteString(line + "\n")
			}
		default:
			general = append(general, line)
		}
	}
	flush()
	defer func() { text = strings.ReplaceAll(text, s.playbook.Dir+"/", "") }()
	var trips []string
	for _, name := range s.inv.Names() {
		h := s.fleet.hosts[name]
		if len(h.did) > 0 {
			fmt.Fprintf(&b, "did on %s: %s\n", name, strings.Join(h.did, "; "))
		}
		if len(h.gathered) > 0 {
			fmt.Fprintf(&b, "facts of %s: %s\n", name, strings.Join(h.gathered, ", "))
		}
		trips = append(trips, fmt.Sprintf("%s %d", name, h.trips))
	}
	fmt.Fprintf(&b, "round trips: %s\nexit code %d\n", strings.Join(trips, ", "), code)
	return b.String()
}

// eventLine writes one event; "" for those that tell nothing of their own here.
func eventLine(e event.Event) string {
	words := []string{}
	add := func(format string, a ...any) { words = append(words, fmt.Sprintf(format, a...)) }
	switch e.Kind {
	case event.PlayStarted:
		add("play %s:", e.Play)
		for _, s := range e.Steps {
			add("%s", s.Step)
		}
	case event.StepDone:
		add("%s", e.Step)
		if e.Key != "" {
			words[0] += "[" + e.Key + "]"
		}
		add("%s", e.Status)
		if e.Ignored {
			add("(ignored)")
		}
		for _, c := range e.Changes {
			add("{%s}", c.What)
		}
		add("%s", e.Reason)
	case event.HostDone:
		if !e.Status.Bad() && e.Status != event.Cancelled {
			return ""
		}
		add("leaves: %s, %d steps not reached", e.Status, e.NotReached)
	case event.Retry:
		add("%s: attempt %d: %s", e.Step, e.Attempt, e.Message)
	case event.Warning:
		add("warning: %s", e.Message)
	case event.Stopping:
		add("stopping: %s", e.Message)
	case event.Rescued:
		add("%s rescued by %s", e.Step, e.Name)
	case event.CleanupDone:
		add("cleanup of %s: %s", e.Step, e.Status)
		for _, c := range e.Changes {
			add("{%s}", c.What)
		}
		add("%s", e.Reason)
	case event.OutputValue:
		add("output %s = %s", e.Name, e.Value)
		if e.Reason != "" {
			return strings.Join(words, " ") + ": " + e.Reason
		}
	case event.Out:
		add("%s prints %q", e.Step, e.Line+string(e.LineB64))
	default:
		return ""
	}
	return strings.TrimSpace(strings.ReplaceAll(strings.Join(words, " "), "\n", " / "))
}

// snapshot is all that is on the hosts.
func (s *scenario) snapshot() string {
	state := map[string]map[string]string{}
	for name, h := range s.fleet.hosts {
		state[name] = h.state
	}
	text, _ := json.Marshal(state) // maps of strings always can be said
	return string(text)
}

// statuses gives "HOST STEP[KEY]" → status of the last run.
func (s *scenario) statuses() map[string]event.Status {
	out := map[string]event.Status{}
	for _, e := range s.events {
		if e.Kind == event.StepDone {
			out[e.Host+" "+e.Step+"["+e.Key+"]"] = e.Status
		}
	}
	return out
}

func (s *scenario) trips(host string) int { return s.fleet.hosts[host].trips }
