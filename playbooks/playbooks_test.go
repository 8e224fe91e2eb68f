// Package playbooks_test runs the shipped playbooks on simulated hosts.
package playbooks_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aymanbagabas/go-udiff"
	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"

	"cvsplay/engine"
	"cvsplay/engine/config"
	"cvsplay/engine/eval"
	"cvsplay/engine/event"
	"cvsplay/engine/lab"
	"cvsplay/engine/nodeset"
	"cvsplay/engine/remote"
	"cvsplay/engine/remote/become"
	"cvsplay/engine/remote/ssh"
	"cvsplay/inventory"
	"cvsplay/modules"
)

var update = flag.Bool("update", false, "rewrite the transcripts")

// TestPlaybooks carries out a playbook as each archive in its folder below testdata says: one after the other on the same hosts, those of
// hosts.hcl, what the lines of runs ask for. What is seen of it has to be the transcript, want. A line is one of
//
//	run|check [PLAYBOOK] [VARIABLE=VALUE…]   carries the playbook out; it is that of the folder where none is named
//	on HOST SCRIPT                           runs a script there, and shows what it prints
func TestPlaybooks(t *testing.T) {
	archives, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range archives {
		playbook := filepath.Base(filepath.Dir(path))
		if playbook == "scripts" || playbook == "hundreds" { // see TestScripts and TestHundreds
			continue
		}
		t.Run(playbook+"/"+strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			hold(t, path, playbook)
		})
	}
}

// hold holds a playbook to the transcript of an archive.
func hold(t *testing.T, path, playbook string) {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := carryOut(t, playbook, archive)
	if want := file(archive, "want"); got != want && *update {
		setFile(archive, "want", got)
		if err := os.WriteFile(path, txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if got != want {
		t.Errorf("the transcript is another one (go test -update rewrites it):\n%s", udiff.Unified("want", "got", want, got))
	}
}

func file(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func setFile(a *txtar.Archive, name, text string) {
	a.Files = slices.DeleteFunc(a.Files, func(f txtar.File) bool { return f.Name == name })
	a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(text)})
}

// A fleet is the simulated hosts of an archive, and the connections to them.
type fleet struct {
	t    *testing.T
	inv  *inventory.Inventory
	pool *ssh.Pool
}

// carryOut does all that an archive asks for, and gives the transcript.
func carryOut(t *testing.T, playbook string, a *txtar.Archive) string {
	path := filepath.Join(t.TempDir(), "hosts.hcl")
	if err := os.WriteFile(path, []byte(file(a, "hosts.hcl")), 0o600); err != nil {
		t.Fatal(err)
	}
	inv, _, diags := inventory.Load(t.Context(), []string{path}, inventory.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	pool := ssh.NewPool(ssh.Options{})
	defer func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
		if err := inv.Close(); err != nil {
			t.Error(err)
		}
	}()
	f := fleet{t: t, inv: inv, pool: pool}
	var out strings.Builder
	for line := range strings.Lines(file(a, "runs")) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		fmt.Fprintln(&out, strings.TrimSpace(line))
		switch {
		case words[0] == "on":
			out.WriteString(f.on(words[1], strings.Join(words[2:], " ")))
		case len(words) > 1 && !strings.Contains(words[1], "="):
			out.WriteString(f.oneRun(words[1], words[0], words[2:]))
		default:
			out.WriteString(f.oneRun(playbook, words[0], words[1:]))
		}
	}
	return out.String()
}

// on runs a script on a host, and gives what it prints.
func (f fleet) on(host, script string) string {
	f.t.Helper()
	i := slices.IndexFunc(f.inv.Hosts, func(h *inventory.Host) bool { return h.Name == host })
	if i < 0 {
		f.t.Fatalf("there is no host %s", host)
	}
	conn, err := f.pool.Dialer(target(f.inv.Hosts[i])).Dial(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	exit := conn.Run(f.t.Context(), []remote.Script{{Text: script, Foreign: true}})[0]
	said := string(exit.Stdout.Bytes) + string(exit.Stderr.Bytes)
	if exit.State != remote.Ended || exit.Code != 0 {
		said += fmt.Sprintf("%s with %d %s\n", exit.State, exit.Code, exit.Why)
	}
	var out strings.Builder
	for line := range strings.Lines(said) {
		out.WriteString("  " + steady(line))
	}
	return out.String()
}

// oneRun carries a playbook out once.
func (f fleet) oneRun(playbook, how string, given []string) string {
	t, inv, check := f.t, f.inv, how == "check"
	pb, _, diags := config.Load(playbook + ".hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	functions := eval.Functions(eval.FuncContext{Dir: filepath.Dir(playbook), Env: os.LookupEnv})
	var options []eval.Given
	for _, word := range given {
		g, err := eval.Option(expandWord(word))
		if err != nil {
			t.Fatal(err)
		}
		options = append(options, g)
	}
	vars, diags := eval.Variables(pb.Variables, options, functions)
	if diags.HasErrors() {
		return early(diags)
	}
	plan, diags := engine.NewPlan(pb, engine.PlanOptions{
		Modules: modules.All(), Inventory: inv, Vars: vars, Functions: functions, Check: check, RunID: "r1",
	})
	if diags.HasErrors() {
		return early(diags)
	}
	seen := &transcript{plan: plan, kept: &artifacts{files: map[string][]byte{}}}
	seen.exitCode = plan.Run(t.Context(), engine.RunOptions{
		Sinks: []event.Sink{seen}, Registry: &engine.Registry{Transport: inv.Registry}, Redactor: &eval.Redactor{}, Files: &config.Files{},
		Check: check, Now: time.Now, Artifact: seen.kept.open,
		Dial: func(ctx context.Context, h *inventory.Host) (remote.Conn, error) {
			return f.pool.Dialer(target(h)).Dial(ctx)
		},
	})
	return seen.String()
}

// early is the transcript of a run that ends before it begins.
func early(diags hcl.Diagnostics) string {
	return "  refused before any host is contacted: " + strings.Join(strings.Fields(steady(diags.Errs()[0].Error())), " ") + "\n"
}

// expandWord puts in what the lab has for download: $PAGE is the address of the page, $SHA256 the checksum of the newest tarball on it; and what its private
// registry wants: $REGISTRY, $ACCOUNT, $PASSWORD.
func expandWord(word string) string {
	page, _ := lab.Download(lab.RVSDownloads)
	newest := regexp.MustCompile(`amdrocm7-rvs-1\.4\.21[^"<]*`).FindString(string(page))
	data, _ := lab.Download(lab.RVSDownloads + newest)
	sum := sha256.Sum256(data)
	return strings.NewReplacer("$PAGE", lab.RVSDownloads, "$NEWEST", newest, "$SHA256", hex.EncodeToString(sum[:]),
		"$REGISTRY", lab.PrivateRegistry, "$ACCOUNT", lab.RegistryUser, "$PASSWORD", lab.RegistryPassword).Replace(word)
}

// target is how a simulated host is reached.
func target(h *inventory.Host) ssh.Target {
	return ssh.Target{
		Name: h.Name, Address: h.Address, Port: h.SSH.Port, User: h.SSH.User, IdentityPEM: h.SSH.IdentityPEM, KnownLines: h.SSH.KnownHosts, Dial: h.SSH.Dial,
		HostKeys: ssh.HostKeysStrict, Agent: ssh.AgentOff, Config: ssh.ConfigOff, ConnectTimeout: 15 * time.Second,
		Become: become.Settings{Method: h.Become.Method, Password: h.Become.Password},
	}
}

// artifacts are the files that a run kept, by HOST/PATH.
type artifacts struct {
	mu    sync.Mutex
	files map[string][]byte
}

func (a *artifacts) open(host, path string) (io.WriteCloser, error) {
	return &artifact{all: a, name: host + "/" + path}, nil
}

// An artifact is one of them while it is written.
type artifact struct {
	bytes.Buffer
	all  *artifacts
	name string
}

func (a *artifact) Close() error {
	a.all.mu.Lock()
	defer a.all.mu.Unlock()
	a.all.files[a.name] = a.Bytes()
	return nil
}

// A transcript is a run as a text that does not differ from time to time.
type transcript struct {
	plan     *engine.Plan
	kept     *artifacts
	steps    []string // in the order of the play
	ends     map[string][]event.Event
	outputs  []event.Event
	exitCode int
}

// Handle takes one event.
func (s *transcript) Handle(e event.Event) {
	switch e.Kind {
	case event.PlayStarted:
		if s.ends == nil {
			s.ends = map[string][]event.Event{}
		}
		for _, step := range e.Steps {
			s.steps = append(s.steps, step.Step)
		}
	case event.StepDone:
		s.ends[e.Step] = append(s.ends[e.Step], e)
	case event.OutputValue:
		s.outputs = append(s.outputs, e)
	}
}

// String has a line for each step and way in which it ended, then the artifacts, the outputs and the exit code.
func (s *transcript) String() string {
	var out strings.Builder
	for _, step := range s.steps {
		s.step(&out, step)
	}
	s.artifacts(&out)
	for _, o := range s.outputs {
		s.output(&out, o)
	}
	fmt.Fprintf(&out, "  exit code %d\n", s.exitCode)
	return out.String()
}

// volatile is what differs from time to time: ports of the lab, checksums of what it packs, ids of containers, and places in a playbook.
var volatile = regexp.MustCompile(`(127\.0\.0\.1:)[0-9]+|\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b|(\.hcl:)[0-9]+,[0-9-]+|(/bin/sh: )[0-9]+`)

func steady(s string) string { return volatile.ReplaceAllString(s, "${1}${2}${3}N") }

func (s *transcript) step(out *strings.Builder, step string) {
	type way struct{ key, status, words string }
	hosts := map[way][]string{}
	for _, e := range s.ends[step] {
		w := way{e.Key, string(e.Status), saidBy(e)}
		if e.Ignored {
			w.status += " (ignored)"
		}
		hosts[w] = append(hosts[w], e.Host)
	}
	keys := map[string][]string{} // instances that ended alike are one line
	for w, list := range hosts {
		end := w.status + " " + strings.TrimSuffix(nodeset.Fold(list)+": "+w.words, ": ")
		keys[end] = append(keys[end], w.key)
	}
	var lines []string
	for end, list := range keys {
		name := step
		if list[0] != "" {
			name += "[" + nodeset.Fold(list) + "]"
		}
		lines = append(lines, fmt.Sprintf("  %-13s %s\n", name, end))
	}
	slices.Sort(lines)
	out.WriteString(strings.Join(lines, ""))
}

// saidBy is why a step ended so, or what was found out; of a script that failed also the last it said.
func saidBy(e event.Event) string {
	var results struct{ Stdout, Stderr string }
	if e.Module == "exec_script" {
		_ = json.Unmarshal(e.Results, &results) // where there are none nothing was said
	}
	lines := strings.Split(strings.TrimSpace(results.Stdout+results.Stderr), "\n")
	words := e.Reason
	switch {
	case e.Status == event.Failed && e.Key == "":
		words += " " + lines[len(lines)-1]
	case words == "" && len(lines) == 1:
		words = lines[0]
	}
	return strings.Join(strings.Fields(steady(words)), " ")
}

func (s *transcript) artifacts(out *strings.Builder) {
	hosts := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(s.kept.files)) {
		host, path, _ := strings.Cut(name, "/")
		if len(s.kept.files[name]) == 0 {
			path += " (empty)"
		}
		hosts[path] = append(hosts[path], host)
	}
	for _, path := range slices.Sorted(maps.Keys(hosts)) {
		fmt.Fprintf(out, "  artifact %s of %s\n", path, nodeset.Fold(hosts[path]))
	}
}

func (s *transcript) output(out *strings.Builder, o event.Event) {
	var rows map[string]any
	if err := json.Unmarshal(o.Value, &rows); err != nil {
		fmt.Fprintf(out, "  %s = %s\n", o.Name, o.Value)
		return
	}
	for _, line := range byValue(rows) {
		fmt.Fprintf(out, "  %s %s\n", o.Name, line)
	}
}

// byValue has a line for each value, with the names that have it.
func byValue(rows map[string]any) []string {
	same := map[string][]string{}
	for name, row := range rows {
		text := steady(fmt.Sprint(row))
		switch row := row.(type) {
		case map[string]any:
			text = strings.Join(byValue(row), "; ")
		case float64: // seconds
			text = "N"
		}
		if name == "slowest_on" {
			text = "N"
		}
		same[text] = append(same[text], name)
	}
	var lines []string
	for text, names := range same {
		lines = append(lines, nodeset.Fold(names)+" "+text)
	}
	slices.Sort(lines)
	return lines
}
