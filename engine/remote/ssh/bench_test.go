package ssh_test

import (
	"net"
	"strconv"
	"testing"
	"time"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/remotetest"
	"cvsplay/engine/remote/ssh"
)

// BenchmarkFirstOutput is a host that is contacted, asked one thing, and left. Its round trips are what a longer way adds to its time.
func BenchmarkFirstOutput(b *testing.B) {
	s := remotetest.Sshd(b)
	user := remotetest.Account{}.Make(b)
	proxy := remotetest.NewProxy(b, net.JoinHostPort(s.Host, strconv.Itoa(s.Port)))
	tg := target(s, user)
	tg.Port, tg.HostKeys = proxy.Port, ssh.HostKeysOff
	p := pool(b, ssh.Options{})
	once := func() time.Duration {
		began := time.Now()
		c, err := p.Dialer(tg).Dial(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if e := run(b, c, remote.Script{Text: "echo fine"}); e.State != remote.Ended {
			b.Fatal(show(e))
		}
		took := time.Since(began)
		c.Close()
		return took
	}
	const delay = 50 * time.Millisecond
	var near, far time.Duration
	for b.Loop() {
		proxy.Set(remotetest.Faults{})
		near += once()
		proxy.Set(remotetest.Faults{Delay: delay})
		far += once()
	}
	// The proxy takes a connection at once, wherever the host is: that round trip is added.
	b.ReportMetric(1+float64(far-near)/float64(2*delay)/float64(b.N), "round-trips")
}
