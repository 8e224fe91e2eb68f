package lab

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"context"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

func keygenCommand(_ context.Context, p *Process, argv []string) int {
	c, ok := parse(p, argv, "t= b= N= f= q C= y l A R= F= H E= P= p m= a= v e i")
	if !ok {
		return 1
	}
	switch {
	case c.has("A"):
		return c.hostKeys()
	case c.has("R"):
		return c.removeKnown()
	case c.has("F"):
		return c.findKnown()
	case c.has("y"):
		return c.publicKey()
	case c.has("l"):
		return c.fingerprint()
	case c.has("p") || c.has("e") || c.has("i") || c.has("H"):
		p.Errorf("this mode is not simulated")
		return 1
	}
	home := orDefault(p.Getenv("HOME"), p.User().Home)
	kind := c.last("t", "rsa")
	file := c.last("f", home+"/.ssh/id_"+kind)
	return c.generate(kind, file)
}

func (c *cmdline) generate(kind, file string) int {
	say := func(format string, args ...any) {
		if !c.has("q") {
			fmt.Fprintf(c.p.Stdout(), format, args...)
		}
	}
	say("Generating public/private %s key pair.\n", kind)
	if _, err := c.p.Stat(file); err == nil {
		fmt.Fprintf(c.p.Stdout(), "%s already exists.\nOverwrite (y/n)? ", file)
		if line, _ := readShortLine(c.p.Stdin()); !strings.HasPrefix(strings.ToLower(line), "y") {
			return 1
		}
	}
	private, err := newPrivateKey(kind, c.last("b", ""))
	if err != nil {
		fmt.Fprintln(c.p.Stderr(), err)
		return 255
	}
	comment := c.last("C", c.p.User().Name+"@"+c.p.world.hostName())
	var block *pem.Block
	if pass := c.last("N", ""); pass != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, comment, []byte(pass))
	} else {
		block, err = ssh.MarshalPrivateKey(private, comment)
	}
	if err != nil {
		fmt.Fprintln(c.p.Stderr(), err)
		return 1
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return 1
	}
	v := c.p.view()
	v.umask = 0
	_ = v.unlink(file)
	if err := v.writeFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		fmt.Fprintf(c.p.Stderr(), "Saving key %q failed: %s\n", file, strerror(err))
		return 1
	}
	public := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))) + " " + comment + "\n"
	if err := v.writeFile(file+".pub", []byte(public), 0o644); err != nil {
		fmt.Fprintf(c.p.Stderr(), "Unable to save public key to %s.pub: %s\n", file, strerror(err))
		return 1
	}
	say("Your identification has been saved in %s\nYour public key has been saved in %s.pub\nThe key fingerprint is:\n%s %s\n", file, file, ssh.FingerprintSHA256(signer.PublicKey()), comment)
	return 0
}

func newPrivateKey(kind, size string) (crypto.PrivateKey, error) {
	bits, _ := strconv.Atoi(orDefault(size, "3072"))
	switch kind {
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case "ecdsa":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		if bits < 1024 || bits > 16384 {
			return nil, fmt.Errorf("Invalid RSA key length: minimum is 1024 bits") //nolint:staticcheck // ssh-keygen's words
		}
		return rsa.GenerateKey(rand.Reader, bits)
	}
	return nil, fmt.Errorf("unknown key type %s", kind)
}

// hostKeys is ssh-keygen -A: what is missing of the host keys.
func (c *cmdline) hostKeys() int {
	prefix := c.last("f", "")
	for _, kind := range []string{"ecdsa", "ed25519"} { // rsa takes long, and nobody here needs it
		file := prefix + "/etc/ssh/ssh_host_" + kind + "_key"
		if _, err := c.p.Stat(file); err == nil {
			continue
		}
		inner := &cmdline{p: c.p, set: map[string]bool{"q": true}, value: map[string][]string{"C": {"root@" + c.p.world.hostName()}}}
		if code := inner.generate(kind, file); code != 0 {
			return code
		}
	}
	return 0
}

func (c *cmdline) publicKey() int {
	file := c.last("f", "")
	data, err := c.p.ReadFile(file)
	if err != nil {
		fmt.Fprintf(c.p.Stderr(), "%s: %s\n", file, strerror(err))
		return 255
	}
	info, _ := c.p.Stat(file)
	if info.Bits&0o077 != 0 && info.UserID == c.p.User().UID {
		fmt.Fprintf(c.p.Stderr(), "Permissions %04o for '%s' are too open.\nLoad key %q: bad permissions\n", info.Bits.Perm(), file, file)
		return 255
	}
	key, err := ssh.ParsePrivateKey(data)
	if err != nil {
		fmt.Fprintf(c.p.Stderr(), "Load key %q: invalid format\n", file)
		return 255
	}
	comment := ""
	if pub, err := c.p.ReadFile(file + ".pub"); err == nil {
		if _, text, _, _, err := ssh.ParseAuthorizedKey(pub); err == nil && text != "" {
			comment = " " + text
		}
	}
	fmt.Fprintf(c.p.Stdout(), "%s%s\n", bytes.TrimSpace(ssh.MarshalAuthorizedKey(key.PublicKey())), comment)
	return 0
}

func (c *cmdline) fingerprint() int {
	file := c.last("f", "")
	data, err := c.p.ReadFile(file)
	if err != nil {
		fmt.Fprintf(c.p.Stderr(), "ssh-keygen: %s: %s\n", file, strerror(err))
		return 255
	}
	keys := 0
	show := func(key ssh.PublicKey, comment string) {
		keys++
		bits := 256
		if key.Type() == ssh.KeyAlgoRSA {
			bits = 3072
		}
		text := ssh.FingerprintSHA256(key)
		if c.last("E", "") == "md5" {
			text = "MD5:" + ssh.FingerprintLegacyMD5(key)
		}
		name := strings.ToUpper(strings.TrimPrefix(strings.TrimPrefix(key.Type(), "ssh-"), "ecdsa-"))
		if strings.HasPrefix(name, "SHA2") {
			name = "ECDSA"
		}
		fmt.Fprintf(c.p.Stdout(), "%d %s %s (%s)\n", bits, text, orDefault(comment, "no comment"), name)
	}
	if private, err := ssh.ParsePrivateKey(data); err == nil {
		comment := ""
		if pub, err := c.p.ReadFile(file + ".pub"); err == nil {
			_, comment, _, _, _ = ssh.ParseAuthorizedKey(pub)
		}
		show(private.PublicKey(), comment)
		return 0
	}
	for line := range bytes.Lines(data) {
		if key, comment, _, _, err := ssh.ParseAuthorizedKey(line); err == nil {
			show(key, comment)
		}
	}
	if keys == 0 {
		fmt.Fprintf(c.p.Stderr(), "%s is not a public key file.\n", file)
		return 255
	}
	return 0
}

// knownFile is the known_hosts file that -R and -F look at.
func (c *cmdline) knownFile() string {
	return c.last("f", orDefault(c.p.Getenv("HOME"), c.p.User().Home)+"/.ssh/known_hosts")
}

// namesHost says whether a line of known_hosts is about a host.
func namesHost(line, host string) bool {
	f := strings.Fields(line)
	if len(f) > 0 && strings.HasPrefix(f[0], "@") {
		f = f[1:]
	}
	if len(f) < 3 || strings.HasPrefix(f[0], "#") {
		return false
	}
	return slices.ContainsFunc(strings.Split(f[0], ","), func(pat string) bool {
		return pat == host || (strings.ContainsAny(pat, "*?") && matchPattern(strings.NewReplacer("[", `\[`, "]", `\]`).Replace(pat), host))
	})
}

func (c *cmdline) removeKnown() int {
	host, file := c.last("R", ""), c.knownFile()
	data, err := c.p.ReadFile(file)
	if err != nil {
		fmt.Fprintf(c.p.Stderr(), "Cannot stat %s: %s\n", file, strerror(err))
		return 255
	}
	var kept []string
	found := false
	for line := range strings.Lines(string(data)) {
		if namesHost(line, host) {
			found = true
			continue
		}
		kept = append(kept, line)
	}
	if !found {
		fmt.Fprintf(c.p.Stderr(), "Host %s not found in %s\n", host, file)
		return 0
	}
	fmt.Fprintf(c.p.Stdout(), "# Host %s found\n%s updated.\nOriginal contents retained as %s.old\n", host, file, file)
	_ = c.p.WriteFile(file+".old", data, 0o600)
	if err := c.p.WriteFile(file, []byte(strings.Join(kept, "")), 0o600); err != nil {
		return 255
	}
	return 0
}

func (c *cmdline) findKnown() int {
	host, file := c.last("F", ""), c.knownFile()
	data, err := c.p.ReadFile(file)
	if err != nil {
		fmt.Fprintf(c.p.Stderr(), "Cannot stat %s: %s\n", file, strerror(err))
		return 255
	}
	code := 1
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		if namesHost(line, host) {
			fmt.Fprintf(c.p.Stdout(), "# Host %s found: line %d\n%s", host, n, line)
			code = 0
		}
	}
	return code
}

func keyscanCommand(_ context.Context, p *Process, argv []string) int {
	c, ok := parse(p, argv, "p= t= T= H 4 6 v q f= c D")
	if !ok {
		return 1
	}
	port, err := strconv.Atoi(c.last("p", "22"))
	if err != nil {
		fmt.Fprintf(p.Stderr(), "Bad port '%s'\n", c.last("p", ""))
		return 1
	}
	code := 1
	for _, host := range c.args {
		conn, err := p.world.net.Dial(host, port)
		if err != nil {
			if reason(err) == syscall.ENXIO {
				fmt.Fprintf(p.Stderr(), "getaddrinfo %s: Name or service not known\n", host)
			}
			continue
		}
		var key ssh.PublicKey
		_, _, _, _ = ssh.NewClientConn(conn, host, &ssh.ClientConfig{HostKeyCallback: func(_ string, _ netAddr, k ssh.PublicKey) error {
			key = k
			return errDenied
		}})
		_ = conn.Close()
		if key == nil {
			continue
		}
		if !c.has("q") {
			fmt.Fprintf(p.Stderr(), "# %s:%d SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\n", host, port)
		}
		if t := c.last("t", ""); t != "" && !slices.ContainsFunc(strings.Split(t, ","), func(kind string) bool { return strings.Contains(key.Type(), kind) }) {
			continue
		}
		fmt.Fprintln(p.Stdout(), knownhosts.Line([]string{knownName(host, port)}, key))
		code = 0
	}
	return code
}

// knownName is a host as known_hosts spells it.
func knownName(host string, port int) string {
	if port == 22 {
		return host
	}
	return fmt.Sprintf("[%s]:%d", host, port)
}
