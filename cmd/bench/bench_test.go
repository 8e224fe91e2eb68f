//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the meter, and the commands that it is tried on.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 2 && os.Args[1] == meterName:
		if err := meter(os.Args[2:], os.NewFile(3, "result")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case os.Getenv("BENCH_TEST") == "parent":
		os.Exit(leaveBurner())
	case os.Getenv("BENCH_TEST") == "burner":
		burn()
		fmt.Println("burnt")
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}

// burnt is how much CPU time the process burns that is left behind.
const burnt = 200 * time.Millisecond

func burn() {
	for n := 1; ; n++ {
		var r syscall.Rusage
		if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil || time.Duration(r.Utime.Nano()+r.Stime.Nano()) > burnt {
			return
		}
	}
}

// leaveBurner starts a process in a session of its own, and ends with 7 when that has burnt its time and sleeps.
func leaveBurner() int {
	self, err := os.Executable()
	if err != nil {
		return 1
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "BENCH_TEST=burner")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		return 1
	}
	word := make([]byte, len("burnt"))
	if _, err := io.ReadFull(out, word); err != nil || string(word) != "burnt" {
		return 1
	}
	fmt.Println(cmd.Process.Pid)
	return 7
}

func TestMeterCountsWhatIsLeftBehind(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	u, out, err := measure(t.Context(), job{argv: []string{self}, env: append(os.Environ(), "BENCH_TEST=parent")})
	if err != nil {
		t.Fatal(err)
	}
	if u.Code != 7 || u.Left != 1 || u.CPU < burnt.Seconds() || u.RSS <= 0 || u.Wall <= 0 {
		t.Errorf("%+v", u)
	}
	var pid int
	if _, err := fmt.Sscan(string(out), &pid); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
}

func TestMeterTellsWhatCannotBeStarted(t *testing.T) {
	if _, out, err := measure(t.Context(), job{argv: []string{"/nowhere/at/all"}}); err == nil || !strings.Contains(string(out), "/nowhere/at/all") {
		t.Errorf("%v: %s", err, out)
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestStatistics(t *testing.T) {
	if s := spreadOf([]float64{5, 1, 9, 3}); !near(s.Median, 4) || s.Low != 1 || s.High != 9 || s.N != 4 {
		t.Errorf("%+v", s)
	}
	if s := spreadOf(nil); s != (spread{}) {
		t.Errorf("%+v", s)
	}
	for _, c := range []struct{ q, want float64 }{{0, 10}, {0.5, 30}, {0.99, 49.6}, {1, 50}} {
		if got := quantile([]float64{50, 20, 40, 10, 30}, c.q); !near(got, c.want) {
			t.Errorf("quantile %v: %v, want %v", c.q, got, c.want)
		}
	}
	if r := ratios([]float64{6, 9, 1}, []float64{2, 3}); len(r) != 2 || r[0] != 3 || r[1] != 3 {
		t.Error(r)
	}
	if s := slope([]float64{0, 1, 2}, []float64{1, 5, 9}); !near(s, 4) {
		t.Error(s)
	}
	if e := exponent([]float64{1, 10, 100}, []float64{3, 300, 30_000}); !near(e, 2) {
		t.Error(e)
	}
}

// The exponent that counts is that of the last decade, where it is greater: at first there is what a run costs without any host.
func TestGrowthIsThatOfTheLastDecade(t *testing.T) {
	g := grown{hosts: []float64{100, 1000, 10_000}, cpu: []float64{1000, 1000, 100_000}}
	f := g.figure("control CPU", g.cpu)
	if !near(f.Figure.Median, 2) || f.Verdict != "missed" || !strings.Contains(f.Note, "100 → 10,000 hosts 1.00,") {
		t.Errorf("%+v, %+v", f, f.Figure)
	}
}

func TestVerdicts(t *testing.T) {
	most, least := goal{goal: 5, moonshot: 1}, goal{goal: 5, moonshot: 10, atLeast: true}
	for _, c := range []struct {
		goal goal
		v    float64
		want string
	}{
		{most, 0.5, "moonshot"}, {most, 1, "moonshot"}, {most, 3, "goal"}, {most, 5, "goal"}, {most, 5.1, "missed"},
		{least, 11, "moonshot"}, {least, 10, "moonshot"}, {least, 7, "goal"}, {least, 5, "goal"}, {least, 4.9, "missed"},
	} {
		if got := c.goal.verdict(c.v); got != c.want {
			t.Errorf("%+v, %v: %s, want %s", c.goal, c.v, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	r := result{Date: "2026-01-02", Machine: "2 CPUs", Figures: []figure{
		goal{what: "wall", goal: 1.25, moonshot: 1}.against("P2", "far", []float64{2, 1, 3}, "what is behind").stands("much"),
		goal{what: "CPU", goal: 5, moonshot: 1}.against("P4", "", []float64{0, 1, 6}, ""),
		goal{what: "wall", goal: 40, moonshot: 100, atLeast: true}.without("P3", "", "not installed"),
		beside("P3", "wall, other", "s", []float64{1234}, ""),
	}}
	want := `2026-01-02, 2 CPUs

                      goal moonshot  figure
P2   wall, far      ≤ 1.25      ≤ 1  2 (1–3, 3 runs): missed
       what is behind
       much
P4   CPU               ≤ 5      ≤ 1  1 (0–6, 3 runs): moonshot, not in every run
P3   wall             ≥ 40    ≥ 100  not installed
P3   wall, other                     1234 s (1 run)
`
	if got := r.table(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestRecap(t *testing.T) {
	const fine = "play standard\n\nhost            ok  changed  failed\n127.1.0.[1-20]  20        0       0\n\n20 hosts, all well, nothing changed, in 0.1s\n"
	changed := strings.NewReplacer("20        0       0", " 0       20       0", "nothing changed", "400 changes on 20 hosts").Replace(fine)
	for _, c := range []struct {
		out     string
		changed bool
		ok      bool
	}{
		{fine, false, true}, {changed, true, true}, {fine, true, false}, {changed, false, false},
		{strings.ReplaceAll(fine, "20 hosts", "19 hosts"), false, false},
		{strings.ReplaceAll(fine, "20        0 ", "19        1 "), false, false},
		{"", false, false},
	} {
		if err := recap([]byte(c.out), 20, 20, c.changed); (err == nil) != c.ok {
			t.Errorf("%q, changed %v: %v", c.out, c.changed, err)
		}
	}
}

// A chart is well-formed, whatever its names hold, and growth in proportion is a straight line.
func TestChart(t *testing.T) {
	var b bytes.Buffer
	c := chart{title: "CPU <&>", unit: "seconds", lines: []line{{"cvsplay", []float64{100, 1000, 10_000}, []float64{0.2, 2, 20}}, {"floor", []float64{100, 10_000}, []float64{0.1, 9}}}}
	if err := c.write(&b); err != nil {
		t.Fatal(err)
	}
	var texts, points []string
	for d := xml.NewDecoder(&b); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.CharData:
			texts = append(texts, string(e))
		case xml.StartElement:
			for _, a := range e.Attr {
				if a.Name.Local == "points" {
					points = append(points, a.Value)
				}
			}
		}
	}
	if text := strings.Join(texts, "|"); !strings.Contains(text, "CPU <&>") || !strings.Contains(text, "10,000") || !strings.Contains(text, "0.1") || !strings.Contains(text, "floor") {
		t.Errorf("the texts are %q", text)
	}
	if len(points) != 2 {
		t.Fatalf("%d lines", len(points))
	}
	var x, y [3]float64
	if _, err := fmt.Sscanf(points[0], "%f,%f %f,%f %f,%f", &x[0], &y[0], &x[1], &y[1], &x[2], &y[2]); err != nil {
		t.Fatal(err)
	}
	if x[0] != chartLeft || x[2] != chartWidth-chartRight || math.Abs((y[0]+y[2])/2-y[1]) > 0.1 || y[2] >= y[0] {
		t.Errorf("the points are %s", points[0])
	}
	if at := apart(100, []float64{95, 110}); at != 81 {
		t.Errorf("a name stands at %v", at)
	}
	if err := (chart{}).write(io.Discard); err == nil {
		t.Error("a chart of nothing was drawn")
	}
}

// A whole benchmark, tiny: both tools ask 120 simulated hosts, get what they have to get, and leave nothing behind.
func TestBench(t *testing.T) {
	t.Chdir("../..")
	out, temporary := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temporary)
	t.Setenv("GOTMPDIR", t.TempDir())
	var table, progress bytes.Buffer
	if err := run(t.Context(), options{rows: []string{"P1", "P8", "P9"}, hosts: 120, many: 200, repeats: 1, slow: 1, out: out, progress: &progress}, &table); err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	text, err := os.ReadFile(filepath.Join(out, "bench.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r result
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, f := range r.Figures {
		rows = append(rows, f.Row)
		if f.Figure == nil || f.Figure.N != 1 {
			t.Errorf("not measured: %+v", f)
		}
		if f.Row == "P9" && f.Figure.Median != 0 {
			t.Errorf("%v things went wrong", f.Figure.Median)
		}
	}
	if got := strings.Join(rows, " "); got != "P1 P8 P8 P9 P9 P9" {
		t.Errorf("the rows are %s", got)
	}
	for _, chart := range []string{"cpu", "memory", "wall"} {
		if info, err := os.Stat(filepath.Join(out, chart+".svg")); err != nil || info.Size() == 0 {
			t.Errorf("chart %s: %v", chart, err)
		}
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestUnknownRow(t *testing.T) {
	if err := run(t.Context(), options{rows: []string{"P99"}}, io.Discard); err == nil || !strings.Contains(err.Error(), "P99") {
		t.Error(err)
	}
}
