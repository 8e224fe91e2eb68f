package lab

import (
	"fmt"
	"slices"
	"strings"
)

// Package is what apt can install on a lab host. Programs appear as files that run the Command of that name.
type Package struct {
	Name        string
	Version     string
	Description string
	Depends     []string
	Files       map[string]string // path → content, mode 0644
	Programs    map[string]string // path → name of the Command, mode 0755
	Setup       func(p *Process)  // what its maintainer script does; may be nil
}

// catalogue is the packages there are, by name.
type catalogue map[string]Package

const dpkgStatus = "/var/lib/dpkg/status"

func standardCatalogue() catalogue {
	c := catalogue{}
	for _, set := range [][]Package{standardPackages(), rocmPackages()} {
		for _, p := range set {
			c[p.Name] = p
		}
	}
	return c
}

// standardPackages are those of the distribution.
func standardPackages() []Package {
	const ssh = "1:9.2p1-2+deb12u3"
	return []Package{
		{Name: "libc6", Version: "2.36-9+deb12u9", Description: "GNU C Library: Shared libraries"},
		{Name: "coreutils", Version: "9.1-1", Description: "GNU core utilities", Depends: []string{"libc6"}},
		{Name: "dash", Version: "0.5.12-2", Description: "POSIX-compliant shell", Depends: []string{"libc6"}},
		{Name: "bash", Version: "5.2.15-2+b7", Description: "GNU Bourne Again SHell", Depends: []string{"libc6"}},
		{Name: "sudo", Version: "1.9.13p3-1+deb12u1", Description: "Provide limited super user privileges to specific users"},
		{Name: "tar", Version: "1.34+dfsg-1.2+deb12u1", Description: "GNU version of the tar archiving utility"},
		{Name: "ca-certificates", Version: "20230311", Description: "Common CA certificates"},
		{Name: "docker.io", Version: dockerVersion + "+dfsg1-1", Description: "Linux container runtime", Programs: map[string]string{dockerProgram: "docker"}, Setup: setUpDocker},
		{Name: "podman", Version: podmanVersion + "+ds1-8+deb12u1", Description: "engine to run OCI-based containers in Pods", Programs: map[string]string{podmanProgram: "podman"}},
		{Name: "openssh-sftp-server", Version: ssh, Description: "secure shell (SSH) sftp server module"},
		{Name: "openssh-client", Version: ssh, Description: "secure shell (SSH) client, for secure access to remote machines", Programs: map[string]string{
			"/usr/bin/ssh": "ssh", "/usr/bin/ssh-keygen": "ssh-keygen", "/usr/bin/ssh-keyscan": "ssh-keyscan",
		}},
		{Name: "openssh-server", Version: ssh, Description: "secure shell (SSH) server, for secure access from remote machines",
			Depends:  []string{"openssh-client", "openssh-sftp-server"},
			Programs: map[string]string{"/usr/sbin/sshd": "sshd"},
			Files:    map[string]string{"/etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\nUsePAM yes\nSubsystem sftp /usr/lib/openssh/sftp-server\n"},
			Setup:    setUpSSHD,
		},
	}
}

// basePackages are installed on every host.
func basePackages() []string {
	return []string{"coreutils", "dash", "bash", "sudo", "tar", "ca-certificates", "openssh-server", "wget", "pciutils", "amd-smi-lib", "docker.io"}
}

// closure lists names with all they depend on, dependencies first.
func (c catalogue) closure(names []string) ([]Package, error) {
	var out []Package
	seen := map[string]bool{}
	var add func(name string) error
	add = func(name string) error {
		if seen[name] {
			return nil
		}
		seen[name] = true
		p, ok := c[name]
		if !ok {
			return fmt.Errorf("unable to locate package %s", name)
		}
		for _, d := range p.Depends {
			if err := add(d); err != nil {
				return err
			}
		}
		out = append(out, p)
		return nil
	}
	for _, name := range names {
		if err := add(name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// preinstall installs packages while a file system is being built.
func (c catalogue) preinstall(f *FS, names []string) error {
	list, err := c.closure(names)
	if err != nil {
		return err
	}
	have := installed(f)
	for _, p := range list {
		if have[p.Name] != "" {
			continue
		}
		if err := p.unpack(f); err != nil {
			return err
		}
	}
	return nil
}

// unpack puts the package's files onto f and enters it into dpkg's table.
func (p Package) unpack(f *FS) error {
	for path, content := range p.Files {
		if err := f.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	for path, command := range p.Programs {
		if err := f.WriteFile(path, Program(command), 0o755); err != nil {
			return err
		}
	}
	have := installed(f)
	have[p.Name] = p.Version
	return writeStatus(f, have)
}

// remove takes the package's programs and files away.
func (p Package) remove(f *FS) error {
	for path := range p.Programs {
		if err := f.Remove(path); err != nil {
			return err
		}
	}
	for path := range p.Files {
		if strings.HasPrefix(path, "/etc/") {
			continue
		}
		if err := f.Remove(path); err != nil {
			return err
		}
	}
	have := installed(f)
	delete(have, p.Name)
	return writeStatus(f, have)
}

// installed gives the versions of the packages that a file system has.
func installed(f *FS) map[string]string {
	have := map[string]string{}
	data, err := f.ReadFile(dpkgStatus)
	if err != nil {
		return have
	}
	for block := range strings.SplitSeq(string(data), "\n\n") {
		var name, version string
		for line := range strings.Lines(block) {
			if v, ok := strings.CutPrefix(line, "Package: "); ok {
				name = strings.TrimSpace(v)
			}
			if v, ok := strings.CutPrefix(line, "Version: "); ok {
				version = strings.TrimSpace(v)
			}
		}
		if name != "" {
			have[name] = version
		}
	}
	return have
}

func writeStatus(f *FS, have map[string]string) error {
	names := make([]string, 0, len(have))
	for name := range have {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "Package: %s\nStatus: install ok installed\nArchitecture: amd64\nVersion: %s\n\n", name, have[name])
	}
	return f.WriteFile(dpkgStatus, []byte(b.String()), 0o644)
}
