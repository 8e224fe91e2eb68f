package report_test

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"cvsplay/engine/event"
	"cvsplay/engine/report"
)

// stripEscapes gives the text without escape sequences, and without the blanks at line ends that a colour may end after.
func stripEscapes(s string) string {
	lines := strings.Split(ansi.Strip(s), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

// A terminal is what a person sees: lines, of which the last may be drawn over. It knows the sequences that the live view uses, and fails on others.
type terminal struct {
	mu       sync.Mutex
	t        *testing.T
	width    int
	lines    [][]rune
	row, col int
	hidden   bool // the cursor
	bytes    int
	seen     strings.Builder // everything that was ever drawn
}

func (m *terminal) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes += len(p)
	m.seen.Write(p)
	var state byte
	for rest := p; len(rest) > 0; {
		seq, width, n, next := ansi.DecodeSequence(rest, state, nil)
		state, rest = next, rest[n:]
		m.do(string(seq), width)
	}
	return len(p), nil
}

func (m *terminal) do(seq string, width int) {
	switch {
	case seq == "\r":
		m.col = 0
	case seq == "\n":
		m.row++
		m.col = 0 // a terminal's own mode adds the return
	case width > 0:
		if m.col+width > m.width {
			m.row, m.col = m.row+1, 0
		}
		m.line()
		for m.col+width > len(m.lines[m.row]) {
			m.lines[m.row] = append(m.lines[m.row], ' ')
		}
		copy(m.lines[m.row][m.col:], []rune(seq))
		m.col += width
	case seq == ansi.EraseLineRight:
		m.line()
		m.lines[m.row] = m.lines[m.row][:min(m.col, len(m.lines[m.row]))]
	case seq == ansi.EraseEntireLine:
		m.line()
		m.lines[m.row] = nil
	case seq == ansi.EraseScreenBelow:
		m.line()
		m.lines = m.lines[:m.row+1]
		m.lines[m.row] = m.lines[m.row][:min(m.col, len(m.lines[m.row]))]
	case seq == ansi.HideCursor:
		m.hidden = true
	case seq == ansi.ShowCursor:
		m.hidden = false
	case strings.HasPrefix(seq, "\x1b[") && strings.HasSuffix(seq, "A"):
		n := 1
		_, _ = fmt.Sscanf(seq, "\x1b[%dA", &n)
		m.row = max(0, m.row-n)
	case strings.HasPrefix(seq, "\x1b[") && strings.HasSuffix(seq, "m"), strings.HasPrefix(seq, "\x1b[?") && strings.HasSuffix(seq, "l"):
		// looks, and modes that are given back
	default:
		m.t.Errorf("the live view wrote %q", seq)
	}
}

func (m *terminal) line() {
	for len(m.lines) <= m.row {
		m.lines = append(m.lines, nil)
	}
}

// text is what stands on the terminal and above it.
func (m *terminal) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	for _, line := range m.lines {
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// waitFor waits until the terminal shows a text.
func (m *terminal) waitFor(text string) {
	m.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(m.text(), text) {
		if time.Now().After(deadline) {
			m.t.Fatalf("%q does not appear on:\n%s", text, m.text())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func newTerminal(t *testing.T) *terminal { return &terminal{t: t, width: 80} }

var liveOptions = report.Options{Environ: noEnv, Width: 80, Height: 24}

// TestLiveLeavesWhatPlainWrites plays whole runs: when they are over, the terminal shows what plain lines would have, and nothing of the view.
func TestLiveLeavesWhatPlainWrites(t *testing.T) {
	for name, events := range streams {
		if name == "attacked" {
			continue // wide lines are broken by the terminal there
		}
		t.Run(name, func(t *testing.T) {
			screen := newTerminal(t)
			r := report.Live(screen, liveOptions)
			play(r, events())
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if got, want := screen.text(), string(plainText(events(), report.Options{})); got != want {
				t.Errorf("the terminal shows:\n%s\nwant:\n%s", got, want)
			}
			if screen.hidden {
				t.Error("the cursor stays hidden")
			}
		})
	}
}

// TestLiveShowsProgress looks at the terminal while a run is under way.
func TestLiveShowsProgress(t *testing.T) {
	screen := newTerminal(t)
	o := liveOptions
	s := newStream()
	o.Now = func() time.Time { return s.now.Truncate(24 * time.Hour).Add(10 * time.Hour) } // stands still
	s.run(event.Event{}, "node[01-40]")
	s.begin("rvs", "node[01-40]", "container_ensure box, exec_script rvs")
	s.start("box", "node[01-40]")
	s.done("box", "node[01-30]", event.OK, event.Event{})
	s.start("rvs", "node[01-30]")
	s.done("rvs", "node[01-27]", event.OK, event.Event{})
	s.leave("node[01-27]", event.OK, 0)
	s.done("rvs", "node28", event.Failed, reason("exit code 1"))
	s.leave("node28", event.Failed, 0)
	r := report.Live(screen, o)
	play(r, s.events)
	screen.waitFor("failed        exec_script rvs       node28")
	screen.waitFor("rvs · 0/2 steps · 12 of 40 hosts running · 1 failed · 0s")
	lines := strings.Split(strings.TrimSpace(screen.text()), "\n")
	got := strings.Join(lines[len(lines)-3:len(lines)-1], "\n")
	for i, want := range []string{"container_ensure box  ━━━━━━━━━━━━━━━╌╌╌╌╌ 30/40 33m", "exec_script rvs       ━━━━━━━━━━━━━━╌····· 28/40 1 failed 33m"} {
		if line := lines[len(lines)-3+i]; !strings.Contains(line, want) {
			t.Errorf("line %d of the view is %q; want %q in it; all:\n%s", i, line, want, got)
		}
	}
	more := newStream()
	more.play, more.steps = s.play, s.steps
	more.done("box", "node[31-40]", event.OK, event.Event{})
	play(r, more.events)
	screen.waitFor("ok            container_ensure box  node[01-40]\n")
	screen.waitFor("node[29-30]") // the two that are still at it
	r.Abort()
	if screen.hidden {
		t.Error("the cursor stays hidden after Abort")
	}
}

// TestLiveFitsTheWindow draws many steps in a small window.
func TestLiveFitsTheWindow(t *testing.T) {
	screen := newTerminal(t)
	screen.width = 44
	s := newStream()
	s.run(event.Event{Playbook: "x.hcl", Inventory: []string{"y"}}, "n[1-9]")
	s.begin("p", "n[1-9]", "exec_script a_long_name_for_a_step_1, m s2, m s3, m s4, m s5, m s6, m s7, m s8, m s9")
	for i := range 9 {
		step := fmt.Sprintf("s%d", 9-i)
		if i == 8 {
			step = "a_long_name_for_a_step_1"
		}
		s.start(step, fmt.Sprintf("n%d", 9-i))
	}
	o := liveOptions
	o.Width, o.Height = 44, 6
	r := report.Live(screen, o)
	play(r, s.events)
	screen.waitFor("6 steps more")
	for line := range strings.Lines(screen.text()) {
		if ansi.StringWidth(strings.TrimSpace(line)) > 44 {
			t.Errorf("too wide: %q", line)
		}
	}
	r.Abort()
}

// A stopped terminal takes nothing until it goes on.
type stopped struct {
	out   io.Writer
	went  chan struct{} // closed when it goes on
	tried chan struct{} // gets a value when the first write begins
}

func (s *stopped) Write(p []byte) (int, error) {
	select {
	case s.tried <- struct{}{}:
	default:
	}
	<-s.went
	return s.out.Write(p)
}

// TestAStoppedTerminalStopsNothing floods a report whose terminal takes no byte.
func TestAStoppedTerminalStopsNothing(t *testing.T) {
	screen := newTerminal(t)
	slow := &stopped{out: screen, went: make(chan struct{}), tried: make(chan struct{}, 1)}
	o := liveOptions
	o.Verbose = 2
	r := report.Live(slow, o)
	<-slow.tried

	events := failing()
	play(r, events[:len(events)-1])
	const flood = 300_000
	line := strings.Repeat("x", 100)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	for range flood {
		r.Handle(event.Event{Kind: event.Out, Play: "rvs", Step: "rvs", Host: "node001", Line: line})
	}
	took := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if took > 20*time.Second { // 15,000 a second: far below what is wanted, so that a busy machine does not matter
		t.Errorf("%d events took %v", flood, took)
	}
	t.Logf("%.0f events a second", flood/took.Seconds())
	play(r, events[len(events)-1:])

	close(slow.went)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	text := screen.text()
	for _, want := range []string{"lines left out: the terminal did not take them in time", "what failed", "8 of 20 hosts failed"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in the last of:\n%s", want, text[max(0, len(text)-3000):])
		}
	}
}

// TestAbortDoesNotWaitForAStoppedTerminal is the way out of a person who wants out now.
func TestAbortDoesNotWaitForAStoppedTerminal(t *testing.T) {
	slow := &stopped{out: &bytes.Buffer{}, went: make(chan struct{}), tried: make(chan struct{}, 1)}
	r := report.Live(slow, liveOptions)
	<-slow.tried
	gone := make(chan struct{})
	go func() { defer close(gone); r.Abort() }()
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("Abort waits")
	}
	close(slow.went)
}

// TestLiveDrawsNowAndThen coalesces: a hundred thousand events are a few frames.
func TestLiveDrawsNowAndThen(t *testing.T) {
	screen := newTerminal(t)
	r := report.Live(screen, liveOptions)
	s := newStream()
	s.run(event.Event{}, "n[1-1000]")
	s.begin("p", "n[1-1000]", "m s")
	s.start("s", "n[1-1000]")
	play(r, s.events)
	screen.waitFor("0/1,000")
	for i := range 100_000 {
		r.Handle(event.Event{Kind: event.Out, Play: "p", Step: "s", Host: fmt.Sprintf("n%d", i%1000+1), Line: "a line"})
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if screen.bytes > 200_000 {
		t.Errorf("%d bytes were drawn", screen.bytes)
	}
}

// TestHostileTextDoesNotReachTheTerminal looks at every byte that is drawn: the terminal knows the view's own sequences alone.
func TestHostileTextDoesNotReachTheTerminal(t *testing.T) {
	screen := newTerminal(t)
	o := liveOptions
	o.Verbose, o.Diff = 2, true
	r := report.Live(screen, o)
	events := attacked()
	i := slices.IndexFunc(events, func(e event.Event) bool { return e.Kind == event.StepStarted })
	play(r, events[:i+1])
	screen.waitFor("0/1") // the running step with its name
	play(r, events[i+1:])
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	drawn := ansi.Strip(screen.seen.String())
	if r, bad := harmful(strings.ReplaceAll(drawn, "\r", ""), true); bad {
		t.Errorf("%U was drawn", r)
	}
}

// What a terminal shows of Ctrl-C moves the cursor: nothing may be drawn from where that left it.
func TestLiveDrawsFromTheLeft(t *testing.T) {
	var w writes
	s := newStream()
	s.run(event.Event{Playbook: "x.hcl", Inventory: []string{"y"}}, "n1")
	s.begin("p", "n1", "exec_script a")
	s.start("a", "n1")
	r := report.Live(&w, liveOptions)
	play(r, s.events)
	time.Sleep(300 * time.Millisecond)
	r.Abort()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.all) == 0 {
		t.Fatal("nothing was drawn")
	}
	for _, text := range w.all {
		if !strings.HasPrefix(text, "\r") {
			t.Errorf("drawn from where the cursor was: %q", text)
		}
	}
}

type writes struct {
	mu  sync.Mutex
	all []string
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, string(p))
	return len(p), nil
}
