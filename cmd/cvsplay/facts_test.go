package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"cvsplay/engine/event"
	"cvsplay/engine/remote/remotetest"
)

// tellFacts prints all facts of every host, and needs none of them.
const tellFacts = `
  step "exec_script" "facts" {
    read_only = true
    stdin     = jsonencode(host.facts)
    script    = "cat\n"
  }
`

// factsOf is what the tests look at of host.facts.
type factsOf struct {
	OS struct {
		ID, Version, Architecture string
		PrettyName                string `json:"pretty_name"`
	}
	Kernel struct {
		Release, Version string
		CommandLine      string `json:"command_line"`
		Parameters       map[string]string
	}
	CPU struct {
		Count, Cores, Sockets int
		Model                 string
	}
	Memory struct {
		Total     int64
		SwapTotal int64 `json:"swap_total"`
	}
	GPU struct {
		Count                              int
		Source, Vendor, Model, Driver, SMI string
		Devices                            []struct {
			Index                  int
			Model, Bus, UUID, Arch string
			Memory                 int64
			DeviceID               string `json:"device_id"`
		}
	}
	ROCm struct{ Path, Version string }
	IB   struct {
		Count   int
		Devices []struct {
			Name, State string
			Rate        float64
		}
	}
}

// factsTold reads what the step that prints them printed, by host.
func factsTold(t *testing.T, events []event.Event) map[string]factsOf {
	t.Helper()
	told := map[string]factsOf{}
	for name, e := range ends(events) {
		host, step, _ := strings.Cut(name, " ")
		if step != "facts" || e.Status != event.OK {
			continue
		}
		var results struct{ Stdout string }
		var facts factsOf
		if err := json.Unmarshal(e.Results, &results); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(results.Stdout), &facts); err != nil {
			t.Fatalf("%v: %s", err, results.Stdout)
		}
		told[host] = facts
	}
	return told
}

// Lab hosts tell of themselves what real ones do: with GPUs and without, with amd-smi and without.
func TestFactsOfLabHosts(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("inventory.hcl", `source "lab" "gpu" {
  name   = "n[1-4]"
  groups = ["gpu"]
  user   = "amd"
  host "n2" {
    gpu = "none"
  }
  host "n3" {
    gpu  = "MI250X"
    gpus = 2
    down = ["mlx5_1"]
  }
}
`)
	u.write("play.hcl", `play "p" {
  hosts = group.gpu
  step "file" "amd_smi" {
    hosts  = ["n3", "n4"]
    become = true
    path   = "/opt/rocm/bin/amd-smi"
    state  = "absent"
  }
  step "file" "no_names" {
    hosts  = ["n4"]
    become = true
    path   = "/usr/bin/lspci"
    state  = "absent"
  }
`+tellFacts+"}\n")
	told := factsTold(t, u.succeeds("run", "play.hcl", "-i", "inventory.hcl", "--output", "json").events(t))
	if len(told) != 4 {
		t.Fatalf("facts of %v, want those of 4 hosts", slices.Sorted(maps.Keys(told)))
	}
	for _, c := range []struct{ host, want string }{
		{"n1", "8 amd-smi AMD AMD Instinct MI300X 6.16.6; AMD Instinct MI300X 0000:05:00.0 0x74a1 206141652992 gfx942 uuid; rocm /opt/rocm 7.0.0; 8 ports mlx5_0 ACTIVE 400, mlx5_1 ACTIVE 400"},
		{"n2", "0 none   ; rocm /opt/rocm 7.0.0; 0 ports"},
		{"n3", "2 pci AMD AMD Instinct MI250X 6.16.6; AMD Instinct MI250X 0000:05:00.0 0x7408 68702699520  uuid; rocm /opt/rocm 7.0.0; 2 ports mlx5_0 ACTIVE 400, mlx5_1 DOWN 400"},
		{"n4", "8 pci AMD  6.16.6;  0000:05:00.0 0x74a1 206141652992  uuid; rocm /opt/rocm 7.0.0; 8 ports mlx5_0 ACTIVE 400, mlx5_1 ACTIVE 400"},
	} {
		if got := inShort(told[c.host]); got != c.want {
			t.Errorf("%s tells\n%s, want\n%s", c.host, got, c.want)
		}
		f := told[c.host]
		if f.OS.ID != "debian" || f.OS.Version != "12" || f.Kernel.Parameters["iommu"] != "pt" || f.CPU.Cores != 8 || f.CPU.Sockets != 1 || f.Memory.Total != 1585423360<<10 {
			t.Errorf("%s: %+v", c.host, f)
		}
	}
}

// inShort writes what is of interest of the accelerators and the network.
func inShort(f factsOf) string {
	g := f.GPU
	out := fmt.Sprintf("%d %s %s %s %s", g.Count, g.Source, g.Vendor, g.Model, g.Driver)
	if len(g.Devices) > 0 {
		d := g.Devices[0]
		uuid := ""
		if d.UUID != "" {
			uuid = "uuid"
		}
		out += fmt.Sprintf("; %s %s %s %d %s %s", d.Model, d.Bus, d.DeviceID, d.Memory, d.Arch, uuid)
	}
	out += fmt.Sprintf("; rocm %s %s; %d ports", f.ROCm.Path, f.ROCm.Version, f.IB.Count)
	for i, p := range f.IB.Devices[:min(2, len(f.IB.Devices))] {
		out += []string{" ", ", "}[i] + fmt.Sprintf("%s %s %g", p.Name, p.State, p.Rate)
	}
	return out
}

// The example on nodes that are as they should be, and on those that are not: each says what is amiss, and an amd-smi that fails is no absent GPU.
func TestFactsExample(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	playbook := repository(t, "examples/facts.hcl")
	u.write("inventory.hcl", `source "lab" "gpu" {
  count  = 6
  name   = "gpu"
  groups = ["gpu"]
  host "gpu002" {
    gpus = 4
  }
  host "gpu003" {
    down = ["mlx5_7"]
  }
  host "gpu005" {
    files = { "/opt/rocm/bin/amd-smi" = "" }
  }
  fault {
    hosts = ["gpu004"]
    kind  = "fail"
    match = "amd-smi static"
    text  = "Segmentation fault"
    code  = 139
  }
  fault {
    hosts = ["gpu006"]
    kind  = "unreachable"
  }
}
`)
	e := u.cvsplay("run", playbook, "-i", "inventory.hcl", "--output", "json")
	if e.code != 1 {
		t.Fatal(e)
	}
	var output map[string]string
	for _, ev := range e.events(t) {
		if ev.Kind == event.OutputValue {
			if err := json.Unmarshal(ev.Value, &output); err != nil {
				t.Fatal(err)
			}
		}
	}
	for host, want := range map[string]string{
		"gpu001": "as it should be",
		"gpu002": `step "gpus": 4 GPUs, and not 8 (amd-smi)`,
		"gpu003": `step "ports": mlx5_7 is DOWN`,
		"gpu004": `step "gpus": condition: host.facts.gpu cannot be had: amd-smi static: exit code 139: Segmentation fault`,
		"gpu005": "as it should be", // the bus tells
		"gpu006": "connection refused",
	} {
		if !strings.Contains(output[host], want) {
			t.Errorf("%s: %q, want %q", host, output[host], want)
		}
	}
	good := u.succeeds("run", playbook, "-i", repository(t, "inventory/default.hcl"))
	if !strings.Contains(good.stdout, "4 hosts, all well, 4 changes on 4 hosts") {
		t.Error(good)
	}
}

// An amd-smi that prints something else than it should fails what reads the GPUs, until it is mended.
func TestFactsOfABrokenTool(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("inventory.hcl", "source \"lab\" \"gpu\" {\n  name = \"n[1-2]\"\n}\n")
	u.write("play.hcl", `play "p" {
  hosts = group.all
  step "file" "broken" {
    path    = "/opt/rocm/bin/amd-smi"
    mode    = "0755"
    content = <<-EOT
      #!/bin/sh
      echo '[{"gpu": 0, "asic": {"market_name"'
    EOT
  }
  step "exec_script" "reads" {
    read_only     = true
    args          = [host.facts.gpu.count]
    script        = "echo \"$1\"\n"
    ignore_errors = true
  }
  check "told" {
    condition     = step.reads.failed && host.facts.os.id == "debian" && try(host.facts.gpu.count, -1) == -1
    error_message = "it was not told"
  }
  step "file" "mend" {
    path  = "/opt/rocm/bin/amd-smi"
    state = "absent"
  }
  check "mended" {
    condition     = host.facts.gpu.count == 8
    error_message = "there are ${host.facts.gpu.count}"
  }
}
`)
	done := ends(u.succeeds("run", "play.hcl", "-i", "inventory.hcl", "--output", "json").events(t))
	if got, want := those(done, event.OK), []string{"n1 mended", "n1 told", "n2 mended", "n2 told"}; !slices.Equal(got, want) {
		t.Errorf("%s ended well, want %s", got, want)
	}
	if why := done["n1 reads"].Reason; !strings.Contains(why, "it prints JSON that cannot be read") {
		t.Errorf("the reason is %q", why)
	}
}

// What real nodes tell, as root and as a user with sudo, is what they are; asking changes nothing.
func TestFactsOnCluster(t *testing.T) {
	t.Parallel()
	c := remotetest.UseCluster(t)
	u := newUser(t)
	u.write("play.hcl", "play \"p\" {\n  hosts = group.gpu\n"+tellFacts+"}\n")
	before := c.Snapshot()
	for _, inventory := range []string{c.Inventory, c.AsAmd} {
		told := factsTold(t, u.succeeds("check", "play.hcl", "-i", inventory, "--output", "json").events(t))
		for _, n := range c.Nodes {
			f, here := told[n.Name], func(script string) string { return strings.TrimSpace(c.Exec(n.Name, script)) }
			for _, row := range []struct{ what, got, want string }{
				{"os.id", f.OS.ID, here(". /etc/os-release; echo $ID")},
				{"os.version", f.OS.Version, here(". /etc/os-release; echo $VERSION_ID")},
				{"os.pretty_name", f.OS.PrettyName, here(". /etc/os-release; echo $PRETTY_NAME")},
				{"os.architecture", f.OS.Architecture, here("uname -m")},
				{"kernel.release", f.Kernel.Release, here("uname -r")},
				{"kernel.version", f.Kernel.Version, here("uname -v")},
				{"kernel.command_line", f.Kernel.CommandLine, here("cat /proc/cmdline")},
				{"cpu.count", fmt.Sprint(f.CPU.Count), here("grep -c ^processor /proc/cpuinfo")},
				{"memory.total", fmt.Sprint(f.Memory.Total / 1024), here("awk '/^MemTotal/ { print $2 }' /proc/meminfo")},
				{"memory.swap_total", fmt.Sprint(f.Memory.SwapTotal / 1024), here("awk '/^SwapTotal/ { print $2 }' /proc/meminfo")},
				{"gpu, rocm, ib", inShort(f), "0 none   ; rocm  ; 0 ports"},
			} {
				if row.got != row.want {
					t.Errorf("%s: %s is %q, want %q", n.Name, row.what, row.got, row.want)
				}
			}
		}
	}
	if diff := before.Diff(c.Snapshot()); diff != "" {
		t.Errorf("asking changed something:\n%s", diff)
	}
}
