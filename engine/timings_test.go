package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cvsplay/engine/event"
	"cvsplay/engine/remote"
	"cvsplay/inventory"
)

// A slowConn takes its time for every round trip in which a script begins with given words: seconds, by "HOST WORDS".
type slowConn struct {
	remote.Conn
	host  string
	takes map[string]int
}

func (c slowConn) Run(ctx context.Context, scripts []remote.Script) []remote.Exit {
	for _, s := range scripts {
		for on, seconds := range c.takes {
			if host, words, _ := strings.Cut(on, " "); host == c.host && strings.HasPrefix(strings.TrimSpace(s.Text), words) {
				time.Sleep(time.Duration(seconds) * time.Second)
			}
		}
	}
	return c.Conn.Run(ctx, scripts)
}

// timed runs a playbook with a clock of its own, in which nothing takes time but what takes says, and gives the timings of its plays.
func timed(t *testing.T, playbook, state, faults string, o runOptions, takes map[string]int) []event.Event {
	t.Helper()
	var out []event.Event
	synctest.Test(t, func(t *testing.T) {
		s := newScenario(t, playbook, "")
		if err := errors.Join(s.fleet.set(state), s.fleet.breakBy(faults)); err != nil {
			t.Fatal(err)
		}
		s.tune = func(o *RunOptions) { o.Now, o.Timings, o.Trips = time.Now, true, true }
		s.dial = func(ctx context.Context, h *inventory.Host) (remote.Conn, error) {
			d := remote.DialingOf(ctx)
			d.Place, d.Handshake = time.Duration(takes[h.Name+"/place"])*time.Second, time.Duration(takes[h.Name+"/handshake"])*time.Second
			time.Sleep(d.Place + d.Handshake + time.Duration(takes[h.Name+"/dial"])*time.Second)
			conn, err := s.fleet.dial(ctx, h)
			return slowConn{Conn: conn, host: h.Name, takes: takes}, err
		}
		s.once(t, o)
		for _, e := range s.events {
			if e.Kind == event.Timings && e.Play != "" {
				out = append(out, e)
			}
		}
	})
	return out
}

// writeTimings writes a phase in a line.
func writeTimings(out *strings.Builder, e event.Event) {
	path := 0.0
	fmt.Fprintf(out, "%s %gs\n", e.Play, e.Seconds)
	for _, p := range e.Phases {
		path += p.Path
		if p.Max == 0 && p.Path == 0 && p.With == "" {
			continue
		}
		fmt.Fprintf(out, "%s %s:", p.Step, p.Name)
		if p.With != "" {
			fmt.Fprintf(out, " with %s\n", p.With)
			continue
		}
		fmt.Fprintf(out, " path %g, median %g, max %g,", p.Path, p.Median, p.Max)
		for _, h := range p.Slowest {
			fmt.Fprintf(out, " %s=%g", h.Host, h.Seconds)
		}
		out.WriteString("\n")
	}
	if path != e.Seconds {
		fmt.Fprintf(out, "the paths add up to %g\n", path)
	}
}

func values(names string, more string) string {
	var b strings.Builder
	b.WriteString("play \"p\" {\n  hosts = group.all\n")
	for name := range strings.FieldsSeq(names) {
		fmt.Fprintf(&b, "  step \"value\" %q {\n    key = %q\n    value = \"1\"\n    %s\n  }\n", name, name, more)
	}
	b.WriteString("}\n")
	return b.String()
}

func TestTimings(t *testing.T) {
	for _, c := range []struct {
		name     string
		playbook string
		faults   string
		options  runOptions
		takes    map[string]int
		want     string
	}{
		{
			"the host that came last is the path, through each of its steps", values("a b", "barrier = true"), "", runOptions{noFuse: true},
			map[string]int{"n1 set a": 2, "n2 set a": 7, "n3 set a": 3, "n1 set b": 5, "n2 set b": 1},
			`p 12s
a act: path 7, median 3, max 7, n2=7 n3=3 n1=2
a wait: path 0, median 4, max 5, n2=4
b act: path 5, median 1, max 5, n1=5 n2=1
b wait: path 0, median 4, max 5, n1=4
b ask: with a
 all: path 0, median 7, max 8, n2=8 n1=7 n3=3
`,
		},
		{
			"no step bears the time that a connection takes", values("a", ""), "", runOptions{check: true},
			map[string]int{"n1/place": 1, "n2/handshake": 2, "n3/dial": 3, "n3 get a": 4},
			`p 7s
 place: path 0, median 1, max 1, n1=1
 dial: path 3, median 3, max 3, n3=3
 handshake: path 0, median 2, max 2, n2=2
a ask: path 4, median 4, max 4, n3=4
a wait: path 0, median 5, max 6, n3=5
 all: path 0, median 2, max 7, n3=7 n2=2 n1=1
`,
		},
		{
			"who cannot be reached is waited for", values("a b", "barrier = true"), "n2 refuse", runOptions{check: true},
			map[string]int{"n2/dial": 9, "n1 get a": 1, "n3 get a": 1}, `p 9s
 dial: path 9, median 9, max 9, n2=9
a ask: path 0, median 1, max 1, n1=1 n3=1
a wait: path 0, median 8, max 8, n2=8
b ask: with a
 all: path 0, median 1, max 9, n2=9 n1=1 n3=1
`,
		},
		{
			"hosts wait for a step that runs once", values("a", "run_once = true"), "", runOptions{noFuse: true},
			map[string]int{"n1 get a": 1, "n1 set a": 4}, `p 6s
a ask: path 1, median 1, max 1, n1=1
a act: path 5, median 5, max 5, n1=5
a wait: path 0, median 6, max 6, n1=6
 all: path 0, median 0, max 6, n1=6 n2=0 n3=0
`,
		},
		{
			"a fleet step has a meeting after all were asked, and one after all acted", `play "p" {
  hosts = group.all
  step "everywhere" "a" {
    key = "a"
  }
}
`, "", runOptions{noFuse: true},
			map[string]int{"n1 get a": 3, "n2 get a": 1, "n2 set a": 5}, `p 12s
a ask: path 3, median 1, max 3, n1=3 n2=1
a act: path 9, median 6, max 7, n2=7 n1=6
a wait: path 0, median 4, max 12, n2=3
 all: path 0, median 8, max 9, n1=9 n2=8 n3=0
`,
		},
		{
			"waiting for another attempt is no work", `play "p" {
  hosts = "n1"
  step "value" "a" {
    key   = "a"
    value = "1"
    by    = "fail 1 no"
    retry {
      attempts = 2
      delay    = "30s"
    }
  }
}
`, "", runOptions{noFuse: true}, map[string]int{"n1 get a": 1, "n1 fail": 2}, `p 38s
a ask: path 2, median 2, max 2, n1=2
a act: path 6, median 6, max 6, n1=6
a retry: path 30, median 30, max 30, n1=30
 all: path 0, median 38, max 38, n1=38
`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got strings.Builder
			for _, e := range timed(t, c.playbook, "", c.faults, c.options, c.takes) {
				writeTimings(&got, e)
			}
			if got.String() != c.want {
				t.Errorf("got\n%s\nwant\n%s", got.String(), c.want)
			}
		})
	}
}

// Which host comes first is left to chance where few may be worked on, and how long they wait for each other is not.
func TestTimingsOfAQueue(t *testing.T) {
	takes := map[string]int{"n1 get a": 2, "n2 get a": 2, "n3 get a": 2}
	for _, e := range timed(t, values("a", ""), "* a=1", "", runOptions{parallel: "1"}, takes) {
		for _, p := range e.Phases {
			if want := (event.Phase{Name: "queue", Path: 4, Hosts: 2, Median: 2, Max: 4}); p.Name == "queue" {
				if p.Slowest = nil; !reflect.DeepEqual(p, want) {
					t.Errorf("got %+v, want %+v", p, want)
				}
				return
			}
		}
	}
	t.Error("nobody waited")
}

// What is sent to a host at once is told once, for the step that waits for it.
func TestTripsAreTold(t *testing.T) {
	s := newScenario(t, values("a b c", "again = true"), "")
	s.tune = func(o *RunOptions) { o.Trips = true }
	told := func(o runOptions) string {
		s.once(t, o)
		var out strings.Builder
		for _, e := range s.events {
			if e.Kind == event.RoundTrip && e.Host == "n1" {
				fmt.Fprintf(&out, "%s: asked %v, acted %v\n", e.Step, e.Asked, e.Acted)
			}
		}
		return out.String()
	}
	for _, c := range []struct{ what, got, want string }{
		{"everything changes", told(runOptions{}), "a: asked [a b c], acted []\na: asked [a b c], acted [a b c]\n"},
		{"nothing changes", told(runOptions{}), "a: asked [a b c], acted []\n"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got\n%swant\n%s", c.what, c.got, c.want)
		}
	}
	s.tune = nil
	if got := told(runOptions{}); got != "" {
		t.Errorf("told though nobody asked: %s", got)
	}
}
