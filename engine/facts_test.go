package engine

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aymanbagabas/go-udiff"
	"github.com/rogpeppe/go-internal/txtar"

	"cvsplay/engine/eval"
	"cvsplay/engine/event"
)

// Each archive testdata/facts/FAMILY_CASE.txtar is what a host answered to a family's question: what it printed, with which exit code ("code"), or what
// became of the question ("state"); "want" is the facts, or the error.
func TestFactAnswers(t *testing.T) {
	paths, err := filepath.Glob("testdata/facts/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	covered := map[string]bool{}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		family, _, _ := strings.Cut(name, "_")
		covered[family] = true
		t.Run(name, func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := factsTold(t, familyNamed(t, family), archivedAnswer(t, archive))
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
		})
	}
	for _, f := range Families() {
		if !covered[f.Name] {
			t.Errorf("no case of %s", f.Name)
		}
	}
}

func familyNamed(t testing.TB, name string) Family {
	t.Helper()
	for _, f := range Families() {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("there is no family %q", name)
	return Family{}
}

func archivedAnswer(t testing.TB, archive *txtar.Archive) Answer {
	t.Helper()
	a := Answer{State: Given}
	switch state := strings.TrimSpace(section(archive, "state")); state {
	case "":
	case "timed out":
		a.State, a.Why = TimedOut, "not done after 1m0s"
	case "no account":
		a.State, a.Why = NoAccount, "sudo: a password is required"
	default:
		t.Fatalf("unknown state %q", state)
	}
	if code := strings.TrimSpace(section(archive, "code")); code != "" {
		n, err := strconv.Atoi(code)
		if err != nil {
			t.Fatal(err)
		}
		a.Code = n
	}
	for name, out := range map[string]*Output{"stdout": &a.Stdout, "stderr": &a.Stderr} {
		text := section(archive, name)
		*out = Output{Bytes: []byte(text), Size: int64(len(text))}
	}
	return a
}

// factsTold writes the facts that an answer gives, as JSON, or the error.
func factsTold(t testing.TB, f Family, a Answer) string {
	t.Helper()
	v, err := f.value(a)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	if !v.Type().Equals(f.Type()) {
		t.Errorf("the facts are %#v, want %#v", v.Type(), f.Type())
	}
	var out bytes.Buffer
	if err := json.Indent(&out, eval.ToJSON(v), "", "  "); err != nil {
		t.Fatal(err)
	}
	return out.String() + "\n"
}

// More than is kept of an answer is no answer.
func TestFactsTooLong(t *testing.T) {
	_, err := ibFamily.value(Answer{State: Given, Stdout: Output{Size: 2 << 20}})
	if err == nil || !strings.Contains(err.Error(), "2097152 bytes") {
		t.Errorf("error %v", err)
	}
}

// Each question is harmless and is answered, by every shell, with what this very machine is: of that only what can be told otherwise is looked at.
func TestFactsOfThisMachine(t *testing.T) {
	for name, sh := range shells(t) {
		t.Run(name, func(t *testing.T) {
			for _, f := range Families() {
				if _, err := os.Stat("/sys/class"); err != nil && (f.Name == "gpu" || f.Name == "ib") {
					continue
				}
				a := runFrame(t, sh, setting{}.shellFrame(f.ask, questionLimit, nil))
				if f.Name == "gpu" && strings.Contains(a.Stdout.String(), "@smi") {
					continue // what its driver says is not for this test to judge
				}
				if a.Stderr.Size > 0 {
					t.Errorf("%s: says %s", f.Name, a.Stderr.String())
				}
				v, err := f.value(a)
				if err != nil {
					t.Errorf("%s: %v", f.Name, err)
					continue
				}
				machineTells(t, f.Name, string(eval.ToJSON(v)))
			}
		})
	}
}

func machineTells(t *testing.T, family, facts string) {
	t.Helper()
	var got struct {
		Release string
		Count   int
		Total   int64
		ID      string
		Version string
	}
	if err := json.Unmarshal([]byte(facts), &got); err != nil {
		t.Fatal(err)
	}
	file := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	switch family {
	case "kernel":
		if want := strings.TrimSpace(file("/proc/sys/kernel/osrelease")); got.Release != want {
			t.Errorf("kernel %q, want %q", got.Release, want)
		}
	case "cpu":
		if want := strings.Count("\n"+file("/proc/cpuinfo"), "\nprocessor"); got.Count != want {
			t.Errorf("%d processors, want %d", got.Count, want)
		}
	case "memory":
		if want := strings.Fields(file("/proc/meminfo"))[1]; strconv.FormatInt(got.Total/1024, 10) != want {
			t.Errorf("%d bytes of memory, want %s kB", got.Total, want)
		}
	case "os":
		if !strings.Contains(file("/etc/os-release"), "ID="+got.ID+"\n") {
			t.Errorf("os %q is not in os-release", got.ID)
		}
	}
}

// A host that waits for its turn is asked for nothing once the play is stopped.
func TestFactsOfHostsThatWait(t *testing.T) {
	s := newScenario(t, `play "p" {
  hosts = group.all
  check "gpus" {
    condition     = host.facts.gpu.count == 0
    error_message = "no"
  }
}
`, "")
	if err := s.fleet.breakBy("* interrupt on # facts: gpu"); err != nil {
		t.Fatal(err)
	}
	s.once(t, runOptions{parallel: "1"})
	asked, ends := 0, map[event.Status]int{}
	for _, h := range s.fleet.hosts {
		asked += len(h.gathered)
	}
	for _, status := range s.statuses() {
		ends[status]++
	}
	if asked != 1 || ends[event.OK] != 1 || ends[event.Cancelled] != 2 {
		t.Errorf("%d hosts were asked, and the checks ended %v; want one, and two cancelled", asked, ends)
	}
}

// The script names a family as the engine does, so that what runs on a host can be told.
func TestFactQuestions(t *testing.T) {
	for i, f := range Families() {
		if want := "# facts: " + f.Name + "\n"; !strings.HasPrefix(f.ask.Text, want) {
			t.Errorf("the question for %s does not begin with %q", f.Name, want)
		}
		if allFacts&(1<<i) == 0 || allFacts>>len(families) != 0 {
			t.Errorf("the set of all facts is %b, and there are %d", allFacts, len(families))
		}
		if f.Doc == "" {
			t.Errorf("%s has no documentation", f.Name)
		}
		for _, fact := range f.Facts {
			for _, one := range append([]Fact{fact}, fact.Each...) {
				if one.Doc == "" || !strings.HasSuffix(one.Doc, ".") {
					t.Errorf("%s.%s: the documentation is %q", f.Name, one.Name, one.Doc)
				}
			}
		}
	}
}
