package lab

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockTick is the length of the ticks in which /proc counts time.
const clockTick = 10 * time.Millisecond

// procFile is a file below /proc.
func procFile(mode Mode, read func(p *Process) []byte) *inode {
	return &inode{mode: TypeRegular | mode, nlink: 1, dyn: &dynamic{read: read}}
}

func procText(text string) *inode {
	return procFile(0o444, func(*Process) []byte { return []byte(text) })
}

func procLink(target func(p *Process) string) *inode {
	return &inode{mode: TypeSymlink | 0o777, nlink: 1, dyn: &dynamic{link: target}}
}

func procDir(entries map[string]*inode) *inode {
	return &inode{mode: TypeDir | 0o555, nlink: 2, dyn: &dynamic{
		lookup: func(_ *Process, name string) *inode { return entries[name] },
		list:   func(*Process) []string { return slices.Sorted(maps.Keys(entries)) },
	}}
}

// mountProc puts /proc and /sys onto the world's file system.
func (w *World) mountProc() {
	h := w.host
	w.fs.sys = h.sysTree()
	fixed := map[string]*inode{
		"self": procLink(func(p *Process) string {
			if p == nil {
				return ""
			}
			return strconv.Itoa(p.pid)
		}),
		"mounts": procLink(func(*Process) string { return "self/mounts" }),
		"net":    procDir(map[string]*inode{"tcp": procFile(0o444, w.procTCP), "tcp6": procText(tcpHeader)}),
		"loadavg": procFile(0o444, func(*Process) []byte {
			return fmt.Appendf(nil, "0.08 0.03 0.01 1/%d %d\n", len(w.Processes()), w.lastPID())
		}),
		"uptime": procFile(0o444, func(*Process) []byte {
			return fmt.Appendf(nil, "%.2f %.2f\n", w.uptime().Seconds(), w.uptime().Seconds())
		}),
		"version":     procText("Linux version " + kernelRelease + " (lab) #1 SMP\n"),
		"filesystems": procText("nodev\tproc\nnodev\ttmpfs\n\text4\n"),
		"meminfo":     procText(memInfo),
		"cmdline":     procText("BOOT_IMAGE=/boot/vmlinuz-" + kernelRelease + " root=/dev/vda1 ro amd_iommu=on iommu=pt quiet\n"),
		"cpuinfo":     procText(cpuInfo()),
		"modules":     procFile(0o444, func(*Process) []byte { return h.modules() }),
		"stat": procFile(0o444, func(*Process) []byte {
			return fmt.Appendf(nil, "cpu 0 0 0 0 0 0 0 0 0 0\nbtime %d\n", w.bootTime.Unix())
		}),
		"sys": w.procSys(),
	}
	w.fs.proc = &inode{ino: 0, mode: TypeDir | 0o555, nlink: 2, dyn: &dynamic{
		lookup: func(_ *Process, name string) *inode {
			if n := fixed[name]; n != nil {
				return n
			}
			pid, err := strconv.Atoi(name)
			if err != nil {
				return nil
			}
			if p := w.Process(pid); p != nil {
				return p.procDir()
			}
			return nil
		},
		list: func(*Process) []string {
			names := slices.Sorted(maps.Keys(fixed))
			for _, p := range w.Processes() {
				names = append(names, strconv.Itoa(p.pid))
			}
			return names
		},
	}}
}

const kernelRelease = "6.1.0-28-amd64"

const memInfo = `MemTotal:       1585423360 kB
MemFree:        1502345216 kB
MemAvailable:   1540123648 kB
Buffers:          812344 kB
Cached:         21234568 kB
SwapTotal:             0 kB
SwapFree:              0 kB
HugePages_Total:       0
HugePages_Free:        0
Hugepagesize:       2048 kB
`

// cores is the number of processors of a lab host.
const cores = 8

func cpuInfo() string {
	var b strings.Builder
	for i := range cores {
		fmt.Fprintf(&b, "processor\t: %d\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 9654 96-Core Processor\ncpu MHz\t\t: 2400.000\nphysical id\t: 0\ncore id\t\t: %d\ncpu cores\t: %d\nflags\t\t: fpu sse2 avx2\n\n", i, i, cores)
	}
	return b.String()
}

func (h *Host) modules() []byte {
	if h.spec.GPUs == 0 {
		return nil
	}
	return []byte("amdgpu 12345678 0 - Live 0x0000000000000000\n")
}

func (w *World) procSys() *inode {
	h := w.host
	return procDir(map[string]*inode{
		"kernel": procDir(map[string]*inode{
			"hostname":  procFile(0o644, func(*Process) []byte { return []byte(w.hostName() + "\n") }),
			"osrelease": procText(kernelRelease + "\n"),
			"ostype":    procText("Linux\n"),
			"pid_max":   procText("4194304\n"),
			"random": procDir(map[string]*inode{
				"boot_id": procFile(0o444, func(*Process) []byte { return []byte(h.bootIdentity() + "\n") }),
				"uuid":    procFile(0o444, func(*Process) []byte { return []byte(newUUID() + "\n") }),
			}),
			"numa_balancing": procText("0\n"),
		}),
	})
}

func (w *World) lastPID() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nextPID - 1
}

func (w *World) uptime() time.Duration { return w.now().Sub(w.bootTime) }

const tcpHeader = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

func (w *World) procTCP(*Process) []byte {
	var b strings.Builder
	b.WriteString(tcpHeader)
	for i, l := range w.net.Listeners() {
		ip := net.ParseIP(l.Address).To4()
		if ip == nil {
			ip = net.IPv4zero.To4()
		}
		addr := hex.EncodeToString([]byte{ip[3], ip[2], ip[1], ip[0]})
		uid := 0
		if l.Process != nil {
			uid = l.Process.User().UID
		}
		fmt.Fprintf(&b, "%4d: %s:%04X 00000000:0000 0A 00000000:00000000 00:00000000 00000000 %5d        0 %d 1 0000000000000000 100 0 0 10 0\n",
			i, strings.ToUpper(addr), l.Port, uid, socketInode(l))
	}
	return []byte(b.String())
}

// socketInode is the number that ties a line of /proc/net/tcp to a descriptor of its process.
func socketInode(l *Listener) int { return 20000 + l.Port }

// procDir is /proc/PID.
func (p *Process) procDir() *inode {
	uid, gid := p.User().UID, p.User().GID
	private := procFile(0o400, func(*Process) []byte { return p.nulList(p.Environ()) })
	private.uid, private.gid = uid, gid
	fds := &inode{mode: TypeDir | 0o500, uid: uid, gid: gid, nlink: 2, dyn: &dynamic{lookup: p.procFD, list: p.procFDs}}
	d := procDir(map[string]*inode{
		"environ":        private,
		"cmdline":        procFile(0o444, func(*Process) []byte { return p.nulList(p.Argv()) }),
		"comm":           procFile(0o644, func(*Process) []byte { return []byte(p.comm() + "\n") }),
		"stat":           procFile(0o444, func(*Process) []byte { return p.procStat() }),
		"status":         procFile(0o444, func(*Process) []byte { return p.procStatus() }),
		"exe":            procLink(func(*Process) string { return p.executable() }),
		"cwd":            procLink(func(*Process) string { return p.Dir() }),
		"root":           procLink(func(*Process) string { return "/" }),
		"mounts":         procText("overlay / overlay rw,relatime 0 0\nproc /proc proc rw,nosuid,nodev,noexec 0 0\ntmpfs /run tmpfs rw,nosuid,nodev 0 0\n"),
		"cgroup":         procText("0::/\n"),
		"fd":             fds,
		"ns":             procDir(map[string]*inode{"pid": procLink(func(*Process) string { return fmt.Sprintf("pid:[%d]", p.world.pidNS) })}),
		"net":            procDir(map[string]*inode{"tcp": procFile(0o444, p.world.procTCP), "tcp6": procText(tcpHeader)}),
		"oom_score":      procText("0\n"),
		"loginuid":       procText("4294967295\n"),
		"limits":         procText("Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1048576              1048576              files     \n"),
		"timens_offsets": procText(""),
	})
	d.uid, d.gid = uid, gid
	return d
}

func (p *Process) nulList(words []string) []byte {
	if len(words) == 0 {
		return nil
	}
	return []byte(strings.Join(words, "\x00") + "\x00")
}

// comm is the program's name as the kernel keeps it: 15 bytes.
func (p *Process) comm() string {
	name := p.executable()
	if argv := p.Argv(); len(argv) > 0 && strings.HasSuffix(argv[0], ":") {
		name = strings.TrimSuffix(argv[0], ":")
	}
	name = name[strings.LastIndexByte(name, '/')+1:]
	return name[:min(len(name), 15)]
}

func (p *Process) executable() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exe
}

func (p *Process) ids() (ppid, pgid, sid int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ppid, p.pgid, p.sid
}

// startTicks is the start time as /proc/PID/stat counts it: ticks since boot.
func (p *Process) startTicks() int64 { return int64(p.start.Sub(p.world.bootTime) / clockTick) }

func (p *Process) procStat() []byte {
	ppid, pgid, sid := p.ids()
	return fmt.Appendf(nil, "%d (%s) S %d %d %d 0 -1 4194304 100 0 0 0 1 1 0 0 20 0 1 0 %d 2600960 400 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		p.pid, p.comm(), ppid, pgid, sid, p.startTicks())
}

func (p *Process) procStatus() []byte {
	ppid, _, _ := p.ids()
	u := p.User()
	var groups []string
	for _, g := range u.Groups {
		groups = append(groups, strconv.Itoa(g))
	}
	return fmt.Appendf(nil, "Name:\t%s\nUmask:\t%04o\nState:\tS (sleeping)\nTgid:\t%d\nPid:\t%d\nPPid:\t%d\nUid:\t%[6]d\t%[6]d\t%[6]d\t%[6]d\nGid:\t%[7]d\t%[7]d\t%[7]d\t%[7]d\nGroups:\t%[8]s \nThreads:\t1\n",
		p.comm(), p.view().umask, p.pid, p.pid, ppid, u.UID, u.GID, strings.Join(groups, " "))
}

func (p *Process) procFDs(*Process) []string {
	var out []string
	for _, n := range slices.Sorted(maps.Keys(p.files())) {
		out = append(out, strconv.Itoa(n))
	}
	for _, l := range p.world.net.Listeners() {
		if l.Process == p {
			out = append(out, strconv.Itoa(1000+l.Port))
		}
	}
	return out
}

// procFD is one open file of a process: a link that leads to what is open even where the path is gone.
func (p *Process) procFD(_ *Process, name string) *inode {
	n, err := strconv.Atoi(name)
	if err != nil {
		return nil
	}
	for _, l := range p.world.net.Listeners() {
		if l.Process == p && n == 1000+l.Port {
			return procLink(func(*Process) string { return fmt.Sprintf("socket:[%d]", socketInode(l)) })
		}
	}
	d := p.fd(n)
	if d == nil {
		return nil
	}
	return &inode{mode: TypeSymlink | 0o700, uid: p.User().UID, gid: p.User().GID, nlink: 1, dyn: &dynamic{
		link: func(*Process) string { return d.path },
		open: func(*Process) (stream, error) { return reopen(d) },
	}}
}

// reopen opens what a descriptor stands for: a file from its beginning, anything else as it is.
func reopen(d *descriptor) (stream, error) {
	f, ok := d.stream.(*File)
	if !ok {
		return sharedStream{d.dup()}, nil
	}
	f.fs.hold(f.ino, 1)
	return &File{fs: f.fs, ino: f.ino, path: f.path, flags: f.flags}, nil
}

// sharedStream is another reference to a descriptor.
type sharedStream struct{ *descriptor }

func (s sharedStream) close() error {
	s.descriptor.release()
	return nil
}

// find the process among those of its world that has pid; ESRCH if there is none.
func (w *World) mustProcess(pid int) (*Process, error) {
	if p := w.Process(pid); p != nil {
		return p, nil
	}
	return nil, syscall.ESRCH
}

func hasNUL(b []byte) bool { return bytes.IndexByte(b, 0) >= 0 }
