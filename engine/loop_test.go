package engine

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine/eval"
	"cvsplay/engine/event"
	"cvsplay/engine/remote"
	"cvsplay/inventory"
)

// twenty is a play of twenty steps that have nothing to do with each other, but for a fleet decision, a check and a barrier among them.
func twenty() string {
	var b strings.Builder
	b.WriteString("play \"p\" {\n  hosts = group.all\n")
	for i := range 20 {
		switch i {
		case 7:
			fmt.Fprintf(&b, "  step \"everywhere\" \"s%d\" {\n    key = \"k%d\"\n  }\n", i, i)
		case 11:
			fmt.Fprintf(&b, "  check \"s%d\" {\n    condition = step.s1.status != \"failed\"\n    error_message = \"no\"\n  }\n", i)
		default:
			fmt.Fprintf(&b, "  step \"value\" \"s%d\" {\n    key = \"k%d\"\n    value = \"1\"\n    barrier = %v\n    when = host.name != \"nobody\"\n  }\n", i, i, i == 15)
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// What twenty steps cost: one round trip where nothing changes, and in check mode; else one for each change, and one.
func TestRoundTrips(t *testing.T) {
	s := newScenario(t, twenty(), "")
	s.once(t, runOptions{check: true})
	if got := s.trips("n2"); got != 1 {
		t.Errorf("check mode, everything would change: %d round trips, want 1", got)
	}
	s.once(t, runOptions{})
	// 18 values and the two rounds of the fleet step, each with its own trip; the first questions; and those that the explicit barrier lets be asked again.
	if got := s.trips("n2"); got != 22 {
		t.Errorf("everything changes: %d round trips, want 22", got)
	}
	s.once(t, runOptions{})
	if got := s.trips("n2"); got != 1 {
		t.Errorf("nothing changes: %d round trips, want 1", got)
	}
}

// Questions travel with an action only if they are sure to run behind it: as the same account.
func TestQuestionsOfAnotherAccountDoNotTravelWithAnAction(t *testing.T) {
	s := newScenario(t, `play "p" {
  hosts = "n1"
  step "value" "a" {
    key    = "a"
    value  = "1"
    become = "root"
  }
  step "value" "b" {
    key   = "b"
    value = "1"
  }
  step "value" "c" {
    key    = "c"
    value  = "1"
    become = true
  }
}
`, "")
	var programs []string
	inner := s.fleet.dial
	s.dial = func(ctx context.Context, h *inventory.Host) (remote.Conn, error) {
		conn, err := inner(ctx, h)
		return spyConn{Conn: conn, see: func(scripts []remote.Script) {
			var words []string
			for _, sc := range scripts {
				words = append(words, fmt.Sprintf("%s as %q", strings.TrimSpace(sc.Text), sc.Account))
			}
			programs = append(programs, strings.Join(words, ", "))
		}}, err
	}
	s.once(t, runOptions{})
	want := []string{
		`get a as "root", get b as "", get c as "root"`,
		`set a 1 as "root", get a as "root", get c as "root"`,
		`get b as ""`,
		`set b 1 as "", get b as ""`,
		`get c as "root"`,
		`set c 1 as "root", get c as "root"`,
	}
	// After "a" its own question and that of "c" came with the action; that of "b" is asked when its turn has come.
	if !slices.Equal(programs, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(programs, "\n"), strings.Join(want, "\n"))
	}
}

// A spyConn shows what is sent.
type spyConn struct {
	remote.Conn
	see func([]remote.Script)
}

func (c spyConn) Run(ctx context.Context, scripts []remote.Script) []remote.Exit {
	c.see(scripts)
	return c.Conn.Run(ctx, scripts)
}

// One host at a time: once the play is stopped, those that wait for their turn are not contacted. Where all have had a turn by then nobody waits, which
// now and then is so.
func TestParallelHoldsBack(t *testing.T) {
	for range 50 {
		s := newScenario(t, `play "p" {
  hosts    = group.all
  on_error = "play"
  step "value" "a" {
    key   = "a"
    value = "1"
    by    = "fail 1 no"
  }
}
`, "")
		s.once(t, runOptions{parallel: "1"})
		counts := map[event.Status]int{}
		for _, status := range s.statuses() {
			counts[status]++
		}
		trips := s.trips("n1") + s.trips("n2") + s.trips("n3")
		if counts[event.Failed]+counts[event.Cancelled] != 3 || counts[event.Failed] < 1 || trips > 2*counts[event.Failed]+counts[event.Cancelled] {
			t.Fatalf("got %v with %d round trips", counts, trips)
		}
		if counts[event.Cancelled] > 0 {
			return
		}
	}
	t.Error("no host was ever held back")
}

// A script that a person wrote as a question may take long: it is asked when its step is reached, once, and heard.
func TestPersonsQuestion(t *testing.T) {
	module := PerHost(Module{
		Name: "look", Summary: "Look.", Args: []Arg{{Name: "command", Type: cty.String, Required: true}}, Results: []Result{{Name: "out", Type: cty.String}},
	}, func(_ lookArgs, seen Seen) Decision {
		return Done{Results: Values{"out": strings.TrimSpace(seen.Answers[0].Stdout.String())}}
	})
	s := newScenario(t, `play "p" {
  hosts = "n1"
  step "value" "a" {
    key     = "a"
    value   = "1"
    timeout = "2m"
  }
  step "look" "long" {
    command = "say it took long"
    timeout = "4h"
  }
  step "value" "b" {
    key   = "b"
    value = "1"
  }
}
`, "")
	s.modules = NewModules(valueModule(), module)
	kept := &bytes.Buffer{}
	s.artifact = func(host, path string) (io.WriteCloser, error) {
		fmt.Fprintf(kept, "%s/%s: ", host, path)
		return nopCloser{kept}, nil
	}
	limits := map[string]time.Duration{}
	asked := 0
	inner := s.fleet.dial
	s.dial = func(ctx context.Context, h *inventory.Host) (remote.Conn, error) {
		conn, err := inner(ctx, h)
		return spyConn{Conn: conn, see: func(scripts []remote.Script) {
			for _, sc := range scripts {
				limits[strings.TrimSpace(sc.Text)] = sc.Limit
				if strings.HasPrefix(sc.Text, "say") {
					asked++
				}
			}
		}}, err
	}
	told := s.once(t, runOptions{})
	if asked != 1 || !strings.Contains(told, `n1 long prints "it took long"`) || !strings.Contains(told, "n1 long ok") {
		t.Errorf("asked %d times:\n%s", asked, told)
	}
	if got := kept.String(); got != "n1/long.log: it took long\n" {
		t.Errorf("the artifact is %q", got)
	}
	want := map[string]time.Duration{"get a": questionLimit, "set a 1": 2 * time.Minute, "say it took long": 4 * time.Hour, "get b": questionLimit, "set b 1": actionLimit}
	for text, limit := range want {
		if limits[text] != limit {
			t.Errorf("%s: limit %s, want %s", text, limits[text], limit)
		}
	}
}

type lookArgs struct {
	Command string `arg:"command"`
}

func (a lookArgs) Ask() []Question {
	return []Question{Shell{Text: a.Command, Foreign: true, Artifact: "long.log"}}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// A person's script gets the environment of its host and step, our own texts do not; the step's wins.
func TestEnvironment(t *testing.T) {
	s := newScenario(t, `play "p" {
  hosts = "n1"
  env   = { FROM = "play", N = 5 }
  step "run" "a" {
    command = "say hello"
    creates = "guard"
  }
  step "run" "b" {
    command = "say hello"
    env     = { FROM = "step" }
  }
}
`, `host "n1" {
  connection = "local"
  env = {
    PATH = "/opt/bin:$PATH"
    FROM = "inventory"
    LIT  = "a$PATH b"
  }
}
`)
	var got []string
	inner := s.fleet.dial
	s.dial = func(ctx context.Context, h *inventory.Host) (remote.Conn, error) {
		conn, err := inner(ctx, h)
		return spyConn{Conn: conn, see: func(scripts []remote.Script) {
			for _, sc := range scripts {
				got = append(got, fmt.Sprintf("%s: %v", strings.TrimSpace(sc.Text), sc.Env))
			}
		}}, err
	}
	s.once(t, runOptions{})
	want := []string{
		"get guard: []",
		"say hello: [{FROM play false false} {LIT a$PATH b false false} {N 5 false false} {PATH /opt/bin: false true}]",
		"get guard: []",
		"say hello: [{FROM step false false} {LIT a$PATH b false false} {PATH /opt/bin: false true}]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Contents are in the events only where somebody wants to see them.
func TestDiffs(t *testing.T) {
	s := newScenario(t, `play "p" {
  hosts = "n1"
  step "bytes" "a" {
    key     = "a"
    content = host.name
  }
}
`, "")
	for _, diff := range []bool{false, true} {
		s.once(t, runOptions{check: true, diff: diff})
		for _, e := range s.events {
			for _, c := range e.Changes {
				if (c.Diff != "") != diff {
					t.Errorf("diff wanted: %v, got %q", diff, c.Diff)
				}
			}
		}
	}
}

// In JSON a list of references is one of strings.
func TestJSONPlaybook(t *testing.T) {
	s := newScenarioOf(t, "playbook.hcl.json", `{"play": {"p": {"hosts": "${group.all}", "step": [
  {"value": {"a": {"key": "a", "value": "1", "when": "${host.name != \"n2\"}"}}},
  {"value": {"b": {"key": "b", "value": "${step.a.value}-x", "depends_on": ["step.a"]}}},
  {"check": {"c": {"condition": "${step.b.ok}", "error_message": "${host.name} is not well"}}}
]}}}`, "")
	got := s.once(t, runOptions{})
	want := `play p: a b c
n1 a changed {set a}
n1 b changed {set b}
n1 c ok
n2 a skipped when is false
n2 b skipped depends on step.a, which did not end well
n2 c skipped it reads results of step.b, which has none on this host (skipped: depends on step.a, which did not end well); try(…, OTHER) goes on without them
n3 a changed {set a}
n3 b changed {set b}
n3 c ok
did on n1: set a 1; set b 1-x
did on n3: set a 1; set b 1-x
`
	if !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A secret is in no event, whatever way it takes: reasons, results, changes, lines, warnings, outputs, messages of errors; in failure and retry too.
func TestSecretsStayOut(t *testing.T) {
	const canary = "canary-7f3a\"91'<&>c0de"
	s := newScenario(t, `variable "secret" {
  type      = string
  sensitive = true
}
variable "plain" {
  type = string
}
locals {
  derived = "pre-${var.secret}-post"
}
play "p" {
  hosts = group.all
  step "bytes" "content" {
    key      = "c"
    content  = var.secret
    password = var.plain
  }
  step "run" "prints" {
    command       = "say ${nonsensitive(local.derived)}"
    fail_when     = host.name == "n1"
    ignore_errors = true
    retry {
      attempts = 2
      delay    = "1ms"
    }
  }
  step "run" "fails" {
    command       = "fail 1 ${nonsensitive(var.secret)}"
    ignore_errors = true
    retry {
      attempts = 2
      delay    = "1ms"
    }
  }
  step "value" "of_secret" {
    key           = "v"
    value         = nonsensitive(var.secret)
    ignore_errors = true
  }
  step "value" "wrong_type" {
    key           = "v"
    value         = "1"
    size          = host.name == "n1" ? tonumber(var.secret) : 1
    ignore_errors = true
  }
  step "value" "no_such_index" {
    key           = "v"
    value         = { (nonsensitive(var.secret)) = 1 }[host.name]
    ignore_errors = true
  }
  step "value" "bad_mode" {
    key           = "v"
    value         = "1"
    mode          = host.name == "n1" ? var.secret : "0644"
    ignore_errors = true
  }
  step "value" "bad_key" {
    for_each      = host.name == "n1" ? [var.secret] : []
    key           = each.key
    value         = "1"
    ignore_errors = true
  }
  check "message" {
    condition     = host.name != "n2"
    error_message = "it is ${var.secret}"
  }
  check "plain_message" {
    condition     = host.name != "n3"
    error_message = "it is ${nonsensitive(local.derived)}"
  }
}
output "direct" {
  value = [var.secret, local.derived]
}
output "laundered" {
  value = nonsensitive(local.derived)
}
output "results" {
  value = play.p.hosts
}
output "hidden" {
  sensitive = true
  value     = play.p.hosts["n1"].status
}
`, "")
	const password = "hunter2-password-9"
	s.vars = []eval.Given{
		{Name: "secret", Source: eval.FromInventory, Origin: "the test", Value: cty.StringVal(canary)},
		{Name: "plain", Source: eval.FromInventory, Origin: "the test", Value: cty.StringVal(password)},
	}
	for _, o := range []runOptions{{check: true, diff: true}, {diff: true}, {diff: true}} {
		s.once(t, o)
		for _, e := range s.events {
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(e); err != nil {
				t.Fatal(err)
			}
			text := b.String()
			for _, form := range []string{"canary-7f3a", "91'<&>c0de", base64.StdEncoding.EncodeToString([]byte(canary))[:12], password} {
				if strings.Contains(text, form) || strings.Contains(string(e.LineB64), form) {
					t.Errorf("%q is in %s", form, text)
				}
			}
		}
	}
	for _, name := range []string{"n1", "n2", "n3"} {
		if got := s.fleet.hosts[name].state["c"]; got != canary {
			t.Errorf("%s got %q", name, got)
		}
	}
}

// A thousand hosts that look at each other: nothing grows with the square of their number.
func TestThousandHosts(t *testing.T) {
	few, many := memoryOfHosts(t, 250), memoryOfHosts(t, 1000)
	t.Logf("250 hosts take %d KiB, 1000 take %d KiB", few>>10, many>>10)
	if many > 9*few { // four times is what must be; sixteen times would be their square
		t.Errorf("four times the hosts take %.1f times the memory", float64(many)/float64(few))
	}
}

// memoryOfHosts runs the play on so many hosts, and gives the bytes that were allocated for it.
func memoryOfHosts(t *testing.T, n int) uint64 {
	t.Helper()
	s := newScenario(t, `play "p" {
  hosts = group.all
  locals {
    changed = [for h in run.hosts : h if hosts[h].step.a.changed]
  }
  step "value" "a" {
    key   = "a"
    value = endswith(host.name, "2") ? "0" : host.name
  }
  step "value" "b" {
    key   = "b"
    value = "${length(local.changed)} of ${length(run.hosts)}, run ${run.id}"
  }
  step "everywhere" "c" {
    key = "c"
  }
  step "run" "once" {
    run_once = true
    command  = "say hello"
  }
  step "value" "d" {
    key   = "d"
    value = "${step.once.out}-${hosts["h0001"].step.a.value}"
  }
}
play "q" {
  hosts = [for name, h in play.p.hosts : name if h.ok]
  step "value" "e" {
    key   = "e"
    value = play.p.hosts[host.name].step.d.value
  }
}
output "well" {
  value = length([for name, h in play.q.hosts : name if h.ok])
}
`, fmt.Sprintf(`group "all_of_them" {
  hosts      = [for i in range(1, %d) : format("h%%04d", i)]
  connection = "local"
}
`, n+1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	told := s.once(t, runOptions{})
	runtime.ReadMemStats(&after)
	for _, h := range s.fleet.hosts {
		if want := fmt.Sprintf("%d of %d, run r1", n, n); h.state["b"] != want || h.state["e"] != "hello-h0001" {
			t.Fatalf("%s has %v", h.name, h.state)
		}
	}
	if !strings.Contains(told, fmt.Sprintf("output well = %d\n", n)) || !strings.HasSuffix(told, "exit code 0\n") {
		t.Error("not all is well")
	}
	return after.TotalAlloc - before.TotalAlloc
}

// A host that hangs keeps nobody waiting but who needs it: the others are at the end of the play meanwhile.
func TestHungHostDoesNotBlock(t *testing.T) {
	s := newScenario(t, `play "p" {
  hosts = group.all
  step "value" "a" {
    key   = "a"
    value = "1"
  }
  step "value" "b" {
    key   = "b"
    value = "1"
  }
}
`, "")
	if err := s.fleet.breakBy("n1 hang on set a"); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	seen := map[string]bool{}
	s.watch = func(e event.Event) {
		if e.Kind == event.StepDone && e.Step == "b" {
			seen[e.Host] = true
		}
		if seen["n2"] && seen["n3"] {
			once.Do(func() {
				s.fleet.interrupt()
				s.fleet.kill()
			})
		}
	}
	done := make(chan string)
	go func() { done <- s.once(t, runOptions{}) }()
	select {
	case told := <-done:
		if !strings.Contains(told, "n1 a cancelled") || !strings.Contains(told, "n2 b changed") || !strings.Contains(told, "exit code 130") {
			t.Error(told)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the other hosts wait for the one that hangs")
	}
}

// Two hosts at the same time, and no more.
func TestParallel(t *testing.T) {
	s := newScenario(t, twenty(), `group "many" {
  hosts      = ["h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8"]
  connection = "local"
}
`)
	var mu sync.Mutex
	now, most := 0, 0
	inner := s.fleet.dial
	s.dial = func(ctx context.Context, h *inventory.Host) (remote.Conn, error) {
		conn, err := inner(ctx, h)
		return countConn{conn, func(by int) {
			mu.Lock()
			defer mu.Unlock()
			now += by
			most = max(most, now)
		}}, err
	}
	s.once(t, runOptions{parallel: "2"})
	if most > 2 || most == 0 {
		t.Errorf("%d hosts at the same time", most)
	}
}

type countConn struct {
	remote.Conn
	count func(int)
}

func (c countConn) Run(ctx context.Context, scripts []remote.Script) []remote.Exit {
	c.count(1)
	defer c.count(-1)
	time.Sleep(time.Millisecond) // so that hosts would overlap
	return c.Conn.Run(ctx, scripts)
}

// seesGone is a fleet module that keeps what it sees of hosts that fell out before.
type seesGone struct{}

func (seesGone) Ask() []Question { return nil }

// A fleet decision is told which of the play's hosts an earlier play has lost: they take no part in it, and are not forgotten.
func TestFleetIsToldWhoIsGone(t *testing.T) {
	var gone []string
	s := newScenario(t, `play "first" {
  hosts = group.all
  step "value" "a" {
    key   = "a"
    value = "1"
  }
}
play "second" {
  hosts = group.all
  step "spy" "b" {}
}
`, "")
	s.modules = NewModules(valueModule(), Fleet(Module{Name: "spy", Summary: "See."}, func(all []On[seesGone]) []Decision {
		out := make([]Decision, len(all))
		for i, on := range all {
			gone = append(gone, on.Host+" sees "+strings.Join(on.Gone, ","))
			out[i] = Done{}
		}
		return out
	}))
	if err := s.fleet.breakBy("n2 refuse"); err != nil {
		t.Fatal(err)
	}
	s.once(t, runOptions{})
	slices.Sort(gone)
	if got := strings.Join(slices.Compact(gone), "; "); got != "n1 sees n2; n3 sees n2" {
		t.Errorf("got %s", got)
	}
}

// Of a step that was left out, and that no chosen one refers to, nothing is asked: also not ahead of time.
func TestWhatIsLeftOutIsNotAsked(t *testing.T) {
	s := newScenario(t, `play "p" {
  hosts = group.all
  step "value" "chosen" {
    key   = "chosen"
    value = "1"
    tags  = ["quick"]
  }
  step "value" "other" {
    key   = "other"
    value = "1"
  }
}
`, "")
	s.once(t, runOptions{tags: []string{"quick"}})
	for name, h := range s.fleet.hosts {
		if sent := strings.Join(h.sent, "\n"); strings.Contains(sent, "get other") || !strings.Contains(sent, "get chosen") {
			t.Errorf("%s was sent\n%s", name, sent)
		}
	}
}
