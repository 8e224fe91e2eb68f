package modules

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A containerDrift is one setting of a container that is not as declared.
type containerDrift struct{ Field, Have, Want string }

func (d containerDrift) String() string {
	return fmt.Sprintf("%s is %s, declared %s", d.Field, orNone(d.Have), orNone(d.Want))
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// drift compares a container with what is declared, and only with that: a setting that the declaration leaves out may be anything.
func (s containerSpec) drift(c containerInspect) []containerDrift {
	if h := c.Config.Labels[labelSpec]; h != "" && h == s.hash() {
		return nil
	}
	d := &driftList{}
	h := c.HostConfig
	if len(s.Command) > 0 {
		d.text("command", strings.Join(c.Config.Cmd, " "), strings.Join(s.Command, " "))
	}
	d.pairs("env", envMap(c.Config.Env), s.Env)
	d.pairs("labels", c.Config.Labels, s.Labels)
	d.list("volumes", h.Binds, s.Volumes, plainVolume)
	d.list("devices", deviceNames(h), s.Devices, plainDevice)
	d.list("cap_add", h.CapAdd, s.CapAdd, plainCapability)
	d.list("security_opt", h.SecurityOpt, s.SecurityOpt, plainSecurity)
	d.list("group_add", h.GroupAdd, s.GroupAdd, nil)
	d.list("ulimit", ulimitNames(h), s.Ulimit, plainUlimit)
	d.list("ports", portNames(h), fixedPorts(s.Ports), plainPort)
	d.text("network", plainNetwork(h.NetworkMode), plainNetwork(s.Network))
	d.text("ipc", h.IpcMode, s.IPC)
	d.text("pid", h.PidMode, s.PID)
	d.text("user", c.Config.User, s.User)
	d.text("workdir", c.Config.WorkingDir, s.Workdir)
	d.text("hostname", c.Config.Hostname, s.Hostname)
	d.text("restart", restartName(h), plainRestart(s.Restart))
	if want, err := parseSize(s.ShmSize); s.ShmSize != "" && err == nil {
		d.text("shm_size", strconv.FormatInt(h.ShmSize, 10), strconv.FormatInt(want, 10))
	}
	if s.Privileged != nil {
		d.text("privileged", strconv.FormatBool(h.Privileged), strconv.FormatBool(*s.Privileged))
	}
	if s.Init != nil {
		d.text("init", strconv.FormatBool(h.Init != nil && *h.Init), strconv.FormatBool(*s.Init))
	}
	return d.found
}

type driftList struct{ found []containerDrift }

func (d *driftList) text(field, have, want string) {
	if want != "" && have != want {
		d.found = append(d.found, containerDrift{field, have, want})
	}
}

func (d *driftList) pairs(field string, have, want map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if v, ok := have[k]; !ok {
			d.found = append(d.found, containerDrift{field + "." + k, "", want[k]})
		} else if v != want[k] {
			d.found = append(d.found, containerDrift{field + "." + k, v, want[k]})
		}
	}
}

// list finds what the container lacks of a list; plain makes the spellings of one thing equal.
func (d *driftList) list(field string, have, want []string, plain func(string) string) {
	if plain == nil {
		plain = func(s string) string { return s }
	}
	there := map[string]bool{}
	for _, h := range have {
		there[plain(h)] = true
	}
	var lacks []string
	for _, w := range want {
		if !there[plain(w)] {
			lacks = append(lacks, w)
		}
	}
	if len(lacks) > 0 {
		d.found = append(d.found, containerDrift{field, strings.Join(have, " "), "also " + strings.Join(lacks, " ")})
	}
}

func envMap(list []string) map[string]string {
	out := make(map[string]string, len(list))
	for _, e := range list {
		k, v, _ := strings.Cut(e, "=")
		out[k] = v
	}
	return out
}

// plainVolume keeps of the options only whether it is read-only: runtimes add their defaults.
func plainVolume(v string) string {
	parts := strings.SplitN(v, ":", 3)
	if len(parts) == 3 && slices.Contains(strings.Split(parts[2], ","), "ro") {
		return parts[0] + ":" + parts[1] + ":ro"
	}
	return strings.Join(parts[:min(2, len(parts))], ":")
}

func deviceNames(h containerHostConfig) []string {
	var out []string
	for _, d := range h.Devices {
		out = append(out, d.PathOnHost+":"+d.PathInContainer+":"+d.CgroupPermissions)
	}
	return out
}

func plainDevice(d string) string {
	parts := strings.Split(d, ":")
	if len(parts) == 1 {
		parts = append(parts, parts[0])
	}
	if len(parts) == 2 {
		parts = append(parts, "rwm")
	}
	return strings.Join(parts, ":")
}

func plainCapability(c string) string { return strings.TrimPrefix(strings.ToUpper(c), "CAP_") }

func plainSecurity(s string) string {
	if k, v, ok := strings.Cut(s, ":"); ok && !strings.Contains(k, "=") {
		return k + "=" + v
	}
	return s
}

func ulimitNames(h containerHostConfig) []string {
	var out []string
	for _, u := range h.Ulimits {
		out = append(out, fmt.Sprintf("%s=%d:%d", u.Name, u.Soft, u.Hard))
	}
	return out
}

func plainUlimit(u string) string {
	if !strings.Contains(u, ":") {
		_, v, _ := strings.Cut(u, "=")
		u += ":" + v
	}
	return strings.TrimPrefix(strings.ToLower(u), "rlimit_")
}

func portNames(h containerHostConfig) []string {
	var out []string
	for _, port := range slices.Sorted(maps.Keys(h.PortBindings)) {
		for _, b := range h.PortBindings[port] {
			out = append(out, b.HostIP+":"+b.HostPort+":"+port)
		}
	}
	return out
}

// fixedPorts are the ports that name one host port: of the others (ranges, any free port) the runtime's record says something else.
func fixedPorts(ports []string) []string {
	var out []string
	for _, p := range ports {
		if strings.Contains(p, ":") && !strings.Contains(p, "-") {
			out = append(out, p)
		}
	}
	return out
}

// plainPort is IP:HOST:CONTAINER/PROTOCOL, the address of all interfaces left out.
func plainPort(p string) string {
	if !strings.Contains(p, "/") {
		p += "/tcp"
	}
	if strings.Count(p, ":") == 1 {
		p = ":" + p
	}
	return strings.TrimPrefix(p, "0.0.0.0")
}

func plainNetwork(n string) string {
	if n == "default" {
		return "bridge"
	}
	return n
}

func restartName(h containerHostConfig) string {
	name := h.RestartPolicy.Name
	if name == "" {
		name = "no"
	}
	if name == "on-failure" && h.RestartPolicy.MaximumRetryCount > 0 {
		return fmt.Sprintf("%s:%d", name, h.RestartPolicy.MaximumRetryCount)
	}
	return name
}

func plainRestart(r string) string { return strings.TrimSuffix(r, ":0") }

// parseSize reads a size as the runtimes do: a number and b, k, m, g or t, of 1024 each.
func parseSize(s string) (int64, error) {
	number := strings.TrimRight(strings.ToLower(s), "bkmgt")
	unit := strings.TrimSuffix(strings.ToLower(s)[len(number):], "b")
	factor, ok := map[string]float64{"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}[unit]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !ok || n <= 0 || n*factor >= 1<<62 {
		return 0, fmt.Errorf("not a size such as \"512m\" or \"16g\"")
	}
	return int64(n * factor), nil
}
