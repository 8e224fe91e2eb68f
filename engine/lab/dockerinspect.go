package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// object is a piece of the engine's JSON.
type object map[string]any

func stamp(t time.Time) string {
	if t.IsZero() {
		return "0001-01-01T00:00:00Z"
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// orEmpty gives JSON [] rather than null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// inspect is the container as docker inspect describes it. The caller does not hold the engine's mutex.
func (c *container) inspect() object {
	e := c.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	argv := c.argv()
	pid := 0
	if c.state == stateRunning || c.state == statePaused {
		pid = 1000 + c.main.PID()
	}
	state := object{
		"Status": c.state, "Running": c.state == stateRunning || c.state == statePaused || c.state == stateRestarting, "Paused": c.state == statePaused,
		"Restarting": c.state == stateRestarting, "OOMKilled": false, "Dead": c.state == stateDead, "Pid": pid, "ExitCode": c.code, "Error": c.err, "StartedAt": stamp(c.started), "FinishedAt": stamp(c.finished),
	}
	if c.health != nil {
		state["Health"] = c.health.inspect()
	}
	mounts := []object{}
	for _, b := range c.spec.Binds {
		parts := strings.Split(b, ":")
		mode := ""
		if len(parts) == 3 {
			mode = parts[2]
		}
		mounts = append(mounts, object{"Type": "bind", "Source": parts[0], "Destination": parts[1], "Mode": mode, "RW": mode != "ro", "Propagation": "rprivate"})
	}
	if c.engine.podman {
		return c.inspectPodman(state)
	}
	config := object{
		"Hostname": c.hostname(), "Domainname": "", "User": c.spec.User, "AttachStdin": false, "AttachStdout": !c.spec.Detach, "AttachStderr": !c.spec.Detach,
		"Tty": false, "OpenStdin": c.spec.Interact, "Env": setEnv(c.image.entry.Env, c.spec.Env...), "Cmd": c.spec.commandOr(c.image.entry.Command), "Image": c.spec.Image,
		"Volumes": nil, "WorkingDir": c.spec.Workdir, "Entrypoint": c.spec.entrypoint(), "Labels": labelsOf(c.spec.Labels),
	}
	if h := orDefault(c.spec.Health, c.image.entry.Health); h != nil {
		config["Healthcheck"] = h
	}
	return object{
		"Id": c.id, "Created": stamp(c.created), "Path": argv[0], "Args": orEmpty(argv[1:]), "State": state, "Image": c.image.id, "Name": "/" + c.name,
		"RestartCount": c.restarts, "Driver": "overlay2", "Platform": "linux", "HostConfig": c.hostConfig(), "Mounts": mounts,
		"Config":          config,
		"NetworkSettings": object{"Ports": object{}, "IPAddress": "", "Networks": object{c.spec.networkName(): object{"IPAddress": "", "Gateway": ""}}},
	}
}

func labelsOf(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func (s containerSpec) commandOr(fallback []string) []string {
	if len(s.Command) == 0 && s.Entrypoint == "" {
		return fallback
	}
	return s.Command
}

func (s containerSpec) entrypoint() any {
	if s.Entrypoint == "" {
		return nil
	}
	return []string{s.Entrypoint}
}

func (s containerSpec) networkName() string {
	if s.Network == "" || s.Network == "default" {
		return "bridge"
	}
	return s.Network
}

// noLabels is the option that keeps SELinux away from a container.
const noLabels = "label=disable"

func (c *container) hostConfig() object {
	s := c.spec
	devices, ulimits, caps := []object{}, []object{}, []string{}
	for _, d := range s.Devices {
		devices = append(devices, object{"PathOnHost": d.Host, "PathInContainer": d.Inside, "CgroupPermissions": d.Rights})
	}
	for _, u := range s.Ulimits {
		ulimits = append(ulimits, object{"Name": u.Name, "Hard": u.Hard, "Soft": u.Soft})
	}
	for _, name := range s.CapAdd {
		caps = append(caps, "CAP_"+strings.TrimPrefix(strings.ToUpper(name), "CAP_"))
	}
	slices.Sort(caps)
	security := slices.Clone(s.SecurityOpt)
	if (s.Privileged || s.IPC == "host" || s.PID == "host") && !slices.Contains(security, noLabels) {
		security = append(security, noLabels) // as the engine does by itself
	}
	ports := object{}
	for _, p := range s.Ports {
		have, _ := ports[p.Inside].([]object)
		ports[p.Inside] = append(have, object{"HostIp": p.IP, "HostPort": p.Host})
	}
	policy, retries, _ := strings.Cut(orDefault(s.Restart, "no"), ":")
	count, _ := strconv.Atoi(retries)
	var initFlag any
	if s.initGiven {
		initFlag = s.Init
	}
	ipc := orDefault(s.IPC, "private")
	return object{
		"Binds": orNull(s.Binds), "NetworkMode": orDefault(s.Network, "bridge"), "PortBindings": ports, "RestartPolicy": object{"Name": policy, "MaximumRetryCount": count},
		"AutoRemove": s.Remove, "CapAdd": orNull(caps), "CapDrop": nil, "GroupAdd": orNull(s.GroupAdd), "IpcMode": ipc, "PidMode": s.PID, "Privileged": s.Privileged,
		"SecurityOpt": orNull(security), "ShmSize": orDefault(s.ShmSize, 64<<20), "Devices": devices, "Ulimits": ulimits, "Init": initFlag, "Runtime": "runc",
	}
}

func orNull(list []string) any {
	if len(list) == 0 {
		return nil
	}
	return list
}

// inspectImage is an image as docker image inspect describes it.
func (e *ContainerEngine) inspectImage(img *labImage) object {
	e.mu.Lock()
	defer e.mu.Unlock()
	layers := []string{}
	if config, err := img.image.ConfigFile(); err == nil {
		for _, d := range config.RootFS.DiffIDs {
			layers = append(layers, d.String())
		}
	}
	config := object{"Env": img.entry.Env, "Cmd": img.entry.Command, "Entrypoint": nil, "Labels": nil, "WorkingDir": "", "User": ""}
	if img.entry.Health != nil {
		config["Healthcheck"] = img.entry.Health
	}
	if e.podman {
		return e.inspectImagePodman(img, layers)
	}
	o := object{
		"Id": img.id, "RepoTags": e.repoTags(img), "RepoDigests": e.repoDigests(img), "Parent": "", "Comment": "", "Created": stamp(img.created),
		"Author": "", "Architecture": img.platform.Architecture, "Os": img.platform.OS, "Size": img.size, "DockerVersion": "",
		"Config": config,
		"RootFS": object{"Type": "layers", "Layers": layers},
	}
	if img.platform.Variant != "" {
		o["Variant"] = img.platform.Variant
	}
	return o
}

// render writes a description through a --format template. Templates see what the JSON says, and the members that it leaves out where they are empty.
func render(format string, what any) (string, error) {
	plain, err := asJSON(what)
	if err != nil {
		return "", err
	}
	if m, ok := plain.(map[string]any); ok {
		if state, ok := m["State"].(map[string]any); ok && state["Health"] == nil {
			state["Health"] = nil
		}
	}
	return execute(format, plain)
}

// renderPodman is render for podman, whose templates see times as such.
func renderPodman(format string, what any) (string, error) {
	plain, err := asJSON(what)
	if err != nil {
		return "", err
	}
	return execute(format, withTimes(plain))
}

func withTimes(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for k, e := range m {
		m[k] = withTimes(e)
		text, ok := e.(string)
		if at, err := time.Parse(time.RFC3339Nano, text); ok && err == nil && slices.Contains([]string{"Created", "StartedAt", "FinishedAt"}, k) {
			m[k] = at
		}
	}
	return m
}

// execute writes something through a --format template; docker's functions are there.
func execute(format string, what any) (string, error) {
	if format == "json" {
		format = "{{json .}}"
	}
	t, err := template.New("").Option("missingkey=error").Funcs(templateFunctions).Parse(format)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, what)
	return b.String(), err
}

func asJSON(v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var out any
	err = d.Decode(&out)
	return out, err
}

var templateFunctions = template.FuncMap{
	"json": func(v any) (string, error) {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		err := enc.Encode(withoutNull(v, "Health"))
		return strings.TrimSpace(b.String()), err
	},
	"join": func(list []any, sep string) string {
		words := make([]string, len(list))
		for i, v := range list {
			words[i] = fmt.Sprint(v)
		}
		return strings.Join(words, sep)
	},
	"upper": strings.ToUpper,
	"lower": strings.ToLower,
	"title": func(s string) string {
		if s == "" {
			return s
		}
		return strings.ToUpper(s[:1]) + s[1:]
	},
	"split":    strings.Split,
	"println":  fmt.Sprintln,
	"truncate": func(s string, n int) string { return s[:min(n, len(s))] },
}

// withoutNull leaves a member out where it is null.
func withoutNull(v any, name string) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := make(map[string]any, len(m))
	for k, e := range m {
		if k == name && e == nil {
			continue
		}
		out[k] = withoutNull(e, name)
	}
	return out
}

// ago is a duration as docker writes it.
func ago(d time.Duration) string {
	switch seconds := int(d.Seconds()); {
	case seconds < 1:
		return "Less than a second"
	case seconds == 1:
		return "1 second"
	case seconds < 60:
		return fmt.Sprintf("%d seconds", seconds)
	case seconds < 120:
		return "About a minute"
	case seconds < 3600:
		return fmt.Sprintf("%d minutes", seconds/60)
	case seconds < 7200:
		return "About an hour"
	case seconds < 48*3600:
		return fmt.Sprintf("%d hours", seconds/3600)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// status is the column of docker ps. The caller holds the engine's mutex.
func (c *container) status(now time.Time) string {
	up := "Up " + ago(now.Sub(c.started))
	switch c.state {
	case stateRunning:
		switch {
		case c.health == nil:
			return up
		case c.health.status == healthStarting && !c.engine.podman:
			return up + " (health: starting)"
		}
		return up + " (" + c.health.status + ")"
	case statePaused:
		if c.engine.podman {
			return "Paused"
		}
		return up + " (Paused)"
	case stateExited:
		return fmt.Sprintf("Exited (%d) %s ago", c.code, ago(now.Sub(c.finished)))
	case stateRestarting:
		return fmt.Sprintf("Restarting (%d) %s ago", c.code, ago(now.Sub(c.finished)))
	case stateDead:
		return "Dead"
	}
	return "Created"
}
