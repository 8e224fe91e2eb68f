package remotetest

import "testing"

func TestRequired(t *testing.T) {
	for _, c := range []struct {
		list, part string
		want       bool
	}{
		{"", "sshd", false},
		{"sshd", "sshd", true},
		{"docker, sshd", "sshd", true},
		{"docker", "sshd", false},
		{"sshdx", "sshd", false},
		{"all", "anything", true},
	} {
		if got := required(c.list, c.part); got != c.want {
			t.Errorf("required(%q, %q) = %v", c.list, c.part, got)
		}
	}
}

func TestMissingSaysWhy(t *testing.T) {
	if why := missing(t.Context(), "no-such-command-anywhere"); why == "" {
		t.Error("a command that does not exist is not missed")
	}
	if why := missing(t.Context(), "sh"); why != "" {
		t.Errorf("sh is missed: %s", why)
	}
}
