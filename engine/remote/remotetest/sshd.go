package remotetest

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A Server is a real OpenSSH sshd on a port of its own of 127.0.0.1, with configuration, host key and authorized keys in a temporary
// directory. Every account of the machine that has a login shell can log in with the key in IdentityFile.
type Server struct {
	Host         string // 127.0.0.1
	Port         int
	Dir          string // of its files
	IdentityFile string // private key that lets in
	HostKey      string // "ssh-ed25519 AAAA…"
	KnownHosts   string // file that knows the server, by address and port

	stop func()
	log  string
}

// Sshd starts an sshd for the test, with further lines of sshd_config, which win over its own. It needs sshd and root.
func Sshd(t testing.TB, config ...string) *Server {
	t.Helper()
	Need(t, "sshd")
	Need(t, "root")
	Need(t, "ssh-keygen")
	dir := t.TempDir()
	// Accounts of the tests have to reach the authorized keys.
	for d := dir; d != os.TempDir() && len(d) > 1; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			break
		}
	}
	s := &Server{Host: "127.0.0.1", Dir: dir, IdentityFile: Key(t, filepath.Join(dir, "id")), log: filepath.Join(dir, "log")}
	hostKey := Key(t, filepath.Join(dir, "host_key"))
	s.HostKey = strings.Join(strings.Fields(read(t, hostKey+".pub"))[:2], " ")
	write(t, filepath.Join(dir, "authorized_keys"), read(t, s.IdentityFile+".pub"))
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Fatal(err)
	}
	lines := append(config,
		"ListenAddress 127.0.0.1", "HostKey "+hostKey, "PidFile none", "UsePAM no", "StrictModes no", "UseDNS no",
		"AuthorizedKeysFile "+filepath.Join(dir, "authorized_keys"), "PermitRootLogin prohibit-password",
		"PasswordAuthentication no", "KbdInteractiveAuthentication no", "LogLevel VERBOSE", "MaxStartups 1000")
	if !strings.Contains(strings.Join(config, "\n"), "Subsystem") {
		lines = append(lines, "Subsystem sftp internal-sftp")
	}
	write(t, filepath.Join(dir, "sshd_config"), strings.Join(lines, "\n")+"\n")
	for range 5 { // the port may be taken between our look and its bind
		if s.start(t) {
			s.KnownHosts = s.file("known_hosts")
			write(t, s.KnownHosts, fmt.Sprintf("[127.0.0.1]:%d %s\n", s.Port, s.HostKey))
			return s
		}
	}
	t.Fatalf("sshd does not come up: %s", s.Log())
	return nil
}

func (s *Server) file(name string) string { return filepath.Join(s.Dir, name) }

// Log is what sshd logged.
func (s *Server) Log() string {
	b, _ := os.ReadFile(s.log)
	return string(b)
}

// Stop ends the server and the connections to it.
func (s *Server) Stop() {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

func (s *Server) start(t testing.TB) bool {
	t.Helper()
	s.Port = freePort(t)
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(Command("sshd"), "-D", "-e", "-f", s.file("sshd_config"), "-p", strconv.Itoa(s.Port))
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{}, 1)
	go func() {
		_ = cmd.Wait() // it is killed, or has said in its log why it ended
		ended <- struct{}{}
	}()
	s.stop = func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	}
	t.Cleanup(s.Stop)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if len(ended) > 0 {
			break
		}
		if speaks(net.JoinHostPort(s.Host, strconv.Itoa(s.Port))) {
			return true
		}
	}
	s.Stop()
	return false
}

// speaks tells whether an SSH server answers.
func speaks(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return false
	}
	line, _ := bufio.NewReader(c).ReadString('\n')
	return strings.HasPrefix(line, "SSH-2.0-")
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Key makes a key pair without a passphrase (or with the options given) at path and path.pub, and returns path.
func Key(t testing.TB, path string, options ...string) string {
	t.Helper()
	if len(options) == 0 {
		options = []string{"-t", "ed25519", "-N", ""}
	}
	Need(t, "ssh-keygen")
	Run(t, append([]string{"ssh-keygen", "-q", "-C", "cvsplay test", "-f", path}, options...)...)
	return path
}

// Run runs a command of this machine that must succeed, and returns what it prints.
func Run(t testing.TB, command ...string) string {
	t.Helper()
	cmd := exec.Command(Command(command[0]), command[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(command, " "), err, out, stderr.Bytes())
	}
	return string(out)
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
