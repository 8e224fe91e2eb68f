package lab

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// A connection inside the process behaves as one over TCP does.
func TestVirtualConn(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 3*queueCapacity/16)
	a, b := newConnPair(virtualAddr("there:22"))
	go func() {
		_, _ = a.Write(big) // waits until there is room
		_ = a.Close()
	}()
	if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, big) {
		t.Errorf("%d bytes came of %d: %v", len(got), len(big), err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("writing to who has closed: %v", err)
	}
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading after the end: %v", err)
	}

	a, b = newConnPair(virtualAddr("there:22"))
	failed := make(chan error)
	go func() {
		_, err := a.Read(make([]byte, 1))
		failed <- err
	}()
	_ = a.SetDeadline(time.Now()) // ends a read that waits already
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	if _, err := a.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	_ = a.SetDeadline(time.Time{})
	go func() { _, _ = b.Write([]byte("y")) }()
	if n, err := a.Read(make([]byte, 2)); n != 1 || err != nil {
		t.Errorf("without a deadline: %d, %v", n, err)
	}
	if a.RemoteAddr().String() != "there:22" || b.LocalAddr().String() != "there:22" {
		t.Errorf("%s, %s", a.RemoteAddr(), b.LocalAddr())
	}
}

// Hosts inside the process open no port, and are as unreachable, silent and gone as others.
func TestInside(t *testing.T) {
	l, err := Start(Options{Inside: true, Hosts: []HostSpec{{Name: "a"}, {Name: "b", Faults: []Fault{{Kind: Unreachable}}}, {Name: "c", Faults: []Fault{{Kind: Silent}}}}})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(l.ClientKey())
	if err != nil {
		t.Fatal(err)
	}
	a := l.Host("a")
	login := func(h *Host) (*ssh.Client, error) {
		conn, err := h.Dial()
		if err != nil {
			return nil, err
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		c, channels, requests, err := ssh.NewClientConn(conn, h.Address(), &ssh.ClientConfig{
			User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(h.HostKey()),
		})
		if err != nil {
			return nil, err
		}
		return ssh.NewClient(c, channels, requests), nil
	}
	c, err := login(a)
	if err != nil {
		t.Fatal(err)
	}
	if out, _, err := run(c, "hostname"); out != "a\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if line := string(a.KnownHosts()); !strings.HasPrefix(line, "a ssh-ed25519 ") {
		t.Errorf("known as %q", line)
	}
	if _, err := login(l.Host("b")); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("an unreachable host: %v", err)
	}
	silent, err := l.Host("c").Dial()
	if err != nil {
		t.Fatal(err)
	}
	_ = silent.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a silent host: %v", err)
	}
	if err := a.SetFaults(Fault{Kind: Unreachable}); err != nil {
		t.Fatal(err)
	}
	if out, _, err := run(c, "hostname"); out != "a\n" || err != nil {
		t.Errorf("a connection that was there before: %q, %v", out, err)
	}
	if _, err := login(a); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a host that became unreachable: %v", err)
	}
	if err := a.SetFaults(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err == nil {
		t.Error("the end of the lab left a connection")
	}
	if _, err := login(a); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the end of the lab: %v", err)
	}
}
