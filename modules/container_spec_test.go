package modules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"cvsplay/engine"
)

func TestContainerFlags(t *testing.T) {
	no := false
	tests := []struct {
		name    string
		edit    func(*containerArgs)
		devices map[int][]string
		want    string
	}{
		{"nothing set", func(*containerArgs) {}, nil, ""},
		{"rocm, of the devices those that exist", func(a *containerArgs) { a.Profile = profileROCm },
			map[int][]string{0: {"/dev/kfd"}, 1: {"/dev/dri"}, 2: {"/dev/infiniband/rdma_cm", "/dev/infiniband/uverbs0"}},
			"--device /dev/kfd --device /dev/dri --device /dev/infiniband/rdma_cm --device /dev/infiniband/uverbs0 --cap-add SYS_PTRACE --cap-add IPC_LOCK " +
				"--cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined --group-add video --ulimit memlock=-1 --network host --ipc host --privileged=true"},
		{"lists append, scalars override", func(a *containerArgs) {
			a.Profile, a.Network, a.Privileged, a.CapAdd, a.GroupAdd = profileROCm, "bridge", &no, []string{"NET_ADMIN", "IPC_LOCK"}, []string{"render"}
			a.Ulimit = []string{"memlock=1:2", "nofile=9"}
		}, nil,
			"--cap-add SYS_PTRACE --cap-add IPC_LOCK --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined " +
				"--group-add video --group-add render --ulimit memlock=1:2 --ulimit nofile=9 --network bridge --ipc host --privileged=false"},
		{"a mapped device, absent and there", func(a *containerArgs) { a.Devices = []string{"/dev/a:/dev/x:r", "/dev/b"} }, map[int][]string{0: {"/dev/a"}},
			"--device /dev/a:/dev/x:r"},
		{"the host's /dev/shm has its own size", func(a *containerArgs) { a.IPC, a.ShmSize = "host", "1g" }, nil, "--ipc host"},
		{"so has another container's", func(a *containerArgs) { a.IPC, a.ShmSize = "container:box", "1g" }, nil, "--ipc container:box"},
		{"maps in order", func(a *containerArgs) {
			a.Env, a.Labels = map[string]string{"B": "2 3", "A": "1"}, map[string]string{"z": "", "y": "="}
		}, nil,
			"--env A=1 --env B=2 3 --label y== --label z="},
	}
	for _, tt := range tests {
		got := strings.Join(simArgs(tt.edit).spec(containerFacts{Devices: tt.devices}).flags(), " ")
		if got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// One line for each field: what the container has, what is declared, and the difference.
func TestContainerDrift(t *testing.T) {
	yes := true
	var c containerInspect
	c.Config = containerConfig{Hostname: "h", User: "u", WorkingDir: "/w", Env: []string{"A=1", "PATH=/bin"}, Cmd: []string{"sleep", "infinity"}, Labels: map[string]string{"l": "1"}}
	c.HostConfig = containerHostConfig{Binds: []string{"/a:/b:ro", "/c:/d:rw,rprivate"}, NetworkMode: "default", IpcMode: "private", ShmSize: 64 << 20,
		CapAdd: []string{"CAP_SYS_PTRACE"}, SecurityOpt: []string{"seccomp=unconfined"}, GroupAdd: []string{"video"}}
	c.HostConfig.RestartPolicy.Name, c.HostConfig.RestartPolicy.MaximumRetryCount = "on-failure", 3
	c.HostConfig.PortBindings = map[string][]portBinding{"80/tcp": {{"", "8080"}}}
	c.HostConfig.Ulimits = []struct {
		Name       string
		Hard, Soft int64
	}{{"memlock", -1, -1}}
	c.HostConfig.Devices = []containerDevice{{"/dev/kfd", "/dev/kfd", "rwm"}}
	tests := []struct {
		spec containerSpec
		want string
	}{
		{containerSpec{}, ""},
		{containerSpec{Command: []string{"sleep", "infinity"}, Env: map[string]string{"A": "1"}, Labels: map[string]string{"l": "1"}, Volumes: []string{"/a:/b:ro", "/c:/d"},
			Devices: []string{"/dev/kfd"}, CapAdd: []string{"SYS_PTRACE"}, SecurityOpt: []string{"seccomp:unconfined"}, GroupAdd: []string{"video"}, Ulimit: []string{"memlock=-1"},
			Network: "bridge", IPC: "private", ShmSize: "64m", User: "u", Workdir: "/w", Hostname: "h", Restart: "on-failure:3", Ports: []string{"8080:80", "80", "8000-8100:80"}}, ""},
		{containerSpec{Command: []string{"top"}}, "command is sleep infinity, declared top"},
		{containerSpec{Env: map[string]string{"A": "2", "B": ""}}, "env.A is 1, declared 2; env.B is (none), declared (none)"},
		{containerSpec{Volumes: []string{"/c:/d:ro", "/e:/f"}}, "volumes is /a:/b:ro /c:/d:rw,rprivate, declared also /c:/d:ro /e:/f"},
		{containerSpec{Devices: []string{"/dev/kfd", "/dev/dri"}}, "devices is /dev/kfd:/dev/kfd:rwm, declared also /dev/dri"},
		{containerSpec{Ulimit: []string{"memlock=1:2"}}, "ulimit is memlock=-1:-1, declared also memlock=1:2"},
		{containerSpec{Network: "host"}, "network is bridge, declared host"},
		{containerSpec{ShmSize: "1g"}, "shm_size is 67108864, declared 1073741824"},
		{containerSpec{Privileged: &yes, Init: &yes}, "privileged is false, declared true; init is false, declared true"},
		{containerSpec{Restart: "always"}, "restart is on-failure:3, declared always"},
		{containerSpec{Ports: []string{"127.0.0.1:8080:80"}}, "ports is :8080:80/tcp, declared also 127.0.0.1:8080:80"},
	}
	for _, tt := range tests {
		var got []string
		for _, d := range tt.spec.drift(c, containerFacts{}) {
			got = append(got, d.String())
		}
		if s := strings.Join(got, "; "); s != tt.want {
			t.Errorf("%+v:\n got %s\nwant %s", tt.spec, s, tt.want)
		}
	}
	// Podman's description, where no record tells the command: made through its API.
	var p containerInspect
	p.BoundingCaps = []string{"CAP_CHOWN", "CAP_SYS_PTRACE"}
	p.HostConfig = containerHostConfig{NetworkMode: "bridge", IpcMode: "shareable", Privileged: false, Devices: []containerDevice{{"/dev/null", "/dev/x", ""}, {"/dev/dri/card0", "/dev/dri/card0", ""}}}
	p.NetworkSettings.Networks = map[string]struct{}{"podman": {}, "second": {}}
	for _, tt := range []struct {
		spec containerSpec
		want string
	}{
		{containerSpec{CapAdd: []string{"CHOWN", "SYS_PTRACE"}, Devices: []string{"/dev/null:/dev/x:r", "/dev/dri"}, IPC: "shareable"}, ""},
		{containerSpec{Devices: []string{"/dev/kfd"}}, "devices is /dev/dri/card0:/dev/dri/card0 /dev/null:/dev/x, declared also /dev/kfd"},
		{containerSpec{Network: "bridge"}, ""},
		{containerSpec{Network: "third"}, "network is bridge,second, declared third"},
	} {
		var got []string
		for _, d := range tt.spec.drift(p, containerFacts{}) {
			got = append(got, d.String())
		}
		expect(t, fmt.Sprintf("%+v", tt.spec), strings.Join(got, "; "), tt.want)
	}
	labelled := c
	labelled.Config.Labels = map[string]string{labelSpec: containerSpec{Network: "host"}.hash()}
	if d := (containerSpec{Network: "host"}).drift(labelled, containerFacts{}); len(d) > 0 {
		t.Errorf("an equal hash is not the fast path: %v", d)
	}
}

// What podman's record of the command says of a flag: up to the container's own command, with and without "=".
func TestContainerSaid(t *testing.T) {
	c := containerConfig{
		Cmd: []string{"tool", "--cap-add", "CHOWN"},
		CreateCommand: []string{"podman", "run", "-d", "--cap-add", "SYS_PTRACE", "--label=x=--cap-add", "--cap-add=SYS_ADMIN", "-v", "/a:/b", "--volume", "/c:/d:ro", "--init", "image",
			"tool", "--cap-add", "CHOWN"},
	}
	for _, tt := range []struct {
		flags []string
		want  string
	}{
		{[]string{"--cap-add"}, "SYS_PTRACE SYS_ADMIN"},
		{[]string{"--volume", "-v"}, "/a:/b /c:/d:ro"},
		{[]string{"--ipc"}, ""},
	} {
		expect(t, strings.Join(tt.flags, " "), strings.Join(c.said(tt.flags...), " "), tt.want)
	}
}

func TestInterpreterLine(t *testing.T) {
	const end = " /dev/fd/3 3<&0 </dev/null"
	tests := []struct{ script, want string }{
		{"#!/usr/bin/env python3\nprint(1)\n", "exec /usr/bin/env python3" + end},
		{"#!/bin/bash -x\n", "exec /bin/bash -x -e -o pipefail" + end},
		{"#! /usr/bin/env bash\r\n", "exec /usr/bin/env bash -e -o pipefail" + end},
		{"#!/opt/my perl/x", "exec /opt/my perl/x" + end},
		{"true\n", "if /bin/sh -c 'set -o pipefail' 2>/dev/null </dev/null; then exec /bin/sh -e -o pipefail" + end + "; else exec /bin/sh -e" + end + "; fi"},
	}
	for _, tt := range tests {
		if got := interpreterLine(tt.script); got != tt.want {
			t.Errorf("%q:\n got %s\nwant %s", tt.script, got, tt.want)
		}
	}
}

func TestContainerAbsentTable(t *testing.T) {
	const head = "runtime docker\narch x86_64\n"
	container := func(name, labels string) string {
		return head + fmt.Sprintf(`container 1f ab running {"Id":"1f","Name":"/%s","State":{"Status":"running"},"Config":{"Labels":{%s}}}`, name, labels) +
			"\ncontainers 0\nimage {\"Id\":\"sha256:ab\"}\nimages 0\n\nend\n"
	}
	ours := `"cvsplay.owner":"cvsplay","cvsplay.run":"r1"`
	tests := []struct {
		name string
		args containerAbsentArgs
		out  string
		past []engine.Outcome
		want string
	}{
		{"absent", containerAbsentArgs{Name: "box"}, head + "Error: No such container: box\ncontainers 1\n\nend\n", nil, "done"},
		{"ours", containerAbsentArgs{Name: "box"}, container("box", ours), nil, "act: remove container"},
		{"ours, of this run", containerAbsentArgs{Name: "box", Run: "r1"}, container("box", ours), nil, "act: remove container"},
		{"ours, of another run", containerAbsentArgs{Name: "box", Run: "r2"}, container("box", ours), nil, "done"},
		{"foreign", containerAbsentArgs{Name: "box"}, container("box", ""), nil,
			"refused: container box (1f) was not launched by cvsplay: it is not removed\n  adopt = true removes it all the same"},
		{"foreign, adopted", containerAbsentArgs{Name: "box", Adopt: true}, container("box", ""), nil, "act: remove container"},
		{"an id that begins like the name", containerAbsentArgs{Name: "1f"}, container("box", ours), nil, "done"},
		{"runtime down", containerAbsentArgs{Name: "box"}, "down no container runtime\nend\n", nil,
			"failed: whether container box is there is not known: the container runtime does not answer: no container runtime"},
		{"no answer", containerAbsentArgs{Name: "box"}, head + "Cannot connect\ncontainers 1\n\nend\n", nil,
			"failed: whether container box is there is not known: the container runtime does not answer: Cannot connect"},
	}
	for _, tt := range tests {
		d := decideContainerAbsent(tt.args, engine.Seen{Reach: engine.Reached, Past: tt.past, Answers: []engine.Answer{simAnswer(tt.out, 0)}})
		if got := decisionText(d); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
		act, ok := d.(engine.Act)
		if !ok {
			continue
		}
		after := decideContainerAbsent(tt.args, engine.Seen{Reach: engine.Reached, Answers: act.Changes[0].Then})
		if got := decisionText(after); got != "done" {
			t.Errorf("%s: on the foretold answer: %s", tt.name, got)
		}
	}
}

// What is wrong with arguments is found without a host.
func TestContainerArgumentsValid(t *testing.T) {
	list := func(s ...string) cty.Value {
		var out []cty.Value
		for _, e := range s {
			out = append(out, cty.StringVal(e))
		}
		return cty.ListVal(out)
	}
	tests := []struct {
		arg   string
		value cty.Value
		want  string
	}{
		{"name", cty.StringVal("cvs_rvs"), ""},
		{"name", cty.StringVal("-rm"), "not a container name"},
		{"name", cty.StringVal("box.new"), "being launched"},
		{"image", cty.StringVal("Rvs"), "is no image reference"},
		{"volumes", list("/a:/b:ro", "data:/b"), ""},
		{"volumes", list("/a"), "not HOST:CONTAINER"},
		{"devices", list("/dev/infiniband/*"), ""},
		{"devices", list("/dev/x*:/dev/y"), "a glob cannot be mapped"},
		{"devices", list("kfd"), "not an absolute path"},
		{"ulimit", list("memlock=-1", "nofile=1:2"), ""},
		{"ulimit", list("memlock"), "not NAME=SOFT"},
		{"shm_size", cty.StringVal("16g"), ""},
		{"shm_size", cty.StringVal("lots"), "not a size"},
		{"shm_size", cty.StringVal("nan"), "not a size"},
		{"shm_size", cty.StringVal("-1g"), "not a size"},
		{"restart", cty.StringVal("on-failure:2"), ""},
		{"restart", cty.StringVal("sometimes"), "not a restart policy"},
		{"labels", cty.MapVal(map[string]cty.Value{"cvsplay.owner": cty.StringVal("me")}), "set by cvsplay itself"},
		{"env", cty.MapVal(map[string]cty.Value{"A B": cty.StringVal("1")}), "no name of an environment variable"},
		{"start_timeout", cty.StringVal("0s"), "longer than nothing"},
	}
	for _, tt := range tests {
		arg, ok := containerEnsureSchema.Arg(tt.arg)
		if !ok || arg.Valid == nil {
			t.Fatalf("%s cannot be checked", tt.arg)
		}
		err := arg.Valid(tt.value)
		if got := fmt.Sprint(err); (tt.want == "") != (err == nil) || !strings.Contains(got, tt.want) {
			t.Errorf("%s = %#v: %v, want %q", tt.arg, tt.value, err, tt.want)
		}
	}
	for _, gone := range []string{"enabled", "launch"} {
		if arg, ok := containerEnsureSchema.Arg(gone); !ok || arg.Gone == "" {
			t.Errorf("%s of the old schema is not refused", gone)
		}
	}
}
