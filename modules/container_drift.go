package modules

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"cvsplay/engine"
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

// drift compares a container with what is declared, and only with that: a setting that the declaration leaves out may be anything. A setting is as
// declared where the runtime's description says so, or the record of the command that made the container. Other containers whose namespaces
// it shares are looked up in facts.
func (s containerSpec) drift(c containerInspect, facts containerFacts) []containerDrift {
	if h := c.Config.Labels[labelSpec]; h != "" && h == s.hash() {
		return nil
	}
	d := &driftList{}
	h := c.HostConfig
	if len(s.Command) > 0 {
		d.text("command", engine.QuoteAll(c.Config.Cmd...), engine.QuoteAll(s.Command...))
	}
	d.pairs("env", envMap(c.Config.Env), s.Env)
	d.pairs("labels", c.Config.Labels, s.Labels)
	d.list("volumes", h.Binds, s.Volumes, amongTexts(plainVolume, h.Binds, c.Config.said("--volume", "-v")))
	d.list("devices", c.devices(), s.Devices, c.hasDevice)
	d.list("cap_add", h.CapAdd, s.CapAdd, amongTexts(plainCapability, h.CapAdd, c.BoundingCaps, c.Config.said("--cap-add")))
	d.list("security_opt", h.SecurityOpt, s.SecurityOpt, c.hasSecurity)
	d.list("group_add", h.GroupAdd, s.GroupAdd, amongTexts(nil, h.GroupAdd, c.Config.said("--group-add")))
	d.list("ulimit", ulimitNames(h), s.Ulimit, amongTexts(plainUlimit, ulimitNames(h)))
	d.list("ports", portNames(h), s.Ports, c.hasPort)
	network := facts.plainNamespace(s.Network)
	d.text("network", c.network(network), network)
	d.text("ipc", c.ipc(), facts.plainNamespace(s.IPC))
	d.text("pid", h.PidMode, facts.plainNamespace(s.PID))
	d.text("user", c.Config.User, s.User)
	d.text("workdir", c.Config.WorkingDir, s.Workdir)
	d.text("hostname", c.Config.Hostname, s.Hostname)
	d.text("restart", restartName(h), plainRestart(s.Restart))
	if want, err := parseSize(s.shmSize()); err == nil {
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

// list finds what the container lacks of a list.
func (d *driftList) list(field string, have, want []string, has func(string) bool) {
	lacks := slices.DeleteFunc(slices.Clone(want), has)
	if len(lacks) > 0 {
		d.found = append(d.found, containerDrift{field, strings.Join(slices.Sorted(slices.Values(have)), " "), "also " + strings.Join(lacks, " ")})
	}
}

// amongTexts tells whether one of the lists has a text; plain makes the spellings of one thing equal.
func amongTexts(plain func(string) string, lists ...[]string) func(string) bool {
	if plain == nil {
		plain = func(s string) string { return s }
	}
	there := map[string]bool{}
	for _, list := range lists {
		for _, h := range list {
			there[plain(h)] = true
		}
	}
	return func(want string) bool { return there[plain(want)] }
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
	for i := range parts[:min(2, len(parts))] {
		if strings.HasPrefix(parts[i], "/") {
			parts[i] = path.Clean(parts[i])
		}
	}
	if len(parts) == 3 && slices.Contains(strings.Split(parts[2], ","), "ro") {
		return parts[0] + ":" + parts[1] + ":ro"
	}
	return strings.Join(parts[:min(2, len(parts))], ":")
}

// devices are those that the container was given. Podman's description has no permissions, the devices of a folder in place of the folder, and none
// where privileged gives all of them; so the command that made the container goes first.
func (c containerInspect) devices() []string {
	if len(c.Config.CreateCommand) > 0 {
		return c.Config.said("--device")
	}
	var out []string
	for _, d := range c.HostConfig.Devices {
		out = append(out, strings.TrimSuffix(d.PathOnHost+":"+d.PathInContainer+":"+d.CgroupPermissions, ":"))
	}
	return out
}

func (c containerInspect) hasDevice(want string) bool {
	if amongTexts(plainDevice, c.devices())(want) {
		return true
	}
	if c.BoundingCaps == nil || len(c.Config.CreateCommand) > 0 {
		return false
	}
	// Made through podman's API: what its description leaves out cannot be told.
	parts := strings.Split(plainDevice(want), ":")
	return c.HostConfig.Privileged || slices.ContainsFunc(c.HostConfig.Devices, func(d containerDevice) bool {
		return d.PathOnHost == parts[0] && d.PathInContainer == parts[1] || strings.HasPrefix(d.PathOnHost, parts[0]+"/")
	})
}

func plainDevice(d string) string {
	parts := strings.Split(d, ":")
	if len(parts) == 1 || len(parts) == 2 && !strings.HasPrefix(parts[1], "/") { // PATH, PATH:PERMISSIONS
		parts = slices.Insert(parts, 1, parts[0])
	}
	if len(parts) == 2 {
		parts = append(parts, "rwm")
	}
	return strings.Join(parts, ":")
}

func plainCapability(c string) string { return strings.TrimPrefix(strings.ToUpper(c), "CAP_") }

// hasSecurity tells whether the container has a security option. Docker keeps a seccomp profile's text in place of its path, and
// "systempaths" as what follows from it.
func (c containerInspect) hasSecurity(want string) bool {
	h := c.HostConfig
	if amongTexts(plainSecurity, h.SecurityOpt, c.Config.said("--security-opt"))(want) {
		return true
	}
	kind, value, _ := strings.Cut(plainSecurity(want), "=")
	switch {
	case kind == "systempaths" && value == "unconfined":
		return h.MaskedPaths != nil && len(h.MaskedPaths)+len(h.ReadonlyPaths) == 0
	case kind == "seccomp" && strings.HasPrefix(value, "/"):
		return slices.ContainsFunc(h.SecurityOpt, func(s string) bool { return strings.HasPrefix(s, "seccomp={") })
	}
	return false
}

func plainSecurity(s string) string {
	if k, v, ok := strings.Cut(s, ":"); ok && !strings.Contains(k, "=") {
		s = k + "=" + v
	}
	return strings.TrimSuffix(s, "=true") // no-new-privileges
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

// network is the mode of the container's network, or the network's name: the wanted one, where it is in several. Podman calls the mode of every network
// with a bridge so.
func (c containerInspect) network(want string) string {
	var joined []string
	for name := range c.NetworkSettings.Networks {
		joined = append(joined, plainNetwork(name))
	}
	mode := plainNetwork(c.HostConfig.NetworkMode)
	switch {
	case mode != "bridge" || len(joined) == 0:
		return mode
	case slices.Contains(joined, want):
		return want
	}
	slices.Sort(joined)
	return strings.Join(joined, ",")
}

// plainNetwork: "default" is the bridge, as docker calls it; the network behind that is "podman" to podman.
func plainNetwork(n string) string {
	if n == "default" || n == "podman" {
		return "bridge"
	}
	return n
}

// ipc is the mode of the container's IPC namespace. Podman 4 describes each as shareable that is not another container's.
func (c containerInspect) ipc() string {
	mode := c.HostConfig.IpcMode
	if said := c.Config.said("--ipc"); mode == "shareable" && len(said) > 0 {
		return said[len(said)-1]
	}
	return mode
}

// plainNamespace is a declared network, IPC or PID namespace as a container's description has it: another container's by that one's id.
func (f containerFacts) plainNamespace(declared string) string {
	if name, ok := strings.CutPrefix(declared, "container:"); ok {
		for _, c := range f.Containers {
			if c.Name == name || strings.HasPrefix(c.ID, name) {
				return "container:" + c.ID
			}
		}
	}
	return plainNetwork(declared)
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

// hasPort tells whether a port is published as wanted. Where the container has no network of its own there is nothing to publish.
func (c containerInspect) hasPort(want string) bool {
	switch mode, _, _ := strings.Cut(c.HostConfig.NetworkMode, ":"); mode {
	case "host", "none", "container":
		return true
	}
	if slices.Contains(c.Config.said("--publish", "-p"), want) {
		return true
	}
	for _, w := range portsOf(want) {
		if !slices.ContainsFunc(c.HostConfig.PortBindings[w.port], w.is) {
			return false
		}
	}
	return true
}

// A wantedPort is one port of the container, and where on the host it is to be found: on one of the ports from low to high; 0: on any.
type wantedPort struct {
	ip, port  string // "" is every address; PORT/PROTOCOL
	low, high int
}

func (w wantedPort) is(b portBinding) bool {
	if plainAddress(b.HostIP) != w.ip {
		return false
	}
	if w.low == 0 {
		return true
	}
	low, high := portSpan(b.HostPort)
	return low >= w.low && high <= w.high
}

// portsOf reads [[IP:]HOST:]CONTAINER[/PROTOCOL], where HOST and CONTAINER may be ranges.
func portsOf(s string) []wantedPort {
	s, protocol, _ := strings.Cut(s, "/")
	if protocol == "" {
		protocol = "tcp"
	}
	words := strings.Split(s, ":")
	container, rest := words[len(words)-1], words[:len(words)-1]
	var w wantedPort
	if len(rest) > 0 {
		w.low, w.high = portSpan(rest[len(rest)-1])
		w.ip = plainAddress(strings.Trim(strings.Join(rest[:len(rest)-1], ":"), "[]"))
	}
	var out []wantedPort
	first, last := portSpan(container)
	for port := first; port <= last; port++ {
		w.port = fmt.Sprintf("%d/%s", port, protocol)
		one := w
		if last > first && w.low > 0 { // two ranges go side by side
			one.low, one.high = w.low+port-first, w.low+port-first
		}
		out = append(out, one)
	}
	return out
}

// portSpan reads N or N-M; 0 where there is no number.
func portSpan(s string) (low, high int) {
	first, last, _ := strings.Cut(s, "-")
	low, _ = strconv.Atoi(first)
	high, err := strconv.Atoi(last)
	if err != nil {
		high = low
	}
	return low, high
}

func plainAddress(ip string) string {
	if ip == "0.0.0.0" {
		return ""
	}
	return ip
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
	if err != nil || !ok || !(n > 0 && n*factor < 1<<62) {
		return 0, fmt.Errorf("not a size such as \"512m\" or \"16g\"")
	}
	return int64(n * factor), nil
}
