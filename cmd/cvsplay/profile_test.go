package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const localHosts = `
defaults {
  connection = "local"
}
host "n1" {}
`

// scriptPlaybook runs one script.
func scriptPlaybook(text string) string {
	return "play \"p\" {\n  hosts = group.all\n  step \"exec_script\" \"s\" {\n    script = \"" + text + "\\n\"\n  }\n}\n"
}

// profileOf is the text of a profile: its strings stand in it as they are.
func (u user) profileOf(name string) string {
	u.t.Helper()
	data, err := os.ReadFile(filepath.Join(u.dir, name))
	if err != nil {
		u.t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		u.t.Fatalf("%s: %v", name, err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		u.t.Fatalf("%s: %v", name, err)
	}
	return string(text)
}

func (u user) hasProfiles() {
	u.t.Helper()
	if text := u.profileOf("cpu.prof"); !strings.Contains(text, "nanoseconds") {
		u.t.Error("no CPU profile")
	}
	if text := u.profileOf("mem.prof"); !strings.Contains(text, "inuse_space") || !strings.Contains(text, "alloc_space") {
		u.t.Error("no memory profile")
	}
}

func TestProfilesOfFailedRun(t *testing.T) {
	u := newUser(t)
	u.write("hosts.hcl", localHosts)
	u.write("p.hcl", scriptPlaybook("exit 3"))
	if e := u.cvsplay("run", "p.hcl", "-i", "hosts.hcl", "--profile-cpu", "cpu.prof", "--profile-mem", "mem.prof"); e.code != 1 {
		t.Fatal(e)
	}
	u.hasProfiles()
}

func TestProfilesOfInterruptedRun(t *testing.T) {
	u := newUser(t)
	u.write("hosts.hcl", localHosts)
	u.write("p.hcl", scriptPlaybook("echo > "+u.dir+"/begun; sleep 600"))
	run := u.start("run", "p.hcl", "-i", "hosts.hcl", "--profile-cpu", "cpu.prof", "--profile-mem", "mem.prof")
	eventually(t, "the script runs", func() bool {
		_, err := os.Stat(filepath.Join(u.dir, "begun"))
		return err == nil
	})
	run.signal(syscall.SIGINT)
	run.signal(syscall.SIGTERM)
	if e := run.wait(); e.code != 130 {
		t.Fatal(e)
	}
	u.hasProfiles()
}

func TestProfilesThatCannotBeWritten(t *testing.T) {
	u := newUser(t)
	u.write("hosts.hcl", localHosts)
	u.write("p.hcl", scriptPlaybook("echo > "+u.dir+"/ran"))
	for _, c := range []struct {
		flags []string
		says  string
	}{
		{[]string{"--profile-cpu", "no/such/folder"}, "--profile-cpu: "},
		{[]string{"--profile-mem", "no/such/folder"}, "--profile-mem: "},
		{[]string{"--profile-cpu", "one.prof", "--profile-mem", "one.prof"}, "two files"},
	} {
		e := u.cvsplay(append([]string{"run", "p.hcl", "-i", "hosts.hcl"}, c.flags...)...)
		if e.code != codeUsage || !strings.Contains(e.stderr, c.says) {
			t.Error(e)
		}
	}
	if _, err := os.Stat(filepath.Join(u.dir, "ran")); err == nil {
		t.Error("the playbook was run")
	}
}
