// Testlog reads the stream of `go test -json` on its standard input and prints what a person wants to know of it: a line for each
// package as it ends, the output of what failed, and at the end which tests were skipped and why, and how many used each real
// part of the machine (an sshd, an engine, a cluster). It fails where a test failed, and where a part that -require names was not used or was missed.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

func main() {
	require := flag.String("require", "", "parts that must have been used, with commas")
	flag.Parse()
	log := newLog(os.Stdout)
	if err := log.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testlog:", err)
		os.Exit(1)
	}
	if !log.summary(strings.FieldsFunc(*require, func(r rune) bool { return r == ',' || r == ' ' })) {
		os.Exit(1)
	}
}

// An event is one line of the stream; see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build output
	Test       string
	Output     string
	Elapsed    float64
}

// A log is what was read so far.
type log struct {
	out     io.Writer
	outputs map[string]*strings.Builder // of tests ("PACKAGE TEST") and packages ("PACKAGE ") that have not ended
	passed  map[string]int              // tests, by package
	ended   int                         // packages
	failed  []string
	skipped map[string][]string        // tests by reason
	used    map[string]map[string]bool // tests by part
	took    map[string]float64         // seconds of tests that are no part of another
}

// slowest is how many of the longest tests are named at the end.
const slowest = 12

func newLog(out io.Writer) *log {
	return &log{
		out:     out,
		outputs: map[string]*strings.Builder{},
		passed:  map[string]int{},
		skipped: map[string][]string{},
		used:    map[string]map[string]bool{},
		took:    map[string]float64{},
	}
}

func (l *log) read(stream io.Reader) error {
	lines := bufio.NewReader(stream)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			l.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (l *log) line(line string) {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
		fmt.Fprint(l.out, line) // the go command speaks for itself
		return
	}
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(l.out, e.Output)
	case "output":
		l.output(key, e)
	case "pass":
		l.pass(key, e)
	case "fail":
		l.fail(key, e)
	case "skip":
		l.skip(key, e)
	}
}

var uses = regexp.MustCompile(`^\s+\S+\.go:\d+: uses (\S+)\n$`)

func (l *log) output(key string, e event) {
	if l.outputs[key] == nil {
		l.outputs[key] = &strings.Builder{}
	}
	l.outputs[key].WriteString(e.Output)
	found := uses.FindStringSubmatch(e.Output)
	if found == nil {
		return
	}
	if l.used[found[1]] == nil {
		l.used[found[1]] = map[string]bool{}
	}
	l.used[found[1]][key] = true
}

func (l *log) pass(key string, e event) {
	delete(l.outputs, key)
	if e.Test != "" {
		l.passed[e.Package]++
		if !strings.Contains(e.Test, "/") {
			l.took[key] = e.Elapsed
		}
		return
	}
	l.ended++
	if n := l.passed[e.Package]; n > 0 {
		fmt.Fprintf(l.out, "ok    %-40s %4d tests %6.1f s\n", e.Package, n, e.Elapsed)
	}
}

func (l *log) fail(key string, e event) {
	l.forget(key)
	if text := l.outputs[key]; text != nil {
		fmt.Fprint(l.out, text)
	}
	delete(l.outputs, key)
	if e.Test == "" {
		fmt.Fprintf(l.out, "FAIL  %-40s %17.1f s\n", e.Package, e.Elapsed)
		l.ended++
	}
	l.failed = append(l.failed, strings.TrimSpace(key))
}

func (l *log) skip(key string, e event) {
	l.forget(key)
	if e.Test == "" { // a package without tests
		l.ended++
		return
	}
	reason := "no reason given"
	if text := l.outputs[key]; text != nil {
		reason = skipReason(text.String())
	}
	delete(l.outputs, key)
	l.skipped[reason] = append(l.skipped[reason], key)
}

// forget takes back that a test used a part: it did not come to its end.
func (l *log) forget(key string) {
	for _, tests := range l.used {
		delete(tests, key)
	}
}

var logged = regexp.MustCompile(`(?m)^\s+\S+\.go:\d+: (.*)$`)

// skipReason is the last thing that a skipped test logged.
func skipReason(output string) string {
	all := logged.FindAllStringSubmatch(output, -1)
	if len(all) == 0 {
		return "no reason given"
	}
	return all[len(all)-1][1]
}

// missed tells whether a skip is for want of something that had to be there; "all" forbids every skip.
func missed(reason string, required []string) bool {
	return slices.ContainsFunc(required, func(part string) bool {
		return part == "all" || strings.HasPrefix(reason, "needs "+part+":")
	})
}

// long names the longest tests, where any took long: those of real parts wait for each other.
func (l *log) long() {
	tests := slices.SortedFunc(maps.Keys(l.took), func(a, b string) int { return cmp.Compare(l.took[b], l.took[a]) })
	for _, test := range tests[:min(slowest, len(tests))] {
		if l.took[test] >= 10 {
			fmt.Fprintf(l.out, "slow  %6.1f s %s\n", l.took[test], test)
		}
	}
}

// summary prints the end, and tells whether all is well.
func (l *log) summary(required []string) bool {
	well := len(l.failed) == 0
	total, skips := 0, 0
	for _, n := range l.passed {
		total += n
	}
	fmt.Fprintln(l.out)
	l.long()
	for _, reason := range slices.Sorted(maps.Keys(l.skipped)) {
		tests := l.skipped[reason]
		skips += len(tests)
		fmt.Fprintf(l.out, "skipped, %s:\n  %s\n", reason, strings.Join(tests, "\n  "))
		well = well && !missed(reason, required)
	}
	for _, part := range slices.Sorted(maps.Keys(l.used)) {
		if n := len(l.used[part]); n > 0 {
			fmt.Fprintf(l.out, "real %-16s used by %d tests\n", part, n)
		}
	}
	for _, part := range required {
		if part != "all" && len(l.used[part]) == 0 {
			fmt.Fprintf(l.out, "real %-16s required, and no test that passed used it\n", part)
			well = false
		}
	}
	for _, name := range l.failed {
		fmt.Fprintf(l.out, "failed: %s\n", name)
	}
	if l.ended == 0 {
		fmt.Fprintln(l.out, "no package was tested")
		well = false
	}
	fmt.Fprintf(l.out, "%d packages, %d tests passed, %d skipped, %d failures\n", l.ended, total, skips, len(l.failed))
	return well
}
