//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// An sshd is a real one, with settings and keys of its own, on all addresses of loopback.
type sshd struct {
	cmd  *exec.Cmd
	port int
	log  string
}

// startSSHD lets the user who runs the benchmark in, from loopback and with the benchmark's key, to an empty home.
func (b *bench) startSSHD(ctx context.Context) (*sshd, hosts, error) {
	binary := command("sshd")
	if binary == "" {
		return nil, hosts{}, errNotInstalled
	}
	who, err := user.Current()
	if err != nil {
		return nil, hosts{}, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, hosts{}, err
	}
	public, err := os.ReadFile(b.path("id.pub"))
	if err != nil {
		return nil, hosts{}, err
	}
	hostKey, err := os.ReadFile(b.path("host_key.pub"))
	if err != nil {
		return nil, hosts{}, err
	}
	settings := strings.Join([]string{
		"ListenAddress 0.0.0.0", "Port " + strconv.Itoa(port), "AllowUsers " + who.Username + "@127.0.0.0/8", "HostKey " + b.path("host_key"), "PidFile none",
		"AuthorizedKeysFile " + b.path("authorized"), "StrictModes no", "UsePAM no", "UseDNS no", "PermitRootLogin prohibit-password", "PasswordAuthentication no",
		"KbdInteractiveAuthentication no", "MaxStartups 1000", "Subsystem sftp internal-sftp", "PrintMotd no", "PrintLastLog no", "SetEnv HOME=" + b.path("home"),
	}, "\n")
	err = errors.Join(os.WriteFile(b.path("authorized"), public, 0o600), os.WriteFile(b.path("sshd_config"), []byte(settings+"\n"), 0o600))
	if os.Geteuid() == 0 {
		err = errors.Join(err, os.MkdirAll("/run/sshd", 0o755)) // sshd does not start as root without it
	}
	if err != nil {
		return nil, hosts{}, err
	}
	s := &sshd{cmd: exec.Command(binary, "-D", "-f", b.path("sshd_config"), "-E", b.path("sshd.log")), port: port, log: b.path("sshd.log")}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		return nil, hosts{}, err
	}
	if err := s.wait(ctx); err != nil {
		return nil, hosts{}, errors.Join(err, s.close())
	}
	fields := strings.Fields(string(hostKey))
	h, err := b.hostFiles(hosts{
		n: 50, net: "127.0.", port: port, user: who.Username, base: b.path("base"), prefix: "sshd", hostKey: fields[0] + " " + fields[1],
	})
	return s, h, err
}

var errNotInstalled = errors.New("not installed")

// wait is over when the server speaks.
func (s *sshd) wait(ctx context.Context) error {
	for range 100 {
		c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), time.Second)
		if err == nil {
			return c.Close()
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	text, _ := os.ReadFile(s.log)
	return fmt.Errorf("sshd does not come up: %s", text)
}

func (s *sshd) close() error {
	if err := s.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = s.cmd.Wait() // it was killed
	return nil
}

func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp4", ":0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// command finds a program, where only root has it in its path, too; "" where it is not there.
func command(name string) string {
	for _, at := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(at); err == nil {
			return path
		}
	}
	return ""
}
