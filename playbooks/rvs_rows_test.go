package playbooks_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/gocty"
)

// rvsRows are the rules that rvs.hcl keeps, each with the archive that shows it and what is seen there.
var rvsRows = []struct{ rule, archive, seen string }{
	{"ROCm is where the person says", "rvs/rocm_path", "rocm          ok gpu[001-002]: /opt/rocm/core-7.9"},
	{"else in the newest core-*, in the order of versions", "rvs/rocm_path", "rocm          ok gpu002: /opt/rocm/core-7.10"},
	{"else in /opt/rocm", "rvs/rocm_path", "rocm          ok gpu001: /opt/rocm\n"},
	{"installed is program and gst_single.conf, for each host", "rvs/installed", "install       ok gpu001\n"},
	{"and is not: the program is missing, or the configuration", "rvs/installed", "install       changed gpu[002-005]"},
	{"a package that fails is named", "rvs/install_fails", "install       failed gpu002: the script ended with 100 apt-get install rocblas rocm-smi-lib"},
	{"the packages, each for at most 600 s", "scripts/install_rvs", "600 s: apt-get -q -y -o DPkg::Lock::Timeout=300 install --reinstall rocm-validation-suite"},
	{"afterwards rvs --version has to run", "rvs/installed", "suite         failed gpu005: the script ended with 1 Segmentation fault"},
	{"and no library may be missing, though ldd ends with 0", "rvs/missing_library", "suite         failed gpu002: the script ended with 1 libpci.so.3 => not found"},
	{"otherwise the newest tarball of a page", "rvs/tarball", "tarball       changed gpu002: https://repo.lab.example.com/rocm/rvs/tarball/amdrocm7-rvs-1.4.21-"},
	{"or that of an address", "rvs/tarball_address", "tarball       changed"},
	{"with the right checksum only", "rvs/tarball", "-1.4.21-Linux.tar.gz has the checksum N, and not N"},
	{"into /opt/rocm/extras-7, run with its libraries", "rvs/missing_library", "suite         ok gpu002: /opt/rocm/extras-7"},
	{"the version is read on each node, also within words", "rvs/version_order", "version       ok gpu001: ROCm Validation Suite (version 1.10.0.70200-43)"},
	{"the lowest of the fleet decides", "rvs/old_version", "rvs_skipped level there are no levels before RVS 1.3.0, which a node has: each test by itself"},
	{"in the order of versions", "rvs/version_order", "test[level]   ok gpu[001-002]"},
	{"one that cannot be read fails that host", "rvs/unreadable_version", "version_known failed gpu003: /opt/rocm/bin/rvs --version prints"},
	{"and is not 0.0.0: the others run their level", "rvs/unreadable_version", "test[level]   ok gpu[001-002]"},
	{"the level is 4", "rvs/container", "pebb_single,peqt_single level 4 stands for it"},
	{"another one is run alone too", "rvs/levels", "pebb_single,peqt_single level 1 stands for it"},
	{"level 0 is each test by itself", "rvs/levels", "rvs_skipped level rvs_level is 0: each test by itself"},
	{"other levels are refused", "rvs/levels", "Invalid value of var.rvs_level; RVS has the levels 1 to 5; 0 runs each test by itself."},
	{"a test that is not run is skipped, with the reason", "rvs/container", "pbqt_single,pebb_single,peqt_single skipped; level pass"},
	{"the configuration of the GPU's model, for each host", "rvs/models", "conf          ok gpu003: /opt/rocm/share/rocm-validation-suite/conf/MI325X"},
	{"without blanks", "rvs/models", "conf          ok gpu004: /opt/rocm/share/rocm-validation-suite/conf/MI350X"},
	{"else that of all", "rvs/models", "conf          ok gpu002: /opt/rocm/share/rocm-validation-suite/conf\n"},
	{"an amd-smi that tells no model fails the host", "rvs/amd_smi", "model_known   failed gpu003: amd-smi tells no model: WARNING"},
	{"enumeration fails a host without GPUs early", "rvs/no_gpu", "gpus          failed gpu002: an output line matches fail_regex stdout line 2: No supported GPUs available."},
	{"\"0 failed\" does not fail a test", "rvs/counts", "test[level]   ok gpu001: [INFO ] [ 1042.187000] 8 passed, 0 failed"},
	{"a test without output has not passed", "rvs/failing_tests", "test[iet_stress] failed (ignored) gpu003: no output line matches ok_regex \\S"},
	{"nor has a level", "rvs/failing_level", "passed        failed gpu003: level: there is no output"},
	{"missing packages fail a level", "rvs/failing_level", "passed        failed gpu005: level: Missing packages : 3"},
	{"a test that is not to be judged is neither", "rvs/lost_connection", "pbqt_single,pebb_single,peqt_single skipped; level unknown"},
	{"the verdict is a table of node and test", "rvs/failing_tests", "pbqt_single,pebb_single,peqt_single pass; iet_stress,mem fail; level skipped"},
	{"with the time of each", "rvs/failing_tests", "rvs_seconds gpu[001-005] babel_stream,gst_single,iet_stress,mem,"},
	{"and the first failing line of each", "rvs/failing_tests", "passed        failed gpu004: pebb_single: RVS-ERROR [PEBB] cannot load the module"},
	{"all failures of a node are collected", "rvs/failing_tests", "passed        failed gpu003: iet_stress: there is no output mem: rvs ended with 134"},
	{"one failing test does not hide the next", "rvs/failing_tests", "test[peqt_single] failed (ignored) gpu002: an output line matches fail_regex"},
	{"the whole output is an artifact", "rvs/failing_tests", "artifact rvs/mem.log of gpu[001-005]"},
	{"in check mode the tests to come are known", "rvs/container", "test[level]   skipped gpu[001-002]: not run in check mode"},
	{"on bare metal", "rvs/baremetal", "box           skipped gpu[001-002]: when is false"},
	{"peqt and levels as root", "rvs/baremetal", "pbqt_single,pebb_single,peqt_single] ok gpu[001-002]"},
}

func TestRVSRows(t *testing.T) {
	for _, row := range rvsRows {
		t.Run(row.rule, func(t *testing.T) {
			archive, err := txtar.ParseFile(filepath.Join("testdata", row.archive+".txtar"))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(file(archive, "want"), row.seen) {
				t.Errorf("%s does not show\n%s", row.archive, row.seen)
			}
		})
	}
}

// rvsTests is the table of tests as text: name, configuration, limit, account, patterns.
const rvsTests = `
babel_stream  babel.conf        150m  user  \[ERROR\s*\] | RVS-ERROR
gst_single    gst_single.conf   150m  user  met:\s*FALSE | RVS-ERROR
iet_stress    iet_stress.conf   60m   user  pass:\s*FALSE | RVS-ERROR
level         -                 4h    root  met:\s*FALSE | pass:\s*FALSE | \[ERROR\s*\] | \bFAIL\b | ERROR: | peqt false | RVS-ERROR | Missing packages\s*:\s*[1-9]\d* | Version mismatch packages\s*:\s*[1-9]\d*
mem           mem.conf          150m  user  \bFAIL\b | \[ERROR\s*\] | RVS-ERROR
pbqt_single   pbqt_single.conf  60m   user  \bFAIL\b | ERROR: | RVS-ERROR
pebb_single   pebb_single.conf  60m   user  \[ERROR\s*\] | RVS-ERROR
peqt_single   peqt_single.conf  60m   root  peqt false | \[ERROR\s*\] | RVS-ERROR
`

// judgedLines are lines of RVS with the tests that they fail.
const judgedLines = `
[RESULT] [  1.0] [gst] gst 28851 GFLOPS 34800 Target GFLOPS: 43500 met: FALSE = gst_single level
[RESULT] [  1.0] [gst] gst 28851 GFLOPS 43700 Target GFLOPS: 43500 met: TRUE =
[RESULT] [  1.0] [iet] Target power: 750 W pass:   FALSE                      = iet_stress level
[RESULT] [  1.0] [mem] mem Test 1: Change one bit memory address : FAIL       = level mem pbqt_single
[INFO  ] [  1.0] 8 passed, 0 failed                                           =
[INFO  ] [  1.0] FAILED: 0                                                    =
[ERROR ] [  1.0] cannot open the device                                       = babel_stream level mem pebb_single peqt_single
[ERROR] cannot open the device                                                = babel_stream level mem pebb_single peqt_single
ERROR: cannot open the device                                                 = level pbqt_single
RVS-ERROR [CLI] unknown option                                                = babel_stream gst_single iet_stress level mem pbqt_single pebb_single peqt_single
[RESULT] [  1.0] [pcie_act_1] peqt false                                      = level peqt_single
[RESULT] [  1.0] [pcie_act_1] peqt true                                       =
 Missing packages : 0                                                         =
 Missing packages : 10                                                        = level
 Version mismatch packages : 0                                                =
 Version mismatch packages:2                                                  = level
`

// An rvsTest is one of them, as the playbooks read it.
type rvsTest struct {
	File    *string `cty:"file"`
	Root    bool    `cty:"root"`
	Timeout string  `cty:"timeout"`
	Fail    string  `cty:"fail"`
}

func (r rvsTest) patterns() []string { return strings.Split(strings.TrimSpace(r.Fail), "\n") }

func readRVSTests(t *testing.T) map[string]rvsTest {
	t.Helper()
	text, err := os.ReadFile("rvs_tests.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all, err := yaml.Standard.Unmarshal(text, cty.DynamicPseudoType)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]rvsTest{}
	for name, v := range all.AsValueMap() {
		v, err := convert.Convert(v, cty.Object(map[string]cty.Type{"file": cty.String, "root": cty.Bool, "timeout": cty.String, "fail": cty.String}))
		if err != nil {
			t.Fatal(err)
		}
		var test rvsTest
		if err := gocty.FromCtyValue(v, &test); err != nil {
			t.Fatal(err)
		}
		tests[name] = test
	}
	return tests
}

func TestRVSTests(t *testing.T) {
	tests := readRVSTests(t)
	var table strings.Builder
	fmt.Fprintln(&table)
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		test, account, conf := tests[name], "user", "-"
		if test.Root {
			account = "root"
		}
		if test.File != nil {
			conf = *test.File
		}
		fmt.Fprintf(&table, "%-13s %-17s %-5s %s  %s\n", name, conf, test.Timeout, account, strings.Join(test.patterns(), " | "))
	}
	if got := table.String(); got != rvsTests {
		t.Errorf("the tests are\n%s\nwant\n%s", got, rvsTests)
	}
	for row := range strings.Lines(strings.TrimPrefix(judgedLines, "\n")) {
		line, want, _ := strings.Cut(strings.TrimRight(row, "\n"), "=")
		var fails []string
		for _, name := range slices.Sorted(maps.Keys(tests)) {
			if slices.ContainsFunc(tests[name].patterns(), func(p string) bool { return regexp.MustCompile(p).MatchString(strings.TrimRight(line, " ")) }) {
				fails = append(fails, name)
			}
		}
		if !slices.Equal(fails, strings.Fields(want)) {
			t.Errorf("%q fails %s, want %s", line, fails, want)
		}
	}
}

// TestPair holds the playbooks that install and run RVS by themselves to the text of the one that does both: what they have in common is the same.
func TestPair(t *testing.T) {
	whole := blocks(t, "rvs.hcl")
	for playbook, own := range map[string][]string{
		"install_rvs.hcl": {`step "container_ensure" "box"`},
		"run_rvs.hcl":     {`step "container_ensure" "box"`},
	} {
		same := 0
		for head, text := range blocks(t, playbook) {
			switch {
			case slices.Contains(own, head):
			case whole[head] == "":
				t.Errorf("%s has a block that rvs.hcl lacks: %s", playbook, head)
			case text != whole[head]:
				t.Errorf("%s has another %s:\n%s\nthan rvs.hcl:\n%s", playbook, head, text, whole[head])
			default:
				same++
			}
		}
		if same < 6 {
			t.Errorf("%s has only %d blocks", playbook, same)
		}
	}
}

// blocks are the variables, steps and checks of a playbook, by what they begin with.
func blocks(t *testing.T, playbook string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(playbook)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	block := regexp.MustCompile(`(?ms)^(variable "\w+") \{\n.*?^\}\n|^  ((?:step "\w+"|check) "\w+") \{\n.*?^  \}\n`)
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		all[m[1]+m[2]] = m[0]
	}
	return all
}
