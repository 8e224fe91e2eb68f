package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

func TestFileMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "cvsplay", "memory.json")
	m := NewFileMemory(path)
	if v, ok, err := m.Recall("k"); v != "" || ok || err != nil {
		t.Errorf("before anything was remembered: %q %v %v", v, ok, err)
	}
	for _, step := range []map[string]string{{"k": "1", "empty": ""}, {"k": "2"}, {"line\n\"quoted\"": "ü\x01"}} {
		if err := m.Remember(step); err != nil {
			t.Fatal(err)
		}
	}
	other := NewFileMemory(path)
	for key, want := range map[string]string{"k": "2", "empty": "", "line\n\"quoted\"": "ü\x01"} {
		if v, ok, err := other.Recall(key); v != want || !ok || err != nil {
			t.Errorf("%q: %q %v %v", key, v, ok, err)
		}
	}
	if _, ok, _ := other.Recall("K"); ok {
		t.Error("keys are not told apart by their case")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: others may read it", info.Mode(), err)
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) != 1 || left[0] != path+".lock" {
		t.Errorf("%v: left beside it: %v", err, left)
	}
}

// Runs that end at the same time lose nothing of each other.
func TestFileMemoryShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "memory.json")
	const writers, each = 8, 10
	var wg sync.WaitGroup
	for w := range writers {
		m := NewFileMemory(path)
		wg.Go(func() {
			for i := range each {
				if err := m.Remember(map[string]string{fmt.Sprint(w, " ", i): "x"}); err != nil {
					t.Error(err)
				}
				if _, ok, err := m.Recall(fmt.Sprint(w, " ", i)); !ok || err != nil {
					t.Errorf("writer %d forgot %d: %v", w, i, err)
				}
			}
		})
	}
	wg.Wait()
	all, err := NewFileMemory(path).read()
	if err != nil || len(all) != writers*each {
		t.Errorf("%d entries, %v", len(all), err)
	}
}

func TestFileMemoryDamaged(t *testing.T) {
	for name, text := range map[string]string{"cut": `{"k": "1`, "empty": "", "another shape": `{"k": {"a": 1}}`, "list": `["k"]`, "noise": "\x00\xff"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "memory.json")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			m := NewFileMemory(path)
			if v, ok, err := m.Recall("k"); v != "" || ok || err == nil || !strings.Contains(err.Error(), "memory.json is damaged and counts as empty") {
				t.Errorf("%q %v %v", v, ok, err)
			}
			if err := m.Remember(map[string]string{"new": "1"}); err != nil {
				t.Fatal(err)
			}
			if v, ok, err := m.Recall("new"); v != "1" || !ok || err != nil {
				t.Errorf("afterwards: %q %v %v", v, ok, err)
			}
			if kept, err := os.ReadFile(path + ".damaged"); string(kept) != text || err != nil {
				t.Errorf("what was there is %q, %v", kept, err)
			}
		})
	}
}

func TestFileMemoryNoPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m := NewFileMemory(filepath.Join(file, "memory.json"))
	if _, ok, err := m.Recall("k"); ok || err == nil {
		t.Errorf("%v %v", ok, err)
	}
	if err := m.Remember(map[string]string{"k": "1"}); err == nil {
		t.Error("no error")
	}
}

// notes is a Memory that can be broken.
type notes struct {
	mu     sync.Mutex
	kept   map[string]string
	broken error
}

func (n *notes) Recall(key string) (string, bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	v, ok := n.kept[key]
	return v, ok, n.broken
}

func (n *notes) Remember(values map[string]string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for k, v := range values {
		n.kept[k] = v
	}
	return n.broken
}

// recalls gives a value that is made once: what was remembered, else the key's on the host; it sets the key where "by" says how.
type recallArgs struct {
	Key   string `arg:"key"`
	By    string `arg:"by"`
	Token string `arg:"token"`
}

func (a recallArgs) Ask() []Question { return []Question{Recall{Key: "made " + a.Key}} }

func recallModule() Module {
	return PerHost(Module{
		Name: "recall", Summary: "What was made once.",
		Args:    []Arg{{Name: "key", Type: cty.String, Required: true}, {Name: "by", Type: cty.String}, {Name: "token", Type: cty.String, Secret: true}},
		Results: []Result{{Name: "value", Type: cty.String}},
	}, func(a recallArgs, seen Seen) Decision {
		known := seen.Answers[0]
		switch {
		case known.Code == 0:
			return Done{Results: Values{"value": known.Stdout.String()}}
		case len(seen.Answers) == 1:
			return More{Ask: []Question{ask(a.Key)}}
		}
		if stop, failed := failedIn(seen.Past); failed {
			return stop
		}
		if a.By != "" && len(seen.Past) == 0 {
			return Act{Changes: []Change{{What: "make", Do: do("%s", a.By)}}}
		}
		value := seen.Answers[1].Stdout.String() + a.Token
		return Done{Results: Values{"value": value}, Remember: map[string]string{"made " + a.Key: value}}
	})
}

// What ends well is remembered, once it has ended, and by a run only.
func TestRemember(t *testing.T) {
	step := func(args string) string {
		return "play \"p\" {\n  hosts = \"n1\"\n  step \"recall\" \"a\" {\n    key = \"k\"\n" + args + "\n  }\n}\n"
	}
	tests := []struct {
		name, playbook string
		before         map[string]string
		run            string
		after          string // what is remembered
		told           string // contained
	}{
		{"a step that is ok", step(""), nil, "run", "map[made k:7]", "a ok"},
		{"a step that changed something", step(`by = "set k 8"`), nil, "run", "map[made k:8]", "a changed"},
		{"a step that knows already asks no host", step(""), map[string]string{"made k": "old"}, "run", "map[made k:old]", "round trips: n1 0"},
		{"a run that only checks recalls", step(""), map[string]string{"made k": "old"}, "check", "map[made k:old]", "round trips: n1 0"},
		{"a run that only checks remembers nothing", step(""), nil, "check", "map[]", "a ok"},
		{"a step that would change something", step(`by = "set k 8"`), nil, "check", "map[]", "a would_change"},
		{"a step that failed", step(`by = "fail 1 no"`), nil, "run", "map[]", "a failed"},
		{"a step that the playbook takes for failed", step("fail_when = true"), nil, "run", "map[]", "a failed"},
		{"a failure that is ignored", step("fail_when = true\n ignore_errors = true"), nil, "run", "map[]", "a failed (ignored)"},
		{"a value with a secret", step(`token = "canary-1234"`), nil, "run", "map[]", "a ok"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScenario(t, tt.playbook, "")
			s.modules["recall"] = recallModule()
			if err := s.fleet.set("* k=7"); err != nil {
				t.Fatal(err)
			}
			memory := &notes{kept: map[string]string{}}
			for k, v := range tt.before {
				memory.kept[k] = v
			}
			s.memory = memory
			told := s.once(t, parseRun(t, tt.run))
			if !strings.Contains(told, tt.told) {
				t.Errorf("no %q in\n%s", tt.told, told)
			}
			if got := fmt.Sprint(memory.kept); got != tt.after {
				t.Errorf("remembers %s, want %s", got, tt.after)
			}
		})
	}
}

// A memory that is of no use is told once, and stops nobody.
func TestMemoryBroken(t *testing.T) {
	s := newScenario(t, `play "p" {
  hosts = group.all
  step "recall" "a" { key = "k" }
  step "recall" "b" { key = "l" }
}
`, "")
	s.modules["recall"] = recallModule()
	s.memory = &notes{kept: map[string]string{}, broken: errors.New("the disk is full")}
	told := s.once(t, parseRun(t, "run"))
	if n := strings.Count(told, "warning: what earlier runs left cannot be read: the disk is full"); n != 1 || strings.Count(told, "warning:") != 1 {
		t.Errorf("told %d times:\n%s", n, told)
	}
	if !strings.Contains(told, "exit code 0") || strings.Count(told, " ok\n") != 6 {
		t.Errorf("somebody was stopped:\n%s", told)
	}
}

// Without a memory nothing is known, and nothing breaks.
func TestNoMemory(t *testing.T) {
	s := newScenario(t, "play \"p\" {\n  hosts = \"n1\"\n  step \"recall\" \"a\" { key = \"k\" }\n}\n", "")
	s.modules["recall"] = recallModule()
	if told := s.once(t, parseRun(t, "run")); !strings.Contains(told, "a ok") || strings.Contains(told, "warning") {
		t.Error(told)
	}
}
