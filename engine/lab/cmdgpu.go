package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// gpuDriver is the version of the amdgpu driver of every host that has accelerators.
const gpuDriver = "6.16.6"

// A gpuModel is what is the same for all accelerators of a model.
type gpuModel struct {
	device string // on the PCI bus
	chip   string // as lspci calls it
	arch   string
	memory int // MiB
	units  int // of computing
	vbios  string
}

var gpuModels = map[string]gpuModel{
	"MI210":  {"0x740f", "Aldebaran/MI200", "gfx90a", 65520, 104, "113-D67301-063"},
	"MI250":  {"0x740c", "Aldebaran/MI200", "gfx90a", 65520, 104, "113-D65201-049"},
	"MI250X": {"0x7408", "Aldebaran/MI200", "gfx90a", 65520, 110, "113-D65201S-073"},
	"MI300A": {"0x74a0", "Aqua Vanjaram", "gfx942", 131072, 228, "113-MI300A-001"},
	"MI300X": {"0x74a1", "Aqua Vanjaram", "gfx942", 196592, 304, "113-M3000108-103"},
	"MI308X": {"0x74a2", "Aqua Vanjaram", "gfx942", 196592, 80, "113-M3080202-100"},
	"MI325X": {"0x74a5", "Aqua Vanjaram", "gfx942", 262128, 304, "113-M3250101-100"},
	"MI350X": {"0x75a0", "Device", "gfx950", 294896, 256, "113-M350-01-1K0-920A"},
	"MI355X": {"0x75a3", "Device", "gfx950", 294896, 256, "113-M355-01-1K0-920A"},
}

// modelOf is the model of that name; one that nobody knows is made up.
func modelOf(name string) gpuModel {
	if m, ok := gpuModels[name]; ok {
		return m
	}
	return gpuModel{device: "0x7fff", chip: "Device", arch: "gfx999", memory: 65536, units: 64, vbios: "113-LAB-000"}
}

// gpuSerial tells an accelerator from every other one in the lab.
func (h *Host) gpuSerial(i int) int { return 0x5A10_0000_0000 + h.index*64 + i }

// amdSMICommand is AMD's tool for looking at accelerators: what is static about them.
func amdSMICommand(_ context.Context, p *Process, argv []string) int {
	if len(argv) < 2 || !slices.Contains([]string{"static", "list", "version"}, argv[1]) {
		p.Errorf("only the commands static, list and version are there")
		return 255
	}
	c, ok := parse(p, argv[1:], "a,asic b,bus V,vbios I,ifwi d,driver v,vram B,board g,gpu= json")
	if !ok {
		return 255
	}
	if argv[1] == "version" {
		return smiPrint(c, []any{map[string]string{
			"tool": "AMDSMI Tool", "version": "26.0.2+39589fda", "amdsmi_library_version": "26.0.2", "rocm_version": rocmVersion,
			"amdgpu_version": gpuDriver, "amd_hsmp_driver_version": "N/A",
		}}, "AMDSMI Tool: 26.0.2+39589fda | AMDSMI Library version: 26.0.2 | ROCm version: "+rocmVersion+"\n")
	}
	if p.gpus() == 0 {
		fmt.Fprintln(p.Stderr(), "ERROR:root:Unable to detect any GPU devices, check amdgpu version and module status (sudo modprobe amdgpu)")
		return 255
	}
	var found []int
	for i := range p.gpus() {
		if only, given := c.value["g"]; given && !slices.Contains(only, strconv.Itoa(i)) {
			continue
		}
		found = append(found, i)
	}
	if len(found) == 0 {
		p.Errorf("Device '%s' not found", c.last("g", ""))
		return 255
	}
	if argv[1] == "list" {
		return p.Host().smiList(c, found)
	}
	return p.Host().smiStatic(c, found)
}

// smiPrint prints what was found, as JSON or as text.
func smiPrint(c *cmdline, value any, text string) int {
	if !c.has("json") {
		fmt.Fprint(c.p.Stdout(), text)
		return 0
	}
	data, err := json.MarshalIndent(value, "", "    ")
	if err != nil {
		c.p.Errorf("%v", err)
		return 255
	}
	fmt.Fprintf(c.p.Stdout(), "%s\n", data)
	return 0
}

func (h *Host) smiList(c *cmdline, gpus []int) int {
	var list []any
	var text strings.Builder
	for _, i := range gpus {
		uuid := fmt.Sprintf("%02xff%s-0000-1000-8000-%012x", i, modelOf(h.spec.GPU).device[2:], h.gpuSerial(i))
		list = append(list, struct {
			GPU  int    `json:"gpu"`
			BDF  string `json:"bdf"`
			UUID string `json:"uuid"`
			KFD  int    `json:"kfd_id"`
			Node int    `json:"node_id"`
			Part int    `json:"partition_id"`
		}{i, gpuBus(i), uuid, gpuID(i), i + 2, 0})
		fmt.Fprintf(&text, "GPU: %d\n    BDF: %s\n    UUID: %s\n", i, gpuBus(i), uuid)
	}
	return smiPrint(c, list, text.String())
}

func (h *Host) smiStatic(c *cmdline, gpus []int) int {
	all := true
	for _, part := range []string{"a", "b", "V", "I", "d", "v", "B"} {
		all = all && !c.has(part)
	}
	var list []smiGPU
	var text strings.Builder
	for _, i := range gpus {
		g := h.smi(i)
		fmt.Fprintf(&text, "GPU: %d\n    ASIC:\n        MARKET_NAME: %s\n        VENDOR_ID: %s\n    BUS:\n        BDF: %s\n",
			g.GPU, g.ASIC.MarketName, g.ASIC.VendorID, g.Bus.BDF)
		list = append(list, g.only(func(option string) bool { return all || c.has(option) }))
	}
	return smiPrint(c, map[string][]smiGPU{"gpu_data": list}, text.String())
}

// smiGPU is what there is to say of one accelerator.
type smiGPU struct {
	GPU    int        `json:"gpu"`
	ASIC   *smiASIC   `json:"asic,omitempty"`
	Bus    *smiBus    `json:"bus,omitempty"`
	IFWI   *smiIFWI   `json:"ifwi,omitempty"`
	Driver *smiDriver `json:"driver,omitempty"`
	VRAM   *smiVRAM   `json:"vram,omitempty"`
	Board  *smiBoard  `json:"board,omitempty"`
}

type smiASIC struct {
	MarketName string `json:"market_name"`
	VendorID   string `json:"vendor_id"`
	VendorName string `json:"vendor_name"`
	DeviceID   string `json:"device_id"`
	Serial     string `json:"asic_serial"`
	OAM        int    `json:"oam_id"`
	Units      int    `json:"num_compute_units"`
	Arch       string `json:"target_graphics_version"`
}

type smiBus struct {
	BDF string `json:"bdf"`
}

type smiIFWI struct {
	PartNumber string `json:"part_number"`
	Version    string `json:"version"`
}

type smiDriver struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type smiVRAM struct {
	Type string      `json:"type"`
	Size smiQuantity `json:"size"`
}

type smiBoard struct {
	ProductName string `json:"product_name"`
}

type smiQuantity struct {
	Value int    `json:"value"`
	Unit  string `json:"unit"`
}

func (h *Host) smi(i int) smiGPU {
	m := modelOf(h.spec.GPU)
	return smiGPU{
		GPU: i,
		ASIC: &smiASIC{
			MarketName: "AMD Instinct " + h.spec.GPU, VendorID: "0x1002", VendorName: "Advanced Micro Devices Inc. [AMD/ATI]", DeviceID: m.device,
			Serial: fmt.Sprintf("0x%016X", h.gpuSerial(i)), OAM: i, Units: m.units, Arch: m.arch,
		},
		Bus:    &smiBus{BDF: gpuBus(i)},
		IFWI:   &smiIFWI{PartNumber: m.vbios, Version: "022.040.003.043.000001"},
		Driver: &smiDriver{Name: "amdgpu", Version: gpuDriver},
		VRAM:   &smiVRAM{Type: "HBM", Size: smiQuantity{Value: m.memory, Unit: "MB"}},
		Board:  &smiBoard{ProductName: "AMD Instinct " + h.spec.GPU + " OAM"},
	}
}

// only leaves what was asked for.
func (g smiGPU) only(asked func(option string) bool) smiGPU {
	if !asked("a") {
		g.ASIC = nil
	}
	if !asked("b") {
		g.Bus = nil
	}
	if !asked("V") && !asked("I") {
		g.IFWI = nil
	}
	if !asked("d") {
		g.Driver = nil
	}
	if !asked("v") {
		g.VRAM = nil
	}
	if !asked("B") {
		g.Board = nil
	}
	return g
}

// lspciCommand lists the bus: -D with domains, -n with numbers, -nn with both.
func lspciCommand(c *cmdline) int {
	numbers := 0
	for _, option := range c.order {
		if option == "n" {
			numbers++
		}
	}
	h := c.p.Host()
	line := func(bus, class, code, device, id string) {
		if !c.has("D") {
			bus = strings.TrimPrefix(bus, "0000:")
		}
		switch numbers {
		case 0:
			fmt.Fprintf(c.p.Stdout(), "%s %s: %s\n", bus, class, device)
		case 1:
			fmt.Fprintf(c.p.Stdout(), "%s %s: %s\n", bus, code, id)
		default:
			fmt.Fprintf(c.p.Stdout(), "%s %s [%s]: %s [%s]\n", bus, class, code, device, id)
		}
	}
	line("0000:00:00.0", "Host bridge", "0600", "Advanced Micro Devices, Inc. [AMD] Device 14a4", "1022:14a4")
	for i := range h.spec.GPUs { // the bus shows them in containers too
		m := modelOf(h.spec.GPU)
		name := fmt.Sprintf("Advanced Micro Devices, Inc. [AMD/ATI] %s [Instinct %s]", m.chip, h.spec.GPU)
		line(gpuBus(i), "Processing accelerators", "1200", name, "1002:"+m.device[2:])
	}
	return 0
}
