package ssh

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// hostKey is a host's key, always the same for the same number.
func hostKey(t testing.TB, n int) ssh.PublicKey {
	t.Helper()
	point := make([]byte, ed25519.PublicKeySize) // nobody has its private half
	copy(point, fmt.Sprint(n))
	key, err := ssh.NewPublicKey(ed25519.PublicKey(point))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// With every line looked at for every host, these would be 10⁸ HMACs, about a minute.
func TestHashedLinesDoNotCostForEachHost(t *testing.T) {
	const hosts = 10_000
	var text strings.Builder
	for n := range hosts {
		fmt.Fprintf(&text, "%s ssh-ed25519 %s\n", knownhosts.HashHostname(fmt.Sprintf("node%d", n)), base64.StdEncoding.EncodeToString(hostKey(t, n).Marshal()))
	}
	file := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var known knownFiles
	began := time.Now()
	for n := range hosts {
		l, err := known.list([]string{file})
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("node%d", n)
		if types, _ := l.prefer(name); len(types) != 1 || types[0] != ssh.KeyAlgoED25519 {
			t.Fatalf("%s: prefers %q", name, types)
		}
		if err := l.check(name, file, hostKey(t, n)); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	l, _ := known.list([]string{file})
	if err := l.check("node1", file, hostKey(t, 2)); err == nil || !strings.Contains(err.Error(), "known_hosts:2") {
		t.Errorf("changed key: %v", err)
	}
}

func TestAcceptWritesHashedNames(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "known_hosts")
	var known knownFiles
	l, err := known.list([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	const name = "[node1]:2222"
	if err := l.accept(name, file, hostKey(t, 1), true); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(text), "node1") {
		t.Errorf("%q, %v", text, err)
	}
	again, err := readKnown([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []*knownList{l, again} {
		if err := l.check(name, file, hostKey(t, 1)); err != nil {
			t.Error(err)
		}
	}
}

// The number of the line is right whoever else writes to the file, and whether it ends with a newline or not.
func TestAcceptTellsWhereItWrote(t *testing.T) {
	file := filepath.Join(t.TempDir(), "known_hosts")
	var known knownFiles
	l, err := known.list([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	for n, foreign := range []string{"", "", "# a\n# b\n", "# no newline", ""} {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(foreign); err != nil {
			t.Fatal(err)
		}
		f.Close()
		name := fmt.Sprintf("node%d", n)
		if err := l.accept(name, file, hostKey(t, n), false); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		k := l.plain[name][0]
		if lines := strings.Split(string(text), "\n"); k.line > len(lines) || !strings.HasPrefix(lines[k.line-1], name+" ") {
			t.Errorf("%s is told to be in line %d of\n%s", name, k.line, text)
		}
	}
}
