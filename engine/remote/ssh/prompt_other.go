//go:build !linux

package ssh

import "net"

// prompt returns nothing: other systems than Linux decide by themselves when to acknowledge.
func prompt(*net.TCPConn) func() { return nil }
