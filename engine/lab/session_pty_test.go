package lab

import (
	"bufio"
	"io"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// TestTerminal types at a prompt, as a person with plain ssh does.
func TestTerminal(t *testing.T) {
	s, err := dial(t, oneHost(t), "root").NewSession()
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RequestPty("xterm", 24, 80, ssh.TerminalModes{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Shell(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "echo $((6*7)) is it\r"); err != nil {
		t.Fatal(err)
	}
	seen := ""
	for r := bufio.NewReader(out); !strings.Contains(seen, "42 is it\r\n"); {
		b, err := r.ReadByte()
		if err != nil {
			t.Fatalf("%q: %v", seen, err)
		}
		seen += string(b)
	}
	if !strings.Contains(seen, "root@n1:~# ") {
		t.Errorf("no prompt in %q", seen)
	}
	if _, err := io.WriteString(in, "exit 3\r"); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(); err == nil || !strings.Contains(err.Error(), "status 3") {
		t.Error(err)
	}
}
