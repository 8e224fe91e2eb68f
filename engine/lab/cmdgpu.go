package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// amdSMICommand is AMD's tool for looking at accelerators: what is static about them.
func amdSMICommand(_ context.Context, p *Process, argv []string) int {
	if len(argv) < 2 || argv[1] != "static" && argv[1] != "list" {
		p.Errorf("only the commands static and list are there")
		return 255
	}
	c, ok := parse(p, argv[1:], "a,asic b,bus v,vram g,gpu= json")
	if !ok {
		return 255
	}
	if p.gpus() == 0 {
		fmt.Fprintln(p.Stderr(), "ERROR:root:Unable to detect any GPU devices, check amdgpu version and module status (sudo modprobe amdgpu)")
		return 255
	}
	var found []smiGPU
	for i := range p.gpus() {
		if only, given := c.value["g"]; given && !slices.Contains(only, strconv.Itoa(i)) {
			continue
		}
		found = append(found, p.Host().smi(i))
	}
	if len(found) == 0 {
		p.Errorf("Device '%s' not found", c.last("g", ""))
		return 255
	}
	if !c.has("json") {
		for _, g := range found {
			fmt.Fprintf(p.Stdout(), "GPU: %d\n    ASIC:\n        MARKET_NAME: %s\n        VENDOR_ID: %s\n    BUS:\n        BDF: %s\n", g.GPU, g.ASIC.MarketName, g.ASIC.VendorID, g.Bus.BDF)
		}
		return 0
	}
	text, err := json.MarshalIndent(map[string][]smiGPU{"gpu_data": found}, "", "    ")
	if err != nil {
		p.Errorf("%v", err)
		return 255
	}
	fmt.Fprintf(p.Stdout(), "%s\n", text)
	return 0
}

// smiGPU is what there is to say of one accelerator.
type smiGPU struct {
	GPU  int `json:"gpu"`
	ASIC struct {
		MarketName string `json:"market_name"`
		VendorID   string `json:"vendor_id"`
		VendorName string `json:"vendor_name"`
		Serial     string `json:"asic_serial"`
		OAM        int    `json:"oam_id"`
	} `json:"asic"`
	Bus struct {
		BDF string `json:"bdf"`
	} `json:"bus"`
}

func (h *Host) smi(i int) smiGPU {
	g := smiGPU{GPU: i}
	g.ASIC.MarketName = "AMD Instinct " + h.spec.GPU
	g.ASIC.VendorID = "0x1002"
	g.ASIC.VendorName = "Advanced Micro Devices Inc. [AMD/ATI]"
	g.ASIC.Serial = fmt.Sprintf("0x%016X", 0x5A10_0000_0000+h.index*64+i)
	g.ASIC.OAM = i
	g.Bus.BDF = gpuBus(i)
	return g
}

func lspciCommand(c *cmdline) int {
	fmt.Fprintln(c.p.Stdout(), "00:00.0 Host bridge: Advanced Micro Devices, Inc. [AMD] Device 14a4")
	for i := range c.p.Host().spec.GPUs { // the bus shows them in containers too
		fmt.Fprintf(c.p.Stdout(), "%s Processing accelerators: Advanced Micro Devices, Inc. [AMD/ATI] Device [Instinct %s]\n", gpuBus(i)[5:], c.p.Host().spec.GPU)
	}
	return 0
}
