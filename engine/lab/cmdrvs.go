package lab

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// How long a test and a level take here: long enough to be seen.
const (
	rvsTestTime  = 100 * time.Millisecond
	rvsLevelTime = 400 * time.Millisecond
)

// The outcomes that HostSpec.Tests may give to a test of RVS: what a healthy machine does not have.
const (
	TestFails  = "fail"  // it runs to its end, finds a GPU that is not good enough, says so, and ends with 0
	TestSilent = "empty" // it prints nothing and ends with 0
	TestBreaks = "crash" // it ends with 134 in the middle
)

// CheckTests says what is wrong with the outcomes of tests that a HostSpec should have, in words for the person who wrote them.
func CheckTests(tests map[string]string) error {
	known := []string{"level"}
	for file := range rvsConfigurations("") {
		known = append(known, strings.TrimSuffix(file, ".conf"))
	}
	slices.Sort(known)
	for _, test := range slices.Sorted(maps.Keys(tests)) {
		if !slices.Contains(known, test) {
			return fmt.Errorf("RVS has no test %q here, only %s", test, strings.Join(known, ", "))
		}
		if outcomes := []string{TestFails, TestSilent, TestBreaks}; !slices.Contains(outcomes, tests[test]) {
			return fmt.Errorf("test %q: the outcome %q is none of %s", test, tests[test], strings.Join(outcomes, ", "))
		}
	}
	return nil
}

// rvs is one execution of the ROCm Validation Suite.
type rvs struct {
	p       *Process
	out     io.Writer
	root    string
	version string
	seconds float64 // what its lines are stamped with
}

func rvsCommand(ctx context.Context, p *Process, argv []string) int {
	exe := p.Abs(p.executable())
	if missing := p.unresolved(exe); len(missing) > 0 {
		fmt.Fprintf(p.Stderr(), "%s: error while loading shared libraries: %s: cannot open shared object file: No such file or directory\n", argv[0], missing[0])
		return 127
	}
	r := &rvs{p: p, out: p.Stdout(), root: path.Dir(path.Dir(exe)), seconds: 1042.187}
	r.version = r.readVersion()
	args := argv[1:]
	switch {
	case len(args) == 1 && (args[0] == "--version" || args[0] == "-v"):
		fmt.Fprintln(r.out, r.version)
		return 0
	case len(args) == 1 && (args[0] == "-g" || args[0] == "--listGpus"):
		return r.list()
	case len(args) == 2 && (args[0] == "-c" || args[0] == "--config"):
		return r.configured(ctx, args[1])
	case len(args) == 2 && (args[0] == "-r" || args[0] == "--run") && r.hasLevels():
		return r.level(ctx, args[1])
	}
	fmt.Fprintf(p.Stderr(), "RVS-ERROR [CLI] unknown command option or argument: %s\n", strings.Join(args, " "))
	return 1
}

// readVersion is what a host is said to have installed, else what came with the program.
func (r *rvs) readVersion() string {
	if said := r.p.Host().spec.RVS; said != "" && r.root == rocmRoot {
		return said
	}
	data, err := r.p.ReadFile(r.root + "/share/rocm-validation-suite/version")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(data))
}

var oldRVS = regexp.MustCompile(`^(0\.|1\.[0-2]\.)`)

func (r *rvs) hasLevels() bool { return !oldRVS.MatchString(r.version) }

// gpus is how many accelerators a process can use: those of the host, where their device is in its world.
func (p *Process) gpus() int {
	if _, err := p.Stat("/dev/kfd"); err != nil {
		return 0
	}
	return p.Host().spec.GPUs
}

// gpuID is how RVS numbers the accelerators.
func gpuID(i int) int { return 28851 + i*4099%32768 }

// gpuBus is the PCI address of an accelerator.
func gpuBus(i int) string { return fmt.Sprintf("0000:%02x:00.0", 5+i*0x10) }

func (r *rvs) list() int {
	n := r.p.gpus()
	if n == 0 {
		fmt.Fprintln(r.out, "\nNo supported GPUs available.")
		return 0
	}
	fmt.Fprintln(r.out, "Supported GPUs available:")
	for i := range n {
		fmt.Fprintf(r.out, "%s - GPU[%2d - %d] AMD Instinct %s (Device %d)\n", gpuBus(i), i+2, gpuID(i), r.p.Host().spec.GPU, 29857)
	}
	return 0
}

var confLine = regexp.MustCompile(`(?m)^[- ] (name|module|target_stress|target_power): (.*)$`)

// configured runs the action of one configuration file.
func (r *rvs) configured(ctx context.Context, file string) int {
	data, err := r.p.ReadFile(file)
	if err != nil {
		fmt.Fprintf(r.p.Stderr(), "RVS-ERROR [CLI] file does not exist: %s\n", file)
		return 1
	}
	conf := map[string]string{}
	for _, m := range confLine.FindAllStringSubmatch(string(data), -1) {
		conf[m[1]] = m[2]
	}
	test := strings.TrimSuffix(path.Base(file), ".conf")
	return r.judged(ctx, test, rvsTestTime, func(bad bool) { r.module(conf["module"], conf["name"], conf, bad) })
}

// level runs all that a level stands for.
func (r *rvs) level(ctx context.Context, level string) int {
	n, err := strconv.Atoi(level)
	if err != nil || n < 1 || n > 5 {
		fmt.Fprintf(r.p.Stderr(), "RVS-ERROR [CLI] invalid level: %s\n", level)
		return 1
	}
	return r.judged(ctx, "level", rvsLevelTime, func(bad bool) {
		r.line("INFO  ", "run level %d", n)
		fmt.Fprintf(r.out, "Meta package validation complete :\n Total packages validated : 24\n Installed packages : 24\n Missing packages : 0\n Version mismatch packages : 0\n")
		for _, module := range []string{"gst", "iet", "pebb", "mem"} {
			r.module(module, module+"-level"+level, map[string]string{"target_stress": "43500", "target_power": "750"}, bad && module == "gst")
		}
	})
}

// judged runs a test with the outcome that the host has for it.
func (r *rvs) judged(ctx context.Context, test string, takes time.Duration, run func(bad bool)) int {
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return 1
	}
	outcome := r.p.Host().spec.Tests[test]
	if outcome == TestSilent {
		return 0
	}
	if r.p.gpus() == 0 {
		fmt.Fprintln(r.p.Stderr(), "RVS-ERROR [RVS] no supported GPUs available")
		return 1
	}
	if outcome == TestBreaks {
		r.line("INFO  ", "%s started", test)
		fmt.Fprintln(r.p.Stderr(), "terminate called after throwing an instance of 'std::runtime_error'\n  what():  hipErrorNoBinaryForGpu\nAborted (core dumped)")
		return 134
	}
	run(outcome == TestFails)
	passed, failed := r.p.gpus(), 0
	if outcome == TestFails {
		passed, failed = passed-1, 1
	}
	r.line("INFO  ", "%d passed, %d failed", passed, failed)
	return 0
}

// module prints the results of one module for every accelerator; the last of them is a bad one.
func (r *rvs) module(module, name string, conf map[string]string, bad bool) {
	r.line("RESULT", "Action name :%s", name)
	r.line("RESULT", "Module name :%s", module)
	if module == "peqt" && r.p.User().UID != 0 {
		r.line("ERROR ", "[%s] peqt needs root to read the PCI capabilities", name)
		bad = true
	}
	gpus := r.p.gpus()
	for i := range gpus {
		worse := bad && i == gpus-1
		r.line("RESULT", "[%s] %s", name, r.result(module, i, conf, worse))
		if worse && (module == "pebb" || module == "babel") {
			r.line("ERROR ", "[%s] %s GPU %d is below its target", name, module, gpuID(i))
		}
	}
}

// result is one accelerator's line.
func (r *rvs) result(module string, i int, conf map[string]string, bad bool) string {
	id := gpuID(i)
	truth, verdict := "TRUE", "PASS"
	if bad {
		truth, verdict = "FALSE", "FAIL"
	}
	switch module {
	case "gst":
		target, _ := strconv.Atoi(conf["target_stress"])
		have := target + 600 - 37*i
		if bad {
			have = target * 8 / 10
		}
		return fmt.Sprintf("gst %d GFLOPS %d Target GFLOPS: %d met: %s", id, have, target, truth)
	case "iet":
		return fmt.Sprintf("iet %d Average power %s.%d W Target power: %s W pass: %s", id, conf["target_power"], i, conf["target_power"], truth)
	case "mem":
		return fmt.Sprintf("mem %d Test 1: Change one bit memory address : %s", id, verdict)
	case "pebb":
		return fmt.Sprintf("pcie-bandwidth [%d/%d] [CPU:0] [GPU:%d] h2d: true d2h: false %.3f GBps", i+1, r.p.gpus(), id, 54.2-float64(i)/10)
	case "pbqt":
		return fmt.Sprintf("p2p-bandwidth [%d/%d] [GPU:%d] [GPU:%d] peers: true %.3f GBps %s", i+1, r.p.gpus(), id, gpuID(i+1), 48.1-float64(i)/10, verdict)
	case "peqt":
		return "peqt " + strings.ToLower(truth)
	}
	return fmt.Sprintf("babel %d Triad %.3f MB/sec", id, 4_012_345.678-float64(i))
}

// line prints one line of the log, stamped.
func (r *rvs) line(kind, format string, args ...any) {
	r.seconds += 0.173
	fmt.Fprintf(r.out, "[%s] [%13.6f] %s\n", kind, r.seconds, fmt.Sprintf(format, args...))
}
