package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

var gpuFamily = Family{
	Name: "gpu",
	Doc: "Accelerators of AMD and NVIDIA. Those of AMD are what `amd-smi` lists, where it is installed, in its order: a partition of a GPU " +
		"counts as one. Without it, and for NVIDIA, they are what the PCI bus shows. An `amd-smi` that fails, hangs or prints something else " +
		"makes reading these facts fail with its words. `count` is 0 only where no tool and no bus shows one.",
	Facts: []Fact{
		{Name: "count", Type: cty.Number, Doc: "How many there are."},
		{Name: "vendor", Type: cty.String, Doc: "`\"AMD\"`, `\"NVIDIA\"`, `\"mixed\"`; null where there is none."},
		{Name: "model", Type: cty.String, Doc: "Of all of them: `\"AMD Instinct MI300X\"`; null where they differ, it is not known, or there is none."},
		{Name: "driver", Type: cty.String, Doc: "Its version: `\"6.16.6\"`; of one that came with the kernel the kernel's release, where `amd-smi` tells it."},
		{Name: "source", Type: cty.String, Doc: "Who told: `\"amd-smi\"`, `\"pci\"`, or `\"none\"`."},
		{Name: "smi", Type: cty.String, Doc: "Version of `amd-smi`; null where there is none."},
		{Name: "devices", Doc: "The accelerators.", Each: []Fact{
			{Name: "index", Type: cty.Number, Doc: "From 0, as `amd-smi` counts."},
			{Name: "vendor", Type: cty.String, Doc: "`\"AMD\"` or `\"NVIDIA\"`."},
			{Name: "model", Type: cty.String, Doc: "`\"AMD Instinct MI300X\"`; from the PCI bus it needs `lspci`, and is null without."},
			{Name: "device_id", Type: cty.String, Doc: "Of the PCI bus: `\"0x74a1\"`."},
			{Name: "bus", Type: cty.String, Doc: "Address on the PCI bus: `\"0000:05:00.0\"`."},
			{Name: "memory", Type: cty.Number, Doc: "In bytes; null where nobody tells."},
			{Name: "uuid", Type: cty.String, Doc: "Of this very piece; null where nobody tells, as for `serial`, `arch`, `vbios`."},
			{Name: "serial", Type: cty.String, Doc: "Serial number of the chip."},
			{Name: "arch", Type: cty.String, Doc: "`\"gfx942\"`."},
			{Name: "vbios", Type: cty.String, Doc: "Part number, else version, of its firmware."},
		}},
	},
	ask:  Shell{Text: gpuText, Limit: gpuLimit},
	read: readGPU,
}

// gpuText prints a passage for each GPU that the PCI bus shows, then what lspci calls them where amd-smi does not tell, then amd-smi's own words.
// The options of amd-smi differ
// from version to version: one that does not take them is asked for all it has.
const gpuText = `# facts: gpu
bus=hidden
amd=
others=
[ ! -d /sys/devices ] || bus=none
for device in /sys/bus/pci/devices/*; do
	[ -e "$device/class" ] || continue
	bus=shown
	read -r class <"$device/class" && read -r vendor <"$device/vendor" && read -r id <"$device/device" || { echo "cannot read $device" >&2; exit 1; }
	case $vendor,$class in
	0x1002,0x03* | 0x1002,0x12*) amd=1 ;;
	0x10de,0x03* | 0x10de,0x12*) others=1 ;;
	*) continue ;;
	esac
	echo "@pci ${device##*/} $vendor $id"
	for what in mem_info_vram_total unique_id vbios_version; do
		[ -r "$device/$what" ] || continue
		read -r value <"$device/$what" && echo "$what $value"
	done
done
echo "@bus $bus"
for module in amdgpu nvidia; do
	[ -r "/sys/module/$module/version" ] || continue
	read -r value <"/sys/module/$module/version" && echo "@driver $module $value"
done
smi=$(command -v amd-smi)
for at in /opt/rocm/bin/amd-smi /opt/rocm/core-*/bin/amd-smi; do
	[ -n "$smi" ] || [ ! -x "$at" ] || smi=$at
done
if { [ -n "$amd" ] && [ -z "$smi" ] || [ -n "$others" ]; } && command -v lspci >/dev/null; then
	echo @lspci
	lspci -Dnn </dev/null
fi
[ -n "$smi" ] || exit 0
smi() {
	echo "@smi $*"
	"$smi" "$@" --json </dev/null
	set -- "$?"
	echo
	echo "@exit $1"
	return "$1"
}
smi static --asic --bus --vbios --driver --vram --board || smi static || exit 0
smi list
smi version
exit 0
`

type gpuFacts struct {
	Count   int     `cty:"count"`
	Vendor  *string `cty:"vendor"`
	Model   *string `cty:"model"`
	Driver  *string `cty:"driver"`
	Source  string  `cty:"source"`
	SMI     *string `cty:"smi"`
	Devices []gpu   `cty:"devices"`
}

// A gpu is one accelerator.
type gpu struct {
	Index    int     `cty:"index"`
	Vendor   string  `cty:"vendor"`
	Model    *string `cty:"model"`
	DeviceID *string `cty:"device_id"`
	Bus      *string `cty:"bus"`
	Memory   *int64  `cty:"memory"`
	UUID     *string `cty:"uuid"`
	Serial   *string `cty:"serial"`
	Arch     *string `cty:"arch"`
	VBIOS    *string `cty:"vbios"`
}

const (
	vendorAMD    = "AMD"
	vendorNVIDIA = "NVIDIA"
)

// pciVendors are the vendors by their number on the bus.
var pciVendors = map[string]string{"0x1002": vendorAMD, "0x10de": vendorNVIDIA}

func readGPU(a Answer) (any, error) {
	list := passagesOf(a.Stdout.String())
	shown, bus := pciGPUs(list)
	if bus == "" {
		return nil, fmt.Errorf("the answer is not whole: %s", excerpt(a.Stdout.String()))
	}
	smi, err := readSMI(list, a.Stderr.String())
	if err != nil && (bus != "shown" || !sawNoGPU(err) || slices.ContainsFunc(shown, isAMD)) {
		return nil, err
	}
	out := gpuFacts{Source: "none", Devices: []gpu{}}
	switch {
	case smi != nil:
		if len(smi.gpus) == 0 && slices.ContainsFunc(shown, isAMD) {
			at := *shown[slices.IndexFunc(shown, isAMD)].Bus
			return nil, fmt.Errorf("amd-smi lists no GPU, and the PCI bus shows one of AMD at %s: is its driver loaded?", at)
		}
		out.Source, out.SMI, out.Driver = "amd-smi", told(smi.version), told(smi.driver)
		out.Devices = append(withBus(smi.gpus, shown), slices.DeleteFunc(slices.Clone(shown), isAMD)...)
	case bus == "hidden":
		return nil, fmt.Errorf("nothing tells whether there are GPUs: there is no amd-smi, and /sys is not mounted")
	case len(shown) > 0:
		out.Source, out.Devices = "pci", shown
	}
	for i := range out.Devices {
		if out.Source == "pci" || out.Devices[i].Vendor != vendorAMD {
			out.Devices[i].Index = i
		}
	}
	out.summarize()
	if out.Driver == nil && out.Count > 0 {
		out.Driver = told(loadedDriver(list, out.Devices[0].Vendor))
	}
	return out, nil
}

// summarize tells what all devices have in common.
func (g *gpuFacts) summarize() {
	g.Count = len(g.Devices)
	for i, d := range g.Devices {
		if i == 0 {
			g.Vendor, g.Model = told(d.Vendor), d.Model
		}
		if *g.Vendor != d.Vendor {
			g.Vendor = told("mixed")
		}
		if g.Model == nil || d.Model == nil || *g.Model != *d.Model {
			g.Model = nil
		}
	}
}

func isAMD(g gpu) bool { return g.Vendor == vendorAMD }

// pciGPUs are the accelerators that the PCI bus shows. bus tells what is known of it: "shown"; "none", the machine has none; "hidden", nobody
// can look; "", the answer ends before it.
func pciGPUs(list []passage) (gpus []gpu, bus string) {
	names := pciNames(list)
	for _, s := range list {
		switch s.name {
		case "pci":
			values, at := fields(s.text), strings.ToLower(s.word(0))
			g := gpu{Vendor: pciVendors[s.word(1)], Bus: told(at), DeviceID: told(s.word(2)), Model: told(names[at])}
			if bytes := counted(values["mem_info_vram_total"]); bytes != nil && *bytes > 0 {
				g.Memory = bytes
			}
			g.UUID, g.VBIOS = told(values["unique_id"]), told(values["vbios_version"])
			gpus = append(gpus, g)
		case "bus":
			bus = s.word(0)
		}
	}
	return gpus, bus
}

// pciNames are the models that lspci -Dnn tells, by address:
//
//	0000:05:00.0 Processing accelerators [1200]: Advanced Micro Devices, Inc. [AMD/ATI] Aqua Vanjaram [Instinct MI300X] [1002:74a1]
func pciNames(list []passage) map[string]string {
	names := map[string]string{}
	for _, s := range list {
		if s.name != "lspci" {
			continue
		}
		for line := range strings.Lines(s.text) {
			at, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			_, device, ok := strings.Cut(rest, "]: ")
			end := max(strings.LastIndex(device, " [1002:"), strings.LastIndex(device, " [10de:"))
			if !ok || end < 0 {
				continue
			}
			if name := pciModel(device[:end]); name != "" {
				names[strings.ToLower(at)] = name
			}
		}
	}
	return names
}

// pciModel is a model as its vendor sells it, of the vendor and the device that lspci names; "" where it has no name for the device.
func pciModel(device string) string {
	for _, v := range []struct{ prefix, brand string }{{"Advanced Micro Devices, Inc. [AMD/ATI] ", vendorAMD}, {"NVIDIA Corporation ", vendorNVIDIA}} {
		name, ok := strings.CutPrefix(device, v.prefix)
		if !ok {
			continue
		}
		if _, sold, ok := strings.Cut(strings.TrimSuffix(name, "]"), "["); ok {
			name = sold
		}
		if name == "Device" {
			return ""
		}
		return v.brand + " " + strings.TrimPrefix(name, v.brand+" ")
	}
	return ""
}

// withBus adds to what amd-smi tells of the GPUs what the bus shows of them besides.
func withBus(gpus, shown []gpu) []gpu {
	for i := range gpus {
		g := &gpus[i]
		for _, s := range shown {
			if g.Bus == nil || *g.Bus != *s.Bus {
				continue
			}
			g.DeviceID, g.Memory = first(g.DeviceID, s.DeviceID), first(g.Memory, s.Memory)
			g.UUID, g.VBIOS = first(g.UUID, s.UUID), first(g.VBIOS, s.VBIOS)
		}
	}
	return gpus
}

func first[T any](list ...*T) *T {
	for _, p := range list {
		if p != nil {
			return p
		}
	}
	return nil
}

// loadedDriver is the version that a vendor's kernel module tells; "" where it tells none.
func loadedDriver(list []passage, vendor string) string {
	module := map[string]string{vendorAMD: "amdgpu", vendorNVIDIA: "nvidia"}[vendor]
	for _, s := range list {
		if s.name == "driver" && s.word(0) == module {
			return s.word(1)
		}
	}
	return ""
}

// exitCode is the code in a passage "@exit CODE".
func (s passage) exitCode() (int, bool) {
	code, err := strconv.Atoi(s.word(0))
	return code, err == nil && s.name == "exit"
}
