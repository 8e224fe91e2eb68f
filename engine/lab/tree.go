package lab

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// builder fills a file system and keeps the first error.
type builder struct {
	fs  *FS
	err error
}

func (b *builder) keep(err error) {
	if b.err == nil {
		b.err = err
	}
}

func (b *builder) dir(mode Mode, paths ...string) {
	for _, path := range paths {
		b.keep(b.fs.MkdirAll(path, 0o755))
		b.keep(b.fs.Chmod(path, mode))
	}
}

func (b *builder) file(path string, mode Mode, content string) {
	b.keep(b.fs.WriteFile(path, []byte(content), mode))
}

func (b *builder) owned(path string, uid, gid int) { b.keep(b.fs.Chown(path, uid, gid)) }

// debianTree is the root file system that every host starts from: a small Debian with the commands of the lab.
func debianTree(l *Lab, now func() time.Time) (*FS, error) {
	b := &builder{fs: NewFS(now)}
	b.skeleton("Debian GNU/Linux 12 (bookworm)")
	for _, name := range standardPrograms() {
		b.file(programPath(name), 0o755, string(Program(name)))
	}
	b.keep(b.fs.Chmod("/usr/bin/sudo", SetUID|0o755))
	b.keep(b.fs.Chmod("/usr/bin/su", SetUID|0o755))
	b.accounts()
	b.dir(0o700, "/root")
	b.dir(0o750, "/etc/sudoers.d")
	b.dir(0o755, "/home/"+OrdinaryUser)
	b.file("/root/.bashrc", 0o644, "# ~/.bashrc: executed by bash(1) for non-login shells.\n")
	b.file("/root/.profile", 0o644, "# ~/.profile: executed by Bourne-compatible login shells.\n")
	b.owned("/home/"+OrdinaryUser, 1000, 1000)
	b.file(aptLists, 0o644, "Origin: lab\n")
	b.dir(0o755, "/run/sshd")
	b.keep(l.packages.preinstall(b.fs, basePackages()))
	return b.fs, b.err
}

// skeleton makes the directories, links and devices that every Debian has.
func (b *builder) skeleton(pretty string) {
	b.dir(0o755, "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/local/bin", "/usr/local/sbin", "/usr/share", "/etc", "/opt",
		"/home", "/mnt", "/media", "/srv", "/boot", "/run", "/run/lock", "/var/log", "/var/lib", "/var/lib/dpkg", "/var/cache", "/proc", "/sys", "/dev", "/etc/ssh")
	b.dir(Sticky|0o777, "/tmp", "/var/tmp")
	for name, target := range map[string]string{
		"/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "usr/lib", "/lib64": "usr/lib64", "/var/run": "/run", "/var/lock": "/run/lock",
	} {
		b.keep(b.fs.Symlink(target, name))
	}
	b.keep(MakeDevices(b.fs))
	b.file("/etc/os-release", 0o644, fmt.Sprintf("PRETTY_NAME=%q\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n", pretty))
	b.file("/etc/debian_version", 0o644, "12.8\n")
	b.file("/etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\n")
	b.file("/etc/group", 0o644, "root:x:0:\n")
	b.file("/etc/nsswitch.conf", 0o644, "passwd: files\ngroup: files\nhosts: files dns\n")
}

func (b *builder) accounts() {
	b.file("/etc/passwd", 0o644, strings.Join([]string{
		"root:x:0:0:root:/root:/bin/sh",
		"daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin",
		"bin:x:2:2:bin:/bin:/usr/sbin/nologin",
		"www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin",
		"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin",
		"sshd:x:101:65534::/run/sshd:/usr/sbin/nologin",
		OrdinaryUser + ":x:1000:1000::/home/" + OrdinaryUser + ":/bin/sh",
	}, "\n")+"\n")
	b.file("/etc/group", 0o644, strings.Join([]string{
		"root:x:0:", "daemon:x:1:", "bin:x:2:", "adm:x:4:", "tty:x:5:", "disk:x:6:", "sudo:x:27:" + OrdinaryUser, "www-data:x:33:",
		"video:x:44:" + OrdinaryUser, "users:x:100:", "render:x:104:" + OrdinaryUser, "docker:x:999:", OrdinaryUser + ":x:1000:", "nogroup:x:65534:",
	}, "\n")+"\n")
	b.file("/etc/shadow", 0o640, "root:*:19700:0:99999:7:::\n")
}

// MakeDevices makes the devices and links that every system has below /dev.
func MakeDevices(f *FS) error {
	b := &builder{fs: f}
	b.dir(0o755, "/dev")
	b.dir(Sticky|0o777, "/dev/shm")
	for name, minor := range map[string]int{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} {
		b.keep(f.Mknod("/dev/"+name, TypeChar|0o666, 1, minor))
	}
	b.keep(f.Mknod("/dev/tty", TypeChar|0o666, 5, 0))
	for name, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		b.keep(f.Symlink(target, "/dev/"+name))
	}
	return b.err
}

// furnish gives the host what makes it another one than its neighbours.
func (h *Host) furnish(hostKey []byte) error {
	b := &builder{fs: h.world.fs}
	b.file("/etc/hostname", 0o644, h.spec.Name+"\n")
	b.file("/etc/hosts", 0o644, fmt.Sprintf("127.0.0.1\tlocalhost\n%s\t%s\n", h.ip, h.spec.Name))
	b.file("/etc/machine-id", 0o444, strings.ReplaceAll(newUUID(), "-", "")+"\n")
	b.file("/etc/ssh/ssh_host_ed25519_key", 0o600, string(hostKey))
	b.file("/etc/ssh/ssh_host_ed25519_key.pub", 0o644, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(h.HostKey())))+" root@"+h.spec.Name+"\n")
	authorized := ssh.MarshalAuthorizedKey(h.lab.key.PublicKey())
	for home, id := range map[string]int{"/root": 0, "/home/" + OrdinaryUser: 1000} {
		b.dir(0o700, home+"/.ssh")
		b.file(home+"/.ssh/authorized_keys", 0o600, string(authorized))
		b.owned(home+"/.ssh", id, id)
		b.owned(home+"/.ssh/authorized_keys", id, id)
	}
	if h.spec.Shell != "/bin/sh" {
		data, err := b.fs.ReadFile("/etc/passwd")
		b.keep(err)
		b.file("/etc/passwd", 0o644, strings.ReplaceAll(string(data), ":/bin/sh\n", ":"+h.spec.Shell+"\n"))
	}
	b.gpus(h.spec.GPUs)
	b.keep(h.installRuntimes())
	b.keep(h.lab.packages.preinstall(b.fs, h.spec.Packages))
	for _, path := range slices.Sorted(maps.Keys(h.spec.Files)) {
		b.file(path, 0o644, h.spec.Files[path])
	}
	return b.err
}

// gpus makes the devices of the accelerators and their network adapters.
func (b *builder) gpus(n int) {
	if n == 0 {
		return
	}
	b.keep(b.fs.Mknod("/dev/kfd", TypeChar|0o660, 511, 0))
	b.owned("/dev/kfd", 0, 104)
	b.dir(0o755, "/dev/dri", "/dev/infiniband")
	for i := range n {
		for _, node := range []struct {
			name  string
			minor int
			gid   int
		}{{"card%d", i, 44}, {"renderD%d", 128 + i, 104}} {
			number := i
			if node.minor >= 128 {
				number = node.minor
			}
			path := fmt.Sprintf("/dev/dri/"+node.name, number)
			b.keep(b.fs.Mknod(path, TypeChar|0o660, 226, node.minor))
			b.owned(path, 0, node.gid)
		}
		b.keep(b.fs.Mknod(fmt.Sprintf("/dev/infiniband/uverbs%d", i), TypeChar|0o666, 231, 192+i))
	}
	b.keep(b.fs.Mknod("/dev/infiniband/rdma_cm", TypeChar|0o666, 10, 58))
}
