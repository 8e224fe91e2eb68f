package lab

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

const installRVS = "apt-get -q update && apt-get -q -y install rocm-validation-suite libyaml-cpp-dev libpci3 >/dev/null && PATH=/opt/rocm/bin:$PATH && C=/opt/rocm/share/rocm-validation-suite/conf && "

func TestROCmPrograms(t *testing.T) {
	l := startLab(t, Options{Hosts: []HostSpec{
		{Name: "sane", GPUs: 2},
		{Name: "bare", GPU: "none"},
		{Name: "old", RVS: "1.1.0"},
		{Name: "short", Lacks: []string{"libpci.so.3"}},
		{Name: "ill", GPU: "MI250X", GPUs: 2, Down: []string{"mlx5_1"}, Tests: map[string]string{"gst_single": TestFails, "mem": TestSilent, "babel": TestBreaks, "level": TestFails}},
	}})
	for _, c := range []struct {
		host, name, script string
		code               int
		want               string // found in what it prints, as a pattern
		not                string // not found
	}{
		{"sane", "model", "/opt/rocm/bin/amd-smi static -a -g 0 --json", 0, `"gpu_data": \[\n\s+\{\n\s+"gpu": 0,\n\s+"asic": \{\n\s+"market_name": "AMD Instinct MI300X"`, `"gpu": 1`},
		{"sane", "a model that is not there", "/opt/rocm/bin/amd-smi static -g 7 --json", 255, `Device '7' not found`, "gpu_data"},
		{"bare", "no model", "/opt/rocm/bin/amd-smi static -a -g 0 --json", 255, "Unable to detect any GPU devices", "gpu_data"},
		{"sane", "other commands of amd-smi", "/opt/rocm/bin/amd-smi reset", 255, "only the commands static, list and version are there", ""},
		{"sane", "what is asked for", "/opt/rocm/bin/amd-smi static --bus --vram -g 1 --json", 0, `"gpu": 1,\n\s+"bus": \{\n\s+"bdf": "0000:15:00.0"\n\s+\},\n\s+"vram": \{\n\s+"type": "HBM",\n\s+"size": \{\n\s+"value": 196592,\n\s+"unit": "MB"`, "asic"},
		{"sane", "who they are", "/opt/rocm/bin/amd-smi list --json", 0, `^\[\n\s+\{\n\s+"gpu": 0,\n\s+"bdf": "0000:05:00.0",\n\s+"uuid": "00ff74a1-0000-1000-8000-5a1000000000"`, "gpu_data"},
		{"sane", "versions", "/opt/rocm/bin/amd-smi version --json", 0, `"amdsmi_library_version": "26.0.2"`, ""},
		{"sane", "the bus with numbers", "lspci -Dnn", 0, `^0000:00:00\.0 Host bridge \[0600\].*\n0000:05:00\.0 Processing accelerators \[1200\]: Advanced Micro Devices, Inc\. \[AMD/ATI\] Aqua Vanjaram \[Instinct MI300X\] \[1002:74a1\]\n`, ""},
		{"sane", "the bus in sysfs", "cd /sys/bus/pci/devices && ls && cat 0000:05:00.0/class 0000:05:00.0/vendor 0000:05:00.0/mem_info_vram_total", 0, `^0000:00:00\.0\n0000:05:00\.0\n0000:15:00\.0\n0x120000\n0x1002\n206141652992\n$`, ""},
		{"bare", "an empty bus", "ls /sys/bus/pci/devices /sys/class /sys/module", 0, `^/sys/bus/pci/devices:\n0000:00:00\.0\n\n/sys/class:\n\n/sys/module:\n$`, ""},
		{"sane", "adapters", "cd /sys/class/infiniband && ls && cat mlx5_1/ports/1/state mlx5_1/ports/1/rate mlx5_1/fw_ver", 0, `^mlx5_0\nmlx5_1\n4: ACTIVE\n400 Gb/sec \(4X NDR\)\n28\.39\.1002\n$`, ""},
		{"ill", "an adapter that is down", "cat /sys/class/infiniband/mlx5_0/ports/1/state /sys/class/infiniband/mlx5_1/ports/1/state", 0, `^4: ACTIVE\n1: DOWN\n$`, ""},
		{"sane", "sysfs takes no files", "echo x >/sys/class/x", 2, "Permission denied", ""},
		{"sane", "the kernel's command line", "cat /proc/cmdline", 0, ` iommu=pt `, ""},
		{"sane", "ROCm's version", "cat /opt/rocm/.info/version", 0, `^7\.0\.0-42\n$`, ""},
		{"sane", "the bus", "lspci", 0, `05:00\.0 Processing accelerators:.*MI300X`, ""},
		{"sane", "RVS comes from a package", "ls /opt/rocm/bin; rvs --version", 127, "amd-smi\n(.|\n)*rvs: not found", "1.3.0"},
		{"sane", "version", installRVS + "rvs --version", 0, `1\.3\.0\n`, ""},
		{"old", "version of a host", installRVS + "rvs --version", 0, `1\.1\.0\n`, ""},
		{"sane", "GPUs", installRVS + "rvs -g", 0, `Supported GPUs available:\n0000:05:00\.0 - GPU\[ 2 - 28851\] AMD Instinct MI300X`, "No supported"},
		{"bare", "no GPUs", installRVS + "rvs -g", 0, "No supported GPUs available", ""},
		{"bare", "no test without a GPU", installRVS + "rvs -c $C/mem.conf", 1, "RVS-ERROR", "PASS"},
		{"sane", "a test with the numbers of its file", installRVS + "rvs -c $C/MI300X/gst_single.conf", 0, `gpustress-43500-sgemm-false\] gst 28851 GFLOPS 44100 Target GFLOPS: 43500 met: TRUE\n(.|\n)*2 passed, 0 failed`, "FALSE"},
		{"ill", "a test that fails ends with 0", installRVS + "rvs -c $C/gst_single.conf", 0, `Target GFLOPS: 9000 met: TRUE\n(.|\n)*met: FALSE\n(.|\n)*1 passed, 1 failed`, ""},
		{"ill", "a test that says nothing", installRVS + "rvs -c $C/mem.conf; echo $?", 0, `\n0\n$`, "passed"},
		{"ill", "a test that breaks", installRVS + "rvs -c $C/babel.conf", 134, "Aborted", "passed"},
		{"sane", "a level", installRVS + "rvs -r 4", 0, `run level 4\n(.|\n)*Missing packages : 0\n(.|\n)*pass: TRUE`, "FALSE|ERROR"},
		{"ill", "a level that fails", installRVS + "rvs -r 4", 0, "met: FALSE", ""},
		{"sane", "no such level", installRVS + "rvs -r 9", 1, "RVS-ERROR.*invalid level", ""},
		{"old", "levels are new", installRVS + "rvs -r 4", 1, "RVS-ERROR.*unknown command option", ""},
		{"sane", "no such file", installRVS + "rvs -c /nowhere/mem.conf", 1, "RVS-ERROR.*does not exist: /nowhere/mem.conf", ""},
		{"sane", "libraries", installRVS + "ldd /opt/rocm/bin/rvs", 0, `libpci\.so\.3 => /usr/lib/x86_64-linux-gnu/libpci\.so\.3 \(0x`, "not found"},
		{"short", "a library that is missing", installRVS + "ldd /opt/rocm/bin/rvs", 0, `libpci\.so\.3 => not found`, ""},
		{"short", "it does not run without it", installRVS + "rvs --version", 127, `error while loading shared libraries: libpci\.so\.3`, `1\.3\.0`},
		{"short", "one from elsewhere will do", installRVS + "mkdir -p /tmp/lib && touch /tmp/lib/libpci.so.3 && LD_LIBRARY_PATH=/tmp/lib rvs --version", 0, `1\.3\.0`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := l.Host(c.host).sh("root", c.script)
			said := got.stdout + got.stderr
			if got.code != c.code || !regexp.MustCompile(c.want).MatchString(said) || c.not != "" && regexp.MustCompile(c.not).MatchString(said) {
				t.Errorf("%s ended with %d and said\n%s\nwant %d, %q and not %q", c.script, got.code, said, c.code, c.want, c.not)
			}
		})
	}
	if got := l.Host("sane").sh(OrdinaryUser, "/opt/rocm/bin/rvs -c /opt/rocm/share/rocm-validation-suite/conf/peqt_single.conf"); !strings.Contains(got.stdout, "peqt false") {
		t.Errorf("peqt passes without root: %+v", got)
	}
}

func TestDownloads(t *testing.T) {
	h := startLab(t, Options{Hosts: []HostSpec{{Name: "n1", Packages: []string{"curl", "wget"}}}}).Hosts()[0]
	tarball := RVSDownloads + "amdrocm7-rvs-1.4.21-Linux.tar.gz"
	data, ok := Download(tarball)
	if !ok {
		t.Fatalf("there is no %s", tarball)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(data))
	for _, c := range []struct {
		script string
		code   int
		want   string
	}{
		{"curl -fsSL " + RVSDownloads, 0, "amdrocm7-rvs-1.4.21-Linux.tar.gz"},
		{"curl -fsSL -o /tmp/a " + tarball + " && sha256sum /tmp/a", 0, sum},
		{"wget -nv -O /tmp/b " + tarball + " && sha256sum /tmp/b", 0, sum},
		{"cd /tmp && wget -q " + tarball + " && tar -tzf amdrocm7-rvs-1.4.21-Linux.tar.gz", 0, "bin/rvs"},
		{"curl -fsSL " + RVSDownloads + "nothing", 22, "returned error: 404"},
		{"curl -sSL " + RVSDownloads + "nothing", 0, "404 Not Found"},
		{"wget -nv -O /tmp/c " + RVSDownloads + "nothing", 8, "ERROR 404"},
		{"curl -fsSL https://example.com/", 6, "Could not resolve host: example.com"},
		{"wget -nv -O /tmp/c https://example.com/", 4, "unable to resolve host address 'example.com'"},
	} {
		if got := h.sh("root", c.script); got.code != c.code || !strings.Contains(got.stdout+got.stderr, c.want) {
			t.Errorf("%s: %+v, want %d and %q", c.script, got, c.code, c.want)
		}
	}
}

func TestCheckTests(t *testing.T) {
	for _, c := range []struct {
		tests map[string]string
		want  string
	}{
		{nil, ""},
		{map[string]string{"level": "fail", "mem": "empty", "babel": "crash"}, ""},
		{map[string]string{"gst": "fail"}, `RVS has no test "gst" here, only babel, gst_single, iet_stress, level, mem, pbqt_single, pebb_single, peqt_single`},
		{map[string]string{"mem": "bad"}, `test "mem": the outcome "bad" is none of fail, empty, crash`},
	} {
		got := ""
		if err := CheckTests(c.tests); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%v: %q, want %q", c.tests, got, c.want)
		}
	}
}
