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

// treeOfANode is what a node shows of itself, as files below a folder, without their last line end.
var treeOfANode = map[string]string{
	"sys/devices/x": "", "sys/class/net/eth0/mtu": "1500",
	"sys/bus/pci/devices/0000:00:00.0/class": "0x060000", "sys/bus/pci/devices/0000:00:00.0/vendor": "0x1022", "sys/bus/pci/devices/0000:00:00.0/device": "0x14a4",
	"sys/bus/pci/devices/0000:05:00.0/class": "0x120000", "sys/bus/pci/devices/0000:05:00.0/vendor": "0x1002", "sys/bus/pci/devices/0000:05:00.0/device": "0x74a1",
	"sys/bus/pci/devices/0000:05:00.0/mem_info_vram_total": "206141652992", "sys/bus/pci/devices/0000:05:00.0/unique_id": "f2c1a0b3d4e50000",
	"sys/bus/pci/devices/0000:05:00.1/class": "0x040300", "sys/bus/pci/devices/0000:05:00.1/vendor": "0x1002", "sys/bus/pci/devices/0000:05:00.1/device": "0xab28",
	"sys/bus/pci/devices/0000:18:00.0/class": "0x030200", "sys/bus/pci/devices/0000:18:00.0/vendor": "0x10de", "sys/bus/pci/devices/0000:18:00.0/device": "0x2330",
	"sys/bus/pci/devices/0000:c1:00.0/class": "0x030000", "sys/bus/pci/devices/0000:c1:00.0/vendor": "0x1a03", "sys/bus/pci/devices/0000:c1:00.0/device": "0x2000",
	"sys/module/nvidia/version":                 "550.90.07",
	"sys/class/infiniband/mlx5_0/fw_ver":        "28.39.1002",
	"sys/class/infiniband/mlx5_0/node_type":     "1: CA",
	"sys/class/infiniband/mlx5_0/ports/1/state": "4: ACTIVE", "sys/class/infiniband/mlx5_0/ports/1/phys_state": "5: LinkUp",
	"sys/class/infiniband/mlx5_0/ports/1/rate": "400 Gb/sec (4X NDR)", "sys/class/infiniband/mlx5_0/ports/1/link_layer": "InfiniBand",
	"sys/class/infiniband/rxe0/ports/1/state": "1: DOWN", "sys/class/infiniband/rxe0/ports/1/phys_state": "3: Disabled",
	"sys/class/infiniband/rxe0/ports/1/rate": "2.5 Gb/sec (1X SDR)", "sys/class/infiniband/rxe0/ports/1/link_layer": "Ethernet",
	"sys/class/infiniband/rxe1/ports/1/state": "1: DOWN", "sys/class/infiniband/rxe1/ports/1/rate": "NaN Gb/sec",
	"opt/rocm/core-7.9/.info/version": "7.9.0", "opt/rocm/core-7.10/bin/x": "",
	"bin/lspci": "#!/bin/sh\necho '0000:18:00.0 3D controller [0302]: NVIDIA Corporation GH100 [H100 SXM5 80GB] [10de:2330] (rev a1)'",
}

// amd-smi of a version that does not know all options that it is asked with.
const pickySMI = `#!/bin/sh
case "$*" in
*--board*) echo "Parameter '--board' is invalid" >&2; exit 2 ;;
"static --json") echo "WARNING: not in group render"; echo '[{"gpu": 0, "asic": {"market_name": "AMD Instinct MI300X"}, "bus": {"bdf": "0000:05:00.0"}}]' ;;
"version --json") echo '[{"version": "24.6.2"}]' ;;
*) exit 1 ;;
esac`

// The questions find in a node's own files what the archives say, whatever shell it has, with amd-smi and without.
func TestFactsOfANode(t *testing.T) {
	const h100 = `{"arch":null,"bus":"0000:18:00.0","device_id":"0x2330","index":1,"memory":null,"model":"NVIDIA H100 SXM5 80GB","serial":null,"uuid":null,"vbios":null,"vendor":"NVIDIA"}`
	for _, c := range []struct{ name, family, smi, want string }{
		{"the bus", "gpu", "", `{"count":2,"devices":[{"arch":null,"bus":"0000:05:00.0","device_id":"0x74a1","index":0,"memory":206141652992,"model":null,"serial":null,"uuid":"f2c1a0b3d4e50000","vbios":null,"vendor":"AMD"},` +
			h100 + `],"driver":null,"model":null,"smi":null,"source":"pci","vendor":"mixed"}`},
		{"amd-smi", "gpu", pickySMI, `{"count":2,"devices":[{"arch":null,"bus":"0000:05:00.0","device_id":"0x74a1","index":0,"memory":206141652992,"model":"AMD Instinct MI300X","serial":null,"uuid":"f2c1a0b3d4e50000","vbios":null,"vendor":"AMD"},` +
			h100 + `],"driver":null,"model":null,"smi":"24.6.2","source":"amd-smi","vendor":"mixed"}`},
		{"adapters", "ib", "", `{"count":3,"devices":[{"fw":"28.39.1002","link_layer":"InfiniBand","name":"mlx5_0","physical_state":"LinkUp","port":1,"rate":400,"state":"ACTIVE"},` +
			`{"fw":null,"link_layer":"Ethernet","name":"rxe0","physical_state":"Disabled","port":1,"rate":2.5,"state":"DOWN"},` +
			`{"fw":null,"link_layer":null,"name":"rxe1","physical_state":null,"port":1,"rate":null,"state":"DOWN"}]}`},
		{"several of ROCm", "rocm", "", `{"path":"/opt/rocm/core-7.10","version":"7.10"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range treeOfANode {
				writeNode(t, filepath.Join(dir, name), text)
			}
			if c.smi != "" {
				writeNode(t, filepath.Join(dir, "opt/rocm/bin/amd-smi"), c.smi)
			}
			family := familyNamed(t, c.family)
			ask := family.ask
			ask.Text = strings.NewReplacer("/sys", dir+"/sys", "/opt", dir+"/opt").Replace(ask.Text)
			t.Setenv("PATH", dir+"/bin:"+os.Getenv("PATH"))
			for name, sh := range shells(t) {
				a := runFrame(t, sh, setting{}.shellFrame(ask, questionLimit, nil))
				a.Stdout.Bytes = bytes.ReplaceAll(a.Stdout.Bytes, []byte(dir), nil)
				a.Stdout.Size = int64(len(a.Stdout.Bytes))
				v, err := family.value(a)
				if err != nil {
					t.Errorf("%s: %v\n%s%s", name, err, a.Stdout, a.Stderr)
					continue
				}
				if got := string(eval.ToJSON(v)); got != c.want {
					t.Errorf("%s tells\n%s, want\n%s", name, got, c.want)
				}
			}
		})
	}
}

func writeNode(t *testing.T, path, text string) {
	t.Helper()
	mode := os.FileMode(0o644)
	if strings.HasPrefix(text, "#!") {
		mode = 0o755
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text+"\n"), mode); err != nil {
		t.Fatal(err)
	}
}
