package modules

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"cvsplay/engine"
)

// A fieldRow is one way to declare a setting, another declaration of the same setting, and how a container launched from the first one differs
// from the second.
type fieldRow struct {
	name           string
	spec           containerSpec
	other          containerSpec
	docker, podman string // podman: "" where it says the same

	power bool // a sandbox may refuse to start this; then the container is only created
}

// fieldRows are all settings of a containerSpec. BOX is a container whose namespaces can be shared, NET a network, DIR a folder with a device in it and a
// seccomp profile beside it, PORT… are free ports.
func fieldRows() []fieldRow {
	yes, no := true, false
	return []fieldRow{
		{name: "command", spec: containerSpec{Command: []string{"sh", "-c", `sleep infinity # it's "$X"`}}, other: containerSpec{Command: []string{"sleep", "infinity"}},
			docker: `command is sh -c 'sleep infinity # it'\''s "$X"', declared sleep infinity`},
		{name: "env", spec: containerSpec{Env: map[string]string{"A": "it's $HOME\n\"more\"", "EMPTY": "", "EQ": "a=b=c"}}, other: containerSpec{Env: map[string]string{"EMPTY": "1", "NEW": "x", "EQ": "a=b=c"}},
			docker: "env.EMPTY is (none), declared 1; env.NEW is (none), declared x"},
		{name: "labels", spec: containerSpec{Labels: map[string]string{"team": "a b", "empty": ""}}, other: containerSpec{Labels: map[string]string{"team": "c", "empty": ""}},
			docker: "labels.team is a b, declared c"},
		{name: "volumes: read-only", spec: containerSpec{Volumes: []string{"DIR:/a:ro"}}, other: containerSpec{Volumes: []string{"DIR:/a"}},
			docker: "volumes is DIR:/a:ro, declared also DIR:/a", podman: "volumes is DIR:/a:ro,rprivate,rbind, declared also DIR:/a"},
		{name: "volumes: slashes, options, by name", spec: containerSpec{Volumes: []string{"DIR/:/b/", "DIR:/c:ro,z", "NET:/d"}}, other: containerSpec{Volumes: []string{"DIR:/b", "/tmp:/b"}},
			docker: "volumes is DIR/:/b/ DIR:/c:ro,z NET:/d, declared also /tmp:/b",
			podman: "volumes is DIR:/b/:rw,rprivate,rbind DIR:/c:ro,rprivate,rbind NET:/d:rw,rprivate,nosuid,nodev,rbind, declared also /tmp:/b"},
		{name: "devices", spec: containerSpec{Devices: []string{"/dev/null"}}, other: containerSpec{Devices: []string{"/dev/null", "/dev/zero"}},
			docker: "devices is /dev/null:/dev/null:rwm, declared also /dev/zero", podman: "devices is /dev/null, declared also /dev/zero"},
		{name: "devices: mapped, permissions", spec: containerSpec{Devices: []string{"/dev/null:/dev/x:r", "/dev/zero:/dev/y", "/dev/full:r"}}, other: containerSpec{Devices: []string{"/dev/null:/dev/x:rw"}},
			docker: "devices is /dev/full:/dev/full:r /dev/null:/dev/x:r /dev/zero:/dev/y:rwm, declared also /dev/null:/dev/x:rw", podman: "devices is /dev/full:r /dev/null:/dev/x:r /dev/zero:/dev/y, declared also /dev/null:/dev/x:rw"},
		{name: "devices: a folder", spec: containerSpec{Devices: []string{"DIR/dev"}}, other: containerSpec{Devices: []string{"DIR/other"}},
			docker: "devices is DIR/dev:DIR/dev:rwm, declared also DIR/other", podman: "devices is DIR/dev, declared also DIR/other"},
		{name: "cap_add", spec: containerSpec{CapAdd: []string{"SYS_PTRACE", "cap_net_admin", "CHOWN"}}, other: containerSpec{CapAdd: []string{"CAP_SYS_PTRACE", "SYS_ADMIN"}},
			docker: "cap_add is CAP_CHOWN CAP_NET_ADMIN CAP_SYS_PTRACE, declared also SYS_ADMIN", podman: "cap_add is CAP_NET_ADMIN CAP_SYS_PTRACE, declared also SYS_ADMIN"},
		{name: "cap_add: all", spec: containerSpec{CapAdd: []string{"ALL"}}, power: true},
		{name: "security_opt: seccomp", spec: containerSpec{SecurityOpt: []string{"seccomp=unconfined"}}, other: containerSpec{SecurityOpt: []string{"seccomp:unconfined", "apparmor=unconfined"}},
			docker: "security_opt is seccomp=unconfined, declared also apparmor=unconfined"},
		{name: "security_opt: no-new-privileges", spec: containerSpec{SecurityOpt: []string{"no-new-privileges:true", "label:disable"}}, other: containerSpec{SecurityOpt: []string{"no-new-privileges", "label=disable", "systempaths=unconfined"}},
			docker: "security_opt is label:disable no-new-privileges:true, declared also systempaths=unconfined", podman: "security_opt is label=disable no-new-privileges, declared also systempaths=unconfined"},
		{name: "security_opt: without a value", spec: containerSpec{SecurityOpt: []string{"no-new-privileges", "apparmor=unconfined"}}, other: containerSpec{SecurityOpt: []string{"label=disable"}},
			docker: "security_opt is apparmor=unconfined no-new-privileges, declared also label=disable"},
		{name: "security_opt: systempaths", spec: containerSpec{SecurityOpt: []string{"systempaths=unconfined"}}, other: containerSpec{SecurityOpt: []string{"systempaths=unconfined", "seccomp=unconfined"}},
			docker: "security_opt is (none), declared also seccomp=unconfined"},
		{name: "security_opt: a profile", spec: containerSpec{SecurityOpt: []string{"seccomp=DIR/seccomp.json"}}, other: containerSpec{SecurityOpt: []string{"seccomp=unconfined"}},
			docker: `security_opt is seccomp={"defaultAction":"SCMP_ACT_ALLOW"}, declared also seccomp=unconfined`, podman: "security_opt is seccomp=DIR/seccomp.json, declared also seccomp=unconfined"},
		{name: "group_add", spec: containerSpec{GroupAdd: []string{"video", "1000"}}, other: containerSpec{GroupAdd: []string{"1000", "render"}},
			docker: "group_add is 1000 video, declared also render"},
		{name: "ulimit", spec: containerSpec{Ulimit: []string{"nofile=512:1024", "nproc=100", "core=0"}}, other: containerSpec{Ulimit: []string{"core=0:0", "nofile=512"}},
			docker: "ulimit is core=0:0 nofile=512:1024 nproc=100:100, declared also nofile=512", podman: "ulimit is RLIMIT_CORE=0:0 RLIMIT_NOFILE=512:1024 RLIMIT_NPROC=100:100, declared also nofile=512"},
		{name: "ulimit: no limit", spec: containerSpec{Ulimit: []string{"memlock=-1", "nofile=512", "nproc=100"}}, other: containerSpec{Ulimit: []string{"memlock=8:9"}}, power: true,
			docker: "ulimit is memlock=-1:-1 nofile=512:512 nproc=100:100, declared also memlock=8:9", podman: "ulimit is RLIMIT_MEMLOCK=-1:-1 RLIMIT_NOFILE=512:512 RLIMIT_NPROC=100:100, declared also memlock=8:9"},
		{name: "network: host", spec: containerSpec{Network: "host"}, other: containerSpec{Network: "bridge"}, docker: "network is host, declared bridge"},
		{name: "network: none", spec: containerSpec{Network: "none"}, other: containerSpec{Network: "NET"}, docker: "network is none, declared NET"},
		{name: "network: bridge", spec: containerSpec{Network: "bridge"}, other: containerSpec{Network: "host"}, docker: "network is bridge, declared host"},
		{name: "network: default", spec: containerSpec{Network: "default"}, other: containerSpec{Network: "none"}, docker: "network is bridge, declared none"},
		{name: "network: by name", spec: containerSpec{Network: "NET"}, other: containerSpec{Network: "bridge"}, docker: "network is NET, declared bridge"},
		{name: "network: a container's", spec: containerSpec{Network: "container:BOX"}, other: containerSpec{Network: "container:gone"}, docker: "network is container:ID, declared container:gone"},
		{name: "ipc: private", spec: containerSpec{IPC: "private"}, other: containerSpec{IPC: "host"}, docker: "ipc is private, declared host"},
		{name: "ipc: shareable", spec: containerSpec{IPC: "shareable"}, other: containerSpec{IPC: "private"}, docker: "ipc is shareable, declared private"},
		{name: "ipc: host, which has a size of its own", spec: containerSpec{IPC: "host", ShmSize: "128m"}, other: containerSpec{IPC: "shareable"}, docker: "ipc is host, declared shareable"},
		{name: "ipc: none", spec: containerSpec{IPC: "none"}, other: containerSpec{IPC: "private"}, docker: "ipc is none, declared private"},
		{name: "ipc: a container's", spec: containerSpec{IPC: "container:BOX", ShmSize: "128m"}, other: containerSpec{IPC: "private"}, docker: "ipc is container:ID, declared private"},
		{name: "pid: host", spec: containerSpec{PID: "host"}, other: containerSpec{PID: "container:BOX"}, docker: "pid is host, declared container:ID"},
		{name: "pid: a container's", spec: containerSpec{PID: "container:BOX"}, other: containerSpec{PID: "host"}, docker: "pid is container:ID, declared host"},
		{name: "shm_size", spec: containerSpec{ShmSize: "128m"}, other: containerSpec{ShmSize: "1g"}, docker: "shm_size is 134217728, declared 1073741824"},
		{name: "shm_size: a part, bytes", spec: containerSpec{ShmSize: "1.5MB"}, other: containerSpec{ShmSize: "1572864b"}},
		{name: "user", spec: containerSpec{User: "user"}, other: containerSpec{User: "root"}, docker: "user is user, declared root"},
		{name: "user: by number, with a group", spec: containerSpec{User: "1000:44"}, other: containerSpec{User: "1000"}, docker: "user is 1000:44, declared 1000"},
		{name: "workdir", spec: containerSpec{Workdir: "/tmp"}, other: containerSpec{Workdir: "/etc"}, docker: "workdir is /tmp, declared /etc"},
		{name: "hostname", spec: containerSpec{Hostname: "inside"}, other: containerSpec{Hostname: "outside"}, docker: "hostname is inside, declared outside"},
		{name: "hostname: on the host's network", spec: containerSpec{Hostname: "inside", Network: "host"}, other: containerSpec{Hostname: "outside"}, docker: "hostname is inside, declared outside"},
		{name: "restart: no", spec: containerSpec{Restart: "no"}, other: containerSpec{Restart: "always"}, docker: "restart is no, declared always"},
		{name: "restart: always", spec: containerSpec{Restart: "always"}, other: containerSpec{Restart: "no"}, docker: "restart is always, declared no"},
		{name: "restart: unless-stopped", spec: containerSpec{Restart: "unless-stopped"}, other: containerSpec{Restart: "on-failure"}, docker: "restart is unless-stopped, declared on-failure"},
		{name: "restart: on-failure", spec: containerSpec{Restart: "on-failure"}, other: containerSpec{Restart: "on-failure:3"}, docker: "restart is on-failure, declared on-failure:3"},
		{name: "restart: so many times", spec: containerSpec{Restart: "on-failure:3"}, other: containerSpec{Restart: "on-failure"}, docker: "restart is on-failure:3, declared on-failure"},
		{name: "privileged", spec: containerSpec{Privileged: &yes}, other: containerSpec{Privileged: &no}, docker: "privileged is true, declared false", power: true},
		{name: "privileged: no", spec: containerSpec{Privileged: &no}, other: containerSpec{Privileged: &yes}, docker: "privileged is false, declared true"},
		{name: "init", spec: containerSpec{Init: &yes}, other: containerSpec{Init: &no}, docker: "init is true, declared false"},
		{name: "init: no", spec: containerSpec{Init: &no}, other: containerSpec{Init: &yes}, docker: "init is false, declared true"},
		{name: "ports", spec: containerSpec{Ports: []string{"PORT1:80", "127.0.0.1:PORT2:81/udp"}}, other: containerSpec{Ports: []string{"0.0.0.0:PORT1:80/tcp", "PORT2:81/udp"}},
			docker: "ports is 127.0.0.1:PORT2:81/udp :PORT1:80/tcp, declared also PORT2:81/udp"},
		{name: "ports: ranges, and any", spec: containerSpec{Ports: []string{"PORT3-PORT4:90-91", "82"}}, other: containerSpec{Ports: []string{"82", "PORT4:90"}},
			docker: "ports is :PORT3:90/tcp :PORT4:91/tcp ::82/tcp, declared also PORT4:90", podman: "ports is :PORT3:90/tcp :PORT4:91/tcp :ANY:82/tcp, declared also PORT4:90"},
		{name: "what privileged makes pointless", power: true, spec: containerSpec{Privileged: &yes, CapAdd: []string{"SYS_PTRACE", "IPC_LOCK"}, Devices: []string{"/dev/null"}, Network: "host", IPC: "host", ShmSize: "1g",
			SecurityOpt: []string{"seccomp=unconfined", "apparmor=unconfined"}, GroupAdd: []string{"video"}, Ports: []string{"PORT5:80"}}},
		{name: "all together", spec: containerSpec{Command: []string{"sleep", "infinity"}, Env: map[string]string{"A": "1"}, Labels: map[string]string{"l": "1"}, Volumes: []string{"DIR:/a:ro"}, Devices: []string{"/dev/null"},
			CapAdd: []string{"SYS_PTRACE"}, SecurityOpt: []string{"seccomp=unconfined"}, GroupAdd: []string{"video"}, Ulimit: []string{"nofile=512:1024", "nproc=100"}, Network: "bridge", IPC: "private", PID: "host", ShmSize: "64m",
			User: "user", Workdir: "/tmp", Hostname: "inside", Restart: "on-failure:2", Privileged: &no, Init: &no, Ports: []string{"PORT6:80"}}}, // podman allows an init only in a PID namespace of its own
	}
}

// A container that was just launched is as it was declared, for every setting and whatever its spelling, when its description is looked at and not only the
// label with the hash; and where something else is declared the difference is told.
func TestContainerFieldsOnRealEngine(t *testing.T) { onEachEngine(t, testContainerFieldsOnRealEngine) }

func testContainerFieldsOnRealEngine(t *testing.T, e *realEngine) {
	b := newFieldBench(t, e)
	names := []string{b.box}
	specs := map[string]containerSpec{}
	for i, row := range fieldRows() {
		name := fmt.Sprintf("%s-%d", e.prefix, i)
		names = append(names, name)
		specs[name] = b.fill(row.spec)
		b.launch(name, row, specs[name])
	}
	facts, err := readContainerFacts(e.here(containerQuestion(e.runtime, names, nil, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range fieldRows() {
		name := fmt.Sprintf("%s-%d", e.prefix, i)
		box := facts.container(name)
		if box == nil {
			t.Errorf("%s: there is no container", row.name)
			continue
		}
		expect(t, row.name+": just launched", b.plain(specs[name].drift(*box, facts)), "")
		want := row.docker
		if e.runtime == engine.PodmanRuntime && row.podman != "" {
			want = row.podman
		}
		expect(t, row.name+": declared otherwise", b.plain(b.fill(row.other).drift(*box, facts)), want)
	}
}

// No setting is left out of the rows.
func TestContainerFieldRowsAreComplete(t *testing.T) {
	seen := map[string]int{}
	for _, row := range fieldRows() {
		v := reflect.ValueOf(row.spec)
		for i := range v.NumField() {
			if !v.Field(i).IsZero() {
				seen[v.Type().Field(i).Name]++
			}
		}
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[containerSpec]()) {
		if seen[field.Name] < 2 { // by itself, and with all others
			t.Errorf("%s is in %d rows", field.Name, seen[field.Name])
		}
	}
}

// A fieldBench is what the rows' place-holders stand for on an engine.
type fieldBench struct {
	*realEngine
	t       *testing.T
	box, id string
	words   []string // place-holder, value, …
}

func newFieldBench(t *testing.T, e *realEngine) *fieldBench {
	t.Helper()
	b := &fieldBench{realEngine: e, t: t, box: e.prefix + "-box"}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "dev"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mknod(filepath.Join(dir, "dev/one"), syscall.S_IFCHR|0o666, 1<<8|3); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "seccomp.json"), []byte(`{"defaultAction":"SCMP_ACT_ALLOW"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	e.ctr("pull", "-q", e.repo()+":1")
	b.id = e.ctr("run", "-d", "--name", b.box, "--ipc", "shareable", e.repo()+":1", "sleep", "infinity")
	e.ctr("network", "create", e.prefix)
	t.Cleanup(func() {
		e.discard()
		e.ctr("network", "rm", e.prefix)
		e.ctr("volume", "rm", e.prefix)
	})
	b.words = []string{"BOX", b.box, "NET", e.prefix, "DIR", dir}
	from := 23000
	if e.runtime == engine.PodmanRuntime { // which runs beside Docker
		from = 27000
	}
	for i, port := range freePorts(t, from, 6) {
		b.words = append(b.words, fmt.Sprintf("PORT%d", i+1), strconv.Itoa(port))
	}
	return b
}

// freePorts are n ports that nobody listens on, one after the other, of the 4000 from the given one on.
func freePorts(t *testing.T, from, n int) []int {
	t.Helper()
	for first := from; first < from+4000; first += n {
		var out []int
		for port := first; port < first+n; port++ {
			tcp, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
			if err != nil {
				break
			}
			_ = tcp.Close()
			out = append(out, port)
		}
		if len(out) == n {
			return out
		}
	}
	t.Fatal("no free ports")
	return nil
}

// fill puts values for the place-holders.
func (b *fieldBench) fill(s containerSpec) containerSpec {
	r := strings.NewReplacer(b.words...)
	list := func(in []string) []string {
		var out []string
		for _, v := range in {
			out = append(out, r.Replace(v))
		}
		return out
	}
	s.Volumes, s.Devices, s.SecurityOpt, s.Ports = list(s.Volumes), list(s.Devices), list(s.SecurityOpt), list(s.Ports)
	s.Network, s.IPC, s.PID = r.Replace(s.Network), r.Replace(s.IPC), r.Replace(s.PID)
	return s
}

// plain is a drift as the rows have it.
func (b *fieldBench) plain(drift []containerDrift) string {
	var back []string
	for i := 0; i < len(b.words); i += 2 {
		if strings.Contains(b.words[i+1], b.prefix) {
			continue // BOX begins like NET
		}
		back = append(back, b.words[i+1], b.words[i])
	}
	back = append(back, b.box, "BOX", b.prefix, "NET", b.id, "ID")
	var out []string
	for _, d := range drift {
		text := strings.NewReplacer(back...).Replace(d.String())
		if i := strings.Index(text, "82/tcp"); i > 0 && d.Field == "ports" { // the engine chose the host's port
			if from := strings.LastIndex(text[:i-1], ":"); from >= 0 && from+1 < i-1 {
				text = text[:from+1] + "ANY" + text[i-1:]
			}
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// launch starts a container as a step does, or only creates it where this machine would not let it start.
func (b *fieldBench) launch(name string, row fieldRow, spec containerSpec) {
	b.t.Helper()
	words := slices.Concat([]string{"--name", name}, spec.flags())
	command := spec.Command
	if command == nil {
		command = []string{"sleep", "infinity"}
	}
	verb := []string{"run", "-d"}
	if row.power && !mayRaiseLimits(b.t) {
		verb = []string{"create"}
	}
	b.ctr(slices.Concat(verb, words, []string{b.repo() + ":1"}, command)...)
}

// mayRaiseLimits tells whether this process has every right that root has.
func mayRaiseLimits(t *testing.T) bool {
	t.Helper()
	for line := range strings.Lines(must(readText("/proc/self/status"))) {
		if mask, ok := strings.CutPrefix(line, "CapEff:"); ok {
			bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			const sysResource = 24
			return bits&(1<<sysResource) != 0
		}
	}
	return false
}
