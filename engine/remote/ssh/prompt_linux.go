package ssh

import (
	"net"
	"syscall"
)

// prompt returns what makes the kernel acknowledge at once what it has received. That holds for a moment only, until something is sent.
func prompt(conn *net.TCPConn) func() {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil
	}
	set := func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) // without it, it is slower
	}
	return func() { _ = raw.Control(set) }
}
