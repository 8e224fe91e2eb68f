package lab

import (
	"strings"
	"testing"
)

// TestRights runs scripts as the ordinary user: what it may not do it cannot, and says so as coreutils do.
func TestRights(t *testing.T) {
	h := oneHost(t)
	h.sh("root", "mkdir /srv/closed; chmod 700 /srv/closed; echo s >/srv/closed/f; mkdir /srv/open; chmod 777 /srv/open; echo x >/srv/open/roots; chmod 600 /srv/open/roots; echo g >/srv/group; chgrp video /srv/group; chmod 640 /srv/group; echo y >/tmp/sticky; chmod 666 /tmp/sticky")
	for _, c := range []struct{ script, stdout, stderr string }{
		{"id -un; id -G", "amd\n1000 27 44 104\n", ""},
		{"cat /srv/closed/f", "", "cat: /srv/closed/f: Permission denied\n"},
		{"ls /srv/closed", "", "ls: cannot open directory '/srv/closed': Permission denied\n"},
		{"echo x >/etc/new", "", "sh: 1: cannot create /etc/new: Permission denied\n"},
		{"touch /etc/new", "", "touch: cannot touch '/etc/new': Permission denied\n"},
		{"mkdir /opt/x", "", "mkdir: cannot create directory '/opt/x': Permission denied\n"},
		{"rm -f /etc/passwd", "", "rm: cannot remove '/etc/passwd': Permission denied\n"},
		{"cat /srv/open/roots", "", "cat: /srv/open/roots: Permission denied\n"},
		{"rm -f /srv/open/roots && echo gone", "gone\n", ""}, // the directory decides
		{"cat /srv/group", "g\n", ""},
		{"echo z >/srv/group", "", "sh: 1: cannot create /srv/group: Permission denied\n"},
		{"rm -f /tmp/sticky", "", "rm: cannot remove '/tmp/sticky': Operation not permitted\n"},
		{"echo z >/tmp/sticky && cat /tmp/sticky", "z\n", ""},
		{"chmod 777 /srv/group", "", "chmod: changing permissions of '/srv/group': Operation not permitted\n"},
		{"touch /tmp/mine && chown root /tmp/mine", "", "chown: changing ownership of '/tmp/mine': Operation not permitted\n"},
		{"chgrp video /tmp/mine && stat -c '%U %G' /tmp/mine", "amd video\n", ""},
		{"kill 1", "", "sh: 1: kill: Operation not permitted\n\n"},
		{"cat /proc/1/environ", "", "cat: /proc/1/environ: Permission denied\n"},
		{"[ -w /etc/passwd ]; echo $?; [ -r /etc/passwd ]; echo $?; [ -x /srv/closed ]; echo $?", "1\n0\n1\n", ""},
		{"sudo -n id -un; sudo -n -u amd id -un; sudo sh -c 'echo $HOME $SUDO_USER'", "root\namd\n/root amd\n", ""},
		{"sudo -n tee /etc/new >/dev/null <<X\nby root\nX\ncat /etc/new; stat -c %U /etc/new", "by root\nroot\n", ""},
		{"X=1 sudo sh -c 'echo ${X-clean}'; sudo Y=2 sh -c 'echo $Y'; X=3 sudo -E sh -c 'echo $X'", "clean\n2\n3\n", ""},
		{"sudo -n nosuchprogram; echo $?", "1\n", "sudo: nosuchprogram: command not found\n"},
		{"sudo sh -c 'kill -9 $$'; echo $?", "137\n", "Killed\n"},
	} {
		got := h.sh("amd", c.script)
		if got.stdout != c.stdout || got.stderr != c.stderr {
			t.Errorf("%s\n got %q %q\nwant %q %q", c.script, got.stdout, got.stderr, c.stdout, c.stderr)
		}
	}
}

func TestSudoPassword(t *testing.T) {
	h := startLab(t, Options{Hosts: []HostSpec{{Name: "n1", Password: "secret"}}}).Hosts()[0]
	for _, c := range []struct{ script, stdout, stderr string }{
		{"sudo -n true; echo $?", "1\n", "sudo: a password is required\n"},
		{"printf 'secret\\nrest\\n' | sudo -S -p '' sh -c 'id -un; cat'; echo $?", "root\nrest\n0\n", ""},
		{"printf 'wrong\\n' | sudo -S -p '' true; echo $?", "1\n", "Sorry, try again.\n\nsudo: no password was provided\nsudo: a password is required\n"},
	} {
		got := h.sh("amd", c.script)
		if got.stdout != c.stdout || got.stderr != c.stderr {
			t.Errorf("%s\n got %q %q\nwant %q %q", c.script, got.stdout, got.stderr, c.stdout, c.stderr)
		}
	}
	if got := h.sh("nobody", "sudo -n true"); got.code != 1 || !strings.Contains(got.stderr, "not in the sudoers file") {
		t.Errorf("%+v", got)
	}
}
