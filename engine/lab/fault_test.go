package lab

import (
	"net"
	"strings"
	"testing"
	"time"
)

func TestFaultValidate(t *testing.T) {
	for _, c := range []struct {
		fault Fault
		want  string
	}{
		{Fault{Kind: Hang, Match: "rvs"}, ""},
		{Fault{Kind: Slow, Delay: time.Second}, ""},
		{Fault{Kind: DiskFull, Path: "/opt"}, ""},
		{Fault{Kind: Fail, Match: "x", Code: 3, Text: "no", Times: 1}, ""},
		{Fault{Kind: "slaw"}, `unknown kind "slaw"`},
		{Fault{Kind: Hang}, "needs match"},
		{Fault{Kind: Silent, Match: "x"}, "match means nothing"},
		{Fault{Kind: Hang, Match: "("}, "missing closing"},
		{Fault{Kind: Slow}, "needs delay"},
		{Fault{Kind: Cut, Match: "x", Delay: 1}, "delay means nothing"},
		{Fault{Kind: ReadOnly}, "need"},
		{Fault{Kind: DiskFull, Path: "opt"}, "not absolute"},
		{Fault{Kind: Fail, Match: "x", Code: 256}, "not an exit status"},
		{Fault{Kind: Hang, Match: "x", Times: -1}, "negative"},
		{Fault{Kind: Offline}, ""},
		{Fault{Kind: Meanwhile, Match: "x", Text: "true"}, ""},
		{Fault{Kind: Meanwhile, Match: "x"}, "needs text"},
		{Fault{Kind: EngineStop, Match: "x", Text: EngineDone, Delay: time.Second}, ""},
		{Fault{Kind: EngineStop, Match: "x", Text: "later"}, "done"},
		{Fault{Kind: EngineStop, Match: "x", Delay: -1}, "negative"},
		{Fault{Kind: Busy}, "needs match"},
	} {
		err := c.fault.Validate()
		if (c.want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, want %q", c.fault, err, c.want)
		}
	}
	if _, err := Start(Options{Hosts: []HostSpec{{Name: "n1", Faults: []Fault{{Kind: Hang}}}}}); err == nil || !strings.Contains(err.Error(), `"n1"`) {
		t.Errorf("%v", err)
	}
}

func TestFaultsOfCommands(t *testing.T) {
	h := oneHost(t)
	set := func(f ...Fault) {
		if err := h.SetFaults(f...); err != nil {
			t.Fatal(err)
		}
	}
	set(Fault{Kind: Fail, Match: `^cat .*passwd`, Code: 7, Text: "bad sector", Times: 1})
	got := h.sh("root", "cat /etc/passwd; echo $?; cat /etc/hostname; cat /etc/passwd >/dev/null; echo $?")
	if got.stdout != "7\nn1\n0\n" || got.stderr != "bad sector\n" {
		t.Errorf("%+v", got)
	}
	set(Fault{Kind: Hang, Match: "^sync"})
	if got := h.sh("root", "timeout 0.1 sync; echo $?"); got.stdout != "124\n" {
		t.Errorf("%+v", got)
	}
	set(Fault{Kind: DiskFull, Path: "/opt"}, Fault{Kind: ReadOnly, Path: "/etc"})
	got = h.sh("root", "echo x >/opt/f; cat /dev/zero | head -c 10 >/opt/g; touch /etc/x; rm /etc/hostname; echo ok >/root/f && cat /root/f; mkdir /opt/d; mv /root/f /opt/f")
	want := "sh: 1: cannot create /opt/f: No space left on device\nsh: 1: cannot create /opt/g: No space left on device\ntouch: cannot touch '/etc/x': Read-only file system\nrm: cannot remove '/etc/hostname': Read-only file system\nmkdir: cannot create directory '/opt/d': No space left on device\n"
	if got.stdout != "ok\n" || !strings.HasPrefix(got.stderr, want) {
		t.Errorf("%q\n%s", got.stdout, got.stderr)
	}
	set()
	if got := h.sh("root", "echo x >/opt/f && touch /etc/x && echo fine"); got.stdout != "fine\n" {
		t.Errorf("%+v", got)
	}
}

func TestFaultsOfConnections(t *testing.T) {
	h := oneHost(t)
	c := dial(t, h, "root")
	if err := h.SetFaults(Fault{Kind: Cut, Match: "^id", Times: 1}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := run(c, "id"); err == nil {
		t.Error("the connection was not cut")
	}
	c = dial(t, h, "root")
	if out, _, err := run(c, "id -u"); out != "0\n" || err != nil {
		t.Errorf("%q %v", out, err)
	}
	if err := h.SetFaults(Fault{Kind: Unreachable}); err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort(h.Address(), portOf(h))
	if _, err := net.DialTimeout("tcp", address, time.Second); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%v", err)
	}
	if err := h.SetFaults(Fault{Kind: Silent}); err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("it spoke: %d %v", n, err)
	}
	_ = conn.Close()
	if err := h.SetFaults(Fault{Kind: Slow, Delay: 150 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	sh := openShell(t, dial(t, h, "root"))
	start := time.Now()
	if got := sh.ask("echo a; echo END\n"); got != "a\n" || time.Since(start) < 150*time.Millisecond {
		t.Errorf("%q after %v", got, time.Since(start))
	}
}

func TestRTT(t *testing.T) {
	h := startLab(t, Options{Hosts: []HostSpec{{Name: "far"}}, RTT: 60 * time.Millisecond}).Hosts()[0]
	sh := openShell(t, dial(t, h, "root"))
	sh.ask("echo END\n")
	start := time.Now()
	if got := sh.ask("echo a; echo b; echo END\n"); got != "a\nb\n" {
		t.Error(got)
	}
	if took := time.Since(start); took < 60*time.Millisecond || took > 2*time.Second {
		t.Errorf("an answer took %v", took)
	}
}

func TestReboot(t *testing.T) {
	h := oneHost(t)
	before := h.sh("root", "echo x >/root/kept; echo x >/tmp/gone; echo x >/run/gone; cat /proc/sys/kernel/random/boot_id").stdout
	c := dial(t, h, "root")
	_, _, _ = run(c, "reboot; sleep 60")
	eventually(t, func() bool {
		c, err := tryDial(h, "root")
		if err != nil {
			return false
		}
		defer func() { _ = c.Close() }()
		out, _, err := run(c, "cat /proc/sys/kernel/random/boot_id")
		return err == nil && out != "" && out != before
	})
	if got := h.sh("root", "ls /root/kept /tmp/gone /run/gone 2>/dev/null; ls -d /run/sshd"); got.stdout != "/root/kept\n/run/sshd\n" {
		t.Errorf("%+v", got)
	}
}
