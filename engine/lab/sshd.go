package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"
)

// sshCommands are the programs of OpenSSH.
func sshCommands() map[string]Command {
	return map[string]Command{
		"sshd":        sshdCommand,
		"ssh":         sshCommand,
		"ssh-keygen":  keygenCommand,
		"ssh-keyscan": keyscanCommand,
	}
}

// sshdOptions are the keywords of sshd_config, in lower case. Those that the lab does not act upon are accepted.
var sshdOptions = strings.Fields(`acceptenv addressfamily allowagentforwarding allowgroups allowstreamlocalforwarding allowtcpforwarding allowusers
	authenticationmethods authorizedkeyscommand authorizedkeyscommanduser authorizedkeysfile banner casignaturealgorithms challengeresponseauthentication
	ciphers clientalivecountmax clientaliveinterval compression denygroups denyusers disableforwarding forcecommand gatewayports gssapiauthentication hostkey
	hostkeyalgorithms ignorerhosts ignoreuserknownhosts kbdinteractiveauthentication kexalgorithms listenaddress logingracetime loglevel macs maxauthtries
	maxsessions maxstartups passwordauthentication permitemptypasswords permitrootlogin permittty permittunnel permituserenvironment permituserrc
	persourcemaxstartups pidfile port printlastlog printmotd pubkeyacceptedalgorithms pubkeyauthentication setenv streamlocalbindunlink strictmodes
	subsystem syslogfacility tcpkeepalive trustedusercakeys usedns usepam versionaddendum x11displayoffset x11forwarding x11uselocalhost include
	requiredrsasize rekeylimit modulifile xauthlocation fingerprinthash revokedkeys hostcertificate`)

// sshdConfig is what a configuration file of sshd says.
type sshdConfig struct {
	file     string
	ports    []int
	listen   []string
	hostKeys []string
	keyFiles []string
	pidFile  string
	force    string   // command that every session runs, whatever the client asks for
	allowed  []string // accounts that may log in; none: all
	noRoot   bool
	loose    bool // nobody looks at the modes of the files with keys
	noPTY    bool
	noTunnel bool
}

// sshdError is a message with sshd's exit code.
type sshdError struct {
	text string
	code int
}

func (e *sshdError) Error() string { return e.text }

func parseSSHDConfig(p *Process, file string, extra []string) (*sshdConfig, *sshdError) {
	c := &sshdConfig{file: file}
	data, err := p.ReadFile(file)
	if err != nil {
		return nil, &sshdError{fmt.Sprintf("%s: %s", file, strerror(err)), 1}
	}
	lines := append(slices.Clone(extra), strings.Split(string(data), "\n")...)
	bad := 0
	var text string
	for i, line := range lines {
		n := i + 1 - len(extra)
		line, _, _ = strings.Cut(line, "#")
		f := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == '=' || r == '\r' })
		if len(f) == 0 {
			continue
		}
		key := strings.ToLower(f[0])
		if key == "match" {
			break
		}
		switch {
		case !slices.Contains(sshdOptions, key):
			text += fmt.Sprintf("%s: line %d: Bad configuration option: %s\n", file, n, f[0])
			bad++
		case len(f) < 2:
			return nil, &sshdError{fmt.Sprintf("%s line %d: no argument after keyword %q", file, n, f[0]), 255}
		default:
			if key == "forcecommand" {
				c.force = orDefault(c.force, strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(line)[len(key):], " \t=")))
				continue
			}
			if msg := c.set(key, f[1:]); msg != "" {
				return nil, &sshdError{fmt.Sprintf("%s line %d: %s", file, n, msg), 255}
			}
		}
	}
	if bad > 0 {
		return nil, &sshdError{fmt.Sprintf("%s%s: terminating, %d bad configuration options", text, file, bad), 255}
	}
	c.defaults(p)
	return c, nil
}

func (c *sshdConfig) set(key string, args []string) string {
	switch key {
	case "port":
		n, err := strconv.Atoi(args[0])
		if err != nil || n < 1 || n > 65535 {
			return "Badly formatted port number."
		}
		c.ports = append(c.ports, n)
	case "listenaddress":
		c.listen = append(c.listen, args[0])
	case "hostkey":
		c.hostKeys = append(c.hostKeys, args[0])
	case "authorizedkeysfile":
		if c.keyFiles == nil {
			c.keyFiles = args
		}
	case "pidfile":
		c.pidFile = orDefault(c.pidFile, args[0])
	case "permitrootlogin":
		known := []string{"yes", "no", "prohibit-password", "without-password", "forced-commands-only"}
		if !slices.Contains(known, args[0]) {
			return "unsupported option \"" + args[0] + "\"."
		}
		c.noRoot = args[0] == "no"
	case "allowusers":
		c.allowed = append(c.allowed, args...)
	case "passwordauthentication", "pubkeyauthentication", "usepam", "strictmodes", "kbdinteractiveauthentication", "x11forwarding", "printmotd", "permittty", "disableforwarding":
		if args[0] != "yes" && args[0] != "no" {
			return "unsupported option \"" + args[0] + "\"."
		}
		c.loose = c.loose || key == "strictmodes" && args[0] == "no"
		c.noPTY = c.noPTY || key == "permittty" && args[0] == "no"
		c.noTunnel = c.noTunnel || key == "disableforwarding" && args[0] == "yes"
	}
	return ""
}

func (c *sshdConfig) defaults(p *Process) {
	if len(c.ports) == 0 {
		c.ports = []int{22}
	}
	if len(c.listen) == 0 {
		c.listen = []string{"0.0.0.0"}
	}
	if len(c.hostKeys) == 0 {
		for _, kind := range []string{"rsa", "ecdsa", "ed25519"} {
			file := "/etc/ssh/ssh_host_" + kind + "_key"
			if _, err := p.Stat(file); err == nil {
				c.hostKeys = append(c.hostKeys, file)
			}
		}
	}
	if c.keyFiles == nil {
		c.keyFiles = []string{".ssh/authorized_keys", ".ssh/authorized_keys2"}
	}
	c.pidFile = orDefault(c.pidFile, "/run/sshd.pid")
}

// server makes ready what listens: it fails where there is no usable host key, or no directory for privilege separation.
func (c *sshdConfig) server(p *Process) (*sshServer, string, *sshdError) {
	s := &sshServer{
		world: p.world, daemon: p, keyFiles: c.keyFiles, noRoot: c.noRoot, loose: c.loose,
		rules: loginRules{force: c.force, noPTY: c.noPTY, noTunnel: c.noTunnel}, allowed: c.allowed,
	}
	if user := p.User(); user.UID != 0 { // it cannot become anybody else
		s.only = user.Name
	}
	warnings := ""
	for _, file := range c.hostKeys {
		data, err := p.ReadFile(file)
		if err != nil {
			warnings += fmt.Sprintf("Unable to load host key: %s\n", file)
			continue
		}
		info, _ := p.Stat(file)
		if info.Bits&0o077 != 0 {
			warnings += fmt.Sprintf("@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @\n@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\nPermissions %04o for '%s' are too open.\nUnable to load host key: %s\n", info.Bits.Perm(), file, file)
			continue
		}
		key, err := ssh.ParsePrivateKey(data)
		if err != nil {
			warnings += fmt.Sprintf("Unable to load host key %q: invalid format\n", file)
			continue
		}
		s.hostKeys = append(s.hostKeys, key)
	}
	if len(s.hostKeys) == 0 {
		return nil, warnings, &sshdError{"sshd: no hostkeys available -- exiting.", 1}
	}
	if info, err := p.Stat("/run/sshd"); s.only == "" && (err != nil || !info.IsDir()) {
		return nil, warnings, &sshdError{"Missing privilege separation directory: /run/sshd", 255}
	}
	return s, warnings, nil
}

func sshdCommand(_ context.Context, p *Process, argv []string) int {
	c, ok := parse(p, argv, "t T D d e q i 4 6 f= h= o= p= E= g= u= b= k= C= c= r V G")
	if !ok {
		return 1
	}
	if !strings.HasPrefix(argv[0], "/") {
		fmt.Fprintln(p.Stderr(), "sshd re-exec requires execution with an absolute path")
		return 255
	}
	file := c.last("f", "/etc/ssh/sshd_config")
	extra := slices.Clone(c.value["o"])
	for _, port := range c.value["p"] {
		extra = append(extra, "Port "+port)
	}
	for _, key := range c.value["h"] {
		extra = append(extra, "HostKey "+key)
	}
	config, failed := parseSSHDConfig(p, file, extra)
	if failed != nil {
		fmt.Fprintln(p.Stderr(), failed.text)
		return failed.code
	}
	server, warnings, failed := config.server(p)
	_, _ = p.Stderr().Write([]byte(warnings))
	if failed != nil {
		fmt.Fprintln(p.Stderr(), failed.text)
		return failed.code
	}
	if c.has("t") || c.has("T") {
		return 0
	}
	if p.User().UID != 0 && slices.ContainsFunc(config.ports, func(n int) bool { return n < 1024 }) {
		return 255
	}
	reload := func(p *Process) (*sshdConfig, *sshServer) {
		next, failed := parseSSHDConfig(p, file, extra)
		if failed != nil {
			return nil, nil
		}
		server, _, failed := next.server(p)
		if failed != nil {
			return nil, nil
		}
		return next, server
	}
	if c.has("D") || c.has("d") {
		return runSSHD(p, argv, config, server, reload)
	}
	null := newDescriptor(nullDevice{}, "/dev/null")
	daemon := p.fork(spawn{argv: argv, exe: "/usr/sbin/sshd", session: true, files: map[int]*descriptor{0: null, 1: null, 2: null}})
	null.release()
	daemon.run(func(p *Process) int { return runSSHD(p, argv, config, server, reload) })
	return 0
}

// runSSHD listens until the process is killed. Its parent has ended by then, so nobody hears that it could not bind.
func runSSHD(p *Process, argv []string, config *sshdConfig, server *sshServer, reload func(*Process) (*sshdConfig, *sshServer)) int {
	hup := make(chan struct{}, 1)
	p.OnSignal(func(sig Signal) bool {
		if sig != SIGHUP {
			return false
		}
		select {
		case hup <- struct{}{}:
		default:
		}
		return true
	})
	p.mu.Lock()
	p.argv = []string{"sshd: " + strings.Join(argv, " ") + " [listener] 0 of 10-100 startups"}
	p.mu.Unlock()
	for {
		server.daemon = p
		bound := false
		for _, port := range config.ports {
			for _, address := range config.listen {
				l := &Listener{Process: p, Address: strings.TrimSuffix(address, ":"+strconv.Itoa(port)), Port: port, Accept: server.serve}
				err := p.world.net.Listen(l)
				bound = err == nil || bound
				if errors.Is(err, syscall.EADDRNOTAVAIL) {
					fmt.Fprintf(p.Stderr(), "error: Bind to port %d on %s failed: Cannot assign requested address.\r\n", port, address)
				} else if err != nil {
					// With -e it tells its standard error; a daemon has none.
					fmt.Fprintf(p.Stderr(), "error: Bind to port %d on %s failed: Address already in use.\r\n", port, address)
				}
			}
		}
		if !bound {
			fmt.Fprint(p.Stderr(), "fatal: Cannot bind any address.\r\n")
			return 255
		}
		if config.pidFile != "none" {
			_ = p.WriteFile(config.pidFile, []byte(strconv.Itoa(p.pid)+"\n"), 0o644)
		}
		select {
		case <-p.ctx.Done():
			_ = p.world.fs.Remove(config.pidFile)
			return 255
		case <-hup:
		}
		p.world.net.drop(p)
		if config, server = reload(p); config == nil {
			return 255
		}
	}
}

// setUpSSHD is the maintainer script of openssh-server: host keys where they are missing.
func setUpSSHD(p *Process) {
	_ = p.world.fs.MkdirAll("/run/sshd", 0o755)
	file := "/etc/ssh/ssh_host_ed25519_key"
	if _, err := p.world.fs.Stat(file); err == nil {
		return
	}
	key, pem, err := newKey("root@" + p.world.hostName())
	if err != nil {
		return
	}
	_ = p.world.fs.WriteFile(file, pem, 0o600)
	public := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey()))) + " root@" + p.world.hostName() + "\n"
	_ = p.world.fs.WriteFile(file+".pub", []byte(public), 0o644)
}
