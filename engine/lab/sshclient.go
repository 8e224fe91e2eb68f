package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	sshconfig "github.com/kevinburke/ssh_config"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

type netAddr = net.Addr

// sshClient is one run of ssh on a lab host.
type sshClient struct {
	*cmdline
	host    string // as it was given
	options map[string][]string
}

func sshCommand(_ context.Context, p *Process, argv []string) int {
	c, ok := parse(p, argv, "+ p= o= i= l= F= n T t q v x a N f A X Y 4 6 C E= J= L= R= D= S= M O= W= V K k G b= c= m= e= I=")
	if !ok {
		return 255
	}
	if c.has("V") {
		fmt.Fprintln(p.Stderr(), "OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.15")
		return 0
	}
	for _, opt := range []string{"J", "L", "R", "D", "W", "f", "M", "O", "G"} {
		if c.has(opt) {
			fmt.Fprintf(p.Stderr(), "ssh: option -%s is not simulated\n", opt)
			return 255
		}
	}
	if len(c.args) == 0 {
		fmt.Fprintln(p.Stderr(), "usage: ssh [-46AaCfGgKkMNnqsTtVvXxYy] destination [command [argument ...]]")
		return 255
	}
	s := &sshClient{cmdline: c, host: c.args[0], options: map[string][]string{}}
	if user, host, at := strings.Cut(s.host, "@"); at {
		s.host = host
		s.option("user", user)
	}
	if code := s.configure(); code != 0 {
		return code
	}
	client, conn, code := s.connect()
	if client == nil {
		return code
	}
	defer func() { _ = conn.Close() }()
	return s.session(client, c.args[1:])
}

func (s *sshClient) option(key, value string) {
	key = strings.ToLower(key)
	if key == "identityfile" || s.options[key] == nil {
		s.options[key] = append(s.options[key], value)
	}
}

func (s *sshClient) get(key, fallback string) string {
	if v := s.options[key]; len(v) > 0 {
		return v[0]
	}
	return fallback
}

func (s *sshClient) home() string { return orDefault(s.p.Getenv("HOME"), s.p.User().Home) }

var includes = regexp.MustCompile(`(?im)^[ \t]*"?include\b`)

// configure collects the options: command line first, then the user's and the system's files.
func (s *sshClient) configure() int {
	for short, key := range map[string]string{"p": "port", "l": "user"} {
		if s.has(short) {
			s.options[key] = []string{s.last(short, "")}
		}
	}
	for _, file := range s.value["i"] {
		s.option("identityfile", file)
	}
	for _, o := range s.value["o"] {
		key, value, ok := strings.Cut(strings.Replace(o, "=", " ", 1), " ")
		if !ok {
			fmt.Fprintf(s.p.Stderr(), "command-line: line 0: no argument after keyword %q\n", key)
			return 255
		}
		s.option(key, strings.TrimSpace(value))
	}
	files := []string{s.home() + "/.ssh/config", "/etc/ssh/ssh_config"}
	if s.has("F") {
		files = []string{s.last("F", "")}
	}
	for _, file := range files {
		data, err := s.p.ReadFile(file)
		if err != nil {
			continue
		}
		if includes.Match(data) { // the library would open the file on the machine the lab runs on
			fmt.Fprintf(s.p.Stderr(), "%s: Include is not simulated\n%s: terminating, 1 bad configuration options\n", file, file)
			return 255
		}
		config, err := sshconfig.DecodeBytes(data)
		if err != nil {
			fmt.Fprintf(s.p.Stderr(), "%s: %v\n%s: terminating, 1 bad configuration options\n", file, err, file)
			return 255
		}
		for _, key := range []string{"User", "Port", "HostName", "StrictHostKeyChecking", "UserKnownHostsFile", "BatchMode", "ConnectTimeout", "HostKeyAlias", "IdentitiesOnly", "GlobalKnownHostsFile"} {
			if v, err := config.Get(s.host, key); err == nil && v != "" {
				s.option(key, v)
			}
		}
		if all, err := config.GetAll(s.host, "IdentityFile"); err == nil {
			for _, v := range all {
				s.option("IdentityFile", v)
			}
		}
	}
	return 0
}

func (s *sshClient) expand(path string) string {
	path = strings.Trim(path, `"`)
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return s.home() + "/" + rest
	}
	return strings.NewReplacer("%d", s.home(), "%u", s.p.User().Name).Replace(path)
}

// connect reaches the other side, checks its key and logs in. A nil client comes with the exit code.
func (s *sshClient) connect() (*ssh.Client, net.Conn, int) {
	name := s.get("hostname", s.host)
	port, err := strconv.Atoi(s.get("port", "22"))
	if err != nil || port < 1 || port > 65535 {
		fmt.Fprintf(s.p.Stderr(), "Bad port '%s'\n", s.get("port", ""))
		return nil, nil, 255
	}
	target := name
	if ip := s.p.world.lookupHost(name); ip != "" {
		target = ip
	}
	conn, err := s.p.world.net.Dial(target, port)
	if err != nil {
		if reason(err) == syscall.ENXIO {
			fmt.Fprintf(s.p.Stderr(), "ssh: Could not resolve hostname %s: Name or service not known\n", name)
		} else {
			fmt.Fprintf(s.p.Stderr(), "ssh: connect to host %s port %d: %s\n", name, port, strerror(err))
		}
		return nil, nil, 255
	}
	user := s.get("user", s.p.User().Name)
	var keyError error
	config := &ssh.ClientConfig{
		User: user,
		Auth: []ssh.AuthMethod{ssh.PublicKeysCallback(s.identities)},
		HostKeyCallback: func(_ string, _ netAddr, key ssh.PublicKey) error {
			keyError = s.checkHostKey(s.get("hostkeyalias", knownName(name, port)), key) // an alias stands for the port too
			return keyError
		},
	}
	if seconds, err := strconv.Atoi(s.get("connecttimeout", "")); err == nil {
		_ = conn.SetDeadline(time.Now().Add(time.Duration(seconds) * time.Second))
	}
	sc, channels, requests, err := ssh.NewClientConn(conn, name, config)
	if err != nil {
		_ = conn.Close()
		switch {
		case keyError != nil:
			fmt.Fprintf(s.p.Stderr(), "%v\r\nHost key verification failed.\r\n", keyError)
		case strings.Contains(err.Error(), "unable to authenticate"):
			fmt.Fprintf(s.p.Stderr(), "%s@%s: Permission denied (publickey).\r\n", user, name)
		default:
			fmt.Fprintf(s.p.Stderr(), "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by %s port %d\r\n", name, port)
		}
		return nil, nil, 255
	}
	_ = conn.SetDeadline(time.Time{})
	context.AfterFunc(s.p.ctx, func() { _ = conn.Close() })
	return ssh.NewClient(sc, channels, requests), conn, 0
}

// identities are the keys that may be tried. One that others can read is not used.
func (s *sshClient) identities() ([]ssh.Signer, error) {
	files := s.options["identityfile"]
	if len(files) == 0 {
		for _, kind := range []string{"rsa", "ecdsa", "ed25519"} {
			files = append(files, "~/.ssh/id_"+kind)
		}
	}
	var out []ssh.Signer
	for _, file := range files {
		file = s.expand(file)
		data, err := s.p.ReadFile(file)
		if err != nil {
			continue
		}
		if info, err := s.p.Stat(file); err == nil && info.Bits&0o077 != 0 {
			fmt.Fprintf(s.p.Stderr(), "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @\n@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\nPermissions %04o for '%s' are too open.\nLoad key %q: bad permissions\n", info.Bits.Perm(), file, file)
			continue
		}
		if key, err := ssh.ParsePrivateKey(data); err == nil {
			out = append(out, key)
		}
	}
	return out, nil
}

var errHostKey = errors.New("host key")

// checkHostKey compares the key of the other side with the known_hosts files, as StrictHostKeyChecking says.
func (s *sshClient) checkHostKey(name string, key ssh.PublicKey) error {
	files := strings.Fields(s.get("userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2"))
	all := append(slices.Clone(files), strings.Fields(s.get("globalknownhostsfile", "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"))...)
	strict := strings.ToLower(s.get("stricthostkeychecking", "ask"))
	kind := strings.ToUpper(strings.TrimPrefix(key.Type(), "ssh-"))
	known := false
	for _, file := range all {
		data, err := s.p.ReadFile(s.expand(file))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if !namesHost(line, name) {
				continue
			}
			_, _, have, _, _, err := ssh.ParseKnownHosts([]byte(line))
			if err != nil || have.Type() != key.Type() {
				continue
			}
			if bytes.Equal(have.Marshal(), key.Marshal()) {
				return nil
			}
			known = true
		}
	}
	if known && strict != "no" && strict != "off" {
		return fmt.Errorf("@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r\n%w for %s has changed and you have requested strict checking", errHostKey, name)
	}
	switch strict {
	case "no", "off", "accept-new":
		if len(files) > 0 && !known {
			s.remember(s.expand(files[0]), name, key)
		}
		return nil
	case "yes":
		return fmt.Errorf("No %s %w is known for %s and you have requested strict checking.", kind, errHostKey, name) //nolint:revive,staticcheck // ssh's words
	}
	return errors.New("") // nobody is there who could be asked
}

func (s *sshClient) remember(file, name string, key ssh.PublicKey) {
	if file != "/dev/null" {
		_ = s.p.view().mkdirAll(dirOf(s.p.Abs(file)), 0o700)
		data, _ := s.p.ReadFile(file)
		_ = s.p.WriteFile(file, append(data, knownhosts.Line([]string{name}, key)+"\n"...), 0o600)
	}
	if !s.has("q") && s.get("loglevel", "") != "ERROR" {
		fmt.Fprintf(s.p.Stderr(), "Warning: Permanently added '%s' (%s) to the list of known hosts.\r\n", name, strings.ToUpper(strings.TrimPrefix(key.Type(), "ssh-")))
	}
}

func (s *sshClient) session(client *ssh.Client, words []string) int {
	session, err := client.NewSession()
	if err != nil {
		return 255
	}
	defer func() { _ = session.Close() }()
	if !s.has("n") {
		session.Stdin = s.p.Stdin()
	}
	session.Stdout, session.Stderr = s.p.Stdout(), s.p.Stderr()
	if len(words) > 0 {
		err = session.Run(strings.Join(words, " "))
	} else if err = session.Shell(); err == nil {
		err = session.Wait()
	}
	if err == nil {
		return 0
	}
	if exit, ok := errors.AsType[*ssh.ExitError](err); ok {
		if exit.Signal() != "" {
			return 255
		}
		return exit.ExitStatus()
	}
	fmt.Fprintf(s.p.Stderr(), "Connection to %s closed by remote host.\r\n", s.host)
	return 255
}
