package modules_test

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aymanbagabas/go-udiff"
	"github.com/rogpeppe/go-internal/txtar"

	"cvsplay/engine/event"
	"cvsplay/engine/lab"
	"cvsplay/engine/nodeset"
	"cvsplay/modules"
	"cvsplay/modules/modtest"
)

var updateScenarios = flag.Bool("update-scenarios", false, "rewrite the transcripts of the containers' scenarios")

// TestContainerScenarios carries out what the archives in testdata/container say, on simulated hosts, with all of the engine. What is seen of it has to be
// the transcript, want. "hosts" has a line for each host: NAME [arch=ARCH] [images=REF,…] [archive=PATH:REF] [runtimes=NAME,…]. A line of "scenario" is one of
//
//	# ROW                                    a row of the rules, see testdata/container/rows.txt
//	run|check PLAYBOOK [HOST…] [--keep]      carries out PLAYBOOK.hcl, another file of the archive; hosts are --limit
//	on HOST,… SCRIPT                         runs a script there, and shows what it prints
//	fault HOST,… KIND [KEY=VALUE…]           something goes wrong there from now on, see lab.Fault; + is a blank
//	heal                                     nothing goes wrong any more
//	clear                                    removes all containers and images
//	interrupt MATCH                          the next run gets a Ctrl-C when a process of this command line is seen on the first host
func TestContainerScenarios(t *testing.T) {
	archives, err := filepath.Glob("testdata/container/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s := newScenario(t, archive)
			got := s.carryOut()
			if *updateScenarios {
				s.update(path, got)
			} else if want := s.file("want"); got != want {
				t.Errorf("the transcript is another one (go test -update-scenarios rewrites it):\n%s", udiff.Unified("want", "got", want, got))
			}
		})
	}
}

// A scenario is an archive, and the hosts it is carried out on.
type scenario struct {
	t         *testing.T
	archive   *txtar.Archive
	lab       *lab.Lab
	fleet     *modtest.Lab
	faulty    map[string][]lab.Fault
	runs      int
	interrupt string
}

func newScenario(t *testing.T, a *txtar.Archive) *scenario {
	t.Helper()
	s := &scenario{t: t, archive: a, faulty: map[string][]lab.Fault{}}
	var specs []lab.HostSpec
	for line := range strings.Lines(s.file("hosts")) {
		specs = append(specs, hostSpec(t, strings.Fields(line)))
	}
	s.fleet = modtest.LabOf(t, specs...)
	s.lab = s.fleet.Lab
	return s
}

func hostSpec(t *testing.T, words []string) lab.HostSpec {
	t.Helper()
	spec := lab.HostSpec{Name: words[0]}
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		switch k {
		case "arch":
			spec.Arch = v
		case "gpu":
			spec.GPU = v
		case "images":
			spec.Images = strings.Split(v, ",")
		case "runtimes":
			spec.Runtimes = strings.Split(v, ",")
		case "archive":
			path, ref, _ := strings.Cut(v, ":")
			spec.Archives = map[string]string{path: ref}
		default:
			t.Fatalf("no such word of a host: %s", w)
		}
	}
	return spec
}

func (s *scenario) file(name string) string {
	for _, f := range s.archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func (s *scenario) update(path, want string) {
	s.archive.Files = slices.DeleteFunc(s.archive.Files, func(f txtar.File) bool { return f.Name == "want" })
	s.archive.Files = append(s.archive.Files, txtar.File{Name: "want", Data: []byte(want)})
	if err := os.WriteFile(path, txtar.Format(s.archive), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scenario) carryOut() string {
	var out strings.Builder
	for line := range strings.Lines(s.file("scenario")) {
		line = strings.TrimSpace(line)
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		fmt.Fprintln(&out, line)
		switch words[0] {
		case "#":
		case "run", "check":
			out.WriteString(s.play(modtest.Mode(words[0]), words[1], words[2:]))
		case "on":
			for _, h := range strings.Split(words[1], ",") {
				out.WriteString(s.on(h, strings.SplitN(line, " ", 3)[2]))
			}
		case "fault":
			for _, h := range strings.Split(words[1], ",") {
				s.fault(h, words[2:])
			}
		case "heal":
			for _, h := range s.lab.Hosts() {
				s.faulty[h.Name()] = nil
				s.faults(h.Name())
			}
		case "clear":
			for _, h := range s.lab.Hosts() {
				s.on(h.Name(), "docker ps -aq | xargs -r docker rm -f >/dev/null; docker images -q | sort -u | xargs -r docker rmi -f >/dev/null")
			}
		case "interrupt":
			s.interrupt = strings.Join(words[1:], " ")
		default:
			s.t.Fatalf("no such line of a scenario: %s", line)
		}
	}
	return out.String()
}

func (s *scenario) on(host, script string) string {
	var out strings.Builder
	for line := range strings.Lines(s.fleet.Say(host, script)) {
		fmt.Fprintf(&out, "  %s: %s\n", host, steady(strings.TrimRight(line, "\n")))
	}
	return out.String()
}

func (s *scenario) faults(host string, more ...lab.Fault) {
	s.t.Helper()
	s.faulty[host] = append(s.faulty[host], more...)
	if err := s.lab.Host(host).SetFaults(s.faulty[host]...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scenario) fault(host string, words []string) {
	f := lab.Fault{Kind: words[0]}
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		v = strings.ReplaceAll(v, "+", " ")
		switch k {
		case "match":
			f.Match = v
		case "text":
			f.Text = v
		case "path":
			f.Path = v
		case "code":
			f.Code = number(s.t, v)
		case "times":
			f.Times = number(s.t, v)
		default:
			s.t.Fatalf("no such word of a fault: %s", w)
		}
	}
	s.faults(host, f)
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// play carries a playbook out once, and gives what is seen of it: how each step ended, with its changes, what was warned of, and what was paid at the end.
func (s *scenario) play(mode modtest.Mode, playbook string, words []string) string {
	s.t.Helper()
	s.runs++
	p := modtest.Play{
		Modules: modules.All(), Inventory: s.fleet.Inventory(), Text: s.file(playbook + ".hcl"), Mode: mode, RunID: fmt.Sprintf("run%d", s.runs), By: "ops@login1",
	}
	for _, w := range words {
		if w == "--keep" {
			p.Keep = true
			continue
		}
		p.Limit = append(p.Limit, w)
	}
	if s.interrupt == "" {
		return told(p.Do(s.t))
	}
	pressed, over := make(chan struct{}), make(chan struct{})
	p.Interrupt = pressed
	go s.ctrlC(s.interrupt, pressed, over)
	done := p.Do(s.t)
	close(over)
	select {
	case <-pressed:
	default:
		s.t.Errorf("no process was seen of %q", s.interrupt)
	}
	s.interrupt = ""
	return told(done)
}

// ctrlC closes pressed once a process of this command line is seen on the first host.
func (s *scenario) ctrlC(match string, pressed, over chan struct{}) {
	first := s.lab.Hosts()[0].World()
	for {
		for _, p := range first.Processes() {
			if strings.Contains(strings.Join(p.Argv(), " "), match) {
				close(pressed)
				return
			}
		}
		select {
		case <-over:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// told is a run as a text that does not differ from time to time.
func told(p modtest.Played) string {
	type way struct{ step, words string }
	hosts, order := map[way][]string{}, []way(nil)
	add := func(step, host, words string) {
		w := way{step, steady(words)}
		if hosts[w] == nil {
			order = append(order, w)
		}
		hosts[w] = append(hosts[w], host)
	}
	for _, e := range p.Events {
		var words bytes.Buffer
		for _, c := range e.Changes {
			fmt.Fprintf(&words, "\n    %s", strings.TrimSuffix(fmt.Sprintf("%s: %s -> %s", c.What, c.Have, c.Want), ":  -> "))
		}
		for line := range strings.Lines(e.Reason) {
			fmt.Fprintf(&words, "\n    %s", strings.TrimRight(line, "\n"))
		}
		switch e.Kind {
		case event.StepDone:
			add(e.Step+e.Key, e.Host, string(e.Status)+words.String())
		case event.CleanupDone:
			add("at the end, "+e.Step, e.Host, string(e.Status)+words.String())
		case event.Warning, event.Stopping:
			for _, h := range append(e.Hosts, e.Host) {
				if h != "" || len(e.Hosts) == 0 {
					add(e.Step, h, string(e.Kind)+": "+e.Message)
				}
			}
		}
	}
	for _, list := range hosts {
		slices.Sort(list)
	}
	slices.SortStableFunc(order, func(a, b way) int {
		return cmp.Or(strings.Compare(a.step, b.step), slices.Compare(hosts[a], hosts[b]), strings.Compare(a.words, b.words))
	})
	var out strings.Builder
	for _, w := range order {
		fmt.Fprintf(&out, "  %s on %s: %s\n", w.step, nodeset.Fold(hosts[w]), w.words)
	}
	fmt.Fprintf(&out, "  exit code %d\n", p.ExitCode)
	return out.String()
}

// volatile is what differs from time to time: ports of the lab, ids of containers, and times.
var volatile = regexp.MustCompile(`(127\.0\.0\.1:)[0-9]+|\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b|[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2} UTC`)

func steady(s string) string { return volatile.ReplaceAllString(s, "${1}N") }
