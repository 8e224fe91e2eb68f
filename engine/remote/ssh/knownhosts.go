package ssh

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// knownFiles are known_hosts files, each list of them read once.
//
// The libraries for known_hosts look at every line for every host. With n hosts in n hashed lines, that is n² HMACs, minutes of
// CPU for ten thousand; so the lines are indexed here: by name where they are plain, and by key where they are hashed. A host that
// offers the key we know costs one HMAC.
type knownFiles struct {
	mu    sync.Mutex
	lists map[string]*knownList
}

func (k *knownFiles) list(files []string) (*knownList, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id := strings.Join(files, "\x00")
	if l := k.lists[id]; l != nil {
		return l, nil
	}
	l, err := readKnown(files)
	if err != nil {
		return nil, err
	}
	if k.lists == nil {
		k.lists = map[string]*knownList{}
	}
	k.lists[id] = l
	return l, nil
}

// A knownLine is one line of a file, see sshd(8). The key stays as it is encoded: most are never looked at.
type knownLine struct {
	file    string
	line    int
	marker  string // "", "@cert-authority", "@revoked"
	hosts   string
	keyType string
	key     []byte
}

func (k *knownLine) place() string { return k.file + ":" + strconv.Itoa(k.line) }

// A knownList is the index of the lines of some files.
type knownList struct {
	mu       sync.RWMutex
	plain    map[string][]*knownLine // name → lines of exactly this name
	hashed   []*knownLine
	byKey    map[string][]*knownLine // key → hashed lines
	patterns []*knownLine            // with wildcards or negations
	cas      []*knownLine
	revoked  map[string]*knownLine // key → line
	types    map[string]int        // key type → hashed lines
	ends     map[string]fileEnd    // of files that were written to
}

// A fileEnd is how a file was left, with a newline at its end. As long as it has that size nobody needs to read it again to go on.
type fileEnd struct {
	size  int64
	lines int
}

func newKnownList() *knownList {
	return &knownList{plain: map[string][]*knownLine{}, byKey: map[string][]*knownLine{}, revoked: map[string]*knownLine{}, types: map[string]int{}, ends: map[string]fileEnd{}}
}

func readKnown(files []string) (*knownList, error) {
	l := newKnownList()
	for _, name := range files {
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("known hosts: %w", err)
		}
		err = l.read(name, bufio.NewReader(f))
		f.Close()
		if err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *knownList) read(name string, r *bufio.Reader) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	for n := 1; scanner.Scan(); n++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		// As ssh does, a line that makes no sense is passed over: it vouches for nobody.
		if k := parseKnown(line); k != nil {
			k.file, k.line = name, n
			l.add(k)
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("known hosts %s: %w", name, err)
	}
	return nil
}

func parseKnown(line string) *knownLine {
	fields := strings.Fields(line)
	k := &knownLine{}
	if strings.HasPrefix(fields[0], "@") {
		k.marker, fields = fields[0], fields[1:]
	}
	if len(fields) < 3 || k.marker != "" && k.marker != "@cert-authority" && k.marker != "@revoked" {
		return nil
	}
	key, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil {
		return nil
	}
	k.hosts, k.keyType, k.key = fields[0], fields[1], key
	return k
}

func (l *knownList) add(k *knownLine) {
	switch {
	case k.marker == "@revoked":
		l.revoked[string(k.key)] = k
	case k.marker == "@cert-authority":
		l.cas = append(l.cas, k)
	case strings.HasPrefix(k.hosts, "|"):
		l.hashed = append(l.hashed, k)
		l.byKey[string(k.key)] = append(l.byKey[string(k.key)], k)
		l.types[k.keyType]++
	case strings.ContainsAny(k.hosts, "*?!"):
		l.patterns = append(l.patterns, k)
	default:
		for name := range strings.SplitSeq(strings.ToLower(k.hosts), ",") {
			l.plain[name] = append(l.plain[name], k)
		}
	}
}

// matches tells whether a line with hashes or patterns is about a host.
func (k *knownLine) matches(name string) bool {
	if strings.HasPrefix(k.hosts, "|") {
		return hashMatches(k.hosts, name)
	}
	ok, err := matchList(name, strings.ToLower(k.hosts))
	return ok && err == nil
}

// hashMatches tells whether "|1|salt|hash" is a name's.
func hashMatches(hosts, name string) bool {
	parts := strings.Split(hosts, "|")
	if len(parts) != 4 || parts[1] != "1" {
		return false
	}
	salt, err1 := base64.StdEncoding.DecodeString(parts[2])
	want, err2 := base64.StdEncoding.DecodeString(parts[3])
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name))
	return err1 == nil && err2 == nil && hmac.Equal(mac.Sum(nil), want)
}

// holds tells whether a host has this key: without a look at every hashed line.
func (l *knownList) holds(name string, key []byte) bool {
	same := func(k *knownLine) bool { return bytes.Equal(k.key, key) }
	matches := func(k *knownLine) bool { return same(k) && k.matches(name) }
	return slices.ContainsFunc(l.plain[name], same) ||
		slices.ContainsFunc(l.byKey[string(key)], matches) ||
		slices.ContainsFunc(l.patterns, matches)
}

// lines are all lines of a host, after a look at every hashed one.
func (l *knownList) lines(name string) []*knownLine {
	found := slices.Clone(l.plain[name])
	for _, some := range [][]*knownLine{l.patterns, l.hashed} {
		for _, k := range some {
			if k.matches(name) {
				found = append(found, k)
			}
		}
	}
	return found
}

// authority returns the line that vouches for a certificate's signer; nil where none does.
func (l *knownList) authority(name string, signer []byte) *knownLine {
	for _, k := range l.cas {
		if bytes.Equal(k.key, signer) && k.matches(name) {
			return k
		}
	}
	return nil
}

// names are what a host may be called: on a port of its own, its plain name serves too, as for ssh.
func names(name string) []string {
	if host, ok := strings.CutPrefix(name, "["); ok {
		if host, _, ok := strings.Cut(host, "]:"); ok {
			return []string{name, host}
		}
	}
	return []string{name}
}

// knownName is what known_hosts calls a host.
func knownName(host string, port int) string {
	host = strings.ToLower(host)
	if port == defaultPort {
		return host
	}
	return "[" + host + "]:" + strconv.Itoa(port)
}

// prefer returns the types of keys that known_hosts has for a host, to ask for these first. Of hashed lines it takes what most have.
func (l *knownList) prefer(name string) (types []string, certificates bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, n := range names(name) {
		for _, k := range l.plain[n] {
			types = append(types, k.keyType)
		}
		for _, k := range l.patterns {
			if k.matches(n) {
				types = append(types, k.keyType)
			}
		}
		certificates = certificates || slices.ContainsFunc(l.cas, func(k *knownLine) bool { return k.matches(n) })
	}
	if len(types) > 0 {
		return types, certificates
	}
	for t := range l.types {
		types = append(types, t)
	}
	slices.SortFunc(types, func(a, b string) int { return l.types[b] - l.types[a] })
	return types, certificates
}

// What known_hosts says of a key.
type (
	unknownKey struct { // nothing of this host
		name, file string
		key        ssh.PublicKey
		others     []*knownLine // keys of other types that it has of the host
	}
	changedKey struct { // another one of the same type
		name string
		key  ssh.PublicKey
		want *knownLine
	}
	revokedKey struct { // not to be trusted
		key  ssh.PublicKey
		line *knownLine
	}
	// otherTypes says that the host showed a key of a type that known_hosts has not, and that it should be asked for these.
	otherTypes struct{ types []string }
)

func (e *unknownKey) Error() string {
	return fmt.Sprintf("no key of %s is known, it offers %s %s", e.name, e.key.Type(), ssh.FingerprintSHA256(e.key))
}

func (e *changedKey) Error() string {
	return fmt.Sprintf("the host offers %s %s, but %s has %s", e.key.Type(), ssh.FingerprintSHA256(e.key), e.want.place(), fingerprint(e.want.key))
}

func (e *revokedKey) Error() string {
	return fmt.Sprintf("%s %s is revoked by %s", e.key.Type(), ssh.FingerprintSHA256(e.key), e.line.place())
}

func (e *otherTypes) Error() string {
	return "known_hosts has other keys of this host: " + strings.Join(e.types, " ")
}

func fingerprint(key []byte) string {
	parsed, err := ssh.ParsePublicKey(key)
	if err != nil {
		return "a key that cannot be read: " + err.Error()
	}
	return ssh.FingerprintSHA256(parsed)
}

// check tells whether a host may show this key.
func (l *knownList) check(name, file string, key ssh.PublicKey) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	blob := key.Marshal()
	if k := l.revoked[string(blob)]; k != nil {
		return &revokedKey{key: key, line: k}
	}
	if cert, ok := key.(*ssh.Certificate); ok {
		return l.checkCertificate(name, file, cert)
	}
	var others []*knownLine
	for _, n := range names(name) {
		if l.holds(n, blob) {
			return nil
		}
		for _, k := range l.lines(n) {
			if k.keyType == key.Type() && n == name {
				return &changedKey{name: name, key: key, want: k}
			}
			others = append(others, k)
		}
	}
	return &unknownKey{name: name, file: file, key: key, others: others}
}

func (l *knownList) checkCertificate(name, file string, cert *ssh.Certificate) error {
	if k := l.revoked[string(cert.SignatureKey.Marshal())]; k != nil {
		return &revokedKey{key: cert.SignatureKey, line: k}
	}
	for _, n := range names(name) {
		if l.authority(n, cert.SignatureKey.Marshal()) == nil {
			continue
		}
		host := names(n)[len(names(n))-1]
		checker := ssh.CertChecker{IsHostAuthority: func(ssh.PublicKey, string) bool { return true }}
		return checker.CheckHostKey(net.JoinHostPort(host, "0"), nil, cert)
	}
	return &unknownKey{name: name, file: file, key: cert.SignatureKey}
}

// accept writes an unknown key down, in the file and here. Other processes may do the same: the file is locked meanwhile.
func (l *knownList) accept(name, file string, key ssh.PublicKey, hash bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holds(name, key.Marshal()) {
		return nil
	}
	written := name
	if hash {
		written = knownhosts.HashHostname(name)
	}
	line := written + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	end, err := appendLine(file, line, l.ends[file])
	if err != nil {
		return fmt.Errorf("known hosts: %w", err)
	}
	l.ends[file] = end
	k := parseKnown(line)
	k.file, k.line = file, end.lines
	l.add(k)
	return nil
}

// appendLine adds a line to a file, which had some end when it was seen last, and returns the new one.
func appendLine(name, line string, last fileEnd) (fileEnd, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return last, err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return last, err
	}
	defer f.Close() // which unlocks it
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return last, fmt.Errorf("lock %s: %w", name, err)
	}
	info, err := f.Stat()
	if err != nil {
		return last, err
	}
	line += "\n"
	if info.Size() != last.size {
		text, err := os.ReadFile(name)
		if err != nil {
			return last, err
		}
		if len(text) > 0 && text[len(text)-1] != '\n' {
			line = "\n" + line
		}
		last = fileEnd{size: int64(len(text)), lines: bytes.Count(text, []byte("\n"))}
	}
	if _, err := f.WriteString(line); err != nil {
		return last, err
	}
	return fileEnd{size: last.size + int64(len(line)), lines: last.lines + strings.Count(line, "\n")}, f.Sync()
}
