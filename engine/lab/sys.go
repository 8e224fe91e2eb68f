package lab

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// sysDir is a directory below /sys. Its entries are made when somebody looks: most hosts of a large lab are never asked.
func sysDir(entries func() map[string]*inode) *inode {
	return &inode{mode: TypeDir | 0o755, nlink: 2, dyn: &dynamic{
		lookup: func(_ *Process, name string) *inode { return entries()[name] },
		list:   func(*Process) []string { return slices.Sorted(maps.Keys(entries())) },
	}}
}

// sysFiles is a directory of files of one line each.
func sysFiles(lines map[string]string) *inode {
	return sysDir(func() map[string]*inode {
		files := map[string]*inode{}
		for name, line := range lines {
			files[name] = procText(line + "\n")
		}
		return files
	})
}

// sysTree is what /sys shows of a host, in containers too: its PCI bus, the modules of its drivers, its RDMA adapters.
func (h *Host) sysTree() *inode {
	return sysDir(func() map[string]*inode {
		return map[string]*inode{
			"devices": sysDir(func() map[string]*inode { return map[string]*inode{} }),
			"bus":     sysDir(func() map[string]*inode { return map[string]*inode{"pci": sysDir(h.sysBus)} }),
			"class":   sysDir(h.sysClass),
			"module":  sysDir(h.sysModules),
		}
	})
}

func (h *Host) sysBus() map[string]*inode {
	return map[string]*inode{"devices": sysDir(func() map[string]*inode {
		devices := map[string]*inode{"0000:00:00.0": sysFiles(map[string]string{"class": "0x060000", "vendor": "0x1022", "device": "0x14a4"})}
		for i := range h.spec.GPUs {
			model := modelOf(h.spec.GPU)
			devices[gpuBus(i)] = sysFiles(map[string]string{
				"class": "0x120000", "vendor": "0x1002", "device": model.device, "vbios_version": model.vbios,
				"mem_info_vram_total": strconv.FormatInt(int64(model.memory)<<20, 10), "unique_id": fmt.Sprintf("%016x", h.gpuSerial(i)),
			})
		}
		return devices
	})}
}

func (h *Host) sysModules() map[string]*inode {
	if h.spec.GPUs == 0 {
		return map[string]*inode{}
	}
	return map[string]*inode{"amdgpu": sysFiles(map[string]string{"version": gpuDriver, "initstate": "live"})}
}

// sysClass has an adapter for each accelerator, as the nodes of GPU clusters do.
func (h *Host) sysClass() map[string]*inode {
	if h.spec.GPUs == 0 {
		return map[string]*inode{}
	}
	return map[string]*inode{"infiniband": sysDir(func() map[string]*inode {
		adapters := map[string]*inode{}
		for i := range h.spec.GPUs {
			name := fmt.Sprintf("mlx5_%d", i)
			adapters[name] = sysDir(func() map[string]*inode { return h.sysAdapter(name) })
		}
		return adapters
	})}
}

func (h *Host) sysAdapter(name string) map[string]*inode {
	state, physical := "4: ACTIVE", "5: LinkUp"
	if slices.Contains(h.spec.Down, name) {
		state, physical = "1: DOWN", "3: Disabled"
	}
	return map[string]*inode{
		"fw_ver": procText("28.39.1002\n"),
		"ports": sysDir(func() map[string]*inode {
			return map[string]*inode{"1": sysFiles(map[string]string{
				"state": state, "phys_state": physical, "rate": "400 Gb/sec (4X NDR)", "link_layer": "InfiniBand",
			})}
		}),
	}
}
