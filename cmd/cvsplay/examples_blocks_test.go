package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cvsplay/engine/remote/remotetest"
)

// exampleHosts prepares, for each folder of examples with a README, the hosts on which its commands run: an inventory.hcl beside the playbooks, and
// what the page takes for granted. What it gives is done between two blocks of commands; nil: a block goes on where the one before it ended.
var exampleHosts = map[string]func(u user) func(){
	"podman": onCluster,
	"own-module": func(u user) func() {
		labBeside(u)
		return nil
	},
	"private-registry": func(u user) func() {
		l := labBeside(u)
		u.write("token", "Token-of-the-registry\n")
		l.everywhere("mkdir -p /etc/cvsplay; umask 077; echo Token-of-the-registry >/etc/cvsplay/registry-token")
		registry := regexp.MustCompile(`image *= *"(127[^/]*)`).FindStringSubmatch(u.read("inventory.hcl"))[1]
		u.write("README.md", strings.ReplaceAll(u.read("README.md"), "registry.example.com", registry))
		return l.withoutContainers
	},
	"from-ansible": func(u user) func() {
		l := keepLab(u, 5)
		inv := u.read("inventory.hcl")
		for i, name := range []string{"gpu01", "gpu02", "gpu03", "gpu04", "head1"} { // a lab host stands for each
			inv += fmt.Sprintf("host %q {\n  address = %q\n  ssh {\n    user = \"root\"\n    port = %d\n    identity_files = [\"lab.key\"]\n"+
				"    known_hosts_files = [\"lab.known_hosts\"]\n  }\n}\n", name, l.hosts[i].Address, l.hosts[i].SSH.Port)
		}
		u.write("inventory.hcl", inv)
		return nil
	},
	"air-gapped": func(u user) func() {
		l := labBeside(u)
		image := regexp.MustCompile(`image *= *"(.*)"`).FindStringSubmatch(u.read("inventory.hcl"))[1]
		l.everywhere("mkdir -p /srv/images; docker pull -q " + image + "; docker save -o /srv/images/cvs.tar " + image + "; docker rmi " + image)
		archive, err := base64.StdEncoding.DecodeString(l.ssh(l.hosts[0], "base64 -w 0 /srv/images/cvs.tar"))
		if err != nil {
			u.t.Fatal(err)
		}
		u.write("cvs.tar", string(archive))
		return l.withoutContainers
	},
}

func (l keptLab) everywhere(script string) {
	l.t.Helper()
	for _, h := range l.hosts {
		l.ssh(h, script)
	}
}

// withoutContainers takes all containers and images away.
func (l keptLab) withoutContainers() {
	l.t.Helper()
	l.everywhere("docker ps -aq | xargs -r docker rm -f; docker images -q | xargs -r docker rmi -f")
}

// labBeside keeps a lab, with its inventory in the user's folder.
func labBeside(u user) keptLab {
	l := keepLab(u, 3)
	u.write("inventory.hcl", u.read("lab.hcl"))
	return l
}

// onCluster takes the cluster of containers.
func onCluster(u user) func() {
	c := remotetest.UseCluster(u.t)
	text, err := os.ReadFile(c.Inventory)
	if err != nil {
		u.t.Fatal(err)
	}
	u.write("inventory.hcl", strings.ReplaceAll(string(text), "${path.inventory}", filepath.Dir(c.Inventory))+"variables {\n  registry_insecure = true\n}\n")
	return nil
}

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestExamplePages does what the pages of the examples show: each block of commands ends well, and what it runs leaves nothing to change for a second time.
func TestExamplePages(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(repository(t, "examples/*/README.md"))
	if err != nil || len(pages) < 3 {
		t.Fatalf("%v: %s", err, pages)
	}
	for _, page := range pages {
		folder := filepath.Dir(page)
		name := filepath.Base(folder)
		if name == "docker-cluster" { // its commands are those that make the cluster
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prepare := exampleHosts[name]
			if prepare == nil {
				t.Fatalf("%s shows commands, and exampleHosts has no hosts for them", page)
			}
			u := newUser(t)
			if err := os.CopyFS(u.dir, os.DirFS(folder)); err != nil {
				t.Fatal(err)
			}
			between := prepare(u)
			blocks := shellBlock.FindAllStringSubmatch(u.read("README.md"), -1)
			if len(blocks) == 0 {
				t.Error("the page shows no commands")
			}
			for i, block := range blocks {
				if i > 0 && between != nil {
					between()
				}
				u.types(block[1])
				if again := u.types(block[1]); !strings.Contains(again, "all well, nothing changed") {
					t.Errorf("a second time something changes:\n%s\n%s", block[1], again)
				}
			}
		})
	}
}

// read is the text of a file in the user's folder.
func (u user) read(name string) string {
	u.t.Helper()
	text, err := os.ReadFile(filepath.Join(u.dir, name))
	if err != nil {
		u.t.Fatal(err)
	}
	return string(text)
}

// types gives a shell some lines, all of which have to end well, and what they print.
func (u user) types(lines string) string {
	u.t.Helper()
	cmd := exec.CommandContext(u.t.Context(), "/bin/sh", "-ec", lines)
	cmd.Dir, cmd.Env = u.dir, u.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		u.t.Fatalf("%v\n%s\n%s", err, lines, out)
	}
	return string(out)
}
